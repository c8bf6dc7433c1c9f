"""The Paste page: rows are checked, shown with their problems, written in one go, and replace entries after a yes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.files import tables
from backstitch.files.sheets import Line, Sheet
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


# --- what is asked before anything is written --------------------------------------------------------------

SALES = "Date\tSKU\tColour\tSize\tQty\tStore"


def infos(tab: AppTest) -> list[str]:
    return [line for text in sentences(tab.info) for line in text.split("  \n")]


def captions(tab: AppTest) -> list[str]:
    return [caption.value.replace("\\", "") for caption in tab.caption]


def choose_sales(tab: AppTest) -> AppTest:
    tab.segmented_control(key="paste_kind").set_value(Kind.SALES)
    return run(tab)


def test_rows_that_are_there_already_are_asked_about_first_with_who_recorded_them(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    rows = (HEADER, f"{day()}\tRed\t4\t2\t\t\tMill", f"{day(1)}\tRed\t9\t\t\t\tMill")
    tab = pasted(open_page("paste", Role.MANAGER), *rows, product=product)
    click(tab, "paste_write")
    tab = pasted(tab, *rows)
    today, yesterday = formats.today(), formats.today() - timedelta(days=1)
    span = f"{yesterday.day} {yesterday:%b}" + (f" {yesterday.year}" if yesterday.year != today.year else "")
    (question,) = sentences(tab.warning)
    recorded = shop.run("select recorded_at from audit.trail where entity = 'InwardLog' limit 1")[0][0]
    at = f"{recorded.astimezone(formats.timezone()):%H:%M}"
    assert question == (
        f"These 2 rows seem to be there already: {span} to {today.day} {today:%b}, Mill, 15 pieces, recorded by "
        f"Manager Rao today at {at}."
    )
    (table_of_days,) = [frame.value for frame in tab.dataframe if "Pieces there" in frame.value.columns]
    assert [tuple(one) for one in table_of_days.itertuples(index=False, name=None)] == [
        (yesterday, "Mill", 9, 9),
        (today, "Mill", 6, 6),
    ]
    (answers,) = tab.radio
    assert answers.value is None and answers.options == [
        "Leave what is there, and write nothing",
        "Replace what is there by these rows",
        "Add them again: 15 pieces more",
    ]
    assert not can_write(tab) and not tab.checkbox

    answers.set_value("leave")
    run(tab)
    assert "paste_write" not in [button.key for button in tab.button]
    tab.radio[0].set_value("add")
    run(tab)
    assert can_write(tab)
    click(tab, "paste_write")
    assert shop.stock(product) == {("RED", "S"): 26, ("RED", "M"): 4}


def test_rows_that_are_there_already_are_replaced_after_a_second_yes(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    rows = (HEADER, f"{day()}\tRed\t4\t2\t\t\tMill")
    click(pasted(open_page("paste", Role.MANAGER), *rows, product=product), "paste_write")
    tab = pasted(open_page("paste", Role.MANAGER), *rows, f"{day()}\tRed\t\t\t3\t\tMill", product=product)
    assert tab.radio[0].options[0] == "Leave them, and write only the other 1"
    tab.radio[0].set_value("replace")
    run(tab)
    assert not can_write(tab)
    (yes,) = tab.checkbox
    yes.check()
    run(tab)
    assert sentences(click(tab, "paste_write").success) == [
        "3 inward entries written, 9 pieces. 2 inward entries before them deleted."
    ]
    assert shop.stock(product) == {("RED", "S"): 4, ("RED", "M"): 2, ("RED", "L"): 3}


def test_sales_pasted_again_are_asked_about_before_their_stock_is_said_to_be_too_small(
    open_page: Open, shop: Shop
) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    rows = (SALES, f"{day()}\tAN201\tRed\tS\t4\tBandra")
    click(pasted(open_page("paste", Role.MANAGER), *rows, kind=Kind.SALES), "paste_write")
    tab = pasted(open_page("paste", Role.MANAGER), *rows, kind=Kind.SALES)
    assert len(sentences(tab.warning)) == 1 and len(table(tab, "paste_problems")) == 1
    tab.radio[0].set_value("leave")
    run(tab)
    assert not tab.error and not table(tab, "paste_problems")
    assert shop.stock(product) == {("RED", "S"): 1}


def test_the_order_of_dates_is_said_switched_and_remembered(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=50)
    rows = (SALES, "03/04/2026\tAN201\tRed\tS\t1\tBandra", "02/05/2026\tAN201\tRed\tS\t2\tBandra")
    tab = pasted(open_page("paste", Role.MANAGER), *rows, kind=Kind.SALES)
    assert infos(tab)[:1] == [
        "03/04/2026 in column Date is read as 3 April 2026, day first; 2 dates could be read the other way."
    ]
    (switch,) = [one for one in tab.segmented_control if one.label == "Dates in this sheet are"]
    assert switch.value == "day first"
    switch.set_value("month first")
    run(tab)
    assert "03/04/2026 in column Date is read as 4 March 2026, month first, as chosen." in infos(tab)
    click(tab, "paste_write")
    assert sorted(sale.date.isoformat() for sale in shop.sales()) == ["2026-02-05", "2026-03-04"]

    next_month = (SALES, "04/06/2026\tAN201\tRed\tS\t1\tBandra")
    tab = pasted(open_page("paste", Role.ADMIN), *next_month, kind=Kind.SALES)
    assert infos(tab) == [
        "04/06/2026 in column Date is read as 6 April 2026, month first, as last time; 1 date could be read the other "
        "way."
    ]


def test_columns_are_matched_by_hand_once_for_everybody(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=9)
    rows = ("Wann\tArtikel\tFarbe\tGr\tStk\tLaden", f"{day()}\tAN201\tRed\tS\t4\tBandra")
    tab = pasted(open_page("paste", Role.MANAGER), *rows, kind=Kind.SALES)
    assert not can_write(tab)
    chosen = ("date", "sku", "color", "size", "quantity", "party")
    boxes = [one for one in tab.selectbox if one.label in rows[0].split("\t")]
    assert [one.label for one in boxes] == rows[0].split("\t") and {one.value for one in boxes} == {""}
    assert day() in captions(tab)

    for box, target in zip(boxes, ("date", "sku", "color", "size", "quantity", "date"), strict=True):
        box.set_value(target)
    tab = submit(tab, "Use these columns")
    assert "Date is chosen for two columns. Choose it for one of them." in sentences(tab.error)
    for box, target in zip([one for one in tab.selectbox if one.label in rows[0].split("\t")], chosen, strict=True):
        box.set_value(target)
    tab = submit(tab, "Use these columns")
    assert not tab.error and can_write(tab)
    assert any(one.startswith("Columns as matched by Manager Rao today at ") for one in captions(tab))

    tab = pasted(open_page("paste", Role.ADMIN), *rows, kind=Kind.SALES)
    assert can_write(tab)
    assert any(one.startswith("Columns as matched by Manager Rao today at ") for one in captions(tab))
    tab = submit(tab, "Forget these columns")
    assert not can_write(tab)
    assert shop.run("select count(*) from inventory.sheet_layouts") == [(0,)]


def submit(tab: AppTest, label: str) -> AppTest:
    (button,) = [one for one in tab.button if one.label == label]
    button.click()
    return run(tab)


def test_of_a_workbook_with_several_sheets_the_one_with_a_header_is_offered(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.receive(shop.product(), S=9)
    notes = Sheet("sales.xlsx", (Line(1, ("Prices are without GST",)),), tab="Notes")
    cells = (day(), "AN201", "Red", "S", "4", "Bandra")
    november = Sheet("sales.xlsx", (Line(1, tuple(SALES.split("\t"))), Line(2, cells)), tab="November")
    monkeypatch.setattr(tables, "read", lambda *_, **__: (notes, november))
    tab = choose_sales(open_page("paste", Role.MANAGER))
    tab.file_uploader[0].set_value(("sales.xlsx", b"PK", "application/octet-stream"))
    click(tab, "paste_check")
    (which,) = [one for one in tab.selectbox if one.label == "Sheet of sales.xlsx"]
    assert which.options == ["Notes (1 row)", "November (2 rows)"] and which.index == 1
    assert can_write(tab)
    which.set_value(notes)
    run(tab)
    assert not can_write(tab) and len(table(tab, "paste_problems")) == 1


def test_a_register_with_a_title_and_a_total_says_what_it_leaves_out(open_page: Open, shop: Shop) -> None:
    shop.receive(shop.product(), S=9)
    register = (
        "Meera Textiles",
        "Sale Date\tItem SKU\tShade\tSize\tQty (Pcs)\tParty A/c Name",
        f"{day()}\tAN201\tRed\tS\t4\tBandra",
        "Total\t\t\t\t4\t",
    )
    tab = pasted(open_page("paste", Role.MANAGER), *register, kind=Kind.SALES)
    assert infos(tab)[:2] == [
        "Row 1 (“Meera Textiles”) stands above the header, and is left out.",
        "Row 4 is a total, and is left out.",
    ]
    click(tab, "paste_write")
    assert [(sale.quantity, sale.store) for sale in shop.sales()] == [(4, "Bandra")]
