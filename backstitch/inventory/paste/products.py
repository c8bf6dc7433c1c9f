"""Reads rows of products: a known SKU updates the product with the filled columns, a new SKU creates a product."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from backstitch import lengths
from backstitch.inventory import values as paste_values
from backstitch.inventory.paste.columns import COLUMNS, Kind, Problem, spellings_of
from backstitch.inventory.paste.entries import LARGEST_PRICE, Row
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.products.commands import colour_code
from backstitch.inventory.products.queries import Product
from backstitch.inventory.values import CellError, quote

RANGE = re.compile(r"(\w+)\s*(?:-|–|to)\s*(\w+)", re.IGNORECASE)
SEPARATORS = re.compile(r"[,;/|\n]+")


@dataclass(frozen=True)
class Change:
    """A field of a product before and after, as texts."""

    field: str
    old: str
    new: str


@dataclass(frozen=True)
class ProductPaste:
    """A valid row of products: `values` are the fields that it sets, `colours` the new colours as (name, code)."""

    row: int
    sku: str
    product: Product | None
    values: dict[str, Any] = field(default_factory=dict)
    colours: tuple[tuple[str, str], ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fields that the row changes; empty when all are stored already."""
        changed = [
            Change(COLUMNS[Kind.PRODUCTS][name].heading, _as_text(getattr(self.product, name, None)), _as_text(value))
            for name, value in self.values.items()
            if name != "sku"
        ]
        if self.colours:
            changed.append(Change("Colours", "", ", ".join(f"{color} ({code})" for color, code in self.colours)))
        return tuple(changed)

    @property
    def new_sizes(self) -> list[str]:
        """The sizes that the row adds, in order."""
        stored = self.product.sizes if self.product else ()
        return [size for size in self.values.get("sizes", ()) if size not in stored]

    @property
    def changes_price(self) -> bool:
        """Whether the row changes a stored price, for which the database may require a reason."""
        return self.product is not None and "unit_price" in self.values


def _as_text(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(value)
    return "" if value is None else str(value)


def read_products(rows: Iterable[Row], *, known: Known, problems: list[Problem]) -> list[ProductPaste]:
    """A ProductPaste per valid row, in order; adds problems to `problems`."""
    first: dict[str, int] = {}
    pastes = []
    for row in rows:
        before = len(problems)
        sku = row.name("sku")
        if sku and len(sku) > lengths.SKU:
            row.add_problem(row.heading("sku"), sku, f"It is longer than {lengths.SKU} characters.")
        if sku and (on := first.setdefault(sku.casefold(), row.number)) != row.number:
            row.add_problem(row.heading("sku"), sku, f"{quote(sku)} stands on row {on} already.")
        product = _find_product(known, sku or "")
        values = _product_values(row)
        values["sizes"] = _sizes(row, product)
        colours = _colours(row, product, known)
        if product is None:
            _check_new(row, values)
        if sku and not any(problem.blocks for problem in problems[before:]):
            changed_values = {
                name: value
                for name, value in values.items()
                if value is not None and (product is None or value != getattr(product, name))
            }
            pastes.append(ProductPaste(row.number, product.sku if product else sku, product, changed_values, colours))
    return pastes


def _find_product(known: Known, sku: str) -> Product | None:
    """The stored product with this SKU; names are ignored, as a new product may share the name of another."""
    alike = [one for one in known.products.get(sku.casefold(), ()) if one.sku.casefold() == sku.casefold()]
    return next((one for one in alike if one.sku == sku), alike[0] if alike else None)


def _product_values(row: Row) -> dict[str, Any]:
    """The row's values by field, None for a blank cell."""
    return {
        "name": row.name("name") or None,
        "category": row.name("category") or None,
        "unit_price": row.parse("unit_price", lambda text: _optional_amount(text, LARGEST_PRICE, "A price")),
        "hsn_code": row.parse("hsn_code", _hsn),
        "gst_rate": row.parse(
            "gst_rate", lambda text: paste_values.percentage(text, what="A GST rate") if text else None
        ),
        "reorder_level": row.parse("reorder_level", _optional_quantity),
        "description": row.name("description") or None,
    }


def _optional_amount(text: str, largest: Decimal, what: str) -> Decimal | None:
    return paste_values.amount(text, largest=largest, what=what) if paste_values.normalise(text) else None


def _optional_quantity(text: str) -> int | None:
    return paste_values.quantity(text) if paste_values.normalise(text) else None


def _hsn(text: str) -> str | None:
    digits = paste_values.normalise(text).replace(" ", "").replace(".", "")
    if digits and not re.fullmatch(r"[0-9]{4,8}", digits):
        raise CellError(f"“{quote(text)}” is not an HSN code, which has 4 to 8 digits.")
    return digits or None


def _check_new(row: Row, values: dict[str, Any]) -> None:
    for name, sentence in (("name", "A new product needs a name."), ("sizes", "A new product needs sizes.")):
        if values[name] is None and not paste_values.normalise(row.field(name)):
            row.add_problem(row.heading(name), "", sentence)


def _sizes(row: Row, product: Product | None) -> tuple[str, ...] | None:
    typed = row.parse("sizes", _parse_sizes)
    if not typed:
        return None
    if product is None:
        return tuple(typed)
    stored = product.sizes
    sizes = [next((size for size in spellings_of(size) if size in stored), size) for size in typed]
    left_out = [size for size in stored if size not in sizes]
    if left_out:
        sentence = f"{', '.join(left_out)} of {product.sku} stays: a size is removed on the Stock matrix page."
        row.add_problem(row.heading("sizes"), row.field("sizes"), sentence, blocks=False)
    added = [size for size in sizes if size not in stored]
    all_sizes = [*stored, *added]
    if len(all_sizes) > lengths.SIZES:
        row.add_problem(row.heading("sizes"), row.field("sizes"), f"A product has at most {lengths.SIZES} sizes.")
    return tuple(size_set.in_order(all_sizes) if list(stored) == size_set.in_order(stored) else all_sizes)


def _parse_sizes(text: str) -> list[str]:
    """The sizes of `S, M, L`, `S M L`, a preset such as `XS to 6XL` or a range such as `S-XXL`."""
    typed = paste_values.normalise(text.replace("\n", ",")).upper()
    if not typed:
        return []
    presets = {name.upper().replace(" TO ", "-"): sizes for name, sizes in size_set.PRESETS.items()}
    if preset := presets.get(typed.replace(" TO ", "-").replace(" - ", "-")):
        return list(preset)
    parts = (
        SEPARATORS.split(typed) if SEPARATORS.search(typed) else ([typed] if RANGE.fullmatch(typed) else typed.split())
    )
    sizes = [size for part in parts if part.strip() for size in _range(part.strip())]
    for size in sizes:
        paste_values.name(size, longest=lengths.SIZE)
    if len(set(sizes)) < len(sizes):
        raise CellError("A size stands there twice.")
    if len(sizes) > lengths.SIZES:
        raise CellError(f"A product has at most {lengths.SIZES} sizes.")
    return sizes


def _range(part: str) -> Sequence[str]:
    ends = RANGE.fullmatch(part)
    indexes = [
        next((size_set.LETTERS.index(size) for size in spellings_of(end) if size in size_set.LETTERS), None)
        for end in (ends.groups() if ends else ())
    ]
    if len(indexes) == 2 and indexes[0] is not None and indexes[1] is not None:
        if indexes[0] > indexes[1]:
            raise CellError(f"“{quote(part)}” runs backwards. Write the smaller size first.")
        return size_set.LETTERS[indexes[0] : indexes[1] + 1]
    return [part]


def _colours(row: Row, product: Product | None, known: Known) -> tuple[tuple[str, str], ...]:
    """The colours of the row that the product does not have yet, as (name, code)."""
    return row.parse("colours", lambda text: _parse_colours(text, product, known)) or ()


def _parse_colours(text: str, product: Product | None, known: Known) -> tuple[tuple[str, str], ...]:
    stored = known.colours.get(product.id, ()) if product else ()
    codes = {colour.code.casefold(): colour.color for colour in stored}
    names = {colour.color.casefold(): colour.code for colour in stored}
    colours: dict[str, tuple[str, str]] = {}
    for part in filter(None, map(paste_values.normalise, re.split(r"[,;\n]+", text))):
        color, _, typed_code = (paste_values.name(piece, longest=lengths.COLOUR) for piece in part.partition(":"))
        code = typed_code or names.get(color.casefold(), "") or colour_code(color)
        if not color or not code:
            raise CellError(f"“{quote(part)}” is no colour. Write it as Navy or Navy:NV.")
        if len(code) > lengths.COLOUR_CODE:
            raise CellError(f"The code of {quote(color)} is longer than {lengths.COLOUR_CODE} characters.")
        if code.casefold() in colours:
            raise CellError(f"The colour code {quote(code)} stands there twice.")
        if codes.get(code.casefold(), color).casefold() != color.casefold():
            raise CellError(f"The code {quote(code)} is {codes[code.casefold()]} already. Use another code.")
        if names.get(color.casefold(), code).casefold() != code.casefold():
            raise CellError(f"{quote(color)} has the code {names[color.casefold()]} already.")
        colours[code.casefold()] = (color, code)
    return tuple(pair for key, pair in colours.items() if key not in codes)
