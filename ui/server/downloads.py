"""Downloads: links to routes of the server that authenticate the browser, record the export and stream the file."""

from urllib.parse import urlencode

import anyio.to_thread
import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backstitch import startup
from backstitch.accounts import sessions
from backstitch.api import exports
from backstitch.audit.search import Filters, filters_to_query
from backstitch.database import SignedIn
from backstitch.errors import Refused
from ui import BROWSER_COOKIE, SIGN_IN_COOKIE
from ui.server import error_page
from ui.shared import cookies

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def links(filters: Filters, total: int) -> None:
    """Draws the links to all filtered records, as CSV and as Excel."""
    query = urlencode(filters_to_query(filters), doseq=True)
    for format, icon in (("csv", ":material/csv:"), ("xlsx", ":material/table:")):
        st.link_button(
            "Download CSV" if format == "csv" else "Download Excel",
            f"/api/v1/audit/export.{format}?{query}",
            icon=icon,
            key=f"download_{format}",
            disabled=total == 0,
            help="All filtered records, one row per changed field. The download itself goes on the record.",
        )


def routes() -> list[Route]:
    """The routes that the links lead to."""
    return [
        *exports.routes(startup.current, authenticate=signed_in, error_page=error_page.response),
        Route("/api/{rest:path}", _not_found, methods=METHODS),
    ]


async def _not_found(request: Request) -> Response:
    """The answer at an address of the API that does not exist, where Streamlit would send its page with status 200."""
    sentence = "No download has this address. Take the link from the page that offers the file."
    if exports.wants_page(request):
        return error_page.response(404, sentence)
    return JSONResponse({"error": {"code": "not_found", "message": sentence}}, 404)


async def is_live(request: Request) -> bool:
    """Whether `request` comes from a browser with a live session."""

    def check() -> bool:
        actor = signed_in(request)
        if actor is None:
            return False
        try:
            with startup.current().database.session(actor):
                return True
        except Refused:
            return False

    return await anyio.to_thread.run_sync(check)


def signed_in(request: Request) -> SignedIn | None:
    """The session that the browser and sign-in cookies of `request` name; None without either cookie."""
    secret = request.cookies.get(BROWSER_COOKIE)
    sign_in = cookies.decode(request.cookies.get(SIGN_IN_COOKIE))
    return sessions.actor(secret, sign_in.email, sign_in.session_id) if secret and sign_in else None
