"""No era begins while verification or replay finds something, and a restore launders nothing: SAFETY rows 13 and 35."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from backstitch import startup
from backstitch.postgres import server as postgres_server
from backstitch.startup import conninfo
from tests import homes
from tests.conftest import APP_PASSWORD, PASSWORD, Clone
from tests.db.audit.shop import Shop
from tests.db.audit.tampering import one, seal_all
from tests.db.backup.conftest import Hand

Connection = psycopg.Connection[Any]

# Replay looks at no sign-outs, so verification must name it.
PLANT = (
    "insert into audit.records (recorded_at, transaction_id, action, entity, entity_id, source, database_role, "
    "new_values) select recorded_at - interval '40 days', coalesce(%s, pg_current_xact_id()::text::bigint), 'LOGOUT', "
    "'User', 4711, 'page', database_role, '{}' from audit.records order by id limit 1 returning id"
)
OTHER_IDENTIFIER = (
    "create or replace function audit.system_identifier() returns bigint language sql as 'select 4711::bigint'"
)
COMMANDS = (
    ("migrate",),
    ("create-admin", "you@example.com"),
    ("seal",),
    ("verify",),
    ("replay",),
    ("doctor",),
    ("backup", "nowhere"),
    ("begin-era", "--reason", "no"),
    ("demo",),
)
needs_bundled = pytest.mark.skipif(
    bool(os.environ.get("BACKSTITCH_TEST_SERVER")), reason="needs a second server, which is the bundled one"
)


def used(psql: Connection) -> int:
    """The number of a transaction that has records."""
    return int(one(psql, "select min(transaction_id) from audit.records"))


def unused(psql: Connection) -> int:
    """The number of a transaction that was rolled back, below what is sealed by now."""
    with psql.transaction(force_rollback=True):
        number = int(one(psql, "select pg_current_xact_id()::text::bigint"))
    psql.execute("insert into inventory.customers (store_name) values ('Rao')")
    seal_all(psql)
    return number


def move(clone: Clone, target: URL, folder: Path) -> None:
    """What people do without `backup` and `restore`: pg_dump and pg_restore by hand."""
    programs, file = postgres_server.bin_dir(), folder / "by-hand.dump"
    subprocess.run([programs / "pg_dump", "-Fc", "-f", file, "-d", conninfo(clone.url)], check=True)
    # A server before 17 does not know a setting of this pg_restore, which goes on without it.
    subprocess.run([programs / "pg_restore", "-d", conninfo(target), file], check=False, capture_output=True)


def present(psql: Connection) -> None:
    """None: the number of the transaction that plants the record."""


@pytest.fixture(
    params=[
        pytest.param(used, id="a used number"),
        pytest.param(unused, id="an unused number"),
        pytest.param(present, id="the present number"),
    ]
)
def planted(request: pytest.FixtureRequest, shop: Shop) -> tuple[Clone, int]:
    """A clone with a record that was planted in the past, and the number of the record."""
    number: Callable[[Connection], int | None] = request.param
    with shop.clone.superuser() as psql:
        record = one(psql, PLANT, number(psql))
    return shop.clone, record


def test_a_planted_record_is_named_after_dump_and_restore_and_no_start_begins_an_era(
    planted: tuple[Clone, int], hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    clone, record = planted
    with clone.superuser() as psql:
        (tmp_path / "kept.txt").write_text(one(psql, "select checkpoint from audit.checkpoint()"))
    move(clone, restored.url, tmp_path)
    hand.at(restored.url, home)
    for command in (("migrate",), ("seal",), ("demo",)):
        sentence = hand.refused(*command)
        assert sentence.startswith(
            "The database was restored or moved here, and no new era of its trail begins while verification or replay "
            f"finds something: Record {record} "
        )
        assert "`python -m backstitch verify`" in sentence and "begin-era --reason" in sentence
    for arguments in ((), ("--checkpoint", tmp_path / "kept.txt")):
        code, said, _ = hand.run("verify", *arguments)
        assert code == 1
        assert f"Record {record} " in said
        assert said.splitlines()[-1].startswith(
            "The database was restored or moved here, and its new era has not begun"
        )
    with restored.superuser() as psql:
        assert one(psql, "select max(era) from audit.eras") == 1
        assert one(psql, "select count(*) from audit.records where action in ('RESTORE', 'VERIFY')") == 0
        assert one(psql, "select audit.seal()") == 0


def test_a_restore_of_a_backup_with_a_planted_record_is_not_taken_over(
    planted: tuple[Clone, int], hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    clone, record = planted
    hand.at(clone.url, home).done("backup", tmp_path / "monday")
    code, said, _ = hand.at(restored.url, home).run("restore", tmp_path / "monday")
    assert code == 1
    first, finding, *rest = said.splitlines()
    assert first.startswith("Restored the backup of ")
    assert finding.startswith(f"Record {record} ")
    assert rest[-2:] == [
        "Findings: 1. Nobody is served this database.",
        "Look at it with `python -m backstitch verify`, `replay` and `psql`, or remove it and restore an earlier "
        'backup. `python -m backstitch begin-era --reason "..."` takes it over with the findings on the record.',
    ]
    assert "no new era of its trail begins" in hand.refused("migrate")


def test_begin_era_takes_a_database_over_with_the_findings_and_the_reason_on_the_record(
    planted: tuple[Clone, int], hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    clone, record = planted
    move(clone, restored.url, tmp_path)
    hand.at(restored.url, home)
    said = hand.done("begin-era", "--reason", "looked at by Asha, ticket 12")
    with restored.superuser() as psql:
        source = one(psql, "select checkpoint from audit.checkpoint()")
        reason, role, application, details = psql.execute(
            "select reason, database_role, application, new_values from audit.records where action = 'RESTORE'"
        ).fetchone() or (None, None, None, {})
        records = one(psql, "select min(id) from audit.records where action = 'RESTORE'")
    assert source.startswith(details["origin"] + "\n")
    assert (reason, role, application) == ("looked at by Asha, ticket 12", restored.url.username, "backstitch migrate")
    assert (details["era"], details["findings"], details["records"] < records) == (2, 1, True)
    assert details["first_findings"][0].startswith(f"Record {record} ")
    assert said.splitlines()[-1] == "So is what was found: 1 finding. `verify` goes on naming it."
    code, said, _ = hand.run("verify")
    assert code == 1
    assert f"Record {record} " in said
    hand.done("migrate")
    assert hand.refused("begin-era", "--reason", "once more") == (
        "The database was neither restored nor moved since its era began: there is none to begin."
    )


def test_a_difference_of_replay_begins_no_era_either(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    with shop.clone.superuser() as psql:
        psql.execute("alter table inventory.products disable trigger all")
        psql.execute("update inventory.products set name = 'Another'")
        psql.execute("alter table inventory.products enable trigger all")
        psql.execute("select format('alter table inventory.products enable always trigger %I', tgname) from pg_trigger")
    hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
    code, said, _ = hand.at(restored.url, home).run("restore", tmp_path / "monday")
    assert code == 1
    assert said.splitlines()[1:3] == [
        f'inventory.products {shop.product} name: trail "Leggings", table "Another"',
        "Findings: 1. Nobody is served this database.",
    ]
    assert "no new era of its trail begins" in hand.refused("migrate")


def test_a_clean_trail_that_was_moved_by_hand_is_taken_over_by_a_start(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    move(shop.clone, restored.url, tmp_path)
    code, said, _ = hand.at(restored.url, home).run("verify")
    assert (code, said.splitlines()[-2]) == (0, "Everything is as it was sealed.")
    with restored.superuser() as psql:
        assert one(psql, "select audit.is_at_home()") is False, "verify changes nothing"
        found = one(psql, "select count(*) from audit.records")
    assert hand.run("doctor")[0] == 1
    hand.done("migrate")
    with restored.superuser() as psql:
        assert one(psql, "select new_values ->> 'records' from audit.records where action = 'RESTORE'") == str(found)
    assert hand.run("doctor")[0] == 0


def test_the_application_alone_is_not_served_a_restored_trail(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    move(shop.clone, restored.url, tmp_path)
    application = restored.url.set(username="backstitch_app", password=APP_PASSWORD)
    assert "the trail was restored or moved here" in hand.at(application, home).refused("migrate")


def test_another_identifier_for_a_moment_begins_no_era(shop: Shop, hand: Hand, home: Path) -> None:
    with shop.clone.superuser() as psql:
        psql.execute("insert into inventory.customers (store_name) values ('Rao')")
        before = one(psql, "select array[(select count(*) from audit.eras), (select count(*) from audit.seals)]")
        with psql.transaction(force_rollback=True):
            psql.execute(OTHER_IDENTIFIER)
            assert one(psql, "select audit.seal()") == 0
            assert one(psql, "select array[(select count(*) from audit.eras), (select count(*) from audit.seals)]") == (
                before
            )
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught:
                psql.execute("select audit.delete_records(now(), 'too old')")
            assert caught.value.diag.constraint_name == "era_begun"
        assert seal_all(psql) == 1


# Without the roles --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A second server, which knows nothing of Backstitch."""
    home = tmp_path_factory.mktemp("bare")
    with postgres_server.start(home, options={"fsync": "off", "full_page_writes": "off"}) as lease:
        yield make_url(lease.server.url())
    homes.clear(home)


@pytest.fixture
def bare(bare_server: URL) -> Iterator[URL]:
    """An empty database there, for its superuser; the roles of Backstitch go with it."""
    with psycopg.connect(conninfo(bare_server), autocommit=True) as superuser:
        superuser.execute("create database shop")
        yield bare_server.set(database="shop")
        superuser.execute("drop database shop with (force)")
        for role in (*startup.ROLES, "shop_owner"):
            superuser.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


@needs_bundled
def test_every_command_says_which_roles_a_restored_database_lacks(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, bare: URL
) -> None:
    programs, file = postgres_server.bin_dir(), tmp_path / "by-hand.dump"
    subprocess.run([programs / "pg_dump", "-Fc", "-f", file, "-d", conninfo(shop.clone.url)], check=True)
    subprocess.run([programs / "pg_restore", "-d", conninfo(bare), file], check=False, capture_output=True)
    sentence = startup.roles_sentence(startup.ROLES)
    assert "without the roles backstitch_owner, backstitch_admin," in sentence
    hand.at(bare, home)
    hand.monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD))
    for command in COMMANDS:
        assert hand.refused(*command) == sentence, command
    code, _, complained = hand.run("psql", "-c", "select 1")
    assert (code, complained) == (0, sentence + "\n"), "psql goes on, so that somebody can look"


@needs_bundled
def test_a_login_that_may_only_create_roles_backs_up_and_restores(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, bare: URL
) -> None:
    with shop.clone.superuser() as psql:
        psql.execute(
            "create extension pg_trgm; create function watch() returns event_trigger language plpgsql as 'begin end'"
        )
        psql.execute("create event trigger watch_commands on ddl_command_end execute function watch()")
        psql.execute("alter function watch() owner to backstitch_owner")
    hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
    with psycopg.connect(conninfo(bare), autocommit=True) as superuser:
        superuser.execute("create role shop_owner login password 'of the shop'")
        superuser.execute("alter database shop owner to shop_owner")
        owned = bare.set(username="shop_owner", password="of the shop")
        assert (
            hand.at(owned, home)
            .refused("restore", tmp_path / "monday")
            .startswith(
                "The roles of Backstitch cannot be made or used: permission denied to create role. DATABASE_URL "
            )
        )
        superuser.execute("alter role shop_owner createrole")
    said = hand.done("restore", tmp_path / "monday")
    assert said.splitlines()[1] == (
        'Left out, because only a superuser can restore it: COMMENT - EXTENSION "pg_trgm"; '
        "EVENT TRIGGER - backstitch_watch_ddl postgres; EVENT TRIGGER - backstitch_watch_drop postgres; "
        "EVENT TRIGGER - watch_commands postgres."
    )
    assert hand.run("replay")[0] == 0
    hand.done("backup", tmp_path / "tuesday")
    assert hand.run("verify", "--checkpoint", tmp_path / "tuesday" / "checkpoint.txt")[0] == 0


def test_begin_era_says_what_a_checkpoint_kept_elsewhere_knows_to_be_lost(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    move(shop.clone, restored.url, tmp_path)
    with shop.clone.superuser() as psql:
        psql.execute("insert into inventory.customers (store_name) values ('Rao')")
        seal_all(psql)
        newest = one(psql, "select checkpoint from audit.checkpoint()")
    (tmp_path / "kept.txt").write_text(newest)
    said = hand.at(restored.url, home).done("begin-era", "--reason", "r", "--checkpoint", tmp_path / "kept.txt")
    assert said.splitlines()[-1] == (
        "Lost: 1 seal after the last one here, up to the given checkpoint, and what was written after it."
    )
    with restored.superuser() as psql:
        details = one(psql, "select new_values from audit.records where action = 'RESTORE'")
    assert (details["known_checkpoint"], details["lost_seals"], details["findings"]) == (newest, 1, 0)
