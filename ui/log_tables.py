"""What the Inward and the Sales page share in their lists: filters, the table with its selection, the open entry."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.logs import InwardEntry, LogFilter, SalesEntry
from ui import formats

Entry = TypeVar("Entry", InwardEntry, SalesEntry)

# The entry whose dialog is open, as it was read when the person opened it.
OPEN = "entry_dialog"
STEP = 100
CELL_COLUMNS = ("date", "sku", "color", "size", "quantity")


def filter_bar(choices: Mapping[int, str], *, prefix: str, names: Mapping[str, tuple[str, Sequence[str]]]) -> LogFilter:
    """What to show: product, dates, and a choice per field of LogFilter in `names`, each with its label and its names.

    The number of entries grows with "Show more".
    """
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
        chosen = {
            field: st.selectbox(
                label,
                ["", *known],
                format_func=lambda name: name or "All",
                key=f"{prefix}_{field}",
                filter_mode="contains",
            )
            for field, (label, known) in names.items()
        }
    size = st.session_state.get(f"{prefix}_size", STEP)
    st.session_state["log_prefix"] = prefix
    return LogFilter(product_id, first, last, size, **chosen)


def _show_more() -> None:
    key = f"{st.session_state['log_prefix']}_size"
    st.session_state[key] = st.session_state.get(key, STEP) + STEP


def show(
    entries: Sequence[Entry],
    kind: type[Entry],
    log_filter: LogFilter,
    *,
    columns: Mapping[str, Any],
    editable: bool,
    empty: str,
    further: Mapping[str, Sequence[Any]] | None = None,
) -> list[Entry]:
    """The list, newest first, with a button per row that opens the entry; returns the entries that are selected.

    `further` are columns that the entries do not have themselves.
    """
    if not entries:
        filtered = log_filter != LogFilter(size=log_filter.size)
        st.info("No entry matches these filters." if filtered else empty, icon=":material/inbox:")
        return []
    table = formats.frame(entries, kind).assign(**(further or {}))
    table["open"] = [_open_label(entry) for entry in entries]
    key = _table_key(entries, kind)
    st.dataframe(
        table,
        key=key,
        hide_index=True,
        on_select="rerun" if editable else "ignore",
        selection_mode="multi-row",
        alt=f"{kind.__name__} list, newest first",
        column_order=[*CELL_COLUMNS, *columns, *(["open"] if editable else [])],
        column_config={
            **cell_columns(),
            **columns,
            "open": st.column_config.ButtonColumn(
                "",
                key=f"{kind.__name__}_open",
                type="tertiary",
                on_click=lambda: _open(entries[st.session_state[f"{kind.__name__}_open"].row]),
            ),
        },
    )
    if len(entries) == log_filter.size:
        st.caption(f"The newest {log_filter.size:,} entries.")
        st.button("Show more", key="log_more", on_click=_show_more)
    return [entries[row] for row in st.session_state[key]["selection"]["rows"]] if editable else []


def cell_columns() -> dict[str, Any]:
    """column_config of what every entry has."""
    return {
        "date": st.column_config.DateColumn("Date", format=formats.DATE, pinned=True),
        "sku": st.column_config.TextColumn("SKU", pinned=True),
        "color": "Colour",
        "size": "Size",
        "quantity": st.column_config.NumberColumn("Quantity", format="localized"),
    }


def _table_key(entries: Sequence[Entry], kind: type[Entry]) -> str:
    """A selection is kept by row number: it must not pass to other entries, or to newer versions of the same."""
    return f"{kind.__name__}_table_{hash(tuple((entry.id, entry.version) for entry in entries))}"


def of_order(entry: InwardEntry | SalesEntry) -> bool:
    """Whether the dispatch of an order wrote the entry, so that it cannot be changed on its own."""
    return isinstance(entry, SalesEntry) and entry.order_id is not None


def _open_label(entry: InwardEntry | SalesEntry) -> str:
    return ":material/lock: Locked" if of_order(entry) else ":material/edit: Edit"


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
    """When somebody changed the entry meanwhile: says so, and shows it as it stands beside what was to be saved."""
    try:
        yield
    except StaleEdit as stale:
        st.error(formats.plain(str(stale)), icon=":material/sync_problem:")
        if stale.theirs is None:
            return
        st.dataframe(
            _three_versions(stale.theirs, mine, stale.yours or mine),
            hide_index=True,
            alt="The entry as it stands now, as you opened it, and as you would have saved it",
        )
        st.button("Edit the entry as it stands now", key="edit_again", on_click=_open, args=(stale.theirs,))


def _three_versions(theirs: object, opened: object, yours: object) -> list[dict[str, str]]:
    """The fields in which the three differ."""
    found = zip(vars(theirs).items(), vars(opened).values(), vars(yours).values(), strict=True)
    return [
        {
            "Field": name.replace("_", " ").capitalize(),
            "Now": str(now),
            "When you opened it": str(read),
            "Yours": str(meant),
        }
        for (name, now), read, meant in found
        if name not in {"id", "version"} and not now == read == meant
    ]
