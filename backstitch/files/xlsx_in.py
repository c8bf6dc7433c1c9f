"""Reads the first sheet of an .xlsx workbook as rows of text; refuses a dangerous file before opening it.

A workbook is a ZIP archive of XML files: a small one can unpack to gigabytes, and XML can refer to files of the server.
"""

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import openpyxl

from backstitch.errors import Refused

MOST_ROWS = 20_000
MOST_COLUMNS = 60
LARGEST_UNPACKED = 64 * 1024 * 1024  # bytes
MOST_PARTS = 500  # files in the archive
ENCRYPTED = 0x1


def rows(name: str, data: bytes) -> Iterator[tuple[str, ...]]:
    """All rows of the first visible sheet, blank ones too; a formula gives the value that Excel last computed.

    Raises Refused: workbook_too_large, workbook_unreadable.
    """
    _check_archive(name, data)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = next(sheet for sheet in book.worksheets if sheet.sheet_state == "visible")
        # The size that the file states may be wrong; openpyxl would fill the sheet up to it with blank cells.
        sheet.reset_dimensions()
        # Reads more than is allowed, so that the caller can report that there is too much.
        limits = {"max_row": 2 * MOST_ROWS, "max_col": MOST_COLUMNS + 1}
        return iter([tuple(map(_text, row)) for row in sheet.iter_rows(**limits)])
    except Exception as error:  # a broken workbook fails in openpyxl, zipfile, zlib or expat, each in its own way
        raise Refused(
            f"{name} is not a workbook that can be read. Open it in Excel, save it as .xlsx and try again.",
            rule="workbook_unreadable",
        ) from error


def _check_archive(name: str, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
                raise Refused(
                    f"{name} unpacks to more than {LARGEST_UNPACKED // 1024**2} MB. Copy its rows into a new workbook.",
                    rule="workbook_too_large",
                )
            names = {part.filename for part in parts}
            if "xl/workbook.xml" not in names or any(part.flag_bits & ENCRYPTED for part in parts):
                raise zipfile.BadZipFile("no workbook")
            if any(_declares_entities(archive, part) for part in parts if part.filename.endswith((".xml", ".rels"))):
                raise zipfile.BadZipFile("a document type where Excel writes none")
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
        raise Refused(
            f"{name} is not an .xlsx workbook. Open it in Excel, save it as .xlsx and try again.",
            rule="workbook_unreadable",
        ) from error


def _declares_entities(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    with archive.open(part) as file:
        return b"<!DOCTYPE" in file.read(4096)


def _text(cell: Any) -> str:
    """A cell as text: a day as 2026-10-31, a whole number without `.0`, a percentage as the spreadsheet shows it."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ") if value.time() != datetime.min.time() else value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float) and "%" in cell.number_format:
        return f"{round(value * 100, 6):g}%"
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**15:
        return str(int(value))
    return str(value)
