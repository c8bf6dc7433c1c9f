"""The part of a log's page below its list: the dialog to correct or delete an entry, and to delete several."""

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
    """The settings by which the logs differ.

    `key` is part of the keys in its dialog: `edit_KEY_save`. `nouns` name an entry and several in recorded operations.
    `fields` draws the fields that can be corrected, with keys made by `Key`, and returns the function that saves them.
    """

    kind: type[Entry]
    key: str
    icon: str
    nouns: tuple[str, str]
    fields: Callable[[Entry, Key], Save]
    delete: Callable[[Connection, Entry], None]
    delete_several: Callable[[Connection, Mapping[int, str]], int]
    reason_label: str = "Reason"
    order_names: Mapping[int, str] = field(default_factory=dict)


def offer(log: Log[Entry], selected: Sequence[Entry], products: Mapping[int, str], *, editable: bool) -> None:
    """Draws the actions for the selected entries, and the open dialog.

    `products` has the label of every product in the filter of the audit report.
    """
    deletion.offer(selected)
    opened = tables.opened(log.kind)
    if opened is not None and editable:
        title = entity_word(tables.ENTITY[log.kind])
        st.dialog(title, icon=log.icon, on_dismiss=tables.DIALOG.close)(_correct)(log, opened, products)
    elif editable:
        deletion.show_open(log.delete_several, kind=log.kind, operation=f"delete {log.nouns[1]}")


def _correct(log: Log[Entry], entry: Entry, products: Mapping[int, str]) -> None:
    # A click in the dialog reruns it alone with its first arguments; the session state has the entry as last read.
    entry = tables.opened(log.kind) or entry
    tables.heading(entry)
    if isinstance(entry, SalesEntry) and entry.order_id is not None:
        st.info(
            f"This sale belongs to order {log.order_names.get(entry.order_id, entry.order_id)}, which was dispatched. "
            "It stays as it is; goods that come back are recorded as goods in, of category Return.",
            icon=":material/lock:",
        )
        return
    noun = log.nouns[0]
    saved, deleted, save, reason = _form(log, entry)
    if saved:
        _write(entry, save, f"correct {noun}", reason, products, None)
    if deleted:
        change = tables.stock_effect_of_deletion(entry)
        pieces = f"{formats.counted(abs(change), 'piece')} of {entry.sku} {entry.color} {entry.size}"
        moved = "came back into stock" if change > 0 else "went out of stock with it"
        outcome = f"was deleted; {pieces} {moved}"
        _write(entry, lambda connection: log.delete(connection, entry), f"delete {noun}", reason, products, outcome)


def _form(log: Log[Entry], entry: Entry) -> tuple[bool, bool, Save, str | None]:
    def key(name: str) -> str:
        # With the version: a field must not carry values of an old version into the next one.
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
    entry: AnyEntry, save: Save, operation: str, reason: str | None, products: Mapping[int, str], outcome: str | None
) -> None:
    """Saves, and shows a sentence that begins with `Inward entry 7` and ends with `outcome`, or with what changed."""
    with tables.show_stale_edits(entry), feedback.refusals():
        with session.write(operation, reason=reason) as connection:
            save(connection)
        tables.DIALOG.close()
        noun = entity_word(tables.ENTITY[type(entry)])
        on_record = {"product": products.get(entry.product_id, entry.sku), "type": noun}
        if outcome is None:
            feedback.saved(f"{noun} {entry.id} of {entry.sku}", entity=tables.ENTITY[type(entry)], on_record=on_record)
        feedback.done(f"{noun} {entry.id} {outcome}.", on_record=on_record)
