"""What a file shows: its sheets as rows of text, with what is known of a cell beyond its text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

Place = tuple[int, int]
"""A cell: the number of its row as a spreadsheet shows it (from 1), and the index of its column (from 0)."""


@dataclass(frozen=True)
class Line:
    """A row that is shown and not blank: its number as a spreadsheet shows it (from 1), and its cells as text."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet that are shown and not blank; a cell has the text that the spreadsheet shows.

    `name` is that of the file, or of what was pasted, and `tab` that of the sheet, '' where a file has but one.
    `dates` has the day of each cell that holds a date: its text can be ambiguous (03/04/2026), or stand for something
    else that was typed (2-4). `unknown` has, by cell, the sentence that says why what it shows cannot be known.
    `remarks` are sentences about the whole sheet, such as that hidden rows were left out.
    """

    name: str
    lines: tuple[Line, ...]
    tab: str = ""
    dates: Mapping[Place, date] = field(default_factory=dict)
    unknown: Mapping[Place, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def cell_name(place: Place) -> str:
    """The name of a cell as a spreadsheet has it: (4, 27) is AB4."""
    row, column = place
    return f"{column_name(column)}{row}"


def column_name(column: int) -> str:
    """The letters of a column: that of the index 27 is AB."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
