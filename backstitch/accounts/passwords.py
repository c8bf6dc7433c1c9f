"""Passwords: what is kept of them, and the proof that a person knows one.

Kept: `bcrypt-sha256:<salt>:<SHA-256 of the bcrypt result>`. Whoever signs in asks the database for the
salt, computes bcrypt here, and hands the result over as the proof; the database compares its SHA-256.
bcrypt reads 72 bytes at most, so it is given the SHA-256 of the password: any length and script works.
"""

import base64
import hashlib
import secrets
import unicodedata

import bcrypt
from zxcvbn import zxcvbn

from backstitch.errors import Refused

SHORTEST = 12
LONGEST = 64
MOST_READ = 1000  # what is longer is nobody's; bringing megabytes into normal form would stop every other user
COST = 12
# What tools guess first: well-known passwords, also doubled, numbered or spelt with digits, keyboard rows, dates.
GUESSES = 10_000_000

# No letters that are taken for one another; read out over the telephone.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def check_strength(password: str) -> None:
    """Raises Refused for a password that is too short, too long or common. No rules of composition."""
    normal = _normal(password)
    if not SHORTEST <= len(normal) <= LONGEST:
        raise Refused(
            f"A password has {SHORTEST} to {LONGEST} characters; several words in a row make a good one.",
            rule="password_length",
        )
    if zxcvbn(normal)["guesses"] < GUESSES:
        raise Refused(
            "This password is among the first that anybody would try. Take several words that do not belong together.",
            rule="password_common",
        )


def one_time() -> str:
    """A random password for an admin to hand on: 16 characters in groups, 79 bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def stored(password: str, *, cost: int | None = None) -> str:
    """What accounts.users.password_hash keeps of a password."""
    return stored_with(password, bcrypt.gensalt(COST if cost is None else cost).decode())


def stored_with(password: str, salt: str) -> str:
    """The same with this salt."""
    return f"bcrypt-sha256:{salt}:{hashlib.sha256(proof(password, salt).encode()).hexdigest()}"


def proof(password: str, salt: str) -> str:
    """The bcrypt result of `password` with `salt`, as text; takes about 0.2 s at cost 12."""
    digest = base64.b64encode(hashlib.sha256(_normal(password).encode("utf-8", "surrogatepass")).digest())
    return bcrypt.hashpw(digest, salt.encode()).decode()


def renewed(password: str, salt: str) -> str | None:
    """What to keep of a password from now on, if `salt` is of a lower cost than today's; None if it is not."""
    return stored(password) if int(salt.split("$")[2]) < COST else None


def are_alike(one: str, other: str) -> bool:
    """Whether they are one password, however each was typed."""
    return _normal(one) == _normal(other)


def _normal(password: str) -> str:
    # The same characters typed on another keyboard may arrive composed differently. The form of the sign-in
    # takes away spaces around a password, so they count nowhere.
    return unicodedata.normalize("NFKC", password[:MOST_READ]).strip()
