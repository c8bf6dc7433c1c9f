"""The current request: the door through which a change comes, and an id that ties page, log and transaction.

A door opens with `door(source)`: a run of a page's script, an HTTP request, a command, a task of the app itself. Until
its end the records of its transactions, its lines in the log, and the error that its user sees have the same id.
Nothing guesses the door: code that is in none has no request.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

# 12 hex digits, 48 bits: a person can read them out, and among a million requests that wrote something the chance that
# any two have the same id is below 1 in 500. With 8 digits some hundred pairs of them would. Random, not counted,
# because several processes hand them out and ids must not tell how busy a business is.
ID_BYTES = 6


class Source(StrEnum):
    """The doors, with the values of the domain audit.source."""

    PAGE = "page"
    PASTE = "paste"
    IMPORT = "import"
    API = "API"
    COMMAND = "command"
    SQL = "SQL"
    UNDO = "undo"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Request:
    """What came through a door."""

    source: Source
    id: str


_current: ContextVar[Request | None] = ContextVar("request", default=None)


def current() -> Request | None:
    """The request that this code works for; None outside of every door."""
    return _current.get()


@contextmanager
def door(source: Source) -> Iterator[Request]:
    """Makes a request of what runs in the block, and in the tasks and `asyncio.to_thread` calls that it starts.

    A door inside of another, such as the loader of the demo data in its command, has its own source and the same id:
    it is still one request. A thread of its own begins without a request.
    """
    outer = _current.get()
    opened = Request(source, outer.id if outer else _new_id())
    token = _current.set(opened)
    try:
        yield opened
    finally:
        _current.reset(token)


def error_id() -> str:
    """The id under which to log an error and show it to the user: that of the request, or a new one in none."""
    request = _current.get()
    return request.id if request else _new_id()


def _new_id() -> str:
    return secrets.token_hex(ID_BYTES)
