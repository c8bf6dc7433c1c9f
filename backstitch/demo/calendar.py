"""The frame of the demo story: working days, who is signed in, and the moments at which things are done."""

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backstitch.demo.fixtures import ADMIN, ANALYST, MANAGERS, PEOPLE
from backstitch.demo.steps import Step, Work

OFF_HOURS = 0.04  # of the days end with somebody who still works late at night
# Addresses of documentation, which belong to nobody.
ADDRESSES = {email: f"192.0.2.{number}" for number, (email, _, _) in enumerate(PEOPLE, start=10)}
BROWSERS = ("Firefox on Windows (demo data)", "Chrome on Android (demo data)")
STRANGERS = ("info@example.com", "root@example.com", "sales@example.com")
# The database tries no sign-in of a name after 5 failures, nor of a network after 20. A load takes seconds, so it
# counts the failures of two years together; with fewer of a stranger each is tried, and leaves a record.
TRIES_OF_A_STRANGER = 4

Action = Callable[[], None]


class Diary(ABC):
    """Days without Sundays; actions that are put off to a day come first on it.

    `clock` is in UTC, where adding hours always moves time forward; the hours of work are those of `zone`.
    """

    def __init__(self, *, dice: random.Random, first: date, days: int, zone: ZoneInfo) -> None:
        self.dice, self.zone = dice, zone
        self.first, self.days = first, days
        self.due: defaultdict[date, list[Action]] = defaultdict(list)
        self.steps: list[Step] = []
        self.sessions: dict[str, str] = {}
        self.signed_in = self.mistyped = 0
        self.strangers = list(STRANGERS * TRIES_OF_A_STRANGER)
        self.dice.shuffle(self.strangers)
        self.day = first
        self.clock = self._moment(9)

    @abstractmethod
    def _actions_of(self, number: int) -> list[Action]:
        """Actions that day `number` brings besides those put off to it."""

    @abstractmethod
    def _work_late(self) -> None:
        """Takes the steps of a late night."""

    def tell(self) -> Iterator[list[Step]]:
        """The steps of each day, in the order in which they happened; days without steps are left out."""
        for number in range(self.days):
            self.day = self.first + timedelta(days=number)
            self.clock = self._moment(9, self.dice.randrange(5, 25))
            if self.day.weekday() == 6:
                continue
            self._work(number)
            if number >= self.days - 2:
                self._sign_everybody_out()
            if self.steps:
                yield self.steps
                self.steps = []

    def _moment(self, hour: int, minute: int = 0) -> datetime:
        """The moment of today at which the clocks of the zone show this time, in UTC."""
        return datetime.combine(self.day, time(hour, minute), self.zone).astimezone(UTC)

    def _work(self, number: int) -> None:
        opened = self.clock
        if number == 0 or self.day.weekday() == 0 or not self.sessions:
            self._begin_week()
        actions = self.due.pop(self.day, []) + self._actions_of(number)
        for index, action in enumerate(actions):
            self._pass_time(timedelta(hours=9.5) / (len(actions) + 1), index)
            action()
        self._fit_between(opened, self._moment(21, 30))
        if self.dice.random() < OFF_HOURS:
            self.clock = self._moment(22, self.dice.randrange(10, 50))
            self._work_late()

    def _pass_time(self, average: timedelta, index: int) -> None:
        """Moves the clock to about where action `index` belongs in the day, and forward in any case."""
        moment = self._moment(9, 40) + average * (index + self.dice.random())
        self.clock = max(self.clock + timedelta(seconds=self.dice.randrange(20, 90)), moment)

    def _fit_between(self, opened: datetime, closed: datetime) -> None:
        """Shortens the pauses of a day with more steps than it has time for."""
        if self.clock > closed:
            share = (closed - opened) / (self.clock - opened)
            self.steps = [replace(step, at=opened + (step.at - opened) * share) for step in self.steps]
            self.clock = closed

    def _step(self, who: str, operation: str | None, *work: Work, reason: str | None = None) -> None:
        self.clock += timedelta(seconds=self.dice.randrange(5, 50), microseconds=self.dice.randrange(1000) * 1000)
        self.steps.append(Step(self.clock, self.sessions[who], operation, work, reason))

    def _begin_week(self) -> None:
        """Everybody signs out and in again; now and then somebody mistypes a password, or a stranger tries one."""
        self._sign_everybody_out()
        for email in (ADMIN, *MANAGERS, ANALYST):
            self.signed_in += 1
            self.sessions[email] = f"{email} {self.signed_in}"
            browser = BROWSERS[self.dice.random() < 0.2]
            if self.dice.random() < 0.05:
                # The right password comes next, and with it the database forgets the failure of the name.
                self.mistyped += 1
                self._sign_in(email, email, f"203.0.113.{self.mistyped % 254 + 1}", browser, right=False)
            self._sign_in(email, email, ADDRESSES[email], browser, right=True)
        if self.strangers and self.dice.random() < 0.05:
            address = f"198.51.100.{len(self.strangers)}"
            self._sign_in(ADMIN, self.strangers.pop(), address, "unknown (demo data)", right=False)

    def _sign_in(self, session_of: str, email: str, address: str, browser: str, *, right: bool) -> None:
        details = {"email": email, "address": address, "browser": browser, "right": right}
        self._step(session_of, None, ("sign in", details))

    def _sign_everybody_out(self) -> None:
        for email in list(self.sessions):
            self._step(email, "sign out", ("sign out", {}))
            del self.sessions[email]

    def _put_off(self, most: int, action: Action) -> None:
        """Takes the action on one of the next `most` days, or on the Monday after when that is a Sunday."""
        day = self.day + timedelta(days=self.dice.randrange(1, most + 1))
        self.due[day + timedelta(days=day.weekday() == 6)].append(action)

    def _manager(self) -> str:
        return self.dice.choice(MANAGERS)
