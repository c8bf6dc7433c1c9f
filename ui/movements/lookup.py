"""The quick look-up: what came from a stakeholder, or went to a store, the last time or on a day."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import streamlit as st
from sqlalchemy import Connection

from backstitch.inventory.movements.queries import InwardEntry, SalesEntry
from ui.movements import tables
from ui.shared import formats, session

Look = Callable[[Connection, str, date | None], Sequence[InwardEntry] | Sequence[SalesEntry]]


def panel(look: Look, *, prefix: str, label: str, known: Sequence[str], columns: Mapping[str, str]) -> None:
    """The name and the day to look up, and the entries found; nothing is read before it is opened."""
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
            day = st.date_input("On (empty: the last day)", None, key=f"{prefix}_lookup_day", format="DD/MM/YYYY")
        with session.read() as connection:
            found = look(connection, name or "", day)
        if not found:
            st.info("Nothing on that day." if day else "Nothing yet.", icon=":material/inbox:")
            return
        pieces = formats.counted(sum(entry.quantity for entry in found), "piece")
        st.text(f"{found[0].date:%d %b %Y}: {formats.counted(len(found), 'entry')}, {pieces}.")
        st.dataframe(
            formats.frame(found, type(found[0])),
            key=f"{prefix}_lookup_table",
            hide_index=True,
            alt="Entries of that day",
            column_order=[*tables.CELL_COLUMNS, *columns],
            column_config={**tables.cell_columns(), **columns},
        )
