"""Rows of inward, sales and orders: each row becomes an entry per size, and every problem is found, not the first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeVar

from backstitch.inventory.paste import values
from backstitch.inventory.paste.columns import COLUMNS, Kind, Layout, Problem
from backstitch.inventory.paste.lookup import Known, KnownColour
from backstitch.inventory.paste.reader import Line
from backstitch.inventory.paste.values import Wrong
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
    """One cell of the matrix and a quantity. `party` is the stakeholder, the store or the customer.

    `category` is of inward only; `order` (which rows belong together), `price` and `note` of orders only. `column` is
    the heading under which the quantity stands.
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
        """The key of the cell."""
        return (self.product_id, self.colour_code, self.size)

    @property
    def cell_words(self) -> str:
        """The cell as a sentence names it."""
        return f"{self.sku} {self.color} {self.size}"


class Row:
    """A row being read: its cells by field, and the problems found so far."""

    def __init__(self, line: Line, layout: Layout, problems: list[Problem]) -> None:
        self.number = line.number
        self._cells = line.cells
        self._layout = layout
        self._problems = problems

    def raw(self, place: int | None) -> str:
        """The text in a column; '' where the row or the sheet has none."""
        return self._cells[place] if place is not None and place < len(self._cells) else ""

    def field(self, name: str) -> str:
        """The text of a field."""
        return self.raw(self._layout.fields.get(name))

    def heading(self, name: str) -> str:
        """What the sheet calls a field."""
        return self._layout.heading(name)

    def wrong(self, column: str, value: str, sentence: str, *, blocks: bool = True) -> None:
        """Notes a problem."""
        self._problems.append(Problem(self.number, column, values.shown(value), sentence, blocks))

    def take(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """The value of a field as `read` makes it; None, with the problem noted, where it cannot."""
        try:
            return read(self.field(name))
        except Wrong as wrong:
            self.wrong(self.heading(name), self.field(name), str(wrong))
            return None

    def name(self, name: str) -> str | None:
        """The text of a field as it is stored; None where it is wrong, or missing and required."""
        column = COLUMNS[self._layout.kind][name]
        text = self.take(name, lambda value: _name(value, column.longest))
        if text == "" and column.required:
            called = column.heading if column.heading.isupper() else column.heading.lower()
            self.wrong(self.heading(name), "", f"The {called} is missing.")
            return None
        return text

    def day(self, today: date) -> date | None:
        """The row's date."""
        if not values.tidy(self.field("date")):
            self.wrong(self.heading("date"), "", "The date is missing.")
            return None
        return self.take("date", lambda value: _day(value, today))

    def size_cells(self) -> Mapping[str, str]:
        """What stands in the columns of sizes, by heading."""
        return {size: self.raw(place) for size, place in self._layout.sizes.items()}

    def size_heading(self, size: str) -> str:
        """What the sheet calls a column of sizes."""
        return self._layout.headings[self._layout.sizes[size]]


@lru_cache(maxsize=4096)
def _name(value: str, longest: int) -> str:
    return values.name(value, longest=longest)


@lru_cache(maxsize=4096)
def _day(value: str, today: date) -> date:
    return values.day(value, today=today)


def read_row(row: Row, *, kind: Kind, known: Known, chosen: Product | None, today: date) -> list[Entry]:
    """The entries of a row, one per size with a quantity; those of a row with a problem are not complete."""
    day, party = row.day(today), row.name("party")
    category: Category | None = row.take("category", _category) if kind is Kind.INWARD else "Supply"
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
    text = values.tidy(value)
    if not text:
        return "Supply"
    if text.casefold() not in CATEGORIES:
        raise Wrong(f"“{values.shown(value)}” is no category of goods in. Write Supply or Return.")
    return CATEGORIES[text.casefold()]


def _order_fields(row: Row) -> tuple[str | None, str | None, Decimal | None]:
    def read_price(value: str) -> Decimal | None:
        return values.amount(value, largest=LARGEST_PRICE, what="A price") if values.tidy(value) else None

    return row.name("order"), row.name("note"), row.take("price", read_price)


def _product(row: Row, known: Known, chosen: Product | None) -> Product | None:
    if chosen is not None and not values.tidy(row.field("sku")):
        return chosen
    named = row.name("sku")
    if named is None:
        return None
    product = row.take("sku", lambda _: known.product(named))
    if product is None:
        return None
    if chosen is not None and product.id != chosen.id:
        row.wrong(row.heading("sku"), named, f"The row is for {product.sku}, but {chosen.sku} is chosen above.")
        return None
    if not product.is_active:
        row.wrong(row.heading("sku"), named, f"{product.sku} is deactivated. Take it back into use first.")
        return None
    return product


def _colour(row: Row, known: Known, product: Product | None) -> KnownColour | None:
    color, code = row.name("color"), row.name("colour_code")
    if color is None or code is None:
        return None
    name = "colour_code" if code else "color"
    if not color and not code:
        row.wrong(row.heading("color"), "", "The colour is missing.")
        return None
    if product is None:
        return None
    return row.take(name, lambda _: known.colour(product, color=color, code=code))


def _quantities(
    row: Row, known: Known, product: Product | None, colour: KnownColour | None
) -> dict[str, tuple[int, str]]:
    """Size -> quantity and its heading; sizes that the product does not have and wrong figures are noted."""
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
                raise Wrong(f"Size {size} stands in the header twice, by two names.")
            found[size] = (quantity, heading)
        except Wrong as wrong:
            problem = True
            row.wrong(heading, value, str(wrong))
    if not found and not problem:
        row.wrong("", "", "The row has no quantity, and is left out.", blocks=False)
    return found


def _single_quantity(
    row: Row, known: Known, product: Product | None, colour: KnownColour | None
) -> dict[str, tuple[int, str]]:
    def read_quantity(value: str) -> int:
        if not values.tidy(value):
            raise Wrong("The quantity is missing.")
        found = values.quantity(value)
        if not found:
            raise Wrong("A quantity is a whole number above 0.")
        return found

    quantity = row.take("quantity", read_quantity)
    typed = row.name("size")
    if typed == "":
        row.wrong(row.heading("size"), "", "The size is missing.")
    if not typed or product is None or colour is None:
        return {}
    size = row.take("size", lambda _: known.size(product, colour, typed))
    return {} if size is None or quantity is None else {size: (quantity, row.heading("quantity"))}
