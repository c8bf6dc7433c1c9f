"""Reading pasted blocks and files: rows as the spreadsheet shows them, and a sentence for whatever is no table."""

import io
import signal
import sys
import zipfile
from collections.abc import Callable
from copy import copy
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pytest
import xlsxwriter

from backstitch.errors import Refused
from backstitch.files import xlsx_in, xlsx_reader
from backstitch.inventory.paste import reader as paste_reader
from backstitch.inventory.paste import template as paste_template
from backstitch.inventory.paste import values as paste_values
from backstitch.inventory.paste.columns import Kind, detect_columns, template
from backstitch.inventory.paste.reader import Line, Sheet
from backstitch.inventory.paste.values import CellError

TODAY = date(2026, 11, 23)
SIZES = frozenset({"S", "M", "L", "3-4Y"})


def workbook(*rows: list[object], percent: str = "") -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if percent:
        book.active[percent].number_format = "0%"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def archive(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in parts.items():
            made.writestr(name.replace("__", "/").replace("_xml", ".xml"), text)
    return file.getvalue()


def with_part(data: bytes, name: str, text: str | bytes) -> bytes:
    """The workbook with one part of it replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in {*old.namelist(), name}:
            new.writestr(part, text if part == name else old.read(part))
    return file.getvalue()


DOCTYPE = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]>'
ENTITIES = '<?xml version="1.0" encoding="{}"?>{}' + DOCTYPE + "<a>&c;</a>"
ROWS = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
INLINE = '<c t="inlineStr"><is><t>{}</t></is></c>'


def with_sheet(rows: str) -> bytes:
    return with_part(workbook(["a"]), SHEET, ROWS.format(rows))


def repeated(text: str, times: int) -> bytes:
    """A workbook whose cells all name one shared text."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet().write_string(0, 0, "a")
    strings = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>{}</t></si></sst>'
    data = with_part(file.getvalue(), "xl/sharedStrings.xml", strings.format(text))
    return with_part(data, SHEET, ROWS.format(("<row>" + '<c t="s"><v>0</v></c>' * 50 + "</row>") * (times // 50)))


def lying(data: bytes) -> bytes:
    """The workbook, each of whose parts says that it unpacks to one byte."""
    end = data.rindex(b"PK\x05\x06")
    offset = int.from_bytes(data[end + 16 : end + 20], "little")
    told = bytearray(data)
    while (offset := told.find(b"PK\x01\x02", offset)) != -1:
        told[offset + 24 : offset + 28] = (1).to_bytes(4, "little")
        offset += 4
    return bytes(told)


def overlapping(parts: int) -> bytes:
    """An archive whose directory names the same megabyte of blanks again and again."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/workbook.xml", " " * 1024 * 1024)
        (first,) = made.infolist()
        for number in range(parts):
            again = copy(first)
            again.filename = f"part{number}.xml"
            made.filelist.append(again)
            made.NameToInfo[again.filename] = again
    return file.getvalue()


def cells(sheet: Sheet) -> list[tuple[str, ...]]:
    return [line.cells for line in sheet.lines]


# --- blocks -----------------------------------------------------------------------------------------------


def test_a_block_is_read_as_excel_copies_it() -> None:
    block = 'Date\tNote\tS\r\n05/11/2026\t"two\nlines, ""quoted"""\t3\t\r\n\t\t\r\n06/11/2026\t5" wide\t\r\n'
    assert paste_reader.read_block(block) == Sheet(
        "The pasted block",
        (
            Line(1, ("Date", "Note", "S")),
            Line(2, ("05/11/2026", 'two\nlines, "quoted"', "3")),
            Line(4, ("06/11/2026", '5" wide')),
        ),
    )


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_a_block_without_tabs_is_taken_for_csv(separator: str) -> None:
    assert cells(paste_reader.read_block(f"Date{separator}SKU\n1{separator}2")) == [("Date", "SKU"), ("1", "2")]


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        ("", "block_empty"),
        (" \t \n\t", "block_empty"),
        ('Date\tNote\n1\t"never closed\n2\tx', "block_unreadable"),
        ('Date\tNote\n1\t"closed" and more\n', "block_unreadable"),
        ("Date\t" + "x" * 200_000, "block_unreadable"),
        ("x" * (paste_reader.LARGEST_TEXT + 1), "block_too_large"),
        ("1\t2\n" * (paste_reader.MOST_ROWS + 2), "too_many_rows"),
        ("1\t" * 70 + "1", "too_many_columns"),
    ],
    ids=["nothing", "blanks", "open quote", "text after quote", "long cell", "too large", "rows", "columns"],
)
def test_a_block_that_is_no_table_is_refused_with_a_sentence(block: str, rule: str) -> None:
    with pytest.raises(Refused) as refused:
        paste_reader.read_block(block)
    assert refused.value.rule == rule
    assert str(refused.value).endswith(".") and len(str(refused.value)) < 200


# --- files ------------------------------------------------------------------------------------------------


def test_a_workbook_is_read_as_text_with_its_days_percentages_and_whole_numbers() -> None:
    data = workbook(
        ["Date", "SKU", "GST", "S", "Note"],
        [datetime(2026, 11, 5), 104, 0.05, 3.0, None],
        [],
        [date(2026, 11, 6), "0104", 0.12, 2.5, True],
        percent="C2",
    )
    assert paste_reader.read_file("goods.xlsx", data).lines == (
        Line(1, ("Date", "SKU", "GST", "S", "Note")),
        Line(2, ("2026-11-05", "104", "5%", "3")),
        Line(4, ("2026-11-06", "0104", "0.12", "2.5", "TRUE")),
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("Colour\nBläu\n".encode(), "Bläu"),
        ("\ufeffColour\nनीला\n".encode(), "नीला"),
        ("Colour\nBläu\n".encode("cp1252"), "Bläu"),
        ("Colour\nनीला\n".encode("utf-16"), "नीला"),
    ],
    ids=["utf-8", "utf-8 with mark", "cp1252", "utf-16"],
)
def test_a_csv_file_is_read_in_its_encoding(data: bytes, name: str) -> None:
    assert cells(paste_reader.read_file("goods.csv", data)) == [("Colour",), (name,)]


SHEET = "xl/worksheets/sheet1.xml"
WRONG_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "too large": (lambda: b"a" * (paste_reader.LARGEST_FILE + 1), "file_too_large"),
    "empty": (lambda: b"", "block_empty"),
    "pdf": (lambda: b"%PDF-1.7 ...", "not_a_table"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n", "not_a_table"),
    "old workbook": (lambda: b"\xd0\xcf\x11\xe0 ...", "not_a_table"),
    "bytes": (lambda: b"\x81\x8d\x8f\x90\x9d", "encoding_unknown"),
    "broken archive": (lambda: workbook(["a"])[:200], "workbook_unreadable"),
    "no workbook": (lambda: archive(hello_xml="<a/>"), "workbook_unreadable"),
    "broken inside": (lambda: with_part(workbook(["a"]), SHEET, "<worksheet><not closed"), "workbook_unreadable"),
    "no sheets": (lambda: archive(xl__workbook_xml="<workbook/>"), "workbook_unreadable"),
    "entities": (
        lambda: with_part(workbook(["a"]), SHEET, '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        "workbook_unreadable",
    ),
    "zip bomb": (
        lambda: with_part(workbook(["a"]), SHEET, " " * (xlsx_reader.LARGEST_UNPACKED + 1)),
        "workbook_too_large",
    ),
    "many parts": (
        lambda: archive(**{f"part{number}": "" for number in range(xlsx_reader.MOST_PARTS + 1)}),
        "workbook_too_large",
    ),
    "entities in UTF-16": (
        lambda: with_part(workbook(["a"]), SHEET, ENTITIES.format("UTF-16", "").encode("utf-16")),
        "workbook_unreadable",
    ),
    "entities in UTF-32": (
        lambda: with_part(workbook(["a"]), SHEET, ENTITIES.format("UTF-32", "").encode("utf-32")),
        "workbook_unreadable",
    ),
    "entities behind a mark": (
        lambda: with_part(workbook(["a"]), SHEET, ENTITIES.format("UTF-8", "").encode("utf-8-sig")),
        "workbook_unreadable",
    ),
    "entities behind a megabyte of comments": (
        lambda: with_part(workbook(["a"]), SHEET, ENTITIES.format("UTF-8", f"<!--{' ' * 2**20}-->\n")),
        "workbook_unreadable",
    ),
    "a document type in a part of another name": (
        lambda: with_part(workbook(["a"]), "xl/media/sheet.png", ENTITIES.format("UTF-8", "")),
        "workbook_unreadable",
    ),
    "a cell of 60 million characters": (
        lambda: with_sheet(f"<row>{INLINE.format('a' * 60_000_000)}</row>"),
        "cell_too_long",
    ),
    "a long cell": (lambda: with_sheet(f"<row>{INLINE.format('a' * 100_001)}</row>"), "cell_too_long"),
    "a long shared text in many cells": (lambda: repeated("a" * 90_000, 1000), "workbook_too_large"),
    "300,000 columns": (lambda: with_sheet(f"<row>{'<c><v>1</v></c>' * 300_000}</row>"), "too_many_columns"),
    "a cell in the last column": (lambda: with_sheet('<row r="1"><c r="XFD1"><v>1</v></c></row>'), "too_many_columns"),
    "a cell in a column of its own": (
        lambda: with_sheet('<row r="1"><c r="ZZZZZZZ1"><v>1</v></c></row>'),
        "workbook_unreadable",
    ),
    "many rows": (lambda: with_sheet("<row><c><v>1</v></c></row>" * 30_000), "too_many_rows"),
    "deep": (lambda: with_sheet("<row>" + "<c>" * 2_000_000), "workbook_too_large"),
    "sizes that lie": (lambda: lying(workbook(["a"])), "workbook_unreadable"),
    "overlapping parts": (lambda: overlapping(100), "workbook_too_large"),
    "many cells": (lambda: b"1,2\n" * 700_000, "too_many_cells"),
}


@pytest.mark.parametrize(("make", "rule"), WRONG_FILES.values(), ids=list(WRONG_FILES))
def test_a_file_that_is_no_table_is_refused_with_a_sentence(make: Callable[[], bytes], rule: str) -> None:
    with pytest.raises(Refused) as refused:
        paste_reader.read_file("goods.xlsx", make())
    assert refused.value.rule == rule
    assert str(refused.value).endswith(".")


def test_a_workbook_is_read_by_a_process_that_cannot_take_much_memory_or_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ends = {
        f"os.kill(os.getpid(), {signal.SIGKILL:d})": "workbook_too_large",
        f"os.kill(os.getpid(), {signal.SIGXCPU:d})": "workbook_too_slow",
        f"os.kill(os.getpid(), {signal.SIGSEGV:d})": "workbook_unreadable",
        "time.sleep(30)": "workbook_too_slow",
    }
    monkeypatch.setattr(xlsx_in, "SECONDS", 1)
    for act, rule in ends.items():
        monkeypatch.setattr(xlsx_in, "COMMAND", [sys.executable, "-c", f"import os, time; {act}"])
        with pytest.raises(Refused) as refused:
            paste_reader.read_file("goods.xlsx", workbook(["a"]))
        assert (refused.value.rule, str(refused.value).startswith("goods.xlsx ")) == (rule, True)
    assert caplog.text.count("A workbook ended its reader") == 1


@pytest.mark.parametrize("act", ["[bytes(2**20) for _ in range(2**12)]", "bytes(2**40)", "[*range(10**9)]"])
def test_the_process_that_reads_a_workbook_ends_when_it_takes_too_much_memory(
    monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    program = f"from backstitch.files import xlsx_reader as r; r.rows = lambda data: {act}; r.main()"
    monkeypatch.setattr(xlsx_in, "COMMAND", [sys.executable, "-c", program])
    with pytest.raises(Refused) as refused:
        paste_reader.read_file("goods.xlsx", workbook(["a"]))
    assert refused.value.rule == "workbook_too_large"


def test_a_user_has_one_workbook_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_in, "TURN_SECONDS", 0)
    with xlsx_in._gate.place("crowd"):
        with pytest.raises(Refused) as refused:
            paste_reader.read_file("goods.xlsx", workbook(["a"]), user="crowd")
        assert refused.value.rule == "busy"
        assert cells(paste_reader.read_file("goods.xlsx", workbook(["a"]), user="other")) == [("a",)]


def test_the_library_that_reads_workbooks_refuses_entities_by_itself_too() -> None:
    assert openpyxl.DEFUSEDXML
    assert openpyxl.worksheet._reader.iterparse.__module__ == "defusedxml.common"


def test_a_workbook_that_says_it_has_a_million_rows_is_read_as_far_as_it_goes() -> None:
    data = workbook(["Date", "SKU"], ["1", "2"])
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        sheet = made.read(SHEET).decode()
    claimed = sheet.replace('<dimension ref="A1:B2"', '<dimension ref="A1:XFD1048576"')
    assert claimed != sheet
    assert cells(paste_reader.read_file("goods.xlsx", with_part(data, SHEET, claimed))) == [("Date", "SKU"), ("1", "2")]


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
    sheet = paste_reader.read_block(header + "\n1\t2\t3\t4\t5\t6\t7")
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
    sheet = paste_reader.read_file("template.xlsx", paste_template.workbook(kind, today=TODAY, sizes=sizes))
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
    sheet = paste_reader.read_block(header + "\n" + "\t".join("9" * (header.count("\t") + 1)))
    layout = detect_columns(sheet, kind=Kind.INWARD, sizes=(), known_sizes=SIZES)
    assert [problem.sentence for problem in layout.problems if problem.blocks] == [sentence]
    assert {problem.row for problem in layout.problems} == {None}


def test_rows_without_a_header_must_have_the_columns_of_the_template() -> None:
    layout = detect_columns(paste_reader.read_block("x\t" * 11 + "y"), kind=Kind.INWARD, sizes=(), known_sizes=SIZES)
    assert [problem.sentence for problem in layout.problems] == [
        "The first row is no header, and the rows have 12 columns where the template has 8: Date, SKU, Colour, Colour "
        "Code, Size, Quantity, Category, Stakeholder. Copy the header too."
    ]


def test_rows_shorter_than_the_template_have_its_headings_all_the_same() -> None:
    sheet = paste_reader.read_block("2026-11-02\tAN201\tRed")
    layout = detect_columns(sheet, kind=Kind.INWARD, sizes=(), known_sizes=SIZES)
    assert [layout.heading(name) for name in layout.fields] == template(Kind.INWARD, sizes=())


def test_a_column_of_remarks_is_left_out_with_a_warning() -> None:
    layout = detect_columns(
        paste_reader.read_block(GOOD + "\tOur remark\tTotal\n1\t2\t3\t4\t5\t6\tlate lorry\t12"),
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
