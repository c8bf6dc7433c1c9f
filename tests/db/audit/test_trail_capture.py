"""Every kind of statement on a watched table is on the record, whoever runs it: issue 3, item 1."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Clone
from tests.db.trail import (
    Connection,
    assert_replay_matches,
    changes,
    records,
    refused,
    wait_until_blocked,
    watched_table,
)

PSQL = {
    "user_id": None,
    "session_id": None,
    "database_role": "postgres",
    "application": "psql",
    "client_address": None,
    "operation": None,
    "reason": None,
    "parent_id": None,
}


@pytest.fixture
def psql(clone: Clone) -> Connection:
    """A hand at psql, with a watched table demo.things."""
    connection = clone.superuser()
    watched_table(connection, "id bigint primary key, name text, size int")
    return connection


def row(number: int, name: str | None, size: int | None) -> dict[str, Any]:
    return {"id": number, "name": name, "size": size}


def test_insert_update_and_delete_by_hand_are_recorded_whole(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'shirt', 40)")
    psql.execute("update demo.things set size = 42")
    psql.execute("delete from demo.things")
    common = PSQL | {"entity": "Thing", "entity_id": 1, "database_role": psql.info.user}
    assert records(psql, "Thing") == [
        common | {"action": "CREATE", "old_values": None, "new_values": row(1, "shirt", 40)},
        common | {"action": "UPDATE", "old_values": {"size": 40}, "new_values": {"size": 42}},
        common | {"action": "DELETE", "old_values": row(1, "shirt", 42), "new_values": None},
    ]


def test_the_records_of_a_statement_share_its_time_and_those_of_a_transaction_its_number(psql: Connection) -> None:
    with psql.transaction():
        psql.execute("insert into demo.things values (1, 'a', 1), (2, 'b', 2)")
        psql.execute("update demo.things set size = 3 where id = 1")
        number = psql.execute("select pg_current_xact_id()::text").fetchone()
    psql.execute("delete from demo.things where id = 1")
    recorded = psql.execute(
        "select transaction_id::text, count(*), count(distinct recorded_at), min(recorded_at) > "
        "now() - interval '1 minute' "
        "from audit.records where entity = 'Thing' group by 1 order by min(id)"
    ).fetchall()
    assert number is not None
    assert recorded[0] == (number[0], 3, 2, True)
    assert recorded[1][1:] == (1, 1, True)
    assert recorded[1][0] != number[0]


def test_a_bulk_update_records_only_the_rows_and_columns_that_changed(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'a', 1), (2, 'b', 2), (3, 'b', 3)")
    psql.execute("update demo.things set name = 'b', size = size + (id = 3)::int")
    assert changes(psql, "Thing")[3:] == [
        ("UPDATE", 1, {"name": "a"}, {"name": "b"}),
        ("UPDATE", 3, {"size": 3}, {"size": 4}),
    ]


def test_an_update_without_change_writes_no_record(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, null, 1)")
    psql.execute("update demo.things set name = name, size = 1")
    psql.execute("update demo.things set size = 5 where false")
    assert len(changes(psql, "Thing")) == 1


def test_changes_from_and_to_null_are_recorded(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, null, 1)")
    psql.execute("update demo.things set name = 'x', size = null")
    assert changes(psql, "Thing")[1] == ("UPDATE", 1, {"name": None, "size": 1}, {"name": "x", "size": None})


def test_an_upsert_records_a_create_for_the_new_row_and_an_update_for_the_old(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'a', 1)")
    psql.execute(
        "insert into demo.things values (1, 'x', 1), (2, 'y', 2) on conflict (id) do update set name = excluded.name"
    )
    psql.execute("insert into demo.things values (2, 'z', 2) on conflict do nothing")
    assert sorted(changes(psql, "Thing")[1:], key=str) == [
        ("CREATE", 2, None, row(2, "y", 2)),
        ("UPDATE", 1, {"name": "a"}, {"name": "x"}),
    ]


def test_merge_records_its_inserts_updates_and_deletes(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    psql.execute(
        "merge into demo.things t using (values (1, 'x'), (2, null), (3, 'c'), (4, 'n')) s (id, name) on t.id = s.id "
        "when matched and s.name is null then delete when matched then update set name = s.name "
        "when not matched then insert values (s.id, s.name, 0)"
    )
    assert sorted(changes(psql, "Thing")[3:], key=str) == [
        ("CREATE", 4, None, row(4, "n", 0)),
        ("DELETE", 2, row(2, "b", 2), None),
        ("UPDATE", 1, {"name": "a"}, {"name": "x"}),
    ]


def test_copy_is_recorded_row_by_row(psql: Connection) -> None:
    with psql.cursor().copy("copy demo.things from stdin") as copy:
        copy.write_row((1, "a\tb", 1))
        copy.write_row((2, None, None))
    assert changes(psql, "Thing") == [
        ("CREATE", 1, None, row(1, "a\tb", 1)),
        ("CREATE", 2, None, row(2, None, None)),
    ]


def test_rows_written_in_a_with_clause_are_recorded(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    psql.execute(
        "with gone as (delete from demo.things where id = 1 returning *), "
        "changed as (update demo.things set name = 'x' where id = 2 returning *) "
        "insert into demo.things select id + 10, name, size from gone union all select id + 10, name, size from changed"
    )
    assert sorted(changes(psql, "Thing")[3:], key=str) == [
        ("CREATE", 11, None, row(11, "a", 1)),
        ("CREATE", 12, None, row(12, "x", 2)),
        ("DELETE", 1, row(1, "a", 1), None),
        ("UPDATE", 2, {"name": "b"}, {"name": "x"}),
    ]


def test_writes_through_a_view_a_do_block_a_prepared_statement_and_a_cursor_are_recorded(psql: Connection) -> None:
    psql.execute("create view demo.small as select * from demo.things where size < 10 with check option")
    psql.execute("insert into demo.small values (1, 'view', 1)")
    psql.execute("do $$ begin insert into demo.things values (2, 'do', 2); end $$")
    psql.execute("prepare p as insert into demo.things values ($1, $2, $3)")
    psql.execute("execute p (3, 'prepared', 3)")
    with psql.transaction():
        psql.execute("declare c cursor for select * from demo.things where id = 1 for update")
        psql.execute("move next in c")
        psql.execute("update demo.things set name = 'cursor' where current of c")
    assert changes(psql, "Thing") == [
        ("CREATE", 1, None, row(1, "view", 1)),
        ("CREATE", 2, None, row(2, "do", 2)),
        ("CREATE", 3, None, row(3, "prepared", 3)),
        ("UPDATE", 1, {"name": "view"}, {"name": "cursor"}),
    ]


def test_a_changed_primary_key_ends_one_record_and_begins_another(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'a', 1), (2, 'b', 2)")
    psql.execute("update demo.things set id = 10, name = 'x' where id = 1")
    assert changes(psql, "Thing")[2:] == [
        ("DELETE", 1, row(1, "a", 1), None),
        ("CREATE", 10, None, row(10, "x", 1)),
    ]
    psql.execute("update demo.things set id = id + 100, name = name || '!'")
    assert_replay_matches(psql, "demo.things")


def test_a_cascading_delete_is_recorded_on_both_tables(psql: Connection) -> None:
    watched_table(psql, "id bigint primary key, thing bigint references demo.things on delete cascade", "parts", "Part")
    psql.execute("insert into demo.things values (1, 'a', 1), (2, 'b', 2)")
    psql.execute("insert into demo.parts values (1, 1), (2, 1), (3, 2)")
    psql.execute("delete from demo.things where id = 1")
    assert changes(psql, "Thing")[2:] == [("DELETE", 1, row(1, "a", 1), None)]
    assert changes(psql, "Part")[3:] == [
        ("DELETE", 1, {"id": 1, "thing": 1}, None),
        ("DELETE", 2, {"id": 2, "thing": 1}, None),
    ]


def test_a_row_that_two_cascades_of_one_statement_change_has_one_record_for_each(psql: Connection) -> None:
    watched_table(
        psql,
        "id bigint primary key, a bigint references demo.things on update cascade on delete set null, "
        "b bigint references demo.things on update cascade on delete set null",
        "pairs",
        "Pair",
    )
    psql.execute("insert into demo.things values (1, 'a', 1), (2, 'b', 2)")
    psql.execute("insert into demo.pairs values (7, 1, 2), (8, 2, 2)")
    psql.execute("update demo.things set id = id + 10")
    assert sorted(changes(psql, "Pair")[2:], key=str) == [
        ("UPDATE", 7, {"a": 1}, {"a": 11}),
        ("UPDATE", 7, {"b": 2}, {"b": 12}),
        ("UPDATE", 8, {"a": 2}, {"a": 12}),
        ("UPDATE", 8, {"b": 2}, {"b": 12}),
    ]
    psql.execute("delete from demo.things")
    assert len(changes(psql, "Pair")) == 2 + 4 + 4
    assert_replay_matches(psql, "demo.pairs")


def test_a_table_that_cascades_to_itself_replays(psql: Connection) -> None:
    watched_table(
        psql,
        "id bigint primary key, code text unique, parent text references demo.trees (code) on update cascade",
        "trees",
        "Tree",
    )
    psql.execute("insert into demo.trees values (1, 'a', null), (2, 'b', 'a'), (3, 'c', 'b'), (4, 'd', 'd')")
    psql.execute("update demo.trees set code = code || code")
    assert changes(psql, "Tree")[4:8] == [
        ("UPDATE", 1, {"code": "a"}, {"code": "aa"}),
        ("UPDATE", 2, {"code": "b"}, {"code": "bb"}),
        ("UPDATE", 3, {"code": "c"}, {"code": "cc"}),
        ("UPDATE", 4, {"code": "d"}, {"code": "dd"}),
    ]
    assert sorted(changes(psql, "Tree")[8:], key=str) == [
        ("UPDATE", 2, {"parent": "a"}, {"parent": "aa"}),
        ("UPDATE", 3, {"parent": "b"}, {"parent": "bb"}),
        ("UPDATE", 4, {"parent": "d"}, {"parent": "dd"}),
    ]
    assert_replay_matches(psql, "demo.trees")


def test_truncate_records_every_row_that_goes_of_every_table_that_goes(psql: Connection) -> None:
    watched_table(psql, "id bigint primary key, thing bigint references demo.things", "parts", "Part")
    psql.execute("insert into demo.things values (1, 'a', 1), (2, null, 2)")
    psql.execute("insert into demo.parts values (1, 1)")
    psql.execute("truncate demo.things cascade")
    assert changes(psql, "Thing")[2:] == [
        ("TRUNCATE", 1, row(1, "a", 1), None),
        ("TRUNCATE", 2, row(2, None, 2), None),
    ]
    assert changes(psql, "Part")[1:] == [("TRUNCATE", 1, {"id": 1, "thing": 1}, None)]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_truncate_is_refused_where_its_snapshot_could_miss_rows(clone: Clone, psql: Connection, isolation: str) -> None:
    with refused("0A000", "truncate_read_committed"), psql.transaction():
        psql.execute(f"set transaction isolation level {isolation}")
        psql.execute("select 1")
        with clone.superuser() as other:
            other.execute("insert into demo.things values (1, 'unseen', 1)")
        psql.execute("truncate demo.things")
    assert changes(psql, "Thing") == [("CREATE", 1, None, row(1, "unseen", 1))]
    assert psql.execute("select count(*) from demo.things").fetchone() == (1,)


def test_replica_mode_does_not_switch_the_trail_off(psql: Connection) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute("insert into demo.things values (1, 'a', 1)")
    psql.execute("update demo.things set size = 2")
    psql.execute("delete from demo.things")
    psql.execute("insert into demo.things values (2, 'b', 2)")
    psql.execute("truncate demo.things")
    assert [change[:2] for change in changes(psql, "Thing")] == [
        ("CREATE", 1),
        ("UPDATE", 1),
        ("DELETE", 1),
        ("CREATE", 2),
        ("TRUNCATE", 2),
    ]


def test_a_rolled_back_change_leaves_no_record(psql: Connection) -> None:
    with psql.transaction(force_rollback=True):
        psql.execute("insert into demo.things values (1, 'a', 1)")
        assert len(changes(psql, "Thing")) == 1
    assert changes(psql, "Thing") == []
    assert psql.execute("select count(*) from demo.things").fetchone() == (0,)


def test_a_savepoint_takes_its_records_back_and_no_others(psql: Connection) -> None:
    with psql.transaction():
        psql.execute("insert into demo.things values (1, 'kept', 1)")
        with psql.transaction(force_rollback=True):
            psql.execute("update demo.things set name = 'taken back'")
        with psql.transaction():
            psql.execute("update demo.things set size = 2")
    assert changes(psql, "Thing") == [
        ("CREATE", 1, None, row(1, "kept", 1)),
        ("UPDATE", 1, {"size": 1}, {"size": 2}),
    ]


def test_a_change_whose_record_cannot_be_written_does_not_happen(psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'a', 1)")
    psql.execute("alter table audit.records add constraint disk_full check (entity <> 'Thing') not valid")
    for statement in (
        "insert into demo.things values (2, 'b', 2)",
        "update demo.things set size = 2",
        "delete from demo.things",
        "truncate demo.things",
    ):
        with refused("23514", "disk_full"):
            psql.execute(statement)
    assert psql.execute("select * from demo.things").fetchall() == [(1, "a", 1)]
    assert len(changes(psql, "Thing")) == 1


def test_a_month_without_partition_is_recorded_in_the_default_one(psql: Connection) -> None:
    month = psql.execute("select 'records_' || to_char(now() at time zone 'UTC', 'YYYY_MM')").fetchone()
    assert month is not None
    psql.execute(f"drop table audit.{month[0]}")
    psql.execute("insert into demo.things values (1, 'a', 1)")
    assert psql.execute("select tableoid::regclass::text from audit.records where entity = 'Thing'").fetchall() == [
        ("audit.records_default",)
    ]


def test_a_prepared_transaction_commits_with_its_records_or_without_both(psql: Connection) -> None:
    if psql.execute("show max_prepared_transactions").fetchone() == ("0",):
        with refused("55000"):
            psql.execute("begin; insert into demo.things values (1, 'a', 1); prepare transaction 'never'")
        assert changes(psql, "Thing") == []
        return
    name = psql.info.dbname
    psql.execute(f"begin; insert into demo.things values (1, 'a', 1); prepare transaction '{name}_1'")
    psql.execute(f"begin; insert into demo.things values (2, 'b', 2); prepare transaction '{name}_2'")
    assert changes(psql, "Thing") == []
    psql.execute(f"rollback prepared '{name}_1'")
    psql.execute(f"commit prepared '{name}_2'")
    assert changes(psql, "Thing") == [("CREATE", 2, None, row(2, "b", 2))]


SETTINGS = (
    "set timezone = 'UTC'",
    "set timezone = 'Asia/Kolkata'; set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard'",
    "set extra_float_digits = -15; set bytea_output = 'escape'; set intervalstyle = 'postgres_verbose'",
    "set extra_float_digits = 3; set datestyle = 'German'; set timezone = 'America/St_Johns'",
    "set quote_all_identifiers = on; set standard_conforming_strings = on; set lc_messages = 'C'",
    "set client_encoding = 'LATIN1'; set search_path = demo, public; set xmloption = document",
)


def test_the_values_of_a_record_do_not_depend_on_the_settings_of_the_session(clone: Clone) -> None:
    with clone.superuser() as owner:
        watched_table(
            owner,
            "id bigint generated always as identity primary key, t timestamptz default "
            "'2026-03-29 01:30:00.123456+00', "
            "d date default '2026-03-29', i interval default '1 mon -2 days 03:00:00.5', f "
            "float8 default 0.1::float8 + 0.2, "
            "g float4 default 16777216.0, b bytea default '\\x00ff5c', n numeric default 1.10, "
            "tz timetz default '10:00+05:30'",
        )
        for settings in SETTINGS:
            with clone.superuser() as connection:
                connection.execute(settings)
                connection.execute("insert into demo.things default values")
        images = owner.execute("select (new_values - 'id')::text from audit.records where entity = 'Thing'").fetchall()
    assert len(images) == len(SETTINGS)
    assert set(images) == {images[0]}


def test_the_loser_of_a_race_records_the_winners_value_as_the_old_one(clone: Clone, psql: Connection) -> None:
    psql.execute("insert into demo.things values (1, 'a', 1)")
    with clone.superuser() as loser, clone.superuser() as watcher, ThreadPoolExecutor() as threads:
        psql.execute("begin; update demo.things set size = 2")
        late = threads.submit(loser.execute, "update demo.things set size = size + 10")
        wait_until_blocked(watcher, loser.info.backend_pid)
        psql.execute("commit")
        late.result(timeout=20)
    assert changes(psql, "Thing")[1:] == [
        ("UPDATE", 1, {"size": 1}, {"size": 2}),
        ("UPDATE", 1, {"size": 2}, {"size": 12}),
    ]


def test_a_bulk_update_after_single_ones_in_the_same_session_takes_no_quadratic_time(psql: Connection) -> None:
    psql.execute("insert into demo.things select n, 'a', 1 from generate_series(1, 30000) n")
    # By now PL/pgSQL keeps the plan that it made for one row.
    for number in range(1, 13):
        psql.execute("update demo.things set name = 'b' where id = %s", [number])
    psql.execute("set statement_timeout = '15s'")
    assert psql.execute("update demo.things set name = 'c'").rowcount == 30_000
