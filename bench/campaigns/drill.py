"""A drill: a backup under writes, restored into an empty home, verified, replayed. SAFETY row 39.

    python -m bench.campaigns.drill --scale 10

Two homes of the bundled server, with its usual durability. Writers insert customers while `backup` runs; what they were
told is saved before it began must be in the restored database, which `verify` (with the backup's checkpoint) and
`replay` must find sound. Prints figures as JSON; the exit code is 1 on any finding.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from backstitch.backup import manifest
from backstitch.postgres import server as postgres_server
from bench.campaigns import servers

WRITERS = 2
INSERT = "insert into inventory.customers (store_name) values (%s) returning id"


def command(home: Path, *arguments: str) -> tuple[float, int]:
    """Runs a command on an installation; returns its seconds and its exit code. Prints what it says if it fails."""
    began = time.monotonic()
    environment = os.environ | {"BACKSTITCH_HOME": str(home), "DATABASE_URL": ""}
    done = subprocess.run(
        [sys.executable, "-m", "backstitch", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    return round(time.monotonic() - began, 1), done.returncode


@contextmanager
def writers(conninfo: str) -> Iterator[list[int]]:
    """The ids of the customers that were saved so far; writers go on adding some until the end of the block."""
    saved: list[int] = []
    ended = threading.Event()

    def write(number: int) -> None:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            while not ended.is_set():
                row = connection.execute(INSERT, (f"Store {number}-{len(saved)}",)).fetchone()
                saved.extend(row or ())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield saved
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def drill(scale: float) -> dict[str, Any]:
    """The figures of one drill; `findings` says what went wrong, and is empty if nothing did."""
    with ExitStack() as stack:
        home, empty = (stack.enter_context(servers.temporary_home()) for _ in range(2))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "backup"
        findings = []
        command(home, "demo", "--scale", str(scale))
        with postgres_server.start(home) as lease, writers(lease.server.conninfo("backstitch")) as saved:
            while len(saved) < 100:
                time.sleep(0.01)
            before = list(saved)
            backup_seconds, code = command(home, "backup", str(folder))
            during = len(saved) - len(before)
            findings += ["the backup failed"] if code else []
            with psycopg.connect(lease.server.conninfo("backstitch")) as connection:
                size = connection.execute("select pg_database_size(current_database())").fetchone()
        made = manifest.read(folder)
        restore_seconds, code = command(empty, "restore", str(folder))
        findings += ["the restore failed"] if code else []
        verify_seconds, code = command(empty, "verify", "--checkpoint", str(folder / manifest.CHECKPOINT))
        findings += ["verification has findings"] if code else []
        replay_seconds, code = command(empty, "replay")
        findings += ["replay has differences"] if code else []
        with (
            postgres_server.start(empty) as lease,
            psycopg.connect(lease.server.conninfo("backstitch")) as connection,
        ):
            kept = {number for (number,) in connection.execute("select id from inventory.customers")}
        lost = len(set(before) - kept)
        findings += [f"{lost} acknowledged changes are missing"] if lost else []
    return {
        "scale": scale,
        "records": made.records,
        "database MB": round((size or (0,))[0] / 1e6, 1),
        "backup MB": round(made.size / 1e6, 1),
        "backup seconds": backup_seconds,
        "changes while it ran": during,
        "acknowledged before it": len(before),
        "of these missing": lost,
        "restore seconds, with verification": restore_seconds,
        "verify seconds": verify_seconds,
        "replay seconds": replay_seconds,
        "findings": findings,
    }


def main() -> int:
    """Runs a drill and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1, help="of the demo data; 10: some 96,000 records")
    figures = drill(parser.parse_args().scale)
    print(json.dumps(figures, indent=1))
    return 1 if figures["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
