"""Passwords: what is kept of them, and the proof that a person knows one.

Kept: `bcrypt-sha256:<salt>:<SHA-256 of the bcrypt result>`. Whoever signs in asks the database for the
salt, computes bcrypt here, and hands the result over as the proof; the database compares its SHA-256.
bcrypt reads 72 bytes at most, so it is given the SHA-256 of the password: any length and script works.
"""

import base64
import hashlib
import unicodedata

import bcrypt

from backstitch.errors import Refused

SHORTEST = 12
LONGEST = 64
COST = 12


def check_strength(password: str) -> None:
    """Raises Refused for a password that is too short or too long. No rules of composition."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(
            f"A password has {SHORTEST} to {LONGEST} characters; several words in a row make a good one.",
            rule="password_length",
        )


def stored(password: str, *, cost: int = COST) -> str:
    """What accounts.users.password_hash keeps of a password."""
    salt = bcrypt.gensalt(cost).decode()
    return f"bcrypt-sha256:{salt}:{hashlib.sha256(proof(password, salt).encode()).hexdigest()}"


def proof(password: str, salt: str) -> str:
    """The bcrypt result of `password` with `salt`, as text; takes about 0.2 s at cost 12."""
    # The same characters typed on another keyboard may arrive composed differently.
    normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    digest = base64.b64encode(hashlib.sha256(normal).digest())
    return bcrypt.hashpw(digest, salt.encode()).decode()
