"""The grid of products: it writes changed cells only, all or none, and overwrites no change of others."""

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import MANAGER, Shop, click, run, sentences

REASONS = "select distinct reason from audit.trail where operation = 'edit products'"


def typing(open_page: Open, *rows: dict[str, object], role: Role = Role.MANAGER) -> AppTest:
    """The grid with cells changed, a row per product by SKU."""
    tab = open_page("products", role)
    tab.toggle(key="product_in_grid").set_value(True)
    run(tab)
    number = tab.session_state["product_grid_round"]
    tab.session_state[f"product_grid_{number}"] = {
        "edited_rows": dict(enumerate(rows)),
        "added_rows": [],
        "deleted_rows": [],
    }
    return run(tab)


def test_only_changed_cells_are_written_and_a_new_price_asks_why(open_page: Open, shop: Shop) -> None:
    shop.product(category="Leggings", hsn_code="6204")
    shop.product("KT-1", "Kurta")
    tab = typing(open_page, {"unit_price": "1,599.00", "hsn_code": None}, {"is_active": False, "name": "Kurta"})
    assert tab.data_editor[0].value.loc[0].tolist() == [
        "AN201", "Leggings", "Leggings", "549.00", "6204", "", "0", "", True,
    ]  # fmt: skip
    assert tab.button(key="product_grid_save").label == "Save 3 changes"
    assert sentences(click(tab, "product_grid_save").error) == [
        "This change needs a reason. Say why, and save again; nothing was saved."
    ]
    assert shop.trail() == []
    tab.text_input(key="product_grid_reason").set_value("new season")
    assert sentences(click(tab, "product_grid_save").success) == ["Saved 2 products."]
    assert shop.trail() == [
        (
            MANAGER,
            "edit products",
            "UPDATE",
            "Product",
            {"unit_price": 549.0, "hsn_code": "6204"},
            {"unit_price": 1599.0, "hsn_code": None},
        ),
        (MANAGER, "edit products", "UPDATE", "Product", {"is_active": True}, {"is_active": False}),
    ]
    assert shop.run(REASONS) == [("new season",)]
    assert tab.data_editor[0].value["sku"].tolist() == ["AN201"]
    assert [button.key for button in tab.button if button.key == "product_grid_save"] == []


WRONG = {
    "a word for a price": ({"unit_price": "cheap"}, "AN201, Price: “cheap” is not a number. Nothing was saved."),
    "a negative price": ({"unit_price": "-1"}, "AN201, Price: A price cannot be negative. Nothing was saved."),
    "a GST rate above 100": (
        {"gst_rate": "118"},
        "AN201, GST rate %: A GST rate cannot be more than 100. Nothing was saved.",
    ),
    "a price with three decimals": (
        {"unit_price": "899.0051"},
        "AN201, Price: “899.0051” has more than two decimals. Nothing was saved.",
    ),
    "an endless reorder level": (
        {"reorder_level": "1e99"},
        "AN201, Reorder level: “1e99” is not a number in plain digits. Nothing was saved.",
    ),
    "letters in an HSN code": (
        {"hsn_code": "62O4"},
        "“62O4” is not an HSN code, which has 4, 6 or 8 digits. Nothing was saved.",
    ),
    "half a reorder level": (
        {"reorder_level": "2.5"},
        "AN201, Reorder level: “2.5” is not a whole number. Nothing was saved.",
    ),
    "a negative reorder level": ({"reorder_level": "-2"}, "AN201, Reorder level: “-2” is negative. Nothing was saved."),
    "no SKU": ({"sku": ""}, "A product needs an SKU of 1 to 60 characters."),
    "the SKU of another": (
        {"sku": "KT-1"},
        "There is a product with this SKU already. Use another SKU, or edit the existing product.",
    ),
    "no name": ({"name": None}, "A product needs a name of at most 120 characters."),
}


@pytest.mark.parametrize(("row", "sentence"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_cell_refuses_the_whole_grid_with_a_sentence(
    open_page: Open, shop: Shop, row: dict[str, object], sentence: str
) -> None:
    shop.product()
    shop.product("KT-1", "Kurta")
    tab = typing(open_page, row, {"category": "Kurta"})
    if "unit_price" in row:
        tab.text_input(key="product_grid_reason").set_value("why not")
    assert sentences(click(tab, "product_grid_save").error) == [sentence]
    assert shop.trail() == []


def test_a_grid_over_changes_of_others_is_refused_and_its_texts_can_be_kept(open_page: Open, shop: Shop) -> None:
    shop.product()
    shop.product("KT-1", "Kurta")
    tab = typing(open_page, {"name": "Tights"}, {"category": "Kurta"})
    shop.run("update inventory.products set name = 'Jeggings', reorder_level = 4 where sku = 'AN201'")
    assert sentences(click(tab, "product_grid_save").error) == [
        "Somebody else changed AN201 while you were editing. Nothing of yours was saved."
    ]
    assert tab.dataframe[-1].value.to_dict("records") == [
        {"Product": "AN201", "Field": "Name", "Now": "Jeggings", "When you opened it": "Leggings", "Yours": "Tights"}
    ]
    tab = click(click(tab, "product_grid_again"), "product_grid_save")
    assert sentences(tab.success) == ["Saved 2 products."]
    assert (shop.read_product().name, shop.read_product().reorder_level) == ("Tights", 4)
    assert shop.read_product(2).category == "Kurta"


def test_kept_texts_stay_with_their_product_although_other_products_were_deleted_or_renamed(
    open_page: Open, shop: Shop
) -> None:
    for sku in ("AN201", "BL-1", "KT-1", "TP-1"):
        shop.product(sku, colours=[])
    tab = typing(open_page, {"name": "Tights"}, {"category": "Blouse"}, {}, {"category": "Top"})
    shop.run("delete from inventory.products where sku = 'AN201'")
    shop.run("update inventory.products set sku = 'ZZ-1' where sku = 'BL-1'")
    tab = click(click(tab, "product_grid_save"), "product_grid_again")
    assert tab.data_editor[0].value[["sku", "name", "category"]].values.tolist() == [
        ["KT-1", "Leggings", ""],
        ["TP-1", "Leggings", "Top"],
        ["ZZ-1", "Leggings", "Blouse"],
    ]
    assert sentences(click(tab, "product_grid_save").success) == ["Saved 2 products."]
    assert shop.run("select sku, category from inventory.products order by sku") == [
        ("KT-1", ""), ("TP-1", "Top"), ("ZZ-1", "Blouse"),
    ]  # fmt: skip


def test_a_reader_has_no_grid(open_page: Open, shop: Shop) -> None:
    shop.product()
    tab = open_page("products", Role.ANALYST)
    assert [toggle.key for toggle in tab.toggle] == ["product_inactive"] and not tab.data_editor
