"""The date field of a new entry: it starts at today and follows the day until another date is chosen."""

from typing import Any

import streamlit as st

from ui.shared import formats


def entry_day(label: str, *, key: str, button: str, **options: Any) -> Any:
    """Draws the date field and returns its date: today, also on a page left open over midnight, or the day chosen.

    In the run in which the entry's `button` is pressed, it keeps the date that the screen showed.
    """
    today, current, initial = formats.today(), st.session_state.get(key), st.session_state.get(f"{key}_begun")
    is_outdated = current == initial != today and not st.session_state.get(button)
    if current is None or is_outdated:
        st.session_state[key] = st.session_state[f"{key}_begun"] = today
    # Streamlit's “today”, in the zone of the machine, is never used: the session state has a date already.
    return st.date_input(label, "today", key=key, format="DD/MM/YYYY", **options)
