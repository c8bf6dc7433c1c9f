"""Whether the rows hold what the constraints of this version promise: what was written past them stays unseen else.

As a replica (session_replication_role) a session skips foreign keys; a constraint dropped, and made again NOT VALID,
has let rows in meanwhile. The queries are made of db/expected.json, not of the constraints that the database has.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from backstitch.doctor.finding import Finding, or_ok
from db.catalog import Definition, Object

FOREIGN_KEY = re.compile(r"FOREIGN KEY \((.+?)\) REFERENCES (\S+?)\((.+?)\)")
FUNCTION = re.compile(r"\b(audit|accounts|inventory|runtime)\.(\w+)\(")
KEY = re.compile(r"PRIMARY KEY \((.+)\)")


IS_OWNER = text("select pg_has_role('backstitch_owner', 'usage')")


class Rule(NamedTuple):
    """A table, the rule, and the condition, in SQL over the row `r`, that a row breaks it."""

    table: str
    name: str
    broken: str


def findings(owner: Connection, expected: Mapping[Object, Definition], differing: Collection[Object]) -> list[Finding]:
    """The first row that breaks each rule. Reads every table. `differing` are the objects that are not as expected.

    Only the owner may read every table and call what constraints call; any other login gets one warning.
    """
    if not owner.execute(IS_OWNER).scalar_one():
        advice = "run the doctor with the owner's login"
        return [Finding("rows", "warning", "the rows", "were not held against the rules of this version", advice)]
    keys = {
        one.name.partition(" on ")[2]: key[1]
        for one, wanted in expected.items()
        if one.kind == "constraint" and (key := KEY.match(str(wanted)))
    }
    changed = {one.name.partition("(")[0] for one in differing if one.kind == "function"}
    gone = {one.name for one in differing if one.kind in ("table", "column")}
    check = "rows"
    return or_ok(check, (found for rule in _rules(expected) if (found := _look(owner, rule, keys, changed, gone))))


def _rules(expected: Mapping[Object, Definition]) -> Iterator[Rule]:
    for one, definition in expected.items():
        wanted = str(definition)
        name, _, table = one.name.partition(" on ")
        if one.kind == "column" and wanted.endswith(" not null"):
            table, _, column = one.name.rpartition(".")
            yield Rule(table, f"not null of {column}", f"r.{column} is null")
        elif one.kind == "column":
            continue
        elif one.kind == "constraint" and table and wanted.startswith("CHECK "):
            # A constraint that a revision has added NOT VALID counts for the rows from before too.
            yield Rule(table, name, f"not {wanted.removeprefix('CHECK ').removesuffix(' NOT VALID not valid')}")
        elif one.kind == "constraint" and (foreign := FOREIGN_KEY.match(wanted)):
            yield Rule(table, name, _orphan(*foreign.groups()))
    yield from _of_domains(expected)


def _of_domains(expected: Mapping[Object, Definition]) -> Iterator[Rule]:
    """The rules of domains, for the columns that have them."""
    for one, definition in expected.items():
        rule, _, domain = one.name.partition(" of ")
        if one.kind != "constraint" or not domain:
            continue
        condition = str(definition).removeprefix("CHECK ")
        for column, kind in expected.items():
            if column.kind == "column" and str(kind).split(" not null")[0] == domain:
                table, _, name = column.name.rpartition(".")
                broken = f"exists (select from (select r.{name}::text as value) domain where not {condition})"
                yield Rule(table, rule, broken)


def _orphan(columns: str, parent: str, keys: str) -> str:
    pairs = list(zip(columns.split(", "), keys.split(", "), strict=True))
    given = " and ".join(f"r.{column} is not null" for column, _ in pairs)
    same = " and ".join(f"p.{key} = r.{column}" for column, key in pairs)
    return f"{given} and not exists (select from only {parent} p where {same})"


def _look(
    owner: Connection, rule: Rule, keys: Mapping[str, str], changed: Collection[str], gone: Collection[str]
) -> Finding | None:
    # A function that was replaced is named itself, and is not run with the rights of whoever asks the doctor.
    if {".".join(name) for name in FUNCTION.findall(rule.broken)} & set(changed) or rule.table in gone:
        return None
    key = keys.get(rule.table, "ctid")
    shown = " || ', ' || ".join(f"r.{column}::text" for column in key.split(", "))
    query = f"select {shown} from {rule.table} r where {rule.broken} order by {key} limit 1"
    try:
        with owner.begin_nested():
            row = owner.exec_driver_sql(query, execution_options={"no_parameters": True}).scalar_one_or_none()
    except ProgrammingError as error:
        reason = str(error.orig).partition("\n")[0]
        return Finding("rows", "warning", rule.table, f"cannot be held against {rule.name}: {reason}",
                       "run the doctor with the owner's login")  # fmt: skip
    if row is None:
        return None
    return Finding(
        "rows",
        "error",
        f"row {row} of {rule.table}",
        f"breaks {rule.name}",
        "correct the row, or delete it, so that it is on the record who did that and why; the trail has its history",
    )
