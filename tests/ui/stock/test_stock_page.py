"""The Stock matrix page: colours down, sizes across, totals, and low cells."""

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import Shop, run


def test_without_products_the_page_says_where_to_add_one(open_page: Open) -> None:
    tab = open_page("stock", Role.VIEWER)
    assert [info.value for info in tab.info] == [
        "No products yet. Add one on the Products page; its matrix appears here."
    ]
    assert not tab.selectbox and not tab.dataframe


def test_a_product_without_colours_says_where_to_add_them(open_page: Open, shop: Shop) -> None:
    shop.product(colours=[])
    tab = open_page("stock", Role.VIEWER)
    assert [info.value for info in tab.info] == ["This product has no colours yet. Add them on the Products page."]
    assert [(metric.label, metric.value) for metric in tab.metric] == [
        ("On hand", "0"),
        ("Cells at or below reorder level", "0"),
        ("Value at price", "₹0.00"),
    ]
    assert not tab.dataframe


def test_the_matrix_has_sizes_in_the_order_of_the_trade_totals_and_gaps(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["S", "XL", "XXL", "M"], colours=["Red", "Blue"], reorder_level=2)
    shop.receive(product, "RED", S=5, XL=1)
    shop.receive(product, "BLUE", XXL=1200)
    shop.run("delete from inventory.product_color_stocks where colour_code = 'RED' and size = 'M'")
    tab = open_page("stock", Role.VIEWER)
    table = tab.dataframe[0].value.astype(object)
    assert list(table.columns) == ["S", "M", "XL", "XXL", "Total"]
    assert table.where(table.notna(), None).to_dict("index") == {
        "Blue": {"S": 0, "XL": 0, "XXL": 1200, "M": 0, "Total": 1200},
        "Red": {"S": 5, "XL": 1, "XXL": 0, "M": None, "Total": 6},
        "Total": {"S": 5, "XL": 1, "XXL": 1200, "M": 0, "Total": 1206},
    }
    assert [(metric.label, metric.value) for metric in tab.metric] == [
        ("On hand", "1,206"),
        ("Cells at or below reorder level", "5"),
        ("Value at price", "₹6,62,094.00"),
    ]
    assert [caption.value for caption in tab.caption] == [
        "↓ at or below the reorder level (2) · grey: the product does not come in this colour and size, or no longer",
        "Click a cell to see what moved it.",
    ]


def test_a_product_without_a_price_has_no_value(open_page: Open, shop: Shop) -> None:
    shop.product(unit_price=None)
    tab = open_page("stock", Role.VIEWER)
    assert [metric.label for metric in tab.metric] == ["On hand", "Cells at or below reorder level"]


def test_two_colours_with_the_same_name_are_shown_with_their_codes(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["S"], colours=["Red"])
    with shop.clone.superuser() as psql:
        # From before keys were unique.
        psql.execute("alter table inventory.product_colors disable trigger keep_new_color")
        psql.execute(
            "insert into inventory.product_colors (product_id, color, colour_code) values (%s, 'Red', 'RED-2')",
            (product,),
        )
        psql.execute("alter table inventory.product_colors enable always trigger keep_new_color")
    shop.run(
        "insert into inventory.product_color_stocks (product_id, colour_code, size) values (%s, 'RED-2', 'S')", product
    )
    shop.receive(product, "RED-2", S=3)
    tab = open_page("stock", Role.VIEWER)
    assert tab.dataframe[0].value["S"].to_dict() == {"Red (RED)": 0, "Red (RED-2)": 3, "Total": 3}


def test_a_colour_named_like_the_totals_keeps_its_figures(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["S"], colours=["Total", "Red"])
    shop.receive(product, "TOTAL", S=3)
    shop.receive(product, "RED", S=4)
    tab = open_page("stock", Role.VIEWER)
    assert tab.dataframe[0].value["S"].to_dict() == {"Red": 4, "Total (TOTAL)": 3, "Total": 7}


def test_the_product_is_chosen_by_hand_or_by_the_link(open_page: Open, shop: Shop) -> None:
    shop.product("AN201", "Leggings")
    kurta = shop.product("KT-1", "Kurta", colours=["Teal"])
    tab = open_page("stock", Role.VIEWER, stock_product="KT-1 · Kurta")
    assert tab.selectbox(key="stock_product").value == kurta
    assert tab.selectbox(key="stock_product").options == ["AN201 · Leggings", "KT-1 · Kurta"]
    assert list(tab.dataframe[0].value.index) == ["Teal", "Total"]
    tab.selectbox(key="stock_product").set_value(1)
    assert list(run(tab).dataframe[0].value.index) == ["Navy Blue", "Red", "Total"]


def test_a_link_to_an_unknown_product_shows_the_first_product(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    tab = open_page("stock", Role.VIEWER, stock_product="KT-999 · Gone")
    assert tab.selectbox(key="stock_product").value == product and not tab.error


def test_the_link_to_the_trail_carries_the_product_and_all_time(open_page: Open, shop: Shop) -> None:
    shop.product()
    (link,) = open_page("stock", Role.ANALYST).page_link
    assert (link.value, link.proto.query_string) == (
        "All changes to AN201",
        "product=AN201+%C2%B7+Leggings&period=All+time",
    )


def test_a_deactivated_product_is_not_offered(open_page: Open, shop: Shop) -> None:
    shop.product()
    shop.product("KT-1", "Kurta")
    shop.run("update inventory.products set is_active = false where sku = 'AN201'")
    assert open_page("stock", Role.VIEWER).selectbox(key="stock_product").options == ["KT-1 · Kurta"]
