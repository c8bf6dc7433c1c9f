"""The database: the one way to write, `transaction(...)`, and the one way to read, `read(...)`.

Both start with one call that tells the database who is acting and in which request (`backstitch.request`), for this
transaction only. A connection keeps nothing about them, so nothing can leak through the pool or PgBouncer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from backstitch import request
from backstitch.errors import SENTENCES, Refused, SignedOut, explain
from backstitch.request import Source

LONGEST_OPERATION = 200  # characters that the trail keeps


@dataclass(frozen=True)
class SignedIn:
    """A user, identified by the token of the session; the database checks it in each transaction.

    The token is the same for all sign-ins of a user with one browser; `session_id` identifies one sign-in.
    """

    token: str = field(repr=False)
    session_id: int | None = None


@dataclass(frozen=True)
class System:
    """Maintenance by the owner of the database, without a user. The record names the database login instead."""


Actor = SignedIn | System

# Set for the transaction only, like the actor: PgBouncer in transaction mode would lose a setting of the connection.
SET_ZONE = "set_config('TimeZone', coalesce(:zone, current_setting('TimeZone')), true)"
SET_REQUEST = (
    "set_config('backstitch.source', :source, true), set_config('backstitch.request', coalesce(:request, ''), true)"
)
BEGIN = text(
    "select set_config('role', accounts.begin(:token, :operation, :reason, :source, :request), true), " + SET_ZONE
)
BEGIN_ANONYMOUS = text(f"select {SET_REQUEST}")
SESSION = text("select cast(current_setting('backstitch.session_id') as bigint)")
# What a session can bring along (settings of its role or its database) changes nothing of what `raw` reads. No index is
# believed: whoever owns the database could have made it with an order of their own. A policy must not hide rows.
PLAIN = """
set local search_path = pg_catalog, pg_temp;
set local client_encoding = 'UTF8';
set local row_security = off;
set local enable_indexscan = off;
set local enable_indexonlyscan = off;
set local enable_bitmapscan = off;
set local max_parallel_workers_per_gather = 0;
set local jit = off;
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local lock_timeout = '1min'
"""
BEGIN_SYSTEM = text(
    "select set_config('backstitch.operation', coalesce(:operation, ''), true), "
    f"set_config('backstitch.reason', coalesce(:reason, ''), true), {SET_REQUEST}, {SET_ZONE}"
)


class Database:
    """Owns the connections to one database. `url` is a SQLAlchemy URL with the psycopg driver.

    `zone` is the time zone of `current_date` in `transaction` and `read`; None: that of the server.
    """

    def __init__(
        self, url: str, *, application: str = "backstitch", pool_size: int = 10, zone: ZoneInfo | None = None
    ) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self._zone = zone.key if zone else None
        self._engine: Engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=15,
            # The database's rules about several rows hold only at this level, and the server's default may be another.
            isolation_level="READ COMMITTED",
            # An error in the log must not contain tokens and password hashes.
            hide_parameters=True,
            connect_args={
                "application_name": application,
                "connect_timeout": 10,
                # Under another one, which a role can be given, the driver gives bytes for texts.
                "client_encoding": "utf8",
                # No prepared statements: PgBouncer in transaction mode can give each transaction another connection.
                "prepare_threshold": None,
            },
        )

    @contextmanager
    def transaction(
        self,
        actor: Actor,
        *,
        operation: str | None = None,
        reason: str | None = None,
        source: Source | None = None,
    ) -> Iterator[Connection]:
        """A transaction that writes as `actor`; commits at the end of the block, rolls back on any error.

        `operation` says in words what the user is doing and `reason` why; both go on the record, an operation of more
        than LONGEST_OPERATION characters with its end cut off. `source` is None for the door of the current request.
        Outside of every door it is `system` for System, and `SQL` for a user: a token that comes through no door.
        Raises Refused with a sentence for what the database's rules refuse. When the connection breaks, the rule is
        `database_unreachable` if nothing was saved, and `commit_unknown` if the commit may have succeeded.
        """
        with self._translate_errors() as progress, self._engine.begin() as connection:
            self._begin(connection, actor, operation, reason, source)
            yield connection
            progress.committing = True

    @contextmanager
    def read(self, actor: Actor) -> Iterator[Connection]:
        """A read-only transaction with the rights of `actor`: one snapshot for all its statements."""
        with self._translate_errors(), self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                self._begin(connection, actor)
                yield connection

    @contextmanager
    def raw(self) -> Iterator[psycopg.Connection[Any]]:
        """A read-only transaction in one snapshot that calls no function of the database, for who judges the trail.

        Gives psycopg's connection, which copies. Raises Refused with a sentence for whatever keeps it from reading:
        rows that a policy would hide, a right that is missing, a lock that somebody holds.
        """
        with _translate_raw_errors(), self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                connection.exec_driver_sql(PLAIN)
                psql = connection.connection.driver_connection
                assert isinstance(psql, psycopg.Connection)
                yield psql

    @contextmanager
    def anonymous(self) -> Iterator[Connection]:
        """A transaction without an actor: it may only call the few functions that sign-in needs."""
        with self._translate_errors() as progress, self._engine.begin() as connection:
            connection.execute(BEGIN_ANONYMOUS, _request(Source.SQL))
            yield connection
            progress.committing = True

    @contextmanager
    def owner_connection(self) -> Iterator[Connection]:
        """A plain connection, for migrations and maintenance that manage their own transactions."""
        with self._engine.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Closes the pooled connections."""
        self._engine.dispose()

    def _begin(
        self,
        connection: Connection,
        actor: Actor,
        operation: str | None = None,
        reason: str | None = None,
        source: Source | None = None,
    ) -> None:
        parameters = {"operation": _cut(operation), "reason": reason, "zone": self._zone}
        if isinstance(actor, SignedIn):
            parameters |= _request(Source.SQL, source)
            connection.execute(BEGIN, parameters | {"token": actor.token})
            if actor.session_id is not None and actor.session_id != connection.execute(SESSION).scalar_one():
                raise SignedOut(SENTENCES["session_live"], rule="session_live")
        else:
            connection.execute(BEGIN_SYSTEM, parameters | _request(Source.SYSTEM, source))

    @contextmanager
    def _translate_errors(self) -> Iterator["_Progress"]:
        progress = _Progress()
        try:
            yield progress
        except DBAPIError as error:
            if _is_connection_error(error):
                raise _connection_lost(progress) from error
            refusal = explain(error)
            if refusal is None:
                raise
            raise refusal from error


@contextmanager
def _translate_raw_errors() -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, psycopg.Error):
            raise
        if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
            raise _connection_lost(_Progress()) from error
        said = cause.diag.message_primary or str(cause)
        raise Refused(
            f"The raw trail cannot be read: {said}. Somebody has taken a right from the login that watches, locked a "
            "table, or put something in its way; run `python -m backstitch doctor`.",
            rule="trail_unreadable",
        ) from error


def _request(without_door: Source, source: Source | None = None) -> dict[str, str | None]:
    """The parameters of the current request; `source` replaces its door, `without_door` stands for none."""
    current = request.current()
    door = source or (current.source if current else without_door)
    return {"source": door.value, "request": current.id if current else None}


def _cut(operation: str | None) -> str | None:
    """The operation in the length that the trail keeps: a file's name in it can be longer."""
    if operation is None or len(operation) <= LONGEST_OPERATION:
        return operation
    return operation[: LONGEST_OPERATION - 1] + "…"


@dataclass
class _Progress:
    """The progress of a transaction. When a connection breaks while `committing`, the commit may have succeeded."""

    committing: bool = False


def _connection_lost(progress: _Progress) -> Refused:
    if progress.committing:
        return Refused(
            "The connection to the database broke while this was being saved. It is not known whether it was saved; "
            "look before you enter it again.",
            rule="commit_unknown",
        )
    return Refused(
        "The database does not answer. Nothing was saved; try again in a moment.", rule="database_unreachable"
    )


def _is_connection_error(error: DBAPIError) -> bool:
    """Whether the connection broke rather than a statement failed; psycopg then gives no SQLSTATE."""
    return error.connection_invalidated or (
        isinstance(error.orig, psycopg.OperationalError) and error.orig.sqlstate is None
    )
