"""The server goes away and comes back: the page says so for users, goes on by itself, and what was typed is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize, WebSocketRoute, expect

from tests import homes
from tests.e2e import reruns
from tests.e2e.app_process import App, wait_for
from tests.e2e.goods import Shop
from tests.e2e.screen import TIMEOUT, done, enter, press, sees, sign_in

pytestmark = pytest.mark.browser

WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
LOOKS = [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")]
RECONNECTING = "Reconnecting; what you typed is kept. Saving works again when this line is gone."
# The contrast of the line's words, by the definition of WCAG 2.
CONTRAST = """line => {
    const style = getComputedStyle(line)
    const light = text => text.match(/[0-9.]+/g).slice(0, 3)
        .map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0)
    const [low, high] = [light(style.color), light(style.backgroundColor)].sort((one, other) => one - other)
    return (high + 0.05) / (low + 0.05)
}"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    homes.clear(tmp_path / "home")


def test_the_page_says_that_it_connects_again_and_goes_on_by_itself(shop: Shop, browser: Browser) -> None:
    sockets: list[WebSocketRoute] = []
    tries: list[Request] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page = new_page(browser, shop.url, PHONE, "dark")
    page.route_web_socket(re.compile("/_stcore/stream$"), connect)
    type_a_note(page)
    page.on("requestfailed", lambda request: tries.append(request))
    page.route("**/_stcore/**", lambda route: route.abort())
    sockets[-1].close(code=1012)
    says_that_it_connects_again(page, PHONE, tries)
    page.unroute_all()
    expect(page.get_by_text(RECONNECTING)).to_have_count(0)
    expect(page.get_by_label("Note")).to_have_value("two bales")
    press(page, "Save as draft")
    expect(page.get_by_test_id("stAlert").filter(has_text="Choose the party that orders.")).to_be_visible()
    page.context.close()


@pytest.mark.slow
def test_the_page_waits_for_a_server_that_was_killed_and_keeps_what_was_typed(home: Path, browser: Browser) -> None:
    app = App(home, BACKSTITCH_DEMO="yes").ready()
    try:
        pages = [new_page(browser, f"http://localhost:{app.port}", *look) for look in LOOKS]
        for page in pages:
            type_a_note(page)
        tries: dict[Page, list[Request]] = {page: [] for page in pages}
        for page in pages:
            page.on("requestfailed", lambda request, page=page: tries[page].append(request))
        app.kill()
        for page, (viewport, _) in zip(pages, LOOKS, strict=True):
            says_that_it_connects_again(page, viewport, tries[page])
        app = App(home, port=app.port, BACKSTITCH_DEMO="yes").ready()
        for page in pages:
            expect(page.get_by_text(RECONNECTING)).to_have_count(0)
            done(page)
            expect(page.get_by_role("heading", name="New order")).to_be_visible()
            expect(page.get_by_label("Note")).to_have_value("two bales")
            # The page's buttons are those of the new server.
            press(page, "Save as draft")
            expect(page.get_by_test_id("stAlert").filter(has_text="Choose the party that orders.")).to_be_visible()
            page.context.close()
        assert app.stop() == 0
    finally:
        if app.process.poll() is None:
            app.kill()


def new_page(browser: Browser, url: str, viewport: ViewportSize, scheme: str) -> Page:
    context = browser.new_context(
        base_url=url,
        viewport=viewport,
        color_scheme=scheme,
        locale="en-GB",  # type: ignore[arg-type]
    )
    context.set_default_timeout(TIMEOUT)
    reruns.follow(context)
    return context.new_page()


def type_a_note(page: Page) -> None:
    """Signs in, and types a note into the form of a new order."""
    page.goto("/orders")
    sign_in(page)
    sees(page, "Orders")
    press(page, "New order")
    enter(page, "Note", "two bales")
    page.get_by_label("Note").press("Tab")
    done(page)


def says_that_it_connects_again(page: Page, viewport: ViewportSize, tries: list[Request]) -> None:
    line = page.get_by_role("status").filter(has_text=RECONNECTING)
    expect(line).to_be_visible()
    # After the sixth try Streamlit would have shown its words for developers.
    wait_for(lambda: page.wait_for_timeout(20) or len(tries) > 8, "the page has tried to connect")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Streamlit")).to_have_count(0)
    box = line.bounding_box()
    assert box is not None and box["x"] == 0 and box["width"] == viewport["width"]
    assert box["y"] + box["height"] == viewport["height"]
    assert line.evaluate(CONTRAST) >= 4.5
    # Nothing can be typed that would be lost.
    expect(page.get_by_label("Note")).to_be_disabled()
    expect(page.get_by_label("Note")).to_have_value("two bales")
