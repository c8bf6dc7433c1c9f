"""What a page says after it did something, or did not."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.audit.undo import Undoable
from backstitch.errors import Refused, SignedOut, StaleEdit
from ui.audit import filters as audit_filters
from ui.shared import clicks, formats, links, session

# Seconds. A second click, or one on a link right after Save, draws a page before anybody has read the sentence.
STAYS = 1.5

log = logging.getLogger(__name__)


@contextmanager
def refusals() -> Iterator[None]:
    """Shows a refusal as its sentence; what was entered stays on the screen. Clicks meanwhile wait for its end."""
    try:
        with clicks.wait():
            yield
    except StaleEdit:
        raise  # the page shows both versions
    except SignedOut:
        session.forget()
        st.rerun()
    except Refused as refusal:
        log.info("refused by %s: %s", refusal.rule, refusal)
        st.error(formats.plain(str(refusal)), icon=":material/block:")
        if refusal.rule == "reason_required" and st.session_state.get(session.LACKS_REASON):
            _ask_reason()


@st.fragment  # what is typed runs this alone, so that the refusal stays until the change is made again
def _ask_reason() -> None:
    st.text_input(
        "Reason", key="reason_lacking", max_chars=400, on_change=_keep_reason, placeholder="Say why, then save again"
    )


def _keep_reason() -> None:
    typed = (st.session_state["reason_lacking"] or "").strip()
    st.session_state[session.GIVEN] = st.session_state[session.LACKS_REASON], typed


def done(sentence: str, *, on_record: Mapping[str, str] | None = None) -> NoReturn:
    """Says what was done, at the top of the next run, and starts that run: what follows in this one is not reached.

    `on_record` filters the audit report to it, for a link next to the sentence; the last write can be undone there.
    """
    st.session_state["done"] = sentence, dict(on_record or {}), session.last_written()
    st.session_state.pop("done_until", None)
    st.rerun()


def show_done(offer_undo: Callable[[Undoable], None]) -> None:
    """The sentence of the run before, with what leads on from it, until `shown`."""
    if time.monotonic() >= st.session_state.get("done_until", math.inf):
        del st.session_state["done"], st.session_state["done_until"]
    if "done" not in st.session_state:
        return
    sentence, on_record, undoable = st.session_state["done"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(formats.plain(sentence), icon=":material/check_circle:")
        if on_record and session.current().user.may(Permission.READ_TRAIL):
            _lead_to_record(on_record)
        if undoable is not None:
            offer_undo(undoable)


def shown() -> None:
    """The run has come to its end: what it showed is not for the next one, unless that begins before it can be read."""
    if "done" in st.session_state:
        st.session_state.setdefault("done_until", time.monotonic() + STAYS)
    st.session_state.pop(session.WRITTEN, None)


def _lead_to_record(on_record: Mapping[str, str]) -> None:
    label, icon = "See it on the record", ":material/history:"
    if links.is_here("audit"):
        # The filters on the screen stand over those of a link to the page that it is on.
        st.button(label, icon=icon, key="see_record", on_click=audit_filters.show_only, args=(on_record,))
    else:
        st.page_link("../pages/audit.py", label=label, icon=icon, query_params=on_record)
