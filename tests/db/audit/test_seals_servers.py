"""The seals through dump and restore into another server, and through kill -9 of the server: SAFETY rows 11 and 13."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from backstitch.postgres import server as postgres_server
from backstitch.startup import ROLES, conninfo
from tests.conftest import Clone
from tests.db.audit.shop import open_shop
from tests.db.audit.tampering import findings, make_history, one, seal_all, verification
from tests.db.trail import Connection

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("BACKSTITCH_TEST_SERVER")),
    reason="moves the trail with the bundled programs into a bundled server, so it starts from one",
)
NEXT_TRANSACTIONS = "do $$ begin for i in 1..{} loop perform pg_current_xact_id(); commit; end loop; end $$"
NO_IDENTIFIER = (
    "create or replace function audit.system_identifier() returns bigint language sql as 'select null::bigint'"
)
BEGIN_ERA = "select audit.begin_era('{}')"
EACH_IN_ONE_SEAL = (
    "select (select array_agg(id order by id) from audit.records) = "
    "(select array_agg(i order by i) from audit.seals, unnest(record_ids) i "
    "where not i in (select unnest(record_ids) from audit.deletions))"
)


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres_server.Lease]:
    """A second server, made by initdb for these tests, with the roles but no database of ours."""
    home = tmp_path_factory.mktemp("other")
    with postgres_server.start(home, options={"fsync": "off", "full_page_writes": "off"}) as lease:
        with psycopg.connect(lease.server.conninfo(), autocommit=True) as connection:
            for role in ROLES:
                connection.execute(sql.SQL("create role {} noinherit").format(sql.Identifier(role)))
        yield lease
    shutil.rmtree(lease.server.data_dir.parent, ignore_errors=True)


def move(source: str, target: postgres_server.EmbeddedServer, name: str, file: Path) -> Connection:
    """Dumps the database and restores it as `name`; returns a hand at psql there."""
    programs = postgres_server.bin_dir()
    subprocess.run([programs / "pg_dump", "-Fc", "-f", file, "-d", source], check=True)
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    subprocess.run([programs / "pg_restore", "--exit-on-error", "-d", target.conninfo(name), file], check=True)
    return psycopg.connect(target.conninfo(name), autocommit=True)


def next_transaction(psql: Connection) -> int:
    return int(one(psql, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))


@pytest.mark.parametrize("known", [True, False], ids=["server known", "server unknown"])
@pytest.mark.parametrize("numbers", ["lower", "higher"])
def test_the_trail_stays_verifiable_through_dump_and_restore(
    clone: Clone, other_server: postgres_server.Lease, tmp_path: Path, numbers: str, known: bool
) -> None:
    open_shop(clone)
    with clone.superuser() as source:
        if not known:
            source.execute(NO_IDENTIFIER)
        source.execute(NEXT_TRANSACTIONS.format(6000 if numbers == "lower" else 1))
        make_history(source)
        checkpoint = one(source, "select checkpoint from audit.checkpoint()")
        source.execute("insert into demo.things (name) values ('dumped before it was sealed')")
        here = next_transaction(source)
    with move(conninfo(clone.url), other_server.server, f"moved_{numbers}_{known}", tmp_path / "dump") as psql:
        if numbers == "higher":
            psql.execute(NEXT_TRANSACTIONS.format(here))
        assert (next_transaction(psql) < here) is (numbers == "lower")
        assert findings(psql, checkpoint) == set(), "as restored"
        assert one(psql, "select audit.seal()") == 0, "nothing is sealed before the era begins"
        assert one(psql, BEGIN_ERA) is True
        assert one(psql, BEGIN_ERA) is False
        psql.execute("update demo.things set size = 99")
        assert findings(psql, checkpoint) == set(), "changed there, and not sealed there"
        seal_all(psql)
        assert findings(psql, checkpoint) == set()
        assert one(psql, "select era from audit.sealing_state()") == 2
        restore, details = psql.execute(
            "select era, new_values from audit.records where action = 'RESTORE'"
        ).fetchone() or (None, {})
        origins = [origin for (origin,) in psql.execute("select origin from audit.eras order by era")]
        assert (restore, details["era"], details["origin"]) == (2, 2, origins[1])
        assert origins[0].split("/")[1] == origins[1].split("/")[1], "it is the same installation"
        # What the old era had not sealed is sealed before the new one begins.
        assert details["checkpoint"].splitlines()[0] == checkpoint.splitlines()[0]
        assert int(details["checkpoint"].splitlines()[1]) == int(checkpoint.splitlines()[1]) + 1
        assert one(psql, "select checkpoint from audit.checkpoint()").splitlines()[0] == origins[1]
        assert one(psql, EACH_IN_ONE_SEAL) is True
        for number in range(20):
            psql.execute("insert into demo.things (size) values (%s)", (number,))
            seal_all(psql)
        assert findings(psql, checkpoint) == set()
        assert one(psql, EACH_IN_ONE_SEAL) is True
        since = one(psql, "select max(sealed_at) from audit.seals")
        assert verification(psql, since=since).findings == ()

        first, last = one(psql, "select array[min(id), max(id)] from audit.records")
        psql.execute("update audit.records set reason = 'x' where id in (%s, %s)", (first, last))
        assert findings(psql) == {("altered_record", first), ("altered_record", last)}
        psql.execute("select audit.delete_records(now(), 'y', entities => '{Nothing}')")


def test_what_comes_in_before_the_new_era_is_named_and_no_restore_launders_it(
    clone: Clone, other_server: postgres_server.Lease, tmp_path: Path
) -> None:
    with psycopg.connect(other_server.server.conninfo(), autocommit=True) as there:
        next_there = next_transaction(there)
    with clone.superuser() as source:
        # So the other server gives numbers that this one has used.
        source.execute(NEXT_TRANSACTIONS.format(max(1, next_there + 6000 - next_transaction(source))))
        make_history(source, rounds=2)
        planted = one(
            source,
            "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, "
            "new_values) select recorded_at, transaction_id, action, entity, source, database_role, new_values "
            "from audit.records where action = 'CREATE' limit 1 returning id",
        )
        # One more of the past, with a number to come: the seal of what the old server left unsealed takes it in.
        to_come = one(
            source,
            "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, "
            "new_values) select recorded_at - interval '1 day', transaction_id + 1000000, action, entity, source, "
            "database_role, new_values from audit.records where id = %s returning id",
            planted,
        )
        assert findings(source) == {("added_record", planted), ("added_record", to_come)}
        checkpoint = one(source, "select checkpoint from audit.checkpoint()")
    with move(conninfo(clone.url), other_server.server, "planted", tmp_path / "dump") as psql:
        psql.execute("insert into demo.things (name) values ('by hand, before the start')")
        by_hand = one(psql, "select max(id) from audit.records")
        named = {("added_record", planted), ("backdated_record", to_come), ("added_record", by_hand)}
        assert findings(psql) == named
        psql.execute(BEGIN_ERA)
        seal_all(psql)
        assert one(psql, "select count(*) from audit.seals where %s = any (record_ids)", to_come) == 1
        assert findings(psql, checkpoint) == named


def test_a_chain_that_was_restored_from_an_older_dump_does_not_fit_a_later_checkpoint(
    clone: Clone, other_server: postgres_server.Lease, tmp_path: Path
) -> None:
    with clone.superuser() as source:
        make_history(source, rounds=2)
        with move(conninfo(clone.url), other_server.server, "older", tmp_path / "dump") as psql:
            source.execute("update demo.things set size = 7")
            seal_all(source)
            later = one(source, "select checkpoint from audit.checkpoint()")
            size = int(later.splitlines()[1])
            assert findings(psql, later) == {("cut_chain", size)}
            psql.execute(BEGIN_ERA)
            for number in range(4):
                psql.execute("insert into demo.things (size) values (%s)", (number,))
                seal_all(psql)
            assert one(psql, "select max(id) from audit.seals") > size
            assert findings(psql, later) == {("cut_chain", size)}


def test_a_restored_database_that_nobody_changes_is_sealed_once_and_then_left_alone(
    clone: Clone, other_server: postgres_server.Lease, tmp_path: Path
) -> None:
    with clone.superuser() as source:
        source.execute(NEXT_TRANSACTIONS.format(3000))
        make_history(source, rounds=2)
    with move(conninfo(clone.url), other_server.server, "unchanged", tmp_path / "dump") as psql:
        psql.execute(BEGIN_ERA)
        seal_all(psql)
        seals = one(psql, "select count(*) from audit.seals")
        psql.execute("select audit.seal()")
        assert one(psql, "select count(*) from audit.seals") == seals
        assert findings(psql) == set()


def test_kill_9_of_the_server_in_the_middle_of_sealing_leaves_whole_seals(
    clone: Clone, other_server: postgres_server.Lease, tmp_path: Path
) -> None:
    with clone.superuser() as source:
        make_history(source, rounds=2)
    with move(conninfo(clone.url), other_server.server, "killed", tmp_path / "dump") as psql:
        psql.execute(BEGIN_ERA)
    target = other_server.server.conninfo("killed")
    sealed = 0
    for delay in (0.03, 0.15):
        with psycopg.connect(target, autocommit=True) as psql:
            psql.execute("insert into demo.things (size) select i from generate_series(1, 30000) i")
        connected = psycopg.connect(target, autocommit=True)
        sealer = threading.Thread(target=_seal_on, args=(connected,))
        sealer.start()
        time.sleep(delay)
        # The postmaster, and the sealer's backend, which would go on without it to the end of the seal.
        postmaster = int((other_server.server.data_dir / "postmaster.pid").read_text().split()[0])
        for process in (postmaster, connected.info.backend_pid):
            os.kill(process, signal.SIGKILL)
        sealer.join()
        other_server.revive()
        with psycopg.connect(target, autocommit=True) as psql:
            assert findings(psql) == set(), "as it was left"
            sealed += seal_all(psql)
            assert findings(psql) == set()
            assert one(psql, EACH_IN_ONE_SEAL) is True
    assert sealed > 0, "no kill hit a sealer at work"


def _seal_on(psql: Connection) -> None:
    with suppress(psycopg.Error), psql:
        while True:
            psql.execute("insert into demo.things (size) values (1)")
            psql.execute("select audit.seal()")
