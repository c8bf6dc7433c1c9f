"""How the page of a log ends: the dialog in which an entry is corrected or deleted, and the deletion of several."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

import streamlit as st
from sqlalchemy import Connection

from backstitch.audit.wording import entity_word
from backstitch.inventory.movements.queries import SalesEntry
from ui import feedback
from ui.movements import deletion, tables
from ui.movements.tables import AnyEntry, Entry
from ui.shared import formats, reason_field, session

Key = Callable[[str], str]
Save = Callable[[Connection], None]


@dataclass(frozen=True)
class Log(Generic[Entry]):
    """What one log has of its own.

    `key` is that of its dialog: `edit_KEY_save`. `words`: an entry and several, in the operations on the record.
    `fields` draws what can be corrected, under keys of `Key`, and returns what saves it.
    """

    kind: type[Entry]
    key: str
    icon: str
    words: tuple[str, str]
    fields: Callable[[Entry, Key], Save]
    delete: Callable[[Connection, Entry], None]
    delete_several: Callable[[Connection, Mapping[int, str]], int]
    reason_label: str = "Reason"
    order_names: Mapping[int, str] = field(default_factory=dict)


def offer(log: Log[Entry], selected: Sequence[Entry], products: Mapping[int, str], *, editable: bool) -> None:
    """Below the list: what can be done with what is selected, and the dialog that is open.

    `products` are all of them, in the words of the audit report's filter.
    """
    deletion.offer(selected)
    opened = tables.opened(log.kind)
    if opened is not None and editable:
        title = entity_word(tables.ENTITY[log.kind])
        st.dialog(title, icon=log.icon, on_dismiss=tables.DIALOG.close)(_correct)(log, opened, products)
    elif editable:
        deletion.ask(log.delete_several, kind=log.kind, operation=f"delete {log.words[1]}")


def _correct(log: Log[Entry], entry: Entry, products: Mapping[int, str]) -> None:
    # A click inside runs the dialog alone, with what it was opened with; the entry may have been read anew.
    entry = tables.opened(log.kind) or entry
    tables.heading(entry)
    if isinstance(entry, SalesEntry) and entry.order_id is not None:
        st.info(
            f"This sale belongs to order {log.order_names.get(entry.order_id, entry.order_id)}, which was dispatched. "
            "It stays as it is; goods that come back are recorded as goods in, of category Return.",
            icon=":material/lock:",
        )
        return
    one = log.words[0]
    saved, deleted, save, reason = _form(log, entry)
    if saved:
        _write(entry, save, f"correct {one}", reason, products, f"of {entry.sku} was saved")
    if deleted:
        change = tables.put_back(entry)
        pieces = f"{formats.counted(abs(change), 'piece')} of {entry.sku} {entry.color} {entry.size}"
        moved = "came back into stock" if change > 0 else "went out of stock with it"
        said = f"was deleted; {pieces} {moved}"
        _write(entry, lambda connection: log.delete(connection, entry), f"delete {one}", reason, products, said)


def _form(log: Log[Entry], entry: Entry) -> tuple[bool, bool, Save, str | None]:
    def key(name: str) -> str:
        # A field that outlived its version would carry old figures into the next.
        return f"edit_{log.key}_{name}_{entry.id}_{entry.version}"

    with st.form(f"edit_{log.key}", border=False):
        save = log.fields(entry, key)
        entity = tables.ENTITY[log.kind]
        reason = reason_field.for_entity(entity, key=key("reason"), always=True, label=log.reason_label)
        with st.container(horizontal=True):
            saved = st.form_submit_button("Save", type="primary", key=f"edit_{log.key}_save")
            deleted = st.form_submit_button("Delete entry", icon=":material/delete:", key=f"edit_{log.key}_delete")
    return saved, deleted, save, reason


def _write(
    entry: AnyEntry, save: Save, operation: str, reason: str | None, products: Mapping[int, str], said: str
) -> None:
    """Saves, and says so: `said` goes on after `Inward entry 7`."""
    with tables.stale_shown(entry), feedback.refusals():
        with session.write(operation, reason=reason) as connection:
            save(connection)
        tables.DIALOG.close()
        word = entity_word(tables.ENTITY[type(entry)])
        feedback.done(
            f"{word} {entry.id} {said}.",
            on_record={"product": products.get(entry.product_id, entry.sku), "type": word},
        )
