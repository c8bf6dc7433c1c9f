"""What to do about an object that is not as it should be: a command where there is one."""

import re

from backstitch.doctor.finding import OWNER, REAPPLY, if_unwanted, psql
from db import code
from db.catalog import Object, Present

COMPARE = "compare with a fresh database of this version, or restore from a backup"
# Kinds that `migrate --reapply` makes anew.
REAPPLIED = ("function", "trigger", "view", "policy", "right")
# What an administrator may want to keep: the command comes with a word.
OPTIONAL = {
    **dict.fromkeys(
        ("table", "view", "column", "constraint", "index", "sequence", "type"),
        "if nobody needs it (look what it holds before)",
    ),
    **dict.fromkeys(("foreign right", "member"), "if that is not meant"),
    **dict.fromkeys(("publication",), "if nobody subscribes to it"),
    **dict.fromkeys(("child table", "parent table"), "nothing is lost by it"),
    **dict.fromkeys(("role",), "if nobody needs it"),
}
SEQUENCE = re.compile(
    r"(?P<type>\w+) from (?P<least>\S+) start (?P<start>\S+) to (?P<most>\S+) by (?P<step>\S+) cache (?P<cache>\S+)"
    r"(?P<cycle> cycle)?(?P<unlogged> unlogged)?(?: of (?P<column>\S+))?"
)
UNDO_ATTRIBUTE = {"no-connections": "connection limit -1", "expired": "valid until 'infinity'"}


def advice(object: Object, present: Present | None, wanted: str | None) -> str:
    """The advice on a difference between a database and this version."""
    if wanted is None:
        return _removal(object, present.removal if present else ())
    statements = _statements(object, present, wanted)
    if statements:
        return psql(*statements)
    if object.kind in REAPPLIED:
        return REAPPLY if _is_in_code(object) else "make it again as db/migrations/versions has it"
    return COMPARE


def _removal(object: Object, statements: tuple[str, ...]) -> str:
    if not statements:
        return COMPARE
    if object.kind in OPTIONAL:
        return if_unwanted(OPTIONAL[object.kind], *statements)
    return psql(*statements)


def _is_in_code(object: Object) -> bool:
    """Whether the files of db/ make it; the functions that constraints ask are made by a revision."""
    name = object.name.partition("(")[0]
    return object.kind != "function" or name.startswith("audit.record_") or f"function {name}(" in code.source()


def _statements(object: Object, present: Present | None, wanted: str) -> tuple[str, ...]:
    """The statements that make the object what it should be; none where no statement can."""
    here = present.definition if present else ""
    match object.kind:
        case "owner":
            return (_owner(object.name, wanted),)
        case "right":
            return _right(object, present)
        case "role":
            return _role(object.name, here, wanted) if present else ()
        case "member":
            user, role = object.name.split(" of ", 1)
            return (*(present.removal if present else ()), f"grant {role} to {user}")
        case "table":
            return _table(object.name, here, wanted) if present else ()
        case "column":
            return _column(object.name, here, wanted) if present else ()
        case "default":
            return _default(object.name, here, wanted)
        case "constraint":
            return _constraint(object.name, wanted)
        case "index":
            return _index(object.name, here, wanted)
        case "sequence":
            return _sequence(object.name, here, wanted) if present else ()
        case "type":
            return _type(object.name, here, wanted) if present else ()
        case _:
            return ()


def _owner(target: str, wanted: str) -> str:
    owner = "current_user" if wanted.startswith("the login") else wanted
    return f"alter {re.sub('^function', 'routine', target)} owner to {owner}"


def _right(object: Object, present: Present | None) -> tuple[str, ...]:
    """Rights that db/rights.sql does not grant, and options that it cannot take away."""
    if present:  # with grant option
        return tuple(statement.replace("revoke ", "revoke grant option for ", 1) for statement in present.removal)
    privilege, _, rest = object.name.partition(" on ")
    target, _, role = rest.rpartition(" to ")
    if target in ("schema public", "table public.alembic_version"):
        return (f"grant {privilege} on {target} to {role}",)
    return ()


def _role(name: str, here: str, wanted: str) -> tuple[str, ...]:
    has, should = here.split(), wanted.split()
    changes = [UNDO_ATTRIBUTE.get(one, f"no{one}") for one in has if one not in should]
    return (f"alter role {name} {' '.join(changes + [one for one in should if one not in has])}",)


def _table(name: str, here: str, wanted: str) -> tuple[str, ...]:
    changes = []
    if here.split()[1:2] == ["u"]:
        changes.append("set logged")
    for phrase, on, off in (
        ("row security", "enable row level security", "disable row level security"),
        ("forced", "force row level security", "no force row level security"),
    ):
        if (phrase in here) != (phrase in wanted):
            changes.append(on if phrase in wanted else off)
    return (OWNER, f"alter table {name} {', '.join(changes)}") if changes else ()


def _column(name: str, here: str, wanted: str) -> tuple[str, ...]:
    table, _, column = name.rpartition(".")
    changes = []
    if here.removesuffix(" not null") != wanted.removesuffix(" not null"):
        changes.append(f"alter column {column} type {wanted.removesuffix(' not null')}")
    if here.endswith(" not null") != wanted.endswith(" not null"):
        changes.append(f"alter column {column} {'set' if wanted.endswith(' not null') else 'drop'} not null")
    return (OWNER, f"alter table {table} {', '.join(changes)}")


def _default(name: str, here: str, wanted: str) -> tuple[str, ...]:
    table, _, column = name.rpartition(".")
    if not wanted.startswith("identity"):
        return (OWNER, f"alter table only {table} alter column {column} set default {wanted}")
    if here.startswith("identity"):
        return (OWNER, f"alter table {table} alter column {column} set generated always")
    drop = f"alter column {column} drop default, " if here else ""
    return (
        OWNER,
        f"alter table {table} {drop}alter column {column} add generated always as identity",
        f"select setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) from {table}",
        f"grant select on sequence {table}_{column}_seq to backstitch_watch",
    )


def _constraint(name: str, wanted: str) -> tuple[str, ...]:
    rule, _, table = name.partition(" on ")
    if table:
        return (OWNER, f"alter table {table} drop constraint if exists {rule}, add constraint {rule} {wanted}")
    rule, _, domain = name.partition(" of ")
    return (
        OWNER,
        f"alter domain {domain} drop constraint if exists {rule}",
        f"alter domain {domain} add constraint {rule} {wanted}",
    )


def _index(name: str, here: str, wanted: str) -> tuple[str, ...]:
    if here == f"{wanted} invalid":
        return (OWNER, f"reindex index {name}")
    return (OWNER, f"drop index if exists {name}", wanted)


def _sequence(name: str, here: str, wanted: str) -> tuple[str, ...]:
    now, then = SEQUENCE.fullmatch(here), SEQUENCE.fullmatch(wanted)
    if now is None or then is None:
        return ()
    options = (
        f"as {then['type']} increment {then['step']} minvalue {then['least']} maxvalue {then['most']} "
        f"start {then['start']} cache {then['cache']} {'' if then['cycle'] else 'no '}cycle"
    )
    if now["column"] != then["column"]:
        options += f" owned by {then['column']}"
    logged = (f"alter sequence {name} set logged",) if now["unlogged"] else ()
    return (OWNER, f"alter sequence {name} {options}", *logged)


def _type(name: str, here: str, wanted: str) -> tuple[str, ...]:
    """Of a domain, what it has too much of; other types are changed by no single statement."""
    if not here.startswith(f"{wanted} "):
        return ()
    rest = here.removeprefix(wanted)
    changes = [f"alter domain {name} drop not null"] if rest.startswith(" not null") else []
    changes += [f"alter domain {name} drop default"] if " default " in rest else []
    return (OWNER, *changes)
