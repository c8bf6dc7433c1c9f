"""Reads a block pasted from a spreadsheet, or an uploaded .xlsx or .csv file, into rows of text.

Values are not interpreted here: each is the text that the spreadsheet shows.
"""

import csv
import io
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from backstitch.errors import Refused
from backstitch.files import csv_in, xlsx_in
from backstitch.files.xlsx_in import MOST_COLUMNS, MOST_ROWS

LARGEST_FILE = 10 * 1024 * 1024  # bytes
LARGEST_TEXT = 10_000_000  # characters
MOST_CELLS = MOST_ROWS * MOST_COLUMNS
PASTED = "The pasted block"
OTHER_FORMATS = {
    b"%PDF": "a PDF file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"{\\rtf": "a text document",
    b"\x1f\x8b": "a compressed file",
    b"MZ": "a program",
}
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Line:
    """A row that is not blank: the number that a spreadsheet shows beside it (from 1), and its cells as text."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """The rows that are not blank; the first may be a header. `name` is the file's name, or PASTED."""

    name: str
    lines: tuple[Line, ...]


def read_block(text: str) -> Sheet:
    """Reads a block as Excel copies it: cells separated by tabs, a cell with line breaks in quotation marks.

    A block without tabs is read as CSV.
    Raises Refused: block_empty, block_too_large, block_unreadable, too_many_rows, too_many_columns, too_many_cells.
    """
    if len(text) > LARGEST_TEXT:
        raise Refused(f"{PASTED} is too large. Paste it in parts, or upload the file.", rule="block_too_large")
    return _sheet(PASTED, _records(PASTED, text))


def read_file(name: str, data: bytes, *, user: Hashable = None) -> Sheet:
    """Reads an .xlsx or .csv file; its content decides the format, not its name.

    A `user` has one workbook read at a time.

    Raises Refused: file_too_large, not_a_table, encoding_unknown, what `xlsx_in.rows` raises and what `read_block`
    raises.
    """
    if len(data) > LARGEST_FILE:
        raise Refused(
            f"{name} is larger than {LARGEST_FILE // 1024**2} MB. Split it into several files.", rule="file_too_large"
        )
    for start, what in OTHER_FORMATS.items():
        if data.startswith(start):
            raise Refused(f"{name} is {what}. Upload an .xlsx or .csv file.", rule="not_a_table")
    if data.startswith(OLD_WORKBOOK):
        raise Refused(
            f"{name} is an old .xls workbook, or protected by a password. Save it as .xlsx without one.",
            rule="not_a_table",
        )
    if data.startswith(b"PK"):
        return _sheet(name, xlsx_in.rows(name, data, user=user))
    text, _ = csv_in.decode(name, data)
    return _sheet(name, _records(name, text))


def _sheet(name: str, rows: Iterable[tuple[str, ...]]) -> Sheet:
    lines: list[Line] = []
    for number, row in enumerate(rows, start=1):
        cells = _without_blanks_at_the_end(row)
        if len(cells) > MOST_COLUMNS:
            raise Refused(f"{name}: row {number} has more than {MOST_COLUMNS} columns.", rule="too_many_columns")
        if cells:
            lines.append(Line(number, cells))
        if len(lines) > MOST_ROWS + 1:
            raise Refused(
                f"{name} has more than {MOST_ROWS:,} rows. Split it into several parts.", rule="too_many_rows"
            )
    if not lines:
        raise Refused(f"{name} is empty. Copy the rows in Excel, their header too, and try again.", rule="block_empty")
    return Sheet(name, tuple(lines))


def _without_blanks_at_the_end(row: tuple[str, ...]) -> tuple[str, ...]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _records(name: str, text: str) -> Iterator[tuple[str, ...]]:
    # Strict: otherwise a quotation mark that is never closed would silently swallow the rows after it.
    separator = _separator(text)
    if text.count(separator) + text.count("\n") > MOST_CELLS:
        # A cell takes many times the memory of its characters, and a row is read whole.
        raise Refused(f"{name} has more than {MOST_CELLS:,} cells. Split it into several parts.", rule="too_many_cells")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    row = 0
    try:
        for record in reader:
            row += 1
            yield tuple(record)
    except csv.Error as error:
        raise Refused(
            f"{name} cannot be read from row {row + 1} on: a quotation mark is out of place there, or a cell is "
            "longer than 100,000 characters.",
            rule="block_unreadable",
        ) from error


def _separator(text: str) -> str:
    if "\t" in text:
        return "\t"
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    return max(csv_in.SEPARATORS, key=first_line.count)
