"""The sentences with which a page answers: a change was made, or was refused."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import streamlit as st
from sqlalchemy import Connection

from backstitch.accounts.permissions import Permission
from backstitch.audit import search, wording
from backstitch.audit.undo import Undoable
from backstitch.errors import Refused, SignedOut, StaleEdit
from backstitch.inventory.reasons import LONGEST_REASON
from backstitch.queues import BUSY
from ui.server import library_patches
from ui.shared import formats, links, session

# Seconds that a sentence stays at least: a second click, or one on a link right after Save, draws a page before anybody
# has read it.
STAYS = 1.5
RETRY = 2.0  # seconds after which a page that found everything busy is run again

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


@contextmanager
def refusals() -> Iterator[None]:
    """Shows a refusal as its sentence and keeps the entered values on the screen; defers clicks until its end."""
    try:
        with library_patches.defer_reruns():
            yield
    except StaleEdit:
        raise  # the page shows both versions
    except SignedOut:
        session.end_current()
    except Refused as refusal:
        log.info("refused by %s: %s", refusal.rule, refusal)
        st.error(formats.plain(str(refusal)), icon=":material/block:")
        if refusal.rule == "reason_required" and st.session_state.get(session.CHANGE_WITHOUT_REASON):
            _ask_reason()


@contextmanager
def patience() -> Iterator[None]:
    """Around a run of the page: when no connection is free, says so above the page and runs it again.

    A run that ended there would leave a page without its forms, and the browser would forget what was typed in them.
    """
    place = st.empty()
    try:
        yield
    except Refused as refusal:
        if refusal.rule != BUSY:
            raise
        place.warning(formats.plain(str(refusal)), icon=":material/hourglass:")
        time.sleep(RETRY)
        st.rerun()


def answer(question: Callable[[Connection], Answer]) -> Answer | None:
    """The answer to a question that can take seconds; None if it was refused, whose sentence stands in its place."""
    try:
        with session.heavy() as connection:
            return question(connection)
    except SignedOut:
        raise
    except Refused as refusal:
        log.info("refused by %s: %s", refusal.rule, refusal)
        st.warning(formats.plain(str(refusal)), icon=":material/hourglass_disabled:")
        return None


@st.fragment  # typing reruns this fragment alone, so the refusal stays until the change is repeated
def _ask_reason() -> None:
    st.text_input(
        "Reason",
        key="reason_lacking",
        max_chars=LONGEST_REASON,
        on_change=_keep_reason,
        placeholder="Say why, then save again",
    )


def _keep_reason() -> None:
    typed = (st.session_state["reason_lacking"] or "").strip()
    change = st.session_state[session.CHANGE_WITHOUT_REASON]
    st.session_state[session.PENDING_REASON] = change, typed


def done(sentence: str, *, on_record: Mapping[str, str] | None = None) -> NoReturn:
    """Ends this run, and shows the sentence at the top of the next one.

    `on_record` filters the audit report to the change, for a link beside the sentence; a button there undoes it.
    """
    st.session_state["done"] = sentence, dict(on_record or {}), session.last_write()
    st.session_state.pop("done_until", None)
    st.rerun()


def saved(subject: str, *, entity: str, on_record: Mapping[str, str], hint: str | None = None) -> NoReturn:
    """Ends this run as `done` does, with what the last write changed, as the trail has it.

    `Sales entry 7 was saved: Date 5 Nov 2006 → 5 Nov 2026.`, or that nothing was different: a browser does not send
    what a field cannot hold, such as the year 206, and then the sentence shows that the stored value stays. `hint` is
    a sentence for what was saved all the same.
    """
    written = session.last_write()
    assert written is not None
    with session.read() as connection:
        page = search.same_transaction(connection, transaction_id=written.transaction_id, near=written.near)
    if not page.records:
        st.session_state.pop(session.LAST_WRITE)  # nothing to undo
        done(
            f"Nothing was saved: {subject} has these values already. If a field shows another one, type it again.",
            on_record=on_record,
        )
    changed = [
        f"{change.field} {change.old} → {change.new}"
        for record in page.records
        if (record.entity, record.action) == (entity, "UPDATE")
        for change in wording.changes(record, formats.currency(), formats.timezone())
    ]
    sentence = f"{subject} was saved{': ' if changed else ''}{', '.join(changed)}."
    done(f"{sentence} {hint}" if hint else sentence, on_record=on_record)


def show_done(*, offer_undo: Callable[[Undoable], None], filter_report: Callable[[Mapping[str, str]], None]) -> None:
    """Shows the sentence of the run before, with a link to its record and a button to undo it.

    `offer_undo` draws that button; `filter_report` sets the filters of the audit report, where it is the page.
    """
    if time.monotonic() >= st.session_state.get("done_until", math.inf):
        del st.session_state["done"], st.session_state["done_until"]
    if "done" not in st.session_state:
        return
    sentence, on_record, undoable = st.session_state["done"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(formats.plain(sentence), icon=":material/check_circle:")
        if on_record and session.current().user.may(Permission.READ_TRAIL):
            _link_to_record(on_record, filter_report)
        if undoable is not None:
            offer_undo(undoable)


def end_run() -> None:
    """Marks the sentence as shown: the next run shows it again only if it begins before anybody can have read it."""
    if "done" in st.session_state:
        st.session_state.setdefault("done_until", time.monotonic() + STAYS)
    st.session_state.pop(session.LAST_WRITE, None)


def _link_to_record(on_record: Mapping[str, str], filter_report: Callable[[Mapping[str, str]], None]) -> None:
    label, icon = "View in audit report", ":material/history:"
    if links.is_current_page("audit"):
        # On the report itself a link would lose to the filters on the screen.
        st.button(label, icon=icon, key="view_record", on_click=filter_report, args=(on_record,))
    else:
        st.page_link("../pages/audit.py", label=label, icon=icon, query_params=on_record)
