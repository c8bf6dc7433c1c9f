"""Every door outside of the pages: its records name it as their source, and carry the id of one request."""

import ast
import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import Message

import app as entry
from backstitch import __main__ as command_line
from backstitch import migrations, request
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser
from backstitch.api import exports
from backstitch.audit import sealing, wording
from backstitch.audit.query import filters_to_query
from backstitch.database import SignedIn, System
from backstitch.errors import Refused
from backstitch.request import Source, door
from backstitch.settings import PROJECT, Settings
from backstitch.startup import Service
from tests.asynchronous import complete
from tests.conftest import APP_PASSWORD, BROWSER, WATCH_PASSWORD, Clone, email_of
from tests.db.audit.shop import around_now

ID = re.compile(r"[0-9a-f]{12}")
AGENCY = text("insert into inventory.agencies (agency_name) values (:name)")


def newest(clone: Clone, count: int = 1) -> list[tuple[str, str | None]]:
    """Source and request of the newest records, in their order."""
    with clone.superuser() as psql:
        found = psql.execute("select source, request from audit.records order by id desc limit %s", [count]).fetchall()
    return found[::-1]


@pytest.fixture
def configured(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The commands work on the clone, in an empty folder."""
    monkeypatch.setenv("DATABASE_URL", clone.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", APP_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_WATCH_PASSWORD", WATCH_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return clone


def values_of(clone: Clone, domain: str) -> set[str]:
    """The values that the constraint of a domain allows."""
    with clone.superuser() as psql:
        found = psql.execute(
            "select pg_get_constraintdef(oid) from pg_constraint where contypid = %s::regtype", [domain]
        ).fetchone()
    assert found is not None
    return set(re.findall(r"'([^']+)'", found[0]))


def test_python_and_the_database_know_the_same_sources_and_actions(kept_clone: Clone) -> None:
    assert {source.value for source in Source} == values_of(kept_clone, "audit.source")
    assert set(wording.ACTIONS) == values_of(kept_clone, "audit.action")
    assert set(wording.SOURCES) == set(Source)


def test_a_transaction_carries_the_request_of_its_door_and_the_next_one_does_not(clone: Clone) -> None:
    for actor, database in ((clone.actor(Role.MANAGER), clone.app), (System(), clone.owner)):
        with door(Source.PAGE) as opened, database.transaction(actor) as connection:
            connection.execute(AGENCY, {"name": f"A {opened.id}"})
        assert newest(clone) == [("page", opened.id)]
        with door(Source.PAGE) as opened, database.transaction(actor, source=Source.PASTE) as connection:
            connection.execute(AGENCY, {"name": f"B {opened.id}"})
        assert newest(clone) == [("paste", opened.id)]


def test_what_comes_through_no_door_is_no_page(clone: Clone) -> None:
    with clone.app.transaction(clone.actor(Role.MANAGER)) as connection:
        connection.execute(AGENCY, {"name": "by a token"})
    with clone.owner.transaction(System()) as connection:
        connection.execute(AGENCY, {"name": "by the system"})
    assert not sessions.sign_in(
        clone.app, email="a@example.com", password="x", browser=Browser("x"), lifetime=timedelta(hours=1)
    )
    with clone.superuser() as psql:
        psql.execute("insert into inventory.agencies (agency_name) values ('by hand')")
    assert newest(clone, 4) == [("SQL", None), ("system", None), ("SQL", None), ("SQL", None)]


def test_the_name_of_the_application_decides_nothing(clone: Clone) -> None:
    with psycopg.connect(clone.superuser().info.dsn, password=clone.url.password, application_name="page") as psql:
        psql.execute("insert into inventory.agencies (agency_name) values ('by hand')")
    assert newest(clone) == [("SQL", None)]


def test_a_sign_in_names_the_request_that_it_was_made_in(clone: Clone) -> None:
    with door(Source.PAGE) as opened:
        sessions.sign_in(
            clone.app, email="a@example.com", password="x", browser=Browser("x"), lifetime=timedelta(hours=1)
        )
    assert newest(clone) == [("page", opened.id)]


def test_an_operation_that_is_too_long_is_cut_and_a_reason_is_refused(clone: Clone) -> None:
    manager = clone.actor(Role.MANAGER)
    for actor, database in ((manager, clone.app), (System(), clone.owner)):
        with database.transaction(actor, operation=f"import stock list {'x' * 300}.csv") as connection:
            connection.execute(AGENCY, {"name": f"of {type(actor).__name__}"})
        with clone.superuser() as psql:
            kept = psql.execute("select operation from audit.records order by id desc limit 1").fetchone()
        assert kept == (f"import stock list {'x' * 181}…",)
    with pytest.raises(Refused) as refused, clone.app.transaction(manager, reason="x" * 401):
        pass
    assert (refused.value.rule, str(refused.value)) == (
        "reason_short",
        "A reason has at most 400 characters. Nothing was saved.",
    )


def test_a_command_and_the_import_in_one(configured: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "_new_password", lambda: "a long enough phrase")
    assert command_line.main(["create-admin", "new@example.com"]) == 0
    ((source, command),) = newest(configured)
    assert source == "command" and command and ID.fullmatch(command)
    Path("stock.csv").write_text(
        "index,SKU Code,Design No.,Stock,Category,Size,Color\n0,AN201-RED-L,AN201,5.0,AN : LEGGINGS,L,Red\n"
    )
    assert command_line.main(["import-stock", "stock.csv"]) == 0
    ((source, imported),) = set(newest(configured, 4))
    assert source == "import" and imported and ID.fullmatch(imported) and imported != command


def test_a_migration_is_the_systems_in_a_command_too(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("alter table inventory.agencies add column fax text")
    with door(Source.COMMAND) as opened, clone.owner.owner_connection() as connection:
        migrations.upgrade(connection, reapply=True)
        left = "select current_setting('backstitch.source', true), current_setting('backstitch.request', true)"
        assert set(connection.exec_driver_sql(left).one()) <= {"", None}
    with clone.superuser() as psql:
        recorded = psql.execute(
            "select action, entity, source, request from audit.records order by id desc limit 1"
        ).fetchone()
    assert recorded == ("MAINTENANCE", "Agency", "system", opened.id)


def test_the_sealer_makes_a_request_of_each_seal(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[request.Request | None] = []
    sealer = sealing.Sealer(clone.app, pause=0.001)

    def seal(database: object) -> int:
        seen.append(request.current())
        if len(seen) == 2:
            sealer._ended.set()
        return 0

    monkeypatch.setattr(sealing, "seal", seal)
    with sealer:
        sealer._thread.join(10)
    assert [found.source for found in seen if found] == [Source.SYSTEM] * 2
    assert len({found.id for found in seen if found}) == 2


def test_the_apps_own_tasks_run_in_a_door_and_in_no_other_way() -> None:
    found = complete(entry._as_system(request.current))
    assert found is not None and found.source is Source.SYSTEM
    tree = ast.parse((PROJECT / "app.py").read_text(encoding="utf-8"))
    threads = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "to_thread"]
    assert len(threads) == 1


def served(clone: Clone) -> Starlette:
    """The routes of the downloads behind the door, as app.py has them."""
    settings = Settings(Path("/nowhere"), None, ZoneInfo("Asia/Kolkata"), "₹", False, timedelta(hours=1))

    def signed_in(_: Request) -> SignedIn:
        return sessions.actor(BROWSER, email_of(Role.ANALYST))

    routes = exports.routes(lambda: Service(settings, clone.app, None), authenticate=signed_in)
    return Starlette(routes=routes, middleware=[Middleware(entry.Door)])


def answer(app: Starlette) -> tuple[str, bytes]:
    """The X-Request-ID and the body of the answer to a download."""
    query = urlencode(filters_to_query(around_now()), doseq=True)
    scope = {"type": "http", "method": "GET", "path": "/api/v1/audit/export.csv", "query_string": query.encode()}
    scope |= {"headers": [], "scheme": "http", "server": ("localhost", 80), "root_path": "", "raw_path": b""}
    scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}  # which has no wait for a client that leaves
    sent: list[Message] = []

    async def run() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope, receive, send)

    complete(run())
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return headers["x-request-id"], b"".join(message.get("body", b"") for message in sent)


def test_a_download_is_recorded_under_the_id_that_its_answer_names(clone: Clone) -> None:
    id, _ = answer(served(clone))
    with clone.superuser() as psql:
        assert psql.execute("select source, request from audit.records where action = 'EXPORT'").fetchall() == [
            ("page", id)
        ]


def test_a_download_that_fails_names_the_id_of_its_log_entry(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(exports, "export", broken)
    id, body = answer(served(clone))
    assert json.loads(body)["error"]["message"] == f"Something went wrong; tell the person who runs the server: {id}."
    assert f"export failed, reference {id}" in caplog.messages
