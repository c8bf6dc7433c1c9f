"""A record written after the time that it has is named, in whatever way it got its seal; an honest late one is not."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from backstitch.audit.findings import Kind
from tests.conftest import Clone
from tests.db.audit.tampering import findings, make_history, one, seal_all, verification
from tests.db.trail import Connection, watched_table

PLANTED = (
    "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, application, "
    "new_values) values (%s, {transaction}, 'CREATE', 'Customer', 'SQL', 'x', %s, '{{\"id\": 1}}') returning id"
)
PRESENT = "pg_current_xact_id()::text::bigint"


@pytest.fixture
def psql(clone: Clone) -> Iterator[Connection]:
    """A hand at psql, on a sealed history."""
    with clone.superuser() as connection:
        make_history(connection, rounds=3)
        yield connection


SEAL_TIMES = """
do $$
declare
    s audit.seals;
    before audit.seals;
begin
    for s in select * from audit.seals order by id loop
        s.previous := coalesce(before.hash, s.previous);
        s.sealed_at := s.sealed_at + {later};
        s.hash := audit.seal_hash(s, e) from audit.eras e where e.era = s.era;
        s.nodes := audit.completed_nodes(s.id, s.hash);
        update audit.seals set previous = s.previous, sealed_at = s.sealed_at, hash = s.hash, nodes = s.nodes
        where id = s.id;
        before := s;
    end loop;
end
$$
"""


def seal_later(psql: Connection, later: str) -> None:
    """Makes the seals anew, each with a later time: an interval made from its row `s`."""
    psql.execute(SEAL_TIMES.format(later=later))


def plant(psql: Connection, ago: timedelta, transaction: str = PRESENT, application: str | None = None) -> int:
    """A record of a time of the past, with a number that no seal has seen; its id."""
    at = one(psql, "select clock_timestamp()") - ago
    return int(one(psql, PLANTED.format(transaction=transaction), at, application))


@pytest.mark.parametrize("ago", [timedelta(seconds=40), timedelta(days=40), timedelta(days=4000)])
def test_a_record_of_the_past_in_a_transaction_of_today_is_named_before_and_after_its_seal(
    psql: Connection, ago: timedelta
) -> None:
    planted = plant(psql, ago)
    assert findings(psql) == {("backdated_record", planted)}
    seal_all(psql)
    (finding,) = verification(psql).findings
    assert (finding.kind, finding.record) == (Kind.BACKDATED_RECORD, planted)
    assert str(finding).startswith(
        f"Record {planted} was written after the time that it has: CREATE Customer, recorded "
    )
    for _ in range(3):
        psql.execute("insert into demo.things (name) values ('goes on')")
        seal_all(psql)
    assert findings(psql) == {("backdated_record", planted)}


def test_steps_of_the_clock_are_allowed_for(psql: Connection) -> None:
    psql.execute("insert into demo.things (name) values ('a')")
    seal_all(psql)
    began = one(psql, "select max(sealed_at) from audit.seals")
    within, beyond = (
        one(psql, PLANTED.format(transaction=PRESENT), began - timedelta(seconds=5, microseconds=more), None)
        for more in (0, 1)
    )
    assert findings(psql) == {("backdated_record", beyond)}
    seal_all(psql)
    assert within < beyond
    assert findings(psql) == {("backdated_record", beyond)}


@pytest.mark.parametrize("launder", ["swap of the server", "swap of the database", "number of the future"])
def test_an_era_begun_by_deceit_launders_no_planted_record(psql: Connection, launder: str) -> None:
    planted = plant(psql, timedelta(days=40), "(select max(to_transaction) + 1000000 from audit.seals)")
    assert findings(psql) == {("added_record", planted)}
    if launder != "number of the future":
        function = "system_identifier" if launder == "swap of the server" else "database_oid"
        body = one(psql, "select pg_get_functiondef(%s::regprocedure)", f"audit.{function}()")
        psql.execute(
            f"create or replace function audit.{function}() returns bigint language sql as 'select 77::bigint'"
        )
        psql.execute("select audit.begin_era('{}', null)")
        psql.execute(body)
        psql.execute("select audit.begin_era('{}', null)")
        assert one(psql, "select max(era) from audit.eras") == 3
    else:
        psql.execute(
            "select audit.seal_round(1::smallint, clock_timestamp(), transaction_id + 1, '{}') "
            "from audit.records where id = %s",
            (planted,),
        )
    assert one(psql, "select count(*) from audit.seals where %s = any (record_ids)", planted) == 1, "it has a seal now"
    assert ("backdated_record", planted) in findings(psql)


def test_a_long_transaction_is_no_finding(clone: Clone, psql: Connection) -> None:
    with clone.superuser() as slow, slow.transaction():
        slow.execute("insert into demo.things (name) values ('long ago')")
        psql.execute("insert into demo.things (name) values ('meanwhile')")
        psql.execute("select audit.seal()")
        # As if that seal were of an hour later.
        seal_later(psql, "case when s.id = (select max(id) from audit.seals) then interval '1 hour' else '0' end")
        slow.execute("insert into demo.things (name) values ('still at it')")
    assert findings(psql) == set()
    seal_all(psql)
    assert findings(psql) == set()
    psql.execute("insert into demo.things (name) values ('began after it')")
    assert findings(psql) == {("backdated_record", one(psql, "select max(id) from audit.records"))}


def test_a_record_in_a_seal_of_another_round_is_named(psql: Connection) -> None:
    """Whoever can write seals can add one to the end that no checkpoint of before contradicts."""
    checkpoint = one(psql, "select checkpoint from audit.checkpoint()")
    planted = one(
        psql,
        "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, new_values) "
        "select recorded_at, transaction_id, 'CREATE', entity, source, database_role, '{}' "
        "from audit.records where entity = 'Thing' order by id limit 1 returning id",
    )
    psql.execute(
        "do $$ declare s audit.seals; e audit.eras; begin "
        "select * into s from audit.seals order by id desc limit 1; select * into e from audit.eras; "
        f"s.id := s.id + 1; s.previous := s.hash; s.record_ids := array[{planted}]; s.record_count := 1; "
        "s.leaves := (select audit.leaves(s.record_ids, array[audit.record_digest(r)], s.salt) from audit.records r "
        f"where r.id = {planted}); "
        "s.root := audit.merkle_root(s.leaves); s.hash := audit.seal_hash(s, e); "
        "s.nodes := audit.completed_nodes(s.id, s.hash); insert into audit.seals select s.*; end $$"
    )
    (finding,) = verification(psql, checkpoint).findings
    assert (finding.kind, finding.record) == (Kind.ADDED_RECORD, planted)
    assert finding.detail is not None and finding.detail.endswith("its seal is of another round than its transaction")


# Seals of before ----------------------------------------------------------------------------------


def test_a_round_of_before_whose_seals_have_each_their_time_gives_no_alarm(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id bigint generated always as identity primary key, size int")
        psql.execute("insert into demo.things (size) select i from generate_series(1, 8200) i")
        seal_all(psql)
        # Sealing took a while, and its first seal was made when all records had been read: 8 seconds each.
        seal_later(psql, "s.id * interval '8 seconds'")
        psql.execute("insert into demo.things (size) values (0)")
        assert findings(psql) == set()
        planted = plant(psql, timedelta(minutes=5))
        assert findings(psql) == {("backdated_record", planted)}


def test_all_seals_of_a_round_have_one_time_from_before_its_snapshot(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id bigint generated always as identity primary key, size int")
        psql.execute("insert into demo.things (size) select i from generate_series(1, 8200) i")
        before = one(psql, "select clock_timestamp()")
        with psql.transaction():
            psql.execute("select audit.seal()")
            inside = one(psql, "select clock_timestamp()")
        times = one(psql, "select array_agg(distinct sealed_at) from audit.seals")
        assert len(times) == 1
        assert before < times[0] < inside
        seal_all(psql)
        # The sealer that another session holds up has the time of its own round, and so has a deletion.
        psql.execute("select audit.delete_records(now() + interval '1 hour', 'test')")
        assert findings(psql) == set()


# The demo's records of the past -------------------------------------------------------------------

STATE = "select audit.record_activity('MAINTENANCE', 'DemoData', null, jsonb_build_object('state', %s::text))"


def demo(psql: Connection, *, loaded: bool = True) -> list[int]:
    """What a load leaves in the trail, some of it in the past; the ids."""
    ids = []
    psql.execute(STATE, ("begun",))
    for days in (700, 2):
        ids.append(plant(psql, timedelta(days=days), application="backstitch demo"))
    if loaded:
        psql.execute(STATE, ("loaded",))
    return ids


def test_a_demo_that_is_loaded_after_the_first_seal_gives_no_alarm_and_no_wait(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("truncate audit.records")
        psql.execute("insert into inventory.reason_policies (entity, field) values ('Agency', 'name')")
        seal_all(psql)
        demo(psql)
        seal_all(psql)
        found = verification(psql)
        assert found.findings == ()
        assert found.longest_wait is not None and found.longest_wait < timedelta(days=1)
        late = plant(psql, timedelta(days=2), application="backstitch demo")
        assert findings(psql) == {("backdated_record", late)}


def test_nobody_calls_a_record_of_the_past_a_demo_where_people_have_worked(clone: Clone, psql: Connection) -> None:
    psql.execute("update audit.records set user_id = 1 where id = (select min(id) from audit.records)")
    psql.execute("truncate audit.seals")
    seal_all(psql)
    assert findings(psql) == set()
    planted = demo(psql)
    assert findings(psql) == {("backdated_record", record) for record in planted}


# The length of the window -------------------------------------------------------------------------


def test_verification_says_how_long_a_record_waited_for_its_seal(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id bigint generated always as identity primary key, size int")
        psql.execute("update audit.records set recorded_at = recorded_at - interval '3 hours' where id = 9")
        psql.execute("insert into demo.things (size) values (1)")
        assert verification(psql).longest_wait is None
        seal_all(psql)
        found = verification(psql)
        assert found.findings == ()
        assert found.longest_wait is not None
        assert timedelta(hours=3) <= found.longest_wait < timedelta(hours=6)
