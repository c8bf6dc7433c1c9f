"""The Products page: find, add, edit and deactivate, and every refusal with its sentence."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import MANAGER, Shop, choose_or_type, click, confirm, field, run, sentences


def shown(tab: AppTest, *columns: str) -> list[tuple[Any, ...]]:
    table = tab.dataframe[0].value
    return list(table[list(columns)].itertuples(index=False, name=None))


def adding(open_page: Open, **fields: str) -> AppTest:
    """The dialog for a new product, filled in and sent."""
    tab = click(open_page("products", Role.MANAGER), "add_product")
    for name, value in ({"sku": "KT-1", "name": "Kurta", "sizes": "S, M"} | fields).items():
        if name == "sizes":
            choose_or_type(tab, "new_sizes", value)
        else:
            tab.text_input(key=f"new_{name}").set_value(value)
    return click(tab, "new_save")


def opening(open_page: Open, shop: Shop, role: Role = Role.MANAGER) -> AppTest:
    """The dialog of the first product, as the button of its row opens it."""
    tab = open_page("products", role)
    tab.session_state["product_dialog"] = shop.read_product()
    return run(tab)


def saving(tab: AppTest, **fields: str) -> AppTest:
    for name, value in fields.items():
        field(tab, name).set_value(value)
    return click(tab, "edit_save")


# --- the list ---------------------------------------------------------------------------------------------


def test_without_products_the_page_says_how_to_get_the_first(open_page: Open) -> None:
    tab = open_page("products", Role.MANAGER)
    assert [info.value for info in tab.info] == ["No products yet. Add the first one, or paste a list from Excel."]
    assert not tab.dataframe


def test_the_list_has_price_colours_sizes_and_stock_by_sku(open_page: Open, shop: Shop) -> None:
    kurta = shop.product("KT-1", "Kurta", category="Kurta", unit_price=None, reorder_level=3, colours=["Teal"])
    shop.product("AN201", "Leggings", category="Leggings", colours=[])
    shop.receive(kurta, "TEAL", S=4, M=3)
    tab = open_page("products", Role.VIEWER)
    columns = ("sku", "name", "category", "unit_price", "colours", "sizes", "on_hand", "stock", "state")
    table = tab.dataframe[0].value
    rows = [
        {name: list(value) if name == "sizes" else value for name, value in row.items()}
        for row in table[list(columns)].to_dict("records")
    ]
    assert rows == [
        {
            "sku": "AN201",
            "name": "Leggings",
            "category": "Leggings",
            "unit_price": 549.0,
            "colours": 0,
            "sizes": ["S", "M", "L"],
            "on_hand": 0,
            "stock": "",
            "state": "",
        },
        {
            "sku": "KT-1",
            "name": "Kurta",
            "category": "Kurta",
            "unit_price": None,
            "colours": 1,
            "sizes": ["S", "M", "L"],
            "on_hand": 7,
            "stock": "2 low",
            "state": "",
        },
    ]
    assert [caption.value for caption in tab.caption] == ["1 to 2 of 2 products"]


@pytest.mark.parametrize(
    ("search", "found"),
    [("kurta", ["KT-1", "KT_2"]), ("kt_", ["KT_2"]), ("%", []), ("  an2 ", ["AN201"]), ("O'Neil \\ x", [])],
)
def test_the_search_finds_text_in_sku_name_and_category(
    open_page: Open, shop: Shop, search: str, found: list[str]
) -> None:
    shop.product("AN201", "Leggings")
    shop.product("KT-1", "Cotton kurta")
    shop.product("KT_2", "Anarkali", category="KURTA")
    tab = open_page("products", Role.VIEWER)
    tab.text_input(key="product_search").set_value(search)
    run(tab)
    if found:
        assert shown(tab, "sku") == [(sku,) for sku in found]
    else:
        assert [info.value for info in tab.info] == [
            "No product matches. Try another word, or show deactivated products too."
        ]


def test_a_link_can_carry_the_search(open_page: Open, shop: Shop) -> None:
    shop.product("AN201", "Leggings")
    shop.product("KT-1", "Kurta")
    tab = open_page("products", Role.VIEWER, product_search="kurta")
    assert tab.text_input(key="product_search").value == "kurta"
    assert shown(tab, "sku") == [("KT-1",)]


def test_a_category_narrows_the_list(open_page: Open, shop: Shop) -> None:
    shop.product("AN201", category="Leggings")
    shop.product("KT-1", category="Kurta")
    tab = open_page("products", Role.VIEWER)
    assert tab.selectbox(key="product_category").options == ["All categories", "Kurta", "Leggings"]
    tab.selectbox(key="product_category").set_value("Kurta")
    assert shown(run(tab), "sku") == [("KT-1",)]


def test_a_page_has_fifty_products(open_page: Open, shop: Shop) -> None:
    shop.run(
        "insert into inventory.products (sku, name, sizes) "
        "select 'KT-' || to_char(n, 'FM000'), 'Kurta', '{S}' from generate_series(1, 101) n"
    )
    tab = open_page("products", Role.VIEWER)
    assert (shown(tab, "sku")[0], shown(tab, "sku")[-1]) == (("KT-001",), ("KT-050",))
    assert [button.label for button in tab.button if button.key != "sign_out"] == ["Next"]
    click(click(tab, "product_next"), "product_next")
    assert shown(tab, "sku") == [("KT-101",)]
    assert [caption.value for caption in tab.caption] == ["101 to 101 of 101 products"]
    assert [button.label for button in tab.button if button.key != "sign_out"] == ["Previous"]
    click(tab, "product_previous")
    assert [caption.value for caption in tab.caption] == ["51 to 100 of 101 products"]
    tab.text_input(key="product_search").set_value("kt-00")
    assert [caption.value for caption in run(tab).caption] == ["1 to 9 of 9 products"]


# --- add --------------------------------------------------------------------------------------------------


def test_a_new_product_gets_its_colours_and_an_empty_matrix_and_is_recorded(open_page: Open, shop: Shop) -> None:
    tab = adding(
        open_page,
        sku=" KT-1 ",
        colours="Navy Blue, Mustard,, ",
        price="1,149.00",
        hsn="6204",
        gst="5",
        reorder="6",
        category="Kurta",
        description="Straight",
    )
    assert sentences(tab.success) == ["KT-1 was added."]
    assert [link.value for link in tab.page_link] == ["View in audit report"]
    assert not tab.error and "product_dialog" not in tab.session_state
    assert shown(tab, "sku", "name", "category", "colours", "on_hand") == [("KT-1", "Kurta", "Kurta", 2, 0)]
    wrote = shop.trail()
    assert {row[:2] for row in wrote} == {(MANAGER, "add product")}
    assert [(action, entity) for _, _, action, entity, _, _ in wrote] == [
        ("CREATE", "Product"),
        ("CREATE", "ProductColor"),
        ("CREATE", "ProductColor"),
        *[("CREATE", "ProductColorStock")] * 4,
    ]
    assert wrote[0][5] == {
        "id": 1,
        "sku": "KT-1",
        "name": "Kurta",
        "description": "Straight",
        "category": "Kurta",
        "unit_price": 1149.0,
        "hsn_code": "6204",
        "gst_rate": 5.0,
        "sizes": ["S", "M"],
        "reorder_level": 6,
        "allowed_stores": [],
        "allowed_agencies": [],
        "is_active": True,
    }


REFUSED_NEW = {
    "a blank name": ({"name": "   "}, "A product needs a name of at most 120 characters."),
    "a blank SKU": ({"sku": ""}, "A product needs an SKU of 1 to 60 characters."),
    "a used SKU": (
        {"sku": "AN201"},
        "There is a product with this SKU already. Use another SKU, or edit the existing product.",
    ),
    "a word for a price": ({"price": "cheap"}, "Price: “cheap” is not a number. Nothing was saved."),
    "a negative price": ({"price": "-1"}, "Price: A price cannot be negative. Nothing was saved."),
    "an endless price": ({"price": "Infinity"}, "Price: “Infinity” is not a number. Nothing was saved."),
    "a price with three decimals": (
        {"price": "899.0051"},
        "Price: “899.0051” has more than two decimals. Nothing was saved.",
    ),
    "a short HSN code": ({"hsn": "62"}, "“62” is not an HSN code, which has 4, 6 or 8 digits. Nothing was saved."),
    "letters in an HSN code": (
        {"hsn": "62O4"},
        "“62O4” is not an HSN code, which has 4, 6 or 8 digits. Nothing was saved.",
    ),
    "a GST rate above 100": ({"gst": "101"}, "GST rate: A GST rate cannot be more than 100. Nothing was saved."),
    "a repeated size": ({"sizes": "S, M, s"}, "A size stands there twice."),
    "no size": ({"sizes": " , "}, "A product needs at least one size, and at most 40."),
    "a colour twice": (
        {"colours": "Red, red"},
        "This product has that colour code already. Use another code.",
    ),
    "a colour of signs only": (
        {"colours": "!!!"},
        "The colour: “!!!” is no name. Write the name. Nothing was saved.",
    ),
    "a fractional reorder level": (
        {"reorder": "1.5"},
        "The reorder level: “1.5” is not a whole number. Nothing was saved.",
    ),
    "a negative reorder level": ({"reorder": "-1"}, "The reorder level: “-1” is negative. Nothing was saved."),
    "a NUL": (
        {"name": "Kur\x00ta"},
        "The text holds a character that cannot be stored (NUL). Remove it and try again.",
    ),
}


@pytest.mark.parametrize(("fields", "sentence"), REFUSED_NEW.values(), ids=list(REFUSED_NEW))
def test_a_new_product_is_refused_with_a_sentence_and_keeps_what_was_typed(
    open_page: Open, shop: Shop, fields: dict[str, str], sentence: str
) -> None:
    shop.product()
    tab = adding(open_page, **fields)
    assert sentences(tab.error) == [sentence]
    assert not tab.success
    for name, value in fields.items():
        box = tab.selectbox if name == "sizes" else tab.text_input
        assert box(key=f"new_{name}").value == value
    assert shop.trail() == []


# --- edit -------------------------------------------------------------------------------------------------


def test_an_edit_records_the_changed_fields_with_old_and_new(open_page: Open, shop: Shop) -> None:
    shop.product()
    tab = saving(opening(open_page, shop), price="599", name="Ankle leggings", reason="Season")
    assert sentences(tab.success) == ["AN201 was saved: Unit price ₹549.00 → ₹599.00, Name Leggings → Ankle leggings."]
    assert not tab.error and "product_dialog" not in tab.session_state
    assert shown(tab, "name", "unit_price") == [("Ankle leggings", 599.0)]
    assert shop.trail() == [
        (
            MANAGER,
            "edit product",
            "UPDATE",
            "Product",
            {"name": "Leggings", "unit_price": 549.0},
            {"name": "Ankle leggings", "unit_price": 599.0},
        )
    ]


def test_saving_without_a_change_writes_no_record(open_page: Open, shop: Shop) -> None:
    shop.product()
    assert sentences(saving(opening(open_page, shop)).success) == [
        "Nothing was saved: AN201 has these values already. If a field shows another one, type it again."
    ]
    assert shop.trail() == []


def test_a_new_size_and_a_new_colour_get_their_cells(open_page: Open, shop: Shop) -> None:
    shop.product(sizes=["S"], colours=["Red"])
    tab = saving(opening(open_page, shop), sizes="S, M", colours="Teal")
    assert sentences(tab.success) == ["AN201 was saved: Sizes S → S, M."]
    wrote = shop.trail()
    assert [(action, entity) for _, _, action, entity, _, _ in wrote] == [
        ("UPDATE", "Product"),
        ("CREATE", "ProductColorStock"),
        ("CREATE", "ProductColor"),
        ("CREATE", "ProductColorStock"),
        ("CREATE", "ProductColorStock"),
    ]
    cells = [new for _, _, _, entity, _, new in wrote if entity == "ProductColorStock"]
    assert {(cell["colour_code"], cell["size"], cell["quantity"]) for cell in cells} == {
        ("RED", "M", 0),
        ("TEAL", "S", 0),
        ("TEAL", "M", 0),
    }


REFUSED_EDIT = {
    "a blank name": ({"name": ""}, "A product needs a name of at most 120 characters."),
    "the SKU of another": (
        {"sku": "KT-1"},
        "There is a product with this SKU already. Use another SKU, or edit the existing product.",
    ),
    "a size that is in the matrix taken away": (
        {"sizes": "S, M"},
        "A size that is in the stock matrix cannot be removed from the product.",
    ),
    "a colour it has": (
        {"colours": "Red"},
        "This product has that colour code already. Use another code.",
    ),
    "a new price without a reason": (
        {"price": "599"},
        "This change needs a reason. Say why, and save again; nothing was saved.",
    ),
    "a price with the wrong letter": ({"price": "549,OO"}, "Price: “549,OO” is not a number. Nothing was saved."),
}


@pytest.mark.parametrize(("fields", "sentence"), REFUSED_EDIT.values(), ids=list(REFUSED_EDIT))
def test_an_edit_is_refused_with_a_sentence_and_writes_nothing(
    open_page: Open, shop: Shop, fields: dict[str, str], sentence: str
) -> None:
    shop.product()
    shop.product("KT-1")
    before = shop.read_product()
    tab = saving(opening(open_page, shop), **fields)
    assert sentences(tab.error) == [sentence]
    assert shop.trail() == [] and shop.read_product() == before


def test_the_second_of_two_tabs_is_refused_and_sees_both_versions(open_page: Open, shop: Shop) -> None:
    shop.product()
    first, second = opening(open_page, shop), opening(open_page, shop, Role.ADMIN)
    saving(first, price="599", category="Leggings", reason="Season")
    after_first = shop.trail()
    saving(second, price="649", name="Tights", reason="Margin")
    assert sentences(second.error) == [
        "Somebody else changed AN201 while you were editing it. Nothing of yours was saved."
    ]
    (both,) = [table.value for table in second.dataframe if "Yours" in table.value]
    assert both.to_dict("records") == [
        {"Field": "Name", "Now": "Leggings", "When you opened it": "Leggings", "Yours": "Tights"},
        {"Field": "Category", "Now": "Leggings", "When you opened it": "", "Yours": ""},
        {"Field": "Price", "Now": "599.00", "When you opened it": "549.00", "Yours": "649.00"},
    ]
    assert shop.trail() == after_first
    click(second, "edit_again")
    assert {name: field(second, name).value for name in ("name", "price", "category")} == {
        "name": "Leggings",
        "price": "599.00",
        "category": "Leggings",
    }
    assert sentences(saving(second, price="649", reason="Margin").success) == [
        "AN201 was saved: Unit price ₹599.00 → ₹649.00."
    ]
    assert [(row[0], row[5]) for row in shop.trail()] == [
        (MANAGER, {"category": "Leggings", "unit_price": 599.0}),
        ("admin@example.com", {"unit_price": 649.0}),
    ]


# --- deactivate -------------------------------------------------------------------------------------------


def test_a_deactivated_product_leaves_the_list_and_comes_back(open_page: Open, shop: Shop) -> None:
    shop.product()
    tab = confirm(opening(open_page, shop), "edit_active")
    assert sentences(tab.success) == ["AN201 was deactivated."]
    assert [info.value for info in tab.info] == [
        "No product matches. Try another word, or show deactivated products too."
    ]
    tab.toggle(key="product_inactive").set_value(True)
    assert shown(run(tab), "sku", "state") == [("AN201", "Deactivated")]
    tab.session_state["product_dialog"] = shop.read_product()
    run(tab)
    assert tab.button(key="edit_active").label == "Take back into use"
    assert sentences(click(tab, "edit_active").success) == ["AN201 was taken back into use."]
    assert shop.trail() == [
        (MANAGER, "deactivate product", "UPDATE", "Product", {"is_active": True}, {"is_active": False}),
        (MANAGER, "take product back into use", "UPDATE", "Product", {"is_active": False}, {"is_active": True}),
    ]


def test_saving_a_deleted_product_says_that_it_does_not_exist(open_page: Open, shop: Shop) -> None:
    shop.product(colours=[])
    tab = opening(open_page, shop)
    shop.run("delete from inventory.products")
    saving(tab, name="Tights")
    assert sentences(tab.error) == ["This product does not exist any more."]


def test_a_session_that_ends_while_a_form_is_open_leads_to_the_sign_in(open_page: Open, shop: Shop) -> None:
    shop.product()
    tab = opening(open_page, shop)
    shop.run("update accounts.sessions set revoked_at = now()")
    field(tab, "price").set_value("1")
    click(tab, "edit_save")
    assert [field.label for field in tab.text_input] == ["Email", "Password"]
    assert shop.trail() == []


# --- sizes and colours ------------------------------------------------------------------------------------


def test_unused_sizes_and_colours_are_removed_and_used_ones_deactivated_and_restored(
    open_page: Open, shop: Shop
) -> None:
    product = shop.product(sizes=["S", "M"], colours=["Red", "Teal"])
    shop.receive(product, S=2)
    tab = opening(open_page, shop)
    assert sentences(confirm(tab, "shape_colour_switch").error) == [
        "There are 2 pieces of this colour in stock, so it cannot be removed. Sell or adjust the stock to 0 first."
    ]
    assert sentences(confirm(tab, "shape_size_switch").error) == [
        "There are 2 pieces of size S in stock, so it cannot be removed. Sell or adjust the stock to 0 first."
    ]
    assert shop.trail() == []
    tab.selectbox(key="shape_colour_1").set_value(2)
    assert sentences(confirm(run(tab), "shape_colour_switch").success) == ["AN201 Teal was removed."]
    shop.sell(product, S=2)
    assert sentences(confirm(opening(open_page, shop), "shape_size_switch").success) == [
        "Size S of AN201 was taken out of use, because it has a history."
    ]
    tab = opening(open_page, shop)
    assert tab.button(key="shape_size_switch").label == "Take back into use"
    assert sentences(click(tab, "shape_size_switch").success) == ["Size S of AN201 was taken back into use."]
    assert sentences(confirm(opening(open_page, shop), "shape_colour_switch").success) == [
        "AN201 Red was taken out of use, because it has a history."
    ]
    assert sentences(click(opening(open_page, shop), "shape_colour_switch").success) == [
        "AN201 Red was taken back into use."
    ]
    wrote = [(row[1], row[3]) for row in shop.trail() if row[3] != "ProductColorStock"]
    assert wrote == [
        ("remove colour", "ProductColor"),
        ("remove colour", "ProductColor"),
        ("take colour back into use", "ProductColor"),
    ]


def test_a_colour_is_renamed_and_a_blank_name_refused(open_page: Open, shop: Shop) -> None:
    shop.product(colours=["Red"])
    tab = opening(open_page, shop)
    assert sentences(click(tab, "shape_rename").error) == ["A colour needs a name of at most 60 characters."]
    (name,) = [box for box in tab.text_input if box.key and box.key.startswith("shape_name_")]
    name.set_value("Wine")
    assert sentences(click(tab, "shape_rename").success) == ["AN201 Red is called Wine now."]
    assert [(row[4], row[5]) for row in shop.trail()] == [({"color": "Red"}, {"color": "Wine"})]


def test_a_product_is_added_with_colour_codes_and_allowed_stores(open_page: Open, shop: Shop) -> None:
    tab = click(open_page("products", Role.MANAGER), "add_product")
    tab.text_input(key="new_sku").set_value("KT-1")
    tab.text_input(key="new_name").set_value("Kurta")
    tab.text_input(key="new_colours").set_value("Navy Blue (NB-7), Wine")
    tab.selectbox(key="new_sizes").set_value("XS, S, M, L, XL, XXL, XXXL, 4XL, 5XL, 6XL")
    stores = tab.multiselect(key="new_stores")
    stores.options.append("Bandra")
    stores.set_value(["Bandra"])
    assert sentences(click(tab, "new_save").success) == ["KT-1 was added."]
    made = shop.read_product()
    assert (made.sizes[0], made.sizes[-1], made.allowed_stores, made.allowed_agencies) == ("XS", "6XL", ("Bandra",), ())
    assert shop.run("select color, colour_code from inventory.product_colors order by 1") == [
        ("Navy Blue", "NB-7"),
        ("Wine", "WINE"),
    ]
