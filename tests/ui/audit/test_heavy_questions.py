"""Questions that take long: refused in their place on the page, and given up with the run that asked them."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from backstitch import startup
from backstitch.accounts.permissions import Role
from backstitch.database import Database
from backstitch.inventory.products import queries as product_queries
from backstitch.queues import Limits, busy
from backstitch.startup import Service
from tests.conftest import APP_PASSWORD, Clone
from tests.ui.conftest import Open
from tests.ui.shop import Shop, choose_or_type, run, sentences
from ui import feedback
from ui.server import library_patches

ANALYST = "select id from accounts.users where role = 'analyst'"


@pytest.fixture
def quick(service: Service, clone: Clone) -> Iterator[Database]:
    """The database of the pages, with one question at a time and a second for it."""
    url = clone.url.set(username="backstitch_app", password=APP_PASSWORD).render_as_string(hide_password=False)
    limits = Limits(heavy_at_once=1, heavy_per_user=1, heavy_seconds=1)
    made = Database(url, zone=service.settings.timezone, limits=limits)
    startup.use(replace(service, database=made))
    yield made
    made.dispose()


def test_a_search_that_takes_too_long_is_a_sentence_where_its_answer_would_be(
    open_page: Open, shop: Shop, quick: Database
) -> None:
    shop.product()
    tab = open_page("audit", Role.ANALYST, text="Leggings")
    assert len(tab.dataframe) == 1
    with shop.clone.superuser() as psql, psql.transaction():
        psql.execute("lock table audit.records in access exclusive mode")
        run(tab)
    assert sentences(tab.warning) == [
        "This took longer than 1 seconds and was stopped. Choose a shorter period or a record type, or try again when "
        "less is going on."
    ]
    assert (len(tab.error), len(tab.dataframe), tab.text_input(key="text").value) == (0, 0, "Leggings")
    assert len(run(tab).dataframe) == 1


def test_a_search_waits_until_those_ahead_have_ended(open_page: Open, shop: Shop, quick: Database) -> None:
    shop.product()
    tab = open_page("audit", Role.ANALYST)
    ((analyst,),) = shop.run(ANALYST)
    held = quick._heavy.join("somebody else")
    waiting = threading.Thread(target=run, args=(tab,))
    waiting.start()
    while quick._heavy.count(analyst) == 0:
        time.sleep(0.01)
    quick._heavy.leave(held)
    waiting.join()
    assert (len(tab.dataframe), quick._heavy.count(analyst)) == (1, 0)


def test_a_run_is_abandoned_when_it_is_stopped_or_another_run_of_the_page_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def after(*requests: RerunData | None) -> bool:
        asked = ScriptRequests()
        monkeypatch.setattr(library_patches, "get_script_run_ctx", lambda: SimpleNamespace(script_requests=asked))
        is_abandoned = library_patches.abandonment()
        for request in requests:
            asked.request_stop() if request is None else asked.request_rerun(request)
        return is_abandoned()

    assert [
        after(),
        after(None),
        after(RerunData(page_name="next")),
        after(RerunData(fragment_id="cookie")),
        after(RerunData(fragment_id="cookie"), RerunData(page_name="next")),
        after(RerunData(fragment_id="dialog", is_fragment_scoped_rerun=True)),
    ] == [False, True, True, False, True, True]
    monkeypatch.setattr(library_patches, "get_script_run_ctx", lambda: None)
    assert library_patches.abandonment()() is False


def test_a_page_that_finds_everything_busy_is_run_again_with_what_was_typed(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.product()
    tab = open_page("inward", Role.MANAGER)
    choose_or_type(tab, "inward_stakeholder", "Mill")
    choices, refused = product_queries.product_choices, []

    def busy_at_first(*arguments: Any, **named: Any) -> Any:
        if len(refused) < 2:
            refused.append(True)
            raise busy()
        return choices(*arguments, **named)

    monkeypatch.setattr(feedback, "RETRY", 0)
    monkeypatch.setattr(product_queries, "product_choices", busy_at_first)
    run(tab)
    assert (tab.selectbox(key="inward_stakeholder").value, len(refused), len(tab.warning)) == ("Mill", 2, 0)
