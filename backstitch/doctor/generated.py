"""The trigger functions that audit.watch should have made, made anew by the generator of this package.

db/expected.json has those of a fresh database. A table with a column that an administrator has added, or one of another
schema, has one that is not in it. The generator of db/triggers.sql is created as temporary functions, asked, and rolled
back; the generator that is installed in the database is not asked.
"""

import re
from collections.abc import Sequence
from functools import cache

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from db import catalog
from db.catalog import Object, Watched
from db.code import FOLDER

GENERATOR = (
    *("trigger_source", "update_source", "insert_source", "row_source", "changes_source", "column_sources"),
    *("value_source", "key_column", "has_cascades", "trigger_settings"),
)
# As judge/catalog.sql writes the definition of a function.
DEFINITION = text(
    "select concat_ws(' ', 'f', 'plpgsql', 'v', 'u', 'definer', pg_temp.trigger_settings(w), '', 'trigger', "
    "pg_temp.trigger_source(w)) from audit.watched_tables w where w.relation = cast(:relation as oid)"
)
UNCHECKED = text("select set_config('check_function_bodies', 'off', true)")


def functions(connection: Connection, tables: Sequence[Watched]) -> dict[Object, str | None] | None:
    """The definitions of the trigger functions of these tables; None for a table that cannot be on the record.

    None instead of all, if the login may not make temporary functions. Nothing stays.
    """
    found: dict[Object, str | None] = {}
    if not tables:
        return found
    savepoint = connection.begin_nested()
    try:
        connection.execute(UNCHECKED)
        connection.exec_driver_sql(_generator(), execution_options={"no_parameters": True})
        for table in tables:
            found[function_of(table)] = _definition(connection, table)
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege | psycopg.errors.ReadOnlySqlTransaction):
            return None
        raise
    finally:
        savepoint.rollback()
    return found


def function_of(table: Watched) -> Object:
    """The trigger function of a watched table: `audit.record_inventory_products()`."""
    name = table.function_name
    quoted = name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
    return Object("function", f"audit.{quoted}()")


def _definition(connection: Connection, table: Watched) -> str | None:
    savepoint = connection.begin_nested()
    try:
        whole = connection.execute(DEFINITION, {"relation": table.oid}).scalar_one()
        return catalog.shortened("function", whole)
    except DBAPIError:
        return None  # it has lost its integer primary key, or a column that the trail is told of
    finally:
        savepoint.rollback()


@cache
def _generator() -> str:
    """The statements that create the generator as temporary functions."""
    source = (FOLDER / "triggers.sql").read_text(encoding="utf-8")
    created = re.findall(
        rf"create or replace function audit\.(?:{'|'.join(GENERATOR)})\(.*?\n\$(?:source)?\$;\n", source, re.DOTALL
    )
    return re.sub(rf"\baudit\.({'|'.join(GENERATOR)})\(", r"pg_temp.\1(", "".join(created))
