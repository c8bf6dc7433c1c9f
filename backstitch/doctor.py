"""The doctor: finds what would let a change past the trail, and says what to do about it.

Whether the database runs this version's code is judged from here, against files of this package (db/catalog.py): a
doctor that lives in the database is as old as the database. What only the database's owner may look at is asked of
db/audit/doctor.sql, which is part of that code. Start-up asks both: an error stops the start with a sentence, a warning
goes to the log.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from backstitch import migrations
from backstitch.errors import StartError
from db import catalog, code
from db.catalog import Definition, Object

log = logging.getLogger(__name__)

# In the order of the checks.
FINDINGS = text("select check_name, severity, subject, problem, advice from audit.findings()")
# Reads the whole trail of the tables with personal columns, so start-up leaves it out.
PERSONAL_FINDINGS = text("select check_name, severity, subject, problem, advice from audit.personal_findings()")
# Null, as for a login that may not, where somebody has dropped the function.
MAY_READ_ALL = text("select has_function_privilege(to_regprocedure('audit.personal_findings()'), 'execute')")
WORDS = {"ok": "OK", "warning": "warning", "error": "error"}

# The kinds of objects in db/catalog.sql by the check that reports them.
CHECKS = {
    "functions": ("function",),
    "triggers": ("trigger", "rule"),
    "views and policies": ("view", "policy"),
    "tables and constraints": (
        *("schema", "table", "child table", "column", "constraint", "index", "sequence", "type"),
    ),
    "rights and owners": ("right", "foreign right", "owner"),
}
# Kinds that `migrate --reapply` makes anew; the others are repaired by hand.
REAPPLIED = ("function", "trigger", "view", "policy", "right")
# What an administrator may have added: it is named, and does not stop the start.
TOLERATED = ("foreign right", "table", "column", "constraint", "index", "sequence", "type")
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


def findings(connection: Connection, *, thorough: bool = False) -> list[Finding]:
    """What every check found, in the order of the checks; any login may ask.

    `thorough` adds what takes a reading of the trail, if the login may. Raises StartError when the database
    has no doctor and does not claim to be up to date.
    """
    found = _code_findings(connection)
    is_current = all(finding.severity == "ok" for finding in found)
    try:
        with connection.begin_nested():
            found += [Finding(*row) for row in connection.execute(FINDINGS)]
    except ProgrammingError as error:
        if not is_current:
            raise StartError("The database is not up to date; run `python -m backstitch migrate`.") from error
        # Somebody has dropped or broken it; `migrate` alone would change nothing.
        found.append(Finding("doctor", "error", "function audit.findings()", "does not answer", REAPPLY))
    found += _catalog_findings(connection)
    if thorough and connection.execute(MAY_READ_ALL).scalar_one():
        personal = [Finding(*row) for row in connection.execute(PERSONAL_FINDINGS)]
        found += personal or [_ok("personal values")]
    return found


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


def _catalog_findings(connection: Connection) -> list[Finding]:
    """What differs between the objects that the database has and those of a database of this version."""
    differing = list(_differing(connection))
    # audit.watch makes the trigger function of a table from its columns; audit.findings() compares it with those.
    generated = {_trigger_function(one.name) for one, present, _ in differing if one.kind == "column" and present}
    # What was added is named itself; its owner and its rights go with it.
    added = {f"{one.kind} {one.name}" for one, _, wanted in differing if wanted is None}
    differing = [one for one in differing if one[0] not in generated and _target(one[0]) not in added]
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
    """What an owner or a right is of: `function audit.seal()`; None for any other kind."""
    match object.kind:
        case "owner":
            return object.name
        case "right" | "foreign right":
            return object.name.partition(" on ")[2].rpartition(" to ")[0]
        case _:
            return None


def _finding(check: str, object: Object, present: str | None, wanted: str | None) -> Finding:
    if wanted is None:
        severity = "warning" if object.kind in TOLERATED else "error"
        return Finding(check, severity, _name(object), "is not of this version of Backstitch", _removal(object))
    if present is None:
        return Finding(check, "error", _name(object), "is missing", _repair(object, wanted))
    shown = "" if "sha256 " in present + wanted else f": it is “{present}” and should be “{wanted}”"
    return Finding(check, "error", _name(object), f"is not that of this version{shown}", _repair(object, wanted))


def _name(object: Object) -> str:
    """`trigger check_cell on inventory.product_color_stocks`; `right SELECT on table ... to public`."""
    return f"{object.kind} {object.name}" if object.kind != "owner" else f"the owner of {object.name}"


def _definition(wanted: Definition, server: str) -> str:
    return wanted if isinstance(wanted, str) else wanted.get(server, next(iter(wanted.values())))


def _repair(object: Object, wanted: str) -> str:
    if object.kind in REAPPLIED:
        return REAPPLY
    if object.kind == "owner":
        return _psql(f"alter {object.name} owner to {wanted}", as_owner=False)
    if object.kind == "constraint" and " on " in object.name:
        name, table = object.name.split(" on ", 1)
        return _psql(f"alter table {table} drop constraint if exists {name}, add constraint {name} {wanted}")
    if object.kind == "index" and not wanted.startswith("sha256 "):
        return _psql(f"drop index if exists {object.name}", wanted)
    return "compare with a fresh database of this version, or restore from a backup"


def _removal(object: Object) -> str:
    name, _, table = object.name.partition(" on ")
    match object.kind:
        case "function":
            return _psql(f"drop function {object.name}")
        case "trigger" | "rule" | "policy":
            return _psql(f"drop {object.kind} {object.name}")
        case "right":
            return REAPPLY
        case "foreign right":
            target, _, role = table.rpartition(" to ")
            return f"if {role} should not have it: revoke {name} on {target} from {role}"
        case _:
            return "if nobody knows what it is for, drop it"


def _psql(*statements: str, as_owner: bool = True) -> str:
    owner = ("set role backstitch_owner",) if as_owner else ()
    return "run: python -m backstitch psql " + " ".join(f'-c "{statement}"' for statement in (*owner, *statements))
