"""The bundled server serves, privately, everybody who asks for it, until the last one stops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from backstitch.postgres import server as postgres_server
from tests.unit.postgres.processes import (
    FAST,
    Other,
    ask,
    is_running,
    mode,
    postmaster,
    processes_of,
    refusal,
    run_as,
    wait_until,
)


@run_as("plain", "root")
def test_start_makes_a_private_server_with_sensible_settings(own: Path) -> None:
    home = own / "new" / "home"
    with postgres_server.start(home) as lease:
        server = lease.server
        expected = {
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "shared_buffers": "128MB",
            "max_connections": "100",
            "shared_preload_libraries": "pg_stat_statements",
            "data_checksums": "on",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
        }
        assert {name: ask(server, f"show {name}")[0][0] for name in expected} == expected
        assert ask(server, "select distinct datlocprovider, datlocale from pg_database") == [("b", "C.UTF-8")]
        assert ask(server, "select distinct auth_method from pg_hba_file_rules") == [("scram-sha-256",)]
        ask(server, "create extension pg_stat_statements")
        assert ask(server, "select count(*) > 0 from pg_stat_statements") == [(True,)]
        secret = home / "secrets" / "postgres-password"
        assert secret.read_text() == server.password and len(server.password) >= 32
        assert server.password not in repr(server)
        private = [home, secret.parent, server.data_dir, server.socket_dir]
        assert [mode(path) for path in private] == [0o700] * 4
        assert mode(secret) == mode(home / "postgres.log") == 0o600
    wait_until(lambda: not processes_of(server.data_dir))


@run_as("plain")
def test_trigrams_see_letters_outside_ascii(home: Path) -> None:
    with postgres_server.start(home, FAST) as lease:
        ask(lease.server, "create extension pg_trgm")
        assert ask(lease.server, "select cardinality(show_trgm('साड़ी')) > 2") == [(True,)]
        assert ask(lease.server, "select lower('É')") == [("é",)]


@run_as("plain", "root")
def test_url_and_conninfo_lead_to_the_named_database(home: Path) -> None:
    with postgres_server.start(home, FAST) as lease:
        ask(lease.server, 'create database "a b/%é"')
        with sqlalchemy.create_engine(lease.server.url("a b/%é")).connect() as connection:
            assert connection.exec_driver_sql("select current_database()").scalar_one() == "a b/%é"
        command = [str(postgres_server.bin_dir() / "psql"), lease.server.conninfo("a b/%é"), "-Atc", "select 1"]
        assert subprocess.run(command, capture_output=True, check=True, cwd="/").stdout == b"1\n"


@run_as("plain")
def test_a_connection_without_the_password_is_refused(home: Path) -> None:
    refused = pytest.raises(psycopg.OperationalError, match="password authentication failed")
    with postgres_server.start(home, FAST) as lease, refused:
        psycopg.connect(lease.server.conninfo(), password="guess")


@run_as("plain")
def test_each_home_has_its_own_password(own: Path, template: Path) -> None:
    with postgres_server.start(own / "another", FAST) as lease:
        assert lease.server.password != (template / "secrets" / "postgres-password").read_text()


NAMES = ["two words ünï कोड", "'q\"s $HOME`x` per%cent com,ma", "new\nline", "-d", "deep/" * 30]


@pytest.mark.parametrize("name", NAMES)
@run_as("plain")
def test_start_works_in_a_folder_named(name: str, own: Path, template: Path) -> None:
    home = own / name
    shutil.copytree(template, home)
    with postgres_server.start(home, FAST) as lease:
        assert len(os.fsencode(lease.server.socket_dir / ".s.PGSQL.5432")) <= 103
        with sqlalchemy.create_engine(lease.server.url()).connect() as connection:
            shown = connection.exec_driver_sql("show data_directory").scalar_one()
        assert shown == str(home / "data")
    assert not lease.server.socket_dir.exists()


@pytest.mark.parametrize("name", ["two words/ünï 'कोड\" $x\nline," + "deep/" * 30])
@run_as("plain", "root")
def test_initdb_works_in_a_folder_named(name: str, own: Path) -> None:
    with postgres_server.start(own / name, FAST) as lease:
        assert ask(lease.server, "select 1") == [(1,)]
        other = Other(own / name)
        assert other.pipe.recv() == postmaster(lease.server)
        other.stop()


@run_as("plain")
def test_options_reach_the_server(home: Path) -> None:
    with postgres_server.start(home, {"fsync": "off", "work_mem": "5MB", "application_name": "it's"}) as lease:
        assert ask(lease.server, "show fsync") + ask(lease.server, "show work_mem") == [("off",), ("5MB",)]
        assert ask(lease.server, "select boot_val from pg_settings where name = 'fsync'") == [("on",)]


@run_as("plain")
def test_a_setting_made_by_alter_system_outlives_a_restart(home: Path) -> None:
    with postgres_server.start(home, FAST) as lease:
        ask(lease.server, "alter system set shared_buffers = '64MB'")
    with postgres_server.start(home, FAST) as lease:
        assert ask(lease.server, "show shared_buffers") == [("64MB",)]


@run_as("plain")
def test_a_large_log_is_set_aside_at_start(home: Path) -> None:
    log = home / "postgres.log"
    with log.open("w") as file:
        file.truncate(postgres_server.LOG_LIMIT + 1)
    with postgres_server.start(home, FAST):
        assert (home / "postgres.log.1").stat().st_size == postgres_server.LOG_LIMIT + 1
        assert "ready to accept connections" in log.read_text()


@run_as("plain", "root")
def test_ctrl_c_in_the_terminal_does_not_reach_the_server(home: Path) -> None:
    other = Other(home)
    pid = other.pipe.recv()
    with postgres_server.start(home, FAST) as lease:
        other.kill(signal.SIGINT)
        assert ask(lease.server, "select 1") == [(1,)]
        assert postmaster(lease.server) == pid
        assert os.getpgid(pid) != other.pid and os.getsid(pid) != os.getsid(0)


@run_as("plain", "root")
def test_two_processes_that_start_on_an_empty_home_at_once_share_one_server(own: Path) -> None:
    for attempt in range(3):
        ready, go = os.pipe()
        others = [Other(own / f"home{attempt}", go=ready) for _ in range(2)]
        os.write(go, b"go")
        pids = [other.pipe.recv() for other in others]
        assert pids[0] == pids[1]
        others[0].stop()
        assert is_running(pids[0])
        others[1].stop()
        wait_until(lambda pid=pids[0]: not is_running(pid))  # type: ignore[misc]


@run_as("plain", "root")
def test_the_server_stays_until_its_last_user_stops(home: Path) -> None:
    first, second = postgres_server.start(home, FAST), postgres_server.start(home, FAST)
    other = Other(home)
    pid = other.pipe.recv()
    first.stop()
    first.stop()
    second.stop()
    assert is_running(pid) and ask(first.server, "select 1") == [(1,)]
    other.stop()
    wait_until(lambda: not processes_of(first.server.data_dir))


@run_as("plain")
def test_stop_in_a_forked_child_leaves_the_parents_lease_alone(home: Path) -> None:
    with postgres_server.start(home, FAST) as lease:
        child = os.fork()
        if child == 0:
            try:
                lease.stop()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert ask(lease.server, "select 1") == [(1,)]


@run_as("plain", "root")
def test_a_killed_user_does_not_keep_the_server_running(home: Path) -> None:
    other = Other(home)
    pid = other.pipe.recv()
    lease = postgres_server.start(home, FAST)
    other.kill()
    assert ask(lease.server, "select 1") == [(1,)]
    lease.stop()
    wait_until(lambda: not is_running(pid))


@run_as("plain", "root")
def test_a_start_that_fails_gives_up_its_hold(home: Path) -> None:
    assert refusal(home, {"no_such_setting": "1"})
    with postgres_server.start(home, FAST) as lease:
        pid = postmaster(lease.server)
    wait_until(lambda: not is_running(pid))


@run_as("plain")
def test_users_who_come_and_go_at_once_never_meet_a_stopping_server(home: Path) -> None:
    failures: list[Exception] = []

    def come_and_go() -> None:
        try:
            for _ in range(8):
                with postgres_server.start(home, FAST) as lease:
                    ask(lease.server, "select 1")
        except Exception as error:
            failures.append(error)

    users = [threading.Thread(target=come_and_go) for _ in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert failures == []
    wait_until(lambda: not processes_of(home / "data"))
