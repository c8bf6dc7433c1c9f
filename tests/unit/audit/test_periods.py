"""Periods of a report, at instants where the day, the month or the financial year turns."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from backstitch.audit.periods import DEFAULT, Period, instants
from backstitch.errors import Refused

INDIA = ZoneInfo("Asia/Kolkata")
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def days(period: Period, now: datetime, zone: ZoneInfo = INDIA) -> tuple[str, str]:
    start, end = instants(period, now=now, zone=zone)
    return start.isoformat(), end.isoformat()


@pytest.mark.parametrize(
    ("period", "first", "after"),
    [
        (Period.TODAY, "2026-11-23", "2026-11-24"),
        (Period.YESTERDAY, "2026-11-22", "2026-11-23"),
        (Period.LAST_7_DAYS, "2026-11-17", "2026-11-24"),
        (Period.LAST_30_DAYS, "2026-10-25", "2026-11-24"),
        (Period.THIS_MONTH, "2026-11-01", "2026-12-01"),
        (Period.LAST_MONTH, "2026-10-01", "2026-11-01"),
        (Period.THIS_FINANCIAL_YEAR, "2026-04-01", "2027-04-01"),
        (Period.LAST_FINANCIAL_YEAR, "2025-04-01", "2026-04-01"),
    ],
)
def test_a_preset_is_a_half_open_range_of_whole_days_in_the_zone(period: Period, first: str, after: str) -> None:
    assert days(period, NOON) == (f"{first}T00:00:00+05:30", f"{after}T00:00:00+05:30")


def test_the_default_is_the_last_7_days() -> None:
    assert DEFAULT is Period.LAST_7_DAYS


def test_today_is_the_day_of_the_zone_not_of_utc() -> None:
    after_midnight_in_india = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    assert days(Period.TODAY, after_midnight_in_india) == ("2026-11-23T00:00:00+05:30", "2026-11-24T00:00:00+05:30")


def test_the_financial_year_turns_on_the_first_of_april() -> None:
    last_second = datetime(2026, 3, 31, 18, 29, 59, tzinfo=UTC)
    first_second = datetime(2026, 3, 31, 18, 30, tzinfo=UTC)
    assert days(Period.THIS_FINANCIAL_YEAR, last_second)[0] == "2025-04-01T00:00:00+05:30"
    assert days(Period.THIS_FINANCIAL_YEAR, first_second)[0] == "2026-04-01T00:00:00+05:30"
    assert days(Period.LAST_FINANCIAL_YEAR, last_second)[0] == "2024-04-01T00:00:00+05:30"


def test_months_turn_over_the_year_and_end_on_leap_days() -> None:
    january = datetime(2028, 1, 15, tzinfo=UTC)
    assert days(Period.LAST_MONTH, january) == ("2027-12-01T00:00:00+05:30", "2028-01-01T00:00:00+05:30")
    february = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert days(Period.THIS_MONTH, february) == ("2028-02-01T00:00:00+05:30", "2028-03-01T00:00:00+05:30")


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    clocks_change = datetime(2026, 3, 29, 12, tzinfo=UTC)
    start, end = instants(Period.TODAY, now=clocks_change, zone=ZoneInfo("Europe/Berlin"))
    assert (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds() == 23 * 3600


def test_custom_includes_both_days() -> None:
    start, end = instants(Period.CUSTOM, now=NOON, zone=INDIA, first=date(2026, 10, 1), last=date(2026, 10, 31))
    assert (start.isoformat(), end.isoformat()) == ("2026-10-01T00:00:00+05:30", "2026-11-01T00:00:00+05:30")


@pytest.mark.parametrize(
    ("first", "last", "rule"),
    [
        (None, date(2026, 10, 31), "period_complete"),
        (date(2026, 10, 1), None, "period_complete"),
        (date(2026, 10, 31), date(2026, 10, 1), "period_order"),
        (date(1, 1, 1), date(2026, 10, 1), "period_range"),
        (date(2026, 10, 1), date.max, "period_range"),
    ],
)
def test_an_invalid_custom_range_is_refused(first: date | None, last: date | None, rule: str) -> None:
    with pytest.raises(Refused) as refused:
        instants(Period.CUSTOM, now=NOON, zone=INDIA, first=first, last=last)
    assert refused.value.rule == rule
