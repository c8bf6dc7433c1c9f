"""What every HTTP response carries: a secret of its own for each browser."""

import secrets
from http.cookies import SimpleCookie

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import BROWSER_COOKIE

YEAR = 365 * 24 * 3600  # seconds


class BrowserCookie:
    """Gives a browser that has none a random cookie which no script can read.

    Sessions in the database are bound to it (`backstitch.accounts.sessions.actor`), so the sign-in cookie,
    which a script can read, opens nothing by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; adds the cookie to the response for a browser that sent none."""
        if scope["type"] != "http" or BROWSER_COOKIE in HTTPConnection(scope).cookies:
            await self.app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", _cookie(secure=scope["scheme"] == "https"))
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _cookie(*, secure: bool) -> str:
    cookie: SimpleCookie = SimpleCookie()
    cookie[BROWSER_COOKIE] = secrets.token_urlsafe(32)
    morsel = cookie[BROWSER_COOKIE]
    morsel["httponly"] = True
    morsel["samesite"] = "Strict"
    morsel["path"] = "/"
    morsel["max-age"] = YEAR
    if secure:
        morsel["secure"] = True
    return morsel.OutputString()
