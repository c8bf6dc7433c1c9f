"""What a person sees of an error nobody expected: an id, under which the log has the rest."""

import logging
import secrets

import streamlit as st

log = logging.getLogger(__name__)


def unexpected(error: BaseException) -> bool:
    """Logs `error` under an id, and shows the id. For st.App's on_script_error."""
    number = secrets.token_hex(4)
    log.error("error %s", number, exc_info=error)
    st.error(
        f"Something went wrong, and nothing was saved by this step. Try again; if it stays, report error {number}.",
        icon=":material/error:",
    )
    return True
