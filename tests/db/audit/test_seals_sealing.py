"""Every committed record is in exactly one seal, whatever runs at the same time: SAFETY rows 8 and 9."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.audit import sealing
from backstitch.audit.sealing import Sealer
from backstitch.startup import conninfo
from tests.conftest import Clone
from tests.db.audit.seal_writers import run_writers
from tests.db.audit.tampering import findings, make_history, one, seal_all, verification
from tests.db.trail import Connection, acting, refused, watched_table

SETTINGS = [
    {},
    {"timezone": "Asia/Kolkata", "datestyle": "German", "intervalstyle": "postgres_verbose"},
    {"timezone": "America/St_Johns", "datestyle": "SQL, DMY", "extra_float_digits": "-15"},
    {"timezone": "Pacific/Chatham", "bytea_output": "escape", "intervalstyle": "sql_standard"},
    {"client_encoding": "LATIN1", "xmlbinary": "hex", "lc_numeric": "C", "quote_all_identifiers": "on"},
    {
        "client_encoding": "SQL_ASCII",
        "standard_conforming_strings": "off",
        "extra_float_digits": "3",
        "lc_monetary": "C",
    },
]


@pytest.fixture
def psql(clone: Clone) -> Iterator[Connection]:
    """A hand at psql, with a watched table demo.things, everything so far sealed."""
    with clone.superuser() as connection:
        watched_table(connection, "id bigint generated always as identity primary key, name text, size int")
        seal_all(connection)
        yield connection


def unsealed(psql: Connection) -> int:
    return int(one(psql, "select unsealed from audit.sealing_state()"))


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_settings_of_a_session_change_no_digest_and_no_hash(clone: Clone, settings: dict[str, str]) -> None:
    with clone.superuser() as psql:
        make_history(psql, rounds=2)
        psql.execute(
            "select audit.record_activity('MAINTENANCE', 'X', 1, '{\"at\": \"2026-01-01\", \"é\": [1.0, 1e30, null]}')"
        )
        seal_all(psql)
        digests = "select array_agg(audit.record_digest(r) order by r.id) from audit.records r"
        hashes = (
            "select array_agg(audit.seal_hash(s, e) order by s.id) from audit.seals s join audit.eras e using (era)"
        )
        expected = (one(psql, digests), one(psql, hashes))
        for name, value in settings.items():
            psql.execute(sql.SQL("set {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        assert (one(psql, digests), one(psql, hashes)) == expected
        assert findings(psql) == set()
        psql.execute("insert into demo.things (name) values ('under the settings')")
        seal_all(psql)
        psql.execute("reset all")
        assert findings(psql) == set()


def test_every_column_of_a_record_is_part_of_its_digest(psql: Connection) -> None:
    columns = psql.execute(
        "select attname, format_type(atttypid, null) from pg_attribute "
        "where attrelid = 'audit.records'::regclass and attnum > 0 and not attisdropped"
    ).fetchall()
    record = one(
        psql,
        "select id from audit.records where action = 'UPDATE' or new_values is not null order by id desc limit 1",
    )
    other = {
        "bigint": "77",
        "timestamp with time zone": "recorded_at + interval '1 us'",
        "inet": "'10.0.0.1'",
        "jsonb": "'{\"other\": 1}'",
        "text": "'other'",
        "audit.action": "'other'",
        "audit.source": "'other'",
        "smallint": "7",
    }
    assert len(columns) >= 19
    digest = "select audit.record_digest(r) from audit.records r where database_role <> '' order by id desc limit 1"
    psql.execute("alter domain audit.action drop constraint action_known")
    psql.execute("alter domain audit.source drop constraint source_known")
    psql.execute("update audit.records set id = 9000000 where id = %s", (record,))
    before = one(psql, digest)
    for column, kind in columns:
        value = "id + 1" if column == "id" else other[kind]
        with psql.transaction(force_rollback=True):
            psql.execute(f'update audit.records set "{column}" = {value} where id = 9000000')
            assert one(psql, digest) != before, column


def test_null_and_empty_are_not_the_same_in_a_digest(psql: Connection) -> None:
    rows = psql.execute(
        "select audit.record_digest(r) "
        "from (values (null, ''), ('', null), (null, null), ('', '')) v (operation, reason), "
        "lateral (select (jsonb_populate_record(null::audit.records, jsonb_build_object("
        "'id', 1, 'operation', operation, 'reason', reason))).*) r"
    ).fetchall()
    assert len(set(rows)) == 4


def test_a_seal_holds_what_was_committed_since_the_last_one_and_nothing_else(psql: Connection) -> None:
    psql.execute("insert into demo.things (name) values ('a'), ('b')")
    with psql.transaction(force_rollback=True):
        psql.execute("insert into demo.things (name) values ('never')")
    with psql.transaction():
        psql.execute("insert into demo.things (name) values ('c')")
        with psql.transaction(force_rollback=True):
            psql.execute("insert into demo.things (name) values ('neither')")
    before = one(psql, "select max(id) from audit.seals")
    assert seal_all(psql) == 3
    sealed = one(psql, "select array_agg(i order by i) from audit.seals, unnest(record_ids) i where id > %s", before)
    assert sealed == one(psql, "select array_agg(id order by id) from audit.records where entity = 'Thing'")
    assert findings(psql) == set()


def test_sealing_nothing_writes_nothing(psql: Connection) -> None:
    seals = one(psql, "select count(*) from audit.seals")
    with psql.transaction():
        assert one(psql, "select audit.seal()") == 0
        assert one(psql, "select pg_current_xact_id_if_assigned()") is None
    assert one(psql, "select count(*) from audit.seals") == seals


def test_a_long_transaction_delays_its_own_records_only_and_loses_none(clone: Clone, psql: Connection) -> None:
    with clone.superuser() as slow, clone.superuser() as slower:
        with slower.transaction():
            slower.execute("insert into demo.things (name) values ('slower')")
            with slow.transaction():
                slow.execute("insert into demo.things (name) values ('slow')")
                psql.execute("insert into demo.things (name) values ('quick')")
                assert one(psql, "select audit.seal()") == 1
                running = one(psql, "select running from audit.seals order by id desc limit 1")
                # Other transactions of the server, such as an autoanalyze, may run too.
                assert {int(one(each, "select pg_current_xact_id()::text")) for each in (slow, slower)} <= set(running)
                assert running == sorted(running)
                assert unsealed(psql) == 0
                assert findings(psql) == set()
            assert unsealed(psql) == 1
            assert one(psql, "select audit.seal()") == 1
            assert findings(psql) == set()
        assert one(psql, "select audit.seal()") == 1
    assert unsealed(psql) == 0
    assert findings(psql) == set()


def test_what_the_sealing_transaction_itself_has_written_waits_for_the_next_seal(psql: Connection) -> None:
    with psql.transaction():
        psql.execute("insert into demo.things (name) values ('before')")
        assert one(psql, "select audit.seal()") == 0
        psql.execute("insert into demo.things (name) values ('after')")
    assert seal_all(psql) == 2
    assert findings(psql) == set()


def test_a_block_holds_records_of_one_month(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id bigint generated always as identity primary key, name text, size int")
        # Before the first seal: later, a time before it would be a finding.
        psql.execute("insert into demo.things (name) values ('a'), ('b'), ('c')")
        psql.execute(
            "update audit.records set recorded_at = timestamptz '2026-11-01 00:00+00' - n * interval '1 us' "
            "from (select id, row_number() over (order by id) - 1 as n from audit.records where entity = 'Thing') t "
            "where t.id = audit.records.id"
        )
        psql.execute("delete from audit.records where entity <> 'Thing'")
        assert seal_all(psql) == 3
        blocks = psql.execute("select month::text, record_count from audit.seals order by id desc").fetchall()
        assert blocks == [("2026-11-01", 1), ("2026-10-01", 2)]
        assert findings(psql) == set()


def test_a_transaction_that_only_reads_delays_nothing(clone: Clone, psql: Connection) -> None:
    with clone.superuser() as reader, reader.transaction():
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select count(*) from demo.things")
        psql.execute("insert into demo.things (name) values ('quick')")
        assert seal_all(psql) == 1


def test_sealing_takes_no_lock_that_a_writer_waits_for(clone: Clone, psql: Connection) -> None:
    psql.execute("insert into demo.things (name) values ('a')")
    with clone.superuser() as other, psql.transaction():
        assert one(psql, "select audit.seal()") == 1
        other.execute("set lock_timeout = '1ms'")
        other.execute("insert into demo.things (name) values ('b')")
        other.execute("update demo.things set name = 'c'")
        other.execute("delete from demo.things")
        assert one(other, "select audit.seal()") == 0, "the other has the lock, so this one leaves it to him"
    seal_all(psql)
    assert findings(psql) == set()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_sealer_with_an_old_snapshot_is_refused(psql: Connection, level: str) -> None:
    with psql.transaction(force_rollback=True):
        psql.execute(f"set transaction isolation level {level}")
        with refused("0A000", "seal_read_committed"):
            psql.execute("select audit.seal()")


def test_the_library_seals_whatever_isolation_is_the_default(clone: Clone, psql: Connection) -> None:
    psql.execute(
        sql.SQL("alter database {} set default_transaction_isolation = 'serializable'").format(
            sql.Identifier(clone.url.database or "")
        )
    )
    psql.execute("insert into demo.things (name) values ('a')")
    assert sealing.seal(clone.app) == 1


def test_a_large_transaction_is_sealed_in_several_blocks(psql: Connection) -> None:
    psql.execute("insert into demo.things (size) select i from generate_series(1, 8193) i")
    assert seal_all(psql) == 8193
    blocks = psql.execute(
        "select record_count, to_transaction, running, sealed_at from audit.seals order by id desc limit 3"
    ).fetchall()
    assert [count for count, *_ in blocks] == [1, 4096, 4096]
    assert blocks[0][1:] == blocks[1][1:] == blocks[2][1:]
    assert findings(psql) == set()
    # Since a time: from the middle of the blocks, and from after the last.
    for since in ("select max(sealed_at) from audit.seals", "select now()"):
        assert verification(psql, since=one(psql, since)).findings == ()
    last = one(psql, "select max(id) from audit.records")
    psql.execute("update audit.records set reason = 'x' where id in (%s, 1)", (last,))
    since = one(psql, "select max(sealed_at) from audit.seals")
    assert [finding.record for finding in verification(psql, since=since).findings] == [last]


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_writers_and_sealers_at_once_leave_each_committed_record_in_exactly_one_seal(clone: Clone, level: str) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id bigint generated always as identity primary key, name text, size int")
    outcome = run_writers(conninfo(clone.url), level=level, writers=8, sealers=2, seconds=1.2)
    assert outcome.problems == []
    assert outcome.deadlocks == 0
    assert outcome.records > 100
    assert outcome.seals > 3


def test_two_sealers_at_once_never_fork_the_chain(clone: Clone, psql: Connection) -> None:
    failures: list[Exception] = []
    done = threading.Event()

    def seal_on() -> None:
        try:
            while not done.is_set():
                sealing.seal(clone.app)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=seal_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        psql.execute("insert into demo.things (size) values (%s)", (number,))
    done.set()
    for thread in threads:
        thread.join()
    seal_all(psql)
    assert failures == []
    assert findings(psql) == set()


def _waits_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_sealer_seals_beside_the_app(clone: Clone, psql: Connection) -> None:
    with Sealer(clone.app, pause=0.02):
        psql.execute("insert into demo.things (name) values ('a')")
        _waits_for(lambda: unsealed(psql) == 0)
    assert one(psql, "select record_count from audit.seals order by id desc limit 1") == 1


def test_the_sealer_logs_a_failure_once_and_goes_on_when_it_is_over(
    clone: Clone, psql: Connection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    psql.execute("revoke execute on function audit.seal() from backstitch_app")
    tried, seal = [], sealing.seal
    monkeypatch.setattr(sealing, "seal", lambda database: tried.append(database) or seal(database))
    with Sealer(clone.app, pause=0.01):
        _waits_for(lambda: len(tried) > 3)
        assert len(caplog.records) == 1
        psql.execute("insert into demo.things (name) values ('a')")
        psql.execute("grant execute on function audit.seal() to backstitch_app")
        _waits_for(lambda: unsealed(psql) == 0)
        _waits_for(lambda: len(caplog.records) == 2)
    assert "cannot be sealed" in caplog.messages[0]


def test_the_end_of_the_sealer_waits_for_nothing(clone: Clone, psql: Connection) -> None:
    with clone.superuser() as blocker, blocker.transaction():
        blocker.execute("lock table audit.seals")
        started = time.monotonic()
        with Sealer(clone.app, pause=0.01):
            _waits_for(
                lambda: one(psql, "select count(*) from pg_locks where not granted and locktype = 'relation'") > 0
            )
        assert time.monotonic() - started < 15
        ended = time.monotonic()
    assert time.monotonic() - ended < 1


# Rights ---------------------------------------------------------------------------------------

FORBIDDEN = [
    statement.format(table=table, column=column)
    for table, column in (("audit.seals", "leaves"), ("audit.deletions", "digests"), ("audit.eras", "origin"))
    for statement in (
        "select * from {table}",
        "insert into {table} select * from {table}",
        "insert into {table} default values",
        "update {table} set {column} = {column}",
        "delete from {table}",
        "truncate {table}",
        "lock table {table}",
        "drop table {table}",
        "alter table {table} add x int",
        "copy {table} to stdout",
    )
] + [
    "select audit.seal_committed()",
    "select audit.seal_round(1::smallint, now(), 9, '{}')",
    "select audit.begin_era('{}')",
    "select audit.add_era()",
    "select audit.record_digest(null)",
    "select audit.seal_hash(null, null)",
    "select * from audit.listed_leaves(1, '-infinity')",
    "select audit.list_for_deletion(1, now(), now(), null)",
    "select * from audit.sealing_state()",
    "select audit.system_identifier()",
    "create or replace function audit.seal() returns bigint language sql as 'select 1'",
]


@pytest.mark.parametrize("role", [None, *Role])
def test_nobody_but_the_owner_touches_the_seals(clone: Clone, role: Role | None) -> None:
    states = {}
    for statement in FORBIDDEN:
        try:
            if role is None:
                with clone.application() as app, app.transaction():
                    app.execute(statement)
            else:
                with acting(clone, role) as app:
                    app.execute(statement)
            states[statement] = "allowed"
        except psycopg.Error as error:
            states[statement] = error.sqlstate or ""
    assert states == dict.fromkeys(FORBIDDEN, "42501")


MAY = {
    "select audit.checkpoint()": {Role.ADMIN, Role.MANAGER, Role.ANALYST},
    "select audit.delete_records('2000-01-01', 'test')": {Role.ADMIN},
    "select audit.seal()": set(),
}


@pytest.mark.parametrize("statement", MAY)
def test_the_rights_to_the_functions_of_the_seals(clone: Clone, statement: str) -> None:
    for role in Role:
        if role in MAY[statement]:
            with acting(clone, role) as app:
                app.execute(statement)
        else:
            with refused("42501"), acting(clone, role) as app:
                app.execute(statement)


def test_the_application_seals_without_a_user_and_sees_only_how_many(clone: Clone, psql: Connection) -> None:
    psql.execute("insert into demo.things (name) values ('a')")
    with clone.app.anonymous() as connection:
        assert connection.execute(text("select audit.seal()")).scalar_one() == 1
    with clone.application() as app, refused("42501"):
        app.execute("select * from audit.checkpoint()")
