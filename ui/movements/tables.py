"""What the pages of the logs share in their lists: filters, the table with its selection, the open entry."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.movements.queries import AdjustmentEntry, InwardEntry, LogFilter, SalesEntry
from ui.shared import formats, links, versions
from ui.shared.dialogs import Dialog

Entry = TypeVar("Entry", InwardEntry, SalesEntry, AdjustmentEntry)
AnyEntry = InwardEntry | SalesEntry | AdjustmentEntry

# Open for an entry as it was read when the person opened it.
DIALOG = Dialog("entry_dialog")
ALL_PRODUCTS = 0  # no product has this id; a choice of None comes back from another page as no choice
STEP = 100
DAYS = {"from": "first", "to": "last"}  # in a link
APPEARS = " What you record above appears in this list."
LABELS = {
    "date": "Date",
    "quantity": "Quantity",
    "category": "Category",
    "stakeholder_name": "Received from",
    "store": "Store",
    "agency": "Agency",
    "reason": "Reason",
    "note": "Note",
}
# The names in the trail, and what the tables are called where they are read aloud.
ENTITY: Mapping[type, str] = {InwardEntry: "InwardLog", SalesEntry: "SalesLog", AdjustmentEntry: "StockAdjustment"}
ALT: Mapping[type, str] = {InwardEntry: "Goods in", SalesEntry: "Goods out", AdjustmentEntry: "Adjustments"}
CELL_COLUMNS = ("date", "sku", "color", "size", "quantity")


def filter_bar(
    choices: Mapping[int, str],
    *,
    prefix: str,
    names: Mapping[str, tuple[str, Sequence[str]]],
    shown: Callable[[str], str] = str,
) -> LogFilter:
    """What to show: product, dates, and a choice per field of LogFilter in `names`, each with its label and its names.

    `shown` says how a name stands on the screen.
    The number of entries grows with "Show more", until another choice is made.
    """
    _follow_link(prefix, names)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        product_id = st.selectbox(
            "Product",
            [ALL_PRODUCTS, *choices],
            format_func=lambda choice: "All products" if choice == ALL_PRODUCTS else choices[choice],
            key=f"{prefix}_product",
            filter_mode="contains",
            persist_state="session",
        )
        first = st.date_input("From", None, key=f"{prefix}_first", format="DD/MM/YYYY", persist_state="session")
        last = st.date_input("To (inclusive)", None, key=f"{prefix}_last", format="DD/MM/YYYY", persist_state="session")
        chosen = {
            field: st.selectbox(
                label,
                ["", *known],
                format_func=lambda name: shown(name) or "All",
                key=f"{prefix}_{field}",
                filter_mode="contains",
                persist_state="session",
            )
            for field, (label, known) in names.items()
        }
    log_filter = LogFilter(product_id or None, first, last, STEP, **chosen)
    grown_for, size = st.session_state.get(f"{prefix}_shown", (None, STEP))
    return replace(log_filter, size=size) if grown_for == log_filter else log_filter


def _follow_link(prefix: str, names: Iterable[str]) -> None:
    """A link may bring the dates; then it says all of the list, whatever was chosen on the visit before."""
    if not DAYS.keys() & set(st.query_params):
        return
    for field in ("product", *names):
        st.session_state.pop(f"{prefix}_{field}", None)
    for name, field in DAYS.items():
        asked = st.query_params.pop(name, "")
        try:
            st.session_state[f"{prefix}_{field}"] = date.fromisoformat(asked) if asked else None
        except ValueError:
            st.session_state[f"{prefix}_{field}"] = None
            links.warn_unresolved("day", asked, "Write it as 2026-03-31. The list is shown without it.")


def _show_more(prefix: str, log_filter: LogFilter) -> None:
    st.session_state[f"{prefix}_shown"] = replace(log_filter, size=STEP), log_filter.size + STEP


def show(
    entries: Sequence[Entry],
    kind: type[Entry],
    log_filter: LogFilter,
    *,
    prefix: str,
    columns: Mapping[str, Any],
    editable: bool,
    empty: str,
    further: Mapping[str, Sequence[Any]] | None = None,
) -> list[Entry]:
    """The list, newest first, with a button per row that opens the entry; returns the entries that are selected.

    `further` are columns that the entries do not have themselves, or not in these words.
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
        alt=f"{ALT[kind]}, newest first",
        column_order=[*CELL_COLUMNS, *columns, *(["open"] if editable else [])],
        column_config={
            **cell_columns(signed=kind is AdjustmentEntry),
            **columns,
            "open": st.column_config.ButtonColumn(
                "",
                key=f"{kind.__name__}_open",
                type="tertiary",
                on_click=lambda: DIALOG.open(entries[st.session_state[f"{kind.__name__}_open"].row]),
            ),
        },
    )
    if len(entries) == log_filter.size:
        st.caption(f"The newest {log_filter.size:,} entries.")
        st.button("Show more", key="log_more", on_click=_show_more, args=(prefix, log_filter))
    return [entries[row] for row in st.session_state[key]["selection"]["rows"]] if editable else []


def cell_columns(*, signed: bool = False) -> dict[str, Any]:
    """column_config of what every entry has; the quantity `signed` where it may be below 0."""
    return {
        "date": st.column_config.DateColumn("Date", format=formats.DATE, pinned=True),
        "sku": st.column_config.TextColumn("SKU", pinned=True),
        "color": "Colour",
        "size": "Size",
        "quantity": st.column_config.NumberColumn("Quantity", format="%+d" if signed else "localized"),
    }


def _table_key(entries: Sequence[Entry], kind: type[Entry]) -> str:
    """A selection is kept by row number: it must not pass to other entries, or to newer versions of the same."""
    return f"{kind.__name__}_table_{hash(tuple((entry.id, entry.version) for entry in entries))}"


def of_order(entry: AnyEntry) -> bool:
    """Whether the dispatch of an order wrote the entry, so that it cannot be changed on its own."""
    return isinstance(entry, SalesEntry) and entry.order_id is not None


def put_back(entry: AnyEntry) -> int:
    """By how many pieces its deletion changes the stock of its cell."""
    return entry.quantity if isinstance(entry, SalesEntry) else -entry.quantity


def _open_label(entry: AnyEntry) -> str:
    return ":material/lock: Locked" if of_order(entry) else ":material/edit: Edit"


def opened(kind: type[Entry]) -> Entry | None:
    """The entry whose dialog is open on this page."""
    entry = DIALOG.opened()
    return entry if isinstance(entry, kind) else None


def heading(entry: AnyEntry) -> None:
    """What the entry is about: the cell, which an edit cannot change."""
    st.text(f"Entry {entry.id}: {entry.sku} · {entry.color} · {entry.size}")


@contextmanager
def stale_shown(mine: AnyEntry) -> Iterator[None]:
    """When somebody changed the entry meanwhile: says so, and shows it as it stands beside what was to be saved."""
    try:
        yield
    except StaleEdit as stale:
        labels = {name: label for name, label in LABELS.items() if name in vars(mine)}
        theirs = vars(stale.theirs) if stale.theirs else None
        found = versions.rows(labels, now=theirs, opened=vars(mine), yours=vars(stale.yours or mine))
        versions.show(stale, found if theirs else [], noun="entry", reopen=DIALOG.open, args=(stale.theirs,))
