"""Converts filters to and from query strings, so that a filtered report has a link, and to words."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from backstitch.audit import labels
from backstitch.audit.filters import Filters
from backstitch.audit.periods import EARLIEST, LATEST, midnight
from backstitch.audit.wording import ACTIONS, ENTITIES, action_word, entity_word
from backstitch.errors import Refused

SYSTEM = "system"
PARAMETERS = ("start", "end", "user", "action", "type", "product", "text")
LONGEST_TEXT = 200
MOST_CHOICES = 100
LARGEST_ID = 2**63 - 1
OFFSET_UNQUOTED = re.compile(r"(?<=:\d\d) (?=\d\d:\d\d$)|(?<=\.\d{6}) (?=\d\d:\d\d$)")

Value = TypeVar("Value")


class BadQuery(Refused):
    """An invalid query string; the message names the parameter and says what to give."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, rule="audit_query")


def filters_to_query(filters: Filters) -> dict[str, list[str]]:
    """The query parameters of `filters`, for urlencode(..., doseq=True), without empty filters."""
    users = [str(id) for id in filters.user_ids] + ([SYSTEM] if filters.include_system else [])
    query = {
        "start": [filters.start.isoformat()],
        "end": [filters.end.isoformat()],
        "user": users,
        "action": list(filters.actions),
        "type": list(filters.entities),
        "product": [] if filters.product_id is None else [str(filters.product_id)],
        "text": [filters.text] if filters.text else [],
    }
    return {name: values for name, values in query.items() if values}


def filters_from_query(parameters: Mapping[str, Sequence[str]], zone: ZoneInfo) -> Filters:
    """The filters of a query string; `parameters` maps each name to all its values.

    `start` and `end` are ISO 8601: instants, or days in `zone`, of which the last is included.
    Raises BadQuery for a parameter that is unknown, missing, repeated or out of range.
    """
    _require_known(parameters)
    users = _all_values(parameters, "user")
    product = _single_value(parameters, "product")
    search_text = _single_value(parameters, "text") or ""
    if len(search_text) > LONGEST_TEXT:
        raise BadQuery(f"“text” is longer than {LONGEST_TEXT} characters; search for a part of it.")
    start = _instant(parameters, "start", zone, timedelta())
    end = _instant(parameters, "end", zone, timedelta(days=1))
    if start >= end:
        raise BadQuery("“start” is not before “end”; swap them.")
    return Filters(
        start=start,
        end=end,
        user_ids=tuple(_id("user", user) for user in users if user != SYSTEM),
        include_system=SYSTEM in users,
        actions=tuple(_known_choice("action", action, ACTIONS) for action in _all_values(parameters, "action")),
        entities=tuple(_known_choice("type", entity, ENTITIES) for entity in _all_values(parameters, "type")),
        product_id=None if product is None else _id("product", product),
        text=search_text,
    )


def in_words(connection: Connection, *, filters: Filters, people: Mapping[int, str]) -> list[tuple[str, str]]:
    """The filters that are not empty, as (name, values in words); `people` maps user ids to names."""
    users = [people.get(id, f"user {id}") for id in filters.user_ids]
    product = [labels.Subject("Product", filters.product_id, None, None, "")] if filters.product_id else []
    narrowed = (
        ("Users", users + ([SYSTEM] if filters.include_system else [])),
        ("Actions", _as_words(filters.actions, action_word)),
        ("Record types", _as_words(filters.entities, entity_word)),
        ("Product", labels.resolve(connection, subjects=product)),
        ("Text", [f"“{filters.text}”"] if filters.text else []),
    )
    return [(what, ", ".join(which)) for what, which in narrowed if which]


def _require_known(parameters: Iterable[str]) -> None:
    # A misspelt parameter would not filter, and the file would hold more than the user wants.
    for name in parameters:
        if name not in PARAMETERS:
            raise BadQuery(f"“{name[:40]}” is not a parameter; there are {', '.join(PARAMETERS)}.")


def _as_words(codes: Iterable[str], word: Callable[[str], str]) -> list[str]:
    return [word(code) for code in codes]


def _all_values(parameters: Mapping[str, Sequence[str]], name: str) -> Sequence[str]:
    values = parameters.get(name, ())
    if len(values) > MOST_CHOICES:
        raise BadQuery(f"“{name}” is given more than {MOST_CHOICES} times; leave it out to get all.")
    return values


def _single_value(parameters: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = parameters.get(name, ())
    if len(values) > 1:
        raise BadQuery(f"“{name}” is given more than once; give it once.")
    return values[0] if values else None


def _known_choice(name: str, value: str, choices: Mapping[str, str]) -> str:
    if value not in choices:
        raise BadQuery(f"“{value[:40]}” is no {name}; there are {', '.join(choices)}.")
    return value


def _id(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= LARGEST_ID):
        raise BadQuery(f"“{value[:40]}” is no {name}; give the number of one.")
    return int(value)


def _instant(parameters: Mapping[str, Sequence[str]], name: str, zone: ZoneInfo, day_offset: timedelta) -> datetime:
    value = _single_value(parameters, name)
    if value is None:
        raise BadQuery(f"“{name}” is missing; give a day such as 2026-10-31.")
    try:
        if len(value) == len("2026-10-31"):
            instant = midnight(date.fromisoformat(value) + day_offset, zone)
        else:
            # In a query the + of an offset means a blank, and whoever writes an address by hand does not quote it.
            instant = datetime.fromisoformat(OFFSET_UNQUOTED.sub("+", value))
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=zone)
        # Of the day as it is written: the first midnight of a zone east of Greenwich is a day earlier there.
        in_range = EARLIEST <= instant.date() <= LATEST + timedelta(days=1)
    except (ValueError, OverflowError):
        in_range = False
    if not in_range:
        raise BadQuery(
            f"“{value[:40]}” is no {name}; give a day such as 2026-10-31, from {EARLIEST.year} to {LATEST.year}."
        )
    return instant
