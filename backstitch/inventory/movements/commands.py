"""Writes goods in (inward) and goods out (sales). The database changes the stock."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal

from sqlalchemy import Connection, text

from backstitch.errors import Refused
from backstitch.inventory.movements.queries import InwardEntry, SalesEntry, inward_entry, sales_entry
from backstitch.inventory.optimistic import delete_unchanged, stale
from backstitch.inventory.parties.written import Party, as_written, respelt
from backstitch.inventory.values import LARGEST_QUANTITY, CellError, quantity


@dataclass(frozen=True)
class Inward:
    """Fields that all rows of a goods-in entry share."""

    date: date
    category: Literal["Supply", "Return"]
    stakeholder_name: str


@dataclass(frozen=True)
class Sale:
    """Fields that all rows of a goods-out entry share."""

    date: date
    store: str
    agency: str = ""


@dataclass(frozen=True)
class InwardRow:
    """A goods-in row of a bulk entry, whose rows may be of several products; `category` is Supply or Return."""

    product_id: int
    colour_code: str
    size: str
    quantity: int
    date: date
    category: str
    stakeholder_name: str


@dataclass(frozen=True)
class SalesRow:
    """A goods-out row of a bulk entry, whose rows may be of several products."""

    product_id: int
    colour_code: str
    size: str
    quantity: int
    date: date
    store: str
    agency: str = ""


EDIT_INWARD = text(
    """
    update inventory.inward_logs
    set quantity = :quantity, date = :date, category = :category, stakeholder_name = :stakeholder_name
    where id = :id and xmin = cast(:version as xid)
    """
)
DELETE_INWARD = text("delete from inventory.inward_logs where id = :id and xmin = cast(:version as xid)")
EDIT_SALE = text(
    """
    update inventory.sales_logs set quantity = :quantity, date = :date, store = :store, agency = :agency
    where id = :id and xmin = cast(:version as xid)
    """
)
DELETE_SALE = text("delete from inventory.sales_logs where id = :id and xmin = cast(:version as xid)")
BULK_INWARD = text(
    """
    insert into inventory.inward_logs (product_id, colour_code, size, quantity, date, category, stakeholder_name)
    select r.product_id, r.colour_code, r.size, r.quantity, r.date, r.category, r.stakeholder_name
    from json_to_recordset(cast(:rows as json)) as r
        (product_id bigint, colour_code text, size text, quantity integer, date date, category text,
         stakeholder_name text)
    """
)
BULK_SALES = text(
    """
    insert into inventory.sales_logs (product_id, colour_code, size, quantity, date, store, agency)
    select r.product_id, r.colour_code, r.size, r.quantity, r.date, r.store, r.agency
    from json_to_recordset(cast(:rows as json)) as r
        (product_id bigint, colour_code text, size text, quantity integer, date date, store text, agency text)
    """
)


def quantities(typed: Mapping[str, object]) -> dict[str, int]:
    """Size -> quantity, a whole number above 0, of the values typed into a grid; drops empty values and 0.

    Raises Refused for a negative, fractional, oversized or unreadable value, and when no quantity remains.
    """
    entered = {size: _whole_number(size, value) for size, value in typed.items() if value not in (None, "")}
    entered = {size: quantity for size, quantity in entered.items() if quantity}
    if not entered:
        raise Refused("Enter a quantity for at least one size. Nothing was saved.", rule="no_quantity")
    return entered


def _whole_number(size: str, value: object) -> int:
    try:
        return quantity("" if value != value else str(value))  # a grid has nan for an empty cell
    except CellError as error:
        raise Refused(
            f"{_why_no_quantity(size, str(value).strip(), error)} Nothing was saved.", rule="no_quantity"
        ) from None


def _why_no_quantity(size: str, typed: str, error: CellError) -> str:
    try:
        number = Decimal(typed)
    except InvalidOperation:
        return f"“{typed}” for size {size} is not a number."
    if number < 0:
        return f"The quantity for size {size} is negative."
    if number > LARGEST_QUANTITY:
        return f"The quantity for size {size} is too large."
    if number != number.to_integral_value():
        return f"The quantity for size {size} is not a whole number."
    return f"Size {size}: {error}"


def record_inward(
    connection: Connection,
    *,
    product_id: int,
    colour_code: str,
    quantities: Mapping[str, int],
    inward: Inward,
) -> None:
    """Inserts goods in for one colour, a row per size. Raises Refused: `inward_cell_of_matrix`, ..."""
    rows = [
        InwardRow(product_id, colour_code, size, quantity, **asdict(inward)) for size, quantity in quantities.items()
    ]
    bulk_inward(connection, rows=rows)


def edit_inward(connection: Connection, *, entry: InwardEntry, quantity: int, inward: Inward) -> None:
    """Updates a goods-in entry. Raises StaleEdit when somebody has changed or deleted it since `entry` was read.

    Another supplier is stored as it is written already, as in `bulk_inward`; the same one as it is typed now.
    """
    changed = connection.execute(
        EDIT_INWARD,
        {
            "id": entry.id,
            "version": entry.version,
            "quantity": quantity,
            "date": inward.date,
            "category": inward.category,
            "stakeholder_name": respelt(
                connection, ("stakeholder", inward.stakeholder_name), before=entry.stakeholder_name
            ),
        },
    ).rowcount
    if changed == 0:
        yours = replace(entry, quantity=quantity, **asdict(inward))
        raise stale(theirs=inward_entry(connection, entry_id=entry.id), yours=yours)


def delete_inward(connection: Connection, *, entry: InwardEntry) -> None:
    """Deletes a goods-in entry and takes its pieces out of the stock.

    Raises StaleEdit, and Refused (`stock_never_negative`) when the pieces have been sold.
    """
    if connection.execute(DELETE_INWARD, {"id": entry.id, "version": entry.version}).rowcount == 0:
        raise stale(theirs=inward_entry(connection, entry_id=entry.id), yours=entry)


def record_sale(
    connection: Connection, *, product_id: int, colour_code: str, quantities: Mapping[str, int], sale: Sale
) -> None:
    """Inserts goods out for one colour, a row per size. Raises Refused: `stock_never_negative`, ..."""
    rows = [SalesRow(product_id, colour_code, size, quantity, **asdict(sale)) for size, quantity in quantities.items()]
    bulk_sales(connection, rows=rows)


def edit_sale(connection: Connection, *, entry: SalesEntry, quantity: int, sale: Sale) -> None:
    """Updates a goods-out entry. Raises StaleEdit when somebody has changed or deleted it since `entry` was read.

    Another store or agency is stored as it is written already, as in `bulk_sales`; the same one as it is typed now.
    """
    changed = connection.execute(
        EDIT_SALE,
        {
            "id": entry.id,
            "version": entry.version,
            "quantity": quantity,
            "date": sale.date,
            "store": respelt(connection, ("store", sale.store), before=entry.store),
            "agency": respelt(connection, ("agency", sale.agency), before=entry.agency),
        },
    ).rowcount
    if changed == 0:
        yours = replace(entry, quantity=quantity, **asdict(sale))
        raise stale(theirs=sales_entry(connection, entry_id=entry.id), yours=yours)


def delete_sale(connection: Connection, *, entry: SalesEntry) -> None:
    """Deletes a goods-out entry and puts its pieces back into the stock. Raises StaleEdit."""
    if connection.execute(DELETE_SALE, {"id": entry.id, "version": entry.version}).rowcount == 0:
        raise stale(theirs=sales_entry(connection, entry_id=entry.id), yours=entry)


def bulk_inward(connection: Connection, *, rows: Sequence[InwardRow]) -> int:
    """Inserts goods in, all rows in one statement; returns how many. Raises Refused, and then inserts none.

    A supplier whose key is known is stored as it is written already.
    """
    if not rows:
        return 0
    written = as_written(connection, [("stakeholder", row.stakeholder_name) for row in rows])
    stored = [replace(row, stakeholder_name=written["stakeholder", row.stakeholder_name]) for row in rows]
    return connection.execute(BULK_INWARD, {"rows": _as_json(stored)}).rowcount


def bulk_sales(connection: Connection, *, rows: Sequence[SalesRow]) -> int:
    """Inserts goods out, all rows in one statement; returns how many. Raises Refused, and then inserts none.

    A store and an agency whose keys are known are stored as they are written already.
    """
    if not rows:
        return 0
    stores: list[Party] = [("store", row.store) for row in rows]
    agencies: list[Party] = [("agency", row.agency) for row in rows]
    written = as_written(connection, [*stores, *agencies])
    stored = [replace(row, store=written["store", row.store], agency=written["agency", row.agency]) for row in rows]
    return connection.execute(BULK_SALES, {"rows": _as_json(stored)}).rowcount


def delete_inwards(connection: Connection, *, versions: Mapping[int, str]) -> int:
    """Deletes goods-in entries, all or none; returns how many. `versions` maps each id to the version that was read.

    Raises StaleEdit (`theirs`: the entries as they are now), and Refused when some of the goods have been sold.
    """
    return delete_unchanged(
        connection,
        table="inward_logs",
        versions=versions,
        read_entry=lambda entry_id: inward_entry(connection, entry_id=entry_id),
    )


def delete_sales(connection: Connection, *, versions: Mapping[int, str]) -> int:
    """Deletes goods-out entries, all or none; returns how many. `versions` maps each id to the version that was read.

    Raises StaleEdit (`theirs`: the entries as they are now), and Refused (`sale_of_order`) when the dispatch of an
    order wrote one of them.
    """
    return delete_unchanged(
        connection,
        table="sales_logs",
        versions=versions,
        read_entry=lambda entry_id: sales_entry(connection, entry_id=entry_id),
    )


def _as_json(rows: Sequence[InwardRow] | Sequence[SalesRow]) -> str:
    return json.dumps([asdict(row) for row in rows], default=str)
