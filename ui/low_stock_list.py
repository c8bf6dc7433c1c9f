"""What Home and the low-stock page share: the list of low cells, its file, and where a row leads."""

import io
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import streamlit as st

from backstitch.audit.csv_file import CsvFile
from backstitch.inventory import catalogue
from backstitch.inventory.stock_reports import LowCell
from ui import formats

SHOWN, ALL = 500, 1_000_000
HEADINGS = (
    "SKU",
    "Name",
    "Colour",
    "Colour code",
    "Size",
    "On hand",
    "Reorder level",
    "Sold in 30 days",
    "Suggested",
)


def found(low: Sequence[LowCell], search: str, *, to_order: bool) -> list[LowCell]:
    """The cells with every word of `search`; `to_order` leaves those out that need none."""
    words = search.lower().split()
    return [
        cell
        for cell in low
        if (cell.suggested or not to_order)
        and all(word in f"{cell.sku} {cell.name} {cell.color} {cell.size}".lower() for word in words)
    ]


def columns(button: str) -> dict[str, Any]:
    """column_config of the list, with a button per row."""
    return {
        "sku": st.column_config.TextColumn("SKU", pinned=True),
        "name": st.column_config.TextColumn("Name", width="medium"),
        "color": "Colour",
        "size": "Size",
        "on_hand": st.column_config.NumberColumn("On hand", format="localized"),
        "reorder_level": st.column_config.NumberColumn("Reorder level", format="localized"),
        "sold_30_days": st.column_config.NumberColumn("Sold in 30 days", format="localized"),
        "suggested": st.column_config.NumberColumn("Suggested", format="localized"),
        "open": st.column_config.ButtonColumn("", key=button, type="tertiary"),
    }


def download(low: Sequence[LowCell]) -> None:
    """All of the list as CSV."""
    st.download_button(
        "Download CSV",
        lambda: as_csv(low),
        file_name=f"backstitch_low_stock_{formats.today():%Y-%m-%d}.csv",
        mime="text/csv",
        icon=":material/csv:",
        key="low_download",
        on_click="ignore",
    )


def as_csv(low: Sequence[LowCell]) -> bytes:
    """UTF-8 with BOM; text that a spreadsheet would run as a formula is kept as text."""
    file = io.BytesIO()
    table = CsvFile(HEADINGS, file)
    table.write([astuple(cell)[1:] for cell in low])
    table.close()
    return file.getvalue()


def follow(low: Sequence[LowCell], button: str) -> None:
    """Goes to the stock matrix of the row whose button was just clicked."""
    clicked = st.session_state.get(button)
    if clicked:
        st.switch_page("../pages/stock.py", query_params={"product": _choice(low[clicked.row])})


def receive(low: Sequence[LowCell], button: str) -> None:
    """Goes to Inward, with the product of the row whose button was just clicked chosen there."""
    clicked = st.session_state.get(button)
    if clicked:
        st.session_state["inward_product"] = low[clicked.row].product_id
        st.switch_page("../pages/inward.py")


def _choice(cell: LowCell) -> str:
    return catalogue.choice(cell.sku, cell.name)
