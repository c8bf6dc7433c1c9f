"""A database that claims to be current and is not: what differs is named from outside, by doctor and at the start."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from backstitch import __main__, doctor, migrations, settings, startup
from backstitch.doctor import Finding
from backstitch.errors import StartError
from db import catalog, code
from db.catalog import Object
from tests.conftest import Clone
from tests.db.conftest import sealed, start_refusal
from tests.db.doctor.cases import OLD_FUNCTION

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
        found = [finding for finding in doctor.findings(connection) if finding.severity == "error"]
        transaction.rollback()
    return found


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("update public.backstitch_code set sha256 = repeat('0', 64) where file = 'audit/undo.sql'",
         "db/audit/undo.sql is not the file that the database was brought up to"),
        ("delete from public.backstitch_code where file = 'triggers.sql'",
         "db/triggers.sql is not the file that the database was brought up to"),
    ],
)  # fmt: skip
def test_a_hash_that_is_not_of_this_version_is_named(kept_clone: Clone, damage: str, sentence: str) -> None:
    found = [(finding.check, finding.severity, finding.sentence) for finding in found_after(kept_clone, damage)]
    assert found == [("code", "error", sentence)]


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
         "This database runs the code of Backstitch my own, and this is 0.11.0; install that version, or use "
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
        present = {object: one.definition for object, one in catalog.present(connection).items()}
        present |= {Object("watched table", one.name): one.definition for one in catalog.watched(connection)}
        server = catalog.major(connection)
    expected = catalog.expected()
    # After a change of a file in db/, run `python -m bench.expected --debian 15`.
    assert present.keys() == expected.keys()
    known = [object for object in present if object.kind != "system functions" or server in expected[object]]
    assert [object for object in known if not catalog.agrees(present[object], expected[object], server)] == []


def test_every_file_of_sql_is_listed_once_in_its_order() -> None:
    files = {file.relative_to(code.FOLDER).as_posix() for file in code.FOLDER.rglob("*.sql")}
    # What the doctor asks is never installed.
    assert {file for file in files if not file.startswith(("steps/", "judge/"))} == {*code.FILES}
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
