"""Compares the versions of an order after a stale edit: the stored one, the opened one and the entered one."""

from collections.abc import Callable, Iterable

from backstitch.errors import StaleEdit
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.orders.queries import Order, OrderLine
from backstitch.inventory.parties import queries as party_queries
from ui.shared import formats, session, versions


def show_stale(error: StaleEdit, *, opened: Order, reopen: Callable[[Order], None]) -> None:
    """Shows that somebody else changed the order, with the differences; `reopen` opens the stored version."""
    differences = rows(opened, error.theirs, *error.yours) if error.theirs else []
    versions.show(error, differences, noun="order", reopen=reopen, args=(error.theirs,))


def rows(opened: Order, theirs: Order, details: OrderDetails, lines: tuple[Line, ...]) -> list[dict[str, str]]:
    """The differences between the three versions, a row each."""
    current, before = _stored(theirs), _stored(opened)
    entered = {"Status": before["Status"], **_entered(details)}
    all_lines: list[OrderLine | Line] = [*theirs.lines, *opened.lines, *lines]
    cells = {(line.product_id, line.colour_code, line.size): "" for line in all_lines}
    names = {
        (line.product_id, line.colour_code, line.size): f"{line.sku} {line.color} {line.size}"
        for line in (*theirs.lines, *opened.lines)
    }
    for cell in cells:
        name = names.get(cell) or f"New: {cell[1]} {cell[2]}"
        current[name], before[name] = _quantity(theirs.lines, cell), _quantity(opened.lines, cell)
        entered[name] = _quantity(lines, cell)
    return versions.rows({name: name for name in current}, now=current, opened=before, yours=entered)


def _stored(order: Order) -> dict[str, object]:
    summary = order.summary
    return {
        "Status": summary.status.capitalize(),
        "Party": summary.store,
        "Agency": summary.agency,
        "Date": summary.date,
        "Note": summary.note,
    }


def _entered(details: OrderDetails) -> dict[str, object]:
    with session.read() as connection:
        customer = party_queries.find_customer(connection, customer_id=details.customer_id)
        agency = party_queries.find_agency(connection, agency_id=details.agency_id) if details.agency_id else None
    return {
        "Party": customer.store_name if customer else "",
        "Agency": agency.agency_name if agency else "",
        "Date": details.date,
        "Note": details.note,
    }


def _quantity(lines: Iterable[Line | OrderLine], cell: tuple[int, str, str]) -> str:
    for line in lines:
        if (line.product_id, line.colour_code, line.size) == cell:
            return f"{line.quantity:,}" + ("" if line.unit_price is None else f" at {formats.money(line.unit_price)}")
    return ""
