"""GET /api/v1/audit/export.csv and .xlsx: the filtered trail as a download.

The query string is that of the audit page (backstitch.audit.query). The database decides what the user sees.
"""

import logging
import secrets
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
from backstitch.startup import Service

log = logging.getLogger(__name__)

Authenticate = Callable[[Request], SignedIn | None]

CHUNK = 256 * 1024  # bytes
# Each holds a connection of the pool and most of a core while it is made; the others wait their turn.
AT_ONCE = 3
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "accept-ranges": "none"}


class _NotAllowed(Refused):
    """The role does not read the trail."""


def routes(service: Callable[[], Service], *, authenticate: Authenticate) -> list[Route]:
    """The two routes. `service` is asked at each request, because the routes are there before it runs.

    `authenticate` tells the session of a request, or None; it must not block.
    """
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def download(request: Request, format: Format) -> Response:
        try:
            actor = authenticate(request)
            if actor is None:
                return _error(401, "signed_out", "Sign in first.")
            return await _answer(service(), actor, request, format, limiter)
        except Refused as refusal:
            return _refused(refusal)
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("export failed, reference %s", reference)
            return _error(500, "unexpected", f"Something went wrong; tell the person who runs the server: {reference}.")

    return [
        Route(f"/api/v1/audit/export.{format}", partial(download, format=format), methods=["GET", "HEAD"])
        for format in Format
    ]


async def _answer(
    service: Service, actor: SignedIn, request: Request, format: Format, limiter: anyio.CapacityLimiter
) -> Response:
    database, zone = service.database, service.settings.timezone
    filters = _filters(request, zone)
    if request.method == "HEAD":
        await anyio.to_thread.run_sync(_require_reader, database, actor)
        headers = _headers(file_name(filters, format, zone))
        # Streamed, so that it does not claim a length of 0.
        return StreamingResponse(iter(()), headers=headers, media_type=MEDIA_TYPES[format])
    make = partial(_make, database, actor, filters, format, zone)
    return _stream(await anyio.to_thread.run_sync(make, limiter=limiter))


def _filters(request: Request, zone: ZoneInfo) -> Filters:
    given = request.query_params
    return filters_from_query({name: given.getlist(name) for name in given}, zone)


def _make(database: Database, actor: SignedIn, filters: Filters, format: Format, zone: ZoneInfo) -> Export:
    _require_reader(database, actor)
    return export(database, actor, filters=filters, format=format, zone=zone)


def _require_reader(database: Database, actor: SignedIn) -> None:
    with database.read(actor) as connection:
        user = current_user(connection)
    if user is not None and user.must_change_password:
        raise _NotAllowed("Choose a password of your own first.", rule="password_due")
    if user is None or not user.may(Permission.READ_TRAIL):
        raise _NotAllowed("Your role does not read the audit trail. Ask an admin if you need it.", rule="read_trail")


def _stream(made: Export) -> Response:
    headers = _headers(made.file_name) | {"content-length": str(made.size)}
    return StreamingResponse(_chunks(made), headers=headers, media_type=made.media_type)


def _chunks(made: Export) -> Iterator[bytes]:
    with made.file:
        while chunk := made.file.read(CHUNK):
            yield chunk


def _headers(name: str) -> dict[str, str]:
    return HEADERS | {"content-disposition": f'attachment; filename="{name}"'}


def _refused(refusal: Refused) -> Response:
    match refusal:
        case SignedOut():
            return _error(401, "signed_out", str(refusal))
        case BadQuery():
            return _error(400, "bad_query", str(refusal))
        case _NotAllowed():
            return _error(403, "not_allowed", str(refusal))
    return _error(503, refusal.rule, str(refusal))


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers=HEADERS)
