"""The list of orders: filters, the table, and buttons for the selected orders."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import streamlit as st

from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.queries import OrderFilter, OrderSummary
from backstitch.inventory.parties import queries as party_queries
from ui.orders import steps
from ui.shared import days, formats, links, paging, session

PAGE_SIZE = 100
ALL = 0  # the id of no party; None would come back from another page as no choice
STATUS_COLOURS: Mapping[str, Literal["gray", "blue", "orange", "green", "red"]] = {
    "draft": "gray",
    "confirmed": "blue",
    "dispatched": "orange",
    "delivered": "green",
    "cancelled": "red",
}


def badge(status: str) -> None:
    """Draws the status as a coloured badge."""
    st.badge(status.capitalize(), color=STATUS_COLOURS[status])


def open_order(order_id: int) -> None:
    """Opens an order by its address, which can be sent to a colleague."""
    st.query_params["order"] = str(order_id)


def filter_bar() -> OrderFilter:
    """Draws the filters and returns them: text, status, party, agency and dates; a link can set the status."""
    with session.read() as connection:
        customers = {
            customer.id: customer.store_name for customer in party_queries.customers(connection, inactive=True)
        }
        agencies = {agency.id: agency.agency_name for agency in party_queries.agencies(connection, inactive=True)}
    unresolved = links.unresolved("status", order_queries.STATUSES)
    linked = [status for status in st.query_params.get_all("status") if status in order_queries.STATUSES]
    if "status" in st.query_params:
        st.session_state["order_statuses"] = linked
        del st.query_params["status"]
    for value in unresolved:
        links.warn_unresolved("status", value, "The list is shown without it.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            key="order_search",
            type="search",
            placeholder="Number, party, agency or note",
            persist_state="session",
        )
        statuses = st.multiselect(
            "Status",
            order_queries.STATUSES,
            format_func=str.capitalize,
            key="order_statuses",
            placeholder="All",
            persist_state="session",
            on_change=links.clear_unresolved,
            args=("status",),
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        customer_id = _party("Party", customers, key="order_customer_filter")
        agency_id = _party("Agency", agencies, key="order_agency_filter")
        first = days.field("From", None, key="order_first", persist_state="session")
        last = days.field("To (inclusive)", None, key="order_last", persist_state="session")
    size = st.session_state.get("order_size", PAGE_SIZE)
    return OrderFilter(tuple(statuses), customer_id, agency_id, first, last, search or "", size)


def _party(label: str, names: dict[int, str], *, key: str) -> int | None:
    chosen = st.selectbox(
        label,
        [ALL, *names],
        format_func=lambda choice: "All" if choice == ALL else names[choice],
        key=key,
        filter_mode="contains",
        persist_state="session",
    )
    return chosen or None


def show(*, editable: bool) -> None:
    """Draws the filters, the orders under them, newest first, and buttons for the selected ones."""
    order_filter = filter_bar()
    with session.read() as connection:
        orders = order_queries.orders(connection, order_filter=order_filter)
    if not orders:
        _show_empty(order_filter, editable)
        return
    selected = _table(orders, editable, order_filter.size)
    if len(orders) == order_filter.size:
        st.caption(f"The newest {order_filter.size:,} orders.")
        st.button("Show more", key="order_more", on_click=_show_more)
    if selected:
        pieces, total = sum(order.pieces for order in selected), sum(order.total for order in selected)
        with st.container(horizontal=True, vertical_alignment="center", key="order_selection"):
            st.text(
                f"{formats.counted(len(selected), 'order')} selected, {formats.counted(pieces, 'piece')}, "
                f"{formats.money(Decimal(total))} with GST"
            )
            steps.buttons(selected)


def _show_more() -> None:
    st.session_state["order_size"] = st.session_state.get("order_size", PAGE_SIZE) + PAGE_SIZE


def _show_empty(order_filter: OrderFilter, editable: bool) -> None:
    if order_filter == OrderFilter(size=order_filter.size):
        hint = " “New order” starts the first one." if editable else ""
        st.info(f"No orders yet.{hint}", icon=":material/receipt_long:")
    else:
        st.info("No order matches these filters.", icon=":material/search_off:")


def _table(orders: list[OrderSummary], editable: bool, size: int) -> list[OrderSummary]:
    table = formats.frame(orders, OrderSummary)
    table["name"] = [order.name for order in orders]
    table["total"] = [order.total for order in orders]
    table[["value", "gst", "total"]] = table[["value", "gst", "total"]].astype("Float64")
    table["status"] = [[order.status.capitalize()] for order in orders]
    table["open"] = ":material/open_in_new: Open"
    # Streamlit keeps a selection by row number: the key changes with the orders and their versions.
    key = f"orders_{hash(tuple((order.id, order.version) for order in orders))}"
    paging.table("order", is_whole=len(orders) < size).dataframe(
        table,
        key=key,
        hide_index=True,
        height="content" if len(orders) < 15 else "auto",
        on_select="rerun" if editable else "ignore",
        selection_mode="multi-row",
        alt="Orders, newest first",
        column_order=["name", "open", "date", "store", "agency", "status", "pieces", "value", "gst", "total", "note"],
        column_config=_columns(orders),
    )
    return [orders[row] for row in st.session_state[key].selection.rows] if editable else []


def _columns(orders: Sequence[OrderSummary]) -> dict[str, Any]:
    return {
        "name": st.column_config.TextColumn("Order", pinned=True),
        "open": st.column_config.ButtonColumn(
            "",
            key="order_open",
            type="tertiary",
            on_click=lambda: open_order(orders[st.session_state["order_open"].row].id),
        ),
        "date": st.column_config.DateColumn("Date", format=formats.DATE),
        "store": "Party",
        "agency": "Agency",
        "status": st.column_config.MultiselectColumn(
            "Status",
            options=[status.capitalize() for status in order_queries.STATUSES],
            color=[STATUS_COLOURS[status] for status in order_queries.STATUSES],
        ),
        "pieces": st.column_config.NumberColumn("Pieces", format="localized"),
        "value": st.column_config.NumberColumn("Value", format=formats.money_format()),
        "gst": st.column_config.NumberColumn("GST", format=formats.money_format()),
        "total": st.column_config.NumberColumn("Total", format=formats.money_format()),
        "note": "Note",
    }
