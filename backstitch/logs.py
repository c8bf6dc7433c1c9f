"""Where the log goes: the standard error, which a terminal shows and a service manager or a container keeps."""

import logging
import re

LOGGERS = ("backstitch", "ui")
SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def to_standard_error() -> None:
    """Lets what the library and the pages log appear, from INFO on, with time, level and source."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
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
