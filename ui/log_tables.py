"""What the Inward and the Sales page share in their lists."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.logs import InwardEntry, LogFilter, SalesEntry
from ui import formats

Entry = TypeVar("Entry", InwardEntry, SalesEntry)

# The entry whose dialog is open, as it was read when the person opened it.
OPEN = "entry_dialog"
STEP = 100


def filter_bar(choices: Mapping[int, str], *, prefix: str) -> LogFilter:
    """Product and dates to show; the number of entries grows with "Show more"."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        product_id = st.selectbox(
            "Product",
            [None, *choices],
            format_func=lambda choice: "All products" if choice is None else choices[choice],
            key=f"{prefix}_product",
            filter_mode="contains",
        )
        first = st.date_input("From", None, key=f"{prefix}_first", format="DD/MM/YYYY")
        last = st.date_input("To (inclusive)", None, key=f"{prefix}_last", format="DD/MM/YYYY")
    size = st.session_state.get(f"{prefix}_size", STEP)
    st.session_state["log_prefix"] = prefix
    return LogFilter(product_id, first, last, size)


def _show_more() -> None:
    key = f"{st.session_state['log_prefix']}_size"
    st.session_state[key] = st.session_state.get(key, STEP) + STEP


def show(
    entries: Sequence[Entry],
    kind: type[Entry],
    limit: int,
    *,
    columns: Mapping[str, str],
    editable: bool,
    empty: str,
) -> None:
    """The list, newest first, with a button per row that opens the entry."""
    if not entries:
        st.info(empty, icon=":material/inbox:")
        return
    table = formats.frame(entries, kind)
    table["open"] = ":material/edit: Edit"
    own = ["open"] if editable else []
    st.dataframe(
        table,
        key=f"{kind.__name__}_table",
        hide_index=True,
        alt=f"{kind.__name__} list, newest first",
        column_order=["date", "sku", "color", "size", "quantity", *columns, *own],
        column_config={
            "date": st.column_config.DateColumn("Date", format=formats.DATE, pinned=True),
            "sku": st.column_config.TextColumn("SKU", pinned=True),
            "color": "Colour",
            "size": "Size",
            "quantity": st.column_config.NumberColumn("Quantity", format="localized"),
            **columns,
            "open": st.column_config.ButtonColumn(
                "",
                key=f"{kind.__name__}_open",
                type="tertiary",
                on_click=lambda: _open(entries[st.session_state[f"{kind.__name__}_open"].row]),
            ),
        },
    )
    if len(entries) == limit:
        st.caption(f"The newest {limit:,} entries.")
        st.button("Show more", key="log_more", on_click=_show_more)


def _open(entry: InwardEntry | SalesEntry) -> None:
    st.session_state[OPEN] = entry


def opened(kind: type[Entry]) -> Entry | None:
    """The entry whose dialog is open on this page."""
    entry = st.session_state.get(OPEN)
    return entry if isinstance(entry, kind) else None


def close() -> None:
    """Closes the dialog."""
    st.session_state.pop(OPEN, None)


def heading(entry: InwardEntry | SalesEntry) -> None:
    """What the entry is about: the cell, which an edit cannot change."""
    st.text(f"Entry {entry.id}: {entry.sku} · {entry.color} · {entry.size}")


@contextmanager
def stale_shown(mine: InwardEntry | SalesEntry) -> Iterator[None]:
    """When somebody changed the entry meanwhile: says so, and shows the entry as it stands and as it was read."""
    try:
        yield
    except StaleEdit as stale:
        st.error(formats.plain(str(stale)), icon=":material/sync_problem:")
        if stale.theirs is None:
            return
        st.dataframe(
            [
                {"Field": name.replace("_", " ").capitalize(), "Now": str(now), "When you opened it": str(read)}
                for (name, now), read in zip(vars(stale.theirs).items(), vars(mine).values(), strict=True)
                if name not in {"id", "version"} and now != read
            ],
            hide_index=True,
            alt="The entry as it stands now beside the one you opened",
        )
        st.button("Edit the entry as it stands now", key="edit_again", on_click=_open, args=(stale.theirs,))
