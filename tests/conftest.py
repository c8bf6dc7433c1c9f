"""A real PostgreSQL, migrated to head once, cloned from a template per test.

The server is the embedded one; BACKSTITCH_TEST_SERVER (the URL of a superuser) names another, to run the
same tests on another version.
"""

import gc
import itertools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from backstitch import migrations
from backstitch.accounts import passwords, sessions, users
from backstitch.accounts.permissions import Role
from backstitch.database import Database, SignedIn
from backstitch.postgres import server as postgres_server
from backstitch.startup import conninfo

# Started in the background of a shell, the tests and what they start would ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# bcrypt at its real cost would be most of the time that signing in takes; test_passwords.py measures that one.
REAL_COST, passwords.COST = passwords.COST, 4

MEMORY = Path("/dev/shm")

APP_PASSWORD = "application-of-the-tests"
WATCH_PASSWORD = "watch-of-the-tests"
PASSWORD = "correct horse battery staple"
BROWSER = "browser-of-the-tests"
LIFETIME_HOURS = 24
LAST_OF_A_DAY = timedelta(seconds=20)


def pytest_collection_finish() -> None:
    """What the collection has made stays, so the garbage collector need not look at it again; as in app.py."""
    gc.collect()
    gc.freeze()


def email_of(role: Role) -> str:
    """Each role has one user in the template."""
    return f"{role.value}@example.com"


@pytest.fixture(autouse=True)
def within_a_day() -> None:
    """A test that would begin just before midnight begins after it: what it wrote today would become yesterday's."""
    for zone in (UTC, ZoneInfo("Asia/Kolkata")):
        now = datetime.now(zone)
        left = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), zone) - now
        if left < LAST_OF_A_DAY:
            time.sleep(left.total_seconds())


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The URL of a superuser on the server of this test run."""
    named = os.environ.get("BACKSTITCH_TEST_SERVER")
    if named:
        yield make_url(named).set(drivername="postgresql+psycopg")
        return
    home = tmp_path_factory.mktemp("server")
    # Nothing here must survive a power cut.
    with postgres_server.start(home, options={"fsync": "off", "full_page_writes": "off"}) as lease:
        yield make_url(lease.server.url("postgres"))
    # As root the data lie outside of pytest's folder, which nobody else would clear.
    shutil.rmtree(lease.server.data_dir.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def server(server_url: URL) -> Iterator[psycopg.Connection]:
    """A superuser's connection that makes databases and drops them."""
    with psycopg.connect(conninfo(server_url), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def tablespace(server: psycopg.Connection) -> Iterator[sql.Identifier]:
    """Where databases are made: in memory, if the server is ours to lead there.

    A database is hundreds of files, and some file systems are slow to make files where others were just deleted.
    """
    found = server.execute("select current_setting('data_directory'), 'tests_' || pg_backend_pid()").fetchone()
    assert found is not None
    owner = Path(found[0]).stat().st_uid if os.access(found[0], os.R_OK) else None
    if owner is None or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < 2 * 1024**3:
        yield sql.Identifier("pg_default")
        return
    name = sql.Identifier(found[1])
    with tempfile.TemporaryDirectory(prefix="backstitch-", dir=MEMORY) as folder:
        os.chown(folder, owner, -1)
        server.execute(sql.SQL("create tablespace {} location {}").format(name, sql.Literal(folder)))
        yield name
        server.execute(sql.SQL("drop tablespace {}").format(name))


@pytest.fixture(scope="session")
def template(server: psycopg.Connection, server_url: URL, tablespace: sql.Identifier) -> Iterator[str]:
    """The name of a migrated database with one signed-in user per role."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"template_{worker}_{os.getpid()}"
    server.execute(sql.SQL("create database {} tablespace {}").format(sql.Identifier(name), tablespace))
    prepare(server_url.set(database=name))
    yield name
    server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def prepare(url: URL) -> None:
    """Migrates an empty database and gives it a signed-in user per role."""
    owner = Database(url.render_as_string(hide_password=False))
    with owner.owner_connection() as connection:
        migrations.upgrade(connection)
        connection.exec_driver_sql(f"alter role backstitch_app password '{APP_PASSWORD}'")
        connection.exec_driver_sql(f"alter role backstitch_watch password '{WATCH_PASSWORD}'")
        for role in Role:
            users.create_user(
                connection,
                email=email_of(role),
                name=f"{role.value.title()} Rao",
                role=role,
                password=PASSWORD,
            )
        connection.exec_driver_sql(
            "insert into accounts.sessions (user_id, token_hash, address, expires_at) "
            "select id, sha256(convert_to(encode(sha256(convert_to(%s || e'\\n' || email, 'UTF8')), 'hex'), 'UTF8')), "
            "'192.0.2.7', now() + interval '1 day' from accounts.users",
            (BROWSER,),
        )
        connection.commit()
    owner.dispose()


@dataclass(frozen=True)
class Clone:
    """A database of its own for one test: as the application sees it, as the owner does, and as the watcher does."""

    url: URL
    app: Database
    owner: Database
    watch: Database

    def actor(self, role: Role) -> SignedIn:
        """The live session of the user with this role."""
        return sessions.actor(BROWSER, email_of(role))

    def superuser(self) -> psycopg.Connection:
        """A hand at psql: autocommit, application_name psql."""
        return psycopg.connect(conninfo(self.url), autocommit=True, application_name="psql")

    def application(self) -> psycopg.Connection:
        """SQL run as the application's login, without the library."""
        return psycopg.connect(
            conninfo(self.url.set(username="backstitch_app", password=APP_PASSWORD)), autocommit=True
        )

    def dispose(self) -> None:
        """Closes the pooled connections."""
        for database in (self.app, self.owner, self.watch):
            database.dispose()


def open_clone(url: URL) -> Clone:
    """A prepared database as its three logins see it."""

    def opened(login: str, password: str, **named: object) -> Database:
        of_login = url.set(username=login, password=password)
        return Database(of_login.render_as_string(hide_password=False), **named)  # type: ignore[arg-type]

    return Clone(
        url=url,
        app=opened("backstitch_app", APP_PASSWORD, zone=ZoneInfo("Asia/Kolkata")),
        owner=Database(url.render_as_string(hide_password=False), application="tests"),
        watch=opened("backstitch_watch", WATCH_PASSWORD, application="tests watch"),
    )


class Cloner:
    """Copies the template, and drops what it copied.

    A database is dropped when the next one has been made: right after a test its connections are still
    ending, and the server would look for them again only after a tenth of a second.
    """

    def __init__(self, server: psycopg.Connection, template: str) -> None:
        self._server, self._template = server, template
        self._names = (f"clone_{template}_{number}" for number in itertools.count())
        self._used: list[str] = []

    def make(self) -> str:
        """The name of a fresh copy."""
        name = next(self._names)
        # Without a disk to wait for, copying files is quicker than writing every page to the log.
        self._server.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(self._template)
            )
        )
        self.drop_used()
        return name

    def used(self, name: str) -> None:
        """A test has done with it."""
        self._used.append(name)

    def drop_used(self) -> None:
        """Drops what tests have done with."""
        for name in self._used:
            self._server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        self._used.clear()


@pytest.fixture(scope="session")
def cloner(server: psycopg.Connection, template: str) -> Iterator[Cloner]:
    """Copies of the template."""
    cloner = Cloner(server, template)
    yield cloner
    cloner.drop_used()


@contextmanager
def fresh_copy(server_url: URL, cloner: Cloner) -> Iterator[Clone]:
    """A copy of the template as a Clone, dropped some time after the block."""
    name = cloner.make()
    made = open_clone(server_url.set(database=name))
    yield made
    made.dispose()
    cloner.used(name)


@pytest.fixture
def clone(server_url: URL, cloner: Cloner) -> Iterator[Clone]:
    """A fresh copy of the template; committed changes of a test stay in it."""
    with fresh_copy(server_url, cloner) as made:
        yield made


@pytest.fixture(scope="module")
def kept_clone(server_url: URL, cloner: Cloner) -> Iterator[Clone]:
    """One copy for all tests of a module that commit nothing, since a copy costs more than most tests."""
    with fresh_copy(server_url, cloner) as made:
        yield made


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parents[1]
