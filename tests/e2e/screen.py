"""Actions and assertions of the browser tests, in terms of the screen."""

import re

from playwright.sync_api import Locator, Page, Position, expect

from backstitch.demo import loader as demo_loader
from tests.e2e import reruns
from tests.e2e.app_process import wait_for
from ui import SIGN_IN_COOKIE

PAGES = {
    "/": "Home",
    "/products": "Products",
    "/stock": "Stock matrix",
    "/low-stock": "Low stock",
    "/stock-take": "Stock-take",
    "/inward": "Inward",
    "/sales": "Sales",
    "/adjustments": "Adjustments",
    "/audit": "Audit report",
}
TIMEOUT = 60_000  # milliseconds; on an idle machine nothing takes nearly as long
FIRST_CELL: Position = {"x": 110, "y": 53}  # of a table with a narrow first column: the middle of its second, first row

# Waits for animations to end: an element that moves may miss a click. Endless ones, such as spinners, do not move.
STILL = """() => Promise.allSettled(
    document.getAnimations().filter(a => Number.isFinite(a.effect.getComputedTiming().endTime)).map(a => a.finished)
)"""
DRAWN = "() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


def sign_in(page: Page, who: str = "manager") -> Page:
    """Signs in on the open page; returns once the browser has the sign-in cookie."""
    expect(page.get_by_label("Email")).to_be_visible()
    enter(page, "Email", f"{who}@demo.example")
    enter(page, "Password", demo_loader.PASSWORD)
    press(page, "Sign in", exact=True)
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_attached()
    wait_for(lambda: has_sign_in_cookie(page), "the browser has the sign-in cookie")
    return page


def has_sign_in_cookie(page: Page) -> bool:
    """Whether the browser has the sign-in cookie."""
    page.wait_for_timeout(20)  # lets Playwright work; a wait inside the page would need eval, which the CSP forbids
    return any(cookie["name"] == SIGN_IN_COOKIE for cookie in page.context.cookies())


def sees_the_sign_in_only(page: Page) -> None:
    """Asserts that nothing of the app shows but the sign-in."""
    expect(page.get_by_label("Email")).to_be_visible()
    expect(page.locator("h1")).to_have_text(["Backstitch"])
    expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


def go(page: Page, title: str) -> None:
    """Opens the page with this title by the navigation."""
    done(page)
    page.get_by_test_id("stSidebarNavLink").filter(has_text=title).click()
    sees(page, title)


def sees(page: Page, title: str) -> None:
    """Waits until the page with this title is shown and done."""
    expect(page.locator("h1")).to_have_text([title])
    done(page)


def done(page: Page) -> None:
    """Waits until the script has answered every action, and the browser has removed stale elements."""
    reruns.wait(page, TIMEOUT)
    page.evaluate(DRAWN)
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    expect(page.locator("[data-stale=true]")).to_have_count(0)
    page.evaluate(STILL)


def press(within: Page | Locator, name: str, *, exact: bool = False) -> None:
    """Presses a button of the page, or of a part of it, once the page is done."""
    done(within if isinstance(within, Page) else within.page)
    within.get_by_role("button", name=name, exact=exact).click()


def press_twice(within: Page | Locator, name: str, *, exact: bool = False) -> None:
    """Presses a button twice, as fast as a double click."""
    done(within if isinstance(within, Page) else within.page)
    within.get_by_role("button", name=name, exact=exact).click(click_count=2, delay=30)


def enter(within: Page | Locator, label: str, text: str) -> None:
    """Types into the field with exactly this label, once the page is done."""
    done(within if isinstance(within, Page) else within.page)
    within.get_by_label(label, exact=True).fill(text)


def table(page: Page, key: str = "") -> Locator:
    """The table of a keyed widget, or the only one on the page; its cells are drawn, and listed for screen readers."""
    within = page.locator(f".st-key-{key}") if key else page
    found = within.get_by_test_id("stDataFrame")
    expect(cell(found, 1, 0)).to_be_attached()
    done(page)
    return found


def cell(within: Locator, column: int, row: int) -> Locator:
    """A cell of the table that screen readers get."""
    return within.get_by_test_id(f"glide-cell-{column}-{row}")


def rows(within: Locator) -> list[list[str]]:
    """The texts of the rows on the screen, once they are drawn."""
    expect(cell(within, 1, 0)).to_be_attached()
    return [row.locator("td").all_inner_texts() for row in within.locator("tbody tr").all()]


def type_in_row(page: Page, grid: Locator, texts: list[str]) -> None:
    """Types texts into the first row of a newly drawn grid, from the first cell on, by keyboard."""
    grid.click(position=FIRST_CELL)
    for column, text in enumerate(texts, start=1):
        expect(cell(grid, column, 0)).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        field = page.get_by_test_id("portal").locator("textarea, input")
        field.fill(text)
        page.keyboard.press("Tab")
        expect(cell(grid, column, 0)).to_have_text(text)


def choose(page: Page, key: str, text: str) -> None:
    """Types into the select box whose key starts with `key`, and takes its first option, which may be the new text."""
    done(page)
    box = page.locator(f"[class*=st-key-{key}] input").first
    offer = page.locator("[role=option][data-focused=true]").filter(has_text=text)

    def offered() -> bool:
        """Whether the option is offered, without which Enter does nothing; its list closes if the page still moves."""
        if not offer.count():
            box.fill("")
            box.fill(text)
        for _ in range(6):
            page.evaluate(DRAWN)
        return offer.count() == 1

    wait_for(offered, f"{text} is offered")
    box.press("Enter")


def choose_product(page: Page, key: str, text: str, colour: str) -> None:
    """Chooses the product to enter quantities for; returns once the grid of its first colour is drawn."""
    choose(page, key, text)
    expect(page.locator(f"input[aria-label=Colour][value='{colour}']")).to_be_attached()
    done(page)


def click_open(page: Page, row: int = 0) -> Locator:
    """Opens a record of the report; returns its dialog."""
    table(page).click(position={"x": 40, "y": 53 + 35 * row})
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    done(page)
    return dialog


def count_line(page: Page) -> Locator:
    """The line of the report with its number of records."""
    return page.get_by_text(re.compile(r"^[\d,]+ records? · times in "))


def count_of_records(page: Page) -> int:
    """The number of records in the report."""
    return int(count_line(page).inner_text().split()[0].replace(",", ""))


def says(page: Page, text: str) -> None:
    """Waits for a message with exactly this text, the icon's name before it, and until the page is done."""
    expect(page.get_by_test_id("stAlert").get_by_text(text, exact=True)).to_be_visible()
    done(page)
