"""Verification believes nothing of the database that it judges: not its functions, its relations, nor its settings."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from backstitch import __main__ as command_line
from backstitch.audit import integrity
from backstitch.audit.findings import Finding, Kind
from backstitch.errors import Refused
from tests.conftest import APP_PASSWORD, WATCH_PASSWORD, Clone
from tests.db.audit.tampering import findings, make_history, one, seal_all, verification
from tests.db.trail import Connection, switch_off_event_triggers

# Every function of the trail, with its signature, and a body that does nothing: of triggers too.
EMPTIED = """
do $do$
declare
    statement text;
begin
    for statement in
        select format('create or replace function audit.%I(%s) returns %s language plpgsql '
                      'as $body$ begin %s end $body$', p.proname,
                      pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                      case when p.proretset then 'return;'
                           when p.prorettype = any ('{void, event_trigger}'::regtype[]) then ''
                           else 'return null;' end)
        from pg_proc p where p.pronamespace = 'audit'::regnamespace and p.prokind = 'f'
    loop
        execute statement;
    end loop;
end
$do$
"""
LIKE_ANOTHER = (
    "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, new_values) "
    "select recorded_at, transaction_id, action, entity, source, database_role, new_values "
    "from audit.records where action = 'CREATE' limit 1 returning id"
)


@pytest.fixture
def psql(clone: Clone) -> Iterator[Connection]:
    """A hand at psql, on a sealed history."""
    with clone.superuser() as connection:
        make_history(connection, rounds=3)
        switch_off_event_triggers(connection)
        yield connection


@pytest.fixture(scope="module")
def kept(kept_clone: Clone) -> Iterator[Connection]:
    """A hand at psql, on a sealed history for all tests that roll back what they do."""
    with kept_clone.superuser() as connection:
        make_history(connection, rounds=3)
        switch_off_event_triggers(connection)
        yield connection


@pytest.fixture
def trial(kept: Connection) -> Iterator[Connection]:
    """A hand at psql, in a transaction that is rolled back."""
    with kept.transaction(force_rollback=True):
        yield kept


def tamper(psql: Connection) -> set[tuple[str, int | None]]:
    """An altered, a missing and an added record; returns what has to be said of them."""
    altered, missing = one(psql, "select array[min(id), max(id)] from audit.records where entity = 'Thing'")
    psql.execute("update audit.records set reason = 'another' where id = %s", (altered,))
    psql.execute("delete from audit.records where id = %s", (missing,))
    added = one(psql, LIKE_ANOTHER)
    return {("altered_record", altered), ("missing_record", missing), ("added_record", added)}


def named(clone: Clone) -> set[tuple[str, int | None]]:
    """What the login that watches finds, in its own session."""
    found = integrity.verify(clone.watch).findings
    return {(finding.kind.value, finding.seal if finding.record is None else finding.record) for finding in found}


# Functions ----------------------------------------------------------------------------------------


def test_with_every_function_emptied_what_was_tampered_with_is_still_named(clone: Clone, psql: Connection) -> None:
    expected = tamper(psql)
    psql.execute(EMPTIED)
    assert psql.execute("select * from audit.sealing_state(), audit.checkpoint()").fetchall() == []
    assert named(clone) == expected


@pytest.fixture
def at_the_terminal(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The database on which the commands work."""
    monkeypatch.setenv("DATABASE_URL", clone.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", APP_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_WATCH_PASSWORD", WATCH_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_HOME", str(tmp_path / "home"))
    return clone


def test_the_command_names_it_too_and_says_what_it_could_not_do(
    at_the_terminal: Clone, psql: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = tamper(psql)
    psql.execute(EMPTIED)
    assert command_line.main(["verify"]) == 1
    lines = capsys.readouterr().out.splitlines()
    numbers = {record for _, record in expected}
    assert {int(line.split()[1]) for line in lines if re.match(r"Record \d+ (was|is)", line)} == numbers
    assert lines[-3:] == [
        "Findings: 3.",
        "The new records could not be sealed first: audit.seal() does not do what it should; see the doctor.",
        "This verification is not on the record: audit.record_activity() does not do what it should; see the doctor.",
    ]


def test_where_only_the_watcher_is_known_it_verifies_and_says_that_it_did_no_more(
    at_the_terminal: Clone,
    psql: Connection,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    application = at_the_terminal.url.set(username="backstitch_app", password=APP_PASSWORD)
    monkeypatch.setenv("DATABASE_URL", application.render_as_string(hide_password=False))
    psql.execute("insert into demo.things (name) values ('waits')")
    before = one(psql, "select array[(select count(*) from audit.records), (select count(*) from audit.seals)]")
    assert command_line.main(["verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "; 1 record not sealed yet" in lines[3]
    assert lines[-2:] == [
        "Everything is as it was sealed.",
        "The owner's login is not known here, so nothing was sealed before, and this verification is not recorded.",
    ]
    assert one(psql, "select array[(select count(*) from audit.records), (select count(*) from audit.seals)]") == before
    monkeypatch.delenv("BACKSTITCH_WATCH_PASSWORD")
    assert command_line.main(["verify"]) == 1
    assert "BACKSTITCH_WATCH_PASSWORD" in capsys.readouterr().err


# Relations ----------------------------------------------------------------------------------------

HARMLESS = [
    "create rule r as on insert to audit.records do instead nothing",
    "create function audit.nothing() returns trigger language plpgsql as 'begin return null; end';"
    "create trigger t before insert on audit.records for each row execute function audit.nothing()",
    "alter table audit.records add column more text default 'x'",
    "create table audit.other (); create view public.records as select 1 as id",
    "alter table audit.records_default rename to renamed",
]


@pytest.mark.parametrize("act", HARMLESS)
def test_what_stands_in_the_way_of_writers_does_not_stop_verification(trial: Connection, act: str) -> None:
    trial.execute(act)
    assert findings(trial) == set()
    record = one(
        trial, "update audit.records set reason = 'x' where id = (select max(id) from audit.records) returning id"
    )
    assert findings(trial) == {("altered_record", record)}


def test_the_command_lives_with_a_rule_that_keeps_it_off_the_record(
    at_the_terminal: Clone, psql: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    psql.execute("create rule r as on insert to audit.records do instead nothing")
    assert command_line.main(["verify"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("This verification is not on the record")


PARTITION = (
    "(select inhrelid::regclass from pg_inherits where inhparent = 'audit.records'::regclass "
    "and inhrelid in (select tableoid from audit.records) limit 1)"
)
REPLACED = [
    (
        "alter table audit.records enable row level security; alter table audit.records force row level security",
        "query would be affected by row-level security policy",
    ),
    (
        "alter table audit.seals enable row level security; create policy p on audit.seals using (id < 2)",
        "query would be affected by row-level security policy",
    ),
    ("revoke select on audit.records from backstitch_watch", "permission denied for table records"),
    (
        "revoke select (salt) on audit.seals from backstitch_watch; revoke select on audit.seals from backstitch_watch",
        "permission denied for table seals",
    ),
    ("revoke usage on schema audit from backstitch_watch", "permission denied for schema audit"),
    ("alter table audit.seals rename to sealed", "the table audit.seals is missing"),
    ("drop table audit.baselines cascade", "the table audit.baselines is missing"),
    (
        "alter table audit.seals rename to sealed; create view audit.seals as select * from audit.sealed",
        "audit.seals is a view in the place of the table",
    ),
    (
        "alter table audit.records rename to kept; create view audit.records as select * from audit.kept where id > 0",
        "audit.records is a view in the place of the table",
    ),
    (
        "alter table audit.records rename to kept; create table audit.records as select * from audit.kept",
        "audit.records is something else in the place of the table",
    ),
    (
        "alter table audit.records rename to kept; "
        "create table audit.records (like audit.kept) partition by list (action)",
        "audit.records is not divided by the time of its records",
    ),
    ("alter table audit.records drop column reason", "the column reason of audit.records is missing"),
    (
        "alter table audit.records alter column reason type varchar(900)",
        "the column reason of audit.records is missing",
    ),
    (
        "create type audit.say as enum ('round'); alter table audit.records alter column operation "
        "type audit.say using null",
        "the column operation of audit.records is missing, computed, or of another type",
    ),
    (
        "alter table audit.records drop column request; "
        "alter table audit.records add column request text generated always as ('r') stored",
        "the column request of audit.records is missing, computed, or of another type",
    ),
    (
        "alter table audit.records drop constraint records_pkey; "
        "create extension postgres_fdw; "
        "create server elsewhere foreign data wrapper postgres_fdw; "
        "create foreign table audit.records_far partition of audit.records "
        "for values from ('1990-01-01') to ('1990-02-01') server elsewhere",
        "audit.records_far is a foreign table in the place of a month of audit.records",
    ),
    (
        "alter table audit.records drop constraint records_pkey; "
        "create table audit.records_deep partition of audit.records for values from ('1990-01-01') to ('1990-02-01') "
        "partition by list (action)",
        "audit.records_deep is a table of partitions in the place of a month of audit.records",
    ),
]


@pytest.mark.parametrize(("act", "said"), REPLACED)
def test_what_stands_in_the_place_of_the_trail_is_refused_with_a_sentence(
    clone: Clone, psql: Connection, act: str, said: str
) -> None:
    psql.execute("drop view public.audit_logs, audit.trail cascade")
    psql.execute(act)
    with pytest.raises(Refused) as refused:
        integrity.verify(clone.watch)
    assert said in str(refused.value)
    assert refused.value.rule == "trail_unreadable"


def test_the_command_says_that_sentence_and_leaves_1(
    at_the_terminal: Clone, psql: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    psql.execute(
        "alter table audit.records force row level security; alter table audit.records enable row level security"
    )
    assert command_line.main(["verify"]) == 1
    assert "row-level security" in capsys.readouterr().err


def test_a_table_that_somebody_holds_is_said(clone: Clone, psql: Connection) -> None:
    psql.execute("alter role backstitch_watch set lock_timeout = 0")
    try:
        with psql.transaction(), clone.watch.raw() as connection:
            psql.execute("lock table audit.seals")
            connection.execute("set local lock_timeout = '20ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                integrity.examine(connection)
            connection.rollback()
    finally:
        psql.execute("alter role backstitch_watch reset lock_timeout")


def test_a_record_that_was_moved_into_a_table_that_inherits_is_missing(clone: Clone, psql: Connection) -> None:
    psql.execute("create table audit.more_seals () inherits (audit.seals)")
    psql.execute(
        "with gone as (delete from only audit.seals where id = 2 returning *) insert into audit.more_seals "
        "select * from gone"
    )
    assert ("missing_seal", 2) in named(clone)
    lost = one(psql, f"select {PARTITION}::text")
    psql.execute(sql.SQL("alter table audit.records detach partition {}").format(sql.SQL(lost)))
    assert {kind for kind, _ in named(clone)} >= {"missing_record"}


# What a session brings along ----------------------------------------------------------------------

HOSTILE = [
    # In a schema that comes first for the login: its own tables, functions, operators, types, and casts.
    "create schema evil; grant usage on schema evil to public; "
    "create table evil.pg_class (x int); "
    "create function evil.count(anyelement) returns bigint language sql as 'select 0::bigint'; "
    "create function evil.substr(bytea, int) returns bytea language sql as 'select null::bytea'; "
    "create function evil.num_nulls(variadic \"any\") returns int language internal immutable as 'pg_num_nulls'; "
    "create function evil.yes(bigint, bigint) returns boolean language sql as 'select false'; "
    "create operator evil.>= (leftarg = bigint, rightarg = bigint, function = evil.yes); "
    "create domain evil.int8 as text; "
    "alter role backstitch_watch in database {database} set search_path = evil, pg_catalog",
    "create function public.lie(jsonb) returns text language sql as $$ select '{}' $$; "
    "create cast (jsonb as text) with function public.lie(jsonb)",
    "alter role backstitch_watch in database {database} set client_encoding = 'SQL_ASCII'",
    "alter role backstitch_watch in database {database} set standard_conforming_strings = off",
    "alter role backstitch_watch in database {database} set timezone = 'Pacific/Chatham'",
    "alter role backstitch_watch in database {database} set default_transaction_isolation = 'serializable'",
    "alter domain audit.action add constraint no check (value <> 'UPDATE') not valid",
    "create index on audit.records (transaction_id) where transaction_id < 0",
]


@pytest.mark.parametrize("act", HOSTILE)
def test_settings_names_and_casts_of_somebody_change_no_verdict(clone: Clone, psql: Connection, act: str) -> None:
    psql.execute(act.replace("{database}", f'"{clone.url.database}"'))
    assert named(clone) == set()
    assert named(clone) == set()
    record = one(psql, "select min(id) from audit.records where entity = 'Thing'")
    psql.execute("update audit.records set database_role = 'x' where id = %s", (record,))
    clone.watch.dispose()
    assert named(clone) == {("altered_record", record)}


@pytest.mark.parametrize("setting", ["statement_timeout = '40ms'", "default_transaction_read_only = on"])
def test_a_setting_that_lets_nobody_work_is_overruled_or_said(clone: Clone, psql: Connection, setting: str) -> None:
    with clone.watch.raw() as connection:
        assert one(connection, "show statement_timeout") == "0"
    psql.execute(f'alter role backstitch_watch in database "{clone.url.database}" set {setting}')
    clone.watch.dispose()
    try:
        assert integrity.verify(clone.watch).findings == ()
    except Refused as refused:  # the driver's own first questions had no time
        assert "statement timeout" in str(refused)


# Values -------------------------------------------------------------------------------------------

PLANTED = (
    "insert into audit.records "
    "(id, recorded_at, transaction_id, era, action, entity, source, database_role, new_values) "
    "values (%(id)s, %(at)s, %(transaction)s, %(era)s, 'CREATE', %(entity)s, 'SQL', 'x', %(values)s)"
)


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"at": "infinity"}, {"added_record"}),
        ({"at": "-infinity"}, {"added_record"}),
        ({"at": "290000-01-01"}, {"added_record"}),
        ({"at": "4000-01-01 BC"}, {"added_record"}),
        ({"id": -7}, {"added_record"}),
        ({"id": 0}, {"added_record"}),
        ({"id": 2**63 - 1, "transaction": -(2**63)}, {"added_record"}),
        ({"transaction": 2**63 - 1}, {"added_record"}),
        ({"era": -1}, {"added_record"}),
        ({"era": 32767}, {"added_record"}),
        ({"values": '{"x": 1e400, "y": "NaN", "big": "' + "x" * 3_000_000 + '"}'}, {"added_record"}),
        ({"values": '{"deep": ' + "[" * 2000 + "]" * 2000 + "}"}, {"added_record"}),
        ({"entity": "X.\n\x1b[2JEverything is as it was sealed"}, {"added_record"}),
    ],
)
def test_a_record_of_strange_values_is_named(trial: Connection, changes: dict[str, object], kinds: set[str]) -> None:
    values = {"id": 5_000_000, "at": "2026-11-01", "transaction": 5, "era": 1, "entity": "X", "values": "{}"} | changes
    trial.execute(PLANTED, values)
    found = verification(trial).findings
    assert [(finding.kind.value, finding.record) for finding in found] == [(kind, values["id"]) for kind in kinds]
    assert str(found[0]).isprintable()


def test_ids_that_are_there_twice_or_not_at_all_are_named(trial: Connection) -> None:
    trial.execute(
        "alter table audit.records drop constraint records_pkey; alter table audit.records alter id drop not null"
    )
    twice, nameless = one(trial, "select array[min(id), max(id)] from audit.records where entity = 'Thing'")
    trial.execute("insert into audit.records select * from audit.records where id = %s", (twice,))
    trial.execute("update audit.records set id = null where id = %s", (nameless,))
    assert findings(trial) == {("added_record", twice), ("missing_record", nameless), ("misshapen_record", None)}


def test_text_that_is_not_utf_8_is_named_and_shown(trial: Connection) -> None:
    record = one(trial, "select max(id) from audit.records")
    # What a disk, or somebody with it, can leave in a file: this cast takes the bytes as they are.
    trial.execute("create cast (bytea as text) without function")
    trial.execute("update audit.records set entity = '\\x41ff0a'::bytea::text where id = %s", (record,))
    (finding,) = verification(trial).findings
    assert (finding.kind, finding.record) == (Kind.ALTERED_RECORD, record)
    assert " A\ufffd\\n" in str(finding)


@pytest.mark.parametrize(
    "act",
    [
        "alter table audit.seals alter {column} drop not null; update audit.seals set {column} = null where id = 2",
        "update audit.seals set {column} = {other} where id = 2",
    ],
)
@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("record_ids", "'{{1,2},{3,4}}'"),
        ("running", "'{null}'"),
        ("leaves", "'x'"),
        ("hash", "''"),
        ("nodes", "'xyz'"),
        ("salt", "''"),
        ("sealed_at", "'infinity'"),
        ("month", "'infinity'"),
        ("era", "77"),
        ("record_count", "0"),
        ("to_transaction", "-9223372036854775808"),
    ],
)
def test_a_seal_that_is_no_seal_is_a_finding(trial: Connection, act: str, column: str, other: str) -> None:
    trial.execute("alter table audit.seals drop constraint seal_leaf_for_each_record, drop constraint era_of_seal")
    trial.execute(act.replace("{column}", column).replace("{other}", other))
    assert ("altered_seal", 2) in findings(trial)


@pytest.mark.parametrize(
    "act",
    [
        "alter table audit.deletions alter digests drop not null; update audit.deletions set digests = null",
        "update audit.deletions set record_ids = '{{1,2},{3,4}}'",
        "update audit.deletions set digests = '{}'",
        'update audit.records set new_values = \'{"deletion": 99999999999999999999, "records": []}\' '
        "where action = 'AUDIT_DELETE'",
        "update audit.records set new_values = '[]' where action = 'AUDIT_DELETE'",
        "insert into audit.baselines values ('X', 1, 1, null)",
        "alter table audit.eras alter origin drop not null; update audit.eras set origin = null",
        "alter table audit.seals drop constraint era_of_seal; delete from audit.eras",
    ],
)
def test_broken_rows_beside_the_records_are_findings(trial: Connection, act: str) -> None:
    trial.execute(act)
    assert findings(trial) != set()


def test_a_checkpoint_on_record_that_is_none_is_a_finding(psql: Connection) -> None:
    for kept in (
        '{"checkpoint": 7}',
        '{"checkpoint": {"a": [1]}}',
        '{"checkpoint": ""}',
        '{"checkpoint": "a\\n٣\\nb"}',
    ):
        psql.execute("select audit.record_activity('VERIFY', 'AuditReport', null, %s)", (kept,))
    seal_all(psql)
    found = verification(psql).findings
    assert [finding.kind for finding in found] == [Kind.OTHER_SEAL] * 4
    assert all(finding.detail is not None and finding.detail.endswith(" is none") for finding in found)


def test_names_of_a_finding_are_in_one_line() -> None:
    assert str(Finding(Kind.ADDED_RECORD, None, 0, None)) == "Record 0 was added behind the back of the trail."


def test_of_what_waits_for_its_seal_the_age_is_told(clone: Clone, psql: Connection) -> None:
    assert integrity.waiting(clone.watch).age is None
    psql.execute("insert into demo.things (name) values ('a'), ('b')")
    waiting = integrity.waiting(clone.watch)
    assert waiting.records == 2
    assert waiting.age is not None and timedelta() <= waiting.age < timedelta(minutes=1)
    assert findings(psql) == set()
