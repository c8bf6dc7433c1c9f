"""The demo data: a business through the doors of real work, whose trail holds in every respect, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import URL, text

from backstitch import __main__, doctor, startup
from backstitch.accounts import users
from backstitch.accounts.permissions import Role
from backstitch.audit import integrity, replay
from backstitch.database import Database, System
from backstitch.demo import first_start, fixtures
from backstitch.demo import loader as demo_loader
from backstitch.demo import steps as demo_steps
from backstitch.errors import Refused
from backstitch.postgres.server import Lease
from backstitch.settings import Settings
from backstitch.startup import Service
from tests.conftest import APP_PASSWORD, WATCH_PASSWORD, Clone

DAYS = 40

OUT_OF_ORDER = """
    select count(*) from (
        select recorded_at < lag(recorded_at) over w or transaction_id < lag(transaction_id) over w as wrong
        from audit.records where application = 'backstitch demo' window w as (order by id)) r
    where wrong
"""
TOLD = """
    select array_agg(distinct action::text order by action::text), count(distinct user_id),
           bool_and((recorded_at at time zone 'Asia/Kolkata')::time between '08:00' and '23:00'),
           (max(recorded_at) at time zone 'Asia/Kolkata')::date - (min(recorded_at) at time zone 'Asia/Kolkata')::date
    from audit.records where application = 'backstitch demo' and action <> 'MAINTENANCE'
"""
# An undo is an undo, whoever presses it.
DOORS = """
    select bool_and(source = case when operation = 'undo' then 'undo' else 'system' end), count(distinct request)
    from audit.records where application = 'backstitch demo'
"""
SAID = "select new_values ->> 'state', new_values ->> 'note' from audit.records where entity = 'DemoData' order by id"
NOTE = "demo data: invented, and the times of the records were set to look like two years of work"


def settings(home: Path) -> Settings:
    """Those of an installation with demo data."""
    return Settings(
        home=home,
        database_url=None,
        timezone=ZoneInfo("Asia/Kolkata"),
        currency="₹",
        demo=True,
        session_lifetime=timedelta(hours=1),
    )


@pytest.fixture
def empty(server_url: URL, template: str, tmp_path: Path) -> Iterator[Service]:
    """The service of a migrated database in which nobody has done anything yet."""
    url = server_url.set(database=f"demo_{template}")
    startup.recreate_database(url, zone=settings(tmp_path).timezone)
    application = url.set(username=startup.APPLICATION_LOGIN, password=APP_PASSWORD)
    database = Database(application.render_as_string(hide_password=False))
    yield Service(settings(tmp_path), database, url)
    database.dispose()
    with psycopg.connect(startup.conninfo(server_url), autocommit=True) as connection:
        connection.execute(f'drop database "{url.database}" with (force)')


def asked(service: Service, query: str) -> list[tuple[Any, ...]]:
    """What a superuser reads."""
    assert service.owner_url
    with psycopg.connect(startup.conninfo(service.owner_url)) as connection:
        return connection.execute(query.encode()).fetchall()


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_demo_is_loaded_whole_and_its_trail_holds(empty: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_loader, "BATCH", 40)
    with pytest.raises(KeyboardInterrupt):
        demo_loader.load(empty, scale=0.5, days=DAYS, progress=killed)
    assert asked(empty, SAID) == [("begun", NOTE)]
    with pytest.raises(Refused) as refused:
        demo_loader.load_once(empty)
    assert refused.value.rule == "demo_loaded_in_part"

    # What a start that was killed has left in the embedded server's database goes, and the demo comes whole.
    records = demo_loader.load(embedded(empty), scale=0.5, days=DAYS)
    assert asked(empty, SAID) == [("begun", NOTE), ("loaded", NOTE)]
    assert not demo_loader.load_once(embedded(empty))

    assert asked(empty, "select count(*) from audit.records where application = 'backstitch demo'") == [(records + 1,)]
    assert asked(empty, OUT_OF_ORDER) == [(0,)]
    assert asked(empty, DOORS) == [(True, 1)]
    ((actions, people, in_hours, days),) = asked(empty, TOLD)
    # What forty days hold of deletions is up to the dice of the day.
    assert {"CREATE", "UPDATE", "LOGIN", "LOGOUT"} <= set(actions)
    assert people >= 3 and in_hours and DAYS - 3 <= days <= DAYS
    assert asked(empty, "select count(*) from accounts.sessions where revoked_at is null") == [(0,)]
    assert demo_loader.accounts(empty.database) == [email for email, _, _ in fixtures.PEOPLE]

    assert empty.owner_url
    owner = Database(empty.owner_url.render_as_string(hide_password=False), pool_size=1)
    with owner.raw() as connection:
        assert [outcome.total for outcome in replay.replay(connection) if outcome.total] == []
    watched = empty.owner_url.set(username="backstitch_watch", password=WATCH_PASSWORD)
    watch = Database(watched.render_as_string(hide_password=False), pool_size=1)
    assert integrity.verify(watch).findings == ()
    watch.dispose()
    with owner.read(System()) as connection:
        assert [found for found in doctor.findings(connection, thorough=True) if found.severity == "error"] == []
    owner.dispose()


def embedded(service: Service) -> Service:
    """The same service, as if its database were the embedded server's."""
    return replace(service, lease=cast(Lease, object()))


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("5 steps of the demo left 4 transactions in the trail")


def test_a_load_that_fails_leaves_nothing_and_a_sentence_for_the_sign_in_page(
    empty: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(first_start, "_problem", None)
    monkeypatch.setattr(demo_steps, "run", broken)
    first_start.load(embedded(empty))
    (record,) = [record for record in caplog.records if record.name == first_start.__name__]
    number = record.getMessage().removeprefix("error ").partition(":")[0]
    assert record.exc_info and "5 steps of the demo left 4" in str(record.exc_info[1])
    assert first_start.problem() == (
        "The demo data could not be loaded. Stop Backstitch and start it again to try once more, or set "
        f"BACKSTITCH_DEMO=no to work without them. If this stays, report error {number}; the log has the details."
    )
    assert asked(empty, SAID) == []
    assert asked(empty, "select count(*) from accounts.users") == [(0,)]
    # The database that was made anew is as a start leaves one: a row typed into it is dated with the business's day.
    assert asked(empty, "show timezone") == [("Asia/Kolkata",)]

    # A start that goes well takes the sentence back.
    monkeypatch.setattr(demo_loader, "load", lambda service: 1)
    first_start.load(embedded(empty))
    assert first_start.problem() is None


def test_a_part_in_which_somebody_has_worked_is_kept_and_said(empty: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "_problem", None)
    monkeypatch.setattr(demo_loader, "BATCH", 40)
    with pytest.raises(KeyboardInterrupt):
        demo_loader.load(empty, scale=0.5, days=DAYS, progress=killed)
    assert empty.owner_url
    owner = Database(empty.owner_url.render_as_string(hide_password=False), pool_size=1)
    with owner.transaction(System(), operation="create admin") as connection:
        users.create_user(connection, email="me@example.com", name="Me", role=Role.ADMIN, password="a long password")
    owner.dispose()
    first_start.load(embedded(empty))
    problem = first_start.problem()
    assert problem is not None
    assert problem.partition(" The log has details as error ")[0] == (
        "This database has only a part of the demo data: the load was interrupted. Start anew with an empty database "
        "to have all of it. Set BACKSTITCH_DEMO=no to keep it as it is."
    )
    assert asked(empty, "select count(*) from accounts.users where email = 'me@example.com'") == [(1,)]


def test_who_tried_the_accounts_before_they_were_there_has_not_locked_them_for_the_load(empty: Service) -> None:
    with empty.database.anonymous() as connection:
        attempt = text("select accounts.sign_in(:email, 'x', 'a browser', '192.0.2.10', 'Firefox', interval '1 hour')")
        for _ in range(6):
            connection.execute(attempt, {"email": fixtures.ADMIN})
    records = demo_loader.load(empty, scale=0.3, days=9)
    assert records > 100
    assert asked(empty, SAID) == [("begun", NOTE), ("loaded", NOTE)]


def test_real_data_and_a_scale_of_nothing_are_refused_with_a_sentence(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service(settings(tmp_path), clone.app, clone.url)

    @contextmanager
    def running(*_: object, **__: object) -> Iterator[Service]:
        yield service

    monkeypatch.setattr(startup, "running", running)
    before = asked(service, "select count(*) from audit.records")
    assert not demo_loader.load_once(service)
    assert __main__.main(["demo"]) == 1
    assert __main__.main(["demo", "--scale", "0"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "This database has data already; demo data go into an empty one. Nothing was loaded.",
        "The scale of the demo data is a number above 0, and 1000 at most.",
    ]
    assert asked(service, "select count(*) from audit.records") == before
