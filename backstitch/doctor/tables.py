"""Whether each table is on the record: watched, by triggers that nothing gets past."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from backstitch.doctor import generated
from backstitch.doctor.finding import OWNER, Finding, identifier, literal, or_ok, psql
from db import catalog
from db.catalog import Definition, Object, Present, Watched

TABLES = text(catalog.judge("tables"))


def findings(
    connection: Connection, watched: Sequence[Watched] | None, expected: Mapping[Object, Definition]
) -> list[Finding]:
    """Findings of the tables themselves. `watched` is None where audit.watched_tables cannot be read."""
    catalog.speak_plainly(connection)
    known = {table.name: table for table in watched or ()}
    rows = connection.execute(
        TABLES,
        {
            "watched": [table.oid for table in watched or ()],
            "functions": [table.function_name for table in watched or ()],
        },
    ).all()
    unlisted = _unlisted(expected, known) if watched is not None else {}
    return [
        *or_ok("tables on the record", _on_record(rows, known, unlisted, expected, is_readable=watched is not None)),
        *or_ok(
            "triggers of the trail",
            (
                Finding(
                    "triggers of the trail",
                    "error",
                    row.name,
                    f"is without its triggers {row.faulty} as they should be (ENABLE ALWAYS, for every statement)",
                    _watch(row.name, unlisted.get(row.name), is_owners=row.is_owners),
                )
                for row in rows
                if row.faulty and row.is_watched
            ),
        ),
        *or_ok(
            "order of triggers",
            (
                Finding(
                    "order of triggers",
                    "error",
                    row.name,
                    f"has a trigger {trigger} that can write rows before they are recorded",
                    psql(f"drop trigger {trigger} on {row.name}"),
                )
                for row in rows
                for trigger in row.early
                if row.is_watched
            ),
        ),
    ]


def of_functions(
    reader: Connection | None,
    watched: Sequence[Watched] | None,
    present: Mapping[Object, Present],
    expected: Mapping[Object, Definition],
    *,
    database: str,
) -> tuple[list[Finding], set[Object]]:
    """Findings of generated trigger functions, and the objects judged here, which expected.json does not have so."""
    check = "trigger functions"
    if reader is None or watched is None:
        return [], _callable_by_triggers(present, expected)
    judged = [table for table in watched if table.exists and _is_own(table, present, expected)]
    wanted = generated.functions(reader, judged)
    functions = {generated.function_of(table) for table in judged}
    names = functions | {Object("owner", f"function {one.name}") for one in functions}
    if wanted is None:
        return [_ungenerated(judged, database)], names
    return or_ok(check, _of_generated(watched, wanted, present)), names


def _ungenerated(judged: Sequence[Watched], database: str) -> Finding:
    return Finding(
        "trigger functions",
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
        problems = []
        if function in wanted and here and here.definition != wanted[function]:
            problems.append("has a trigger function that is not made from its present columns")
        if function in wanted and here is None:
            problems.append("has lost its trigger function")
        if table.has_other_columns:
            problems.append("has changed its columns since it was last watched")
        for problem in problems:
            yield Finding("trigger functions", "error", table.name, problem, again)
        if table.has_other_owner:
            yield Finding(
                "trigger functions", "error", table.name, "has a trigger function of an owner that could replace it",
                psql(f"alter routine {function.name} owner to backstitch_owner"),
            )  # fmt: skip


def _is_own(table: Watched, present: Mapping[Object, Present], expected: Mapping[Object, Definition]) -> bool:
    """Whether a table is not of this version, or has other columns than there: its function is not in expected.json."""

    def columns(objects: Mapping[Object, Any]) -> dict[str, Any]:
        return {
            one.name: found.definition if isinstance(found, Present) else found
            for one, found in objects.items()
            if one.kind in ("column", "default") and one.name.rpartition(".")[0] == table.name
        }

    return Object("watched table", table.name) not in expected or columns(present) != columns(expected)


def _callable_by_triggers(present: Mapping[Object, Present], expected: Mapping[Object, Definition]) -> set[Object]:
    """Functions that cannot be judged without audit.watched_tables: those named as audit.watch names them."""
    changed = {
        one.name.rpartition(".")[0]
        for one in present.keys() ^ expected.keys()
        if one.kind == "column"
    }  # fmt: skip
    return {
        one
        for one in present
        if one.kind == "function" and one.name.startswith(("audit.record_", 'audit."record_')) and one not in expected
    } | {Object("function", f"audit.record_{table.replace('.', '_')}()") for table in changed}


def _on_record(
    rows: Sequence[Any],
    known: Mapping[str, Watched],
    unlisted: Mapping[str, str],
    expected: Mapping[Object, Definition],
    *,
    is_readable: bool,
) -> Iterator[Finding]:
    check = "tables on the record"
    for row in rows:
        is_watched = row.is_watched and (row.name in known or not is_readable)
        again = _watch(row.name, unlisted.get(row.name), is_owners=row.is_owners)
        if not is_watched:
            problem = "is not watched, so its changes leave no record"
            advice = again if row.is_ordinary else f"make it an ordinary table, then {again}"
            yield Finding(check, "error", row.name, problem, advice)
        elif not row.is_ordinary:
            problem = "is not an ordinary, logged table, so changes could pass its triggers"
            yield Finding(
                check, "error", row.name, problem, psql(*_owner(row.is_owners), f"alter table {row.name} set logged")
            )
    for name, table in known.items():
        wanted = expected.get(Object("watched table", name))
        if not table.exists:
            problem = f"is watched as {table.entity}, and there is no such table"
            statement = f"delete from audit.watched_tables where relation = {table.oid}::regclass"
            yield Finding(check, "error", f"table {table.name}", problem, psql(OWNER, statement))
        elif wanted is not None and wanted != table.definition:
            problem = f"is watched as {table.definition}, and should be as {wanted}"
            yield Finding(check, "error", name, problem, _restored(table, str(wanted)))


def _restored(table: Watched, wanted: str) -> str:
    """Takes what should not be personal out of the list, which audit.watch never does, and watches the table again."""
    return psql(
        OWNER,
        f"update audit.watched_tables set personal = '{{}}' where relation = '{table.name}'::regclass",
        f"select audit.watch('{table.name}', {wanted})",
    )


def _unlisted(expected: Mapping[Object, Definition], known: Mapping[str, Watched]) -> dict[str, str]:
    """Tables of this version that audit.watched_tables does not have, with the arguments of audit.watch."""
    return {
        one.name: str(wanted)
        for one, wanted in expected.items()
        if one.kind == "watched table" and one.name not in known
    }


def _owner(is_owners: bool) -> tuple[str, ...]:
    return (OWNER,) if is_owners else ()


def _watch(name: str, arguments: str | None, *, is_owners: bool = True) -> str:
    """Advice to watch a table (again); one of another role is handed to the owner first."""
    call = f"select audit.watch({literal(name)}{f', {arguments}' if arguments else ''})"
    hand_over = () if is_owners else (f"alter table {name} owner to backstitch_owner",)
    return psql(*hand_over, OWNER, call)
