"""Replay judges from outside: nothing that a DBA can replace, set or take away in the database makes it say less."""

from typing import Any

import pytest

from backstitch.accounts.permissions import Role
from backstitch.audit.jsonb import decode, encode
from backstitch.audit.replay import Replayed, replay
from backstitch.audit.watched import TABLES
from backstitch.errors import Refused
from tests.conftest import Clone
from tests.db.audit.emptied import empty_functions
from tests.db.trail import Connection, acting, replayed, switch_off_event_triggers, watched_table

DOCTOR = "`python -m backstitch doctor` says what to do."
JUDGED = (
    "The trail cannot be judged: {}. Somebody has put something else in its place; `python -m backstitch doctor` says "
    "what differs, and a backup has what was there."
)
RENAME = "update inventory.products set name = 'Stole'"
NAMED = 'inventory.products 1 name: trail "Kurti", table "Stole"'


def said(clone: Clone) -> list[str]:
    """What replay says as backstitch_watch against the tables of this version."""
    with clone.watch.raw() as connection:
        return sentences(replay(connection))


def sentences(outcomes: Any) -> list[str]:
    found = [str(one) for outcome in outcomes for one in (*outcome.problems, *outcome.differences)]
    assert sum(outcome.total for outcome in outcomes) == len(found)
    return found


@pytest.fixture
def psql(clone: Clone) -> Connection:
    """A hand at psql, in a database with a product."""
    with acting(clone, Role.MANAGER) as manager:
        manager.execute("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')")
    return clone.superuser()


def behind(psql: Connection, statement: str = RENAME, table: str = "products") -> None:
    """Changes a table of the inventory with its triggers switched off."""
    psql.execute(f"alter table inventory.{table} disable trigger user")  # type: ignore[arg-type]
    psql.execute(statement)  # type: ignore[arg-type]


def test_the_tables_of_this_version_are_those_that_a_fresh_database_watches(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        watched = psql.execute(
            "select w.relation::regclass::text, w.entity, w.parent, w.redacted, w.personal from audit.watched_tables w"
        ).fetchall()
    assert sorted((name, entity, parent, sorted(redacted), sorted(personal))
                  for name, entity, parent, redacted, personal in watched) == sorted(
        (f"{table.schema}.{table.name}", table.entity, table.parent, sorted(table.redacted), sorted(table.personal))
        for table in TABLES
    )  # fmt: skip


def test_with_every_function_of_the_trail_emptied_a_clean_database_passes_and_a_changed_row_is_named(
    clone: Clone, psql: Connection
) -> None:
    assert empty_functions(psql) > 100
    assert said(clone) == []
    psql.execute(RENAME)  # its record is not written any more
    assert psql.execute("select count(*) from audit.records where entity = 'Product'").fetchone() == (1,)
    assert said(clone) == [NAMED]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("delete from audit.watched_tables where entity = 'Product'",
         f"inventory.products is not in audit.watched_tables; {DOCTOR}"),
        ("update audit.watched_tables set redacted = '{name}' where entity = 'Product'",
         "inventory.products has other details in audit.watched_tables: redacted name instead of none."),
        ("update audit.watched_tables set entity = 'Toy', parent = 'id' where entity = 'Product'",
         "inventory.products has other details in audit.watched_tables: entity Toy instead of Product, "
         "parent id instead of none."),
    ],
)  # fmt: skip
def test_a_table_that_the_database_says_is_watched_otherwise_is_replayed_as_this_version_has_it(
    clone: Clone, psql: Connection, damage: str, sentence: str
) -> None:
    psql.execute(damage)  # type: ignore[arg-type]
    assert said(clone) == [sentence]
    behind(psql)
    assert said(clone) == [sentence, NAMED]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("alter table inventory.products rename to goods", "is missing, so it was not compared; {doctor}"),
        ("alter table inventory.products rename to goods; create view inventory.products as table inventory.goods",
         "is not an ordinary table, so it was not compared; {doctor}"),
        ("alter table inventory.products enable row level security; "
         "create policy hiding on inventory.products using (name <> 'Stole')",
         "has policies that can hide rows, so it was not compared; {doctor}"),
        ("alter table inventory.products enable row level security; "
         "create policy every on inventory.products using (session_user <> 'backstitch_app'); "
         "create policy hiding on inventory.products as restrictive using (name <> 'Stole')",
         "has policies that can hide rows, so it was not compared; {doctor}"),
        ("revoke select on inventory.products from backstitch_watch",
         "cannot be read: permission denied for table products; run: python -m backstitch migrate --reapply."),
        ("alter table inventory.products drop hsn_code", "is without its column hsn_code; {doctor}"),
        ("create domain demo.price as numeric(12,2); alter table inventory.products alter unit_price type demo.price",
         "has a type of somebody's own for unit_price, which was not compared; {doctor}"),
    ],
)  # fmt: skip
def test_what_keeps_a_table_from_being_compared_is_a_sentence_and_the_others_are_compared(
    clone: Clone, psql: Connection, damage: str, sentence: str
) -> None:
    psql.execute("create schema demo")
    psql.execute("insert into inventory.agencies (agency_name) values ('Anu')")
    psql.execute(damage)  # type: ignore[arg-type]
    expected = f"inventory.products {sentence.format(doctor=DOCTOR)}"
    behind(psql, "update inventory.agencies set agency_name = 'Mallory'", table="agencies")
    first, *others, last = said(clone)
    assert (first, last) == ('inventory.agencies 1 agency_name: trail "Anu", table "Mallory"', expected)
    # A table under another name is still watched, and no table of this version.
    assert others in (
        [],
        [
            "inventory.goods was not compared: it is no table of Backstitch, so only the owner's login can read it.",
            f"inventory.products is not in audit.watched_tables; {DOCTOR}",
        ],
    )


def test_a_type_with_a_cast_that_lies_hides_no_change_of_another_column(clone: Clone, psql: Connection) -> None:
    psql.execute(
        "create schema demo; create type demo.liar as enum ('Kurti', 'Stole'); "
        "create function demo.lie(demo.liar) returns json language sql as $$ select '\"Kurti\"'::json $$; "
        "create cast (demo.liar as json) with function demo.lie(demo.liar)"
    )
    psql.execute("alter table inventory.products drop constraint product_name_not_blank")
    behind(
        psql,
        "update inventory.products set sku = 'B', name = 'Stole'; "
        "alter table inventory.products alter name type demo.liar using name::demo.liar",
    )
    assert said(clone) == [
        f"inventory.products has a type of somebody's own for name, which was not compared; {DOCTOR}",
        'inventory.products 1 sku: trail "A", table "B"',
    ]


def test_a_column_that_was_made_again_as_a_generated_one_is_compared_as_before(clone: Clone, psql: Connection) -> None:
    behind(
        psql,
        "alter table inventory.products drop category; "
        "alter table inventory.products add category text generated always as ('Saree') stored",
    )
    assert said(clone) == ['inventory.products 1 category: trail "", table "Saree"']


def test_rows_that_share_an_id_or_have_none_are_named(clone: Clone, psql: Connection) -> None:
    behind(
        psql,
        "alter table inventory.products drop constraint products_pkey cascade, drop constraint sku_unique, "
        "alter id drop identity; alter table inventory.products alter id drop not null; "
        "insert into inventory.products select * from inventory.products; "
        "insert into inventory.products (id, sku, name, sizes) values (null, 'Z', 'Stole', '{M}')",
    )
    twin, without = said(clone)
    assert twin.startswith('inventory.products 1: trail no row, table {"id": 1, "sku": "A"')
    assert without.startswith('inventory.products None: trail no row, table {"id": null, "sku": "Z"')


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("alter table audit.baselines rename to others", JUDGED.format("the table audit.baselines is missing")),
        ("alter table audit.personal_values rename to others; "
         "create view audit.personal_values as table audit.others",
         JUDGED.format("audit.personal_values is a view in the place of the table")),
        ("alter table audit.records rename old_values to others",
         JUDGED.format("the column old_values of audit.records is missing, computed, or of another type")),
        ("drop view audit.replay_steps cascade; create type audit.liar as enum ('Product'); "
         "alter table audit.records alter entity type audit.liar using 'Product'",
         JUDGED.format("the column entity of audit.records is missing, computed, or of another type")),
        ("alter table audit.records enable row level security",
         'The trail cannot be read: query would be affected by row-level security policy for table "records"; '
         "run: python -m backstitch migrate --reapply."),
        ("revoke select on audit.records from backstitch_watch",
         "The trail cannot be read: permission denied for table records; run: python -m backstitch migrate "
         "--reapply."),
        ("revoke select on audit.watched_tables from backstitch_watch",
         "audit.watched_tables cannot be read: permission denied for table watched_tables; run: python -m backstitch "
         "migrate --reapply."),
    ],
)  # fmt: skip
def test_a_trail_that_cannot_be_read_is_a_sentence(clone: Clone, psql: Connection, damage: str, sentence: str) -> None:
    psql.execute("drop view public.audit_logs, audit.trail cascade")
    switch_off_event_triggers(psql)
    psql.execute(damage)  # type: ignore[arg-type]
    with pytest.raises(Refused) as refused, clone.watch.raw() as connection:
        replay(connection)
    assert str(refused.value) == sentence


def test_the_settings_of_the_login_and_of_the_database_change_nothing(clone: Clone, psql: Connection) -> None:
    psql.execute(
        "create schema demo; grant usage on schema demo to public; "
        "create function demo.jsonb_build_object(variadic text[]) returns jsonb language sql "
        "as $$ select '{}'::jsonb $$; "
        "create function demo.jsonb_populate_record(anyelement, jsonb) returns anyelement language sql as 'select $1'"
    )
    psql.execute("insert into accounts.sessions (user_id, token_hash, expires_at, created_at, idle_limit) "
                 "select 1, 'x', '2027-01-01 00:00:00.123+05:30', '2026-12-01', '1 day 02:00:00.5'")  # fmt: skip
    for setting in (
        "search_path = demo, pg_catalog",
        "timezone = 'Asia/Kolkata'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "row_security = off",
        "statement_timeout = '40ms'",
        "standard_conforming_strings = off",
    ):
        psql.execute(f'alter role backstitch_watch in database "{psql.info.dbname}" set {setting}')  # type: ignore[arg-type]
    assert said(clone) == []
    behind(psql)
    assert said(clone) == [NAMED]


def test_a_table_of_an_administrator_is_compared_with_the_owners_login_and_named_without(
    clone: Clone, psql: Connection
) -> None:
    watched_table(psql, "id int primary key, name text")
    psql.execute("insert into demo.things values (1, 'a')")
    assert said(clone) == [
        "demo.things was not compared: it is no table of Backstitch, so only the owner's login can read it."
    ]
    with clone.watch.raw() as connection, clone.owner.raw() as owner:
        outcomes = replay(connection, owner=owner)
    assert sentences(outcomes) == []
    assert outcomes[2] == Replayed("demo.things", rows=1, records=1, total=0, differences=[])


def test_a_value_that_nests_too_deeply_is_a_sentence_and_the_other_tables_are_compared(
    clone: Clone, psql: Connection
) -> None:
    deep = '{"name": ' + "[" * 3000 + "]" * 3000 + "}"
    psql.execute("update audit.records set new_values = %s where entity = 'Product'", (deep,))
    assert said(clone) == ["inventory.products has a value that nests too deeply to be compared."]


@pytest.mark.parametrize("values", ['"text"', "[1]", "null", "{}"])
def test_a_record_that_holds_no_row_is_named(clone: Clone, psql: Connection, values: str) -> None:
    psql.execute("update inventory.products set reorder_level = 1")
    psql.execute("update audit.records set old_values = %s, new_values = %s where action = 'UPDATE' and entity = "
                 "'Product'", (values, values))  # fmt: skip
    found = said(clone)
    assert "inventory.products 1 reorder_level: trail 0, table 1" in found
    assert len(found) == (1 if values == "{}" else 2)


def test_the_text_of_a_value_is_that_of_the_server(kept_clone: Clone) -> None:
    value = (
        '{"b": [1.0, 1.00, -0.5, 12345678901234567890.10], "aé": "q\\"\\\\/\\n\\u0001é😀", "": null, '
        '"c": [{}, [], true]}'
    )
    with kept_clone.owner.raw() as connection:
        (written,) = connection.execute("select %s::jsonb::text", (value,)).fetchone() or ("",)
    assert encode(decode(written)) == written
    assert decode("1.0") != decode("1.00") and decode("1") != decode('"1"') and decode("1") != decode("true")


def test_records_of_a_row_that_fit_in_another_order_of_their_transaction_are_no_difference(
    clone: Clone, psql: Connection
) -> None:
    psql.execute("update inventory.products set reorder_level = 1")
    changed = "update audit.records set {} where action = 'UPDATE' and entity = 'Product' returning id"
    # As of one statement that changed the row three times and whose records came in reverse order.
    (last,) = psql.execute(
        changed.format("""old_values = '{"reorder_level": 7}', new_values = '{"reorder_level": 1}'""")  # type: ignore[arg-type]
    ).fetchone() or (0,)
    for old, new in ((5, 7), (0, 5)):
        psql.execute(
            "insert into audit.records (recorded_at, transaction_id, entity_id, action, entity, source, database_role, "
            "old_values, new_values) select recorded_at, transaction_id, entity_id, action, entity, source, "
            "database_role, jsonb_build_object('reorder_level', %s::int), jsonb_build_object('reorder_level', %s::int) "
            "from audit.records where id = %s",
            (old, new, last),
        )
    assert said(clone) == []
    psql.execute("update audit.records set transaction_id = transaction_id + 1 where id = %s", (last,))
    assert said(clone) == [
        "inventory.products 1 reorder_level: trail 7, table 1",
        f"inventory.products 1: record {last} does not say what was there before it",
    ]
    assert replayed(psql, "inventory.products")[0].records == 4


def test_a_cast_of_somebody_takes_no_part(clone: Clone, psql: Connection) -> None:
    psql.execute(
        "create function public.lie(jsonb) returns text language sql as $$ select '{}' $$; "
        "create cast (jsonb as text) with function public.lie(jsonb); "
        "create function public.lie(bigint) returns text language sql as $$ select '1' $$; "
        "create cast (bigint as text) with function public.lie(bigint)"
    )
    assert said(clone) == []
    psql.execute("set session_replication_role = replica; alter table inventory.products disable trigger all")
    psql.execute(RENAME)
    assert said(clone) == [NAMED]
