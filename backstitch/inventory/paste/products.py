"""Rows of products: a known SKU changes the columns that are given, an unknown one becomes a new product."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from backstitch.inventory.paste import values as paste_values
from backstitch.inventory.paste.columns import COLUMNS, Kind, Problem, spellings_of
from backstitch.inventory.paste.entries import LARGEST_PRICE, Row
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.paste.values import Wrong, shown
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.products.commands import colour_code
from backstitch.inventory.products.queries import Product

MOST_SIZES = 40  # the constraint sizes_not_empty
LONGEST_SKU = 60
RANGE = re.compile(r"(\w+)\s*(?:-|–|to)\s*(\w+)", re.IGNORECASE)
BETWEEN = re.compile(r"[,;/|\n]+")


@dataclass(frozen=True)
class Change:
    """A field of a product before and after, as texts."""

    field: str
    old: str
    new: str


@dataclass(frozen=True)
class ProductPaste:
    """A row of products that can be written: `values` are the fields that it sets, `colours` (name, code) those new."""

    row: int
    sku: str
    product: Product | None
    values: dict[str, Any] = field(default_factory=dict)
    colours: tuple[tuple[str, str], ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is new or different; empty when the row says what is stored."""
        changed = [
            Change(COLUMNS[Kind.PRODUCTS][name].heading, _words(getattr(self.product, name, None)), _words(value))
            for name, value in self.values.items()
            if name != "sku"
        ]
        if self.colours:
            changed.append(Change("Colours", "", ", ".join(f"{color} ({code})" for color, code in self.colours)))
        return tuple(changed)

    @property
    def new_sizes(self) -> list[str]:
        """The sizes that it adds, in order."""
        stored = self.product.sizes if self.product else ()
        return [size for size in self.values.get("sizes", ()) if size not in stored]

    @property
    def changes_price(self) -> bool:
        """Whether a stored price changes, which the database may want a reason for."""
        return self.product is not None and "unit_price" in self.values


def _words(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(value)
    return "" if value is None else str(value)


def read_products(rows: Iterable[Row], *, known: Known, problems: list[Problem]) -> list[ProductPaste]:
    """A paste per row, in order; the problems are added to `problems`."""
    first: dict[str, int] = {}
    made = []
    for row in rows:
        before = len(problems)
        sku = row.name("sku")
        if sku and len(sku) > LONGEST_SKU:
            row.wrong(row.heading("sku"), sku, f"It is longer than {LONGEST_SKU} characters.")
        if sku and (on := first.setdefault(sku.casefold(), row.number)) != row.number:
            row.wrong(row.heading("sku"), sku, f"{shown(sku)} stands on row {on} already.")
        product = _stored(known, sku or "")
        values = _values(row)
        values["sizes"] = _sizes(row, product)
        colours = _colours(row, product, known)
        if product is None:
            _check_new(row, values)
        if sku and not any(problem.blocks for problem in problems[before:]):
            given = {
                name: value
                for name, value in values.items()
                if value is not None and (product is None or value != getattr(product, name))
            }
            made.append(ProductPaste(row.number, product.sku if product else sku, product, given, colours))
    return made


def _stored(known: Known, sku: str) -> Product | None:
    """A product by its SKU only: a new one may have the name of another."""
    found = [one for one in known.products.get(sku.casefold(), ()) if one.sku.casefold() == sku.casefold()]
    return next((one for one in found if one.sku == sku), found[0] if found else None)


def _values(row: Row) -> dict[str, Any]:
    """What the row gives, None for a blank cell."""
    return {
        "name": row.name("name") or None,
        "category": row.name("category") or None,
        "unit_price": row.take("unit_price", lambda text: _amount(text, LARGEST_PRICE, "A price")),
        "hsn_code": row.take("hsn_code", _hsn),
        "gst_rate": row.take("gst_rate", lambda text: _amount(text, Decimal(100), "A GST rate")),
        "reorder_level": row.take("reorder_level", _whole),
        "description": row.name("description") or None,
    }


def _amount(text: str, largest: Decimal, what: str) -> Decimal | None:
    return paste_values.amount(text, largest=largest, what=what) if paste_values.tidy(text) else None


def _whole(text: str) -> int | None:
    return paste_values.quantity(text) if paste_values.tidy(text) else None


def _hsn(text: str) -> str | None:
    digits = paste_values.tidy(text).replace(" ", "").replace(".", "")
    if digits and not re.fullmatch(r"[0-9]{4,8}", digits):
        raise Wrong(f"“{shown(text)}” is not an HSN code, which has 4 to 8 digits.")
    return digits or None


def _check_new(row: Row, values: dict[str, Any]) -> None:
    for name, sentence in (("name", "A new product needs a name."), ("sizes", "A new product needs sizes.")):
        if values[name] is None and not paste_values.tidy(row.field(name)):
            row.wrong(row.heading(name), "", sentence)


def _sizes(row: Row, product: Product | None) -> tuple[str, ...] | None:
    typed = row.take("sizes", _parse_sizes)
    if not typed:
        return None
    if product is None:
        return tuple(typed)
    stored = product.sizes
    given = [next((size for size in spellings_of(size) if size in stored), size) for size in typed]
    left_out = [size for size in stored if size not in given]
    if left_out:
        sentence = f"{', '.join(left_out)} of {product.sku} stays: a size is removed on the Stock matrix page."
        row.wrong(row.heading("sizes"), row.field("sizes"), sentence, blocks=False)
    added = [size for size in given if size not in stored]
    together = [*stored, *added]
    if len(together) > MOST_SIZES:
        row.wrong(row.heading("sizes"), row.field("sizes"), f"A product has at most {MOST_SIZES} sizes.")
    return tuple(size_set.in_order(together) if list(stored) == size_set.in_order(stored) else together)


def _parse_sizes(text: str) -> list[str]:
    """`S, M, L`, `S M L`, a preset as `XS to 6XL` or a range of letters as `S-XXL`."""
    typed = paste_values.tidy(text.replace("\n", ",")).upper()
    if not typed:
        return []
    presets = {name.upper().replace(" TO ", "-"): sizes for name, sizes in size_set.PRESETS.items()}
    if preset := presets.get(typed.replace(" TO ", "-").replace(" - ", "-")):
        return list(preset)
    parts = BETWEEN.split(typed) if BETWEEN.search(typed) else ([typed] if RANGE.fullmatch(typed) else typed.split())
    found = [size for part in parts if part.strip() for size in _range(part.strip())]
    for size in found:
        paste_values.name(size, longest=20)
    if len(set(found)) < len(found):
        raise Wrong("A size stands there twice.")
    if len(found) > MOST_SIZES:
        raise Wrong(f"A product has at most {MOST_SIZES} sizes.")
    return found


def _range(part: str) -> Sequence[str]:
    ends = RANGE.fullmatch(part)
    places = [
        next((size_set.LETTERS.index(size) for size in spellings_of(end) if size in size_set.LETTERS), None)
        for end in (ends.groups() if ends else ())
    ]
    if len(places) == 2 and places[0] is not None and places[1] is not None:
        if places[0] > places[1]:
            raise Wrong(f"“{shown(part)}” runs backwards. Write the smaller size first.")
        return size_set.LETTERS[places[0] : places[1] + 1]
    return [part]


def _colours(row: Row, product: Product | None, known: Known) -> tuple[tuple[str, str], ...]:
    """The colours that the product does not have yet."""
    return row.take("colours", lambda text: _parse_colours(text, product, known)) or ()


def _parse_colours(text: str, product: Product | None, known: Known) -> tuple[tuple[str, str], ...]:
    stored = known.colours.get(product.id, ()) if product else ()
    codes = {colour.code.casefold(): colour.color for colour in stored}
    names = {colour.color.casefold(): colour.code for colour in stored}
    found: dict[str, tuple[str, str]] = {}
    for part in filter(None, map(paste_values.tidy, re.split(r"[,;\n]+", text))):
        color, _, typed_code = (paste_values.name(piece, longest=80) for piece in part.partition(":"))
        code = typed_code or names.get(color.casefold(), "") or colour_code(color)
        if not color or not code:
            raise Wrong(f"“{shown(part)}” is no colour. Write it as Navy or Navy:NV.")
        if len(code) > 40:
            raise Wrong(f"The code of {shown(color)} is longer than 40 characters.")
        if code.casefold() in found:
            raise Wrong(f"The colour code {shown(code)} stands there twice.")
        if codes.get(code.casefold(), color).casefold() != color.casefold():
            raise Wrong(f"The code {shown(code)} is {codes[code.casefold()]} already. Use another code.")
        if names.get(color.casefold(), code).casefold() != code.casefold():
            raise Wrong(f"{shown(color)} has the code {names[color.casefold()]} already.")
        found[code.casefold()] = (color, code)
    return tuple(pair for key, pair in found.items() if key not in codes)
