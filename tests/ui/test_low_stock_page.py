"""The low-stock list: what to order, narrowed and taken away."""

from backstitch.accounts.permissions import Role
from backstitch.inventory.stock_reports import LowCell
from tests.ui.conftest import Open
from tests.ui.shop import Shop, run
from ui import low_stock_list


def test_the_list_has_what_needs_most_first_and_narrows(open_page: Open, shop: Shop) -> None:
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
        assert [button.label for button in tab.download_button] == ["Download CSV"]
    tab.text_input(key="low_search").set_value("teal kurta")
    assert run(tab).dataframe[0].value["sku"].tolist() == ["KT-1"]
    tab.text_input(key="low_search").set_value("nothing")
    assert [info.value for info in run(tab).info] == ["Nothing low matches. Try another word."]


def test_nothing_low_is_said(open_page: Open, shop: Shop) -> None:
    tab = open_page("low_stock", Role.MANAGER)
    assert [info.value for info in tab.info] == ["Nothing is at or below its reorder level."]
    assert not tab.dataframe and not tab.download_button


def test_the_file_is_what_spreadsheets_read_and_holds_no_formula() -> None:
    cell = LowCell(1, "=1+1", "Kurta, long", "Red", "RED", "S", 0, 3, 12, 15)
    assert low_stock_list.as_csv([cell]) == (
        b"\xef\xbb\xbfSKU,Name,Colour,Colour code,Size,On hand,Reorder level,Sold in 30 days,Suggested\r\n"
        b'\'=1+1,"Kurta, long",Red,RED,S,0,3,12,15\r\n'
    )
