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
from sqlalchemy import URL

from backstitch import __main__, doctor, startup
from backstitch.audit import integrity, replay
from backstitch.database import Database, System
from backstitch.demo import fixtures
from backstitch.demo import loader as demo_loader
from backstitch.errors import Refused
from backstitch.postgres.server import Lease
from backstitch.settings import Settings
from backstitch.startup import Service
from tests.conftest import APP_PASSWORD, Clone

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
    startup.recreate_database(url)
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
    embedded = replace(empty, lease=cast(Lease, object()))
    records = demo_loader.load(embedded, scale=0.5, days=DAYS)
    assert asked(empty, SAID) == [("begun", NOTE), ("loaded", NOTE)]
    assert not demo_loader.load_once(embedded)

    assert asked(empty, "select count(*) from audit.records where application = 'backstitch demo'") == [(records + 1,)]
    assert asked(empty, OUT_OF_ORDER) == [(0,)]
    ((actions, people, in_hours, days),) = asked(empty, TOLD)
    assert {"CREATE", "UPDATE", "DELETE", "LOGIN", "LOGOUT"} <= set(actions)
    assert people >= 3 and in_hours and DAYS - 3 <= days <= DAYS
    assert asked(empty, "select count(*) from accounts.sessions where revoked_at is null") == [(0,)]
    assert demo_loader.accounts(empty.database) == [email for email, _, _ in fixtures.PEOPLE]

    assert empty.owner_url
    owner = Database(empty.owner_url.render_as_string(hide_password=False), pool_size=1)
    with owner.read(System()) as connection:
        assert [outcome.total for outcome in replay.replay(connection) if outcome.total] == []
    assert list(integrity.verify(owner, System()).findings) == []
    with owner.read(System()) as connection:
        assert [found for found in doctor.findings(connection, thorough=True) if found.severity != "ok"] == []
    owner.dispose()


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
