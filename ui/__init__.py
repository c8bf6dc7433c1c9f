"""Everything that draws the screen and serves the browser, area by area; the pages put it together."""

from pathlib import Path

BROWSER_COOKIE = "backstitch_browser"
BROWSER_HEADER = "X-Backstitch-Browser"  # only the middleware sets it; .streamlit/config.toml names it too
SIGN_IN_COOKIE = "backstitch_sign_in"
HERE = Path(__file__).resolve().parent
