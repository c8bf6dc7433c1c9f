"""The preview of an undo, and the undo itself, which is recorded like any other change."""

from collections.abc import Sequence

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.audit import undo
from backstitch.audit.undo import SkippedRecord, Undoable
from backstitch.audit.wording import action_word, entity_word
from backstitch.errors import Refused
from backstitch.inventory.reasons import LONGEST_REASON
from ui import feedback
from ui.shared import formats, session
from ui.shared.dialogs import Dialog

DIALOG = Dialog("undo_dialog")


def offer(undoable: Undoable) -> None:
    """Draws a button that opens the preview, if the user may undo this and there is anything to undo."""
    if not session.current().user.may(Permission.EDIT_INVENTORY):
        return
    with session.read() as connection:
        if not undo.preview(connection, undoable=undoable).records:
            return
    st.button("Undo", icon=":material/undo:", key="undo_offer", on_click=DIALOG.open, args=(undoable,))


def show_open() -> None:
    """Draws the dialog, if it is open."""
    undoable = DIALOG.opened()
    if isinstance(undoable, Undoable):
        _show(undoable)


@st.dialog("Undo", icon=":material/undo:", on_dismiss=DIALOG.close)
def _show(undoable: Undoable) -> None:
    panel(undoable)


def panel(undoable: Undoable) -> None:
    """Draws what the undo would change, the records that it would skip, and the button that does it."""
    if not session.current().user.may(Permission.EDIT_INVENTORY):
        return
    try:
        with session.read() as connection:
            preview = undo.preview(connection, undoable=undoable)
    except Refused as refusal:
        st.caption(formats.plain(str(refusal)))
        return
    if not preview.records:
        st.caption("Nothing of this can be undone. Below is why." if preview.skipped else "Nothing is left to undo.")
        _list_skipped(preview.skipped_records, preview.skipped)
        return
    st.text(f"Undoing this {undo.in_words(preview.steps)}.")
    names = ", ".join(preview.names)
    if names:
        st.text(names)
    _list_skipped(preview.skipped_records, preview.skipped)
    with st.form(f"undo_{undoable.transaction_id}_{undoable.record_id}", border=False):
        reason = st.text_input("Reason", key="undo_reason", max_chars=LONGEST_REASON, placeholder="Why it is undone")
        pressed = st.form_submit_button("Undo this", icon=":material/undo:", type="primary")
    if pressed:
        _undo(undoable, reason, names)


def _list_skipped(records: Sequence[SkippedRecord], skipped: int) -> None:
    if not records:
        return
    more = "" if skipped == len(records) else f", of which {len(records)} below"
    st.warning(
        f"{formats.counted(skipped, 'record')} will stay as {'it is' if skipped == 1 else 'they are'}{more}.",
        icon=":material/edit_note:",
    )
    st.dataframe(
        [{"type": entity_word(record.entity), "record": record.label, "reason": record.reason} for record in records],
        hide_index=True,
        alt="Records that an undo leaves as they are",
        column_config={"type": "Record type", "record": "Record", "reason": "Why"},
    )


def _undo(undoable: Undoable, reason: str, names: str) -> None:
    with feedback.refusals():
        with session.write("undo", reason=reason) as connection:
            result = undo.undo(connection, undoable=undoable)
        DIALOG.close()
        skipped_note = f" {formats.counted(result.skipped, 'record')} stayed." if result.skipped else ""
        named = f": {names}" if names else ""
        sentence = f"Undone: {formats.counted(result.records, 'record')} put back{named}.{skipped_note}"
        feedback.done(sentence, on_record={"action": action_word("UNDO")})
