"""Buttons to turn the pages of a list that is read by key, so that page 40 costs what page 1 costs."""

from typing import Any

import streamlit as st


def starts(name: str, subject: object, *, first: Any = None) -> tuple[Any, ...]:
    """The keys at which the pages so far start, the last one open. Another `subject`, such as filters, starts anew."""
    kept = st.session_state.get(_key(name))
    if kept is None or kept[0] != subject:
        kept = st.session_state[_key(name)] = subject, (first,)
    pages: tuple[Any, ...] = kept[1]
    return pages


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
