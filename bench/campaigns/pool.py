"""Many users on one connection: no record may have the wrong user. SAFETY row 3.

    python -m bench.campaigns.pool --transactions 10000                        # a pool of one connection
    python -m bench.campaigns.pool --transactions 10000 --threads 8 --bouncer  # PgBouncer, transaction mode

Every transaction acts for a random user and commits, fails or is abandoned in one of seven ways; some have no user.
The committed transactions, and no others, must have records with their user, operation and reason. Prints figures as
JSON; the exit code is 1 on any wrong record.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from backstitch.database import Database
from backstitch.errors import Refused
from bench.campaigns import bouncer, servers, shop
from bench.campaigns.shop import Connection, Person

FATES = ["commit", "commit", "rollback", "savepoint", "refused", "refused in savepoint", "read", "nobody", "forged"]
INSERT = text("insert into inventory.products (sku, name, sizes) values (:sku, 'Kurti', '{M}')")
FORGE = text("select set_config('backstitch.user_id', '1', false), set_config('backstitch.signature', 'x', false)")
PID = text("select pg_backend_pid()")

Expected = list[tuple[str, int, str]]  # SKU, user, operation of each committed insert


class Abandoned(Exception):
    """What the application raises in the middle of a transaction."""


def transact(database: Database, person: Person, fate: str, name: str, processes: set[int]) -> Expected:
    """Runs one transaction with this fate. Returns the records that it must have written."""
    done = [(name, person.id, f"{fate} {name}")]
    if fate in ("nobody", "forged"):
        return _nobody(database, fate, name)
    if fate == "read":
        with database.read(person.actor) as connection:
            processes.add(connection.execute(PID).scalar_one())
        return []
    with database.transaction(person.actor, operation=f"{fate} {name}", reason=name) as connection:
        connection.execute(INSERT, {"sku": name})
        if fate in ("savepoint", "refused in savepoint"):
            nested = connection.begin_nested()
            connection.execute(INSERT, {"sku": f"{name} inner"})
            if fate == "refused in savepoint":
                with suppress(DBAPIError):
                    connection.execute(INSERT, {"sku": name})
            nested.rollback()
            connection.execute(INSERT, {"sku": f"{name} after"})
            done.append((f"{name} after", person.id, f"{fate} {name}"))
        if fate == "rollback":
            raise Abandoned
        if fate == "refused":
            connection.execute(INSERT, {"sku": name})
    return done


def _nobody(database: Database, fate: str, name: str) -> Expected:
    """Runs a transaction without a user, which can write nothing; `forged` leaves forged settings on the connection."""
    with database.anonymous() as connection:
        connection.execute(FORGE if fate == "forged" else INSERT, {"sku": name})
    return []


def work(
    database: Database, people: list[Person], count: int, seed: int, processes: set[int]
) -> tuple[Expected, Counter[str]]:
    """Runs `count` transactions in a row. Raises AssertionError on an outcome that does not belong to its fate."""
    dice = random.Random(seed)
    expected: Expected = []
    outcomes: Counter[str] = Counter()
    for number in range(count):
        fate, person = dice.choice(FATES), dice.choice(people)
        try:
            expected += transact(database, person, fate, f"{seed}-{number}", processes)
            outcome = "done"
        except Abandoned:
            outcome = "rollback"
        except Refused as refusal:
            outcome = refusal.rule
        assert (fate, outcome) in OUTCOMES, (fate, outcome)
        outcomes[fate] += 1
    return expected, outcomes


OUTCOMES = {
    ("commit", "done"),
    ("savepoint", "done"),
    ("refused in savepoint", "done"),
    ("read", "done"),
    ("rollback", "rollback"),
    ("refused", "sku_unique"),
    ("nobody", "42501"),
    ("forged", "done"),
}


def wrong_records(psql: Connection, expected: Expected) -> list[Any]:
    """The records of products that were not expected, and the expected ones that are missing."""
    found = psql.execute(
        "select new_values ->> 'sku', user_id, operation, reason from audit.records where entity = 'Product'"
    ).fetchall()
    wanted = Counter((sku, user, operation, sku.split(" ")[0]) for sku, user, operation in expected)
    return list(((Counter(found) - wanted) + (wanted - Counter(found))).elements())


def run(
    url: str, psql: Connection, people: list[Person], *, count: int, threads: int, seed: int
) -> tuple[list[Any], dict[str, Any]]:
    """Runs `count` transactions in all. Returns the wrong records, and figures."""
    database = Database(url, pool_size=threads)
    processes: set[int] = set()
    began = time.monotonic()
    try:
        with ThreadPoolExecutor(threads) as pool:
            futures = [
                pool.submit(work, database, people, count // threads, seed * 1000 + number, processes)
                for number in range(threads)
            ]
            results = [future.result() for future in futures]
    finally:
        database.dispose()
    expected = [one for done, _ in results for one in done]
    fates: Counter[str] = sum((counted for _, counted in results), Counter())
    return wrong_records(psql, expected), {
        "transactions": sum(fates.values()),
        "fates": dict(sorted(fates.items())),
        "records": len(expected),
        "threads": threads,
        "server connections": len(processes),
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Alternating users on one connection; no record of the wrong user.")
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bouncer", action="store_true", help="through PgBouncer with one connection to the server")
    parser.add_argument("--server", help="URL of a superuser on another server")
    parser.add_argument("--debian", type=int, metavar="VERSION", help="a fresh cluster of Debian's PostgreSQL")
    options = parser.parse_args()
    servers.end_in_order()
    with (
        servers.server(options.server, options.debian) as server,
        shop.database(server) as url,
        (place := shop.open_shop(url)).superuser() as psql,
        bouncer.pgbouncer(psql, place.app_url) if options.bouncer else nullcontext(place.app_url) as app_url,
    ):
        wrong, figures = run(
            app_url.render_as_string(hide_password=False),
            psql,
            place.writers(),
            count=options.transactions,
            threads=options.threads,
            seed=options.seed,
        )
    print(json.dumps({"bouncer": options.bouncer, "wrong": len(wrong), "examples": wrong[:5]} | figures, default=str))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
