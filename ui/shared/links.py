"""Links that say in their address what a page shows: what they name is found, or they say that it is not there."""

from collections.abc import Collection

import streamlit as st

from ui.shared import formats

UNRESOLVED_LINKS = "unresolved_links"


def arrive(path: str) -> bool:
    """Notes which page this run is of; whether the run before was of another, or of none."""
    arrived = st.session_state.get("page") != path
    st.session_state["page"], st.session_state["arrived"] = path, arrived
    if arrived:
        settle()
    return arrived


def arrived() -> bool:
    """Whether this is the first run since the page was come to: only then its address is that of a link."""
    return bool(st.session_state.get("arrived"))


def is_here(path: str) -> bool:
    """Whether this run is of the page with this path."""
    return st.session_state.get("page") == path


def find_product(key: str, choices: Collection[str]) -> None:
    """Sees to it that a link to a product leads there although the product was renamed since: the SKU counts.

    Before the choice with this key is drawn, because the address of what is drawn cannot be changed.
    """
    asked = st.query_params.get(key)
    if not arrived() or asked is None or asked in choices:
        return
    same = [choice for choice in choices if _sku(choice) == _sku(asked)]
    if len(same) == 1:
        st.query_params[key] = same[0]
        del st.session_state["page"]
        st.rerun()


def unknown(key: str, choices: Collection[str]) -> list[str]:
    """What the link that led here asks for under this key, and is not among the choices; until it is settled."""
    if arrived():
        unresolved = [asked for asked in st.query_params.get_all(key) if asked not in choices]
        st.session_state.setdefault(UNRESOLVED_LINKS, {})[key] = unresolved
    found: list[str] = st.session_state.get(UNRESOLVED_LINKS, {}).get(key, [])
    return found


def settle(key: str | None = None) -> None:
    """Somebody has chosen by hand what the link asked for under this key in vain, or under any."""
    if key is None:
        st.session_state[UNRESOLVED_LINKS] = {}
    else:
        st.session_state.get(UNRESOLVED_LINKS, {}).pop(key, None)


def say_unknown(word: str, asked: str, instead: str) -> None:
    """Says that a link named something that is not there, and what is shown instead."""
    st.warning(
        formats.plain(f"The link asks for the {word} “{asked}”, which is not known by that name. {instead}"),
        icon=":material/link_off:",
    )


def _sku(choice: str) -> str:
    return choice.partition(" · ")[0]
