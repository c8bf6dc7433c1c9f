"""The sign-in cookie: whose it is and of which session, if this installation signed it and its time is not over."""

import time
from dataclasses import dataclass
from datetime import datetime

import jwt

from backstitch import installation, startup


@dataclass(frozen=True)
class SignIn:
    """Who signed in, and the session that came of it: the cookie of an earlier one must not open a later one."""

    email: str
    session_id: int


def issued(sign_in: SignIn, until: datetime) -> str:
    """The cookie, as `read` takes it until then."""
    claims = {"username": sign_in.email, "session": sign_in.session_id, "exp_date": until.timestamp()}
    return jwt.encode(claims, _key(), algorithm="HS256")


def read(token: object) -> SignIn | None:
    """What a sign-in cookie says; None for one that is missing, not ours, over, or odd in any way."""
    if not isinstance(token, str):
        return None
    try:
        claims = jwt.decode(token, _key(), algorithms=["HS256"])
    except (jwt.PyJWTError, ValueError):
        return None
    name, session, until = claims.get("username"), claims.get("session"), claims.get("exp_date")
    if not (isinstance(name, str) and name and isinstance(until, int | float) and until > time.time()):
        return None
    return SignIn(name, session) if type(session) is int else None


def _key() -> str:
    return installation.cookie_key(startup.current().settings)
