"""The grid to edit the products of a list: it writes the changed cells only, in one transaction."""

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd
import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductChange
from backstitch.inventory.products.queries import Product
from ui import feedback
from ui.shared import formats, numbers, reason_field, session, versions

HEADINGS = {
    "sku": "SKU",
    "name": "Name",
    "category": "Category",
    "unit_price": "Price",
    "hsn_code": "HSN code",
    "gst_rate": "GST rate %",
    "reorder_level": "Reorder level",
    "description": "Description",
    "is_active": "In use",
}
PRODUCTS = "product_grid_read"  # as they were read when the grid was opened
PAGE = "product_grid_page"
GRID_NUMBER = "product_grid_round"
KEPT_TEXTS = "product_grid_typed"  # the texts typed before the products were reloaded

_Texts = Mapping[int, Mapping[str, object]]  # by product id: column -> text


def show(ids: Sequence[int], page: Hashable) -> None:
    """Draws the grid over these products, as they were read when it was opened, until it is saved or left.

    `page` identifies the page of the list. While it stays the same, a product that somebody else deletes or renames
    stays in the grid, and the texts typed into the others do, too.
    """
    if st.session_state.get(PAGE) != page or PRODUCTS not in st.session_state:
        leave()
        st.session_state[PAGE] = page
        with session.read() as connection:
            st.session_state[PRODUCTS] = product_queries.products(connection, ids=ids)
    products: list[Product] = st.session_state[PRODUCTS]
    texts: _Texts = st.session_state.get(KEPT_TEXTS, {})
    edited = st.data_editor(
        pd.DataFrame([{**_row(product), **texts.get(product.id, {})} for product in products], columns=list(HEADINGS)),
        key=_key(),
        hide_index=True,
        height="content" if len(products) <= 15 else 600,
        placeholder="",
        alt="Products to edit",
        # Text columns: a number column would silently drop a letter or a minus sign.
        column_config={
            name: st.column_config.TextColumn(heading, pinned=name == "sku")
            for name, heading in HEADINGS.items()
            if name != "is_active"
        }
        | {"is_active": st.column_config.CheckboxColumn(HEADINGS["is_active"])},
    )
    _save_bar(products, _changed_cells(products, edited))


def leave() -> None:
    """Forgets the grid and its texts."""
    st.session_state.pop(PRODUCTS, None)
    st.session_state.pop(KEPT_TEXTS, None)
    st.session_state[GRID_NUMBER] = st.session_state.get(GRID_NUMBER, 0) + 1


def _key() -> str:
    return f"product_grid_{st.session_state.get(GRID_NUMBER, 0)}"


def _reload(texts: _Texts) -> None:
    """Reloads the products and keeps the texts by product, because a deleted or renamed one moves the rows."""
    ids = [product.id for product in st.session_state[PRODUCTS]]
    leave()
    with session.read() as connection:
        st.session_state[PRODUCTS] = product_queries.products(connection, ids=ids)
    st.session_state[KEPT_TEXTS] = texts


def _row(product: Product) -> dict[str, object]:
    return {name: _cell(getattr(product, name)) for name in HEADINGS}


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return value
    return "" if value is None else str(value)


def _changed_cells(products: Sequence[Product], edited: pd.DataFrame) -> dict[int, dict[str, object]]:
    """Index in the list -> the changed columns with their texts."""
    changed: dict[int, dict[str, object]] = {}
    for index, (product, row) in enumerate(zip(products, edited.to_dict("records"), strict=True)):
        before = _row(product)
        after = {str(name): "" if value is None or pd.isna(value) else value for name, value in row.items()}
        cells = {name: value for name, value in after.items() if value != before[name]}
        if cells:
            changed[index] = cells
    return changed


def _save_bar(products: Sequence[Product], changed: Mapping[int, Mapping[str, object]]) -> None:
    cells = sum(len(row) for row in changed.values())
    if not changed:
        st.caption("Type into a cell to change it; nothing is saved before you press Save.")
        return
    new_price = any("unit_price" in row for row in changed.values())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reason = reason_field.for_price(key="product_grid_reason") if new_price else None
        save = st.button(f"Save {formats.counted(cells, 'change')}", type="primary", key="product_grid_save")
        st.button("Discard", key="product_grid_discard", on_click=leave)
    if save:
        with feedback.refusals():
            typed = {products[index].id: cells for index, cells in changed.items()}
            _save([_change(products[index], cells) for index, cells in changed.items()], reason, typed)


def _change(product: Product, cells: Mapping[str, object]) -> ProductChange:
    return ProductChange(
        product.id, product.version, {name: _value(product, name, typed) for name, typed in cells.items()}
    )


def _value(product: Product, name: str, typed: object) -> object:
    """The value of a cell. Raises Refused, with the product's SKU, for a text that is no number."""
    if isinstance(typed, bool) or name not in {"unit_price", "gst_rate", "reorder_level"}:
        return typed
    label = f"{product.sku}, {HEADINGS[name]}"
    parse = {"reorder_level": numbers.whole, "gst_rate": numbers.percentage}.get(name, numbers.amount)
    return parse(label, str(typed))


def _save(changes: Sequence[ProductChange], reason: str | None, texts: _Texts) -> None:
    try:
        with session.write("edit products", reason=reason) as connection:
            saved = product_commands.edit_products(connection, changes=changes)
    except StaleEdit as stale:
        versions.show_stale(stale)
        _show_conflict(stale.theirs, stale.yours, texts)
        return
    leave()
    feedback.done(f"Saved {formats.counted(saved, 'product')}.", on_record={"type": "Product"})


def _show_conflict(theirs: Sequence[Product], yours: Sequence[ProductChange], texts: _Texts) -> None:
    """Draws the stored values beside the typed ones; a deleted product has only the latter."""
    stored = {product.id: product for product in theirs}
    opened = {product.id: product for product in st.session_state[PRODUCTS]}
    rows = []
    for change in yours:
        stored_values = vars(stored[change.product_id]) if change.product_id in stored else None
        product = opened[change.product_id]
        labels = {name: HEADINGS[name] for name in change.fields}
        differences = versions.rows(labels, now=stored_values, opened=vars(product), yours=change.fields)
        rows += [{"Product": product.sku, **row} for row in differences]
    alt = "The products as they stand now, as they were when the grid was opened, and as you typed them"
    st.dataframe(rows, hide_index=True, height="content", alt=alt)
    st.button(
        "Keep what I typed, over what stands now",
        key="product_grid_again",
        on_click=_reload,
        args=(texts,),
        help="The rest of each product is as it stands now. Nothing is saved before you press Save again.",
    )
