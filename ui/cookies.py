"""What the sign-in cookie says: whose it is, if this installation signed it and its time is not over."""

import time

import jwt

from backstitch import installation, startup


def username(token: object) -> str | None:
    """The user of a sign-in cookie; None for one that is missing, not ours, over, or odd in any way."""
    if not isinstance(token, str):
        return None
    try:
        claims = jwt.decode(token, installation.cookie_key(startup.current().settings), algorithms=["HS256"])
    except (jwt.PyJWTError, ValueError):
        return None
    name, until = claims.get("username"), claims.get("exp_date")
    fits = isinstance(name, str) and isinstance(until, int | float) and until > time.time()
    return name if fits else None
