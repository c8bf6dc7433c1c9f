"""axe-core finds nothing serious on any page, but what Streamlit draws itself and cannot be mended from here."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.screen import done, press, sign_in
from ui import navigation

axe_playwright_python = pytest.importorskip(
    "axe_playwright_python", reason="axe-core is missing: pip install -r requirements-dev.txt"
)

pytestmark = pytest.mark.browser

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
# What Streamlit draws itself: the rule, and the part of the page. An entry that is not needed fails the test.
STREAMLITS_OWN = {
    # The navigation puts a div between a section's list and its entries.
    ("list", "[data-testid=stSidebarNavItems]"),
    ("listitem", "[data-testid=stSidebarNavItems] *"),
}
PAGES = {entry.path: entry.title for entries in navigation.SECTIONS.values() for entry in entries}
# By page: the button that opens its form or dialog.
BUTTONS = {
    "products": "Add product",
    "orders": "New order",
    "customers": "Add customer",
    "agencies": "Add agency",
    "users": "Add user",
}
# The serious violations, each with the entries of STREAMLITS_OWN that excuse it.
RUN = """own => axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations
    .filter(({impact}) => impact === 'serious' || impact === 'critical')
    .flatMap(({id, nodes}) => nodes.map(({target, html, failureSummary}) => ({
        text: `${id}: ${html}: ${failureSummary}`,
        excuses: own.filter(([rule, part]) => rule === id && document.querySelector(target[0])?.matches(part)),
    }))))"""


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [
        ("light", WIDE),
        ("dark", PHONE),
        pytest.param("light", PHONE, marks=pytest.mark.slow),
        pytest.param("dark", WIDE, marks=pytest.mark.slow),
    ],
    ids=["light-1280", "dark-390", "light-390", "dark-1280"],
)
def test_no_page_has_a_serious_violation(open_page: OpenPage, scheme: str, viewport: ViewportSize) -> None:
    page = open_page("/", viewport=viewport, color_scheme=scheme)
    expect(page.get_by_label("Email")).to_be_visible()
    found: dict[str, list[str]] = {"sign-in": violations(page, set())}
    needed: set[tuple[str, str]] = set()
    sign_in(page, "admin")
    for path, title in PAGES.items():
        page.goto(f"/{path}")
        expect(page.locator("h1")).to_have_text([title])
        found[title] = violations(page, needed)
        if path in BUTTONS:
            press(page, BUTTONS[path], exact=True)
            found[f"{title}: {BUTTONS[path]}"] = violations(page, needed)
    assert {name: texts for name, texts in found.items() if texts} == {}
    assert needed == STREAMLITS_OWN, "an entry of STREAMLITS_OWN is not needed any more: remove it"


def violations(page: Page, needed: set[tuple[str, str]]) -> list[str]:
    """The serious violations on the page, without STREAMLITS_OWN, whose needed entries are added to `needed`."""
    done(page)
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # by the debugger: the policy of the page lets no text run
    found = page.evaluate(RUN, sorted(STREAMLITS_OWN))
    needed |= {(rule, part) for violation in found for rule, part in violation["excuses"]}
    return [violation["text"] for violation in found if not violation["excuses"]]
