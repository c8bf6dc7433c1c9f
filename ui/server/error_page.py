"""The page that a browser shows in place of a download or of an address that does not exist."""

from functools import cache
from html import escape
from http import HTTPStatus

import streamlit as st
from starlette.responses import HTMLResponse

from ui import HERE

TITLES = {
    HTTPStatus.BAD_REQUEST: "This link cannot be followed",
    HTTPStatus.UNAUTHORIZED: "You are signed out",
    HTTPStatus.FORBIDDEN: "This is not yours to download",
    HTTPStatus.NOT_FOUND: "There is nothing at this address",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many downloads at once",
}
# In the colours of .streamlit/config.toml, which tests/unit/server/test_error_page.py compares.
STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: #fdfcfa; color: #0d1116; font: 16px/1.6 "Source Sans", sans-serif; }
main { max-width: 36rem; margin: 12vh auto 0; padding: 0 1.25rem; }
h1 { font-size: 1.9rem; font-weight: 650; line-height: 1.2; margin: 2rem 0 0.75rem; }
a { color: #2c5282; }
a.back { display: inline-block; margin: 0.75rem 1.25rem 0 0; }
@media (prefers-color-scheme: dark) {
    body { background: #171a1f; color: #e6e3dd; }
    a { color: #9dbbe3; }
}
"""


def response(status: int, sentence: str) -> HTMLResponse:
    """The page with a sentence that says what happened and what to do, and links back to the app."""
    title = TITLES.get(HTTPStatus(status), "The file could not be made")
    base = "/" + st.get_option("server.baseUrlPath").strip("/")
    root = base.rstrip("/")
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Backstitch</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{_logo()}
<h1>{title}</h1>
<p>{escape(sentence)}</p>
<p><a class="back" href="{root}/audit">Back to the audit report</a><a class="back" href="{root}/">Home</a></p>
</main>
</body>
</html>
""",
        status,
        headers={"cache-control": "no-store"},
    )


@cache
def _logo() -> str:
    return (HERE / "logo.svg").read_text(encoding="utf-8")
