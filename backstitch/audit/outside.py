"""Reads raw rows of the database that is judged: queries of this package, and no function of the database.

The queries call functions of pg_catalog only. Types matter too, because a value of a type that somebody has made is
written by functions of theirs; so columns are read whose types are PostgreSQL's own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from backstitch.errors import Refused

Driver = psycopg.Connection[Any]

# The first name is qualified, because the settings of a login can have another search_path. With row_security off a
# policy makes a query fail; otherwise it could hide rows.
SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "role": "none",
    "row_security": "off",
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "statement_timeout": "0",
    "work_mem": "64MB",
}
SET = "select pg_catalog.set_config(%s, %s, true)"
FIRST_OWN_OID = 16384  # below it are the objects that PostgreSQL itself brings
FIND = """
    select c.oid, n.nspname::text, c.relname::text, format('%%I.%%I', n.nspname, c.relname), c.relkind::text,
           c.relrowsecurity
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relname = %s
"""
# A domain has no functions of its own that reading calls, so what counts is what it is made of.
COLUMNS = """
    select a.attname, case t.typtype when 'd' then t.typbasetype else t.oid end::bigint, t.oid::bigint,
           a.attgenerated <> ''
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
KEY = """
    select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = %s and i.indisprimary and i.indnkeyatts = 1
"""
# What a policy of db/accounts/people.sql lets every login but the application's see: all rows.
EVERY_ROW = "(SESSION_USER <> 'backstitch_app'::name)"
POLICIES = """
    select p.polpermissive, 0 = any (p.polroles), pg_get_expr(p.polqual, p.polrelid)
    from pg_policy p where p.polrelid = %s and p.polcmd in ('*', 'r')
"""
INTEGERS = (20, 21, 23)  # bigint, smallint and integer in pg_type
WHAT_TO_DO = "`python -m backstitch doctor` says what to do"


@dataclass(frozen=True)
class Column:
    """A column of a relation. `type` is the number of its type in pg_type, of a domain that of what it is made of."""

    name: str
    type: int
    is_built_in: bool
    is_generated: bool


@dataclass(frozen=True)
class Relation:
    """A relation as the catalog has it; `kind` is the letter of pg_class. `title` is its name, with quotes."""

    oid: int
    schema: str
    name: str
    title: str
    kind: str
    has_row_security: bool
    columns: Mapping[str, Column]


def set_plainly(connection: Driver) -> None:
    """Sets, until the transaction ends, what the queries rest on, whatever the settings of the login are."""
    for name, value in SETTINGS.items():
        connection.execute(SET, (name, value))


def set_row_security(connection: Driver, *, on: bool) -> None:
    """Lets the policies of a table choose its rows from here on, or makes them refuse a query."""
    connection.execute(SET, ("row_security", "on" if on else "off"))


@contextmanager
def indexes(connection: Driver) -> Iterator[None]:
    """Lets the queries of the block use indexes."""
    for switch in ("on", "off"):
        connection.execute(SET, ("enable_indexscan", switch))
        if switch == "on":
            yield


def find(connection: Driver, schema: str, name: str) -> Relation | None:
    """The relation of this name, or None."""
    found = connection.execute(FIND, (schema, name)).fetchone()
    if found is None:
        return None
    columns = {
        column: Column(column, base, own < FIRST_OWN_OID, generated)
        for column, base, own, generated in connection.execute(COLUMNS, (found[0],))
    }
    oid, schema, name, title, kind, has_row_security = found
    return Relation(oid, schema, name, title, kind, has_row_security, columns)


def key_of(connection: Driver, relation: Relation) -> str | None:
    """The column of its primary key; None if it has none, or one of several columns."""
    found = connection.execute(KEY, (relation.oid,)).fetchone()
    return None if found is None else str(found[0])


def shows_every_row(connection: Driver, relation: Relation) -> bool:
    """Whether the policies of a relation with row security hide no row from this login."""
    policies = connection.execute(POLICIES, (relation.oid,)).fetchall()
    return all(permissive for permissive, _, _ in policies) and any(
        public and rows == EVERY_ROW for _, public, rows in policies
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Makes a refusal with a sentence of what the server says against reading `what`."""
    try:
        yield
    except psycopg.Error as error:
        raise Refused(f"{what} {refusal(error)}.", rule="raw_trail") from error


def refusal(error: psycopg.Error) -> str:
    """What the server said, as the end of a sentence: `cannot be read: permission denied for table records`."""
    advice = ""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        advice = "; run: python -m backstitch migrate --reapply"
    return f"cannot be read: {str(error).strip().partition(chr(10))[0]}{advice}"
