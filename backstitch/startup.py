"""From settings to a running service: the server, the migrations, the application's login.

Two logins take part. The owner's (DATABASE_URL, or the embedded server's superuser) migrates and runs
maintenance. The application itself connects as backstitch_app, which owns nothing. When DATABASE_URL
already names backstitch_app, nothing is migrated: the database must be up to date.
"""

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from backstitch import embedded, migrations
from backstitch.database import Database
from backstitch.errors import StartError
from backstitch.settings import Settings

log = logging.getLogger(__name__)

APPLICATION_LOGIN = "backstitch_app"
DATABASE_NAME = "backstitch"
OLDEST_SERVER = 15


@dataclass(frozen=True)
class Service:
    """A running Backstitch: `database` is the application's, `owner_url` the owner's where it is known."""

    settings: Settings
    database: Database
    owner_url: URL | None


_current: Service | None = None


def use(service: Service | None) -> None:
    """Makes `service` the one that the pages and the downloads of this process work with."""
    global _current
    _current = service


def current() -> Service:
    """The running service of this process; raises StartError before it has started."""
    if _current is None:
        raise StartError("Backstitch is not running; start it with `make run`.")
    return _current


@contextmanager
def running(settings: Settings, *, application: str = "backstitch") -> Iterator[Service]:
    """Starts what is needed and stops it at the end of the block. Raises StartError with a sentence."""
    with owner(settings) as owner_url:
        is_owner = owner_url.username != APPLICATION_LOGIN
        if is_owner:
            _migrate(owner_url)
            url = _application_url(owner_url, settings)
        else:
            _require_newest(owner_url)
            url = owner_url
        database = Database(url.render_as_string(hide_password=False), application=application)
        service = Service(settings, database, owner_url if is_owner else None)
        use(service)
        try:
            yield service
        finally:
            use(None)
            database.dispose()


@contextmanager
def owner(settings: Settings) -> Iterator[URL]:
    """The URL of DATABASE_URL's login, or of the embedded server, which runs as long as the block."""
    prepare_home(settings.home)
    if settings.database_url is not None:
        yield _checked(_parsed(settings.database_url))
        return
    try:
        with embedded.start(settings.home) as lease:
            _create_database(lease.server.conninfo())
            yield _checked(make_url(lease.server.url(DATABASE_NAME)))
    except embedded.EmbeddedServerError as error:
        raise StartError(str(error)) from error


def prepare_home(home: Path) -> None:
    """Makes the folder of this installation, readable by this account only."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / "secrets").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartError(
            f"Cannot write to {home} ({error.strerror}); set BACKSTITCH_HOME to a folder that you may write to."
        ) from error


def secret(home: Path, name: str) -> str:
    """The secret `name` of this installation: 32 random bytes as text, made at first use, mode 0600."""
    path = home / "secrets" / name
    if not path.exists():
        fresh = path.with_name(f".{name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(32), encoding="ascii")
        # A link appears whole or not at all, and never replaces what another process made first.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text(encoding="ascii")


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or not parsed.drivername.startswith("postgres"):
        raise StartError(
            "DATABASE_URL is not a PostgreSQL URL; it looks like postgresql://user:password@host:5432/database."
        )
    return parsed.set(drivername="postgresql+psycopg")


def conninfo(url: URL) -> str:
    """The same URL as libpq reads it; rendered as a URL, a password with a space would be refused."""
    query = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    return make_conninfo("", **url.translate_connect_args(username="user", database="dbname"), **query)


def _checked(url: URL) -> URL:
    """The same URL, once a connection has shown that the server is there and recent enough."""
    where = url.render_as_string(hide_password=True)
    try:
        with psycopg.connect(conninfo(url), connect_timeout=10) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1]
        raise StartError(f"Cannot connect to {where}: {reason}; check DATABASE_URL and the server.") from error
    if version < OLDEST_SERVER:
        raise StartError(f"The server at {where} is PostgreSQL {version}; Backstitch needs {OLDEST_SERVER} or newer.")
    return url


def _create_database(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        known = connection.execute("select from pg_database where datname = %s", [DATABASE_NAME]).fetchone()
        if known is None:
            try:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE_NAME)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                log.info("another process created the database at the same moment")


def _migrate(url: URL) -> None:
    database = Database(url.render_as_string(hide_password=False), application="backstitch migrate", pool_size=1)
    try:
        with database.owner_connection() as connection:
            migrations.upgrade(connection)
    except OperationalError as error:
        raise StartError(
            f"The database could not be brought up to date: {str(error.orig).splitlines()[0]}; "
            "nothing was changed, start again when the database is free."
        ) from error
    except DBAPIError as error:
        raise StartError(
            f"The database could not be brought up to date: {str(error.orig).splitlines()[0]}; "
            "DATABASE_URL must name a login that may create roles and schemas, or backstitch_app."
        ) from error
    finally:
        database.dispose()


def _require_newest(url: URL) -> None:
    database = Database(url.render_as_string(hide_password=False), pool_size=1)
    try:
        with database.owner_connection() as connection:
            current = migrations.current_revision(connection)
    finally:
        database.dispose()
    if current != migrations.newest_revision():
        raise StartError(
            "The database is not up to date; run `python -m backstitch migrate` with DATABASE_URL set to a login "
            "that may create roles and schemas."
        )


def _application_url(owner_url: URL, settings: Settings) -> URL:
    """The URL of backstitch_app; sets its password on the server where it differs."""
    password = os.environ.get("BACKSTITCH_APP_PASSWORD") or secret(settings.home, "application_login")
    url = owner_url.set(username=APPLICATION_LOGIN, password=password)
    try:
        psycopg.connect(conninfo(url), connect_timeout=10).close()
    except psycopg.OperationalError:
        with psycopg.connect(conninfo(owner_url)) as connection:
            hashed = connection.pgconn.encrypt_password(password.encode(), APPLICATION_LOGIN.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("alter role {} password {}").format(
                    sql.Identifier(APPLICATION_LOGIN), sql.Literal(hashed.decode())
                )
            )
    return url
