"""`python -m backstitch replay`: what it finds where a table is not what the trail says, and that it finds it alone."""

import threading
from typing import Any

import psycopg
import pytest

from backstitch.accounts.permissions import Role
from backstitch.audit.replay import Difference, Replayed, replay, report
from tests.conftest import Clone
from tests.db.trail import Connection, acting, watched_table

PRODUCT = "insert into inventory.products (sku, name, sizes, unit_price) values ('A', 'Kurti', '{S,M}', 549.00)"


def replayed(clone: Clone, table: str, **limits: int) -> Replayed:
    """The outcome for one table; every other table must have none."""
    with clone.watch.raw() as connection, clone.owner.raw() as owner:
        outcomes = {outcome.table: outcome for outcome in replay(connection, owner=owner, **limits)}
    assert [other.table for other in outcomes.values() if other.total and other.table != table] == []
    return outcomes[table]


def behind_its_back(psql: Connection, *statements: str, table: str = "inventory.products") -> None:
    """Changes the table with its triggers switched off, as only an owner can."""
    psql.execute(f"alter table {table} disable trigger all")
    for statement in statements:
        psql.execute(statement)
    psql.execute(f"alter table {table} enable trigger all; select audit.watch('{table}')")


@pytest.fixture
def psql(clone: Clone) -> Connection:
    with acting(clone, Role.MANAGER) as manager:
        manager.execute(PRODUCT)
        manager.execute("update inventory.products set name = 'Top', sizes = '{S,M,L}'")
    return clone.superuser()


def test_a_table_that_the_trail_rebuilds_has_its_rows_and_records_and_no_differences(
    clone: Clone, psql: Connection
) -> None:
    outcome = replayed(clone, "inventory.products")
    assert outcome == Replayed("inventory.products", rows=1, records=2, total=0, differences=[])
    assert report([outcome]).splitlines() == [
        "inventory.products: 1 rows from 2 records, 0 differences",
        "The trail rebuilds every table exactly.",
    ]


def test_a_value_changed_behind_the_trails_back_is_found_with_both_sides(clone: Clone, psql: Connection) -> None:
    behind_its_back(psql, "update inventory.products set unit_price = 1, name = 'X'")
    outcome = replayed(clone, "inventory.products")
    assert sorted(outcome.differences, key=str) == [
        Difference("inventory.products", 1, "name", '"Top"', '"X"', None),
        Difference("inventory.products", 1, "unit_price", "549.00", "1.00", None),
    ]
    assert report([outcome]).splitlines()[-1] == "2 differences."


def test_a_row_added_or_removed_behind_the_trails_back_is_found_whole(clone: Clone, psql: Connection) -> None:
    behind_its_back(
        psql,
        "delete from inventory.products",
        "insert into inventory.products (sku, name, sizes) values ('B', 'Stole', '{M}')",
    )
    missing, added = sorted(replayed(clone, "inventory.products").differences, key=lambda found: found.id)
    assert (missing.id, missing.column, missing.in_table) == (1, None, None)
    assert missing.in_trail is not None
    assert '"sku": "A"' in missing.in_trail
    assert (added.id, added.column, added.in_trail) == (2, None, None)
    assert str(added).startswith("inventory.products 2: trail no row, table {")


@pytest.mark.parametrize(
    ("tampering", "differences"),
    [
        ("delete from audit.records where action = 'CREATE' and entity = 'Product'", {"record", "value"}),
        ("delete from audit.records where action = 'UPDATE' and entity = 'Product'", {"value"}),
        ("""update audit.records set new_values = '{"name": "Tap"}' where action = 'UPDATE' and entity = 'Product'""",
         {"value"}),
        ("""update audit.records set old_values = '{"name": "Saree"}' where action = 'UPDATE' and entity = 'Product'""",
         {"record"}),
        ("""update audit.records set new_values = new_values || '{"unit_price": 549.0}' where action = 'CREATE'
            and entity = 'Product'""", {"value"}),
        ("""update audit.records set new_values = new_values || '{"unit_price": "cheap"}' where action = 'CREATE'
            and entity = 'Product'""", {"value"}),
        ("""insert into audit.records
            (recorded_at, transaction_id, entity_id, action, entity, source, database_role, new_values)
            select now(), 1, 1, 'CREATE', 'Product', 'SQL', 'x', new_values from audit.records where action = 'CREATE'
            and entity = 'Product'""", {"record", "value"}),
    ],
)  # fmt: skip
def test_a_trail_that_was_tampered_with_does_not_rebuild_the_table(
    clone: Clone, psql: Connection, tampering: str, differences: set[str]
) -> None:
    psql.execute(tampering)
    found = replayed(clone, "inventory.products").differences
    kinds = {"record" if d.record_id else "value" if d.column else "row" for d in found}
    assert kinds == differences


def test_only_the_first_differences_are_listed_and_all_are_counted(clone: Clone, psql: Connection) -> None:
    behind_its_back(
        psql,
        "insert into inventory.products (sku, name, sizes) select 'S' || n, 'x', '{M}' from generate_series(1, 30) n",
    )
    outcome = replayed(clone, "inventory.products", most_shown=4)
    assert (outcome.total, len(outcome.differences)) == (30, 4)
    assert "inventory.products: 26 more" in report([outcome])


def test_a_column_of_any_type_is_compared_by_its_stored_value(clone: Clone, psql: Connection) -> None:
    watched_table(psql, "id int primary key, price numeric, doc json, tags text[], ratio float8, at timestamptz")
    psql.execute("""insert into demo.things values (1, 1.0, '{"a":  1}', '{x,NULL}', 'NaN', 'infinity')""")
    assert replayed(clone, "demo.things").total == 0
    behind_its_back(psql, "update demo.things set price = 1.00", table="demo.things")
    assert [str(found) for found in replayed(clone, "demo.things").differences] == [
        "demo.things 1 price: trail 1.0, table 1.00"
    ]


def test_rows_that_were_there_before_a_table_was_watched_are_taken_onto_the_record(
    clone: Clone, psql: Connection
) -> None:
    psql.execute("create schema demo; create table demo.old (id int primary key, name text)")
    psql.execute("insert into demo.old values (1, 'a'), (2, 'b')")
    psql.execute("select audit.watch('demo.old', 'Old')")
    assert replayed(clone, "demo.old") == Replayed("demo.old", rows=2, records=2, total=0, differences=[])
    psql.execute("select audit.unwatch('demo.old')")
    psql.execute("delete from demo.old where id = 1; update demo.old set name = 'c'; insert into demo.old values (3)")
    psql.execute("select audit.watch('demo.old', 'Old')")
    assert replayed(clone, "demo.old").total == 0


def test_a_replay_while_others_write_finds_nothing(clone: Clone, psql: Connection) -> None:
    stop = threading.Event()
    failures: list[psycopg.Error] = []

    def write() -> None:
        try:
            with clone.superuser() as connection:
                while not stop.is_set():
                    connection.execute("update inventory.products set reorder_level = reorder_level + 1 where id = 1")
                    connection.execute(
                        "insert into inventory.products (sku, name, sizes) values (gen_random_uuid()::text, 'x', '{M}')"
                    )
        except psycopg.Error as error:
            failures.append(error)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        outcomes: list[Any] = [replayed(clone, "inventory.products") for _ in range(8)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert failures == []
    assert [outcome.total for outcome in outcomes] == [0] * 8
    assert outcomes[-1].records > outcomes[0].records
