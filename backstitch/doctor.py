"""The doctor: finds what would let a change past the trail, and says what to do about it.

Whether the database runs this version's code is judged from here, against files of this package (db/catalog.py): a
doctor that lives in the database is as old as the database. What only the database's owner may look at is asked of
db/audit/doctor.sql, which is part of that code. Start-up asks both: an error stops the start with a sentence, a warning
goes to the log.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from backstitch import migrations
from backstitch.errors import StartError
from db import catalog, code
from db.catalog import Definition, Object

log = logging.getLogger(__name__)

# In the order of the checks.
FINDINGS = text("select check_name, severity, subject, problem, advice from audit.findings()")
WORDS = {"ok": "OK", "warning": "warning", "error": "error"}

# The kinds of objects in db/catalog.sql by the check that reports them.
CHECKS = {
    "functions": ("function",),
    "triggers": ("trigger", "rule"),
    "views and policies": ("view", "policy"),
    "tables and constraints": (
        *("schema", "table", "child table", "month", "column", "constraint", "index", "sequence", "type"),
    ),
    "rights and owners": ("right", "foreign right", "owner", "setting"),
}
# Kinds that `migrate --reapply` makes anew; the others are repaired by hand.
REAPPLIED = ("function", "trigger", "view", "policy", "right")
# What an administrator may have added: it is named, and does not stop the start.
TOLERATED = ("foreign right", "table", "view", "column", "constraint", "index", "sequence", "type")
REAPPLY = "run: python -m backstitch migrate --reapply"


@dataclass(frozen=True)
class Finding:
    """What a check found; a check that found nothing is one with the severity ok and nothing else."""

    check: str
    severity: str
    subject: str | None
    problem: str | None
    advice: str | None

    @property
    def sentence(self) -> str:
        """`inventory.sales_logs is not watched, so its changes leave no record`; empty for an ok."""
        return f"{self.subject} {self.problem}" if self.subject else ""


def findings(connection: Connection) -> list[Finding]:
    """What every check found, in the order of the checks; any login may ask.

    Raises StartError when the database has no doctor and does not claim to be up to date.
    """
    catalog.speak_plainly(connection)
    try:
        found = _code_findings(connection)
        found += _database_findings(connection, is_current=found == [_ok("code")])
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise StartError(
                "The login backstitch_app lacks its rights in this database; "
                "`python -m backstitch doctor` with the owner's login lists what to do."
            ) from error
        raise StartError("The database is not up to date; run `python -m backstitch migrate`.") from error
    return found + _catalog_findings(connection)


def require_sound(connection: Connection) -> None:
    """Logs the warnings. Raises StartError for the first error."""
    found = findings(connection)
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


def _ok(check: str) -> Finding:
    return Finding(check, "ok", None, None, None)


def _code_findings(connection: Connection) -> list[Finding]:
    """The files whose hashes are not those that the database keeps, or that its code is of a time without hashes."""
    check, advice = "code", "run: python -m backstitch migrate"
    if not migrations.keeps_hashes(connection):
        problem = "keeps no hashes of its code, so it is from before version 0.9, which was never released"
        return [Finding(check, "error", "the database", problem, "start with an empty database")]
    applied, shipped = code.applied(connection), code.hashes()
    differing = [
        file for file in (*shipped, *sorted(applied.keys() - shipped.keys())) if applied.get(file) != shipped.get(file)
    ]
    return [
        Finding(check, "error", f"db/{file}", "is not the file that the database was brought up to", advice)
        for file in differing
    ] or [_ok(check)]


def _database_findings(connection: Connection, *, is_current: bool) -> list[Finding]:
    """What the doctor in the database found; one that cannot run although the code is current was changed by hand."""
    try:
        with connection.begin_nested():
            return [Finding(*row) for row in connection.execute(FINDINGS)]
    except ProgrammingError as error:
        if not is_current or isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        reason = str(error.orig).partition("\n")[0]
        return [Finding("functions", "error", "the doctor in the database", f"cannot run: {reason}", REAPPLY)]


def _catalog_findings(connection: Connection) -> list[Finding]:
    """What differs between the objects that the database has and those of a database of this version."""
    differing = list(_differing(connection))
    # audit.watch makes the trigger function of a table from its columns; audit.findings() compares it with those.
    generated = {_trigger_function(one.name) for one, present, _ in differing if one.kind == "column" and present}
    # What was added, or is gone, is named itself; what hangs on it goes with it.
    named = {f"{one.kind} {one.name}" for one, present, wanted in differing if wanted is None or present is None}
    differing = [one for one in differing if one[0] not in generated and _target(one[0]) not in named]
    found = []
    for check, kinds in CHECKS.items():
        found += [_finding(check, *one) for one in differing if one[0].kind in kinds] or [_ok(check)]
    return found


def _differing(connection: Connection) -> Iterator[tuple[Object, str | None, str | None]]:
    """Object, its definition here (None: it is not there), the one it should have (None: it should not be there)."""
    present, expected, server = catalog.present(connection), catalog.expected(), catalog.major(connection)
    for object in sorted(present.keys() | expected.keys()):
        wanted = expected.get(object)
        if wanted is None or object not in present or not catalog.agrees(present[object], wanted, server):
            yield object, present.get(object), None if wanted is None else _definition(wanted, server)


def _trigger_function(column: str) -> Object:
    """`inventory.products.season` -> function audit.record_inventory_products()."""
    schema, table, _ = column.split(".", 2)
    return Object("function", f"audit.record_{schema}_{table}()")


def _target(object: Object) -> str | None:
    """What it hangs on, so that it comes and goes with that: `function audit.seal()`, `table inventory.orders`."""
    match object.kind:
        case "owner":
            return object.name
        case "right" | "foreign right":
            return object.name.partition(" on ")[2].rpartition(" to ")[0]
        case "trigger" | "rule" | "policy" | "constraint":
            return f"table {object.name.partition(' on ')[2]}"
        case "column":
            return f"table {object.name.rpartition('.')[0]}"
        case _:
            return None


def _finding(check: str, object: Object, present: str | None, wanted: str | None) -> Finding:
    if wanted is None:
        severity = "warning" if object.kind in TOLERATED else "error"
        return Finding(check, severity, _name(object), _surplus(object, present or ""), _removal(object))
    if present is None:
        return Finding(check, "error", _name(object), "is missing", _repair(object, wanted))
    shown = "" if "sha256 " in present + wanted else f": it is “{present}” and should be “{wanted}”"
    return Finding(check, "error", _name(object), f"is not that of this version{shown}", _repair(object, wanted))


def _surplus(object: Object, present: str) -> str:
    match object.kind:
        case "month":
            return f"is {present}, as no month of the trail should be"
        case "setting":
            return f"is set to {present}, and should not be set"
        case _:
            return "is not of this version of Backstitch"


def _name(object: Object) -> str:
    """`trigger check_cell on inventory.product_color_stocks`; `right SELECT on table ... to public`."""
    return f"{object.kind} {object.name}" if object.kind != "owner" else f"the owner of {object.name}"


def _definition(wanted: Definition, server: str) -> str:
    return wanted if isinstance(wanted, str) else wanted.get(server, next(iter(wanted.values())))


def _repair(object: Object, wanted: str) -> str:
    if object.kind in REAPPLIED:
        return REAPPLY if _is_in_code(object) else "make it again as db/migrations/versions has it"
    if object.kind == "owner":
        return _psql(f"alter {object.name} owner to {wanted}", as_owner=False)
    if object.kind == "constraint" and " on " in object.name:
        name, table = object.name.split(" on ", 1)
        return _psql(f"alter table {table} drop constraint if exists {name}, add constraint {name} {wanted}")
    if object.kind == "index" and not wanted.startswith("sha256 "):
        return _psql(f"drop index if exists {object.name}", wanted)
    return "compare with a fresh database of this version, or restore from a backup"


def _is_in_code(object: Object) -> bool:
    """Whether the files of db/ make it; the functions that constraints ask are made by a revision."""
    name = object.name.partition("(")[0]
    return object.kind != "function" or name.startswith("audit.record_") or f"function {name}(" in code.source()


def _removal(object: Object) -> str:
    name, _, table = object.name.partition(" on ")
    match object.kind:
        case "function":
            return _psql(f"drop routine {object.name}")
        case "trigger" | "rule" | "policy":
            return _psql(f"drop {object.kind} {object.name}")
        case "right":
            return REAPPLY
        case "owner":  # of a month of the trail: of anything else that was added, no owner is named
            return _psql(f"alter {object.name} owner to backstitch_owner", as_owner=False)
        case "month":
            return _psql(f"alter table {object.name} set logged, disable row level security")
        case "child table":
            return "look what it holds and do not drop it before; alter table ... detach partition, or no inherit"
        case "setting":
            setting, _, role = object.name.partition(" of ")
            login = role.removeprefix("role ") if role != "everybody" else "all"
            return f"run as a superuser: alter role {login} reset {setting}, or alter database ... reset {setting}"
        case "foreign right":
            target, _, role = table.rpartition(" to ")
            return f"if {role} should not have it: revoke {name} on {target} from {role}"
        case _:
            return "if nobody knows what it is for, look what it holds, then drop it"


def _psql(*statements: str, as_owner: bool = True) -> str:
    owner = ("set role backstitch_owner",) if as_owner else ()
    quoted = " ".join(f"-c {_quoted(statement)}" for statement in (*owner, *statements))
    return f"run: python -m backstitch psql {quoted}"


def _quoted(statement: str) -> str:
    """The statement as a shell takes it; names that need quotes keep them."""
    return '"' + statement.replace('"', r"\"") + '"'
