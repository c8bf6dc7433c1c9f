"""Seals the trail: once, or each second while the app runs. db/audit/seals.sql defines the seals."""

import logging
import threading
from types import TracebackType
from typing import Self

from sqlalchemy import text

from backstitch.database import Database
from backstitch.errors import Refused
from backstitch.request import Source, door

log = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two seals
SEAL = text("select audit.seal()")
LOOK = text("select audit.note_interruptions()")


def seal(database: Database) -> int:
    """Seals the records committed since the last seal; returns how many.

    Returns 0 when there are none, and while another session seals. Needs no user.
    """
    with database.anonymous() as connection:
        return int(connection.execute(SEAL).scalar_one())


def look(database: Database) -> int:
    """Records the guards of the trail that fell or stand again since the last look; returns how many. Needs no user."""
    with database.anonymous() as connection:
        return int(connection.execute(LOOK).scalar_one())


class Sealer:
    """Looks for interruptions and seals each second in a thread beside the app, from `with` to the end of its block.

    It is a daemon thread, so the app ends without waiting for its pause or for a long seal. The database rolls back a
    seal that is cut off, and the next sealer makes it again.
    """

    def __init__(self, database: Database, *, pause: float = PAUSE) -> None:
        self._database = database
        self._pause = pause
        self._ended = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            with door(Source.SYSTEM):
                self._seal_once()

    def _seal_once(self) -> None:
        """Seals once. Logs the first of a row of failures, and the first success after them."""
        try:
            look(self._database)
            seal(self._database)
        except Exception as error:
            if not self._failing and not self._ended.is_set():
                unknown = not isinstance(error, Refused)
                log.warning("The trail cannot be sealed at the moment: %s", error, exc_info=unknown)
            self._failing = True
            return
        if self._failing:
            log.warning("The trail is being sealed again.")
        self._failing = False
