"""Serves GET /api/v1/audit/export.csv and .xlsx: the filtered trail as a download.

The query string is that of the audit page (backstitch.audit.query). The database decides which records a user sees.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from backstitch.accounts.permissions import Permission
from backstitch.accounts.sessions import current_user
from backstitch.audit.export import MEDIA_TYPES, Export, Format, export, file_name
from backstitch.audit.filters import Filters
from backstitch.audit.query import BadQuery, filters_from_query
from backstitch.database import Database, SignedIn
from backstitch.errors import Refused, SignedOut
from backstitch.request import error_id
from backstitch.startup import Service

log = logging.getLogger(__name__)

Authenticate = Callable[[Request], SignedIn | None]

CHUNK = 256 * 1024  # bytes
# An export holds a connection of the pool and uses most of a core; more than these wait.
AT_ONCE = 3
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "accept-ranges": "none"}


class _NotAllowed(Refused):
    """The user may not read the trail."""


def routes(service: Callable[[], Service], *, authenticate: Authenticate) -> list[Route]:
    """The two routes. `service` is called at each request, because the routes are built before the service starts.

    `authenticate` returns the session of a request, or None; it must not block.
    """
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def download(request: Request, format: Format) -> Response:
        try:
            actor = authenticate(request)
            if actor is None:
                return _error_response(401, "signed_out", "Sign in first.")
            return await _respond(service(), actor, request, format, limiter)
        except Refused as refusal:
            return _refusal_response(refusal)
        except Exception:
            reference = error_id()
            log.exception("export failed, reference %s", reference)
            return _error_response(
                500, "unexpected", f"Something went wrong; tell the person who runs the server: {reference}."
            )

    return [
        Route(f"/api/v1/audit/export.{format}", partial(download, format=format), methods=["GET", "HEAD"])
        for format in Format
    ]


async def _respond(
    service: Service, actor: SignedIn, request: Request, format: Format, limiter: anyio.CapacityLimiter
) -> Response:
    database, zone = service.database, service.settings.timezone
    filters = _filters(request, zone)
    if request.method == "HEAD":
        await anyio.to_thread.run_sync(_require_reader, database, actor)
        headers = _headers(file_name(filters, format, zone))
        # As a stream, because a plain empty response would state a length of 0.
        return StreamingResponse(iter(()), headers=headers, media_type=MEDIA_TYPES[format])
    run_export = partial(_export, database, actor, filters, format, zone)
    return _stream_response(await anyio.to_thread.run_sync(run_export, limiter=limiter))


def _filters(request: Request, zone: ZoneInfo) -> Filters:
    query = request.query_params
    return filters_from_query({name: query.getlist(name) for name in query}, zone)


def _export(database: Database, actor: SignedIn, filters: Filters, format: Format, zone: ZoneInfo) -> Export:
    _require_reader(database, actor)
    return export(database, actor, filters=filters, format=format, zone=zone)


def _require_reader(database: Database, actor: SignedIn) -> None:
    with database.read(actor) as connection:
        user = current_user(connection)
    if user is not None and user.must_change_password:
        raise _NotAllowed("Choose a password of your own first.", rule="password_due")
    if user is None or not user.may(Permission.READ_TRAIL):
        raise _NotAllowed("Your role does not read the audit trail. Ask an admin if you need it.", rule="read_trail")


def _stream_response(result: Export) -> Response:
    headers = _headers(result.file_name) | {"content-length": str(result.size)}
    return StreamingResponse(_read_chunks(result), headers=headers, media_type=result.media_type)


def _read_chunks(result: Export) -> Iterator[bytes]:
    with result.file:
        while chunk := result.file.read(CHUNK):
            yield chunk


def _headers(name: str) -> dict[str, str]:
    return HEADERS | {"content-disposition": f'attachment; filename="{name}"'}


def _refusal_response(refusal: Refused) -> Response:
    match refusal:
        case SignedOut():
            return _error_response(401, "signed_out", str(refusal))
        case BadQuery():
            return _error_response(400, "bad_query", str(refusal))
        case _NotAllowed():
            return _error_response(403, "not_allowed", str(refusal))
    return _error_response(503, refusal.rule, str(refusal))


def _error_response(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers=HEADERS)
