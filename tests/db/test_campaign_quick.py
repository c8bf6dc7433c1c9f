"""The campaign of random SQL as a state machine, small enough for each run of the tests: SAFETY row 2.

The long one is bench/campaigns/random_sql.py; docs/campaigns.md has its figures.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from psycopg import sql
from sqlalchemy import URL

from backstitch.startup import conninfo
from bench.campaigns import checks, random_sql, session, shop, statements
from bench.campaigns.session import Ledger, Session
from bench.campaigns.shop import Shop
from tests.conftest import APP_PASSWORD, Clone
from tests.db.trail import watched_table

Maker = Callable[[], AbstractContextManager[Shop]]
totals: Counter[tuple[str, str]] = Counter()  # what the statements of all examples came to

seeds = st.integers(0, 2**32 - 1)
who = st.integers(0, 3)


@pytest.fixture
def shops(server_url: URL, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    """Makes shops, each a database of its own."""
    monkeypatch.setattr(shop, "APP_PASSWORD", APP_PASSWORD)
    clone.app.dispose()
    clone.owner.dispose()
    with clone.superuser() as psql:
        people = shop.sign_everybody_in(psql)
        session.prepare(psql)
        shop.fill_matrix(psql, products=6)
    numbers = iter(range(1000))

    @contextmanager
    def make() -> Iterator[Shop]:
        name = f"{clone.url.database}_{next(numbers)}"
        with psycopg.connect(conninfo(server_url), autocommit=True) as psql:
            psql.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(clone.url.database or "")
                )
            )
            try:
                yield Shop(server_url.set(database=name), people)
            finally:
                psql.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    yield make


def machine(shops: Maker) -> type[RuleBasedStateMachine]:
    """Two sessions of the application and two superusers, interleaved statement by statement."""

    class RandomSql(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.context = shops()
            self.place = self.context.__enter__()
            self.ledger = Ledger()
            with self.place.superuser() as psql:
                (self.before,) = psql.execute("select max(id) from audit.records").fetchone() or (0,)
            self.sessions: list[Session] = random_sql.sessions(self.place, self.ledger, application=2, superusers=2)
            for one in self.sessions:  # whose lock holder waits for this very thread
                one.connection.execute("set lock_timeout = '5ms'")

        @rule(number=who, kind=st.sampled_from(statements.KINDS), seed=seeds)
        def statement(self, number: int, kind: str, seed: int) -> None:
            self.sessions[number].statement(kind, random.Random(seed))

        @rule(number=who, kind=st.sampled_from(statements.KINDS), seed=seeds)
        def statement_in_a_savepoint(self, number: int, kind: str, seed: int) -> None:
            self.sessions[number].savepoint()
            self.sessions[number].statement(kind, random.Random(seed))

        @rule(number=who, ending=st.sampled_from(["commit", "commit", "rollback", "back", "release"]))
        def end(self, number: int, ending: str) -> None:
            one = self.sessions[number]
            if ending in ("back", "release"):
                one.back() if ending == "back" else one.release()
            else:
                one.end(commit=ending == "commit")

        @rule(number=who, seed=seeds, what=st.sampled_from([Session.setting, Session.other_person]))
        def change(self, number: int, seed: int, what: Callable[[Session, random.Random], None]) -> None:
            what(self.sessions[number], random.Random(seed))

        def teardown(self) -> None:
            try:
                for one in self.sessions:
                    one.end(commit=True)
                with self.place.superuser() as psql:
                    found = random_sql.inspect(psql, [self.ledger], self.before)
                assert not any(found.values()), found
                totals.update(self.ledger.outcomes)
            finally:
                for one in self.sessions:
                    one.connection.close()
                self.context.__exit__(None, None, None)

    return RandomSql


def test_the_trail_rebuilds_the_tables_after_random_sql_in_four_sessions(shops: Maker) -> None:
    totals.clear()
    run_state_machine_as_test(
        machine(shops),
        settings=settings(
            max_examples=12,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert sum(number for (_, outcome), number in totals.items() if outcome == "done") > 100
    assert {kind for kind, _ in totals} >= {"insert", "upsert", "merge", "copy", "truncate", "cascade", "movement"}


def test_the_campaign_finds_a_record_that_is_missing_and_one_of_the_wrong_user(shops: Maker) -> None:
    with shops() as place, place.superuser() as psql:
        (before,) = psql.execute("select max(id) from audit.records").fetchone() or (0,)
        ledger = Ledger()
        (one,) = random_sql.sessions(place, ledger, application=1, superusers=0)
        one.people = place.writers()
        dice = random.Random(1)
        while not ledger.entries:
            one.statement("movement", dice)
            one.end(commit=True)
        one.connection.close()
        assert not any(random_sql.inspect(psql, [ledger], before).values())
        psql.execute("update audit.records set user_id = user_id + 1 where id > %s", (before,))
        assert ledger.wrong_actors(psql, before)
        psql.execute("delete from audit.records where id = (select max(id) from audit.records)")
        assert checks.replay_differences(psql)
        psql.execute("update inventory.product_color_stocks set quantity = quantity + 1 where id = 1")
        assert checks.unbalanced(psql)


TWICE = {
    "keys that move up within one update, on a table whose foreign key cascades": (
        "insert into demo.things values (2, null, 'b'), (1, null, 'a')",
        "update demo.things set id = id + 1",
    ),
    "two foreign keys that change one row in one statement": (
        "insert into demo.parents values (100), (101); insert into demo.things (id, a, b) values (1, 101, 100)",
        "delete from demo.parents where id in (100, 101)",
    ),
    "a writable CTE that is not read to its end and fires its triggers last": (
        "insert into demo.things values (1, null, 'a'), (2, null, 'b')",
        "with gone as (delete from demo.things returning *) insert into demo.things (id) select id from gone limit 1",
    ),
}


@pytest.mark.parametrize("statement", TWICE)
def test_a_statement_that_changes_a_row_twice_is_replayed(clone: Clone, statement: str) -> None:
    """Found by the campaign of 2026-11-23, and left out of it; the records of two of them are in reverse order."""
    with clone.superuser() as psql:
        watched_table(psql, "id int primary key", "parents", "GapParent")
        watched_table(
            psql,
            "id int primary key, a int references demo.parents on delete cascade, note text, "
            "b int references demo.parents on update cascade on delete set null",
            "things",
            "GapThing",
        )
        for statements_of_one in TWICE[statement]:
            psql.execute(statements_of_one)  # type: ignore[call-overload]
        assert checks.replay_differences(psql) == []
        # A record that is gone is still noticed among those that come in any order.
        psql.execute(
            "delete from audit.records where id = (select max(id) from audit.records where entity = 'GapThing')"
        )
        assert checks.replay_differences(psql)


def test_the_figures_of_the_campaigns_name_no_machine(project: Path) -> None:
    page = (project / "docs" / "campaigns.md").read_text()
    assert not [word for word in ("/work", "/tmp/", "hostname") if word in page]
