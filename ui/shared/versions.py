"""Two edits of one record: what stands now beside what was opened and what was to be saved."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from backstitch.errors import StaleEdit
from ui.shared import formats


def show_stale(stale: StaleEdit) -> None:
    """Shows the sentence that somebody else changed or deleted the record."""
    st.error(formats.plain(str(stale)), icon=":material/sync_problem:")


def show(
    stale: StaleEdit,
    found: Sequence[Mapping[str, str]],
    *,
    what: str = "record",
    again: Callable[..., None],
    args: tuple[Any, ...],
) -> None:
    """Says that somebody else was first, with what differs, and offers the record as it stands now; `again` opens it.

    `found` is of `rows`, and empty where the record is gone: then there is nothing to open.
    """
    show_stale(stale)
    if not found:
        return
    alt = f"The {what} as it stands now, as you opened it, and as you would have saved it"
    st.dataframe(found, hide_index=True, height="content", alt=alt)
    st.button(f"Edit the {what} as it stands now", key="edit_again", on_click=again, args=args)


def rows(
    labels: Mapping[str, str],
    *,
    now: Mapping[str, object] | None,
    opened: Mapping[str, object],
    yours: Mapping[str, object],
) -> list[dict[str, str]]:
    """The fields of `labels` in which the three differ, with what each says; `now` is None for a deleted record."""
    found = []
    for name, label in labels.items():
        there, read, mine = "Deleted" if now is None else text(now[name]), text(opened[name]), text(yours[name])
        if not there == read == mine:
            found.append({"Field": label, "Now": there, "When you opened it": read, "Yours": mine})
    return found


def text(value: object) -> str:
    """A value of a record as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, date):
        return f"{value:%d %b %Y}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
