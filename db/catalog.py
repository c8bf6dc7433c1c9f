"""The objects of Backstitch that a database has (`present`) and those that it should have (`expected`).

`present` runs judge/catalog.sql and judge/server.sql, `watched` judge/watched.sql; `expected` reads expected.json,
which has the objects of a fresh database. Long definitions (of functions and views) are compared by their SHA-256.
The queries of judge/ are never installed: nothing of the verdict is taken from a function of the database.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, text

from db.code import FOLDER, MIGRATION_LOCK

EXPECTED = FOLDER / "expected.json"
JUDGE = FOLDER / "judge"
LONGEST = 160  # characters of a definition that is not replaced by its SHA-256
WHOLE = (
    "constraint",
    "index",
    "watched table",
)  # kinds whose definitions are never shortened: queries are made of them
# Shared with other readers, so it waits only for a running migration.
WAIT_FOR_MIGRATION = text("select pg_advisory_xact_lock_shared(:key)")
# Definitions are written as the session's settings have it, and an administrator may have set others for everybody.
PLAIN_WORDS = text(
    "select set_config('search_path', 'pg_catalog, pg_temp', true), set_config('quote_all_identifiers', 'off', true), "
    "set_config('standard_conforming_strings', 'on', true), set_config('intervalstyle', 'postgres', true), "
    "set_config('datestyle', 'ISO', true)"
)
MAJOR = text("select current_setting('server_version_num')::integer / 10000")


class Object(NamedTuple):
    """An object of the database; the kinds (function, trigger, constraint, right ...) are those of judge/."""

    kind: str
    name: str


class Present(NamedTuple):
    """An object's definition, or the SHA-256 of it, and the statements that take the object away."""

    definition: str
    removal: tuple[str, ...]


@dataclass(frozen=True)
class Watched:
    """A row of audit.watched_tables, and what is wrong with the table or its trigger function."""

    oid: int
    name: str
    entity: str
    function_name: str
    parent: str | None
    redacted: tuple[str, ...]
    personal: tuple[str, ...]
    exists: bool
    has_other_columns: bool
    has_other_owner: bool

    @property
    def definition(self) -> str:
        """The arguments of audit.watch: `'Session', parent => 'user_id', redacted => '{token_hash}'`."""
        columns = {"redacted": self.redacted, "personal": self.personal}
        return ", ".join(
            [f"'{self.entity}'"]
            + ([f"parent => '{self.parent}'"] if self.parent else [])
            + [f"{name} => '{{{','.join(sorted(listed))}}}'" for name, listed in columns.items() if listed]
        )


# By the server's major version where servers differ: not all deparse an expression in the same way.
Definition = str | Mapping[str, str]


def present(connection: Connection) -> dict[Object, Present]:
    """The objects that the database has, each with its definition or the SHA-256 of it. Needs no rights."""
    connection.execute(WAIT_FOR_MIGRATION, {"key": MIGRATION_LOCK})
    speak_plainly(connection)
    found: dict[Object, Present] = {}
    for query in ("catalog", "server"):
        rows = connection.exec_driver_sql(judge(query), execution_options={"no_parameters": True})
        for kind, name, definition, removal in rows:
            found[Object(kind, name)] = Present(shortened(kind, definition), tuple(removal or ()))
    return found


def watched(connection: Connection) -> list[Watched]:
    """The rows of audit.watched_tables by their tables' names. For backstitch_watch and the owner."""
    speak_plainly(connection)
    rows = connection.exec_driver_sql(judge("watched"), execution_options={"no_parameters": True}).mappings()
    return [Watched(**{**row, "redacted": tuple(row["redacted"]), "personal": tuple(row["personal"])}) for row in rows]


def speak_plainly(connection: Connection) -> None:
    """Makes the server write names and definitions, until the transaction ends, as expected.json has them."""
    connection.execute(PLAIN_WORDS)


def major(connection: Connection) -> str:
    """The major version of the server, such as `18`."""
    return str(connection.execute(MAJOR).scalar_one())


@cache
def expected() -> dict[Object, Definition]:
    """The objects that a database of this version should have, each with its definition or the SHA-256 of it."""
    kinds: dict[str, dict[str, Definition]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return {Object(kind, name): definition for kind, names in kinds.items() for name, definition in names.items()}


def agrees(found: str, wanted: Definition, server: str) -> bool:
    """Whether a definition is the one that a server of this major version should have.

    For a major version without a definition of its own, that of any other version is accepted.
    """
    if isinstance(wanted, str):
        return found == wanted
    return found == wanted[server] if server in wanted else found in wanted.values()


@cache
def judge(query: str) -> str:
    """The text of a query of the folder judge/."""
    return (JUDGE / f"{query}.sql").read_text(encoding="utf-8")


def shortened(kind: str, definition: str) -> str:
    """The definition as expected.json has it: a long one as its SHA-256."""
    if len(definition) <= LONGEST or kind in WHOLE:
        return definition
    return "sha256 " + hashlib.sha256(definition.encode()).hexdigest()
