"""What is read of workbooks: the texts that .xlsx, .xls and .ods show, and what cannot be known of them."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
import xlwt

from backstitch.errors import Refused
from backstitch.files import grids, tables
from backstitch.files.sheets import Sheet
from tests.unit.files.books import (
    archive,
    compound,
    ods,
    ods_cell,
    ods_row,
    ods_sheet,
    protected_xls,
    xls,
    xlsx,
)

DAY = 46331  # 5 November 2026
NO_RESULT = "{} holds a formula whose result is not stored in the file. Open it in Excel, save it, and try again."


def read(data: bytes, name: str = "goods.xlsx") -> Sheet:
    (sheet,) = tables.read(name, data)
    return sheet


def rows(sheet: Sheet) -> dict[int, tuple[str, ...]]:
    return {line.number: line.cells for line in sheet.lines}


# --- the same in each format ------------------------------------------------------------------------------

# What is written, with its format; what is shown, and what it shows as .ods.
CELLS: list[tuple[object, str, str]] = [
    ("KT-104", "General", "KT-104"),
    ("00123", "@", "00123"),
    ("'00124", "General", "'00124"),  # the apostrophe is in the cell: Excel shows it
    ("'tis", "General", "'tis"),
    (42, "00000", "00042"),
    (118, '"KT-"000', "KT-118"),
    (5, '0"%"', "5%"),
    (0.05, "0%", "5%"),
    (0.125, "0.0%", "12.5%"),
    (1169.1000000000001, "General", "1169.1"),
    (1169.1000000000001, "0.00", "1169.10"),
    (254624, "[$₹-4009] #,##0.00", "₹ 254,624.00"),
    (1299, '0"/-"', "1299/-"),
    (8901234567890, "General", "8901234567890"),
    (8901234567890, "0.00E+00", "8901234567890"),
    (38, "0.0", "38.0"),
    (1.5, "# ?/?", "1 1/2"),
    (9876543210, "00000 00000", "98765 43210"),
    (0, '0;-0;"-"', "-"),
    (1.5, "[h]:mm", "36:00"),
    (0.75, "h:mm AM/PM", "6:00 PM"),
    (True, "General", "TRUE"),
    (False, "General", "FALSE"),
    (" padded ", "General", " padded "),
    ("two\nlines", "General", "two\nlines"),
    ("नीला & <b>", "General", "नीला & <b>"),
    ("8.9E+12", "General", "8.9E+12"),
]


@pytest.mark.parametrize("make", [xlsx, xls])
def test_a_cell_has_the_text_that_the_spreadsheet_shows(make: Callable[..., bytes]) -> None:
    sheet = read(make(*([(value, code)] for value, code, _ in CELLS)))
    assert [line.cells for line in sheet.lines] == [(shown,) for *_, shown in CELLS]
    assert (sheet.dates, sheet.unknown, sheet.remarks) == ({}, {}, ())


# The value, its format, its text and its day.
DATES = [
    (DAY, "d-mmm", "5-Nov", date(2026, 11, 5)),
    (46114, "d-mmm", "2-Apr", date(2026, 4, 2)),
    (46093, "dd/mm/yyyy", "12/03/2026", date(2026, 3, 12)),
    (DAY, "[$-4009]dd mmmm yyyy;@", "05 November 2026", date(2026, 11, 5)),
    (DAY + 0.5, "dd-mm-yyyy hh:mm", "05-11-2026 12:00", date(2026, 11, 5)),
    (16497, "mmm-yy", "Mar-45", date(1945, 3, 1)),
]


@pytest.mark.parametrize("make", [xlsx, xls])
def test_a_date_has_its_text_and_its_day(make: Callable[..., bytes]) -> None:
    sheet = read(make(["Date"], *([(value, code)] for value, code, *_ in DATES)))
    assert [line.cells for line in sheet.lines[1:]] == [(shown,) for *_, shown, _ in DATES]
    assert sheet.dates == {(row, 0): day for row, (*_, day) in enumerate(DATES, start=2)}


@pytest.mark.parametrize("make", [xlsx, xls])
def test_a_date_whose_form_is_the_machines_is_given_as_year_month_and_day(make: Callable[..., bytes]) -> None:
    sheet = read(make([(DAY, "mm-dd-yy" if make is xlsx else "M/D/YY")]))
    assert (sheet.lines[0].cells, sheet.dates) == (("2026-11-05",), {(1, 0): date(2026, 11, 5)})


@pytest.mark.parametrize("make", [xlsx, xls])
@pytest.mark.parametrize(
    ("value", "code", "sentence"),
    [
        (
            123456789012345678,
            "General",
            "B1 holds a number of 18 digits, of which Excel keeps only 15: type it as text.",
        ),
        (1e15, "0", "B1 holds a number of 16 digits, of which Excel keeps only 15: type it as text."),
        (-1e20, "0.00E+00", "B1 holds a number of 21 digits, of which Excel keeps only 15: type it as text."),
        (
            DAY,
            "[$-1070000]d/m/yyyy",
            "B1 has a number format that Backstitch cannot read. Format it as General or Text, and try again.",
        ),
        (
            -5,
            "dd/mm/yyyy",
            "B1 has a number format that Backstitch cannot read. Format it as General or Text, and try again.",
        ),
    ],
)
def test_what_cannot_be_known_has_a_sentence_with_the_name_of_the_cell(
    make: Callable[..., bytes], value: float, code: str, sentence: str
) -> None:
    sheet = read(make(["SKU", (value, code)]))
    assert (sheet.lines[0].cells, sheet.unknown) == (("SKU", ""), {(1, 1): sentence})


@pytest.mark.parametrize("make", [xlsx, xls])
def test_a_rounded_number_is_read_as_shown_with_a_remark(make: Callable[..., bytes]) -> None:
    assert read(make(["Qty", (4.6, "0")])).remarks == ("B1 holds 4.6 and shows 5: what it shows was read.",)
    many = read(make(*([(row + 0.25, "0")] for row in range(8))))
    assert many.remarks == (
        "Cells that show another number than they hold were read as they are shown: A1 (shows 0, holds 0.25), "
        "A2 (shows 1, holds 1.25), A3 (shows 2, holds 2.25), A4 (shows 3, holds 3.25), A5 (shows 4, holds 4.25) "
        "and 3 more.",
    )
    assert read(make(["Qty", (5, ";;;")])).remarks == ("B1 holds 5 and shows nothing: what it shows was read.",)


GOODS = [["Row", "SKU", "Qty"], *([f"r{row}", f"KT-{row}", row] for row in range(2, 11))]


def hide_xlsx(book: xlsxwriter.Workbook, sheet: object) -> None:
    for row in (4, 5, 6, 8):
        sheet.set_row(row, None, None, {"hidden": True})  # type: ignore[attr-defined]
    sheet.set_column(1, 1, None, None, {"hidden": True})  # type: ignore[attr-defined]
    sheet.set_column(9, 16383, None, None, {"hidden": True})  # type: ignore[attr-defined]


def hide_xls(book: xlwt.Workbook, sheet: xlwt.Worksheet) -> None:
    for row in (4, 5, 6, 8):
        sheet.row(row).hidden = True
    sheet.col(1).hidden = True


HIDDEN_ODS = ods(
    *("<table:table-column/>", '<table:table-column table:visibility="collapse"/>'),
    ods_row(*map(str, GOODS[0])),
    *(
        ods_row(*map(str, row), **({"visibility": hidden} if hidden else {}))
        for row, hidden in zip(GOODS[1:], ["", "", "", "filter", "filter", "collapse", "", "filter", ""], strict=True)
    ),
)


@pytest.mark.parametrize("data", [xlsx(*GOODS, draw=hide_xlsx), xls(*GOODS, draw=hide_xls), HIDDEN_ODS])
def test_what_is_hidden_is_left_out_and_said_to_be(data: bytes) -> None:
    sheet = read(data)
    assert rows(sheet) == {
        1: ("Row", "", "Qty"),
        **{row: (f"r{row}", "", str(row)) for row in (2, 3, 4, 8, 10)},
    }
    assert sheet.remarks == (
        "Rows 5 to 7 and 9 are hidden, and were left out. Show them in Excel if they belong to the rest.",
        "Column B is hidden, and was left out. Show it in Excel if it belongs to the rest.",
    )


def test_a_row_without_height_and_a_column_without_width_are_hidden() -> None:
    def draw(book: xlsxwriter.Workbook, sheet: object) -> None:
        sheet.set_row(1, 0)  # type: ignore[attr-defined]
        sheet.set_column(2, 2, 0)  # type: ignore[attr-defined]

    assert rows(read(xlsx(["a", "b", "c"], ["d"], ["e"], draw=draw))) == {1: ("a", "b"), 3: ("e",)}


def test_a_sheet_whose_rows_are_all_hidden_is_refused_in_these_words() -> None:
    with pytest.raises(Refused) as refused:
        read(xlsx(["a"], draw=lambda book, sheet: sheet.set_row(0, None, None, {"hidden": True})))  # type: ignore[attr-defined]
    assert (refused.value.rule, str(refused.value)) == (
        "rows_hidden",
        "All rows of goods.xlsx are hidden. Show them in Excel, and try again.",
    )


MERGED = [["SKU", "Colour", "Size"], ["KT-1", "Navy", "S"], ["", "", "M"], ["", "", "L"], ["KT-2", "Red", "S"]]


def merge_xlsx(book: xlsxwriter.Workbook, sheet: object) -> None:
    sheet.merge_range("A2:A4", "KT-1")  # type: ignore[attr-defined]
    sheet.merge_range("B2:B8", "Navy")  # type: ignore[attr-defined]
    sheet.merge_range("D1:F1", "Wide")  # type: ignore[attr-defined]
    sheet.write("D2", "x")  # type: ignore[attr-defined]
    sheet.write("E1", "under the merge")  # type: ignore[attr-defined]


def merge_xls(book: xlwt.Workbook, sheet: xlwt.Worksheet) -> None:
    for first, last, column in ((1, 3, 0), (1, 7, 1)):
        sheet.merge(first, last, column, column)
    sheet.write_merge(0, 0, 3, 5, "Wide")
    sheet.write(1, 3, "x")


MERGED_ODS = ods(
    ods_row("SKU", "Colour", "Size", ods_cell("Wide", number_columns_spanned="3"), "<table:covered-table-cell/>"),
    ods_row(ods_cell("KT-1", number_rows_spanned="3"), ods_cell("Navy", number_rows_spanned="7"), "S", "x"),
    *(ods_row("<table:covered-table-cell/>", "<table:covered-table-cell/>", size) for size in "ML"),
    ods_row("KT-2", "<table:covered-table-cell/>", "S"),
)


@pytest.mark.parametrize("data", [xlsx(*MERGED, draw=merge_xlsx), MERGED_ODS])
def test_a_value_merged_over_rows_counts_for_each_that_has_other_cells(data: bytes) -> None:
    sheet = read(data)
    assert rows(sheet) == {
        1: ("SKU", "Colour", "Size", "Wide"),
        2: ("KT-1", "Navy", "S", "x"),
        3: ("KT-1", "Navy", "M"),
        4: ("KT-1", "Navy", "L"),
        5: ("KT-2", "Navy", "S"),
    }
    assert sheet.remarks == (
        "A2:A4 and B2:B8 are merged over several rows: their value was read for each of these rows.",
    )


def test_merged_cells_of_an_old_workbook() -> None:
    assert rows(
        read(xls(["SKU", "Size"], ["KT-1", "S"], [None, "M"], draw=lambda book, sheet: sheet.merge(1, 2, 0, 0)))
    )[3] == ("KT-1", "M")


def test_a_merged_value_in_a_hidden_row_or_column_shows_in_the_others() -> None:
    def draw(book: xlsxwriter.Workbook, sheet: object) -> None:
        sheet.merge_range("A2:A3", "KT-1")  # type: ignore[attr-defined]
        sheet.merge_range("C2:D2", "hidden behind C")  # type: ignore[attr-defined]
        sheet.merge_range("C3:D3", "shown in D")  # type: ignore[attr-defined]
        sheet.set_row(1, None, None, {"hidden": True})  # type: ignore[attr-defined]
        sheet.set_column(2, 2, None, None, {"hidden": True})  # type: ignore[attr-defined]

    made = xlsx(["SKU", "Size"], ["", "S"], ["", "M"], draw=draw)
    assert rows(read(made)) == {1: ("SKU", "Size"), 3: ("KT-1", "M", "", "shown in D")}


# --- signs that are hidden --------------------------------------------------------------------------------

# The number, its format, what it shows.
NO_SIGNS = [
    (-5, "#,##0;[Red]#,##0", "5"),
    (-5, "0;0", "5"),
    (-12, "0;0;0", "12"),
    (-5, "#,##0_);[Red]#,##0", "5"),
    (-1234.5, "#,##0.00;[Red]#,##0", "1,235"),
    (-7.5, '"₹ "0.00;[Red]"₹ "0.00', "₹ 7.50"),
    (-1299, '0"/-";0"/-"', "1299/-"),
    (-0.05, "0%;0%", "5%"),
    (-5, '0" pcs";0" pcs"', "5 pcs"),
    (-5, '0;"{"0"}"', "{5}"),
    (-3, "[<0]0;0", "3"),
]
HIDES = "B1 holds {}, but shows {}: its format hides the sign. Show the sign, or type the number anew."


@pytest.mark.parametrize("form", ["xlsx", "xls", "ods"])
@pytest.mark.parametrize(("value", "code", "shown"), NO_SIGNS)
def test_a_number_whose_sign_is_hidden_is_unknown(form: str, value: float, code: str, shown: str) -> None:
    if form == "ods":
        made = ods(ods_row("Qty", ods_cell(shown, "float", str(value))))
    else:
        made = {"xlsx": xlsx, "xls": xls}[form](["Qty", (value, code)])
    sheet = read(made)
    assert (sheet.lines[0].cells, sheet.unknown) == (("Qty", ""), {(1, 1): HIDES.format(value, shown)})
    assert sheet.remarks == ()


@pytest.mark.parametrize("make", [xlsx, xls])
@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [(-8900000, "0.0E+00;0.0E+00", "8.9E+06"), (-0.0005, "0E+00;0.0E+00", "5.0E-04")],
)
def test_an_exponent_has_no_sign_of_the_number(make: Callable[..., bytes], value: float, code: str, shown: str) -> None:
    sheet = read(make(["Qty", (value, code)]))
    assert sheet.unknown == {(1, 1): HIDES.format(value, shown)}


# The number, its format, what it shows; the sign is shown, or there is none.
SIGNS = [
    (-5, "0;(0)", "(5)"),
    (-5, "General", "-5"),
    (-5, "#,##0;[Red]-#,##0", "-5"),
    (-5, "0;0-", "5-"),
    (-1299, '0"/-"', "-1299/-"),
    (5, "#,##0;[Red]#,##0", "5"),
    (0, "0;0", "0"),
]


@pytest.mark.parametrize("form", ["xlsx", "xls", "ods"])
@pytest.mark.parametrize(("value", "code", "shown"), SIGNS)
def test_a_number_whose_sign_is_shown_is_read_as_shown(form: str, value: float, code: str, shown: str) -> None:
    if form == "ods":
        made = ods(ods_row("Qty", ods_cell(shown, "float", str(value))))
    else:
        made = {"xlsx": xlsx, "xls": xls}[form](["Qty", (value, code)])
    sheet = read(made)
    assert (sheet.lines[0].cells, sheet.unknown) == (("Qty", shown), {})


@pytest.mark.parametrize("make", [xlsx, xls])
def test_what_rounds_to_nothing_has_no_sign_to_hide(make: Callable[..., bytes]) -> None:
    sheet = read(make(["Qty", (-0.3, "0;0")]))
    assert (sheet.unknown, sheet.remarks) == ({}, ("B1 holds -0.3 and shows 0: what it shows was read.",))


# --- numbers in merged cells ------------------------------------------------------------------------------

# What the merged cell holds and its format; rows and columns that it covers from B2 on; the cells that are unknown.
MERGED_NUMBERS = [
    (10, "General", 3, 1, "B2 to B4", {(2, 1), (3, 1), (4, 1)}),
    (10, "General", 5, 1, "B2 to B6", {(2, 1), (3, 1), (4, 1)}),  # rows 5 and 6 are blank
    (7.5, "0.00", 2, 1, "B2 to B3", {(2, 1), (3, 1)}),
    (4.6, "0", 2, 1, "B2 to B3", {(2, 1), (3, 1)}),  # shown rounded
    (10, "General", 1, 3, "B2 to D2", {(2, 1), (2, 2), (2, 3)}),
    (12, '0" pcs"', 2, 2, "B2 to C3", {(2, 1), (2, 2), (3, 1), (3, 2)}),
]


def merged(form: str, value: float | str, code: str, down: int, across: int) -> bytes:
    """Three goods in column A, and a cell that is merged from B2 on."""
    bottom, right = down, across
    table = [["SKU", "S", "M", "L"], ["KT-1"], ["KT-2"], ["KT-3"]]
    if form == "xlsx":

        def draw(book: xlsxwriter.Workbook, sheet: object) -> None:
            sheet.merge_range(1, 1, bottom, right, value, book.add_format({"num_format": code}))  # type: ignore[attr-defined]

        return xlsx(*table, draw=draw)
    if form == "xls":
        style = xlwt.easyxf(num_format_str=code)
        return xls(*table, draw=lambda book, sheet: sheet.write_merge(1, bottom, 1, right, value, style))
    shown = read(xlsx([(value, code)])).lines[0].cells[0]
    kind = "string" if isinstance(value, str) else "float"
    cell = ods_cell(shown, kind, str(value), number_rows_spanned=str(down), number_columns_spanned=str(across))
    return ods(ods_row(*table[0]), ods_row("KT-1", cell), ods_row("KT-2"), ods_row("KT-3"))


@pytest.mark.parametrize("form", ["xlsx", "xls", "ods"])
@pytest.mark.parametrize(("value", "code", "down", "across", "name", "unknown"), MERGED_NUMBERS)
def test_a_number_in_merged_cells_is_unknown_in_each(
    form: str, value: float, code: str, down: int, across: int, name: str, unknown: set[tuple[int, int]]
) -> None:
    sheet = read(merged(form, value, code, down, across))
    sentence = f"{name} are one merged cell with a number: unmerge them and type each number."
    assert sheet.unknown == dict.fromkeys(unknown, sentence)
    assert [line.cells[0] for line in sheet.lines] == ["SKU", "KT-1", "KT-2", "KT-3"]
    assert not any("".join(line.cells[1:]) for line in sheet.lines[1:])
    assert sheet.remarks == ()


@pytest.mark.parametrize("form", ["xlsx", "xls", "ods"])
def test_a_text_of_digits_in_merged_cells_counts_for_each_row(form: str) -> None:
    sheet = read(merged(form, "00104", "@", 3, 1))
    assert ([line.cells[1] for line in sheet.lines[1:]], sheet.unknown) == (["00104"] * 3, {})


@pytest.mark.parametrize("form", ["xlsx", "xls"])
def test_a_date_in_merged_cells_counts_for_each_row(form: str) -> None:
    sheet = read(merged(form, DAY, "dd/mm/yyyy", 3, 1))
    assert sheet.dates == dict.fromkeys([(2, 1), (3, 1), (4, 1)], date(2026, 11, 5))
    assert sheet.unknown == {}


def test_merged_numbers_that_fill_too_many_cells_are_refused() -> None:
    cell = ods_cell("10", "float", "10", number_rows_spanned="400", number_columns_spanned="50")
    with pytest.raises(Refused) as refused:
        read(ods(ods_row("KT-1", cell), ods_row("KT-2", number_rows_repeated="399")))
    assert refused.value.rule == "too_many_unknown"


# --- the last moment of a day -----------------------------------------------------------------------------

LAST_MOMENT = DAY + 86399.999999 / 86400


@pytest.mark.parametrize(
    "data",
    [
        xlsx([(LAST_MOMENT, "yyyy-mm-dd hh:mm:ss")]),
        xlsx([(LAST_MOMENT, "dd/mm/yyyy")]),
        xls([(LAST_MOMENT, "yyyy-mm-dd hh:mm:ss")]),
        xls([(LAST_MOMENT, "dd/mm/yyyy")]),
        ods(ods_row(ods_cell("2026-11-06 00:00:00", "date", "2026-11-05T23:59:59.999999"))),
    ],
    ids=["xlsx", "xlsx day", "xls", "xls day", "ods"],
)
def test_the_last_moment_of_a_day_is_of_that_day(data: bytes) -> None:
    assert read(data).dates == {(1, 0): date(2026, 11, 5)}


# --- sheets -----------------------------------------------------------------------------------------------


def more_sheets(book: xlsxwriter.Workbook, sheet: object) -> None:
    book.add_worksheet("Blank").write(3, 3, "", book.add_format({"bold": True}))
    secret = book.add_worksheet("Secret")
    secret.write(0, 0, "no")
    secret.hide()
    book.add_worksheet("More").write(2, 1, "there")


def more_xls_sheets(book: xlwt.Workbook, sheet: xlwt.Worksheet) -> None:
    book.add_sheet("Blank")
    for name, visibility in (("Secret", 1), ("Very secret", 2)):
        secret = book.add_sheet(name)
        secret.write(0, 0, "no")
        secret.visibility = visibility
    book.add_sheet("More").write(2, 1, "there")


SHEETS_ODS = ods(
    ods_sheet("Goods", ods_row("here")),
    ods_sheet("Blank", ods_row("", number_rows_repeated="1048576")),
    ods_sheet("Secret", ods_row("no"), style="hidden"),
    ods_sheet("More", ods_row("", number_rows_repeated="2"), ods_row("", "there")),
)


@pytest.mark.parametrize(
    "data",
    [xlsx(["here"], draw=more_sheets), xls(["here"], draw=more_xls_sheets), SHEETS_ODS],
    ids=["xlsx", "xls", "ods"],
)
def test_the_visible_sheets_that_have_rows_are_read_in_their_order(data: bytes) -> None:
    sheets = tables.read("goods.xlsx", data)
    assert [(sheet.name, sheet.tab, rows(sheet)) for sheet in sheets] == [
        ("goods.xlsx", "Goods", {1: ("here",)}),
        ("goods.xlsx", "More", {3: ("", "there")}),
    ]


def test_the_only_sheet_with_rows_needs_no_name() -> None:
    assert read(xlsx(["here"], draw=lambda book, sheet: book.add_worksheet("Blank"))).tab == ""


# --- formulas ---------------------------------------------------------------------------------------------


def test_a_formula_whose_result_was_never_stored_is_unknown_and_not_blank() -> None:
    book = openpyxl.Workbook()
    book.active.append(["S", "M", "L", "XL"])
    book.active.append([5, "=A2*2", "=SUM(A2:B2)", '=IF(A2>1,"x","")'])
    file = io.BytesIO()
    book.save(file)
    sheet = read(file.getvalue())
    assert rows(sheet)[2] == ("5", "", "", "")
    assert sheet.unknown == {(2, at): NO_RESULT.format(f"{'ABCD'[at]}2") for at in (1, 2, 3)}


def formulas(*results: object) -> bytes:
    def draw(book: xlsxwriter.Workbook, sheet: object) -> None:
        for column, result in enumerate(results):
            sheet.write_formula(0, column, "=Z9", None, result)  # type: ignore[attr-defined]

    return xlsx([], draw=draw)


def test_a_stored_result_is_read() -> None:
    sheet = read(formulas(13, 2.5, "text", "#N/A", "#REF!", True))
    assert rows(sheet)[1] == ("13", "2.5", "text", "#N/A", "#REF!", "TRUE")
    assert sheet.unknown == {}


def with_row(cells: str) -> bytes:
    return replaced(
        xlsx(["a"]),
        "xl/worksheets/sheet1.xml",
        (
            '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
            f"{cells}</row></sheetData></worksheet>"
        ).encode(),
    )


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c t="str"><f>""</f><v></v></c>', ""),  # the result is an empty text
        ('<c t="d"><v>2026-11-05T00:00:00</v></c>', "46331"),
        ('<c t="inlineStr"><is><r><t>two </t></r><r><t>runs</t></r></is></c>', "two runs"),
        ('<c t="inlineStr"><is><t>a_x000D_\nb</t></is></c>', "a\nb"),
        ("<c><v>007</v></c>", "7"),
        ("<c><v>-0</v></c>", "0"),
        ("<c><v>1.10</v></c>", "1.1"),
        ('<c t="e"><v>#REF!</v></c>', "#REF!"),
    ],
)
def test_cells_as_programs_store_them(cell: str, shown: str) -> None:
    sheet = read(with_row(f"{cell}<c t='inlineStr'><is><t>end</t></is></c>"))
    assert (rows(sheet)[1], sheet.unknown) == ((shown, "end"), {})


def test_a_row_that_is_there_twice_is_not_guessed() -> None:
    with pytest.raises(Refused) as refused:
        read(with_row("<c><v>1</v></c></row><row r='1'><c><v>2</v></c>"))
    assert refused.value.rule == "workbook_unreadable"


@pytest.mark.parametrize("number", ["INF", "NaN", "1e999"])
def test_a_cell_that_holds_no_number_is_unknown(number: str) -> None:
    assert set(read(with_row(f"<c><v>{number}</v></c>")).unknown) == {(1, 0)}


def test_the_0_of_a_program_that_leaves_the_calculation_to_excel_is_no_result() -> None:
    made = formulas(13, 0)
    assert read(made).unknown == {(1, 1): NO_RESULT.format("B1")}
    with zipfile.ZipFile(io.BytesIO(made)) as parts:
        book = parts.read("xl/workbook.xml")
    assert b' fullCalcOnLoad="1"' in book
    calculated = replaced(made, "xl/workbook.xml", book.replace(b' fullCalcOnLoad="1"', b""))
    assert (rows(read(calculated))[1], read(calculated).unknown) == (("13", "0"), {})


def replaced(data: bytes, name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = {part: old.read(part) for part in old.namelist()}
    return archive(**{part.replace("/", "__"): content if part == name else text for part, text in parts.items()})


@pytest.mark.parametrize(
    "kind", ["ms-excel.sheet.macroEnabled.main", "openxmlformats-officedocument.spreadsheetml.template.main"]
)
def test_a_workbook_with_macros_and_a_template_are_read_as_others(kind: str) -> None:
    made = xlsx([(118, '"KT-"000')])
    with zipfile.ZipFile(io.BytesIO(made)) as parts:
        types = parts.read("[Content_Types].xml").replace(
            b"openxmlformats-officedocument.spreadsheetml.sheet.main", kind.encode()
        )
    assert kind.encode() in types
    assert rows(read(replaced(made, "[Content_Types].xml", types), "goods.xlsm")) == {1: ("KT-118",)}


def test_days_that_are_counted_from_1904() -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append([date(2026, 11, 5)])
    file = io.BytesIO()
    book.save(file)
    assert read(file.getvalue()).dates == {(1, 0): date(2026, 11, 5)}


# --- OpenDocument -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (ods_cell("KT-118", "float", "118"), "KT-118"),
        (ods_cell("00042", "float", "42"), "00042"),
        (ods_cell("5%", "percentage", "0.05"), "5%"),
        (ods_cell("5%", "float", "5"), "5%"),
        (ods_cell("₹1,299.00", "currency", "1299"), "₹1,299.00"),
        (ods_cell("8.90E+12", "float", "8900000000000"), "8900000000000"),
        (ods_cell("", "float", "12.5"), "12.5"),
        (ods_cell("TRUE", "boolean"), "TRUE"),
        (ods_cell("#N/A", "string"), "#N/A"),
        (ods_cell("", inside='a<text:s text:c="3"/>b<text:line-break/>c<text:span>d</text:span>'), "a   b\ncd"),
        (ods_cell("", inside="x<office:annotation><text:p>a comment</text:p></office:annotation>y"), "xy"),
    ],
)
def test_an_opendocument_cell_has_the_text_that_is_kept_with_it(cell: str, shown: str) -> None:
    sheet = read(ods(ods_row(cell)), "goods.ods")
    assert (sheet.lines[0].cells, sheet.unknown, sheet.remarks) == ((shown,), {}, ())


def test_what_is_special_in_an_opendocument_cell() -> None:
    sheet = read(
        ods(
            ods_row(
                ods_cell("2-Apr", "date", "2026-04-02"),
                ods_cell("", "", formula="of:=[.A1]"),
                ods_cell("1.23456789012346E+17", "float", "123456789012345678"),
                ods_cell("5", "float", "4.6"),
                ods_cell("end"),
            )
        )
    )
    assert sheet.lines[0].cells == ("2-Apr", "", "", "5", "end")
    assert sheet.dates == {(1, 0): date(2026, 4, 2)}
    assert sheet.unknown == {
        (1, 1): NO_RESULT.format("B1"),
        (1, 2): "C1 holds a number of 18 digits, of which Excel keeps only 15: type it as text.",
    }
    assert sheet.remarks == ("D1 holds 4.6 and shows 5: what it shows was read.",)


def test_repeated_rows_and_cells_of_an_opendocument_are_all_there() -> None:
    repeated = ods_row(ods_cell("x", number_columns_repeated="2"), "y", number_rows_repeated="3")
    blank = ods_row(ods_cell("", number_columns_repeated="16384"), number_rows_repeated="1048000")
    assert rows(read(ods(repeated, blank, ods_row("z")))) == {
        **dict.fromkeys((1, 2, 3), ("x", "x", "y")),
        1048004: ("z",),
    }


# --- refused by name --------------------------------------------------------------------------------------

ODT = "application/vnd.oasis.opendocument.text"
REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "protected xls": (protected_xls, "workbook_protected", "x is protected by a password. Save it without one."),
    "protected xlsx": (
        lambda: compound("EncryptedPackage"),
        "workbook_protected",
        "x is protected by a password. Save it without one.",
    ),
    "protected ods": (
        lambda: ods(ods_row("a"), manifest="<manifest:encryption-data/>"),
        "workbook_protected",
        "x is protected by a password. Save it without one.",
    ),
    "xlsb": (
        lambda: archive(xl__workbook__bin="").replace(b"workbook/bin", b"workbook.bin"),
        "not_a_table",
        "x is a binary workbook (.xlsb). Open it, and save its rows as .xlsx or .csv.",
    ),
    "strict": (
        lambda: archive(xl__workbook_xml='<workbook xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"/>'),
        "not_a_table",
        "x is a workbook in the form Strict Open XML. Open it, and save its rows as .xlsx or .csv.",
    ),
    "doc": (
        lambda: compound("WordDocument"),
        "not_a_table",
        "x is a Word document. Open it, and save its rows as .xlsx or .csv.",
    ),
    "docx": (
        lambda: archive(word__document_xml="<a/>"),
        "not_a_table",
        "x is a Word document. Open it, and save its rows as .xlsx or .csv.",
    ),
    "numbers": (
        lambda: archive(Index__Document__iwa="").replace(b"Document/iwa", b"Document.iwa"),
        "not_a_table",
        "x is a Numbers document. Open it, and save its rows as .xlsx or .csv.",
    ),
    "odt": (
        lambda: archive(mimetype=ODT, content_xml="<a/>"),
        "not_a_table",
        "x is an OpenDocument of another kind. Open it, and save its rows as .xlsx or .csv.",
    ),
    "zip": (
        lambda: archive(goods_xml="<a/>"),
        "not_a_table",
        "x is a compressed file. Open it, and save its rows as .xlsx or .csv.",
    ),
    "too many rows": (
        lambda: ods(ods_row("a", number_rows_repeated="30000")),
        "too_many_rows",
        "x has more than 20,000 rows in the sheet Goods. Split it into several parts.",
    ),
    "too many hidden rows": (
        lambda: ods(ods_row("a", number_rows_repeated="30000", visibility="filter")),
        "too_many_rows",
        "x has more than 20,000 rows in the sheet Goods. Split it into several parts.",
    ),
    "too many columns": (
        lambda: ods(ods_row("a"), ods_row(ods_cell("b", number_columns_repeated="100"))),
        "too_many_columns",
        "x: row 2 in the sheet Goods has more than 60 columns.",
    ),
    "too many columns of an old workbook": (
        lambda: xls(["a"], [*[None] * 100, "b"]),
        "too_many_columns",
        "x: row 2 in the sheet Goods has more than 60 columns.",
    ),
    "too many formulas": (
        lambda: ods(
            ods_row(ods_cell("", "", formula="of:=1", number_columns_repeated="50"), number_rows_repeated="300")
        ),
        "too_many_unknown",
        f"x has more than 10,000 cells that cannot be read. {NO_RESULT.format('A201')}",
    ),
    "a long cell": (
        lambda: ods(ods_row("a" * (grids.LONGEST_CELL + 1))),
        "cell_too_long",
        "x has a cell with more than 100,000 characters. Shorten it, and try again.",
    ),
}


@pytest.mark.parametrize(("make", "rule", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_read_is_refused_by_its_name(make: Callable[[], bytes], rule: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        tables.read("x", make())
    assert (refused.value.rule, str(refused.value)) == (rule, sentence)


# --- LibreOffice ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["xls", "ods", "xlsm", "xltx"])
def test_a_workbook_that_libreoffice_converts_is_read_as_before(tmp_path: Path, ending: str) -> None:
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice (soffice) is not installed")

    def draw(book: xlsxwriter.Workbook, sheet: object) -> None:
        hide_xlsx(book, sheet)
        sheet.merge_range("D2:D4", "merged")  # type: ignore[attr-defined]
        sheet.write_formula("E2", "=C2*2", None, 4)  # type: ignore[attr-defined]
        other = book.add_worksheet("Cells")
        for row, (value, code, _) in enumerate(CELLS):
            other.write(row, 0, value, book.add_format({"num_format": code}))
        for row, (value, code, *_) in enumerate(DATES):
            other.write(row, 1, value, book.add_format({"num_format": code}))

    made = xlsx(*GOODS, draw=draw)
    (tmp_path / "goods.xlsx").write_bytes(made)
    subprocess.run(
        [
            *(office, "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to", ending),
            *("--outdir", str(tmp_path), str(tmp_path / "goods.xlsx")),
        ],
        check=True,
        capture_output=True,
        timeout=180,
    )
    assert tables.read("goods", (tmp_path / f"goods.{ending}").read_bytes()) == tables.read("goods", made)
