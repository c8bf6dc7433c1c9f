"""Pages of a list that is read by key: page 40 costs what page 1 costs."""

from typing import Any

import streamlit as st


def starts(name: str, of: object, *, first: Any = None) -> tuple[Any, ...]:
    """Where each page of the list so far began; the last one is open. Another `of`, such as filters, begins anew."""
    kept = st.session_state.get(_key(name))
    if kept is None or kept[0] != of:
        kept = st.session_state[_key(name)] = of, (first,)
    pages: tuple[Any, ...] = kept[1]
    return pages


def buttons(
    name: str, of: object, pages: tuple[Any, ...], following: Any, *, labels: tuple[str, str] = ("Newer", "Older")
) -> None:
    """The buttons to the page before and the page after, which begins at `following`; None: there is none.

    A button knows where it leads when it is drawn, so that a second click before the next run leads to the same page.
    """
    back, on = labels
    if len(pages) > 1:
        _button(name, back, ":material/chevron_left:", of, pages[:-1])
    if following is not None:
        _button(name, on, ":material/chevron_right:", of, (*pages, following))


def _button(name: str, label: str, icon: str, of: object, pages: tuple[Any, ...]) -> None:
    st.button(label, icon=icon, key=f"{name}_{label.lower()}", on_click=_turn, args=(name, of, pages))


def _turn(name: str, of: object, pages: tuple[Any, ...]) -> None:
    st.session_state[_key(name)] = of, pages


def _key(name: str) -> str:
    return f"{name}_pages"
