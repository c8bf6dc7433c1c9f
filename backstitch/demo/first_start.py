"""The demo data at the first start: loaded, or a sentence for the sign-in page that says why they are not there."""

import logging

from backstitch.demo import loader
from backstitch.errors import Refused
from backstitch.request import error_id
from backstitch.startup import Service

log = logging.getLogger(__name__)

_problem: str | None = None


def load(service: Service) -> None:
    """Loads the demo data into an empty database. What prevents it is logged and kept for `problem`, never raised.

    Without demo data the app works as well as with them, so the start goes on.
    """
    global _problem
    _problem = None
    try:
        loader.load_once(service)
    except Exception as error:
        number = error_id()
        log.exception("error %s: the demo data could not be loaded", number)
        _problem = _sentences(service, error, number)


def problem() -> str | None:
    """Why the demo data are not there, what to do, and the id in the log, in sentences; None where nothing failed."""
    return _problem


def _sentences(service: Service, error: Exception, number: str) -> str:
    if isinstance(error, Refused) and error.rule == "demo_loaded_in_part":
        return f"{error} Set BACKSTITCH_DEMO=no to keep it as it is. The log has details as error {number}."
    next_step = (
        "Stop Backstitch and start it again to try once more"
        if service.lease is not None
        else "Drop the database, create it again, and start Backstitch to try once more"
    )
    return (
        f"The demo data could not be loaded. {next_step}, or set BACKSTITCH_DEMO=no to work without them. If this "
        f"stays, report error {number}; the log has the details."
    )
