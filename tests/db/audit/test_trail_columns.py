"""Awkward tables: names, types, generated and dropped columns, many columns, secrets."""

from typing import Any

import pytest
from psycopg import sql

from tests.conftest import Clone
from tests.db.trail import Connection, assert_replay_matches, changes, refused, watched_table

EVERY_TYPE: dict[str, tuple[str, str]] = {
    # column type: two values of it
    "numeric": ("1.0", "1.00"),
    "numeric(12,2)": ("0.10", "-9999999999.99"),
    "float8": ("0.1", "1e-300"),
    "float4": ("NaN", "-Infinity"),
    "smallint": ("-32768", "0"),
    "boolean": ("true", "false"),
    "char(5)": ("a", "b c"),
    '"char"': ("x", "y"),
    "varchar(9)": ("", "ß"),
    "text": ('O\'Brien "%s" \\ %I $1 {}', "line\nbreak\ttab é 衣"),
    "bytea": ("\\x", "\\x00ff27"),
    "date": ("infinity", "0044-03-15 BC"),
    "time": ("24:00", "00:00:00.000001"),
    "timetz": ("10:00+05:30", "10:00-03"),
    "timestamp": ("2026-04-01 00:00:00.000001", "-infinity"),
    "timestamptz": ("2026-04-01 00:00+05:30", "9999-12-31 23:59:59.999999+00"),
    "interval": ("1 mon -1 day 00:00:00.5", "-1 year 25:00"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "inet": ("192.0.2.1/24", "::1"),
    "bit varying": ("", "1010"),
    "int4range": ("[1,5)", "empty"),
    "jsonb": ('{"b": [1, null], "a": 1.50}', '"text"'),
    "int[]": ("{}", "{1,NULL,3}"),
    "text[]": ('{"a,b","c\\"d","",NULL}', "{{a,b},{c,d}}"),
    "demo.mood": ('it\'s "so" 100%', "fine"),
    "demo.positive": ("1", "2"),
    "demo.positive[]": ("{1}", "{2,1}"),
    "demo.pair": ('(1,"a,""b")', "(,)"),
}


def make_types(connection: Connection) -> None:
    connection.execute("create schema demo")
    connection.execute("create type demo.mood as enum ('fine', 'it''s \"so\" 100%')")
    connection.execute("create domain demo.positive as int check (value > 0)")
    connection.execute("create type demo.pair as (x int, y text)")


def test_every_type_comes_back_from_the_trail_byte_for_byte(clone: Clone) -> None:
    with clone.superuser() as psql:
        make_types(psql)
        columns = [f"c{number} {kind}" for number, kind in enumerate(EVERY_TYPE)]
        watched_table(psql, "id int primary key, " + ", ".join(columns))
        values = list(EVERY_TYPE.values())
        marks = ", ".join(["%s"] * (len(values) + 1))
        psql.execute(f"insert into demo.things values ({marks})", [1, *(v[0] for v in values)])
        psql.execute(f"insert into demo.things values ({marks})", [2, *(v[1] for v in values)])
        psql.execute("insert into demo.things (id) values (3)")
        assert_replay_matches(psql, "demo.things")
        for number, (_, other) in enumerate(values):
            psql.execute(f"update demo.things set c{number} = %s where id = 1", (other,))
            psql.execute(f"update demo.things set c{number} = null where id = 2")
        assert_replay_matches(psql, "demo.things")
        kept = psql.execute(
            "select count(*) from audit.records where entity = 'Thing' and action = 'UPDATE'"
        ).fetchone()
        assert kept == (2 * len(EVERY_TYPE),)


def test_a_change_of_scale_only_is_a_change(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id int primary key, price numeric, doc json")
        psql.execute("""insert into demo.things values (1, 1.0, '{"a":1}')""")
        psql.execute("update demo.things set price = 1.00")
        psql.execute("""update demo.things set doc = '{"a":2}'""")
        recorded = psql.execute(
            "select old_values::text, new_values::text from audit.records where entity = 'Thing' order by id offset 1"
        ).fetchall()
    assert recorded == [('{"price": 1.0}', '{"price": 1.00}'), ('{"doc": {"a": 1}}', '{"doc": {"a": 2}}')]


NASTY = [
    'Column "quoted"',
    "it's",
    "100%",
    "%s %I %L %1$s %%",
    "$1",
    "$body$",
    "$head$",
    "back\\slash",
    "semi; drop table x",
    "-- comment",
    "actor",
    "moment",
    "o",
    "n",
    "old_rows",
    "new_rows",
    "tg_op",
    "key",
    "select",
    "column with sixty-three bytes, which is all PostgreSQL will take",
]


def test_columns_with_any_name_are_recorded(clone: Clone) -> None:
    with clone.superuser() as psql:
        columns = [sql.SQL("{} text").format(sql.Identifier(name)).as_string(psql) for name in NASTY]
        watched_table(
            psql, '"the %s ""Key""" smallint primary key, ' + ", ".join(columns), "od\"d %s ta'ble", "Odd %I 'x'"
        )
        table = sql.Identifier("demo", "od\"d %s ta'ble")
        values = sql.SQL(", ").join(sql.Literal(name) for name in NASTY)
        psql.execute(sql.SQL("insert into {} values (1, {})").format(table, values))
        named = [name.encode()[:63].decode() for name in NASTY]
        whole: dict[str, Any] = {'the %s "Key"': 1} | dict(zip(named, NASTY, strict=True))
        assert changes(psql, "Odd %I 'x'") == [("CREATE", 1, None, whole)]
        for name in NASTY:
            psql.execute(sql.SQL("update {} set {} = '%'").format(table, sql.Identifier(name)))
        assert [change[2:] for change in changes(psql, "Odd %I 'x'")[1:]] == [
            ({name: value}, {name: "%"}) for name, value in zip(named, NASTY, strict=True)
        ]
        psql.execute(sql.SQL("update {} set {} = 2").format(table, sql.Identifier('the %s "Key"')))
        psql.execute(sql.SQL("delete from {}").format(table))
        psql.execute(sql.SQL("insert into {} values (3, {})").format(table, values))
        psql.execute(sql.SQL("truncate {}").format(table))
        assert [change[:2] for change in changes(psql, "Odd %I 'x'")[-5:]] == [
            ("DELETE", 1),
            ("CREATE", 2),
            ("DELETE", 2),
            ("CREATE", 3),
            ("TRUNCATE", 3),
        ]


@pytest.mark.parametrize("count", [49, 50, 51, 101, 400])
def test_a_table_of_many_columns_is_recorded_whole(clone: Clone, count: int) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id int primary key, " + ", ".join(f"c{n} int default {n}" for n in range(count)))
        psql.execute("insert into demo.things (id) values (1)")
        psql.execute(f"update demo.things set c0 = -1, c{count - 1} = -2")
        before = {f"c{n}": n for n in range(count)}
        assert changes(psql, "Thing") == [
            ("CREATE", 1, None, {"id": 1} | before),
            ("UPDATE", 1, {"c0": 0, f"c{count - 1}": count - 1}, {"c0": -1, f"c{count - 1}": -2}),
        ]
        assert_replay_matches(psql, "demo.things")


def test_generated_columns_are_left_to_be_generated_again(clone: Clone) -> None:
    with clone.superuser() as psql:
        kinds = ["stored"] if psql.info.server_version < 180000 else ["stored", "virtual"]
        for kind in kinds:
            columns = f"id int primary key, size int, double int generated always as (size * 2) {kind}"
            watched_table(psql, columns, kind, kind)
            psql.execute(f"insert into demo.{kind} values (1, 4)")
            psql.execute(f"update demo.{kind} set size = 5")
            psql.execute(f"truncate demo.{kind}")
            assert changes(psql, kind) == [
                ("CREATE", 1, None, {"id": 1, "size": 4}),
                ("UPDATE", 1, {"size": 4}, {"size": 5}),
                ("TRUNCATE", 1, {"id": 1, "size": 5}, None),
            ]


def test_secrets_never_enter_the_trail_but_that_they_changed_does(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id int primary key, secret text")
        psql.execute("select audit.watch('demo.things', 'Thing', redacted => '{secret}')")
        psql.execute("insert into demo.things values (1, 'hunter2'), (2, null)")
        psql.execute("update demo.things set secret = 'hunter3'")
        psql.execute("update demo.things set secret = null where id = 1")
        psql.execute("delete from demo.things where id = 2")
        psql.execute("truncate demo.things")
        assert changes(psql, "Thing") == [
            ("CREATE", 1, None, {"id": 1, "secret": "redacted"}),
            ("CREATE", 2, None, {"id": 2, "secret": None}),
            ("UPDATE", 1, {"secret": "redacted"}, {"secret": "redacted"}),
            ("UPDATE", 2, {"secret": None}, {"secret": "redacted"}),
            ("UPDATE", 1, {"secret": "redacted"}, {"secret": None}),
            ("DELETE", 2, {"id": 2, "secret": "redacted"}, None),
            ("TRUNCATE", 1, {"id": 1, "secret": None}, None),
        ]


def test_hashes_of_passwords_and_tokens_are_nowhere_in_the_trail(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("update accounts.users set password_hash = password_hash || 'x' where id = 1")
        found = psql.execute(
            "select count(*) from audit.records r, (select split_part(password_hash, ':', 3) from accounts.users "
            "union all select encode(token_hash, 'hex') from accounts.sessions union all select 'bcrypt') s (secret) "
            "where r::text like '%' || s.secret || '%'"
        ).fetchone()
        assert found == (0,)
        assert [change for change in changes(psql, "User") if change[0] == "UPDATE"][-1] == (
            "UPDATE",
            1,
            {"password_hash": "redacted"},
            {"password_hash": "redacted"},
        )


def test_an_added_column_is_recorded_once_the_table_is_watched_again_on_open_connections_too(clone: Clone) -> None:
    with clone.superuser() as psql, clone.superuser() as migrator:
        watched_table(psql, "id int primary key, a text, gone text")
        psql.execute("insert into demo.things values (1, 'a', 'b')")
        migrator.execute("begin; alter table demo.things add b text default 'new', drop gone")
        migrator.execute("select audit.watch('demo.things'); commit")
        psql.execute("insert into demo.things values (2, 'c', 'd')")
        psql.execute("update demo.things set b = 'e' where id = 1")
        migrator.execute("begin; alter table demo.things rename a to z; select audit.watch('demo.things'); commit")
        psql.execute("delete from demo.things where id = 2")
    added_and_dropped = {"table": "demo.things", "columns": {"added": ["b"], "dropped": ["gone"]}}
    renamed = {"table": "demo.things", "columns": {"renamed": {"a": "z"}}}
    with clone.superuser() as psql:
        assert changes(psql, "Thing")[1:] == [
            ("MAINTENANCE", None, None, added_and_dropped),
            ("UPDATE", 1, {"b": None}, {"b": "new"}),
            ("CREATE", 2, None, {"id": 2, "a": "c", "b": "d"}),
            ("UPDATE", 1, {"b": "new"}, {"b": "e"}),
            ("MAINTENANCE", None, None, renamed),
            ("UPDATE", 1, {"a": "a", "z": None}, {"a": None, "z": "a"}),
            ("UPDATE", 2, {"a": "c", "z": None}, {"a": None, "z": "c"}),
            ("DELETE", 2, {"id": 2, "z": "c", "b": "d"}, None),
        ]


def test_a_dropped_column_without_a_new_watch_refuses_changes_rather_than_losing_them(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id int primary key, a text")
        psql.execute("alter table demo.things drop a")
        with refused("42703"):
            psql.execute("insert into demo.things values (1)")
        assert psql.execute("select count(*) from demo.things").fetchone() == (0,)
