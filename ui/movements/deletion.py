"""Deleting the selected entries of a log: one question, one transaction, one line in the trail."""

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
    """What is selected, and the button that asks whether to delete it."""
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


def ask(delete: Delete, *, kind: type[AnyEntry], operation: str) -> None:
    """The question about entries of this kind, while it is open."""
    entries = DIALOG.opened()
    if entries and isinstance(entries[0], kind):
        _question(entries, delete, operation)


@st.dialog("Delete entries", icon=":material/delete:", on_dismiss=DIALOG.close)
def _question(entries: Entries, delete: Delete, operation: str) -> None:
    going = [entry for entry in entries if not tables.of_order(entry)]
    if len(going) < len(entries):
        st.warning(
            f"{len(entries) - len(going):,} of the selected belong to dispatched orders and stay. Goods that come back "
            "are recorded as goods in, of category Return.",
            icon=":material/lock:",
        )
    if not going:
        return
    st.text(f"Delete {formats.counted(len(going), 'entry')}? That {_moved(going)}.")
    _list(going)
    with st.form("delete_entries", border=False):
        reason = reason_field.for_entity(ENTITY[type(entries[0])], key="delete_entries_reason", always=True)
        pressed = st.form_submit_button(
            f"Delete {formats.counted(len(going), 'entry')}", type="primary", key="delete_entries_confirm"
        )
    if not pressed:
        return
    try:
        with feedback.refusals():
            with session.write(operation, reason=reason) as connection:
                delete(connection, {entry.id: entry.version for entry in going})
            DIALOG.close()
            feedback.done(
                f"{formats.counted(len(going), 'entry')} deleted; that {_moved(going)}.",
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


def _moved(entries: Entries) -> str:
    """`takes 5 pieces out of stock`, `brings 2 pieces back into stock`, or both."""
    changes = [tables.put_back(entry) for entry in entries]
    out, back = -sum(change for change in changes if change < 0), sum(change for change in changes if change > 0)
    parts = [f"takes {formats.counted(out, 'piece')} out of stock"] if out else []
    parts += [f"brings {formats.counted(back, 'piece')} back into stock"] if back else []
    return " and ".join(parts)
