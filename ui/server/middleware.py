"""Middleware for every page, download and connection: the request, the browser's cookie, the gate, security headers,
and the script and the styles of the page.

Streamlit by itself accepts any host name, connections from any page on this machine, and resumes a live session for
any client that knows its id.
"""

import base64
import hashlib
import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from http.cookies import SimpleCookie
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backstitch.api.exports import wants_page
from backstitch.request import Source, door
from ui import BROWSER_COOKIE, BROWSER_HEADER, HERE
from ui.server import error_page

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)
LONGEST_BODY = 64 * 1024  # bytes
COOKIE_LIFETIME = 365 * 24 * 3600  # seconds
# The only pages with inline scripts: the package, which need not be imported, and the path in it.
PAGES_WITH_SCRIPTS = {
    "streamlit": "static/index.html",
    "extra_streamlit_components": "CookieManager/frontend/build/index.html",
}

# The files that are added to Streamlit's page, with their media types and the elements that load them. The addresses
# are relative like those of Streamlit's own files, so they hold under server.baseUrlPath too.
PAGE_FILES = {
    "backstitch.js": ("text/javascript", '<script src="./backstitch.js" defer></script>'),
    "backstitch.css": ("text/css", '<link rel="stylesheet" href="./backstitch.css">'),
}
STREAMLITS_PAGE = b"<title>Streamlit</title>"
# The select box of Streamlit, in which Enter would add what was typed as a new option, even where options match it: it
# is to take the first of those, and to offer the new one last. tests/unit/server/test_select_box.py says when a version
# of Streamlit has it otherwise.
SELECT_BOX = re.compile(r"Selectbox\.[\w-]+\.js")
SELECT_BOX_CHANGES = {"J?[J,...q]:q": "J?[...q,J]:q", "if(J)return k;": "if(J&&!q.length)return k;"}

Authenticate = Callable[[Request], Awaitable[bool]]


class Door:
    """Makes a request of each HTTP request, and gives its id to the client in the header X-Request-ID.

    The header of a client is not taken over: whoever could choose the id could have records that look like those of
    another request. The runs of scripts, which come through a WebSocket, are requests of their own (`script_runs`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on within its door."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with door(Source.PAGE) as request:

            async def send_with_id(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["x-request-id"] = request.id
                await send(message)

            await self.app(scope, receive, send_with_id)


class BrowserCookie:
    """Gives each browser a random cookie that no script can read, and tells Streamlit which browser sends a request.

    Sessions in the database are bound to this cookie (`backstitch.accounts.sessions.actor`), so the sign-in cookie,
    which a script can read, opens nothing by itself. Streamlit gets the digest of the cookie in a header that no client
    can set (`server.trustedUserHeaders`), and then resumes a tab only for the browser that opened it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; adds the cookie to the response for a browser that sent none."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        secret = HTTPConnection(scope).cookies.get(BROWSER_COOKIE)
        # Without the cookie, each connection counts as another browser.
        digest = hashlib.sha256((secret or secrets.token_urlsafe(32)).encode("utf-8", "surrogateescape")).hexdigest()
        name = BROWSER_HEADER.lower().encode()
        headers = [(key, value) for key, value in scope["headers"] if key.lower() != name]
        scope = {**scope, "headers": [*headers, (name, digest.encode())]}

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and not secret:
                headers = MutableHeaders(scope=message)
                # A 304 confirms a cached page, which may be older than the browser's cookies.
                if message["status"] == 304 or headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", _new_cookie())
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _new_cookie() -> str:
    cookie: SimpleCookie = SimpleCookie()
    cookie[BROWSER_COOKIE] = secrets.token_urlsafe(32)
    morsel = cookie[BROWSER_COOKIE]
    morsel["httponly"] = True
    # With Strict the browser would not send it when it follows a link from a mail or from the identity provider; it
    # would get a new cookie and lose its session.
    morsel["samesite"] = "Lax"
    morsel["path"] = "/"
    morsel["max-age"] = COOKIE_LIFETIME
    return morsel.OutputString()


class Gate:
    """Refuses other host names, connections from other origins, the metrics, and files to clients that are signed out.

    `hosts` returns the host names of the app; `authenticate` whether a request belongs to a live session;
    `has_sign_on` whether single sign-on is configured, without which its addresses do not exist.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Callable[[], Iterable[str]],
        authenticate: Authenticate,
        has_sign_on: Callable[[], bool],
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.authenticate = authenticate
        self.has_sign_on = has_sign_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers with a refusal and its cause."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        refusal = await self._refusal(scope, receive)
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Closed before it is accepted, which the browser sees as 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            status, sentence = refusal
            page = wants_page(HTTPConnection(scope))
            answer = error_page.response(status, sentence) if page else PlainTextResponse(sentence, status)
            await answer(scope, receive, send)

    async def _refusal(self, scope: Scope, receive: Receive) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if not is_allowed(headers.get("host", ""), self.hosts()):
            return 400, "Backstitch is not served under this address. Its administrator can add it to BACKSTITCH_HOSTS."
        if scope["type"] == "websocket":
            origin = headers.get("origin")
            if origin is not None and not _is_same_origin(
                origin, headers.get("host", ""), secure=scope["scheme"] == "wss"
            ):
                return 403, "Connections from other sites are refused."
            return None
        path = re.sub("/+", "/", scope["path"])
        if re.search(r"/_stcore/(metrics|agent)(/|$)", path):
            return 404, "Not found."
        # Streamlit writes a line to the log for each call, whether there is a provider or not.
        if re.search(r"/(oauth2callback|auth/(login|logout))/?$", path) and not self.has_sign_on():
            return 404, "Not found."
        is_upload = re.search(r"/_stcore/upload_file/", path) is not None  # Streamlit counts its bytes
        if not is_upload and not _is_short(headers):
            return 413, "The request is too large."
        # The pictures of the sign-in page are public; other media files and uploads need a live session. With
        # server.baseUrlPath set, every path begins with it; /static/media holds the fonts.
        is_private_media = re.search(r"(?<!/static)/media/", path) and not path.endswith((".svg", ".png"))
        needs_session = (is_private_media or is_upload) and scope["method"] != "OPTIONS"
        if needs_session and not await self.authenticate(Request(scope, receive)):
            return 401, "Sign in first."
        return None


def _is_short(headers: Headers) -> bool:
    """Whether a request says that its body is short; no address but that of uploads reads one."""
    length = headers.get("content-length", "0")
    return (
        "transfer-encoding" not in headers and length.isascii() and length.isdigit() and int(length[:9]) <= LONGEST_BODY
    )


def _is_same_origin(origin: str, host: str, *, secure: bool) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:  # brackets around a text that is no address
        return False
    # An attacker on the network can replace a page that comes over plain HTTP, so it must not connect over wss. A page
    # over HTTPS may connect over ws: behind a proxy that does not say that it speaks HTTPS.
    return parts.netloc.lower() == host.lower() and not (secure and parts.scheme != "https")


def is_allowed(host: str, names: Iterable[str]) -> bool:
    """Whether `host`, a Host header, is one of `names`, this machine, or a plain address.

    Other names are refused: an attacker's name that resolves to this server would let a page of theirs reach this app.
    """
    match = HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or any(allowed in {name, "*"} for allowed in names)
    return True


class SecurityHeaders:
    """Adds the headers by which the browser allows pages only what Backstitch needs.

    Cookies set over HTTPS, Streamlit's too, get the attribute Secure, so that they are never sent without it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds the headers to every response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _headers(host if HOST.fullmatch(host) else "").items():
                    headers[name] = value
                if scope["scheme"] == "https":
                    message["headers"] = [_with_secure(header) for header in message["headers"]]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _with_secure(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    lacks_secure = name.lower() == b"set-cookie" and not re.search(rb";\s*secure\s*(;|$)", value, re.IGNORECASE)
    return (name, value + b"; Secure") if lacks_secure else header


@cache
def _inline_scripts() -> str:
    """The hashes of the inline scripts of the packages' pages, as sources for a CSP."""
    hashes = []
    for package, path in PAGES_WITH_SCRIPTS.items():
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        page = Path(spec.origin).parent / path
        for script in re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            hashes.append(f"'sha256-{digest}'")
    return " ".join(hashes)


def _headers(host: str) -> dict[str, str]:
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' {_inline_scripts()}",
        # Streamlit styles its elements one by one.
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        # Not every browser counts the WebSocket of this origin as 'self'.
        "connect-src": f"'self' ws://{host} wss://{host}" if host else "'self'",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        # The cookie component is a frame of this very origin.
        "frame-ancestors": "'self'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }


class PageFiles:
    """Serves the page's own script and styles (`ui/server/page/`), and adds them to Streamlit's page, which has no
    setting for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with a file, or passes the request on and adds the files to a page."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        name = scope["path"].rpartition("/")[2]
        if name in PAGE_FILES:
            text = (HERE / "server" / "page" / name).read_text(encoding="utf-8")
            answer = Response(text, media_type=PAGE_FILES[name][0], headers={"cache-control": "no-cache"})
            await answer(scope, receive, send)
        elif SELECT_BOX.fullmatch(name) and (script := select_box(name)):
            answer = Response(script, media_type="text/javascript", headers={"cache-control": "no-cache"})
            await answer(scope, receive, send)
        elif "text/html" in Headers(scope=scope).get("accept", ""):
            await self.app(_plain_and_whole(scope), receive, _Extended(send))
        else:
            await self.app(scope, receive, send)


@cache
def select_box(name: str) -> str | None:
    """The script of Streamlit's select box with SELECT_BOX_CHANGES; None if there is no such file."""
    package = find_spec("streamlit")
    file = Path((package and package.origin) or "").parent / "static" / "static" / "js" / name
    if not file.is_file():
        return None
    script = file.read_text(encoding="utf-8")
    for theirs, ours in SELECT_BOX_CHANGES.items():
        script = script.replace(theirs, ours)
    return script


def _plain_and_whole(scope: Scope) -> Scope:
    """The request, for an answer that is not compressed, and not "unchanged" of a page without the files."""
    dropped = {b"accept-encoding", b"if-none-match", b"if-modified-since", b"range"}
    return {**scope, "headers": [(key, value) for key, value in scope["headers"] if key.lower() not in dropped]}


class _Extended:
    """Sends an answer on; a page only when it is complete, with the elements of PAGE_FILES at the end of its head."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._page = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not Headers(raw=message["headers"]).get("content-type", "").startswith("text/html"):
                await self._send(message)
                return
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._page += message.get("body", b"")
            if not message.get("more_body"):
                await self._send_page(self._start)

    async def _send_page(self, start: Message) -> None:
        page = self._page
        if STREAMLITS_PAGE in page:  # the frame of the cookie's component is a page, too
            elements = "".join(element for _, element in PAGE_FILES.values())
            page = page.replace(b"</head>", f"{elements}</head>".encode(), 1)
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(page))
        # They are those of Streamlit's file.
        for name in ("etag", "last-modified", "accept-ranges"):
            if name in headers:
                del headers[name]
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": page})
