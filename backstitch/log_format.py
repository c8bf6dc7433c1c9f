"""Where the log goes: the standard error, which a terminal shows and a service manager or a container keeps."""

import logging
import re
from types import TracebackType

LOGGERS = ("backstitch", "ui")
SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Records(logging.Formatter):
    """A record as one line with time, level and source, and its traceback indented below it.

    What somebody typed can be in both: it makes no line that looks like a record, and tells the terminal nothing.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _visible(super().formatMessage(record))

    def formatException(self, ei: ExceptionInfo) -> str:
        return "\n".join(f"  {_visible(line)}" for line in super().formatException(ei).split("\n"))


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def to_standard_error() -> None:
    """Lets what the library and the pages log appear, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Records())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    # Streamlit logs what a script raises with its traceback, before the app's own handler decides whether it
    # is a refusal, and gives an error the id that the user sees.
    logging.getLogger("streamlit.error_util").addFilter(lambda record: record.msg != "Uncaught app execution")
    # It names tabs by the ids with which they are resumed.
    logging.getLogger("streamlit.runtime.websocket_session_manager").addFilter(_without_ids)


def _without_ids(record: logging.LogRecord) -> bool:
    record.msg, record.args = SESSION_ID.sub("(not shown)", record.getMessage()), ()
    return True
