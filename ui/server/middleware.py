"""What stands before every page, download and connection: the browser's secret, the gate, the headers.

Streamlit checks less by itself: it takes any address it is called by, lets every page on this machine connect, and
hands a live session to whoever knows its id.
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
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import BROWSER_COOKIE, BROWSER_HEADER

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)
YEAR = 365 * 24 * 3600  # seconds
# The only pages with inline scripts that are served: by package, which need not run for it, and path.
PAGES_WITH_SCRIPTS = {
    "streamlit": "static/index.html",
    "extra_streamlit_components": "CookieManager/frontend/build/index.html",
}

Authenticate = Callable[[Request], Awaitable[bool]]


class BrowserCookie:
    """Gives a browser that has none a random cookie which no script can read, and tells Streamlit whose it is.

    Sessions in the database are bound to it (`backstitch.accounts.sessions.actor`), so the sign-in cookie,
    which a script can read, opens nothing by itself. Streamlit is given its digest in a header that no client
    can set (`server.trustedUserHeaders`), and then resumes a tab for the browser only that opened it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; adds the cookie to the response for a browser that sent none."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        known = HTTPConnection(scope).cookies.get(BROWSER_COOKIE)
        # Without the cookie no two connections are of the same browser.
        digest = hashlib.sha256((known or secrets.token_urlsafe(32)).encode("utf-8", "surrogateescape")).hexdigest()
        name = BROWSER_HEADER.lower().encode()
        headers = [(key, value) for key, value in scope["headers"] if key.lower() != name]
        scope = {**scope, "headers": [*headers, (name, digest.encode())]}

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and not known:
                headers = MutableHeaders(scope=message)
                # A page that the browser has kept is as good as a new one, and may be older than its cookies.
                if message["status"] == 304 or headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", _cookie())
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _cookie() -> str:
    cookie: SimpleCookie = SimpleCookie()
    cookie[BROWSER_COOKIE] = secrets.token_urlsafe(32)
    morsel = cookie[BROWSER_COOKIE]
    morsel["httponly"] = True
    # Strict would not send it along a link from a mail or from the identity provider; the browser would get a new one,
    # and its session would be lost.
    morsel["samesite"] = "Lax"
    morsel["path"] = "/"
    morsel["max-age"] = YEAR
    return morsel.OutputString()


class Gate:
    """Refuses other host names, connections from other origins, the metrics, and files for who is signed out.

    `hosts` tells the names that the app is served under, `authenticate` whether a request is of a live session.
    """

    def __init__(self, app: ASGIApp, *, hosts: Callable[[], Iterable[str]], authenticate: Authenticate) -> None:
        self.app = app
        self.hosts = hosts
        self.authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers that it is refused, and why."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        refusal = await self._refusal(scope, receive)
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it was accepted, which the browser sees as 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            status, sentence = refusal
            await PlainTextResponse(sentence, status)(scope, receive, send)

    async def _refusal(self, scope: Scope, receive: Receive) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if not is_allowed(headers.get("host", ""), self.hosts()):
            return 400, "Backstitch is not served under this address. Its administrator can add it to BACKSTITCH_HOSTS."
        if scope["type"] == "websocket":
            origin = headers.get("origin")
            if origin is not None and not _is_of(origin, headers.get("host", ""), secure=scope["scheme"] == "wss"):
                return 403, "Connections from other sites are refused."
            return None
        path = re.sub("/+", "/", scope["path"])
        if re.search(r"/_stcore/(metrics|agent)(/|$)", path):
            return 404, "Not found."
        # Pictures of the sign-in page are for everybody; whatever else is held for a page, and what is sent to one,
        # is not.
        # Under server.baseUrlPath a path begins with that; in /static/media are the fonts.
        held = re.search(r"(?<!/static)/media/", path) and not path.endswith((".svg", ".png"))
        guarded = (held or re.search(r"/_stcore/upload_file/", path)) and scope["method"] != "OPTIONS"
        if guarded and not await self.authenticate(Request(scope, receive)):
            return 401, "Sign in first."
        return None


def _is_of(origin: str, host: str, *, secure: bool) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:  # brackets around what is no address
        return False
    # Whoever sits on the way can put a page of their own in place of one that came over plain HTTP. The other way
    # round is a proxy that does not say that it speaks HTTPS.
    return parts.netloc.lower() == host.lower() and not (secure and parts.scheme != "https")


def is_allowed(host: str, names: Iterable[str]) -> bool:
    """Whether `host`, a Host header, is one of `names`, this machine, or a plain address.

    What is refused are names of strangers that lead here, by which a page of theirs would reach this app.
    """
    parts = HOST.fullmatch(host)
    if parts is None:
        return False
    name = parts["name"].strip("[]").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or any(allowed in {name, "*"} for allowed in names)
    return True


class SecurityHeaders:
    """Tells the browser what the pages may do: nothing that Backstitch does not need.

    Cookies that come over HTTPS, Streamlit's too, are never to be sent without it.
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
                    message["headers"] = [_secured(header) for header in message["headers"]]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _secured(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    is_open = name.lower() == b"set-cookie" and not re.search(rb";\s*secure\s*(;|$)", value, re.IGNORECASE)
    return (name, value + b"; Secure") if is_open else header


@cache
def _inline_scripts() -> str:
    """The inline scripts of the packages' pages, as CSP names them: by their hashes."""
    hashes = []
    for package, path in PAGES_WITH_SCRIPTS.items():
        found = find_spec(package)
        assert found is not None and found.origin is not None
        page = Path(found.origin).parent / path
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
