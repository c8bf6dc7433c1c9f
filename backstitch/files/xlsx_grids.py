"""Reads the sheets of .xlsx, .xlsm, .xltx and .xltm workbooks: openpyxl finds them, their styles and shared texts.

Runs in the process that reads workbooks. openpyxl gives either formulas or results, and no hidden rows when it reads
row by row, so the cells are read here. Macros are never run.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

import openpyxl
from defusedxml.ElementTree import fromstring, iterparse
from openpyxl.cell.text import Text
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
from openpyxl.utils import coordinate_to_tuple, range_boundaries
from openpyxl.utils.datetime import to_excel
from openpyxl.utils.escape import unescape

from backstitch.files import grids
from backstitch.files.grids import Area, Budget, Cell, Content, Grid, Number, Unreadable
from backstitch.files.local_formats import LOCAL_FORMATS
from backstitch.files.number_formats import GENERAL

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
WORKBOOK = "xl/workbook.xml"
STRICT = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
CELL, FORMULA, VALUE, INLINE = f"{MAIN}c", f"{MAIN}f", f"{MAIN}v", f"{MAIN}is"


def read(archive: zipfile.ZipFile, data: bytes) -> Iterator[Grid]:
    """The visible sheets in their order. Raises Unreadable, and what openpyxl raises for a broken workbook."""
    workbook = archive.read(WORKBOOK)
    if STRICT in workbook:
        raise Unreadable("not_a_table", "a workbook in the form Strict Open XML")
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
    settings = fromstring(workbook).find(f"{MAIN}calcPr")
    budget = Budget()
    for sheet in book.worksheets:
        if sheet.sheet_state == "visible":
            reader = _SheetReader(
                Grid(sheet.title, budget),
                shared=sheet._shared_strings,
                code=partial(_code, book),
                date1904=book.epoch.year == 1904,
                # A library that cannot calculate wrote 0 for each result, and asks Excel to calculate when it opens.
                zero_is_no_result=settings is not None and settings.get("fullCalcOnLoad") in {"1", "true"},
            )
            with archive.open(sheet._worksheet_path) as file:
                yield reader.read(file)


def _code(book: Any, style: int) -> str:
    """The number format of a style."""
    number = book._cell_styles[style].numFmtId
    if number >= BUILTIN_FORMATS_MAX_SIZE:
        return str(book._number_formats[number - BUILTIN_FORMATS_MAX_SIZE])
    return LOCAL_FORMATS.get(number) or str(BUILTIN_FORMATS.get(number, GENERAL))


class _SheetReader:
    """Reads the XML of a sheet into its grid."""

    def __init__(
        self, grid: Grid, *, shared: list[str], code: Callable[[int], str], date1904: bool, zero_is_no_result: bool
    ) -> None:
        self._grid = grid
        self._shared = shared
        self._code = code
        self._codes: dict[str, str] = {}
        self._date1904 = date1904
        self._zero_is_no_result = zero_is_no_result
        self._row = 0

    def read(self, file: Any) -> Grid:
        """Reads the sheet element by element."""
        readers = {"row": self._read_row, "col": self._read_columns, "mergeCell": self._read_area}
        for _, element in iterparse(file):
            if read := readers.get(element.tag.removeprefix(MAIN)):
                read(element)
                element.clear()
        return self._grid

    def _read_columns(self, element: Element) -> None:
        if element.get("hidden") in {"1", "true"} or _is_zero(element.get("width")):
            last = min(int(element.get("max", "0")), grids.MOST_COLUMNS)
            self._grid.hidden_columns.update(range(int(element.get("min", "1")) - 1, last))

    def _read_area(self, element: Element) -> None:
        left, top, right, bottom = range_boundaries(element.get("ref", ""))
        if left > grids.MOST_COLUMNS or not (left and top):
            return
        self._grid.merged.append(Area(top, bottom, left - 1, min(right, grids.MOST_COLUMNS) - 1))

    def _read_row(self, element: Element) -> None:
        self._row = int(float(element.get("r", self._row + 1)))
        hidden = element.get("hidden") in {"1", "true"} or _is_zero(element.get("ht"))
        self._grid.add(self._row, self._cells(element), hidden=hidden)

    def _cells(self, row: Element) -> Iterator[tuple[int, Content]]:
        column = 0
        for element in row:
            if element.tag == CELL:
                name = element.get("r")
                column = coordinate_to_tuple(name)[1] if name else column + 1
                yield column - 1, self._content(element)

    def _content(self, element: Element) -> Content:
        kind = element.get("t", "n")
        children = {child.tag: child for child in element}
        stored = children.get(VALUE)
        raw = "" if stored is None else stored.text or ""
        if FORMULA in children and self._has_no_result(kind, raw, stored):
            return Cell("", None, grids.NO_RESULT)
        if INLINE in children and kind == "inlineStr":
            return self._text(Text.from_tree(children[INLINE]).content or "", element)
        if not raw:
            return ""
        if kind == "n":
            code = self._format(element)
            if code == GENERAL and raw.isdecimal() and len(raw) <= grids.MOST_DIGITS:
                return Number(int(raw))  # most numbers are such
            return grids.number(float(raw), code, date1904=self._date1904)
        if kind == "d":
            return grids.number(to_excel(datetime.fromisoformat(raw)), self._format(element))
        if kind == "b":
            return "TRUE" if raw in {"1", "true"} else "FALSE"
        return raw if kind == "e" else self._text(self._shared[int(raw)] if kind == "s" else raw, element)

    def _has_no_result(self, kind: str, raw: str, stored: Element | None) -> bool:
        if not raw:
            return stored is None or kind != "str"  # a result may be an empty text
        return self._zero_is_no_result and kind == "n" and float(raw) == 0

    def _text(self, text: str, element: Element) -> str:
        # A carriage return is escaped, and shows nothing.
        return grids.text(unescape(text).replace("\r\n", "\n"), self._format(element))

    def _format(self, element: Element) -> str:
        style = element.get("s", "0")
        if style not in self._codes:
            self._codes[style] = self._code(int(style))
        return self._codes[style]


def _is_zero(size: str | None) -> bool:
    return size is not None and float(size) == 0
