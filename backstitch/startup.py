"""Starts a service from its settings: the server, the migrations, the logins of the application and of the watcher.

Three logins take part. The owner's (DATABASE_URL, or the embedded server's superuser) migrates and runs maintenance.
The application itself connects as backstitch_app, which owns nothing. Who judges the trail reads it as
backstitch_watch. When DATABASE_URL already names backstitch_app, nothing is migrated: the database must be up to date.
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import psycopg
from alembic.util import CommandError
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from backstitch import doctor, installation, migrations
from backstitch.audit import eras, fingerprint
from backstitch.audit.eras import Takeover
from backstitch.database import Database, System
from backstitch.errors import Refused, StartError
from backstitch.postgres import server as postgres_server
from backstitch.request import Source, door
from backstitch.settings import Settings

log = logging.getLogger(__name__)

APPLICATION_LOGIN = "backstitch_app"
WATCH_LOGIN = "backstitch_watch"
# The owner of everything, whose settings are its administrator's, comes first.
ROLES = (
    "backstitch_owner",
    "backstitch_admin",
    "backstitch_manager",
    "backstitch_analyst",
    "backstitch_viewer",
    APPLICATION_LOGIN,
    WATCH_LOGIN,
)
DATABASE_NAME = "backstitch"
OLDEST_SERVER = 15
WATCH_CONNECTIONS = 5
LACKS_LIMIT = "select 1 from pg_roles where rolname = %s and rolconnlimit <> %s"

# A database of the first revision has no login that watches; the next one makes it.
MISSING_ROLES = """
    select array_agg(r.name order by r.place)
    from unnest(%s::text[]) with ordinality r (name, place)
    where to_regnamespace('audit') is not null and to_regrole(r.name) is null
"""
FIRST_REVISION = "select from public.alembic_version where version_num = '0001'"
# What every session of the database begins with, unless it says otherwise.
KEPT_SETTINGS = text(
    """
    select setconfig from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
    where d.datname = current_database() and s.setrole = 0
    """
)
# What was set for a role, everywhere or in this database.
ROLE_SETTINGS = text(
    """
    select r.rolname, case when s.setdatabase = 0 then '' else format(' in database %I', d.datname) end, s.setconfig
    from pg_db_role_setting s
    join pg_roles r on r.oid = s.setrole
    join pg_database d on d.datname = current_database()
    where r.rolname = any (:roles) and s.setdatabase in (0, d.oid)
    order by 1, 2
    """
)
PLAIN = {"no_parameters": True}  # a name may have a percent sign
# A DDL statement takes no parameters.
SET_ZONE = """
    do $$ begin
        execute format('alter database %I set timezone to %L', current_database(), current_setting('backstitch.zone'));
    end $$
"""


@dataclass(frozen=True)
class Service:
    """A running Backstitch: `database` is the application's, `owner_url` the owner's where it is known.

    `watch` connects as backstitch_watch, which reads the raw trail and writes nothing; None where its password is not
    known (DATABASE_URL names backstitch_app and BACKSTITCH_WATCH_PASSWORD is not set), and for a restored database that
    is left as it is. `lease` is the hold on the
    embedded server; None where DATABASE_URL names another.
    """

    settings: Settings
    database: Database
    owner_url: URL | None
    lease: postgres_server.Lease | None = None
    watch: Database | None = None

    def look_ahead(self) -> None:
        """Makes the trail's months ahead and records the fingerprint, if the owner is known. The app calls it daily."""
        if self.owner_url is not None:
            _make_partitions(self.owner_url)
            _record_fingerprint(self.owner_url)

    def revive(self) -> bool:
        """Brings the embedded server back if it died; returns whether it runs. The app calls it every few seconds."""
        try:
            if self.lease is not None and self.lease.revive():
                log.warning("The database had stopped and was started again.")
        except postgres_server.EmbeddedServerError:
            return False  # logged there, with what is behind it
        return True


_current: Service | None = None


def use(service: Service | None) -> None:
    """Sets the service of this process, which `current` returns to pages and downloads."""
    global _current
    _current = service


def current() -> Service:
    """The running service of this process; raises StartError before it has started."""
    if _current is None:
        raise StartError("Backstitch is not running; start it with `make run`.")
    return _current


@contextmanager
def running(
    settings: Settings,
    *,
    application: str = "backstitch",
    examined: bool = True,
    reapply: bool = False,
    takes_over: bool = True,
    takeover: Takeover | None = None,
) -> Iterator[Service]:
    """Starts what is needed and stops it at the end of the block. Raises StartError with a sentence.

    Without `examined` it starts even where the doctor finds that the trail would not be complete. `reapply` applies
    the code of the database again although its hashes are right. A restored database is verified and taken over, with
    what the caller knows of it in `takeover`; where `takes_over` is false it is left as it is.
    """
    with _server(settings) as (owner_url, lease):
        installation.cookie_key(settings)  # made now: a folder that cannot keep it must not wait for the first sign-in
        is_owner = owner_url.username != APPLICATION_LOGIN
        watch_url: URL | None
        if is_owner:
            left_alone = not takes_over and is_restored(owner_url)
            if not left_alone:
                _bring_up_to_date(owner_url, settings.timezone, reapply=reapply, takeover=takeover)
                _limit_connections(owner_url, settings)
            url = _login_url(owner_url, APPLICATION_LOGIN, _password(settings, APPLICATION_LOGIN))
            # A database of an earlier version may not know the login that watches.
            watch_url = None if left_alone else _login_url(owner_url, WATCH_LOGIN, _password(settings, WATCH_LOGIN))
        else:
            _require_current(owner_url)
            url = owner_url
            watch_url = _known_watch_url(settings, owner_url)
        database = Database(
            url.render_as_string(hide_password=False),
            application=application,
            zone=settings.timezone,
            limits=settings.limits,
        )
        watch = _watch(watch_url, application) if watch_url else None
        service = Service(settings, database, owner_url if is_owner else None, lease, watch)
        use(service)
        try:
            with database.anonymous() as connection:
                _require_zone(connection, settings.timezone)
                if examined:
                    doctor.require_sound(connection, watch=watch)
            yield service
        finally:
            use(None)
            database.dispose()
            if watch is not None:
                watch.dispose()


@contextmanager
def owner(settings: Settings, *, whole: bool = True) -> Iterator[URL]:
    """The URL of DATABASE_URL's login, or of the embedded server, which runs as long as the block.

    Unless `whole` is false, raises StartError for a database that was restored without the roles of Backstitch.
    """
    with _server(settings, whole=whole) as (url, _):
        yield url


def is_restored(url: URL) -> bool:
    """Whether the database was restored or moved to where it is, and nobody has taken it over yet. Owner only."""
    with _owner_connection(url) as connection:
        known = migrations.current_revision(connection) is not None and migrations.keeps_hashes(connection)
        return known and eras.is_away(connection)


def missing_roles(url: URL) -> list[str]:
    """The roles of Backstitch that a database of it lacks: it was restored on a server that does not have them."""
    with psycopg.connect(conninfo(url)) as connection:
        found = connection.execute(MISSING_ROLES, [list(ROLES)]).fetchone()
        missing = list(found[0] or []) if found else []
        if missing == [WATCH_LOGIN] and connection.execute(FIRST_REVISION).fetchone():
            return []
    return missing


def roles_sentence(missing: Sequence[str]) -> str:
    """What to do about a database without these roles."""
    return (
        f"The database was restored on a server without the roles {', '.join(missing)}, so what belongs to them is not "
        "as it was. Restore it again into an empty database with `python -m backstitch restore`, which makes them; "
        "for a dump of your own, docs/operations.md says how to make them first."
    )


def recreate_database(owner_url: URL, *, zone: ZoneInfo) -> None:
    """Drops the embedded server's database with all that is in it, and makes it anew as a start does."""
    try:
        with psycopg.connect(conninfo(owner_url.set(database="postgres")), autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(owner_url.database or ""))
            )
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(owner_url.database or "")))
    except psycopg.Error as error:
        raise StartError(
            f"The database could not be made anew: {_reason(error)}; see postgres.log and start again."
        ) from error
    _bring_up_to_date(owner_url, zone)


@contextmanager
def _server(settings: Settings, *, whole: bool = True) -> Iterator[tuple[URL, postgres_server.Lease | None]]:
    installation.prepare_home(settings.home)
    if settings.database_url is not None:
        yield _checked(_parsed(settings.database_url), whole=whole), None
        return
    try:
        with postgres_server.start(settings.home) as lease:
            _create_database(lease.server.conninfo())
            yield _checked(make_url(lease.server.url(DATABASE_NAME)), whole=whole), lease
    except postgres_server.EmbeddedServerError as error:
        raise StartError(str(error)) from error


def allow_single_sign_on(service: Service, *, allowed: bool) -> None:
    """Allows the application to sign users in on the word of an identity provider, or stops allowing it.

    Only the owner's login can; without it the database stays as it is.
    """
    if service.owner_url is None:
        return
    with _owner_connection(service.owner_url) as connection, connection.begin():
        connection.execute(text("set local role backstitch_owner"))
        connection.execute(text("delete from runtime.single_sign_on"))
        if allowed:
            connection.execute(
                text("insert into runtime.single_sign_on (secret_hash) values (:hash)"),
                {"hash": hashlib.sha256(installation.single_sign_on_key(service.settings).encode()).digest()},
            )


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
    """The connection string of a URL for libpq, which refuses a URL whose password has a space."""
    query = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    return make_conninfo("", **url.translate_connect_args(username="user", database="dbname"), **query)


def _checked(url: URL, *, whole: bool = False) -> URL:
    """Returns the URL after it has connected and checked the version of the server, and its roles if `whole`."""
    where = url.set(drivername="postgresql").render_as_string(hide_password=True)
    try:
        with psycopg.connect(conninfo(url), connect_timeout=10) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        raise StartError(f"Cannot connect to {where}: {_reason(error)}; check DATABASE_URL and the server.") from error
    if version < OLDEST_SERVER:
        raise StartError(f"The server at {where} is PostgreSQL {version}; Backstitch needs {OLDEST_SERVER} or newer.")
    if whole and (missing := missing_roles(url)):
        raise StartError(roles_sentence(missing))
    return url


def _reason(error: BaseException | None) -> str:
    """The cause in an error of the server, without the address and without libpq's second line, a question."""
    return re.split(r"(?:failed|FATAL|ERROR): +", str(error).strip().partition("\n")[0])[-1]


def _create_database(conninfo: str) -> None:
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            known = connection.execute("select from pg_database where datname = %s", [DATABASE_NAME]).fetchone()
            if known is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE_NAME)))
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        pass  # another process created it at the same moment
    except psycopg.Error as error:
        raise StartError(
            f"The database could not be created: {_reason(error)}; see postgres.log and start again."
        ) from error


def _bring_up_to_date(url: URL, zone: ZoneInfo, *, reapply: bool = False, takeover: Takeover | None = None) -> None:
    """Migrates the database, makes the trail's partitions of the months ahead, and sets its settings right."""
    _migrate(url, reapply=reapply, takeover=takeover)
    _reset_settings(url)
    _make_partitions(url)
    _keep_zone(url, zone)
    _record_fingerprint(url)


def _migrate(url: URL, *, reapply: bool, takeover: Takeover | None) -> None:
    with _owner_connection(url) as connection:
        try:
            migrations.upgrade(connection, reapply=reapply, takeover=takeover)
        except OperationalError as error:
            raise StartError(
                f"The database could not be brought up to date: {_reason(error.orig)}; "
                "nothing was changed, start again when the database is free."
            ) from error
        except DBAPIError as error:
            raise StartError(
                f"The database could not be brought up to date: {_reason(error.orig)}; nothing was changed. "
                + _way_out(error.orig)
            ) from error
        except CommandError as error:
            # Alembic does not know the database's revision.
            raise StartError(
                "The database belongs to a newer version of Backstitch; install that one, or use another database."
            ) from error


def _way_out(error: BaseException | None) -> str:
    """What to do about a statement of a migration that failed."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        if str(error).startswith("must be owner of"):
            return "It belongs to another role: `python -m backstitch doctor` lists what to do about that first."
        return "DATABASE_URL must name a login that may do this, such as the database's owner, or backstitch_app."
    if isinstance(error, psycopg.errors.InvalidFunctionDefinition | psycopg.errors.InvalidTableDefinition):
        # Somebody has replaced it by hand with one of another result, which PostgreSQL does not replace again.
        return (
            "Drop the function or view of another result (`python -m backstitch doctor` names it) as backstitch_owner, "
            "with the views and policies that hang on it; then run: python -m backstitch migrate --reapply"
        )
    return "Somebody has changed this database by hand; compare it with a fresh one, or restore it from a backup."


def _make_partitions(url: URL) -> None:
    """Makes the trail's partitions of the months ahead. If it cannot, the doctor warns, and no record is lost."""
    try:
        with _owner_connection(url) as connection, connection.begin():
            connection.execute(text("set local role backstitch_owner"))
            connection.execute(text("set local lock_timeout = '5s'"))
            connection.execute(text("select audit.make_partitions()"))
    except DBAPIError as error:
        log.warning("The trail's next partitions could not be made: %s.", _reason(error.orig))


def _record_fingerprint(url: URL) -> None:
    """Puts the fingerprint of code, tables, rights and roles on the record: daily, and when it has changed."""
    database = Database(url.render_as_string(hide_password=False), pool_size=1)
    try:
        with door(Source.SYSTEM), database.transaction(System(), operation="take the fingerprint") as connection:
            fingerprint.record(connection)
    except (DBAPIError, Refused) as error:
        # What keeps it from being recorded is for the doctor to name.
        cause = _reason(error.orig) if isinstance(error, DBAPIError) else str(error).rstrip(".")
        log.warning("The fingerprint of the database could not be recorded: %s.", cause)
    finally:
        database.dispose()


def _keep_zone(url: URL, zone: ZoneInfo) -> None:
    """Sets the time zone of the database, so that a row typed into psql is dated with the business's day."""
    try:
        with _owner_connection(url) as connection, connection.begin():
            kept = connection.execute(KEPT_SETTINGS).scalar_one_or_none() or []
            if f"TimeZone={zone.key}" not in kept:
                connection.execute(text("select set_config('backstitch.zone', :zone, true)"), {"zone": zone.key})
                connection.exec_driver_sql(SET_ZONE, execution_options={"no_parameters": True})
    except DBAPIError as error:
        # Not the database's owner, or a zone that the server does not know, which _require_zone says.
        log.warning(
            "The time zone of the database could not be set: %s. Rows typed into psql take the day of its session.",
            _reason(error.orig),
        )


def _reset_settings(url: URL) -> None:
    """Takes away what somebody has set for the roles of Backstitch, and says so: such settings can stop its work."""
    with _owner_connection(url) as connection:
        found = connection.execute(ROLE_SETTINGS, {"roles": list(ROLES[1:])}).all()
        connection.rollback()
        for role, place, set_to in found:
            try:
                with connection.begin():
                    connection.exec_driver_sql(f"alter role {role}{place} reset all", execution_options=PLAIN)
                log.warning("Settings of the role %s%s were reset: %s.", role, place, ", ".join(set_to))
            except DBAPIError as error:
                log.warning("Settings of the role %s could not be reset: %s.", role, _reason(error.orig))


def _require_current(url: URL) -> None:
    with _owner_connection(url) as connection:
        try:
            current = migrations.is_current(connection)
        except (DBAPIError, CommandError):
            current = False  # backstitch_app may not read what it was never granted; or there is more than one revision
    if not current:
        raise StartError(
            "The database is not up to date; run `python -m backstitch migrate` with DATABASE_URL set to a login "
            "that may create roles and schemas."
        )


def _require_zone(connection: Connection, zone: ZoneInfo) -> None:
    """Refuses a zone that the server does not know: Python and PostgreSQL have lists of their own."""
    try:
        connection.execute(text("select set_config('TimeZone', :zone, true)"), {"zone": zone.key})
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InvalidParameterValue):
            raise
        raise StartError(
            f"The database's server does not know the time zone {zone.key}; set BACKSTITCH_TIMEZONE to a name that it "
            "knows, such as Asia/Kolkata."
        ) from error


@contextmanager
def _owner_connection(url: URL) -> Iterator[Connection]:
    database = Database(url.render_as_string(hide_password=False), application="backstitch migrate", pool_size=1)
    try:
        with database.owner_connection() as connection:
            yield connection
    finally:
        database.dispose()


def watcher(settings: Settings, url: URL, application: str) -> Database | None:
    """Connections of backstitch_watch where `url` is the application's and the settings have its password.

    With any other login the doctor needs none: it reads the trail as that one. The caller disposes of it.
    """
    watch_url = _known_watch_url(settings, url) if url.username == APPLICATION_LOGIN else None
    return _watch(watch_url, application) if watch_url else None


def _known_watch_url(settings: Settings, url: URL) -> URL | None:
    password = settings.watch_password
    return url.set(username=WATCH_LOGIN, password=password) if password else None


def _watch(url: URL, application: str) -> Database:
    """The watcher's connections, which take nothing of the pool from which pages are served."""
    return Database(url.render_as_string(hide_password=False), application=f"{application} watch", pool_size=1)


def _password(settings: Settings, login: str) -> str:
    """The password of a login of Backstitch: that of the settings, or this installation's own."""
    if login == APPLICATION_LOGIN:
        return settings.app_password or installation.secret(settings.home, "application_login")
    return settings.watch_password or installation.secret(settings.home, "watch_login")


def _login_url(owner_url: URL, login: str, password: str) -> URL:
    """The URL of a login of Backstitch; sets its password on the server if the server has another."""
    url = owner_url.set(username=login, password=password)
    try:
        psycopg.connect(conninfo(url), connect_timeout=10).close()
    except psycopg.OperationalError:
        _set_password(owner_url, login, password)
        _checked(url)
    return url


def _limit_connections(owner_url: URL, settings: Settings) -> None:
    """Limits how many connections each login of Backstitch may have, so that some are left for others.

    That of the application: four fifths of the server's, but what one app needs at least; or as the settings say.
    """
    try:
        with psycopg.connect(conninfo(owner_url)) as connection:
            connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [APPLICATION_LOGIN])
            found = connection.execute("select current_setting('max_connections')::int").fetchone()
            share = (found[0] if found else 0) * 4 // 5
            wanted = {
                APPLICATION_LOGIN: settings.app_connections or max(share, settings.limits.connections),
                WATCH_LOGIN: WATCH_CONNECTIONS,
            }
            for login, most in wanted.items():
                if connection.execute(LACKS_LIMIT, [login, most]).fetchone():
                    connection.execute(
                        sql.SQL("alter role {} connection limit {}").format(sql.Identifier(login), sql.Literal(most))
                    )
    except psycopg.Error as error:
        log.warning(
            "The connections of %s could not be limited: %s. It can take all that the server has.",
            APPLICATION_LOGIN,
            _reason(error),
        )


def _set_password(owner_url: URL, login: str, password: str) -> None:
    try:
        with psycopg.connect(conninfo(owner_url)) as connection:
            # Two starts at once would meet in the same row, which PostgreSQL refuses with an internal error.
            connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [login])
            hashed = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(login), sql.Literal(hashed.decode()))
            )
    except psycopg.Error as error:
        variable = "BACKSTITCH_APP_PASSWORD" if login == APPLICATION_LOGIN else "BACKSTITCH_WATCH_PASSWORD"
        raise StartError(
            f"The password of {login} could not be set: {_reason(error)}; "
            f"set {variable} to the one it has, or DATABASE_URL to a login that may change it."
        ) from error
