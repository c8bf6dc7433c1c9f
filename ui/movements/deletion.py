"""Deletes the selected entries of a log, after a question, in one transaction."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from sqlalchemy import Connection

from backstitch.audit.wording import action_word, entity_word
from backstitch.errors import StaleEdit
from ui import feedback
from ui.movements import tables
from ui.movements.tables import ENTITY, AnyEntry
from ui.shared import formats, reason_field, session, versions
from ui.shared.dialogs import Dialog

DIALOG = Dialog("entries_to_delete")

Entries = Sequence[AnyEntry]
Delete = Callable[[Connection, Mapping[int, str]], int]


def offer(selected: Entries) -> None:
    """Draws the number of selected entries, and the button that opens the question."""
    if not selected:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{formats.counted(len(selected), 'entry')} selected, {_pieces(selected)}.")
        st.button(
            "Delete selected",
            icon=":material/delete:",
            key="delete_selected",
            on_click=DIALOG.open,
            args=(tuple(selected),),
        )


def show_open(delete: Delete, *, kind: type[AnyEntry], operation: str) -> None:
    """Draws the question, if it is open for entries of this kind."""
    entries = DIALOG.opened()
    if entries and isinstance(entries[0], kind):
        _confirm(entries, delete, operation)


@st.dialog("Delete entries", icon=":material/delete:", on_dismiss=DIALOG.close)
def _confirm(entries: Entries, delete: Delete, operation: str) -> None:
    deletable = [entry for entry in entries if not tables.is_from_order(entry)]
    if len(deletable) < len(entries):
        st.warning(
            f"{len(entries) - len(deletable):,} of the selected belong to dispatched orders and stay. Goods that come "
            "back are recorded as goods in, of category Return.",
            icon=":material/lock:",
        )
    if not deletable:
        return
    st.text(f"Delete {formats.counted(len(deletable), 'entry')}? That {_stock_effect(deletable)}.")
    _list(deletable)
    with st.form("delete_entries", border=False):
        reason = reason_field.for_entity(ENTITY[type(entries[0])], key="delete_entries_reason", always=True)
        pressed = st.form_submit_button(
            f"Delete {formats.counted(len(deletable), 'entry')}", type="primary", key="delete_entries_confirm"
        )
    if not pressed:
        return
    try:
        with feedback.refusals():
            with session.write(operation, reason=reason) as connection:
                delete(connection, {entry.id: entry.version for entry in deletable})
            DIALOG.close()
            feedback.done(
                f"{formats.counted(len(deletable), 'entry')} deleted; that {_stock_effect(deletable)}.",
                on_record={"type": entity_word(ENTITY[type(entries[0])]), "action": action_word("DELETE")},
            )
    except StaleEdit as stale:
        versions.show_stale(stale)
        st.caption("Close this, look at the list as it is now, and select again.")
        if stale.theirs:
            st.caption("As they stand now:")
            _list(stale.theirs)


def _list(entries: Entries) -> None:
    st.dataframe(
        formats.frame(entries, type(entries[0])),
        hide_index=True,
        alt="Entries to delete",
        column_order=tables.CELL_COLUMNS,
        column_config=tables.cell_columns(signed=any(entry.quantity < 0 for entry in entries)),
    )


def _pieces(entries: Entries) -> str:
    return formats.counted(sum(abs(entry.quantity) for entry in entries), "piece")


def _stock_effect(entries: Entries) -> str:
    """`takes 5 pieces out of stock`, `brings 2 pieces back into stock`, or both."""
    changes = [tables.stock_effect_of_deletion(entry) for entry in entries]
    removed = -sum(change for change in changes if change < 0)
    returned = sum(change for change in changes if change > 0)
    parts = [f"takes {formats.counted(removed, 'piece')} out of stock"] if removed else []
    parts += [f"brings {formats.counted(returned, 'piece')} back into stock"] if returned else []
    return " and ".join(parts)
