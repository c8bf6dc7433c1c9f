"""Shows errors that no page caught: a refusal as its sentence, anything else as the id of its log entry."""

import logging
import secrets

import streamlit as st

from backstitch.errors import Refused
from ui.shared import formats

log = logging.getLogger(__name__)


def show(error: Exception) -> bool:
    """Shows a refusal, such as a lost database, as its sentence; logs anything else under an id and shows the id.

    The on_script_error of st.App; it returns True, which tells Streamlit that the error has been shown.
    """
    if isinstance(error, Refused):
        log.info("refused by %s: %s", error.rule, error)
        st.error(formats.plain(str(error)), icon=":material/block:")
        return True
    error_id = secrets.token_hex(4)
    log.error("error %s", error_id, exc_info=error)
    st.error(
        f"Something went wrong, and nothing was saved by this step. Try again; if it stays, report error {error_id}.",
        icon=":material/error:",
    )
    return True
