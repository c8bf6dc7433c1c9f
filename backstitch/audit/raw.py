"""Reads the raw rows of the trail for who judges it.

Nothing here believes the database that is judged more than it must: a query names tables by their schema, says ONLY
where others could inherit, and has no function, operator, cast or type but PostgreSQL's own. Before anything is read,
the tables must be tables with the columns of `COLUMNS`. Values stay in the binary form in which they are sent.

Connections come from `Database.raw`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

import psycopg
from psycopg import sql

from backstitch.audit import proof
from backstitch.errors import Refused

Connection = psycopg.Connection[Any]
Row = list[bytes | None]

RECORD_VALUES = ("old_values", "new_values")
RECORD = {
    "id": "int8",
    "recorded_at": "timestamptz",
    "transaction_id": "int8",
    "entity_id": "int8",
    "parent_id": "int8",
    "user_id": "int8",
    "session_id": "int8",
    "era": "int2",
    "action": "text",
    "entity": "text",
    "source": "text",
    "database_role": "text",
    "application": "text",
    "client_address": "inet",
    "operation": "text",
    "reason": "text",
    "request": "text",
    "old_values": "jsonb",
    "new_values": "jsonb",
}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "records": RECORD,
    "eras": {
        "era": "int2",
        "origin": "text",
        "began_at": "timestamptz",
        "system_identifier": "int8",
        "database_oid": "int8",
    },
    "seals": {
        "id": "int8",
        "era": "int2",
        "month": "date",
        "to_transaction": "int8",
        "running": "_int8",
        "sealed_at": "timestamptz",
        "record_count": "int4",
        "record_ids": "_int8",
        "leaves": "bytea",
        "root": "bytea",
        "salt": "bytea",
        "previous": "bytea",
        "hash": "bytea",
        "nodes": "bytea",
    },
    "deletions": {"deletion_id": "int8", "chunk": "int4", "record_ids": "_int8", "digests": "_bytea"},
    "baselines": {"entity": "text", "entity_id": "int8", "record_id": "int8", "row_values": "jsonb"},
    "personal_values": {
        "id": "int8",
        "entity": "text",
        "entity_id": "int8",
        "field": "text",
        "value": "jsonb",
        "salt": "bytea",
    },
    "watched_tables": {
        "relation": "regclass",
        "entity": "text",
        "parent": "text",
        "redacted": "_text",
        "personal": "_text",
    },
}

RELATIONS = """
select c.relname, c.relkind,
       (select pt.partstrat = 'r' and pt.partnatts = 1 and a.attname = 'recorded_at'
               and o.opcname = 'timestamptz_ops' and o.opcnamespace = 'pg_catalog'::regnamespace
        from pg_catalog.pg_partitioned_table pt
        join pg_catalog.pg_opclass o on o.oid = pt.partclass[0]
        join pg_catalog.pg_attribute a on a.attrelid = pt.partrelid and a.attnum = pt.partattrs[0]
        where pt.partrelid = c.oid)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'audit' and c.relname = any (%s)
"""
# Of a domain, the type that it stands on: a domain is sent as that.
TYPES = """
select c.relname, a.attname, coalesce(b.typname, t.typname)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_type b on b.oid = t.typbasetype and t.typtype = 'd'
where n.nspname = 'audit' and c.relname = any (%s)
    and coalesce(b.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace
"""
MONTHS = """
select n.nspname || '.' || c.relname, c.relkind
from pg_catalog.pg_inherits i
join pg_catalog.pg_class c on c.oid = i.inhrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class p on p.oid = i.inhparent
join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where pn.nspname = 'audit' and p.relname = 'records'
order by 1
"""

_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "p": "a table of partitions"}
_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"


def require_tables(connection: Connection, *tables: str) -> None:
    """Refuses, with a sentence, what stands in the place of these tables of the schema audit and is not one of them."""
    names = list(tables)
    kinds = {name: (kind, by_time) for name, kind, by_time in connection.execute(RELATIONS, (names,)).fetchall()}
    types = {(table, column): kind for table, column, kind in connection.execute(TYPES, (names,)).fetchall()}
    for table in tables:
        kind, by_time = kinds.get(table, (None, None))
        if kind is None:
            raise _not_ours(f"the table audit.{table} is missing")
        if kind != ("p" if table == "records" else "r"):
            raise _not_ours(f"audit.{table} is {_KINDS.get(kind, 'something else')} in the place of the table")
        if table == "records":
            if not by_time:
                raise _not_ours("audit.records is not divided by the time of its records")
            _require_months(connection)
        for column, expected in COLUMNS[table].items():
            if types.get((table, column)) != expected:
                raise _not_ours(f"the column {column} of audit.{table} is missing, computed, or of another type")


def _require_months(connection: Connection) -> None:
    for name, kind in connection.execute(MONTHS).fetchall():
        if kind != "r":
            raise _not_ours(f"{name} is {_KINDS.get(kind, 'something else')} in the place of a month of audit.records")


def _not_ours(what: str) -> Refused:
    return Refused(
        f"The trail cannot be judged: {what}. Somebody has put something else in its place; `python -m backstitch "
        "doctor` says what differs, and a backup has what was there.",
        rule="trail_unreadable",
    )


def copied(connection: Connection, query: str | sql.Composed) -> Iterator[bytes]:
    """The rows of a query, as they are sent: the number of columns in two bytes, each column with its length."""
    statement = sql.SQL("copy ({}) to stdout (format binary)").format(
        sql.SQL(query) if isinstance(query, str) else query
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        # A message of the protocol has one row; the first one has the header before it, the last one is -1.
        for message in copy:
            row = bytes(message)
            if row.startswith(_SIGNATURE):
                row = row[19:]
            if len(row) > 2:
                yield row


def rows(connection: Connection, query: str | sql.Composed) -> Iterator[Row]:
    """The rows of a query, each a list of its columns."""
    for row in copied(connection, query):
        yield proof.elements(row[2:])


def columns_of(table: str) -> str:
    """The columns of a table, in the order of `COLUMNS`, for a query."""
    return ", ".join(COLUMNS[table])


# Records ------------------------------------------------------------------------------------------

# What the digest of a record hashes, column by column; jsonb is sent with a byte before its text.
RECORD_ELEMENTS = ", ".join(f"substr(jsonb_send({name}), 2)" if name in RECORD_VALUES else name for name in RECORD)
# Before it stand the era and whether a column is null: they have no fixed place among the elements.
RECORDS = (
    f"select era, num_nulls({', '.join(RECORD)}), {RECORD_ELEMENTS} from audit.records "
    "where id is not null and recorded_at is not null and transaction_id is not null and era is not null"
)
# Columns; of these columns the length, and the value of the second ones: era, nulls, id, time, transaction.
RECORD_HEAD = Struct(">2x4xh4xi4xq4xq4xq")
ELEMENTS_AT = 16
ID_AT = 20
LONGEST_TEXT = 80  # bytes of a text that a finding shows


@dataclass(frozen=True, slots=True)
class Record:
    """What findings say of a record. Text that is not UTF-8 has a sign in the place of what it is."""

    id: int
    recorded_at: int
    transaction_id: int
    era: int
    application: str
    about: str

    @classmethod
    def of(cls, row: bytes) -> "Record":
        """The record of a row of `RECORDS`."""
        era, _, number, at, transaction, *_ = RECORD_HEAD.unpack_from(row)
        found = dict(zip(RECORD, proof.elements(row[ELEMENTS_AT:]), strict=True))
        entity_id = found["entity_id"]
        about = f"{text(found['action'])} {text(found['entity'])}" + (
            "" if entity_id is None else f" {proof.integer(entity_id)}"
        )
        return cls(number, at, transaction, era, text(found["application"]), f"{about}, recorded {moment(at)} UTC")


def text(data: bytes | None) -> str:
    """The text of a column, the beginning of it; empty for null.

    Who writes past the trail writes what they like: signs that would move the cursor of a terminal become their codes.
    """
    found = "" if data is None else data[:LONGEST_TEXT].decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in found)


def moment(micros: int) -> str:
    """A time in words, to the second."""
    if micros in (2**63 - 1, -(2**63)):
        return "infinity" if micros > 0 else "-infinity"
    return proof.instant(micros).strftime("%Y-%m-%d %H:%M:%S")


def some(values: Sequence[int]) -> sql.Composable:
    """Numbers as an array of bigint in a query."""
    return sql.SQL("{}::bigint[]").format(sql.Literal("{" + ",".join(map(str, values)) + "}"))
