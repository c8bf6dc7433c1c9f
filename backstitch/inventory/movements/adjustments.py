"""Writes stock adjustments. The database changes the stock cell by the signed quantity."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date

from sqlalchemy import Connection, text

from backstitch.inventory.movements.queries import AdjustmentEntry, adjustment_entry
from backstitch.inventory.optimistic import delete_unchanged, stale

LONGEST_NOTE = 380  # characters; with its reason before it (`combined_reason`), it is the reason of the transaction
REASONS = ("count", "correction", "damaged", "theft or loss", "promotion", "return")


@dataclass(frozen=True)
class Adjustment:
    """A correction of one stock cell.

    `quantity` is signed: above 0 adds pieces, below 0 takes pieces away. `reason` is one of REASONS.
    """

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


def combined_reason(reason: str, note: str = "") -> str:
    """The reason of the transaction, made of the reason and the note of an adjustment: `damaged: torn sleeve`."""
    return f"{reason}: {note.strip()}" if note.strip() else reason


def adjust(connection: Connection, *, adjustments: Sequence[Adjustment]) -> int:
    """Inserts adjustments in one statement; returns how many.

    Raises Refused: `stock_never_negative`, `reason_required` (see `combined_reason`), `adjustment_reason_known`, ...
    """
    if not adjustments:
        return 0
    rows = json.dumps([asdict(adjustment) for adjustment in adjustments], default=str)
    return connection.execute(ADJUST, {"rows": rows}).rowcount


def edit_adjustment(
    connection: Connection, *, entry: AdjustmentEntry, quantity: int, date: date, reason: str, note: str = ""
) -> None:
    """Updates an adjustment. Raises StaleEdit when somebody has changed or deleted it since `entry` was read."""
    yours = replace(entry, quantity=quantity, date=date, reason=reason, note=note.strip())
    if connection.execute(EDIT, asdict(yours)).rowcount == 0:
        raise stale(theirs=adjustment_entry(connection, entry_id=entry.id), yours=yours)


def delete_adjustment(connection: Connection, *, entry: AdjustmentEntry) -> None:
    """Deletes an adjustment and reverses it in the stock.

    Raises StaleEdit, and Refused (`stock_never_negative`) when pieces that it added have been sold.
    """
    if connection.execute(DELETE, {"id": entry.id, "version": entry.version}).rowcount == 0:
        raise stale(theirs=adjustment_entry(connection, entry_id=entry.id), yours=entry)


def delete_adjustments(connection: Connection, *, versions: Mapping[int, str]) -> int:
    """Deletes adjustments, all or none, and reverses them in the stock; returns how many.

    `versions` maps each id to the version that was read. Raises StaleEdit.
    """
    return delete_unchanged(
        connection,
        table="stock_adjustments",
        versions=versions,
        read_entry=lambda entry_id: adjustment_entry(connection, entry_id=entry_id),
    )
