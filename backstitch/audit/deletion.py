"""Deletes records of the trail; only admins can, with a reason, and the deletion is on the record."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

DELETE = text(
    "select audit.delete_records(before => :before, reason => :reason, "
    "since => coalesce(:since, timestamptz '-infinity'), entities => :entities)"
)


def delete_records(
    connection: Connection,
    *,
    before: datetime,
    reason: str,
    since: datetime | None = None,
    entities: Sequence[str] | None = None,
) -> int:
    """Deletes the sealed records with since <= recorded_at < before; returns how many.

    `entities` are names in the trail, such as InwardLog; None means all. Records that are not sealed yet, and those of
    former deletions and of erasures, stay. Raises Refused for a user who is not an admin, without a reason, and when a
    record is not as it was sealed.
    """
    parameters = {"before": before, "reason": reason, "since": since}
    names = None if entities is None else list(entities)
    return int(connection.execute(DELETE, parameters | {"entities": names}).scalar_one())
