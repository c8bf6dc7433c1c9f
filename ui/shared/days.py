"""Date fields. A browser keeps a refused date to itself and sends the last valid one, so none is refused there."""

from datetime import date, timedelta
from typing import Any

import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.values import FIRST_DAY
from ui.shared import formats

# The limits of a field are those of its calendar; `checked` has the product's.
FIRST_OF_FIELD, LAST_OF_FIELD = date(1, 1, 1), date(9999, 12, 31)
AHEAD = timedelta(days=366)  # of an order


def field(label: str, value: date | None, *, key: str, **options: Any) -> Any:
    """Draws a date field that takes any day, and returns its date; None for an empty one."""
    return st.date_input(
        label, value, min_value=FIRST_OF_FIELD, max_value=LAST_OF_FIELD, key=key, format="DD/MM/YYYY", **options
    )


def entry_day(label: str, *, key: str, button: str, **options: Any) -> Any:
    """Draws the date field and returns its date: today, also on a page left open over midnight, or the day chosen.

    In the run in which the entry's `button` is pressed, it keeps the date that the screen showed.
    """
    today, current, initial = formats.today(), st.session_state.get(key), st.session_state.get(f"{key}_begun")
    is_outdated = current == initial != today and not st.session_state.get(button)
    if current is None or is_outdated:
        st.session_state[key] = st.session_state[f"{key}_begun"] = today
    # Streamlit's “today”, in the zone of the machine, is never used: the session state has a date already.
    return st.date_input(
        label, "today", min_value=FIRST_OF_FIELD, max_value=LAST_OF_FIELD, key=key, format="DD/MM/YYYY", **options
    )


def checked(day: date | None, *, stored: date | None = None, ahead: timedelta = timedelta()) -> date:
    """The day of an entry, if it is one from FIRST_DAY to today or `ahead` of it; the `stored` one may stay.

    Raises Refused.
    """
    last = formats.today() + ahead
    if day is None:
        raise Refused("Choose a date. Nothing was saved.", rule="no_date")
    if day != stored and not FIRST_DAY <= day <= last:
        limits = f"from {FIRST_DAY:%d/%m/%Y} to {'today, ' if not ahead else ''}{last:%d/%m/%Y}"
        raise Refused(
            f"{day.day:02}/{day.month:02}/{day.year} is no date for this: choose one {limits}. Nothing was saved.",
            rule="date_in_range",
        )
    return day
