"""`python -m backstitch seal` and `verify`, the checkpoints that they print, and those on exports."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from backstitch import __main__ as command_line
from backstitch.accounts.permissions import Role
from backstitch.audit import fingerprint, integrity
from backstitch.audit.export import Format, export
from backstitch.audit.findings import Finding, Kind
from backstitch.audit.integrity import Checkpoint, read_checkpoints
from backstitch.errors import Refused
from tests.conftest import APP_PASSWORD, WATCH_PASSWORD, Clone
from tests.db.audit.shop import around_now, open_shop
from tests.db.audit.tampering import findings, one, seal_all

ORIGIN = f"backstitch/{'0a' * 16}/1-{'0b' * 8}"
ROOT = "A" * 43 + "="


@pytest.fixture
def shop(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A small shop on which the commands work."""
    monkeypatch.setenv("DATABASE_URL", clone.url.render_as_string(hide_password=False))
    # Roles are the server's: start-up would otherwise set another password, for every test's application.
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", APP_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_WATCH_PASSWORD", WATCH_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    open_shop(clone)
    # A start records it when the last one is a day old; so here none of the commands does.
    with clone.owner.owner_connection() as connection, connection.begin():
        fingerprint.record(connection)
    return clone


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """The exit code and the lines of the standard output."""
    code = command_line.main(arguments)
    return code, capsys.readouterr().out.splitlines()


def test_seal_says_how_many_and_prints_the_checkpoint(shop: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    with shop.superuser() as psql:
        records = one(psql, "select count(*) from audit.records")
    code, (sentence, *checkpoint) = run(capsys, "seal")
    assert (code, sentence) == (0, f"Sealed {records} records; the checkpoint is:")
    assert read_checkpoints(_file(*checkpoint)) == (Checkpoint(checkpoint[0], 1, checkpoint[2]),)
    assert run(capsys, "seal") == (0, ["Sealed 0 records; the checkpoint is:", *checkpoint])


def _file(*lines: str) -> Path:
    path = Path("checkpoints.txt")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_verify_seals_first_and_prints_the_checkpoint_and_that_all_is_well(
    shop: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(capsys, "verify")
    checkpoint, sentences = lines[:3], lines[3:]
    with shop.superuser() as psql:
        records = one(psql, "select count(*) - 1 from audit.records")
        action, kept = one(
            psql, "select array[to_jsonb(action), new_values] from audit.records order by id desc limit 1"
        )
    assert code == 0
    waited, longest = sentences[1:3]
    assert re.fullmatch(rf"{records} records had waited for a seal, the oldest for \d.*\.", waited)
    assert re.fullmatch(r"The longest wait for a seal: \d.*\.", longest)
    assert [sentences[0], *sentences[3:]] == [
        f"Sealed up to here: {records} records.",
        "Everything is as it was sealed.",
    ]
    assert (action, kept) == (
        "VERIFY",
        {"checkpoint": "".join(f"{line}\n" for line in checkpoint), "records": records, "findings": 0},
    )
    _file(*lines)
    day_in_india = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    assert run(capsys, "verify", "--checkpoint", "checkpoints.txt", "--since", day_in_india.isoformat())[0] == 0


def test_verify_names_what_was_altered_and_leaves_1(shop: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "seal")
    with shop.superuser() as psql:
        users = psql.execute("select id, entity_id from audit.records where entity = 'User' order by id").fetchall()
        (altered, user), (missing, _) = users[1], users[2]
        psql.execute("update audit.records set reason = 'another' where id = %s", (altered,))
        psql.execute("delete from audit.records where id = %s", (missing,))
    code, (*_, first, second, third) = run(capsys, "verify")
    sentences = [first, second, third]
    assert code == 1
    assert sentences[0].startswith(
        f"Record {altered} was altered after it was sealed (seal 1): CREATE User {user}, recorded "
    )
    assert sentences[1:] == [
        f"Record {missing} is missing, and its deletion is not on the record (seal 1).",
        "Findings: 2.",
    ]


def test_a_chain_that_was_made_anew_does_not_fit_the_checkpoint_kept_outside(
    shop: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = run(capsys, "seal")[1][1:]
    with shop.superuser() as psql:
        psql.execute("update audit.records set reason = 'another' where id = 2; truncate audit.seals")
        seal_all(psql)
    assert run(capsys, "verify")[0] == 0, "in itself it is consistent"
    _file("kept in the safe:", *checkpoint, "", "— signed by somebody")
    code, lines = run(capsys, "verify", "--checkpoint", "checkpoints.txt")
    assert code == 1
    assert lines[-2] == "The chain up to seal 1 is not the one of which a checkpoint was kept: checkpoint kept outside."


def test_a_chain_that_was_made_anew_does_not_fit_an_earlier_verification_on_record(
    shop: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "verify")
    with shop.superuser() as psql:
        number = one(psql, "select id from audit.records where action = 'VERIFY'")
        psql.execute("update audit.records set reason = 'another' where id = 2; truncate audit.seals")
    code, lines = run(capsys, "verify")
    assert code == 1
    assert lines[-2].endswith(f"checkpoint kept on record {number}.")


def test_a_cut_chain_is_found_by_the_checkpoint_kept_outside(shop: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "seal")
    with shop.superuser() as psql:
        psql.execute("update inventory.products set name = 'Tights'")
    checkpoint = run(capsys, "seal")[1][1:]
    with shop.superuser() as psql:
        psql.execute("delete from audit.records where id in (select unnest(record_ids) from audit.seals where id = 2)")
        psql.execute("delete from audit.seals where id = 2")
    assert run(capsys, "verify")[0] == 0
    _file(*checkpoint)
    assert run(capsys, "verify", "--checkpoint", "checkpoints.txt")[0] == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "There is no checkpoint in checkpoints.txt."),
        (["no checkpoint here"], "There is no checkpoint in checkpoints.txt."),
        (["", ORIGIN, "7"], "Line 2 of checkpoints.txt begins no checkpoint"),
        ([ORIGIN, "0", ROOT], "Line 1 of checkpoints.txt begins no checkpoint"),
        ([ORIGIN, "7", ROOT, ORIGIN + "f", "8", ROOT], "Line 4 of checkpoints.txt begins no checkpoint"),
        ([ORIGIN, "7", ROOT[1:]], "Line 1 of checkpoints.txt begins no checkpoint"),
    ],
)
def test_a_file_of_checkpoints_that_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match=message):
        read_checkpoints(_file(*lines))


def test_a_file_of_checkpoints_may_have_other_words_and_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match="cannot be read"):
        read_checkpoints(Path("missing.txt"))
    Path("checkpoints.txt").write_bytes(
        f'\ufeff{ORIGIN} \r\n7\r\n{ROOT}\r\nEverything is fine.\r\n\r\n  "{ORIGIN}\r\n12\r\n{ROOT}\r\n"\r\n'.encode()
    )
    assert read_checkpoints(Path("checkpoints.txt")) == (Checkpoint(ORIGIN, 7, ROOT), Checkpoint(ORIGIN, 12, ROOT))


def test_each_finding_has_its_sentence() -> None:
    for kind in Kind:
        sentence = str(Finding(kind, seal=3, record=4, detail=None))
        assert sentence.endswith(".")
        assert "3" in sentence or "4" in sentence


@pytest.mark.parametrize("format", list(Format))
def test_an_export_carries_the_checkpoint(shop: Clone, tmp_path: Path, format: Format) -> None:
    with shop.superuser() as psql:
        seal_all(psql)
        with shop.app.read(shop.actor(Role.MANAGER)) as connection:
            checkpoint = str(integrity.checkpoint(connection))
        made = export(
            shop.app, shop.actor(Role.ANALYST), filters=around_now(), format=format, zone=ZoneInfo("Asia/Kolkata")
        )
        with made.file as file:
            if format is Format.EXCEL:
                about = openpyxl.load_workbook(file)["About"]
                assert ("Checkpoint of the seals", checkpoint) in list(about.iter_rows(values_only=True))
        details = one(psql, "select new_values from audit.records where action = 'EXPORT'")
        assert details["checkpoint"] == checkpoint
        seal_all(psql)
        assert findings(psql, checkpoint) == set()


def test_a_checkpoint_made_up_on_an_export_raises_no_alarm(shop: Clone) -> None:
    with shop.superuser() as psql:
        with shop.app.transaction(shop.actor(Role.ANALYST)) as connection:
            connection.exec_driver_sql(
                "select audit.record_activity('EXPORT', 'AuditReport', null, %s)",
                (json.dumps({"checkpoint": f"{ORIGIN}\n1\n{ROOT}\n"}),),
            )
        seal_all(psql)
        assert findings(psql) == set()


def test_the_library_verifies_as_the_watcher_since_a_time(shop: Clone) -> None:
    with shop.superuser() as psql:
        seal_all(psql)
        psql.execute("update audit.records set reason = 'another' where id = 2")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found = integrity.verify(shop.watch)
    assert [(finding.kind, finding.seal, finding.record) for finding in found.findings] == [(Kind.ALTERED_RECORD, 1, 2)]
    assert found.status.checkpoint is not None
    assert found.status.checkpoint.size == 1
    assert (found.status.era, found.status.waiting.records, found.status.deleted) == (1, 0, 0)
    # From the last seal on, which is the first.
    assert len(integrity.verify(shop.watch, since=tomorrow).findings) == 1


def test_before_the_first_seal_there_is_no_checkpoint(shop: Clone) -> None:
    with shop.owner.read(shop.actor(Role.ADMIN)) as connection:
        assert integrity.checkpoint(connection) is None
    found = integrity.verify(shop.watch)
    assert (found.findings, found.status.checkpoint, found.longest_wait) == ((), None, None)
    assert found.status.waiting.records > 0


def test_verify_says_that_records_had_waited_for_their_seal(shop: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    with shop.superuser() as psql:
        psql.execute("update audit.records set recorded_at = recorded_at - interval '2 hours' where id = 7")
        waiting = one(psql, "select unsealed from audit.sealing_state()")
        assert findings(psql) == {("unsealed_record", 7)}
    code, (*_, sentence, longest, _) = run(capsys, "verify")
    assert code == 0
    said = rf"{waiting} records had waited for a seal, the oldest for 2 h [0-9] min: the app seals while it runs."
    assert re.fullmatch(said, sentence)
    assert re.fullmatch("The longest wait for a seal: 2 h [0-9] min.", longest)
