"""The doctor at the start and at the command line: what it stops, what it prints, and what it does not depend on."""

import logging
import re
from collections.abc import Iterator

import psycopg
import pytest

from backstitch import __main__, doctor, settings, startup
from backstitch.database import Database
from backstitch.doctor import Finding
from backstitch.doctor.finding import REAPPLY
from db import code
from tests.conftest import Clone
from tests.db.conftest import sealed, start_refusal
from tests.db.doctor import cases

# Two months from now may begin while the test runs; the last partition that was made is ahead in any case.
UNSEALED = (
    "insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}'); "
    # An hour ago may be in the month before, which a fresh database has no partition for.
    "select audit.make_partitions((now() at time zone 'UTC' - interval '1 hour')::date, 0); "
    "update audit.records set recorded_at = now() - interval '1 hour'"
)
# Each function of the schema audit, replaced by one of the same arguments and result that does nothing.
SILENCED = """
do $$
declare
    f record;
begin
    for f in
        select p.oid::regprocedure as signature, p.proname, pg_get_function_arguments(p.oid) as arguments,
               pg_get_function_result(p.oid) as result, p.prokind
        from pg_proc p where p.pronamespace = 'audit'::regnamespace and p.prokind = 'f'
    loop
        execute format(
            'create or replace function audit.%I(%s) returns %s language plpgsql %s as %L',
            f.proname, f.arguments, f.result,
            case when f.result in ('trigger', 'event_trigger') then '' else 'immutable' end,
            case when f.result in ('void', 'event_trigger') or f.result ~ '^(SETOF|TABLE)' then 'begin return; end'
                 else 'begin return null; end' end);
    end loop;
end
$$
"""


def wrong(found: list[Finding]) -> list[tuple[str, str, str | None]]:
    """Check, severity and subject of each finding that is an error or a warning; the tests' server is not durable."""
    return [
        (one.check, one.severity, one.subject)
        for one in found
        if one.severity in ("warning", "error") and one.check != "durability"
    ]


def asked(clone: Clone, watch: Database | None = None) -> list[Finding]:
    """What the application's login is told, as at a start."""
    with clone.app.anonymous() as connection:
        return doctor.findings(connection, watch=watch or clone.watch)


def found_after(clone: Clone, damage: str) -> list[Finding]:
    """What the owner is told in a transaction that has done the damage, and is rolled back."""
    with clone.owner.owner_connection() as connection, connection.begin() as transaction:
        connection.exec_driver_sql("set local allow_system_table_mods = on")
        connection.exec_driver_sql(damage, execution_options={"no_parameters": True})
        found = [one for one in doctor.findings(connection) if one.severity in ("warning", "error")]
        transaction.rollback()
    return [one for one in found if one.check != "durability"]


def test_a_migrated_database_is_sound(kept_clone: Clone) -> None:
    found = asked(kept_clone)
    assert wrong(found) == []
    assert len({one.check for one in found}) == 20


def test_the_owner_and_the_watcher_are_told_the_same(kept_clone: Clone) -> None:
    with kept_clone.owner.owner_connection() as connection:
        assert doctor.findings(connection) == asked(kept_clone)


@pytest.mark.parametrize(
    "choice",
    [
        "alter table inventory.orders set (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05)",
        "alter index inventory.orders_open set (fillfactor = 80)",
        "alter table inventory.products alter description set storage external, alter sku set statistics 500",
        "alter function audit.seal() cost 5000",
        "set local intervalstyle = iso_8601; set local datestyle = german; set local bytea_output = escape",
        "set local quote_all_identifiers = on; set local standard_conforming_strings = off",
        "set local search_path = runtime, public",
        "create extension if not exists pg_stat_statements with schema public",
        # A month may have indexes of its own to read it by.
        "do $$ begin execute (select format('create index on %s (entity, recorded_at)', min(inhrelid::regclass::text)) "
        "from pg_inherits where inhparent = 'audit.records'::regclass and inhrelid::regclass::text ~ '[0-9]$'); end $$",
        "set local role backstitch_app; create temporary table mine (id integer); select lo_create(0); reset role",
        "create role bob login; set local role bob; create temporary table mine (id integer); reset role",
        "revoke temporary on database {database} from public",
        # Whoever migrates, whatever its name.
        "create role backstitch_deploy login; grant backstitch_owner, backstitch_app to backstitch_deploy; "
        "alter table public.alembic_version owner to backstitch_deploy",
        "alter default privileges in schema public grant select on tables to pg_monitor",
    ],
)
def test_what_an_administrator_or_a_session_may_choose_is_no_finding(kept_clone: Clone, choice: str) -> None:
    database = kept_clone.url.database or ""
    assert found_after(kept_clone, choice.replace("{database}", f'"{database}"')) == []


OWN_TABLE = (
    'create schema "Our shop" authorization backstitch_owner; set local role backstitch_owner; '
    "create table {0} (id bigint generated always as identity primary key, note text); select audit.watch('{0}'); "
)


@pytest.mark.parametrize(
    ("own", "subjects"),
    [
        (OWN_TABLE.format("inventory.mine") + "grant select on inventory.mine to backstitch_viewer",
         ["table inventory.mine"]),
        (OWN_TABLE.format("inventory.mine") + "select audit.unwatch('inventory.mine'); drop table inventory.mine", []),
        (OWN_TABLE.format('"Our shop"."Till 1"'), []),
        (OWN_TABLE.format('"Our shop"."Till 1"') + 'alter table "Our shop"."Till 1" rename to till; '
         "select audit.watch('\"Our shop\".till')", []),
        (OWN_TABLE.format('"Our shop"."' + 60 * "x" + '"'), []),
        (OWN_TABLE.format('"Our shop"."Till 1"') + "select audit.unwatch('\"Our shop\".\"Till 1\"')", []),
        ("set local role backstitch_owner; alter table inventory.products add season text, add \"Made in\" varchar(2); "
         "select audit.watch('inventory.products')",
         ['column inventory.products."Made in"', "column inventory.products.season"]),
    ],
)  # fmt: skip
def test_a_table_or_a_column_of_ones_own_may_be_on_the_record(kept_clone: Clone, own: str, subjects: list[str]) -> None:
    found = found_after(kept_clone, f"{own}; reset role")
    assert [(finding.severity, finding.subject) for finding in found] == [("warning", one) for one in subjects]


@pytest.mark.parametrize(
    "damage",
    [
        "alter event trigger {} enable replica",
        "drop event trigger {0}; create event trigger {0} on ddl_command_start execute function "
        "audit.note_definitions(); alter event trigger {0} enable always",
        "drop event trigger {0}; create event trigger {0} on ddl_command_end when tag in ('DROP TABLE') "
        "execute function audit.note_definitions(); alter event trigger {0} enable always",
        "create function public.note() returns event_trigger language plpgsql as 'begin end'; drop event trigger {0}; "
        "create event trigger {0} on ddl_command_end execute function public.note(); "
        "alter event trigger {0} enable always",
    ],
)
def test_the_event_triggers_of_backstitch_itself_must_be_as_a_migration_makes_them(clone: Clone, damage: str) -> None:
    with clone.owner.owner_connection() as connection, connection.begin():
        code.make_event_triggers(connection)
    assert found_after(clone, "select") == []
    name = "backstitch_watch_ddl"
    assert f"event trigger {name}" in [one.subject for one in found_after(clone, damage.format(name))]
    gone = found_after(clone, f"drop event trigger {name}")
    assert [(one.check, one.severity, one.advice) for one in gone] == [("event triggers", "warning", REAPPLY)]


def test_the_watcher_makes_trigger_functions_anew_as_well_as_the_owner(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute(cases.OWN_TABLE)
        assert wrong(asked(clone)) == []
        with clone.app.anonymous() as connection:  # without the watcher it is not judged
            assert [check for check, *_ in wrong(doctor.findings(connection))] == ["trail"]
        psql.execute(cases.TRIGGER_FUNCTION.format("audit.record_shop_tills()"))
        assert wrong(asked(clone)) == [("trigger functions", "error", "shop.tills")]
        # Nothing of it stays.
        kept = psql.execute("select count(*) from pg_proc where pronamespace::regnamespace::text like 'pg_temp%'")
        assert kept.fetchone() == (0,)
        psql.execute(f'revoke temporary on database "{clone.url.database}" from public')
        (found,) = [one for one in asked(clone) if one.check == "trigger functions"]
        assert (found.severity, found.subject) == ("warning", "shop.tills")
        assert found.advice is not None
        for statement in re.findall(r'-c "(.*?)"', found.advice):
            psql.execute(statement)
        assert wrong(asked(clone)) == [("trigger functions", "error", "shop.tills")]


def test_every_trigger_of_a_rule_is_missed_while_it_is_off(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        triggers = psql.execute(
            "select t.tgrelid::regclass::text, t.tgname::text from pg_trigger t join pg_class c on c.oid = t.tgrelid "
            "where not t.tgisinternal and c.relnamespace = any (array['inventory', 'accounts']::regnamespace[])"
        ).fetchall()
    off = "; ".join(f"alter table {table} disable trigger {trigger}" for table, trigger in triggers)
    named = " ".join(finding.sentence for finding in found_after(kept_clone, off))
    assert len(triggers) > 100
    for table, trigger in triggers:
        in_a_list = rf"{table} is without its triggers [\w, ]*{trigger}\b"
        assert re.search(in_a_list, named) or f"trigger {trigger} on {table} is not that" in named


def test_nothing_is_taken_from_the_functions_of_the_database(clone: Clone) -> None:
    with clone.superuser() as psql:
        functions = psql.execute(
            "select count(*) from pg_proc where pronamespace = 'audit'::regnamespace and prokind = 'f'"
        ).fetchone()
        psql.execute(SILENCED)
        psql.execute("alter table inventory.sales_logs disable trigger audit_insert")
        psql.execute("grant execute on function audit.signature(text, text, text, text, text, text, text) to public")
    found = {one.sentence for one in asked(clone)}
    replaced = [one for one in found if re.match(r"function audit\..+ is not that of this version", one)]
    assert functions == (len(replaced),)
    assert {
        "function audit.require_right(regclass,text) is not that of this version",
        "inventory.sales_logs is without its triggers audit_insert as they should be (ENABLE ALWAYS, for every "
        "statement)",
        "right EXECUTE on function audit.signature(text,text,text,text,text,text,text) to public is not of this "
        "version of Backstitch",
    } <= found


def test_without_the_watcher_one_warning_says_what_to_set(kept_clone: Clone) -> None:
    with kept_clone.app.anonymous() as connection:
        found = doctor.findings(connection)
    assert [(one.severity, one.sentence, one.advice) for one in found if one.check == "trail"] == [
        (
            "warning",
            "audit.records and audit.watched_tables could not be looked at: the password of backstitch_watch is not "
            "known here",
            "set BACKSTITCH_WATCH_PASSWORD to that of the installation that migrates, or run the doctor as the owner",
        )
    ]
    assert wrong(found) == [("trail", "warning", "audit.records and audit.watched_tables")]


def test_a_watcher_that_cannot_sign_in_is_a_warning_with_the_cause(kept_clone: Clone) -> None:
    url = kept_clone.watch.url.set(database="nowhere")
    other = Database(url.render_as_string(hide_password=False))
    try:
        found = [one for one in asked(kept_clone, other) if one.check == "trail"]
    finally:
        other.dispose()
    assert [one.severity for one in found] == ["warning"]
    assert "backstitch_watch could not sign in" in found[0].sentence
    assert 'database "nowhere" does not exist' in found[0].sentence


def test_a_watcher_without_its_rights_is_an_error_that_the_code_applied_again_cures(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("revoke select on audit.records from backstitch_watch")
    found = {one.sentence: one.advice for one in asked(clone) if one.severity == "error"}
    assert found == {
        "right SELECT on table audit.records to backstitch_watch is missing":
            "run: python -m backstitch migrate --reapply",
        "the trail cannot be read: permission denied for table records": "run: python -m backstitch migrate --reapply",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("select 1", "postgres (superuser)"),
        ("create role shop_owner login; grant backstitch_owner to shop_owner",
         "postgres (superuser), shop_owner (member of backstitch_owner)"),
        ("create role dbas; create role ann login; grant backstitch_owner to dbas; grant dbas to ann",
         "ann (member of backstitch_owner), postgres (superuser)"),
        ("create role ann login; grant postgres to ann",
         "ann (member of a superuser, postgres; member of backstitch_owner), postgres (superuser)"),
        ("create role ann login; alter table inventory.products owner to ann",
         "ann (owner of tables), postgres (superuser)"),
        ("create role ann login; grant set on parameter session_replication_role to ann",
         "ann (may set session_replication_role, which skips foreign keys and ordinary triggers, not the trail's), "
         "postgres (superuser)"),
        ("create role ann login; grant pg_write_server_files, pg_execute_server_program to ann",
         "ann (member of pg_execute_server_program; member of pg_write_server_files), postgres (superuser)"),
    ],
)  # fmt: skip
def test_who_can_switch_the_trail_off_is_always_named(kept_clone: Clone, damage: str, named: str) -> None:
    with kept_clone.owner.owner_connection() as connection, connection.begin() as transaction:
        connection.exec_driver_sql(damage)
        found = [one for one in doctor.findings(connection) if one.check == "who"]
        transaction.rollback()
    assert [(one.severity, one.sentence) for one in found] == [("notice", f"can switch the trail off: {named}")]


def test_the_tests_own_server_is_named_as_one_that_is_not_durable(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        fsync = psql.execute("show fsync").fetchone()
    if fsync != ("off",):
        pytest.skip("this server is durable")
    found = [(one.severity, one.sentence) for one in asked(kept_clone) if one.check == "durability"]
    assert ("warning", "setting fsync is off: a power cut can destroy the whole database") in found
    assert ("warning", "setting full_page_writes is off: a power cut can destroy pages of the trail") in found


@pytest.fixture
def altered_server(server: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A superuser that may alter the server's configuration, which is as it was afterwards."""
    yield server
    server.execute("alter system reset default_transaction_isolation")
    server.execute("alter system reset synchronous_commit")
    server.execute("select pg_reload_conf()")


def until(clone: Clone, setting: str, value: str) -> None:
    """Waits until new sessions of the server have the value: a reload reaches them a moment later."""
    while True:
        with clone.superuser() as psql:
            if psql.execute(f"show {setting}").fetchone() == (value,):
                return


def test_a_setting_of_the_server_is_found_and_the_advice_takes_it_away(
    clone: Clone, altered_server: psycopg.Connection
) -> None:
    for setting, value, before, check, sentence in (
        ("default_transaction_isolation", "serializable", "read committed", "settings",
         "setting default_transaction_isolation is set to serializable, by the configuration file of the server"),
        ("synchronous_commit", "off", "on", "durability",
         "setting synchronous_commit is off: a crash can lose the last commits, with their records"),
    ):  # fmt: skip
        altered_server.execute(f"alter system set {setting} = '{value}'")
        altered_server.execute("select pg_reload_conf()")
        until(clone, setting, value)
        clone.app.dispose()
        (found,) = [one for one in asked(clone) if one.sentence == sentence]
        assert found.check == check
        assert found.advice is not None
        for statement in re.findall(r'-c "(.*?)"', found.advice):
            altered_server.execute(statement)
        until(clone, setting, before)
        clone.app.dispose()
        assert sentence not in {one.sentence for one in asked(clone)}


def test_records_that_wait_too_long_for_their_seal_are_found(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute(UNSEALED)
    assert wrong(asked(clone)) == [("seals", "warning", "audit.records")]
    sealed(clone)
    assert wrong(asked(clone)) == []


def test_records_in_the_default_partition_move_into_their_month_when_the_advice_is_followed(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("set timezone = 'Asia/Kolkata'; set role backstitch_owner")
        psql.execute("update audit.records set recorded_at = '2101-01-31T23:59:59Z' where id = 1")
        psql.execute("update audit.records set recorded_at = '2101-02-01T00:00:00Z' where id = 2")
        stored = "select md5(string_agg(r::text, '|' order by id)), count(*) from audit.records r"
        before = psql.execute(stored).fetchone()
        (advice,) = [one.advice for one in asked(clone) if one.severity == "warning" and one.check != "durability"]
        assert advice is not None
        for statement in re.findall(r'-c "(.*?)"', advice):
            psql.execute(statement)
        assert psql.execute(stored).fetchone() == before
        places = psql.execute("select id, tableoid::regclass::text from audit.records where id <= 2 order by 1")
        assert places.fetchall() == [(1, "audit.records_2101_01"), (2, "audit.records_2101_02")]
    assert wrong(asked(clone)) == []


@pytest.mark.usefixtures("environment")
def test_a_watched_table_without_its_triggers_stops_the_start_with_a_sentence(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("drop trigger audit_insert on inventory.sales_logs")
        assert start_refusal() == (
            "The trail would not be complete: inventory.sales_logs is without its triggers audit_insert as they should "
            "be (ENABLE ALWAYS, for every statement); `python -m backstitch doctor` lists what to do."
        )
        psql.execute("create table inventory.forgotten (id bigint primary key)")
        assert "inventory.forgotten is not watched, so its changes leave no record (1 more)" in start_refusal()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "damage",
    [
        "create trigger quiet before insert on audit.records for each row execute function inventory.check_sizes()",
        "create rule nothing as on insert to audit.records do instead nothing",
        "alter table audit.records enable row level security, force row level security",
        "grant execute on function audit.sign_actor(bigint, bigint, text, text, text, text, text) to backstitch_app",
        "grant update on inventory.products to backstitch_viewer",
        "alter table inventory.product_color_stocks drop constraint stock_never_negative",
        cases.REAPPLIED[1].damage,  # audit.current_actor
    ],
)
@pytest.mark.parametrize("login", ["owner", "application"])
def test_what_a_dba_can_do_to_the_trail_stops_the_start(
    clone: Clone, damage: str, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if login == "application":
        monkeypatch.setenv("DATABASE_URL", clone.app.url.render_as_string(hide_password=False))
    with clone.superuser() as psql:
        psql.execute(damage)
    assert start_refusal().startswith("The trail would not be complete: ")


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
def test_the_start_resets_the_settings_of_the_roles_and_says_so(clone: Clone, caplog: pytest.LogCaptureFixture) -> None:
    database = clone.url.database
    with clone.superuser() as psql:
        try:
            psql.execute("alter role backstitch_app set default_transaction_read_only = on")
            psql.execute("alter role backstitch_app set statement_timeout = '1'")
            psql.execute(f'alter role backstitch_manager in database "{database}" set search_path = nowhere')
            with caplog.at_level(logging.WARNING), startup.running(settings.load()) as service:
                with service.database.anonymous() as connection:
                    assert connection.exec_driver_sql("show transaction_read_only").scalar_one() == "off"
                assert wrong(asked(clone)) == []
        finally:
            psql.execute("alter role backstitch_app reset all")
            psql.execute(f'alter role backstitch_manager in database "{database}" reset all')
    assert [record.message for record in caplog.records if "were reset" in record.message] == [
        "Settings of the role backstitch_app were reset: default_transaction_read_only=on, statement_timeout=1.",
        f"Settings of the role backstitch_manager in database {database} were reset: search_path=nowhere.",
    ]


@pytest.mark.usefixtures("environment")
def test_the_command_prints_every_check_and_what_to_do(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if " error " in line] == []
    assert "numbers                 OK" in lines
    assert "rows                    OK" in lines
    assert re.search(r"^who +notice +can switch the trail off: ", "\n".join(lines), re.MULTILINE)
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
    said = capsys.readouterr().out
    assert "seals                   OK" in said.splitlines()
    assert "warning  the rows were not held against the rules of this version" in said
    assert __main__.main(["replay"]) == 0
    monkeypatch.delenv("BACKSTITCH_WATCH_PASSWORD")
    assert __main__.main(["replay"]) == 1
    assert "needs the login that watches" in capsys.readouterr().err


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
