"""Under root the server runs as an account of its own, and nothing that exists is opened up."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstitch.postgres import files as postgres_files
from backstitch.postgres import server as postgres_server
from tests.unit.postgres.processes import FAST, IS_ROOT, SERVER_ACCOUNT, ask, mode, postmaster, run_as


@run_as("root")
def test_under_root_the_server_has_its_own_account_and_folder(own: Path, ground: Path) -> None:
    closed = own / "closed"
    closed.mkdir(mode=0o700)
    watched = [own, closed, postgres_server.bin_dir(), *postgres_server.bin_dir().parents]
    before = [path.stat().st_mode for path in watched]
    with postgres_server.start(closed / "home", FAST) as lease:
        account = pwd.getpwnam(SERVER_ACCOUNT)
        place = lease.server.data_dir.parent
        assert (Path("/proc") / str(postmaster(lease.server))).stat().st_uid == account.pw_uid
        assert place.parent == ground / "var"
        assert (closed / "home" / "data-location.txt").read_text() == (
            f"Kept by the account daemon, as PostgreSQL refuses to run as root, in:\n{place}\n"
        )
        made = [place, lease.server.data_dir, closed / "home"]
        assert [path.stat().st_uid for path in made] == [0, account.pw_uid, 0]
        assert [mode(path) for path in made] == [0o710, 0o700, 0o700]
    assert [path.stat().st_mode for path in watched] == before


@run_as("root")
def test_under_root_programs_out_of_the_accounts_reach_are_copied_once(own: Path, ground: Path) -> None:
    package = postgres_server.bin_dir().parent.parent
    closed = own / "closed"
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, closed / folder.name, ignore=shutil.ignore_patterns("include", "*.a"))
    closed.chmod(0o700)
    postgres_files.bin_dir = lambda: closed / package.name / "pginstall" / "bin"
    with postgres_server.start(own / "home", FAST) as lease:
        copied = lease.server.bin_dir
        assert copied.is_relative_to(ground / "var")
        dumped = subprocess.run([copied / "pg_dump", lease.server.conninfo()], capture_output=True, cwd="/")
        assert dumped.returncode == 0
        ask(lease.server, "create extension pg_trgm")
    made = (copied / "postgres").stat().st_ctime_ns
    with postgres_server.start(own / "home2", FAST) as lease:
        assert (lease.server.bin_dir, (copied / "postgres").stat().st_ctime_ns) == (copied, made)
    assert mode(closed) == 0o700


@pytest.fixture
def missing_account(kind: str) -> Iterator[str]:
    """Asked for before the ground, so that no process of the account is left when it goes."""
    if not IS_ROOT or not shutil.which("useradd") or not shutil.which("userdel"):
        pytest.skip("needs root, useradd and userdel")
    name = f"bs-test-{os.getpid()}"
    yield name
    subprocess.run(["userdel", name], check=False, capture_output=True)


@run_as("root")
def test_under_root_a_missing_account_is_created(missing_account: str, own: Path) -> None:
    postgres_files.ACCOUNT = missing_account
    with postgres_server.start(own / "new", FAST) as lease:
        account = pwd.getpwnam(missing_account)
        assert lease.server.data_dir.stat().st_uid == account.pw_uid
        assert (account.pw_dir, account.pw_shell) == (str(postgres_files.ROOT_FOLDER), "/usr/sbin/nologin")


@run_as("root")
def test_under_root_a_moved_home_still_finds_its_data(home: Path, own: Path) -> None:
    with postgres_server.start(home, FAST) as lease:
        ask(lease.server, "create table kept as select 42 as answer")
    home.rename(own / "moved")
    with postgres_server.start(own / "moved", FAST) as lease:
        assert ask(lease.server, "select answer from kept") == [(42,)]
