"""Which column of a sheet is which: by its heading in the common spellings, or, without a header, by the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from backstitch.inventory.paste import values as paste_values
from backstitch.inventory.paste.reader import Sheet
from backstitch.inventory.products import sizes as size_set


class Kind(StrEnum):
    """What can be pasted."""

    INWARD = "inward"
    SALES = "sales"
    ORDERS = "orders"
    PRODUCTS = "products"


@dataclass(frozen=True)
class Column:
    """A column that a kind has: its heading in the template, and other spellings as `_key` makes them."""

    heading: str
    spellings: frozenset[str]
    longest: int = 120
    required: bool = False


@dataclass(frozen=True)
class Problem:
    """What is wrong with a cell, as a sentence; `row` is a spreadsheet's number, None for the sheet as a whole.

    One that does not block is a warning: what it is about is written, or left out, as the sentence says.
    """

    row: int | None
    column: str
    value: str
    sentence: str
    blocks: bool = True


@dataclass(frozen=True)
class Layout:
    """Where a sheet has what: places of the fields and of the size columns by heading, and the first row of data."""

    kind: Kind
    fields: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    headings: tuple[str, ...] = ()
    first: int = 0
    problems: tuple[Problem, ...] = ()

    def heading(self, name: str) -> str:
        """What the sheet calls a field; the template's heading where it has no such column."""
        place = self.fields.get(name)
        return COLUMNS[self.kind][name].heading if place is None else self.headings[place]


def _column(heading: str, *spellings: str, longest: int = 120, required: bool = False) -> Column:
    return Column(heading, frozenset(map(_key, (heading, *spellings))), longest, required)


def _key(heading: str) -> str:
    return "".join(sign for sign in heading.casefold() if sign.isalnum()).replace("colour", "color")


_DATE = _column("Date", "day", "entry date", "bill date", "invoice date", "order date", "dt", required=True)
_SKU = _column(
    "SKU", "sku code", "product", "product code", "style", "style no", "style code", "design", "design no",
    "design code", "item", "item code", "article", "article no", longest=120, required=True,
)  # fmt: skip
_CELL = {
    "color": _column("Colour", "colour name", "shade", "shade name", longest=80),
    "colour_code": _column("Colour Code", "code", "shade code", "col code", longest=40),
    "size": _column("Size", longest=20),
    "quantity": _column("Quantity", "qty", "pcs", "pieces", "nos", "units", "count"),
}
_AGENCY = _column("Agency", "agent", "agency name", "broker")
COLUMNS: dict[Kind, dict[str, Column]] = {
    Kind.INWARD: {
        "date": _DATE,
        "sku": _SKU,
        **_CELL,
        "category": _column("Category", "type", "inward type"),
        "party": _column(
            "Stakeholder", "stakeholder name", "party", "party name", "supplier", "supplier name", "vendor",
            "received from", "from", required=True,
        ),
    },
    Kind.SALES: {
        "date": _DATE,
        "sku": _SKU,
        **_CELL,
        "party": _column("Store", "store name", "shop", "outlet", "party", "party name", "sold to", required=True),
        "agency": _AGENCY,
    },
    Kind.ORDERS: {
        "order": _column("Order", "order no", "order number", "order ref", "po", "po no", "reference", longest=60),
        "date": _DATE,
        "party": _column(
            "Customer", "customer name", "party", "party name", "buyer", "store", "store name", "stakeholder",
            required=True,
        ),
        "agency": _AGENCY,
        "sku": _SKU,
        **_CELL,
        "price": _column("Price", "unit price", "rate", "price per piece"),
        "note": _column("Note", "remarks", "remark", "notes", longest=500),
    },
    Kind.PRODUCTS: {
        "sku": _SKU,
        "name": _column("Name", "product name", "item name", "style name", "title"),
        "category": _column("Category", "product category", "type", longest=60),
        "unit_price": _column("Price", "unit price", "mrp", "rate", "selling price"),
        "hsn_code": _column("HSN Code", "hsn", "hsn sac", "hsn no"),
        "gst_rate": _column("GST Rate", "gst", "gst %", "gst rate %", "tax", "tax rate"),
        "sizes": _column("Sizes", "size", "size set", "size range", longest=400),
        "colours": _column("Colours", "colour", "color", "colors", "shades", longest=4000),
        "reorder_level": _column("Reorder Level", "reorder", "min stock", "minimum stock"),
        "description": _column("Description", "details", longest=2000),
    },
}  # fmt: skip
# Columns that sheets of the trade have, and that say nothing Backstitch does not know itself.
LEFT_OUT = frozenset(
    map(_key, ("Total", "Grand Total", "S No", "Sr No", "Sl No", "No", "Row", "Amount", "Value", "Line Total", "Image"))
)
SAME_SIZES = (("XXL", "2XL"), ("XXXL", "3XL"), ("4XL", "XXXXL"), ("FREE", "FREE SIZE", "FREESIZE"))


def spellings_of(size: str) -> tuple[str, ...]:
    """A size as typed, upper case, and then what else it may be called."""
    typed = " ".join(size.upper().split())
    same = next((group for group in SAME_SIZES if typed in group), ())
    return (typed, *(other for other in same if other != typed))


def template(kind: Kind, *, sizes: Sequence[str] = ()) -> list[str]:
    """The headings of the template: with the sizes of a chosen product as columns and no SKU, or a row per size."""
    headings: list[str] = []
    for name, column in COLUMNS[kind].items():
        if sizes and name == "size":
            headings += sizes
        elif not sizes or name not in {"sku", "quantity"}:
            headings.append(column.heading)
    return headings


def lay_out(sheet: Sheet, *, kind: Kind, sizes: Sequence[str], known_sizes: frozenset[str]) -> Layout:
    """Finds the columns. `sizes` are those of the product chosen on the page, `()` for none; `known_sizes` all in use.

    A first row with two headings or more is a header; without one, the columns are those of the template.
    """
    first = sheet.lines[0].cells
    named = [_field_of(heading, kind) for heading in first]
    if sum(name is not None for name in named) < 2:
        return _by_position(sheet, kind, sizes)
    size_columns: dict[str, int] = {}
    problems: list[Problem] = []
    fields: dict[str, int] = {}
    for place, (heading, name) in enumerate(zip(first, named, strict=True)):
        taken: Mapping[str, int] = fields
        key = name or ""
        if name is None and kind is not Kind.PRODUCTS and (size := _size_of(heading, known_sizes | set(sizes))):
            taken, key = size_columns, size
        elif name is None:
            problems += _unknown_column(sheet, place, heading)
            continue
        if key in taken:
            problems.append(_of_sheet(heading, "The column stands in the header twice. Remove or rename one of them."))
        elif taken is fields:
            fields[key] = place
        else:
            size_columns[key] = place
    layout = Layout(kind, fields, size_columns, _headings(sheet, first), first=1, problems=tuple(problems))
    return _checked(layout, product_chosen=bool(sizes))


def _field_of(heading: str, kind: Kind) -> str | None:
    key = _key(heading)
    return next((name for name, column in COLUMNS[kind].items() if key and key in column.spellings), None)


def _size_of(heading: str, known: frozenset[str]) -> str | None:
    typed = heading.strip().upper().removeprefix("SIZE ").strip()
    sizes = spellings_of(typed)
    usual = (*size_set.LETTERS, size_set.FREE)
    is_size = any(size in known or size in usual for size in sizes) or (typed.isdecimal() and len(typed) <= 3)
    return typed if typed and is_size else None


def _unknown_column(sheet: Sheet, place: int, heading: str) -> list[Problem]:
    """A column of numbers may be a size, and must not be lost in silence; one of words is a remark."""
    values = [line.cells[place] for line in sheet.lines[1:] if place < len(line.cells) and line.cells[place].strip()]
    if not values:
        return []
    if _key(heading) not in LEFT_OUT and (not heading.strip() or any(map(paste_values.is_number, values))):
        called = f"“{paste_values.shown(heading)}” is no column or size" if heading.strip() else "It has no heading"
        return [_of_sheet(heading, f"{called} that Backstitch knows. Rename the column, or remove it.")]
    return [_of_sheet(heading, "The column is not used, and is left out.", blocks=False)]


def _of_sheet(heading: str, sentence: str, *, blocks: bool = True) -> Problem:
    return Problem(None, paste_values.shown(heading), "", sentence, blocks)


def _headings(sheet: Sheet, first: Sequence[str]) -> tuple[str, ...]:
    """A heading per column, each of its own, as a table needs it; also for columns of `first` that no row reaches."""
    widest = max(len(first), *(len(line.cells) for line in sheet.lines))
    made: list[str] = []
    for place in range(widest):
        heading = paste_values.shown(paste_values.tidy(first[place])) if place < len(first) else ""
        heading = heading or f"Column {place + 1}"
        made.append(heading if heading not in made else f"{heading} ({place + 1})")
    return tuple(made)


def _by_position(sheet: Sheet, kind: Kind, sizes: Sequence[str]) -> Layout:
    """Without a header the columns are those of the template."""
    expected = template(kind, sizes=sizes)
    widest = max(len(line.cells) for line in sheet.lines)
    if widest > len(expected) or widest < 3:
        sentence = (
            f"The first row is no header, and the rows have {widest} columns where the template has {len(expected)}: "
            f"{', '.join(expected)}. Copy the header too."
        )
        return Layout(kind, headings=_headings(sheet, ()), problems=(_of_sheet("", sentence),))
    fields = {
        name: expected.index(column.heading)
        for name, column in COLUMNS[kind].items()
        if column.heading in expected and not (sizes and name in {"size", "quantity", "sku"})
    }
    places = {size: expected.index(size) for size in sizes if size not in {"", *(c.heading for c in _CELL.values())}}
    return Layout(kind, fields, places, _headings(sheet, expected))


def _checked(layout: Layout, *, product_chosen: bool) -> Layout:
    missing = [
        column.heading
        for name, column in COLUMNS[layout.kind].items()
        if column.required and name not in layout.fields and not (name == "sku" and product_chosen)
    ]
    problems = [
        _of_sheet(heading, f"There is no column {heading}. Add it, or use the template.") for heading in missing
    ]
    if layout.kind is not Kind.PRODUCTS:
        problems += _quantity_columns(layout)
        if not layout.fields.keys() & {"color", "colour_code"}:
            problems.append(_of_sheet("Colour", "There is no column Colour or Colour Code. Add one of them."))
    return replace(layout, problems=(*layout.problems, *problems))


def _quantity_columns(layout: Layout) -> list[Problem]:
    single = layout.fields.keys() & {"size", "quantity"}
    if layout.sizes and single:
        return [_of_sheet("Size", "There are columns of sizes and a column Size or Quantity. Keep one or the other.")]
    if not layout.sizes and len(single) < 2:
        return [
            _of_sheet("Size", "There are no quantities: add a column for each size, or the columns Size and Quantity.")
        ]
    return []
