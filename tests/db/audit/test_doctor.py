"""The doctor: each check finds exactly what it is for, says it in a sentence, and stops the start where it must."""

import logging

import psycopg
import pytest

from backstitch import __main__, doctor, settings, startup
from backstitch.accounts.permissions import Role
from tests.conftest import Clone
from tests.db.conftest import sealed, start_refusal
from tests.db.trail import acting

PRODUCTS = "inventory.products"
UNSEALED = (
    "insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}'); "
    # An hour ago may be in the month before, which a fresh database has no partition for.
    "select audit.make_partitions((now() at time zone 'UTC' - interval '1 hour')::date, 0); "
    "update audit.records set recorded_at = now() - interval '1 hour'"
)


@pytest.fixture
def clone(clone: Clone) -> Clone:
    return sealed(clone)


@pytest.fixture(scope="module")
def kept_clone(kept_clone: Clone) -> Clone:
    return sealed(kept_clone)


def problems(clone: Clone) -> list[tuple[str, str, str | None]]:
    """What the application's login is told: check, severity and subject of each finding that is not an ok."""
    with clone.app.anonymous() as connection:
        found = doctor.findings(connection)
    assert len({finding.check for finding in found}) == 14
    return [(finding.check, finding.severity, finding.subject) for finding in found if finding.severity != "ok"]


def sentences(clone: Clone) -> list[str]:
    with clone.app.anonymous() as connection:
        return [finding.sentence for finding in doctor.findings(connection) if finding.severity != "ok"]


def test_a_migrated_database_is_sound(kept_clone: Clone) -> None:
    assert problems(kept_clone) == []


@pytest.mark.parametrize(
    ("damage", "check", "severity", "subject"),
    [
        ("create table inventory.forgotten (id bigint primary key); alter table inventory.forgotten owner to "
         "backstitch_owner", "tables on the record", "error", "inventory.forgotten"),
        ("create table accounts.forgotten (id bigint primary key) partition by range (id)",
         "tables on the record", "error", "accounts.forgotten"),
        ("alter table accounts.sessions set unlogged", "tables on the record", "error", "accounts.sessions"),
        ("drop trigger audit_truncate on inventory.products", "triggers of the trail", "error", PRODUCTS),
        ("alter table inventory.products disable trigger audit_update", "triggers of the trail", "error", PRODUCTS),
        ("alter table inventory.products enable replica trigger audit_delete",
         "triggers of the trail", "error", PRODUCTS),
        ("create or replace trigger audit_update after update on inventory.products referencing old table as old_rows "
         "new table as new_rows for each statement when (false) execute function audit.record_inventory_products(); "
         "alter table inventory.products enable always trigger audit_update",
         "triggers of the trail", "error", PRODUCTS),
        ("create or replace trigger audit_insert after insert on inventory.products referencing new table as new_rows "
         "for each statement execute function audit.record_inventory_sales_logs(); "
         "alter table inventory.products enable always trigger audit_insert",
         "triggers of the trail", "error", PRODUCTS),
        ("update pg_proc set prosrc = prosrc || ' ' where proname = 'record_inventory_products'",
         "trigger functions", "error", PRODUCTS),
        ("alter function audit.record_inventory_products() set jit = off", "trigger functions", "error", PRODUCTS),
        ("create trigger late after insert on inventory.products for each row execute function inventory.check_sizes()",
         "order of triggers", "error", PRODUCTS),
        ("create trigger aaa after insert on inventory.products execute function inventory.refuse_truncate()",
         "order of triggers", "error", PRODUCTS),
        ("grant create on schema public to backstitch_app", "roles", "error", "backstitch_app"),
        ("alter view public.audit_logs owner to backstitch_viewer", "roles", "error", "backstitch_viewer"),
        ("insert into audit.records_default select * from audit.records where false; "
         "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, new_values) "
         "values ('2101-01-01', 1, 'MAINTENANCE', 'User', 'SQL', 'x', '{}')",
         "default partition", "warning", "audit.records_default"),
        ("alter table only audit.records alter column era set default 2", "seals", "error", "audit.records"),
    ],
)  # fmt: skip
def test_each_damage_is_found_by_the_database_and_nothing_else(
    kept_clone: Clone, damage: str, check: str, severity: str, subject: str
) -> None:
    with kept_clone.superuser() as psql, psql.transaction(force_rollback=True):
        psql.execute("set local allow_system_table_mods = on")
        psql.execute(damage)
        found = psql.execute(
            "select check_name, severity, subject from audit.findings() where severity <> 'ok'"
        ).fetchall()
    assert (check, severity, subject) in found
    assert {(name, where) for name, _, where in found} == {(check, subject)}


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("alter role backstitch_app createdb",
         "backstitch_app has the attribute createdb"),
        ("alter role backstitch_viewer login",
         "backstitch_viewer has the attribute login"),
        ("alter role backstitch_app bypassrls",
         "backstitch_app has the attribute bypassrls"),
        ("grant set on parameter session_replication_role to backstitch_manager",
         "backstitch_manager can set session_replication_role, which skips ordinary triggers and foreign keys"),
        ("grant pg_monitor to backstitch_app",
         "backstitch_app is a member of pg_monitor"),
        ("grant backstitch_admin to backstitch_viewer",
         "backstitch_viewer is a member of backstitch_admin"),
    ],
)  # fmt: skip
def test_a_role_with_a_right_too_many_is_found(kept_clone: Clone, damage: str, sentence: str) -> None:
    """In a transaction that is rolled back: roles are the server's, and other tests use them."""
    with kept_clone.superuser() as psql, psql.transaction(force_rollback=True):
        psql.execute(damage)
        found = psql.execute("select subject || ' ' || problem from audit.findings() where severity = 'error'")
        assert (sentence,) in found.fetchall()


def test_a_superuser_for_an_application_is_found_once(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql, psql.transaction(force_rollback=True):
        psql.execute("alter role backstitch_app superuser")
        found = psql.execute("select subject || ' ' || problem from audit.findings() where severity = 'error'")
        assert found.fetchall() == [("backstitch_app has the attribute superuser",)]


def test_months_ahead_without_a_partition_are_found(clone: Clone) -> None:
    with clone.superuser() as psql:
        month = psql.execute("select to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM')").fetchone()
        assert month is not None
        psql.execute(f"drop table audit.records_{month[0]}")
    assert sentences(clone) == [f"audit.records has no partition for {month[0].replace('_', '-')}"]


def test_records_in_the_default_partition_move_into_their_month_when_the_advice_is_followed(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("set timezone = 'Asia/Kolkata'; set role backstitch_owner")
        psql.execute("update audit.records set recorded_at = '2101-01-31T23:59:59Z' where id = 1")
        psql.execute("update audit.records set recorded_at = '2101-02-01T00:00:00Z' where id = 2")
        stored = (
            "select md5(string_agg(r::text, '|' order by id)), count(*) from audit.records r "
            "where entity <> 'Definition'"
        )
        before = psql.execute(stored).fetchone()
        for _ in range(2):
            advice = psql.execute(
                "select advice from audit.findings() where check_name = 'default partition'"
            ).fetchone()
            assert advice is not None
            psql.execute(advice[0].partition(": ")[2].partition(", for each")[0])
        assert psql.execute(stored).fetchone() == before
        places = psql.execute("select id, tableoid::regclass::text from audit.records where id <= 2 order by 1")
        assert places.fetchall() == [(1, "audit.records_2101_01"), (2, "audit.records_2101_02")]
    assert problems(clone) == []


def test_records_that_wait_too_long_for_their_seal_are_found(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute(UNSEALED)
    assert problems(clone) == [("seals", "warning", "audit.records")]


def test_watching_again_cures_what_the_advice_says_it_cures(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("alter table inventory.products add season text, disable trigger audit_update")
        advice = psql.execute("select distinct advice from audit.findings() where severity = 'error'").fetchall()
        assert advice == [
            ('run: python -m backstitch psql -c "set role backstitch_owner" '
             "-c \"select audit.watch('inventory.products')\"",)
        ]  # fmt: skip
        psql.execute("set role backstitch_owner; select audit.watch('inventory.products')")
    # A column of one's own is on the record now, and still none of this version's.
    assert problems(clone) == [("tables and constraints", "warning", "column inventory.products.season")]


@pytest.mark.parametrize("role", list(Role))
def test_a_signed_in_user_is_not_shown_the_findings(kept_clone: Clone, role: Role) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(kept_clone, role) as connection:
        connection.execute("select * from audit.findings()")


@pytest.mark.usefixtures("environment")
def test_a_watched_table_without_its_triggers_stops_the_start_with_a_sentence(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("drop trigger audit_insert on inventory.sales_logs")
        assert start_refusal() == (
            "The trail would not be complete: inventory.sales_logs is without its triggers audit_insert as they should "
            "be (ENABLE ALWAYS, for every statement) (1 more); `python -m backstitch doctor` lists what to do."
        )
        psql.execute("create table inventory.forgotten (id bigint primary key)")
        assert "inventory.forgotten is not watched, so its changes leave no record (2 more)" in start_refusal()


@pytest.mark.usefixtures("environment")
def test_the_start_makes_the_partitions_ahead_and_logs_the_warnings(
    clone: Clone, caplog: pytest.LogCaptureFixture
) -> None:
    with clone.superuser() as psql:
        month = psql.execute("select to_char(now() at time zone 'UTC' + interval '2 months', 'YYYY_MM')").fetchone()
        assert month is not None
        psql.execute(f"drop table audit.records_{month[0]}")
        psql.execute(UNSEALED)
        with caplog.at_level(logging.WARNING), startup.running(settings.load()):
            made = psql.execute("select to_regclass(%s)::text, (select relowner::regrole::text from pg_class "
                                "where oid = to_regclass(%s))", [f"audit.records_{month[0]}"] * 2)  # fmt: skip
            assert made.fetchone() == (f"audit.records_{month[0]}", "backstitch_owner")
    assert [record.message for record in caplog.records if "wait for their seal" in record.message]


@pytest.mark.usefixtures("environment")
def test_the_command_prints_every_check_and_what_to_do(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 14
    assert all(line.endswith("  OK") for line in lines)
    with clone.superuser() as psql:
        psql.execute("alter table inventory.products disable trigger audit_update")
    assert __main__.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[2].split()) == (
        "triggers of the trail error inventory.products is without its triggers audit_update as they should be "
        "(ENABLE ALWAYS, for every statement)"
    )
    assert lines[3].strip().startswith("run: python -m backstitch psql")


@pytest.mark.usefixtures("environment")
def test_the_command_works_for_the_applications_login(
    clone: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clone.app.url.render_as_string(hide_password=False))
    assert __main__.main(["doctor"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 14
    assert __main__.main(["replay"]) == 0
    monkeypatch.delenv("BACKSTITCH_WATCH_PASSWORD")
    capsys.readouterr()
    assert __main__.main(["replay"]) == 1
    assert capsys.readouterr().err == (
        "replay needs the login that watches: set BACKSTITCH_WATCH_PASSWORD to the password of backstitch_watch, or "
        "DATABASE_URL to the owner's login.\n"
    )


@pytest.mark.usefixtures("environment")
def test_replay_prints_a_count_per_table_and_fails_on_a_difference_even_where_a_start_would_be_refused(
    clone: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(["replay"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "accounts.users: 4 rows from 4 records, 0 differences" in lines
    assert lines[-1] == "The trail rebuilds every table exactly."
    with clone.superuser() as psql:
        psql.execute(
            "alter table accounts.users disable trigger all; update accounts.users set role = 'admin' where id = 4"
        )
    assert __main__.main(["replay"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'accounts.users 4 role: trail "viewer", table "admin"'
    assert lines[-1] == "1 differences."
