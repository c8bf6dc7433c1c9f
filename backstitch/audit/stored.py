"""Reads a watched table as it stands, each row as jsonb in the form in which the trail records it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from backstitch.audit import outside
from backstitch.audit.outside import INTEGERS, Column, Driver, Relation
from backstitch.audit.watched import Watched
from db import catalog

BATCH = 2000  # rows that are fetched at once
COLUMNS_A_CALL = 50  # a function takes at most 100 arguments
JSON = 114  # the number of the type in pg_type
# `rebuilt` is the row that its own jsonb makes, where it is another one: jsonb does not hold every value exactly. The
# trail keeps the value of a json column and not its spacing, so it is compared as jsonb. `offset 0` keeps the planner
# from computing the jsonb again for each use of it.
ROWS = sql.SQL(
    """
    select n.{key}::bigint, convert_from(substr(jsonb_send(v.stored), 2), 'UTF8'),
           case when row({again})::record *<> row({now})::record
                then convert_from(substr(jsonb_send(to_jsonb(p)), 2), 'UTF8') end
    from {table} n
    cross join lateral (select {stored} as stored offset 0) v
    cross join lateral jsonb_populate_record(null::{table}, v.stored) p
    order by n.{key}
    """
)


class NotComparable(Exception):
    """A table cannot be compared; the message is the end of a sentence: `is missing`."""


@dataclass(frozen=True)
class Table:
    """A table that can be compared: the columns of which the trail has values, and that of its ids.

    `flaws` say what keeps other columns from being compared, each as the end of a sentence.
    """

    relation: Relation
    key: str
    columns: Sequence[Column]
    flaws: Sequence[str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands, as jsonb; `rebuilt` is the row that this jsonb makes, None if it is the same."""

    id: int | None
    written: str
    rebuilt: str | None


def table(connection: Driver, watched: Watched, *, is_own: bool) -> Table:
    """The table with the columns to compare.

    Of a table of this version (`is_own`) all columns are compared that belong to the version, and their types must be
    PostgreSQL's own: others come with functions, which would take part in the verdict. Raises NotComparable.
    """
    relation = outside.find(connection, watched.schema, watched.name)
    if relation is None:
        raise NotComparable("is missing")
    if relation.kind != "r":
        raise NotComparable("is not an ordinary table")
    if relation.has_row_security and not outside.shows_every_row(connection, relation):
        raise NotComparable("has policies that can hide rows")
    key = "id" if is_own else outside.key_of(connection, relation)
    if key is None or key not in relation.columns or relation.columns[key].type not in INTEGERS:
        raise NotComparable("has no primary key of one integer column")
    return Table(relation, key, *_columns(relation, watched, is_own=is_own))


def _columns(relation: Relation, watched: Watched, *, is_own: bool) -> tuple[Sequence[Column], Sequence[str]]:
    """The columns to compare, and the flaws of others."""
    expected = _expected_columns(relation.title) if is_own else frozenset()
    columns = [
        column
        for column in relation.columns.values()
        if column.name not in watched.redacted and (column.name in expected or not column.is_generated)
    ]
    typed = [column.name for column in columns if is_own and not column.is_built_in]
    flaws = [f"is without its column {name}" for name in sorted(expected - relation.columns.keys())]
    flaws += [f"has a type of somebody's own for {name}, which was not compared" for name in typed]
    return [column for column in columns if column.name not in typed], flaws


def rows(connection: Driver, table: Table) -> Iterator[Row]:
    """The rows of the table by their ids, one without an id last."""
    # A policy that hides no row would still make the query fail.
    outside.set_row_security(connection, on=table.relation.has_row_security)
    with connection.cursor(name="backstitch_stored") as cursor:
        cursor.itersize = BATCH
        cursor.execute(_query(table))
        for id, written, rebuilt in cursor:
            yield Row(id, written, rebuilt)


def _query(table: Table) -> sql.Composed:
    return ROWS.format(
        key=sql.Identifier(table.key),
        table=sql.Identifier(table.relation.schema, table.relation.name),
        stored=sql.SQL(" || ").join(_objects(table.columns)),
        again=_side("p", table.columns),
        now=_side("n", table.columns),
    )


def _objects(columns: Sequence[Column]) -> Iterator[sql.Composable]:
    """Calls that make jsonb of some columns each, as audit.row_source does for the triggers (db/triggers.sql)."""
    for first in range(0, len(columns), COLUMNS_A_CALL):
        pairs = [
            sql.SQL("{}, n.{}").format(sql.Literal(column.name), sql.Identifier(column.name))
            for column in columns[first : first + COLUMNS_A_CALL]
        ]
        yield sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))


def _side(side: str, columns: Sequence[Column]) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("{}.{}{}").format(
            sql.Identifier(side),
            sql.Identifier(column.name),
            sql.SQL("::jsonb" if column.type == JSON else ""),
        )
        for column in columns
    )


def _expected_columns(title: str) -> frozenset[str]:
    """The columns that a table has in this version."""
    return frozenset(
        object.name.rpartition(".")[2]
        for object in catalog.expected()
        if object.kind == "column" and object.name.startswith(f"{title}.")
    )
