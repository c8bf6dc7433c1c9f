"""A second click on what saves, wherever it comes between the commit of the first and the page that says so."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.audit import undo
from tests.conftest import PASSWORD
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, sentences
from ui import feedback

Filled = tuple[AppTest, str]


def an_adjustment(open_page: Open, shop: Shop) -> Filled:
    """The form of a cell, filled in; its button."""
    shop.receive(shop.product(sizes=["S"], colours=["Red"]), S=5)
    tab = open_page("stock", Role.MANAGER)
    tab.session_state["matrix_1"] = {"selection": {"rows": [], "columns": [], "cells": [[0, "S"]]}}
    run(tab)
    tab.text_input(key="adjust_pieces_1_RED_S_0").set_value("2")
    tab.selectbox(key="adjust_reason_1_RED_S_0").set_value("damaged")
    return tab, "adjust_save_1_RED_S_0"


def a_customer(open_page: Open, shop: Shop) -> Filled:
    """The dialog of a new one, filled in; its button."""
    tab = click(open_page("customers", Role.MANAGER), "add_customer")
    tab.text_input(key="edit_customer_store_name_new").set_value("Mehta Stores")
    return tab, "customer_save"


def a_reason_rule(open_page: Open, shop: Shop) -> Filled:
    """The form of a new rule, which has another one after it; its button."""
    tab = open_page("reasons", Role.ADMIN)
    tab.selectbox(key="reason_entity").set_value("InwardLog")
    run(tab).selectbox(key="reason_field_InwardLog").set_value("quantity")
    tab.text_input(key="reason_rule_why_3").set_value("audit of October")
    return tab, "reason_rule_save_3"


def a_password(open_page: Open, shop: Shop) -> Filled:
    """The form for one of one's own, filled in; its button."""
    tab = open_page("account", Role.VIEWER)
    for name, typed in (("old", PASSWORD), ("new", "several words in a row"), ("again", "several words in a row")):
        tab.text_input(key=f"password_{name}_0").set_value(typed)
    return tab, "password_save_0"


SAID = {
    an_adjustment: (
        "Took away 2 pieces of AN201 Red S: damaged.",
        [("CREATE", "StockAdjustment"), ("UPDATE", "ProductColorStock")],
    ),
    a_customer: ("Mehta Stores was added.", [("CREATE", "Customer")]),
    a_reason_rule: ("Inward entry, Quantity: a reason is asked for from now on.", [("CREATE", "ReasonPolicy")]),
    a_password: (
        "Your password was changed. Every other session of yours was signed out.",
        [("UPDATE", "User"), ("PASSWORD_CHANGE", "User")],
    ),
}
COMMITS = {a_password: (sessions, "change_password")}


def click_twice(tab: AppTest, key: str, during: tuple[ModuleType, str], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The second click comes within a function, and waits like any other for Streamlit to ask for it."""
    tab.button(key=key).click()
    clicked, function = tab._tree.get_widget_states(), getattr(*during)

    def clicked_again(*arguments: Any, **named: Any) -> Any:
        context = get_script_run_ctx()
        assert context is not None and context.script_requests is not None
        if during != (feedback, "show_done") or "done" in tab.session_state:
            monkeypatch.setattr(*during, function)
            again = RerunData(widget_states=clicked, page_script_hash=tab._page_hash)
            with ThreadPoolExecutor() as browser:
                assert browser.submit(context.script_requests.request_rerun, again).result()
        return function(*arguments, **named)

    monkeypatch.setattr(*during, clicked_again)
    return run(tab)


@pytest.mark.parametrize("at_the_sentence", [False, True], ids=["while it is written", "while it is said"])
@pytest.mark.parametrize("fill", SAID, ids=lambda fill: fill.__name__)
def test_what_is_saved_is_saved_once_and_said(
    open_page: Open,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    fill: Callable[[Open, Shop], Filled],
    at_the_sentence: bool,
) -> None:
    tab, key = fill(open_page, shop)
    ((before,),) = shop.run("select coalesce(max(id), 0) from audit.trail")
    during = (feedback, "show_done") if at_the_sentence else COMMITS.get(fill, (undo, "this_transaction"))
    tab = click_twice(tab, key, during, monkeypatch)
    sentence, written = SAID[fill]
    assert (sentences(tab.success), sentences(tab.error)) == ([sentence], [])
    assert [field.value for field in tab.text_input if field.value] == []
    records = shop.run("select action, entity from audit.trail where id > %s order by id", before)
    assert records == written
