"""Detects the columns of a sheet: by headings in their common spellings, or by the template without a header."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from backstitch import lengths
from backstitch.files.csv_in import heading_key
from backstitch.files.sheets import Sheet
from backstitch.inventory.paste import values as paste_values
from backstitch.inventory.products import sizes as size_set


class Kind(StrEnum):
    """Kinds of records that can be pasted."""

    INWARD = "inward"
    SALES = "sales"
    ORDERS = "orders"
    PRODUCTS = "products"


@dataclass(frozen=True)
class Column:
    """A column of a kind: its heading in the template, and all its spellings as `heading_key` returns them."""

    heading: str
    spellings: frozenset[str]
    longest: int = lengths.NAME
    required: bool = False


@dataclass(frozen=True)
class Problem:
    """A problem of a cell, as a sentence; `row` is the spreadsheet's row number, None for the whole sheet.

    A problem that does not block is a warning; the sentence says whether the value is written or left out.
    """

    row: int | None
    column: str
    value: str
    sentence: str
    blocks: bool = True


@dataclass(frozen=True)
class Layout:
    """The columns of a sheet: index by field, index by size, the headings, and the index of the first row of data."""

    kind: Kind
    fields: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    headings: tuple[str, ...] = ()
    first: int = 0
    problems: tuple[Problem, ...] = ()

    def heading(self, name: str) -> str:
        """The sheet's heading of a field; the template's heading where the sheet has no such column."""
        index = self.fields.get(name)
        return COLUMNS[self.kind][name].heading if index is None else self.headings[index]


def _column(heading: str, *spellings: str, longest: int = lengths.NAME, required: bool = False) -> Column:
    return Column(heading, frozenset(map(heading_key, (heading, *spellings))), longest, required)


_DATE = _column("Date", "day", "entry date", "bill date", "invoice date", "order date", "dt", required=True)
_SKU = _column(
    "SKU", "sku code", "product", "product code", "style", "style no", "style code", "design", "design no",
    "design code", "item", "item code", "article", "article no", required=True,
)  # fmt: skip
_CELL = {
    "color": _column("Colour", "colour name", "shade", "shade name", longest=lengths.COLOUR),
    "colour_code": _column("Colour Code", "code", "shade code", "col code", longest=lengths.COLOUR_CODE),
    "size": _column("Size", longest=lengths.SIZE),
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
        "note": _column("Note", "remarks", "remark", "notes", longest=lengths.ORDER_NOTE),
    },
    Kind.PRODUCTS: {
        "sku": _SKU,
        "name": _column("Name", "product name", "item name", "style name", "title"),
        "category": _column("Category", "product category", "type", longest=lengths.CATEGORY),
        "unit_price": _column("Price", "unit price", "mrp", "rate", "selling price"),
        "hsn_code": _column("HSN Code", "hsn", "hsn sac", "hsn no"),
        "gst_rate": _column("GST Rate", "gst", "gst %", "gst rate %", "tax", "tax rate"),
        "sizes": _column("Sizes", "size", "size set", "size range", longest=400),
        "colours": _column("Colours", "colour", "color", "colors", "shades", longest=4000),
        "reorder_level": _column("Reorder Level", "reorder", "min stock", "minimum stock"),
        "description": _column("Description", "details", longest=lengths.DESCRIPTION),
    },
}  # fmt: skip
# Common columns of the trade's sheets that Backstitch does not need.
IGNORED_COLUMNS = frozenset(
    map(
        heading_key,
        ("Total", "Grand Total", "S No", "Sr No", "Sl No", "No", "Row", "Amount", "Value", "Line Total", "Image"),
    )
)


def template(kind: Kind, *, sizes: Sequence[str] = ()) -> list[str]:
    """The headings of the template: with `sizes`, a column per size and no SKU; without, a row per size."""
    headings: list[str] = []
    for name, column in COLUMNS[kind].items():
        if sizes and name == "size":
            headings += sizes
        elif not sizes or name not in {"sku", "quantity"}:
            headings.append(column.heading)
    return headings


def detect_columns(sheet: Sheet, *, kind: Kind, sizes: Sequence[str], known_sizes: frozenset[str]) -> Layout:
    """The layout of a sheet. `sizes` are those of the product chosen on the page; `known_sizes` are all sizes in use.

    A first row with two or more known headings is a header; without a header the columns are those of the template.
    """
    first = sheet.lines[0].cells
    named = [_field_of(heading, kind) for heading in first]
    if sum(name is not None for name in named) < 2:
        return _layout_by_position(sheet, kind, sizes)
    size_columns: dict[str, int] = {}
    problems: list[Problem] = []
    fields: dict[str, int] = {}
    for index, (heading, name) in enumerate(zip(first, named, strict=True)):
        columns: Mapping[str, int] = fields
        key = name or ""
        if name is None and kind is not Kind.PRODUCTS and (size := _size_of(heading, known_sizes | set(sizes))):
            columns, key = size_columns, size
        elif name is None:
            problems += _unknown_column_problems(sheet, index, heading)
            continue
        if key in columns:
            problems.append(
                _sheet_problem(heading, "The column stands in the header twice. Remove or rename one of them.")
            )
        elif columns is fields:
            fields[key] = index
        else:
            size_columns[key] = index
    layout = Layout(kind, fields, size_columns, _headings(sheet, first), first=1, problems=tuple(problems))
    return _with_missing_columns(layout, product_chosen=bool(sizes))


def _field_of(heading: str, kind: Kind) -> str | None:
    key = heading_key(heading)
    return next((name for name, column in COLUMNS[kind].items() if key and key in column.spellings), None)


def _size_of(heading: str, known: frozenset[str]) -> str | None:
    typed = heading.strip().upper().removeprefix("SIZE ").strip()
    usual = (*size_set.LETTERS, size_set.FREE, *known)
    is_size = size_set.same(typed, usual) is not None or (typed.isdecimal() and len(typed) <= 3)
    return typed if typed and is_size else None


def _unknown_column_problems(sheet: Sheet, index: int, heading: str) -> list[Problem]:
    """An error for an unknown column of numbers, which may be a size; a warning for one of other text."""
    values = [line.cells[index] for line in sheet.lines[1:] if index < len(line.cells) and line.cells[index].strip()]
    if not values:
        return []
    if heading_key(heading) not in IGNORED_COLUMNS and (
        not heading.strip() or any(map(paste_values.is_number, values))
    ):
        called = f"“{paste_values.quote(heading)}” is no column or size" if heading.strip() else "It has no heading"
        return [_sheet_problem(heading, f"{called} that Backstitch knows. Rename the column, or remove it.")]
    return [_sheet_problem(heading, "The column is not used, and is left out.", blocks=False)]


def _sheet_problem(heading: str, sentence: str, *, blocks: bool = True) -> Problem:
    return Problem(None, paste_values.quote(heading), "", sentence, blocks)


def _headings(sheet: Sheet, first: Sequence[str]) -> tuple[str, ...]:
    """A distinct heading for each column of the widest row; the table on the page needs distinct ones."""
    widest = max(len(first), *(len(line.cells) for line in sheet.lines))
    headings: list[str] = []
    for index in range(widest):
        heading = paste_values.quote(paste_values.normalise(first[index])) if index < len(first) else ""
        heading = heading or f"Column {index + 1}"
        headings.append(heading if heading not in headings else f"{heading} ({index + 1})")
    return tuple(headings)


def _layout_by_position(sheet: Sheet, kind: Kind, sizes: Sequence[str]) -> Layout:
    """The layout of a sheet without a header: its columns are those of the template."""
    expected = template(kind, sizes=sizes)
    widest = max(len(line.cells) for line in sheet.lines)
    if widest > len(expected) or widest < 3:
        sentence = (
            f"The first row is no header, and the rows have {widest} columns where the template has {len(expected)}: "
            f"{', '.join(expected)}. Copy the header too."
        )
        return Layout(kind, headings=_headings(sheet, ()), problems=(_sheet_problem("", sentence),))
    fields = {
        name: expected.index(column.heading)
        for name, column in COLUMNS[kind].items()
        if column.heading in expected and not (sizes and name in {"size", "quantity", "sku"})
    }
    size_columns = {
        size: expected.index(size) for size in sizes if size not in {"", *(c.heading for c in _CELL.values())}
    }
    return Layout(kind, fields, size_columns, _headings(sheet, expected))


def _with_missing_columns(layout: Layout, *, product_chosen: bool) -> Layout:
    missing = [
        column.heading
        for name, column in COLUMNS[layout.kind].items()
        if column.required and name not in layout.fields and not (name == "sku" and product_chosen)
    ]
    problems = [
        _sheet_problem(heading, f"There is no column {heading}. Add it, or use the template.") for heading in missing
    ]
    if layout.kind is not Kind.PRODUCTS:
        problems += _quantity_column_problems(layout)
        if not layout.fields.keys() & {"color", "colour_code"}:
            problems.append(_sheet_problem("Colour", "There is no column Colour or Colour Code. Add one of them."))
    return replace(layout, problems=(*layout.problems, *problems))


def _quantity_column_problems(layout: Layout) -> list[Problem]:
    single = layout.fields.keys() & {"size", "quantity"}
    if layout.sizes and single:
        return [
            _sheet_problem("Size", "There are columns of sizes and a column Size or Quantity. Keep one or the other.")
        ]
    if not layout.sizes and len(single) < 2:
        return [
            _sheet_problem(
                "Size", "There are no quantities: add a column for each size, or the columns Size and Quantity."
            )
        ]
    return []
