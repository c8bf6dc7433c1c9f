"""Sends the log to standard error, which a terminal shows and a service manager or a container keeps."""

import logging
import re
from types import TracebackType

from backstitch import request

LOGGERS = ("backstitch", "ui")
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


def _without_ids(record: logging.LogRecord) -> bool:
    record.msg, record.args = SESSION_ID.sub("(not shown)", record.getMessage()), ()
    return True
