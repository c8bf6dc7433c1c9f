"""Fixtures: a running app with demo data, and a real Chromium."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    StorageState,
    expect,
    sync_playwright,
)

from tests import homes
from tests.e2e import goods, reruns
from tests.e2e.app_process import App
from tests.e2e.goods import Product, Shop
from tests.e2e.screen import TIMEOUT, sign_in

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Chromium as root runs only without its sandbox.
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]

PROBE = re.compile(r"//[^/]+/[^/]+/_stcore/")

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts all tests of the shop on one worker, so that one app serves them; skips browser tests without Chromium."""
    for item in items:
        if "shop" in getattr(item, "fixturenames", ()) and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("shop"))
        if not CHROMIUM and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="no chromium in PATH (Debian: apt install chromium)"))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The real app with demo data on a home of its own, with its database."""
    home = tmp_path_factory.mktemp("browser") / "home"
    app = App(home, BACKSTITCH_DEMO="yes")
    try:
        app.ready()
        with goods.opened(home, f"http://localhost:{app.port}") as opened:
            yield opened
            assert app.stop() == 0
    finally:
        if app.process.poll() is None:
            app.kill()
        homes.clear(home)


@pytest.fixture
def product(shop: Shop) -> Product:
    """A product that only this test uses, with PIECES of each cell on hand."""
    return shop.product()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each test has contexts of its own, each of them a browser to the app."""
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def cookies_of(shop: Shop, browser: Browser) -> Callable[[str], StorageState]:
    """Signs each user in once, because that takes seconds, and returns the cookies of that browser."""

    @cache
    def signed_in(who: str) -> StorageState:
        with browser.new_context(base_url=shop.url) as context:
            reruns.follow(context)
            page = context.new_page()
            page.goto("/account")
            sign_in(page, who)
            return context.storage_state()

    return signed_in


@pytest.fixture
def open_page(shop: Shop, browser: Browser, cookies_of: Callable[[str], StorageState]) -> Iterator[OpenPage]:
    """Opens an address, signed in as `who`, or in a browser that has never been here.

    A question of the browser is dismissed, and its text or kind goes to the list `asked`. Fails at the end if the
    console of the browser has an error, or the browser asked something for which there is no list.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Streamlit first looks for its server under the path of the page, which logs an error.
        if message.type == "error" and not PROBE.search(message.location["url"]):
            wrong.append(f"{message.text} ({message.location['url']})")

    def opened(path: str = "/", who: str = "", asked: list[str] | None = None, **options: Any) -> Page:
        def dismiss(dialog: Dialog) -> None:
            (wrong if asked is None else asked).append(dialog.message or dialog.type)
            dialog.dismiss()

        if who:
            options["storage_state"] = cookies_of(who)
        context = browser.new_context(
            base_url=shop.url, **({"viewport": {"width": 1600, "height": 1000}, "locale": "en-GB"} | options)
        )
        contexts.append(context)
        reruns.follow(context)
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", dismiss)
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
