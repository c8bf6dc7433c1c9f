"""Shows errors that no page caught: a refusal as its sentence, anything else as the id of its request."""

import logging

import streamlit as st

from backstitch import request
from backstitch.errors import Refused
from ui.shared import formats

log = logging.getLogger(__name__)


def show(error: Exception) -> bool:
    """Shows a refusal, such as a lost database, as its sentence; logs anything else and shows the id of the request.

    That id finds the entry in the log, what else the log has of the request, and its records in the trail.

    The on_script_error of st.App; it returns True, which tells Streamlit that the error has been shown.
    """
    if isinstance(error, Refused):
        log.info("refused by %s: %s", error.rule, error)
        st.error(formats.plain(str(error)), icon=":material/block:")
        return True
    error_id = request.error_id()
    log.error("error %s", error_id, exc_info=error)
    st.error(
        f"Something went wrong, and nothing was saved by this step. Try again; if it stays, report error {error_id}.",
        icon=":material/error:",
    )
    return True
