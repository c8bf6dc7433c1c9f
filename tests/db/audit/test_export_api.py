"""GET /api/v1/audit/export: who gets what, as the ASGI server sees it."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Message

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.api import exports, transfers
from backstitch.audit import export as exporting
from backstitch.audit.export import Export, export
from backstitch.audit.search import filters_to_query
from backstitch.database import SignedIn
from backstitch.settings import Settings
from backstitch.startup import Service
from tests.asynchronous import complete
from tests.conftest import Clone
from tests.db.audit.shop import Shop, around_now, open_shop

URL = "/api/v1/audit/export.csv"


@dataclass
class Answer:
    """What the server sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def error(self) -> tuple[int, str, str]:
        answer = json.loads(self.body)["error"]
        return self.status, answer["code"], answer["message"]


@pytest.fixture
def shop(clone: Clone) -> Shop:
    return open_shop(clone)


@pytest.fixture
def app(shop: Shop) -> Starlette:
    settings = Settings(Path("/nowhere"), None, ZoneInfo("Asia/Kolkata"), "₹", False, timedelta(hours=1))
    service = Service(settings, shop.clone.app, None)

    def authenticate(request: Request) -> SignedIn | None:
        role = request.headers.get("x-role")
        return shop.clone.actor(Role(role)) if role else None

    return Starlette(routes=exports.routes(lambda: service, authenticate=authenticate))


def ask(
    app: Starlette,
    path: str = URL,
    *,
    role: Role | None = Role.ANALYST,
    method: str = "GET",
    query: str | None = None,
    headers: dict[str, str] | None = None,
    closed: Callable[[], bool] = lambda: False,
    heard: list[int] | None = None,
) -> Answer:
    """One request, without a server between; the client closes its socket once `closed` returns true.

    `heard` gets the lengths of what is sent.
    """
    given = (headers or {}) | ({"x-role": role.value} if role else {})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": (urlencode(filters_to_query(around_now()), doseq=True) if query is None else query).encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "server": ("localhost", 80),
        "client": ("192.0.2.1", 1234),
    }
    answer = Answer()

    async def receive() -> Message:
        if closed():
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if heard is not None:
            heard.append(len(message.get("body", b"")))
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    complete(app(scope, receive, send))
    return answer


def exported(shop: Shop) -> list[Any]:
    return [record.new_values for record in shop.found(role=Role.ADMIN, actions=("EXPORT",))]


@pytest.mark.parametrize(
    ("ending", "kind", "begins"),
    [
        ("csv", "text/csv; charset=utf-8", b"\xef\xbb\xbfTime,"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
    ],
)
def test_the_file_arrives_whole_and_as_it_was_recorded(
    app: Starlette, shop: Shop, ending: str, kind: str, begins: bytes
) -> None:
    answer = ask(app, f"/api/v1/audit/export.{ending}")
    (details,) = exported(shop)
    assert (answer.status, answer.body[: len(begins)]) == (200, begins)
    assert answer.headers == {
        "content-type": kind,
        "content-length": str(len(answer.body)),
        "content-disposition": f'attachment; filename="{details["file_name"]}"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "accept-ranges": "none",
    }
    assert hashlib.sha256(answer.body).hexdigest() == details["sha256"]


def test_the_query_filters_the_rows(app: Starlette) -> None:
    query = urlencode(filters_to_query(around_now(entities=("InwardLog",), text="ARVIND")), doseq=True)
    lines = ask(app, query=query).body.decode().splitlines()
    assert (len(lines), "Inward entry" in lines[1]) == (2, True)


def test_head_shows_the_headers_and_records_nothing(app: Starlette, shop: Shop) -> None:
    answer = ask(app, method="HEAD")
    assert (answer.status, answer.body, "content-length" in answer.headers) == (200, b"", False)
    assert answer.headers["content-disposition"].startswith('attachment; filename="backstitch_audit_')
    assert ask(app, method="HEAD", role=Role.VIEWER).status == 403
    assert ask(app, method="HEAD", query="").status == 400
    assert exported(shop) == []


def test_a_part_of_the_file_cannot_be_asked_for_because_each_answer_is_another_file(app: Starlette) -> None:
    answer = ask(app, headers={"range": "bytes=0-9"})
    assert (answer.status, len(answer.body) > 10) == (200, True)


def test_without_a_session_there_is_only_401(app: Starlette, shop: Shop) -> None:
    for method in ("GET", "HEAD"):
        assert ask(app, role=None, method=method).status == 401
    assert ask(app, role=None).error == (401, "signed_out", "Sign in first.")
    assert exported(shop) == []


def test_an_ended_session_is_401(app: Starlette, shop: Shop) -> None:
    sessions.sign_out(shop.clone.app, shop.clone.actor(Role.ANALYST))
    assert ask(app).error == (401, "signed_out", "Your session has ended. Sign in again; nothing was saved.")
    assert exported(shop) == []


def test_whose_password_an_admin_has_set_is_403_until_it_is_replaced(app: Starlette, shop: Shop) -> None:
    with shop.clone.superuser() as psql:
        psql.execute("update accounts.users set must_change_password = true")
    for method in ("GET", "HEAD"):
        assert ask(app, method=method).status == 403
    assert ask(app).error == (403, "not_allowed", "Choose a password of your own first.")


def test_a_role_that_does_not_read_the_trail_is_403(app: Starlette, shop: Shop) -> None:
    assert ask(app, role=Role.VIEWER).error == (
        403,
        "not_allowed",
        "Your role does not read the audit trail. Ask an admin if you need it.",
    )
    assert exported(shop) == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "“start” is missing; give a day such as 2026-10-31."),
        ("start=2026-10-01&end=soon", "“soon” is no end; give a day such as 2026-10-31, from 2000 to 2199."),
        (
            "start=2026-10-01&end=2026-10-02&usr=1",
            "“usr” is not a parameter; there are start, end, user, action, type, product, text.",
        ),
    ],
)
def test_a_bad_query_is_400_with_a_sentence(app: Starlette, shop: Shop, query: str, sentence: str) -> None:
    assert ask(app, query=query).error == (400, "bad_query", sentence)
    assert exported(shop) == []


@pytest.mark.parametrize("hostile", ["%00", "%ff%fe", "%ED%A0%80", "'%22%3E%3Cscript%3E", "%0d%0aSet-Cookie:%20a=b"])
def test_hostile_text_finds_nothing_and_breaks_nothing(app: Starlette, hostile: str) -> None:
    answer = ask(app, query=f"start=2026-10-01&end=2026-10-08&text={hostile}")
    assert (answer.status, len(answer.body.splitlines())) == (200, 1)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_405(app: Starlette, shop: Shop, method: str) -> None:
    assert ask(app, method=method).status == 405
    assert exported(shop) == []


def test_what_nobody_expected_is_a_reference_not_a_traceback(
    app: Starlette, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(exports, "export", broken)
    status, code, message = ask(app).error
    reference = message[-13:-1]
    assert (status, code) == (500, "unexpected")
    assert message == f"Something went wrong; tell the person who runs the server: {reference}."
    assert f"reference {reference}" in caplog.text


def test_a_second_download_of_the_same_user_is_429_with_a_sentence_and_a_time(app: Starlette, shop: Shop) -> None:
    inside = threading.Event()
    go_on = threading.Event()

    def slow(*arguments: Any, **named: Any) -> Export:
        inside.set()
        go_on.wait(10)
        return export(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as other:
        patch.setattr(exports, "export", slow)
        first = other.submit(ask, app)
        inside.wait(10)
        second = ask(app, URL.replace("csv", "xlsx"))
        go_on.set()
        assert first.result().status == 200
    assert second.error == (
        429,
        "too_many",
        "You are downloading a file already. Wait until it has arrived, or cancel it, and try again.",
    )
    assert second.headers["retry-after"] == "10"
    assert (ask(app).status, len(exported(shop))) == (200, 2)


WAITING = """
    select count(*) from pg_locks
    where not granted and database = (select oid from pg_database where datname = current_database())
        and mode = 'AccessShareLock'
"""


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def ended(shop: Shop) -> list[Any]:
    return [record.new_values for record in shop.found(role=Role.ADMIN, actions=("EXPORT_END",))]


def test_a_download_that_is_closed_while_it_is_made_ends_the_query_and_is_on_the_record(
    app: Starlette, shop: Shop
) -> None:
    closed = threading.Event()
    with shop.clone.superuser() as psql, shop.clone.superuser() as other, ThreadPoolExecutor(1) as client:
        with psql.transaction():
            psql.execute("lock table audit.records in access exclusive mode")
            answer = client.submit(ask, app, closed=closed.is_set)
            wait_until(lambda: other.execute(WAITING).fetchone() == (1,))
            closed.set()
            wait_until(lambda: other.execute(WAITING).fetchone() == (0,))
        assert answer.result().status == 0
    assert (exported(shop), [(end["format"], end["outcome"]) for end in ended(shop)]) == (
        [],
        [("csv", "the client closed the connection while the file was made")],
    )
    assert ended(shop)[0]["filters"].keys() == {"start", "end"}
    assert ask(app).status == 200


def test_a_download_that_is_closed_while_it_is_sent_says_on_the_record_how_much_went(
    app: Starlette, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "CHUNK", 1000)
    sent: list[int] = []
    ask(app, closed=lambda: len(sent) >= 3, heard=sent)
    (details,), (end,) = exported(shop), ended(shop)
    assert (end["outcome"], end["sent"], end["bytes"]) == ("the client closed the connection", 2000, details["bytes"])
    assert (end["sha256"], end["file_name"]) == (details["sha256"], details["file_name"])
    assert ask(app).status == 200


def test_a_file_that_would_be_too_large_is_a_sentence(
    app: Starlette, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "LARGEST", 0)
    assert ask(app).error == (
        503,
        "export_too_large",
        "The file would be larger than 0 MB. Ask for fewer days, or set more filters.",
    )
    assert exported(shop) == []
