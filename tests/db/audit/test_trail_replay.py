"""The trail alone rebuilds every watched table, row for row, after any mix of statements: SAFETY row 2."""

from collections.abc import Callable

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from tests.conftest import Clone
from tests.db.trail import Connection, acting, assert_replay_matches, changes, watched_table

COLUMNS = """
    "Key %s" int primary key,
    parent int references demo.parents on update cascade on delete set null,
    "100%" numeric,
    size numeric(8,2) default 1.50 check (size < 1000),
    seen timestamptz,
    mood demo.mood,
    tags text[],
    doc jsonb check (doc <> 'null'),
    raw bytea,
    ratio float8,
    twice numeric generated always as (size * 2) stored,
    moment text
"""

key = st.integers(1, 6)
parent = st.integers(1, 3)
value = st.sampled_from(
    [
        """ "100%" = 1.0 """,
        """ "100%" = 1.00 """,
        """ "100%" = null """,
        """ size = t.size """,
        """ size = t.size + 0.25 """,
        """ size = t.size * 20 """,
        """ seen = '2026-04-01 10:00+05:30', mood = 'it''s 100%' """,
        """ seen = 'infinity', mood = null """,
        """ tags = '{a,NULL,"b\\"c"}' """,
        """ tags = t.tags || 'x'::text """,
        """ doc = '{"a": [1.0, {"b": null}]}' """,
        """ doc = '"text"', raw = '\\x00ff' """,
        """ ratio = 0.1::float8 + 0.2 """,
        """ ratio = 'NaN', moment = E'%s\\t''"' """,
        """ moment = repeat(md5(coalesce(t.moment, 'x')), 200) """,
    ]
)
several = st.lists(key, min_size=1, max_size=4, unique=True).map(lambda keys: ", ".join(f"({k})" for k in keys))

statement = st.one_of(
    st.builds(
        'insert into demo.odd as t ("Key %s", parent) select v, nullif({1}, 0) from (values {0}) v (v)'.format,
        several,
        st.integers(0, 3),
    ),
    st.builds('insert into demo.odd as t ("Key %s") values {} on conflict do nothing'.format, several),
    st.builds(
        'insert into demo.odd as t ("Key %s") values {} on conflict ("Key %s") do update set {}'.format, several, value
    ),
    st.builds('update demo.odd t set {} where "Key %s" >= {}'.format, value, key),
    st.builds("update demo.odd t set {} where parent = {}".format, value, parent),
    st.builds('update demo.odd set "Key %s" = {} where "Key %s" = {}'.format, key, key),
    st.builds('update demo.odd set "Key %s" = "Key %s" + 1 where "Key %s" >= {}'.format, key),
    st.builds('delete from demo.odd where "Key %s" = {}'.format, key),
    st.builds("delete from demo.parents where id = {}".format, parent),
    st.builds("update demo.parents set id = {} where id = {}".format, parent, parent),
    st.builds("insert into demo.parents values ({}) on conflict do nothing".format, parent),
    st.builds(
        'merge into demo.odd t using (values {}) s (k) on t."Key %s" = s.k '
        "when matched and s.k % 2 = 0 then delete when matched then update set {} "
        'when not matched then insert ("Key %s") values (s.k)'.format,
        several,
        value,
    ),
    st.builds(
        'with gone as (delete from demo.odd where "Key %s" = {} returning "Key %s" as k) '
        'update demo.odd t set {} from gone where t."Key %s" <> gone.k'.format,
        key,
        value,
    ),
    st.builds('copy demo.odd ("Key %s", moment) from stdin\n{}'.format, key),
    st.sampled_from(
        [
            "truncate demo.odd",
            "truncate demo.parents cascade",
            "set session_replication_role = replica",
            "set session_replication_role = origin",
        ]
    ),
)
# A transaction is a list of statements; in a savepoint that is kept or rolled back, or outside one.
transaction = st.tuples(
    st.booleans(), st.lists(st.tuples(st.sampled_from(["plain", "savepoint", "rollback to"]), statement), max_size=4)
)


def test_replaying_the_trail_gives_the_tables_after_any_statements(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("create schema demo; create type demo.mood as enum ('fine', 'it''s 100%')")
        watched_table(psql, "id int primary key", "parents", "Parent")
        watched_table(psql, COLUMNS, "odd", "Odd")

        @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(st.lists(transaction, min_size=1, max_size=12))
        def replays(transactions: list[tuple[bool, list[tuple[str, str]]]]) -> None:
            psql.execute("truncate demo.parents, demo.odd")
            psql.execute("insert into demo.parents values (1), (2), (3)")
            psql.execute("set session_replication_role = origin")
            for commits, statements in transactions:
                run_transaction(psql, commits, statements)
            assert_replay_matches(psql, "demo.odd")
            assert_replay_matches(psql, "demo.parents")

        replays()
        seen = {change[0] for change in changes(psql, "Odd")}
    assert seen == {"CREATE", "UPDATE", "DELETE", "TRUNCATE"}


def run_transaction(psql: Connection, commits: bool, statements: list[tuple[str, str]]) -> None:
    """Refusals by a constraint are part of the game; they roll back what they belong to."""
    try:
        with psql.transaction(force_rollback=not commits):
            for kind, text in statements:
                if kind == "plain":
                    run(psql, text)
                else:
                    attempt(psql, text, keep=kind == "savepoint")
    except psycopg.IntegrityError:
        pass


def attempt(psql: Connection, text: str, *, keep: bool) -> None:
    try:
        with psql.transaction(force_rollback=not keep):
            run(psql, text)
    except psycopg.IntegrityError:
        pass


def run(psql: Connection, text: str) -> None:
    if not text.startswith("copy"):
        psql.execute(text)
        return
    command, _, line = text.partition("\n")
    with psql.cursor().copy(command) as copy:
        copy.write_row((int(line), "copied\t%s"))


def test_replaying_the_trail_gives_the_business_and_the_accounts(clone: Clone) -> None:
    steps: list[Callable[[Connection], object]] = [
        lambda c: c.execute(
            "insert into inventory.products (sku, name, sizes, unit_price) values ('A', "
            "'Kurti', '{S,M}', 499.00), ('B', 'Top', '{M}', 0.5)"
        ),
        lambda c: c.execute(
            "insert into inventory.product_colors (product_id, color, colour_code) values (1, 'Red', 'R')"
        ),
        lambda c: c.execute(
            "insert into inventory.product_color_stocks (product_id, colour_code, size) values "
            "(1, 'R', 'S'), (1, 'R', 'M')"
        ),
        lambda c: c.execute(
            "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
            "values (1, 'R', 'S', 10, 'Mill'), (1, 'R', 'M', 5, 'Mill')"
        ),
        lambda c: c.execute(
            "insert into inventory.sales_logs (product_id, colour_code, size, quantity, store) "
            "values (1, 'R', 'S', 4, 'Shop')"
        ),
        lambda c: c.execute("update inventory.inward_logs set quantity = quantity + 1, date = '2026-04-01'"),
        lambda c: c.execute("delete from inventory.sales_logs"),
        lambda c: c.execute("update inventory.products set unit_price = 0.50, sizes = sizes || 'XL'::text"),
        lambda c: c.execute("update accounts.users set is_active = false, role = 'viewer' where email like 'analyst%'"),
    ]
    for step in steps:
        with acting(clone, Role.ADMIN) as connection:
            step(connection)
    sessions.sign_out(clone.app, clone.actor(Role.ADMIN))
    with clone.superuser() as psql:
        assert_replay_matches(psql)
        assert changes(psql, "ProductColorStock")[-1] == ("UPDATE", 1, {"quantity": 7}, {"quantity": 11})
