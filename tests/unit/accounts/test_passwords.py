"""Passwords: which are taken, what is kept, and how long it takes: SAFETY rows 17 and 18."""

import statistics
import time
import unicodedata

import pytest

from backstitch.accounts import passwords
from backstitch.errors import Refused
from tests.conftest import PASSWORD, REAL_COST

DEVANAGARI = "नमस्ते दुनिया, मेरी दुकान"


def refusal(password: str) -> str | None:
    """The rule that refuses it."""
    try:
        passwords.check_strength(password)
    except Refused as refused:
        return refused.rule
    return None


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "demo of backstitch",
        "k" * 11 + "ä" + "9w tea table, hill"[:12],
        DEVANAGARI,
        DEVANAGARI + DEVANAGARI[::-1],
        "مفتاح المتجر القديم",
        "👗🏽 kurta 👩‍👩‍👧 lorry",
        "only lower case letters here",
        "x9-" + "correct horse battery staple mustard lorry cotton window pencil"[:61],
    ],
)
def test_long_enough_passwords_of_any_script_are_taken(password: str) -> None:
    assert refusal(password) is None
    kept = passwords.hash_password(password)
    salt = kept.split(":")[1]
    for typed in (password, f"  {password} ", *(unicodedata.normalize(form, password) for form in ("NFC", "NFD"))):
        assert passwords.hash_with_salt(typed, salt) == kept
    # Beyond the 72 bytes that bcrypt reads, every character counts.
    assert passwords.hash_with_salt(password[:-1], salt) != kept


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("", "password_length"),
        ("eleven char", "password_length"),
        ("  eleven char  ", "password_length"),
        ("k9#" * 21 + "ab", "password_length"),
        ("password1234", "password_common"),
        ("passwordpassword", "password_common"),
        ("P@ssw0rdP@ssw0rd", "password_common"),
        ("123456789012", "password_common"),
        ("qwertyuiop12", "password_common"),
        ("iloveyou1234", "password_common"),
        ("aaaaaaaaaaaaaaaa", "password_common"),
        ("abcabcabcabc", "password_common"),
    ],
)
def test_short_long_and_common_passwords_are_refused(password: str, rule: str) -> None:
    assert refusal(password) == rule


def test_a_one_time_password_is_random_long_and_good_enough() -> None:
    made = {passwords.one_time() for _ in range(50)}
    assert len(made) == 50
    assert all(len(password) == 19 and refusal(password) is None for password in made)


def test_hashing_takes_long_enough_to_slow_down_guessing_and_at_most_half_a_second() -> None:
    assert REAL_COST >= 12
    salt = passwords.hash_password(PASSWORD, cost=REAL_COST).split(":")[1]
    times = []
    for _ in range(3):
        start = time.process_time()
        passwords.proof(PASSWORD, salt)
        times.append(time.process_time() - start)
    assert 0.05 < statistics.median(times) <= 0.5


def test_megabytes_typed_as_a_password_block_nobody() -> None:
    salt = passwords.hash_password(PASSWORD, cost=4).split(":")[1]
    start = time.process_time()
    passwords.proof("\ufdfa" * 2_000_000, salt)  # one sign whose normal form has eighteen
    assert refusal("\ufdfa" * 2_000_000) == "password_length"
    assert time.process_time() - start < 0.5


def test_a_password_is_rehashed_only_when_the_cost_has_risen(monkeypatch: pytest.MonkeyPatch) -> None:
    salt = passwords.hash_password(PASSWORD, cost=5).split(":")[1]
    for cost, renews in ((5, False), (4, False), (6, True)):
        monkeypatch.setattr(passwords, "COST", cost)
        kept = passwords.rehash(PASSWORD, salt)
        assert (kept is not None) is renews
        assert kept is None or kept.startswith("bcrypt-sha256:$2b$06$")


def test_a_password_is_the_same_however_it_was_typed() -> None:
    assert passwords.same_password("correct horse ﬁve staples", "correct horse five staples ")
    assert not passwords.same_password("correct horse five staples", "Correct horse five staples")
