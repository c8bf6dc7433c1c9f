"""The database: the one way to write, `transaction(...)`, and the one way to read, `read(...)`.

Both start with one call that tells the database who is acting, for this transaction only. Nothing
about the actor is ever kept on a connection, so nothing can leak through the pool or PgBouncer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from backstitch.errors import Refused, explain


@dataclass(frozen=True)
class SignedIn:
    """A person, by the token of the session; the database checks it at each transaction."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class System:
    """Nobody: maintenance by the owner of the database. The record names the login instead."""


Actor = SignedIn | System

BEGIN = text("select set_config('role', accounts.begin(:token, :operation, :reason), true)")
BEGIN_SYSTEM = text(
    "select set_config('backstitch.operation', coalesce(:operation, ''), true), "
    "set_config('backstitch.reason', coalesce(:reason, ''), true)"
)


class Database:
    """Owns the connections to one database. `url` is a SQLAlchemy URL with the psycopg driver."""

    def __init__(self, url: str, *, application: str = "backstitch", pool_size: int = 10) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self._engine: Engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=15,
            # An error that reaches the log must not take tokens and password hashes with it.
            hide_parameters=True,
            connect_args={
                "application_name": application,
                "connect_timeout": 10,
                # PgBouncer in transaction mode hands each transaction another server connection.
                "prepare_threshold": None,
            },
        )

    @contextmanager
    def transaction(
        self, actor: Actor, *, operation: str | None = None, reason: str | None = None
    ) -> Iterator[Connection]:
        """A transaction that writes as `actor`; commits at the end of the block, rolls back on any error.

        `operation` says in words what the user is doing and `reason` why; both go on the record.
        Raises Refused with a sentence for what the database's rules refuse.
        """
        with self._explained(), self._engine.begin() as connection:
            _begin(connection, actor, operation, reason)
            yield connection

    @contextmanager
    def read(self, actor: Actor) -> Iterator[Connection]:
        """A read-only transaction with the rights of `actor`: one snapshot for all its statements."""
        with self._explained(), self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                _begin(connection, actor, None, None)
                yield connection

    @contextmanager
    def anonymous(self) -> Iterator[Connection]:
        """A transaction of nobody: good for the few functions that sign-in needs, and for nothing else."""
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def owner_connection(self) -> Iterator[Connection]:
        """A plain connection, for migrations and maintenance that manage their own transactions."""
        with self._engine.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Closes the pooled connections."""
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if _lost(error):
                raise Refused(
                    "The database does not answer. Nothing was saved; try again in a moment.",
                    rule="database_unreachable",
                ) from error
            refusal = explain(error)
            if refusal is None:
                raise
            raise refusal from error


def _begin(connection: Connection, actor: Actor, operation: str | None, reason: str | None) -> None:
    if isinstance(actor, SignedIn):
        connection.execute(BEGIN, {"token": actor.token, "operation": operation, "reason": reason})
    elif operation or reason:
        connection.execute(BEGIN_SYSTEM, {"operation": operation, "reason": reason})


def _lost(error: DBAPIError) -> bool:
    """Whether the connection broke, rather than the statement; psycopg gives no SQLSTATE then."""
    return error.connection_invalidated or (
        isinstance(error.orig, psycopg.OperationalError) and error.orig.sqlstate is None
    )
