"""Two versions of an order side by side: as it stands now, and as it was to be saved."""

from collections.abc import Callable, Iterable

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory import directory
from backstitch.inventory.order_book import Order, OrderLine
from backstitch.inventory.orders import Line, OrderDetails
from ui import formats, session


def stale(error: StaleEdit, *, opened: Order, again: Callable[[Order], None]) -> None:
    """Says that somebody changed the order meanwhile, with what differs, and offers the order as it stands now."""
    st.error(formats.plain(str(error)), icon=":material/sync_problem:")
    if error.theirs is None:
        return
    details, lines = error.yours
    st.dataframe(
        rows(opened, error.theirs, details, lines),
        hide_index=True,
        alt="The order as it stands now, as you opened it, and as you would have saved it",
    )
    st.button("Edit the order as it stands now", key="edit_again", on_click=again, args=(error.theirs,))


def rows(opened: Order, theirs: Order, details: OrderDetails, lines: tuple[Line, ...]) -> list[dict[str, str]]:
    """What differs, a row each: Now, When you opened it, Yours."""
    now, read, mine = (
        _stored(theirs),
        _stored(opened),
        {"Status": opened.summary.status.capitalize(), **_meant(details)},
    )
    cells = {(line.product_id, line.colour_code, line.size): "" for line in (*theirs.lines, *opened.lines, *lines)}
    names = {
        (line.product_id, line.colour_code, line.size): f"{line.sku} {line.color} {line.size}"
        for line in (*theirs.lines, *opened.lines)
    }
    for cell in cells:
        name = names.get(cell) or f"New: {cell[1]} {cell[2]}"
        now[name], read[name] = _quantity(theirs.lines, cell), _quantity(opened.lines, cell)
        mine[name] = _quantity(lines, cell)
    return [
        {"Field": name, "Now": now[name], "When you opened it": read[name], "Yours": mine[name]}
        for name in now
        if len({now[name], read[name], mine[name]}) > 1
    ]


def _stored(order: Order) -> dict[str, str]:
    summary = order.summary
    return {
        "Status": summary.status.capitalize(),
        "Party": summary.store,
        "Agency": summary.agency,
        "Date": str(summary.date),
        "Note": summary.note,
    }


def _meant(details: OrderDetails) -> dict[str, str]:
    with session.read() as connection:
        customer = directory.find_customer(connection, customer_id=details.customer_id)
        agency = directory.find_agency(connection, agency_id=details.agency_id) if details.agency_id else None
    return {
        "Party": customer.store_name if customer else "",
        "Agency": agency.agency_name if agency else "",
        "Date": str(details.date),
        "Note": details.note,
    }


def _quantity(lines: Iterable[Line | OrderLine], cell: tuple[int, str, str]) -> str:
    for line in lines:
        if (line.product_id, line.colour_code, line.size) == cell:
            return f"{line.quantity:,}" + ("" if line.unit_price is None else f" at {line.unit_price:,.2f}")
    return ""
