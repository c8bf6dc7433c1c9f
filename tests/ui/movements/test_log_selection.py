"""The Inward and the Sales log: filters, the quick look-up, deletion of selected entries, sales of orders."""

from datetime import date, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties.commands import CustomerDetails
from backstitch.inventory.products import matrix as product_matrix
from tests.ui.conftest import Open
from tests.ui.shop import DAY, SEED, Shop, choose_or_type, click, run, sentences, type_in_grid

STEPS = "select reason, action, count(*) from audit.trail where operation = %s group by 1, 2 order by 2"


def listed(tab: AppTest) -> Any:
    """The table of the log, which comes last."""
    return tab.dataframe[-1]


def select(tab: AppTest, *rows: int) -> AppTest:
    """Selects rows as the browser does; returns the tab after its run."""
    tab.session_state[listed(tab).key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return run(tab)


def dispatched(shop: Shop, product: int, quantity: int) -> None:
    """Dispatches an order of `quantity` pieces in red, size S."""
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation=SEED) as connection:
        customer = party_commands.create_customer(connection, details=CustomerDetails("Mehta Stores"))
        order = order_commands.create_order(
            connection, details=OrderDetails(customer, DAY), lines=[Line(product, "RED", "S", quantity)]
        )
        for status in ("confirmed", "dispatched"):
            version = order_queries.versions(connection, order_ids=[order])[order]
            order_commands.set_status(connection, versions={order: version}, status=status, dispatch_date=DAY)


@pytest.fixture
def product(shop: Shop) -> int:
    """AN201 with nine pieces in red, size S, in two entries of the mill, and one size M of Arvind's."""
    product_id = shop.product()
    shop.receive(product_id, S=5)
    shop.receive(product_id, S=4)
    shop.receive(product_id, M=1, stakeholder="Arvind Mills")
    return product_id


def test_selected_goods_in_are_deleted_in_one_step_after_a_question_that_counts_the_pieces(
    open_page: Open, shop: Shop, product: int
) -> None:
    tab = open_page("inward", Role.MANAGER)
    assert "delete_selected" not in {button.key for button in tab.button}
    tab = click(select(tab, 0, 1), "delete_selected")
    texts = [text.value for text in tab.text]
    assert "2 entries selected, 5 pieces." in texts and "Delete 2 entries? That takes 5 pieces out of stock." in texts
    assert listed(tab).value["quantity"].to_list() == [1, 4]
    assert len(shop.inward()) == 3

    tab.text_input(key="delete_entries_reason").set_value("entered twice")
    click(tab, "delete_entries_confirm")
    assert sentences(tab.success) == ["2 entries deleted; that takes 5 pieces out of stock."]
    assert [link.proto.query_string for link in tab.page_link] == ["type=Inward+entry&action=Deleted"]
    assert listed(tab).value["quantity"].to_list() == [5]
    assert shop.stock(product) == {("RED", "S"): 5}
    assert shop.run(STEPS, "delete inward entries") == [("entered twice", "DELETE", 2), ("entered twice", "UPDATE", 2)]


def test_a_bulk_deletion_with_an_invalid_or_stale_entry_is_refused_whole(
    open_page: Open, shop: Shop, product: int
) -> None:
    shop.sell(product, S=6)
    tab = click(click(select(open_page("inward", Role.MANAGER), 0, 2), "delete_selected"), "delete_entries_confirm")
    assert sentences(tab.error) == [
        "There is not enough stock for this. AN201 Red, size S: 5 asked, 3 on hand. Nothing was saved."
    ]

    tab = click(select(open_page("inward", Role.MANAGER), 0, 1), "delete_selected")
    shop.run("update inventory.inward_logs set stakeholder_name = 'Vardhman' where quantity = 1")
    click(tab, "delete_entries_confirm")
    assert sentences(tab.error) == [
        "Somebody else changed or deleted 1 of these records meanwhile. Nothing was deleted."
    ]
    assert len(shop.inward()) == 3 and shop.stock(product) == {("RED", "S"): 3, ("RED", "M"): 1}


def test_a_selection_does_not_pass_to_other_entries(open_page: Open, shop: Shop, product: int) -> None:
    tab = select(open_page("inward", Role.MANAGER), 0)
    assert "1 entry selected, 1 piece." in [text.value for text in tab.text]
    shop.receive(product, L=8)
    run(tab)
    assert listed(tab).value["quantity"].to_list() == [8, 1, 4, 5]
    assert not [text.value for text in tab.text if "selected" in text.value]


def test_a_viewer_cannot_select_entries(open_page: Open, product: int) -> None:
    tab = open_page("inward", Role.VIEWER)
    assert not listed(tab).proto.selection_mode and "open" not in listed(tab).proto.column_order


def test_the_logs_narrow_to_names_and_category(open_page: Open, shop: Shop, product: int) -> None:
    shop.sell(product, S=2)
    shop.sell(product, S=1, store="Indiranagar")
    shop.run("update inventory.inward_logs set category = 'Return' where quantity = 4")
    shop.run("update inventory.sales_logs set agency = 'Kapoor' where store = 'Bandra'")
    tab = open_page("inward", Role.VIEWER)
    tab.selectbox(key="inward_log_stakeholder").set_value("Mill")
    assert listed(run(tab)).value["quantity"].to_list() == [4, 5]
    tab.selectbox(key="inward_log_category").set_value("Return")
    assert listed(run(tab)).value["quantity"].to_list() == [4]
    tab.selectbox(key="inward_log_stakeholder").set_value("Arvind Mills")
    assert [info.value for info in run(tab).info] == ["No entry matches these filters."]

    tab = open_page("sales", Role.VIEWER)
    tab.selectbox(key="sales_log_store").set_value("Indiranagar")
    assert listed(run(tab)).value["quantity"].to_list() == [1]
    tab.selectbox(key="sales_log_store").set_value("")
    tab.selectbox(key="sales_log_agency").set_value("Kapoor")
    assert listed(run(tab)).value["quantity"].to_list() == [2]


def test_the_quick_look_up_shows_the_last_day_of_a_name_or_any_day(open_page: Open, shop: Shop, product: int) -> None:
    shop.run("update inventory.inward_logs set date = %s where quantity = 1", DAY + timedelta(days=1))
    tab = open_page("inward", Role.VIEWER)
    tab.session_state["inward_lookup"] = True
    run(tab)
    table = tab.dataframe[0]
    assert table.value["quantity"].to_list() == [1] and "03 Nov 2026: 1 entry, 1 piece." in _texts(tab)
    tab.selectbox(key="inward_lookup_name").set_value("Mill")
    assert run(tab).dataframe[0].value["quantity"].to_list() == [4, 5]
    assert "02 Nov 2026: 2 entries, 9 pieces." in _texts(tab)
    tab.date_input(key="inward_lookup_day").set_value(date(2026, 10, 1))
    assert [info.value for info in run(tab).info] == ["Nothing on that day."]


def _texts(tab: AppTest) -> list[str]:
    return [text.value for text in tab.text]


def test_a_sale_of_a_dispatched_order_is_marked_and_cannot_be_changed(
    open_page: Open, shop: Shop, product: int
) -> None:
    shop.sell(product, S=1)
    dispatched(shop, product, 3)
    tab = open_page("sales", Role.MANAGER)
    assert listed(tab).value["order"].to_list() == ["2026-27/1", ""]
    assert listed(tab).value["open"].to_list() == [":material/lock: Locked", ":material/edit: Edit"]

    tab.session_state["entry_dialog"] = shop.sales()[0]
    assert "This sale belongs to order 2026-27/1, which was dispatched." in run(tab).info[-1].value
    assert "edit_sale_save" not in {button.key for button in tab.button}

    tab = click(select(open_page("sales", Role.MANAGER), 0, 1), "delete_selected")
    assert [warning.value for warning in tab.warning] == [
        "1 of the selected belong to dispatched orders and stay. Goods that come back are recorded as goods in, of "
        "category Return."
    ]
    click(tab, "delete_entries_confirm")
    assert sentences(tab.success) == ["1 entry deleted; that brings 1 piece back into stock."]
    assert [entry.quantity for entry in shop.sales()] == [3] and shop.stock(product)["RED", "S"] == 6


def test_the_sales_form_offers_allowed_parties_and_cells_in_use_only(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    shop.run("update inventory.products set allowed_stores = '{Bandra}', allowed_agencies = '{Kapoor}'")
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation=SEED) as connection:
        product_matrix.remove_colour(connection, product_id=product, colour_code="NAVY-BLUE")
        product_matrix.set_cell_active(connection, product_id=product, colour_code="RED", size="L", is_active=False)
    tab = open_page("sales", Role.MANAGER)
    (store,) = [box for box in tab.selectbox if (box.key or "").startswith("sales_store")]
    (agency,) = [box for box in tab.selectbox if box.label == "Agency (optional)"]
    assert (store.options, agency.options) == (["Bandra"], ["Kapoor"])
    assert tab.selectbox(key=f"sales_colour_{product}").options == ["Red"]
    assert tab.data_editor[0].value.columns.to_list() == ["S", "M"]


def test_a_reason_is_required_where_a_rule_demands_it_and_is_recorded(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, M=1)
    shop.run("insert into inventory.reason_policies (entity, field) values ('InwardLog', '*')")
    tab = open_page("inward", Role.MANAGER)
    tab.selectbox(key=f"inward_colour_{product}").set_value("RED")
    run(tab)
    type_in_grid(tab, "inward_grid_0", S="4")
    choose_or_type(tab, "inward_stakeholder", "Mill")
    assert len(click(tab, "inward_save_0").error) == 1 and len(shop.inward()) == 1
    tab.text_input(key="inward_reason").set_value("opening stock")
    assert sentences(click(tab, "inward_save_0").error) == []
    assert shop.run(STEPS, "record inward") == [("opening stock", "CREATE", 1), ("opening stock", "UPDATE", 1)]
