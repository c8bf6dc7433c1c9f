"""Records of the trail are deleted by an admin with a reason, on the record, and verification accepts exactly that."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from backstitch.accounts.permissions import Role
from backstitch.audit.deletion import delete_records
from backstitch.database import System
from backstitch.errors import Refused
from tests.conftest import Clone
from tests.db.audit.shop import open_shop
from tests.db.audit.tampering import findings, one, seal_all
from tests.db.trail import Connection, acting, assert_replay_matches, refused, wait_until_blocked, watched_table

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def psql(clone: Clone) -> Iterator[Connection]:
    """A hand at psql, and the records of a small shop."""
    open_shop(clone)
    with clone.superuser() as connection:
        yield connection


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_an_admin_deletes_with_a_reason_and_that_is_on_the_record(clone: Clone, psql: Connection) -> None:
    seal_all(psql)  # what another session of the server holds up is not deleted
    expected = one(psql, "select array_agg(id order by id) from audit.records where entity = 'ProductColor'")
    others = one(psql, "select count(*) from audit.records where entity <> 'ProductColor'")
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="tidy up") as connection:
        deleted = delete_records(connection, before=soon(), reason="older than the law asks", entities=["ProductColor"])
    assert deleted == len(expected) == 2
    assert one(psql, "select count(*) from audit.records") == others + 1
    action, person, operation, reason, details = (
        psql.execute(
            "select r.action, u.role, r.operation, r.reason, r.new_values from audit.records r "
            "join accounts.users u on u.id = r.user_id order by r.id desc limit 1"
        ).fetchone()
        or [None] * 5
    )
    assert (action, person, operation, reason) == ("AUDIT_DELETE", "admin", "tidy up", "older than the law asks")
    assert (details["records"], details["first_id"], details["last_id"]) == (2, expected[0], expected[-1])
    assert details["entities"] == ["ProductColor"]
    assert details["oldest"] <= details["newest"] < details["before"]
    assert len(details["digest"]) == 64
    seal_all(psql)
    assert findings(psql) == set()
    assert one(psql, "select deleted from audit.sealing_state()") == 2


def test_the_list_of_a_deletion_has_the_digests_from_which_the_leaves_follow(clone: Clone, psql: Connection) -> None:
    seal_all(psql)
    digests = "select array_agg((r.id, audit.record_digest(r)) order by r.id) from audit.records r"
    before = one(psql, digests + " where r.entity = 'InwardLog'")
    psql.execute("select audit.delete_records(now(), 'test', entities => '{InwardLog}')")
    listed = "select array_agg((i, d) order by i) from audit.deletions, unnest(record_ids, digests) l (i, d)"
    assert one(psql, listed) == before
    leaves = (
        "select bool_and(l.leaf = audit.leaf(l.blinding, d)) "
        "from audit.deletions, unnest(record_ids, digests) x (i, d) "
        "join audit.listed_leaves(1, '-infinity') l on l.record_id = i"
    )
    assert one(psql, leaves) is True


def test_the_owner_deletes_by_the_library_as_well(clone: Clone, psql: Connection) -> None:
    with clone.owner.transaction(System()) as connection:
        assert delete_records(connection, before=soon(), since=LONG_AGO, reason="moved to another system") > 5
    assert psql.execute("select action, user_id, operation from audit.records").fetchall() == [
        ("AUDIT_DELETE", None, "delete audit records")
    ]
    seal_all(psql)
    assert findings(psql) == set()


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ANALYST, Role.VIEWER])
def test_no_other_role_deletes(clone: Clone, psql: Connection, role: Role) -> None:
    with refused("42501"), acting(clone, role) as app:
        app.execute("select audit.delete_records(now(), 'test')")


def test_an_admins_database_role_without_an_admin_does_not_delete(clone: Clone, psql: Connection) -> None:
    with refused("42501", "signed_in_user"), clone.application() as app, app.transaction():
        app.execute("set local role backstitch_admin")
        app.execute("select audit.delete_records(now(), 'test')")
    with refused("42501", "signed_in_user"), acting(clone, Role.MANAGER) as app:
        app.execute("set local role backstitch_admin")
        app.execute("select audit.delete_records(now(), 'test')")
    with refused("42501", "signed_in_user"), acting(clone, Role.MANAGER) as app:
        app.execute("set local role backstitch_admin; set local backstitch.role = 'backstitch_admin'")
        app.execute("select audit.delete_records(now(), 'test')")


@pytest.mark.parametrize("reason", ["''", "'   '", "e'\\n\\t'", "null"])
def test_a_deletion_without_a_reason_is_refused(clone: Clone, psql: Connection, reason: str) -> None:
    with refused("23514", "audit_deletion_reason"), acting(clone, Role.ADMIN) as app:
        app.execute(f"select audit.delete_records(now(), {reason})")


def test_a_deletion_without_an_end_is_refused(clone: Clone, psql: Connection) -> None:
    with refused("22004", "audit_deletion_before"), acting(clone, Role.ADMIN) as app:
        app.execute("select audit.delete_records(null, 'test')")


def test_the_library_refuses_in_sentences(clone: Clone, psql: Connection) -> None:
    with (
        pytest.raises(Refused, match="the reason stays on the record") as caught,
        clone.app.transaction(clone.actor(Role.ADMIN)) as connection,
    ):
        delete_records(connection, before=soon(), reason=" ")
    assert caught.value.rule == "audit_deletion_reason"


def test_only_records_of_the_given_time_are_deleted(clone: Clone, psql: Connection) -> None:
    times = [row[0] for row in psql.execute("select distinct recorded_at from audit.records order by 1").fetchall()]
    first, last = times[2], times[4]
    kept = one(
        psql, "select count(*) from audit.records where not (recorded_at >= %s and recorded_at < %s)", first, last
    )
    with clone.app.transaction(clone.actor(Role.ADMIN)) as connection:
        assert delete_records(connection, before=last, since=first, reason="test") > 0
    assert one(psql, "select count(*) from audit.records where action <> 'AUDIT_DELETE'") == kept


def test_records_of_deletions_are_never_deleted(clone: Clone, psql: Connection) -> None:
    for _ in range(2):
        psql.execute("select audit.delete_records(now() + interval '1 hour', 'test')")
        seal_all(psql)
    assert one(psql, "select array_agg(new_values -> 'records' <> '0' order by id) from audit.records") == [True, False]
    assert findings(psql) == set()


def test_records_that_cannot_be_sealed_yet_are_not_deleted(clone: Clone, psql: Connection) -> None:
    with clone.superuser() as slow, slow.transaction():
        slow.execute("update inventory.products set name = 'slow'")
        psql.execute("update inventory.product_colors set color = 'Ruby' where colour_code = 'RED'")
        psql.execute("select audit.delete_records(now() + interval '1 hour', 'test')")
    seal_all(psql)
    actions = psql.execute("select action from audit.records order by id").fetchall()
    assert sorted(actions) == [("AUDIT_DELETE",), ("UPDATE",)]
    assert one(psql, "select new_values ->> 'name' from audit.records where action = 'UPDATE'") == "slow"
    assert findings(psql) == set()


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit.records set reason = 'x' where id = 3",
        "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, new_values) "
        "select recorded_at, transaction_id, action, entity, source, database_role, new_values "
        "from audit.records where id = 3",
        "insert into audit.records (id, recorded_at, transaction_id, action, entity, source, database_role, "
        "new_values) select id, recorded_at + interval '1 us', transaction_id, action, entity, source, database_role, "
        "new_values from audit.records where id = 3",
    ],
)
def test_a_deletion_covers_up_no_tampering(clone: Clone, psql: Connection, tampering: str) -> None:
    seal_all(psql)
    psql.execute(tampering)
    before = findings(psql)
    with refused("XX001", "audit_deletion_as_sealed"), acting(clone, Role.ADMIN) as app:
        app.execute("select audit.delete_records(now(), 'test')")
    assert findings(psql) == before != set()


def test_a_deletion_by_hand_is_found_beside_one_on_the_record(clone: Clone, psql: Connection) -> None:
    psql.execute("select audit.delete_records(now(), 'test', entities => '{ProductColor}')")
    seal_all(psql)
    expected = one(psql, "delete from audit.records where entity = 'InwardLog' returning id")
    assert findings(psql) == {("missing_record", expected)}


def test_a_rolled_back_deletion_leaves_everything(clone: Clone, psql: Connection) -> None:
    seal_all(psql)
    records = one(psql, "select count(*) from audit.records")
    with psql.transaction(force_rollback=True):
        assert one(psql, "select audit.delete_records(now(), 'test')") > 0
        assert findings(psql) == set(), "what verification sees of its own transaction is consistent, too"
    assert one(psql, "select count(*) from audit.records") == records
    assert findings(psql) == set()


def test_deletions_and_sealers_at_once_take_turns(clone: Clone, psql: Connection) -> None:
    with clone.superuser() as other, psql.transaction():
        psql.execute("select audit.delete_records(now(), 'test', entities => '{ProductColor}')")
        other.execute("update inventory.products set name = 'meanwhile'")
        assert one(other, "select audit.seal()") == 0
        other.execute("set lock_timeout = '10ms'")
        with refused("55P03"):
            other.execute("select audit.delete_records(now(), 'test')")
    seal_all(psql)
    assert findings(psql) == set()


def test_what_is_left_of_the_trail_still_rebuilds_every_table(clone: Clone, psql: Connection) -> None:
    watched_table(psql, "id int primary key, name text")
    psql.execute("insert into demo.things select n, 'first' from generate_series(1, 4) n")
    psql.execute("update demo.things set name = 'second' where id > 1; delete from demo.things where id = 4")
    middle = one(psql, "select clock_timestamp()")
    psql.execute("update demo.things set name = 'third' where id > 2; insert into demo.things values (4, 'again')")
    late = one(psql, "select clock_timestamp()")
    psql.execute("delete from demo.things where id = 3")
    baselines = (
        "select array_agg((entity_id, row_values) order by entity_id) from audit.baselines where entity = 'Thing'"
    )
    assert_replay_matches(psql)

    seal_all(psql)
    psql.execute("select audit.delete_records(%s, 'from the middle', since => %s)", (late, middle))
    assert_replay_matches(psql)
    psql.execute("select audit.delete_records(%s, 'the beginning')", (middle,))
    assert_replay_matches(psql)
    assert one(psql, baselines) == [
        ("1", '{"id": 1, "name": "first"}'),
        ("2", '{"id": 2, "name": "second"}'),
        ("3", '{"id": 3, "name": "third"}'),
        ("4", '{"id": 4, "name": "again"}'),
    ]
    psql.execute("select audit.delete_records(now() + interval '1 hour', 'everything')")
    assert [row[0] for row in one(psql, baselines)] == ["1", "2", "4"], "of a row that is gone nothing is left"
    psql.execute("update demo.things set name = 'last'")
    assert_replay_matches(psql)
    seal_all(psql)
    assert findings(psql) == set()


def test_a_baseline_that_was_altered_is_found(clone: Clone, psql: Connection) -> None:
    seal_all(psql)
    psql.execute("select audit.delete_records(now() + interval '1 hour', 'test')")
    seal_all(psql)
    deletion = one(psql, "select max(id) from audit.records where action = 'AUDIT_DELETE'")
    assert findings(psql) == set()
    for tampering in (
        "update audit.baselines set row_values = row_values || '{\"name\": \"X\"}' where entity = 'Product'",
        "delete from audit.baselines where entity = 'Product'",
        "insert into audit.baselines values ('Product', 77, 77, '{}')",
    ):
        with psql.transaction(force_rollback=True):
            psql.execute(tampering)
            assert findings(psql) == {("altered_deletion", deletion)}


def test_personal_values_go_with_the_last_record_that_has_them(clone: Clone, psql: Connection) -> None:
    user = one(psql, "select id from accounts.users where role = 'viewer'")
    psql.execute("update accounts.users set name = 'Old Name' where id = %s", (user,))
    psql.execute("update accounts.users set name = 'New Name' where id = %s", (user,))
    kept = (
        "select array_agg(value #>> '{}' order by id) from audit.personal_values "
        "where entity_id = %s and field = 'name'"
    )
    assert one(psql, kept, user)[-2:] == ["Old Name", "New Name"]
    seal_all(psql)
    psql.execute("select audit.delete_records(now() + interval '1 hour', 'asked to')")
    assert one(psql, kept, user) == ["New Name"]
    assert_replay_matches(psql)


def test_a_personal_value_that_somebody_takes_up_again_at_that_moment_stays(clone: Clone) -> None:
    named = "update accounts.users set name = %s where role = 'viewer'"
    with clone.superuser() as psql, clone.superuser() as other, clone.superuser() as late, ThreadPoolExecutor() as pool:
        for name in ("Earlier", "Later"):
            psql.execute(named, (name,))
        seal_all(psql)
        with other.transaction():
            # The name of before, and its reference; the records that had it go meanwhile.
            other.execute(named, ("Earlier",))
            psql.execute("select audit.delete_records(now(), 'test')")
        assert one(psql, "select new_values ->> 'name' from audit.trail where entity = 'User'") == "Earlier"
        assert_replay_matches(psql)

        # The other way round: who comes while the deletion is under way waits, and gets a reference of his own.
        psql.execute(named, ("Last",))
        seal_all(psql)
        with psql.transaction():
            psql.execute("select audit.delete_records(now() + interval '1 hour', 'test')")
            waiting = pool.submit(late.execute, named, ("Earlier",))
            wait_until_blocked(other, late.info.backend_pid)
        waiting.result(timeout=20)
        assert one(psql, "select new_values ->> 'name' from audit.trail where entity = 'User'") == "Earlier"
        assert_replay_matches(psql)
