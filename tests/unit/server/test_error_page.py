"""The page in place of a download: in the app's colours, in words, with links back; what it shows is escaped."""

import re
import tomllib
from pathlib import Path

import pytest

from ui.server import error_page


def test_the_page_has_the_colours_of_the_app(project: Path) -> None:
    theme = tomllib.loads((project / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    names = ("backgroundColor", "textColor", "linkColor")
    assert re.findall("#[0-9a-f]{6}", error_page.STYLE) == [
        theme[kind][name] for kind in ("light", "dark") for name in names
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503])
def test_the_page_escapes_its_sentence_and_leads_back(status: int) -> None:
    page = error_page.response(status, "“<b>x</b>” is no start.")
    text = bytes(page.body).decode()
    assert page.status_code == status and "“&lt;b&gt;x&lt;/b&gt;” is no start." in text
    assert re.findall('href="([^"]+)"', text) == ["/audit", "/"] and "<script" not in text
