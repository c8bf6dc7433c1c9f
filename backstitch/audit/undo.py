"""Undo from the trail: a record, or all that one transaction did. The rules stand in db/audit/undo.sql.

Read the preview with a connection of `Database.read(actor)`; undo with one of `Database.transaction(actor, ...)`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from backstitch.audit import labels
from backstitch.audit.records import decoded
from backstitch.audit.wording import counted_entities

SAMPLE = 50  # skipped records that a preview names
OPPOSITE = {"CREATE": "DELETE", "UPDATE": "UPDATE", "DELETE": "CREATE", "TRUNCATE": "CREATE"}
VERBS = {"DELETE": "deletes", "CREATE": "brings back", "UPDATE": "sets back"}
BECAUSE = {
    "changed_since": "changed since",
    "in_use": "other records that stay refer to it",
    "reference_gone": "what it belongs to is gone",
    "taken": "another record has taken its place",
    "no_way_back": "a confirmed or dispatched order has no way back",
    "order_stays": "its order stays",
    "colour_out_of_use": "its colour is out of use",
    "columns_changed": "its record type has other fields now",
    "values_not_kept": "the trail does not keep its values",
}
NOW = text("select pg_current_xact_id()::text::bigint, clock_timestamp()")
COUNTS = text(
    """
    select action, entity, skipped is null as undone, count(*) as records
    from audit.undo_steps(:transaction_id, :near, :record_id) group by 1, 2, 3 order by 4 desc, 2, 1
    """
)
SKIPPED = text(
    """
    select entity, entity_id, parent_id, coalesce(new_values, old_values)::text as row, action, skipped
    from audit.undo_steps(:transaction_id, :near, :record_id) where skipped is not null limit :sample
    """
)
UNDO = text("select undone, skipped from audit.undo(:transaction_id, :near, :record_id)")


@dataclass(frozen=True)
class Undoable:
    """What can be undone: a transaction, which ended about `near` (numbers repeat after a restore), or one record."""

    transaction_id: int
    near: datetime
    record_id: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        """As the functions of db/audit/undo.sql take it."""
        return {"transaction_id": self.transaction_id, "near": self.near, "record_id": self.record_id}


@dataclass(frozen=True)
class Step:
    """How many records of one entity an undo puts back, and by which action: CREATE, UPDATE or DELETE."""

    action: str
    entity: str
    records: int


@dataclass(frozen=True)
class Left:
    """A record that an undo leaves as it is: its name, and why."""

    entity: str
    label: str
    because: str


@dataclass(frozen=True)
class Preview:
    """What an undo would do: `steps` with most records first; `left` names at most SAMPLE of the `skipped` records."""

    steps: Sequence[Step]
    skipped: int
    left: Sequence[Left]

    @property
    def records(self) -> int:
        """How many records it would put back."""
        return sum(step.records for step in self.steps)


@dataclass(frozen=True)
class Undone:
    """How many records an undo put back, and how many it left."""

    records: int
    skipped: int


def in_words(steps: Sequence[Step]) -> str:
    """`deletes 250 inward entries and sets back 2 products`."""
    parts = [f"{VERBS[step.action]} {counted_entities(step.entity, step.records)}" for step in steps]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def this_transaction(connection: Connection) -> Undoable:
    """The transaction of this connection, to be undone once it has committed."""
    number, moment = connection.execute(NOW).one()
    return Undoable(number, moment)


def preview(connection: Connection, *, undoable: Undoable) -> Preview:
    """What the undo would do now. Raises Refused when it is another user's to undo."""
    rows = connection.execute(COUNTS, undoable.values).all()
    steps: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.undone:
            steps[OPPOSITE[row.action], row.entity] += row.records
    skipped = sum(row.records for row in rows if not row.undone)
    return Preview(
        [Step(action, entity, records) for (action, entity), records in steps.most_common()],
        skipped,
        # Asked again only for names: a long transaction takes seconds.
        _left(connection, undoable) if skipped else [],
    )


def undo(connection: Connection, *, undoable: Undoable) -> Undone:
    """Puts back what was not changed since, and records UNDO.

    Raises Refused when it is another user's to undo, when nothing is left to undo, and when a rule of the tables
    stands against it: stock that has been sold since, say. Then nothing is undone.
    """
    row = connection.execute(UNDO, undoable.values).one()
    return Undone(row.undone, row.skipped)


def _left(connection: Connection, undoable: Undoable) -> list[Left]:
    rows = connection.execute(SKIPPED, undoable.values | {"sample": SAMPLE}).all()
    subjects = [
        labels.Subject(
            row.entity, row.entity_id, row.parent_id, None if row.action == "UPDATE" else decoded(row.row), ""
        )
        for row in rows
    ]
    named = labels.resolve(connection, subjects=subjects)
    return [Left(row.entity, label, BECAUSE[row.skipped]) for row, label in zip(rows, named, strict=True)]
