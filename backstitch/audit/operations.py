"""Reads the trail by operation: one line per transaction (search.same_transaction reads its records).

Functions take a connection of `Database.read(actor)`; the database shows what the actor may see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from backstitch.audit.filters import Filters, conditions
from backstitch.audit.records import DECODER, Values
from backstitch.audit.search import HALF_A_DAY, INSTANT, backwards
from backstitch.audit.wording import entity_word, entity_words

# The newest transactions of a window with a record under the filters.
FOUND = """
    select transaction_id, max(recorded_at) as ended from audit.trail
    where {condition} and transaction_id <> all(cast(:seen as bigint[]))
    group by transaction_id order by ended desc, transaction_id desc limit :limit
"""
# The end times of transactions with a record at or after a cursor.
LATER = """
    select transaction_id, max(recorded_at) as ended from audit.trail
    where {condition} and transaction_id = any(cast(:transactions as bigint[])) group by transaction_id
"""
# All records of the transactions, within half a day: the numbers of transactions repeat after a restore.
OPERATIONS = text(
    """
    with kinds as (
        select transaction_id, action, entity, count(*) as records, min(recorded_at) as started,
               max(recorded_at) as ended, max(user_id) as user_id, max(username) as username,
               max(user_name) as user_name, max(operation) as operation, max(reason) as reason,
               (array_agg(new_values) filter (where action in ('IMPORT', 'EXPORT')))[1] as details
        from audit.trail
        where recorded_at >= :start and recorded_at < :end and transaction_id = any(cast(:transactions as bigint[]))
        group by transaction_id, action, entity)
    select transaction_id, min(started) as started, max(user_id) as user_id, max(username) as username,
           max(user_name) as user_name, max(operation) as operation, max(reason) as reason,
           array_agg(cast(action as text) order by records desc, entity, action) as actions,
           array_agg(entity order by records desc, entity, action) as entities,
           array_agg(records order by records desc, entity, action) as counts,
           (array_agg(details) filter (where details is not null))[1]::text as details
    from kinds group by transaction_id
    """
)
BULK = {"CREATE", "UPDATE", "DELETE", "TRUNCATE"}


@dataclass(frozen=True)
class Cursor:
    """A position in the order of operations, newest first; the next page has those that ended earlier."""

    ended: datetime
    transaction_id: int


@dataclass(frozen=True)
class Kind:
    """The number of records of one action and entity in an operation."""

    action: str
    entity: str
    records: int


@dataclass(frozen=True)
class Operation:
    """What one transaction did, as far as the reader may see it; `kinds` are those with most records first.

    `ended` is the time of its last record under the filters; `details` are those of an import or export.
    """

    transaction_id: int
    started: datetime
    ended: datetime
    user_id: int | None
    username: str
    user_name: str | None
    operation: str | None
    reason: str | None
    kinds: tuple[Kind, ...]
    details: Values | None

    @property
    def records(self) -> int:
        """The number of records of all kinds."""
        return sum(kind.records for kind in self.kinds)

    @property
    def gist(self) -> str:
        """The operation in words: `BULK_CREATE inward entries, 250 rows`, `IMPORT stock list, 9,169 rows`."""
        first = min(self.kinds, key=_rank)
        rows = (self.details or {}).get("accepted" if first.action == "IMPORT" else "rows")
        noun = entity_word(first.entity)
        if first.action in BULK:
            if first.records == 1:
                return f"{first.action} {noun.lower()}"
            return f"BULK_{first.action} {entity_words(first.entity)}, {first.records:,} rows"
        return f"{first.action} {noun.lower()}" + (f", {rows:,} rows" if isinstance(rows, int) else "")

    @property
    def cursor(self) -> Cursor:
        """The position of this operation in the order."""
        return Cursor(self.ended, self.transaction_id)


@dataclass(frozen=True)
class OperationPage:
    """Operations, newest first; `next_cursor` is None on the last page."""

    operations: Sequence[Operation]
    next_cursor: Cursor | None


def operations(
    connection: Connection, *, filters: Filters, size: int = 50, before: Cursor | None = None
) -> OperationPage:
    """The newest `size` operations with a record under the filters, or the next after the cursor of the previous page.

    An operation counts all its records, not only those under the filters.
    """
    condition, values = conditions(connection, filters=filters)
    statement = text(FOUND.format(condition=condition))
    end = filters.end if before is None else min(filters.end, before.ended + INSTANT)
    end_times: dict[int, datetime] = {}
    passed: set[int] = set()

    for window_start, window_end in backwards(filters.start, end):
        upper = window_end
        while len(end_times) <= size:
            seen = [*end_times, *passed]
            limits: dict[str, Any] = {
                "start": window_start,
                "end": upper,
                "seen": seen,
                "limit": size + 1 - len(end_times),
            }
            rows = connection.execute(statement, values | limits).all()
            passed |= _listed_before(connection, filters=filters, rows=rows, before=before)
            end_times |= {row.transaction_id: row.ended for row in rows if row.transaction_id not in passed}
            if len(rows) < limits["limit"]:
                break
            upper = rows[-1].ended + INSTANT
        if len(end_times) > size:
            break
    return _page(_read_operations(connection, end_times), size)


def _listed_before(connection: Connection, *, filters: Filters, rows: Sequence[Any], before: Cursor | None) -> set[int]:
    """Ids of the transactions of `rows` that end at or after the cursor: a previous page has listed them."""
    if before is None or not rows:
        return set()
    condition, values = conditions(connection, filters=filters)
    values |= {"start": before.ended, "end": min(filters.end, before.ended + HALF_A_DAY)}
    candidates = {"transactions": [row.transaction_id for row in rows]}
    later = connection.execute(text(LATER.format(condition=condition)), values | candidates).all()
    position = (before.ended, before.transaction_id)
    return {row.transaction_id for row in later if (row.ended, row.transaction_id) >= position}


def _read_operations(connection: Connection, end_times: dict[int, datetime]) -> list[Operation]:
    if not end_times:
        return []
    span = {
        "start": min(end_times.values()) - HALF_A_DAY,
        "end": max(end_times.values()) + HALF_A_DAY,
    }
    rows = connection.execute(OPERATIONS, span | {"transactions": list(end_times)})
    operations = [_operation(row, end_times[row.transaction_id]) for row in rows]
    return sorted(operations, key=lambda operation: (operation.ended, operation.transaction_id), reverse=True)


def _operation(row: Any, ended: datetime) -> Operation:
    return Operation(
        row.transaction_id,
        row.started,
        ended,
        row.user_id,
        row.username,
        row.user_name,
        row.operation,
        row.reason,
        tuple(Kind(*kind) for kind in zip(row.actions, row.entities, row.counts, strict=True)),
        None if row.details is None else DECODER.decode(row.details),
    )


def _page(operations: Sequence[Operation], size: int) -> OperationPage:
    return OperationPage(operations[:size], operations[size - 1].cursor if len(operations) > size else None)


def _rank(kind: Kind) -> tuple[bool, bool, int]:
    """Sort key of kinds: an import or export first, changed stock cells last, as they only follow other records."""
    follows = kind.action == "UPDATE" and kind.entity == "ProductColorStock"
    return (kind.action in BULK, follows, -kind.records)
