"""Reads what people upload or paste, workbooks and text files, into sheets: each cell has the text that is shown.

Values are not interpreted here. The content of a file decides its format, not its name.
"""

from collections.abc import Hashable, Iterable

from backstitch.errors import Refused
from backstitch.files import text_files, workbooks
from backstitch.files.sheets import Line, Sheet
from backstitch.files.workbooks import MOST_COLUMNS, MOST_ROWS

LARGEST_FILE = 10 * 1024 * 1024  # bytes
LARGEST_TEXT = 10_000_000  # characters
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


def read_block(text: str) -> Sheet:
    """Reads a block as Excel copies it: cells separated by tabs, a cell with line breaks in quotation marks.

    A block without tabs is read as CSV.
    Raises Refused: block_empty, block_too_large, block_unreadable, too_many_rows, too_many_columns, too_many_cells.
    """
    if len(text) > LARGEST_TEXT:
        raise Refused(f"{PASTED} is too large. Paste it in parts, or upload the file.", rule="block_too_large")
    return _sheet(PASTED, text_files.records(PASTED, text))


def read(name: str, data: bytes, *, user: Hashable = None) -> tuple[Sheet, ...]:
    """Reads the visible sheets of a file that have rows, in their order: one at least; a text file has one.

    A `user` has one workbook read at a time.

    Raises Refused: file_too_large, not_a_table, encoding_unknown, what `workbooks.read` raises and what `read_block`
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
        return (_sheet(name, workbooks.rows(name, data, user=user)),)
    return (_sheet(name, text_files.records(name, text_files.decode(name, data)[0])),)


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
