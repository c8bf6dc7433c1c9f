"""The parts of Home: figures with links to their pages, first steps, the most urgent cells, the last operations."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.accounts.sessions import User
from backstitch.audit.operations import operations
from backstitch.audit.search import Filters
from backstitch.inventory.stock.reports import HomeFigures, LowCell
from ui.audit import diffs
from ui.shared import formats, session
from ui.stock import low_list as low_stock_list

ROWS = 8
RECENT = timedelta(days=30)
ACTIONS = ("CREATE", "UPDATE", "DELETE", "UNDO")
# Without the cells, which every movement changes.
RECORD_TYPES = ("Product", "ProductColor", "InwardLog", "SalesLog", "StockAdjustment", "Order", "Customer", "Agency")


def first_steps(user: User) -> None:
    """Draws the first steps for an empty database, as far as the user may take them."""
    if not user.may(Permission.EDIT_INVENTORY):
        st.info("Nothing is here yet. Products that a manager adds show here.", icon=":material/inbox:")
        return
    steps = [
        ("../pages/products.py", "Add your first product", "With its sizes and colours; the stock matrix follows."),
        ("../pages/paste.py", "Or paste a list from Excel", "Products, goods in, sales and orders in one go."),
        ("../pages/inward.py", "Record goods in", "What is on the shelf today is the first delivery."),
    ]
    if user.may(Permission.MANAGE_USERS):
        steps.append(("../pages/users.py", "Add the people you work with", "Everybody signs in as themselves."))
    with st.container(border=True):
        st.subheader("First steps")
        for number, (page, label, why) in enumerate(steps, start=1):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.page_link(page, label=f"{number}\\. {label}", icon=":material/arrow_forward:")
                st.caption(why)


def cards(figures: HomeFigures) -> None:
    """Draws four figures of the day, each with a link to its page."""
    orders = [(figures.drafts, "draft"), (figures.confirmed, "confirmed"), (figures.dispatched, "on the way")]
    with st.container(horizontal=True):
        _card(
            "Low stock",
            figures.low_cells,
            "at or below reorder level",
            "../pages/low_stock.py",
            "What to order",
        )
        _card(
            "Goods in today",
            figures.inward_pieces,
            f"pieces in {formats.counted(figures.inward_entries, 'entry')}",
            "../pages/inward.py",
            "Inward",
        )
        _card(
            "Goods out today",
            figures.sales_pieces,
            f"pieces in {formats.counted(figures.sales_entries, 'entry')}",
            "../pages/sales.py",
            "Sales",
        )
        _card(
            "Open orders",
            figures.drafts + figures.confirmed,
            ", ".join(f"{count:,} {state}" for count, state in orders),
            "../pages/orders.py",
            "Orders",
        )
    if figures.adjustment_entries:
        today = formats.today().isoformat()
        st.page_link(
            "../pages/adjustments.py",
            label=f"{formats.counted(figures.adjustment_entries, 'adjustment')} dated today",
            icon=":material/rule:",
            query_params={"from": today, "to": today},
        )


def _card(label: str, figure: int, unit: str, page: str, link: str) -> None:
    with st.container(border=True):
        st.metric(label, f"{figure:,}")
        st.caption(unit)
        st.page_link(page, label=link, icon=":material/arrow_forward:")


def most_urgent(low: Sequence[LowCell], total: int) -> None:
    """Draws the cells that need most; the button of a row opens its product in the stock matrix."""
    st.subheader("To order first")
    table = formats.frame(low, LowCell)
    table["open"] = ":material/grid_on: Open"
    st.dataframe(
        table,
        key="home_low",
        hide_index=True,
        height="content",
        alt="Cells that need goods most",
        column_order=["sku", "open", "color", "size", "on_hand", "suggested", "name", "reorder_level"],
        column_config=low_stock_list.columns("home_low_open", low),
    )
    if total > len(low):
        st.page_link("../pages/low_stock.py", label=f"All {total:,} of them", icon=":material/arrow_forward:")


def last_activity() -> None:
    """Draws the last operations; the button of a row opens its records."""
    now = datetime.now(UTC)
    filters = Filters(start=now - RECENT, end=now + timedelta(minutes=1), actions=ACTIONS, entities=RECORD_TYPES)
    with session.read() as connection:
        recent = operations(connection, filters=filters, size=ROWS).operations
    st.subheader("Last activity")
    if not recent:
        st.caption("Nothing was changed in the last 30 days.")
        return
    zone = formats.timezone()
    st.dataframe(
        [
            {
                "open": ":material/stacks: Open",
                "time": operation.ended.astimezone(zone).replace(tzinfo=None),
                "user": operation.user_name or operation.username,
                "operation": operation.operation or operation.gist,
                "records": operation.records,
            }
            for operation in recent
        ],
        key="home_activity",
        hide_index=True,
        height="content",
        alt="The last operations, newest first",
        column_config={
            "open": st.column_config.ButtonColumn(
                "",
                key="home_activity_open",
                type="tertiary",
                on_click=lambda: diffs.open_record(recent[st.session_state["home_activity_open"].row]),
            ),
            "time": st.column_config.DatetimeColumn(f"Time ({zone.key})", format="DD MMM YYYY, HH:mm"),
            "user": "User",
            "operation": st.column_config.TextColumn("What", width="large"),
            "records": st.column_config.NumberColumn("Records", format="localized"),
        },
    )
    st.page_link("../pages/audit.py", label="All of the audit report", icon=":material/arrow_forward:")
