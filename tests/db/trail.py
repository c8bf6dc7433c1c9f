"""What the tests of the trail share: reading records, refusals, acting as a user, and the replay."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from backstitch.accounts.permissions import Role
from tests.conftest import Clone

Connection = psycopg.Connection[Any]

REPLAY = """
do $replay$
declare
    r audit.records;
    fits boolean;
begin
    for r in select * from audit.records where entity = {entity}
                 and action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE') order by id
    loop
        if r.action = 'CREATE' then
            insert into pg_temp.replayed select * from jsonb_populate_record(null::pg_temp.replayed, r.new_values);
            continue;
        end if;
        select row({columns})::record *= (select row({columns})::record from jsonb_populate_record(t, r.old_values))
        into strict fits from pg_temp.replayed t where {key} = r.entity_id;
        if not fits then
            raise exception 'record % does not say what was there before: %', r.id, r.old_values;
        end if;
        if r.action = 'UPDATE' then
            update pg_temp.replayed t set ({columns}) =
                (select {columns} from jsonb_populate_record(t, r.new_values)) where {key} = r.entity_id;
        else
            delete from pg_temp.replayed where {key} = r.entity_id;
        end if;
    end loop;
end
$replay$
"""


@contextmanager
def refused(sqlstate: str, constraint: str | None = None) -> Iterator[None]:
    """The block is refused by the database, with this SQLSTATE and by this rule."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    diagnosis = caught.value.diag
    assert (diagnosis.sqlstate, diagnosis.constraint_name) == (sqlstate, constraint), caught.value


@contextmanager
def acting(clone: Clone, role: Role, operation: str = "test", reason: str = "because") -> Iterator[Connection]:
    """One transaction of the application for its user with this role, in plain SQL."""
    with clone.application() as connection, connection.transaction():
        begin(connection, clone, role, operation, reason)
        yield connection


def begin(connection: Connection, clone: Clone, role: Role, operation: str = "test", reason: str = "because") -> None:
    """What starts each transaction of the application."""
    connection.execute(
        "select set_config('role', accounts.begin(%s, %s, %s), true)",
        (clone.actor(role).token, operation, reason),
    )


def wait_until_blocked(watcher: Connection, pid: int) -> None:
    """Returns when the server shows that this session waits for a lock."""
    deadline = time.monotonic() + 20
    while watcher.execute("select cardinality(pg_blocking_pids(%s)) > 0", (pid,)).fetchone() != (True,):
        assert time.monotonic() < deadline, "nothing blocks the session"


def records(connection: Connection, *entities: str) -> list[dict[str, Any]]:
    """The records of the entities in order, without what differs from run to run."""
    return (
        connection.cursor(row_factory=dict_row)
        .execute(
            "select entity_id, parent_id, user_id, session_id, action, entity, database_role, application, "
            "client_address, operation, reason, old_values, new_values "
            "from audit.records where entity = any (%s) order by id",
            (list(entities),),
        )
        .fetchall()
    )


def changes(connection: Connection, *entities: str) -> list[tuple[Any, ...]]:
    """Action, entity_id, old and new values of the records of the entities, in order."""
    return connection.execute(
        "select action, entity_id, old_values, new_values from audit.records where entity = any (%s) order by id",
        (list(entities),),
    ).fetchall()


def forget(connection: Connection) -> None:
    """Empties the trail, so that a test sees only what it did itself."""
    connection.execute("truncate audit.records")


def watched_table(connection: Connection, columns: str, name: str = "things", entity: str = "Thing") -> None:
    """Makes a watched table in the schema demo."""
    connection.execute("create schema if not exists demo")
    table = sql.Identifier("demo", name)
    connection.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(columns)))
    connection.execute("select audit.watch(%s::regclass, %s)", (table.as_string(connection), entity))


def assert_replay_matches(connection: Connection, table: str | None = None) -> None:
    """Rebuilds each watched table from audit.records alone, and compares stored bytes row by row."""
    watched = connection.execute(
        "select w.relation::oid, n.nspname, c.relname, w.entity, w.redacted, audit.key_column(w.relation) "
        "from audit.watched_tables w join pg_class c on c.oid = w.relation join pg_namespace n "
        "on n.oid = c.relnamespace "
        "where w.relation = coalesce(%s::regclass, w.relation)",
        (table,),
    ).fetchall()
    assert watched
    for relation, schema, name, entity, redacted, key in watched:
        _replay_one(connection, relation, sql.Identifier(schema, name), entity, redacted, key)


def _replay_one(
    connection: Connection, relation: int, table: sql.Identifier, entity: str, redacted: list[str], key: str
) -> None:
    rows = connection.execute(
        "select attname, attgenerated <> '' or attname = any (%s), atttypid = 'json'::regtype from pg_attribute "
        "where attrelid = %s and attnum > 0 and not attisdropped order by attnum",
        (redacted, relation),
    ).fetchall()
    # jsonb keeps the value of a json column, not its spacing.
    kept = [
        (sql.SQL("{}::jsonb") if is_json else sql.SQL("{}")).format(sql.Identifier(column))
        for column, left_out, is_json in rows
        if not left_out
    ]
    connection.execute("drop table if exists pg_temp.replayed")
    connection.execute(sql.SQL("create temp table replayed (like {})").format(table))
    for column, left_out, is_json in rows:
        if left_out:
            connection.execute(sql.SQL("alter table replayed drop column {}").format(sql.Identifier(column)))
        elif is_json:
            connection.execute(
                sql.SQL("alter table replayed alter column {} type jsonb").format(sql.Identifier(column))
            )
    names = sql.SQL(", ").join(sql.Identifier(column) for column, left_out, _ in rows if not left_out)
    connection.execute(sql.SQL(REPLAY).format(entity=sql.Literal(entity), columns=names, key=sql.Identifier(key)))
    differences = connection.execute(
        sql.SQL(
            "select stored.image, replayed.image "
            "from (select {key}, row({kept})::record as image from {table}) stored "
            "full join (select {key}, row({names})::record as image from pg_temp.replayed) replayed using ({key}) "
            "where stored.image is null or replayed.image is null or stored.image *<> replayed.image"
        ).format(key=sql.Identifier(key), kept=sql.SQL(", ").join(kept), names=names, table=table)
    ).fetchall()
    assert differences == [], (entity, differences)
