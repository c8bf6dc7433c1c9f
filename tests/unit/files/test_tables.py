"""Reading pasted blocks and files: rows as the spreadsheet shows them, and a sentence for whatever is no table."""

import io
import signal
import sys
import zipfile
from collections.abc import Callable
from copy import copy
from datetime import date, datetime

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from backstitch.errors import Refused
from backstitch.files import tables, workbook_reader, workbooks
from backstitch.files.sheets import Line, Sheet
from tests.unit.files.books import archive, ods, ods_cell, ods_row, ods_sheet, xls, xlsx


def workbook(*rows: list[object], percent: str = "") -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if percent:
        book.active[percent].number_format = "0%"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def with_part(data: bytes, name: str, text: str | bytes) -> bytes:
    """The workbook with one part of it replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in {*old.namelist(), name}:
            new.writestr(part, text if part == name else old.read(part))
    return file.getvalue()


ODS = "application/vnd.oasis.opendocument.spreadsheet"
MANIFEST = {"META-INF__manifest_xml": "<a/>"}
MERGES = '<mergeCells><mergeCell ref="A1:BH1048576"/></mergeCells>'
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
    assert tables.read_block(block) == Sheet(
        "The pasted block",
        (
            Line(1, ("Date", "Note", "S")),
            Line(2, ("05/11/2026", 'two\nlines, "quoted"', "3")),
            Line(4, ("06/11/2026", '5" wide')),
        ),
    )


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_a_block_without_tabs_is_taken_for_csv(separator: str) -> None:
    assert cells(tables.read_block(f"Date{separator}SKU\n1{separator}2")) == [("Date", "SKU"), ("1", "2")]


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        ("", "block_empty"),
        (" \t \n\t", "block_empty"),
        ('Date\tNote\n1\t"never closed\n2\tx', "block_unreadable"),
        ('Date\tNote\n1\t"closed" and more\n', "block_unreadable"),
        ("Date\t" + "x" * 200_000, "block_unreadable"),
        ("x" * (tables.LARGEST_TEXT + 1), "block_too_large"),
        ("1\t2\n" * (workbooks.MOST_ROWS + 2), "too_many_rows"),
        ("1\t" * 70 + "1", "too_many_columns"),
    ],
    ids=["nothing", "blanks", "open quote", "text after quote", "long cell", "too large", "rows", "columns"],
)
def test_a_block_that_is_no_table_is_refused_with_a_sentence(block: str, rule: str) -> None:
    with pytest.raises(Refused) as refused:
        tables.read_block(block)
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
    assert tables.read("goods.xlsx", data)[0].lines == (
        Line(1, ("Date", "SKU", "GST", "S", "Note")),
        Line(2, ("2026-11-05 0:00:00", "104", "5%", "3")),
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
    assert cells(*tables.read("goods.csv", data)) == [("Colour",), (name,)]


SHEET = "xl/worksheets/sheet1.xml"
WRONG_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "too large": (lambda: b"a" * (tables.LARGEST_FILE + 1), "file_too_large"),
    "empty": (lambda: b"", "block_empty"),
    "pdf": (lambda: b"%PDF-1.7 ...", "not_a_table"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n", "not_a_table"),
    "old workbook": (lambda: b"\xd0\xcf\x11\xe0 ...", "workbook_unreadable"),
    "bytes": (lambda: b"\x81\x8d\x8f\x90\x9d", "encoding_unknown"),
    "broken archive": (lambda: workbook(["a"])[:200], "workbook_unreadable"),
    "no workbook": (lambda: archive(hello_xml="<a/>"), "not_a_table"),
    "broken inside": (lambda: with_part(workbook(["a"]), SHEET, "<worksheet><not closed"), "workbook_unreadable"),
    "no sheets": (lambda: archive(xl__workbook_xml="<workbook/>"), "workbook_unreadable"),
    "entities": (
        lambda: with_part(workbook(["a"]), SHEET, '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        "workbook_unreadable",
    ),
    "zip bomb": (
        lambda: with_part(workbook(["a"]), SHEET, " " * (workbook_reader.LARGEST_UNPACKED + 1)),
        "workbook_too_large",
    ),
    "many parts": (
        lambda: archive(**{f"part{number}": "" for number in range(workbook_reader.MOST_PARTS + 1)}),
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
    "a broken old workbook": (lambda: xls(["a"])[:1200], "workbook_unreadable"),
    "a broken OpenDocument": (lambda: archive(mimetype=ODS, content_xml="<a", **MANIFEST), "workbook_unreadable"),
    "an OpenDocument with entities": (
        lambda: archive(mimetype=ODS, content_xml=ENTITIES.format("UTF-8", ""), **MANIFEST),
        "workbook_unreadable",
    ),
    "an OpenDocument that unpacks to gigabytes": (
        lambda: archive(mimetype=ODS, content_xml=" " * (workbook_reader.LARGEST_UNPACKED + 1)),
        "workbook_too_large",
    ),
    "a deep OpenDocument": (
        lambda: archive(mimetype=ODS, content_xml="<table>" * 3_000_000, **MANIFEST),
        "workbook_too_large",
    ),
    "an OpenDocument row a million times": (lambda: ods(ods_row("a", number_rows_repeated="1000000")), "too_many_rows"),
    "an OpenDocument cell a billion times": (
        lambda: ods(ods_row(ods_cell("a", number_columns_repeated="1000000000"))),
        "too_many_columns",
    ),
    "a billion blanks in an OpenDocument": (
        lambda: ods(ods_row(ods_cell("", inside='<text:s text:c="1000000000"/>' * 3 + "a"))),
        "cell_too_long",
    ),
    "sheets that are too much together": (
        lambda: ods(*(ods_sheet(f"S{n}", ods_row(*["abcdefgh" * 1000] * 60, number_rows_repeated="30")) for n in "12")),
        "workbook_too_large",
    ),
    "a merge over all rows, a thousand times": (
        lambda: with_sheet("<row><c><v>1</v></c></row>" * 20_001 + "</sheetData>" + MERGES * 1000 + "<sheetData>"),
        "workbook_too_large",
    ),
}


@pytest.mark.parametrize(("make", "rule"), WRONG_FILES.values(), ids=list(WRONG_FILES))
def test_a_file_that_is_no_table_is_refused_with_a_sentence(make: Callable[[], bytes], rule: str) -> None:
    with pytest.raises(Refused) as refused:
        tables.read("goods.xlsx", make())
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
    monkeypatch.setattr(workbooks, "SECONDS", 1)
    for act, rule in ends.items():
        monkeypatch.setattr(workbooks, "COMMAND", [sys.executable, "-c", f"import os, time; {act}"])
        with pytest.raises(Refused) as refused:
            tables.read("goods.xlsx", workbook(["a"]))
        assert (refused.value.rule, str(refused.value).startswith("goods.xlsx ")) == (rule, True)
    assert caplog.text.count("A workbook ended its reader") == 1


@pytest.mark.parametrize("act", ["[bytes(2**20) for _ in range(2**12)]", "bytes(2**40)", "[*range(10**9)]"])
def test_the_process_that_reads_a_workbook_ends_when_it_takes_too_much_memory(
    monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    program = f"from backstitch.files import workbook_reader as r; r.sheets = lambda data: {act}; r.main()"
    monkeypatch.setattr(workbooks, "COMMAND", [sys.executable, "-c", program])
    with pytest.raises(Refused) as refused:
        tables.read("goods.xlsx", workbook(["a"]))
    assert refused.value.rule == "workbook_too_large"


def test_a_user_has_one_workbook_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "TURN_SECONDS", 0)
    with workbooks._gate.place("crowd"):
        with pytest.raises(Refused) as refused:
            tables.read("goods.xlsx", workbook(["a"]), user="crowd")
        assert refused.value.rule == "busy"
        assert cells(*tables.read("goods.xlsx", workbook(["a"]), user="other")) == [("a",)]


def test_the_library_that_reads_workbooks_refuses_entities_by_itself_too() -> None:
    assert openpyxl.DEFUSEDXML
    assert openpyxl.worksheet._reader.iterparse.__module__ == "defusedxml.common"


def test_a_workbook_that_says_it_has_a_million_rows_is_read_as_far_as_it_goes() -> None:
    data = workbook(["Date", "SKU"], ["1", "2"])
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        sheet = made.read(SHEET).decode()
    claimed = sheet.replace('<dimension ref="A1:B2"', '<dimension ref="A1:XFD1048576"')
    assert claimed != sheet
    assert cells(*tables.read("goods.xlsx", with_part(data, SHEET, claimed))) == [("Date", "SKU"), ("1", "2")]


MADE = [xlsx(["SKU", "Qty"], [(118, '"KT-"000'), 5]), xls(["SKU"], ["KT"]), ods(ods_row("SKU"), ods_row("KT"))]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(MADE), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=20), st.booleans()
)
def test_any_damage_to_a_workbook_gives_sheets_or_a_refusal(
    data: bytes, damage: list[tuple[int, int]], cut: bool
) -> None:
    broken = bytearray(data)
    for at, byte in damage:
        broken[at % len(broken)] = byte
    try:
        sheets = tables.read("goods", bytes(broken[: len(broken) // 2 if cut else None]))
    except Refused as refused:
        assert str(refused).endswith(".")
    else:
        assert all(sheet.lines for sheet in sheets)
