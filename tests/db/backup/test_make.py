"""`python -m backstitch backup`: what the folder holds, what is on the record, and what is refused."""

import hashlib
import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from backstitch import __version__, migrations
from backstitch.accounts.permissions import Role
from backstitch.audit.integrity import read_checkpoints
from backstitch.backup import make, manifest
from backstitch.errors import StartError
from backstitch.postgres import clients
from tests.conftest import APP_PASSWORD, Clone
from tests.db.audit.shop import NEW_INWARD, Shop
from tests.db.audit.tampering import one
from tests.db.backup.conftest import Hand

WRITERS = 3


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_holds_the_dump_the_roles_the_checkpoint_and_the_secrets_for_this_account_alone(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path
) -> None:
    (home / "secrets").mkdir(parents=True)
    for secret in ("cookie_key", "single_sign_on", "application_login", "postgres-password"):
        (home / "secrets" / secret).write_text(f"the {secret}")
    folder = tmp_path / "backups" / "monday"
    said = hand.at(shop.clone.url, home).done("backup", folder)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "checkpoint.txt",
        "database.dump",
        "manifest.json",
        "roles.sql",
        "secrets",
        "secrets/cookie_key",
        "secrets/single_sign_on",
    ]
    assert {mode(path) for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert (mode(folder), mode(folder / "secrets")) == (0o700, 0o700)
    assert [path.name for path in folder.parent.iterdir()] == ["monday"]
    with shop.clone.superuser() as psql:
        server = one(psql, "select current_setting('server_version_num')::integer / 10000")
        records, at = psql.execute("select count(*) - 1, max(recorded_at) from audit.records").fetchone() or (0, None)
        checkpoint = one(psql, "select checkpoint from audit.checkpoint()")
        record = psql.execute(
            "select action, entity, operation, source, application, new_values from audit.records order by id desc"
        ).fetchone()
    made = manifest.read(folder)
    assert (made.format, made.backstitch, made.version) == (1, __version__, __version__)
    assert (made.revision, made.postgres, made.records) == (migrations.newest_revision(), server, records)
    assert (made.login, made.other_roles) == (shop.clone.url.username, ())
    assert made.settings == {"BACKSTITCH_TIMEZONE": "Asia/Kolkata", "BACKSTITCH_CURRENCY": "₹"}
    assert made.taken_at < at
    assert str(read_checkpoints(folder / "checkpoint.txt")[0]) == checkpoint
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    details = {"taken_at": made.taken_at.isoformat(), "records": records, "size": made.size, "manifest": digest}
    assert record == (
        "MAINTENANCE", "Backup", "backup", "command", "backstitch backup", details | {"checkpoint": checkpoint}
    )  # fmt: skip
    assert said.startswith(f"The backup is in {folder}: {records} records, {made.size / 1e6:.1f} MB, ")
    assert said.endswith(f"Keep it like the database itself.\nSHA-256 of its manifest.json: {digest}\n")
    assert hand.run("verify", "--checkpoint", folder / "checkpoint.txt")[0] == 0


def test_the_roles_have_no_passwords_and_nobody_elses_names(shop: Shop, hand: Hand, home: Path, tmp_path: Path) -> None:
    hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
    roles = (tmp_path / "monday" / "roles.sql").read_text()
    assert "password " not in roles and "postgres" not in roles
    assert 'create role "backstitch_app" login noinherit' in roles
    assert 'grant "backstitch_viewer" to "backstitch_app"' in roles
    with shop.clone.superuser() as psql:
        psql.execute(roles)  # it can run again


def test_a_backup_under_writes_has_every_change_that_was_acknowledged_before_it_began_and_no_half_one(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, restored: Clone
) -> None:
    stop, wrote, written = threading.Event(), threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="test") as connection:
                values = {"product": shop.product, "quantity": 1, "stakeholder": "Rao"}
                number = connection.execute(NEW_INWARD, values).scalar_one()
            written.append(number)
            wrote.set()

    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        assert wrote.wait(20)
        before = list(written)
        hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
        after = len(written)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert after > len(before), "nobody wrote while it was dumped"
    said = hand.at(restored.url, home).done("restore", tmp_path / "monday")
    assert "A new era of the trail has begun" in said
    with restored.superuser() as psql:
        kept = [number for (number,) in psql.execute("select id from inventory.inward_logs").fetchall()]
        assert set(before) <= set(kept)
        stock = one(psql, "select quantity from inventory.product_color_stocks where id = %s", shop.red)
        assert stock == 20 + len(kept) - 1
    assert hand.done("replay").endswith("The trail rebuilds every table exactly.\n")
    assert hand.run("verify", "--checkpoint", tmp_path / "monday" / "checkpoint.txt")[0] == 0


def test_a_folder_in_use_is_refused_and_left_alone(shop: Shop, hand: Hand, home: Path, tmp_path: Path) -> None:
    hand.at(shop.clone.url, home)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "something").write_text("of somebody")
    (tmp_path / "file").write_text("of somebody")
    (tmp_path / "empty").mkdir()
    for name in ("used", "file"):
        assert hand.refused("backup", tmp_path / name) == (
            f"{tmp_path / name} exists already; name a folder that does not, such as one with the day."
        )
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["something"]
    hand.done("backup", tmp_path / "empty")
    assert (tmp_path / "empty" / "manifest.json").exists()


def test_a_dump_that_fails_leaves_no_folder_and_no_record(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "LOCK_PATIENCE", "100ms")
    with shop.clone.superuser() as psql, psql.transaction():
        psql.execute("lock table inventory.products in access exclusive mode")
        sentence = hand.at(shop.clone.url, home).refused("backup", tmp_path / "backups" / "monday")
    assert sentence == (
        "The database could not be dumped: somebody keeps a table locked, as a migration does; try again later."
    )
    assert list((tmp_path / "backups").iterdir()) == []
    with shop.clone.superuser() as psql:
        assert one(psql, "select count(*) from audit.records where entity = 'Backup'") == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(shop: Shop, hand: Hand, home: Path, small_disk: Path) -> None:
    sentence = hand.at(shop.clone.url, home).refused("backup", small_disk / "monday")
    assert sentence == "The database could not be dumped: the disk is full."
    assert list(small_disk.iterdir()) == []


def test_a_folder_that_nobody_may_write_is_a_sentence(shop: Shop, hand: Hand, home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    sentence = hand.at(shop.clone.url, home).refused("backup", tmp_path / "file" / "monday")
    assert sentence == f"The backup cannot be written to {tmp_path / 'file' / 'monday'}: File exists."


def test_the_application_cannot_back_up(shop: Shop, hand: Hand, home: Path, tmp_path: Path) -> None:
    url = shop.clone.url.set(username="backstitch_app", password=APP_PASSWORD)
    assert hand.at(url, home).refused("backup", tmp_path / "monday") == (
        "backup needs the owner's login: set DATABASE_URL to one other than backstitch_app."
    )
    assert not (tmp_path / "monday").exists()


def test_a_server_newer_than_every_pg_dump_here_is_a_sentence() -> None:
    with pytest.raises(StartError) as caught:
        clients.find("pg_dump", at_least=99)
    assert str(caught.value) == (
        "There is no pg_dump 99 or newer here: install the client programs of PostgreSQL 99 or newer."
    )


def test_a_newer_pg_dump_of_the_path_is_taken_where_the_bundled_one_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 99.1'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert clients.find("pg_dump", at_least=99) == program
    assert clients.find("pg_dump").parent != tmp_path


def test_the_moment_of_a_backup_is_written_with_its_zone(shop: Shop, hand: Hand, home: Path, tmp_path: Path) -> None:
    hand.at(shop.clone.url, home).done("backup", tmp_path / "monday")
    written = json.loads((tmp_path / "monday" / "manifest.json").read_text())["taken_at"]
    assert datetime.fromisoformat(written).utcoffset() is not None


def test_a_login_that_may_not_read_everything_is_told_what_it_lacks(
    shop: Shop, hand: Hand, home: Path, tmp_path: Path
) -> None:
    login = f"reader_{shop.clone.url.database}"
    reader = shop.clone.url.set(username=login, password="of a reader")
    with shop.clone.superuser() as psql:
        psql.execute(f"create role {login} login password 'of a reader'")
        try:
            sentence = hand.at(reader, home).refused("backup", tmp_path / "monday")
            assert sentence == (
                f"{login} may not read the whole database; set DATABASE_URL to the login of its owner or a superuser."
            )
            psql.execute(f"grant pg_read_all_data to {login}; grant usage on schema audit to {login}")
            psql.execute(f"grant execute on all functions in schema audit to {login}")
            assert "query would be affected by row-level security policy" in hand.refused("backup", tmp_path / "monday")
            assert not (tmp_path / "monday").exists()
        finally:
            psql.execute(f"drop owned by {login}; drop role {login}")
