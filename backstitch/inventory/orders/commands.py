"""Writes orders. The database numbers an order when it is confirmed, and moves the stock when it is dispatched."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.optimistic import stale
from backstitch.inventory.orders import queries


@dataclass(frozen=True)
class OrderDetails:
    """The fields of an order, without its lines."""

    customer_id: int
    date: date
    agency_id: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Line:
    """An order line: a stock cell and a quantity. Price and GST rate default to those of the product."""

    product_id: int
    colour_code: str
    size: str
    quantity: int
    unit_price: Decimal | None = None
    gst_rate: Decimal | None = None


# Identities follow the order of the rows, so the ids in ascending order belong to the orders in their order.
CREATE_ORDERS = text(
    """
    insert into inventory.orders (date, customer_id, agency_id, note)
    select r.date, r.customer_id, r.agency_id, btrim(r.note)
    from rows from (json_to_recordset(cast(:orders as json))
                    as (date date, customer_id bigint, agency_id bigint, note text)) with ordinality
        as r (date, customer_id, agency_id, note, position)
    order by r.position
    returning id
    """
)
CREATE_LINES = text(
    """
    insert into inventory.order_lines
        (order_id, product_id, colour_code, size, quantity, unit_price, gst_rate)
    select r.order_id, r.product_id, r.colour_code, r.size, r.quantity, r.unit_price, r.gst_rate
    from rows from (json_to_recordset(cast(:lines as json))
                    as (order_id bigint, product_id bigint, colour_code text, size text, quantity integer,
                        unit_price numeric, gst_rate numeric)) with ordinality
        as r (order_id, product_id, colour_code, size, quantity, unit_price, gst_rate, position)
    order by r.position
    """
)
EDIT_ORDER = text(
    """
    update inventory.orders set date = :date, customer_id = :customer_id, agency_id = :agency_id, note = :note
    where id = :id
    """
)
# A null price or rate leaves the one of the line unchanged.
EDIT_LINES = text(
    """
    update inventory.order_lines l
    set quantity = r.quantity, unit_price = coalesce(r.unit_price, l.unit_price),
        gst_rate = coalesce(r.gst_rate, l.gst_rate)
    from json_to_recordset(cast(:lines as json))
        as r (product_id bigint, colour_code text, size text, quantity integer, unit_price numeric, gst_rate numeric)
    where l.order_id = :id
        and (l.product_id, l.colour_code, l.size) = (r.product_id, r.colour_code, r.size)
        and (l.quantity, l.unit_price, l.gst_rate) is distinct from
            (r.quantity, coalesce(r.unit_price, l.unit_price), coalesce(r.gst_rate, l.gst_rate))
    """
)
DELETE_LINES = text("delete from inventory.order_lines where id = any(cast(:ids as bigint[]))")
LOCK = text("select id from inventory.orders where id = any(cast(:ids as bigint[])) order by id for update")
SET_STATUS = text(
    """
    update inventory.orders set status = :status, dispatch_date = coalesce(:dispatch_date, dispatch_date)
    where id = :id
    """
)
DISPATCH = text(
    """
    update inventory.orders set status = 'dispatched', dispatch_date = :dispatch_date
    where id = any(cast(:ids as bigint[]))
    """
)
DELETE_LINES_OF_DRAFTS = text(
    """
    delete from inventory.order_lines l using inventory.orders o
    where o.id = l.order_id and o.status = 'draft' and o.id = any(cast(:ids as bigint[]))
    """
)
DELETE_ORDERS = text("delete from inventory.orders where id = any(cast(:ids as bigint[]))")


def create_order(connection: Connection, *, details: OrderDetails, lines: Sequence[Line]) -> int:
    """Creates a draft with its lines; returns the id. Raises Refused as `create_orders` does."""
    return create_orders(connection, orders=[(details, lines)])[0]


def create_orders(connection: Connection, *, orders: Sequence[tuple[OrderDetails, Sequence[Line]]]) -> list[int]:
    """Creates drafts with their lines, in two statements; returns the ids in the order of `orders`.

    Raises Refused: `store_allowed`, `agency_allowed`, `ordered_cell_in_use`, `order_cell_of_matrix`,
    `line_price_known`, `order_line_unique`, `customer_active`, ...
    """
    if not orders:
        return []
    details = [asdict(order) for order, _ in orders]
    created = connection.execute(CREATE_ORDERS, {"orders": json.dumps(details, default=str)})
    ids = sorted(created.scalars())
    lines = [(id, line) for id, (_, of_order) in zip(ids, orders, strict=True) for line in of_order]
    _add_lines(connection, lines)
    return ids


def edit_order(
    connection: Connection, *, order_id: int, version: str, details: OrderDetails, lines: Sequence[Line]
) -> None:
    """Updates an order that was read as `version`: writes what differs, and deletes lines that are not in `lines`.

    Raises StaleEdit (`theirs`: Order or None, `yours`: (details, lines)), Refused (`order_open`, `order_has_lines`,
    `order_number_fixed` for a date in another financial year, and what `create_orders` raises).
    """
    connection.execute(LOCK, {"ids": [order_id]})
    stored = queries.find_order(connection, order_id=order_id)
    if stored is None or stored.version != version:
        raise stale(theirs=stored, yours=(details, tuple(lines)), what="order")
    if stored.summary.status not in queries.OPEN:
        raise Refused("Only drafts and confirmed orders can be changed.", rule="order_open")
    lines_by_cell = {(line.product_id, line.colour_code, line.size): line for line in lines}
    if len(lines_by_cell) < len(lines):
        raise Refused("The order has two lines for one colour and size. Nothing was saved.", rule="order_line_unique")
    ids_by_cell = {(line.product_id, line.colour_code, line.size): line.id for line in stored.lines}
    connection.execute(EDIT_ORDER, {**asdict(details), "note": details.note.strip(), "id": order_id})
    # Inserts before deletes: a confirmed order must never be without lines.
    _add_lines(connection, [(order_id, line) for cell, line in lines_by_cell.items() if cell not in ids_by_cell])
    kept = [asdict(line) for cell, line in lines_by_cell.items() if cell in ids_by_cell]
    connection.execute(EDIT_LINES, {"id": order_id, "lines": json.dumps(kept, default=str)})
    removed_ids = [id for cell, id in ids_by_cell.items() if cell not in lines_by_cell]
    if removed_ids:
        connection.execute(DELETE_LINES, {"ids": removed_ids})


def set_status(
    connection: Connection, *, versions: Mapping[int, str], status: str, dispatch_date: date | None = None
) -> int:
    """Sets the status of orders, all or none; returns how many. `versions` maps each id to the version that was read.

    `confirmed` numbers the orders by id; `dispatched` writes the sales, dated `dispatch_date`, and moves the stock.
    Raises StaleEdit (`theirs`: tuple of Order), Refused: `order_move_allowed`, `order_has_lines`,
    `stock_never_negative` (queries.shortages returns the cells), ...
    """
    _require_unchanged(connection, versions)
    ids = sorted(versions)
    if status == "dispatched":
        # One statement, so that the cells of all orders are locked in one order.
        return connection.execute(DISPATCH, {"ids": ids, "dispatch_date": dispatch_date}).rowcount
    for order_id in ids:
        connection.execute(SET_STATUS, {"id": order_id, "status": status, "dispatch_date": None})
    return len(ids)


def delete_drafts(connection: Connection, *, versions: Mapping[int, str]) -> int:
    """Deletes drafts with their lines, all or none; returns how many. `versions` maps each id to the version read.

    Raises StaleEdit, and Refused (`order_deleted_as_draft`) for an order with a number, which can only be cancelled.
    """
    _require_unchanged(connection, versions)
    ids = list(versions)
    connection.execute(DELETE_LINES_OF_DRAFTS, {"ids": ids})
    return connection.execute(DELETE_ORDERS, {"ids": ids}).rowcount


def _add_lines(connection: Connection, lines: Sequence[tuple[int, Line]]) -> None:
    if lines:
        rows = [{"order_id": order_id, **asdict(line)} for order_id, line in lines]
        connection.execute(CREATE_LINES, {"lines": json.dumps(rows, default=str)})


def _require_unchanged(connection: Connection, versions: Mapping[int, str]) -> None:
    """Locks the orders. Raises StaleEdit when one was changed or deleted since it was read."""
    connection.execute(LOCK, {"ids": list(versions)})
    stored = queries.versions(connection, order_ids=list(versions))
    changed = [id for id, version in versions.items() if stored.get(id) != version]
    if changed:
        orders = (queries.find_order(connection, order_id=id) for id in changed)
        raise StaleEdit(
            f"Somebody else changed or deleted {len(changed)} of these orders meanwhile. Nothing was saved.",
            theirs=tuple(order for order in orders if order is not None),
        )
