"""What may run at once, and the gate at which the rest waits: a few at a time, fewer of one user, in a fair order.

Each process has its own gates. How they are used: `Database.heavy` for questions, `backstitch.api.exports` for files.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backstitch.errors import Refused

BUSY = "busy"  # the rule of its refusal
LOOK = 0.2  # seconds between two looks of somebody who waits
PAGES = 20  # connections for what pages read and write
SIGN_IN = 4  # connections for signing in, and for the check of a session at each run of a page


@dataclass(frozen=True)
class Limits:
    """What one process asks of the database at once.

    Heavy questions: `heavy_at_once` in all, `heavy_per_user` of one user, each statement up to `heavy_seconds`; a
    statement of a page's ordinary read has a third of that. Exports: `exports_at_once` in all, one of each user.
    """

    heavy_at_once: int = 4
    heavy_per_user: int = 2
    heavy_seconds: int = 30
    exports_at_once: int = 3

    @property
    def page_seconds(self) -> int:
        """Seconds for a statement of an ordinary read."""
        return max(1, self.heavy_seconds // 3)

    @property
    def connections(self) -> int:
        """The most connections of an app, the one of the sealer among them."""
        return PAGES + SIGN_IN + self.heavy_at_once + self.exports_at_once + 1


class Ticket:
    """A place in the queue of a gate, and later in the gate."""

    def __init__(self, user: Hashable) -> None:
        self.user = user


class Gate:
    """Lets in at most `at_once`, and at most `per_user` of one user; thread-safe.

    Who has the fewest inside goes first, and among equals who came first. So nobody waits for all that somebody else
    has asked for.
    """

    def __init__(self, *, at_once: int, per_user: int) -> None:
        self._at_once = at_once
        self._per_user = per_user
        self._inside: list[Ticket] = []
        self._waiting: list[Ticket] = []
        self._changed = threading.Condition()

    def join(self, user: Hashable) -> Ticket:
        """Joins the queue, and enters at once if there is room. `leave` must follow."""
        ticket = Ticket(user)
        with self._changed:
            self._waiting.append(ticket)
            self._admit()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Leaves the gate, or the queue."""
        with self._changed:
            (self._inside if ticket in self._inside else self._waiting).remove(ticket)
            self._admit()

    def count(self, user: Hashable) -> int:
        """How many the user has inside and in the queue."""
        with self._changed:
            return sum(ticket.user == user for ticket in [*self._inside, *self._waiting])

    def ahead(self, ticket: Ticket) -> int:
        """How many are inside, or go in before this one; 0 for one that is inside."""
        with self._changed:
            return 0 if ticket in self._inside else len(self._inside) + self._order().index(ticket)

    def wait(self, ticket: Ticket, seconds: float) -> bool:
        """Waits at most so long; returns whether the ticket is inside."""
        with self._changed:
            return self._changed.wait_for(lambda: ticket in self._inside, seconds)

    @contextmanager
    def place(
        self, user: Hashable, *, waiting: Callable[[int], object] | None = None, seconds: float | None = None
    ) -> Iterator[None]:
        """Waits for a place, and holds it during the block.

        `waiting` is called a few times a second with the number of those ahead; what it raises gives up the place in
        the queue. Raises Refused (`busy`) when `seconds` have passed without a place.
        """
        ticket = self.join(user)
        until = None if seconds is None else time.monotonic() + seconds
        try:
            while not self.wait(ticket, 0):
                if waiting is not None:
                    waiting(self.ahead(ticket))
                if until is not None and time.monotonic() >= until:
                    raise busy()
                self.wait(ticket, LOOK)
            yield
        finally:
            self.leave(ticket)

    def _order(self) -> list[Ticket]:
        """Those who wait, in the order in which they would go in if nobody else came."""
        earlier = [ticket.user for ticket in self._inside]
        ranked = []
        for arrival, ticket in enumerate(self._waiting):
            ranked.append((earlier.count(ticket.user), arrival, ticket))
            earlier.append(ticket.user)
        return [ticket for _, _, ticket in sorted(ranked, key=lambda entry: entry[:2])]

    def _admit(self) -> None:
        for ticket in self._order():
            full = len(self._inside) >= self._at_once
            if not full and sum(other.user == ticket.user for other in self._inside) < self._per_user:
                self._waiting.remove(ticket)
                self._inside.append(ticket)
        self._changed.notify_all()


def busy() -> Refused:
    """The refusal of somebody for whom no place or connection became free in time."""
    return Refused(
        "Backstitch is busy: too much is being asked for at once. Nothing was saved; try again in a moment.",
        rule=BUSY,
    )
