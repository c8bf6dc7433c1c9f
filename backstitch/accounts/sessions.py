"""Signing in and out, and one's own account. The database decides; this module proves and names the session."""

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
USED_BEFORE = "the provider's word is old"
MOST_TYPED = 1000  # characters of a name; nobody's is as long


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
    """Where a sign-in comes from. `secret` is the browser's own random cookie."""

    secret: str
    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True)
class Assertion:
    """What an identity provider said: `email` is verified by it, `identity` is of this one word of it alone."""

    email: str
    identity: str
    issued_at: datetime


@dataclass(frozen=True)
class Session:
    """A sign-in that lives. `is_this` is the one that asked."""

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
    """Something that happened to an account: `details` are those of the record, without values of fields."""

    id: int
    recorded_at: datetime
    action: str
    operation: str | None
    by_user: str | None
    address: str | None
    user_agent: str | None
    details: Mapping[str, Any]


class Locked(Refused):
    """Too many failed sign-ins. `until` is when the next one is tried."""

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
SIGN_OUT = text("select accounts.sign_out()")
ME = text("select id, email, name, role, must_change_password from accounts.me()")
# The one in use first, then by when they were last seen.
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
    """The session of `email` in the browser that holds `browser_secret`; the database knows whether it lives.

    With `session_id` only that one, and not what came of a later sign-in there.
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
    """Whether `password` is that of `email`; opens the session if so. Both outcomes are on the record.

    Raises Locked when too many have failed, known user or not; then nothing is tried.
    """
    email = _storable(email[:MOST_TYPED])
    who = {"email": email, "token": actor(browser.secret, email).token, "address": browser.address}
    with database.anonymous() as connection:
        salt, until = connection.execute(PREPARE, who).one()
    if until is not None:
        raise Locked(until)
    # Outside a transaction: hashing takes its time, and holds no connection meanwhile.
    given = who | {
        "proof": passwords.proof(password, salt),
        "renewed": passwords.renewed(password, salt),
        "user_agent": _storable(browser.user_agent),
        "lifetime": lifetime,
        "idle_limit": idle_limit,
    }
    with database.anonymous() as connection:
        if connection.execute(SIGN_IN, given).scalar_one():
            return True
        until = connection.execute(LOCKED, who).scalar_one()
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
    """Opens a session for whom the identity provider names, if an active user has that address; or says why not.

    `secret` is the installation's, whose hash the database keeps. Both outcomes are on the record. USED_BEFORE is the
    answer for a word of the provider that came of a sign-in before, or is old.
    """
    email = _storable(assertion.email)
    given = {
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
        return connection.execute(SIGN_IN_BY_PROVIDER, given).scalar_one()  # type: ignore[no-any-return]


def _storable(typed: str | None) -> str:
    return (typed or "").replace("\x00", "").encode("utf-8", "replace").decode()


def seen(database: Database, who: SignedIn) -> bool:
    """Notes that the session is in use, which keeps it alive; False when it is over. To be called once a minute."""
    with database.anonymous() as connection:
        return bool(connection.execute(SEEN, {"token": who.token}).scalar_one())


def sign_out(database: Database, who: SignedIn) -> None:
    """Ends the session. Raises SignedOut when it has ended already."""
    with database.transaction(who, operation="sign out") as connection:
        connection.execute(SIGN_OUT)


def current_user(connection: Connection) -> User | None:
    """The user of this transaction; None for the system."""
    row = connection.execute(ME).one_or_none()
    if row is None:
        return None
    return User(row.id, row.email, row.name, Role(row.role), row.must_change_password)


def current_session(connection: Connection) -> int:
    """The id of the session in which this transaction's user works."""
    return int(connection.execute(SESSION).scalar_one())


def live_sessions(connection: Connection, *, everybody: bool = False) -> list[Session]:
    """The user's sessions, the one in use first, then the last seen; `everybody`'s for an admin."""
    return [Session(**row) for row in connection.execute(LIVE, {"everybody": everybody}).mappings()]


def end_session(connection: Connection, *, session_id: int) -> int:
    """Ends one session, one's own or, for an admin, anybody's; how many it ended, 0 or 1."""
    return int(connection.execute(END, {"session_id": session_id, "of_user": None}).scalar_one())


def end_sessions_of(connection: Connection, *, user_id: int) -> int:
    """Ends every session of a user, oneself or, for an admin, anybody; how many it ended."""
    return int(connection.execute(END, {"session_id": None, "of_user": user_id}).scalar_one())


def activity(connection: Connection, *, most: int = 50) -> list[AccountEvent]:
    """What happened to the user's account, newest first: sign-ins, failures, changes."""
    return [AccountEvent(**row) for row in connection.execute(ACTIVITY, {"most": most}).mappings()]


def change_password(database: Database, who: SignedIn, *, email: str, old: str, new: str) -> None:
    """Replaces the user's password and ends the other sessions.

    Raises Refused for a new one that is weak or the old one again, and for an old one that is not right.
    """
    passwords.check_strength(new)
    if passwords.are_alike(new, old):
        raise Refused("The new password is the old one. Choose another.", rule="password_same")
    with database.anonymous() as connection:
        salt = connection.execute(SALT, {"email": email}).scalar_one()
    given = {"proof": passwords.proof(old, salt), "stored": passwords.stored(new)}
    with database.transaction(who, operation="change password") as connection:
        changed = connection.execute(CHANGE_PASSWORD, given).scalar_one()
    if not changed:
        raise Refused("The present password is not right. Nothing was changed.", rule="password_wrong")
