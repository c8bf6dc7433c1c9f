"""The Paste page: rows are checked, shown with their problems, written in one go, and replace entries after a yes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.inventory.paste import template as paste_template
from backstitch.inventory.paste import write as paste_write
from backstitch.inventory.paste.columns import Kind
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, sentences
from ui.shared import formats

HEADER = "Date\tColour\tS\tM\tL\tCategory\tStakeholder"
HOSTILE = "<b>:red[x]</b> $a$ [l](http://x)"


def day(ago: int = 0) -> str:
    """A date in the format in which Excel copies it."""
    return f"{formats.today() - timedelta(days=ago):%d/%m/%Y}"


def pasted(tab: AppTest, *lines: str, kind: Kind = Kind.INWARD, product: int | None = None) -> AppTest:
    """The tab after rows were pasted and checked."""
    if kind is not Kind.INWARD:
        tab.segmented_control(key="paste_kind").set_value(kind)
        run(tab)
    if product is not None:
        tab.selectbox(key="paste_product").set_value(product)
        run(tab)
    (block,) = tab.text_area
    block.set_value("\n".join(lines))
    return click(tab, "paste_check")


def table(tab: AppTest, key: str) -> list[tuple[Any, ...]]:
    """The rows of the table that has the column `key`; none without such a table."""
    column = {"paste_problems": "Problem", "paste_changes": "Will be", "paste_gone": "Entry", "paste_rows": "Colour"}[
        key
    ]
    frames = [frame.value for frame in tab.dataframe if column in frame.value.columns]
    return [tuple(row) for row in frames[0].itertuples(index=False, name=None)] if frames else []


def can_write(tab: AppTest) -> bool:
    return any(button.key == "paste_write" and not button.disabled for button in tab.button)


def test_analysts_and_viewers_cannot_paste_and_an_empty_paste_says_what_to_do(open_page: Open, shop: Shop) -> None:
    for role in (Role.ANALYST, Role.VIEWER):
        tab = open_page("products", role)
        with pytest.raises(ValueError, match="Could not find a navigation page"):
            tab.switch_page("../pages/paste.py")
    tab = pasted(open_page("paste", Role.MANAGER), " \n\t")
    assert sentences(tab.error) == ["Copy rows in Excel and paste them above, or choose a file."]
    unreadable = pasted(tab, 'Date\t"open')
    assert [error.split(":")[0] for error in sentences(unreadable.error)] == [
        "The pasted block cannot be read from row 1 on"
    ]
    assert not tab.dataframe and shop.trail() == []


def test_problems_are_listed_by_row_and_column_and_marked_until_they_are_corrected(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    good, wrong = f"{day()}\tRed\t4\t\t2\tSupply\tMill", f"{day()}\tPink\t-1\t\t2.5\tSupply\t{HOSTILE}"
    tab = pasted(open_page("paste", Role.MANAGER), HEADER, good, wrong, product=product)
    assert sentences(tab.error) == [
        "3 problems in 1 row. Nothing can be written until they are put right: correct the rows above and check them "
        "again."
    ]
    assert table(tab, "paste_problems") == [
        ("3", "Colour", "AN201 does not come in “Pink”.", "Pink"),
        ("3", "S", "“-1” is negative.", "-1"),
        ("3", "L", "“2.5” is not a whole number.", "2.5"),
    ]
    assert table(tab, "paste_rows") == [
        ("3", day(), "✗ Pink", "✗ -1", "", "✗ 2.5", "Supply", HOSTILE),
        ("2", day(), "Red", "4", "", "2", "Supply", "Mill"),
    ]
    assert not can_write(tab) and shop.trail() == []

    tab = pasted(tab, HEADER, good, f"{day()}\tNavy Blue\t1\t\t\t\t{HOSTILE}")
    assert not tab.error and not table(tab, "paste_problems")
    assert f"3 quantities, 7 pieces of 1 product, dated {formats.today():%d %b %Y}." in [one.value for one in tab.text]
    tab = click(tab, "paste_write")
    assert sentences(tab.success) == ["3 inward entries written, 7 pieces."]
    assert [link.proto.query_string for link in tab.page_link] == ["product=AN201+%C2%B7+Leggings"]
    assert shop.stock(product) == {("RED", "S"): 4, ("RED", "L"): 2, ("NAVY-BLUE", "S"): 1}
    assert {entry.stakeholder_name for entry in shop.inward()} == {"Mill", HOSTILE}
    assert {(row[1], row[2], row[3]) for row in shop.trail()} == {
        ("paste inward from Excel", "CREATE", "InwardLog"),
        ("paste inward from Excel", "UPDATE", "ProductColorStock"),
    }
    assert tab.text_area[0].value == "" and not tab.dataframe


def test_existing_entries_are_shown_and_replaced_only_after_a_yes(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    tab = open_page("paste", Role.MANAGER)
    click(
        pasted(tab, HEADER, f"{day()}\tRed\t4\t\t\t\tMill", f"{day(1)}\tRed\t9\t\t\t\tMill", product=product),
        "paste_write",
    )
    tab = pasted(tab, HEADER, f"{day()}\tRed\t\t3\t\t\tMill")
    (replace,) = tab.checkbox
    assert replace.label == "Replace what is there: 1 inward entry for the same product, date and stakeholder"
    assert "What you paste is added to them." in [caption.value for caption in tab.caption]
    assert can_write(tab)

    replace.check()
    run(tab)
    assert [row[2:] for row in table(tab, "paste_gone")] == [("Mill", "AN201", "Red", "S", 4)]
    assert not can_write(tab)
    tab.checkbox[1].check()
    run(tab)
    assert sentences(click(tab, "paste_write").success) == [
        "1 inward entry written, 3 pieces. 1 inward entry before them deleted."
    ]
    assert shop.stock(product) == {("RED", "S"): 9, ("RED", "M"): 3}


def test_a_sale_of_more_than_there_is_and_a_change_since_the_check_write_nothing(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    rows = ("Date\tSKU\tColour\tSize\tQty\tStore", f"{day()}\tAN201\tRed\tS\t3\tBandra", f"{day()}\tAN201\tRed\tS\t")
    tab = pasted(open_page("paste", Role.MANAGER), rows[0], rows[1], rows[2] + "3\tPune", kind=Kind.SALES)
    assert table(tab, "paste_problems") == [
        ("3", "Qty", "More than there is: AN201 Red S has 2 on hand, after the rows above.", "3")
    ]
    tab = pasted(tab, rows[0], rows[1], rows[2] + "2\tPune")
    assert can_write(tab)
    shop.sell(product, S=1)
    tab = click(tab, "paste_write")
    assert sentences(tab.error) == [
        "What is stored has changed since you checked these rows, so nothing was saved. Check them again."
    ]
    assert shop.stock(product) == {("RED", "S"): 4} and len(shop.sales()) == 1
    run(tab)
    assert table(tab, "paste_problems")[0][:2] == ("3", "Qty")


def test_a_file_of_products_shows_what_changes_and_asks_why_prices_do(open_page: Open, shop: Shop) -> None:
    shop.product()
    tab = open_page("paste", Role.ADMIN)
    tab.segmented_control(key="paste_kind").set_value(Kind.PRODUCTS)
    run(tab)
    # The example of the template with another header, after a change of the stored product.
    data = b"SKU;Name;Price;Colours;Sizes\nAN201;;599;;\nNEW-1;New kurta;899;Navy:NV;S-L\n"
    tab.file_uploader[0].set_value(("products.csv", data, "text/csv"))
    click(tab, "paste_check")
    assert "1 new product, 1 changed, 0 as they are stored." in [one.value for one in tab.text]
    assert table(tab, "paste_changes") == [
        ("2", "AN201", "Changed", "Price", "549.00", "599.00"),
        ("3", "NEW-1", "New", "Name", "", "New kurta"),
        ("3", "NEW-1", "New", "Price", "", "899.00"),
        ("3", "NEW-1", "New", "Sizes", "", "S, M, L"),
        ("3", "NEW-1", "New", "Colours", "", "Navy (NV)"),
    ]
    assert len(sentences(click(tab, "paste_write").error)) == 1 and shop.trail() == []
    tab.text_input(key="paste_reason").set_value("new price list")
    assert sentences(click(tab, "paste_write").success) == ["1 product added, 1 changed."]
    assert shop.read_product(1).unit_price == Decimal("599.00")
    assert shop.run("select distinct reason from audit.trail where operation = 'paste products from Excel'") == [
        ("new price list",)
    ]


def test_a_workbook_and_a_block_at_once_are_refused(open_page: Open, shop: Shop) -> None:
    tab = open_page("paste", Role.MANAGER)
    workbook = paste_template.workbook(Kind.INWARD, today=formats.today())
    tab.file_uploader[0].set_value(("goods.xlsx", workbook, "application/octet-stream"))
    tab.text_area[0].set_value("Date\tSKU")
    click(tab, "paste_check")
    assert sentences(tab.error) == ["There are rows and a file. Empty one of them, then check again."]
    tab.text_area[0].set_value("")
    click(tab, "paste_check")
    assert [row[1] for row in table(tab, "paste_problems")] == ["SKU"]


def test_a_fault_while_writing_leaves_nothing_behind_and_shows_no_traceback(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = shop.product()
    tab = pasted(open_page("paste", Role.MANAGER), HEADER, f"{day()}\tRed\t4\t\t\t\tMill", product=product)
    write = paste_write.write

    def fails_at_the_end(connection: Connection, **options: Any) -> None:
        write(connection, **options)
        connection.exec_driver_sql("update inventory.products set unit_price = -1")

    monkeypatch.setattr(paste_write, "write", fails_at_the_end)
    assert len(sentences(click(tab, "paste_write").error)) == 1
    assert not tab.success and shop.trail() == [] and shop.stock(product) == {}
