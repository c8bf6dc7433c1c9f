"""The doctor: finds what would let a change past the trail, and says what to do about it.

Nothing of its verdict comes from a function of the database that it judges. It asks the catalogs of PostgreSQL, by
queries that belong to this package (db/judge/), and holds the answers against db/expected.json. What the tables of the
trail say is read with the login backstitch_watch, or the owner's. Start-up asks too: an error stops the start with a
sentence, a warning goes to the log.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from backstitch import migrations
from backstitch.database import Database
from backstitch.doctor import catalogue, roles, rows, settings, tables, trail
from backstitch.doctor.catalogue import Difference
from backstitch.doctor.finding import MIGRATE, REAPPLY, Finding, ok, or_ok
from backstitch.errors import Refused, StartError
from db import catalog, code
from db.catalog import Definition, Object, Watched

log = logging.getLogger(__name__)

APPLICATION_LOGIN = "backstitch_app"
IS_OURS = text("select to_regclass('public.alembic_version') is not null")
LOGIN = text("select session_user")
WORDS = {"ok": "OK", "notice": "notice", "warning": "warning", "error": "error"}

__all__ = ["Finding", "findings", "report", "require_sound"]


class _Read(NamedTuple):
    """What the tables of the trail say to the connection that may read them."""

    reader: Connection
    watched: list[Watched]
    found: list[Finding]


def findings(connection: Connection, *, watch: Database | None = None, thorough: bool = False) -> list[Finding]:
    """What every check found, in the order of the checks; any login may ask.

    What the tables of the trail say is read with `watch`, or else with `connection`, unless that is the application's.
    `thorough` adds what takes a reading of all rows. Raises StartError for a database that is none of Backstitch.
    """
    catalog.speak_plainly(connection)
    if not connection.execute(IS_OURS).scalar_one():
        raise StartError("The database is not up to date; run `python -m backstitch migrate`.")
    found = _code_findings(connection)
    with ExitStack() as stack:
        read = _read(stack, connection, watch, thorough=thorough)
        found += _of_objects(connection, read if isinstance(read, _Read) else None, thorough=thorough)
    if isinstance(read, Finding):
        found.append(read)
    return _by_check([*found, *settings.durability(connection), *roles.switchers(connection)])


def require_sound(connection: Connection, *, watch: Database | None = None) -> None:
    """Logs the warnings. Raises StartError for the first error."""
    found = findings(connection, watch=watch)
    for warning in (finding for finding in found if finding.severity == "warning"):
        log.warning("%s; %s.", warning.sentence, warning.advice)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        others = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        raise StartError(
            f"The trail would not be complete: {errors[0].sentence}{others}; "
            "`python -m backstitch doctor` lists what to do."
        )


def report(found: Sequence[Finding]) -> str:
    """A line per finding: the check, OK or how bad it is, what, and below it what to do."""
    width = max(len(finding.check) for finding in found)
    lines = []
    for finding in found:
        lines.append(f"{finding.check:<{width}}  {WORDS[finding.severity]:<7}  {finding.sentence}".rstrip())
        if finding.advice:
            lines.append(f"{'':<{width}}           {finding.advice}")
    return "\n".join(lines)


def _code_findings(connection: Connection) -> list[Finding]:
    """The files whose hashes are not those that the database keeps, or that its code is of a time without hashes."""
    check = "code"
    if not migrations.keeps_hashes(connection):
        problem = "keeps no hashes of its code, so it is from before version 0.9, which was never released"
        return [Finding(check, "error", "the database", problem, "start with an empty database")]
    try:
        applied, shipped = code.applied(connection), code.hashes()
    except ProgrammingError as error:
        raise StartError(
            "The login backstitch_app lacks its rights in this database; "
            "`python -m backstitch doctor` with the owner's login lists what to do."
        ) from error
    differing = [
        file for file in (*shipped, *sorted(applied.keys() - shipped.keys())) if applied.get(file) != shipped.get(file)
    ]
    problem = "is not the file that the database was brought up to"
    return or_ok(check, (Finding(check, "error", f"db/{file}", problem, MIGRATE) for file in differing))


def _read(stack: ExitStack, connection: Connection, watch: Database | None, *, thorough: bool) -> _Read | Finding:
    """What the tables of the trail say, or the finding that they cannot be read."""
    if watch is None and connection.execute(LOGIN).scalar_one() == APPLICATION_LOGIN:
        return _no_reader()
    try:
        reader = stack.enter_context(watch.anonymous()) if watch else connection
    except (Refused, DBAPIError) as error:
        return _no_reader(str(error.__cause__ or error).strip().partition("\n")[0])
    try:
        with reader.begin_nested():
            watched = catalog.watched(reader)
            return _Read(reader, watched, trail.findings(reader, catalog.expected(), thorough=thorough))
    except DBAPIError as error:
        return _unreadable(error)


def _of_objects(connection: Connection, read: _Read | None, *, thorough: bool) -> list[Finding]:
    """What the tables on the record, the objects of the catalogs, the trail and, if `thorough`, the rows show."""
    present, expected = catalog.present(connection), catalog.expected()
    watched, reader = (read.watched, read.reader) if read else (None, None)
    of_tables = tables.findings(connection, watched, expected)
    of_functions, judged = tables.of_functions(reader, watched, present, expected)
    differing = [
        one
        for one in catalogue.differences(present, _without_rows(expected), catalog.major(connection))
        if one.object not in judged and not _is_named(one, of_tables)
    ]
    found = of_tables + of_functions + catalogue.findings(differing)
    found += [*roles.belongings(connection), *settings.of_server(connection)]
    found += trail.partitions(connection) + (read.found if read else [])
    if thorough:
        found += rows.findings(connection, expected, [one.object for one in differing])
    return found


def _no_reader(reason: str = "") -> Finding:
    problem = "could not be looked at: " + (
        f"backstitch_watch could not sign in ({reason})"
        if reason
        else "the password of backstitch_watch is not known here"
    )
    advice = "set BACKSTITCH_WATCH_PASSWORD to that of the installation that migrates, or run the doctor as the owner"
    return Finding("trail", "warning", "audit.records and audit.watched_tables", problem, advice)


def _unreadable(error: DBAPIError) -> Finding:
    reason = str(error.orig).partition("\n")[0]
    is_right = isinstance(error.orig, psycopg.errors.InsufficientPrivilege)
    return Finding("trail", "error", "the trail", f"cannot be read: {reason}", REAPPLY if is_right else MIGRATE)


def _without_rows(expected: Mapping[Object, Definition]) -> dict[Object, Definition]:
    """The objects that the catalogs have; the tables on the record are rows of a table."""
    return {one: wanted for one, wanted in expected.items() if one.kind != "watched table"}


def _is_named(one: Difference, found: Sequence[Finding]) -> bool:
    """Whether a trigger of the trail, or a trigger function that is missing, is named with its table."""
    kind, name = one.object
    named = {one.subject or "" for one in found if one.check in ("tables on the record", "triggers of the trail")}
    if kind == "function":
        functions = {f"audit.record_{table.replace('.', '_')}()" for table in named}
        return one.present is None and name in functions
    trigger, _, table = name.partition(" on ")
    return kind == "trigger" and trigger.startswith("audit_") and table in named


def _by_check(found: Sequence[Finding]) -> list[Finding]:
    """The findings of each check together, without its ok if there are others."""
    checks: dict[str, list[Finding]] = {}
    for one in found:
        checks.setdefault(one.check, []).append(one)
    return [one for group in checks.values() for one in group if one != ok(one.check) or len(group) == 1]
