"""Reads the sheets of .ods workbooks, whose cells keep the text that they show.

Runs in the process that reads workbooks. The libraries for .ods give values, or need the whole document as objects;
so the XML is read here, row by row.
"""

import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

from backstitch.files import grids
from backstitch.files.grids import Area, Budget, Cell, Content, Grid, Number
from backstitch.files.number_formats import GENERAL

NAMESPACE = "{{urn:oasis:names:tc:opendocument:xmlns:{}:1.0}}"
OFFICE, TABLE, TEXT, STYLE = (NAMESPACE.format(name) for name in ("office", "table", "text", "style"))
CONTENT = "content.xml"
HIDDEN = {"collapse", "filter"}
NUMBERS = {"float", "currency", "percentage"}


def read(archive: zipfile.ZipFile) -> Iterator[Grid]:
    """The visible sheets in their order. Raises Unreadable, and what an XML parser raises for a broken workbook."""
    budget = Budget()
    hidden_styles: set[str | None] = set()
    reader: _SheetReader | None = None
    with archive.open(CONTENT) as file:
        for event, element in iterparse(file, events=("start", "end")):
            if event == "start" and element.tag == f"{TABLE}table":
                reader = _SheetReader(element, budget, visible=element.get(f"{TABLE}style-name") not in hidden_styles)
            elif event == "end" and element.tag == f"{STYLE}style":
                properties = element.find(f"{STYLE}table-properties")
                if properties is not None and properties.get(f"{TABLE}display") == "false":
                    hidden_styles.add(element.get(f"{STYLE}name"))
            elif event == "end" and reader:
                if element.tag == f"{TABLE}table" and reader.visible:
                    yield reader.grid
                reader.read(element)


class _SheetReader:
    """Reads the rows and columns of a sheet into its grid."""

    def __init__(self, element: Element, budget: Budget, *, visible: bool) -> None:
        self.grid = Grid(element.get(f"{TABLE}name", ""), budget)
        self.visible = visible
        self._row = 0
        self._column = 0

    def read(self, element: Element) -> None:
        """Reads a column or a row; other elements are not for it."""
        if element.tag == f"{TABLE}table-column":
            count = _count(element, "number-columns-repeated")
            if element.get(f"{TABLE}visibility") in HIDDEN:
                last = min(self._column + count, grids.MOST_COLUMNS)
                self.grid.hidden_columns.update(range(self._column, last))
            self._column += count
        elif element.tag == f"{TABLE}table-row":
            if self.visible:
                self._read_row(element)
            element.clear()

    def _read_row(self, element: Element) -> None:
        count = _count(element, "number-rows-repeated")
        hidden = element.get(f"{TABLE}visibility") in HIDDEN
        cells = list(self._cells(element))
        # A blank row may be repeated a million times, down to the end of the sheet.
        for number in range(self._row + 1, self._row + count + 1) if cells else ():
            self.grid.add(number, cells, hidden=hidden)
        self._row += count

    def _cells(self, row: Element) -> Iterator[tuple[int, Content]]:
        column = 0
        for element in row:
            count = _count(element, "number-columns-repeated")
            if element.tag == f"{TABLE}table-cell":
                self._note_area(element, column)
                content = _content(element)
                # One beyond the last column is enough to be refused.
                for at in range(column, min(column + count, grids.MOST_COLUMNS + 1)):
                    if not grids.is_blank(content):
                        yield at, content
                if column > grids.MOST_COLUMNS and not grids.is_blank(content):
                    yield column, content
            column += count

    def _note_area(self, element: Element, column: int) -> None:
        rows = _count(element, "number-rows-spanned")
        columns = _count(element, "number-columns-spanned")
        if (rows > 1 or columns > 1) and column < grids.MOST_COLUMNS:
            right = min(column + columns, grids.MOST_COLUMNS) - 1
            self.grid.merged.append(Area(self._row + 1, self._row + rows, column, right))


def _count(element: Element, name: str) -> int:
    return max(1, int(element.get(f"{TABLE}{name}", "1")))


def _content(element: Element) -> Content:
    kind = element.get(f"{OFFICE}value-type")
    paragraphs = element.findall(f"{TEXT}p")
    shown = "\n".join("".join(_texts(paragraph)) for paragraph in paragraphs)
    if kind is None and not shown and element.get(f"{TABLE}formula") is not None:
        return Cell("", None, grids.NO_RESULT)
    if kind in NUMBERS:
        value = float(element.get(f"{OFFICE}value", "nan"))
        stored = grids.number(value, GENERAL)
        if not paragraphs or (isinstance(stored, Cell) and stored.unknown) or grids.EXPONENT.search(shown):
            return stored
        if grids.hides_sign(value, shown):
            return grids.without_sign(value, shown)
        holds = stored.holds if isinstance(stored, Cell) else stored
        unit = 100 if kind == "percentage" else 1
        same = _same(shown, element.get(f"{OFFICE}value", ""), unit)
        return Number(shown) if same else Cell(shown, None, "", holds)
    if kind == "date":
        day = element.get(f"{OFFICE}date-value", "")[:10]
        return Cell(shown or day, date.fromisoformat(day))
    if kind == "string" and not paragraphs:
        return element.get(f"{OFFICE}string-value", "")
    return shown


def _same(shown: str, stored: str, unit: int) -> bool:
    """Whether a number that is shown in plain digits is the one that is stored; True where it cannot be compared."""
    try:
        number = Decimal(shown.replace(",", "").strip().removesuffix("%")) / unit
    except InvalidOperation:
        return True
    return abs(number - Decimal(stored)) <= abs(number) * Decimal("1e-11")


def _texts(element: Element) -> Iterator[str]:
    """The text of a paragraph; blanks and line breaks are elements, comments are left out."""
    yield element.text or ""
    for child in element:
        if child.tag == f"{TEXT}s":
            yield " " * min(int(child.get(f"{TEXT}c", "1")), grids.LONGEST_CELL)
        elif child.tag in {f"{TEXT}tab", f"{TEXT}line-break"}:
            yield "\t" if child.tag.endswith("tab") else "\n"
        elif child.tag in {f"{TEXT}span", f"{TEXT}a"}:
            yield from _texts(child)
        yield child.tail or ""
