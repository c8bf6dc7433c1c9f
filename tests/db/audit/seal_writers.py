"""Writers of all isolation levels beside sealers, and what must be true of the seals afterwards."""

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field

import psycopg

from tests.db.audit.tampering import one, seal_all, verification


@dataclass
class Outcome:
    """`problems` are sentences; `retries` are serialization failures, which the levels are free to give."""

    records: int = 0
    seals: int = 0
    deadlocks: int = 0
    retries: int = 0
    problems: list[str] = field(default_factory=list)


class _Rollback(Exception):
    pass


def run_writers(server: str, *, level: str, writers: int, sealers: int, seconds: float) -> Outcome:
    """Runs them on demo.things, seals the rest, and checks the seals against the table."""
    outcome = Outcome()
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=_write, args=(server, level, number, end, outcome)) for number in range(writers)]
    threads += [threading.Thread(target=_seal, args=(server, end, outcome)) for _ in range(sealers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(server, autocommit=True) as psql:
        seal_all(psql)
        _check(psql, outcome)
    return outcome


def _write(server: str, level: str, number: int, end: float, outcome: Outcome) -> None:
    chance = random.Random(number)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"set default_transaction_isolation = '{level}'")
        while time.monotonic() < end:
            try:
                _transaction(connection, chance)
            except _Rollback:
                pass
            except psycopg.errors.SerializationFailure:
                outcome.retries += 1
            except psycopg.errors.DeadlockDetected:
                outcome.deadlocks += 1
            except psycopg.Error as error:
                outcome.problems.append(str(error))


def _transaction(connection: psycopg.Connection, chance: random.Random) -> None:
    """Some rows, perhaps a shared row, perhaps a savepoint that is rolled back, perhaps all of it."""
    with connection.transaction():
        connection.execute(
            "insert into demo.things (name, size) select 'w', i from generate_series(1, %s) i", (chance.randint(1, 4),)
        )
        if chance.random() < 0.3:
            connection.execute("update demo.things set size = size + 1 where id = 1")
        if chance.random() < 0.3:
            with contextlib.suppress(_Rollback), connection.transaction():
                connection.execute("insert into demo.things (name) values ('rolled back')")
                raise _Rollback
        if chance.random() < 0.2:
            time.sleep(chance.random() * 0.05)
        if chance.random() < 0.2:
            raise _Rollback


def _seal(server: str, end: float, outcome: Outcome) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        while time.monotonic() < end:
            try:
                connection.execute("select audit.seal()")
            except psycopg.Error as error:
                outcome.problems.append(f"sealer: {error}")
            time.sleep(0.01)


def _check(psql: psycopg.Connection, outcome: Outcome) -> None:
    outcome.records = one(psql, "select count(*) from audit.records")
    outcome.seals = one(psql, "select count(*) from audit.seals")
    for sentence, query in {
        "a record is in two seals": "select count(*) - count(distinct i) from audit.seals, unnest(record_ids) i",
        "a record is in no seal": "select count(*) from audit.records r "
        "where r.id not in (select unnest(s.record_ids) from audit.seals s)",
        "the chain forks": "select count(*) - count(distinct previous) from audit.seals",
        "a sealed record does not exist": "select count(*) from audit.seals s, unnest(record_ids) i "
        "where i not in (select r.id from audit.records r)",
        "a row was rolled back and stayed": "select count(*) from demo.things where name = 'rolled back'",
        "a row has no record": "select abs((select count(*) from demo.things) - (select count(*) from audit.records "
        "where entity = 'Thing' and action = 'CREATE'))",
    }.items():
        if number := one(psql, query):
            outcome.problems.append(f"{sentence}: {number}")
    outcome.problems.extend(map(str, verification(psql).findings))
