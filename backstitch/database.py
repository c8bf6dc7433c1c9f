"""The database: the one way to write, `transaction(...)`, and the one way to read, `read(...)`.

Both start with one call that tells the database who is acting and in which request (`backstitch.request`), for this
transaction only. A connection keeps nothing about them, so nothing can leak through the pool or PgBouncer.

One user does not stop the others: sign-in, pages and heavy questions have connections of their own, a user gets half of
those of the pages at most, heavy questions wait at a gate, and each transaction has limits of time.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from backstitch import request
from backstitch.errors import SENTENCES, Abandoned, Refused, SignedOut, explain
from backstitch.queues import PAGES, SIGN_IN, Gate, Limits, busy
from backstitch.request import Source

LONGEST_OPERATION = 200  # characters that the trail keeps
POOL_SECONDS = 5  # to wait for a connection
LOCK_SECONDS = 10  # to wait for what another transaction changes
IDLE_SECONDS = 60  # in which a transaction of a page sends nothing; then the server ends it
LONG_IDLE_SECONDS = 900  # likewise of an export, which may be writing its file
CANCEL_SECONDS = 0.2  # between two looks whether anybody still waits for an answer


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
SET_LIMITS = (
    "set_config('statement_timeout', :statement_limit, true), set_config('lock_timeout', :lock_limit, true), "
    "set_config('idle_in_transaction_session_timeout', :idle_limit, true)"
)
BEGIN = text(
    "select set_config('role', accounts.begin(:token, :operation, :reason, :source, :request), true), "
    f"{SET_ZONE}, {SET_LIMITS}"
)
BEGIN_ANONYMOUS = text(f"select {SET_REQUEST}, {SET_LIMITS}")
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


# Whether this run of code has a connection of the pages already: it needs no second place at their gate.
_has_place: ContextVar[bool] = ContextVar("has_place", default=False)


class Database:
    """Owns the connections to one database. `url` is a SQLAlchemy URL with the psycopg driver.

    `zone` is the time zone of `current_date` in `transaction` and `read`; None: that of the server. `pool_size`
    connections are kept for `transaction` and `read`, and as many more are made when they are needed.
    """

    def __init__(
        self,
        url: str,
        *,
        application: str = "backstitch",
        pool_size: int = PAGES // 2,
        zone: ZoneInfo | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self.limits = limits or Limits()
        self._application = application
        self._zone = zone.key if zone else None
        # None of them connects before it is used.
        self._engine = self._pool(pool_size, most=2 * pool_size)
        self._sign_in = self._pool(1, most=SIGN_IN)
        self._long = self._pool(1, most=self.limits.heavy_at_once + self.limits.exports_at_once)
        self._pages = Gate(at_once=2 * pool_size, per_user=pool_size)
        self._heavy = Gate(at_once=self.limits.heavy_at_once, per_user=self.limits.heavy_per_user)

    def _pool(self, kept: int, *, most: int) -> Engine:
        return create_engine(
            self.url,
            pool_size=kept,
            max_overflow=most - kept,
            pool_pre_ping=True,
            pool_timeout=POOL_SECONDS,
            # The database's rules about several rows hold only at this level, and the server's default may be another.
            isolation_level="READ COMMITTED",
            # An error in the log must not contain tokens and password hashes.
            hide_parameters=True,
            connect_args={
                "application_name": self._application,
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
        `database_unreachable` if nothing was saved, and `commit_unknown` if the commit may have succeeded; when no
        connection becomes free, it is `busy`.
        """
        with self._translate_errors() as progress, self._place(actor), self._engine.begin() as connection:
            self._begin(connection, actor, _limits(), operation, reason, source)
            yield connection
            progress.committing = True

    @contextmanager
    def read(self, actor: Actor) -> Iterator[Connection]:
        """A read-only transaction with the rights of `actor`: one snapshot for all its statements.

        For questions that answer at once; a statement has `limits.page_seconds`. Raises Refused (`too_long`, `busy`).
        """
        seconds = self.limits.page_seconds
        with self._translate_errors(seconds), self._place(actor), self._read_only(self._engine) as connection:
            self._begin(connection, actor, _limits(statement=seconds))
            yield connection

    @contextmanager
    def heavy(
        self,
        actor: Actor,
        *,
        user: Hashable,
        waiting: Callable[[int], object] | None = None,
        abandoned: Callable[[], bool] | None = None,
    ) -> Iterator[Connection]:
        """As `read`, for questions that can take seconds, after a wait at the gate where `user` is counted.

        `waiting` is called with the number of questions ahead while this one waits; what it raises gives up its place.
        When `abandoned` returns true, the statement is cancelled and Abandoned raised.
        """
        with (
            self._heavy.place(user, waiting=waiting),
            self.long_read(actor, seconds=self.limits.heavy_seconds, abandoned=abandoned) as connection,
        ):
            yield connection

    @contextmanager
    def long_read(
        self, actor: Actor, *, seconds: int, abandoned: Callable[[], bool] | None = None
    ) -> Iterator[Connection]:
        """As `heavy`, without its gate: for exports, which have one of their own. A statement has `seconds`."""
        limits = _limits(statement=seconds, idle=LONG_IDLE_SECONDS)
        with (
            self._translate_errors(seconds),
            self._read_only(self._long) as connection,
            _cancelled_when(abandoned, connection),
        ):
            self._begin(connection, actor, limits)
            yield connection

    @contextmanager
    def session(self, actor: Actor) -> Iterator[Connection]:
        """As `read`, on the connections of sign-in: for the check at each run of a page that its session is live."""
        seconds = self.limits.page_seconds
        with self._translate_errors(seconds), self._read_only(self._sign_in) as connection:
            self._begin(connection, actor, _limits(statement=seconds))
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
        with self._translate_errors() as progress, self._sign_in.begin() as connection:
            connection.execute(BEGIN_ANONYMOUS, _request(Source.SQL) | _limits())
            yield connection
            progress.committing = True

    def apart(self, *, application: str) -> "Database":
        """The same database with the same login, and one connection that nobody else uses."""
        return Database(
            self.url.render_as_string(hide_password=False), application=application, pool_size=1, limits=self.limits
        )

    @contextmanager
    def owner_connection(self) -> Iterator[Connection]:
        """A plain connection, for migrations and maintenance that manage their own transactions."""
        with self._engine.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Closes the pooled connections."""
        for pool in (self._engine, self._sign_in, self._long):
            pool.dispose()

    @contextmanager
    def _read_only(self, pool: Engine) -> Iterator[Connection]:
        with pool.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    def _place(self, actor: Actor) -> AbstractContextManager[None]:
        """A place among the pages' connections, of which one browser has half at most."""
        if not isinstance(actor, SignedIn) or _has_place.get():
            return nullcontext()
        return self._place_of(actor.token)

    @contextmanager
    def _place_of(self, token: str) -> Iterator[None]:
        with self._pages.place(token, seconds=POOL_SECONDS):
            mark = _has_place.set(True)
            try:
                yield
            finally:
                _has_place.reset(mark)

    def _begin(
        self,
        connection: Connection,
        actor: Actor,
        limits: dict[str, str],
        operation: str | None = None,
        reason: str | None = None,
        source: Source | None = None,
    ) -> None:
        parameters = {"operation": _cut(operation), "reason": reason, "zone": self._zone}
        if isinstance(actor, SignedIn):
            parameters |= _request(Source.SQL, source)
            connection.execute(BEGIN, parameters | limits | {"token": actor.token})
            if actor.session_id is not None and actor.session_id != connection.execute(SESSION).scalar_one():
                raise SignedOut(SENTENCES["session_live"], rule="session_live")
        else:
            connection.execute(BEGIN_SYSTEM, parameters | _request(Source.SYSTEM, source))

    @contextmanager
    def _translate_errors(self, seconds: int | None = None) -> Iterator["_Progress"]:
        """Raises errors of the database as refusals; `seconds` is how long a statement may take."""
        progress = _Progress()
        try:
            yield progress
        except PoolTimeoutError as error:
            raise busy() from error
        except DBAPIError as error:
            if seconds is not None and isinstance(error.orig, psycopg.errors.QueryCanceled):
                raise _too_long(seconds) from error
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


def _limits(*, statement: int = 0, idle: int | None = None) -> dict[str, str]:
    """The parameters of SET_LIMITS, in seconds; a statement of 0 has no limit."""
    idle = IDLE_SECONDS if idle is None else idle
    return {"statement_limit": f"{statement}s", "lock_limit": f"{LOCK_SECONDS}s", "idle_limit": f"{idle}s"}


def _too_long(seconds: int) -> Refused:
    return Refused(
        f"This took longer than {seconds} seconds and was stopped. Choose a shorter period or a record type, or try "
        "again when less is going on.",
        rule="too_long",
    )


@contextmanager
def _cancelled_when(abandoned: Callable[[], bool] | None, connection: Connection) -> Iterator[None]:
    """Cancels the statements of the block in the database once `abandoned` returns true; then raises Abandoned."""
    if abandoned is None:
        yield
        return
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    ended, is_abandoned = threading.Event(), threading.Event()

    def look() -> None:
        while not ended.wait(CANCEL_SECONDS):
            if is_abandoned.is_set() or abandoned():
                is_abandoned.set()
                driver.cancel_safe(timeout=POOL_SECONDS)

    looker = threading.Thread(target=look, name="cancel", daemon=True)
    looker.start()
    try:
        yield
    except DBAPIError as error:
        if is_abandoned.is_set():
            raise Abandoned from error
        raise
    finally:
        ended.set()
        looker.join()
        if is_abandoned.is_set():
            # A cancellation that is still under way must not hit whoever gets the connection next.
            connection.invalidate()
    if is_abandoned.is_set():
        raise Abandoned


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
        "The database does not answer, or has no connection free. Nothing was saved; try again in a moment.",
        rule="database_unreachable",
    )


def _is_connection_error(error: DBAPIError) -> bool:
    """Whether the connection broke rather than a statement failed; psycopg then gives no SQLSTATE."""
    return error.connection_invalidated or (
        isinstance(error.orig, psycopg.OperationalError) and error.orig.sqlstate is None
    )
