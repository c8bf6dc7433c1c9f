"""Reads rows of inward, sales and orders: an entry per size of each row, and all problems of a row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeVar

from backstitch.files.sheets import Line
from backstitch.inventory.paste import values
from backstitch.inventory.paste.columns import COLUMNS, Kind, Layout, Problem
from backstitch.inventory.paste.lookup import Known, KnownColour
from backstitch.inventory.paste.values import CellError
from backstitch.inventory.products.queries import Product

LARGEST_PRICE = Decimal("9999999999.99")
Category = Literal["Supply", "Return"]
CATEGORIES: dict[str, Category] = {
    "supply": "Supply",
    "supplies": "Supply",
    "purchase": "Supply",
    "return": "Return",
    "returns": "Return",
}

Value = TypeVar("Value")


@dataclass(frozen=True)
class Entry:
    """A stock cell and a quantity. `party` is the stakeholder, the store or the customer.

    Only inward uses `category`; only orders use `order` (rows with the same text form one order), `price` and `note`.
    `column` is the heading of the quantity.
    """

    row: int
    product_id: int
    sku: str
    color: str
    colour_code: str
    size: str
    quantity: int
    date: date
    party: str
    category: Category = "Supply"
    agency: str = ""
    order: str = ""
    price: Decimal | None = None
    note: str = ""
    column: str = ""

    @property
    def cell(self) -> tuple[int, str, str]:
        """The key of the stock cell: product id, colour code, size."""
        return (self.product_id, self.colour_code, self.size)

    @property
    def cell_words(self) -> str:
        """The stock cell as messages name it: `AN201 Red S`."""
        return f"{self.sku} {self.color} {self.size}"


class Row:
    """Reads the fields of a row, and adds its problems to a list."""

    def __init__(self, line: Line, layout: Layout, problems: list[Problem]) -> None:
        self.number = line.number
        self._cells = line.cells
        self._layout = layout
        self._problems = problems

    def cell(self, index: int | None) -> str:
        """The text of a cell; '' where the row or the sheet has no such column."""
        return self._cells[index] if index is not None and index < len(self._cells) else ""

    def field(self, name: str) -> str:
        """The text of a field."""
        return self.cell(self._layout.fields.get(name))

    def heading(self, name: str) -> str:
        """The sheet's heading of a field."""
        return self._layout.heading(name)

    def add_problem(self, column: str, value: str, sentence: str, *, blocks: bool = True) -> None:
        """Adds a problem of this row."""
        self._problems.append(Problem(self.number, column, values.quote(value), sentence, blocks))

    def parse(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """The value that `read` returns for a field's text; on CellError adds the problem and returns None."""
        try:
            return read(self.field(name))
        except CellError as error:
            self.add_problem(self.heading(name), self.field(name), str(error))
            return None

    def name(self, name: str) -> str | None:
        """The text of a field to store; None where it is invalid, or missing and required."""
        column = COLUMNS[self._layout.kind][name]
        text = self.parse(name, lambda value: _name(value, column.longest))
        if text == "" and column.required:
            called = column.heading if column.heading.isupper() else column.heading.lower()
            self.add_problem(self.heading(name), "", f"The {called} is missing.")
            return None
        return text

    def day(self, today: date) -> date | None:
        """The row's date; None where it is invalid or missing."""
        if not values.normalise(self.field("date")):
            self.add_problem(self.heading("date"), "", "The date is missing.")
            return None
        return self.parse("date", lambda value: _day(value, today))

    def size_cells(self) -> Mapping[str, str]:
        """The texts of the size columns, by size."""
        return {size: self.cell(index) for size, index in self._layout.sizes.items()}

    def size_heading(self, size: str) -> str:
        """The sheet's heading of a size column."""
        return self._layout.headings[self._layout.sizes[size]]


@lru_cache(maxsize=4096)
def _name(value: str, longest: int) -> str:
    return values.name(value, longest=longest)


@lru_cache(maxsize=4096)
def _day(value: str, today: date) -> date:
    return values.day(value, today=today)


def read_row(row: Row, *, kind: Kind, known: Known, chosen: Product | None, today: date) -> list[Entry]:
    """The entries of a row, one per size with a quantity; a row with a problem may give fewer."""
    day, party = row.day(today), row.name("party")
    category: Category | None = row.parse("category", _category) if kind is Kind.INWARD else "Supply"
    agency = "" if kind is Kind.INWARD else row.name("agency")
    order, note, price = _order_fields(row) if kind is Kind.ORDERS else ("", "", None)
    product = _product(row, known, chosen)
    colour = _colour(row, known, product)
    quantities = _quantities(row, known, product, colour)
    if product is None or colour is None or day is None or party is None or None in (category, agency, order, note):
        return []
    return [
        Entry(
            row=row.number,
            product_id=product.id,
            sku=product.sku,
            color=colour.color,
            colour_code=colour.code,
            size=size,
            quantity=quantity,
            date=day,
            party=party,
            category=category or "Supply",
            agency=agency or "",
            order=order or "",
            price=price,
            note=note or "",
            column=column,
        )
        for size, (quantity, column) in quantities.items()
    ]


def _category(value: str) -> Category:
    text = values.normalise(value)
    if not text:
        return "Supply"
    if text.casefold() not in CATEGORIES:
        raise CellError(f"“{values.quote(value)}” is no category of goods in. Write Supply or Return.")
    return CATEGORIES[text.casefold()]


def _order_fields(row: Row) -> tuple[str | None, str | None, Decimal | None]:
    def read_price(value: str) -> Decimal | None:
        return values.amount(value, largest=LARGEST_PRICE, what="A price") if values.normalise(value) else None

    return row.name("order"), row.name("note"), row.parse("price", read_price)


def _product(row: Row, known: Known, chosen: Product | None) -> Product | None:
    if chosen is not None and not values.normalise(row.field("sku")):
        return chosen
    named = row.name("sku")
    if named is None:
        return None
    product = row.parse("sku", lambda _: known.product(named))
    if product is None:
        return None
    if chosen is not None and product.id != chosen.id:
        row.add_problem(row.heading("sku"), named, f"The row is for {product.sku}, but {chosen.sku} is chosen above.")
        return None
    if not product.is_active:
        row.add_problem(row.heading("sku"), named, f"{product.sku} is deactivated. Take it back into use first.")
        return None
    return product


def _colour(row: Row, known: Known, product: Product | None) -> KnownColour | None:
    color, code = row.name("color"), row.name("colour_code")
    if color is None or code is None:
        return None
    name = "colour_code" if code else "color"
    if not color and not code:
        row.add_problem(row.heading("color"), "", "The colour is missing.")
        return None
    if product is None:
        return None
    return row.parse(name, lambda _: known.colour(product, color=color, code=code))


def _quantities(
    row: Row, known: Known, product: Product | None, colour: KnownColour | None
) -> dict[str, tuple[int, str]]:
    """Size -> (quantity, heading); adds problems for unknown sizes and invalid quantities."""
    cells = row.size_cells()
    if not cells:
        return _single_quantity(row, known, product, colour)
    found: dict[str, tuple[int, str]] = {}
    problem = False
    for typed, value in cells.items():
        heading = row.size_heading(typed)
        try:
            if not (quantity := values.quantity(value)):
                continue
            size = known.size(product, colour, typed) if product and colour else typed
            if size in found:
                raise CellError(f"Size {size} stands in the header twice, by two names.")
            found[size] = (quantity, heading)
        except CellError as error:
            problem = True
            row.add_problem(heading, value, str(error))
    if not found and not problem:
        row.add_problem("", "", "The row has no quantity, and is left out.", blocks=False)
    return found


def _single_quantity(
    row: Row, known: Known, product: Product | None, colour: KnownColour | None
) -> dict[str, tuple[int, str]]:
    def read_quantity(value: str) -> int:
        if not values.normalise(value):
            raise CellError("The quantity is missing.")
        found = values.quantity(value)
        if not found:
            raise CellError("A quantity is a whole number above 0.")
        return found

    quantity = row.parse("quantity", read_quantity)
    typed = row.name("size")
    if typed == "":
        row.add_problem(row.heading("size"), "", "The size is missing.")
    if not typed or product is None or colour is None:
        return {}
    size = row.parse("size", lambda _: known.size(product, colour, typed))
    return {} if size is None or quantity is None else {size: (quantity, row.heading("quantity"))}
