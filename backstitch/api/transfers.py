"""Transfers: a file that is made for one client and sent to it, so that no user's downloads cost others theirs.

A user has one transfer at a time. A few are made at once, in the order of `backstitch.queues`, and a few more are being
sent. A client that closes its socket ends the making and the sending; one that reads nothing is cut off.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeVar

import anyio
import anyio.to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Send

from backstitch.errors import Refused
from backstitch.queues import LOOK, Gate, Ticket

Made = TypeVar("Made")

CHUNK = 64 * 1024  # bytes
HELD_FOR_EACH_MADE = 3  # files that may be on the disk, for each that may be made at once
TURN_SECONDS = 30  # to wait for a turn
STALLED_SECONDS = 60  # in which a client has to take a chunk

YOURS = "You are downloading a file already. Wait until it has arrived, or cancel it, and try again."
OTHERS = "Several files are being made for others. Try again in half a minute."


class TooMany(Refused):
    """Too many transfers at once; `retry_after` seconds later it may go."""

    def __init__(self, sentence: str, *, retry_after: int) -> None:
        super().__init__(sentence, rule="too_many")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Sent:
    """How a sending ended: `bytes` were handed over, and `outcome` says why not all were; None when all were."""

    bytes: int
    outcome: str | None


class Transfers:
    """The transfers of one process, of which `at_once` are made at once. For one event loop."""

    def __init__(self, *, at_once: int) -> None:
        self._under_way = Gate(at_once=HELD_FOR_EACH_MADE * at_once, per_user=1)
        self._making = Gate(at_once=at_once, per_user=1)

    @contextmanager
    def of(self, user: Hashable) -> Iterator[None]:
        """Holds the user's one transfer, from before the making until after the sending. Raises TooMany."""
        ticket = self._under_way.join(user)
        try:
            if not self._under_way.wait(ticket, 0):
                mine = self._under_way.count(user) > 1
                raise TooMany(YOURS, retry_after=10) if mine else TooMany(OTHERS, retry_after=30)
            yield
        finally:
            self._under_way.leave(ticket)

    async def make(self, request: Request, user: Hashable, work: Callable[[Callable[[], bool]], Made]) -> Made:
        """What `work` returns, which runs in a thread when its turn comes.

        `work` gets a function that returns true once the client has closed its socket. Raises TooMany when the turn
        does not come in time, and what `work` raises.
        """
        ticket = self._making.join(user)
        try:
            await self._turn(ticket, request)
            return await _watched(request, work)
        finally:
            self._making.leave(ticket)

    async def _turn(self, ticket: Ticket, request: Request) -> None:
        with anyio.move_on_after(TURN_SECONDS):
            while not self._making.wait(ticket, 0):
                if await request.is_disconnected():
                    break
                await anyio.sleep(LOOK)
        if not self._making.wait(ticket, 0):
            raise TooMany(OTHERS, retry_after=30)


async def _watched(request: Request, work: Callable[[Callable[[], bool]], Made]) -> Made:
    closed = threading.Event()
    making = asyncio.ensure_future(anyio.to_thread.run_sync(partial(work, closed.is_set)))
    try:
        while not making.done():
            await asyncio.wait({making}, timeout=LOOK)
            if not making.done() and await request.is_disconnected():
                closed.set()
        return making.result()
    finally:
        closed.set()


async def send_file(request: Request, send: Send, file: BinaryIO, *, size: int, headers: Mapping[str, str]) -> Sent:
    """Sends the whole of a file, `size` bytes, and returns how that ended.

    When it is cut off the response stays incomplete, by which the server closes the connection and the client sees that
    the file is not whole.
    """
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    MutableHeaders(scope=start).update(dict(headers) | {"content-length": str(size)})
    sent = 0
    try:
        with anyio.fail_after(STALLED_SECONDS):
            await send(start)
        while chunk := file.read(CHUNK):
            with anyio.fail_after(STALLED_SECONDS):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += len(chunk)
            if sent < size and await request.is_disconnected():
                return Sent(sent, "the client closed the connection")
        with anyio.fail_after(STALLED_SECONDS):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        return Sent(sent, f"the client took nothing for {STALLED_SECONDS} seconds")
    except OSError:  # what a server of ASGI 2.4 raises when the client is gone
        return Sent(sent, "the client closed the connection")
    return Sent(sent, None)
