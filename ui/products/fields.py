"""The fields of a product's form, and their conversion to ProductDetails."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from backstitch import lengths
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.products import sizes as size_names
from backstitch.inventory.products.commands import NewColour, ProductDetails
from backstitch.inventory.products.queries import Product
from ui.shared import numbers, session

NAME_WITH_CODE = re.compile(r"(?P<name>.*\S)\s*\((?P<code>[^()]*)\)")


@dataclass(frozen=True)
class FieldTexts:
    """The texts and choices in the fields of the form."""

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


def show(product: Product | None, *, disabled: bool = False) -> FieldTexts:
    """Draws the fields, filled with `product`, or empty for a new one."""

    def text(label: str, name: str, value: object, **options: Any) -> str:
        typed = st.text_input(
            label, "" if value is None else str(value), key=key(name, product), disabled=disabled, **options
        )
        return typed or ""

    left, right = st.columns(2)
    with left:
        sku = text("SKU", "sku", product and product.sku, max_chars=lengths.SKU)
        category = text("Category", "category", product and product.category, max_chars=lengths.CATEGORY)
        hsn = text("HSN code", "hsn", product and product.hsn_code, placeholder="6204")
    with right:
        name = text("Name", "name", product and product.name, max_chars=lengths.NAME)
        with st.container(horizontal=True):
            price = text("Price", "price", product and product.unit_price, placeholder="899.00")
            gst = text("GST rate %", "gst", product and product.gst_rate, placeholder="5")
        reorder = text("Reorder level", "reorder", product.reorder_level if product else 0)
    typed_sizes = _choose_sizes() if product is None else text("Sizes", "sizes", ", ".join(product.sizes))
    description = text("Description", "description", product and product.description, max_chars=lengths.DESCRIPTION)
    stores, agencies = _allowed(product, disabled=disabled)
    return FieldTexts(sku, name, description, category, price, hsn, gst, typed_sizes, reorder, stores, agencies)


def key(name: str, product: Product | None) -> str:
    """The key of a field, with the version: values of an old version would get past the check for stale edits."""
    return f"edit_{name}_{product.id}_{product.version}" if product else f"new_{name}"


def _choose_sizes() -> str:
    presets = {", ".join(names): title for title, names in size_names.PRESETS.items()}
    return (
        st.selectbox(
            "Sizes",
            list(presets),
            format_func=lambda names: f"{presets[names]}: {names}" if names in presets else names,
            key=key("sizes", None),
            accept_new_options=True,
            help="Choose a set, or type your own: S, M, L or S-XXL or 28 to 36",
        )
        or ""
    )


def _allowed(product: Product | None, *, disabled: bool) -> tuple[list[str], list[str]]:
    with session.read() as connection:
        stores = [
            *movement_queries.stores(connection),
            *(customer.store_name for customer in party_queries.customers(connection)),
        ]
        agencies = [*movement_queries.agency_names(connection), *party_queries.agency_choices(connection).values()]
    chosen_stores, chosen_agencies = (product.allowed_stores, product.allowed_agencies) if product else ((), ())
    return (
        _names("Allowed stores", "stores", stores, chosen_stores, product, disabled),
        _names("Allowed agencies", "agencies", agencies, chosen_agencies, product, disabled),
    )


def _names(
    label: str, name: str, offered: Sequence[str], chosen: Sequence[str], product: Product | None, disabled: bool
) -> list[str]:
    return st.multiselect(
        label,
        sorted({*offered, *chosen} - {""}, key=str.casefold),
        list(chosen),
        key=key(name, product),
        accept_new_options=True,
        disabled=disabled,
        placeholder="All",
        help="Sales and orders go to these only. Leave it empty to allow all.",
    )


def details(typed: FieldTexts, *, stored: Sequence[str] = ()) -> ProductDetails:
    """The texts as details of a product, which has the sizes `stored`. Raises Refused for a text that is not clear."""
    return ProductDetails(
        sku=typed.sku.strip(),
        name=typed.name.strip(),
        sizes=tuple(size_names.expand(typed.sizes, known=stored)),
        description=typed.description,
        category=typed.category,
        unit_price=numbers.amount("Price", typed.price),
        hsn_code=typed.hsn or None,
        gst_rate=numbers.percentage("GST rate", typed.gst),
        reorder_level=numbers.whole("The reorder level", typed.reorder),
        allowed_stores=tuple(typed.stores),
        allowed_agencies=tuple(typed.agencies),
    )


def colours(typed: str) -> list[NewColour]:
    """`Navy Blue, Mustard (MU-2)` as names with their codes; the code is '' where it is to be derived from the name."""
    pairs = []
    for part in (part.strip() for part in typed.split(",")):
        match = NAME_WITH_CODE.fullmatch(part)
        pairs.append((match["name"], match["code"]) if match else (part, ""))
    return [colour for colour in pairs if colour[0]]
