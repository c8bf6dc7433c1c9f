"""Actions on orders: setting the next status, deleting drafts, copying to other customers.

A button keeps the versions of the orders on the screen, so that the action refuses orders that were changed since.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NoReturn

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.orders.queries import Order, OrderSummary
from backstitch.inventory.parties import queries as party_queries
from ui import feedback
from ui.shared import days, formats, session, versions
from ui.shared.dialogs import Dialog

DIALOG = Dialog("order_step")
DELETE, COPY = "delete", "copy"
VERBS = {
    "confirmed": "Confirm",
    "dispatched": "Dispatch",
    "delivered": "Mark as delivered",
    "cancelled": "Cancel order",
}
ICONS = {
    "confirmed": ":material/check:",
    "dispatched": ":material/local_shipping:",
    "delivered": ":material/done_all:",
    "cancelled": ":material/cancel:",
}
NOTES = {
    "confirmed": "A confirmed order gets the next number of its financial year, which it keeps.",
    "cancelled": "A cancelled order keeps its number, and cannot be taken up again. Copy it to start anew.",
}
ON_RECORD = {"type": "Order"}


@dataclass(frozen=True)
class Step:
    """An action, that is the next status, DELETE or COPY; and its orders: the versions by id, and the names."""

    action: str
    versions: Mapping[int, str]
    names: Sequence[str]


def possible_actions(summaries: Sequence[OrderSummary]) -> list[str]:
    """The actions that are possible for all of these orders."""
    moves = [order_queries.MOVES[summary.status] for summary in summaries]
    shared = [status for status in order_queries.STATUSES if all(status in next_statuses for next_statuses in moves)]
    drafts = all(summary.status == "draft" for summary in summaries)
    return [*shared, COPY, *([DELETE] if drafts else [])]


def buttons(summaries: Sequence[OrderSummary]) -> None:
    """Draws a button for each action that is possible for all of these orders."""
    versions = {summary.id: summary.version for summary in summaries}
    names = [summary.name for summary in summaries]
    for action in possible_actions(summaries):
        label, icon = {
            DELETE: ("Delete", ":material/delete:"),
            COPY: ("Copy", ":material/content_copy:"),
        }.get(action) or (VERBS[action], ICONS[action])
        is_main = action in ("confirmed", "dispatched", "delivered")
        button_type: Literal["primary", "secondary"] = "primary" if is_main else "secondary"
        args = (action, versions, names)
        st.button(label, icon=icon, type=button_type, key=f"order_{action}", on_click=_open, args=args)


def _open(action: str, versions: Mapping[int, str], names: Sequence[str]) -> None:
    DIALOG.open(Step(action, versions, names))


def show_open() -> None:
    """Draws the open dialog of an action, if any."""
    step = DIALOG.opened()
    if isinstance(step, Step):
        draw = {DELETE: _delete, COPY: _copy}.get(step.action, _move)
        title = {DELETE: "Delete drafts", COPY: "Copy orders"}.get(step.action) or VERBS[step.action]
        st.dialog(title, on_dismiss=DIALOG.close)(draw)(step)


def _names(step: Step) -> str:
    first = ", ".join(step.names[:5])
    return first if len(step.names) <= 5 else f"{first} and {len(step.names) - 5} more"


def _move(step: Step) -> None:
    st.text(_names(step))
    day = None
    if step.action == "dispatched":
        with session.read() as connection:
            missing = order_queries.shortages(connection, order_ids=list(step.versions))
        show_shortages(missing)
        st.caption("Dispatching writes the sales and takes the pieces out of stock.")
        day = days.field("Date of dispatch", formats.today(), key="order_dispatch_date")
    elif step.action in NOTES:
        st.caption(NOTES[step.action])
    if st.button(VERBS[step.action], type="primary", key="order_step_go", icon=ICONS[step.action]):
        with show_stale_edits(), feedback.refusals():
            if step.action == "dispatched":
                days.checked(day)
            with session.write(_operation(step), of=step.names) as connection:
                order_commands.set_status(connection, versions=step.versions, status=step.action, dispatch_date=day)
            DIALOG.close()
            _report_done(step, step.action)


def _operation(step: Step) -> str:
    verbs = {"confirmed": "confirm", "dispatched": "dispatch", "delivered": "deliver", "cancelled": "cancel"}
    return f"{verbs[step.action]} order{'' if len(step.versions) == 1 else 's'}"


def _report_done(step: Step, outcome: str) -> NoReturn:
    is_one = len(step.names) == 1
    subject = f"{step.names[0]} was" if is_one else f"{formats.counted(len(step.names), 'order')} were"
    feedback.done(f"{subject} {outcome}.", on_record=ON_RECORD)


def _delete(step: Step) -> None:
    st.text(_names(step))
    st.caption("Drafts have no number yet, so they leave no gap. The trail keeps what they held.")
    if st.button("Delete", type="primary", key="order_step_go", icon=":material/delete:"):
        with show_stale_edits(), feedback.refusals():
            with session.write("delete drafts", of=step.names) as connection:
                order_commands.delete_drafts(connection, versions=step.versions)
            DIALOG.close()
            st.query_params.pop("order", None)
            _report_done(step, "deleted")


def _copy(step: Step) -> None:
    st.text(_names(step))
    with session.read() as connection:
        choices = party_queries.customer_choices(connection)
    with st.form("order_copy", border=False):
        customers = st.multiselect(
            "To these customers",
            list(choices),
            format_func=choices.__getitem__,
            key="order_copy_customers",
            placeholder="The customer of each order",
        )
        day = days.field("Date", formats.today(), key="order_copy_date")
        pressed = st.form_submit_button("Make drafts", type="primary", key="order_step_go")
    st.caption("Each copy is a draft with the same lines, prices and agency.")
    if pressed:
        with feedback.refusals():
            days.checked(day, ahead=days.AHEAD)
            with session.write("copy orders") as connection:
                orders = [order_queries.order(connection, order_id=order_id) for order_id in step.versions]
                copies = [
                    (OrderDetails(customer, day, order.summary.agency_id, order.summary.note), _lines(order))
                    for order in orders
                    for customer in customers or [order.summary.customer_id]
                ]
                drafts = order_commands.create_orders(connection, orders=copies)
            DIALOG.close()
            st.query_params.pop("order", None)
            feedback.done(f"{formats.counted(len(drafts), 'draft')} made from {_names(step)}.", on_record=ON_RECORD)


def _lines(order: Order) -> list[Line]:
    return [
        Line(line.product_id, line.colour_code, line.size, line.quantity, line.unit_price, line.gst_rate)
        for line in order.lines
    ]


def show_shortages(missing: Sequence[order_queries.Shortage]) -> None:
    """Draws a warning with the cells of which the orders want more than there is, if any."""
    if not missing:
        return
    cells = formats.counted(len(missing), "cell")
    st.warning(
        f"The stock does not suffice in {cells}. Receive or adjust them first.",
        icon=":material/production_quantity_limits:",
    )
    table = formats.frame(missing, order_queries.Shortage)
    table["short"] = table["wanted"] - table["on_hand"]
    st.dataframe(
        table,
        hide_index=True,
        alt="Cells of which the order wants more than there is",
        column_config={
            "sku": "SKU",
            "color": "Colour",
            "size": "Size",
            "wanted": st.column_config.NumberColumn("Ordered", format="localized"),
            "on_hand": st.column_config.NumberColumn("On hand", format="localized"),
            "short": st.column_config.NumberColumn("Short by", format="localized"),
        },
    )


@contextmanager
def show_stale_edits() -> Iterator[None]:
    """Shows a refusal because somebody else changed orders, with their stored versions."""
    try:
        yield
    except StaleEdit as stale:
        DIALOG.close()
        versions.show_stale(stale)
        if stale.theirs:
            st.dataframe(
                [
                    {
                        "Order": order.summary.name,
                        "Party": order.summary.store,
                        "Status now": order.summary.status.capitalize(),
                        "Pieces now": order.summary.pieces,
                    }
                    for order in stale.theirs
                ],
                hide_index=True,
                alt="The orders as they stand now",
            )
