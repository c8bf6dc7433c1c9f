"""Reads a workbook from standard input, in a process of its own: `python -m backstitch.files.workbook_reader`.

A workbook is a ZIP archive of XML files, or a file system of its own: a small one can unpack to gigabytes, name
entities that double each other, or refer to files of the server. So this process has little memory, little time and no
files, imports nothing of Backstitch but what reads workbooks, and gives back nothing but text, a line of JSON for each

- row of a visible sheet that is shown: [its number, its texts, {column: day}, {column: sentence of what is unknown}],
- sheet, after its rows: {"sheet": its name, "remarks": sentences, "hidden": whether it has rows that are not shown},
- end: {"end": true}, or {"refused": the rule, "words": what its sentence needs}.

`backstitch.files.workbooks` starts it.
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
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

if __name__ == "__main__":
    # openpyxl would import them, for arrays and pictures that are of no use here: most of the time of the start.
    sys.modules["numpy"] = sys.modules["PIL"] = None  # type: ignore[assignment]

from backstitch.files import grids, ods_grids, xls_grids, xlsx_grids
from backstitch.files.grids import Grid, Unreadable

LARGEST_UNPACKED = 64 * 1024 * 1024  # bytes
MOST_PARTS = 500  # files in the archive
COMPOUND_FILE = b"\xd0\xcf\x11\xe0"  # of .xls, and of what is encrypted
# Parts of an archive, by which it is known.
OTHER_ARCHIVES = {
    "xl/workbook.bin": "a binary workbook (.xlsb)",
    "word/document.xml": "a Word document",
    "ppt/presentation.xml": "a presentation",
    "Index/Document.iwa": "a Numbers document",
    "Index.zip": "a Numbers document",
}
SPREADSHEET = b"application/vnd.oasis.opendocument.spreadsheet"

MEMORY = 256 * 1024 * 1024  # bytes; a workbook of 20,000 rows and 60 columns takes 60 MB
ADDRESSES = 2 * MEMORY  # bytes of address space, behind which the system does not let it go
TOO_MUCH_MEMORY = 3  # the exit code
LOOK = 0.02  # seconds between two looks at the memory
CPU_SECONDS = 30
ENCRYPTED = 0x1
CHUNK = 64 * 1024  # bytes


class _Stop(Exception):
    """A part has shown whether it has a document type."""


def sheets(data: bytes) -> Iterator[Grid]:
    """The visible sheets in their order. Raises Unreadable, and whatever a broken workbook makes of the libraries."""
    if data.startswith(COMPOUND_FILE):
        yield from xls_grids.read(data)
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_archive(archive)
        if xlsx_grids.WORKBOOK in archive.namelist():
            yield from xlsx_grids.read(archive, data)
        else:
            yield from ods_grids.read(archive)


def _check_archive(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    # zipfile unpacks no more of a part than the size that is stated, whatever is in it.
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
        raise Unreadable("workbook_too_large")
    if any(part.flag_bits & ENCRYPTED for part in parts):
        raise Unreadable("workbook_protected")
    _check_kind(archive)
    # Any part, since the workbook decides which of them are read, and how they are named.
    if any(_has_document_type(archive, part) for part in parts):
        raise Unreadable("workbook_unreadable")


def _check_kind(archive: zipfile.ZipFile) -> None:
    names = set(archive.namelist())
    if xlsx_grids.WORKBOOK in names:
        return
    for name, what in OTHER_ARCHIVES.items():
        if name in names:
            raise Unreadable("not_a_table", what)
    kind = archive.read("mimetype") if "mimetype" in names else b""
    if not kind.startswith(SPREADSHEET) or ods_grids.CONTENT not in names:
        raise Unreadable("not_a_table", "an OpenDocument of another kind" if kind else "a compressed file")
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise Unreadable("workbook_protected")


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
    end: dict[str, object] = {"end": True}
    try:
        for grid in sheets(sys.stdin.buffer.read()):
            _write_sheet(grid)
    except Unreadable as unreadable:
        end = {"refused": unreadable.rule, "words": unreadable.words}
    except MemoryError:
        end = {"refused": "workbook_too_large"}
    except Exception:  # a broken workbook fails in openpyxl, xlrd, zipfile, zlib or expat, each in its own way
        end = {"refused": "workbook_unreadable"}
    _write(end)


def _write_sheet(grid: Grid) -> None:
    lines = []
    for line in grids.shown_lines(grid):
        days = {column: day.isoformat() for column, day in line.dates.items()}
        _write((line.number, line.cells, days, line.unknown))
        lines.append(line)
    _write({"sheet": grid.tab, "remarks": grids.remarks(grid, lines), "hidden": bool(grid.hidden_rows)})


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
