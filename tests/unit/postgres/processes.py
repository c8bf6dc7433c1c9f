"""Runs a test in a forked child as somebody, and looks at servers from outside.

The child may change the module's constants, and under root gives up its rights first where the test is a plain user's.
"""

from __future__ import annotations

import contextlib
import difflib  # noqa: F401  pytest and psycopg import late, when a plain user may not reach the interpreter
import functools
import inspect
import multiprocessing
import os
import pprint  # noqa: F401
import pwd
import shutil
import signal
import stat
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy

from backstitch.postgres import server as postgres_server

IS_ROOT = os.geteuid() == 0
FAST = {"fsync": "off"}
PLAIN_ACCOUNT, SERVER_ACCOUNT = "nobody", "daemon"  # every system has them, and they own nothing
MEMORY = Path("/dev/shm")  # copying data folders there takes half the time
HAS_ROOM = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 * 1024**3
FASTEST = MEMORY if HAS_ROOM and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC else Path("/tmp")
sqlalchemy.create_engine("postgresql+psycopg://")
with contextlib.suppress(psycopg.OperationalError):
    psycopg.connect("host=/nonexistent")


def in_child(work: Callable[[], object], kind: str) -> None:
    """Run `work` in a forked child, as a plain user if `kind` says so, and fail or skip as it does."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        outcome = ("passed", "")
        try:
            if kind == "plain" and IS_ROOT:
                account = pwd.getpwnam(PLAIN_ACCOUNT)
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            work()
        except pytest.skip.Exception as skipped:
            outcome = ("skipped", str(skipped))
        except BaseException:
            outcome = ("failed", traceback.format_exc())
        finally:
            theirs.send(outcome)
            os._exit(0)
    theirs.close()
    try:
        result, text = ours.recv()
    except EOFError:
        result, text = "failed", "the child died"
    os.waitpid(child, 0)
    if result == "skipped":
        pytest.skip(text)
    if result == "failed":
        pytest.fail(text, pytrace=False)


def run_as(*kinds: str) -> Callable[[Callable[..., None]], Any]:
    def decorate(test: Callable[..., None]) -> Any:
        @functools.wraps(test)
        def in_a_child_of_that_kind(kind: str, **given: Any) -> None:
            in_child(lambda: test(**given), kind)

        names = ["kind", *inspect.signature(test).parameters]
        parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        in_a_child_of_that_kind.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return pytest.mark.parametrize("kind", kinds)(in_a_child_of_that_kind)

    return decorate


@contextlib.contextmanager
def temporary_ground() -> Iterator[Path]:
    """A folder that everybody can reach; in the end no process works in it and it is gone."""
    ground = Path(os.path.realpath(tempfile.mkdtemp(prefix="bs-", dir=FASTEST)))
    ground.chmod(0o755)
    try:
        yield ground
    finally:
        wait_until(lambda: is_cleared(ground))


def is_cleared(ground: Path) -> bool:
    """Ends servers by SIGQUIT, on which they free their shared memory; what that does not end, by SIGKILL."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in processes_of(ground):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not processes_of(ground), seconds=6)
            break
    shutil.rmtree(ground, ignore_errors=True)
    return not ground.exists()


def give(path: Path, kind: str) -> Path:
    path.mkdir(parents=True)
    if kind == "plain" and IS_ROOT:
        account = pwd.getpwnam(PLAIN_ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)
    return path


def processes_of(folder: Path) -> list[int]:
    """Living processes that work in the folder or name it in their command."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            working = os.readlink(process / "cwd")
            if int(process.name) != os.getpid() and (
                f"{folder}/".encode() in command or f"{working}/".startswith(f"{folder}/")
            ):
                found.append(int(process.name))
    return found


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def wait_until(happened: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds} s: {inspect.getsource(happened)}"
        time.sleep(0.005)


def postmaster(server: postgres_server.EmbeddedServer) -> int:
    return int((server.data_dir / "postmaster.pid").read_text().split()[0])


def kill_server(server: postgres_server.EmbeddedServer) -> int:
    """kill -9; returns when the backends, too, have noticed."""
    pid = postmaster(server)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid) and not processes_of(server.data_dir))
    return pid


def free_shared_memory(home: Path) -> None:
    """A killed server leaves some, and the next one on the same data clears it."""
    postgres_server.start(home, FAST).stop()


def ask(server: postgres_server.EmbeddedServer, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def refusal(home: Path, options: dict[str, str] | None = None) -> postgres_server.EmbeddedServerError:
    with pytest.raises(postgres_server.EmbeddedServerError) as caught:
        postgres_server.start(home, options or FAST)
    return caught.value


class Other:
    """Another process that starts the server, holds it until told to stop, and answers through a pipe."""

    def __init__(self, home: Path, options: dict[str, str] | None = None, go: int | None = None) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.pipe.close()
                os.setpgid(0, 0)
                self.hold(theirs, home, options or FAST, go)
            except postgres_server.EmbeddedServerError as error:
                theirs.send(str(error))
            finally:
                os._exit(0)
        theirs.close()

    @staticmethod
    def hold(pipe: Connection, home: Path, options: dict[str, str], go: int | None) -> None:
        if go is not None:
            os.read(go, 1)
        with postgres_server.start(home, options) as lease:
            pipe.send(postmaster(lease.server))
            pipe.recv()
        pipe.send("stopped")

    def stop(self) -> None:
        self.pipe.send("stop")
        assert self.pipe.recv() == "stopped"
        os.waitpid(self.pid, 0)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.killpg(self.pid, number)
        os.waitpid(self.pid, 0)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
