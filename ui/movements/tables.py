"""The list of a log: its filters, the table with its selection, the open entry."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.movements.queries import AdjustmentEntry, InwardEntry, LogFilter, SalesEntry
from ui.shared import days, formats, links, paging, versions
from ui.shared.dialogs import Dialog

Entry = TypeVar("Entry", InwardEntry, SalesEntry, AdjustmentEntry)
AnyEntry = InwardEntry | SalesEntry | AdjustmentEntry

# The subject is an entry as it was read when the user opened it.
DIALOG = Dialog("entry_dialog")
ALL_PRODUCTS = 0  # the id of no product; None would come back from another page as no choice
PAGE_SIZE = 100
DAYS = {"from": "first", "to": "last"}  # parameter of a link -> field of LogFilter
FORM_ABOVE = " What you record above appears in this list."
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
# The names of the entities in the trail, and those of the tables for screen readers.
ENTITY: Mapping[type, str] = {InwardEntry: "InwardLog", SalesEntry: "SalesLog", AdjustmentEntry: "StockAdjustment"}
ALT: Mapping[type, str] = {InwardEntry: "Goods in", SalesEntry: "Goods out", AdjustmentEntry: "Adjustments"}
CELL_COLUMNS = ("date", "sku", "color", "size", "quantity")


def filter_bar(
    choices: Mapping[int, str],
    *,
    prefix: str,
    names: Mapping[str, tuple[str, Sequence[str]]],
    format_name: Callable[[str], str] = str,
) -> LogFilter:
    """Draws the filters and returns them: product, dates, and a choice per field of LogFilter in `names`.

    `names` has a label and the known names per field; `format_name` turns a name into its text on the screen. "Show
    more" raises the number of entries until a filter changes.
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
        first = days.field("From", None, key=f"{prefix}_first", persist_state="session")
        last = days.field("To (inclusive)", None, key=f"{prefix}_last", persist_state="session")
        chosen = {
            field: st.selectbox(
                label,
                ["", *known],
                format_func=lambda name: format_name(name) or "All",
                key=f"{prefix}_{field}",
                filter_mode="contains",
                persist_state="session",
            )
            for field, (label, known) in names.items()
        }
    log_filter = LogFilter(product_id or None, first, last, PAGE_SIZE, **chosen)
    extended_filter, size = st.session_state.get(f"{prefix}_shown", (None, PAGE_SIZE))
    return replace(log_filter, size=size) if extended_filter == log_filter else log_filter


def _follow_link(prefix: str, names: Iterable[str]) -> None:
    """Applies a link with dates, which resets the other filters to show all entries of these days."""
    if not DAYS.keys() & set(st.query_params):
        return
    for field in ("product", *names):
        st.session_state.pop(f"{prefix}_{field}", None)
    for name, field in DAYS.items():
        value = st.query_params.pop(name, "")
        try:
            st.session_state[f"{prefix}_{field}"] = date.fromisoformat(value) if value else None
        except ValueError:
            st.session_state[f"{prefix}_{field}"] = None
            links.warn_unresolved("day", value, "Write it as 2026-03-31. The list is shown without it.")


def _show_more(prefix: str, log_filter: LogFilter) -> None:
    st.session_state[f"{prefix}_shown"] = replace(log_filter, size=PAGE_SIZE), log_filter.size + PAGE_SIZE


def show(
    entries: Sequence[Entry],
    kind: type[Entry],
    log_filter: LogFilter,
    *,
    prefix: str,
    columns: Mapping[str, Any],
    editable: bool,
    empty: str,
    extra_columns: Mapping[str, Sequence[Any]] | None = None,
) -> list[Entry]:
    """Draws the entries, newest first, with a button per row that opens the entry; returns the selected entries.

    `extra_columns` are columns that the entries lack, or that replace theirs.
    """
    if not entries:
        filtered = log_filter != LogFilter(size=log_filter.size)
        st.info("No entry matches these filters." if filtered else empty, icon=":material/inbox:")
        return []
    table = formats.frame(entries, kind).assign(**(extra_columns or {}))
    table["open"] = [_open_label(entry) for entry in entries]
    key = _table_key(entries, kind)
    paging.table("log", is_whole=len(entries) < log_filter.size).dataframe(
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
    """The column_config of the columns of every entry; the quantity has a sign if `signed`."""
    return {
        "date": st.column_config.DateColumn("Date", format=formats.DATE, pinned=True),
        "sku": st.column_config.TextColumn("SKU", pinned=True),
        "color": "Colour",
        "size": "Size",
        "quantity": st.column_config.NumberColumn("Quantity", format="%+d" if signed else "localized"),
    }


def _table_key(entries: Sequence[Entry], kind: type[Entry]) -> str:
    """A key that changes with the entries and their versions, because Streamlit keeps a selection by row number."""
    return f"{kind.__name__}_table_{hash(tuple((entry.id, entry.version) for entry in entries))}"


def is_from_order(entry: AnyEntry) -> bool:
    """Whether the dispatch of an order wrote the entry, which therefore cannot be changed."""
    return isinstance(entry, SalesEntry) and entry.order_id is not None


def stock_effect_of_deletion(entry: AnyEntry) -> int:
    """The pieces that the deletion of the entry adds to the stock of its cell; negative if it takes them away."""
    return entry.quantity if isinstance(entry, SalesEntry) else -entry.quantity


def _open_label(entry: AnyEntry) -> str:
    return ":material/lock: Locked" if is_from_order(entry) else ":material/edit: Edit"


def opened(kind: type[Entry]) -> Entry | None:
    """The entry whose dialog is open on this page."""
    entry = DIALOG.opened()
    return entry if isinstance(entry, kind) else None


def heading(entry: AnyEntry) -> None:
    """Draws the cell of the entry, which an edit cannot change."""
    st.text(f"Entry {entry.id}: {entry.sku} · {entry.color} · {entry.size}")


@contextmanager
def show_stale_edits(mine: AnyEntry) -> Iterator[None]:
    """Shows a refusal because somebody else changed the entry, with both versions."""
    try:
        yield
    except StaleEdit as stale:
        labels = {name: label for name, label in LABELS.items() if name in vars(mine)}
        theirs = vars(stale.theirs) if stale.theirs else None
        differences = versions.rows(labels, now=theirs, opened=vars(mine), yours=vars(stale.yours or mine))
        versions.show(stale, differences if theirs else [], noun="entry", reopen=DIALOG.open, args=(stale.theirs,))
