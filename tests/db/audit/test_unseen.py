"""What nothing inside the database can see, acted out: docs/audit.md says each of these sentences."""

from collections.abc import Iterator

import pytest

from backstitch import doctor
from backstitch.accounts.permissions import Role
from backstitch.audit import integrity
from tests.conftest import Clone
from tests.db.audit.shop import Shop, open_shop
from tests.db.audit.tampering import findings, one, seal_all
from tests.db.trail import Connection, assert_replay_matches

MINE = "transaction_id = pg_current_xact_id()::text::bigint"


@pytest.fixture
def shop(clone: Clone) -> Shop:
    """A small shop."""
    return open_shop(clone)


@pytest.fixture
def psql(shop: Shop) -> Iterator[Connection]:
    """A hand at psql, on its sealed trail."""
    with shop.clone.superuser() as connection:
        seal_all(connection)
        yield connection


def assert_nobody_sees(shop: Shop, psql: Connection) -> None:
    """Verify, replay and doctor have nothing to say."""
    seal_all(psql)
    assert integrity.verify(shop.clone.watch).findings == ()
    assert_replay_matches(psql)
    with shop.clone.owner.anonymous() as connection:
        assert [found for found in doctor.findings(connection) if found.severity == "error"] == []


def test_a_change_whose_record_goes_in_the_same_transaction_replay_alone_names(shop: Shop, psql: Connection) -> None:
    with psql.transaction():
        psql.execute("update inventory.products set unit_price = 1")
        psql.execute(f"delete from audit.records where {MINE}")
    seal_all(psql)
    assert findings(psql) == set()
    with pytest.raises(AssertionError):
        assert_replay_matches(psql)


def test_a_change_and_its_way_back_without_their_records_nobody_sees(shop: Shop, psql: Connection) -> None:
    for away, back in (
        ("update inventory.products set unit_price = 1", "update inventory.products set unit_price = 549.00"),
        (
            "insert into inventory.customers (store_name) values ('Nowhere')",
            "delete from inventory.customers where store_name = 'Nowhere'",
        ),
    ):
        for statement in (away, back):
            with psql.transaction():
                psql.execute(statement)
                psql.execute(f"delete from audit.records where {MINE}")
    assert_nobody_sees(shop, psql)


def test_a_record_that_is_rewritten_in_its_own_transaction_nobody_sees(shop: Shop, psql: Connection) -> None:
    manager = one(psql, "select id from accounts.users where role = 'manager'")
    with psql.transaction():
        psql.execute("update inventory.products set name = 'Tights'")
        psql.execute(f"update audit.records set user_id = %s, source = 'page' where {MINE}", (manager,))
    assert_nobody_sees(shop, psql)
    assert one(psql, "select user_id from audit.records order by id desc limit 1") == manager


def test_a_record_can_be_rewritten_unseen_until_its_seal_and_never_after(shop: Shop, psql: Connection) -> None:
    shop.run("update inventory.products set name = 'Tights'")
    rewrite = "update audit.records set user_id = 1, reason = 'asked to' where id = (select max(id) from audit.records)"
    psql.execute(rewrite)
    assert_nobody_sees(shop, psql)
    shop.run("update inventory.products set name = 'Leggings'")
    seal_all(psql)
    psql.execute(rewrite)
    last = one(psql, "select max(id) from audit.records")
    assert findings(psql) == {("altered_record", last)}


def test_for_as_long_as_sealing_is_held_up_the_window_is_open_and_its_length_is_told(
    shop: Shop, psql: Connection
) -> None:
    with shop.clone.superuser() as holder, holder.transaction():
        holder.execute("select pg_advisory_xact_lock(audit.sealing_lock())")
        shop.run("update inventory.products set name = 'Tights'", role=Role.ADMIN)
        assert one(psql, "select audit.seal()") == 0
        psql.execute("update audit.records set reason = 'rewritten' where id = (select max(id) from audit.records)")
        first, later = integrity.waiting(shop.clone.watch), integrity.waiting(shop.clone.watch)
        assert (first.records, first.since) == (1, later.since)
        assert first.age is not None and later.age is not None and later.age > first.age
    assert_nobody_sees(shop, psql)
    longest = integrity.verify(shop.clone.watch).longest_wait
    assert longest is not None and longest > later.age


def test_a_record_that_is_added_with_the_time_of_now_nobody_sees(shop: Shop, psql: Connection) -> None:
    psql.execute(
        "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, user_id, "
        "new_values) values (clock_timestamp(), pg_current_xact_id()::text::bigint, 'EXPORT', 'AuditReport', 'page', "
        "'backstitch_app', 1, '{}')"
    )
    assert_nobody_sees(shop, psql)


def test_a_chain_made_anew_only_a_checkpoint_from_elsewhere_shows(shop: Shop, psql: Connection) -> None:
    kept = integrity.verify(shop.clone.watch).status.checkpoint
    assert kept is not None
    psql.execute("update audit.records set reason = 'another' where id = (select max(id) from audit.records)")
    psql.execute("truncate audit.seals")
    assert_nobody_sees(shop, psql)
    assert findings(psql, str(kept)) == {("other_seal", kept.size)}
