"""The panel of a cell of the stock matrix: its movements, its proof, and adjustments with their refusals."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import MANAGER, Shop, click, run, sentences

ADJUSTMENTS = """
    select username, operation, reason, action, new_values ->> 'quantity', new_values ->> 'note' from audit.trail
    where entity = 'StockAdjustment' order by id
"""


def opened(open_page: Open, role: Role, row: int = 0, size: str = "S") -> AppTest:
    """The matrix of the first product with a cell selected."""
    tab = open_page("stock", role)
    tab.session_state["matrix_1"] = {"selection": {"rows": [], "columns": [], "cells": [[row, size]]}}
    return run(tab)


def adjusting(tab: AppTest, **fields: Any) -> AppTest:
    """Fills in and submits the form for S of the first colour."""
    for name, value in fields.items():
        kind = {"direction": tab.radio, "reason": tab.selectbox}.get(name, tab.text_input)
        kind(key=f"adjust_{name}_1_RED_S_0").set_value(value)
    return click(tab, "adjust_save_1_RED_S_0")


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """Red: 5 S received and 1 sold; no M."""
    product = shop.product(sizes=["S", "M"], colours=["Red"])
    shop.receive(product, S=5)
    shop.sell(product, S=1)
    return shop


@pytest.mark.parametrize("role", [Role.MANAGER, Role.VIEWER])
def test_a_cell_shows_its_movements_with_balances_and_the_proof(open_page: Open, stocked: Shop, role: Role) -> None:
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    began = today.year if today.month >= 4 else today.year - 1
    stocked.run("update inventory.inward_logs set date = %s", date(began, 3, 31))
    stocked.run("update inventory.sales_logs set date = %s", date(began, 4, 1))
    tab = opened(open_page, role)
    assert [sub.value for sub in tab.subheader] == ["Red · S"]
    assert [markdown.value for markdown in tab.markdown] == [
        f":material/check_circle: Opening 5 on 01 Apr {began} + inward 0 − sales 1 + adjustments 0 = **4 on hand**."
    ]
    events = tab.dataframe[1].value
    assert events[["kind", "quantity", "balance", "about"]].values.tolist() == [
        ["Sale", -1, 4, "Bandra"],
        ["Inward", 5, 5, "Mill · Supply"],
    ]
    editor = role is Role.MANAGER
    assert bool(tab.expander) is editor and bool(tab.radio) is editor
    empty = opened(open_page, role, size="M")
    switches = [button.key for button in empty.button if str(button.key).startswith("cell_switch")]
    assert switches == (["cell_switch_True"] if editor else [])
    assert "Nothing has moved this cell yet." in [caption.value for caption in empty.caption]


def test_an_adjustment_moves_the_stock_with_its_reason_and_offers_undo(open_page: Open, stocked: Shop) -> None:
    tab = adjusting(opened(open_page, Role.MANAGER), pieces="2", reason="damaged", note="torn")
    assert sentences(tab.success) == ["Took away 2 pieces of AN201 Red S: damaged."]
    assert tab.button(key="undo_offer").label == "Undo"
    assert stocked.run(ADJUSTMENTS) == [(MANAGER, "adjust stock", "damaged: torn", "CREATE", "-2", "torn")]
    assert stocked.stock(1) == {("RED", "S"): 2}
    assert tab.text_input(key="adjust_pieces_1_RED_S_1").value == ""
    tab.radio(key="adjust_direction_1_RED_S_1").set_value("Add")
    tab.text_input(key="adjust_pieces_1_RED_S_1").set_value("3")
    tab.selectbox(key="adjust_reason_1_RED_S_1").set_value("return")
    tab = click(tab, "adjust_save_1_RED_S_1")
    assert sentences(tab.success) == ["Added 3 pieces of AN201 Red S: return."]
    assert stocked.stock(1) == {("RED", "S"): 5}


REFUSED = {
    "nothing": ({"reason": "count"}, "Say how many pieces: a whole number above 0. Nothing was saved."),
    "zero": ({"pieces": "0", "reason": "count"}, "Say how many pieces: a whole number above 0. Nothing was saved."),
    "a negative number": (
        {"pieces": "-2", "reason": "count"},
        "The quantity for size S is negative. Nothing was saved.",
    ),
    "half a piece": (
        {"pieces": "1.5", "reason": "count"},
        "The quantity for size S is not a whole number. Nothing was saved.",
    ),
    "a word": ({"pieces": "two", "reason": "count"}, "“two” for size S is not a number. Nothing was saved."),
    "no reason": ({"pieces": "2"}, "Choose the reason of the adjustment. Nothing was saved."),
    "more than there is": (
        {"pieces": "5", "reason": "theft or loss"},
        "There is not enough stock for this. AN201 Red, size S: 5 asked, 4 on hand. Nothing was saved.",
    ),
    "more than a cell can hold": (
        {"pieces": "2147483647", "reason": "count", "direction": "Add"},
        "A number is too large. The largest quantity is 2,147,483,647.",
    ),
    "a NUL in the note": (
        {"pieces": "1", "reason": "count", "note": "a\x00b"},
        "The text holds a character that cannot be stored (NUL). Remove it and try again.",
    ),
}


@pytest.mark.parametrize(("fields", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_an_adjustment_is_refused_with_a_sentence(
    open_page: Open, stocked: Shop, fields: dict[str, str], sentence: str
) -> None:
    tab = adjusting(opened(open_page, Role.MANAGER), **fields)
    assert sentences(tab.error) == [sentence]
    assert stocked.run(ADJUSTMENTS) == [] and stocked.stock(1) == {("RED", "S"): 4}


def test_an_empty_cell_goes_out_of_use_and_comes_back(open_page: Open, stocked: Shop) -> None:
    tab = click(opened(open_page, Role.MANAGER, size="M"), "cell_switch_True")
    assert sentences(tab.success) == ["AN201 Red M is out of use."]
    assert tab.dataframe[0].value.loc["Red"].astype(object).where(lambda row: row.notna(), None).tolist() == [
        4,
        None,
        4,
    ]
    assert tab.metric[1].value == "0"
    tab = click(tab, "cell_switch_False")
    assert sentences(tab.success) == ["AN201 Red M is in use."]
    assert tab.dataframe[0].value.loc["Red"].tolist() == [4, 0, 4]
