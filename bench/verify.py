"""Measures the seals: tampering is found, clean runs have no findings, writers do not wait, a million records verify.

    .venv/bin/python -m bench.verify                       everything
    .venv/bin/python -m bench.verify --tampering --seeds 5 one part, smaller

Each part has a fresh database on the embedded server. Prints figures, writes bench/results/verify.json, and exits
with 1 if a figure is not what it has to be.
"""

import argparse
import functools
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from backstitch import migrations
from backstitch.database import Database
from backstitch.postgres import server as postgres_server
from tests.db.audit.seal_writers import run_writers
from tests.db.audit.tampering import KINDS, findings, found, make_history, one, seal_all, verification
from tests.db.trail import watched_table

HERE = Path(__file__).resolve().parent

LEVELS = ("read committed", "repeatable read", "serializable")
INSERT = (
    "insert into demo.things (name, description, price, size) select 'Kurta, straight cut ' || i, "
    "'Cotton, hand block print, side slits, three-quarter sleeves', 499 + i %% 2000, i %% 50 "
    "from generate_series(1, %s) i"
)
COLUMNS = "id bigint generated always as identity primary key, name text, description text, price numeric, size int"
print = functools.partial(print, flush=True)

Figures = dict[str, Any]


@contextmanager
def fresh_database(server: postgres_server.EmbeddedServer, name: str) -> Iterator[str]:
    """The connection string of a migrated database, which is dropped afterwards."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    owner = Database(make_url(server.url(name)).render_as_string(hide_password=False), pool_size=1)
    with owner.owner_connection() as connection:
        migrations.upgrade(connection)
        connection.commit()
    owner.dispose()
    try:
        yield server.conninfo(name)
    finally:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


def _empty(psql: psycopg.Connection) -> None:
    psql.execute("drop schema if exists demo cascade; delete from audit.watched_tables where entity = 'Thing'")
    psql.execute("truncate audit.records, audit.seals, audit.deletions")


def tampering(conninfo: str, given: argparse.Namespace) -> Figures:
    """Tampers in every way with every seed, on a new history every 25 seeds; the findings must be those expected."""
    missed: list[str] = []
    tried = 0
    with psycopg.connect(conninfo, autocommit=True) as psql:
        for seed in range(given.seeds):
            if seed % 25 == 0:
                _empty(psql)
                history = make_history(psql, rounds=6 + seed % 4, rows=5 + seed % 7, seed=seed)
            for kind in KINDS:
                named, expected = found(psql, history, kind, seed)
                tried += 1
                if named != expected:
                    missed.append(f"{kind.__name__} {seed}: too much {named - expected}, missed {expected - named}")
    for line in missed:
        print("   ", line)
    print(f"tampering: {len(KINDS)} kinds x {given.seeds} seeds, {tried - len(missed):,} of {tried:,} found and named")
    return {"kinds": len(KINDS), "seeds": given.seeds, "wrong": len(missed)}


def clean(conninfo: str, given: argparse.Namespace) -> Figures:
    """Changes, seals and verifies many times; there must be no finding."""
    alarms = 0
    with psycopg.connect(conninfo, autocommit=True) as psql:
        make_history(psql, rounds=3)
        for number in range(given.runs):
            psql.execute("insert into demo.things (size) select i from generate_series(1, %s) i", (number % 5,))
            psql.execute("update demo.things set size = size + 1 where id %% 50 = %s", (number % 50,))
            if number % 3:
                psql.execute("select audit.seal()")
            if number % 100 == 99:
                psql.execute("select audit.delete_records(now() - interval '2 seconds', 'of the bench')")
            alarms += len(findings(psql))
        sealed = one(psql, "select sealed from audit.sealing_state()")
    print(f"clean: {given.runs:,} verifications of up to {sealed:,} records, {alarms} alarms")
    return {"verifications": given.runs, "alarms": alarms, "records": sealed}


def writers(conninfo: str, given: argparse.Namespace) -> Figures:
    """Runs 32 writers and 2 sealers under each isolation level."""
    figures: Figures = {}
    for level in LEVELS:
        with psycopg.connect(conninfo, autocommit=True) as psql:
            _empty(psql)
            watched_table(psql, "id bigint generated always as identity primary key, name text, size int")
        outcome = run_writers(conninfo, level=level, writers=32, sealers=2, seconds=given.seconds)
        print(
            f"writers, {level}: {outcome.records:,} records in {outcome.seals:,} seals, {outcome.deadlocks} deadlocks, "
            f"{outcome.retries:,} serialization failures, problems: {outcome.problems or 'none'}"
        )
        figures[level] = vars(outcome)
    return figures


def million(conninfo: str, given: argparse.Namespace) -> Figures:
    """Measures the seconds to seal and to verify many records, in transactions of 10,000, and the last second only."""
    with psycopg.connect(conninfo, autocommit=True) as psql:
        watched_table(psql, COLUMNS)
        for _ in range(given.records // 10_000):
            psql.execute(INSERT, (10_000,))
        figures: Figures = {"records": one(psql, "select count(*) from audit.records")}
        figures["seal"] = _seconds(lambda: seal_all(psql))
        psql.execute("vacuum analyze audit.records")
        figures["verify"] = _seconds(lambda: _nothing(findings(psql)))
        figures["verify, again"] = _seconds(lambda: _nothing(findings(psql)))
        figures["seal nothing"] = _seconds(lambda: psql.execute("select audit.seal()"))
        psql.execute("update demo.things set size = 0 where id = 1")
        figures["seal one"] = _seconds(lambda: seal_all(psql))
        since = one(psql, "select now() - interval '1 second'")
        figures["verify since a second ago"] = _seconds(lambda: _nothing(verification(psql, since=since).findings))
        figures["bytes a record"] = (
            one(psql, "select pg_total_relation_size('audit.seals')::float8") / figures["records"]
        )
    for name, value in figures.items():
        print(f"million: {name}: {value:,.3f}" + ("" if "record" in name else " s"))
    return figures


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _nothing(found: object) -> None:
    assert not found, found


PARTS = {"tampering": tampering, "clean": clean, "writers": writers, "million": million}


def failed(results: Figures) -> bool:
    """Whether one of the figures is not what it has to be."""
    levels = results.get("writers", {}).values()
    return bool(
        results.get("tampering", {}).get("wrong")
        or results.get("clean", {}).get("alarms")
        or any(level["problems"] or level["deadlocks"] for level in levels)
        or results.get("million", {}).get("verify", 0) > 60
    )


def main() -> int:
    """Runs the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in PARTS:
        parser.add_argument(f"--{name}", action="append_const", dest="parts", const=name, help=f"only {name}")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--clean-runs", type=int, default=1000, dest="runs")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bench-verify-"))
    results: Figures = {"cores": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()}
    folders = {home}
    try:
        with postgres_server.start(home) as lease:
            folders.add(lease.server.data_dir.parent)
            for name in given.parts or PARTS:
                with fresh_database(lease.server, f"bench_{name}") as conninfo:
                    results[name] = PARTS[name](conninfo, given)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "verify.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return int(failed(results))


if __name__ == "__main__":
    sys.exit(main())
