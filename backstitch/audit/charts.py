"""Reads the data of the charts of the audit report, one aggregate each, under the filters of the table."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import Connection, text

from backstitch.audit.filters import Filters, conditions
from backstitch.audit.periods import EARLIEST
from backstitch.audit.wording import action_word, entity_word, field_word

MOST_USERS = 20
MOST_FIELDS = 10
OTHERS = "Others"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

BY_DAY = (
    "select (recorded_at at time zone :zone)::date as day, action, count(*) as records from audit.trail where",
    "group by 1, 2",
)
BY_TYPE = (
    "select entity, count(*) as records from audit.trail where",
    "group by 1 order by 2 desc, 1",
)
BY_HOUR = (
    """
    select extract(isodow from recorded_at at time zone :zone)::int - 1 as weekday,
           extract(hour from recorded_at at time zone :zone)::int as hour, count(*) as records
    from audit.trail where
    """,
    "group by 1, 2",
)
BY_FIELD = (
    """
    select entity, field, count(*) as records
    from audit.trail cross join lateral jsonb_object_keys(case when action = 'UPDATE' then new_values end) field
    where action = 'UPDATE' and
    """,
    "group by 1, 2 order by 3 desc, 1, 2 limit :most",
)
# Failed sign-ins have the name that the person typed, so there can be any number of names.
BY_USER = (
    """
    select case when rank <= :most then username end as username,
           case when rank <= :most then user_name end as user_name, sum(records)::bigint as records
    from (
        select username, user_name, count(*) as records,
               row_number() over (order by count(*) desc, username) as rank
        from audit.trail where
    """,
    """
        group by 1, 2) ranked
    group by 1, 2 order by min(rank)
    """,
)


def by_day(connection: Connection, *, filters: Filters, zone: ZoneInfo, now: datetime) -> pd.DataFrame:
    """Columns day (midnight in `zone`), action (in words), records; every day up to that of `now`, also with 0.

    Actions without records have no rows.
    """
    rows = _rows(connection, BY_DAY, filters, zone=zone.key)
    counted = {(row.day, row.action): row.records for row in rows}
    actions = sorted({row.action for row in rows}, key=action_word)
    days = _days(filters, zone, now, first_record=min((row.day for row in rows), default=EARLIEST))
    frame = pd.DataFrame(
        [(day, action_word(action), counted.get((day, action), 0)) for day in days for action in actions],
        columns=["day", "action", "records"],
    )
    # Altair would treat a column of date objects as names.
    return frame.assign(day=pd.to_datetime(frame["day"]))


def by_user(connection: Connection, *, filters: Filters) -> pd.DataFrame:
    """Columns user (name, or e-mail address without one), records; the 20 users with most records, then Others."""
    rows = _rows(connection, BY_USER, filters, most=MOST_USERS)
    names = [row.user_name or row.username or OTHERS for row in rows]
    labels = [
        f"{name} ({row.username})" if names.count(name) > 1 and row.username else name
        for row, name in zip(rows, names, strict=True)
    ]
    return pd.DataFrame({"user": labels, "records": [row.records for row in rows]})


def by_record_type(connection: Connection, *, filters: Filters) -> pd.DataFrame:
    """Columns record_type (in words), records; most records first."""
    rows = _rows(connection, BY_TYPE, filters)
    return pd.DataFrame([(entity_word(row.entity), row.records) for row in rows], columns=["record_type", "records"])


def by_hour_and_weekday(connection: Connection, *, filters: Filters, zone: ZoneInfo) -> pd.DataFrame:
    """Columns weekday (Mon to Sun), hour (0 to 23, in `zone`), records; always 7 x 24 rows."""
    rows = _rows(connection, BY_HOUR, filters, zone=zone.key)
    counted = {(row.weekday, row.hour): row.records for row in rows}
    return pd.DataFrame(
        [
            (weekday, hour, counted.get((index, hour), 0))
            for index, weekday in enumerate(WEEKDAYS)
            for hour in range(24)
        ],
        columns=["weekday", "hour", "records"],
    )


def most_edited_fields(connection: Connection, *, filters: Filters) -> pd.DataFrame:
    """Columns record_type and field (both in words), records; the 10 fields that updates changed most."""
    rows = _rows(connection, BY_FIELD, filters, most=MOST_FIELDS)
    return pd.DataFrame(
        [(entity_word(row.entity), field_word(row.field), row.records) for row in rows],
        columns=["record_type", "field", "records"],
    )


def _rows(connection: Connection, query: tuple[str, str], filters: Filters, **values: Any) -> list[Any]:
    head, tail = query
    condition, bound = conditions(connection, filters=filters)
    return list(connection.execute(text(" ".join((head, condition, tail))), bound | values))


def _days(filters: Filters, zone: ZoneInfo, now: datetime, *, first_record: date) -> list[date]:
    """The days of the range up to that of `now`; an open range begins with the first record."""
    first = filters.start.astimezone(zone).date()
    if first <= EARLIEST:
        first = first_record
    last = min(filters.end - timedelta(microseconds=1), now).astimezone(zone).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
