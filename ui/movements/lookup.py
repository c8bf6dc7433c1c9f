"""The quick look-up: the entries of a supplier or a store on its last day, or on a day chosen."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import streamlit as st
from sqlalchemy import Connection

from backstitch.inventory.movements.queries import InwardEntry, SalesEntry
from ui.movements import tables
from ui.shared import days, formats, session

FindEntries = Callable[[Connection, str, date | None], Sequence[InwardEntry] | Sequence[SalesEntry]]


def panel(find: FindEntries, *, prefix: str, label: str, known: Sequence[str], columns: Mapping[str, str]) -> None:
    """Draws the name and the day to look up, and the entries of that day; reads nothing while it is closed."""
    box = st.expander("Quick look-up", icon=":material/manage_search:", key=f"{prefix}_lookup", on_change="rerun")
    if not box.open:
        return
    with box:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.selectbox(
                label,
                ["", *known],
                format_func=lambda name: name or "All",
                key=f"{prefix}_lookup_name",
                accept_new_options=True,
                filter_mode="contains",
            )
            day = days.field("On (empty: the last day)", None, key=f"{prefix}_lookup_day")
        with session.read() as connection:
            entries = find(connection, name or "", day)
        if not entries:
            st.info("Nothing on that day." if day else "Nothing yet.", icon=":material/inbox:")
            return
        pieces = formats.counted(sum(entry.quantity for entry in entries), "piece")
        st.text(f"{entries[0].date:%d %b %Y}: {formats.counted(len(entries), 'entry')}, {pieces}.")
        st.dataframe(
            formats.frame(entries, type(entries[0])),
            key=f"{prefix}_lookup_table",
            hide_index=True,
            alt="Entries of that day",
            column_order=[*tables.CELL_COLUMNS, *columns],
            column_config={**tables.cell_columns(), **columns},
        )
