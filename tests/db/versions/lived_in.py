"""A small database that was lived in, as a version keeps it: each kind of record, a seal, a deletion, a forgotten user.

    .venv/bin/python -m tests.db.versions.lived_in     keeps the dump of this version in tests/db/versions/dumps

`dump_schema` and `restore` are how tests compare and bring back what was kept.
"""

import gzip
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, text

from backstitch import __version__
from backstitch.accounts import sessions, users
from backstitch.accounts.permissions import Role
from backstitch.audit.deletion import delete_records
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements.adjustments import Adjustment
from backstitch.inventory.movements.commands import SalesRow
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.postgres import server as postgres_server
from backstitch.startup import conninfo
from bench.campaigns import servers
from tests.conftest import Clone, open_clone, prepare
from tests.db.audit.tampering import seal_all
from tests.db.business import DAY, open_business

DUMPS = Path(__file__).with_name("dumps")
MONTHS = "audit.records_2*"  # which of them a database has depends on the day it was made
# Lines of the dumping program and its moment, a setting that older servers do not know, and a number that the server
# of Debian 12 (15.20) keeps in the options of a column by itself, another one in each database.
NOT_THE_SCHEMA = re.compile(
    r"-- Dumped |\\(un)?restrict |SET transaction_timeout|ALTER TABLE .* SET \(pg_attver=\d+\);$"
)


def live_in(clone: Clone) -> None:
    """Some days of business in a fresh database."""
    business = open_business(clone)
    with business.write() as connection:
        movement_commands.bulk_sales(connection, rows=[SalesRow(business.product, "RED", "S", 2, DAY, "Bandra")])
    first, second = business.draft(business.line(3)), business.draft(business.line(1))
    business.move("confirmed", first, second)
    business.move("dispatched", first, on=DAY)
    business.move("cancelled", second)
    with business.write(reason="counted") as connection:
        counted = Adjustment(business.product, "RED", "S", -1, DAY, "count", "stock-take")
        adjustments.adjust(connection, adjustments=[counted])
    with business.write(reason="dearer cloth") as connection:
        product = product_queries.product(connection, product_id=business.product)
        change = product_commands.ProductChange(product.id, product.version, {"unit_price": Decimal(549)})
        product_commands.edit_products(connection, changes=[change])
    with clone.superuser() as psql:
        psql.execute("insert into inventory.customers (store_name) values ('typed into psql')")
        seal_all(psql)
    _administer(clone)
    with clone.superuser() as psql:
        seal_all(psql)


def _administer(clone: Clone) -> None:
    """A failed sign-in, a user who comes and is forgotten, and a deletion on the record."""
    browser = sessions.Browser(secret="elsewhere", address="203.0.113.9", user_agent="Firefox")
    sessions.sign_in(
        clone.app,
        email="nobody@example.com",
        password="wrong horse battery",
        browser=browser,
        lifetime=timedelta(hours=1),
    )
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="users", reason="joins") as connection:
        users.create_user(connection, email="left@example.com", name="Left Long", role=Role.VIEWER, password=None)
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="users") as connection:
        person = connection.execute(text("select id from accounts.users where email = 'left@example.com'")).scalar_one()
        connection.execute(text("select accounts.forget_user(:id, 'asked for it')"), {"id": person})
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="tidy up") as connection:
        now = connection.execute(text("select clock_timestamp()")).scalar_one()
        delete_records(connection, before=now, reason="older than the law asks", entities=["OrderCounter"])


def dump_schema(url: URL) -> str:
    """`pg_dump -s` without the months of the trail, its present era, and what the dumping program says of itself."""
    program = postgres_server.bin_dir() / "pg_dump"
    command = [program, "--schema-only", f"--exclude-table={MONTHS}", "-d", conninfo(url)]
    schema = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return _without_the_moment(re.sub(r"(\bera smallint DEFAULT )\d+", r"\g<1>n", schema))


def dump(url: URL, file: Path) -> None:
    """Keeps a whole database as SQL, compressed; the same database gives the same bytes."""
    program = postgres_server.bin_dir() / "pg_dump"
    # psql takes the name of accounts.begin, unless it is quoted, for the BEGIN of a body.
    command = [program, "--quote-all-identifiers", "-d", conninfo(url)]
    whole = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(_without_the_moment(whole).encode(), mtime=0))


def restore(file: Path, url: URL) -> None:
    """Brings a kept database back into an empty one."""
    program = postgres_server.bin_dir() / "psql"
    command = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo(url)]
    subprocess.run(command, check=True, input=gzip.decompress(file.read_bytes()), stdout=subprocess.PIPE)


@contextmanager
def empty_database(server_url: URL, name: str) -> Iterator[URL]:
    """A database with nothing in it, dropped at the end of the block."""
    with psycopg.connect(conninfo(server_url), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield server_url.set(database=name)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _without_the_moment(dumped: str) -> str:
    return "\n".join(line for line in dumped.split("\n") if not NOT_THE_SCHEMA.match(line))


def main() -> None:
    """Keeps the dump of this version."""
    with servers.server() as server_url, empty_database(server_url, "lived_in") as url:
        prepare(url)
        clone = open_clone(url)
        live_in(clone)
        clone.dispose()
        dump(url, DUMPS / f"{__version__}.sql.gz")
    print(f"Kept {DUMPS.name}/{__version__}.sql.gz.")


if __name__ == "__main__":
    main()
