"""Downloads: links to the server's own routes, which ask who is there, record the export and stream it."""

from urllib.parse import urlencode

import jwt
import streamlit as st
from starlette.requests import Request
from starlette.routing import Route

from backstitch import startup
from backstitch.accounts import sessions
from backstitch.api import exports
from backstitch.audit.search import Filters, filters_to_query
from backstitch.database import SignedIn
from ui import BROWSER_COOKIE, SIGN_IN_COOKIE


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


def signed_in(request: Request) -> SignedIn | None:
    """The session of the browser that sent `request`: its own cookie and the sign-in cookie, both."""
    secret = request.cookies.get(BROWSER_COOKIE)
    try:
        claims = jwt.decode(
            request.cookies.get(SIGN_IN_COOKIE, ""),
            startup.secret(startup.current().settings.home, "cookie_key"),
            algorithms=["HS256"],
        )
        email = claims["username"]
    except (jwt.PyJWTError, KeyError, TypeError):
        return None
    if not secret or not isinstance(email, str):
        return None
    return sessions.actor(secret, email)
