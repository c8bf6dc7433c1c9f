"""`python -m backstitch restore`: what comes back, what is on the record, what is refused: SAFETY rows 13, 39."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL

from backstitch import __version__, migrations
from backstitch.postgres import server as postgres_server
from backstitch.startup import conninfo
from tests.conftest import Clone
from tests.db.audit.shop import Shop
from tests.db.audit.tampering import one, seal_all
from tests.db.backup.conftest import Hand
from tests.db.versions.lived_in import DUMPS, empty_database
from tests.db.versions.lived_in import restore as bring_back

TABLES = "select c.oid::regclass::text from pg_class c where relkind = 'r' and relnamespace = any (%s::regnamespace[])"
RESTORE = (
    "select action, entity, source, operation, reason, database_role, application, new_values "
    "from audit.records where action = 'RESTORE' order by id desc"
)


@pytest.fixture
def backup(shop: Shop, hand: Hand, home: Path, tmp_path: Path) -> Path:
    """A backup of the shop."""
    hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
    return tmp_path / "monday"


def rows(psql: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """All rows of the tables on the record."""
    psql.execute("set timezone to 'UTC'")
    tables = [name for (name,) in psql.execute(TABLES, (["inventory", "accounts"],)).fetchall()]
    return {name: sorted(psql.execute(f"select t::text from {name} t").fetchall()) for name in tables}


def test_everything_comes_back_and_the_restore_is_on_the_record(
    shop: Shop, hand: Hand, home: Path, backup: Path, restored: Clone
) -> None:
    said = hand.at(restored.url, home).done("restore", backup)
    manifest = json.loads((backup / "manifest.json").read_text())
    with shop.clone.superuser() as before, restored.superuser() as psql:
        assert rows(psql) == rows(before)
        old, new = [origin for (origin,) in psql.execute("select origin from audit.eras order by era").fetchall()]
        record = psql.execute(RESTORE).fetchone()
        identity = psql.execute("select audit.system_identifier()::text, audit.database_oid()").fetchone() or ()
        assert one(psql, "select audit.is_at_home()") is True
    checkpoint = (backup / "checkpoint.txt").read_text()
    assert checkpoint.startswith(f"{old}\n")
    assert record == (
        "RESTORE",
        "AuditReport",
        "system",
        "begin an era",
        None,
        restored.url.username,
        "backstitch migrate",
        {
            "era": 2,
            "origin": new,
            "system_identifier": identity[0],
            "database": identity[1],
            "checkpoint": checkpoint,
            "records": manifest["records"],
            "findings": 0,
            "backup": {
                "taken_at": manifest["taken_at"],
                "manifest": hashlib.sha256((backup / "manifest.json").read_bytes()).hexdigest(),
                "backstitch": __version__,
            },
        },
    )
    assert said.splitlines()[1:] == [
        f"A new era of the trail has begun with {manifest['records']} records; RESTORE is on the record."
    ]
    assert hand.run("verify", "--checkpoint", backup / "checkpoint.txt")[0] == 0
    assert hand.run("replay")[0] == 0
    assert hand.run("doctor")[0] == 0


def test_the_secrets_come_back_where_there_are_none(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "cookie_key").write_text("the key of before, of 32 letters or more")
    (home / "secrets" / "single_sign_on").write_text("the other key of before, of 32 letters")
    hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
    new = tmp_path / "new"
    (new / "secrets").mkdir(parents=True)
    (new / "secrets" / "single_sign_on").write_text("a key of its own, of 32 letters or more")
    hand.at(restored.url, new).done("restore", tmp_path / "monday")
    assert (new / "secrets" / "cookie_key").read_text() == "the key of before, of 32 letters or more"
    assert (new / "secrets" / "cookie_key").stat().st_mode & 0o777 == 0o600
    assert (new / "secrets" / "single_sign_on").read_text() == "a key of its own, of 32 letters or more"


def test_another_time_zone_than_that_of_the_backup_is_said(
    hand: Hand, home: Path, backup: Path, restored: Clone
) -> None:
    hand.monkeypatch.setenv("BACKSTITCH_TIMEZONE", "UTC")
    assert hand.at(restored.url, home).done("restore", backup).splitlines()[1] == (
        "It was made with BACKSTITCH_TIMEZONE=Asia/Kolkata; set it before the next start."
    )


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "database.dump").unlink(), "database.dump is missing"),
        (lambda folder: (folder / "roles.sql").write_text("drop role postgres"), "roles.sql is damaged"),
        (lambda folder: os.truncate(folder / "database.dump", 1000), "database.dump is damaged"),
        (
            lambda folder: [(folder / "checkpoint.txt").unlink(), (folder / "roles.sql").unlink()],
            "checkpoint.txt is missing, roles.sql is missing",
        ),
    ],
)
def test_files_that_are_missing_or_damaged_are_named_and_nothing_is_restored(
    hand: Hand, home: Path, backup: Path, empty: URL, damage: Callable[[Path], object], sentence: str
) -> None:
    damage(backup)
    assert hand.at(empty, home).refused("restore", backup) == (
        f"The backup in {backup} cannot be used: {sentence}. Take another one."
    )
    with psycopg.connect(conninfo(empty)) as psql:
        assert one(psql, "select count(*) from pg_namespace where nspname in ('audit', 'inventory')") == 0


def changed(folder: Path, **values: object) -> None:
    """Changes the manifest."""
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(content | values))


def test_a_folder_that_is_no_backup_of_this_version_or_an_older_one_is_refused_in_words(
    hand: Hand, home: Path, backup: Path, empty: URL, tmp_path: Path
) -> None:
    hand.at(empty, home)
    (tmp_path / "other").mkdir()
    assert hand.refused("restore", tmp_path / "other") == f"{tmp_path / 'other'} is no backup: it has no manifest.json."
    kept = (backup / "manifest.json").read_bytes()
    newer = (
        f"The backup in {backup} was made by Backstitch 99.0, and this is {__version__}; install that version, "
        "or a later one."
    )
    for values in ({"backstitch": "99.0"}, {"backstitch": "99.0", "format": 2}):
        changed(backup, **values)
        assert hand.refused("restore", backup) == newer
    (backup / "manifest.json").write_bytes(kept)
    changed(backup, postgres=99)
    with psycopg.connect(conninfo(empty)) as psql:
        version = psql.info.server_version // 10000
    assert hand.refused("restore", backup) == (
        f"The backup is of PostgreSQL 99, and this server is {version}; use a server that is at least as new."
    )
    changed(backup, postgres=15, files=None)
    assert hand.refused("restore", backup).startswith(f"{backup / 'manifest.json'} is damaged (")
    (backup / "manifest.json").write_bytes(kept[:300])
    assert hand.refused("restore", backup).startswith(f"{backup / 'manifest.json'} cannot be read: ")
    (backup / "manifest.json").write_text("[]")
    assert hand.refused("restore", backup) == (
        f"{backup / 'manifest.json'} is not the manifest of a backup. Take another backup."
    )


@pytest.mark.parametrize(
    ("occupy", "occupant"),
    [
        ("create table notes (note text)", "the table or view notes"),
        ("create schema reports", "the schema reports"),
        ("create function one() returns int language sql as 'select 1'", "the function one"),
    ],
)
def test_a_database_that_is_not_empty_is_refused(
    hand: Hand, home: Path, backup: Path, empty: URL, occupy: str, occupant: str
) -> None:
    with psycopg.connect(conninfo(empty), autocommit=True) as psql:
        psql.execute("create extension pg_trgm")  # that alone is no reason
        psql.execute(occupy)
    assert hand.at(empty, home).refused("restore", backup) == (
        f"The database {empty.database} is not empty: it has {occupant}. Restore into an empty one: with the bundled "
        "server name another BACKSTITCH_HOME, otherwise make a database and name it in DATABASE_URL."
    )


def test_a_role_of_somebody_that_the_server_lacks_is_named_with_the_command_that_makes_it(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    reader = f"Reports of {shop.clone.url.database}"
    with shop.clone.superuser() as psql:
        psql.execute(sql.SQL("create role {}").format(sql.Identifier(reader)))
        psql.execute(sql.SQL("grant select on inventory.products to {}").format(sql.Identifier(reader)))
        try:
            hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
            psql.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(reader)))
            assert hand.at(restored.url, home).refused("restore", tmp_path / "monday") == (
                "Things in the backup belong to roles that this server does not have, or give them rights: "
                f"{reader}. Make them first: python -m backstitch psql -c 'create role \"{reader}\"'"
            )
            hand.monkeypatch.setenv("DATABASE_URL", shop.clone.url.render_as_string(hide_password=False))
            psql.execute(f'create role "{reader}"')
            hand.at(restored.url, home).done("restore", tmp_path / "monday")
            with restored.superuser() as there:
                assert one(there, "select has_table_privilege(%s, 'inventory.products', 'select')", reader) is True
                there.execute(sql.SQL("drop owned by {}").format(sql.Identifier(reader)))
        finally:
            psql.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(reader)))


def test_an_error_of_pg_restore_is_a_sentence_and_leaves_the_database_empty(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    with shop.clone.superuser() as psql:
        psql.execute("create schema odd; create function odd.one() returns int language sql as 'select 1'")
        psql.execute("create table odd.things (id int check (id = odd.one())); insert into odd.things values (1)")
        psql.execute("create or replace function odd.one() returns int language sql as 'select 2'")
    hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
    assert hand.at(restored.url, home).refused("restore", tmp_path / "monday") == (
        "The database could not be restored, and is as empty as it was: "
        'new row for relation "things" violates check constraint "things_id_check" '
        '(COPY "odd"."things" ("id") FROM stdin).'
    )
    with restored.superuser() as psql:
        assert one(psql, "select count(*) from pg_namespace where nspname in ('audit', 'odd')") == 0


def test_a_dump_that_ends_half_way_is_not_restored_half_way(
    hand: Hand, home: Path, backup: Path, restored: Clone
) -> None:
    dump = backup / "database.dump"
    os.truncate(dump, dump.stat().st_size - 100)  # within the data of the last table
    files = json.loads((backup / "manifest.json").read_text())["files"]
    digest = hashlib.sha256(dump.read_bytes()).hexdigest()
    changed(backup, files=files | {"database.dump": {"size": dump.stat().st_size, "sha256": digest}})
    assert (
        hand.at(restored.url, home)
        .refused("restore", backup)
        .startswith(
            "The database could not be restored, and is as empty as it was: could not read from input file: end of file"
        )
    )
    with restored.superuser() as psql:
        assert one(psql, "select count(*) from pg_namespace where nspname = 'audit'") == 0


def test_a_backup_of_a_database_of_an_earlier_version_is_restored_and_brought_up_to_date(
    server_url: URL, template: str, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    with empty_database(server_url, f"{template}_of_0_9_0") as url:
        bring_back(DUMPS / "0.9.0.sql.gz", url)
        said = hand.at(url, home).done("backup", tmp_path / "monday")
        assert said.endswith(
            "It is not on the record, because the database was restored here and its era has not begun.\n"
        )
        with psycopg.connect(conninfo(url)) as psql:
            assert one(psql, "select version_num from alembic_version") == "0001", "a backup changes nothing"
    manifest = json.loads((tmp_path / "monday" / "manifest.json").read_text())
    assert (manifest["version"], manifest["revision"]) == ("0.9.0", "0001")
    hand.at(restored.url, home).done("restore", tmp_path / "monday")
    with restored.superuser() as psql:
        assert one(psql, "select version_num from alembic_version") == migrations.newest_revision()
    assert hand.run("verify", "--checkpoint", tmp_path / "monday" / "checkpoint.txt")[0] == 0
    assert hand.run("doctor")[0] == 0


def test_what_was_sealed_after_the_backup_is_said_to_be_lost_by_a_checkpoint_kept_elsewhere(
    shop: Shop, hand: Hand, home: Path, backup: Path, tmp_path: Path, restored: Clone
) -> None:
    with shop.clone.superuser() as psql:
        for name in ("Rao", "Mehta", "Shah"):
            psql.execute("insert into inventory.customers (store_name) values (%s)", (name,))
            seal_all(psql)
        newest = one(psql, "select checkpoint from audit.checkpoint()")
    (tmp_path / "kept.txt").write_text(newest)
    lost = int(newest.splitlines()[1]) - int((backup / "checkpoint.txt").read_text().splitlines()[1])
    assert lost >= 3
    said = hand.at(restored.url, home).done("restore", backup, "--checkpoint", tmp_path / "kept.txt")
    assert said.splitlines()[-1] == (
        f"Lost: {lost} seals after the last one here, up to the given checkpoint, and what was written after it."
    )
    with restored.superuser() as psql:
        details = (psql.execute(RESTORE).fetchone() or ())[-1]
    assert (details["known_checkpoint"], details["lost_seals"]) == (newest, lost)
    code, said, _ = hand.run("verify", "--checkpoint", tmp_path / "kept.txt")
    assert (code, said.splitlines()[-2]) == (
        1,
        f"The chain was cut off: seal {newest.splitlines()[1]} is gone: checkpoint kept outside.",
    )


def test_a_restore_into_the_same_database_begins_an_era_too(shop: Shop, hand: Hand, home: Path, backup: Path) -> None:
    shop.clone.dispose()
    with shop.clone.superuser() as psql:
        psql.execute("drop schema audit, accounts, inventory, runtime cascade")
        psql.execute("drop table alembic_version, backstitch_code, backstitch_steps")
    hand.at(shop.clone.url, home).done("restore", backup)
    with shop.clone.superuser() as psql:
        assert one(psql, "select max(era) from audit.eras") == 2
        assert one(psql, "select count(*) from audit.records where action = 'RESTORE'") == 1


bundled = pytest.mark.skipif(
    bool(os.environ.get("BACKSTITCH_TEST_SERVER")), reason="restores into the bundled server, so it starts from one"
)


@bundled
def test_an_empty_home_gets_a_server_with_the_roles_and_the_data(
    shop: Shop, hand: Hand, backup: Path, home: Path
) -> None:
    hand.at(None, home).done("restore", backup)
    assert hand.done("replay").endswith("The trail rebuilds every table exactly.\n")
    assert hand.run("verify", "--checkpoint", backup / "checkpoint.txt")[0] == 0
    assert hand.run("doctor")[0] == 0
    with postgres_server.start(home) as lease, psycopg.connect(lease.server.conninfo("backstitch")) as psql:
        assert one(psql, "select count(*) from inventory.products") == 1
    assert "is not empty" in hand.refused("restore", backup)
