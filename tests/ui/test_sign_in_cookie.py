"""What the sign-in library is given, and what its cookie opens: SAFETY rows 21 to 23."""

import re
from typing import Any

import jwt
import pytest
import streamlit_authenticator as stauth
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from backstitch import installation
from backstitch.accounts.permissions import Role
from backstitch.settings import PROJECT
from backstitch.startup import Service
from tests.conftest import BROWSER, PASSWORD, email_of
from tests.ui.shop import run
from ui import BROWSER_COOKIE, SIGN_IN_COOKIE

LATER, BEFORE = 4_102_444_800, 1_700_000_000  # 2100 and 2023
MANAGER = email_of(Role.MANAGER)
GOOD = {"username": MANAGER, "exp_date": LATER}


@pytest.fixture
def key(service: Service) -> str:
    return installation.cookie_key(service.settings)


def shows(tab: AppTest, monkeypatch: pytest.MonkeyPatch, token: str, browser: str = BROWSER) -> str:
    """`sign-in`, or who is signed in, to a browser that sends these cookies."""
    cookies = {BROWSER_COOKIE: browser, SIGN_IN_COOKIE: token}
    monkeypatch.setattr(ContextProxy, "cookies", property(lambda self: cookies))
    run(tab)
    if [field.label for field in tab.text_input] == ["Email", "Password"]:
        assert not tab.error
        return "sign-in"
    return str(tab.text[0].value)


def test_a_good_cookie_in_its_own_browser_is_resumed_and_in_another_is_not(
    signed_out: AppTest, key: str, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    token = jwt.encode(GOOD, key, "HS256")
    assert shows(signed_out, monkeypatch, token, "another browser") == "sign-in"
    fresh = AppTest.from_file(str(PROJECT / "ui" / "main.py"), default_timeout=30)
    assert shows(fresh, monkeypatch, token) == "Manager Rao · manager"


def test_of_browsers_that_refuse_cookies_each_tab_is_one_of_its_own(
    signed_out: AppTest, key: str, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    run(signed_out)
    for field, typed in zip(signed_out.text_input, (MANAGER, PASSWORD), strict=True):
        field.set_value(typed)
    signed_out.button[0].click()
    assert run(signed_out).text[0].value == "Manager Rao · manager"
    thief = AppTest.from_file(str(PROJECT / "ui" / "main.py"), default_timeout=30)
    assert shows(thief, monkeypatch, jwt.encode(GOOD, key, "HS256"), browser="") == "sign-in"


@pytest.mark.parametrize(
    "claims",
    [
        GOOD | {"exp_date": BEFORE},
        {"username": MANAGER},
        {"exp_date": LATER},
        GOOD | {"exp_date": "later"},
        GOOD | {"exp_date": None},
        GOOD | {"username": None},
        GOOD | {"username": ["x"]},
        GOOD | {"username": {"x": 1}},
        GOOD | {"username": ""},
        GOOD | {"username": "\x00"},
        GOOD | {"username": "nobody@example.com"},
        {},
    ],
    ids=str,
)
def test_a_cookie_with_odd_content_is_please_sign_in(
    signed_out: AppTest, key: str, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any]
) -> None:
    assert shows(signed_out, monkeypatch, jwt.encode(claims, key, "HS256")) == "sign-in"


@pytest.mark.parametrize("how", ["alg=none", "another key", "the library's default key", "HS512", "cut", "noise", ""])
def test_a_cookie_that_was_not_signed_here_is_please_sign_in(
    signed_out: AppTest, key: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    tokens = {
        "alg=none": jwt.encode(GOOD, None, "none"),
        "another key": jwt.encode(GOOD, key[::-1], "HS256"),
        "the library's default key": jwt.encode(GOOD, "some_key".ljust(32, "_"), "HS256"),
        "HS512": jwt.encode(GOOD, key.ljust(64, "_"), "HS512"),
        "cut": jwt.encode(GOOD, key, "HS256")[:-2],
        "noise": "\xff.<b>.",
        "": "",
    }
    assert shows(signed_out, monkeypatch, tokens[how]) == "sign-in"


def test_the_library_gets_fresh_and_empty_credentials_and_the_key_of_the_installation(
    signed_out: AppTest, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    made: Any = stauth.Authenticate

    def noting(credentials: dict[str, Any], **options: Any) -> Any:
        given.append({"credentials": credentials, "users": dict(credentials["usernames"])} | options)
        return made(credentials, **options)

    monkeypatch.setattr(stauth, "Authenticate", noting)
    for _ in range(2):
        run(signed_out)
    first, second = given
    assert first["users"] == second["users"] == {} and first["credentials"] is not second["credentials"]
    assert all(call["cookie_key"] == key and len(key) >= 43 for call in given)
    assert all("api_key" not in call and call["auto_hash"] is False for call in given)


def test_what_mails_or_shows_secrets_is_never_used() -> None:
    never = re.compile(r"forgot_|register_user|guest_login|api_key|send_(email|password)|two_factor|experimental_")
    sources = [*PROJECT.glob("ui/*.py"), *PROJECT.glob("pages/*.py"), *PROJECT.glob("backstitch/**/*.py")]
    assert len(sources) > 60
    assert [path.name for path in sources if never.search(path.read_text())] == []
