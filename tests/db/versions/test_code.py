"""A database that claims to be current and is not: what differs is named from outside, by doctor and at the start."""

import shlex
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from backstitch import __main__, doctor, migrations, settings, startup
from backstitch.doctor import Finding
from backstitch.errors import StartError
from db import catalog, code
from tests.conftest import Clone
from tests.db.conftest import sealed, start_refusal

# As a version before this one could have had it: it lets every right pass.
OLD_FUNCTION = (
    "create or replace function audit.require_right(target regclass, change text) returns void language plpgsql stable "
    "set search_path = pg_catalog, pg_temp as 'begin end'"
)
NO_DOCTOR = "create or replace function audit.findings() returns setof audit.finding language sql as 'select null::audit.finding where false'"  # noqa: E501
# Monthly partitions are left out; they are as audit.records says.
WITHOUT_COMMENT = """
    with schemas (oid) as (select unnest('{audit, accounts, inventory, runtime}'::regnamespace[])),
    relations as (select c.* from pg_class c where c.relnamespace in (select s.oid from schemas s))
    select 'schema ' || s.oid::regnamespace::text from schemas s
    where obj_description(s.oid, 'pg_namespace') is null
    union all
    select 'function ' || p.oid::regprocedure::text from pg_proc p
    where p.pronamespace in (select s.oid from schemas s) and obj_description(p.oid, 'pg_proc') is null
    union all
    select 'relation ' || r.oid::regclass::text from relations r
    where r.relkind in ('r', 'p', 'v') and r.relname !~ '_[0-9]{4}_[0-9]{2}$'
        and obj_description(r.oid, 'pg_class') is null
    union all
    select 'column ' || r.oid::regclass::text || '.' || a.attname
    from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    where r.relnamespace = 'audit'::regnamespace and r.relkind in ('r', 'p') and not r.relispartition
        and col_description(r.oid, a.attnum) is null
    union all
    select 'type ' || t.oid::regtype::text from pg_type t left join relations r on r.oid = t.typrelid
    where t.typnamespace in (select s.oid from schemas s) and (t.typtype in ('d', 'e') or r.relkind = 'c')
        and obj_description(t.oid, 'pg_type') is null
    union all
    select 'trigger ' || t.tgname || ' on ' || t.tgrelid::regclass::text
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where p.pronamespace = 'audit'::regnamespace and obj_description(t.oid, 'pg_trigger') is null
"""
REAPPLY = "run: python -m backstitch migrate --reapply"


@pytest.fixture
def clone(clone: Clone) -> Clone:
    return sealed(clone)


@pytest.fixture(scope="module")
def kept_clone(kept_clone: Clone) -> Clone:
    return sealed(kept_clone)


def found_after(clone: Clone, damage: str) -> list[Finding]:
    """What the doctor finds in a transaction that has done the damage, and is rolled back."""
    with clone.owner.owner_connection() as connection, connection.begin() as transaction:
        connection.exec_driver_sql("set local allow_system_table_mods = on")
        connection.exec_driver_sql(damage, execution_options={"no_parameters": True})
        found = [finding for finding in doctor.findings(connection) if finding.severity != "ok"]
        transaction.rollback()
    return found


@pytest.mark.parametrize(
    ("damage", "check", "severity", "sentence"),
    [
        (OLD_FUNCTION, "functions", "error",
         "function audit.require_right(regclass,text) is not that of this version"),
        ("alter function accounts.begin(text, text, text, text, text) reset search_path", "functions", "error",
         "function accounts.begin(text,text,text,text,text) is not that of this version"),
        ("alter function audit.seal() security invoker", "functions", "error",
         "function audit.seal() is not that of this version"),
        ("create function audit.rows_in_use(bigint) returns bigint language sql as 'select 1::bigint'", "functions",
         "error", "function audit.rows_in_use(bigint) is not of this version of Backstitch"),
        ("drop function accounts.unlock(bigint)", "functions", "error", "function accounts.unlock(bigint) is missing"),
        ("update pg_proc set prosrc = prosrc || ' ' where proname = 'record_inventory_products'", "functions", "error",
         "function audit.record_inventory_products() is not that of this version"),
        ("alter table inventory.sales_logs disable trigger move_stock_insert", "triggers", "error",
         "trigger move_stock_insert on inventory.sales_logs is not that of this version"),
        ("drop trigger follow_order on inventory.orders", "triggers", "error",
         "trigger follow_order on inventory.orders is missing"),
        ("create or replace trigger check_order_party before insert or update of note on inventory.orders for each row "
         "execute function inventory.check_order_party(); alter table inventory.orders enable always trigger "
         "check_order_party", "triggers", "error",
         "trigger check_order_party on inventory.orders is not that of this version"),
        ("create rule nothing as on insert to audit.records do instead nothing", "triggers", "error",
         "rule nothing on audit.records is not of this version of Backstitch"),
        ("create or replace view runtime.sessions as select s.id, s.user_id, s.kind, s.token_hash, s.address, "
         "s.user_agent, s.created_at, s.revoked_at, s.created_at as last_seen_at, s.expires_at as ends_at "
         "from accounts.sessions s",
         "views and policies", "error", "view runtime.sessions is not that of this version"),
        ("alter policy for_signed_in on accounts.users using (true)", "views and policies", "error",
         "policy for_signed_in on accounts.users is not that of this version"),
        ("create policy more on accounts.users to backstitch_viewer using (true)", "views and policies", "error",
         "policy more on accounts.users is not of this version of Backstitch"),
        ("alter table inventory.inward_logs drop constraint inward_quantity_positive", "tables and constraints",
         "error", "constraint inward_quantity_positive on inventory.inward_logs is missing"),
        ("alter table inventory.product_color_stocks drop constraint stock_never_negative, add constraint "
         "stock_never_negative check (quantity >= -5)", "tables and constraints", "error",
         "constraint stock_never_negative on inventory.product_color_stocks is not that of this version: it is "
         "“CHECK ((quantity >= '-5'::integer))” and should be “CHECK ((quantity >= 0))”"),
        ("drop index inventory.orders_open", "tables and constraints", "error",
         "index inventory.orders_open is missing"),
        ("alter table accounts.users alter email drop not null", "tables and constraints", "error",
         "column accounts.users.email is not that of this version: it is “text” and should be “text not null”"),
        ("alter table inventory.products alter sku type text collate \"C\"", "tables and constraints", "error",
         "column inventory.products.sku is not that of this version: it is “text collate \"C\" not null” and should be "
         "“text not null”"),
        ("do $$ declare t name; begin for t in select t.tgname from pg_trigger t join pg_constraint c on c.oid = "
         "t.tgconstraint where c.conname = 'line_of_product' and t.tgrelid = c.conrelid loop execute format("
         "'alter table inventory.order_lines disable trigger %I', t); end loop; end $$", "tables and constraints",
         "error", "constraint line_of_product on inventory.order_lines is not that of this version: it is “FOREIGN KEY "
         "(product_id) REFERENCES inventory.products(id) its triggers off” and should be “FOREIGN KEY (product_id) "
         "REFERENCES inventory.products(id)”"),
        ("alter sequence audit.records_id_seq maxvalue 99 cycle", "tables and constraints", "error",
         "sequence audit.records_id_seq is not that of this version: it is “bigint from 1 start 1 to 99 by 1 cache 1 "
         "cycle” and should be “bigint from 1 start 1 to 9223372036854775807 by 1 cache 1”"),
        ("alter domain audit.action set default 'CREATE'", "tables and constraints", "error",
         "type audit.action is not that of this version: it is “domain over text default 'CREATE'::text” and should be "
         "“domain over text”"),
        ("create type inventory.colour as enum ('red', 'blue')", "tables and constraints", "warning",
         "type inventory.colour is not of this version of Backstitch"),
        ("create type inventory.nothing as ()", "tables and constraints", "warning",
         "type inventory.nothing is not of this version of Backstitch"),
        ("create view inventory.report as select count(*) from inventory.orders", "views and policies", "warning",
         "view inventory.report is not of this version of Backstitch"),
        ("alter role backstitch_app set session_replication_role = replica", "rights and owners", "error",
         "setting session_replication_role of role backstitch_app is set to replica, and should not be set"),
        ("do $$ begin execute format('alter database %I set role = backstitch_admin', current_database()); end $$",
         "rights and owners", "error", "setting role of everybody is set to backstitch_admin, and should not be set"),
        ("alter table inventory.orders add season text", "tables and constraints", "warning",
         "column inventory.orders.season is not of this version of Backstitch"),
        ("create table audit.more () inherits (audit.watched_tables)", "tables and constraints", "error",
         "child table audit.more is not of this version of Backstitch"),
        ("grant update on inventory.products to backstitch_viewer", "rights and owners", "error",
         "right UPDATE on table inventory.products to backstitch_viewer is not of this version of Backstitch"),
        ("grant update (value) on audit.personal_values to backstitch_admin", "rights and owners", "error",
         "right UPDATE on column audit.personal_values.value to backstitch_admin is not of this version of Backstitch"),
        ("revoke select on audit.trail from backstitch_analyst", "rights and owners", "error",
         "right SELECT on view audit.trail to backstitch_analyst is missing"),
        ("grant execute on function audit.forget_actor() to public", "rights and owners", "error",
         "right EXECUTE on function audit.forget_actor() to public is not of this version of Backstitch"),
        ("grant select on audit.trail to pg_monitor", "rights and owners", "warning",
         "foreign right SELECT on view audit.trail to pg_monitor is not of this version of Backstitch"),
        ("alter function accounts.me() owner to postgres", "rights and owners", "error",
         "the owner of function accounts.me() is not that of this version: it is “postgres” and should be "
         "“backstitch_owner”"),
        ("update public.backstitch_code set sha256 = repeat('0', 64) where file = 'audit/undo.sql'", "code", "error",
         "db/audit/undo.sql is not the file that the database was brought up to"),
        ("delete from public.backstitch_code where file = 'triggers.sql'", "code", "error",
         "db/triggers.sql is not the file that the database was brought up to"),
    ],
)  # fmt: skip
def test_what_differs_from_this_version_is_named(
    kept_clone: Clone, damage: str, check: str, severity: str, sentence: str
) -> None:
    found = [(finding.check, finding.severity, finding.sentence) for finding in found_after(kept_clone, damage)]
    assert (check, severity, sentence) in found


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("grant insert on {} to backstitch_app",
         "right INSERT on table {} to backstitch_app is not of this version of Backstitch"),
        ("alter table {} set unlogged", "month {} is unlogged, as no month of the trail should be"),
        ("alter table {} enable row level security",
         "month {} is under row security, as no month of the trail should be"),
    ],
)  # fmt: skip
def test_a_month_of_the_trail_that_is_not_as_every_month_is_named(
    kept_clone: Clone, damage: str, sentence: str
) -> None:
    with kept_clone.superuser() as psql:
        month = psql.execute(
            "select min(inhrelid::regclass::text) from pg_inherits where inhparent = 'audit.records'::regclass "
            "and inhrelid <> 'audit.records_default'::regclass"
        ).fetchone()
    assert month is not None
    found = [finding.sentence for finding in found_after(kept_clone, damage.format(month[0]))]
    assert sentence.format(month[0]) in found


@pytest.mark.parametrize(
    "choice",
    [
        "alter table inventory.orders set (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05)",
        "alter index inventory.orders_open set (fillfactor = 80)",
        "alter table inventory.products alter description set storage external, alter sku set statistics 500",
        "alter function audit.seal() cost 5000",
        "set local intervalstyle = iso_8601; set local datestyle = german; set local bytea_output = escape",
        "set local quote_all_identifiers = on; set local standard_conforming_strings = off",
        "create extension if not exists pg_stat_statements with schema public",
        "create publication everything for all tables",
    ],
)
def test_what_an_administrator_may_choose_is_no_finding(kept_clone: Clone, choice: str) -> None:
    assert found_after(kept_clone, choice) == []


OWN_TABLE = (
    'create schema "Our shop" authorization backstitch_owner; set local role backstitch_owner; '
    "create table {0} (id bigint generated always as identity primary key, note text); select audit.watch('{0}'); "
)


@pytest.mark.parametrize(
    ("own", "subjects"),
    [
        (OWN_TABLE.format("inventory.mine") + "grant select on inventory.mine to backstitch_viewer",
         ["index inventory.mine_pkey", "sequence inventory.mine_id_seq", "table inventory.mine"]),
        (OWN_TABLE.format("inventory.mine") + "select audit.unwatch('inventory.mine'); drop table inventory.mine", []),
        (OWN_TABLE.format('"Our shop"."Till 1"'), []),
        (OWN_TABLE.format('"Our shop"."Till 1"') + 'alter table "Our shop"."Till 1" rename to till; '
         "select audit.watch('\"Our shop\".till')", []),
        (OWN_TABLE.format('"Our shop"."' + 60 * "x" + '"'), []),
        (OWN_TABLE.format('"Our shop"."Till 1"') + "select audit.unwatch('\"Our shop\".\"Till 1\"')", []),
    ],
)  # fmt: skip
def test_a_table_of_ones_own_may_be_on_the_record(kept_clone: Clone, own: str, subjects: list[str]) -> None:
    found = found_after(kept_clone, f"{own}; reset role")
    assert [(finding.severity, finding.subject) for finding in found] == [("warning", one) for one in subjects]


def test_every_trigger_of_a_rule_is_missed_while_it_is_off(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        triggers = psql.execute(
            "select t.tgrelid::regclass::text, t.tgname::text from pg_trigger t join pg_class c on c.oid = t.tgrelid "
            "where not t.tgisinternal and c.relnamespace = any (array['inventory', 'accounts']::regnamespace[])"
        ).fetchall()
    off = "; ".join(f"alter table {table} disable trigger {trigger}" for table, trigger in triggers)
    found = [finding.subject for finding in found_after(kept_clone, off) if finding.check == "triggers"]
    assert len(triggers) > 100
    assert sorted(found) == sorted(f"trigger {trigger} on {table}" for table, trigger in triggers)


def test_a_doctor_that_is_silenced_hides_nothing_of_the_code(kept_clone: Clone) -> None:
    sentences = [finding.sentence for finding in found_after(kept_clone, f"{NO_DOCTOR}; {OLD_FUNCTION}")]
    assert "function audit.findings() is not that of this version" in sentences
    assert "function audit.require_right(regclass,text) is not that of this version" in sentences


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "damage",
    [
        "drop function audit.findings()",
        "revoke execute on function audit.findings() from backstitch_app",
    ],
)
def test_a_doctor_that_was_dropped_stops_the_start_and_comes_back_by_the_advice(
    clone: Clone, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with clone.superuser() as psql:
        psql.execute(damage)
    assert start_refusal().startswith(
        ("The trail would not be complete: ", "The login backstitch_app lacks its rights")
    )
    assert __main__.main(["doctor"]) == 1
    assert REAPPLY in capsys.readouterr().out
    assert __main__.main(["migrate", "--reapply"]) == 0
    assert __main__.main(["doctor"]) == 0


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("login", ["owner", "application"])
def test_an_old_function_in_a_database_that_calls_itself_current_stops_the_start(
    clone: Clone, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if login == "application":
        monkeypatch.setenv("DATABASE_URL", clone.app.url.render_as_string(hide_password=False))
    with clone.superuser() as psql:
        psql.execute(OLD_FUNCTION)
    with clone.owner.owner_connection() as connection:
        assert migrations.is_current(connection)
    assert start_refusal() == (
        "The trail would not be complete: function audit.require_right(regclass,text) is not that of this version; "
        "`python -m backstitch doctor` lists what to do."
    )


@pytest.mark.usefixtures("environment")
def test_code_of_another_hash_is_applied_at_the_start(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute(OLD_FUNCTION)
        psql.execute("update backstitch_code set sha256 = repeat('0', 64) where file = 'audit/actor.sql'")
        with startup.running(settings.load()):
            kept = dict(psql.execute("select file, sha256 from backstitch_code").fetchall())
        assert kept == code.hashes()
        source = psql.execute("select prosrc from pg_proc where proname = 'require_right'").fetchone()
        assert source is not None and "is refused" in source[0]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "damage",
    [
        OLD_FUNCTION,
        "alter table inventory.sales_logs disable trigger move_stock_insert",
        "drop trigger follow_order on inventory.orders",
        "drop policy for_signed_in on accounts.users",
        "alter table inventory.inward_logs drop constraint inward_quantity_positive",
        "drop index inventory.orders_open",
        "grant update on inventory.products to backstitch_viewer; revoke select on audit.trail from backstitch_analyst",
        "alter function accounts.me() owner to postgres",
        "create function audit.rows_in_use(bigint) returns bigint language sql as 'select 1::bigint'",
        "create rule nothing as on delete to inventory.agencies do instead nothing",
        "do $$ begin execute (select format('alter table %s set unlogged', min(inhrelid::regclass::text)) from "
        "pg_inherits where inhparent = 'audit.records'::regclass); end $$",
        "alter table inventory.orders owner to postgres",
        'set role backstitch_owner; create function audit."Odd name"() returns integer language sql as $$select 1$$',
    ],
)
def test_what_is_advised_removes_what_was_found(clone: Clone, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with clone.superuser() as psql:
        psql.execute(damage)
    assert __main__.main(["doctor"]) == 1
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    advised = {line for line in lines if line.startswith("run: ")}
    assert advised
    for advice in advised:
        _, *module, command = shlex.split(advice.removeprefix("run: "))[:4]
        assert module == ["-m", "backstitch"] and command in {"migrate", "psql"}
        assert __main__.main(shlex.split(advice.removeprefix("run: "))[3:]) == 0
    assert __main__.main(["doctor"]) == 0


def test_a_function_that_a_constraint_asks_is_not_said_to_come_back_with_the_code(kept_clone: Clone) -> None:
    replaced = (
        "create or replace function inventory.financial_year(day date) returns text language sql immutable strict "
        "parallel safe as 'select null::text'"
    )
    found = found_after(kept_clone, replaced)
    assert [(finding.subject, finding.advice) for finding in found] == [
        ("function inventory.financial_year(date)", "make it again as db/migrations/versions has it")
    ]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("alter function audit.seal() owner to postgres",
         "The database could not be brought up to date: must be owner of function seal; nothing was changed. It "
         "belongs to another role: `python -m backstitch doctor` lists what to do about that first."),
        ("drop function audit.checkpoint(); set role backstitch_owner; create function audit.checkpoint() returns "
         "integer language sql as 'select 1'",
         "The database could not be brought up to date: cannot change return type of existing function; nothing was "
         "changed. Drop the function or view of another result (`python -m backstitch doctor` names it) as "
         "backstitch_owner, with the views and policies that hang on it; then run: python -m backstitch migrate "
         "--reapply"),
        ("delete from public.alembic_version",
         'The database could not be brought up to date: schema "inventory" already exists; nothing was changed. '
         "Somebody has changed this database by hand; compare it with a fresh one, or restore it from a backup."),
        ("update public.backstitch_code set version = 'my own'",
         "This database runs the code of Backstitch my own, and this is 0.10.0.dev0; install that version, or use "
         "another database."),
    ],
)  # fmt: skip
def test_what_cannot_be_applied_again_is_said_with_the_way_out(
    clone: Clone, damage: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with clone.superuser() as psql:
        psql.execute(damage)
    assert __main__.main(["migrate", "--reapply"]) == 1
    assert capsys.readouterr().err.strip() == sentence


@pytest.mark.usefixtures("environment")
def test_a_doctor_that_cannot_run_is_a_finding_and_comes_back(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    with clone.superuser() as psql:
        psql.execute("drop function audit.seal_findings(interval)")
    assert start_refusal().startswith("The trail would not be complete: the doctor in the database cannot run: ")
    assert __main__.main(["doctor"]) == 1
    assert "function audit.seal_findings(interval) is missing" in capsys.readouterr().out
    assert __main__.main(["migrate", "--reapply"]) == 0
    assert __main__.main(["doctor"]) == 0


@pytest.mark.usefixtures("environment")
def test_an_application_without_its_rights_is_told_who_can_say_what_to_do(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("revoke all on public.backstitch_code from backstitch_app")
    assert start_refusal() == (
        "The login backstitch_app lacks its rights in this database; `python -m backstitch doctor` with the owner's "
        "login lists what to do."
    )


@pytest.mark.usefixtures("environment")
def test_what_belongs_to_another_role_does_not_stop_an_upgrade(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute(
            "create view inventory.report as select count(*) from inventory.orders; "
            'create table audit."Kept on tape" (id bigint generated always as identity primary key); '
            "create function runtime.days() returns integer language sql as 'select 1'; create role reporter; "
            "grant select on inventory.report to reporter, backstitch_viewer; create schema shop; "
            "create table shop.tills (id bigint generated always as identity primary key, note text); "
            "select audit.watch('shop.tills'); alter table shop.tills add place text"
        )
        with clone.owner.owner_connection() as connection:
            migrations.upgrade(connection, reapply=True)
        kept = psql.execute(
            "select array_agg(a.grantee::regrole::text order by a.grantee) from pg_class c, aclexplode(c.relacl) a "
            "where c.relname = 'report' and a.grantee <> c.relowner"
        ).fetchone()
        psql.execute("drop view inventory.report; drop role reporter")
        psql.execute("insert into shop.tills (place) values ('Bandra')")
        recorded = psql.execute(
            "select new_values ->> 'place' from audit.records where action = 'CREATE' and entity = 'tills'"
        ).fetchall()
    assert recorded == [("Bandra",)]
    assert kept == (["backstitch_viewer", "reporter"],)


def test_whoever_waited_for_the_upgrade_of_a_newer_version_does_not_undo_it(clone: Clone) -> None:
    with clone.superuser() as newer, ThreadPoolExecutor() as pool, clone.owner.owner_connection() as connection:
        newer.execute("select pg_advisory_lock(%s)", [code.MIGRATION_LOCK])
        older = pool.submit(migrations.upgrade, connection, reapply=True)
        waiting = (
            "select count(*) from pg_locks l join pg_database d on d.oid = l.database "
            "where l.locktype = 'advisory' and not l.granted and d.datname = current_database()"
        )
        while newer.execute(waiting).fetchone() != (1,):
            time.sleep(0.01)
        newer.execute("update backstitch_code set version = '10.0', sha256 = repeat('0', 64)")
        newer.execute("select pg_advisory_unlock(%s)", [code.MIGRATION_LOCK])
        with pytest.raises(StartError, match="runs the code of Backstitch 10"):
            older.result()
        assert newer.execute("select distinct version, sha256 from backstitch_code").fetchall() == [("10.0", 64 * "0")]


@pytest.mark.usefixtures("environment")
def test_a_database_from_before_versions_is_refused_with_a_sentence(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("drop table backstitch_code")
    assert start_refusal() == (
        "This database was made by Backstitch before version 0.9, which was never released, and cannot be brought up "
        "to date. Keep a dump of it if you need one, then start with an empty database, or, with the bundled server, "
        "with another BACKSTITCH_HOME."
    )


@pytest.mark.usefixtures("environment")
def test_a_database_of_a_newer_version_is_left_alone(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("update backstitch_code set version = '10.0', sha256 = repeat('0', 64) where file = 'rights.sql'")
    assert start_refusal().startswith("This database runs the code of Backstitch 10.0, and this is ")


def test_what_is_expected_is_what_a_fresh_database_has(kept_clone: Clone) -> None:
    with kept_clone.owner.owner_connection() as connection:
        present, server = catalog.present(connection), catalog.major(connection)
    expected = catalog.expected()
    # After a change of a file in db/, run `python -m bench.expected --debian 15`.
    assert present.keys() == expected.keys()
    assert [object for object in present if not catalog.agrees(present[object], expected[object], server)] == []


def test_every_file_of_sql_is_listed_once_in_its_order() -> None:
    files = {file.relative_to(code.FOLDER).as_posix() for file in code.FOLDER.rglob("*.sql")}
    listed = {*code.FILES, "catalog.sql"}
    assert {file for file in files if not file.startswith("steps/")} == listed
    assert len(set(code.FILES)) == len(code.FILES)


def test_every_object_of_the_database_has_a_comment_that_says_what_it_is(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        assert [name for (name,) in psql.execute(WITHOUT_COMMENT).fetchall()] == []


def test_the_header_of_triggers_sql_shows_the_function_that_it_makes(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        made = psql.execute("select prosrc from pg_proc where proname = 'record_inventory_order_counters'").fetchone()
    assert made is not None
    shown = "".join(f"--     {line}".rstrip() + "\n" for line in made[0].strip("\n").splitlines())
    assert shown in (code.FOLDER / "triggers.sql").read_text()
