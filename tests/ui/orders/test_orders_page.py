"""The Orders page: take, change, confirm, dispatch, copy and delete, and every refusal with its sentence."""

import io
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.company import Company
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders import sheet as order_sheet
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.orders.queries import Order, OrderFilter, OrderSummary
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties.commands import AgencyDetails, CustomerDetails
from tests.ui.conftest import Open
from tests.ui.shared.test_links import visit
from tests.ui.shop import DAY, SEED, Shop, click, run, sentences, type_in_grid
from ui.orders.steps import Step

WRITTEN = "select operation, action, entity from audit.trail where operation <> %s order by id"


def seeded(shop: Shop, write: Any) -> Any:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation=SEED) as connection:
        return write(connection)


def customer(shop: Shop, name: str = "Mehta Stores") -> int:
    return seeded(shop, lambda connection: party_commands.create_customer(connection, details=CustomerDetails(name)))


def test_choices_that_go_out_of_use_while_an_order_is_entered_get_a_warning(open_page: Open, shop: Shop) -> None:
    draft(shop)
    customer(shop, "Other")
    tab = click(open_page("orders", Role.MANAGER), "new_order")
    tab.multiselect(key="order_products_new_1").set_value([1])
    tab.selectbox(key="order_customer_new_1").set_value(1)
    assert not run(tab).warning
    shop.run("update inventory.products set is_active = false")
    shop.product("B2", "Other")
    shop.run("update inventory.customers set is_active = false where id = 1")
    assert [warning.value for warning in run(tab).warning] == [
        "A product that you had chosen is not in use any more, and has left this order.",
        "The party that you had chosen is not in use any more, and has left this order.",
    ]
    assert (tab.multiselect(key="order_products_new_1").value, tab.selectbox(key="order_customer_new_1").value) == (
        [],
        None,
    )


def draft(shop: Shop, *, quantity: int = 3, store: str = "Mehta Stores") -> int:
    """A product, a customer, and a draft of both."""
    product = shop.product(f"AN{store[0]}", gst_rate=Decimal(5))
    details = OrderDetails(customer(shop, store), DAY)
    lines = [Line(product, "RED", "S", quantity)]
    return seeded(shop, lambda connection: order_commands.create_order(connection, details=details, lines=lines))


def read(shop: Shop, order_id: int = 1) -> Order:
    with shop.clone.app.read(shop.clone.actor(Role.VIEWER)) as connection:
        return order_queries.order(connection, order_id=order_id)


def listed(shop: Shop) -> list[OrderSummary]:
    with shop.clone.app.read(shop.clone.actor(Role.VIEWER)) as connection:
        return order_queries.orders(connection, order_filter=OrderFilter())


def written(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.run(WRITTEN, SEED)


def taking(open_page: Open, product: int, cells: dict[int, dict[str, str]], **fields: object) -> AppTest:
    """Fills in and saves the form for a new order; `cells` by row of the grid."""
    tab = click(open_page("orders", Role.MANAGER), "new_order")
    tab.multiselect(key="order_products_new_1").set_value([product] if product else [])
    run(tab)
    if product:
        grid = {"edited_rows": cells, "added_rows": [], "deleted_rows": []}
        tab.session_state[f"order_grid_{product}_new_1"] = grid
    widgets = {"customer": tab.selectbox, "agency": tab.selectbox, "date": tab.date_input}
    for name, value in ({"customer": 1} | fields).items():
        kind = widgets.get(name, tab.text_input)
        kind(key=f"order_{name}_{product}_new_1" if name in ("price", "gst") else f"order_{name}_new_1").set_value(
            value
        )
    return click(tab, "order_save")


@pytest.mark.parametrize("role", Role)
def test_every_role_sees_the_orders_and_only_editors_can_change_them(open_page: Open, shop: Shop, role: Role) -> None:
    assert next(iter(open_page("orders", role).info)).value.startswith("No orders yet.")
    order_id = draft(shop)
    tab = open_page("orders", role, order=str(order_id))
    editor = role in (Role.ADMIN, Role.MANAGER)
    assert sorted(button.key for button in tab.button if str(button.key).startswith(("order", "new"))) == sorted(
        [
            "order_back",
            *(["new_order", "order_confirmed", "order_copy", "order_delete", "order_edit"] if editor else []),
        ]
    )
    # A download is recorded, and the database lets only readers of the trail write that record.
    assert len(tab.get("download_button")) == (0 if role is Role.VIEWER else 1)
    assert [sub.value for sub in tab.subheader] == ["Draft 1 · Mehta Stores"]


def test_a_link_to_a_deleted_order_says_that_it_does_not_exist(open_page: Open) -> None:
    tab = open_page("orders", Role.MANAGER, order="77")
    assert [error.value for error in tab.error] == ["This order does not exist any more."]
    assert not click(tab, "order_back").error


def test_an_order_is_taken_with_the_price_that_was_typed_and_a_link_filters_by_status(
    open_page: Open, shop: Shop
) -> None:
    product = shop.product(gst_rate=Decimal(5))
    customer(shop)
    cells = {0: {"S": "4"}, 1: {"L": " 2 ", "M": "0"}}
    tab = taking(open_page, product, cells, price="500.50", note="before Diwali", date=DAY)
    assert sentences(tab.success) == ["Draft 1 was saved."]
    order = read(shop)
    assert [(line.color, line.size, line.quantity, line.unit_price, line.gst_rate) for line in order.lines] == [
        ("Navy Blue", "S", 4, Decimal("500.50"), Decimal("5.00")),
        ("Red", "L", 2, Decimal("500.50"), Decimal("5.00")),
    ]
    assert (order.summary.store, order.summary.date, order.summary.note) == ("Mehta Stores", DAY, "before Diwali")
    assert {(operation, entity) for operation, _, entity in written(shop)} == {
        ("take order", "Order"),
        ("take order", "OrderLine"),
    }
    tab = open_page("orders", Role.VIEWER, status="draft")
    assert list(tab.dataframe[0].value["name"]) == ["Draft 1"]
    assert [info.value for info in open_page("orders", Role.VIEWER, status="delivered").info] == [
        "No order matches these filters."
    ]


NOT_SAVED = "Nothing was saved."
NO_PRICE = "The product has no price. Enter a price for it in the order, or in the product."
OF = "for size S of AN201 Navy Blue"
PRICE = "Price of AN201"
WRONG: dict[str, tuple[dict[str, str], dict[str, object], str]] = {
    "negative": ({"S": "-1"}, {}, f"The quantity {OF} is negative. {NOT_SAVED}"),
    "half": ({"S": "1.5"}, {}, f"The quantity {OF} is not a whole number. {NOT_SAVED}"),
    "word": ({"S": "two"}, {}, f"“two” {OF} is not a number. {NOT_SAVED}"),
    "formula": ({"S": "=1+1"}, {}, f"“=1+1” {OF} is not a number. {NOT_SAVED}"),
    "huge": ({"S": "9" * 11}, {}, f"The quantity {OF} is too large. {NOT_SAVED}"),
    "nothing": ({"S": "0"}, {}, f"Enter a quantity for at least one size. {NOT_SAVED}"),
    "price": ({"S": "1"}, {"price": "cheap"}, f"Price of AN201: “cheap” is not a number. {NOT_SAVED}"),
    "negative price": ({"S": "1"}, {"price": "-1"}, f"Price of AN201: A price cannot be negative. {NOT_SAVED}"),
    "fine price": ({"S": "1"}, {"price": "1.2345"}, f"{PRICE}: “1.2345” has more than two decimals. {NOT_SAVED}"),
    "endless price": ({"S": "1"}, {"price": "inf"}, f"Price of AN201: “inf” is not a number. {NOT_SAVED}"),
    "GST": ({"S": "1"}, {"gst": "five"}, f"GST of AN201: “five” is not a number. {NOT_SAVED}"),
    "GST above 100": ({"S": "1"}, {"gst": "101"}, f"GST of AN201: A GST rate cannot be more than 100. {NOT_SAVED}"),
    "no party": ({"S": "1"}, {"customer": None}, f"Choose the party that orders. {NOT_SAVED}"),
    "no date": ({"S": "1"}, {"date": None}, f"Choose a date. {NOT_SAVED}"),
    "no price": ({"S": "1"}, {"price": ""}, NO_PRICE),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "fields", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_order_is_refused_with_a_sentence_and_writes_nothing(
    open_page: Open, shop: Shop, cells: dict[str, str], fields: dict[str, object], sentence: str
) -> None:
    product = shop.product(unit_price=None)
    customer(shop)
    tab = taking(open_page, product, {0: cells}, **({"price": "10"} | fields))
    assert sentences(tab.error) == [sentence]
    assert not tab.success and written(shop) == []


def test_parties_and_cells_that_may_not_order_are_refused(open_page: Open, shop: Shop) -> None:
    product = shop.product(allowed_stores=["Bandra"])
    customer(shop)
    shop.run("delete from inventory.product_color_stocks where size = 'L'")
    tab = taking(open_page, product, {0: {"S": "1"}})
    assert sentences(tab.error) == [
        "This product does not go to that store. The product says which stores are allowed."
    ]
    tab = taking(open_page, product, {0: {"L": "1"}})
    assert sentences(tab.error) == ["The product does not come in this colour and size. Add them to the product first."]
    tab = taking(open_page, 0, {})
    assert sentences(tab.error) == ["Choose at least one product. Nothing was saved."]
    assert written(shop) == []


def editing(open_page: Open, shop: Shop, role: Role = Role.MANAGER, **cells: str) -> AppTest:
    tab = click(open_page("orders", role, order="1"), "order_edit")
    grid = f"order_grid_1_1_{read(shop).version}_1"
    tab.session_state[grid] = {"edited_rows": {1: cells}, "added_rows": [], "deleted_rows": []}
    return tab


def test_the_second_of_two_changes_to_an_order_is_refused_and_shows_both(open_page: Open, shop: Shop) -> None:
    draft(shop)
    first, second = editing(open_page, shop, S="5"), editing(open_page, shop, Role.ADMIN, S="7", M="1")
    assert sentences(click(first, "order_save").success) == ["Draft 1 was saved."]
    before = written(shop)
    click(second, "order_save")
    assert sentences(second.error) == [
        "Somebody else changed this order while you were editing it. Nothing of yours was saved."
    ]
    assert second.dataframe[-1].value.to_dict("records") == [
        {"Field": "ANM Red S", "Now": "5 at ₹549.00", "When you opened it": "3 at ₹549.00", "Yours": "7 at ₹549.00"},
        {"Field": "New: RED M", "Now": "", "When you opened it": "", "Yours": "1 at ₹549.00"},
    ]
    assert written(shop) == before
    click(second, "edit_again")
    assert list(second.data_editor[0].value["S"]) == ["", "5"]
    assert sentences(click(second, "order_save").success) == [
        "Nothing was saved: Draft 1 has these values already. If a field shows another one, type it again."
    ]
    assert [line.quantity for line in read(shop).lines] == [5]


def test_an_order_is_confirmed_and_dispatched_after_a_warning_of_short_stock(open_page: Open, shop: Shop) -> None:
    draft(shop, quantity=3)
    shop.receive(1, S=2)
    tab = click(click(open_page("orders", Role.MANAGER, order="1"), "order_confirmed"), "order_step_go")
    assert sentences(tab.success) == ["Draft 1 was confirmed."]
    assert read(shop).summary.name == "2026-27/1"
    assert [warning.value for warning in tab.warning] == [
        "The stock does not suffice in 1 cell. Receive or adjust them first."
    ]
    assert tab.dataframe[0].value[["sku", "wanted", "on_hand", "short"]].to_dict("records") == [
        {"sku": "ANM", "wanted": 3, "on_hand": 2, "short": 1}
    ]
    before = written(shop)
    click(click(tab, "order_dispatched"), "order_step_go")
    assert sentences(tab.error) == [
        "There is not enough stock for this. ANM Red, size S: 3 asked, 2 on hand. Nothing was saved."
    ]
    assert written(shop) == before
    shop.receive(1, S=4)
    tab = click(click(open_page("orders", Role.MANAGER, order="1"), "order_dispatched"), "order_step_go")
    assert sentences(tab.success) == ["2026-27/1 was dispatched."]
    assert shop.stock(1) == {("RED", "S"): 3} and [sale.quantity for sale in shop.sales()] == [3]


def test_many_orders_are_confirmed_copied_and_deleted_at_once(open_page: Open, shop: Shop) -> None:
    draft(shop), draft(shop, store="Nair Stores")
    versions = {order.id: order.version for order in listed(shop)}
    tab = open_page("orders", Role.MANAGER)
    tab.session_state["order_step"] = Step("copy", versions, ["Draft 1", "Draft 2"])
    run(tab).multiselect(key="order_copy_customers").set_value([1])
    tab.session_state["order_copy_date"] = date(2026, 11, 20)
    click(tab, "order_step_go")
    assert sentences(tab.error) == [] and sentences(tab.success) == ["2 drafts made from Draft 1, Draft 2."]
    tab.session_state["order_step"] = Step("confirmed", versions, ["Draft 1", "Draft 2"])
    assert sentences(click(run(tab), "order_step_go").success) == ["2 orders were confirmed."]
    assert [(order.name, order.store, order.pieces) for order in listed(shop)] == [
        ("Draft 4", "Mehta Stores", 3),
        ("Draft 3", "Mehta Stores", 3),
        ("2026-27/2", "Nair Stores", 3),
        ("2026-27/1", "Mehta Stores", 3),
    ]
    before = written(shop)
    # The versions are those read before the change.
    tab.session_state["order_step"] = Step("dispatched", versions, ["Draft 1", "Draft 2"])
    click(run(tab), "order_step_go")
    assert sentences(tab.error) == ["Somebody else changed or deleted 2 of these orders meanwhile. Nothing was saved."]
    assert list(tab.dataframe[-1].value["Status now"]) == ["Confirmed", "Confirmed"] and written(shop) == before
    drafts = {order.id: order.version for order in listed(shop) if order.status == "draft"}
    tab.session_state["order_step"] = Step("delete", drafts, ["Draft 3", "Draft 4"])
    assert sentences(click(run(tab), "order_step_go").success) == ["2 orders were deleted."]
    assert [order.name for order in listed(shop)] == ["2026-27/2", "2026-27/1"]
    assert {operation for operation, _, _ in written(shop)} == {"copy orders", "confirm orders", "delete drafts"}


def test_the_export_of_an_order_sheet_is_recorded_before_the_download(shop: Shop) -> None:
    draft(shop)
    database, actor = shop.clone.app, shop.clone.actor(Role.ANALYST)
    made = order_sheet.export(database, actor, order_id=1, company=Company("Aarna"), currency="₹")
    assert made.file_name == "order_draft_1.xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(made.content)).active
    assert sheet["A1"].value == "Aarna"
    ((operation, action, entity, id, details),) = shop.run(
        "select operation, action, entity, entity_id, new_values from audit.trail where operation <> %s",
        SEED,
    )
    assert (operation, action, entity, id) == ("export order sheet", "EXPORT", "Order", 1)
    assert (details["file_name"], details["pieces"], details["bytes"]) == (made.file_name, 3, len(made.content))


def test_an_order_keeps_its_agency(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    customer(shop)
    seeded(shop, lambda connection: party_commands.create_agency(connection, details=AgencyDetails("Kapoor & Sons")))
    assert sentences(taking(open_page, product, {0: {"S": "1"}}, agency=1).success) == ["Draft 1 was saved."]
    assert read(shop).summary.agency == "Kapoor & Sons"


def test_an_unsaved_order_survives_a_visit_to_another_page_until_it_is_discarded(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    customer(shop)
    tab = click(open_page("orders", Role.MANAGER), "new_order")
    tab.multiselect(key="order_products_new_1").set_value([product])
    run(tab)
    type_in_grid(tab, "order_grid_1_new_1", S="4", L="x")
    tab.text_input(key="order_note_new_1").set_value("before Diwali")
    tab.text_input(key="order_price_1_new_1").set_value("500")
    tab.date_input(key="order_date_new_1").set_value(DAY)
    tab.selectbox(key="order_customer_new_1").set_value(1)
    run(tab)
    run(tab.switch_page("../pages/stock.py"))
    run(tab.switch_page("../pages/orders.py"))
    assert tab.data_editor[0].value.loc["Navy Blue"].tolist() == ["4", "", "x"]
    assert tab.selectbox(key="order_agency_new_1").value == 0
    type_in_grid(tab, "order_grid_1_new_1", L="2")
    assert sentences(click(tab, "order_save").success) == ["Draft 1 was saved."]
    order = read(shop)
    assert [(line.color, line.size, line.quantity, line.unit_price) for line in order.lines] == [
        ("Navy Blue", "S", 4, Decimal("500.00")),
        ("Navy Blue", "L", 2, Decimal("500.00")),
    ]
    assert (order.customer.store_name, order.summary.date, order.summary.note) == ("Mehta Stores", DAY, "before Diwali")
    click(tab, "order_edit")
    type_in_grid(tab, f"order_grid_1_1_{order.version}_2", S=None)
    tab.text_input(key=f"order_note_1_{order.version}_2").set_value("after Diwali")
    run(tab)
    run(tab.switch_page("../pages/stock.py"))
    run(tab.switch_page("../pages/orders.py"))
    assert tab.data_editor[0].value.loc["Navy Blue"].tolist() == ["", "", "2"]
    assert tab.text_input(key=f"order_note_1_{order.version}_2").value == "after Diwali"
    click(click(tab, "order_form_close"), "order_edit")
    assert tab.data_editor[0].value.loc["Navy Blue"].tolist() == ["4", "", "2"]
    assert tab.text_input(key=f"order_note_1_{order.version}_3").value == "before Diwali"


def test_typed_quantities_stay_when_a_colleague_changes_colours_and_sizes(open_page: Open, shop: Shop) -> None:
    draft(shop)
    tab = run(editing(open_page, shop, S="5", M="1"))
    shop.run("update inventory.product_colors set color = 'Crimson' where colour_code = 'RED'")
    shop.colours(1, "Azure")
    assert run(tab).data_editor[0].value.to_dict("index") == {
        "Azure": {"S": "", "M": "", "L": ""},
        "Crimson": {"S": "5", "M": "1", "L": ""},
        "Navy Blue": {"S": "", "M": "", "L": ""},
    }
    shop.run("delete from inventory.product_color_stocks where size = 'M'")
    shop.run("update inventory.products set sizes = '{S,L}'")
    # The size was removed, its text was not: it is refused rather than left out.
    assert sentences(click(tab, "order_save").error) == [
        "The product does not come in this colour and size. Add them to the product first."
    ]
    type_in_grid(tab, f"order_grid_1_1_{read(shop).version}_1_2", row=1, M="")
    assert sentences(click(tab, "order_save").success) == ["Draft 1 was saved."]
    assert [(line.colour_code, line.size, line.quantity) for line in read(shop).lines] == [("RED", "S", 5)]


def test_the_filters_of_the_list_survive_a_visit_to_another_page(open_page: Open, shop: Shop) -> None:
    draft(shop)
    draft(shop, store="Bandra")
    tab = visit(visit(open_page("orders", Role.VIEWER), "home"), "orders")
    # “All” survives, too: it is a choice like any other.
    chosen = [tab.selectbox(key=f"order_{name}_filter") for name in ("customer", "agency")]
    assert [box.value for box in chosen] == [0, 0] and len(tab.dataframe[0].value) == 2
    tab.selectbox(key="order_customer_filter").set_value(2)
    visit(visit(run(tab), "home"), "orders")
    assert tab.selectbox(key="order_customer_filter").value == 2
    assert tab.dataframe[0].value["store"].to_list() == ["Bandra"]


def test_a_link_to_another_order_opens_it_and_keeps_the_unsaved_form(open_page: Open, shop: Shop) -> None:
    draft(shop)
    tab = click(open_page("orders", Role.MANAGER), "new_order")
    tab.multiselect(key="order_products_new_1").set_value([1])
    tab.text_input(key="order_note_new_1").set_value("by Friday")
    run(tab)
    type_in_grid(tab, "order_grid_1_new_1", row=1, S="4")
    run(tab)
    visit(visit(tab, "home"), "orders", order="1")
    assert (tab.subheader[0].value, not tab.data_editor) == ("Draft 1 · Mehta Stores", True)
    assert sentences(tab.info) == [
        "This is what the link leads to. You have not saved the new order yet; what you typed is there."
    ]
    assert tab.button(key="order_edit").disabled and "new_order" not in {button.key for button in tab.button}
    click(tab, "order_form_resume")
    assert (tab.subheader[0].value, tab.text_input(key="order_note_new_1").value) == ("New order", "by Friday")
    assert tab.data_editor[0].value.loc["Red", "S"] == "4" and "order" not in tab.query_params
    visit(visit(tab, "home"), "orders", order="1")
    click(click(tab, "order_form_drop"), "order_edit")
    assert (tab.subheader[0].value, sentences(tab.info)) == ("Change Draft 1", [])


def test_a_link_to_the_order_being_changed_opens_its_form(open_page: Open, shop: Shop) -> None:
    draft(shop)
    tab = run(editing(open_page, shop, S="7"))
    visit(visit(tab, "home"), "orders", order="1")
    assert (tab.subheader[0].value, tab.data_editor[0].value.loc["Red", "S"]) == ("Change Draft 1", "7")
    assert not visit(visit(tab, "home"), "orders", order="77").data_editor
    click(tab, "order_form_resume")
    assert tab.data_editor[0].value.loc["Red", "S"] == "7" and dict(tab.query_params) == {"order": "1"}
