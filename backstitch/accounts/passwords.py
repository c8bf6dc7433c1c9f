"""Hashes passwords, checks their strength, and makes the proof that a person knows one.

The database stores `bcrypt-sha256:<salt>:<SHA-256 of the bcrypt result>`. At a sign-in the app reads the salt from the
database, computes bcrypt, and passes the result as the proof; the database compares its SHA-256. bcrypt reads at most
72 bytes, so its input is the SHA-256 of the password: any length and script works.
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
LONGEST_INPUT = 1000  # characters; normalising megabytes of text would block all other users
COST = 12
# Fewer guesses than this: well-known passwords, also doubled, numbered or spelt with digits, keyboard rows, dates.
GUESSES = 10_000_000

# Without characters that are easily confused, so that a password can be read out over the telephone.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def check_strength(password: str) -> None:
    """Raises Refused for a password that is too short, too long or common; any mix of characters is allowed."""
    normalised = _normalise(password)
    if not SHORTEST <= len(normalised) <= LONGEST:
        raise Refused(
            f"A password has {SHORTEST} to {LONGEST} characters; several words in a row make a good one.",
            rule="password_length",
        )
    if zxcvbn(normalised)["guesses"] < GUESSES:
        raise Refused(
            "This password is among the first that anybody would try. Take several words that do not belong together.",
            rule="password_common",
        )


def one_time() -> str:
    """A random password that an admin gives to a user: 16 characters in groups, 79 bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def hash_password(password: str, *, cost: int | None = None) -> str:
    """The value of accounts.users.password_hash for a password, with a new salt."""
    return hash_with_salt(password, bcrypt.gensalt(COST if cost is None else cost).decode())


def hash_with_salt(password: str, salt: str) -> str:
    """The value of accounts.users.password_hash for a password, with this salt."""
    return f"bcrypt-sha256:{salt}:{hashlib.sha256(proof(password, salt).encode()).hexdigest()}"


def proof(password: str, salt: str) -> str:
    """The proof for the database: the bcrypt result as text; takes about 0.2 s at cost 12."""
    digest = base64.b64encode(hashlib.sha256(_normalise(password).encode("utf-8", "surrogatepass")).digest())
    return bcrypt.hashpw(digest, salt.encode()).decode()


def rehash(password: str, salt: str) -> str | None:
    """A new hash of the password if `salt` has a lower cost than COST; else None."""
    return hash_password(password) if int(salt.split("$")[2]) < COST else None


def same_password(one: str, other: str) -> bool:
    """Whether two passwords are equal once normalised."""
    return _normalise(one) == _normalise(other)


def _normalise(password: str) -> str:
    # Another keyboard may compose the same characters differently. The sign-in form strips spaces around a password,
    # so they are stripped everywhere.
    return unicodedata.normalize("NFKC", password[:LONGEST_INPUT]).strip()
