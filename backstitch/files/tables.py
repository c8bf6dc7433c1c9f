"""Reads what people upload or paste, workbooks and text files, into sheets: each cell has the text that is shown.

Values are not interpreted here. The content of a file decides its format, not its name.
"""

import re
from collections.abc import Hashable, Iterable
from dataclasses import replace

from backstitch.errors import Refused
from backstitch.files import text_files, workbooks
from backstitch.files.grids import MOST_COLUMNS, MOST_ROWS
from backstitch.files.sheets import Line, Sheet
from backstitch.files.workbook_reader import COMPOUND_FILE

LARGEST_FILE = 10 * 1024 * 1024  # bytes
LARGEST_TEXT = 10_000_000  # characters
PASTED = "The pasted block"
ARCHIVE = b"PK"
# How files begin that are no tables.
OTHER_FORMATS = {
    b"%PDF": "a PDF file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"II*\x00": "a picture",
    b"MM\x00*": "a picture",
    b"RIFF": "a picture",
    b"{\\rtf": "a text document",
    b"\x1f\x8b": "a compressed file",
    b"7z\xbc\xaf": "a compressed file",
    b"Rar!": "a compressed file",
    b"MZ": "a program",
    b"\x7fELF": "a program",
    b"SQLite format 3": "a database",
    b"PAR1": "a Parquet file",
}
# How texts begin that are no rows of cells.
PAGE = r"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body|table|meta|style)\b"
OTHER_TEXTS = {
    re.compile(PAGE, re.IGNORECASE | re.DOTALL): "a web page",
    re.compile(r"MIME-Version:", re.IGNORECASE): "a web page",
    re.compile(r"\s*(<\?xml[^>]*>\s*)(<\?mso[^>]*>\s*)?<(\w+:)?Workbook\b"): "an XML spreadsheet of 2003",
    re.compile(r"\s*<(\?xml|[A-Za-z][\w:.-]*[\s>])"): "an XML document",
    re.compile(r'\s*(\{\s*["}]|\[\s*[\[{"\]])'): "a JSON file",
}
CALLED_WORKBOOK = re.compile(r"\.xl\w+$", re.IGNORECASE)


def read_block(text: str) -> Sheet:
    """Reads a block as Excel copies it: cells separated by tabs, a cell with line breaks in quotation marks.

    A block without tabs is read as CSV. A block has no dates: its cells are text.
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
    if data.startswith((ARCHIVE, COMPOUND_FILE)):
        return workbooks.read(name, data, user=user)
    text, encoding = text_files.decode(name, data)
    _refuse_other_texts(name, text)
    sheet = _sheet(name, text_files.records(name, text))
    return (replace(sheet, remarks=text_files.remarks(text, encoding)),)


def _refuse_other_texts(name: str, text: str) -> None:
    start = text[:10_000]
    for pattern, what in OTHER_TEXTS.items():
        if pattern.match(start):
            ending = CALLED_WORKBOOK.search(name)
            called = f", called {ending[0].lower()}" if ending else ""
            raise Refused(
                f"{name} is {what}{called}. Open it in Excel, save it as .xlsx, and try again.", rule="not_a_table"
            )


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
