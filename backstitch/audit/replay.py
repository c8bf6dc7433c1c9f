"""Replays the trail: rebuilds each watched table from the trail alone and compares it with the table, in one snapshot.

It reads raw rows (outside.py) and judges them here, so that nothing of the verdict comes from a function in the
database, which whoever can alter a table can replace. What is on the record, and with what details, is taken from this
package (watched.py) for the tables of this version. It writes nothing and takes no locks, so it can run while people
work. Redacted columns are left out, because the trail does not have their values.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import psycopg

from backstitch.audit import outside, personal, raw, rebuild, stored
from backstitch.audit.jsonb import Values, decode_row, encode
from backstitch.audit.outside import Driver
from backstitch.audit.watched import TABLES, Watched

MOST_SHOWN = 20
BATCH = 1000  # rows whose personal values are looked up at once
TOO_DEEP = "has a value that nests too deeply to be compared"
# A table that was dropped since is in no schema.
WATCHED = """
    select n.nspname::text, c.relname::text, format('%I.%I', n.nspname, c.relname), w.entity, w.parent, w.redacted,
           w.personal
    from audit.watched_tables w join pg_class c on c.oid = w.relation join pg_namespace n on n.oid = c.relnamespace
"""


@dataclass(frozen=True)
class Difference:
    """One difference between a table and the trail. Values are JSON; None on the side without such a row.

    `column` is None for a whole row. `record_id` is a record that does not match the values before it. `id` is None
    for a row of the table that has none.
    """

    table: str
    id: int | None
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
    """The outcome for one table: numbers of rows, of their records and of differences, and the first differences.

    `problems` are sentences about what keeps the table from being compared in whole; the total counts them too.
    """

    table: str
    rows: int
    records: int
    total: int
    differences: Sequence[Difference]
    problems: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.table}: {self.rows:,} rows from {self.records:,} records, {self.total:,} differences"


def replay(connection: Driver, *, owner: Driver | None = None, most_shown: int = MOST_SHOWN) -> Sequence[Replayed]:
    """The outcome of each watched table, by name, with at most `most_shown` differences each.

    `connection` is backstitch_watch's (Database.raw). It may not read the tables that an administrator has put on the
    record; they are read with the `owner`'s, or, without it, named as not compared. Raises Refused with a sentence if
    the trail cannot be read.
    """
    outside.set_plainly(connection)
    raw.require_tables(connection, "records", "baselines", "personal_values", "watched_tables")
    known = _watched(connection)
    own = {_title(table): table for table in TABLES}
    added = {title: table for title, table in known.items() if title not in own}
    outcomes = [
        *_replay(connection, own, known, is_own=True, most_shown=most_shown),
        *(map(_not_compared, added) if owner is None else _replay_added(owner, added, most_shown)),
    ]
    return sorted(outcomes, key=lambda outcome: outcome.table)


def replay_as_told(owner: Driver) -> Sequence[Replayed]:
    """The outcome of each table that the database itself says is on the record, as the owner's login.

    For a trail that was restored and may be of an earlier version, whose tables this package does not know.
    """
    raw.require_tables(owner, "records", "baselines", "personal_values", "watched_tables")
    return sorted(_replay_added(owner, _watched(owner), MOST_SHOWN), key=lambda outcome: outcome.table)


def report(outcomes: Sequence[Replayed]) -> str:
    """The report as text: a line per difference, a line per table, and the verdict."""
    lines = []
    for outcome in outcomes:
        lines += [*outcome.problems, *map(str, outcome.differences)]
        listed = len(outcome.problems) + len(outcome.differences)
        if outcome.total > listed:
            lines.append(f"{outcome.table}: {outcome.total - listed:,} more")
    total = sum(outcome.total for outcome in outcomes)
    verdict = "The trail rebuilds every table exactly." if total == 0 else f"{total:,} differences."
    return "\n".join([*lines, *map(str, outcomes), verdict])


def _title(table: Watched) -> str:
    return f"{table.schema}.{table.name}"


def _watched(connection: Driver) -> dict[str, Watched]:
    """What the database says is on the record, by the names of the tables."""
    with outside.reading("audit.watched_tables"):
        return {
            title: Watched(schema, name, entity, parent, frozenset(redacted), frozenset(personal))
            for schema, name, title, entity, parent, redacted, personal in connection.execute(WATCHED)
        }


def _not_compared(table: str) -> Replayed:
    problem = f"{table} was not compared: it is no table of Backstitch, so only the owner's login can read it."
    return Replayed(table, 0, 0, 1, [], (problem,))


def _replay_added(owner: Driver, added: dict[str, Watched], most_shown: int) -> Iterator[Replayed]:
    """The outcomes of the tables that the database says are on the record, in the snapshot of the owner's login."""
    if added:
        outside.set_plainly(owner)
        yield from _replay(owner, added, added, is_own=False, most_shown=most_shown)


def _replay(
    connection: Driver, tables: dict[str, Watched], known: dict[str, Watched], *, is_own: bool, most_shown: int
) -> Iterator[Replayed]:
    """The outcome of each table, by entity, in one pass over the records of all."""
    rebuilt = rebuild.rows(connection, {table.entity: table.redacted for table in tables.values()})
    entity, rows = next(rebuilt, (None, iter(())))
    for title, table in sorted(tables.items(), key=lambda item: item[1].entity):
        problems = [] if known.get(title) == table else [_other_details(title, table, known.get(title))]
        comparison = _Comparison(title, table, most_shown, problems)
        try:
            with connection.transaction():
                comparison.run(connection, rows if entity == table.entity else (), is_own=is_own)
        except stored.NotComparable as problem:
            problems.append(f"{title} {problem}, so it was not compared; {outside.WHAT_TO_DO}.")
        except psycopg.Error as error:
            problems.append(f"{title} {outside.refusal(error)}.")
        except RecursionError:
            problems.append(f"{title} {TOO_DEEP}.")
        yield comparison.outcome()
        if entity == table.entity:
            entity, rows = next(rebuilt, (None, iter(())))


def _other_details(title: str, table: Watched, known: Watched | None) -> str:
    """A sentence on how audit.watched_tables differs from what this version has."""
    if known is None:
        return f"{title} is not in audit.watched_tables; {outside.WHAT_TO_DO}."
    differing = [
        f"{name} {_shown(getattr(known, name))} instead of {_shown(getattr(table, name))}"
        for name in ("entity", "parent", "redacted", "personal")
        if getattr(known, name) != getattr(table, name)
    ]
    return f"{title} has other details in audit.watched_tables: {', '.join(differing)}."


def _shown(detail: str | frozenset[str] | None) -> str:
    return (detail if isinstance(detail, str) else " ".join(sorted(detail or ()))) or "none"


class _Comparison:
    """Compares one table with the rows that the trail has of it, and counts."""

    def __init__(self, title: str, watched: Watched, most_shown: int, problems: list[str]) -> None:
        self._title, self._watched, self._most_shown, self._problems = title, watched, most_shown, problems
        self._rows = self._records = self._total = 0
        self._first: list[Difference] = []

    def outcome(self) -> Replayed:
        """What was found so far."""
        total = self._total + len(self._problems)
        return Replayed(self._title, self._rows, self._records, total, self._first, tuple(self._problems))

    def run(self, connection: Driver, rebuilt: Iterable[rebuild.Row], *, is_own: bool) -> None:
        """Compares all rows. Raises NotComparable, RecursionError, and what the driver raises."""
        table = stored.table(connection, self._watched, is_own=is_own)
        self._problems += [f"{self._title} {flaw}; {outside.WHAT_TO_DO}." for flaw in table.flaws]
        pairs = _pairs(rebuilt, stored.rows(connection, table))
        if self._watched.personal:
            pairs = _with_personal_values(connection, pairs)
        for in_trail, in_table in pairs:
            self._rows += in_table is not None
            self._records += in_trail.records if in_trail is not None else 0
            for difference in self._differences(in_trail, in_table):
                self._total += 1
                if self._total <= self._most_shown:
                    self._first.append(difference)

    def _differences(self, in_trail: rebuild.Row | None, in_table: stored.Row | None) -> Iterator[Difference]:
        """The differences of one row."""
        id = in_trail.id if in_trail is not None else in_table.id if in_table is not None else None
        values = in_trail.values if in_trail is not None else None
        if values is not None and in_table is not None:
            yield from self._differing_columns(id, values, in_table)
        elif values is not None:
            yield Difference(self._title, id, None, encode(values), None, None)
        elif in_table is not None:
            yield Difference(self._title, id, None, None, in_table.written, None)
        if in_trail is not None and in_trail.broken_at is not None:
            yield Difference(self._title, id, None, None, None, in_trail.broken_at)

    def _differing_columns(self, id: int | None, values: Values, in_table: stored.Row) -> Iterator[Difference]:
        """The columns that differ, or, where none does, the whole row if its jsonb does not hold it exactly."""
        agrees = True
        for name, value in (decode_row(in_table.written) or {}).items():
            if values.get(name) != value:
                agrees = False
                yield Difference(self._title, id, name, encode(values.get(name)), encode(value), None)
        if agrees and in_table.rebuilt is not None:
            yield Difference(self._title, id, "as rebuilt", in_table.rebuilt, in_table.written, None)


_Pair = tuple[rebuild.Row | None, stored.Row | None]


def _pairs(rebuilt: Iterable[rebuild.Row], rows: Iterable[stored.Row]) -> Iterator[_Pair]:
    """Joins two streams by id, both in the order of their ids; each row comes once, with None where it is alone."""
    left, right = iter(rebuilt), iter(rows)
    in_trail, in_table = next(left, None), next(right, None)
    while in_trail is not None and in_table is not None:
        if in_trail.id == in_table.id:
            yield in_trail, in_table
            in_trail, in_table = next(left, None), next(right, None)
        elif in_table.id is None or in_trail.id < in_table.id:
            yield in_trail, None
            in_trail = next(left, None)
        else:
            yield None, in_table
            in_table = next(right, None)
    while in_trail is not None:
        yield in_trail, None
        in_trail = next(left, None)
    while in_table is not None:
        yield None, in_table
        in_table = next(right, None)


def _with_personal_values(connection: Driver, pairs: Iterator[_Pair]) -> Iterator[_Pair]:
    """The pairs with personal values in place of the references of the trail."""
    while batch := list(islice(pairs, BATCH)):
        ids = {
            id
            for in_trail, _ in batch
            if in_trail is not None and in_trail.values is not None
            for value in in_trail.values.values()
            if (id := personal.reference(value)) is not None
        }
        kept = personal.kept(connection, ids)
        for in_trail, in_table in batch:
            if in_trail is not None and in_trail.values is not None:
                in_trail = rebuild.Row(
                    in_trail.id,
                    personal.revealed(in_trail.values, kept),
                    in_trail.broken_at,
                    in_trail.records,
                )
            yield in_trail, in_table
