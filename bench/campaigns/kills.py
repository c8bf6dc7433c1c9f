"""kill -9 of the server, a backend or a client, under load: SAFETY row 11.

    python -m bench.campaigns.kills --kills 200
    python -m bench.campaigns.kills --kills 20 --synchronous-commit off   # the negative control: must lose changes

Writers (processes of their own, the application's login) change stock and note each transaction after its commit has
returned. After each kill backstitch.postgres.server starts it again. Then every acknowledged transaction is in
the trail with as many rows as were acknowledged; each row has its record and each record its row; the stock is goods
in less goods out. Every 20 kills, and at the end, the check covers everything since the start, otherwise what was
written since the last check. At the end every row is rebuilt from its records and compared, value by value.

A changed row of inward_logs or sales_logs counts as one change; the cells that it moves do not count.

kill -9 ends processes, not the kernel, whose cache keeps what they wrote. So the campaign does not test fsync.

Prints figures as JSON. Exit code 1 on any loss, or, as negative control, when nothing was lost.
"""

import argparse
import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from backstitch.postgres import server as postgres_server
from backstitch.startup import conninfo
from bench.campaigns import checks, kill_writer, servers, shop
from bench.campaigns.shop import Connection, Shop

LOGS = {"InwardLog": "inward_logs", "SalesLog": "sales_logs"}

# Acknowledged transactions without records, or with another number of records than acknowledged.
LOST = """
select a.* from acknowledged a
left join (select transaction_id, operation, count(*) filter (where action = 'CREATE') as inserts,
                  count(*) filter (where action = 'UPDATE') as updates,
                  count(*) filter (where action = 'DELETE') as deletes
           from audit.records where transaction_id >= %(since)s and entity in ('InwardLog', 'SalesLog')
           group by 1, 2) r using (transaction_id, operation)
where (coalesce(r.inserts, 0), coalesce(r.updates, 0), coalesce(r.deletes, 0)) <> (a.inserts, a.updates, a.deletes)
"""

# Rows past an id without exactly one CREATE record, and created rows that neither exist nor were deleted.
ORPHANS = """
with created as (select entity_id, count(*) as times from audit.records
                 where transaction_id >= %(since)s and entity = %(entity)s and action = 'CREATE' group by 1),
     deleted as (select entity_id from audit.records
                 where transaction_id >= %(since)s and entity = %(entity)s and action = 'DELETE')
select coalesce(r.id, c.entity_id), c.times
from (select id from inventory.{log} where id > %(past)s) r full join created c on c.entity_id = r.id
where c.times is distinct from 1
   or r.id is null and not exists (select from deleted d where d.entity_id = c.entity_id)
   or r.id is not null and exists (select from deleted d where d.entity_id = c.entity_id)
"""

# Rows that differ from their records. A row is rebuilt key by key from the newest record that has the key.
REBUILT = """
with newest as (select distinct on (entity_id, key) entity_id, key, value
                from audit.records, jsonb_each(new_values)
                where entity = %(entity)s and action in ('CREATE', 'UPDATE') order by entity_id, key, id desc),
     rebuilt as (select entity_id, jsonb_object_agg(key, value) as image from newest
                 where entity_id not in (select entity_id from audit.records
                                         where entity = %(entity)s and action = 'DELETE') group by 1)
select coalesce(l.id, r.entity_id), to_jsonb(l), r.image
from inventory.{log} l full join rebuilt r on r.entity_id = l.id
where to_jsonb(l) is distinct from r.image limit 20
"""


@dataclass
class Writer:
    """A client process and the file of its acknowledgements."""

    process: "subprocess.Popen[bytes]"
    noted: Path


@dataclass
class Campaign:
    """The server, its writers, and the results of the checks so far."""

    lease: postgres_server.Lease
    place: Shop
    folder: Path
    dice: random.Random
    writers: list[Writer] = field(default_factory=list)
    retired: list[Path] = field(default_factory=list)
    since: int = 0  # first transaction that the next check looks at
    kills: Counter[str] = field(default_factory=Counter)
    lost: int = 0  # changes
    found: list[str] = field(default_factory=list)
    names: int = 0

    def start_writer(self) -> None:
        self.names += 1
        person = self.dice.choice(self.place.writers())
        noted = self.folder / f"{self.names}.acknowledged"
        command = [sys.executable, "-m", "bench.campaigns.kill_writer", conninfo(self.place.app_url)]
        process = subprocess.Popen([*command, person.actor.token, f"w{self.names}", str(noted)])
        self.writers.append(Writer(process, noted))

    def end_writer(self, writer: Writer) -> None:
        """Kills a client of this campaign with SIGKILL."""
        writer.process.kill()
        writer.process.wait()
        self.writers.remove(writer)
        self.retired.append(writer.noted)

    def kill(self) -> None:
        kind = self.dice.choice(["postmaster", "backend", "client"])
        if kind == "client":
            self.end_writer(self.dice.choice(self.writers))
            self.start_writer()
        else:
            number = self.postmaster() if kind == "postmaster" else self.backend()
            if number is None:
                return
            os.kill(number, signal.SIGKILL)
        self.kills[kind] += 1
        self.patiently(self.back)

    def back(self) -> None:
        """Returns when the server answers; starts it if none of its processes is left."""
        self.lease.revive()
        self.place.superuser().close()

    @staticmethod
    def patiently(work: Callable[[], None]) -> None:
        """Repeats `work` while connections are refused or break: the server notices a killed backend a moment later."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return work()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def postmaster(self) -> int:
        return int((self.lease.server.data_dir / "postmaster.pid").read_text().split("\n")[0])

    def backend(self) -> int | None:
        """The id of a process of the server: mostly a writer's backend, at times the checkpointer or the WAL writer."""
        with self.place.superuser() as psql:
            pids = psql.execute(
                "select pid from pg_stat_activity where usename = 'backstitch_app' "
                "or backend_type in ('checkpointer', 'walwriter')"
            ).fetchall()
        return self.dice.choice(pids)[0] if pids else None

    @contextmanager
    def writers_held(self) -> Iterator[None]:
        """Stops the writers (SIGSTOP) within the block, so that checks do not compete with them."""
        for writer in self.writers:
            writer.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for writer in self.writers:
                writer.process.send_signal(signal.SIGCONT)

    def check(self, *, full: bool) -> None:
        """Checks one snapshot, taken after the acknowledgements were read, so that it must have their changes."""
        files = self.retired + [writer.noted for writer in self.writers]
        acknowledged = [line for file in files for line in lines(file)]
        if full:
            self.since = 0
        found: list[str] = []
        with self.place.superuser() as psql:
            psql.execute("begin isolation level repeatable read")
            (horizon,) = psql.execute("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchone() or (0,)
            lost = missing(psql, [a for a in acknowledged if int(a[0]) >= self.since], self.since)
            if lost:
                found.append(f"lost {len(lost)} acknowledged transactions, the first {lost[0]}")
            for entity, log in LOGS.items():
                orphans = self.orphans(psql, entity, log)
                if orphans:
                    found.append(f"{entity}: {len(orphans)} orphans, e.g. {orphans[:3]}")
            unbalanced = checks.unbalanced(psql)
            if unbalanced:
                found.append(f"stock: {unbalanced[:3]}")
            psql.execute("commit")
        self.lost = max(self.lost, sum(int(a[2]) + int(a[3]) + int(a[4]) for a in lost))
        self.found += [finding for finding in found if finding not in self.found]
        self.since = horizon

    def orphans(self, psql: Connection, entity: str, log: str) -> list[Any]:
        # Rows of transactions from `since` on have higher ids than rows committed before it, but a transaction that was
        # running then can have lower ones. So rows are found by their records or, without records, by their id.
        parameters = {"since": self.since, "entity": entity, "past": 0}
        if self.since:
            query = (
                "select coalesce(max(entity_id), 0) from audit.records where entity = %(entity)s and "
                "action = 'CREATE' and transaction_id < %(since)s and transaction_id >= %(since)s - 200000"
            )
            row = psql.execute(query, parameters).fetchone()
            parameters["past"] = row[0] if row else 0
        found = psql.execute(ORPHANS.format(log=log), parameters).fetchall()
        if self.since:  # not if all rows and records of the id agree
            found = [one for one in found if not self._elsewhere(psql, entity, log, one[0])]
        return found

    @staticmethod
    def _elsewhere(psql: Connection, entity: str, log: str, number: int) -> bool:
        """Whether the row and all records of one id agree."""
        query = (
            f"select (select count(*) from inventory.{log} where id = %(id)s) = "
            "count(*) filter (where action = 'CREATE') - count(*) filter (where action = 'DELETE') "
            "from audit.records where entity = %(entity)s and entity_id = %(id)s"
        )
        row = psql.execute(query, {"id": number, "entity": entity}).fetchone()
        return bool(row and row[0])

    def rebuild(self) -> list[Any]:
        """The rows that differ from their records. Call it after the writers have ended."""
        with self.place.superuser() as psql:
            psql.execute("set work_mem = '256MB'")
            return [
                row
                for entity, log in LOGS.items()
                for row in psql.execute(REBUILT.format(log=log), {"entity": entity}).fetchall()
            ]


def lines(file: Path) -> list[list[str]]:
    """The complete lines of a file that is still being written."""
    if not file.exists():
        return []
    text = file.read_text()
    return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]


def missing(psql: Connection, acknowledged: list[list[str]], since: int) -> list[Any]:
    psql.execute(
        "create temp table if not exists acknowledged "
        "(transaction_id bigint, operation text, inserts int, updates int, deletes int)"
    )
    psql.execute("truncate acknowledged")
    with psql.cursor().copy("copy acknowledged from stdin") as copy:
        for line in acknowledged:
            copy.write_row(line)
    psql.execute("analyze acknowledged")
    return psql.execute(LOST, {"since": since}).fetchall()


@contextmanager
def campaign(options: argparse.Namespace) -> Iterator[Campaign]:
    """A campaign on a fresh embedded server, with a filled stock matrix."""
    settings = {
        "synchronous_commit": options.synchronous_commit,
        "checkpoint_timeout": "60s",
        "deadlock_timeout": "50ms",
    }
    with servers.temporary_home() as home, postgres_server.start(home, options=settings) as lease:
        with psycopg.connect(lease.server.conninfo(), autocommit=True) as psql:
            psql.execute("create database campaign")
        place = shop.open_shop(make_url(lease.server.url("campaign")))
        with place.superuser() as psql:
            shop.fill_matrix(psql, products=kill_writer.PRODUCTS)
        with tempfile.TemporaryDirectory() as folder:
            one = Campaign(lease, place, Path(folder), random.Random(options.seed))
            try:
                yield one
            finally:
                for writer in list(one.writers):
                    one.end_writer(writer)


def run(one: Campaign, options: argparse.Namespace) -> dict[str, Any]:
    """Kills until the number, the time or a finding ends it. Returns figures and findings."""
    control = options.synchronous_commit == "off"
    for _ in range(options.writers):
        one.start_writer()
    began = time.monotonic()
    while one.kills.total() < options.kills and not one.found and time.monotonic() < began + 60 * options.minutes:
        time.sleep(one.dice.uniform(0.1, 2 * options.pause))
        one.kill()
        number = one.kills.total()
        with one.writers_held():
            one.patiently(functools.partial(one.check, full=number % 20 == 0 and not control))
        if number % 10 == 0:
            print(
                json.dumps({"kills": number, "seconds": round(time.monotonic() - began), "found": one.found}),
                flush=True,
            )
    for writer in list(one.writers):
        one.end_writer(writer)
    one.patiently(functools.partial(one.check, full=True))
    rebuilt = one.rebuild()
    if rebuilt:
        one.found.append(f"rows unlike their records: {rebuilt[:3]}")
    counted = [line for file in one.retired for line in lines(file)]
    with one.place.superuser() as psql:
        version = psql.execute("select current_setting('server_version')").fetchone()
        stored = psql.execute("select count(*) from audit.records").fetchone()
        one.found += [f"replay: {difference}" for difference in checks.replay_differences(psql)[:3]]
        one.found += [f"verify: {finding}" for finding in checks.verification(psql)[:3]]
    return {
        "server": version and version[0],
        "synchronous_commit": options.synchronous_commit,
        "kills": dict(one.kills),
        "seconds": round(time.monotonic() - began),
        "acknowledged transactions": len(counted),
        "acknowledged changes": sum(int(n) for line in counted for n in line[2:]),
        "records": stored and stored[0],
        "lost changes": one.lost,
        "found": one.found,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="kill -9 under load; nothing acknowledged may be lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=120, help="ends earlier, at fewer kills")
    parser.add_argument("--writers", type=int, default=3)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between kills, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synchronous-commit", choices=["on", "off"], default="on")
    options = parser.parse_args()
    servers.end_in_order()
    with campaign(options) as one:
        result = run(one, options)
    print(json.dumps(result, indent=2))
    if options.synchronous_commit == "off":
        return 0 if result["lost changes"] else 1
    return 1 if result["found"] else 0


if __name__ == "__main__":
    sys.exit(main())
