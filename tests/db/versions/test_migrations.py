"""Migrations: from empty to head, twice, at once, and over a database that is in use."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from backstitch import migrations
from backstitch.accounts.permissions import Role
from backstitch.database import Database
from db import code
from tests.conftest import Clone, conninfo
from tests.db.audit.test_trail_watch import gaps
from tests.db.trail import acting, assert_replay_matches, changes, refused
from tests.db.versions.lived_in import empty_database

# Everything a migration could have changed, as text.
CATALOG = """
select 'function ' || p.oid::regprocedure || p.prosrc || coalesce(p.proconfig::text, '') || coalesce(p.proacl::text, '')
from pg_proc p where p.pronamespace::regnamespace::text in ('audit', 'accounts', 'inventory')
union all
select 'relation ' || c.oid::regclass || c.relkind::text || c.relowner::regrole || coalesce(c.relacl::text, '')
    || coalesce(pg_get_viewdef(c.oid), '')
from pg_class c where c.relnamespace::regnamespace::text in ('audit', 'accounts', 'inventory', 'public')
union all
select 'trigger ' || pg_get_triggerdef(t.oid) || t.tgenabled::text from pg_trigger t where not t.tgisinternal
union all
select 'column ' || a.attrelid::regclass || a.attname || a.atttypid::regtype || coalesce(a.attacl::text, '')
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace::regnamespace::text in ('audit', 'accounts', 'inventory') and a.attnum > 0
union all
select 'comment ' || d.classoid || ' ' || d.objsubid || d.description from pg_description d
where d.objoid in (
    select oid from pg_class where relnamespace::regnamespace::text in ('audit', 'accounts', 'inventory', 'public'))
order by 1
"""


def upgrade(url: URL) -> str | None:
    database = Database(url.render_as_string(hide_password=False))
    try:
        with database.owner_connection() as connection:
            migrations.upgrade(connection)
            return migrations.current_revision(connection)
    finally:
        database.dispose()


# Says that it is ready, waits for a word, migrates.
MIGRATE = """
import sys
from backstitch import migrations
from backstitch.database import Database
from db import code
with Database(sys.argv[1]).owner_connection() as connection:
    connection.exec_driver_sql("select 1")
    print("ready", flush=True)
    sys.stdin.readline()
    migrations.upgrade(connection)
"""


def migrating_process(url: URL, project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MIGRATE, url.render_as_string(hide_password=False)],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def catalog(url: URL) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute(CATALOG).fetchall()


def test_upgrading_twice_is_upgrading_once(clone: Clone) -> None:
    before = catalog(clone.url)
    with clone.superuser() as psql:
        records = psql.execute("select count(*), max(id) from audit.records").fetchone()
        assert upgrade(clone.url) == migrations.newest_revision()
        assert psql.execute("select count(*), max(id) from audit.records").fetchone() == records
    assert catalog(clone.url) == before


def test_two_processes_that_migrate_one_database_at_once_both_succeed(
    server_url: URL, template: str, clone: Clone, project: Path
) -> None:
    with empty_database(server_url, f"{template}_race") as url:
        both = [migrating_process(url, project) for _ in range(2)]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in both:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in both:
            _, errors = process.communicate(timeout=60)
            assert (process.returncode, errors) == (0, "")
        assert catalog(url) == catalog(clone.url)
        with psycopg.connect(conninfo(url)) as psql:
            assert psql.execute("select version_num from alembic_version").fetchall() == [
                (migrations.newest_revision(),)
            ]
        owner = Database(url.render_as_string(hide_password=False))
        assert gaps(owner) == []
        owner.dispose()


def test_the_settings_and_the_lock_of_a_migration_end_with_it(clone: Clone) -> None:
    with clone.owner.owner_connection() as connection:
        migrations.upgrade(connection)
        settings = connection.exec_driver_sql(
            "select current_setting('lock_timeout'), current_setting('statement_timeout'), "
            "current_user = session_user, "
            "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())"
        ).one()
    assert tuple(settings) == ("0", "0", True, 0)


@pytest.mark.parametrize("name", code.FILES)
def test_running_a_file_again_keeps_the_records_the_rights_and_the_actors(
    clone: Clone, project: Path, name: str
) -> None:
    product = "insert into inventory.products (sku, name, sizes) values (%s, 'Kurti', '{M}')"
    with clone.superuser() as psql:
        with acting(clone, Role.MANAGER) as manager:
            manager.execute(product, ("before",))
        trail = (
            "select md5(string_agg(r::text, '|' order by id)), count(*), (select key from "
            "audit.signing_keys) from audit.records r where entity <> 'Definition'"
        )
        kept, before = psql.execute(trail).fetchone(), catalog(clone.url)
        with acting(clone, Role.MANAGER) as manager:
            # In the same session, so that whatever it has cached meets the new functions.
            manager.execute("commit")
            psql.execute("set role backstitch_owner")
            psql.execute((project / "db" / name).read_text())
            psql.execute((project / "db" / name).read_text())
            psql.execute("reset role")
            assert psql.execute(trail).fetchone() == kept
            assert catalog(clone.url) == before
            manager.execute("begin")
            manager.execute("select set_config('role', accounts.begin(%s), true)", (clone.actor(Role.MANAGER).token,))
            manager.execute(product, ("after",))
        assert [change[3]["sku"] for change in changes(psql, "Product")] == ["before", "after"]
        assert gaps(clone.owner) == []
        assert_replay_matches(psql)


def test_applying_the_code_again_brings_every_trigger_function_up_to_it(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute(
            "alter table inventory.products add season text; alter table accounts.users disable trigger audit_insert"
        )
        with clone.owner.owner_connection() as connection:
            migrations.upgrade(connection, reapply=True)
        assert gaps(clone.owner) == []


def test_the_owner_of_everything_is_the_role_that_cannot_sign_in(clone: Clone) -> None:
    with clone.superuser() as psql:
        strangers = psql.execute(
            "select c.oid::regclass::text from pg_class c where c.relnamespace::regnamespace::text "
            "in ('audit', 'accounts', 'inventory') and c.relowner <> 'backstitch_owner'::regrole "
            "union all select p.oid::regprocedure::text from pg_proc p where p.pronamespace::regnamespace::text "
            "in ('audit', 'accounts', 'inventory') and p.proowner <> 'backstitch_owner'::regrole"
        ).fetchall()
        assert strangers == []
    with refused("42501"), clone.application() as app:
        app.execute("set role backstitch_owner")


def until(stopped: threading.Event, work: Callable[[], object]) -> int:
    """Repeats the work until it is stopped; how often it was done."""
    done = 0
    while not stopped.is_set():
        work()
        done += 1
    return done


def test_applying_the_code_again_fails_nobody_who_reads_or_writes_meanwhile(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers lock the view of the trail before the users, and a writer takes some tables in an order of its own."""
    monkeypatch.setattr(code, "PATIENCE", 60)
    customer = "update inventory.customers set payment_days = payment_days + 1 where id = 1"
    agency = "update inventory.agencies set days_of_payment = days_of_payment + 1 where id = 1"
    with clone.superuser() as psql, clone.superuser() as other, clone.superuser() as reader:
        psql.execute("insert into inventory.customers (store_name) values ('Mehta Stores')")
        psql.execute("insert into inventory.agencies (agency_name) values ('Rao & Sons')")
        stopped = threading.Event()

        def write(connection: psycopg.Connection[Any], *statements: str) -> None:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement)
                    connection.execute("select pg_sleep(0.01)")

        with ThreadPoolExecutor(3) as pool:
            at_work = [
                pool.submit(until, stopped, lambda: reader.execute("select count(*) from audit_logs")),
                pool.submit(until, stopped, lambda: write(psql, customer, agency)),
                pool.submit(until, stopped, lambda: write(other, "select count(*) from audit_logs", customer)),
            ]
            try:
                for _ in range(6):
                    with clone.owner.owner_connection() as connection:
                        migrations.upgrade(connection, reapply=True)
            finally:
                stopped.set()
            assert min(work.result() for work in at_work) > 0
        assert_replay_matches(psql)


def test_a_table_that_stays_locked_ends_the_application_with_nothing_changed(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "PATIENCE", 0.3)
    with clone.superuser() as psql, psql.transaction():
        before = catalog(clone.url)
        psql.execute("lock table inventory.products in share row exclusive mode")
        with clone.owner.owner_connection() as connection, pytest.raises(OperationalError) as refused:
            migrations.upgrade(connection, reapply=True)
        assert isinstance(refused.value.orig, psycopg.errors.LockNotAvailable)
        assert catalog(clone.url) == before
