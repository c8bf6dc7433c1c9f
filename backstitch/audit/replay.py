"""Replays the trail: rebuilds each watched table from the trail alone and compares it with the table, in one snapshot.

The database does it (db/audit/replay.sql). It writes nothing and takes no locks, so it can run while people work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, text

MOST_SHOWN = 20

# JSON is read as text: the driver would parse 549.00 as a float.
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
    """One difference between a table and the trail. Values are JSON; None on the side without such a row.

    `column` is None for a whole row. `record_id` is a record that does not match the values before it.
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
    """The outcome for one table: numbers of rows, of their records and of differences, and the first differences."""

    table: str
    rows: int
    records: int
    total: int
    differences: Sequence[Difference]

    def __str__(self) -> str:
        return f"{self.table}: {self.rows:,} rows from {self.records:,} records, {self.total:,} differences"


def replay(connection: Connection, *, most_shown: int = MOST_SHOWN) -> Iterator[Replayed]:
    """The outcome of each watched table, by name, with at most `most_shown` differences each.

    `connection` must be in a REPEATABLE READ transaction with the rights of backstitch_owner (Database.read).
    """
    records: dict[str, int] = {entity: count for entity, count in connection.execute(RECORDS)}
    for table, entity in connection.execute(WATCHED).all():
        yield _replay_table(connection, table, records.get(entity, 0), most_shown)


def _replay_table(connection: Connection, table: str, records: int, most_shown: int) -> Replayed:
    rows = connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()
    result = connection.execute(DIFFERENCES, {"table": table}, execution_options={"stream_results": True})
    differences: Iterator[Any] = iter(result)
    first_differences = [Difference(table, *row) for row in islice(differences, most_shown)]
    return Replayed(table, rows, records, len(first_differences) + sum(1 for _ in differences), first_differences)


def report(outcomes: Sequence[Replayed]) -> str:
    """The report as text: a line per difference, a line per table, and the verdict."""
    lines = []
    for outcome in outcomes:
        lines += [str(difference) for difference in outcome.differences]
        if outcome.total > len(outcome.differences):
            lines.append(f"{outcome.table}: {outcome.total - len(outcome.differences):,} more")
    total = sum(outcome.total for outcome in outcomes)
    verdict = "The trail rebuilds every table exactly." if total == 0 else f"{total:,} differences."
    return "\n".join([*lines, *map(str, outcomes), verdict])
