"""The files of an export: every payload comes back as it was, and none comes alive."""

import csv
import hashlib
import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pandas as pd
import pytest

from backstitch.audit.excel_file import ExcelFile
from backstitch.audit.rows import Cell, flatten
from backstitch.files.csv_out import CsvFile
from backstitch.files.excel_cells import CUT, LONGEST_CELL
from tests.unit.audit.test_wording import update

INDIA = ZoneInfo("Asia/Kolkata")
NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=INDIA)
FORMULAS = ["=1+1", '+cmd|" /C calc"!A0', "-2+3", "@SUM(A1)", "\t=1", "\r=1"]
INERT = [
    "<script>alert(1)</script>",
    "<r><t>bold</t></r>",
    "<r>&</r>",
    'line\r\nbreak; "quoted", comma',
    "\u202egnp.exe",
    "שלום",
    "_x0041_",
    " padded ",
    "नमस्ते 👗",
    "\ufeffbom",
    "\ufffe\uffff",
    "",
]


def csv_bytes(*rows: tuple[Cell, ...]) -> bytes:
    file = io.BytesIO()
    table = CsvFile(("A", "B"), file)
    table.write(rows)
    assert table.close() == hashlib.sha256(file.getvalue()).hexdigest()
    return file.getvalue()


def csv_rows(*rows: tuple[Cell, ...]) -> list[list[str]]:
    text = csv_bytes(*rows).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))[1:]


def workbook(folder: Path, *rows: tuple[Cell, ...], rows_of_a_sheet: int = 1000) -> openpyxl.Workbook:
    file = io.BytesIO()
    book = ExcelFile(("A", "B"), file, folder=str(folder), rows_of_a_sheet=rows_of_a_sheet)
    book.write(rows)
    book.about([("Rows", len(rows)), ("Text", "=1+1")])
    book.close()
    file.seek(0)
    return openpyxl.load_workbook(file)


def excel_values(folder: Path, *rows: tuple[Cell, ...]) -> list[tuple[Any, ...]]:
    return list(workbook(folder, *rows)["Data"].iter_rows(min_row=2, values_only=True))


def test_csv_is_utf_8_with_a_byte_order_mark_and_crlf_and_begins_with_the_header() -> None:
    assert csv_bytes(("é", 1)) == b"\xef\xbb\xbfA,B\r\n\xc3\xa9,1\r\n"


def test_an_empty_csv_has_the_header() -> None:
    assert csv_bytes() == b"\xef\xbb\xbfA,B\r\n"


@pytest.mark.parametrize("payload", FORMULAS)
def test_csv_text_that_would_run_as_a_formula_gets_an_apostrophe(payload: str) -> None:
    assert csv_rows((payload, None)) == [[f"'{payload}", ""]]


@pytest.mark.parametrize("payload", INERT)
def test_other_csv_text_comes_back_unchanged(payload: str) -> None:
    assert csv_rows((payload, "next")) == [[payload, "next"]]


def test_csv_numbers_stay_numbers_and_times_carry_their_offset() -> None:
    assert csv_rows((-5, Decimal("-549.00")), (date(2026, 10, 1), NOON)) == [
        ["-5", "-549.00"],
        ["2026-10-01", "2026-11-23T12:00:00.250000+05:30"],
    ]


def test_pandas_reads_the_numbers_of_a_csv_as_numbers() -> None:
    frame = pd.read_csv(io.BytesIO(csv_bytes((-5, "007"), (7, "'x"))), dtype={"B": str})
    assert (frame["A"].tolist(), frame["B"].tolist()) == ([-5, 7], ["007", "'x"])


def test_a_csv_without_a_file_computes_the_same_sha_256() -> None:
    rows = [("é" * 1000, number) for number in range(1000)]
    hash_only = CsvFile(("A", "B"))
    hash_only.write(rows)
    assert hash_only.close() == hashlib.sha256(csv_bytes(*rows)).hexdigest()


@pytest.mark.parametrize("payload", FORMULAS[:4])
def test_excel_text_that_looks_like_a_formula_is_text(payload: str, tmp_path: Path) -> None:
    cell = workbook(tmp_path, (payload, None))["Data"]["A2"]
    assert cell.value == payload
    assert cell.data_type in {"s", "inlineStr"}  # a formula is "f"


def test_urls_in_excel_are_text(tmp_path: Path) -> None:
    cell = workbook(tmp_path, ("https://example.com", None))["Data"]["A2"]
    assert (cell.value, cell.hyperlink) == ("https://example.com", None)


def test_markup_in_excel_is_text_and_cannot_break_the_workbook(tmp_path: Path) -> None:
    payloads = ["<script>alert(1)</script>", "<r><t>bold</t></r>", "<r>&</r>", "</t></is></c>"]
    found = excel_values(tmp_path, *((payload, None) for payload in payloads))
    assert [value.strip() for value, _ in found] == payloads


def test_scripts_of_every_direction_come_back_from_excel(tmp_path: Path) -> None:
    payloads = ["\u202egnp.exe", "שלום", " padded ", "नमस्ते 👗", 'a "b", c', "two\nlines"]
    assert excel_values(tmp_path, *((payload, None) for payload in payloads)) == [
        (payload, None) for payload in payloads
    ]


def test_control_characters_do_not_break_the_workbook(tmp_path: Path) -> None:
    payload = "".join(map(chr, range(1, 32))) + "\x7f\ufffe\uffff_x0041_"
    (value, _), (after, _) = excel_values(tmp_path, (payload, None), ("after", None))
    assert (isinstance(value, str), after) == (True, "after")


@pytest.mark.parametrize(("letter", "units"), [("a", 1), ("👗", 2)])
def test_a_cell_too_long_for_excel_is_cut_and_says_so(letter: str, units: int, tmp_path: Path) -> None:
    fits, cut = letter * (LONGEST_CELL // units), letter * 40_000
    (fitting, _), (shortened, _) = excel_values(tmp_path, (fits, None), (cut, None))
    assert fitting == fits
    assert shortened == letter * ((LONGEST_CELL - len(CUT)) // units) + CUT
    assert len(shortened.encode("utf-16-le")) // 2 <= LONGEST_CELL


def test_excel_has_real_numbers_and_dates_and_keeps_digits_as_text(tmp_path: Path) -> None:
    rows: list[tuple[Cell, ...]] = [
        (-5, Decimal("549.50")),
        (date(2026, 10, 1), NOON),
        (date(1, 1, 1), 10**15),
        ("0123456789012", "919876543210"),
    ]
    assert excel_values(tmp_path, *rows) == [
        (-5, 549.5),
        (datetime(2026, 10, 1), datetime(2026, 11, 23, 12, 0, 0, 250_000)),
        ("0001-01-01", "1000000000000000"),
        ("0123456789012", "919876543210"),
    ]


def test_excel_has_a_bold_frozen_header_a_filter_and_widths_of_at_most_60(tmp_path: Path) -> None:
    sheet = workbook(tmp_path, ("x" * 200, "y"), ("z", 1))["Data"]
    assert [cell.value for cell in sheet[1]] == ["A", "B"]
    assert all(cell.font.bold for cell in sheet[1])
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:B3")
    assert 60 <= sheet.column_dimensions["A"].width < 61.5
    assert sheet.column_dimensions["B"].width < 6


def test_an_empty_workbook_has_the_header_and_the_facts(tmp_path: Path) -> None:
    book = workbook(tmp_path)
    assert book.sheetnames == ["Data", "About"]
    assert list(book["Data"].values) == [("A", "B")]
    assert list(book["About"].values) == [("Rows", 0), ("Text", "=1+1")]


def test_rows_that_a_sheet_cannot_hold_go_on_on_the_next(tmp_path: Path) -> None:
    rows: list[tuple[Cell, ...]] = [(number, "x") for number in range(7)]
    book = workbook(tmp_path, *rows, rows_of_a_sheet=3)
    assert book.sheetnames == ["Data", "Data 2", "Data 3", "About"]
    assert [[row[0] for row in book[name].values] for name in book.sheetnames[:3]] == [
        ["A", 0, 1, 2],
        ["A", 3, 4, 5],
        ["A", 6],
    ]
    assert [book[name].freeze_panes for name in book.sheetnames[:3]] == ["A2"] * 3
    assert [book[name].auto_filter.ref for name in book.sheetnames[:3]] == ["A1:B4", "A1:B4", "A1:B2"]


def test_days_are_days_and_instants_are_in_the_zone_of_the_business() -> None:
    record = update(
        {"dispatch_date": None, "revoked_at": None, "expires_at": "infinity"},
        {"dispatch_date": "2026-11-23", "revoked_at": "2026-11-23T20:30:00.5+00:00", "expires_at": "infinity"},
    )
    assert [row[7:10] for row in flatten(record, INDIA)] == [
        ("Dispatch date", None, date(2026, 11, 23)),
        ("Revoked at", None, "2026-11-24T02:00:00.500000+05:30"),
        ("Expires at", "infinity", "infinity"),
    ]
