"""Reads the trail: pages of records, newest first, counts, one record, one transaction, the history of a record.

Functions take a connection of `Database.read(actor)`; the database shows what the actor may see.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from backstitch.audit import wording
from backstitch.audit.filters import IN_RANGE, Filters, conditions
from backstitch.audit.labels import labelled_records
from backstitch.audit.query import BadQuery, filters_from_query, filters_to_query
from backstitch.audit.records import SELECT, Cursor, Page, Record

__all__ = [
    "COUNT_CAP",
    "BadQuery",
    "Cursor",
    "Filters",
    "Page",
    "Person",
    "Record",
    "actions",
    "count",
    "entities",
    "filters_from_query",
    "filters_to_query",
    "history",
    "people",
    "record",
    "same_transaction",
    "search",
    "windows",
]

COUNT_CAP = 10_000
COUNT = "select count(*) from (select from audit.trail where"
OLDER = "(recorded_at, id) < (:before_at, :before_id)"
NEWEST_FIRST = "order by recorded_at desc, id desc"
ONE = "recorded_at = :recorded_at and id = :id"
OF_TRANSACTION = f"{IN_RANGE} and transaction_id = :transaction_id"
OF_ENTITY = "entity = :entity and entity_id = :entity_id"

INSTANT = timedelta(microseconds=1)
FIRST_WINDOW = timedelta(hours=6)
WINDOW_GROWTH = 4
HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True)
class Person:
    """A choice of the user filter."""

    id: int
    email: str
    name: str


def search(connection: Connection, *, filters: Filters, size: int = 50, before: Cursor | None = None) -> Page:
    """The newest `size` records, or the next `size` after the cursor of the previous page.

    Reads windows of time, going back, until the page is full. In one query the planner would sort the whole range,
    because the security barrier view hides that an index has the order already.
    """
    condition, values = conditions(connection, filters=filters)
    if before is not None:
        condition = f"{condition} and {OLDER}"
        values |= {"before_at": before.recorded_at, "before_id": before.id}
    end = filters.end if before is None else min(filters.end, before.recorded_at + INSTANT)
    statement = text(" ".join((SELECT, "where", condition, NEWEST_FIRST, "limit :limit")))

    rows: list[Any] = []
    for window_start, window_end in backwards(filters.start, end):
        values |= {"start": window_start, "end": window_end, "limit": size + 1 - len(rows)}
        rows += connection.execute(statement, values)
        if len(rows) > size:
            break
    return _page(connection, rows, size)


def count(connection: Connection, *, filters: Filters, cap: int = COUNT_CAP) -> int:
    """How many records match, counted up to `cap` + 1, which means more than `cap`."""
    condition, values = conditions(connection, filters=filters)
    statement = text(" ".join((COUNT, condition, "limit :limit) found")))
    return int(connection.execute(statement, values | {"limit": cap + 1}).scalar_one())


def people(connection: Connection) -> list[Person]:
    """All users by name, deactivated ones too, because the trail names them. Raises Refused for a viewer."""
    rows = connection.execute(text("select id, email, name from accounts.users order by lower(name), id"))
    return [Person(*row) for row in rows]


def actions() -> dict[str, str]:
    """The actions of the trail with their words, in the order of the filter."""
    return dict(wording.ACTIONS)


def entities() -> dict[str, str]:
    """The record types of the trail with their words, in the order of the filter."""
    return dict(wording.ENTITIES)


def record(connection: Connection, *, id: int, recorded_at: datetime) -> Record | None:
    """One record; None when there is none that the actor may see."""
    return _first(_select(connection, ONE, {"id": id, "recorded_at": recorded_at}, size=1, before=None))


def same_transaction(
    connection: Connection, *, transaction_id: int, near: datetime, size: int = 1_000, before: Cursor | None = None
) -> Page:
    """The records of a transaction: what one click, bulk operation or import did.

    Only those within half a day of `near`, because the numbers of transactions repeat after a restore.
    """
    values = {"transaction_id": transaction_id, "start": near - HALF_A_DAY, "end": near + HALF_A_DAY}
    return _select(connection, OF_TRANSACTION, values, size=size, before=before)


def history(
    connection: Connection, *, entity: str, entity_id: int, size: int = 50, before: Cursor | None = None
) -> Page:
    """The history of one record, deleted or not; that of a product leaves out its parts."""
    values = {"entity": entity, "entity_id": entity_id}
    return _select(connection, OF_ENTITY, values, size=size, before=before)


def windows(
    start: datetime, end: datetime, *, first: timedelta, growth: int = 1
) -> Iterator[tuple[datetime, datetime]]:
    """Splits [start, end) into adjacent windows, the last one first, each `growth` times as long as the one before."""
    width = first
    while start < end:
        # Compared as lengths, because a date too early cannot be represented.
        piece_start = start if end - start <= width else end - width
        yield piece_start, end
        end = piece_start
        width *= growth


def backwards(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Growing windows back from now, after one window for the future, in which there are no records."""
    now = datetime.now(UTC)
    if start < now < end:
        yield now, end
        end = now
    yield from windows(start, end, first=FIRST_WINDOW, growth=WINDOW_GROWTH)


def _select(
    connection: Connection, condition: str, values: dict[str, Any], *, size: int, before: Cursor | None
) -> Page:
    """The page of records for a condition that an index serves."""
    if before is not None:
        condition = f"{condition} and {OLDER}"
        values |= {"before_at": before.recorded_at, "before_id": before.id}
    statement = text(" ".join((SELECT, "where", condition, NEWEST_FIRST, "limit :limit")))
    return _page(connection, list(connection.execute(statement, values | {"limit": size + 1})), size)


def _page(connection: Connection, rows: list[Any], size: int) -> Page:
    records = labelled_records(connection, rows=rows[:size])
    return Page(records, records[-1].cursor if len(rows) > size else None)


def _first(page: Page) -> Record | None:
    return page.records[0] if page.records else None
