"""The fields of a product's form, and what they say as ProductDetails."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.products import sizes as size_names
from backstitch.inventory.products.commands import NewColour, ProductDetails
from backstitch.inventory.products.queries import Product
from ui.shared import session

TOO_LARGE = 10**10  # for every field; the database says so, where this does not
WITH_CODE = re.compile(r"(?P<name>.*\S)\s*\((?P<code>[^()]*)\)")


@dataclass(frozen=True)
class Typed:
    """What stands in the form, as it was typed."""

    sku: str
    name: str
    description: str
    category: str
    price: str
    hsn: str
    gst: str
    sizes: str
    reorder: str
    stores: Sequence[str]
    agencies: Sequence[str]


def show(product: Product | None, *, disabled: bool = False) -> Typed:
    """Draws the fields, for a new product or filled with one."""

    def line(label: str, name: str, value: object, **options: Any) -> str:
        typed = st.text_input(
            label, "" if value is None else str(value), key=key(name, product), disabled=disabled, **options
        )
        return typed or ""

    left, right = st.columns(2)
    with left:
        sku = line("SKU", "sku", product and product.sku, max_chars=60)
        category = line("Category", "category", product and product.category)
        hsn = line("HSN code", "hsn", product and product.hsn_code, placeholder="6204")
    with right:
        name = line("Name", "name", product and product.name)
        with st.container(horizontal=True):
            price = line("Price", "price", product and product.unit_price, placeholder="899.00")
            gst = line("GST rate %", "gst", product and product.gst_rate, placeholder="5")
        reorder = line("Reorder level", "reorder", product.reorder_level if product else 0)
    typed_sizes = _choose_sizes() if product is None else line("Sizes, in order", "sizes", ", ".join(product.sizes))
    description = line("Description", "description", product and product.description)
    stores, agencies = _allowed(product, disabled=disabled)
    return Typed(sku, name, description, category, price, hsn, gst, typed_sizes, reorder, stores, agencies)


def key(name: str, product: Product | None) -> str:
    """The key of a field. One that outlived the version it was filled from would carry the old figures, and what was
    typed over them, past the check for a stale edit."""
    return f"edit_{name}_{product.id}_{product.version}" if product else f"new_{name}"


def _choose_sizes() -> str:
    presets = {", ".join(names): title for title, names in size_names.PRESETS.items()}
    return (
        st.selectbox(
            "Sizes, in order",
            list(presets),
            format_func=lambda names: f"{presets[names]}: {names}" if names in presets else names,
            key=key("sizes", None),
            accept_new_options=True,
            help="Choose a set, or type your own with commas between",
        )
        or ""
    )


def _allowed(product: Product | None, *, disabled: bool) -> tuple[list[str], list[str]]:
    with session.read() as connection:
        stores = [
            *movement_queries.stores(connection),
            *(found.store_name for found in party_queries.customers(connection)),
        ]
        agencies = [*movement_queries.agencies_named(connection), *party_queries.agency_choices(connection).values()]
    now_stores, now_agencies = (product.allowed_stores, product.allowed_agencies) if product else ((), ())
    return (
        _names("Allowed stores", "stores", stores, now_stores, product, disabled),
        _names("Allowed agencies", "agencies", agencies, now_agencies, product, disabled),
    )


def _names(
    label: str, name: str, known: Sequence[str], now: Sequence[str], product: Product | None, disabled: bool
) -> list[str]:
    return st.multiselect(
        label,
        sorted({*known, *now} - {""}, key=str.casefold),
        list(now),
        key=key(name, product),
        accept_new_options=True,
        disabled=disabled,
        placeholder="All",
        help="Sales and orders go to these only. Leave it empty to allow all.",
    )


def details(typed: Typed) -> ProductDetails:
    """What was typed as a product. Raises Refused for a figure that is none."""
    return ProductDetails(
        sku=typed.sku.strip(),
        name=typed.name.strip(),
        sizes=tuple(size_names.parse(typed.sizes)),
        description=typed.description,
        category=typed.category,
        unit_price=number("Price", typed.price),
        hsn_code=typed.hsn or None,
        gst_rate=number("GST rate", typed.gst),
        reorder_level=whole("The reorder level", typed.reorder),
        allowed_stores=tuple(typed.stores),
        allowed_agencies=tuple(typed.agencies),
    )


def colours(typed: str) -> list[NewColour]:
    """`Navy Blue, Mustard (MU-2)` as names with their codes; '' for a code that is to be made of the name."""
    found = []
    for part in (part.strip() for part in typed.split(",")):
        own = WITH_CODE.fullmatch(part)
        found.append((own["name"], own["code"]) if own else (part, ""))
    return [colour for colour in found if colour[0]]


def whole(label: str, typed: str) -> int:
    """A whole number, 0 for none. Raises Refused."""
    found = _decimal(label, typed) or Decimal(0)
    if found != found.to_integral_value():
        raise Refused(f"{label} is a whole number. Nothing was saved.", rule="fractional_quantity")
    if abs(found) >= TOO_LARGE:
        raise Refused(f"{label} is too large. Nothing was saved.", rule="22003")
    return int(found)


def number(label: str, typed: str) -> Decimal | None:
    """An amount or a percentage, with or without commas; None for none. Raises Refused, for a third decimal too."""
    found = _decimal(label, typed)
    if found is not None and abs(found) < TOO_LARGE and found != round(found, 2):
        raise Refused(f"{label}: “{typed}” has more than two decimals. Nothing was saved.", rule="two_decimals")
    return found


def _decimal(label: str, typed: str) -> Decimal | None:
    digits = typed.strip().replace(",", "")
    if not digits:
        return None
    try:
        found = Decimal(digits)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise Refused(f"{label}: “{typed}” is not a number. Nothing was saved.", rule="not_a_number")
    return found
