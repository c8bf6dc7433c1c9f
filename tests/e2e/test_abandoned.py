"""A question ends in the database when nobody waits for it any more: its tab was closed, or its filter changed."""

from urllib.parse import urlencode

import psycopg
import pytest

from backstitch.demo import loader as demo_loader
from bench.campaigns.tab import Tab, browser_cookies, sign_in
from tests.e2e.app_process import wait_for
from tests.e2e.goods import Shop

# Questions of the app that wait for the lock of a test.
WAITING = "select pid from pg_stat_activity where application_name = 'backstitch' and wait_event_type = 'Lock'"


def pids(shop: Shop) -> set[int]:
    """The backends of questions that wait for the lock."""
    return {pid for (pid,) in shop.query(WAITING)}


def ask(tab: Tab, text: str) -> None:
    """Asks for the audit report, whose question then waits."""
    tab.query = urlencode({"period": "All time", "text": text})
    tab.page_hash = ""
    tab.send("audit")


# Together half a minute: the searches must be slow enough to be cancelled. Without a browser, tests/ui/audit and
# tests/db/test_limits.py hold the same.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("end", ["closed", "changed"])
def test_a_search_that_nobody_waits_for_is_cancelled(shop: Shop, end: str) -> None:
    tab = sign_in(Tab(shop.url, browser_cookies(shop.url)), "analyst@demo.example", demo_loader.PASSWORD)
    with psycopg.connect(shop.connection.info.dsn, password=shop.connection.info.password) as psql:
        psql.execute("lock table audit.records in access exclusive mode")
        ask(tab, "first")
        (first,) = wait_for(lambda: pids(shop), "the first question waits", 10)
        if end == "closed":
            tab.close()
            wait_for(lambda: not pids(shop), "the question was cancelled", 5)
        else:
            ask(tab, "second")
            wait_for(lambda: pids(shop) - {first}, "the second question replaces the first", 5)
            assert first not in pids(shop)
    if end == "changed":
        tab.until(lambda: any("records" in text for text in tab.texts())).close()


def test_a_third_search_of_a_user_waits_its_turn_and_the_page_says_so(shop: Shop) -> None:
    cookies = browser_cookies(shop.url)
    tabs = [sign_in(Tab(shop.url, cookies), "analyst@demo.example", demo_loader.PASSWORD) for _ in range(3)]
    with psycopg.connect(shop.connection.info.dsn, password=shop.connection.info.password) as psql:
        psql.execute("lock table audit.records in access exclusive mode")
        for number, tab in enumerate(tabs):
            ask(tab, f"text {number}")
            if number < 2:
                wait_for(lambda most=number + 1: len(pids(shop)) == most, "another question waits", 10)  # type: ignore[misc]
        tabs[2].drawn(lambda: ":material/hourglass: 2 searches are ahead of yours." in tabs[2].texts())
        assert len(pids(shop)) == 2
    for tab in tabs:
        tab.until(lambda tab=tab: any("records" in text for text in tab.texts())).close()  # type: ignore[misc]
