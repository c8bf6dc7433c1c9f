"""Sealing the trail: once, and each second while the app runs. What is sealed and how is in db/audit/seals.sql."""

import logging
import threading
from types import TracebackType
from typing import Self

from sqlalchemy import text

from backstitch.database import Database
from backstitch.errors import Refused

log = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two seals
SEAL = text("select audit.seal()")


def seal(database: Database) -> int:
    """Seals what was committed since the last seal; returns how many records.

    Returns 0 when there is nothing new, and while another session seals. Needs no user.
    """
    with database.anonymous() as connection:
        return int(connection.execute(SEAL).scalar_one())


class Sealer:
    """Seals each second, beside the app, from `with` to the end of its block.

    A daemon thread: the app's end waits neither for its pause nor for a long seal, which the database then
    rolls back, and the next sealer makes again.
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
            self._seal_once()

    def _seal_once(self) -> None:
        """A failure is logged when it begins, not each second, and its end is logged too."""
        try:
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
