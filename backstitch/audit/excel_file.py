"""Writes an Excel workbook of any length in constant memory: sheets Data, Data 2 and so on, and About."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import xlsxwriter
import xlsxwriter.exceptions

from backstitch.audit.rows import Cell, ExportRow
from backstitch.files.excel_cells import fit_cell

ROWS_OF_A_SHEET = 1_048_575  # besides the header
LARGEST_EXACT = 10**15  # Excel keeps 15 digits of a number
FIRST_YEAR = 1900  # of Excel's calendar
WIDEST = 60
SAMPLE = 500  # rows


class ExcelFile:
    """Writes rows to `file`, in as many sheets as they need. Texts are never written as formulas."""

    def __init__(
        self, columns: Sequence[str], file: BinaryIO, *, folder: str, rows_of_a_sheet: int = ROWS_OF_A_SHEET
    ) -> None:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "tmpdir": folder,
        }
        self._book = xlsxwriter.Workbook(file, options)
        self._book.use_zip64()
        self._columns = columns
        self._rows_of_a_sheet = rows_of_a_sheet
        self._bold = self._book.add_format({"bold": True})
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000", "align": "left"})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        self._sheets = 0
        self._row = 0
        self._widths: list[int] = []
        self._new_sheet()

    def write(self, rows: Iterable[ExportRow]) -> None:
        """Appends rows, their cells in the order of the columns."""
        for row in rows:
            if self._row == self._rows_of_a_sheet:
                self._finish_sheet()
                self._new_sheet()
            self._row += 1
            for column, cell in enumerate(row):
                if cell is not None:
                    self._put(column, cell)
            if self._row <= SAMPLE:
                self._widths = [max(pair) for pair in zip(self._widths, map(_column_width, row), strict=True)]

    def about(self, facts: Iterable[tuple[str, str | int]]) -> None:
        """Adds the sheet About, a fact per row, after the data."""
        self._finish_sheet()
        self._sheet, self._row = self._book.add_worksheet("About"), -1
        for name, value in facts:
            self._row += 1
            self._sheet.write_string(self._row, 0, name, self._bold)
            self._put(1, value)
        self._sheet.set_column(0, 0, 24)
        self._sheet.set_column(1, 1, 80)

    def close(self) -> None:
        """Completes the file, which stays open. Raises OSError."""
        try:
            self._book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise OSError(*error.args[0].args) from error

    def _new_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet("Data" if self._sheets == 1 else f"Data {self._sheets}")
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._columns):
            self._sheet.write_string(0, column, name, self._bold)
        self._row = 0
        self._widths = [len(name) + 3 for name in self._columns]  # room for the filter's button

    def _finish_sheet(self) -> None:
        self._sheet.autofilter(0, 0, self._row, len(self._columns) - 1)
        for column, width in enumerate(self._widths):
            self._sheet.set_column(column, column, width)

    def _put(self, column: int, cell: Any) -> None:
        sheet, row = self._sheet, self._row
        match cell:
            case datetime():
                # Excel has no time zones; the header names the zone. It has milliseconds, to which it would round the
                # last half of one to the next day, and so would a format without them.
                milliseconds = cell.microsecond // 1000 * 1000
                sheet.write_datetime(row, column, cell.replace(tzinfo=None, microsecond=milliseconds), self._instant)
            case date() if cell.year >= FIRST_YEAR:
                sheet.write_datetime(row, column, cell, self._day)
            case int() | Decimal() if -LARGEST_EXACT < cell < LARGEST_EXACT:
                sheet.write_number(row, column, cell)
            case _:
                sheet.write_string(row, column, fit_cell(str(cell)))


def _column_width(cell: Cell) -> int:
    if isinstance(cell, datetime):
        return len("2026-10-31 00:00:00.000") + 1
    longest = max(map(len, str(cell).splitlines()), default=0) if cell is not None else 0
    return min(WIDEST, longest + 1)
