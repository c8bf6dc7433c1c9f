"""Servers for campaigns: the embedded one, one given by URL, or a temporary cluster of Debian's PostgreSQL.

    python -m bench.campaigns.servers --debian 15 -- .venv/bin/pytest tests/db

runs a command with BACKSTITCH_TEST_SERVER set to the URL of such a cluster, which is in a temporary folder, on a
private socket, under a plain account, and is removed afterwards.
"""

import argparse
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.pq import PGconn, Ping
from sqlalchemy import URL, make_url

from backstitch.postgres import server as postgres_server

ACCOUNT = "postgres"  # Debian's packages of PostgreSQL and PgBouncer make it
# Nothing has to survive a power cut. Deadlocks are expected, so they are detected soon.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "deadlock_timeout": "20ms"}


@contextmanager
def server(named: str | None = None, debian: int | None = None) -> Iterator[URL]:
    """The URL of a superuser on the server."""
    if named:
        yield make_url(named).set(drivername="postgresql+psycopg")
    elif debian:
        with debian_server(debian) as url:
            yield url
    else:
        with temporary_home() as home, postgres_server.start(home, options=SETTINGS) as lease:
            yield make_url(lease.server.url("postgres"))


def end_in_order() -> None:
    """Makes SIGTERM end all `with` blocks as an error would, so that no server is left running."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder for an embedded server. Under root the data are in another folder, which is removed too."""
    home = Path(tempfile.mkdtemp(prefix="campaign-"))
    try:
        yield home
    finally:
        pointer = home / "data-location.txt"
        if pointer.exists():
            shutil.rmtree(Path(pointer.read_text().splitlines()[-1]), ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def programs(debian: int) -> Path:
    """The folder of the programs of this version in Debian, whether it exists or not."""
    return Path(f"/usr/lib/postgresql/{debian}/bin")


@contextmanager
def debian_server(version: int) -> Iterator[URL]:
    """A fresh cluster of Debian's PostgreSQL, removed at the end of the block."""
    folder_of_programs = programs(version)
    if not (folder_of_programs / "postgres").exists():
        raise SystemExit(f"PostgreSQL {version} is missing: apt-get install postgresql-{version}.")
    with private_folder(plain_account()) as folder:
        account = plain_account()
        data = folder / "data"
        initdb = [folder_of_programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        as_account([*map(str, initdb), "--locale=C.UTF-8"], account)
        options = {"listen_addresses": "", "unix_socket_directories": str(folder), "max_connections": "100"}
        arguments = [f"--{name}={value}" for name, value in (SETTINGS | options).items()]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [str(folder_of_programs / "postgres"), "-D", str(data), *arguments],
                stdout=log,
                stderr=log,
                cwd="/",
                **identity(account),
            )
        try:
            wait_for(f"host={folder} user=postgres dbname=postgres", process)
            yield URL.create(
                "postgresql+psycopg", "postgres", database="postgres", query={"host": str(folder), "port": "5432"}
            )
        finally:
            process.send_signal(signal.SIGINT)  # not SIGTERM, which would wait for clients to leave
            process.wait(60)


def wait_for(conninfo: str, process: "subprocess.Popen[bytes]", seconds: float = 30) -> None:
    """Returns when a server answers. Raises RuntimeError if its process ends or it does not answer in time."""
    deadline = time.monotonic() + seconds
    while PGconn.ping(conninfo.encode()) != Ping.OK:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no server answers: {conninfo}")
        time.sleep(0.05)


def plain_account() -> pwd.struct_passwd | None:
    """The account to run PostgreSQL and PgBouncer as, which refuse to run as root; None: the caller's, if not root."""
    return pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None


@contextmanager
def private_folder(account: pwd.struct_passwd | None) -> Iterator[Path]:
    """A folder that only the account (and root) can read; its path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="backstitch-", dir="/tmp"))
    try:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_account(command: Sequence[str], account: pwd.struct_passwd | None) -> None:
    """Runs a program to its end as the account. Raises RuntimeError with its output if it fails."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        **identity(account),
    )
    if done.returncode:
        raise RuntimeError(done.stdout)


def identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command against a temporary cluster of Debian's PostgreSQL.")
    parser.add_argument("--debian", type=int, default=15, metavar="VERSION")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    end_in_order()
    with debian_server(options.debian) as url:
        named = url.render_as_string(hide_password=False)
        return subprocess.run(options.command, env=os.environ | {"BACKSTITCH_TEST_SERVER": named}).returncode


if __name__ == "__main__":
    sys.exit(main())
