"""The objects of Backstitch that a database has (`present`) and those that it should have (`expected`).

`present` runs catalog.sql; `expected` reads expected.json, which has the objects of a fresh database. Long definitions
(of functions and views) are compared by their SHA-256.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, text

from db.code import FOLDER, MIGRATION_LOCK

EXPECTED = FOLDER / "expected.json"
LONGEST = 160  # characters of a definition that is not replaced by its SHA-256
# Shared with other readers, so it waits only for a running migration.
WAIT_FOR_MIGRATION = text("select pg_advisory_xact_lock_shared(:key)")
QUALIFY = text("select set_config('search_path', 'pg_catalog', true)")
# Definitions are written as the session's settings have it, and an administrator may have set others for everybody.
PLAIN_WORDS = text(
    "select set_config('quote_all_identifiers', 'off', true), set_config('standard_conforming_strings', 'on', true), "
    "set_config('intervalstyle', 'postgres', true), set_config('datestyle', 'ISO', true)"
)
MAJOR = text("select current_setting('server_version_num')::integer / 10000")


class Object(NamedTuple):
    """An object of the database; the kinds (function, trigger, constraint, right ...) are those of catalog.sql."""

    kind: str
    name: str


# By the server's major version where servers differ: not all deparse an expression in the same way.
Definition = str | Mapping[str, str]


def present(connection: Connection) -> dict[Object, str]:
    """The objects that the database has, each with its definition or the SHA-256 of it. Needs no rights."""
    connection.execute(WAIT_FOR_MIGRATION, {"key": MIGRATION_LOCK})
    connection.execute(QUALIFY)
    speak_plainly(connection)
    found = connection.exec_driver_sql(_query(), execution_options={"no_parameters": True})
    return {Object(kind, name): _shortened(definition) for kind, name, definition in found}


def speak_plainly(connection: Connection) -> None:
    """Makes the server write definitions, until the transaction ends, as expected.json has them."""
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
def _query() -> str:
    return (FOLDER / "catalog.sql").read_text(encoding="utf-8")


def _shortened(definition: str) -> str:
    if len(definition) <= LONGEST:
        return definition
    return "sha256 " + hashlib.sha256(definition.encode()).hexdigest()
