"""The frame of the demo story: working days, who is signed in, and the moments at which things are done."""

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backstitch.demo.fixtures import ADMIN, ANALYST, MANAGERS, PEOPLE
from backstitch.demo.steps import Step, Work

OFF_HOURS = 0.04  # of the days end with somebody who still works late at night
# Addresses of documentation, which belong to nobody.
ADDRESSES = {email: f"192.0.2.{place}" for place, (email, _, _) in enumerate(PEOPLE, start=10)}
BROWSERS = ("Firefox on Windows (demo data)", "Chrome on Android (demo data)")

Action = Callable[[], None]


class Diary(ABC):
    """Days without Sundays; what is put off to a day is done on it, first of all."""

    def __init__(self, *, dice: random.Random, first: date, days: int, zone: ZoneInfo) -> None:
        self.dice, self.zone = dice, zone
        self.first, self.days = first, days
        self.due: defaultdict[date, list[Action]] = defaultdict(list)
        self.steps: list[Step] = []
        self.sessions: dict[str, str] = {}
        self.signed_in = 0
        self.day, self.clock = first, datetime.combine(first, time(9), zone)

    @abstractmethod
    def _today(self, number: int) -> list[Action]:
        """What day `number` brings besides what was put off to it."""

    @abstractmethod
    def _late(self) -> None:
        """What is done late at night."""

    def tell(self) -> Iterator[list[Step]]:
        """The steps of each day, in the order in which they happened."""
        for number in range(self.days):
            self.day = self.first + timedelta(days=number)
            self.clock = datetime.combine(self.day, time(9, self.dice.randrange(5, 25)), self.zone)
            if self.day.weekday() != 6:
                self._work(number)
            if number >= self.days - 2:
                self._everybody_leaves()
            if self.steps:
                yield self.steps
                self.steps = []

    def _work(self, number: int) -> None:
        if number == 0 or self.day.weekday() == 0 or not self.sessions:
            self._week_begins()
        actions = self.due.pop(self.day, []) + self._today(number)
        for place, action in enumerate(actions):
            self._pass(timedelta(hours=9.5) / (len(actions) + 1), place)
            action()
        if self.dice.random() < OFF_HOURS:
            self.clock = datetime.combine(self.day, time(22, self.dice.randrange(10, 50)), self.zone)
            self._late()

    def _pass(self, about: timedelta, place: int) -> None:
        """Time goes by; never so much that the day ends before the work."""
        begins = datetime.combine(self.day, time(9, 40), self.zone)
        moment = begins + about * (place + self.dice.random())
        self.clock = max(self.clock + timedelta(seconds=self.dice.randrange(20, 90)), moment)

    def _step(self, who: str, operation: str | None, *work: Work, reason: str | None = None) -> None:
        self.clock += timedelta(seconds=self.dice.randrange(5, 50), microseconds=self.dice.randrange(1000) * 1000)
        self.steps.append(Step(self.clock, self.sessions[who], operation, work, reason))

    def _week_begins(self) -> None:
        """Whoever was signed in leaves, and signs in again; now and then a password is mistyped."""
        self._everybody_leaves()
        for email in (ADMIN, *MANAGERS, ANALYST):
            self.signed_in += 1
            self.sessions[email] = f"{email} {self.signed_in}"
            known: dict[str, object] = {"address": ADDRESSES[email], "browser": BROWSERS[self.dice.random() < 0.2]}
            if self.dice.random() < 0.05:
                elsewhere = {"address": f"203.0.113.{self.dice.randrange(1, 255)}"}
                self._step(email, None, ("sign in", known | elsewhere | {"email": email, "right": False}))
            self._step(email, None, ("sign in", known | {"email": email, "right": True}))
        if self.dice.random() < 0.05:
            stranger = {"email": self.dice.choice(("info@example.com", "root@example.com", "sales@example.com"))}
            stranger |= {"address": f"198.51.100.{self.dice.randrange(1, 255)}", "browser": "unknown (demo data)"}
            self._step(ADMIN, None, ("sign in", stranger | {"right": False}))

    def _everybody_leaves(self) -> None:
        for email in list(self.sessions):
            self._step(email, "sign out", ("sign out", {}))
            del self.sessions[email]

    def _on(self, day: date, action: Action) -> None:
        """Does it on that day, or on the Monday when it is a Sunday."""
        self.due[day + timedelta(days=day.weekday() == 6)].append(action)

    def _manager(self) -> str:
        return self.dice.choice(MANAGERS)
