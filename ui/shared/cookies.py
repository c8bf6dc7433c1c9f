"""The sign-in cookie: a signed token that names a user and a session until it expires."""

import time
from dataclasses import dataclass
from datetime import datetime

import jwt

from backstitch import installation, startup


@dataclass(frozen=True)
class SignIn:
    """The user and the session of a sign-in; without the session an old cookie would open a later session."""

    email: str
    session_id: int


def encode(sign_in: SignIn, until: datetime) -> str:
    """The signed token, which `decode` accepts `until` then."""
    claims = {"username": sign_in.email, "session": sign_in.session_id, "exp_date": until.timestamp()}
    return jwt.encode(claims, _key(), algorithm="HS256")


def decode(token: object) -> SignIn | None:
    """The sign-in that a token names; None for one that is missing, signed elsewhere, expired or malformed."""
    if not isinstance(token, str):
        return None
    try:
        claims = jwt.decode(token, _key(), algorithms=["HS256"])
    except (jwt.PyJWTError, ValueError):
        return None
    name, session, until = claims.get("username"), claims.get("session"), claims.get("exp_date")
    if not (isinstance(name, str) and name and isinstance(until, int | float) and until > time.time()):
        return None
    return SignIn(name, session) if type(session) is int and 0 < session < 2**63 else None


def _key() -> str:
    return installation.cookie_key(startup.current().settings)
