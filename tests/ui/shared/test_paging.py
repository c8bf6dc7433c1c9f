"""The pages of a list that is read by key: double clicks, and visits to other views."""

from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run
from ui.shared import formats, paging


def click_twice(tab: AppTest, key: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Clicks twice; the second click interrupts the run at its first call of `formats.timezone`, before the button."""
    tab.button(key=key).click()
    clicked = tab._tree.get_widget_states()
    zone = formats.timezone

    def interrupted() -> None:
        monkeypatch.setattr(formats, "timezone", zone)
        raise RerunException(RerunData(widget_states=clicked, page_script_hash=tab._page_hash))

    monkeypatch.setattr(formats, "timezone", interrupted)
    return run(tab)


@pytest.fixture
def many(shop: Shop) -> int:
    """130 changes of a price, each in a transaction of its own."""
    made = shop.product(sizes=["S"], colours=["Red"])
    with shop.clone.superuser() as connection:
        for price in range(130):
            connection.execute("update inventory.products set unit_price = %s", (1000 + price,))
    return made


def position(tab: AppTest) -> str:
    """`1 to 50 of 130, newest first`, and the labels of the buttons under it."""
    return " | ".join([tab.caption[0].value, *(button.label for button in tab.button if button.label in TURN)])


TURN = ("Newer", "Older")


def test_a_short_list_has_no_empty_rows_below_it_and_a_long_one_has_a_fixed_height(
    open_page: Open, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heights: dict[object, object] = {}
    draw = st.dataframe

    def drawn(*args: Any, **how: Any) -> Any:
        heights[how.get("key")] = how.get("height")
        return draw(*args, **how)

    monkeypatch.setattr(st, "dataframe", drawn)
    tab = open_page("audit", Role.ANALYST)
    tab.session_state["audit_view"] = "Operations"
    run(tab)
    assert heights == {"audit_table": 560, "operations_table": 560}
    tab.text_input(key="text").set_value("1005.00")
    tab.session_state["audit_view"] = "Records"
    run(tab).session_state["audit_view"] = "Operations"
    run(tab)
    assert heights == {"audit_table": "content", "operations_table": "content"}


def test_a_second_click_before_the_page_has_turned_turns_no_further_page(
    open_page: Open, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_page("audit", Role.ANALYST, type="Product", action="Changed")
    click_twice(tab, "audit_older", monkeypatch)
    assert position(tab) == "51 to 100 of 130, newest first | Newer | Older"
    click_twice(tab, "audit_newer", monkeypatch)
    assert position(tab) == "1 to 50 of 130, newest first | Older"
    tab.session_state["audit_view"] = "Operations"
    run(tab)
    click_twice(tab, "operations_older", monkeypatch)
    click_twice(tab, "operations_newer", monkeypatch)
    assert [button.label for button in tab.button if button.label in TURN] == ["Older"]
    assert len(tab.dataframe[0].value) == 50


def test_page_size_and_page_survive_a_visit_to_the_charts(open_page: Open, many: int) -> None:
    tab = open_page("audit", Role.ANALYST, type="Product", action="Changed")
    tab.selectbox(key="audit_size").set_value(25)
    click(run(tab), "audit_older")
    for view in ("Charts", "Operations", "Records"):
        tab.session_state["audit_view"] = view
        run(tab)
    assert tab.selectbox(key="audit_size").value == 25
    assert position(tab) == "26 to 50 of 130, newest first | Newer | Older"
    tab.text_input(key="text").set_value("no such text")
    assert not run(tab).dataframe
    tab.text_input(key="text").set_value("")
    assert position(run(tab)) == "26 to 50 of 130, newest first | Newer | Older"
    assert tab.selectbox(key="audit_size").value == 25


@pytest.mark.parametrize(("filters", "is_part"), [({}, True), ({"action": "Added", "type": "Product"}, False)])
def test_only_a_table_that_shows_all_rows_keeps_its_search_and_its_sorting(
    open_page: Open, many: int, filters: dict[str, str], is_part: bool
) -> None:
    tab = open_page("audit", Role.ANALYST, **filters)
    assert [paging.LID in html.proto.body for html in tab.get("html")] == [True] * is_part
