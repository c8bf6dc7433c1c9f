"""The cells of a sheet as a workbook stores them, with what is hidden and merged; and the rows that are shown.

Runs in the process that reads workbooks, and uses little of Backstitch.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import NamedTuple, TypeAlias

from backstitch.files import number_formats
from backstitch.files.number_formats import GENERAL, UnknownFormat
from backstitch.files.sheets import cell_name, column_name

MOST_ROWS = 20_000
MOST_COLUMNS = 60
MOST_CELLS = MOST_ROWS * MOST_COLUMNS  # of all sheets
LONGEST_CELL = 100_000  # characters
MOST_CHARACTERS = 20_000_000  # of all cells
MOST_DATES = 200_000
MOST_UNKNOWN = 10_000
NAMED = 5  # cells or ranges in a remark; the others are counted
MOST_DIGITS = 15
EXPONENT = re.compile(r"\dE[+-]?\d+$", re.IGNORECASE)

NO_RESULT = "{} holds a formula whose result is not stored in the file. Open it in Excel, save it, and try again."
NO_FORMAT = "{} has a number format that Backstitch cannot read. Format it as General or Text, and try again."
TOO_MANY_DIGITS = "{{}} holds a number of {} digits, of which Excel keeps only 15: type it as text."
NO_SIGN = "{{}} holds {}, but shows {}: its format hides the sign. Show the sign, or type the number anew."
MERGED_NUMBER = "{} to {} are one merged cell with a number: unmerge them and type each number."
SIGN = re.compile(r"[-\u2212\u2013(]")
NO_SIGNS = re.compile(r"/-|E-\d+", re.IGNORECASE)  # 1,299/- and 5E-04 are above zero


class Unreadable(Exception):
    """The workbook is refused: the rule, and the words that its sentence needs."""

    def __init__(self, rule: str, words: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.words = words


class Number(str):
    """The text of a cell that holds a number, on its way into the grid: there it would take twice the memory."""

    __slots__ = ()


class Cell(NamedTuple):
    """A cell with more than its text: the day it holds, the sentence of what is unknown, the number behind the text."""

    text: str
    day: date | None = None
    unknown: str = ""
    holds: str = ""


Content: TypeAlias = str | Cell


class Area(NamedTuple):
    """Merged cells: the numbers of the first and last row, and the indexes of the first and last column."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def name(self) -> str:
        """As a spreadsheet writes it: A2:A5."""
        return f"{cell_name((self.top, self.left))}:{cell_name((self.bottom, self.right))}"

    @property
    def is_one_cell(self) -> bool:
        """Whether nothing is merged in it."""
        return self.top == self.bottom and self.left == self.right


class ShownLine(NamedTuple):
    """A row that is shown: its number, its texts, and by the index of the column the days and what is unknown."""

    number: int
    cells: list[str]
    dates: dict[int, date]
    unknown: dict[int, str]


class Budget:
    """What may still be read of a workbook; of all its sheets together."""

    def __init__(self) -> None:
        self.characters = MOST_CHARACTERS
        self.cells = MOST_CELLS
        self.dates = MOST_DATES
        self.unknown = MOST_UNKNOWN

    def spend(self, cells: Sequence[Content]) -> None:
        """Takes the cells of a row away. Raises Unreadable: cell_too_long, workbook_too_large, too_many_unknown."""
        self.cells -= len(cells)
        for cell in cells:
            if isinstance(cell, Cell):
                self.dates -= cell.day is not None
                self.unknown -= bool(cell.unknown)
                cell = cell.text
            if len(cell) > LONGEST_CELL:
                raise Unreadable("cell_too_long")
            self.characters -= len(cell)
        if min(self.characters, self.cells, self.dates) < 0:
            raise Unreadable("workbook_too_large")

    def spend_unknown(self, count: int, sentence: str) -> None:
        """Takes unknown cells away that merged cells made. Raises Unreadable: too_many_unknown."""
        self.unknown -= count
        if self.unknown < 0:
            raise Unreadable("too_many_unknown", sentence)


@dataclass
class Grid:
    """A visible sheet: `rows` by number, each up to its last cell that is not blank.

    `numbers` has, by row, a bit for each column whose text is a number in the file.
    """

    tab: str
    budget: Budget
    rows: dict[int, list[Content]] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    merged: list[Area] = field(default_factory=list)

    def add(self, number: int, cells: Iterable[tuple[int, Content]], *, hidden: bool = False) -> None:
        """Adds a row of cells with their columns. Raises Unreadable, what `Budget.spend` raises among it."""
        row: list[Content] = []
        numbers = 0
        for column, cell in cells:
            if not cell or is_blank(cell):
                continue
            if not 0 <= column < MOST_COLUMNS:
                raise Unreadable("too_many_columns", f"row {number}{self._of_tab()}")
            if isinstance(cell, Number):
                numbers |= 1 << column
                cell = str(cell)
            if column == len(row):
                row.append(cell)
                continue
            row.extend([""] * (column + 1 - len(row)))
            row[column] = cell
        if not row:
            return
        if number in self.rows:
            raise Unreadable("workbook_unreadable")  # which of the two Excel would show is not known
        self.rows[number] = row
        self.numbers[number] = numbers
        if hidden:
            self.hidden_rows.add(number)
        shown = len(self.rows) - len(self.hidden_rows)
        if shown > MOST_ROWS + 1 or len(self.hidden_rows) > MOST_ROWS:
            raise Unreadable("too_many_rows", self._of_tab())
        self.budget.spend(row)
        if self.budget.unknown < 0:
            sentences = (name_cell(cell.unknown, number, at) for at, cell in enumerate(row) if isinstance(cell, Cell))
            raise Unreadable("too_many_unknown", next(filter(None, sentences), ""))

    def _of_tab(self) -> str:
        return f" in the sheet {self.tab}" if self.tab else ""


def is_blank(cell: Content) -> bool:
    """Whether the cell shows nothing and holds nothing that counts."""
    return not cell.strip() if isinstance(cell, str) else not (cell.text.strip() or cell.unknown or cell.holds)


def name_cell(sentence: str, row: int, column: int) -> str:
    """The sentence with the name of the cell in it."""
    return sentence.format(cell_name((row, column))) if sentence else ""


def number(value: float, code: str, *, date1904: bool = False) -> Content:
    """A number as its format shows it."""
    if not math.isfinite(value):
        return Cell("", None, NO_FORMAT)
    if abs(value) >= 10**MOST_DIGITS:
        return Cell("", None, TOO_MANY_DIGITS.format(len(str(int(abs(value))))))
    try:
        shown = number_formats.show(value, code, date1904=date1904)
        above = number_formats.show(-value, code, date1904=date1904).text if value < 0 else ""
    except UnknownFormat:
        return Cell("", None, NO_FORMAT)
    if hides_sign(value, shown.text, above):
        return without_sign(value, shown.text)
    if EXPONENT.search(shown.text) and value == int(value):
        return Number(int(value))  # 8.9E+12, which is known to its last digit
    if shown.day is None and shown.exact:
        return Number(shown.text)
    return Cell(shown.text, shown.day, "", "" if shown.exact else f"{value:.{MOST_DIGITS}g}")


def hides_sign(value: float, shown: str, above: str = "") -> bool:
    """Whether a number below zero is shown as one above; `above` is what the same number above zero shows."""
    if value >= 0 or not re.search("[1-9]", shown):
        return False  # what rounds to nothing has no sign
    return shown == above or not SIGN.search(NO_SIGNS.sub("", shown))


def without_sign(value: float, shown: str) -> Cell:
    """The cell of a number whose sign is hidden."""
    braced = shown.replace("{", "{{").replace("}", "}}")
    return Cell("", None, NO_SIGN.format(f"{value:.{MOST_DIGITS}g}", braced))


def text(value: str, code: str) -> str:
    """A text as its format shows it."""
    if code in {GENERAL, "@"}:
        return value
    try:
        return number_formats.show_text(value, code)
    except UnknownFormat:
        return value


# --- what is shown ----------------------------------------------------------------------------------------


def shown_lines(grid: Grid) -> Iterator[ShownLine]:
    """The rows that are shown and not blank, in their order."""
    spread = _spread(grid)
    for row in sorted(grid.rows.keys() - grid.hidden_rows):
        cells = grid.rows[row] + [""] * (max(spread.get(row, {}), default=-1) + 1 - len(grid.rows[row]))
        for column, cell in spread.get(row, {}).items():
            cells[column] = cell
        for column in grid.hidden_columns:
            if column < len(cells):
                cells[column] = ""
        while cells and is_blank(cells[-1]):
            cells.pop()
        if cells:
            yield _line(row, cells)


def _line(row: int, cells: list[Content]) -> ShownLine:
    special = {at: cell for at, cell in enumerate(cells) if isinstance(cell, Cell)}
    return ShownLine(
        row,
        [cell.text if isinstance(cell, Cell) else cell for cell in cells],
        {at: cell.day for at, cell in special.items() if cell.day},
        {at: name_cell(cell.unknown, row, at) for at, cell in special.items() if cell.unknown},
    )


def _spread(grid: Grid) -> dict[int, dict[int, Content]]:
    """By row and column what merged cells show, which may differ from what the file holds for them.

    Only rows that have a cell of their own get a value: a blank row stays blank.
    """
    spread: dict[int, dict[int, Content]] = {}
    if not grid.merged:
        return spread
    # Areas do not overlap, unless somebody made them to take long.
    if sum(min(area.bottom - area.top + 1, len(grid.rows)) for area in grid.merged) > MOST_CELLS:
        raise Unreadable("workbook_too_large")
    lone = {row: {at for at, cell in enumerate(cells) if not is_blank(cell)} for row, cells in grid.rows.items()}
    for area in grid.merged:
        for row in _rows(grid, area):
            lone[row] -= set(range(area.left, area.right + 1))
    for area in grid.merged:
        if unknown := _merged_number(grid, area):
            for row in _rows(grid, area):
                if row == area.top or lone[row]:
                    cells = dict.fromkeys(range(area.left, area.right + 1), unknown)
                    spread.setdefault(row, {}).update(cells)
                    grid.budget.spend_unknown(len(cells), unknown.unknown)
            continue
        value = _value(grid, area)
        first = next((at for at in range(area.left, area.right + 1) if at not in grid.hidden_columns), area.left)
        for row in _rows(grid, area):
            if row != area.top and not lone[row]:
                continue
            place = spread.setdefault(row, {})
            place.update(dict.fromkeys(range(area.left, min(area.right, len(grid.rows[row]) - 1) + 1), ""))
            place[first] = value
    return spread


def _merged_number(grid: Grid, area: Area) -> Cell | None:
    """What stands for a number in merged cells: whether it counts once or for each of them is not known."""
    value = _value(grid, area)
    is_number = value.holds if isinstance(value, Cell) else grid.numbers.get(area.top, 0) >> area.left & 1
    if area.is_one_cell or not is_number:
        return None
    ends = (cell_name((area.top, area.left)), cell_name((area.bottom, area.right)))
    return Cell("", None, MERGED_NUMBER.format(*ends))


def _value(grid: Grid, area: Area) -> Content:
    cells = grid.rows.get(area.top, [])
    return cells[area.left] if area.left < len(cells) else ""


def _rows(grid: Grid, area: Area) -> Iterator[int]:
    """The rows of the area that have cells."""
    if area.bottom - area.top > len(grid.rows):
        return (row for row in grid.rows if area.top <= row <= area.bottom)
    return (row for row in range(area.top, area.bottom + 1) if row in grid.rows)


# --- remarks ----------------------------------------------------------------------------------------------


def remarks(grid: Grid, lines: Sequence[ShownLine]) -> list[str]:
    """What somebody has to know of the sheet: what is hidden, merged or rounded."""
    rows = _ranges(sorted(grid.hidden_rows))
    columns = [
        column
        for column in sorted(grid.hidden_columns)
        if any(column < len(cells) and not is_blank(cells[column]) for cells in grid.rows.values())
    ]
    return [
        *_hidden("Row", rows, str),
        *_hidden("Column", _ranges(columns), column_name),
        *_merged(grid),
        *_rounded(grid, lines),
    ]


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for one in numbers:
        if ranges and ranges[-1][1] == one - 1:
            ranges[-1] = (ranges[-1][0], one)
        else:
            ranges.append((one, one))
    return ranges


def _hidden(what: str, ranges: Sequence[tuple[int, int]], name: Callable[[int], str]) -> Iterator[str]:
    if not ranges:
        return
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        yield f"{what} {name(ranges[0][0])} is hidden, and was left out. Show it in Excel if it belongs to the rest."
        return
    names = [name(first) if first == last else f"{name(first)} to {name(last)}" for first, last in ranges]
    yield f"{what}s {_list(names)} are hidden, and were left out. Show them in Excel if they belong to the rest."


def _merged(grid: Grid) -> Iterator[str]:
    names = [
        area.name
        for area in grid.merged
        if area.bottom > area.top and not is_blank(_value(grid, area)) and not _merged_number(grid, area)
    ]
    if names:
        verb, owner = ("is", "its value") if len(names) == 1 else ("are", "their value")
        yield f"{_list(names)} {verb} merged over several rows: {owner} was read for each of these rows."


def _rounded(grid: Grid, lines: Sequence[ShownLine]) -> Iterator[str]:
    found = [
        (cell_name((line.number, at)), cell)
        for line in lines
        for at, cell in enumerate(grid.rows[line.number])
        if isinstance(cell, Cell) and cell.holds and at not in grid.hidden_columns and at not in line.unknown
    ]
    if len(found) == 1:
        name, cell = found[0]
        yield f"{name} holds {cell.holds} and shows {cell.text or 'nothing'}: what it shows was read."
    elif found:
        shown = [f"{name} (shows {cell.text or 'nothing'}, holds {cell.holds})" for name, cell in islice(found, NAMED)]
        names = _list([*shown, *[""] * (len(found) - len(shown))])
        yield f"Cells that show another number than they hold were read as they are shown: {names}."


def _list(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    named = list(names[:NAMED])
    if len(names) > NAMED:
        named.append(f"{len(names) - NAMED:,} more")
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
