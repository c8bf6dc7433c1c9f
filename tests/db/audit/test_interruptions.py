"""When a table was off the record, both ends and the login are on it: by the event triggers, and by the look."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from backstitch import migrations
from backstitch.audit import fingerprint, sealing
from tests.conftest import Clone
from tests.db.trail import Connection, refused, watched_table

DISABLE = "alter table inventory.sales_logs disable trigger audit_insert"
ENABLE = "alter table inventory.sales_logs enable always trigger audit_insert"
NO_EVENT_TRIGGERS = (
    "alter event trigger backstitch_watch_ddl disable; alter event trigger backstitch_watch_drop disable"
)
SWALLOW = (
    "create function public.swallow() returns trigger language plpgsql as 'begin return null; end'; "
    "create trigger swallow before insert on audit.records for each row execute function public.swallow()"
)


@pytest.fixture
def psql(clone: Clone) -> Iterator[Connection]:
    """A hand at psql."""
    with clone.superuser() as connection:
        yield connection


def noted(psql: Connection, entity: str = "Interruption") -> list[tuple[Any, ...]]:
    """Login, application and details of the records of an entity, in order."""
    return psql.execute(
        "select database_role, application, new_values from audit.records "
        "where action = 'MAINTENANCE' and entity = %s order by id",
        (entity,),
    ).fetchall()


def without_times(details: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name not in {"began_at", "ended_at", "began_on_record"}}


def test_a_trigger_switched_off_and_on_leaves_both_ends_and_the_login(psql: Connection) -> None:
    psql.execute(DISABLE)
    psql.execute(ENABLE)
    (login, application, began), (_, _, ended) = noted(psql)
    assert (login, application) == ("postgres", "psql")
    assert without_times(began) == {
        "guard": "SalesLog",
        "table": "inventory.sales_logs",
        "off": "its triggers audit_insert",
        "command": "ALTER TABLE",
        "interrupted": True,
    }
    assert (ended["guard"], ended["interrupted"], ended["began_at"]) == ("SalesLog", False, began["began_at"])
    assert ended["ended_at"] > ended["began_at"] and ended["ended_at"].endswith("+00:00")


def test_within_one_transaction_too(psql: Connection) -> None:
    with psql.transaction():
        psql.execute(DISABLE)
        psql.execute(ENABLE)
    assert [details["interrupted"] for _, _, details in noted(psql)] == [True, False]


def test_what_is_rolled_back_was_no_interruption(psql: Connection) -> None:
    with psql.transaction(force_rollback=True):
        psql.execute(DISABLE)
    assert noted(psql) == []
    assert psql.execute("select audit.note_interruptions()").fetchone() == (0,)


@pytest.mark.parametrize(
    ("off", "on"),
    [
        ("drop trigger audit_update on inventory.products", "select audit.watch('inventory.products')"),
        ("alter table inventory.products disable trigger all", "select audit.watch('inventory.products')"),
        (
            "alter table inventory.products enable trigger audit_delete",
            "alter table inventory.products enable always trigger audit_delete",
        ),
    ],
)
def test_every_way_to_switch_a_table_off_is_noted_and_its_end(psql: Connection, off: str, on: str) -> None:
    psql.execute(off)  # type: ignore[arg-type]
    assert [details["interrupted"] for _, _, details in noted(psql)] == [True]
    psql.execute(on)  # type: ignore[arg-type]
    assert [(d["guard"], d["interrupted"]) for _, _, d in noted(psql)] == [("Product", True), ("Product", False)]


def test_watching_again_what_is_watched_is_no_interruption(psql: Connection) -> None:
    psql.execute("select audit.watch(relation) from audit.watched_tables")
    assert noted(psql) == []


def test_a_trigger_that_swallows_records_is_noted_when_it_goes(psql: Connection) -> None:
    psql.execute(SWALLOW)  # type: ignore[arg-type]
    assert noted(psql) == []  # it has swallowed that, too
    psql.execute("drop trigger swallow on audit.records")
    ((login, _, details),) = noted(psql)
    assert login == "postgres"
    assert (details["guard"], details["table"], details["interrupted"]) == (
        "trail audit.records",
        "audit.records",
        False,
    )


def test_a_rule_before_the_trail_is_refused_because_it_cannot_be_recorded(psql: Connection) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        psql.execute("create rule nothing as on insert to audit.records do instead nothing")
    assert psql.execute("select count(*) from pg_rules where rulename = 'nothing'").fetchone() == (0,)


@pytest.mark.parametrize(
    ("command", "recorded"),
    [
        (
            "create or replace function audit.require_right(target regclass, change text) returns void "
            "language sql as ''",
            {
                "command": "CREATE FUNCTION",
                "objects": ["function audit.require_right(pg_catalog.regclass,pg_catalog.text)"],
            },
        ),
        (
            "alter table inventory.product_color_stocks drop constraint stock_never_negative",
            {
                "command": "ALTER TABLE",
                "objects": ["table constraint stock_never_negative on inventory.product_color_stocks"],
            },
        ),
        ("grant update on inventory.products to backstitch_viewer", {"command": "GRANT", "objects": ["table"]}),
        (
            "create policy mine on inventory.orders using (true)",
            {"command": "CREATE POLICY", "objects": ["policy mine on inventory.orders"]},
        ),
        ("alter schema runtime owner to postgres", {"command": "ALTER SCHEMA", "objects": ["schema runtime"]}),
    ],
)
def test_a_command_that_changes_a_definition_is_on_the_record(
    psql: Connection, command: str, recorded: dict[str, Any]
) -> None:
    psql.execute(command)  # type: ignore[arg-type]
    assert [details for _, _, details in noted(psql, "Definition")][:1] == [recorded]


@pytest.mark.parametrize(
    "command",
    [
        "create table public.mine (id int)",
        "create temp table products (id int)",
        "comment on table inventory.products is 'mine'",
        "select audit.make_partitions(date '2031-02-03', 2)",
        "drop table if exists inventory.none",
    ],
)
def test_what_is_not_ours_or_comes_by_itself_is_not(psql: Connection, command: str) -> None:
    psql.execute(command)  # type: ignore[arg-type]
    assert noted(psql, "Definition") == []


def test_without_event_triggers_the_look_each_second_notes_it(clone: Clone, psql: Connection) -> None:
    psql.execute(NO_EVENT_TRIGGERS)  # type: ignore[arg-type]
    psql.execute(DISABLE)
    # The event triggers are off, too, and that is an interruption of its own.
    assert sealing.look(clone.app) == 2
    assert sealing.look(clone.app) == 0
    psql.execute(ENABLE)
    assert sealing.look(clone.app) == 1
    guards = [(login, details["guard"], details["interrupted"]) for login, _, details in noted(psql)]
    assert guards == [
        ("backstitch_app", "SalesLog", True),
        ("backstitch_app", "definitions", True),
        ("backstitch_app", "SalesLog", False),
    ]
    assert all("command" not in details for _, _, details in noted(psql))


def test_an_interruption_is_sealed_with_the_rest(clone: Clone, psql: Connection) -> None:
    psql.execute(DISABLE)
    sealing.seal(clone.app)
    assert psql.execute(
        "select count(*) from audit.seals s where (select id from audit.records where entity = 'Interruption') "
        "= any (s.record_ids)"
    ).fetchone() == (1,)


def test_two_that_look_at_once_note_it_once(clone: Clone, psql: Connection) -> None:
    psql.execute(NO_EVENT_TRIGGERS)  # type: ignore[arg-type]
    sealing.look(clone.app)
    psql.execute(DISABLE)
    with clone.superuser() as other, psql.transaction():
        assert psql.execute("select audit.note_interruptions()").fetchone() == (1,)
        other.execute("set lock_timeout = '50ms'")
        with refused("55P03"):
            other.execute("select audit.note_interruptions()")
    assert sealing.look(clone.app) == 0


def test_a_table_that_is_no_longer_watched_is_not_interrupted_for_ever(psql: Connection) -> None:
    watched_table(psql, "id int primary key, name text")
    psql.execute("alter table demo.things disable trigger audit_insert")
    psql.execute("select audit.unwatch('demo.things'); select audit.note_interruptions()")
    assert [details["interrupted"] for _, _, details in noted(psql)] == [True, False]


def test_a_migration_records_no_command_of_its_own(clone: Clone, psql: Connection) -> None:
    with clone.owner.owner_connection() as connection:
        migrations.upgrade(connection, reapply=True)
    assert (noted(psql), noted(psql, "Definition")) == ([], [])
    psql.execute("create function audit.mine() returns int language sql as 'select 1'")
    assert [details["command"] for _, _, details in noted(psql, "Definition")] == ["CREATE FUNCTION"]


def test_the_application_cannot_write_an_interruption_or_touch_the_guards(clone: Clone) -> None:
    with clone.application() as app:
        for statement in (
            "select audit.note_interruption(null, 'Product', 'x', 'y', null, null, null)",
            "insert into audit.guards (guard, relation) values ('Product', 'x')",
            "delete from audit.guards",
            "select * from audit.fallen_guards()",
        ):
            with refused("42501"):
                app.execute(sql.SQL(statement))  # type: ignore[arg-type]


def test_the_application_adds_nothing_of_its_own_to_what_it_notes(clone: Clone, psql: Connection) -> None:
    psql.execute(NO_EVENT_TRIGGERS)  # type: ignore[arg-type]
    with clone.application() as app:
        app.execute("set backstitch.source = page; set backstitch.operation = forged; set backstitch.reason = forged")
        app.execute("select audit.note_interruptions('forged')")
    recorded = psql.execute(
        "select source, operation, reason, new_values ? 'command' from audit.records where entity = 'Interruption'"
    ).fetchall()
    assert recorded == [("system", "watch the trail", None, False)]


def test_the_fingerprint_is_recorded_when_it_changes_and_once_a_day(clone: Clone, psql: Connection) -> None:
    def taken() -> bool:
        with clone.owner.owner_connection() as connection, connection.begin():
            return fingerprint.record(connection)

    assert (taken(), taken()) == (True, False)
    psql.execute("grant select on audit.records to backstitch_viewer")
    assert (taken(), taken()) == (True, False)
    psql.execute("update audit.records set recorded_at = recorded_at - interval '1 day' where entity = 'Fingerprint'")
    assert taken()
    first, changed, again = (details for _, _, details in noted(psql, "Fingerprint"))
    assert {part for part in first if first[part] != changed[part]} == {"rights"}
    assert changed == again and set(first) == {"version", "code", "tables", "rights", "roles"}


def test_the_fingerprint_of_two_fresh_databases_is_the_same(clone: Clone, psql: Connection) -> None:
    with clone.owner.owner_connection() as connection:
        before = fingerprint.fingerprint(connection)
        connection.rollback()
    psql.execute("select audit.make_partitions(date '2030-01-01', 2)")
    with clone.owner.owner_connection() as connection:
        assert fingerprint.fingerprint(connection) == before
