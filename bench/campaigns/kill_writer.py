"""A client of the kill campaign: writes as a user, and acknowledges each transaction after its commit has returned.

An acknowledgement is a line `transaction_id operation inserts updates deletes`, in rows of the movement logs. It
reaches the kernel before the next transaction starts, so killing the client loses none.
"""

import os
import random
import sys
import time
from pathlib import Path

import psycopg

INSERT = "insert into inventory.{log} (product_id, colour_code, size, quantity, {other}) values {rows}"
SOME = "select id from inventory.{log} where {other} = %s order by id desc limit %s"
LOGS = [("inward_logs", "stakeholder_name"), ("inward_logs", "stakeholder_name"), ("sales_logs", "store")]
PRODUCTS = 40


def changes(connection: psycopg.Connection, dice: random.Random, name: str) -> tuple[int, int, int]:
    """Makes the random changes of one transaction. Returns the number of rows inserted, updated and deleted."""
    inserted = updated = deleted = 0
    product = dice.randint(1, PRODUCTS)  # one per transaction: otherwise the writers mostly wait for one another
    for _ in range(dice.randint(1, 4)):
        log, other = dice.choice(LOGS)
        draw = dice.random()
        if draw < 0.8:
            number = dice.choice([1, 1, 5, 20, 40])
            most = 9 if log == "inward_logs" else 3
            rows = ", ".join(
                f"({product}, '{dice.choice('RG')}', '{dice.choice('SML')}', {dice.randint(1, most)}, %s)"
                for _ in range(number)
            )
            query = INSERT.format(log=log, other=other, rows=rows)
            inserted += connection.execute(query, [name] * number).rowcount
        else:
            some = SOME.format(log=log, other=other)
            change = (
                f"update inventory.{log} set quantity = quantity + 1"
                if draw < 0.9 and log == "inward_logs"
                else (f"update inventory.{log} set date = date - 1" if draw < 0.95 else f"delete from inventory.{log}")
            )
            query = f"{change} where id in ({some})"
            number = connection.execute(query, (name, dice.choice([1, 5]))).rowcount
            if change.startswith("delete"):
                deleted += number
            else:
                updated += number
    return inserted, updated, deleted


def transact(connection: psycopg.Connection, dice: random.Random, name: str, token: str, operation: str) -> str | None:
    """Runs one transaction. Returns its acknowledgement; None if it was refused or rolled back."""
    connection.execute("begin")
    connection.execute("select set_config('role', accounts.begin(%s, %s, 'load'), true)", (token, operation))
    try:
        counts = changes(connection, dice, name)
    except (psycopg.IntegrityError, psycopg.errors.TransactionRollback):
        connection.execute("rollback")
        return None
    row = connection.execute("select pg_current_xact_id()::text").fetchone()
    if dice.random() < 0.05:
        connection.execute("rollback")
        return None
    connection.execute("commit")
    assert row
    return f"{row[0]} {operation} {counts[0]} {counts[1]} {counts[2]}\n"


def main(conninfo: str, token: str, name: str, noted: Path) -> None:
    """Writes until it is killed, and connects again whenever the server is back."""
    dice = random.Random(name)
    output = os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    count = 0
    while os.getppid() != 1:  # the campaign itself has died
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                while True:
                    count += 1
                    line = transact(connection, dice, name, token, f"{name}/{count}")
                    if line:
                        os.write(output, line.encode())
        except psycopg.OperationalError:
            time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
