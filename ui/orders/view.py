"""The view of an order: its facts, its grids, its totals, and the buttons for the next step."""

from functools import partial

import pandas as pd
import streamlit as st

from backstitch import startup
from backstitch.accounts.permissions import Permission
from backstitch.inventory.orders import grid as order_grid
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders import sheet as order_sheet
from backstitch.inventory.orders.grid import Grid
from backstitch.inventory.orders.queries import Order
from backstitch.inventory.products import queries as product_queries
from ui.orders import forms, steps
from ui.orders import list as order_list
from ui.shared import formats, session

TOTAL = "Total"


def show(order_id: int, *, editable: bool) -> None:
    """Draws the order with its buttons."""
    with session.read() as connection:
        order = order_queries.find_order(connection, order_id=order_id)
        if order is None:
            st.error("This order does not exist any more.", icon=":material/block:")
            _back_button()
            return
        sizes = {
            product_id: product_queries.product(connection, product_id=product_id).sizes
            for product_id in {line.product_id for line in order.lines}
        }
        missing = (
            order_queries.shortages(connection, order_ids=[order_id])
            if order.summary.status in order_queries.OPEN
            else []
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(formats.plain(f"{order.summary.name} · {order.summary.store}"), width="content")
        order_list.badge(order.summary.status)
    _buttons(order, editable)
    if missing:
        steps.show_shortages(missing)
    _facts(order)
    for grid in order_grid.grids(order.lines, sizes=sizes):
        _grid(grid)
    if not order.lines:
        st.info("This draft has no lines yet.", icon=":material/receipt_long:")
    _totals(order)


def _buttons(order: Order, editable: bool) -> None:
    summary = order.summary
    with st.container(horizontal=True, key="order_buttons"):
        if editable:
            steps.buttons([summary])
            if summary.status in order_queries.OPEN:
                form_is_open = forms.opened() is not None
                st.button(
                    "Edit",
                    icon=":material/edit:",
                    key="order_edit",
                    on_click=forms.open_order,
                    args=(order,),
                    disabled=form_is_open,
                    help="One order at a time: save or discard the one you have begun." if form_is_open else None,
                )
        person = session.current()
        if person.user.may(Permission.READ_TRAIL):
            # The file is made, and its export recorded, when the user clicks.
            settings = startup.current().settings
            make = partial(
                order_sheet.export,
                startup.current().database,
                person.actor,
                order_id=summary.id,
                company=settings.company,
                currency=settings.currency,
            )
            st.download_button(
                "Order sheet",
                lambda: make().content,
                file_name=order_sheet.file_name(order),
                mime=order_sheet.MEDIA_TYPE,
                icon=":material/table:",
                key="order_sheet",
                on_click="ignore",
                help="An Excel file that prints on A4. The download itself goes on the record.",
            )
        _back_button()


def _back_button() -> None:
    st.button("All orders", icon=":material/arrow_back:", key="order_back", type="tertiary", on_click=_open_list)


def _open_list() -> None:
    st.query_params.pop("order", None)


def _facts(order: Order) -> None:
    """Draws the parties and the dates, with texts from data escaped."""
    summary, customer, agency = order.summary, order.customer, order.agency
    facts = {
        "Party": _joined(customer.store_name, customer.gst_number, customer.phone),
        "Address": _joined(customer.address, customer.pincode),
        "Agency": _joined(agency.agency_name, agency.gst_number, agency.owner_mobile) if agency else "",
        "Date": _day(summary.date),
        "Dispatched": _day(summary.dispatch_date),
        "Note": summary.note,
    }
    st.table(
        {name: formats.plain(value) for name, value in facts.items() if value}, border="horizontal", width="content"
    )


def _joined(*values: str) -> str:
    return " · ".join(value for value in values if value)


def _day(day: object) -> str:
    return f"{day:%d %b %Y}" if day else ""


def _grid(grid: Grid) -> None:
    """Draws the lines of a product: colours down, sizes across, with price, rate and value."""
    name = product_queries.choice_label(grid.sku, grid.product)
    st.text(f"{name} · HSN {grid.hsn_code}" if grid.hsn_code else name)
    rows = [
        [
            row.color,
            *(row.quantities.get(size) for size in grid.sizes),
            row.pieces,
            float(row.unit_price),
            None if row.gst_rate is None else float(row.gst_rate),
            float(row.value),
        ]
        for row in grid.rows
    ]
    totals = [sum(row.quantities.get(size, 0) for row in grid.rows) or None for size in grid.sizes]
    rows.append([TOTAL, *totals, grid.pieces, None, None, float(grid.value)])
    table = pd.DataFrame(rows, columns=["Colour", *grid.sizes, "Pieces", "Price", "GST %", "Value"])
    table = table.astype({size: "Int64" for size in (*grid.sizes, "Pieces")})
    last = len(rows) - 1
    st.dataframe(
        table.style.apply(lambda row: ["font-weight: 600" if row.name == last else ""] * len(row), axis=1),
        key=f"order_grid_{grid.product_id}",
        hide_index=True,
        placeholder="",
        height="content",
        alt=f"Ordered of {grid.sku}, colours down, sizes across",
        column_config={
            "Colour": st.column_config.TextColumn(pinned=True),
            **{size: st.column_config.NumberColumn(width="small", format="localized") for size in grid.sizes},
            "Pieces": st.column_config.NumberColumn(width="small", format="localized"),
            "Price": st.column_config.NumberColumn(format=formats.money_format()),
            "GST %": st.column_config.NumberColumn(width="small", format="%g"),
            "Value": st.column_config.NumberColumn(format=formats.money_format()),
        },
    )


def _totals(order: Order) -> None:
    summary = order.summary
    taxes = order_grid.taxes(order, company_gstin=startup.current().settings.company.gstin)
    amounts = {
        "Pieces": f"{summary.pieces:,}",
        "Value": formats.money(summary.value),
        **{
            f"{tax.name} {order_sheet.percent(tax.rate)} % on {formats.money(tax.taxable)}": (formats.money(tax.amount))
            for tax in taxes
        },
        "Total with GST": formats.money(summary.total),
    }
    st.table(
        {formats.plain(name): formats.plain(value) for name, value in amounts.items()},
        border="horizontal",
        width="content",
    )
    untaxed = sum(line.quantity for line in order.lines if line.gst_rate is None)
    if untaxed:
        pieces = formats.counted(untaxed, "piece")
        st.caption(f"No GST rate is known for {pieces}; the total has no GST on them.")
