"""Reads rows of products: a known SKU updates the product with the filled columns, a new SKU creates a product."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from backstitch import lengths
from backstitch.errors import Refused
from backstitch.india.gst import hsn_problem, normalise_hsn, slab_remark
from backstitch.inventory import values as paste_values
from backstitch.inventory.names import name_key, near, near_sku, sku_key
from backstitch.inventory.paste.columns import COLUMNS, Kind, Problem
from backstitch.inventory.paste.entries import LARGEST_PRICE, Row
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.paste.names import Answers, Doubt
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.products.commands import colour_code
from backstitch.inventory.products.queries import Product
from backstitch.inventory.values import CellError, quote

LONGEST_SIZES = 400  # characters of a part of a list of sizes, such as `S M L`


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


def read_products(
    rows: Iterable[Row], *, known: Known, problems: list[Problem], answers: Answers
) -> tuple[list[ProductPaste], list[Doubt]]:
    """A ProductPaste per valid row, in order, and the SKUs to be asked about; adds problems to `problems`."""
    first: dict[str, int] = {}
    doubts: list[Doubt] = []
    new: list[str] = []
    pastes = []
    for row in rows:
        before = len(problems)
        typed = row.name("sku")
        sku = answers.get(("sku", typed), typed) if typed else typed
        if sku and len(sku) > lengths.SKU:
            row.add_problem(row.heading("sku"), sku, f"It is longer than {lengths.SKU} characters.")
        if sku and (on := first.setdefault(sku_key(sku), row.number)) != row.number:
            row.add_problem(row.heading("sku"), sku, f"{quote(sku)} stands on row {on} already.")
        # Names are ignored, as a new product may share the name of another.
        product = known.stored(sku or "")
        if product and sku and product.sku != sku:
            row.add_spelling("sku", sku, product.sku)
        if typed and known.stored(typed) is None:
            if meant := near_sku(typed, [*known.skus, *new]):
                doubts.append(Doubt("sku", typed, tuple(meant), (row.number,), answers.get(("sku", typed), "")))
            else:
                new.append(typed)
        values = _product_values(row)
        values["sizes"] = _sizes(row, product)
        if hint := _slab_remark(values, product):
            row.add_problem(row.heading("gst_rate"), row.field("gst_rate"), hint, blocks=False)
        colours = _meant_colours(_colours(row, product, known), row, product, known, answers, doubts)
        if product is None:
            _check_new(row, values)
        if sku and not any(problem.blocks for problem in problems[before:]):
            changed_values = {
                name: value
                for name, value in values.items()
                if value is not None and (product is None or value != getattr(product, name))
            }
            pastes.append(ProductPaste(row.number, product.sku if product else sku, product, changed_values, colours))
    return pastes, doubts


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
    hsn = normalise_hsn(paste_values.normalise(text))
    if hsn and (problem := hsn_problem(hsn)):
        raise CellError(problem)
    return hsn or None


def _slab_remark(values: dict[str, Any], product: Product | None) -> str | None:
    """The hint for a row that sets what a slab depends on."""

    def known(name: str) -> Any:
        return values[name] if values[name] is not None else getattr(product, name, None)

    if all(values[name] is None for name in ("hsn_code", "unit_price", "gst_rate")):
        return None
    return slab_remark(hsn=known("hsn_code"), price=known("unit_price"), rate=known("gst_rate"))


def _check_new(row: Row, values: dict[str, Any]) -> None:
    for name, sentence in (("name", "A new product needs a name."), ("sizes", "A new product needs sizes.")):
        if values[name] is None and not paste_values.normalise(row.field(name)):
            row.add_problem(row.heading(name), "", sentence)


def _sizes(row: Row, product: Product | None) -> tuple[str, ...] | None:
    typed = row.parse("sizes", lambda text: _parse_sizes(text, product))
    if not typed:
        return None
    if product is None:
        return tuple(typed)
    stored = product.sizes
    sizes = [size_set.same(size, stored) or size for size in typed]
    left_out = [size for size in stored if size not in sizes]
    if left_out:
        sentence = f"{', '.join(left_out)} of {product.sku} stays: a size is removed on the Stock matrix page."
        row.add_problem(row.heading("sizes"), row.field("sizes"), sentence, blocks=False)
    added = [size for size in sizes if size not in stored]
    all_sizes = [*stored, *added]
    if len(all_sizes) > lengths.SIZES:
        row.add_problem(row.heading("sizes"), row.field("sizes"), f"A product has at most {lengths.SIZES} sizes.")
    return tuple(size_set.in_order(all_sizes))


def _parse_sizes(text: str, product: Product | None) -> list[str]:
    if not paste_values.normalise(text):
        return []
    for part in size_set.SEPARATORS.split(text):
        # As it was typed: 2-Apr, in small letters, is what a spreadsheet makes of 2-4.
        paste_values.name(part, longest=LONGEST_SIZES)
    try:
        sizes = size_set.expand(text, known=product.sizes if product else ())
    except Refused as refusal:
        raise CellError(str(refusal)) from None
    if not sizes:
        raise CellError("There is no size in it.")
    if len(sizes) > lengths.SIZES:
        raise CellError(f"A product has at most {lengths.SIZES} sizes.")
    return sizes


def _colours(row: Row, product: Product | None, known: Known) -> tuple[tuple[str, str], ...]:
    """The colours of the row that the product does not have yet, as (name, code)."""
    return row.parse("colours", lambda text: _parse_colours(text, product, known)) or ()


def _meant_colours(
    colours: tuple[tuple[str, str], ...],
    row: Row,
    product: Product | None,
    known: Known,
    answers: Answers,
    doubts: list[Doubt],
) -> tuple[tuple[str, str], ...]:
    """The new colours without those that a person takes for one that the product has; asks about those that may be."""
    stored = [colour.color for colour in known.colours.get(product.id, ())] if product else []
    kept = []
    for color, code in colours:
        answer = answers.get(("color", color), "")
        if meant := near(color, stored):
            doubts.append(Doubt("color", color, tuple(meant), (row.number,), answer))
        if not meant or answer == color:
            kept.append((color, code))
    return tuple(kept)


def _parse_colours(text: str, product: Product | None, known: Known) -> tuple[tuple[str, str], ...]:
    stored = known.colours.get(product.id, ()) if product else ()
    codes = {name_key(colour.code): colour for colour in stored}
    names = {name_key(colour.color): colour for colour in stored}
    colours: dict[str, tuple[str, str]] = {}
    listed: set[str] = set()
    for part in filter(None, map(paste_values.normalise, re.split(r"[,;\n]+", text))):
        color, typed_code = (
            paste_values.name(piece, longest=lengths.COLOUR, zero=False) for piece in part.partition(":")[::2]
        )
        if paste_values.is_nothing_word(color):
            raise CellError(f"“{quote(part)}” stands for nothing, and is no colour.")
        by_name = names.get(name_key(color))
        code = typed_code or (by_name.code if by_name else colour_code(color))
        if not color or not code:
            raise CellError(f"“{quote(part)}” is no colour. Write it as Navy or Navy:NV.")
        if len(code) > lengths.COLOUR_CODE:
            raise CellError(f"The code of {quote(color)} is longer than {lengths.COLOUR_CODE} characters.")
        if name_key(code) in colours:
            raise CellError(f"The colour code {quote(code)} stands there twice.")
        if name_key(color) in listed:
            raise CellError(f"The colour {quote(color)} stands there twice.")
        by_code = codes.get(name_key(code))
        if by_code and name_key(by_code.color) != name_key(color):
            raise CellError(f"The code {quote(code)} is {by_code.color} already. Use another code.")
        if by_name and name_key(by_name.code) != name_key(code):
            raise CellError(f"{quote(color)} has the code {by_name.code} already.")
        listed.add(name_key(color))
        colours[name_key(code)] = (color, code)
    return tuple(pair for key, pair in colours.items() if key not in codes)
