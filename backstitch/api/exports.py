"""Serves GET /api/v1/audit/export.csv and .xlsx: the filtered trail as a download.

An error is JSON for a program, and a page in words for a browser.

The query string is that of the audit page (backstitch.audit.query). The database decides which records a user sees.
How many run at once, and what happens when a client goes away, is in backstitch.api.transfers.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from backstitch.accounts.permissions import Permission
from backstitch.accounts.sessions import User, current_user
from backstitch.api.transfers import TooMany, Transfers, send_file
from backstitch.audit.export import MEDIA_TYPES, Export, Format, export, file_name, record_end
from backstitch.audit.filters import Filters
from backstitch.audit.query import BadQuery, filters_from_query
from backstitch.database import Database, SignedIn
from backstitch.errors import Abandoned, Refused, SignedOut
from backstitch.request import error_id
from backstitch.startup import Service

log = logging.getLogger(__name__)

Authenticate = Callable[[Request], SignedIn | None]
ErrorPage = Callable[[int, str], Response]  # of a status and a sentence

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "accept-ranges": "none"}


class _NotAllowed(Refused):
    """The user may not read the trail."""


@dataclass(frozen=True)
class _Error:
    """Why there is no file: a code for programs, and a sentence."""

    status: int
    code: str
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> Response:
        body = {"error": {"code": self.code, "message": self.sentence}}
        return JSONResponse(body, self.status, headers=HEADERS | dict(self.headers))

    def as_page(self, error_page: ErrorPage) -> Response:
        page = error_page(self.status, self.sentence)
        page.headers.update(HEADERS | dict(self.headers))
        return page


def wants_page(request: HTTPConnection) -> bool:
    """Whether a request is of a browser that shows the answer to a person."""
    return "text/html" in request.headers.get("accept", "") or request.headers.get("sec-fetch-mode") == "navigate"


def routes(
    service: Callable[[], Service], *, authenticate: Authenticate, error_page: ErrorPage | None = None
) -> list[Route]:
    """The two routes. `service` is called at each request, because the routes are built before the service starts.

    `authenticate` returns the session of a request, or None; it must not block. `error_page` makes what a browser gets
    in place of a file; without it, browsers get JSON too.
    """

    @cache
    def shared() -> Transfers:
        return Transfers(at_once=service().settings.limits.exports_at_once)

    return [
        Route(
            f"/api/v1/audit/export.{format}",
            _Download(service, authenticate, error_page, shared, format),
            methods=["GET", "HEAD"],
        )
        for format in Format
    ]


class _Download:
    """The route of one format, as an ASGI app: it watches the client's socket while it makes and sends the file."""

    def __init__(
        self,
        service: Callable[[], Service],
        authenticate: Authenticate,
        error_page: ErrorPage | None,
        transfers: Callable[[], Transfers],
        format: Format,
    ) -> None:
        self._service = service
        self._authenticate = authenticate
        self._error_page = error_page
        self._transfers = transfers
        self._format = format

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request with the file, or with an error in words."""
        request = Request(scope, receive)
        answer: Response | _Error | None
        try:
            answer = await self._answer(request, send)
        except Refused as refusal:
            answer = _refusal_error(refusal)
        except Exception:
            reference = error_id()
            log.exception("export failed, reference %s", reference)
            answer = _Error(
                500, "unexpected", f"Something went wrong; tell the person who runs the server: {reference}."
            )
        if isinstance(answer, _Error):
            page = self._error_page if wants_page(request) else None
            answer = answer.as_page(page) if page is not None else answer.as_json()
        if answer is not None:
            await answer(scope, receive, send)

    async def _answer(self, request: Request, send: Send) -> Response | _Error | None:
        """The response; None when the file, or what a client that is gone still got of it, has been sent."""
        actor = self._authenticate(request)
        if actor is None:
            return _Error(401, "signed_out", "Sign in first.")
        service = self._service()
        database, zone = service.database, service.settings.timezone
        filters = _filters(request, zone)
        user = await anyio.to_thread.run_sync(_require_reader, database, actor)
        if request.method == "HEAD":
            headers = _headers(file_name(filters, self._format, zone))
            # As a stream, because a plain empty response would state a length of 0.
            return StreamingResponse(iter(()), headers=headers, media_type=MEDIA_TYPES[self._format])
        with self._transfers().of(user.id):
            await _Job(database, actor, filters, self._format, zone).run(request, send, self._transfers(), user)
        return None


@dataclass(frozen=True)
class _Job:
    """One export, from the making to the end of its sending."""

    database: Database
    actor: SignedIn
    filters: Filters
    format: Format
    zone: ZoneInfo

    async def run(self, request: Request, send: Send, transfers: Transfers, user: User) -> None:
        """Makes the file and sends it. What ends before the file has been sent is on the record as EXPORT_END."""
        try:
            made = await transfers.make(request, user.id, self._make)
        except Abandoned:
            await self._record_end(outcome="the client closed the connection while the file was made")
            return
        with made.file:
            headers = _headers(made.file_name) | {"content-type": made.media_type}
            sent = await send_file(request, send, made.file, size=made.size, headers=headers)
        if sent.outcome is not None:
            await self._record_end(
                outcome=sent.outcome, file_name=made.file_name, sha256=made.sha256, bytes=made.size, sent=sent.bytes
            )

    def _make(self, closed: Callable[[], bool]) -> Export:
        return export(
            self.database, self.actor, filters=self.filters, format=self.format, zone=self.zone, abandoned=closed
        )

    async def _record_end(self, **details: str | int) -> None:
        record = partial(record_end, self.database, self.actor, filters=self.filters, format=self.format)
        try:
            await anyio.to_thread.run_sync(partial(record, details=details))
        except Refused as refusal:
            # The session has ended since; nobody is left to be told.
            log.warning("An export that ended early is not on the record: %s (%s)", refusal, details)


def _filters(request: Request, zone: ZoneInfo) -> Filters:
    query = request.query_params
    return filters_from_query({name: query.getlist(name) for name in query}, zone)


def _require_reader(database: Database, actor: SignedIn) -> User:
    with database.read(actor) as connection:
        user = current_user(connection)
    if user is not None and user.must_change_password:
        raise _NotAllowed("Choose a password of your own first.", rule="password_due")
    if user is None or not user.may(Permission.READ_TRAIL):
        raise _NotAllowed("Your role does not read the audit trail. Ask an admin if you need it.", rule="read_trail")
    return user


def _headers(name: str) -> dict[str, str]:
    return HEADERS | {"content-disposition": f'attachment; filename="{name}"'}


def _refusal_error(refusal: Refused) -> _Error:
    match refusal:
        case SignedOut():
            return _Error(401, "signed_out", str(refusal))
        case BadQuery():
            return _Error(400, "bad_query", str(refusal))
        case _NotAllowed():
            return _Error(403, "not_allowed", str(refusal))
        case TooMany():
            return _Error(429, refusal.rule, str(refusal), {"retry-after": str(refusal.retry_after)})
    return _Error(503, refusal.rule, str(refusal))
