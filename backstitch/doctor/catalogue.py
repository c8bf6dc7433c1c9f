"""Compares the objects of the database, and of the server around it, with those of this version (db/expected.json)."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from backstitch.doctor import repair, severities
from backstitch.doctor.finding import Finding, or_ok
from db import catalog
from db.catalog import Definition, Object, Present

# The kinds of objects of db/judge/ by the check that reports them, in an order in which what they advise can be run.
CHECKS = {
    "roles": ("role", "member"),
    "triggers": ("event trigger", "trigger", "rule"),
    "functions": ("function", "cast", "operator", "system function", "system table", "system functions"),
    "views and policies": ("view", "policy"),
    "tables and constraints": (
        *("schema", "table", "child table", "parent table", "month", "column", "default", "constraint", "index"),
        *("sequence", "type"),
    ),
    "rights and owners": ("owner", "right", "foreign right", "default right", "parameter right"),
    "settings": ("setting",),
    "replication": ("subscription", "publication"),
}
ERA = Object("default", "audit.records.era")  # which number it has to be is judged with the seals


class Difference(NamedTuple):
    """An object with what it is here (None: not there) and what it should be (None: it should not be there)."""

    object: Object
    present: Present | None
    wanted: str | None


def differences(
    present: Mapping[Object, Present], expected: Mapping[Object, Definition], server: str
) -> Iterator[Difference]:
    """What differs, ordered by kind and name."""
    for object in sorted(present.keys() | expected.keys()):
        wanted, here = expected.get(object), present.get(object)
        if object.kind == "system functions" and (not isinstance(wanted, Mapping) or server not in wanted):
            continue  # those of this version of PostgreSQL are not known
        if wanted is None or here is None or not catalog.agrees(here.definition, wanted, server):
            yield Difference(object, here, None if wanted is None else _definition(wanted, server))


def findings(found: Collection[Difference]) -> list[Finding]:
    """The findings of the checks of CHECKS."""
    # What was added, or is gone, is named itself; what hangs on it goes with it.
    named = {f"{one.object.kind} {one.object.name}" for one in found if one.present is None or one.wanted is None}
    kept = {_index(one.object) for one in found if one.object.kind == "constraint"}
    shown = [
        one for one in found if one.object != ERA and _support(one) not in named and one.object not in kept
    ]  # fmt: skip
    return [
        finding
        for check, kinds in CHECKS.items()
        for finding in or_ok(check, _findings(check, (one for one in shown if one.object.kind in kinds)))
    ]


def _findings(check: str, found: Iterable[Difference]) -> Iterator[Finding]:
    order = {kind: place for place, kind in enumerate(CHECKS[check])}
    for one in sorted(found, key=lambda one: (order[one.object.kind], one.object.name)):
        severity = severities.of_surplus(*one[:2]) if one.wanted is None else severities.of_change(one.object)
        subject, problem = _sentence(*one)
        yield Finding(check, severity, subject, problem, repair.advice(*one))


def _definition(wanted: Definition, server: str) -> str:
    return wanted if isinstance(wanted, str) else wanted.get(server, next(iter(wanted.values())))


def _index(constraint: Object) -> Object:
    """The index that PostgreSQL keeps for a constraint: `sku_unique on inventory.products`, inventory.sku_unique."""
    name, _, table = constraint.name.partition(" on ")
    return Object("index", f"{table.partition('.')[0]}.{name}")


def _support(one: Difference) -> str | None:
    """What the object hangs on, so that it comes and goes with that: `function audit.seal()`, `table audit.seals`."""
    kind, name = one.object
    match kind:
        case "owner":
            return name
        case "right" | "foreign right":
            return name.partition(" on ")[2].rpartition(" to ")[0]
        case "trigger" | "rule" | "policy" | "constraint":
            return f"table {name.partition(' on ')[2]}"
        case "column":
            return f"table {name.rpartition('.')[0]}"
        case "default" if one.present is None:
            return f"column {name}"
        case "default":
            return f"table {name.rpartition('.')[0]}"
        case "sequence" if one.wanted is not None:
            return f"default {one.wanted.rpartition(' of ')[2]}"
        case "sequence" if one.present:
            return f"table {one.present.definition.rpartition(' of ')[2].rpartition('.')[0]}"
        case _:
            return None


def _sentence(object: Object, present: Present | None, wanted: str | None) -> tuple[str, str]:
    """Subject and problem."""
    here = present.definition if present else ""
    if object.kind == "member":
        return _of_member(object, here if present else None, wanted)
    if object.kind == "role" and present and wanted is not None:
        return _of_role(object, here, wanted)
    name = f"the owner of {object.name}" if object.kind == "owner" else f"{object.kind} {object.name}"
    if wanted is None:
        return name, _surplus(object, here)
    if present is None:
        return name, "is missing"
    if object.kind == "system functions":
        return "functions of PostgreSQL itself", "are not those that it comes with"
    shown = "" if "sha256 " in here + wanted else f": it is “{here}” and should be “{wanted}”"
    return name, f"is not that of this version{shown}"


def _surplus(object: Object, present: str) -> str:
    match object.kind:
        case "month":
            return f"is {present}, as no month of the trail should be"
        case "setting":
            return f"is set to {present}, and should not be set"
        case "parent table":
            return f"is the parent {present}, whose rows it can change past their triggers"
        case "event trigger" if object.name.startswith("backstitch_watch_"):
            return "is not as Backstitch makes it: enabled always, of a superuser"
        case "subscription":
            return "writes tables of Backstitch past their triggers"
        case "publication":
            return "sends changes of tables of Backstitch to whoever subscribes"
        case "cast" | "operator" | "system function" | "system table":
            return "was added to those of PostgreSQL, where functions of Backstitch can find it"
        case _:
            return "is not of this version of Backstitch"


def _of_member(object: Object, here: str | None, wanted: str | None) -> tuple[str, str]:
    user, role = object.name.split(" of ", 1)
    if here is None:
        return user, f"is not a member of {role}"
    if wanted is None:
        return user, f"is a member of {role}"
    return user, f"is a member of {role} with the options {here or 'none'}, and should be with {wanted}"


def _of_role(object: Object, here: str, wanted: str) -> tuple[str, str]:
    has, should = here.split(), wanted.split()
    too_many = [one for one in has if one not in should]
    lacking = [one for one in should if one not in has]
    return object.name, " and ".join(
        [f"has the attribute {one}" for one in too_many] + [f"lacks the attribute {one}" for one in lacking]
    )
