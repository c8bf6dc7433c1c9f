"""What stands before every page, download and connection: SAFETY rows 20, 26 and 29."""

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

import app as entry
from backstitch import log_format, request, startup
from backstitch.errors import StartError
from backstitch.settings import PROJECT
from tests.asynchronous import complete
from ui import BROWSER_COOKIE, BROWSER_HEADER
from ui.server import hardening
from ui.server.middleware import BrowserCookie, Door, Gate, PageFiles, SecurityHeaders, is_allowed
from ui.shared import single_sign_on

Headers = dict[str, str]


class Inside:
    """The app behind the middleware: what has reached it."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            kind = PlainTextResponse if scope["path"].startswith("/api") else HTMLResponse
            await kind("inside")(scope, receive, send)

    def header(self, name: str) -> list[str]:
        """The values of a header of the last request."""
        return [v.decode() for k, v in self.scopes[-1]["headers"] if k.decode().lower() == name.lower()]


def ask(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
    path: str = "/",
    *,
    kind: str = "http",
    method: str = "GET",
    scheme: str = "http",
    **headers: str,
) -> list[Any]:
    """The messages that a request is answered with."""
    given = {"host": "localhost:8501"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": scheme,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[Message] = []

    async def run() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope, receive, send)

    complete(run())
    return sent


def answered(messages: list[Any], name: str) -> list[str]:
    """The values of a header of an answer."""
    return [v.decode() for k, v in messages[0]["headers"] if k.decode().lower() == name]


# --- the browser's secret ---------------------------------------------------------------------------------


def test_each_http_request_has_an_id_which_its_answer_names_and_no_client_can_choose() -> None:
    inside: list[request.Request | None] = []

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(request.current())
        await PlainTextResponse("inside")(scope, receive, send)

    named = []
    for _ in range(2):
        start, *_ = ask(Door(served), "/api/v1/audit/export.csv", x_request_id="ffffffffffff")
        named += [value.decode() for name, value in start["headers"] if name == b"x-request-id"]
    assert [(found.source, found.id) for found in inside if found] == [("page", id) for id in named]
    assert len({*named, "ffffffffffff"}) == 3
    assert request.current() is None


def test_the_door_is_the_outermost_middleware_so_that_a_refusal_at_the_gate_has_an_id_too() -> None:
    assert entry.app._user_middleware[0].cls is Door


def test_a_connection_is_no_request_because_its_runs_are() -> None:
    inside: list[request.Request | None] = []

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(request.current())

    ask(Door(served), kind="websocket")
    assert inside == [None]


def test_a_browser_without_the_cookie_gets_a_random_one_that_no_script_reads() -> None:
    secrets = set()
    for _ in range(2):
        (cookie,) = answered(ask(BrowserCookie(Inside())), "set-cookie")
        name, _, rest = cookie.partition("=")
        value, *attributes = rest.split("; ")
        assert name == BROWSER_COOKIE and len(value) >= 43
        assert sorted(attributes) == ["HttpOnly", "Max-Age=31536000", "Path=/", "SameSite=Lax"]
        secrets.add(value)
    assert len(secrets) == 2
    assert answered(ask(BrowserCookie(Inside()), cookie=f"{BROWSER_COOKIE}=mine"), "set-cookie") == []
    assert answered(ask(BrowserCookie(Inside()), "/api/v1/x"), "set-cookie") == []


def test_a_browser_that_has_kept_the_page_but_not_the_cookie_gets_one_with_it() -> None:
    async def unchanged(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(status_code=304)(scope, receive, send)

    assert len(answered(ask(BrowserCookie(unchanged)), "set-cookie")) == 1
    assert answered(ask(BrowserCookie(unchanged), cookie=f"{BROWSER_COOKIE}=mine"), "set-cookie") == []


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_the_middleware_names_the_browser_to_streamlit_and_the_client_never_does(kind: str) -> None:
    inside = Inside()
    digest = hashlib.sha256(b"mine").hexdigest()
    for forged in ({}, {BROWSER_HEADER: "forged"}, {BROWSER_HEADER.lower(): digest[:-1] + "0"}):
        ask(BrowserCookie(inside), kind=kind, cookie=f"{BROWSER_COOKIE}=mine", **forged)
        assert inside.header(BROWSER_HEADER) == [digest]
    # Without the cookie two connections are never of one browser, whatever they say.
    seen_by_app = []
    for _ in range(2):
        ask(BrowserCookie(inside), kind=kind, **{BROWSER_HEADER: digest})
        seen_by_app += inside.header(BROWSER_HEADER)
    assert len({digest, *seen_by_app}) == 3


# --- the gate ---------------------------------------------------------------------------------------------


def gate(inside: Inside, *names: str, signed_in: bool = False, sign_on: bool = False) -> Gate:
    async def authenticate(request: Request) -> bool:
        return signed_in

    return Gate(inside, hosts=lambda: names, authenticate=authenticate, has_sign_on=lambda: sign_on)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("localhost:8501", True),
        ("LOCALHOST:8501", True),
        ("127.0.0.1:8501", True),
        ("[::1]:8501", True),
        ("192.168.1.20", True),
        ("shop.example.com", True),
        ("shop.example.com:443", True),
        ("evil.example.com", False),
        ("shop.example.com.evil.com", False),
        ("evil.com/shop.example.com", False),
        ("user@shop.example.com", False),
        ("shop.example.com:80:80", False),
        ("localhost.evil.com", False),
        ("", False),
        ("127.0.0.1.evil.com", False),
        ("[::1", False),
    ],
)
def test_only_the_names_of_this_app_are_answered(host: str, allowed: bool) -> None:
    inside = Inside()
    assert is_allowed(host, ["shop.example.com"]) is allowed
    for kind in ("http", "websocket"):
        messages = ask(gate(inside, "shop.example.com"), kind=kind, host=host)
        assert bool(inside.scopes) is allowed
        inside.scopes.clear()
        if not allowed:
            assert messages[0].get("status", messages[0].get("code")) == (400 if kind == "http" else 1008)


def test_every_name_is_answered_where_the_setting_says_so() -> None:
    assert is_allowed("anything.example", ["*"]) and not is_allowed("any<thing>.example", ["*"])


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8501", True),
        ("https://localhost:8501", True),
        ("http://localhost:9999", False),
        ("http://127.0.0.1:8501", False),
        ("http://evil.example", False),
        ("http://evil.example/localhost:8501", False),
        ("null", False),
        ("http://[", False),
        ("http://[x]:8501", False),
        ("", False),
    ],
)
def test_a_page_of_another_origin_cannot_connect(origin: str, allowed: bool) -> None:
    inside = Inside()
    messages = ask(gate(inside), "/_stcore/stream", kind="websocket", origin=origin)
    assert bool(inside.scopes) is allowed
    assert messages == ([] if allowed else [{"type": "websocket.close", "code": 1008}])


@pytest.mark.parametrize("path", ["/oauth2callback", "/oauth2callback/", "/shop/oauth2callback", "/auth/logout"])
def test_without_single_sign_on_its_addresses_do_not_exist(path: str) -> None:
    inside = Inside()
    assert ask(gate(inside), path)[0]["status"] == 404
    assert not inside.scopes
    ask(gate(inside, sign_on=True), path)
    assert inside.scopes


def test_a_body_is_taken_by_no_address_but_that_of_uploads() -> None:
    inside = Inside()
    for headers in ({"content_length": "65537"}, {"content_length": "9" * 5000}, {"content_length": "many"}):
        assert ask(gate(inside, signed_in=True), "/api/v1/audit/export.csv", **headers)[0]["status"] == 413
    assert ask(gate(inside), "/", method="POST", transfer_encoding="chunked")[0]["status"] == 413
    assert not inside.scopes
    ask(gate(inside), "/", method="POST", content_length="65536")
    ask(gate(inside, signed_in=True), "/_stcore/upload_file/a/b", method="PUT", content_length="10000000")
    assert len(inside.scopes) == 2


@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/metrics/", "//_stcore/metrics", "/_stcore//metrics", "/_stcore/agent/run"]
)
def test_the_metrics_are_closed(path: str) -> None:
    inside = Inside()
    assert ask(gate(inside, signed_in=True), path)[0]["status"] == 404
    assert not inside.scopes


@pytest.mark.parametrize(
    ("method", "path", "is_open"),
    [
        ("GET", "/", True),
        ("GET", "/media/abc.svg", True),
        ("GET", "/media/abc.csv", False),
        ("GET", "//media/abc.csv", False),
        ("GET", "/media/abc.svg.csv", False),
        ("GET", "/media/abc", False),
        ("GET", "/shop/media/abc.csv", False),
        ("GET", "/static/media/font.woff2", True),
        ("GET", "/shop/static/media/font.woff2", True),
        ("PUT", "/shop/_stcore/upload_file/a/b", False),
        ("PUT", "/_stcore/upload_file/a/b", False),
        ("OPTIONS", "/_stcore/upload_file/a/b", True),
    ],
)
def test_files_of_a_page_are_for_who_is_signed_in(method: str, path: str, is_open: bool) -> None:
    inside = Inside()
    messages = ask(gate(inside), path, method=method)
    assert messages[0]["status"] == (200 if is_open else 401)
    assert bool(inside.scopes) is is_open
    assert ask(gate(inside, signed_in=True), path, method=method)[0]["status"] == 200


def test_a_page_that_came_without_https_cannot_connect_over_it() -> None:
    # Whoever sits on the way can put a page of their own in place of that one.
    inside = Inside()
    for origin, allowed in (("https://localhost:8501", True), ("http://localhost:8501", False)):
        ask(gate(inside), "/_stcore/stream", kind="websocket", scheme="wss", origin=origin)
        assert bool(inside.scopes) is allowed
        inside.scopes.clear()


# --- the headers ------------------------------------------------------------------------------------------


def test_cookies_that_come_over_https_are_never_sent_without_it() -> None:
    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        response = PlainTextResponse("inside")
        response.headers.append("set-cookie", "of_streamlit=secure; Path=/; SameSite=lax")
        response.headers.append("set-cookie", "kept=1; secure; HttpOnly")
        await response(scope, receive, send)

    app = SecurityHeaders(BrowserCookie(HTMLResponse("inside")))
    for scheme in ("http", "https"):
        cookies = [*answered(ask(app, scheme=scheme), "set-cookie")]
        cookies += answered(ask(SecurityHeaders(inside), scheme=scheme), "set-cookie")
        secured = [[part.strip().lower() for part in cookie.split(";")].count("secure") for cookie in cookies]
        assert secured == ([1, 1, 1] if scheme == "https" else [0, 0, 1])


def test_every_answer_tells_the_browser_what_pages_may_do() -> None:
    messages = ask(SecurityHeaders(gate(Inside())), host="evil.example")  # the refusals too
    assert messages[0]["status"] == 400
    messages = ask(SecurityHeaders(Inside()))
    (policy,) = answered(messages, "content-security-policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'self'" and rules["frame-ancestors"] == "'self'"
    assert rules["object-src"] == "'none'" and rules["base-uri"] == "'none'" and rules["form-action"] == "'self'"
    # The scripts that are served inline are named by their hashes, and no other runs.
    sources = rules["script-src"].split()
    assert sources[0] == "'self'" and len(sources) >= 3
    assert all(source.startswith("'sha256-") for source in sources[1:])
    assert rules["connect-src"] == "'self' ws://localhost:8501 wss://localhost:8501"
    assert rules["img-src"] == "'self' data: blob:" and rules["font-src"] == "'self' data:"
    assert rules["worker-src"] == "'self' blob:" and rules["style-src"] == "'self' 'unsafe-inline'"
    for name, value in {
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "x-frame-options": "SAMEORIGIN",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }.items():
        assert answered(messages, name) == [value]


def test_the_host_of_a_request_adds_nothing_to_the_policy_but_itself() -> None:
    for host in ("x; script-src *", "x *", "x'"):
        (policy,) = answered(ask(SecurityHeaders(Inside()), host=host), "content-security-policy")
        assert "connect-src 'self';" in policy and "*" not in policy


# --- the settings in effect -------------------------------------------------------------------------------


SAFE: dict[str, Any] = {name: wanted for name, (wanted, _) in hardening.EXPECTED.items()} | {
    "server.trustedUserHeaders": {BROWSER_HEADER: "browser"},
    "server.maxUploadSize": 20,
    "server.address": "localhost",
    "server.sslCertFile": None,
}
CHANGED: dict[str, Any] = {
    "server.enableXsrfProtection": False,
    "server.enableCORS": False,
    "server.enableStaticServing": True,
    "server.enableAgentApi": True,
    "server.fileWatcherType": "auto",
    "server.unsafeMetricsUserAttributes": ["email"],
    "client.showErrorDetails": "full",
    "client.disableDataExport": False,
    "runner.fastReruns": True,
    "browser.gatherUsageStats": True,
    "global.developmentMode": True,
    "runner.magicEnabled": True,
    "server.maxUploadSize": 200,
    "server.address": "0.0.0.0",
    "global.e2eTest": True,
}


def test_the_settings_as_they_come_give_no_cause_for_a_word() -> None:
    assert hardening.weakened(SAFE.__getitem__, demo=False) == []
    assert (
        hardening.weakened((SAFE | {"server.address": "0.0.0.0", "server.sslCertFile": "x"}).__getitem__, demo=False)
        == []
    )
    assert set(CHANGED) >= set(hardening.EXPECTED)


def test_a_demo_that_others_can_reach_gets_a_sentence() -> None:
    opened = SAFE | {"server.address": "0.0.0.0", "server.sslCertFile": "x"}
    (sentence,) = hardening.weakened(opened.__getitem__, demo=True)
    assert "password that everybody knows" in sentence
    assert hardening.weakened(SAFE.__getitem__, demo=True) == []


@pytest.mark.parametrize(("trusted", "warnings"), [("*", 1), ("10.0.0.0/8", 1), ("10.0.0.7,127.0.0.1", 0)])
def test_believing_anybody_about_addresses_gets_a_sentence(
    monkeypatch: pytest.MonkeyPatch, trusted: str, warnings: int
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    sentences = hardening.weakened(SAFE.__getitem__, demo=False)
    assert [sentence.split(" is ")[0] for sentence in sentences] == ["FORWARDED_ALLOW_IPS"] * warnings


def test_the_settings_of_this_checkout_are_the_safe_ones() -> None:
    assert hardening.weakened(st.get_option, demo=True) == []
    assert st.get_option("server.maxUploadSize") == 20


def test_what_is_weakened_is_in_the_log_and_secrets_are_looked_at_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stopped(*given: object) -> None:
        raise SystemExit

    monkeypatch.setattr(hardening, "weakened", lambda option, demo: ["server.address is open."])
    monkeypatch.setattr(log_format, "to_standard_error", lambda: None)
    monkeypatch.setattr(startup, "running", stopped)
    asked: list[bool] = []
    monkeypatch.setattr(single_sign_on, "require_secret", lambda: asked.append(True))

    async def start() -> None:
        await entry.lifespan(entry.app).__aenter__()

    with pytest.raises(SystemExit):
        complete(start())
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "server.address is open.")
    ]
    assert asked == [True]


def test_no_id_by_which_a_tab_is_resumed_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    resuming = logging.getLogger("streamlit.runtime.websocket_session_manager")
    for logger in (resuming, logging.getLogger("streamlit.error_util")):
        monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(log_format, "LOGGERS", ())
    log_format.to_standard_error()
    resuming.warning("Session with id %s is back", "0b5ca1a4-3f2e-4f0e-9d0a-1c2b3a4d5e6f")
    assert caplog.messages == ["Session with id (not shown) is back"]


@pytest.mark.parametrize("name", CHANGED)
def test_each_setting_that_is_weakened_gets_a_sentence(name: str) -> None:
    (sentence,) = hardening.weakened((SAFE | {name: CHANGED[name]}).__getitem__, demo=False)
    assert sentence.startswith(f"{name} is ") and sentence.endswith(".")


@pytest.mark.parametrize(
    "trusted", [{}, {"X-Forwarded-User": "browser"}, {BROWSER_HEADER: "browser", "X-User": "email"}]
)
def test_without_the_browsers_header_the_app_does_not_start(trusted: dict[str, str]) -> None:
    with pytest.raises(StartError, match=r"^server\.trustedUserHeaders is not what .* sets, so a tab could be taken"):
        hardening.weakened((SAFE | {"server.trustedUserHeaders": trusted}).__getitem__, demo=False)


# --- the files of the page --------------------------------------------------------------------------------

PAGE = "<html><head><title>Streamlit</title></head><body></body></html>"


class Pages(Inside):
    """Streamlit's page, in two parts, as a file that a browser may keep."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        headers = [(b"content-type", b"text/html"), (b"etag", b'"1"'), (b"content-length", b"%d" % len(self.page))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.page[:20], "more_body": True})
        await send({"type": "http.response.body", "body": self.page[20:]})


def test_streamlits_page_loads_the_files_of_the_house_and_is_never_taken_from_a_cache_without_them() -> None:
    inside = Pages(PAGE)
    start, body = ask(PageFiles(inside), "/audit", accept="text/html,*/*", if_none_match='"1"', accept_encoding="gzip")
    added = '<script src="./backstitch.js" defer></script><link rel="stylesheet" href="./backstitch.css">'
    assert body["body"].decode() == PAGE.replace("</head>", f"{added}</head>")
    assert dict(start["headers"]) == {
        b"content-type": b"text/html",
        b"content-length": str(len(body["body"])).encode(),
    }
    assert inside.header("if-none-match") == inside.header("accept-encoding") == []


def test_another_page_is_passed_on_as_it_is() -> None:
    page = "<html><head><title>Cookie manager</title></head></html>"
    assert ask(PageFiles(Pages(page)), "/component/cookies/index.html", accept="text/html")[1]["body"] == page.encode()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/backstitch.js", b"text/javascript; charset=utf-8"), ("/base/backstitch.css", b"text/css; charset=utf-8")],
)
def test_the_files_of_the_house_are_served_beside_streamlits(path: str, kind: bytes) -> None:
    start, body = ask(PageFiles(Inside()), path)
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"] == kind
    assert body["body"] == (PROJECT / "ui" / "server" / "page" / path.rpartition("/")[2]).read_bytes()


def test_what_is_no_page_is_passed_on_at_once() -> None:
    assert ask(PageFiles(Inside()), "/api/v1/x", accept="text/html")[1]["body"] == b"inside"
