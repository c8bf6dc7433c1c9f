"""What of an identity provider's word is enough to come in."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st

from backstitch.accounts.sessions import Assertion
from backstitch.errors import StartError
from tests.ui.shop import unescaped
from ui.shared import single_sign_on
from ui.shared.single_sign_on import assertion

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "is_logged_in": True,
    "email": "asha@example.com",
    "email_verified": True,
    "iat": NOW.timestamp(),
    "iss": "https://id.example",
    "sub": "7",
    "nonce": "n",
}


def test_a_fresh_word_on_a_verified_address_is_enough_and_each_is_its_own() -> None:
    outcome = assertion(GOOD, NOW)
    assert isinstance(outcome, Assertion)
    assert (outcome.email, outcome.issued_at) == ("asha@example.com", NOW)
    for claim, value in (("nonce", "m"), ("sub", "8"), ("iss", "https://other.example"), ("iat", NOW.timestamp() + 1)):
        other = assertion(GOOD | {claim: value}, NOW)
        assert isinstance(other, Assertion) and other.identity != outcome.identity


@pytest.mark.parametrize("verified", [False, None, "true", 1, "yes"])
def test_an_address_that_is_not_verified_is_refused_with_a_sentence(verified: object) -> None:
    outcome = assertion(GOOD | {"email_verified": verified}, NOW)
    assert isinstance(outcome, str) and outcome.startswith("The identity provider has not verified your email address.")


@pytest.mark.parametrize("email", ["asha@example.com\x00", "asha@example.com\n", "\ud800asha@example.com", ["asha"]])
def test_what_is_no_address_is_nobodys_verified_address(email: object) -> None:
    outcome = assertion(GOOD | {"email": email}, NOW)
    assert isinstance(outcome, str) and outcome.startswith("The identity provider has not verified your email address.")


def test_the_address_that_the_provider_names_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    word = GOOD | {"email": "*[a](b)*<img/>@example.com", "iat": datetime.now(UTC).timestamp()}
    shown: list[str] = []
    monkeypatch.setattr(st, "user", SimpleNamespace(to_dict=lambda: word))
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "error", lambda text, icon: shown.append(text))
    monkeypatch.setattr(st, "button", lambda *named, **options: False)
    assert single_sign_on.offer(lambda outcome: "unknown user") is False
    assert [unescaped(text) for text in shown] == [
        f"No active user here has the address {word['email']}. Ask an admin to add you."
    ]


@pytest.mark.parametrize(("secret", "starts"), [("x" * 32, True), ("x" * 31, False), ("", False), (None, False)])
def test_with_a_secret_that_could_be_guessed_the_app_does_not_start(
    monkeypatch: pytest.MonkeyPatch, secret: str | None, starts: bool
) -> None:
    monkeypatch.setattr(single_sign_on, "is_configured", lambda: True)
    monkeypatch.setattr(st, "secrets", {"auth": {} if secret is None else {"cookie_secret": secret}})
    if starts:
        single_sign_on.require_secret()
        monkeypatch.setattr(single_sign_on, "is_configured", lambda: False)
        monkeypatch.setattr(st, "secrets", {})
        single_sign_on.require_secret()
        return
    with pytest.raises(StartError, match=r"^The cookie_secret of the section auth .* is too short"):
        single_sign_on.require_secret()


@pytest.mark.parametrize(
    "changed",
    [
        {"is_logged_in": False},
        {"is_logged_in": "yes"},
        {"iat": None},
        {"iat": "now"},
        {"iat": (NOW - timedelta(minutes=5)).timestamp()},
        {"iat": (NOW + timedelta(minutes=5)).timestamp()},
    ],
)
def test_an_old_or_incomplete_assertion_is_ignored(changed: dict[str, Any]) -> None:
    assert assertion(GOOD | changed, NOW) is None
    assert assertion({}, NOW) is None
