"""Links whose address says what a page shows; a value that the page does not know gets a warning."""

from collections.abc import Collection
from datetime import date

import streamlit as st

from ui.shared import formats

UNRESOLVED_LINKS = "unresolved_links"  # in the session state: key in the address -> values that no choice has


def note_page(path: str) -> bool:
    """Notes the page of this run; returns whether the run before was of another page, or there was none."""
    is_first = st.session_state.get("page") != path
    st.session_state["page"], st.session_state["is_first_run"] = path, is_first
    if is_first:
        clear_unresolved()
    return is_first


def is_first_run() -> bool:
    """Whether this is the first run since the user came to the page: only then its address is that of a link."""
    return bool(st.session_state.get("is_first_run"))


def is_current_page(path: str) -> bool:
    """Whether this run is of the page with this path."""
    return st.session_state.get("page") == path


def resolve_product(key: str, choices: Collection[str]) -> None:
    """Corrects a link to a product that was renamed since: the SKU identifies it.

    Call it before the widget with this key is drawn: a widget's part of the address cannot be changed afterwards.
    """
    linked = st.query_params.get(key)
    if not is_first_run() or linked is None or linked in choices:
        return
    same_sku = [choice for choice in choices if _sku(choice) == _sku(linked)]
    if len(same_sku) == 1:
        st.query_params[key] = same_sku[0]
        del st.session_state["page"]
        st.rerun()


def unresolved(key: str, choices: Collection[str]) -> list[str]:
    """The values under this key of the link that are not among the choices, until `clear_unresolved`."""
    if is_first_run():
        missing = [value for value in st.query_params.get_all(key) if value not in choices]
        st.session_state.setdefault(UNRESOLVED_LINKS, {})[key] = missing
    values: list[str] = st.session_state.get(UNRESOLVED_LINKS, {}).get(key, [])
    return values


def unresolved_days(key: str) -> list[str]:
    """The values under this key of the link that are no days, until `clear_unresolved`."""
    return unresolved(key, [value for value in st.query_params.get_all(key) if _is_day(value)])


def _is_day(value: str) -> bool:
    try:
        return len(value) == len("2026-03-31") and bool(date.fromisoformat(value))
    except ValueError:
        return False


def clear_unresolved(key: str | None = None) -> None:
    """Forgets the unresolved values of a key, or of all keys: the user has chosen something else."""
    if key is None:
        st.session_state[UNRESOLVED_LINKS] = {}
    else:
        st.session_state.get(UNRESOLVED_LINKS, {}).pop(key, None)


def warn_unresolved(noun: str, value: str, instead: str) -> None:
    """Warns that the link names an unknown value; the sentence `instead` says what the page shows."""
    st.warning(
        formats.plain(f"The link asks for the {noun} “{value}”, which is not known by that name. {instead}"),
        icon=":material/link_off:",
    )


def _sku(choice: str) -> str:
    return choice.partition(" · ")[0]
