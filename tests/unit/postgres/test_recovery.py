"""After kill -9 of anything, at any moment, the next start works and nothing committed is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from psycopg.pq import Ping

from backstitch.postgres import server as postgres_server
from backstitch.postgres.system import try_lock
from tests.unit.postgres.processes import (
    FAST,
    IS_ROOT,
    Other,
    ask,
    free_shared_memory,
    is_running,
    kill_server,
    postmaster,
    processes_of,
    refusal,
    run_as,
    wait_until,
)

STARTING = "starting PostgreSQL 18"


@run_as("plain", "root")
def test_committed_rows_survive_kill_9_of_the_application_and_the_server(home: Path) -> None:
    other = Other(home)
    other.pipe.recv()
    lease = postgres_server.start(home, FAST)
    ask(lease.server, "create table kept as select 42 as answer")
    other.kill()
    kill_server(lease.server)
    with postgres_server.start(home, FAST) as again:
        assert ask(again.server, "select answer from kept") == [(42,)]


def stale_number(kind_of_process: str, dead: int, uid: int | None) -> subprocess.Popen[bytes] | int:
    if kind_of_process == "dead":
        return dead
    if kind_of_process == "zombie":
        process = subprocess.Popen(["true"], user=uid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return process
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=uid)


@pytest.mark.parametrize("without_proc", [False, True], ids=["proc", "ps"])
@pytest.mark.parametrize("process", ["dead", "zombie", "recycled"])
@run_as("plain", "root")
def test_start_recovers_when_postmaster_pid_names_a_process_that_is(
    process: str, without_proc: bool, home: Path, ground: Path
) -> None:
    if without_proc:
        postgres_server.PROC = ground / "no-proc"
    lease = postgres_server.start(home, FAST)
    socket_lock = lease.server.socket_dir / ".s.PGSQL.5432.lock"
    pid_file = lease.server.data_dir / "postmaster.pid"
    saved = {path: path.read_text().splitlines()[1:] for path in (pid_file, socket_lock)}
    uid = lease.server.data_dir.stat().st_uid if IS_ROOT and os.geteuid() == 0 else None
    stranger = stale_number(process, kill_server(lease.server), uid)
    number = stranger if isinstance(stranger, int) else stranger.pid
    for path, lines in saved.items():
        path.write_text("\n".join([str(number), *lines, ""]))
    with postgres_server.start(home, FAST) as again:
        assert postmaster(again.server) != number
        assert ask(again.server, "select 1") == [(1,)]
    lease.stop()
    if not isinstance(stranger, int):
        assert process == "zombie" or stranger.poll() is None, "the stranger was signalled"
        stranger.kill()
        stranger.wait()


@run_as("plain")
def test_stop_after_a_crash_signals_no_stranger(home: Path) -> None:
    lease = postgres_server.start(home, FAST)
    kill_server(lease.server)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
        pid_file = lease.server.data_dir / "postmaster.pid"
        pid_file.write_text("\n".join([str(stranger.pid), *pid_file.read_text().splitlines()[1:], ""]))
        lease.stop()
        assert stranger.poll() is None
    free_shared_memory(home)


@run_as("plain")
def test_a_server_started_by_hand_on_the_same_data_is_left_alone(home: Path, own: Path) -> None:
    data = home / "data"
    by_hand = subprocess.Popen(
        [postgres_server.bin_dir() / "postgres", "-D", data, "-k", own, "-c", "listen_addresses="],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: (own / ".s.PGSQL.5432").exists() and "ready" in (data / "postmaster.pid").read_text())
    assert str(refusal(home)) == (
        f"A PostgreSQL that is not Backstitch's uses {data}: stop process {by_hand.pid} and start again."
    )
    assert by_hand.poll() is None
    by_hand.terminate()
    by_hand.wait()
    postgres_server.start(home, FAST).stop()


@run_as("plain", "root")
def test_revive_brings_a_killed_server_back_for_all_its_users(home: Path) -> None:
    other = Other(home)
    pid = other.pipe.recv()
    with postgres_server.start(home, {"fsync": "off", "work_mem": "5MB"}) as lease:
        ask(lease.server, "create table kept as select 42 as answer")
        assert lease.revive() is False and postmaster(lease.server) == pid
        kill_server(lease.server)
        assert lease.revive() is True
        assert ask(lease.server, "select answer from kept") == [(42,)]
        assert ask(lease.server, "show work_mem") == [("5MB",)]
        other.stop()
        assert is_running(postmaster(lease.server))
    wait_until(lambda: not processes_of(lease.server.data_dir))


@run_as("plain")
def test_users_who_revive_a_killed_server_at_once_get_one(home: Path) -> None:
    starts = (home / "postgres.log").read_text().count(STARTING)
    leases = [postgres_server.start(home, FAST) for _ in range(4)]
    kill_server(leases[0].server)
    users = [threading.Thread(target=lease.revive) for lease in leases]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert (home / "postgres.log").read_text().count(STARTING) == starts + 2
    assert ask(leases[0].server, "select 1") == [(1,)]
    for lease in leases:
        lease.stop()
    assert processes_of(home / "data") == []


@run_as("plain")
def test_revive_after_stop_starts_nothing(home: Path) -> None:
    lease = postgres_server.start(home, FAST)
    lease.stop()
    assert lease.revive() is False
    assert processes_of(home / "data") == []


@run_as("plain", "root")
def test_an_initdb_killed_half_way_is_not_taken_for_a_finished_one(own: Path, ground: Path) -> None:
    home = own / "new"
    other = Other(home)
    wait_until(lambda: list(ground.glob("**/initdb-*/data/global/pg_control")))
    other.kill()
    assert list(ground.glob("**/new*/data")) == []
    for pid in processes_of(ground):
        if (Path("/proc") / str(pid) / "comm").read_text() == "initdb\n":
            os.kill(pid, signal.SIGKILL)
    with postgres_server.start(home, FAST) as lease:
        assert ask(lease.server, "select 1") == [(1,)]
        assert list(lease.server.data_dir.parent.glob("initdb-*")) == []


@run_as("plain", "root")
def test_start_waits_for_the_initdb_of_a_killed_application(own: Path, ground: Path) -> None:
    other = Other(own / "new")
    wait_until(lambda: list(ground.glob("**/initdb-*/data/PG_VERSION")))
    other.kill()
    with postgres_server.start(own / "new", FAST) as lease:
        assert ask(lease.server, "select 1") == [(1,)]


def hold_back_recovery(home: Path) -> tuple[Path, dict[str, str]]:
    """Make the next start recover until a line is written to the pipe."""
    gate = home / "gate"
    os.mkfifo(gate)
    (home / "data" / "recovery.signal").touch()
    return gate, FAST | {"restore_command": f"read line < '{gate}'; false"}


def open_gate(gate: Path) -> None:
    os.write(os.open(gate, os.O_RDWR), b"\n" * 1000)  # stays open to the end of the test


def count_answers(wanted: Ping) -> tuple[list[int], threading.Event]:
    """Watch what start hears from the server; the event is set when it was `wanted` 20 times."""
    heard: list[int] = []
    enough = threading.Event()
    ping = postgres_server._ping

    def listen(server: postgres_server.EmbeddedServer) -> int:
        heard.append(ping(server))
        if heard.count(wanted) == 20:
            enough.set()
        return heard[-1]

    postgres_server._ping = listen
    return heard, enough


@run_as("plain")
def test_start_waits_as_long_as_recovery_takes(home: Path) -> None:
    gate, options = hold_back_recovery(home)
    postgres_server.PATIENCE, postgres_server.PAUSE = 0.3, 0.05  # recovery below takes longer than that
    _, enough = count_answers(Ping.REJECT)
    leases: list[postgres_server.Lease] = []
    starter = threading.Thread(target=lambda: leases.append(postgres_server.start(home, options)))
    starter.start()
    assert enough.wait(30)
    assert starter.is_alive() and leases == []
    open_gate(gate)
    starter.join(30)
    assert ask(leases[0].server, "select pg_is_in_recovery()") == [(False,)]
    leases[0].stop()


@run_as("plain")
def test_a_server_that_dies_while_recovering_ends_the_wait(home: Path) -> None:
    gate, options = hold_back_recovery(home)
    _, enough = count_answers(Ping.REJECT)
    errors: list[postgres_server.EmbeddedServerError] = []
    starter = threading.Thread(target=lambda: errors.append(refusal(home, options)))
    starter.start()
    assert enough.wait(30)
    os.kill(int((home / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    open_gate(gate)
    starter.join(30)
    sentence = f"PostgreSQL ended while starting: {home}/postgres.log says why."
    assert [str(error) for error in errors] == [sentence]
    assert STARTING in errors[0].detail
    free_shared_memory(home)


@run_as("plain")
def test_a_start_killed_while_recovering_is_taken_over_by_the_next(home: Path) -> None:
    gate, options = hold_back_recovery(home)
    other = Other(home, options)
    os.close(os.open(gate, os.O_WRONLY))  # waits for a reader
    pid = int((home / "data" / "postmaster.pid").read_text().split()[0])
    other.kill()
    open_gate(gate)
    with postgres_server.start(home, FAST) as lease:
        assert postmaster(lease.server) == pid


@run_as("plain")
def test_stop_ends_a_server_that_does_not_leave_its_recovery_and_nothing_is_lost(home: Path) -> None:
    postgres_server.STOP_PATIENCE = 1
    lease = postgres_server.start(home, FAST)
    ask(lease.server, "create table kept as select 42 as answer")
    kill_server(lease.server)
    gate, options = hold_back_recovery(home)
    place = lease._place
    held = try_lock(place.folder / "server.lock")
    assert held is not None
    postgres_server._remove_stale_files(place, lease.server)
    postgres_server._launch(place, lease.server, options, held)
    os.close(held)
    wait_until(lambda: postgres_server._ping(lease.server) == Ping.REJECT)
    lease.stop()
    wait_until(lambda: not processes_of(lease.server.data_dir))
    (home / "data" / "recovery.signal").unlink()
    with postgres_server.start(home, FAST) as again:
        assert ask(again.server, "select answer from kept") == [(42,)]
    gate.unlink()
