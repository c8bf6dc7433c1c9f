"""Writing goods in (inward) and goods out (sales). The database moves the stock."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal

from sqlalchemy import Connection, text

from backstitch.errors import Refused
from backstitch.inventory.movements.queries import InwardEntry, SalesEntry, inward_entry, sales_entry
from backstitch.inventory.optimistic import delete_as_read, stale

LARGEST_QUANTITY = 2_147_483_647


@dataclass(frozen=True)
class Inward:
    """What is said of goods in, apart from how many."""

    date: date
    category: Literal["Supply", "Return"]
    stakeholder_name: str


@dataclass(frozen=True)
class Sale:
    """What is said of goods out, apart from how many."""

    date: date
    store: str
    agency: str = ""


@dataclass(frozen=True)
class InwardRow:
    """A row of goods in, of any product, for a bulk entry; the category is Supply or Return."""

    product_id: int
    colour_code: str
    size: str
    quantity: int
    date: date
    category: str
    stakeholder_name: str


@dataclass(frozen=True)
class SalesRow:
    """A row of goods out, of any product, for a bulk entry."""

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
    select r.product_id, r.colour_code, r.size, r.quantity, r.date, r.category, btrim(r.stakeholder_name)
    from json_to_recordset(cast(:rows as json)) as r
        (product_id bigint, colour_code text, size text, quantity integer, date date, category text,
         stakeholder_name text)
    """
)
BULK_SALES = text(
    """
    insert into inventory.sales_logs (product_id, colour_code, size, quantity, date, store, agency)
    select r.product_id, r.colour_code, r.size, r.quantity, r.date, btrim(r.store), btrim(r.agency)
    from json_to_recordset(cast(:rows as json)) as r
        (product_id bigint, colour_code text, size text, quantity integer, date date, store text, agency text)
    """
)


def quantities(typed: Mapping[str, object]) -> dict[str, int]:
    """Size -> whole number above 0, from what stands in a grid; empty and 0 fall away.

    Raises Refused for a negative, fractional, oversized or unreadable figure, and when nothing is left.
    """
    found = {size: _whole(size, value) for size, value in typed.items() if value not in (None, "")}
    found = {size: quantity for size, quantity in found.items() if quantity}
    if not found:
        raise Refused("Enter a quantity for at least one size. Nothing was saved.", rule="no_quantity")
    return found


def _whole(size: str, value: object) -> int:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise Refused(f"“{value}” for size {size} is not a number. Nothing was saved.", rule="not_a_number") from None
    if number.is_nan():
        return 0
    if number < 0:
        raise Refused(f"The quantity for size {size} is negative. Nothing was saved.", rule="negative_quantity")
    if number > LARGEST_QUANTITY:
        raise Refused(f"The quantity for size {size} is too large. Nothing was saved.", rule="22003")
    if number != number.to_integral_value():
        raise Refused(
            f"The quantity for size {size} is not a whole number. Nothing was saved.",
            rule="fractional_quantity",
        )
    return int(number)


def record_inward(
    connection: Connection,
    *,
    product_id: int,
    colour_code: str,
    quantities: Mapping[str, int],
    inward: Inward,
) -> None:
    """Records goods in for one colour, a row per size. Raises Refused: `inward_cell_of_matrix`, ..."""
    said = asdict(replace(inward, stakeholder_name=inward.stakeholder_name.strip()))
    rows = [InwardRow(product_id, colour_code, size, quantity, **said) for size, quantity in quantities.items()]
    bulk_inward(connection, rows=rows)


def edit_inward(connection: Connection, *, entry: InwardEntry, quantity: int, inward: Inward) -> None:
    """Saves an entry as it was read. Raises StaleEdit when somebody changed it since, or deleted it."""
    changed = connection.execute(
        EDIT_INWARD,
        {
            "id": entry.id,
            "version": entry.version,
            "quantity": quantity,
            "date": inward.date,
            "category": inward.category,
            "stakeholder_name": inward.stakeholder_name.strip(),
        },
    ).rowcount
    if changed == 0:
        yours = replace(entry, quantity=quantity, **asdict(inward))
        raise stale(theirs=inward_entry(connection, entry_id=entry.id), yours=yours)


def delete_inward(connection: Connection, *, entry: InwardEntry) -> None:
    """Deletes an entry; its stock goes back. Raises StaleEdit, and `stock_never_negative` if it is sold."""
    if connection.execute(DELETE_INWARD, {"id": entry.id, "version": entry.version}).rowcount == 0:
        raise stale(theirs=inward_entry(connection, entry_id=entry.id), yours=entry)


def record_sale(
    connection: Connection, *, product_id: int, colour_code: str, quantities: Mapping[str, int], sale: Sale
) -> None:
    """Records goods out for one colour, a row per size. Raises Refused: `stock_never_negative`, ..."""
    said = asdict(replace(sale, store=sale.store.strip(), agency=sale.agency.strip()))
    rows = [SalesRow(product_id, colour_code, size, quantity, **said) for size, quantity in quantities.items()]
    bulk_sales(connection, rows=rows)


def edit_sale(connection: Connection, *, entry: SalesEntry, quantity: int, sale: Sale) -> None:
    """Saves an entry as it was read. Raises StaleEdit when somebody changed it since, or deleted it."""
    changed = connection.execute(
        EDIT_SALE,
        {
            "id": entry.id,
            "version": entry.version,
            "quantity": quantity,
            "date": sale.date,
            "store": sale.store.strip(),
            "agency": sale.agency.strip(),
        },
    ).rowcount
    if changed == 0:
        yours = replace(entry, quantity=quantity, **asdict(sale))
        raise stale(theirs=sales_entry(connection, entry_id=entry.id), yours=yours)


def delete_sale(connection: Connection, *, entry: SalesEntry) -> None:
    """Deletes an entry; its stock comes back. Raises StaleEdit."""
    if connection.execute(DELETE_SALE, {"id": entry.id, "version": entry.version}).rowcount == 0:
        raise stale(theirs=sales_entry(connection, entry_id=entry.id), yours=entry)


def bulk_inward(connection: Connection, *, rows: Sequence[InwardRow]) -> int:
    """Records goods in, all rows in one statement; returns how many. Raises Refused, and nothing is recorded then."""
    return connection.execute(BULK_INWARD, {"rows": _as_json(rows)}).rowcount if rows else 0


def bulk_sales(connection: Connection, *, rows: Sequence[SalesRow]) -> int:
    """Records goods out, all rows in one statement; returns how many. Raises Refused, and nothing is recorded then."""
    return connection.execute(BULK_SALES, {"rows": _as_json(rows)}).rowcount if rows else 0


def delete_inwards(connection: Connection, *, versions: Mapping[int, str]) -> int:
    """Deletes entries by id and the version that was read, all or none; returns how many.

    Raises StaleEdit (`theirs`: the entries as they stand), and Refused when some of the goods are sold.
    """
    return delete_as_read(
        connection,
        table="inward_logs",
        versions=versions,
        entry=lambda entry_id: inward_entry(connection, entry_id=entry_id),
    )


def delete_sales(connection: Connection, *, versions: Mapping[int, str]) -> int:
    """Deletes entries by id and the version that was read, all or none; returns how many.

    Raises StaleEdit (`theirs`: the entries as they stand), and Refused (`sale_of_order`) for a dispatched order's.
    """
    return delete_as_read(
        connection,
        table="sales_logs",
        versions=versions,
        entry=lambda entry_id: sales_entry(connection, entry_id=entry_id),
    )


def _as_json(rows: Sequence[InwardRow] | Sequence[SalesRow]) -> str:
    return json.dumps([asdict(row) for row in rows], default=str)
