"""Reads the sheets of old .xls workbooks with xlrd. Runs in the process that reads workbooks."""

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

import xlrd
from xlrd.compdoc import CompDocError
from xlrd.formatting import std_format_strings

from backstitch.files import grids
from backstitch.files.grids import Area, Budget, Content, Grid, Unreadable
from backstitch.files.local_formats import LOCAL_FORMATS

# Streams of a compound file, by which it is known: the file of a protected .xlsx is one, too.
OTHER_STREAMS = {
    "WordDocument": "a Word document",
    "PowerPoint Document": "a presentation",
    "__nameid_version": "a mail",
}
PROTECTED = "EncryptedPackage"


def read(data: bytes) -> Iterator[Grid]:
    """The visible sheets in their order. Raises Unreadable, and what xlrd raises for a broken workbook."""
    try:
        # It would print its warnings among the rows.
        book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO(), formatting_info=True, ragged_rows=True)
    except (xlrd.XLRDError, CompDocError) as error:
        raise _why(data, str(error)) from None
    budget = Budget()
    for sheet in book.sheets():
        if not sheet.visibility:
            yield _grid(book, sheet, budget)


def _why(data: bytes, error: str) -> Unreadable:
    """The refusal of a file without the stream of a workbook, or with an encrypted one."""
    if "encrypted" in error or PROTECTED.encode("utf-16-le") in data:
        return Unreadable("workbook_protected")
    for name, what in OTHER_STREAMS.items():
        if name.encode("utf-16-le") in data:
            return Unreadable("not_a_table", what)
    return Unreadable("workbook_unreadable")


def _grid(book: Any, sheet: Any, budget: Budget) -> Grid:
    grid = Grid(sheet.name, budget)
    columns = sheet.colinfo_map.items()
    grid.hidden_columns.update(at for at, info in columns if info.hidden or not info.width)
    for top, bottom, left, right in sheet.merged_cells:
        if left < grids.MOST_COLUMNS:
            grid.merged.append(Area(top + 1, bottom, left, min(right, grids.MOST_COLUMNS) - 1))
    content = partial(_content, book, sheet)
    for row in range(sheet.nrows):
        info = sheet.rowinfo_map.get(row)
        hidden = info is not None and bool(info.hidden or info.height == 0)
        cells = ((column, content(row, column)) for column in range(sheet.row_len(row)))
        grid.add(row + 1, cells, hidden=hidden)
    return grid


def _content(book: Any, sheet: Any, row: int, column: int) -> Content:
    kind, value = sheet.cell_type(row, column), sheet.cell_value(row, column)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if value else "FALSE"
    if kind == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(value, "#VALUE!"))
    if kind not in {xlrd.XL_CELL_TEXT, xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE}:
        return ""
    code = _code(book, book.xf_list[sheet.cell_xf_index(row, column)].format_key)
    if kind == xlrd.XL_CELL_TEXT:
        return grids.text(value, code)
    return grids.number(value, code, date1904=book.datemode == 1)


def _code(book: Any, key: int) -> str:
    code = str(book.format_map[key].format_str)
    return LOCAL_FORMATS.get(key, code) if code == std_format_strings.get(key) else code
