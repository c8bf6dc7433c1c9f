"""Signing in and out. The database decides; this module computes the proof and names the session."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from backstitch.accounts import passwords
from backstitch.accounts.permissions import Permission, Role, may
from backstitch.database import Database, SignedIn


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


SALT = text("select accounts.password_salt(:email)")
SIGN_IN = text("select accounts.sign_in(:email, :proof, :token, cast(:address as inet), :user_agent, :lifetime)")
SIGN_OUT = text("select accounts.sign_out()")
ME = text("select id, email, name, role, must_change_password from accounts.me()")


def actor(browser_secret: str, email: str) -> SignedIn:
    """The session of `email` in the browser that holds `browser_secret`; the database knows whether it lives."""
    return SignedIn(hashlib.sha256(f"{browser_secret}\n{email.strip().lower()}".encode()).hexdigest())


def sign_in(database: Database, *, email: str, password: str, browser: Browser, lifetime: timedelta) -> bool:
    """Whether `password` is that of `email`; opens the session if so. Both outcomes are on the record."""
    email = email.replace("\x00", "").encode("utf-8", "replace").decode()
    with database.anonymous() as connection:
        salt = connection.execute(SALT, {"email": email}).scalar_one()
    # Outside a transaction: hashing takes its time, and holds no connection meanwhile.
    proof = passwords.proof(password, salt)
    with database.anonymous() as connection:
        return bool(
            connection.execute(
                SIGN_IN,
                {
                    "email": email,
                    "proof": proof,
                    "token": actor(browser.secret, email).token,
                    "address": browser.address,
                    "user_agent": browser.user_agent,
                    "lifetime": lifetime,
                },
            ).scalar_one()
        )


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
