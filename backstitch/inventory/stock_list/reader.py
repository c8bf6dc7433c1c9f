"""Reads a seller's stock list: each row of the file is accepted in normalised form, or rejected with reasons."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import capwords

from backstitch import lengths
from backstitch.errors import Refused
from backstitch.files import csv_in
from backstitch.files.csv_in import Table, heading_key
from backstitch.files.csv_out import unescape_formula
from backstitch.files.text_files import shown
from backstitch.inventory.names import name_key, size_key, sku_key, tidy
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.products.commands import colour_code
from backstitch.inventory.values import SPREADSHEET_ERROR, CellError, is_blank, quantity
from backstitch.inventory.values import name as read_name

# By field of StockRow: the heading in the file, the name in a reason, and the greatest length.
HEADINGS = {
    "sku_code": "SKU Code",
    "design": "Design No.",
    "stock": "Stock",
    "category": "Category",
    "size": "Size",
    "color": "Color",
}
NAMES = {
    "sku_code": "The SKU code",
    "design": "The design number",
    "stock": "The stock figure",
    "category": "The category",
    "size": "The size",
    "color": "The colour",
}
LONGEST = {
    "sku_code": 100,
    "design": lengths.SKU,
    "stock": 30,
    "category": lengths.CATEGORY,
    "size": lengths.SIZE,
    "color": lengths.COLOUR,
}
OPTIONAL = {"category"}


@dataclass(frozen=True)
class StockRow:
    """An accepted row: one stock cell of a design and its stock in pieces.

    `row` is the number that a spreadsheet shows; `values` are the columns of the file, unchanged.
    """

    row: int
    sku_code: str
    design: str
    category: str
    color: str
    colour_code: str
    size: str
    stock: int
    values: tuple[str, ...]

    @property
    def cell_in_words(self) -> str:
        """The cell as the start of a reason."""
        return f"Design {self.design} in {self.color}, size {self.size},"


@dataclass(frozen=True)
class Reject:
    """A rejected row: its number in a spreadsheet, the reasons as sentences, and its columns, unchanged."""

    row: int
    reasons: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class StockList:
    """The content of a file: each row is in `rows` or in `rejects`, both in the order of the file."""

    file: str
    sha256: str
    encoding: str
    header: tuple[str, ...]
    rows: tuple[StockRow, ...]
    rejects: tuple[Reject, ...]

    @property
    def total(self) -> int:
        """The number of rows under the header."""
        return len(self.rows) + len(self.rejects)


def read_stock_list(path: Path) -> StockList:
    """Reads a stock list with the columns of HEADINGS; other columns are kept only with the rejects.

    Of rows with the same SKU code or the same cell, the first valid one is accepted.
    Raises Refused: columns_missing, columns_repeated, no_rows, and what `csv_in.read` raises.
    """
    table = csv_in.read(path)
    columns = _find_columns(table)
    if not table.rows:
        raise Refused(f"{table.file} has no rows under its header.", rule="no_rows")
    rows: list[StockRow] = []
    rejects: list[Reject] = []
    taken: dict[tuple[str, ...], int] = {}
    for number, values in enumerate(table.rows, start=2):
        fields = {name: _normalise(values[at]) if at < len(values) else "" for name, at in columns.items()}
        reasons = _reasons(fields, too_wide=any(value.strip() for value in values[len(table.header) :]))
        row = None if reasons else _stock_row(number, fields, values)
        reasons += _repeats(row, taken) if row else []
        if row and not reasons:
            rows.append(row)
        else:
            rejects.append(Reject(number, tuple(reasons), values))
    return StockList(table.file, table.sha256, table.encoding, table.header, tuple(rows), tuple(rejects))


def _find_columns(table: Table) -> dict[str, int]:
    """The index of each field's column; headings match in any case, with any spaces and dots."""
    keys = [heading_key(heading) for heading in table.header]
    wanted = {name: heading_key(heading) for name, heading in HEADINGS.items()}
    missing = [HEADINGS[name] for name, key in wanted.items() if key not in keys]
    if missing:
        raise Refused(
            f"{table.file} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. "
            f"The first row of a stock list names the columns {', '.join(HEADINGS.values())}.",
            rule="columns_missing",
        )
    repeated = [HEADINGS[name] for name, key in wanted.items() if keys.count(key) > 1]
    if repeated:
        raise Refused(
            f"{table.file} has the column {repeated[0]} more than once. Remove or rename the others.",
            rule="columns_repeated",
        )
    return {name: keys.index(key) for name, key in wanted.items()}


def _normalise(value: str) -> str:
    # The rejects file has an apostrophe before a formula; other files have their marks after or without it.
    return tidy(shown(unescape_formula(value).strip()))


def _reasons(fields: Mapping[str, str], *, too_wide: bool) -> list[str]:
    if not any(fields.values()) and not too_wide:
        return ["The row is empty: it has no SKU code, design number, stock figure, size or colour."]
    reasons = [reason for name, value in fields.items() if (reason := _reason(name, value))]
    if too_wide:
        reasons.append("The row has more values than the header has columns.")
    return reasons


def _reason(name: str, value: str) -> str | None:
    """The reason why a value is rejected; None when it is valid."""
    if not value:
        return None if name in OPTIONAL else f"{NAMES[name]} is missing."
    if any(unicodedata.category(character) == "Cc" for character in value):
        return f"{NAMES[name]} holds a character that cannot be stored (NUL or another control character)."
    if SPREADSHEET_ERROR.fullmatch(value):
        return f"{NAMES[name]} is a spreadsheet error ({value})."
    if is_blank(value):
        return None if name in OPTIONAL else f"{NAMES[name]} is missing: “{value}” stands for nothing."
    if len(value) > LONGEST[name]:
        return f"{NAMES[name]} is longer than {LONGEST[name]} characters."
    if name == "stock":
        return _stock_reason(value)
    try:
        read_name(value, longest=LONGEST[name], zero=name == "size")
    except CellError as error:
        return f"{NAMES[name]} is no name: {error}"
    if name == "color" and not colour_code(value):
        return f"{NAMES[name]} “{value}” has no letter or digit to make a colour code of."
    if name == "size":
        return _size_reason(value)
    return None


def _size_reason(value: str) -> str | None:
    try:
        sizes = size_set.expand(value)
    except Refused as refusal:
        return f"The size is not clear: {refusal}"
    return None if len(sizes) == 1 else f"The size “{value}” is {len(sizes)} sizes. Write a row for each."


def _stock_reason(value: str) -> str | None:
    try:
        quantity(value.removeprefix("+"))
    except CellError as error:
        shown = str(error).removeprefix(f"“{value}” ")
        return f"The stock figure {value} {shown}" if shown != str(error) else f"The stock figure: {error}"
    return None


def _stock_row(number: int, fields: Mapping[str, str], values: tuple[str, ...]) -> StockRow:
    color = capwords(fields["color"])
    return StockRow(
        row=number,
        sku_code=fields["sku_code"],
        design=fields["design"],
        # `AN : LEGGINGS`: the text before the colon is the seller's code of the range.
        category=capwords(fields["category"].rpartition(":")[2]),
        color=color,
        colour_code=colour_code(color),
        size=size_set.expand(fields["size"])[0],
        stock=quantity(fields["stock"].removeprefix("+")),
        values=values,
    )


def _repeats(row: StockRow, taken: dict[tuple[str, ...], int]) -> list[str]:
    """The reasons why a row repeats an earlier one, however that is written; without any, marks its cell as taken."""
    code_key = ("code", sku_key(row.sku_code))
    cell_key = ("cell", sku_key(row.design), name_key(row.color), size_key(row.size))
    reasons = []
    if code_key in taken:
        reasons.append(f"SKU code {row.sku_code} is on row {taken[code_key]} already.")
    if cell_key in taken:
        reasons.append(f"{row.cell_in_words} is on row {taken[cell_key]} already.")
    if not reasons:
        taken[code_key] = taken[cell_key] = row.row
    return reasons
