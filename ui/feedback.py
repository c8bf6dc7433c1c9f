"""What a page says after it did something, or did not."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.audit.undo import Undoable
from backstitch.errors import Refused, SignedOut, StaleEdit
from ui import formats, session

log = logging.getLogger(__name__)


@contextmanager
def refusals() -> Iterator[None]:
    """Shows a refusal as its sentence; what was entered stays on the screen."""
    try:
        yield
    except StaleEdit:
        raise  # the page shows both versions
    except SignedOut:
        session.forget()
        st.rerun()
    except Refused as refusal:
        log.info("refused by %s: %s", refusal.rule, refusal)
        st.error(formats.plain(str(refusal)), icon=":material/block:")


def done(sentence: str, *, on_record: Mapping[str, str] | None = None) -> None:
    """Says what was done, at the top of the next run, and starts that run.

    `on_record` filters the audit report to it, for a link next to the sentence; the last write can be undone there.
    """
    st.session_state["done"] = (sentence, dict(on_record or {}), st.session_state.pop("written", None))
    st.rerun()


def show_done(offer_undo: Callable[[Undoable], None]) -> None:
    """The sentence of the run before, once, with what leads on from it."""
    sentence, on_record, written = st.session_state.pop("done", (None, {}, None))
    if sentence is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(formats.plain(sentence), icon=":material/check_circle:")
        if on_record and session.current().user.may(Permission.READ_TRAIL):
            st.page_link(
                "../pages/audit.py", label="See it on the record", icon=":material/history:", query_params=on_record
            )
        if written is not None:
            offer_undo(written)
