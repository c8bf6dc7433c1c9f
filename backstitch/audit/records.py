"""Defines a record of the trail and the query for records; labels.py makes records of its rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

Values = dict[str, Any]

# The values are read as text: the driver would parse 549.00 as a float.
SELECT = """
    select id, recorded_at, transaction_id, user_id, username, user_name,
           action, entity, entity_id, parent_id, old_values::text as old_values, new_values::text as new_values,
           operation, reason, source, request, session_id, database_role, application, host(address) as address,
           user_agent
    from audit.trail
"""
VALUES_AT = 10  # index of old_values in SELECT; new_values follows
DECODER = json.JSONDecoder(parse_float=Decimal)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of audit.trail. `label` names the row that it is about, such as “AN201 · Red · M”.

    `source` is the door through which it came and `request` the id of what came through it (backstitch.request).
    UPDATE has the changed columns in old_values and new_values, CREATE the row in new_values, DELETE and TRUNCATE the
    row in old_values; an activity has its details in new_values. Whole numbers are int, others Decimal.
    """

    id: int
    recorded_at: datetime
    transaction_id: int
    user_id: int | None
    username: str
    user_name: str | None
    action: str
    entity: str
    entity_id: int | None
    parent_id: int | None
    old_values: Values | None
    new_values: Values | None
    operation: str | None
    reason: str | None
    source: str
    request: str | None
    session_id: int | None
    database_role: str
    application: str | None
    address: str | None
    user_agent: str | None
    label: str

    @property
    def cursor(self) -> "Cursor":
        """The position of this record in the order of the trail."""
        return Cursor(self.recorded_at, self.id)


@dataclass(frozen=True)
class Cursor:
    """A position in the order of the trail, newest first; the next page has the older records."""

    recorded_at: datetime
    id: int


@dataclass(frozen=True)
class Page:
    """Records, newest first; `next_cursor` is None on the last page."""

    records: Sequence[Record]
    next_cursor: Cursor | None


def decode(text: str | None) -> Values | None:
    """The recorded values of a JSON text; numbers with a decimal point are Decimal."""
    if text is None:
        return None
    values: Values = DECODER.decode(text)
    return values
