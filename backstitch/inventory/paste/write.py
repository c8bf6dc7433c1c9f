"""Writes a checked sheet in the caller's transaction, all or nothing; checks it again there first."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import Connection, TextClause, text

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements.commands import InwardRow, SalesRow
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.paste import check
from backstitch.inventory.paste import orders as paste_orders
from backstitch.inventory.paste.check import Checked
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.entries import Entry
from backstitch.inventory.paste.products import ProductPaste

Record = TypeVar("Record")
Progress = Callable[[int, int], object]
"""Called with the number of records written so far, and their total."""

BATCH = 1000  # records in a statement: few statements for the triggers, yet progress that moves
PASTE_LOCK = 0x70617374  # "past"

LOCK = text("select pg_advisory_xact_lock(:key)")
INSERT_PRODUCTS = text(
    """
    insert into inventory.products
        (sku, name, description, category, unit_price, hsn_code, gst_rate, sizes, reorder_level)
    select r.sku, r.name, coalesce(r.description, ''), coalesce(r.category, ''), r.unit_price, r.hsn_code, r.gst_rate,
           r.sizes, coalesce(r.reorder_level, 0)
    from json_to_recordset(cast(:records as json)) as r
        (sku text, name text, description text, category text, unit_price numeric, hsn_code text, gst_rate numeric,
         sizes text[], reorder_level integer)
    """
)
UPDATE_PRODUCTS = text(
    """
    update inventory.products p
    set name = coalesce(r.name, p.name), description = coalesce(r.description, p.description),
        category = coalesce(r.category, p.category), unit_price = coalesce(r.unit_price, p.unit_price),
        hsn_code = coalesce(r.hsn_code, p.hsn_code), gst_rate = coalesce(r.gst_rate, p.gst_rate),
        sizes = coalesce(r.sizes, p.sizes), reorder_level = coalesce(r.reorder_level, p.reorder_level)
    from json_to_recordset(cast(:records as json)) as r
        (id bigint, version text, name text, description text, category text, unit_price numeric, hsn_code text,
         gst_rate numeric, sizes text[], reorder_level integer)
    where p.id = r.id and p.xmin = cast(r.version as xid)
    """
)
INSERT_COLOURS = text(
    """
    insert into inventory.product_colors (product_id, color, colour_code)
    select p.id, r.color, r.colour_code
    from json_to_recordset(cast(:records as json)) as r (sku text, color text, colour_code text)
    join inventory.products p on p.sku = r.sku
    """
)
# New colours get a cell in all sizes, new sizes in all colours; cells that were removed before are not made again.
INSERT_CELLS = text(
    """
    insert into inventory.product_color_stocks (product_id, colour_code, size)
    select p.id, c.colour_code, size.name
    from json_to_recordset(cast(:records as json)) as r (sku text, colours text[], sizes text[])
    join inventory.products p on p.sku = r.sku
    join inventory.product_colors c on c.product_id = p.id and c.is_active
    cross join unnest(p.sizes) as size (name)
    where c.colour_code = any(r.colours) or size.name = any(r.sizes)
    on conflict on constraint stock_cell_unique do nothing
    """
)


@dataclass(frozen=True)
class Written:
    """Numbers of created records (entries, orders or products), changed products, deleted records, and pieces."""

    created: int
    changed: int = 0
    deleted: int = 0
    pieces: int = 0


def _no_progress(done: int, total: int) -> None:
    pass


def write(connection: Connection, *, checked: Checked, today: date, progress: Progress = _no_progress) -> Written:
    """Writes the entries or products of `checked`.

    Raises Refused: paste_has_problems, paste_unanswered, paste_empty, paste_outdated, and what the tables' rules
    refuse.
    """
    if checked.blocked:
        raise Refused(
            "There are problems still. Correct them and check again; nothing was saved.", rule="paste_has_problems"
        )
    if checked.asks:
        raise Refused(
            "Rows like these are there already. Say first what is to become of them; nothing was saved."
            if checked.asks_again
            else "Some names may be others that are known. Say first which are meant; nothing was saved.",
            rule="paste_unanswered",
        )
    if checked.is_empty:
        raise Refused("There is nothing to write in these rows.", rule="paste_empty")
    # A second paste waits here until the first has committed, and then sees its rows.
    connection.execute(LOCK, {"key": PASTE_LOCK})
    rechecked = check.check(connection, pasted=checked.pasted, today=today)
    if rechecked.blocked or (
        rechecked.entries,
        rechecked.products,
        rechecked.replaceable,
        rechecked.repeated,
    ) != (
        checked.entries,
        checked.products,
        checked.replaceable,
        checked.repeated,
    ):
        raise _outdated()
    try:
        return _write(connection, checked, progress)
    except StaleEdit as stale:
        raise _outdated() from stale


def _outdated() -> Refused:
    return Refused(
        "What is stored has changed since you checked these rows, so nothing was saved. Check them again.",
        rule="paste_outdated",
    )


def _write(connection: Connection, checked: Checked, progress: Progress) -> Written:
    match checked.pasted.kind:
        case Kind.INWARD:
            return _write_inward(connection, checked, progress)
        case Kind.SALES:
            return _write_sales(connection, checked, progress)
        case Kind.ORDERS:
            return _write_orders(connection, checked, progress)
        case Kind.PRODUCTS:
            return _write_products(connection, checked.products, progress)


def _batched(records: Sequence[Record]) -> list[Sequence[Record]]:
    return [records[start : start + BATCH] for start in range(0, len(records), BATCH)]


def _batches(records: Sequence[Record], progress: Progress) -> Iterator[Sequence[Record]]:
    """The batches of `_batched`; reports progress after each."""
    done = 0
    for batch in _batched(records):
        yield batch
        done += len(batch)
        progress(done, len(records))


def _by_cell(entries: Sequence[Entry]) -> list[Entry]:
    """The entries in the order in which the database locks cells: batches then cannot deadlock with other writers."""
    return sorted(entries, key=lambda entry: entry.cell)


def _replaced_versions(checked: Checked) -> dict[int, str]:
    """Id -> version of the stored rows to delete."""
    return {one.id: one.version for one in checked.replaceable} if checked.pasted.replace else {}


def _write_inward(connection: Connection, checked: Checked, progress: Progress) -> Written:
    # New goods come in before the replaced ones are deleted: some of those may be sold.
    for batch in _batches(_by_cell(checked.entries), progress):
        rows = [
            InwardRow(
                entry.product_id, entry.colour_code, entry.size, entry.quantity, entry.date, entry.category, entry.party
            )
            for entry in batch
        ]
        movement_commands.bulk_inward(connection, rows=rows)
    replaced = _replaced_versions(checked)
    if replaced:
        movement_commands.delete_inwards(connection, versions=replaced)
    return Written(len(checked.entries), deleted=len(replaced), pieces=sum(entry.quantity for entry in checked.entries))


def _write_sales(connection: Connection, checked: Checked, progress: Progress) -> Written:
    replaced = _replaced_versions(checked)
    if replaced:
        movement_commands.delete_sales(connection, versions=replaced)
    for batch in _batches(_by_cell(checked.entries), progress):
        rows = [
            SalesRow(
                entry.product_id, entry.colour_code, entry.size, entry.quantity, entry.date, entry.party, entry.agency
            )
            for entry in batch
        ]
        movement_commands.bulk_sales(connection, rows=rows)
    return Written(len(checked.entries), deleted=len(replaced), pieces=sum(entry.quantity for entry in checked.entries))


def _write_orders(connection: Connection, checked: Checked, progress: Progress) -> Written:
    replaced = order_queries.versions(connection, order_ids=list(_replaced_versions(checked)))
    if replaced:
        order_commands.delete_drafts(connection, versions=replaced)
    orders = paste_orders.orders_to_create(connection, entries=checked.entries)
    for batch in _batches(orders, progress):
        order_commands.create_orders(connection, orders=batch)
    return Written(len(orders), deleted=len(replaced), pieces=sum(entry.quantity for entry in checked.entries))


def _write_products(connection: Connection, pasted: Sequence[ProductPaste], progress: Progress) -> Written:
    changed = [one for one in pasted if one.changes]
    steps = [
        (statement, batch) for statement, records in _product_records(changed).items() for batch in _batched(records)
    ]
    for done, (statement, batch) in enumerate(steps, start=1):
        written = connection.execute(statement, {"records": json.dumps(batch, default=str)}).rowcount
        if statement is UPDATE_PRODUCTS and written < len(batch):
            raise _outdated()
        progress(done, len(steps))
    created = sum(one.product is None for one in changed)
    return Written(created, changed=len(changed) - created)


def _product_records(changed: Sequence[ProductPaste]) -> dict[TextClause, Sequence[Mapping[str, Any]]]:
    """The records of each statement, statements in the order in which they must run."""
    fresh = [one.values | {"sku": one.sku} for one in changed if one.product is None]
    known = [
        one.values | {"id": one.product.id, "version": one.product.version}
        for one in changed
        if one.product is not None and one.values
    ]
    colours = [{"sku": one.sku, "color": color, "colour_code": code} for one in changed for color, code in one.colours]
    cells = [
        {"sku": one.sku, "colours": [code for _, code in one.colours], "sizes": one.new_sizes}
        for one in changed
        if one.colours or one.new_sizes
    ]
    return {INSERT_PRODUCTS: fresh, UPDATE_PRODUCTS: known, INSERT_COLOURS: colours, INSERT_CELLS: cells}
