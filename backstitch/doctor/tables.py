"""Whether each table is on the record: watched, by triggers that nothing gets past."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from backstitch.doctor import generated
from backstitch.doctor.finding import OWNER, Finding, identifier, literal, or_ok, psql
from db import catalog
from db.catalog import Definition, Object, Present, Watched

TABLES = text(catalog.judge("tables"))
DATABASE = text("select current_database()")
# The checks.
ON_RECORD, TRIGGERS, ORDER = "tables on the record", "triggers of the trail", "order of triggers"
FUNCTIONS = "trigger functions"


def findings(
    connection: Connection, watched: Sequence[Watched] | None, expected: Mapping[Object, Definition]
) -> list[Finding]:
    """Findings of the tables themselves. `watched` is None where audit.watched_tables cannot be read."""
    known = watched or ()
    parameters = {"watched": [table.oid for table in known], "functions": [table.function_name for table in known]}
    tables = connection.execute(TABLES, parameters).all()
    # Tables of this version that audit.watched_tables does not have, with the arguments of audit.watch.
    listed = None if watched is None else {table.name for table in watched}
    unlisted = {
        one.name: str(wanted)
        for one, wanted in expected.items()
        if one.kind == "watched table" and listed is not None and one.name not in listed
    }
    return [
        *or_ok(ON_RECORD, [*_on_record(tables, listed, unlisted), *_as_watched(known, expected)]),
        *or_ok(TRIGGERS, _triggers(tables, unlisted)),
        *or_ok(ORDER, _order(tables)),
    ]


def of_functions(
    reader: Connection | None,
    watched: Sequence[Watched] | None,
    present: Mapping[Object, Present],
    expected: Mapping[Object, Definition],
) -> tuple[list[Finding], set[Object]]:
    """Findings of generated trigger functions, and the objects judged here, which expected.json does not have so."""
    if reader is None or watched is None:
        return [], _unjudged(present, expected)
    judged = [table for table in watched if table.exists and _is_own(table, present, expected)]
    wanted = generated.functions(reader, judged)
    functions = {generated.function_of(table) for table in judged}
    names = functions | _owners(functions)
    if wanted is None:
        return [_ungenerated(judged, reader.execute(DATABASE).scalar_one())], names
    return or_ok(FUNCTIONS, _of_generated(watched, wanted, present)), names


def _ungenerated(judged: Sequence[Watched], database: str) -> Finding:
    return Finding(
        FUNCTIONS,
        "warning",
        ", ".join(table.name for table in judged),
        "may have other trigger functions than they should: the doctor makes them anew as temporary functions, which "
        "the login may not make",
        "run the doctor as the owner, or "
        + psql(f"grant temporary on database {identifier(database)} to backstitch_watch"),
    )


def _of_generated(
    watched: Sequence[Watched], wanted: Mapping[Object, str | None], present: Mapping[Object, Present]
) -> Iterator[Finding]:
    for table in watched:
        function, again = generated.function_of(table), _watch(table.name, None)
        here = present.get(function)
        if function in wanted and here is None:
            yield Finding(FUNCTIONS, "error", table.name, "has lost its trigger function", again)
        elif function in wanted and here and here.definition != wanted[function]:
            problem = "has a trigger function that is not made from its present columns"
            yield Finding(FUNCTIONS, "error", table.name, problem, again)
        if table.has_other_columns:
            yield Finding(FUNCTIONS, "error", table.name, "has changed its columns since it was last watched", again)
        if table.has_other_owner:
            problem = "has a trigger function of an owner that could replace it"
            advice = psql(f"alter routine {function.name} owner to backstitch_owner")
            yield Finding(FUNCTIONS, "error", table.name, problem, advice)


def _is_own(table: Watched, present: Mapping[Object, Present], expected: Mapping[Object, Definition]) -> bool:
    """Whether a table is not of this version, or has other columns than there: its function is not in expected.json."""

    def columns(objects: Mapping[Object, Any]) -> dict[str, Any]:
        return {
            one.name: found.definition if isinstance(found, Present) else found
            for one, found in objects.items()
            if one.kind in ("column", "default") and one.name.rpartition(".")[0] == table.name
        }

    return Object("watched table", table.name) not in expected or columns(present) != columns(expected)


def _unjudged(present: Mapping[Object, Present], expected: Mapping[Object, Definition]) -> set[Object]:
    """What cannot be judged without audit.watched_tables: functions named as audit.watch names them."""
    changed = {one.name.rpartition(".")[0] for one in present.keys() ^ expected.keys() if one.kind == "column"}
    functions = {Object("function", f"audit.record_{table.replace('.', '_')}()") for table in changed} | {
        one
        for one in present
        if one.kind == "function" and one.name.startswith(("audit.record_", 'audit."record_')) and one not in expected
    }
    return functions | _owners(functions)


def _owners(functions: Collection[Object]) -> set[Object]:
    return {Object("owner", f"function {one.name}") for one in functions}


def _on_record(tables: Sequence[Any], listed: Collection[str] | None, unlisted: Mapping[str, str]) -> Iterator[Finding]:
    for table in tables:
        if not table.is_watched or (listed is not None and table.name not in listed):
            again = _watch(table.name, unlisted.get(table.name), is_owners=table.is_owners)
            problem = "is not watched, so its changes leave no record"
            advice = again if table.is_ordinary else f"make it an ordinary table, then {again}"
            yield Finding(ON_RECORD, "error", table.name, problem, advice)
        elif not table.is_ordinary:
            problem = "is not an ordinary, logged table, so changes could pass its triggers"
            yield Finding(ON_RECORD, "error", table.name, problem, psql(f"alter table {table.name} set logged"))


def _as_watched(watched: Sequence[Watched], expected: Mapping[Object, Definition]) -> Iterator[Finding]:
    for table in watched:
        wanted = expected.get(Object("watched table", table.name))
        if not table.exists:
            problem = f"is watched as {table.entity}, and there is no such table"
            statement = f"delete from audit.watched_tables where relation = {table.oid}::regclass"
            yield Finding(ON_RECORD, "error", f"table {table.name}", problem, psql(OWNER, statement))
        elif wanted is not None and wanted != table.definition:
            problem = f"is watched as {table.definition}, and should be as {wanted}"
            yield Finding(ON_RECORD, "error", table.name, problem, _restored(table, str(wanted)))


def _triggers(tables: Sequence[Any], unlisted: Mapping[str, str]) -> Iterator[Finding]:
    for table in tables:
        if table.faulty and table.is_watched:
            problem = f"is without its triggers {table.faulty} as they should be (ENABLE ALWAYS, for every statement)"
            advice = _watch(table.name, unlisted.get(table.name), is_owners=table.is_owners)
            yield Finding(TRIGGERS, "error", table.name, problem, advice)


def _order(tables: Sequence[Any]) -> Iterator[Finding]:
    for table in tables:
        for trigger in table.early if table.is_watched else ():
            problem = f"has a trigger {trigger} that can write rows before they are recorded"
            yield Finding(ORDER, "error", table.name, problem, psql(f"drop trigger {trigger} on {table.name}"))


def _restored(table: Watched, wanted: str) -> str:
    """Takes what should not be personal out of the list, which audit.watch never does, and watches the table again."""
    return psql(
        OWNER,
        f"update audit.watched_tables set personal = '{{}}' where relation = '{table.name}'::regclass",
        f"select audit.watch('{table.name}', {wanted})",
    )


def _watch(name: str, arguments: str | None, *, is_owners: bool = True) -> str:
    """Advice to watch a table (again); one of another role is handed to the owner first."""
    call = f"select audit.watch({literal(name)}{f', {arguments}' if arguments else ''})"
    hand_over = () if is_owners else (f"alter table {name} owner to backstitch_owner",)
    return psql(*hand_over, OWNER, call)
