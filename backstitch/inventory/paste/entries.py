"""Reads rows of inward, sales and orders: an entry per size of each row, and all problems of a row."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeVar

from backstitch.files.sheets import Line, Sheet, cell_name
from backstitch.inventory import values
from backstitch.inventory.names import sku_key
from backstitch.inventory.paste.columns import COLUMNS, Kind, Problem, sheet_problem, spelling
from backstitch.inventory.paste.layout import Layout
from backstitch.inventory.paste.lookup import Known, KnownColour
from backstitch.inventory.products.queries import Product
from backstitch.inventory.values import CellError, DateOrder

LARGEST_PRICE = Decimal("9999999999.99")
DATED_FIELDS = {"date", "note", "description"}  # in which a date of the spreadsheet may stand
MISSING = date.min
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


@dataclass(frozen=True)
class Reading:
    """What the rows of a sheet are read by, and the lists to which they add.

    `nothing` has the words for nothing that were read as blank: by heading, the text of each row's number.
    """

    sheet: Sheet
    layout: Layout
    order: DateOrder = DateOrder.DAY_FIRST
    problems: list[Problem] = field(default_factory=list)
    nothing: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))

    def rows(self) -> Iterator["Row"]:
        """The rows of the table."""
        return (Row(line, self) for line in self.layout.lines)

    def nothing_problems(self) -> list[Problem]:
        """A warning for each column in which a word was read as blank."""
        return [
            sheet_problem(heading, _nothing_sentence(texts), blocks=False) for heading, texts in self.nothing.items()
        ]


def _nothing_sentence(texts: Mapping[int, str]) -> str:
    quoted = ", ".join(f"“{text}”" for text in sorted({values.quote(text) for text in texts.values()})[:3])
    rows = f"row {next(iter(texts))}" if len(texts) == 1 else f"{len(texts):,} rows"
    return f"{quoted} stands for nothing, and is read as blank ({rows})."


class Row:
    """Reads the fields of a row, and adds its problems to those of the reading."""

    def __init__(self, line: Line, reading: Reading) -> None:
        self.number = line.number
        self._cells = line.cells
        self._reading = reading
        self._layout = reading.layout

    def cell(self, index: int | None) -> str:
        """The text of a cell; '' where the row or the sheet has no such column."""
        return self._cells[index] if index is not None and index < len(self._cells) else ""

    def field(self, name: str) -> str:
        """The text of a field; '' for a dash or a word for nothing too."""
        text = self.cell(self._layout.fields.get(name))
        return "" if values.is_blank(text) else text

    def heading(self, name: str) -> str:
        """The sheet's heading of a field."""
        return self._layout.heading(name)

    def add_problem(self, column: str, value: str, sentence: str, *, blocks: bool = True) -> None:
        """Adds a problem of this row."""
        self._reading.problems.append(Problem(self.number, column, values.quote(value), sentence, blocks))

    def add_spelling(self, name: str, typed: str, stored: str) -> None:
        """Adds the remark that a field writes a known name otherwise."""
        self._reading.problems.append(spelling(self.number, self.heading(name), typed, stored))

    def parse(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """The value that `read` returns for a field's text; on CellError adds the problem and returns None."""
        index = self._layout.fields.get(name)
        text = self.cell(index)
        try:
            self._check_known(index, dates=name in DATED_FIELDS)
            if values.is_nothing_word(text):
                self._reading.nothing[self.heading(name)][self.number] = values.normalise(text)
            return read(self.field(name))
        except CellError as error:
            self.add_problem(self.heading(name), text, str(error))
            return None

    def _check_known(self, index: int | None, *, dates: bool = False) -> None:
        """Raises CellError if what a cell shows cannot be known: the reader said so, or it is an error or a date."""
        if index is None:
            return
        place = (self.number, index)
        if sentence := self._reading.sheet.unknown.get(place):
            raise CellError(sentence)
        text = self.cell(index)
        if not dates and place in self._reading.sheet.dates:
            raise CellError(
                f"{cell_name(place)} shows {values.quote(text)}: the spreadsheet has made a date of what was typed. "
                "Type it again as text."
            )
        if text.lstrip()[:1] == "#" and values.is_spreadsheet_error(text):
            raise CellError(
                f"{cell_name(place)} is a spreadsheet error ({values.normalise(text)}). Correct its formula, or type "
                "the value."
            )

    def name(self, name: str) -> str | None:
        """The text of a field to store; None where it is invalid, or missing and required."""
        column = COLUMNS[self._layout.kind][name]
        text = self.parse(name, lambda value: _text(value, column.longest, column.is_name, name != "size"))
        if text == "" and column.required:
            called = column.heading if column.heading.isupper() else column.heading.lower()
            self.add_problem(self.heading(name), "", f"The {called} is missing.")
            return None
        return text

    def day(self, today: date) -> date | None:
        """The row's date; None where it is invalid or missing."""
        index = self._layout.fields.get("date")
        known = None if index is None else self._reading.sheet.dates.get((self.number, index))
        if known is not None:
            return self.parse("date", lambda _: values.allowed_day(known, today=today))
        found = self.parse("date", lambda value: _day(value, today, self._reading.order) if value else MISSING)
        if found is MISSING:
            self.add_problem(self.heading("date"), "", "The date is missing.")
            return None
        return found

    def sizes(self) -> Iterator[str]:
        """The sizes that have a column."""
        return iter(self._layout.sizes)

    def size_cell(self, size: str) -> str:
        """The text of a size column."""
        return self.cell(self._layout.sizes[size])

    def size_quantity(self, size: str) -> int:
        """The quantity in a size column, 0 for a blank cell. Raises CellError."""
        self._check_known(self._layout.sizes[size])
        return values.quantity(self.size_cell(size))

    def size_heading(self, size: str) -> str:
        """The sheet's heading of a size column."""
        return self._layout.headings[self._layout.sizes[size]]


@lru_cache(maxsize=4096)
def _text(value: str, longest: int, is_name: bool, zero_is_refused: bool) -> str:
    if is_name:
        return values.name(value, longest=longest, zero=not zero_is_refused)
    return values.words(value, longest=longest)


@lru_cache(maxsize=4096)
def _day(value: str, today: date, order: DateOrder) -> date:
    return values.day(value, today=today, order=order)


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
    if product.sku != named and sku_key(product.sku) == sku_key(named):
        row.add_spelling("sku", named, product.sku)
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
    found = row.parse(name, lambda _: known.colour(product, color=color, code=code))
    if found and not code and found.color != color:
        row.add_spelling("color", color, found.color)
    return found


def _quantities(
    row: Row, known: Known, product: Product | None, colour: KnownColour | None
) -> dict[str, tuple[int, str]]:
    """Size -> (quantity, heading); adds problems for unknown sizes and invalid quantities."""
    sizes = list(row.sizes())
    if not sizes:
        return _single_quantity(row, known, product, colour)
    found: dict[str, tuple[int, str]] = {}
    problem = False
    for typed in sizes:
        heading = row.size_heading(typed)
        try:
            if not (quantity := row.size_quantity(typed)):
                continue
            size = known.size(product, colour, typed) if product and colour else typed
            if size != typed:
                row.add_problem(heading, "", f"{size}, written {values.quote(typed)} here.", blocks=False)
            if size in found:
                raise CellError(f"Size {size} stands in the header twice, by two names.")
            found[size] = (quantity, heading)
        except CellError as error:
            problem = True
            row.add_problem(heading, row.size_cell(typed), str(error))
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
    if size is not None and size != typed:
        row.add_spelling("size", typed, size)
    return {} if size is None or quantity is None else {size: (quantity, row.heading("quantity"))}
