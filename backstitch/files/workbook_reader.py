"""Reads a workbook from standard input, in a process of its own: `python -m backstitch.files.workbook_reader`.

A workbook is a ZIP archive of XML files: a small one can unpack to gigabytes, name entities that double each other, or
refer to files of the server. So this process has little memory, little time and no files, imports nothing else of
Backstitch, and gives back nothing but text: a line of JSON for each row of the first visible sheet, and one that says
how it ended, {"rows": 12} or {"refused": "workbook_too_large"}. `backstitch.files.workbooks` starts it.
"""

import gc
import io
import json
import os
import resource
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

if __name__ == "__main__":
    # openpyxl would import them, for arrays and pictures that are of no use here: most of the time of the start.
    sys.modules["numpy"] = sys.modules["PIL"] = None  # type: ignore[assignment]

import openpyxl

MOST_ROWS = 20_000
MOST_COLUMNS = 60
LARGEST_UNPACKED = 64 * 1024 * 1024  # bytes
MOST_PARTS = 500  # files in the archive
LONGEST_CELL = 100_000  # characters
MOST_CHARACTERS = 20_000_000  # of all cells

MEMORY = 256 * 1024 * 1024  # bytes; a workbook of 20,000 rows and 60 columns takes 60 MB
ADDRESSES = 2 * MEMORY  # bytes of address space, behind which the system does not let it go
TOO_MUCH_MEMORY = 3  # the exit code
LOOK = 0.02  # seconds between two looks at the memory
CPU_SECONDS = 20
ENCRYPTED = 0x1
CHUNK = 64 * 1024  # bytes


class _Refused(Exception):
    """The workbook is refused; the argument is the rule."""


class _Stop(Exception):
    """A part has shown whether it has a document type."""


def rows(data: bytes) -> Iterator[tuple[str, ...]]:
    """All rows of the first visible sheet, blank ones too, without blank cells at their ends.

    A formula gives the value that Excel last computed. Reads more rows and columns than are allowed, so that the caller
    can report that there are too many: at most twice as many rows, and one cell beyond the last column.
    """
    _check_archive(data)
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    sheet = next(sheet for sheet in book.worksheets if sheet.sheet_state == "visible")
    # The size that the file states may be wrong; openpyxl would fill the sheet up to it with blank cells.
    sheet.reset_dimensions()
    characters = 0
    for row in sheet.iter_rows(max_row=2 * MOST_ROWS):
        cells = [_text(cell) for cell in row]
        while cells and not cells[-1].strip():
            cells.pop()
        cells[MOST_COLUMNS:-1] = []
        if any(len(cell) > LONGEST_CELL for cell in cells):
            raise _Refused("cell_too_long")
        characters += sum(map(len, cells))
        if characters > MOST_CHARACTERS:
            raise _Refused("workbook_too_large")
        yield tuple(cells)


def _check_archive(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        # zipfile unpacks no more of a part than the size that is stated, whatever is in it.
        if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
            raise _Refused("workbook_too_large")
        names = {part.filename for part in parts}
        if "xl/workbook.xml" not in names or any(part.flag_bits & ENCRYPTED for part in parts):
            raise _Refused("workbook_unreadable")
        # Any part, since the workbook decides which of them are read, and how they are named.
        if any(_has_document_type(archive, part) for part in parts):
            raise _Refused("workbook_unreadable")


def _has_document_type(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Whether an XML part begins with a document type, in whatever encoding and after whatever comments."""
    parser = expat.ParserCreate()
    found = []

    def document_type(*declared: object) -> NoReturn:
        found.append(declared)
        raise _Stop

    def element(*started: object) -> NoReturn:
        raise _Stop

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = document_type, element
    try:
        with archive.open(part) as file:
            while chunk := file.read(CHUNK):
                parser.Parse(chunk)
    except (_Stop, expat.ExpatError):
        pass  # what is no XML is no danger: nothing but XML is read
    return bool(found)


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


def main() -> None:
    """Reads the workbook within limits, and writes its rows."""
    for limit, value in (
        (resource.RLIMIT_AS, ADDRESSES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        # The second number is when the system kills; at the first one it says why.
        resource.setrlimit(limit, (value, value + 1))
    gc.disable()  # nothing here lives long enough to be looked for
    threading.Thread(target=_watch_memory, daemon=True).start()
    count = 0
    try:
        for row in rows(sys.stdin.buffer.read()):
            _write(row)
            count += 1
        end: dict[str, object] = {"rows": count}
    except _Refused as refused:
        end = {"refused": str(refused)}
    except MemoryError:
        end = {"refused": "workbook_too_large"}
    except Exception:  # a broken workbook fails in openpyxl, zipfile, zlib or expat, each in its own way
        end = {"refused": "workbook_unreadable"}
    _write(end)


def _watch_memory() -> None:
    """Ends the process before the system refuses it memory: from there Python would need a minute to find its way out.

    Where there is no /proc, the limits of the system are the only ones.
    """
    pages = MEMORY // resource.getpagesize()
    with suppress(OSError):
        while int(Path("/proc/self/statm").read_text().split()[1]) < pages:
            time.sleep(LOOK)
        os._exit(TOO_MUCH_MEMORY)


def _write(line: object) -> None:
    sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    main()
