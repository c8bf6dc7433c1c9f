"""Converts a period of a report, such as “Last month”, to a half-open range of instants in a time zone."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from backstitch.errors import Refused
from backstitch.india.financial_year import financial_year, first_day

EARLIEST = date(2000, 1, 1)
LATEST = date(2199, 12, 31)


class Period(StrEnum):
    """The choices of the filter; the value is the label."""

    TODAY = "Today"
    YESTERDAY = "Yesterday"
    LAST_7_DAYS = "Last 7 days"
    LAST_30_DAYS = "Last 30 days"
    THIS_MONTH = "This month"
    LAST_MONTH = "Last month"
    THIS_FINANCIAL_YEAR = "This financial year"
    LAST_FINANCIAL_YEAR = "Last financial year"
    ALL_TIME = "All time"
    CUSTOM = "Custom"


DEFAULT = Period.LAST_7_DAYS


def instants(
    period: Period, *, now: datetime, zone: ZoneInfo, first: date | None = None, last: date | None = None
) -> tuple[datetime, datetime]:
    """[start, end) of `period` in `zone`, both aware; `now` is any aware datetime.

    Only Custom uses `first` and `last`, and includes both days. Months and years are whole, so This month ends with its
    last day, not today. Raises Refused for an invalid Custom range.
    """
    if period is Period.CUSTOM:
        start, end = _custom(first, last)
    else:
        start, end = _days(period, now.astimezone(zone).date())
    return midnight(start, zone), midnight(end, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which `day` begins in `zone`."""
    return datetime.combine(day, time.min, tzinfo=zone)


def _days(period: Period, today: date) -> tuple[date, date]:
    """The first day of a period, and the day after its last."""
    tomorrow = today + timedelta(days=1)
    this_month = today.replace(day=1)
    this_year = first_day(financial_year(today))
    match period:
        case Period.TODAY:
            return today, tomorrow
        case Period.YESTERDAY:
            return today - timedelta(days=1), today
        case Period.LAST_30_DAYS:
            return today - timedelta(days=29), tomorrow
        case Period.THIS_MONTH:
            return this_month, (this_month + timedelta(days=31)).replace(day=1)
        case Period.LAST_MONTH:
            return (this_month - timedelta(days=1)).replace(day=1), this_month
        case Period.THIS_FINANCIAL_YEAR:
            return this_year, this_year.replace(year=this_year.year + 1)
        case Period.LAST_FINANCIAL_YEAR:
            return this_year.replace(year=this_year.year - 1), this_year
        case Period.ALL_TIME:
            return EARLIEST, tomorrow
        case _:
            return today - timedelta(days=6), tomorrow


def _custom(first: date | None, last: date | None) -> tuple[date, date]:
    if first is None or last is None:
        raise Refused("Choose the first and the last day.", rule="period_complete")
    if first > last:
        raise Refused("The first day is after the last; swap them.", rule="period_order")
    if first < EARLIEST or last > LATEST:
        raise Refused(f"Choose days between {EARLIEST.year} and {LATEST.year}.", rule="period_range")
    return first, last + timedelta(days=1)
