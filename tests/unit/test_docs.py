"""What the pages for people say of the checkout is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
)
PATH = re.compile(r"`((?:backstitch|ui|db|tests|bench|pages|docs)/[\w./-]*)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def test_every_file_that_a_page_names_is_there() -> None:
    missing = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        missing += [(page, path) for path in PATH.findall(text) if not (ROOT / path).exists()]
        missing += [(page, link) for link in LINK.findall(text) if not (ROOT / page).parent.joinpath(link).exists()]
    assert missing == []


def test_every_file_that_the_code_names_is_there() -> None:
    named = re.compile(r"(?<![\w/.])(?:db/[\w/]+\.(?:sql|py)|(?:backstitch|ui|pages|tests|bench)/[\w/]+\.py)")
    sources = [
        file
        for folder in ("backstitch", "ui", "pages", "db", "tests", "bench")
        for file in (ROOT / folder).rglob("*.py")
        if ".venv" not in file.parts
    ]
    sources += (ROOT / "db").rglob("*.sql")
    assert len(sources) > 200
    missing = [
        (file.name, path)
        for file in sources
        for path in named.findall(file.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []
