"""Measures what a trail costs writers: Backstitch and its peers on the same table, in one run. `make bench-audit`.

The table is `products` with 11 columns. Bulk: one statement each inserts, updates (one column) and deletes all rows.
Single: two pgbench clients update one column of one row per transaction, with prepared statements. synchronous_commit
is off, so that the trail is measured and not the disk. Each measurement has a fresh database, cloned from one per
contender. The contenders take turns, so that noise of the machine affects all alike. A vacuum and a checkpoint come
before each timed step.

audit_write_orm.py does the same work with objects, through SQLAlchemy's unit of work, because SQLAlchemy-Continuum and
the logger see no other. Those figures are per row of fewer rows and have a row "nothing" of their own to compare with.

The peers are installed by their own code (audit_write_peers.py).
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from backstitch import migrations
from backstitch.accounts import users
from backstitch.accounts.permissions import Role
from backstitch.database import Database
from backstitch.postgres import server as postgres_server
from backstitch.startup import conninfo

HERE = Path(__file__).resolve().parent

TABLE = """
create table products (
    id bigint generated always as identity primary key,
    sku text not null unique,
    name text not null,
    description text not null,
    category text not null,
    unit_price numeric(12,2),
    hsn_code text,
    gst_rate numeric(5,2),
    sizes text[] not null,
    reorder_level integer not null,
    is_active boolean not null
)"""
INSERT = """
insert into products (sku, name, description, category, unit_price, hsn_code, gst_rate, sizes, reorder_level, is_active)
select 'SKU-' || n, 'Kurta, straight cut ' || n, 'Cotton, hand block print, side slits, three-quarter sleeves',
       (array['Kurtas', 'Sarees', 'Shirts', 'Dupattas'])[1 + n % 4], 499 + n % 2000, '6204', 5,
       array['S', 'M', 'L', 'XL'], n % 50, true
from generate_series(1, {rows}) n"""
BULK = {"insert": INSERT, "update": "update products set unit_price = unit_price + 5", "delete": "delete from products"}
UPDATE_ONE = "update products set unit_price = unit_price + 5 where id = :id;\n"

PASSWORD = "application-of-the-bench"
TOKEN = "token-of-the-bench"
BEGIN = f"select set_config('role', accounts.begin('{TOKEN}', 'bench', null), true)"
BEGIN_NOTHING = "select set_config('backstitch.nothing', 'bench', true)"

# Autovacuum and checkpoints would slow one contender and not the next. Durability stays on: fsync, full_page_writes.
SERVER = {
    "shared_buffers": "512MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "synchronous_commit": "off",
}
TRAIL_SIZE = """
select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace

where c.relkind = 'r' and c.relname <> 'products' and n.nspname !~ '^(pg_|information_schema)'"""


@dataclass(frozen=True)
class Contender:
    """A way to write a trail. `records` counts its records, so that no contender is fast because it leaves some out."""

    name: str
    database: str
    keeps: str  # which values of an update are kept
    records: str | None = None
    installer: str | None = None  # in audit_write_peers
    begin: str | None = None  # starts each transaction
    login: str | None = None
    orm: str | None = None  # the trail of audit_write_orm that the work goes through

    @property
    def baseline(self) -> str:
        """The name of the contender to which its ratios are."""
        return "nothing, through the ORM" if self.orm else "nothing"


RECORDS = "select count(*) from audit.records where entity = 'Article'"
BOTH, NEW = "old, new", "new"
CONTENDERS = (
    Contender("nothing", "nothing", "-"),
    Contender("nothing, begin and set_config", "nothing", "-", begin=BEGIN_NOTHING),
    Contender("Backstitch", "backstitch", BOTH, RECORDS),
    Contender("Backstitch, signed-in user", "backstitch", BOTH, RECORDS, begin=BEGIN, login="backstitch_app"),
    *(
        Contender(
            f"postgresql-audit, {level}",
            f"pa_{level}",
            BOTH,
            "select count(*) from activity",
            f"postgresql-audit-{level}",
        )
        for level in ("row", "statement")
    ),
    *(
        Contender(
            f"django-pghistory, {level}",
            f"pgh_{level}",
            NEW,
            "select count(*) from catalogue_productevent",
            f"pghistory-{level}",
        )
        for level in ("row", "statement")
    ),
    Contender("nothing, through the ORM", "nothing", "-", orm="none"),
    Contender("Backstitch, through the ORM", "backstitch", BOTH, RECORDS, orm="none"),
    Contender("after_flush logger", "logger", BOTH, "select count(*) from audit_log", "logger", orm="logger"),
    Contender(
        "SQLAlchemy-Continuum", "continuum", NEW, "select count(*) from products_version", "continuum", orm="continuum"
    ),
)


class Server:
    """The embedded server, with the databases from which the runs are cloned."""

    def __init__(self, server: postgres_server.EmbeddedServer) -> None:
        self.server = server
        self.url = make_url(server.url())

    def connect(self, database: str, login: str | None = None) -> psycopg.Connection:
        """A connection in autocommit whose statements psycopg does not prepare."""
        url = self.url.set(database=database)
        if login:
            url = url.set(username=login, password=PASSWORD)
        return psycopg.connect(conninfo(url), autocommit=True, prepare_threshold=None)

    def text_url(self, database: str) -> str:
        """The URL of a database as text, for another process."""
        return self.url.set(database=database).render_as_string(hide_password=False)

    @contextmanager
    def clone(self, database: str) -> Iterator[str]:
        """A fresh copy of `database`, dropped afterwards."""
        name = f"{database}_run"
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(database))
            )
            yield name
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def serve() -> Iterator[Server]:
    """A server of its own, removed afterwards."""
    with tempfile.TemporaryDirectory() as home:
        lease = postgres_server.start(Path(home), options=SERVER)
        try:
            yield Server(lease.server)
        finally:
            lease.stop()
            if os.geteuid() == 0:  # then the data are outside of `home`
                shutil.rmtree(lease.server.data_dir.parent, ignore_errors=True)


def install(server: Server, contender: Contender) -> None:
    """Creates the database from which the runs of a contender are cloned."""
    with server.connect("postgres") as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(contender.database)))
    if contender.database == "backstitch":
        install_backstitch(server.url.set(database="backstitch"))
    with server.connect(contender.database) as connection:
        connection.execute(TABLE)
        if contender.database == "backstitch":
            connection.execute("alter table products owner to backstitch_owner")
            connection.execute("grant select, insert, update, delete on products to backstitch_manager")
            connection.execute("select audit.watch('products', 'Article')")
    if contender.installer:
        command = [sys.executable, str(HERE / "audit_write_peers.py"), contender.installer]
        subprocess.run([*command, server.text_url(contender.database)], check=True)


def install_backstitch(url: URL) -> None:
    """Runs all migrations and creates one manager with a live session."""
    owner = Database(url.render_as_string(hide_password=False))
    with owner.owner_connection() as connection:
        migrations.upgrade(connection)
        connection.exec_driver_sql(f"alter role backstitch_app password '{PASSWORD}'")
        users.create_user(
            connection,
            email="bench@example.com",
            name="Bench",
            role=Role.MANAGER,
            password="bench of the house",
            cost=4,
        )
        connection.exec_driver_sql(
            "insert into accounts.sessions (user_id, token_hash, expires_at) "
            "select id, sha256(convert_to(%s, 'UTF8')), now() + interval '10 days' from accounts.users",
            (TOKEN,),
        )
        connection.commit()
    owner.dispose()


@dataclass(frozen=True)
class Work:
    """How many rows and seconds of work a run does."""

    rows: int
    orm_rows: int
    seconds: int


def run_once(server: Server, contender: Contender, work: Work) -> dict[str, float]:
    """The microseconds per row of each bulk step, transactions per second, and bytes per change."""
    with server.clone(contender.database) as database, server.connect(database) as watcher:
        bulk = orm_bulk if contender.orm else sql_bulk
        figures = bulk(server, database, contender, work, watcher)
        expected = 3 * (work.orm_rows if contender.orm else work.rows)
        check_complete(watcher, contender, expected)
        watcher.execute(INSERT.format(rows=work.rows))
        before = count_records(watcher, contender)
        settle(watcher)
        single = orm_single if contender.orm else pgbench
        done = single(server, database, contender, work)
        check_complete(watcher, contender, before + done)
        return figures | {"tps": done / work.seconds}


def settle(connection: psycopg.Connection) -> None:
    """Vacuums and checkpoints, so that nothing is left over from the step before."""
    connection.execute("vacuum analyze products")
    connection.execute("checkpoint")


def one_row(connection: psycopg.Connection, query: str) -> tuple[Any, ...]:
    """The only row of a query."""
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def count_records(connection: psycopg.Connection, contender: Contender) -> int:
    """How many records the trail has."""
    return int(one_row(connection, contender.records)[0]) if contender.records else 0


def check_complete(connection: psycopg.Connection, contender: Contender, expected: int) -> None:
    """Refuses a contender whose trail has left something out."""
    if contender.records and (found := count_records(connection, contender)) != expected:
        raise SystemExit(f"{contender.name} recorded {found} of {expected} changes")


def sql_bulk(
    server: Server, database: str, contender: Contender, work: Work, watcher: psycopg.Connection
) -> dict[str, float]:
    """Runs the bulk steps, each as one SQL statement."""
    figures = {}
    before = one_row(watcher, TRAIL_SIZE)[0]
    with server.connect(database, contender.login) as connection:
        for step, statement in BULK.items():
            settle(watcher)
            start = time.perf_counter()
            with connection.transaction():
                if contender.begin:
                    connection.execute(contender.begin)
                connection.execute(statement.format(rows=work.rows))
            figures[step] = (time.perf_counter() - start) / work.rows * 1e6
    grown = one_row(watcher, TRAIL_SIZE)[0] - before
    return figures | {"bytes": grown / (3 * work.rows)}


def orm_bulk(
    server: Server, database: str, contender: Contender, work: Work, watcher: psycopg.Connection
) -> dict[str, float]:
    """Runs the bulk steps, each as one unit of work with all objects."""
    before = one_row(watcher, TRAIL_SIZE)[0]
    settle(watcher)
    seconds = json.loads(orm_process(server, database, contender, "bulk", work.orm_rows).communicate()[0])
    grown = one_row(watcher, TRAIL_SIZE)[0] - before
    figures = {step: taken / work.orm_rows * 1e6 for step, taken in seconds.items()}
    return figures | {"bytes": grown / (3 * work.orm_rows)}


def orm_single(server: Server, database: str, contender: Contender, work: Work) -> int:
    """Runs two clients of the unit of work, each in a process. Returns their transactions."""
    clients = [orm_process(server, database, contender, "single", work.seconds, seed) for seed in (1, 2)]
    return sum(json.loads(client.communicate()[0]) for client in clients)


def orm_process(
    server: Server, database: str, contender: Contender, task: str, *amount: float
) -> subprocess.Popen[str]:
    """Starts audit_write_orm.py."""
    command = [sys.executable, str(HERE / "audit_write_orm.py"), task, str(contender.orm), server.text_url(database)]
    return subprocess.Popen([*command, *map(str, amount)], stdout=subprocess.PIPE, text=True)


def pgbench(server: Server, database: str, contender: Contender, work: Work) -> int:
    """Runs pgbench with two clients. Returns their transactions."""
    with server.connect(database) as connection:
        low, high = one_row(connection, "select min(id), max(id) from products")
    script = f"\\set id random({low}, {high})\n"
    script += f"begin;\n{contender.begin};\n{UPDATE_ONE}commit;\n" if contender.begin else UPDATE_ONE
    place = server.server
    login, password = (contender.login, PASSWORD) if contender.login else (place.user, place.password)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [
            str(place.bin_dir / "pgbench"),
            "-n",
            "-M",
            "prepared",
            "-c",
            "2",
            "-j",
            "2",
            "-T",
            str(work.seconds),
        ]
        command += ["-f", file.name, "-h", str(place.socket_dir), "-p", str(place.port), "-U", login, database]
        environment = os.environ | {"PGPASSWORD": password}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    found = re.search(r"actually processed: (\d+)", done.stdout)
    if not found or re.search(r"failed transactions: [1-9]", done.stdout):
        raise SystemExit(done.stdout + done.stderr)
    return int(found[1])


Runs = dict[str, list[dict[str, float]]]


def measure(
    server: Server, contenders: list[Contender], work: Work, warm_up: int, runs: int
) -> tuple[Runs, list[float]]:
    """The figures of all runs, and the load of the machine at each. Each run starts with another contender."""
    found: Runs = {contender.name: [] for contender in contenders}
    loads = []
    for number in range(warm_up + runs):
        shift = number * 5 % len(contenders)
        for contender in contenders[shift:] + contenders[:shift]:
            figures = run_once(server, contender, work)
            shown = "  ".join(f"{key} {value:.1f}" for key, value in figures.items())
            print(f"run {number - warm_up + 1:2}  {contender.name:32} {shown}", file=sys.stderr, flush=True)
            if number >= warm_up:
                found[contender.name].append(figures)
                loads.append(os.getloadavg()[0])
    return found, loads


def spread(values: list[float], form: str) -> str:
    """The text "median (minimum to maximum)"."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def ratios(runs: Runs, contender: Contender, key: str) -> list[float]:
    """The ratios to the contender without a trail in the same run, so that drift of the machine cancels out."""
    pairs = zip(runs[contender.name], runs[contender.baseline], strict=True)
    return [mine[key] / base[key] for mine, base in pairs]


def cell(runs: Runs, contender: Contender, key: str) -> str:
    """The ratio to the contender "nothing"; for that one itself, its figure."""
    rate = key == "tps"
    if contender.name == contender.baseline:
        own = [figures[key] for figures in runs[contender.name]]
        return spread(own, ",.0f") + " a second" if rate else spread(own, ",.1f") + " µs a row"
    return spread(ratios(runs, contender, key), ".2f" if rate else ".1f") + ("" if rate else " x")


def table(runs: Runs, contenders: list[Contender]) -> Iterator[str]:
    """The lines of a Markdown table: medians of the ratios, with the smallest and the largest."""
    yield "| trail written by | bulk insert | bulk update | bulk delete | single-row tps | bytes a change | kept |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for contender in contenders:
        cells = [cell(runs, contender, key) for key in (*BULK, "tps")]
        size = statistics.median(figures["bytes"] for figures in runs[contender.name])
        yield f"| {contender.name} | {' | '.join(cells)} | {size:.0f} | {contender.keeps} |"


def machine(server: Server) -> dict[str, object]:
    """The properties of the machine and the server on which the figures depend."""
    cpu = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    with server.connect("postgres") as connection:
        database = one_row(connection, "select version()")[0]
    packages = (HERE / "requirements.txt").read_text().splitlines()
    names = [line.split("==")[0] for line in packages if "==" in line] + ["SQLAlchemy", "psycopg"]
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": database,
        "server_settings": SERVER,
        "packages": {name: version(name) for name in names},
    }


def arguments() -> argparse.Namespace:
    """The options of the command line; the defaults are the real measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="rows per bulk statement")
    parser.add_argument("--orm-rows", type=int, default=2_000, help="objects per unit of work")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1, help="runs before those that count")
    parser.add_argument("--seconds", type=int, default=3, help="of single-row updates in each run")
    parser.add_argument("--only", help="contenders whose name matches this regular expression; nothing is always in")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "audit_write.json")
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes the JSON."""
    options = arguments()
    chosen = [
        c for c in CONTENDERS if not options.only or c.name.startswith("nothing") or re.search(options.only, c.name)
    ]
    work = Work(options.rows, options.orm_rows, options.seconds)
    with serve() as server:
        for contender in {c.database: c for c in chosen}.values():
            install(server, contender)
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        runs, loads = measure(server, chosen, work, options.warm_up, options.runs)
        about = machine(server)
    result = {
        "started": started,
        "triggers_sql_sha256": hashlib.sha256((HERE.parent / "db" / "triggers.sql").read_bytes()).hexdigest(),
        "work": vars(work),
        "warm_up": options.warm_up,
        "machine": about,
        "load_average": {"lowest": min(loads), "median": statistics.median(loads), "highest": max(loads)},
        "units": {"insert, update, delete": "µs a row", "tps": "transactions a second", "bytes": "a change"},
        "runs": {
            name: [{k: round(v, 3) for k, v in figures.items()} for figures in all_] for name, all_ in runs.items()
        },
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join(table(runs, chosen)))
    print(f"Median of {options.runs} (lowest to highest), ratios to nothing in the same run. Raw: {options.output}")


if __name__ == "__main__":
    main()
