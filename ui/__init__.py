"""What the pages share: sign-in, navigation, tables, diffs, charts, downloads."""

from pathlib import Path

BROWSER_COOKIE = "backstitch_browser"
BROWSER_HEADER = "X-Backstitch-Browser"  # of the middleware only; .streamlit/config.toml has its name too
SIGN_IN_COOKIE = "backstitch_sign_in"
HERE = Path(__file__).resolve().parent
