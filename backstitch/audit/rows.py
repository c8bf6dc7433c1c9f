"""Makes the rows of an export: one row per changed field of each record."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from backstitch.audit.differences import list_in_words, told_apart
from backstitch.audit.filters import Filters, conditions
from backstitch.audit.labels import labelled_records
from backstitch.audit.records import SELECT, Record
from backstitch.audit.search import NEWEST_FIRST, windows
from backstitch.audit.wording import action_word, client, entity_word, field_word, holds_day, holds_instant, source_word

COLUMNS = (
    "Time",
    "User",
    "Name",
    "Action",
    "Record type",
    "Record",
    "Record id",
    "Field",
    "Old value",
    "New value",
    "Operation",
    "Reason",
    "Source",
    "Client",
    "Transaction",
    "Request",
)
BATCH = 2_000
# The server sorts one window at a time, so that it answers at once and sorts in memory.
WINDOW = timedelta(days=7)

ENCODER = json.JSONEncoder(ensure_ascii=False)

Cell = str | int | Decimal | date | None
ExportRow = tuple[Cell, ...]


def records(connection: Connection, *, filters: Filters) -> Iterator[list[Record]]:
    """All records under `filters`, newest first, in batches of at most BATCH records."""
    condition, values = conditions(connection, filters=filters)
    statement = text(" ".join((SELECT, "where", condition, NEWEST_FIRST)))
    for start, end in windows(filters.start, filters.end, first=WINDOW):
        result = connection.execute(
            statement,
            values | {"start": start, "end": end},
            execution_options={"stream_results": True, "max_row_buffer": BATCH},
        )
        for rows in result.partitions(BATCH):
            yield labelled_records(connection, rows=rows)


def flatten(record: Record, zone: ZoneInfo) -> list[ExportRow]:
    """The rows of one record in the order of COLUMNS; Time is aware, in `zone`.

    An update has a row per changed field. Any other record has one row, with the whole record or the details of the
    activity as JSON in New value; of a deletion in Old value.
    """
    head = (
        record.recorded_at.astimezone(zone),
        record.username,
        record.user_name,
        action_word(record.action),
        entity_word(record.entity),
        record.label,
        record.entity_id,
    )
    tail = (
        record.operation,
        record.reason,
        source_word(record.source),
        client(record),
        record.transaction_id,
        record.request,
    )
    old, new = record.old_values, record.new_values
    if old is None or new is None:
        return [(*head, None, _whole_value(old), _whole_value(new), *tail)]
    return [
        (*head, field_word(field), *_cells(field, old.get(field), value, zone), *tail) for field, value in new.items()
    ]


def _cells(field: str, old: Any, new: Any, zone: ZoneInfo) -> tuple[Cell, Cell]:
    """The two cells of a change; texts that differ and look alike have visible what makes them differ."""
    before, after = _cell(field, old, zone), _cell(field, new, zone)
    if isinstance(before, str) and isinstance(after, str):
        before, after = told_apart(before, after)
    if (before or "") == (after or "") and old != new:  # such as no value and an empty text
        return _whole_value(old), _whole_value(new)
    return before, after


def _whole_value(value: Any) -> str | None:
    return None if value is None else _json(value)


def _json(value: Any) -> str:
    """The JSON of a value, with all stored digits of numbers: 549.00, not 549.0."""
    try:
        return ENCODER.encode(value)
    except TypeError:
        # The value holds a Decimal, which the encoder cannot write.
        return _json_with_decimals(value)


def _json_with_decimals(value: Any) -> str:
    match value:
        case Decimal():
            return str(value)
        case dict():
            members = (f"{ENCODER.encode(name)}: {_json_with_decimals(item)}" for name, item in value.items())
            return "{" + ", ".join(members) + "}"
        case list():
            return "[" + ", ".join(map(_json_with_decimals, value)) + "]"
    return ENCODER.encode(value)


def _cell(field: str, value: Any, zone: ZoneInfo) -> Cell:
    match value:
        case bool():
            return "yes" if value else "no"
        case list() if all(isinstance(item, str) for item in value):
            return list_in_words(value)
        case list() | dict():
            return _json(value)
        case str() if holds_day(field):
            return _date(value)
        case str() if holds_instant(field):
            return _instant(value, zone)
    cell: Cell = value
    return cell


def _instant(value: str, zone: ZoneInfo) -> str:
    try:
        # As text with the offset: Excel's date cells have no time zone.
        return datetime.fromisoformat(value).astimezone(zone).isoformat()
    except (ValueError, OverflowError):
        return value


def _date(value: str) -> Cell:
    try:
        return date.fromisoformat(value)
    except ValueError:
        # PostgreSQL has dates that Python does not have, such as infinity.
        return value
