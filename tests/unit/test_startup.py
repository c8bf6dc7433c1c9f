"""From settings to a running service, on real servers; what prevents it is one sentence."""

import io
import multiprocessing
import os
import secrets
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url, text

from backstitch import installation, settings, startup
from backstitch.accounts import sessions, users
from backstitch.accounts.permissions import Role
from backstitch.database import Database, System
from backstitch.errors import StartError
from backstitch.postgres import server as postgres_server
from backstitch.queues import Limits
from backstitch.settings import Settings
from backstitch.startup import Service
from tests import homes
from tests.conftest import APP_PASSWORD, PASSWORD, WATCH_PASSWORD, Clone
from tests.unit.postgres.processes import in_child, kill_server

NO_RULES = b"TZif" + bytes(32) + bytes([0, 0, 0, 1, 0, 0, 0, 4]) + bytes(6) + b"UTC\0"
MUST_MIGRATE = (
    "The database is not up to date; run `python -m backstitch migrate` with DATABASE_URL set to a login "
    "that may create roles and schemas."
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    homes.clear(tmp_path / "home")


@pytest.fixture
def known_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles are the server's: start-up would otherwise set another password, for every test's application."""
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", APP_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_WATCH_PASSWORD", WATCH_PASSWORD)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A server for this module, whose roles may come and go."""
    home = tmp_path_factory.mktemp("startup")
    with postgres_server.start(home, options={"fsync": "off", "full_page_writes": "off"}) as lease:
        yield make_url(lease.server.url())
    homes.clear(home)


@pytest.fixture
def bare(own_server: URL) -> Iterator[URL]:
    """The URL of an empty database on a server without Backstitch's roles; its owner may create roles, no more."""
    with psycopg.connect(startup.conninfo(own_server), autocommit=True) as superuser:
        superuser.execute("create role shop_owner login createrole password 'of the shop'")
        superuser.execute("create database shop owner shop_owner")
        yield own_server.set(database="shop", username="shop_owner", password="of the shop")
        superuser.execute("drop database shop with (force)")
        for role in (*startup.ROLES, "shop_owner"):
            superuser.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


def configured(home: Path, url: URL | str | None = None) -> Settings:
    given = url.render_as_string(hide_password=False) if isinstance(url, URL) else url
    passwords = {name: os.environ.get(name, "") for name in ("BACKSTITCH_APP_PASSWORD", "BACKSTITCH_WATCH_PASSWORD")}
    return settings.load({"BACKSTITCH_HOME": str(home), "DATABASE_URL": given or "", **passwords})


def refusal(home: Path, url: URL | str | None = None) -> str:
    with pytest.raises(StartError) as caught, startup.running(configured(home, url)):
        pass
    return str(caught.value)


def shown(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def at_once(work: Callable[[], Any], times: int) -> list[Any]:
    """What `work` returns, or the error it raises, in that many processes that start together."""
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(times), context.Queue()

    def run() -> None:
        barrier.wait()
        try:
            answers.put(work())
        except BaseException as error:
            answers.put(repr(error))

    processes = [context.Process(target=run) for _ in range(times)]
    for process in processes:
        process.start()
    collected = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    return collected


# --- what runs --------------------------------------------------------------------------------------------


def login(service: Service) -> tuple[Any, ...]:
    """Whom the application is to the server, and whether it is more than that."""
    with service.database.anonymous() as connection:
        row = connection.execute(
            text("select current_user, rolsuper or rolcreaterole from pg_roles where rolname = current_user")
        ).one()
    return tuple(row)


def stored_password(service: Service) -> str:
    assert service.owner_url is not None
    with psycopg.connect(startup.conninfo(service.owner_url)) as connection:
        row = connection.execute("select rolpassword from pg_authid where rolname = 'backstitch_app'").fetchone()
    assert row is not None
    return str(row[0])


def test_the_application_password_is_set_at_the_first_start_and_kept_at_the_next(home: Path) -> None:
    with startup.running(configured(home)) as service:
        assert startup.current() is service
        assert login(service) == ("backstitch_app", False)
        first = stored_password(service)
        assert first.startswith("SCRAM-SHA-256$")
        key = home / "secrets" / "cookie_key"
        assert (len(key.read_text()), stat.S_IMODE(key.stat().st_mode)) == (43, 0o600)
    with startup.running(configured(home)) as service:
        assert login(service) == ("backstitch_app", False)
        assert stored_password(service) == first
    with pytest.raises(StartError, match=r"Backstitch is not running; start it with `make run`\."):
        startup.current()


def connection_limits(service: startup.Service) -> dict[str, int]:
    with service.database.anonymous() as connection:
        rows = connection.execute(text("select rolname, rolconnlimit from pg_roles where rolname like 'backstitch%'"))
        return {name: limit for name, limit in rows if limit != -1}


def test_a_start_leaves_other_logins_a_place_on_the_server(home: Path) -> None:
    with startup.running(configured(home)) as service:
        with service.database.anonymous() as connection:
            most = int(connection.execute(text("show max_connections")).scalar_one())
        assert connection_limits(service) == {"backstitch_app": most * 4 // 5, "backstitch_watch": 5}
    with startup.running(replace(configured(home), app_connections=50)) as service:
        assert connection_limits(service) == {"backstitch_app": 50, "backstitch_watch": 5}
    greedy = Limits(heavy_at_once=most, exports_at_once=1)
    with startup.running(replace(configured(home), limits=greedy)) as service:
        assert connection_limits(service)["backstitch_app"] == greedy.connections == most + 26


def test_a_lost_application_password_is_made_anew(home: Path, bare: URL) -> None:
    with startup.running(configured(home, bare)):
        pass
    (home / "secrets" / "application_login").unlink()
    with startup.running(configured(home, bare)) as service:
        assert login(service) == ("backstitch_app", False)


def test_two_starts_at_once_on_an_empty_home_both_succeed(home: Path) -> None:
    def start() -> tuple[Any, ...]:
        with startup.running(configured(home)) as service:
            return login(service)

    assert at_once(start, 2) == [("backstitch_app", False)] * 2


def test_four_starts_at_once_on_an_empty_database_all_succeed(home: Path, bare: URL) -> None:
    def start() -> tuple[Any, ...]:
        with startup.running(configured(home, bare)) as service:
            return login(service)

    assert at_once(start, 4) == [("backstitch_app", False)] * 4


def test_an_owner_who_may_create_roles_needs_no_superuser(home: Path, bare: URL) -> None:
    with startup.running(configured(home, bare)) as service:
        owner = Database(bare.render_as_string(hide_password=False))
        with owner.transaction(System(), operation="create admin") as connection:
            users.create_user(
                connection, email="asha@example.com", name="Asha", role=Role.ADMIN, password=PASSWORD, cost=4
            )
        owner.dispose()
        browser = sessions.Browser(secrets.token_urlsafe(32))
        assert sessions.sign_in(
            service.database,
            email="asha@example.com",
            password=PASSWORD,
            browser=browser,
            lifetime=timedelta(hours=1),
        )
        with service.database.read(sessions.actor(browser.secret, "asha@example.com")) as connection:
            user = sessions.current_user(connection)
    assert user is not None and user.role is Role.ADMIN


@pytest.mark.usefixtures("known_password")
def test_the_applications_own_login_starts_on_a_database_that_is_up_to_date(home: Path, clone: Clone) -> None:
    with startup.running(configured(home, clone.app.url)) as service:
        assert service.owner_url is None and service.lease is None
        assert service.revive() is True
        assert login(service) == ("backstitch_app", False)
        with service.database.read(clone.actor(Role.VIEWER)) as connection:
            assert connection.execute(text("show timezone")).scalar() == "Asia/Kolkata"
    # The least that a file of a zone can be: no rules, UTC.
    unknown = ZoneInfo.from_file(io.BytesIO(NO_RULES), key="Mars/Olympus")
    elsewhere = replace(configured(home, clone.app.url), timezone=unknown)
    with pytest.raises(StartError) as caught, startup.running(elsewhere):
        pass
    assert str(caught.value) == (
        "The database's server does not know the time zone Mars/Olympus; set BACKSTITCH_TIMEZONE to a name that it "
        "knows, such as Asia/Kolkata."
    )


def test_a_server_that_cannot_be_brought_back_is_logged_and_tried_again(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with postgres_server.start(home, {"fsync": "off"}) as lease:
        service = Service(configured(home), Database(lease.server.url()), None, lease)
        kill_server(lease.server)
        needed = lease.server.data_dir / "postgresql.conf"
        needed.rename(needed.with_suffix(".away"))
        assert service.revive() is False
        assert [(record.name, record.levelname) for record in caplog.records] == [("backstitch.postgres", "ERROR")]
        assert "postgresql.conf" in caplog.text
        needed.with_suffix(".away").rename(needed)
        assert service.revive() is True
        assert caplog.records[-1].message == "The database had stopped and was started again."
        service.database.dispose()


# --- refusals, a sentence each ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["shop", "mysql://shop@localhost/shop", "sqlite:///shop.db", "postgresql://shop@localhost:port/shop"]
)
def test_a_url_of_something_else_is_refused(home: Path, url: str) -> None:
    assert refusal(home, url) == (
        "DATABASE_URL is not a PostgreSQL URL; it looks like postgresql://user:password@host:5432/database."
    )


def test_an_unknown_host_is_refused(home: Path) -> None:
    sentence = refusal(home, "postgres://shop:secret@nowhere.invalid/shop")
    assert sentence.startswith("Cannot connect to postgresql://shop:***@nowhere.invalid/shop: failed to resolve host ")
    assert sentence.endswith("; check DATABASE_URL and the server.") and "\n" not in sentence


def test_a_wrong_password_is_refused(home: Path, own_server: URL) -> None:
    url = own_server.set(password="guess")
    assert refusal(home, url) == (
        f'Cannot connect to {shown(url)}: password authentication failed for user "postgres"; '
        "check DATABASE_URL and the server."
    )


def test_a_missing_database_is_refused(home: Path, own_server: URL) -> None:
    url = own_server.set(database="nothing")
    assert refusal(home, url) == (
        f'Cannot connect to {shown(url)}: database "nothing" does not exist; check DATABASE_URL and the server.'
    )


def test_a_port_on_which_nobody_listens_is_refused(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusal(home, f"postgresql://shop:secret@127.0.0.1:{port}/shop") == (
        f"Cannot connect to postgresql://shop:***@127.0.0.1:{port}/shop: Connection refused; "
        "check DATABASE_URL and the server."
    )


def test_a_server_that_is_not_postgresql_is_refused(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            while True:
                try:
                    with listener.accept()[0] as caller:
                        caller.recv(1000)
                        caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                except OSError:
                    return

        web_server = threading.Thread(target=answer)
        web_server.start()
        sentence = refusal(home, f"postgresql://shop:secret@127.0.0.1:{port}/shop?sslmode=prefer")
        listener.shutdown(socket.SHUT_RDWR)
        web_server.join()
    assert sentence.startswith(f"Cannot connect to postgresql://shop:***@127.0.0.1:{port}/shop?sslmode=prefer: ")
    assert sentence.endswith("; check DATABASE_URL and the server.") and "\n" not in sentence


def test_too_old_a_server_is_refused(home: Path, own_server: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(startup.conninfo(own_server)) as connection:
        version = connection.info.server_version // 10000
    monkeypatch.setattr(startup, "OLDEST_SERVER", version + 1)
    assert refusal(home, own_server) == (
        f"The server at {shown(own_server)} is PostgreSQL {version}; Backstitch needs {version + 1} or newer."
    )


def test_a_login_that_may_not_create_roles_is_refused(home: Path, bare: URL, own_server: URL) -> None:
    with psycopg.connect(startup.conninfo(own_server), autocommit=True) as superuser:
        superuser.execute("alter role shop_owner nocreaterole")
    assert refusal(home, bare) == (
        "The database could not be brought up to date: permission denied to create role; nothing was changed. "
        "DATABASE_URL must name a login that may do this, such as the database's owner, or backstitch_app."
    )


def test_a_login_that_may_not_set_the_applications_password_is_refused(
    home: Path, bare: URL, own_server: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with startup.running(configured(home, bare)):
        pass
    with psycopg.connect(startup.conninfo(own_server), autocommit=True) as superuser:
        superuser.execute("alter role shop_owner nocreaterole")
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", "another one")
    assert refusal(home, bare) == (
        "The password of backstitch_app could not be set: permission denied to alter role; "
        "set BACKSTITCH_APP_PASSWORD to the one it has, or DATABASE_URL to a login that may change it."
    )


@pytest.mark.usefixtures("known_password")
def test_the_applications_own_login_is_refused_an_empty_database(home: Path, server_url: URL, clone: Clone) -> None:
    app = clone.app.url.set(database=server_url.database)
    assert refusal(home, app) == MUST_MIGRATE


@pytest.mark.usefixtures("known_password")
@pytest.mark.parametrize(
    "behind",
    [
        "update alembic_version set version_num = '0000'",
        "update backstitch_code set sha256 = repeat('0', 64) where file = 'audit/seals.sql'",
        "drop table backstitch_code",
    ],
    ids=["revision", "code", "before hashes"],
)
def test_the_applications_own_login_is_refused_a_database_that_is_behind(home: Path, clone: Clone, behind: str) -> None:
    with clone.superuser() as superuser:
        superuser.execute(behind)
    assert refusal(home, clone.app.url) == MUST_MIGRATE


@pytest.mark.usefixtures("known_password")
def test_a_database_of_a_newer_version_is_refused(home: Path, clone: Clone) -> None:
    with clone.superuser() as superuser:
        superuser.execute("update alembic_version set version_num = '9999'")
    assert refusal(home, clone.url) == (
        "The database belongs to a newer version of Backstitch; install that one, or use another database."
    )


@pytest.mark.parametrize("url", [None, "postgresql://shop@localhost/shop"], ids=["embedded", "DATABASE_URL"])
def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path, url: str | None) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file" / "home", url) == (
        f"Cannot write to {tmp_path}/file/home (Not a directory); "
        "set BACKSTITCH_HOME to a folder that you may write to."
    )


def test_a_home_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    def refuse() -> None:
        assert refusal(tmp_path / "home") == (
            f"Cannot write to {tmp_path}/home (Permission denied); "
            "set BACKSTITCH_HOME to a folder that you may write to."
        )

    in_child(refuse, "plain")


def test_what_the_embedded_server_refuses_is_passed_on_as_it_is(home: Path) -> None:
    (home / "data" / "photos").mkdir(parents=True)
    with pytest.raises(postgres_server.EmbeddedServerError) as caught:
        postgres_server.start(home)
    assert refusal(home) == str(caught.value)


# --- secrets ----------------------------------------------------------------------------------------------


def test_a_secret_is_made_once_whole_and_private_by_eight_processes_at_once(home: Path) -> None:
    installation.prepare_home(home)
    answers = at_once(lambda: installation.secret(home, "cookie_key"), 8)
    made = home / "secrets" / "cookie_key"
    assert answers == [made.read_text()] * 8
    assert len(answers[0]) == 43  # 32 bytes in base64
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert [path.name for path in made.parent.iterdir()] == ["cookie_key"]


def test_a_secret_is_the_same_for_threads_that_ask_at_once(home: Path) -> None:
    installation.prepare_home(home)
    barrier, answers = threading.Barrier(8), []

    def ask() -> None:
        barrier.wait()
        answers.append(installation.secret(home, "cookie_key"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [installation.secret(home, "cookie_key")] * 8


def test_two_names_have_two_secrets(home: Path) -> None:
    installation.prepare_home(home)
    assert installation.secret(home, "cookie_key") != installation.secret(home, "application_login")


def test_each_installation_signs_its_cookies_with_a_key_of_its_own_or_the_one_it_is_given(tmp_path: Path) -> None:
    keys = set()
    for home in (tmp_path / "one", tmp_path / "two"):
        installation.prepare_home(home)
        keys |= {installation.cookie_key(configured(home)), installation.single_sign_on_key(configured(home))}
    assert len(keys) == 4 and all(len(key) == 43 for key in keys)
    given = settings.load({"BACKSTITCH_HOME": str(tmp_path), "BACKSTITCH_COOKIE_KEY": "k" * 32})
    assert installation.cookie_key(given) == "k" * 32


# --- the zone and the months --------------------------------------------------------------------------------


@pytest.mark.usefixtures("known_password")
def test_after_a_start_every_session_of_the_database_is_in_the_zone_of_the_business(
    home: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for zone in ("Asia/Kolkata", "Pacific/Kiritimati"):
        configuration = replace(configured(home, clone.url), timezone=ZoneInfo(zone))
        with startup.running(configuration), clone.superuser() as psql:
            shown = psql.execute("show timezone").fetchone()
            dated = psql.execute("select current_date = (now() at time zone %s)::date", [zone]).fetchone()
        assert (shown, dated) == ((zone,), (True,))


def test_a_login_that_may_not_set_the_zone_says_so_and_starts(
    home: Path, bare: URL, own_server: URL, caplog: pytest.LogCaptureFixture
) -> None:
    with startup.running(configured(home, bare)):
        pass
    with psycopg.connect(startup.conninfo(own_server), autocommit=True) as superuser:
        superuser.execute("alter database shop reset timezone; alter database shop owner to postgres")
        superuser.execute("grant create, connect on database shop to shop_owner")
    with startup.running(configured(home, bare)) as service:
        assert login(service) == ("backstitch_app", False)
    assert [record.message for record in caplog.records if "time zone" in record.message] == [
        "The time zone of the database could not be set: must be owner of database shop. Rows typed into psql take the "
        "day of its session."
    ]


@pytest.mark.usefixtures("known_password")
def test_an_app_that_runs_for_months_makes_those_ahead(home: Path, clone: Clone) -> None:
    ahead = "select to_regclass('audit.records_' || to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM'))"
    with startup.running(configured(home, clone.url)) as service, clone.superuser() as psql:
        found = psql.execute(ahead + "::text").fetchone()
        assert found is not None and found[0]
        psql.execute(f"drop table {found[0]}")
        service.look_ahead()
        assert psql.execute(ahead + "::text").fetchone() == found
