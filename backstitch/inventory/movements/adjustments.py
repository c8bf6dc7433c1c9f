"""Writing corrections of the stock. The database moves the cell by the signed quantity."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date

from sqlalchemy import Connection, text

from backstitch.inventory.movements.queries import AdjustmentEntry, adjustment_entry
from backstitch.inventory.optimistic import delete_as_read, stale

REASONS = ("count", "correction", "damaged", "theft or loss", "promotion", "return")


@dataclass(frozen=True)
class Adjustment:
    """A correction of one cell: pieces more (above 0) or fewer (below), one of REASONS, and a note."""

    product_id: int
    colour_code: str
    size: str
    quantity: int
    date: date
    reason: str
    note: str = ""


ADJUST = text(
    """
    insert into inventory.stock_adjustments (product_id, colour_code, size, quantity, date, reason, note)
    select r.product_id, r.colour_code, r.size, r.quantity, r.date, r.reason, btrim(r.note)
    from json_to_recordset(cast(:rows as json)) as r
        (product_id bigint, colour_code text, size text, quantity integer, date date, reason text, note text)
    """
)
EDIT = text(
    """
    update inventory.stock_adjustments set quantity = :quantity, date = :date, reason = :reason, note = :note
    where id = :id and xmin = cast(:version as xid)
    """
)
DELETE = text("delete from inventory.stock_adjustments where id = :id and xmin = cast(:version as xid)")


def because(reason: str, note: str = "") -> str:
    """What to give the transaction as its reason: `damaged: torn sleeve`."""
    return f"{reason}: {note.strip()}" if note.strip() else reason


def adjust(connection: Connection, *, adjustments: Sequence[Adjustment]) -> int:
    """Records corrections in one statement; returns how many.

    Raises Refused: `stock_never_negative`, `reason_required` (see `because`), `adjustment_reason_known`, ...
    """
    if not adjustments:
        return 0
    rows = json.dumps([asdict(adjustment) for adjustment in adjustments], default=str)
    return connection.execute(ADJUST, {"rows": rows}).rowcount


def edit_adjustment(
    connection: Connection, *, entry: AdjustmentEntry, quantity: int, date: date, reason: str, note: str = ""
) -> None:
    """Saves an entry as it was read. Raises StaleEdit when somebody changed it since, or deleted it."""
    yours = replace(entry, quantity=quantity, date=date, reason=reason, note=note.strip())
    if connection.execute(EDIT, asdict(yours)).rowcount == 0:
        raise stale(theirs=adjustment_entry(connection, entry_id=entry.id), yours=yours)


def delete_adjustment(connection: Connection, *, entry: AdjustmentEntry) -> None:
    """Deletes an entry; the stock moves back. Raises StaleEdit, and `stock_never_negative` if it is sold."""
    if connection.execute(DELETE, {"id": entry.id, "version": entry.version}).rowcount == 0:
        raise stale(theirs=adjustment_entry(connection, entry_id=entry.id), yours=entry)


def delete_adjustments(connection: Connection, *, versions: Mapping[int, str]) -> int:
    """Deletes entries by id and the version that was read, all or none; the stock moves back. Raises StaleEdit."""
    return delete_as_read(
        connection,
        table="stock_adjustments",
        versions=versions,
        entry=lambda entry_id: adjustment_entry(connection, entry_id=entry_id),
    )
