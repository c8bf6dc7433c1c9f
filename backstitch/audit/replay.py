"""Replay: every watched table rebuilt from the trail alone, and compared with the table, in one snapshot.

The database does it (db/audit/replay.sql). Nothing is written and nobody waits, so it can run while people work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, text

MOST_SHOWN = 20

# json as text: the driver would turn 549.00 into a float.
DIFFERENCES = text(
    "select entity_id, column_name, in_trail::text, in_table::text, record_id "
    "from audit.differences(cast(:table as regclass))"
)
WATCHED = text(
    "select w.relation::regclass::text as name, w.entity from audit.watched_tables w "
    "join pg_class c on c.oid = w.relation order by 1"
)
RECORDS = text(
    "select entity, count(*) from audit.records where action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE') group by 1"
)


@dataclass(frozen=True)
class Difference:
    """One thing in which a table is not what the trail says. Values are JSON; None on the side that has no such row.

    `column` is None for a whole row. `record_id` names a record that does not say what was there before it.
    """

    table: str
    id: int
    column: str | None
    in_trail: str | None
    in_table: str | None
    record_id: int | None

    def __str__(self) -> str:
        where = f"{self.table} {self.id}"
        if self.record_id is not None:
            return f"{where}: record {self.record_id} does not say what was there before it"
        what = f" {self.column}" if self.column else ""
        return f"{where}{what}: trail {self.in_trail or 'no row'}, table {self.in_table or 'no row'}"


@dataclass(frozen=True)
class Replayed:
    """The outcome for one table: its rows, the records they come from, how many differences, and the first of them."""

    table: str
    rows: int
    records: int
    total: int
    differences: Sequence[Difference]

    def __str__(self) -> str:
        return f"{self.table}: {self.rows:,} rows from {self.records:,} records, {self.total:,} differences"


def replay(connection: Connection, *, most_shown: int = MOST_SHOWN) -> Iterator[Replayed]:
    """The outcome per watched table, by name, with at most `most_shown` differences each.

    `connection` is of a REPEATABLE READ transaction with the rights of backstitch_owner (Database.read).
    """
    records: dict[str, int] = {entity: count for entity, count in connection.execute(RECORDS)}
    for table, entity in connection.execute(WATCHED).all():
        yield _replay_table(connection, table, records.get(entity, 0), most_shown)


def _replay_table(connection: Connection, table: str, records: int, most_shown: int) -> Replayed:
    rows = connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()
    result = connection.execute(DIFFERENCES, {"table": table}, execution_options={"stream_results": True})
    found: Iterator[Any] = iter(result)
    shown = [Difference(table, *row) for row in islice(found, most_shown)]
    return Replayed(table, rows, records, len(shown) + sum(1 for _ in found), shown)


def report(outcomes: Sequence[Replayed]) -> str:
    """The differences, a line each, and a line per table."""
    lines = []
    for outcome in outcomes:
        lines += [str(difference) for difference in outcome.differences]
        if outcome.total > len(outcome.differences):
            lines.append(f"{outcome.table}: {outcome.total - len(outcome.differences):,} more")
    total = sum(outcome.total for outcome in outcomes)
    verdict = "The trail rebuilds every table exactly." if total == 0 else f"{total:,} differences."
    return "\n".join([*lines, *map(str, outcomes), verdict])
