"""Sheets as sellers have them: words for nothing, dates of one column, what a file shows, and what is there already."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused
from backstitch.files import tables
from backstitch.files.sheets import Line, Place, Sheet
from backstitch.inventory.paste import check as paste_check
from backstitch.inventory.paste import layout as paste_layout
from backstitch.inventory.paste import layouts
from backstitch.inventory.paste import write as paste_write
from backstitch.inventory.paste.check import Again, Checked, Pasted
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.layout import Matching
from backstitch.inventory.paste.layouts import Remembered
from backstitch.inventory.paste.write import Written
from backstitch.inventory.values import DateOrder
from tests.conftest import Clone
from tests.ui.shop import Shop

TODAY = date(2026, 11, 23)
INWARD = "Date\tSKU\tColour\tColour Code\tSize\tQuantity\tStakeholder"
SALES = "Date\tSKU\tColour\tSize\tQuantity\tStore\tAgency"
ORDERS = "Order\tDate\tCustomer\tAgency\tSKU\tColour\tSize\tQuantity\tPrice\tNote"
PRODUCTS = "SKU\tName\tCategory\tPrice\tHSN Code\tGST Rate\tSizes\tColours\tDescription"
GOOD = {
    Kind.INWARD: (INWARD, "05/11/2026", "AN201", "Red", "RED", "S", "4", "Mill"),
    Kind.SALES: (SALES, "05/11/2026", "AN201", "Red", "S", "4", "Bandra", "Kapoor"),
    Kind.ORDERS: (ORDERS, "1", "05/11/2026", "Bandra", "Kapoor", "AN201", "Red", "S", "4", "500", "call first"),
    Kind.PRODUCTS: (PRODUCTS, "NEW-1", "New kurta", "Kurta", "899", "6204", "5", "S, M", "Red, Blue", "A kurta"),
}


@pytest.fixture
def shop(clone: Clone) -> Shop:
    """A product with fifty red S on hand, a customer and an agency."""
    made = Shop(clone)
    made.receive(made.product(), S=50, M=50)
    made.run("insert into inventory.customers (store_name) values ('Bandra')")
    made.run("insert into inventory.agencies (agency_name) values ('Kapoor')")
    return made


def check(shop: Shop, kind: Kind, sheet: Sheet, **choices: Any) -> Checked:
    with shop.clone.app.read(shop.clone.actor(Role.MANAGER)) as connection:
        return paste_check.check(connection, pasted=Pasted(sheet, kind, **choices), today=TODAY)


def block(*lines: str) -> Sheet:
    return tables.read_block("\n".join(lines))


def row(kind: Kind, **cells: str) -> tuple[str, ...]:
    """A good row of a kind with some of its cells replaced."""
    header, *good = GOOD[kind]
    names = header.replace(" ", "_").split("\t")
    assert set(cells) <= set(names)
    return tuple(cells.get(name, value) for name, value in zip(names, good, strict=True))


def sheet_of(kind: Kind, *rows: tuple[str, ...], **details: Any) -> Sheet:
    lines = [Line(1, tuple(GOOD[kind][0].split("\t"))), *(Line(n, one) for n, one in enumerate(rows, start=2))]
    return Sheet("a file", tuple(lines), **details)


def write(shop: Shop, checked: Checked) -> Written:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="paste") as connection:
        return paste_write.write(connection, checked=checked, today=TODAY)


def blocking(checked: Checked) -> list[tuple[Any, ...]]:
    return [(one.row, one.column, one.sentence) for one in checked.problems if one.blocks]


# --- words for nothing ------------------------------------------------------------------------------------

MISSING = [
    (Kind.INWARD, "SKU", "NULL", "The SKU is missing."),
    (Kind.INWARD, "Colour_Code", "#REF!", "D2 is a spreadsheet error (#REF!). Correct its formula, or type the value."),
    (Kind.INWARD, "Date", "n/a", "The date is missing."),
    (Kind.INWARD, "Size", "-", "The size is missing."),
    (Kind.INWARD, "Quantity", "None", "The quantity is missing."),
    (
        Kind.INWARD,
        "Quantity",
        "#DIV/0!",
        "F2 is a spreadsheet error (#DIV/0!). Correct its formula, or type the value.",
    ),
    (Kind.INWARD, "Stakeholder", "NA", "The stakeholder is missing."),
    (Kind.SALES, "Store", "nan", "The store is missing."),
    (Kind.SALES, "Store", "0", "“0” is no name. Leave the cell blank, or write the name."),
    (Kind.SALES, "Agency", "#N/A", "G2 is a spreadsheet error (#N/A). Correct its formula, or type the value."),
    (Kind.SALES, "Agency", "0", "“0” is no name. Leave the cell blank, or write the name."),
    (Kind.ORDERS, "Customer", "--", "The customer is missing."),
    (Kind.ORDERS, "Note", "#VALUE!", "J2 is a spreadsheet error (#VALUE!). Correct its formula, or type the value."),
    (Kind.PRODUCTS, "SKU", "0", "“0” is no name. Leave the cell blank, or write the name."),
    (Kind.PRODUCTS, "Name", "NaN", "A new product needs a name."),
    (Kind.PRODUCTS, "Price", "#NAME?", "D2 is a spreadsheet error (#NAME?). Correct its formula, or type the value."),
    (Kind.PRODUCTS, "Sizes", "null", "A new product needs sizes."),
]


@pytest.mark.parametrize(("kind", "column", "text", "sentence"), MISSING)
def test_a_word_for_nothing_is_missing_where_something_is_needed(
    shop: Shop, kind: Kind, column: str, text: str, sentence: str
) -> None:
    found = check(shop, kind, sheet_of(kind, row(kind, **{column: text})))
    assert blocking(found) == [(2, column.replace("_", " "), sentence)]


@pytest.mark.parametrize(
    ("kind", "column", "field"),
    [
        (Kind.SALES, "Agency", "agency"), (Kind.ORDERS, "Agency", "agency"), (Kind.ORDERS, "Note", "note"),
        (Kind.ORDERS, "Price", "price"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ["nan", "NULL", "N/A", "n.a."])
def test_a_word_for_nothing_is_blank_where_nothing_is_needed_and_the_preview_says_so(
    shop: Shop, kind: Kind, column: str, field: str, text: str
) -> None:
    found = check(shop, kind, sheet_of(kind, row(kind, **{column: text})))
    assert [getattr(entry, field) or None for entry in found.entries] == [None] and not found.blocked
    assert [(one.row, one.column, one.sentence) for one in found.problems] == [
        (None, column, f"“{text}” stands for nothing, and is read as blank (row 2).")
    ]


def test_words_for_nothing_change_nothing_of_a_product(shop: Shop) -> None:
    cells = {name.replace(" ", "_"): "N/A" for name in PRODUCTS.split("\t") if name != "SKU"}
    found = check(shop, Kind.PRODUCTS, sheet_of(Kind.PRODUCTS, row(Kind.PRODUCTS, SKU="AN201", **cells)))
    assert [product.changes for product in found.products] == [()] and not found.blocked


def test_words_for_nothing_in_columns_of_sizes_are_no_quantity(shop: Shop) -> None:
    sheet = block("Date\tSKU\tColour\tS\tM\tL\tParty", "05/11/2026\tAN201\tRed\t4\tn/a\tNULL\tMill")
    assert [(entry.size, entry.quantity) for entry in check(shop, Kind.INWARD, sheet).entries] == [("S", 4)]


# --- what a file shows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (Kind.INWARD, "SKU"), (Kind.INWARD, "Size"), (Kind.INWARD, "Quantity"), (Kind.INWARD, "Stakeholder"),
        (Kind.SALES, "Colour"), (Kind.SALES, "Agency"), (Kind.PRODUCTS, "SKU"), (Kind.PRODUCTS, "Sizes"),
        (Kind.PRODUCTS, "Price"),
    ],
)  # fmt: skip
def test_a_date_where_none_belongs_is_refused_with_its_cell(shop: Shop, kind: Kind, column: str) -> None:
    index = GOOD[kind][0].split("\t").index(column)
    made = sheet_of(kind, row(kind, **{column: "2-Apr"}), dates={(2, index): date(2026, 4, 2)})
    assert blocking(check(shop, kind, made)) == [
        (
            2,
            column,
            f"{'ABCDEFGHIJ'[index]}2 shows 2-Apr: the spreadsheet has made a date of what was typed. Type it again as "
            "text.",
        )
    ]


def test_a_date_of_the_spreadsheet_is_its_day_however_it_is_shown(shop: Shop) -> None:
    dates: dict[Place, date] = {(2, 0): date(2026, 11, 5), (3, 0): date(2026, 12, 5)}
    made = sheet_of(Kind.INWARD, row(Kind.INWARD, Date="Thu"), row(Kind.INWARD, Date="05/11/2026"), dates=dates)
    found = check(shop, Kind.INWARD, made)
    assert [entry.date for entry in found.entries] == [date(2026, 11, 5)]
    assert blocking(found) == [(3, "Date", "05 Dec 2026 is in the future.")]


def test_a_cell_that_cannot_be_known_blocks_only_where_it_is_used(shop: Shop) -> None:
    sentence = "B2 is a formula whose value the file does not have. Open and save it in Excel."
    header = Line(1, ("Date", "SKU", "Colour", "S", "M", "L", "Party", "Our remark"))
    cells = ("05/11/2026", "AN201", "Red", "4", "", "", "Mill", "late")
    for index, column in ((1, "SKU"), (4, "M"), (6, "Party")):
        sheet = Sheet("a file", (header, Line(2, cells)), unknown={(2, index): sentence})
        assert blocking(check(shop, Kind.INWARD, sheet)) == [(2, column, sentence)]
    unused = Sheet(
        "a file", (header, Line(2, cells)), unknown={(2, 7): sentence}, remarks=("2 hidden rows were left out.",)
    )
    found = check(shop, Kind.INWARD, unused)
    assert not found.blocked and found.remarks[0] == "2 hidden rows were left out."


# --- dates and rates of a column --------------------------------------------------------------------------


def sales_on(*days: str) -> Sheet:
    return block(SALES, *("\t".join(row(Kind.SALES, Date=day, Quantity=str(n))) for n, day in enumerate(days, start=1)))


def test_a_column_with_the_month_first_is_read_so_in_every_row(shop: Shop) -> None:
    found = check(shop, Kind.SALES, sales_on("03/04/2026", "03/14/2026", "10/09/2026"))
    assert [entry.date for entry in found.entries] == [date(2026, 3, 4), date(2026, 3, 14), date(2026, 10, 9)]
    assert found.remarks == (
        "03/04/2026 in column Date is read as 4 March 2026, month first, as A3 (03/14/2026) can only be.",
    )
    assert not found.blocked


def test_dates_that_can_be_read_both_ways_are_day_first_until_somebody_says_otherwise(shop: Shop) -> None:
    sheet = sales_on("03/04/2026", "04/05/2026")
    first, switched = check(shop, Kind.SALES, sheet), check(shop, Kind.SALES, sheet, date_order=DateOrder.MONTH_FIRST)
    assert [entry.date for entry in first.entries] == [date(2026, 4, 3), date(2026, 5, 4)]
    assert first.remarks == (
        "03/04/2026 in column Date is read as 3 April 2026, day first; 2 dates could be read the other way.",
    )
    assert [entry.date for entry in switched.entries] == [date(2026, 3, 4), date(2026, 4, 5)]
    assert switched.remarks == ("03/04/2026 in column Date is read as 4 March 2026, month first, as chosen.",)


def test_a_column_of_both_orders_is_refused_and_nothing_is_written(shop: Shop) -> None:
    found = check(shop, Kind.SALES, sales_on("14/03/2026", "03/14/2026"))
    assert blocking(found)[0] == (
        None,
        "Date",
        "A2 (14/03/2026) has the day first, and A3 (03/14/2026) the month. A column is read one way: correct one of "
        "the two, and look at the other dates too.",
    )
    with pytest.raises(Refused) as refused:
        write(shop, found)
    assert refused.value.rule == "paste_has_problems"


def test_a_gst_rate_that_may_be_a_fraction_is_asked_about(shop: Shop) -> None:
    rows = [row(Kind.PRODUCTS, SKU=f"N{n}", GST_Rate=rate) for n, rate in enumerate(("5", "0.05", "12%", "0.25%"))]
    assert blocking(check(shop, Kind.PRODUCTS, sheet_of(Kind.PRODUCTS, *rows))) == [
        (3, "GST Rate", "F3 says 0.05, and there is no GST rate of so little. Write 5 if 5 % is meant.")
    ]


# --- a register with a title, other headings and a total --------------------------------------------------


def test_a_register_is_read_as_its_program_writes_it(shop: Shop) -> None:
    found = check(
        shop,
        Kind.SALES,
        block(
            "Meera Textiles",
            "Sales Register",
            "1-Nov-26 to 22-Nov-26",
            "",
            "Vch Date\tVch No.\tParty A/c Name\tItem SKU\tShade\tSize\tQty (Pcs)\tRate (INR)\tAmount",
            "5-Nov-26\t101\tBandra\tAN201\tRed\tS\t12 pcs\t1,299.00\t15,588.00",
            "6-Nov-26\t102\tPune\tAN201\tRed\tM\t2 pcs\t1,299.00\t2,598.00",
            "Grand Total\t\t\t\t\t\t14\t\t18,186.00",
            "E. & O. E.",
        ),
    )
    assert [(entry.date.day, entry.party, entry.size, entry.quantity) for entry in found.entries] == [
        (5, "Bandra", "S", 12),
        (6, "Pune", "M", 2),
    ]
    assert not found.blocked and found.remarks == (
        "Rows 1 to 3 (“Meera Textiles”) stand above the header, and are left out.",
        "Row 8 is a total, and is left out.",
        "Row 9 is a note below the table, and is left out.",
        "5-Nov-26 in column Vch Date is read as 5 November 2026: the year is of this century.",
    )


# --- columns matched by hand ------------------------------------------------------------------------------

ODD = ("Wann\tArtikel\tFarbe\tGr.\tStk.\tLaden\tBemerkung", "03/04/2026\tAN201\tRed\tS\t4\tBandra\tx")
TARGETS = ("date", "sku", "color", "size", "quantity", "party", "")


def remember(shop: Shop, sheet: Sheet, targets: tuple[str, ...], order: DateOrder | None = None) -> None:
    header = next(paste_layout.possible_headers(sheet, kind=Kind.SALES, known_sizes=frozenset()))
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="match") as connection:
        layouts.remember(connection, kind=Kind.SALES, header=header, targets=targets, date_order=order)


def test_columns_matched_once_are_used_for_the_next_sheet_with_the_same_headings(shop: Shop) -> None:
    assert check(shop, Kind.SALES, block(*ODD)).blocked
    remember(shop, block(*ODD), TARGETS, DateOrder.MONTH_FIRST)
    upper = block("A title", ODD[0].upper(), ODD[1].replace("\t4\t", "\t5\t"))
    found = check(shop, Kind.SALES, upper)
    assert found.remembered == Remembered(1, Matching(2, TARGETS), DateOrder.MONTH_FIRST)
    assert [(entry.date, entry.quantity, entry.party) for entry in found.entries] == [(date(2026, 3, 4), 5, "Bandra")]
    assert "month first, as last time; 1 date could be read the other way." in found.remarks[-1]
    # Another kind, and other headings, have columns of their own.
    assert check(shop, Kind.INWARD, block(*ODD)).remembered is None
    assert check(shop, Kind.SALES, block(ODD[0] + "\tX", ODD[1])).remembered is None


def test_a_matching_can_be_changed_and_forgotten_and_is_on_the_record(shop: Shop) -> None:
    sheet = block(*ODD)
    remember(shop, sheet, TARGETS)
    remember(shop, sheet, TARGETS)  # as it is: no record
    remember(shop, sheet, ("date", "sku", "color", "size", "quantity", "", "party"))
    assert [entry.party for entry in check(shop, Kind.SALES, sheet).entries] == ["x"]
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="forget") as connection:
        layouts.forget(connection, layout_id=1)
    assert check(shop, Kind.SALES, sheet).remembered is None
    changes = shop.run(
        "select action, new_values -> 'columns' ->> 6, username from audit.trail where entity = 'SheetLayout' "
        "order by id"
    )
    manager = "manager@example.com"
    assert changes == [("CREATE", "", manager), ("UPDATE", "party", manager), ("DELETE", None, manager)]


def test_a_header_too_long_for_the_index_is_not_remembered(shop: Shop) -> None:
    for header in ("\t".join(f"{n:099}" for n in range(20)), "x" * 101 + "\ty"):
        with pytest.raises(Refused) as refused:
            remember(shop, block(header, "1\t2"), TARGETS)
        assert refused.value.rule == "layout_too_long"
        assert check(shop, Kind.SALES, block(header, "1\t2")).remembered is None


# --- twice ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.INWARD, Kind.SALES, Kind.ORDERS])
def test_a_block_that_is_there_already_is_asked_about_and_not_written_before(shop: Shop, kind: Kind) -> None:
    sheet = sheet_of(kind, row(kind), row(kind, Size="M", Quantity="7"))
    assert not check(shop, kind, sheet).asks
    write(shop, check(shop, kind, sheet))
    again = check(shop, kind, sheet)
    assert again.asks and [one.entry.quantity for one in again.repeated] == [4, 7]
    assert {one.stored.party for one in again.repeated} == {again.entries[0].party}
    with pytest.raises(Refused) as refused:
        write(shop, again)
    assert refused.value.rule == "paste_unanswered"
    left = check(shop, kind, sheet, again=Again.LEAVE)
    assert left.is_empty and not left.asks and not left.blocked
    added = check(shop, kind, sheet, again=Again.ADD)
    assert not added.asks and write(shop, added).pieces == 11
    replaced = check(shop, kind, sheet, replace=True)
    assert not replaced.asks
    assert write(shop, replaced).deleted == (2 if kind is Kind.ORDERS else 4)


SAME = [
    ({}, True),
    ({"Store": "BANDRA"}, True),
    ({"Date": "5-Nov-26"}, True),
    ({"SKU": "an201"}, True),
    ({"Colour": "red"}, True),
    ({"Size": "s"}, True),
    ({"Quantity": "4.0"}, True),
    ({"Agency": ""}, True),
    ({"Date": "06/11/2026"}, False),
    ({"Store": "Pune"}, False),
    ({"Size": "M"}, False),
    ({"Quantity": "5"}, False),
    ({"Colour": "Navy Blue"}, False),
]


@pytest.mark.parametrize(("cells", "same"), SAME)
def test_a_row_is_there_already_by_date_store_product_colour_size_and_quantity(
    shop: Shop, cells: dict[str, str], same: bool
) -> None:
    shop.receive(1, "NAVY-BLUE", S=9)
    write(shop, check(shop, Kind.SALES, sheet_of(Kind.SALES, row(Kind.SALES))))
    assert check(shop, Kind.SALES, sheet_of(Kind.SALES, row(Kind.SALES, **cells))).asks is same


def test_goods_that_came_back_are_not_those_that_came_in(shop: Shop) -> None:
    header = INWARD + "\tCategory"
    good = "\t".join(row(Kind.INWARD))
    write(shop, check(shop, Kind.INWARD, block(header, good + "\tSupply")))
    assert not check(shop, Kind.INWARD, block(header, good + "\tReturn")).asks
    assert check(shop, Kind.INWARD, block(header, good + "\tpurchase")).asks


def test_a_stored_row_answers_for_one_pasted_row(shop: Shop) -> None:
    write(shop, check(shop, Kind.SALES, sheet_of(Kind.SALES, row(Kind.SALES))))
    twice = check(shop, Kind.SALES, sheet_of(Kind.SALES, row(Kind.SALES), row(Kind.SALES)))
    assert [one.entry.row for one in twice.repeated] == [2]
    rest = check(shop, Kind.SALES, sheet_of(Kind.SALES, row(Kind.SALES), row(Kind.SALES)), again=Again.LEAVE)
    assert [entry.row for entry in rest.entries] == [3]


def test_a_few_rows_like_stored_ones_are_a_remark(shop: Shop) -> None:
    write(shop, check(shop, Kind.SALES, sheet_of(Kind.SALES, row(Kind.SALES))))
    others = [row(Kind.SALES, Store=store) for store in ("Pune", "Surat", "Thane")]
    found = check(shop, Kind.SALES, sheet_of(Kind.SALES, row(Kind.SALES), *others))
    assert not found.asks and not found.blocked
    assert [(one.row, one.sentence) for one in found.problems] == [
        (2, "4 of AN201 Red S are stored already for the same date and party. These are added.")
    ]


def test_orders_that_are_no_drafts_any_more_are_asked_about_and_never_replaced(shop: Shop) -> None:
    sheet = sheet_of(Kind.ORDERS, row(Kind.ORDERS))
    write(shop, check(shop, Kind.ORDERS, sheet))
    shop.run("update inventory.orders set status = 'confirmed'")
    again = check(shop, Kind.ORDERS, sheet)
    assert again.asks and again.replaceable == ()
    shop.run("update inventory.orders set status = 'cancelled'")
    assert not check(shop, Kind.ORDERS, sheet).asks


def test_a_block_that_somebody_else_has_pasted_since_the_check_is_not_written(shop: Shop) -> None:
    sheet = sheet_of(Kind.SALES, row(Kind.SALES))
    mine, theirs = check(shop, Kind.SALES, sheet), check(shop, Kind.SALES, sheet)
    assert write(shop, theirs) == Written(created=1, pieces=4)
    with pytest.raises(Refused) as refused:
        write(shop, mine)
    assert refused.value.rule == "paste_outdated"


def test_products_pasted_twice_are_as_they_are_stored(shop: Shop) -> None:
    sheet = sheet_of(Kind.PRODUCTS, row(Kind.PRODUCTS))
    write(shop, check(shop, Kind.PRODUCTS, sheet))
    again = check(shop, Kind.PRODUCTS, sheet)
    assert again.is_empty and not again.asks
    assert shop.read_product(2).unit_price == Decimal("899.00")
