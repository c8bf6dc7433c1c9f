"""Where the log goes: the standard error, which a terminal shows and a service manager or a container keeps."""

import logging

LOGGERS = ("backstitch", "ui")


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
