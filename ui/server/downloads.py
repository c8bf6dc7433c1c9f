"""Downloads: links to the server's own routes, which ask who is there, record the export and stream it."""

from urllib.parse import urlencode

import anyio.to_thread
import streamlit as st
from starlette.requests import Request
from starlette.routing import Route

from backstitch import startup
from backstitch.accounts import sessions
from backstitch.api import exports
from backstitch.audit.search import Filters, filters_to_query
from backstitch.database import SignedIn
from backstitch.errors import Refused
from ui import BROWSER_COOKIE, SIGN_IN_COOKIE
from ui.shared import cookies


def links(filters: Filters, total: int) -> None:
    """The filtered records as CSV and as Excel; all of them, not the page."""
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
    """The routes behind the links."""
    return exports.routes(startup.current, authenticate=signed_in)


async def is_live(request: Request) -> bool:
    """Whether `request` comes from a browser that is signed in."""

    def asked() -> bool:
        actor = signed_in(request)
        if actor is None:
            return False
        try:
            with startup.current().database.read(actor):
                return True
        except Refused:
            return False

    return await anyio.to_thread.run_sync(asked)


def signed_in(request: Request) -> SignedIn | None:
    """The session of the browser that sent `request`: its own cookie and the sign-in cookie, both."""
    secret = request.cookies.get(BROWSER_COOKIE)
    said = cookies.decode(request.cookies.get(SIGN_IN_COOKIE))
    return sessions.actor(secret, said.email, said.session_id) if secret and said else None
