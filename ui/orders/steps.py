"""What can be done with orders as they were read: the next status, deleting drafts, copying to other customers.

A button remembers the versions that were on the screen when it was drawn, so that what somebody else changed
since is never taken along unseen.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NoReturn

import streamlit as st

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.orders.queries import Order, OrderSummary
from backstitch.inventory.parties import queries as party_queries
from ui import feedback
from ui.shared import formats, session, versions
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
SAID = {
    "confirmed": "A confirmed order gets the next number of its financial year, which it keeps.",
    "cancelled": "A cancelled order keeps its number, and cannot be taken up again. Copy it to start anew.",
}
ON_RECORD = {"type": "Order"}


@dataclass(frozen=True)
class Step:
    """A status to move to, DELETE or COPY; and the orders, by id with their version and their name."""

    what: str
    versions: Mapping[int, str]
    names: Sequence[str]


def possible(summaries: Sequence[OrderSummary]) -> list[str]:
    """What can be done with all of these orders."""
    moves = [order_queries.MOVES[summary.status] for summary in summaries]
    shared = [status for status in order_queries.STATUSES if all(status in of_order for of_order in moves)]
    drafts = all(summary.status == "draft" for summary in summaries)
    return [*shared, COPY, *([DELETE] if drafts else [])]


def buttons(summaries: Sequence[OrderSummary]) -> None:
    """A button for each thing that can be done with all of these orders."""
    step = {summary.id: summary.version for summary in summaries}, [summary.name for summary in summaries]
    for what in possible(summaries):
        label, icon = {
            DELETE: ("Delete", ":material/delete:"),
            COPY: ("Copy", ":material/content_copy:"),
        }.get(what) or (VERBS[what], ICONS[what])
        main: Literal["primary", "secondary"] = (
            "primary" if what in ("confirmed", "dispatched", "delivered") else "secondary"
        )
        st.button(label, icon=icon, type=main, key=f"order_{what}", on_click=_open, args=(what, *step))


def _open(what: str, versions: Mapping[int, str], names: Sequence[str]) -> None:
    DIALOG.open(Step(what, versions, names))


def show_open() -> None:
    """Draws the dialog of the step that was asked for, if any."""
    step = DIALOG.opened()
    if isinstance(step, Step):
        draw = {DELETE: _delete, COPY: _copy}.get(step.what, _move)
        title = {DELETE: "Delete drafts", COPY: "Copy orders"}.get(step.what) or VERBS[step.what]
        st.dialog(title, on_dismiss=DIALOG.close)(draw)(step)


def _named(step: Step) -> str:
    shown = ", ".join(step.names[:5])
    return shown if len(step.names) <= 5 else f"{shown} and {len(step.names) - 5} more"


def _move(step: Step) -> None:
    st.text(_named(step))
    day = None
    if step.what == "dispatched":
        with session.read() as connection:
            lacking = order_queries.shortages(connection, order_ids=list(step.versions))
        shortages(lacking)
        st.caption("Dispatching writes the sales and takes the pieces out of stock.")
        day = st.date_input("Date of dispatch", formats.today(), key="order_dispatch_date", format="DD/MM/YYYY")
    elif step.what in SAID:
        st.caption(SAID[step.what])
    if st.button(VERBS[step.what], type="primary", key="order_step_go", icon=ICONS[step.what]):
        with stale_shown(), feedback.refusals():
            if step.what == "dispatched" and day is None:
                raise Refused("Say when the goods were dispatched. Nothing was saved.", rule="no_date")
            with session.write(_operation(step), of=step.names) as connection:
                order_commands.set_status(connection, versions=step.versions, status=step.what, dispatch_date=day)
            DIALOG.close()
            _say(step, step.what)


def _operation(step: Step) -> str:
    verb = {"confirmed": "confirm", "dispatched": "dispatch", "delivered": "deliver", "cancelled": "cancel"}[step.what]
    return f"{verb} order{'' if len(step.versions) == 1 else 's'}"


def _say(step: Step, done: str) -> NoReturn:
    one = len(step.names) == 1
    those = f"{step.names[0]} was" if one else f"{formats.counted(len(step.names), 'order')} were"
    feedback.done(f"{those} {done}.", on_record=ON_RECORD)


def _delete(step: Step) -> None:
    st.text(_named(step))
    st.caption("Drafts have no number yet, so they leave no gap. The trail keeps what they held.")
    if st.button("Delete", type="primary", key="order_step_go", icon=":material/delete:"):
        with stale_shown(), feedback.refusals():
            with session.write("delete drafts", of=step.names) as connection:
                order_commands.delete_drafts(connection, versions=step.versions)
            DIALOG.close()
            st.query_params.pop("order", None)
            _say(step, "deleted")


def _copy(step: Step) -> None:
    st.text(_named(step))
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
        day = st.date_input("Date", formats.today(), key="order_copy_date", format="DD/MM/YYYY")
        pressed = st.form_submit_button("Make drafts", type="primary", key="order_step_go")
    st.caption("Each copy is a draft with the same lines, prices and agency.")
    if pressed:
        with feedback.refusals():
            if day is None:
                raise Refused("Choose a date. Nothing was saved.", rule="no_date")
            with session.write("copy orders") as connection:
                found = [order_queries.order(connection, order_id=order_id) for order_id in step.versions]
                copies = [
                    (OrderDetails(customer, day, order.summary.agency_id, order.summary.note), _lines(order))
                    for order in found
                    for customer in customers or [order.summary.customer_id]
                ]
                made = order_commands.create_orders(connection, orders=copies)
            DIALOG.close()
            st.query_params.pop("order", None)
            feedback.done(f"{formats.counted(len(made), 'draft')} made from {_named(step)}.", on_record=ON_RECORD)


def _lines(order: Order) -> list[Line]:
    return [
        Line(line.product_id, line.colour_code, line.size, line.quantity, line.unit_price, line.gst_rate)
        for line in order.lines
    ]


def shortages(lacking: Sequence[order_queries.Shortage]) -> None:
    """What the stock lacks, if anything, with a table."""
    if not lacking:
        return
    cells = formats.counted(len(lacking), "cell")
    st.warning(
        f"The stock does not suffice in {cells}. Receive or adjust them first.",
        icon=":material/production_quantity_limits:",
    )
    table = formats.frame(lacking, order_queries.Shortage)
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
def stale_shown() -> Iterator[None]:
    """When somebody changed orders meanwhile: says so, and shows them as they stand now."""
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
