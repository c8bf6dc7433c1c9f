"""The Inward page: goods in by grid, corrections, deletions, and every refusal with its sentence."""

from datetime import date, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import DAY, MANAGER, Shop, choose_or_type, click, field, run, sentences, type_in_grid
from ui.shared import formats

HUGE = "The quantity for size S is too large. Nothing was saved."
WRONG_QUANTITIES = {
    "negative": ("-3", "The quantity for size S is negative. Nothing was saved."),
    "fractional": ("2.5", "The quantity for size S is not a whole number. Nothing was saved."),
    "a word": ("three", "“three” for size S is not a number. Nothing was saved."),
    "too large": ("99999999999", HUGE),
    "endless": ("Infinity", HUGE),
    "a formula": ("=1+1", "“=1+1” for size S is not a number. Nothing was saved."),
    "zero": ("0", "Enter a quantity for at least one size. Nothing was saved."),
    "none at all": (None, "Enter a quantity for at least one size. Nothing was saved."),
    "not a number": ("NaN", "Enter a quantity for at least one size. Nothing was saved."),
}


def listed(tab: AppTest) -> list[tuple[Any, ...]]:
    table = tab.dataframe[-1].value
    return list(
        table[["date", "sku", "color", "size", "quantity", "category", "stakeholder_name"]].itertuples(
            index=False, name=None
        )
    )


def filled_in(open_page: Open, product: int, colour: str = "RED", **cells: str | None) -> AppTest:
    tab = open_page("inward", Role.MANAGER)
    tab.selectbox(key=f"inward_colour_{product}").set_value(colour)
    run(tab)
    type_in_grid(tab, "inward_grid_0", **cells)
    choose_or_type(tab, "inward_stakeholder", "Mill")
    return tab


def opening(open_page: Open, shop: Shop, role: Role = Role.MANAGER) -> AppTest:
    """The dialog of the newest entry, as the button of its row opens it."""
    tab = open_page("inward", role)
    tab.session_state["entry_dialog"] = shop.inward()[0]
    return run(tab)


def saving(tab: AppTest, **fields: object) -> AppTest:
    for name, value in fields.items():
        field(tab, f"inward_{name}").set_value(value)
    return click(tab, "edit_inward_save")


# --- the page ---------------------------------------------------------------------------------------------


def test_without_products_the_page_says_where_to_add_one(open_page: Open) -> None:
    tab = open_page("inward", Role.MANAGER)
    assert [info.value for info in tab.info] == [
        "Goods come in for a product: add one on the Products page first.",
        "Nothing has come in here yet.",
    ]
    assert not tab.data_editor


def test_an_empty_log_tells_editors_that_their_entries_will_appear(open_page: Open, shop: Shop) -> None:
    shop.product()
    for page, moved in (("inward", "come in"), ("sales", "gone out")):
        empty = f"Nothing has {moved} here yet."
        assert [info.value for info in open_page(page, Role.VIEWER).info] == [empty]
        assert [info.value for info in open_page(page, Role.MANAGER).info] == [
            f"{empty} What you record above appears in this list."
        ]


def test_a_product_without_colours_says_where_to_add_them(open_page: Open, shop: Shop) -> None:
    shop.product(colours=[])
    tab = open_page("inward", Role.MANAGER)
    assert tab.info[0].value == "This product has no colours yet. Add them on the Products page."
    assert not tab.data_editor


def test_the_grid_has_the_sizes_of_the_colour_in_their_order_over_what_is_on_hand(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["XS", "S", "XXL"], colours=["Red"])
    shop.receive(product, XS=2, XXL=7)
    shop.run("delete from inventory.product_color_stocks where size = 'S'")
    tab = open_page("inward", Role.MANAGER)
    assert tab.dataframe[0].value.to_dict("index") == {"On hand": {"XS": 2, "XXL": 7}}
    assert tab.data_editor[0].value.to_dict("index") == {"Quantity": {"XS": "", "XXL": ""}}


def test_names_used_before_are_offered_and_new_ones_are_taken(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, stakeholder="Arvind Mills", S=1)
    tab = open_page("inward", Role.MANAGER)
    assert tab.selectbox(key="inward_stakeholder").options == ["Arvind Mills"]
    type_in_grid(tab, "inward_grid_0", S="1")
    choose_or_type(tab, "inward_stakeholder", "Vardhman")
    click(tab, "inward_save_0")
    assert tab.selectbox(key="inward_stakeholder").options == ["Vardhman", "Arvind Mills"]


# --- recording --------------------------------------------------------------------------------------------


def test_goods_in_move_the_stock_and_are_recorded_with_user_and_operation(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    tab = click(filled_in(open_page, product, S="4", L=" 12 "), "inward_save_0")
    assert sentences(tab.success) == ["Recorded 16 pieces of AN201 Red in: S 4, L 12."]
    assert [(link.value, link.proto.query_string) for link in tab.page_link] == [
        ("View in audit report", "product=AN201+%C2%B7+Leggings")
    ]
    assert shop.stock(product) == {("RED", "S"): 9, ("RED", "L"): 12}
    today = formats.today()
    assert listed(tab) == [
        (today, "AN201", "Red", "L", 12, "Supply", "Mill"),
        (today, "AN201", "Red", "S", 4, "Supply", "Mill"),
        (DAY, "AN201", "Red", "S", 5, "Supply", "Mill"),
    ]
    entry = {
        "product_id": product,
        "colour_code": "RED",
        "date": today.isoformat(),
        "category": "Supply",
        "stakeholder_name": "Mill",
    }
    assert sorted(shop.trail(), key=str) == sorted(
        [
            (MANAGER, "record inward", "CREATE", "InwardLog", None, entry | {"id": 2, "size": "S", "quantity": 4}),
            (MANAGER, "record inward", "CREATE", "InwardLog", None, entry | {"id": 3, "size": "L", "quantity": 12}),
            (MANAGER, "record inward", "UPDATE", "ProductColorStock", {"quantity": 5}, {"quantity": 9}),
            (MANAGER, "record inward", "UPDATE", "ProductColorStock", {"quantity": 0}, {"quantity": 12}),
        ],
        key=str,
    )


def test_after_a_save_the_grid_is_empty_and_the_rest_stays(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    tab = filled_in(open_page, product, S="4")
    tab.date_input(key="inward_date").set_value(date(2026, 11, 5))
    tab.selectbox(key="inward_category").set_value("Return")
    click(tab, "inward_save_0")
    assert sentences(tab.error) == []
    assert tab.data_editor[0].key == "inward_grid_1"
    assert tab.data_editor[0].value.to_dict("index") == {"Quantity": {"S": "", "M": "", "L": ""}}
    assert tab.dataframe[0].value.to_dict("index") == {"On hand": {"S": 4, "M": 0, "L": 0}}
    assert listed(tab) == [(date(2026, 11, 5), "AN201", "Red", "S", 4, "Return", "Mill")]
    assert (tab.selectbox(key="inward_stakeholder").value, tab.date_input(key="inward_date").value) == (
        "Mill",
        date(2026, 11, 5),
    )
    run(tab)
    assert not tab.success


@pytest.mark.parametrize(("typed", "sentence"), WRONG_QUANTITIES.values(), ids=list(WRONG_QUANTITIES))
def test_a_wrong_quantity_is_refused_with_a_sentence_and_writes_nothing(
    open_page: Open, shop: Shop, typed: str | None, sentence: str
) -> None:
    product = shop.product()
    tab = click(filled_in(open_page, product, S=typed), "inward_save_0")
    assert sentences(tab.error) == [sentence]
    assert not tab.success
    assert tab.session_state["inward_grid_0"]["edited_rows"] == {0: {"S": typed}}
    assert shop.trail() == [] and shop.stock(product) == {}


def test_one_wrong_cell_blocks_the_whole_entry(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    tab = click(filled_in(open_page, product, S="4", M="-1"), "inward_save_0")
    assert sentences(tab.error) == ["The quantity for size M is negative. Nothing was saved."]
    assert shop.trail() == []


def test_the_supplier_is_required(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    tab = filled_in(open_page, product, S="4")
    tab.selectbox(key="inward_stakeholder").set_value(None)
    assert sentences(click(tab, "inward_save_0").error) == ["Say who the goods came from, in at most 120 characters."]
    assert shop.trail() == []


def test_a_quantity_for_a_cell_removed_meanwhile_is_refused(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    tab = filled_in(open_page, product, S="4")
    # Between the run that drew the form and the click, somebody removes the cell: the page keeps the text of the
    # removed cell, so that it is refused rather than left out.
    shop.run("delete from inventory.product_color_stocks where colour_code = 'RED' and size = 'S'")
    click(tab, "inward_save_0")
    assert not tab.success
    assert sentences(tab.error) == ["The product does not come in this colour and size. Add them to the product first."]
    assert shop.trail() == [] or {row[3] for row in shop.trail()} == {"ProductColorStock"}


# --- the log ----------------------------------------------------------------------------------------------


def test_the_log_narrows_to_a_product_and_to_days_with_both_ends(open_page: Open, shop: Shop) -> None:
    leggings, kurta = shop.product(), shop.product("KT-1", "Kurta")
    shop.receive(leggings, S=1)
    shop.receive(kurta, S=2)
    shop.run("update inventory.inward_logs set date = %s where quantity = 2", DAY + timedelta(days=1))
    tab = open_page("inward", Role.VIEWER)
    tab.selectbox(key="inward_log_product").set_value(kurta)
    assert [row[4] for row in listed(run(tab))] == [2]
    tab.selectbox(key="inward_log_product").set_value(0)
    tab.date_input(key="inward_log_last").set_value(DAY)
    assert [row[4] for row in listed(run(tab))] == [1]
    tab.date_input(key="inward_log_first").set_value(DAY)
    assert [row[4] for row in listed(run(tab))] == [1]
    tab.date_input(key="inward_log_first").set_value(DAY + timedelta(days=2))
    tab.date_input(key="inward_log_last").set_value(None)
    run(tab)
    assert not tab.dataframe and len(tab.info) == 1


def test_the_logs_narrow_to_a_deactivated_product(open_page: Open, shop: Shop) -> None:
    kurta = shop.product("KT-1", "Kurta")
    shop.receive(shop.product(), S=2)
    shop.receive(kurta, S=3)
    shop.sell(kurta, S=1)
    shop.run("update inventory.products set is_active = false where sku = 'KT-1'")
    for page, moved in (("inward", 3), ("sales", 1)):
        tab = open_page(page, Role.MANAGER)
        assert tab.selectbox(key=f"{page}_product").options == ["AN201 · Leggings"]
        tab.selectbox(key=f"{page}_log_product").set_value(kurta)
        assert run(tab).dataframe[-1].value[["sku", "quantity"]].values.tolist() == [["KT-1", moved]]


def test_the_log_shows_a_hundred_entries_and_more_on_request(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.run(
        "insert into inventory.inward_logs (product_id, colour_code, size, quantity, date, stakeholder_name) "
        "select %s, 'RED', 'S', 1, '2026-11-01', 'Mill' from generate_series(1, 150)",
        product,
    )
    tab = open_page("inward", Role.VIEWER)
    assert len(listed(tab)) == 100
    assert [caption.value for caption in tab.caption] == ["The newest 100 entries."]
    assert len(listed(click(tab, "log_more"))) == 150
    assert not tab.caption
    # “Show more” counts for this list only, not for every list.
    tab.selectbox(key="inward_log_category").set_value("Supply")
    assert len(listed(run(tab))) == 100
    tab.switch_page("../pages/sales.py")
    run(tab).switch_page("../pages/inward.py")
    assert (run(tab).selectbox(key="inward_log_category").value, len(listed(tab))) == ("Supply", 100)
    assert len(listed(click(tab, "log_more"))) == 150


# --- correcting -------------------------------------------------------------------------------------------


def test_a_correction_moves_the_stock_by_the_difference_and_is_on_the_record(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    tab = saving(opening(open_page, shop), quantity="7", stakeholder="Arvind Mills")
    assert sentences(tab.success) == [
        "Inward entry 1 of AN201 was saved: Quantity 5 → 7, Stakeholder Mill → Arvind Mills."
    ]
    assert [(link.value, link.proto.query_string) for link in tab.page_link] == [
        ("View in audit report", "product=AN201+%C2%B7+Leggings&type=Inward+entry")
    ]
    assert "entry_dialog" not in tab.session_state
    assert listed(tab) == [(DAY, "AN201", "Red", "S", 7, "Supply", "Arvind Mills")]
    assert shop.stock(product) == {("RED", "S"): 7}
    assert sorted(shop.trail(), key=str) == sorted(
        [
            (
                MANAGER,
                "correct inward entry",
                "UPDATE",
                "InwardLog",
                {"quantity": 5, "stakeholder_name": "Mill"},
                {"quantity": 7, "stakeholder_name": "Arvind Mills"},
            ),
            (MANAGER, "correct inward entry", "UPDATE", "ProductColorStock", {"quantity": 5}, {"quantity": 7}),
        ],
        key=str,
    )


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quantity": "0"}, "Enter a quantity for at least one size. Nothing was saved."),
        ({"quantity": ""}, "Enter a quantity for at least one size. Nothing was saved."),
        ({"quantity": "-5"}, "The quantity for size S is negative. Nothing was saved."),
        ({"quantity": "1.5"}, "The quantity for size S is not a whole number. Nothing was saved."),
        ({"stakeholder": "  "}, "Say who the goods came from, in at most 120 characters."),
        (
            {"quantity": "2"},
            "There is not enough stock for this. AN201 Red, size S: 3 asked, 2 on hand. Nothing was saved.",
        ),
    ],
    ids=["zero", "empty", "negative", "fractional", "no stakeholder", "less than was sold"],
)
def test_a_wrong_correction_is_refused_with_a_sentence_and_writes_nothing(
    open_page: Open, shop: Shop, fields: dict[str, str], sentence: str
) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    shop.sell(product, S=3)
    tab = saving(opening(open_page, shop), **fields)
    assert sentences(tab.error) == [sentence]
    assert not tab.success
    assert shop.trail() == [] and shop.stock(product) == {("RED", "S"): 2}


def test_the_second_of_two_tabs_is_refused_and_sees_both_versions(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    first, second = opening(open_page, shop), opening(open_page, shop, Role.ADMIN)
    saving(first, quantity="7", stakeholder="Arvind Mills")
    after_first = shop.trail()
    saving(second, quantity="9")
    assert sentences(second.error) == [
        "Somebody else changed this entry while you were editing it. Nothing of yours was saved."
    ]
    assert second.dataframe[-1].value.to_dict("records") == [
        {"Field": "Quantity", "Now": "7", "When you opened it": "5", "Yours": "9"},
        {"Field": "Received from", "Now": "Arvind Mills", "When you opened it": "Mill", "Yours": "Mill"},
    ]
    assert shop.trail() == after_first and shop.stock(product) == {("RED", "S"): 7}
    click(second, "edit_again")
    assert (field(second, "inward_quantity").value, field(second, "inward_stakeholder").value) == ("7", "Arvind Mills")
    assert sentences(saving(second, quantity="9").success) == ["Inward entry 1 of AN201 was saved: Quantity 7 → 9."]
    assert shop.stock(product) == {("RED", "S"): 9}


@pytest.mark.parametrize("button", ["edit_inward_save", "edit_inward_delete"])
def test_saving_or_deleting_an_already_deleted_entry_is_refused(open_page: Open, shop: Shop, button: str) -> None:
    shop.receive(shop.product(), S=5)
    first, second = opening(open_page, shop), opening(open_page, shop)
    click(first, "edit_inward_delete")
    after_first = shop.trail()
    click(second, button)
    assert sentences(second.error) == ["Somebody else deleted this entry meanwhile. Nothing of yours was saved."]
    assert shop.trail() == after_first


# --- deleting ---------------------------------------------------------------------------------------------


def test_deleting_an_inward_entry_takes_its_pieces_out_of_stock(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    tab = click(opening(open_page, shop), "edit_inward_delete")
    assert sentences(tab.success) == ["Inward entry 1 was deleted; 5 pieces of AN201 Red S went out of stock with it."]
    assert [(link.value, link.proto.query_string) for link in tab.page_link] == [
        ("View in audit report", "product=AN201+%C2%B7+Leggings&type=Inward+entry")
    ]
    assert shop.inward() == [] and shop.stock(product) == {}
    entry = {
        "id": 1,
        "product_id": product,
        "colour_code": "RED",
        "size": "S",
        "quantity": 5,
        "date": DAY.isoformat(),
        "category": "Supply",
        "stakeholder_name": "Mill",
    }
    assert sorted(shop.trail(), key=str) == sorted(
        [
            (MANAGER, "delete inward entry", "DELETE", "InwardLog", entry, None),
            (MANAGER, "delete inward entry", "UPDATE", "ProductColorStock", {"quantity": 5}, {"quantity": 0}),
        ],
        key=str,
    )


def test_an_entry_whose_goods_are_sold_cannot_be_deleted(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    shop.sell(product, S=1)
    tab = click(opening(open_page, shop), "edit_inward_delete")
    assert sentences(tab.error) == [
        "There is not enough stock for this. AN201 Red, size S: 5 asked, 4 on hand. Nothing was saved."
    ]
    assert len(shop.inward()) == 1 and shop.stock(product) == {("RED", "S"): 4} and shop.trail() == []


def test_an_entry_changed_meanwhile_is_not_deleted(open_page: Open, shop: Shop) -> None:
    shop.receive(shop.product(), S=5)
    tab = opening(open_page, shop)
    shop.run("update inventory.inward_logs set quantity = 6")
    click(tab, "edit_inward_delete")
    assert sentences(tab.error) == [
        "Somebody else changed this entry while you were editing it. Nothing of yours was saved."
    ]
    assert [entry.quantity for entry in shop.inward()] == [6]
