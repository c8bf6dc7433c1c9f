"""The grid of quantities on Inward and Sales while a colleague changes its product."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, sentences, type_in_grid
from ui.movements import recording

NOTHING = "Enter a quantity for at least one size. Nothing was saved."


@pytest.fixture
def filled(open_page: Open, shop: Shop) -> AppTest:
    """The form with 4 S and 2 L of teal leggings, not saved yet."""
    shop.receive(shop.product(sizes=["S", "M", "L"], colours=["Red", "Teal"]), S=1)
    tab = open_page("inward", Role.MANAGER)
    tab.selectbox(key="inward_colour_1").set_value("TEAL")
    run(tab)
    type_in_grid(tab, "inward_grid_0", S="4", L="2")
    return tab


def sending(tab: AppTest) -> AppTest:
    tab.selectbox(key="inward_stakeholder").set_value("Mill")
    return click(tab, "inward_save_0")


def test_quantities_are_saved_and_a_second_click_writes_and_reports_nothing(filled: AppTest, shop: Shop) -> None:
    grid, save = filled.data_editor[0].proto, filled.button(key="inward_save_0")
    assert (grid.form_id, grid.ignore_rerun, save.proto.is_form_submitter) == ("", False, False)
    filled.selectbox(key="inward_stakeholder").set_value("Mill")
    clicked = save.click() and filled._tree.get_widget_states()
    filled._run(clicked)
    assert sentences(filled.success) == ["Recorded 6 pieces of AN201 Teal in: S 4, L 2."]
    filled._run(clicked)
    assert (sentences(filled.error), list(filled.exception)) == ([], [])
    # A minute from now: on a busy machine the next run may take longer than a double click.
    assert filled.session_state["inward_saved_at"] < time.monotonic()
    filled.session_state["inward_saved_at"] = time.monotonic() + 60
    assert not click(filled, "inward_save_1").error
    filled.session_state["inward_saved_at"] = time.monotonic() - recording.DOUBLE_CLICK
    assert sentences(click(filled, "inward_save_1").error) == [NOTHING]
    assert shop.stock(1) == {("RED", "S"): 1, ("TEAL", "S"): 4, ("TEAL", "L"): 2}


def test_quantities_are_recorded_although_sizes_were_added_and_removed_meanwhile(filled: AppTest, shop: Shop) -> None:
    shop.run("delete from inventory.product_color_stocks where size = 'M'")
    shop.run("update inventory.products set sizes = '{XS,S,L}'")
    shop.colours(1, "Azure")
    assert sentences(sending(filled).success) == ["Recorded 6 pieces of AN201 Teal in: S 4, L 2."]
    assert filled.data_editor[0].value.to_dict("index") == {"Quantity": {"XS": "", "S": "", "L": ""}}


def test_a_quantity_for_a_removed_size_is_refused_and_stays_in_the_grid(filled: AppTest, shop: Shop) -> None:
    shop.run("delete from inventory.product_color_stocks where size = 'L'")
    shop.run("update inventory.products set sizes = '{S,M}'")
    assert sentences(sending(filled).error) == [
        "The product does not come in this colour and size. Add them to the product first."
    ]
    assert filled.data_editor[0].value.to_dict("index") == {"Quantity": {"S": "4", "M": "", "L": "2"}}
    assert shop.stock(1) == {("RED", "S"): 1}
    type_in_grid(filled, "inward_grid_0_1", L=None)
    assert sentences(sending(filled).success) == ["Recorded 4 pieces of AN201 Teal in: S 4."]


def test_quantities_for_a_removed_colour_are_not_recorded_for_another_one(filled: AppTest, shop: Shop) -> None:
    shop.run("update inventory.product_colors set is_active = false where colour_code = 'TEAL'")
    sending(filled)
    assert [warning.value for warning in filled.warning] == [
        "The colour you had chosen is not in use any more. Look which one is chosen now."
    ]
    assert sentences(filled.error) == [NOTHING]
    assert (filled.selectbox(key="inward_colour_1").value, shop.stock(1)) == ("RED", {("RED", "S"): 1})
    other = shop.product("B2", "Other")
    shop.run("update inventory.products set is_active = false where id = 1")
    assert [warning.value for warning in run(filled).warning] == [
        "The product you had chosen is not in use any more. Look which one is chosen now."
    ]
    assert filled.selectbox(key="inward_product").value == other and not run(filled).warning
