"""The Sales page: goods out by grid, corrections, deletions, and every refusal with its sentence."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.movements.test_inward_page import WRONG_QUANTITIES
from tests.ui.shop import DAY, MANAGER, Shop, choose_or_type, click, field, run, sentences, type_in_grid
from ui.shared import formats

NOT_ENOUGH = "There is not enough stock for this. AN201 Red, size {}: {} asked, {} on hand. Nothing was saved."


@pytest.fixture
def product(shop: Shop) -> int:
    """AN201 with five pieces in red, size S."""
    product_id = shop.product()
    shop.receive(product_id, S=5)
    return product_id


def listed(tab: AppTest) -> list[tuple[Any, ...]]:
    table = tab.dataframe[-1].value
    return list(
        table[["date", "sku", "color", "size", "quantity", "store", "agency"]].itertuples(index=False, name=None)
    )


def filled_in(open_page: Open, product: int, **cells: str | None) -> AppTest:
    tab = open_page("sales", Role.MANAGER)
    tab.selectbox(key=f"sales_colour_{product}").set_value("RED")
    run(tab)
    type_in_grid(tab, "sales_grid_0", **cells)
    choose_or_type(tab, "sales_store", "Bandra")
    return tab


def opening(open_page: Open, shop: Shop, role: Role = Role.MANAGER) -> AppTest:
    """The dialog of the newest entry, as the button of its row opens it."""
    tab = open_page("sales", role)
    tab.session_state["entry_dialog"] = shop.sales()[0]
    return run(tab)


def saving(tab: AppTest, **fields: object) -> AppTest:
    for name, value in fields.items():
        field(tab, f"sale_{name}").set_value(value)
    return click(tab, "edit_sale_save")


def test_without_products_the_page_says_where_to_add_one(open_page: Open) -> None:
    assert [info.value for info in open_page("sales", Role.MANAGER).info] == [
        "Goods go out of a product's stock: add one on the Products page first.",
        "Nothing has gone out here yet.",
    ]


def test_goods_out_move_the_stock_and_are_recorded_with_user_and_operation(
    open_page: Open, shop: Shop, product: int
) -> None:
    tab = filled_in(open_page, product, S="5")
    choose_or_type(tab, "sales_agency", "Kapoor & Sons")
    click(tab, "sales_save_0")
    assert sentences(tab.success) == ["Recorded 5 pieces of AN201 Red out: S 5."]
    assert [link.value for link in tab.page_link] == ["View in audit report"]
    assert shop.stock(product) == {}
    today = formats.today()
    assert listed(tab) == [(today, "AN201", "Red", "S", 5, "Bandra", "Kapoor & Sons")]
    sale = {
        "id": 1,
        "product_id": product,
        "colour_code": "RED",
        "size": "S",
        "quantity": 5,
        "date": today.isoformat(),
        "store": "Bandra",
        "agency": "Kapoor & Sons",
        "order_id": None,
    }
    assert sorted(shop.trail(), key=str) == sorted(
        [
            (MANAGER, "record sale", "CREATE", "SalesLog", None, sale),
            (MANAGER, "record sale", "UPDATE", "ProductColorStock", {"quantity": 5}, {"quantity": 0}),
        ],
        key=str,
    )


def test_a_sale_of_more_than_the_stock_is_refused(open_page: Open, shop: Shop, product: int) -> None:
    tab = click(filled_in(open_page, product, S="6"), "sales_save_0")
    assert sentences(tab.error) == [NOT_ENOUGH.format("S", 6, 5)]
    assert shop.stock(product) == {("RED", "S"): 5} and shop.sales() == [] and shop.trail() == []


def test_one_size_short_of_stock_blocks_the_whole_entry(open_page: Open, shop: Shop, product: int) -> None:
    tab = click(filled_in(open_page, product, S="1", M="1"), "sales_save_0")
    assert sentences(tab.error) == [NOT_ENOUGH.format("M", 1, 0)]
    assert shop.stock(product) == {("RED", "S"): 5} and shop.sales() == [] and shop.trail() == []


def test_pieces_that_somebody_else_sold_meanwhile_cannot_be_sold_again(
    open_page: Open, shop: Shop, product: int
) -> None:
    tab = filled_in(open_page, product, S="5")
    shop.sell(product, S=1)
    assert sentences(click(tab, "sales_save_0").error) == [NOT_ENOUGH.format("S", 5, 4)]
    assert shop.stock(product) == {("RED", "S"): 4} and shop.trail() == []


@pytest.mark.parametrize(("typed", "sentence"), WRONG_QUANTITIES.values(), ids=list(WRONG_QUANTITIES))
def test_a_wrong_quantity_is_refused_with_a_sentence_and_writes_nothing(
    open_page: Open, shop: Shop, product: int, typed: str | None, sentence: str
) -> None:
    tab = click(filled_in(open_page, product, S=typed), "sales_save_0")
    assert sentences(tab.error) == [sentence]
    assert shop.stock(product) == {("RED", "S"): 5} and shop.trail() == []


def test_the_store_is_required(open_page: Open, shop: Shop, product: int) -> None:
    tab = filled_in(open_page, product, S="1")
    tab.selectbox(key="sales_store").set_value(None)
    assert sentences(click(tab, "sales_save_0").error) == [
        "Say which store the goods went to, in at most 120 characters."
    ]
    assert shop.trail() == []


def test_a_correction_moves_the_stock_by_the_difference(open_page: Open, shop: Shop, product: int) -> None:
    shop.sell(product, S=3)
    tab = saving(opening(open_page, shop), quantity="2", store="Indiranagar", agency="Kapoor & Sons")
    assert sentences(tab.success) == [
        "Sales entry 1 of AN201 was saved: Quantity 3 → 2, Agency — → Kapoor & Sons, Store Bandra → Indiranagar."
    ]
    assert [link.proto.query_string for link in tab.page_link] == ["product=AN201+%C2%B7+Leggings&type=Sales+entry"]
    assert listed(tab) == [(DAY, "AN201", "Red", "S", 2, "Indiranagar", "Kapoor & Sons")]
    assert shop.stock(product) == {("RED", "S"): 3}
    assert {row[:4] for row in shop.trail()} == {
        (MANAGER, "correct sale", "UPDATE", "SalesLog"),
        (MANAGER, "correct sale", "UPDATE", "ProductColorStock"),
    }


def test_a_correction_to_more_than_the_stock_is_refused(open_page: Open, shop: Shop, product: int) -> None:
    shop.sell(product, S=3)
    assert sentences(saving(opening(open_page, shop), quantity="6").error) == [NOT_ENOUGH.format("S", 3, 2)]
    assert shop.stock(product) == {("RED", "S"): 2} and shop.trail() == []


def test_the_second_of_two_tabs_is_refused_and_sees_both_versions(open_page: Open, shop: Shop, product: int) -> None:
    shop.sell(product, S=3)
    first, second = opening(open_page, shop), opening(open_page, shop, Role.ADMIN)
    saving(first, quantity="2")
    after_first = shop.trail()
    saving(second, store="Indiranagar")
    assert sentences(second.error) == [
        "Somebody else changed this entry while you were editing it. Nothing of yours was saved."
    ]
    assert second.dataframe[-1].value.to_dict("records") == [
        {"Field": "Quantity", "Now": "2", "When you opened it": "3", "Yours": "3"},
        {"Field": "Store", "Now": "Bandra", "When you opened it": "Bandra", "Yours": "Indiranagar"},
    ]
    assert shop.trail() == after_first
    click(second, "edit_again")
    assert (field(second, "sale_quantity").value, field(second, "sale_store").value) == ("2", "Bandra")


def test_deleting_a_sale_returns_its_pieces_to_stock(open_page: Open, shop: Shop, product: int) -> None:
    shop.sell(product, S=1)
    tab = click(opening(open_page, shop), "edit_sale_delete")
    assert sentences(tab.success) == ["Sales entry 1 was deleted; 1 piece of AN201 Red S came back into stock."]
    assert [link.proto.query_string for link in tab.page_link] == ["product=AN201+%C2%B7+Leggings&type=Sales+entry"]
    assert shop.stock(product) == {("RED", "S"): 5} and shop.sales() == []
    assert [row[:4] for row in shop.trail() if row[2] == "DELETE"] == [(MANAGER, "delete sale", "DELETE", "SalesLog")]
