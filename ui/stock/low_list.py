"""The list of low cells on Home and the low-stock page: its columns, its row buttons and its file."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from backstitch import startup
from backstitch.accounts.permissions import Permission
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.stock import low_file as low_stock_file
from backstitch.inventory.stock.reports import LowCell
from ui.shared import formats, session

DISPLAY_LIMIT, ALL = 500, 1_000_000
CLICKED_ROW = "low_chosen"
MATRIX, GOODS_IN = "../pages/stock.py", "../pages/inward.py"


def filtered(low: Sequence[LowCell], search: str, *, to_order: bool) -> list[LowCell]:
    """The cells that contain every word of `search`; with `to_order`, only those with a suggested quantity."""
    words = search.lower().split()
    return [
        cell
        for cell in low
        if (cell.suggested or not to_order)
        and all(word in f"{cell.sku} {cell.name} {cell.color} {cell.size}".lower() for word in words)
    ]


def columns(button: str, low: Sequence[LowCell]) -> dict[str, Any]:
    """The column_config of the list, with a button per row that opens its stock matrix."""
    return {
        "sku": st.column_config.TextColumn("SKU", pinned=True),
        "name": st.column_config.TextColumn("Name", width="medium"),
        "color": "Colour",
        "size": "Size",
        "on_hand": st.column_config.NumberColumn("On hand", format="localized"),
        "reorder_level": st.column_config.NumberColumn("Reorder level", format="localized"),
        "sold_30_days": st.column_config.NumberColumn("Sold in 30 days", format="localized"),
        "suggested": st.column_config.NumberColumn("Suggested", format="localized"),
        "open": row_button(button, low, MATRIX),
    }


def row_button(key: str, low: Sequence[LowCell], page: str) -> Any:
    """A column with a button per row of `low`, which opens the page with the row's product chosen."""

    def note_click() -> None:
        # The cell, not the row number: the next run reads the list again, and the row may be another product.
        st.session_state[CLICKED_ROW] = page, low[st.session_state[key].row]

    return st.column_config.ButtonColumn("", key=key, type="tertiary", on_click=note_click)


def download(low: Sequence[LowCell], search: str, *, to_order: bool) -> None:
    """Draws the button to download the list as CSV, if the user may export it."""
    person = session.current()
    if not person.user.may(Permission.READ_TRAIL):
        return
    name = f"backstitch_low_stock_{formats.today():%Y-%m-%d}.csv"
    # The file is made, and its export recorded, when the user clicks.
    make = partial(
        low_stock_file.export,
        startup.current().database,
        person.actor,
        low=low,
        search=search,
        to_order=to_order,
        file_name=name,
    )
    st.download_button(
        "Download CSV",
        make,
        file_name=name,
        mime="text/csv",
        icon=":material/csv:",
        key="low_download",
        on_click="ignore",
        help="All cells of the list. The download itself goes on the record.",
    )


def open_clicked_row() -> None:
    """Opens the page of the row button just clicked. Call it first of all: the list may be empty by now."""
    page, cell = st.session_state.pop(CLICKED_ROW, (None, None))
    if page == MATRIX:
        st.switch_page(page, query_params={"stock_product": product_queries.choice_label(cell.sku, cell.name)})
    if page == GOODS_IN:
        st.session_state["inward_product"] = cell.product_id
        st.switch_page(page)
