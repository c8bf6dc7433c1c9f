"""The products of a list in a grid: many cells edited, only the changed ones written, in one transaction."""

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd
import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductChange
from backstitch.inventory.products.queries import Product
from ui import feedback
from ui.products import fields
from ui.shared import formats, reason_field, session, versions

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
READ = "product_grid_read"  # the products as they were when the grid was opened
PAGE = "product_grid_page"
ROUND = "product_grid_round"
TYPED = "product_grid_typed"  # what was typed before the products were read again

_Typed = Mapping[int, Mapping[str, object]]  # by product id: column -> text


def show(ids: Sequence[int], page: Hashable) -> None:
    """The grid over these products. What they were when it opened stands until it is saved or left.

    `page` tells one page of the list from another: on the same one a product that somebody else deletes or renames
    meanwhile stays in the grid, and so do the changes typed to the others.
    """
    if st.session_state.get(PAGE) != page or READ not in st.session_state:
        leave()
        st.session_state[PAGE] = page
        with session.read() as connection:
            st.session_state[READ] = product_queries.products(connection, ids=ids)
    read: list[Product] = st.session_state[READ]
    typed: _Typed = st.session_state.get(TYPED, {})
    edited = st.data_editor(
        pd.DataFrame([{**_row(product), **typed.get(product.id, {})} for product in read], columns=list(HEADINGS)),
        key=_key(),
        hide_index=True,
        height="content" if len(read) <= 15 else 600,
        placeholder="",
        alt="Products to edit",
        # Text columns: a number column would drop a letter or a minus sign in silence.
        column_config={
            name: st.column_config.TextColumn(heading, pinned=name == "sku")
            for name, heading in HEADINGS.items()
            if name != "is_active"
        }
        | {"is_active": st.column_config.CheckboxColumn(HEADINGS["is_active"])},
    )
    _save_bar(read, _changed(read, edited))


def leave() -> None:
    """Forgets the grid and what was typed into it."""
    st.session_state.pop(READ, None)
    st.session_state.pop(TYPED, None)
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1


def _key() -> str:
    return f"product_grid_{st.session_state.get(ROUND, 0)}"


def _read_again(typed: _Typed) -> None:
    """The products as they stand now, with what was typed to each: one that is gone or renamed moves the rows."""
    ids = [product.id for product in st.session_state[READ]]
    leave()
    with session.read() as connection:
        st.session_state[READ] = product_queries.products(connection, ids=ids)
    st.session_state[TYPED] = typed


def _row(product: Product) -> dict[str, object]:
    return {name: _cell(getattr(product, name)) for name in HEADINGS}


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return value
    return "" if value is None else str(value)


def _changed(read: Sequence[Product], edited: pd.DataFrame) -> dict[int, dict[str, object]]:
    """Place in the list -> the columns that are not as they were read, as typed."""
    changed: dict[int, dict[str, object]] = {}
    for place, (product, row) in enumerate(zip(read, edited.to_dict("records"), strict=True)):
        before = _row(product)
        now = {str(name): "" if value is None or pd.isna(value) else value for name, value in row.items()}
        cells = {name: value for name, value in now.items() if value != before[name]}
        if cells:
            changed[place] = cells
    return changed


def _save_bar(read: Sequence[Product], changed: Mapping[int, Mapping[str, object]]) -> None:
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
            typed = {read[place].id: cells for place, cells in changed.items()}
            _save([_change(read[place], cells) for place, cells in changed.items()], reason, typed)


def _change(product: Product, cells: Mapping[str, object]) -> ProductChange:
    return ProductChange(
        product.id, product.version, {name: _value(product, name, typed) for name, typed in cells.items()}
    )


def _value(product: Product, name: str, typed: object) -> object:
    """A cell as its column has it. Raises Refused, naming the product, for a figure that is none."""
    if isinstance(typed, bool) or name not in {"unit_price", "gst_rate", "reorder_level"}:
        return typed
    label = f"{product.sku}, {HEADINGS[name]}"
    read = fields.whole if name == "reorder_level" else fields.number
    return read(label, str(typed))


def _save(changes: Sequence[ProductChange], reason: str | None, typed: _Typed) -> None:
    try:
        with session.write("edit products", reason=reason) as connection:
            saved = product_commands.edit_products(connection, changes=changes)
    except StaleEdit as stale:
        versions.show_stale(stale)
        _show_both(stale.theirs, stale.yours, typed)
        return
    leave()
    feedback.done(f"Saved {formats.counted(saved, 'product')}.", on_record={"type": "Product"})


def _show_both(theirs: Sequence[Product], yours: Sequence[ProductChange], typed: _Typed) -> None:
    """What stands now beside what was typed; a product that is gone has only the latter."""
    now = {product.id: product for product in theirs}
    read = {product.id: product for product in st.session_state[READ]}
    found = []
    for change in yours:
        theirs_now = vars(now[change.product_id]) if change.product_id in now else None
        product = read[change.product_id]
        labels = {name: HEADINGS[name] for name in change.fields}
        differing = versions.rows(labels, now=theirs_now, opened=vars(product), yours=change.fields)
        found += [{"Product": product.sku, **row} for row in differing]
    alt = "The products as they stand now, as they were when the grid was opened, and as you typed them"
    st.dataframe(found, hide_index=True, height="content", alt=alt)
    st.button(
        "Keep what I typed, over what stands now",
        key="product_grid_again",
        on_click=_read_again,
        args=(typed,),
        help="The rest of each product is as it stands now. Nothing is saved before you press Save again.",
    )
