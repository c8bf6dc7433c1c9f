"""The low-stock list: the quantities to order, the search, the download."""

import hashlib

import pytest

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused
from backstitch.inventory.stock import low_file as low_stock_file
from backstitch.inventory.stock import reports as stock_reports
from tests.ui.conftest import Open
from tests.ui.shop import DAY, SEED, Shop, click_in_table, run


def test_the_list_has_the_most_urgent_cells_first_and_can_be_narrowed(open_page: Open, shop: Shop) -> None:
    leggings = shop.product(sizes=["S", "M"], colours=["Red"], reorder_level=3)
    shop.product("KT-1", "Kurta", sizes=["S"], colours=["Teal"], reorder_level=1)
    shop.receive(leggings, S=3, M=9)
    columns = ["sku", "color", "size", "on_hand", "suggested"]
    for role in (Role.MANAGER, Role.VIEWER):
        tab = open_page("low_stock", role)
        assert tab.dataframe[0].value[columns].values.tolist() == [
            ["AN201", "Red", "S", 3, 3],
            ["KT-1", "Teal", "S", 0, 2],
        ]
        assert [markdown.value for markdown in tab.markdown] == ["**2 cells** · 5 pieces suggested"]
        # A user who may not edit gets no button to a form.
        assert ("receive" in tab.dataframe[0].proto.column_order) is (role is Role.MANAGER)
        # A user who may not read the trail cannot download.
        offered = ["Download CSV"] if role is Role.MANAGER else []
        assert [button.label for button in tab.download_button] == offered
    tab.text_input(key="low_search").set_value("teal kurta")
    assert run(tab).dataframe[0].value["sku"].tolist() == ["KT-1"]
    tab.text_input(key="low_search").set_value("nothing")
    assert [info.value for info in run(tab).info] == ["Nothing low matches. Try another word."]


def test_a_row_button_opens_its_product_although_the_list_has_changed(open_page: Open, shop: Shop) -> None:
    leggings = shop.product(sizes=["S"], colours=["Red"], reorder_level=5)
    kurta = shop.product("KT-1", "Kurta", sizes=["S"], colours=["Teal"], reorder_level=1)
    tabs = {page: open_page(page, Role.MANAGER) for page in ("low_stock", "home")}
    goods_in, last = open_page("low_stock", Role.MANAGER), open_page("low_stock", Role.MANAGER)
    shop.receive(leggings, S=9)
    for page, key in (("low_stock", "low_open"), ("home", "home_low_open")):
        tab = click_in_table(tabs[page], key, 1)
        assert [title.value for title in tab.title] == ["Stock matrix"]
        assert tab.selectbox(key="stock_product").value == kurta
    assert click_in_table(goods_in, "low_receive", 1).selectbox(key="inward_product").value == kurta
    shop.receive(kurta, "TEAL", S=9)
    assert click_in_table(last, "low_open", 0).selectbox(key="stock_product").value == leggings


def test_without_low_cells_the_page_says_so(open_page: Open, shop: Shop) -> None:
    tab = open_page("low_stock", Role.MANAGER)
    assert [info.value for info in tab.info] == ["Nothing is at or below its reorder level."]
    assert not tab.dataframe and not tab.download_button


def test_the_file_has_no_formula_and_its_export_is_recorded_before_the_download(shop: Shop) -> None:
    shop.product("P", "@Kurta, long", sizes=["S"], colours=["Red"], reorder_level=3)
    # SQL by hand; the forms refuse such names.
    shop.run("update inventory.products set sku = '=1+1'")
    shop.run("update inventory.product_colors set color = '-Red'")
    with shop.clone.app.read(shop.clone.actor(Role.VIEWER)) as connection:
        low = stock_reports.low_stock(connection, today=DAY)
    name = "low.csv"

    def take(role: Role) -> bytes:
        database, actor = shop.clone.app, shop.clone.actor(role)
        return low_stock_file.export(database, actor, low=low, search=" kurta  red ", to_order=True, file_name=name)

    content = take(Role.ANALYST)
    assert content == (
        b"\xef\xbb\xbfSKU,Name,Colour,Colour code,Size,On hand,Reorder level,Sold in 30 days,Suggested\r\n"
        b"'=1+1,\"'@Kurta, long\",'-Red,RED,S,0,3,0,6\r\n"
    )
    with pytest.raises(Refused) as refused:
        take(Role.VIEWER)
    assert refused.value.rule == "42501"
    assert shop.run(
        "select username, operation, action, entity, entity_id, new_values from audit.trail where operation <> %s", SEED
    ) == [
        (
            "analyst@example.com",
            "export low-stock list",
            "EXPORT",
            "LowStockList",
            None,
            {
                "format": "csv",
                "filters": {"search": "kurta red", "to_order": True},
                "columns": list(low_stock_file.HEADINGS),
                "rows": 1,
                "file_name": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
            },
        )
    ]
