"""The places that offer an undo: after a write, in a record of the report, in an operation."""

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.audit.operations import operations
from backstitch.audit.records import Record
from backstitch.audit.search import Filters, search
from tests.ui.conftest import Open
from tests.ui.shop import Shop, choose_or_type, click, run, sentences, type_in_grid

NO_WAY_BACK = "a confirmed or dispatched order has no way back"


def last_day() -> Filters:
    now = datetime.now(UTC)
    return Filters(start=now - timedelta(days=1), end=now + timedelta(days=1))


def newest(shop: Shop) -> Record:
    with shop.clone.app.read(shop.clone.actor(Role.ADMIN)) as connection:
        return search(connection, filters=last_day(), size=1).records[0]


def submit(tab: AppTest, label: str = "Undo this") -> AppTest:
    next(button for button in tab.button if button.label == label).click()
    return run(tab)


@pytest.fixture
def product(shop: Shop) -> int:
    return shop.product(sizes=["S", "L"], colours=["Red"])


def test_a_change_can_be_undone_beside_its_message_and_so_can_the_undo(
    open_page: Open, shop: Shop, product: int
) -> None:
    tab = open_page("inward", Role.MANAGER)
    type_in_grid(tab, "inward_grid_0", S="4", L="12")
    choose_or_type(tab, "inward_stakeholder", "Mill")
    click(tab, "inward_save_0")
    assert shop.stock(product) == {("RED", "S"): 4, ("RED", "L"): 12}
    click(tab, "undo_offer")
    assert "Undoing this deletes 2 inward entries." in [text.value for text in tab.text]
    tab.text_input(key="undo_reason").set_value("typed into the wrong product")
    submit(tab)
    assert sentences(tab.success) == [
        "Undone: 2 records put back: Inward 2 · AN201 · Red · L, Inward 1 · AN201 · Red · S."
    ]
    assert shop.stock(product) == {}
    assert shop.run("select username, reason, new_values -> 'rows' from audit.trail where action = 'UNDO'") == [
        ("manager@example.com", "typed into the wrong product", 2)
    ]
    click(tab, "undo_offer")
    assert "Undoing this brings back 2 inward entries." in [text.value for text in tab.text]
    submit(tab)
    assert shop.stock(product) == {("RED", "S"): 4, ("RED", "L"): 12}


def test_an_undo_that_would_break_the_stock_says_why_and_changes_nothing(
    open_page: Open, shop: Shop, product: int
) -> None:
    tab = open_page("inward", Role.MANAGER)
    type_in_grid(tab, "inward_grid_0", S="4")
    choose_or_type(tab, "inward_stakeholder", "Mill")
    click(tab, "inward_save_0")
    shop.sell(product, S=3)
    click(tab, "undo_offer")
    submit(tab)
    assert sentences(tab.error) == [
        "There is not enough stock for this. AN201 Red, size S: 4 asked, 1 on hand. Nothing was saved."
    ]
    assert shop.stock(product) == {("RED", "S"): 1}


@pytest.mark.parametrize(
    ("role", "says"),
    [
        (Role.ADMIN, "Undoing this sets back 1 product."),
        (Role.MANAGER, "Somebody else did this. An admin can undo it."),
        (Role.ANALYST, None),
    ],
)
def test_a_record_of_another_user_offers_its_undo_to_admins_only(
    open_page: Open, shop: Shop, product: int, role: Role, says: str | None
) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.ADMIN), operation="rename") as connection:
        connection.exec_driver_sql("update inventory.products set name = 'Jeggings'")
    record = newest(shop)
    tab = open_page("audit", role)
    tab.session_state["audit_record"] = record
    run(tab)
    shown = [text.value for text in tab.text] + sentences(tab.caption)
    assert [text for text in shown if "ndo" in text] == ([says] if says else [])
    if role == Role.ADMIN:
        submit(tab)
        assert shop.read_product(product).name == "Leggings"


def test_the_undo_of_an_operation_names_the_records_that_were_changed_since(
    open_page: Open, shop: Shop, product: int
) -> None:
    shop.receive(product, S=5, L=6)
    with shop.clone.app.read(shop.clone.actor(Role.MANAGER)) as connection:
        operation = operations(connection, filters=last_day(), size=1).operations[0]
    shop.run("update inventory.inward_logs set quantity = 7 where size = 'L'")
    tab = open_page("audit", Role.MANAGER)
    tab.session_state["audit_record"] = operation
    run(tab)
    assert [warning.value for warning in tab.warning] == ["1 record will stay as it is."]
    assert tab.dataframe[1].value.to_dict("records") == [
        {"type": "Inward entry", "record": "Inward 2 · AN201 · Red · L", "reason": "changed since"}
    ]
    submit(tab)
    assert sentences(tab.success) == ["Undone: 1 record put back: Inward 1 · AN201 · Red · S. 1 record stayed."]
    assert shop.stock(product) == {("RED", "L"): 7}


def test_an_operation_that_cannot_be_undone_offers_no_undo_and_its_record_says_why(
    open_page: Open, shop: Shop, product: int
) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="take order") as connection:
        connection.exec_driver_sql("insert into inventory.customers (store_name) values ('Mehta Stores')")
        connection.exec_driver_sql("insert into inventory.orders (customer_id) values (1)")
        connection.exec_driver_sql(
            "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity) "
            f"values (1, {product}, 'RED', 'S', 1)"
        )
    tab = click(click(open_page("orders", Role.MANAGER, order="1"), "order_confirmed"), "order_step_go")
    assert sentences(tab.success) == ["Draft 1 was confirmed."]
    assert [button.key for button in tab.button if button.key == "undo_offer"] == []
    tab = open_page("audit", Role.MANAGER)
    tab.session_state["audit_record"] = newest(shop)
    run(tab)
    assert "Nothing of this can be undone. Below is why." in [caption.value for caption in tab.caption]
    (order,) = shop.run("select financial_year || '/' || order_number from inventory.orders")
    assert {"type": "Order", "record": f"Order {order[0]} · Mehta Stores", "reason": NO_WAY_BACK} in [
        row for table in tab.dataframe for row in table.value.to_dict("records")
    ]
