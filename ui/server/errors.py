"""What a person sees of an error that no page caught: its sentence, or an id under which the log has the rest."""

import logging
import secrets

import streamlit as st

from backstitch.errors import Refused
from ui.shared import formats

log = logging.getLogger(__name__)


def show(error: Exception) -> bool:
    """Shows a refusal, such as a lost database, as its sentence; logs anything else under an id, and shows the id.

    For st.App's on_script_error: True says that the error has been shown.
    """
    if isinstance(error, Refused):
        log.info("refused by %s: %s", error.rule, error)
        st.error(formats.plain(str(error)), icon=":material/block:")
        return True
    number = secrets.token_hex(4)
    log.error("error %s", number, exc_info=error)
    st.error(
        f"Something went wrong, and nothing was saved by this step. Try again; if it stays, report error {number}.",
        icon=":material/error:",
    )
    return True
