"""Deleting the selected entries of a log: one question, one transaction, one line in the trail."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from sqlalchemy import Connection

from backstitch.errors import StaleEdit
from backstitch.inventory.logs import InwardEntry, SalesEntry
from ui import entry_forms, feedback, formats, log_tables, session

ASKED = "entries_to_delete"
ENTITY = {InwardEntry: "InwardLog", SalesEntry: "SalesLog"}

Entries = Sequence[InwardEntry | SalesEntry]
Delete = Callable[[Connection, Mapping[int, str]], int]


def offer(selected: Entries) -> None:
    """What is selected, and the button that asks whether to delete it."""
    if not selected:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{_entries(selected)} selected, {_pieces(selected)}.")
        st.button(
            "Delete selected", icon=":material/delete:", key="delete_selected", on_click=_ask, args=(tuple(selected),)
        )


def ask(delete: Delete, *, kind: type[InwardEntry] | type[SalesEntry], operation: str, moved: str) -> None:
    """The question about entries of this kind, while it is open. `moved`: `takes {} out of stock`, of the pieces."""
    entries = st.session_state.get(ASKED)
    if entries and isinstance(entries[0], kind):
        _question(entries, delete, operation, moved)


def _ask(entries: Entries) -> None:
    st.session_state[ASKED] = entries


def _close() -> None:
    st.session_state.pop(ASKED, None)


@st.dialog("Delete entries", icon=":material/delete:", on_dismiss=_close)
def _question(entries: Entries, delete: Delete, operation: str, moved: str) -> None:
    going = [entry for entry in entries if not log_tables.of_order(entry)]
    if len(going) < len(entries):
        st.warning(
            f"{len(entries) - len(going):,} of the selected belong to dispatched orders and stay. Goods that come back "
            "are recorded as goods in, of category Return.",
            icon=":material/lock:",
        )
    if not going:
        return
    st.text(f"Delete {_entries(going)}? That {moved.format(_pieces(going))}.")
    _list(going)
    with st.form("delete_entries", border=False):
        reason = entry_forms.reason(ENTITY[type(entries[0])], key="delete_entries_reason", always=True)
        pressed = st.form_submit_button(f"Delete {_entries(going)}", type="primary", key="delete_entries_confirm")
    if not pressed:
        return
    try:
        with feedback.refusals():
            with session.write(operation, reason=reason) as connection:
                delete(connection, {entry.id: entry.version for entry in going})
            _close()
            feedback.done(f"{_entries(going)} deleted; that {moved.format(_pieces(going))}.")
    except StaleEdit as stale:
        st.error(formats.plain(str(stale)), icon=":material/sync_problem:")
        st.caption("Close this, look at the list as it is now, and select again.")
        if stale.theirs:
            st.caption("As they stand now:")
            _list(stale.theirs)


def _list(entries: Entries) -> None:
    st.dataframe(
        formats.frame(entries, type(entries[0])),
        hide_index=True,
        alt="Entries to delete",
        column_order=log_tables.CELL_COLUMNS,
        column_config=log_tables.cell_columns(),
    )


def _entries(entries: Entries) -> str:
    return f"{len(entries):,} {'entry' if len(entries) == 1 else 'entries'}"


def _pieces(entries: Entries) -> str:
    return formats.counted(sum(entry.quantity for entry in entries), "piece")
