"""The dialog for a record of the trail: its changes, its circumstances, and the other records of its transaction."""

from collections.abc import Sequence

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.audit import search, wording
from backstitch.audit.operations import Operation
from backstitch.audit.search import Record
from backstitch.audit.undo import OPPOSITE, Undoable
from ui.audit import undo
from ui.shared import formats, session
from ui.shared.dialogs import Dialog

DIALOG = Dialog("audit_record")
TRANSACTION_LIMIT = 100


def open_record(record: Record | Operation) -> None:
    """Opens the dialog for a record, or for all records of an operation."""
    DIALOG.open(record)


def show_open() -> None:
    """Draws the dialog that is open, if any."""
    opened = DIALOG.opened()
    if isinstance(opened, Record):
        _show(opened)
    elif isinstance(opened, Operation):
        _show_operation(opened)


@st.dialog("On the record", width="large", icon=":material/difference:", on_dismiss=DIALOG.close)
def _show(record: Record) -> None:
    st.markdown(f"**{wording.action_word(record.action)}** · {wording.entity_word(record.entity)}")
    # Labels come from data: shown as text, never as Markdown.
    st.text(record.label)
    _changes(record)
    local = record.recorded_at.astimezone(formats.timezone())
    facts = {
        "Time": f"{local:%d %b %Y, %H:%M:%S.%f} {local:%Z}",
        "User": f"{record.user_name} ({record.username})" if record.user_name else record.username,
        "Operation": record.operation,
        "Reason": record.reason,
        "Source": wording.source_word(record.source),
        "Client": wording.client(record),
        "Browser": record.user_agent,
        "Database login": record.database_role,
        "Application": record.application,
        "Record number": f"{record.entity} {record.entity_id}" if record.entity_id is not None else None,
        "Transaction": str(record.transaction_id),
        "Request": record.request,
        "Trail number": str(record.id),
    }
    st.dataframe(
        [{"fact": name, "value": value} for name, value in facts.items() if value],
        hide_index=True,
        height="content",
        alt="Who, when, how and from where",
        column_config={"fact": st.column_config.TextColumn("Circumstance", pinned=True), "value": "Value"},
    )
    _undo(Undoable(record.transaction_id, record.recorded_at, record.id), record.action)
    _same_transaction(record)


def _undo(undoable: Undoable, *actions: str) -> None:
    if OPPOSITE.keys() & set(actions) and session.current().user.may(Permission.EDIT_INVENTORY):
        with st.expander("Undo", icon=":material/undo:"):
            undo.panel(undoable)


def _changes(record: Record) -> None:
    changes = wording.changes(record, formats.currency(), formats.timezone())
    if not changes:
        return
    columns = {"field": "Field", "old": "Old", "new": "New"}
    if record.old_values is None:
        del columns["old"]
        columns["new"] = "Value"
    elif record.new_values is None:
        del columns["new"]
        columns["old"] = "Value that was deleted"
    st.dataframe(
        [{name: getattr(change, name) for name in columns} for change in changes],
        hide_index=True,
        height="content",
        alt="Fields with their old and new values",
        column_config={name: st.column_config.TextColumn(title) for name, title in columns.items()},
    )


def _same_transaction(record: Record) -> None:
    with session.read() as connection:
        page = search.same_transaction(
            connection, transaction_id=record.transaction_id, near=record.recorded_at, size=TRANSACTION_LIMIT
        )
    others = [other for other in page.records if other.id != record.id]
    if not others:
        return
    more = "" if page.next_cursor is None else f", the newest {TRANSACTION_LIMIT} of them"
    with st.expander(
        f"What the same step did as well ({formats.counted(len(others), 'record')}{more})", icon=":material/stacks:"
    ):
        _list(others)


def _list(records: Sequence[Record]) -> None:
    st.dataframe(
        [
            {
                "action": wording.action_word(record.action),
                "type": wording.entity_word(record.entity),
                "record": record.label,
                "change": wording.summary(record, formats.currency(), formats.timezone()),
            }
            for record in records
        ],
        hide_index=True,
        alt="Records of the same transaction",
        column_config={"action": "Action", "type": "Record type", "record": "Record", "change": "Change"},
    )


@st.dialog("What one step did", width="large", icon=":material/stacks:", on_dismiss=DIALOG.close)
def _show_operation(operation: Operation) -> None:
    with session.read() as connection:
        page = search.same_transaction(
            connection, transaction_id=operation.transaction_id, near=operation.ended, size=TRANSACTION_LIMIT
        )
    st.text(f"{operation.user_name or operation.username} · {operation.operation or 'no operation named'}")
    more = f", the newest {TRANSACTION_LIMIT} of them below" if page.next_cursor is not None else ""
    st.text(f"{operation.gist}; {formats.counted(operation.records, 'record')} in all{more}")
    _undo(Undoable(operation.transaction_id, operation.ended), *(kind.action for kind in operation.kinds))
    _list(page.records)
