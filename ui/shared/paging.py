"""Buttons to turn the pages of a list that is read by key, so that page 40 costs what page 1 costs."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

PART = "part_of_table"
LID = f"""
[class*="_{PART}"] [data-testid="stDataFrameResizable"]::after {{
    content: ""; position: absolute; inset: 0 0 auto 0; height: 2.2rem; z-index: 2; cursor: default;
}}
[class*="_{PART}"] [data-testid="stElementToolbarButton"]:has([aria-label^="Search"]),
[class*="_{PART}"] .gdg-search-bar {{ display: none; }}
"""


def starts(name: str, subject: object, *, first: Any = None) -> tuple[Any, ...]:
    """The keys at which the pages so far start, the last one open. Another `subject`, such as filters, starts anew."""
    kept = st.session_state.get(_key(name))
    if kept is None or kept[0] != subject:
        kept = st.session_state[_key(name)] = subject, (first,)
    pages: tuple[Any, ...] = kept[1]
    return pages


def table(name: str, *, is_whole: bool) -> DeltaGenerator:
    """The place of the table of a page: unless the page `is_whole`, without the search and the sorting of the browser.

    They would act on the rows of this page alone, and look as if they did on all. Streamlit has no option for it: a
    lid lies on the header, which is part of a picture, and the search is not shown.
    """
    if not is_whole:
        st.html(f"<style>{LID}</style>")
    return st.container(key=f"{name}_{'whole' if is_whole else PART}")


def buttons(
    name: str, subject: object, pages: tuple[Any, ...], next_start: Any, *, labels: tuple[str, str] = ("Newer", "Older")
) -> None:
    """Draws the buttons to the previous page and to the next one, which starts at `next_start`; None: there is none.

    A button gets its page when it is drawn, so that a second click before the next run leads to the same page.
    """
    previous_label, next_label = labels
    if len(pages) > 1:
        _button(name, previous_label, ":material/chevron_left:", subject, pages[:-1])
    if next_start is not None:
        _button(name, next_label, ":material/chevron_right:", subject, (*pages, next_start))


def _button(name: str, label: str, icon: str, subject: object, pages: tuple[Any, ...]) -> None:
    st.button(label, icon=icon, key=f"{name}_{label.lower()}", on_click=_turn, args=(name, subject, pages))


def _turn(name: str, subject: object, pages: tuple[Any, ...]) -> None:
    st.session_state[_key(name)] = subject, pages


def _key(name: str) -> str:
    return f"{name}_pages"
