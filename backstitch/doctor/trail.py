"""The state of the trail: its partitions, what waits for a seal, its era, and the sequences of its tables."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from backstitch.doctor.finding import OWNER, REAPPLY, Finding, or_ok, psql
from db import catalog
from db.catalog import Definition, Object

PARTITIONS = text(catalog.judge("partitions"))
TRAIL = text(catalog.judge("trail"))
# Sequences that are there with the columns that they number.
HERE = text(
    "select w.name from unnest(cast(:sequences as text[]), cast(:columns as text[])) w (name, of_column) "
    "join pg_attribute a on a.attrelid = to_regclass(regexp_replace(w.of_column, '[.][^.]*$', '')) "
    "and a.attname = regexp_replace(w.of_column, '^.*[.]', '') where to_regclass(w.name) is not null"
)
MAY_ASK_IDENTIFIER = text("select has_function_privilege('pg_control_system()', 'execute')")
IDENTIFIER = text("select system_identifier from pg_control_system()")
PATIENCE = timedelta(minutes=5)  # for records that wait for their seal
LARGEST_RECORD = "select max(id) from audit.records"  # reads the whole trail


def partitions(connection: Connection) -> list[Finding]:
    """The months ahead that have no partition."""
    check, advice = "partitions ahead", psql(OWNER, "select audit.make_partitions()")
    return or_ok(
        check,
        (
            Finding(check, "warning", "audit.records", f"has no partition for {month}", advice)
            for (month,) in connection.execute(PARTITIONS)
        ),
    )


def findings(reader: Connection, expected: Mapping[Object, Definition], *, thorough: bool) -> list[Finding]:
    """What the trail itself says. `reader` is of backstitch_watch or the owner."""
    state = reader.execute(TRAIL).one()
    return [
        *or_ok("default partition", _default_partition(state)),
        *or_ok("event triggers", _event_triggers(state)),
        *or_ok("seals", _seals(reader, state)),
        *or_ok("numbers", _numbers(reader, state, expected, thorough=thorough)),
    ]


def _default_partition(state: Any) -> Iterator[Finding]:
    if state.default_months:
        yield Finding(
            "default partition",
            "warning",
            "audit.records_default",
            "holds records, of months that had no partition; nothing is lost, but reading them is slow",
            psql(OWNER, *(f"select audit.make_partitions('{month}', 0)" for month in state.default_months)),
        )


def _event_triggers(state: Any) -> Iterator[Finding]:
    if state.lacks_event_triggers:
        yield Finding(
            "event triggers",
            "warning",
            "the database",
            "has lost an event trigger, so a command that changes a definition leaves no record",
            REAPPLY,
        )


def _seals(reader: Connection, state: Any) -> Iterator[Finding]:
    if state.unsealed_since and state.unsealed_since < datetime.now(UTC) - PATIENCE:
        since = state.unsealed_since.isoformat(sep=" ", timespec="seconds")
        yield Finding(
            "seals",
            "warning",
            "audit.records",
            f"has records that wait for their seal since {since}",
            "run: python -m backstitch seal; if that does not help, look for a transaction left open",
        )
    server = _system_identifier(reader)
    if state.is_away or (None not in (server, state.system_identifier) and server != state.system_identifier):
        yield Finding(
            "seals",
            "error",
            "the trail",
            "was restored or moved here, and nothing is sealed before its new era has begun",
            "run: python -m backstitch migrate",
        )
    if state.era_of_records != state.era:
        yield Finding(
            "seals",
            "error",
            "audit.records",
            f"gives new records era {state.era_of_records or 'null'}, and the present one is {state.era}",
            psql(OWNER, f"alter table only audit.records alter column era set default {state.era}"),
        )


def _system_identifier(reader: Connection) -> int | None:
    """The identifier of this server; None where the host denies it."""
    if not reader.execute(MAY_ASK_IDENTIFIER).scalar_one():
        return None
    return int(reader.execute(IDENTIFIER).scalar_one())


def _numbers(
    reader: Connection, state: Any, expected: Mapping[Object, Definition], *, thorough: bool
) -> Iterator[Finding]:
    """Sequences that give numbers again which rows have; the newest and the last sealed record stand for all."""
    largest = {"audit.records": max(state.last_sealed or 0, state.newest or 0)}
    if thorough:
        largest["audit.records"] = reader.exec_driver_sql(LARGEST_RECORD).scalar_one() or 0
    for sequence, table, last, most in _sequences(reader, expected):
        most = largest.get(table, most)
        if most is not None and (last or 0) < most:
            yield Finding(
                "numbers",
                "error",
                f"sequence {sequence}",
                f"stands at {last or 'its start'}, below the number {most} that a row of {table} has",
                psql(OWNER, f"select setval('{sequence}', {most})"),
            )


def _sequences(reader: Connection, expected: Mapping[Object, Definition]) -> list[tuple[str, str, int, int]]:
    """Each sequence of this version that is here: its name, its table, its last value, the largest number in use."""
    columns = {
        one.name: str(definition).rpartition(" of ")[2]
        for one, definition in expected.items()
        if one.kind == "sequence"
    }
    here = reader.execute(HERE, {"sequences": [*columns], "columns": [*columns.values()]})
    query = " union all ".join(
        f"select '{name}', '{table}', pg_sequence_last_value('{name}'), "
        + ("null" if table == "audit.records" else f"(select max({column}) from {table})")
        for (name,) in here
        for table, _, column in [columns[name].rpartition(".")]
    )
    return [(a, b, c, d) for a, b, c, d in reader.exec_driver_sql(query)] if query else []
