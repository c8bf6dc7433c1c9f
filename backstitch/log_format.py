"""Sends the log to standard error, which a terminal shows and a service manager or a container keeps."""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from backstitch import request

LOGGERS = ("backstitch", "ui")
# Libraries that write a line, or a traceback, for each request of anybody that they cannot read.
FOR_STRANGERS = (
    "uvicorn.error",
    "streamlit.web.server.starlette.starlette_auth_routes",
    "streamlit.web.server.starlette.starlette_routes",
    "streamlit.web.server.starlette.starlette_websocket",
)
LINES_A_MINUTE = 10
LONGEST_MESSAGE, MOST_MESSAGES = 200, 1000  # what is remembered of them
SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Records(logging.Formatter):
    """Formats a record as one line with time, level, logger and the id of the request, its traceback indented below.

    Both can contain what a user typed: escaped, it cannot forge a record or control the terminal.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        # The handler formats a record in the thread that logs it, so the current request is the record's.
        current = request.current()
        record.request = f" [{current.id}]" if current else ""
        return _escape_unprintable(super().formatMessage(record))

    def formatException(self, ei: ExceptionInfo) -> str:
        return "\n".join(f"  {_escape_unprintable(line)}" for line in super().formatException(ei).split("\n"))


def _escape_unprintable(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def to_standard_error() -> None:
    """Sends the records of the library and the pages, from INFO on, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Records())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    # Streamlit logs an exception of a script with its traceback before the app's own handler sees it. That handler
    # logs it again, unless it is a refusal, under the id that the user sees.
    logging.getLogger("streamlit.error_util").addFilter(lambda record: record.msg != "Uncaught app execution")
    # This logger writes session ids, with which a tab can be resumed.
    logging.getLogger("streamlit.runtime.websocket_session_manager").addFilter(_without_ids)
    for name in FOR_STRANGERS:
        logging.getLogger(name).addFilter(AtMost(LINES_A_MINUTE))


class AtMost:
    """A filter that lets the same message of a logger through so many times a minute, whatever is filled in."""

    def __init__(self, lines: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines = lines
        self._clock = clock
        self._since: dict[str, float] = {}
        self._count: Counter[str] = Counter()

    def __call__(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        message, now = str(record.msg)[:LONGEST_MESSAGE], self._clock()
        if len(self._since) > MOST_MESSAGES:
            self._since.clear()
            self._count.clear()
        if now - self._since.setdefault(message, now) >= 60:
            self._since[message] = now
            self._count[message] = 0
        self._count[message] += 1
        return self._count[message] <= self._lines


def _without_ids(record: logging.LogRecord) -> bool:
    record.msg, record.args = SESSION_ID.sub("(not shown)", record.getMessage()), ()
    return True
