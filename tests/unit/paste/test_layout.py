"""The layout of a sheet: the header, the column of each field, the rows of the table, and what is left out."""

import io
from datetime import date

import openpyxl
import pytest

from backstitch.files import tables
from backstitch.files.sheets import Line, Sheet
from backstitch.inventory.paste import layout as paste_layout
from backstitch.inventory.paste import template as paste_template
from backstitch.inventory.paste.columns import COLUMNS, Kind, template
from backstitch.inventory.paste.layout import Layout, Matching

TODAY = date(2026, 11, 23)
SIZES = frozenset({"S", "M", "L", "3-4Y"})
GOOD = "Date\tSKU\tColour\tSize\tQty\tStakeholder"
ROW = "05/11/2026\tAN201\tRed\tS\t4\tMill"


def detect(*lines: str, kind: Kind = Kind.INWARD, matching: Matching | None = None, product: bool = False) -> Layout:
    sheet = tables.read_block("\n".join(lines))
    sizes = ("S", "M") if product else ()
    return paste_layout.detect(sheet, kind=kind, sizes=sizes, known_sizes=SIZES, matching=matching)


def blocking(layout: Layout) -> list[str]:
    return [problem.sentence for problem in layout.problems if problem.blocks]


def numbers(layout: Layout) -> list[int]:
    return [line.number for line in layout.lines]


@pytest.mark.parametrize(
    ("kind", "field", "headings"),
    [
        (
            Kind.SALES,
            "date",
            "Date (MM/DD/YYYY)|Date (DD-MM-YYYY)|Invoice Date [yyyy-mm-dd]|Date mm/dd|"
            "Sale Date|Invoice Date|Order Date|Bill Date|Dt.|DATE OF SALE|purchase-date|Vch Date|Order Created Date",
        ),
        (
            Kind.SALES,
            "sku",
            "Seller SKU|SKU Code|Sku id|Item SKU|Item SKU Code|Style|Style No."
            "|Article|Design No|Lineitem sku|seller-sku|Item Name",
        ),
        (
            Kind.SALES,
            "quantity",
            "Qty (Pcs)|Qty.|Quantity Purchased|Pcs|QTY|quantity-purchased|Nos.|"
            "Billed Quantity|Lineitem quantity|Quantity [nos]",
        ),
        (Kind.SALES, "color", "Colour|Color|Shade|Item Type Color|COLOUR NAME"),
        (Kind.SALES, "size", "Size|size|Item Type Size"),
        (
            Kind.SALES,
            "party",
            "Store|Party A/c Name|Particulars|Buyer Name|buyer-name|Customer Name|Channel Name|Billing Name",
        ),
        (Kind.INWARD, "party", "Supplier Name|Vendor|Party A/c Name|Particulars|Received From|Mill"),
        (Kind.ORDERS, "order", "Order ID|Sale Order Code|PO No.|Order Number|amazon-order-id|order no"),
        (Kind.ORDERS, "price", "Rate|Price|Selling Price|Rate (INR)|Price (₹)|WSP|Rate/Pc"),
        (Kind.PRODUCTS, "unit_price", "MRP|MRP (INR)|Rate|Selling Price|Variant Price|Price (Rs.)|MRP (in INR)|MRP ₹"),
        (Kind.PRODUCTS, "hsn_code", "HSN/SAC|HSN|HSN Code|hsn no."),
        (Kind.PRODUCTS, "gst_rate", "GST %|GST|GST Rate (%)|Tax %|IGST Rate"),
        (Kind.PRODUCTS, "category", "Article Type|Product Type|Category|Stock Group"),
    ],
)
def test_headings_are_known_as_sellers_have_them(kind: Kind, field: str, headings: str) -> None:
    for heading in headings.split("|"):
        others = [name for name in template(kind) if name != COLUMNS[kind][field].heading]
        layout = detect("\t".join([heading, *others]), "\t".join("x" * (len(others) + 1)), kind=kind)
        assert layout.fields.get(field) == 0, heading
        assert blocking(layout) == [], heading


@pytest.mark.parametrize(
    ("kind", "field", "heading", "cell"),
    [
        (Kind.SALES, "quantity", "Qty (Dozen)", "3"), (Kind.SALES, "quantity", "Qty (Returned)", "3"),
        (Kind.SALES, "quantity", "Quantity [sets]", "3 sets"), (Kind.SALES, "quantity", "Qty (Rs)", "3"),
        (Kind.SALES, "quantity", "Qty %", "3"), (Kind.SALES, "size", "Size (EU)", "M"),
        (Kind.ORDERS, "price", "Price (USD)", "12"), (Kind.ORDERS, "price", "Price (USD)", "$ 12"),
        (Kind.ORDERS, "price", "Price $", "12"), (Kind.ORDERS, "price", "Price ＄", "12"),
        (Kind.ORDERS, "price", "Rate (per dozen)", "12"),
        (Kind.ORDERS, "price", "Price (incl. GST)", "12"), (Kind.ORDERS, "price", "Price (excl GST)", "12"),
        (Kind.PRODUCTS, "unit_price", "MRP (Paise)", "129900"), (Kind.PRODUCTS, "unit_price", "MRP (incl GST)", "12"),
        (Kind.PRODUCTS, "gst_rate", "GST (Rs)", "60"), (Kind.PRODUCTS, "gst_rate", "GST ₹", "60"),
        (Kind.PRODUCTS, "gst_rate", "GST (₹)", "60"), (Kind.PRODUCTS, "name", "Name (Hindi)", "x"),
        (Kind.SALES, "date", "Date (UTC)", "05/11/2026"),
    ],
)  # fmt: skip
def test_a_heading_in_another_unit_has_to_be_matched_by_hand(kind: Kind, field: str, heading: str, cell: str) -> None:
    others = [name for name in template(kind) if name != COLUMNS[kind][field].heading]
    layout = detect("\t".join([heading, *others]), "\t".join([cell, *("x" * len(others))]), kind=kind)
    assert field not in layout.fields
    assert blocking(layout)[0] == (
        f"“{heading}” is no column or size that Backstitch knows. Match the columns by hand, or rename or remove the "
        "column."
    )


@pytest.mark.parametrize("heading", ["S (Dozen)", "S (Returned)", "Size S [sets]", "S %"])
def test_a_size_in_another_unit_has_to_be_matched_by_hand(heading: str) -> None:
    layout = detect(f"Date\tSKU\tColour\t{heading}\tM (pcs)\tStakeholder", "05/11/2026\tAN201\tRed\t4\t2\tMill")
    assert layout.sizes == {"M": 4}
    assert len(blocking(layout)) == 1 and blocking(layout)[0].startswith(f"“{heading}” is no column or size")


@pytest.mark.parametrize("heading", ["Amount (Rs)", "Discount (%)", "Total (Dozen)", "MRP (Paise)", "GST ₹"])
def test_a_column_that_is_not_needed_is_left_out_in_any_unit(heading: str) -> None:
    assert blocking(detect(f"{GOOD}\t{heading}", f"{ROW}\t12")) == []


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Date\tColour\tColour Code\tS\tM\tCategory\tStakeholder", "date color colour_code S M category party"),
        ("date\tCOLOR\tCode\tsize s\tM (pcs)\tType\tSupplier Name", "date color colour_code S M category party"),
        ("Entry Date\tStyle No.\tShade\tSize\tQty\tReceived from", "date sku color size quantity party"),
        ("DATE\tDesign No.\tColour\tSize\tPcs\tParty", "date sku color size quantity party"),
        ("Date\tProduct\tColor Code\t3-4y\t32\t2XL\tVendor", "date sku colour_code 3-4Y 32 2XL party"),
        ("Date\tItem Name\tSeller SKU\tColour\tSize\tQty\tVendor", "date sku color size quantity party"),
    ],
)
def test_columns_are_found_by_their_common_spellings(header: str, found: str) -> None:
    layout = detect(header, "1\t2\t3\t4\t5\t6\t7"[: 2 * len(found.split()) - 1], product="sku" not in found)
    assert blocking(layout) == []
    by_index = {index: name for name, index in {**layout.fields, **layout.sizes}.items()}
    assert [by_index[index] for index in sorted(by_index)] == found.split()
    assert numbers(layout) == [2] and layout.remarks == ()


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("sizes", [(), ("S", "M")], ids=["no product", "a product"])
def test_the_template_of_each_kind_is_read_back_by_header_and_by_position(kind: Kind, sizes: tuple[str, ...]) -> None:
    if kind is Kind.PRODUCTS and sizes:
        sizes = ()
    (sheet,) = tables.read("template.xlsx", paste_template.workbook(kind, today=TODAY, sizes=sizes))
    assert list(sheet.lines[0].cells) == template(kind, sizes=sizes)
    assert len(sheet.lines) == 2
    with_header = paste_layout.detect(sheet, kind=kind, sizes=sizes, known_sizes=SIZES)
    bare = Sheet("", sheet.lines[1:])
    without = paste_layout.detect(bare, kind=kind, sizes=sizes, known_sizes=SIZES)
    assert with_header.problems == without.problems == ()
    assert (with_header.fields, with_header.sizes) == (without.fields, without.sizes)
    assert with_header.lines == without.lines == sheet.lines[1:]
    assert with_header.header is not None and without.header is None


WRONG_HEADERS = {
    "no date": (
        "SKU\tColour\tSize\tQty\tStakeholder",
        "There is no column Date. Add it, match the columns by hand, or use the template.",
    ),
    "no stakeholder": (
        "Date\tSKU\tColour\tSize\tQty",
        "There is no column Stakeholder. Add it, match the columns by hand, or use the template.",
    ),
    "no SKU": (
        "Date\tColour\tSize\tQty\tStakeholder",
        "There is no column SKU. Add it, match the columns by hand, or use the template.",
    ),
    "no colour": ("Date\tSKU\tSize\tQty\tParty", "There is no column Colour or Colour Code. Add one of them."),
    "no quantities": (
        "Date\tSKU\tColour\tParty",
        "There are no quantities: add a column for each size, or the columns Size and Quantity.",
    ),
    "both forms": (
        "Date\tSKU\tColour\tSize\tQty\tS\tParty",
        "There are columns of sizes and a column Size or Quantity. Keep one or the other.",
    ),
    "a column twice": (
        "Date\tDATE\tSKU\tColour\tSize\tQty\tParty",
        "The column stands in the header twice. Remove or rename one of them.",
    ),
    "two columns that can be the date": (
        "Order Date\tInvoice Date\tSKU\tColour\tSize\tQty\tParty",
        "“Order Date” and “Invoice Date” can each be the column Date. Match the columns by hand, or remove "
        "one of them.",
    ),
    "an unknown size": (
        GOOD + "\tQ9",
        "“Q9” is no column or size that Backstitch knows. Match the columns by hand, or rename or remove the column.",
    ),
    "numbers without a heading": (
        GOOD + "\t\tTotal",
        "It has no heading that Backstitch knows. Match the columns by hand, or rename or remove the column.",
    ),
}


@pytest.mark.parametrize(("header", "sentence"), WRONG_HEADERS.values(), ids=list(WRONG_HEADERS))
def test_a_header_that_cannot_be_matched_says_which_column_and_what_to_do(header: str, sentence: str) -> None:
    layout = detect(header, "\t".join("9" * (header.count("\t") + 1)))
    assert blocking(layout) == [sentence]
    assert {problem.row for problem in layout.problems} == {None}


def test_numbers_beyond_the_last_heading_are_not_lost() -> None:
    assert blocking(detect(GOOD, ROW + "\t12")) == [
        "It has no heading that Backstitch knows. Match the columns by hand, or rename or remove the column."
    ]


def test_of_two_columns_the_one_with_the_template_s_heading_is_taken_and_the_other_said_to_be_left_out() -> None:
    layout = detect("Date\tInvoice Date\tSKU\tColour\tSize\tQty\tParty", "1/1/26\t2/1/26\tA\tRed\tS\t4\tMill")
    assert layout.fields["date"] == 0
    assert [(one.column, one.sentence, one.blocks) for one in layout.problems] == [
        ("Invoice Date", "The column is not used, and is left out.", False)
    ]


def test_rows_without_a_header_must_have_the_columns_of_the_template() -> None:
    assert blocking(detect("x\t" * 11 + "y")) == [
        "The first row is no header, and the rows have 12 columns where the template has 8: Date, SKU, Colour, Colour "
        "Code, Size, Quantity, Category, Stakeholder. Copy the header too, or match the columns by hand."
    ]


def test_rows_shorter_than_the_template_have_its_headings_all_the_same() -> None:
    layout = detect("2026-11-02\tAN201\tRed")
    assert [layout.heading(name) for name in layout.fields] == template(Kind.INWARD, sizes=())


def test_a_column_of_remarks_is_left_out_with_a_warning() -> None:
    layout = detect(GOOD + "\tOur remark\tTotal", ROW + "\tlate lorry\t12")
    assert [(problem.column, problem.sentence, problem.blocks) for problem in layout.problems] == [
        ("Our remark", "The column is not used, and is left out.", False),
        ("Total", "The column is not used, and is left out.", False),
    ]


# --- rows above, within and below the table ---------------------------------------------------------------

ABOVE = {
    "a title": (["Meera Textiles"], ["Row 1 (“Meera Textiles”) stands above the header, and is left out."]),
    "a Tally head": (
        ["Meera Textiles", "Sales Register", "1-Nov-26 to 22-Nov-26", ""],
        ["Rows 1 to 3 (“Meera Textiles”) stand above the header, and are left out."],
    ),
    "a title with one known word": (
        ["Party\tAll parties", "Period\t1-11-26\tto\t22-11-26"],
        ["Rows 1 to 2 (“Party”) stand above the header, and are left out."],
    ),
    "twenty-eight lines": (
        [f"note {n}" for n in range(28)],
        ["Rows 1 to 28 (“note 0”) stand above the header, and are left out."],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("above", "remarks"), ABOVE.values(), ids=list(ABOVE))
def test_what_stands_above_the_header_is_left_out_and_said_to_be(above: list[str], remarks: list[str]) -> None:
    layout = detect(*above, GOOD, ROW)
    assert blocking(layout) == [] and list(layout.remarks) == remarks
    assert numbers(layout) == [len(above) + 2]


def test_rows_of_a_table_above_the_header_are_not_left_out_in_silence() -> None:
    assert blocking(detect(ROW, GOOD, ROW)) == [
        "Row 1 looks like a row of a table, but stands above the header. Paste each table by itself, with its header."
    ]


BELOW = {
    "a total": (["Total\t\t\t\t8"], ["Row 4 is a total, and is left out."]),
    "a grand total": (["\t\tGrand Total:\t\t8.00"], ["Row 4 is a total, and is left out."]),
    "totals within": (
        ["Sub Total\t\t\t\t8", ROW, "\tTOTAL\t\t\t12\t"],
        ["Rows 4, 6 are totals, and are left out."],
    ),
    "a note": (["Prepared by Asha"], ["Row 4 is a note below the table, and is left out."]),
    "a total and notes": (
        ["Total\t\t\t\t8", "", "E. & O. E.", "Subject to Surat jurisdiction"],
        ["Row 4 is a total, and is left out.", "Rows 6 to 7 are notes below the table, and are left out."],
    ),
    "the header again": ([GOOD, ROW], ["Row 4 repeats the header, and is left out."]),
}


@pytest.mark.parametrize(("below", "remarks"), BELOW.values(), ids=list(BELOW))
def test_totals_notes_and_repeated_headers_are_left_out_and_said_to_be(below: list[str], remarks: list[str]) -> None:
    layout = detect(GOOD, ROW, ROW, *below)
    assert layout.problems == () and list(layout.remarks) == remarks
    assert {line.cells for line in layout.lines} == {tuple(ROW.split("\t"))}


@pytest.mark.parametrize(
    "line",
    ["05/11/2026\tTotal\tRed\tS\t4\tMill", "\tAN201\tRed\tS\t4\tTotal", "Total pending from Mill\t\t\t\t4\tMill"],
)
def test_a_row_with_more_than_sums_is_no_total(line: str) -> None:
    assert numbers(detect(GOOD, ROW, line)) == [2, 3]


def test_a_total_that_is_not_the_sum_of_its_rows_is_said() -> None:
    layout = detect("Date\tSKU\tColour\tS\tM\tParty", "1/11/26\tA\tRed\t4\t-\tX", "1/11/26\tA\tRed\t\t2\tX",
                    "Total\t\t\t5\t2")  # fmt: skip
    assert [(one.column, one.sentence, one.blocks) for one in layout.problems] == [
        ("S", "The total on row 4 is 5, but the rows add up to 4.", False)
    ]


@pytest.mark.parametrize(
    "second",
    ["Date\tSKU\tColour\tSize\tPieces\tStore", "SKU\tName\tColour", "Order Date\tStyle\tShade\tSize\tQty\tFrom"],
)
def test_a_second_table_is_refused_in_one_sentence(second: str) -> None:
    layout = detect(GOOD, ROW, "", second, "x\ty\tz", "x\ty\tz")
    assert blocking(layout) == ["Row 4 is the header of another table. Paste each table by itself."]
    assert numbers(layout) == [2]


@pytest.mark.parametrize(
    ("above", "below", "sizes"),
    [
        ("Date\tSKU\tColour\tSizes\t\t\tParty", "\t\t\tS\tM\tL", {"S": 3, "M": 4, "L": 5}),
        ("Date\tSKU\tColour\tQty (Pcs)\tQty (Pcs)\tQty (Pcs)\tParty", "\t\t\tS\tM\tL", {"S": 3, "M": 4, "L": 5}),
        ("Date\tSKU\tColour\tParty\tSize\t", "\t\t\t\t38\t40", {"38": 4, "40": 5}),
    ],
)
def test_sizes_below_a_merged_heading_are_columns(above: str, below: str, sizes: dict[str, int]) -> None:
    row = ["1/11/26", "A", "Red", "1", "2", "3", "Mill"]
    layout = detect(above, below, "\t".join(row[: above.count("\t") + 1]))
    assert blocking(layout) == [] and layout.sizes == sizes and numbers(layout) == [3]


def test_a_row_of_figures_under_a_header_is_no_second_row_of_the_header() -> None:
    layout = detect("Date\tSKU\tColour\tS\tM\tParty", "\t\t\t3\t4\t", ROW)
    assert layout.sizes == {"S": 3, "M": 4} and numbers(layout) == [2, 3]


# --- matching by hand -------------------------------------------------------------------------------------


def test_columns_matched_by_hand_come_before_what_the_headings_say() -> None:
    lines = ("Stock of November", "Wann\tSKU\tWas\tFarbe\tS\tXX\tWer", "1/11/26\tA\tB\tRed\t4\t5\tMill")
    targets = ("date", "", "sku", "color", "size S", "size 2XL", "party")
    layout = detect(*lines, matching=Matching(2, targets))
    assert layout.fields == {"date": 0, "sku": 2, "color": 3, "party": 6}
    assert layout.sizes == {"S": 4, "2XL": 5}
    assert layout.targets == targets and numbers(layout) == [3]
    assert [(one.column, one.blocks) for one in layout.problems] == [("SKU", False)]
    assert layout.header is not None and layout.header.keys == ("wann", "sku", "was", "farbe", "s", "xx", "wer")


def test_a_matching_without_a_required_column_says_which() -> None:
    layout = detect(GOOD, ROW, matching=Matching(1, ("", "sku", "color", "size", "quantity", "party")))
    assert blocking(layout) == ["There is no column Date. Add it, match the columns by hand, or use the template."]


def test_a_heading_suggests_its_target() -> None:
    sheet = Sheet("", (Line(1, ("Tarikh", "Style", "Size 38", "Kunde", "Qty")),))
    (header,) = paste_layout.possible_headers(sheet, kind=Kind.SALES, known_sizes=SIZES)
    found = paste_layout.suggested_targets(header, kind=Kind.SALES, known_sizes=SIZES)
    assert found == ("", "sku", "size 38", "", "quantity")


def test_a_template_keeps_what_is_typed_as_text() -> None:
    book = openpyxl.load_workbook(io.BytesIO(paste_template.workbook(Kind.PRODUCTS, today=TODAY)))
    formats = {cell.value: book.active.cell(500, cell.column).number_format for cell in book.active[1]}
    assert {name for name, number_format in formats.items() if number_format == "@"} == {
        "SKU", "Name", "Category", "HSN Code", "Sizes", "Colours", "Description",
    }  # fmt: skip
    assert paste_template.name(Kind.INWARD, "KT 1/04") == "backstitch_inward_KT-1-04_template.xlsx"
