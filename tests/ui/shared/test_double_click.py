"""A second click on what saves, wherever it comes between the commit of the first and the page that says so."""

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
    again = RerunData(widget_states=tab._tree.get_widget_states(), page_script_hash=tab._page_hash)
    meanwhile(during, lambda requests: requests.request_rerun(again), monkeypatch)
    return run(tab)


def meanwhile(
    during: tuple[ModuleType, str], ask: Callable[[ScriptRequests], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Has the browser's thread ask for something, once, while a function begins."""
    function = getattr(*during)

    def asked(*arguments: Any, **named: Any) -> Any:
        context = get_script_run_ctx()
        assert context is not None and context.script_requests is not None
        if during != (feedback, "show_done") or "done" in st.session_state:
            monkeypatch.setattr(*during, function)
            with ThreadPoolExecutor() as browser:
                assert browser.submit(ask, context.script_requests).result() is not False
        return function(*arguments, **named)

    monkeypatch.setattr(*during, asked)


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


@pytest.mark.parametrize("connected_again", [False, True], ids=["and stays away", "and comes back"])
def test_what_is_saved_while_the_connection_is_lost_is_saved_once_and_said(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch, connected_again: bool
) -> None:
    tab, key = an_adjustment(open_page, shop)
    ((before,),) = shop.run("select max(id) from audit.trail")

    def lose(requests: ScriptRequests) -> None:
        requests.request_stop()
        if connected_again:
            assert requests.request_rerun(RerunData(page_script_hash=tab._page_hash))

    meanwhile((undo, "this_transaction"), lose, monkeypatch)
    click(tab, key)
    if not connected_again:
        run(tab)
    sentence, written = SAID[an_adjustment]
    assert (sentences(tab.success), sentences(tab.error)) == ([sentence], [])
    assert [field.value for field in tab.text_input if field.value] == []
    records = shop.run("select action, entity from audit.trail where id > %s order by id", before)
    assert records == written


def test_a_click_is_answered_that_comes_while_what_ends_the_run_is_found(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_page("paste", Role.MANAGER)
    tab.text_area(key="paste_block_0").set_value("nothing\tthat\tcan\tbe\tpasted")
    other = RerunData(query_string="came=yes", page_script_hash=tab._page_hash)
    meanwhile((paste_preview, "problems"), lambda requests: requests.request_rerun(other), monkeypatch)
    seen = []
    monkeypatch.setattr(paste_preview, "rows", lambda checked: seen.append(st.query_params.get("came")))
    click(tab, "paste_check")
    assert seen == [None, "yes"]


def test_what_was_said_stays_until_it_can_be_read_on_another_page_too(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "STAYS", 600)
    tab = click(*an_adjustment(open_page, shop))
    said = [SAID[an_adjustment][0]]
    assert sentences(tab.success) == sentences(run(tab).success) == said
    assert sentences(run(tab.switch_page("../pages/products.py")).success) == said
    tab.session_state["done_until"] -= 600
    assert not run(tab).success
