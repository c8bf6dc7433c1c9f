"""The story of the demo business, before it reaches a database."""

from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backstitch.demo.loader import SEED
from backstitch.demo.steps import Step
from backstitch.demo.story import DAYS, Story
from backstitch.india.gst import gstin_problem
from tests.unit.demo.rules import Rules

TODAY = date(2026, 11, 23)
KOLKATA = ZoneInfo("Asia/Kolkata")
HORIZON = 1100  # days from TODAY on which a first start is tried
PARTS = 10
# Days on which an earlier story did not load (six failures of one name, a price below zero), and awkward ones.
KNOWN_DAYS = (
    "2026-11-26",
    "2026-12-04",
    "2027-05-22",
    "2027-07-08",
    "2027-09-05",
    "2027-09-17",
    "2028-02-29",
    "2028-03-01",
)


def story_of(today: date, *, scale: float = 1, seed: int = SEED, zone: ZoneInfo = KOLKATA, days: int = DAYS) -> Story:
    """What a first start on that day would load."""
    return Story(scale=scale, seed=seed, today=today, zone=zone, days=days)


def steps_of(story: Story) -> list[Step]:
    """All steps of a story."""
    return [step for day in story.tell() for step in day]


def assert_keeps_the_rules(story: Story, today: date) -> Rules:
    """Checks every rule of the database at each step of the story; returns what the database would hold."""
    rules = Rules(today=today, zone=story.zone)
    for day in story.tell():
        rules.take_day(day)
    rules.check_end()
    return rules


def first_starts(part: int, *, every: int) -> list[date]:
    """One part of the days within the horizon, each day or some, of every weekday and season."""
    return [TODAY + timedelta(days=number) for number in range(0, HORIZON, every)][part::PARTS]


def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    first = steps_of(story_of(TODAY, seed=1, days=90))
    assert steps_of(story_of(TODAY, seed=1, days=90)) == first
    assert steps_of(story_of(TODAY, seed=2, days=90)) != first


def test_two_years_hold_corrections_mistakes_and_late_work() -> None:
    steps = steps_of(story_of(TODAY, seed=1))
    names = {name for step in steps for name, _ in step.work}
    assert {"edit inward", "delete inward", "edit sale", "delete sale", "undo", "price", "adjust"} <= names
    assert {"order", "order moves", "delete order", "sign in", "sign out"} <= names
    assert any(step.at.astimezone(KOLKATA).hour >= 22 for step in steps)
    details: list[tuple[Step, str, Any]] = [(step, name, data) for step in steps for name, data in step.work]
    assert {data["right"] for _, name, data in details if name == "sign in"} == {True, False}
    sold = [
        (row["date"], step.at.astimezone(KOLKATA).date())
        for step, name, rows in details
        if name == "sales"
        for row in rows
    ]
    assert any(day < entered for day, entered in sold) and all(day <= entered for day, entered in sold)


@pytest.mark.parametrize("today", KNOWN_DAYS)
def test_a_story_keeps_the_rules_of_the_database_on_days_that_broke_it_before(today: str) -> None:
    day = date.fromisoformat(today)
    assert assert_keeps_the_rules(story_of(day), day).count > 2000


@pytest.mark.parametrize("part", range(PARTS))
def test_a_story_keeps_the_rules_on_every_eighth_day_to_come(part: int) -> None:
    for today in first_starts(part, every=8):
        assert_keeps_the_rules(story_of(today), today)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_a_story_keeps_the_rules_on_each_day_to_come(part: int) -> None:
    for today in first_starts(part, every=1):
        assert_keeps_the_rules(story_of(today), today)


@pytest.mark.parametrize(("scale", "every"), [(0.01, 150), (0.3, 100), (3, 180), (10, 550)])
def test_a_story_keeps_the_rules_whatever_its_size(scale: float, every: int) -> None:
    for number in range(0, HORIZON, every):
        today = TODAY + timedelta(days=number)
        assert_keeps_the_rules(story_of(today, scale=scale), today)


def test_a_story_of_a_thousand_times_the_size_has_days_long_enough_for_it() -> None:
    steps = assert_keeps_the_rules(story_of(TODAY, scale=1000, days=4), TODAY).count
    assert steps > 5000


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_story_keeps_the_rules_whatever_its_seed(seed: int) -> None:
    assert_keeps_the_rules(story_of(TODAY, seed=seed), TODAY)


@pytest.mark.parametrize("days", [*range(1, 15), 2000])
def test_a_story_keeps_the_rules_whatever_its_length_and_first_weekday(days: int) -> None:
    assert_keeps_the_rules(story_of(TODAY, days=days), TODAY)


@pytest.mark.parametrize(
    "zone",
    ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Pacific/Kiritimati", "America/Santiago", "UTC"],
)
def test_moments_go_forward_in_every_zone(zone: str) -> None:
    assert_keeps_the_rules(story_of(TODAY, zone=ZoneInfo(zone)), TODAY)


@pytest.mark.parametrize("weekday", range(7))
def test_whatever_day_it_begins_on_parties_are_there_before_their_orders(weekday: int) -> None:
    story = story_of(TODAY + timedelta(days=weekday), scale=3, seed=weekday, days=12)
    names = [name for step in steps_of(story) for name, _ in step.work]
    assert names.count("customer") == names.count("agency") == 1
    assert names.index("customer") < names.index("agency") < names.index("product") < names.index("order")


def test_every_party_has_a_gstin_that_holds() -> None:
    story = story_of(TODAY, days=4)
    gstins = [str(row["gst_number"]) for row in (*story.customers, *story.agencies)]
    assert gstins and [gstin_problem(gstin) for gstin in gstins] == [None] * len(gstins)


# The rules themselves ---------------------------------------------------------------------------

SALE = {"sku": "KT-104", "code": "MUSTARD", "size": "M", "quantity": 10_000, "date": TODAY, "party": "Bandra"}
REFUSED: dict[str, tuple[str, Any]] = {
    "stock below zero": ("sales", [SALE | {"agency": "", "category": "Supply"}]),
    "a sale that is not there": ("delete sale", SALE | {"agency": "", "category": "Supply"}),
    "the same price": ("price", [{"sku": "KT-104", "price": "899.00"}]),
    "a price below zero": ("price", [{"sku": "KT-104", "price": "-1.00"}]),
    "a move of an order that is not there": ("order moves", {"note": "PO 1", "status": "delivered"}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rules_refuse(what: str) -> None:
    first_day = next(iter(story_of(TODAY).tell()))
    rules = Rules(today=TODAY, zone=KOLKATA)
    index = next(i for i, step in enumerate(first_day) for name, _ in step.work if name == "inward")
    rules.take_day(first_day[: index + 1])
    after = first_day[index].at + timedelta(seconds=1)
    with pytest.raises((AssertionError, KeyError)):
        rules.take_day([replace(first_day[index], at=after.astimezone(UTC), work=(REFUSED[what],), reason="why")])


def test_the_rules_refuse_the_sixth_failure_of_a_name() -> None:
    first_day = next(iter(story_of(TODAY).tell()))
    failure: tuple[str, dict[str, object]] = (
        "sign in",
        {"email": "info@example.com", "address": "198.51.100.1", "browser": "x", "right": False},
    )
    tries = [replace(first_day[0], at=first_day[0].at + timedelta(seconds=s), work=(failure,)) for s in range(6)]
    Rules(today=TODAY, zone=KOLKATA).take_day(tries[:5])
    with pytest.raises(AssertionError, match=r"info@example\.com"):
        Rules(today=TODAY, zone=KOLKATA).take_day(tries)
