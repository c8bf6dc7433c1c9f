"""Random SQL in concurrent sessions, after which the trail must rebuild every watched table: SAFETY row 2.

    python -m bench.campaigns.random_sql --statements 100000 --seed 1              # the embedded server
    python -m bench.campaigns.random_sql --statements 100000 --seed 1 --debian 15  # Debian's PostgreSQL 15
    python -m bench.campaigns.random_sql --server postgresql://...                 # another one, as superuser

Four sessions of the application, each transaction for a random user, and two of a superuser, some transactions under
session_replication_role = replica. The seed decides what the sessions do, but not how they interleave.
Prints figures as JSON; the exit code is 1 on any finding.
"""

import argparse
import json
import platform
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

from bench.campaigns import checks, servers, session, shop
from bench.campaigns.session import Ledger, Session
from bench.campaigns.shop import Connection, Shop


def sessions(place: Shop, ledger: Ledger, *, application: int, superusers: int) -> list[Session]:
    """Opens sessions of the application and of a superuser. Some users may not write, and are refused."""
    people = 4 * place.writers() + place.people
    opened = [Session(place.application(), f"app{n}", people, ledger, application=True) for n in range(application)]
    return opened + [
        Session(place.superuser(), f"dba{n}", place.people, ledger, application=False) for n in range(superusers)
    ]


def drive(opened: list[Session], dices: list[random.Random], ledgers: list[Ledger], each: int) -> None:
    """Runs each session in a thread until it has sent `each` statements and ended its transaction."""

    def work(one: Session, dice: random.Random, ledger: Ledger) -> None:
        try:
            target = sum(ledger.outcomes.values()) + each
            while sum(ledger.outcomes.values()) < target:
                one.step(dice)
            one.end(commit=dice.random() < 0.7)
        except Exception as error:
            ledger.findings.append(f"{one.name} died: {type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=work, args=(one, dice, ledger))
        for one, dice, ledger in zip(opened, dices, ledgers, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def inspect(psql: Connection, ledgers: list[Ledger], after: int) -> dict[str, list[Any]]:
    """The results of all checks, by name; each must be empty."""
    merged = Ledger(entries=[entry for ledger in ledgers for entry in ledger.entries])
    return {
        "replay differences": checks.replay_differences(psql),
        "findings of verification": checks.verification(psql),
        "cells out of balance": checks.unbalanced(psql),
        "records of the wrong user": merged.wrong_actors(psql, after),
        "unexpected errors": [finding for ledger in ledgers for finding in ledger.findings][:20],
    }


def run(place: Shop, *, count: int, seed: int, every: int) -> dict[str, Any]:
    """Runs the campaign on a fresh database. Returns figures and findings."""
    with place.superuser() as psql:
        session.prepare(psql)
        shop.fill_matrix(psql, products=6)
        (before,) = psql.execute("select max(id) from audit.records").fetchone() or (0,)
        dice = random.Random(seed)
        opened = sessions(place, Ledger(), application=4, superusers=2)
        ledgers = [Ledger() for _ in opened]
        for one, ledger in zip(opened, ledgers, strict=True):
            one.ledger = ledger
        dices = [random.Random(dice.random()) for _ in opened]
        began, found, rounds = time.monotonic(), {}, 0
        while (sent := sum(sum(ledger.outcomes.values()) for ledger in ledgers)) < count:
            drive(opened, dices, ledgers, -(-min(every, count - sent) // len(opened)))
            rounds += 1
            found = inspect(psql, ledgers, before)
            print(json.dumps({"round": rounds, "found": {k: len(v) for k, v in found.items()}}), flush=True)
            if any(found.values()):
                break
        return figures(psql, ledgers, before) | {
            "seconds": round(time.monotonic() - began),
            "seed": seed,
            "checks": rounds,
            "found": {name: [str(f) for f in those[:5]] for name, those in found.items()},
            "findings": sum(map(len, found.values())),
        }


def figures(psql: Connection, ledgers: list[Ledger], before: int) -> dict[str, Any]:
    outcomes: Counter[tuple[str, str]] = sum((ledger.outcomes for ledger in ledgers), Counter())
    refusals: Counter[str] = Counter()
    kinds: dict[str, dict[str, int]] = {}
    for (kind, outcome), number in outcomes.items():
        kinds.setdefault(kind, Counter())["done" if outcome == "done" else "refused"] += number
        if outcome != "done":
            refusals[outcome] += number
    stored = psql.execute(
        "select action, count(*) from audit.records where id > %s group by 1 order by 1", (before,)
    ).fetchall()
    version = psql.execute("select current_setting('server_version')").fetchone()
    return {
        "server": version and version[0],
        "python": platform.python_version(),
        "statements sent": sum(outcomes.values()),
        "statements done": sum(number for (_, outcome), number in outcomes.items() if outcome == "done"),
        "refused by SQLSTATE": dict(refusals.most_common()),
        "transactions": dict(sum((ledger.endings for ledger in ledgers), Counter())),
        "records": dict(stored),
        "kinds": dict(sorted(kinds.items())),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Random SQL in concurrent sessions, replayed from the trail.")
    parser.add_argument("--statements", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=20_000, help="statements between two checks")
    parser.add_argument("--server", help="URL of a superuser on another server")
    parser.add_argument("--debian", type=int, metavar="VERSION", help="a fresh cluster of Debian's PostgreSQL")
    options = parser.parse_args()
    servers.end_in_order()
    with servers.server(options.server, options.debian) as server, shop.database(server) as url:
        result = run(shop.open_shop(url), count=options.statements, seed=options.seed, every=options.every)
    print(json.dumps(result, indent=2, default=str))
    return 1 if result["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
