"""Says which names stand beside each other and are one thing, and what to do."""

from collections.abc import Sequence

import streamlit as st

from backstitch.inventory import doubles as stored_doubles
from backstitch.inventory.doubles import Kind
from ui.shared import formats, session

SHOWN = 20  # groups
PRODUCTS = "Take the stock of one to 0 by adjustments, enter it at the other, then deactivate the first, or rename it."
PARTIES = "Choose the one to keep, then rename or deactivate the other."


def show(*kinds: Kind, advice: str) -> None:
    """Draws the doubles of these kinds, if there are any."""
    with session.read() as connection:
        groups = stored_doubles.doubles(connection, *kinds)
    draw(groups, advice)


def draw(groups: Sequence[Sequence[str]], advice: str) -> None:
    """Draws groups of names that are one, if there are any."""
    if not groups:
        return
    with st.expander(f"One thing under two names: {len(groups):,}", icon=":material/content_copy:"):
        st.text(advice)
        for group in groups[:SHOWN]:
            st.text(" = ".join(group))
        if len(groups) > SHOWN:
            st.caption(formats.plain(f"The first {SHOWN} of {len(groups):,}."))
