"""The date of a new entry: it begins as today, and moves on with it."""

from typing import Any

import streamlit as st

from ui.shared import formats


def entry_day(label: str, *, key: str, button: str, **options: Any) -> Any:
    """A date field that says today until another day is chosen; on a page left open over midnight, the new day.

    In the run in which the entry's `button` is pressed it keeps what the screen said.
    """
    today, shown, begun = formats.today(), st.session_state.get(key), st.session_state.get(f"{key}_begun")
    is_over = shown == begun != today and not st.session_state.get(button)
    if shown is None or is_over:
        st.session_state[key] = st.session_state[f"{key}_begun"] = today
    # Its own “today”, in the zone of the machine, is never used: the state has a day already.
    return st.date_input(label, "today", key=key, format="DD/MM/YYYY", **options)
