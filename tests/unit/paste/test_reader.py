"""What pasted text means: days, quantities and amounts, and the columns of a header."""

import io
from datetime import date
from decimal import Decimal

import openpyxl
import pytest

from backstitch.files import tables
from backstitch.files.sheets import Sheet
from backstitch.inventory.paste import template as paste_template
from backstitch.inventory.paste import values as paste_values
from backstitch.inventory.paste.columns import Kind, detect_columns, template
from backstitch.inventory.paste.values import CellError

TODAY = date(2026, 11, 23)
SIZES = frozenset({"S", "M", "L", "3-4Y"})


# --- values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "05/11/2026", "5/11/26", "05-11-2026", "5.11.2026", "5-Nov-26", "05 November 2026", "5-nov-2026", "2026-11-05",
        "2026/11/5", "2026-11-05 00:00:00", "46331", " 05/11/2026 ", "46331.0",
    ],
)  # fmt: skip
def test_a_date_is_understood_in_the_forms_of_the_trade(text: str) -> None:
    assert paste_values.day(text, today=TODAY) == date(2026, 11, 5)


@pytest.mark.parametrize(
    ("text", "quantity"),
    [("12", 12), (" 12.0 ", 12), ("1,200", 1200), ("1,00,000", 100_000), ("", 0), ("-", 0), ("–", 0), ("0", 0)],
)
def test_a_quantity_is_a_whole_number_of_pieces(text: str, quantity: int) -> None:
    assert paste_values.quantity(text) == quantity


@pytest.mark.parametrize(("text", "amount"), [("₹ 1,149.50", "1149.50"), ("Rs. 899", "899.00"), ("5%", "5.00")])
def test_an_amount_may_have_a_currency_sign(text: str, amount: str) -> None:
    assert paste_values.amount(text, largest=Decimal(10_000), what="A price") == Decimal(amount)


def test_a_wrong_value_is_quoted_shortened_on_one_line_without_unprintable_characters() -> None:
    with pytest.raises(CellError) as wrong:
        paste_values.quantity("a\u202eb\n" + "x" * 500)
    assert str(wrong.value) == "“a�b�" + "x" * 35 + "…” is not a number in plain digits."


# --- columns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Date\tColour\tColour Code\tS\tM\tCategory\tStakeholder", "date color colour_code S M category party"),
        ("date\tCOLOR\tCode\tsize s\tM\tType\tSupplier Name", "date color colour_code S M category party"),
        ("Entry Date\tStyle No.\tShade\tSize\tQty\tReceived from", "date sku color size quantity party"),
        ("DATE\tDesign No.\tColour\tSize\tPcs\tParty", "date sku color size quantity party"),
        ("Date\tProduct\tColor Code\t3-4y\t32\t2XL\tVendor", "date sku colour_code 3-4Y 32 2XL party"),
    ],
)
def test_columns_are_found_by_their_common_spellings(header: str, found: str) -> None:
    sheet = tables.read_block(header + "\n1\t2\t3\t4\t5\t6\t7")
    sizes = () if "sku" in found else ("S", "M")
    layout = detect_columns(sheet, kind=Kind.INWARD, sizes=sizes, known_sizes=SIZES)
    assert [problem for problem in layout.problems if problem.blocks] == []
    assert sorted([*layout.fields, *layout.sizes], key={**layout.fields, **layout.sizes}.__getitem__) == found.split()
    assert layout.first == 1


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("sizes", [(), ("S", "M")], ids=["no product", "a product"])
def test_the_template_of_each_kind_is_read_back_by_header_and_by_position(kind: Kind, sizes: tuple[str, ...]) -> None:
    if kind is Kind.PRODUCTS and sizes:
        sizes = ()
    (sheet,) = tables.read("template.xlsx", paste_template.workbook(kind, today=TODAY, sizes=sizes))
    assert list(sheet.lines[0].cells) == template(kind, sizes=sizes)
    assert len(sheet.lines) == 2
    with_header = detect_columns(sheet, kind=kind, sizes=sizes, known_sizes=SIZES)
    without = detect_columns(Sheet("", sheet.lines[1:]), kind=kind, sizes=sizes, known_sizes=SIZES)
    assert with_header.problems == without.problems == ()
    assert (with_header.fields, with_header.sizes) == (without.fields, without.sizes)
    assert (with_header.first, without.first) == (1, 0)


GOOD = "Date\tSKU\tColour\tSize\tQty\tStakeholder"
WRONG_HEADERS = {
    "no date": ("SKU\tColour\tSize\tQty\tStakeholder", "There is no column Date. Add it, or use the template."),
    "no stakeholder": ("Date\tSKU\tColour\tSize\tQty", "There is no column Stakeholder. Add it, or use the template."),
    "no SKU": ("Date\tColour\tSize\tQty\tStakeholder", "There is no column SKU. Add it, or use the template."),
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
        "Date\tDay\tSKU\tColour\tSize\tQty\tParty",
        "The column stands in the header twice. Remove or rename one of them.",
    ),
    "an unknown size": (
        GOOD + "\tQ9",
        "“Q9” is no column or size that Backstitch knows. Rename the column, or remove it.",
    ),
    "numbers without a heading": (
        GOOD + "\t\tTotal",
        "It has no heading that Backstitch knows. Rename the column, or remove it.",
    ),
}


@pytest.mark.parametrize(("header", "sentence"), WRONG_HEADERS.values(), ids=list(WRONG_HEADERS))
def test_a_header_that_cannot_be_matched_says_which_column_and_what_to_do(header: str, sentence: str) -> None:
    sheet = tables.read_block(header + "\n" + "\t".join("9" * (header.count("\t") + 1)))
    layout = detect_columns(sheet, kind=Kind.INWARD, sizes=(), known_sizes=SIZES)
    assert [problem.sentence for problem in layout.problems if problem.blocks] == [sentence]
    assert {problem.row for problem in layout.problems} == {None}


def test_rows_without_a_header_must_have_the_columns_of_the_template() -> None:
    layout = detect_columns(tables.read_block("x\t" * 11 + "y"), kind=Kind.INWARD, sizes=(), known_sizes=SIZES)
    assert [problem.sentence for problem in layout.problems] == [
        "The first row is no header, and the rows have 12 columns where the template has 8: Date, SKU, Colour, Colour "
        "Code, Size, Quantity, Category, Stakeholder. Copy the header too."
    ]


def test_rows_shorter_than_the_template_have_its_headings_all_the_same() -> None:
    sheet = tables.read_block("2026-11-02\tAN201\tRed")
    layout = detect_columns(sheet, kind=Kind.INWARD, sizes=(), known_sizes=SIZES)
    assert [layout.heading(name) for name in layout.fields] == template(Kind.INWARD, sizes=())


def test_a_column_of_remarks_is_left_out_with_a_warning() -> None:
    layout = detect_columns(
        tables.read_block(GOOD + "\tOur remark\tTotal\n1\t2\t3\t4\t5\t6\tlate lorry\t12"),
        kind=Kind.INWARD,
        sizes=(),
        known_sizes=SIZES,
    )
    assert [(problem.column, problem.sentence, problem.blocks) for problem in layout.problems] == [
        ("Our remark", "The column is not used, and is left out.", False),
        ("Total", "The column is not used, and is left out.", False),
    ]


def test_a_template_keeps_what_is_typed_as_text() -> None:
    book = openpyxl.load_workbook(io.BytesIO(paste_template.workbook(Kind.PRODUCTS, today=TODAY)))
    formats = {cell.value: book.active.cell(500, cell.column).number_format for cell in book.active[1]}
    assert {name for name, number_format in formats.items() if number_format == "@"} == {
        "SKU", "Name", "Category", "HSN Code", "Sizes", "Colours", "Description",
    }  # fmt: skip
    assert paste_template.name(Kind.INWARD, "KT 1/04") == "backstitch_inward_KT-1-04_template.xlsx"
