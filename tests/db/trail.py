"""What the tests of the trail share: reading records, refusals, acting as a user, and the replay."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from backstitch.accounts.permissions import Role
from backstitch.audit.replay import Replayed, replay
from tests.conftest import Clone

Connection = psycopg.Connection[Any]


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
            "client_address, operation, reason, audit.revealed(old_values) as old_values, "
            "audit.revealed(new_values) as new_values "
            "from audit.records where entity = any (%s) order by id",
            (list(entities),),
        )
        .fetchall()
    )


def changes(connection: Connection, *entities: str) -> list[tuple[Any, ...]]:
    """Action, entity_id, old and new values of the records of the entities, in order."""
    return connection.execute(
        "select action, entity_id, audit.revealed(old_values), audit.revealed(new_values) "
        "from audit.records where entity = any (%s) order by id",
        (list(entities),),
    ).fetchall()


def switch_off_event_triggers(psql: Connection) -> None:
    """What a superuser does first whose command could not be recorded, and so would be refused."""
    psql.execute("alter event trigger backstitch_watch_ddl disable; alter event trigger backstitch_watch_drop disable")


def forget(connection: Connection) -> None:
    """Empties the trail, so that a test sees only what it did itself."""
    connection.execute("truncate audit.records")


def watched_table(connection: Connection, columns: str, name: str = "things", entity: str = "Thing") -> None:
    """Makes a watched table in the schema demo."""
    connection.execute("create schema if not exists demo")
    table = sql.Identifier("demo", name)
    connection.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(columns)))
    connection.execute("select audit.watch(%s::regclass, %s)", (table.as_string(connection), entity))


def replayed(connection: Connection, table: str | None = None) -> list[Replayed]:
    """The outcome of the replay of each watched table, or of this one, as this connection sees them."""
    # A savepoint, or a transaction, that takes the settings of the replay with it.
    is_outermost = connection.info.transaction_status is TransactionStatus.IDLE
    with connection.transaction(force_rollback=True):
        if is_outermost:
            connection.execute("set transaction isolation level repeatable read, read only")
        outcomes = replay(connection, owner=connection)
    return [outcome for outcome in outcomes if table in (None, outcome.table)]


def assert_replay_matches(
    connection: Connection, table: str | None = None, *, problems: Collection[str] = frozenset()
) -> None:
    """The trail alone rebuilds each watched table (or this one), row for row, and says what was there before.

    `problems` are those of tables that are not as this version has them.
    """
    outcomes = replayed(connection, table)
    assert outcomes
    assert [difference for outcome in outcomes for difference in outcome.differences] == []
    assert {problem for outcome in outcomes for problem in outcome.problems} == set(problems)
