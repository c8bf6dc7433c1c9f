"""Two edits of one record: the stored version beside the one that was opened and the one to be saved."""

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
    differences: Sequence[Mapping[str, str]],
    *,
    noun: str = "record",
    reopen: Callable[..., None],
    args: tuple[Any, ...],
) -> None:
    """Shows that somebody else was first, with the differences, and a button that opens the stored version by `reopen`.

    `differences` come from `rows`; they are empty for a deleted record, which cannot be opened.
    """
    show_stale(stale)
    if not differences:
        return
    alt = f"The {noun} as it stands now, as you opened it, and as you would have saved it"
    st.dataframe(differences, hide_index=True, height="content", alt=alt)
    st.button(f"Edit the {noun} as it stands now", key="edit_again", on_click=reopen, args=args)


def rows(
    labels: Mapping[str, str],
    *,
    now: Mapping[str, object] | None,
    opened: Mapping[str, object],
    yours: Mapping[str, object],
) -> list[dict[str, str]]:
    """A row per field of `labels` in which the three versions differ; `now` is None for a deleted record."""
    differences = []
    for name, label in labels.items():
        current, before, entered = "Deleted" if now is None else text(now[name]), text(opened[name]), text(yours[name])
        if not current == before == entered:
            differences.append({"Field": label, "Now": current, "When you opened it": before, "Yours": entered})
    return differences


def text(value: object) -> str:
    """A value of a record as text for a person."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, date):
        return f"{value:%d %b %Y}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
