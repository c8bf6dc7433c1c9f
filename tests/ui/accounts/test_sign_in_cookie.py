"""The arguments of the sign-in library, and the sessions that its cookie opens: SAFETY rows 21 to 23."""

import re
from datetime import timedelta
from typing import Any

import jwt
import pytest
import streamlit_authenticator as stauth
from extra_streamlit_components import CookieManager
from starlette.requests import Request
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from backstitch import installation
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.database import SignedIn
from backstitch.errors import SignedOut
from backstitch.settings import PROJECT
from backstitch.startup import Service
from tests.conftest import BROWSER, PASSWORD, Clone, email_of
from tests.ui.shop import run
from ui import BROWSER_COOKIE, SIGN_IN_COOKIE
from ui.server import downloads
from ui.shared import cookies

LATER, BEFORE = 4_102_444_800, 1_700_000_000  # 2100 and 2023
MANAGER = email_of(Role.MANAGER)
GOOD = {"username": MANAGER, "exp_date": LATER}


@pytest.fixture
def key(service: Service) -> str:
    return installation.cookie_key(service.settings)


@pytest.fixture
def session(clone: Clone) -> int:
    """The session that the manager has in the browser of the tests."""
    with clone.app.read(clone.actor(Role.MANAGER)) as connection:
        return sessions.current_session(connection)


def shows(tab: AppTest, monkeypatch: pytest.MonkeyPatch, token: str, browser: str = BROWSER) -> str:
    """`sign-in`, or the signed-in user, as shown to a browser that sends these cookies."""
    cookies = {BROWSER_COOKIE: browser, SIGN_IN_COOKIE: token}
    monkeypatch.setattr(ContextProxy, "cookies", property(lambda self: cookies))
    run(tab)
    if [field.label for field in tab.text_input] == ["Email", "Password"]:
        assert not tab.error
        return "sign-in"
    return str(tab.text[0].value)


def test_a_valid_cookie_resumes_the_session_in_its_own_browser_only(
    signed_out: AppTest, key: str, session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = jwt.encode(GOOD | {"session": session}, key, "HS256")
    assert shows(signed_out, monkeypatch, token, "another browser") == "sign-in"
    fresh = AppTest.from_file(str(PROJECT / "ui" / "main.py"), default_timeout=30)
    assert shows(fresh, monkeypatch, token) == "Manager Rao · manager"


def test_the_cookies_of_an_earlier_sign_in_do_not_open_a_later_session(
    signed_out: AppTest, key: str, session: int, monkeypatch: pytest.MonkeyPatch, clone: Clone
) -> None:
    # The token derives from the browser and the user, so both sessions have the same one.
    actor = clone.actor(Role.MANAGER)
    sessions.sign_out(clone.app, actor)
    sessions.sign_in(
        clone.app, email=MANAGER, password=PASSWORD, browser=sessions.Browser(BROWSER), lifetime=timedelta(hours=1)
    )
    with clone.app.read(actor) as connection:
        later = sessions.current_session(connection)
    stolen = {BROWSER_COOKIE: BROWSER, SIGN_IN_COOKIE: jwt.encode(GOOD | {"session": session}, key, "HS256")}
    request = Request({"type": "http", "headers": [(b"cookie", "; ".join(map("=".join, stolen.items())).encode())]})
    downloading = downloads.signed_in(request)
    assert downloading == SignedIn(actor.token, session)
    for stale in (downloading, sessions.actor(BROWSER, MANAGER, session)):
        with pytest.raises(SignedOut, match="Your session has ended"), clone.app.read(stale):
            pass
    assert shows(signed_out, monkeypatch, stolen[SIGN_IN_COOKIE]) == "sign-in"
    fresh = AppTest.from_file(str(PROJECT / "ui" / "main.py"), default_timeout=30)
    token = jwt.encode(GOOD | {"session": later}, key, "HS256")
    assert shows(fresh, monkeypatch, token) == "Manager Rao · manager"


def test_each_tab_of_a_browser_that_refuses_cookies_counts_as_another_browser(
    signed_out: AppTest, key: str, session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(signed_out)
    for field, typed in zip(signed_out.text_input, (MANAGER, PASSWORD), strict=True):
        field.set_value(typed)
    signed_out.button[0].click()
    assert run(signed_out).text[0].value == "Manager Rao · manager"
    thief = AppTest.from_file(str(PROJECT / "ui" / "main.py"), default_timeout=30)
    assert shows(thief, monkeypatch, jwt.encode(GOOD | {"session": session}, key, "HS256"), browser="") == "sign-in"


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
        GOOD | {"session": None},
        GOOD | {"session": True},
        GOOD | {"session": "1"},
        GOOD | {"session": 2**70},
        {},
    ],
    ids=str,
)
def test_a_cookie_with_malformed_content_leads_to_the_sign_in(
    signed_out: AppTest, key: str, session: int, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any]
) -> None:
    token = jwt.encode({"session": session} | claims, key, "HS256")
    assert shows(signed_out, monkeypatch, token) == "sign-in"


@pytest.mark.parametrize("how", ["alg=none", "another key", "the library's default key", "HS512", "cut", "noise", ""])
def test_a_cookie_that_was_signed_elsewhere_leads_to_the_sign_in(
    signed_out: AppTest, key: str, session: int, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    good = GOOD | {"session": session}
    tokens = {
        "alg=none": jwt.encode(good, None, "none"),
        "another key": jwt.encode(good, key[::-1], "HS256"),
        "the library's default key": jwt.encode(good, "some_key".ljust(32, "_"), "HS256"),
        "HS512": jwt.encode(good, key.ljust(64, "_"), "HS512"),
        "cut": jwt.encode(good, key, "HS256")[:-2],
        "noise": "\xff.<b>.",
        "": "",
    }
    assert shows(signed_out, monkeypatch, tokens[how]) == "sign-in"


def test_the_library_gets_the_credentials_of_no_other_user_and_the_key_of_the_installation(
    signed_out: AppTest, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    made: Any = stauth.Authenticate

    def record_call(credentials: dict[str, Any], **options: Any) -> Any:
        given.append({"credentials": credentials, "users": dict(credentials["usernames"])} | options)
        return made(credentials, **options)

    monkeypatch.setattr(stauth, "Authenticate", record_call)
    for _ in range(2):
        run(signed_out)
    first, second = given
    assert first["users"] == second["users"] == {} and first["credentials"] is not second["credentials"]
    assert all(call["cookie_key"] == key and len(key) >= 43 for call in given)
    assert all("api_key" not in call and call["auto_hash"] is False for call in given)
    # The library learns the name of the user who signs in, of no other user, and no password.
    for field, typed in zip(signed_out.text_input, (MANAGER, PASSWORD), strict=True):
        field.set_value(typed)
    signed_out.button[0].click()
    assert run(signed_out).text[0].value == "Manager Rao · manager"
    known = [call["credentials"]["usernames"] for call in given]
    assert {name for users in known for name in users} == {MANAGER}
    assert PASSWORD not in str(known) and all("password" not in user for users in known for user in users.values())
    assert known[-1] == {}


@pytest.mark.parametrize(("origin", "secure"), [("https://shop.example.com", True), ("http://localhost:8501", False)])
def test_the_cookie_of_a_sign_in_over_https_is_sent_over_https_only(
    signed_out: AppTest, monkeypatch: pytest.MonkeyPatch, clone: Clone, origin: str, secure: bool
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(ContextProxy, "headers", property(lambda self: {"Origin": origin}))
    monkeypatch.setattr(CookieManager, "set", lambda self, *named, **options: given.append((*named, options)))
    run(signed_out)
    for field, typed in zip(signed_out.text_input, (MANAGER, PASSWORD), strict=True):
        field.set_value(typed)
    signed_out.button[0].click()
    run(signed_out)
    with clone.superuser() as psql:
        (session,) = psql.execute("select max(id) from accounts.sessions").fetchone() or (0,)
    assert given
    for name, token, options in given:
        assert (name, options["secure"]) == (SIGN_IN_COOKIE, secure)
        assert cookies.decode(token) == cookies.SignIn(MANAGER, session)


def test_library_functions_that_mail_or_show_secrets_are_never_used() -> None:
    never = re.compile(
        r"forgot_|register_user|guest_login|api_key|send_(email|password)|two_factor|experimental_|_hint\b"
    )
    folders = ("ui/**/*.py", "pages/*.py", "backstitch/**/*.py")
    sources = [PROJECT / "app.py", *(path for folder in folders for path in PROJECT.glob(folder))]
    assert len(sources) > 60
    assert [path.name for path in sources if never.search(path.read_text())] == []
