"""One user does not stop the others: limits of time, connections of their own, questions that are given up."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import text

from backstitch import database as database_module
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.audit import sealing
from backstitch.database import Database
from backstitch.errors import Abandoned, Refused
from backstitch.queues import Limits
from tests.conftest import APP_PASSWORD, Clone

SLOW = text("select pg_sleep(30)")
RUNNING = "select count(*) from pg_stat_activity where datname = current_database() and query like 'select pg_sleep%'"


def opened(clone: Clone, limits: Limits, pool_size: int = 10) -> Database:
    url = clone.url.set(username="backstitch_app", password=APP_PASSWORD)
    return Database(url.render_as_string(hide_password=False), limits=limits, pool_size=pool_size)


@pytest.fixture
def quick(kept_clone: Clone) -> Iterator[Database]:
    """A database whose statements have a second each."""
    made = opened(kept_clone, Limits(heavy_seconds=1))
    yield made
    made.dispose()


def test_a_question_that_takes_too_long_is_stopped_with_a_sentence_that_says_what_to_ask(
    quick: Database, kept_clone: Clone
) -> None:
    actor = kept_clone.actor(Role.ANALYST)
    with pytest.raises(Refused) as refused, quick.heavy(actor, user=1) as connection:
        connection.execute(SLOW)
    assert refused.value.rule == "too_long"
    assert str(refused.value) == (
        "This took longer than 1 seconds and was stopped. Choose a shorter period or a record type, or try again when "
        "less is going on."
    )
    with pytest.raises(Refused) as refused, quick.read(actor) as connection:
        connection.execute(SLOW)
    assert refused.value.rule == "too_long"
    with quick.read(actor) as connection:
        assert connection.execute(text("select 1")).scalar_one() == 1


def test_the_limits_end_with_the_transaction(kept_clone: Clone) -> None:
    database = opened(kept_clone, Limits(), pool_size=1)
    actor, show = kept_clone.actor(Role.MANAGER), "select current_setting('{}')"
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

    def shown(connection: object) -> list[str]:
        return [connection.execute(text(show.format(name))).scalar_one() for name in names]  # type: ignore[attr-defined]

    with database.read(actor) as connection:
        assert shown(connection) == ["10s", "10s", "1min"]
    with database.heavy(actor, user=1) as connection:
        assert shown(connection) == ["30s", "10s", "15min"]
    with database.transaction(actor) as connection:
        assert shown(connection) == ["0", "10s", "1min"]
    with database.anonymous() as connection:
        assert shown(connection) == ["0", "10s", "1min"]
    with database.owner_connection() as connection:
        assert shown(connection) == ["0", "0", "0"]
    database.dispose()


def test_a_write_waits_for_a_lock_as_long_as_it_may_and_says_so(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_SECONDS", 1)
    with clone.superuser() as psql, psql.transaction():
        psql.execute("lock table inventory.customers")
        with (
            pytest.raises(Refused) as refused,
            clone.app.transaction(clone.actor(Role.MANAGER), operation="add customer") as connection,
        ):
            connection.execute(text("insert into inventory.customers (store_name) values ('Bandra')"))
    assert (refused.value.rule, str(refused.value)) == (
        "55P03",
        "Somebody is changing the same records. Nothing was saved; try again in a moment.",
    )


def test_a_transaction_that_sends_nothing_is_ended_by_the_server(
    kept_clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "IDLE_SECONDS", 1)
    kept_clone.app.dispose()
    with (
        pytest.raises(Refused) as refused,
        kept_clone.app.transaction(kept_clone.actor(Role.MANAGER)) as connection,
        kept_clone.superuser() as psql,
    ):
        (pid,) = connection.execute(text("select pg_backend_pid()")).one()
        while psql.execute("select 1 from pg_stat_activity where pid = %s", [pid]).fetchone():
            time.sleep(0.05)
        connection.execute(text("select 1"))
    assert refused.value.rule == "database_unreachable"


def test_one_user_cannot_take_all_connections_of_the_pages(kept_clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "POOL_SECONDS", 0.3)
    database = opened(kept_clone, Limits(), pool_size=2)
    crowd, viewer, end = kept_clone.actor(Role.ANALYST), kept_clone.actor(Role.VIEWER), threading.Event()
    holding = threading.Barrier(3)

    def hold() -> None:
        with database.read(crowd):
            holding.wait(10)
            end.wait(10)

    holders = [threading.Thread(target=hold) for _ in range(2)]
    for holder in holders:
        holder.start()
    holding.wait(10)
    with pytest.raises(Refused) as refused, database.read(crowd):
        pytest.fail("the crowd had a third connection")
    with database.read(viewer), database.read(viewer) as nested:
        assert nested.execute(text("select 1")).scalar_one() == 1
    end.set()
    for holder in holders:
        holder.join()
    assert refused.value.rule == "busy"
    database.dispose()


def test_while_all_connections_of_the_pages_are_taken_sessions_and_seals_go_on(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "POOL_SECONDS", 0.3)
    database = opened(clone, Limits(), pool_size=1)
    sealer = database.apart(application="backstitch seal")
    with ExitStack() as crowd:
        for role in (Role.ANALYST, Role.MANAGER):
            crowd.enter_context(database.read(clone.actor(role)))
            database_module._has_place.set(False)
        with pytest.raises(Refused) as refused, database.read(clone.actor(Role.VIEWER)):
            pytest.fail("there was a connection")
        assert refused.value.rule == "busy"
        assert sessions.mark_seen(database, clone.actor(Role.VIEWER))
        with database.session(clone.actor(Role.VIEWER)) as connection:
            assert sessions.current_user(connection) is not None
        with database.heavy(clone.actor(Role.ADMIN), user=1) as connection:
            connection.execute(text("select 1"))
        assert sealing.seal(sealer) > 0
    for pool in (database, sealer):
        pool.dispose()


def test_an_abandoned_question_is_cancelled_in_the_database_and_its_connection_thrown_away(
    kept_clone: Clone,
) -> None:
    database = opened(kept_clone, Limits(heavy_at_once=1, heavy_per_user=1))
    actor, abandoned, pids = kept_clone.actor(Role.ANALYST), threading.Event(), []
    with (
        pytest.raises(Abandoned),
        database.heavy(actor, user=1, abandoned=abandoned.is_set) as connection,
    ):
        pids.append(connection.execute(text("select pg_backend_pid()")).scalar_one())
        threading.Thread(target=when_it_runs, args=(kept_clone, abandoned)).start()
        connection.execute(SLOW)
    with kept_clone.superuser() as psql:
        assert psql.execute(RUNNING).fetchone() == (0,)
    # The place is free again, and the next one has a connection of its own.
    with database.heavy(actor, user=1, abandoned=lambda: False) as connection:
        assert connection.execute(text("select pg_backend_pid()")).scalar_one() not in pids
    database.dispose()


def when_it_runs(clone: Clone, event: threading.Event) -> None:
    """Sets the event as soon as the slow question runs."""
    with clone.superuser() as psql:
        while psql.execute(RUNNING).fetchone() == (0,):
            time.sleep(0.01)
    event.set()


def test_a_question_whose_answer_is_being_used_ends_as_abandoned_too(kept_clone: Clone) -> None:
    left = threading.Event()
    with (
        pytest.raises(Abandoned),
        kept_clone.app.heavy(kept_clone.actor(Role.ANALYST), user=1, abandoned=lambda: bool(left.set()) or True),
    ):
        left.wait(10)
    with pytest.raises(KeyError), kept_clone.app.heavy(kept_clone.actor(Role.ANALYST), user=1, abandoned=lambda: False):
        raise KeyError("an error of the page stays what it is")


def test_at_the_limit_of_the_login_the_answer_is_a_sentence(clone: Clone) -> None:
    clone.app.dispose()
    with clone.superuser() as psql:
        used = psql.execute("select count(*) from pg_stat_activity where usename = 'backstitch_app'").fetchone()
        assert used is not None
        psql.execute(psycopg.sql.SQL("alter role backstitch_app connection limit {}").format(used[0]))
        try:
            with pytest.raises(Refused) as refused, clone.app.read(clone.actor(Role.VIEWER)):
                pytest.fail("there was a connection")
        finally:
            psql.execute("alter role backstitch_app connection limit -1")
    assert refused.value.rule == "database_unreachable"
    assert "no connection free" in str(refused.value)
