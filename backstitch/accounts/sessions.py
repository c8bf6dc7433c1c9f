"""Signs users in and out, and reads and changes their own account. The database decides on every sign-in."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from backstitch.accounts import passwords
from backstitch.accounts.permissions import Permission, Role, may
from backstitch.database import SESSION, Database, SignedIn
from backstitch.errors import Refused

IDLE_LIMIT = timedelta(hours=8)
ASSERTION_USED = "the provider's word is old"  # an answer of accounts.sign_in_by_provider
LONGEST_EMAIL = 1000  # characters


@dataclass(frozen=True)
class User:
    """The signed-in user."""

    id: int
    email: str
    name: str
    role: Role
    must_change_password: bool

    def may(self, permission: Permission) -> bool:
        """Whether the user's role has `permission`."""
        return may(self.role, permission)


@dataclass(frozen=True)
class Browser:
    """The browser of a sign-in. `secret` is its random cookie."""

    secret: str
    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True)
class Assertion:
    """An assertion of an identity provider: `email` is verified, `identity` is unique to this assertion."""

    email: str
    identity: str
    issued_at: datetime


@dataclass(frozen=True)
class Session:
    """A live session. `is_this` marks the session of the current transaction."""

    id: int
    user_id: int
    email: str
    name: str
    address: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    is_this: bool


@dataclass(frozen=True)
class AccountEvent:
    """An event of an account, such as a sign-in: `details` are those of the record, without values of fields."""

    id: int
    recorded_at: datetime
    action: str
    operation: str | None
    by_user: str | None
    address: str | None
    user_agent: str | None
    details: Mapping[str, Any]


class Locked(Refused):
    """Too many sign-ins have failed. No sign-in is tried before `until`."""

    def __init__(self, until: datetime) -> None:
        minutes = max(1, math.ceil((until - datetime.now(UTC)) / timedelta(minutes=1)))
        wait = "1 minute" if minutes == 1 else f"{minutes} minutes"
        super().__init__(f"Too many sign-ins have failed. Try again in {wait}.", rule="sign_in_locked")
        self.until = until


PREPARE = text("select accounts.password_salt(:email), accounts.locked_until(:email, :token, cast(:address as inet))")
LOCKED = text("select accounts.locked_until(:email, :token, cast(:address as inet))")
SIGN_IN = text(
    "select accounts.sign_in(:email, :proof, :token, cast(:address as inet), :user_agent, :lifetime, :idle_limit, "
    ":renewed)"
)
SIGN_IN_BY_PROVIDER = text(
    "select accounts.sign_in_by_provider(:email, :secret, :assertion, :asserted_at, :token, "
    "cast(:address as inet), :user_agent, :lifetime, :idle_limit)"
)
SEEN = text("select accounts.seen(:token)")
WHY_ENDED = text("select accounts.why_ended(:token, :session_id)")
SIGN_OUT = text("select accounts.sign_out()")
ME = text("select id, email, name, role, must_change_password from accounts.me()")
# The current session first, then the others by the time they were last seen.
LIVE = text(
    "select id, user_id, email, name, host(address) as address, user_agent, created_at, last_seen_at, ends_at, is_this "
    "from accounts.live_sessions(:everybody)"
)
END = text("select accounts.end_sessions(:session_id, :of_user)")
# Newest first.
ACTIVITY = text(
    "select id, recorded_at, action, operation, by_user, host(address) as address, user_agent, details "
    "from accounts.my_activity(:most)"
)
SALT = text("select accounts.password_salt(:email)")
CHANGE_PASSWORD = text("select accounts.change_password(:proof, :stored)")


def actor(browser_secret: str, email: str, session_id: int | None = None) -> SignedIn:
    """The actor for the session of `email` in the browser with `browser_secret`; the database checks it when used.

    With `session_id` only that session is meant, not one of a later sign-in in the same browser.
    """
    token = hashlib.sha256(f"{browser_secret}\n{email.strip().lower()}".encode()).hexdigest()
    return SignedIn(token, session_id)


def sign_in(
    database: Database,
    *,
    email: str,
    password: str,
    browser: Browser,
    lifetime: timedelta,
    idle_limit: timedelta = IDLE_LIMIT,
) -> bool:
    """Opens a session if `password` is that of `email`, and returns whether it is. Both outcomes are on the record.

    Raises Locked after too many failures, whether the user exists or not; then the password is not tried.
    """
    email = _storable(email[:LONGEST_EMAIL])
    attempt = {"email": email, "token": actor(browser.secret, email).token, "address": browser.address}
    with database.anonymous() as connection:
        salt, until = connection.execute(PREPARE, attempt).one()
    if until is not None:
        raise Locked(until)
    # Outside a transaction: hashing is slow and must not hold a connection.
    parameters = attempt | {
        "proof": passwords.proof(password, salt),
        "renewed": passwords.rehash(password, salt),
        "user_agent": _storable(browser.user_agent),
        "lifetime": lifetime,
        "idle_limit": idle_limit,
    }
    with database.anonymous() as connection:
        if connection.execute(SIGN_IN, parameters).scalar_one():
            return True
        until = connection.execute(LOCKED, attempt).scalar_one()
    if until is not None:
        raise Locked(until)
    return False


def sign_in_by_provider(
    database: Database,
    assertion: Assertion,
    *,
    secret: str,
    browser: Browser,
    lifetime: timedelta,
    idle_limit: timedelta = IDLE_LIMIT,
) -> str | None:
    """Opens a session for the active user with the address of the assertion; returns None, or why it did not.

    `secret` is that of the installation, whose hash the database keeps. Both outcomes are on the record.
    ASSERTION_USED is returned for an assertion that was used for a sign-in before, or is old.
    """
    email = _storable(assertion.email)
    parameters = {
        "email": email,
        "secret": secret,
        "assertion": _storable(assertion.identity),
        "asserted_at": assertion.issued_at,
        "token": actor(browser.secret, email).token,
        "address": browser.address,
        "user_agent": _storable(browser.user_agent),
        "lifetime": lifetime,
        "idle_limit": idle_limit,
    }
    with database.anonymous() as connection:
        return connection.execute(SIGN_IN_BY_PROVIDER, parameters).scalar_one()  # type: ignore[no-any-return]


def _storable(typed: str | None) -> str:
    return (typed or "").replace("\x00", "").encode("utf-8", "replace").decode()


def mark_seen(database: Database, signed_in: SignedIn) -> bool:
    """Marks the session as in use, which keeps it alive; returns False when it has ended. Call it once a minute."""
    with database.anonymous() as connection:
        return bool(connection.execute(SEEN, {"token": signed_in.token}).scalar_one())


def why_ended(database: Database, signed_in: SignedIn) -> str | None:
    """The cause for which the session has ended, as accounts.why_ended names it; None where no record explains it."""
    with database.anonymous() as connection:
        parameters = {"token": signed_in.token, "session_id": signed_in.session_id}
        return connection.execute(WHY_ENDED, parameters).scalar_one()  # type: ignore[no-any-return]


def sign_out(database: Database, signed_in: SignedIn) -> None:
    """Ends the session. Raises SignedOut when it has ended already."""
    with database.transaction(signed_in, operation="sign out") as connection:
        connection.execute(SIGN_OUT)


def current_user(connection: Connection) -> User | None:
    """The user of this transaction; None when the system acts."""
    row = connection.execute(ME).one_or_none()
    if row is None:
        return None
    return User(row.id, row.email, row.name, Role(row.role), row.must_change_password)


def current_session(connection: Connection) -> int:
    """The id of the session of this transaction."""
    return int(connection.execute(SESSION).scalar_one())


def live_sessions(connection: Connection, *, everybody: bool = False) -> list[Session]:
    """The user's live sessions, the current one first, then by last use; for an admin with `everybody`, all users'."""
    return [Session(**row) for row in connection.execute(LIVE, {"everybody": everybody}).mappings()]


def end_session(connection: Connection, *, session_id: int) -> int:
    """Ends a session of the user, or for an admin any session; returns how many it ended, 0 or 1."""
    return int(connection.execute(END, {"session_id": session_id, "of_user": None}).scalar_one())


def end_sessions_of(connection: Connection, *, user_id: int) -> int:
    """Ends all sessions of the user, or for an admin those of any user; returns how many it ended."""
    return int(connection.execute(END, {"session_id": None, "of_user": user_id}).scalar_one())


def activity(connection: Connection, *, most: int = 50) -> list[AccountEvent]:
    """The latest events of the user's account, newest first: sign-ins, failures, changes."""
    return [AccountEvent(**row) for row in connection.execute(ACTIVITY, {"most": most}).mappings()]


def change_password(database: Database, signed_in: SignedIn, *, email: str, old: str, new: str) -> None:
    """Replaces the user's password and ends the other sessions.

    Raises Refused when the new password is weak or equals the old one, and when the old one is wrong.
    """
    passwords.check_strength(new)
    if passwords.same_password(new, old):
        raise Refused("The new password is the old one. Choose another.", rule="password_same")
    with database.anonymous() as connection:
        salt = connection.execute(SALT, {"email": email}).scalar_one()
    parameters = {"proof": passwords.proof(old, salt), "stored": passwords.hash_password(new)}
    with database.transaction(signed_in, operation="change password") as connection:
        changed = connection.execute(CHANGE_PASSWORD, parameters).scalar_one()
    if not changed:
        raise Refused("The present password is not right. Nothing was changed.", rule="password_wrong")
