"""A second click on a button that saves, at any time between the commit and the message about it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.testing.v1 import AppTest

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.audit import undo
from tests.conftest import PASSWORD
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, sentences
from ui import feedback
from ui.paste import preview as paste_preview

Filled = tuple[AppTest, str]


def an_adjustment(open_page: Open, shop: Shop) -> Filled:
    """Fills in the form of a cell; returns the tab and the key of its button."""
    shop.receive(shop.product(sizes=["S"], colours=["Red"]), S=5)
    tab = open_page("stock", Role.MANAGER)
    tab.session_state["matrix_1"] = {"selection": {"rows": [], "columns": [], "cells": [[0, "S"]]}}
    run(tab)
    tab.text_input(key="adjust_pieces_1_RED_S_0").set_value("2")
    tab.selectbox(key="adjust_reason_1_RED_S_0").set_value("damaged")
    return tab, "adjust_save_1_RED_S_0"


def a_customer(open_page: Open, shop: Shop) -> Filled:
    """Fills in the dialog of a new customer; returns the tab and the key of its button."""
    tab = click(open_page("customers", Role.MANAGER), "add_customer")
    tab.text_input(key="edit_customer_store_name_new").set_value("Mehta Stores")
    return tab, "customer_save"


def a_reason_rule(open_page: Open, shop: Shop) -> Filled:
    """Fills in the form of a new rule, which another form follows; returns the tab and the key of its button."""
    tab = open_page("reasons", Role.ADMIN)
    tab.selectbox(key="reason_entity").set_value("InwardLog")
    run(tab).selectbox(key="reason_field_InwardLog").set_value("quantity")
    tab.text_input(key="reason_rule_why_3").set_value("audit of October")
    return tab, "reason_rule_save_3"


def a_password(open_page: Open, shop: Shop) -> Filled:
    """Fills in the form to change the password; returns the tab and the key of its button."""
    tab = open_page("account", Role.VIEWER)
    for name, typed in (("old", PASSWORD), ("new", "several words in a row"), ("again", "several words in a row")):
        tab.text_input(key=f"password_{name}_0").set_value(typed)
    return tab, "password_save_0"


OUTCOMES = {
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
    """Clicks, and again while the function `during` begins; the second click waits until Streamlit takes it."""
    tab.button(key=key).click()
    second_click = RerunData(widget_states=tab._tree.get_widget_states(), page_script_hash=tab._page_hash)
    call_during(during, lambda requests: requests.request_rerun(second_click), monkeypatch)
    return run(tab)


def call_during(
    during: tuple[ModuleType, str], ask: Callable[[ScriptRequests], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls `ask` once in the browser's thread, while the function `during` begins."""
    function = getattr(*during)

    def wrapper(*arguments: Any, **named: Any) -> Any:
        context = get_script_run_ctx()
        assert context is not None and context.script_requests is not None
        if during != (feedback, "show_done") or "done" in st.session_state:
            monkeypatch.setattr(*during, function)
            with ThreadPoolExecutor() as browser:
                assert browser.submit(ask, context.script_requests).result() is not False
        return function(*arguments, **named)

    monkeypatch.setattr(*during, wrapper)


@pytest.mark.parametrize("before_message", [False, True], ids=["during the write", "before the message"])
@pytest.mark.parametrize("fill", OUTCOMES, ids=lambda fill: fill.__name__)
def test_a_second_click_saves_once_and_the_message_is_shown(
    open_page: Open,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    fill: Callable[[Open, Shop], Filled],
    before_message: bool,
) -> None:
    tab, key = fill(open_page, shop)
    ((before,),) = shop.run("select coalesce(max(id), 0) from audit.trail")
    during = (feedback, "show_done") if before_message else COMMITS.get(fill, (undo, "this_transaction"))
    tab = click_twice(tab, key, during, monkeypatch)
    sentence, written = OUTCOMES[fill]
    assert (sentences(tab.success), sentences(tab.error)) == ([sentence], [])
    assert [field.value for field in tab.text_input if field.value] == []
    records = shop.run("select action, entity from audit.trail where id > %s order by id", before)
    assert records == written


@pytest.mark.parametrize("connected_again", [False, True], ids=["and stays away", "and comes back"])
def test_a_save_while_the_connection_is_lost_happens_once_and_its_message_is_shown(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch, connected_again: bool
) -> None:
    tab, key = an_adjustment(open_page, shop)
    ((before,),) = shop.run("select max(id) from audit.trail")

    def lose(requests: ScriptRequests) -> None:
        requests.request_stop()
        if connected_again:
            assert requests.request_rerun(RerunData(page_script_hash=tab._page_hash))

    call_during((undo, "this_transaction"), lose, monkeypatch)
    click(tab, key)
    if not connected_again:
        run(tab)
    sentence, written = OUTCOMES[an_adjustment]
    assert (sentences(tab.success), sentences(tab.error)) == ([sentence], [])
    assert [field.value for field in tab.text_input if field.value] == []
    records = shop.run("select action, entity from audit.trail where id > %s order by id", before)
    assert records == written


def test_a_click_during_a_check_that_stops_the_run_is_answered(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_page("paste", Role.MANAGER)
    tab.text_area(key="paste_block_0").set_value("nothing\tthat\tcan\tbe\tpasted")
    other = RerunData(query_string="came=yes", page_script_hash=tab._page_hash)
    call_during((paste_preview, "problems"), lambda requests: requests.request_rerun(other), monkeypatch)
    seen = []
    monkeypatch.setattr(paste_preview, "rows", lambda checked: seen.append(st.query_params.get("came")))
    click(tab, "paste_check")
    assert seen == [None, "yes"]


def test_a_message_stays_until_it_can_be_read_also_on_another_page(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "STAYS", 600)
    tab = click(*an_adjustment(open_page, shop))
    message = [OUTCOMES[an_adjustment][0]]
    assert sentences(tab.success) == sentences(run(tab).success) == message
    assert sentences(run(tab.switch_page("../pages/products.py")).success) == message
    tab.session_state["done_until"] -= 600
    assert not run(tab).success
