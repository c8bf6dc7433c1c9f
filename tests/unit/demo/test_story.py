"""The story of the demo business, before it reaches a database."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from backstitch.demo.steps import Step
from backstitch.demo.story import Story
from backstitch.india.gst import gstin_problem

TODAY = date(2026, 11, 23)


def told(*, seed: int = 1, days: int = 90) -> tuple[Story, list[Step]]:
    """The story and all its steps."""
    story = Story(scale=1, seed=seed, today=TODAY, zone=ZoneInfo("Asia/Kolkata"), days=days)
    return story, [step for day in story.tell() for step in day]


def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    assert told()[1] == told()[1]
    assert told()[1] != told(seed=2)[1]


def test_time_goes_forward_in_working_days_and_ends_before_today() -> None:
    _, steps = told()
    moments = [step.at for step in steps]
    assert moments == sorted(moments)
    assert {moment.weekday() for moment in moments} == set(range(6))
    assert moments[-1].date() < TODAY


def test_two_years_hold_corrections_mistakes_and_late_work_and_never_sell_what_is_not_there() -> None:
    story, steps = told(days=730)
    names = {name for step in steps for name, _ in step.work}
    assert {"edit inward", "delete inward", "edit sale", "delete sale", "undo", "price", "adjust"} <= names
    assert {"order", "order moves", "delete order", "sign in", "sign out"} <= names
    assert min(story.shelves.pieces.values()) >= 0
    assert any(step.at.hour >= 22 for step in steps)
    priced = [step for step in steps if step.operation in {"edit product", "edit products", "adjust stock", "undo"}]
    assert priced and all(step.reason for step in priced)


@pytest.mark.parametrize("weekday", range(7))
def test_whatever_day_it_begins_on_parties_are_there_before_their_orders(weekday: int) -> None:
    story = Story(scale=3, seed=weekday, today=TODAY + timedelta(days=weekday), zone=ZoneInfo("Asia/Kolkata"), days=12)
    names = [name for day in story.tell() for step in day for name, _ in step.work]
    assert names.count("customer") == names.count("agency") == 1
    assert names.index("customer") < names.index("agency") < names.index("product") < names.index("order")


def test_every_party_has_a_gstin_that_holds() -> None:
    story, _ = told(days=4)
    gstins = [str(row["gst_number"]) for row in (*story.customers, *story.agencies)]
    assert gstins and [gstin_problem(gstin) for gstin in gstins] == [None] * len(gstins)
