"""A migration that changes a watched table is on the record, and so is what it did to the rows: SAFETY row 12."""

from typing import Any

import pytest

from tests.conftest import Clone
from tests.db.trail import Connection, assert_replay_matches, changes, watched_table

AGAIN = "select audit.watch('demo.things')"


@pytest.fixture
def psql(clone: Clone) -> Connection:
    """A hand at psql, with demo.things: three rows, one of them changed, one gone."""
    connection = clone.superuser()
    watched_table(connection, "id int primary key, name text, size int, secret text")
    connection.execute("select audit.watch('demo.things', 'Thing', redacted => '{secret}')")
    connection.execute("insert into demo.things values (1, 'a', 10, 'x'), (2, 'b', 20, 'y'), (3, null, null, null)")
    connection.execute("update demo.things set size = 11 where id = 1; delete from demo.things where id = 2")
    return connection


def migrate(psql: Connection, *statements: str) -> list[tuple[Any, ...]]:
    """What a migration of these statements leaves in the trail, after the records of before."""
    before = len(changes(psql, "Thing"))
    with psql.transaction():
        for statement in statements:
            psql.execute(statement)
        psql.execute(AGAIN)
    assert_replay_matches(psql, "demo.things")
    return changes(psql, "Thing")[before:]


def maintenance(**columns: Any) -> tuple[Any, ...]:
    return ("MAINTENANCE", None, None, {"table": "demo.things", "columns": columns})


def test_an_added_column_is_named_and_its_default_recorded_for_each_row(psql: Connection) -> None:
    assert migrate(psql, "alter table demo.things add colour text default 'red'") == [
        maintenance(added=["colour"]),
        ("UPDATE", 1, {"colour": None}, {"colour": "red"}),
        ("UPDATE", 3, {"colour": None}, {"colour": "red"}),
    ]


def test_an_added_column_without_values_is_named_and_no_row_is_recorded(psql: Connection) -> None:
    assert migrate(psql, "alter table demo.things add colour text") == [maintenance(added=["colour"])]
    psql.execute("update demo.things set colour = 'blue' where id = 1; delete from demo.things where id = 3")
    assert_replay_matches(psql, "demo.things")


def test_a_renamed_column_is_recorded_under_its_new_name_and_old_records_keep_the_old_one(psql: Connection) -> None:
    assert migrate(psql, "alter table demo.things rename size to length") == [
        maintenance(renamed={"size": "length"}),
        ("UPDATE", 1, {"size": 11, "length": None}, {"size": None, "length": 11}),
    ]
    assert changes(psql, "Thing")[3] == ("UPDATE", 1, {"size": 10}, {"size": 11})


def test_a_dropped_column_is_named_and_its_last_values_stay_in_the_trail(psql: Connection) -> None:
    assert migrate(psql, "alter table demo.things drop size") == [maintenance(dropped=["size"])]
    assert changes(psql, "Thing")[3] == ("UPDATE", 1, {"size": 10}, {"size": 11})
    psql.execute("insert into demo.things values (4, 'd'); update demo.things set name = 'e' where id = 1")
    psql.execute("delete from demo.things where id = 1")
    assert_replay_matches(psql, "demo.things")


def test_a_retyped_column_is_named_with_both_types_and_each_changed_value_recorded(psql: Connection) -> None:
    assert migrate(psql, "alter table demo.things alter size type text using size || ' cm'") == [
        maintenance(retyped={"size": ["integer", "text"]}),
        ("UPDATE", 1, {"size": 11}, {"size": "11 cm"}),
    ]
    assert migrate(psql, "alter table demo.things alter name type varchar(9)") == [
        maintenance(retyped={"name": ["text", "character varying(9)"]})
    ]


def test_a_dropped_name_that_is_taken_again_does_not_bring_old_values_back(psql: Connection) -> None:
    migrate(psql, "alter table demo.things drop size")
    assert migrate(psql, "alter table demo.things add size int") == [
        maintenance(added=["size"]),
        ("UPDATE", 1, {"size": 11}, {"size": None}),
    ]


def test_two_columns_that_swap_their_names_replay(psql: Connection) -> None:
    psql.execute("alter table demo.things add other text; select audit.watch('demo.things')")
    psql.execute("update demo.things set other = 'o' where id = 1")
    swapped = migrate(
        psql,
        "alter table demo.things rename name to spare",
        "alter table demo.things rename other to name",
        "alter table demo.things rename spare to other",
    )
    assert swapped == [
        maintenance(renamed={"name": "other", "other": "name"}),
        ("UPDATE", 1, {"name": "a", "other": "o"}, {"name": "o", "other": "a"}),
    ]


def test_all_at_once_replays(psql: Connection) -> None:
    recorded = migrate(
        psql,
        "alter table demo.things add made timestamptz default '2026-04-01', drop name, alter size type numeric(8,2)",
        "alter table demo.things rename size to length",
    )
    assert recorded[0] == maintenance(
        added=["made"],
        dropped=["name"],
        renamed={"size": "length"},
        retyped={"length": ["integer", "numeric(8,2)"]},
    )
    assert len(recorded) == 3


def test_a_secret_column_stays_secret_under_its_new_name(psql: Connection) -> None:
    assert migrate(psql, "alter table demo.things rename secret to password") == [
        maintenance(renamed={"secret": "password"})
    ]
    psql.execute("update demo.things set password = 'hunter2' where id = 1")
    assert changes(psql, "Thing")[-1] == ("UPDATE", 1, {"password": "redacted"}, {"password": "redacted"})
    assert_replay_matches(psql, "demo.things")


def test_a_personal_column_stays_personal_and_a_parent_the_parent_under_new_names(clone: Clone) -> None:
    with clone.superuser() as psql:
        # Its function names the columns, as a migration that renames them would mend.
        psql.execute("alter table accounts.users disable trigger end_sessions")
        psql.execute("alter table accounts.sessions rename user_id to person_id")
        psql.execute("alter table accounts.users rename email to mail")
        psql.execute(
            "set role backstitch_owner; select audit.watch('accounts.sessions'), audit.watch('accounts.users')"
        )
        psql.execute("reset role; update accounts.users set mail = 'new@example.com' where id = 1")
        psql.execute("update accounts.sessions set user_agent = 'Firefox' where id = 1")
        kept = psql.execute(
            "select new_values -> 'mail' ->> 'personal' is not null, old_values -> 'mail' ->> 'personal' is not null "
            "from audit.records where entity = 'User' order by id desc limit 1"
        )
        assert kept.fetchone() == (True, True)
        parent = psql.execute("select parent_id from audit.records where entity = 'Session' order by id desc limit 1")
        assert parent.fetchone() == (1,)
        doctor = "`python -m backstitch doctor` says what to do."
        assert_replay_matches(
            psql,
            problems=[
                "accounts.sessions has other details in audit.watched_tables: parent person_id instead of user_id.",
                f"accounts.sessions is without its column user_id; {doctor}",
                "accounts.users has other details in audit.watched_tables: personal email mail name instead of email "
                "name.",
                f"accounts.users is without its column email; {doctor}",
            ],
        )


def test_a_table_that_is_renamed_keeps_its_history_and_leaves_no_function_behind(psql: Connection) -> None:
    psql.execute("alter table demo.things rename to pieces; select audit.watch('demo.pieces')")
    psql.execute("insert into demo.pieces values (4, 'd')")
    assert_replay_matches(psql, "demo.pieces")
    left = psql.execute("select proname from pg_proc where proname like 'record_demo%'").fetchall()
    assert left == [("record_demo_pieces",)]


def test_watching_again_without_a_change_records_nothing(psql: Connection) -> None:
    assert migrate(psql) == []
    assert migrate(psql, "alter table demo.things add unique (name)") == []


def test_a_rewrite_that_keeps_the_type_is_recorded_when_the_migration_says_so(psql: Connection) -> None:
    recorded = migrate(
        psql,
        "alter table demo.things alter name type text using upper(name)",
        "select audit.record_unseen('demo.things', '{name}')",
    )
    assert recorded == [("UPDATE", 1, {"name": "a"}, {"name": "A"})]


def test_the_records_of_a_migration_say_who_and_which_operation(psql: Connection) -> None:
    migrate(psql, "alter table demo.things add colour text default 'red'")
    recorded = psql.execute(
        "select distinct database_role, operation, user_id, count(*) over () from audit.records r "
        "where transaction_id = (select max(transaction_id) from audit.records) and action = 'UPDATE'"
    ).fetchall()
    assert recorded == [(psql.info.user, "schema change", None, 2)]
