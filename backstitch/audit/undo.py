"""Undoes a record of the trail, or all records of a transaction. The rules are in db/audit/undo.sql.

`preview` takes a connection of `Database.read(actor)`, `undo` one of `Database.transaction(actor, ...)`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from backstitch.audit import labels
from backstitch.audit.records import decode
from backstitch.audit.wording import counted_entities

SAMPLE = 50  # skipped records that a preview names
FEW = 10  # records to put back, all of which a preview names
OPPOSITE = {"CREATE": "DELETE", "UPDATE": "UPDATE", "DELETE": "CREATE", "TRUNCATE": "CREATE"}
VERBS = {"DELETE": "deletes", "CREATE": "brings back", "UPDATE": "sets back"}
SKIP_REASONS = {
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
NAMED = """
    select entity, entity_id, parent_id, coalesce(new_values, old_values)::text as row, action, skipped
    from audit.undo_steps(:transaction_id, :near, :record_id) where skipped is {}null limit :sample
"""
SKIPPED, PUT_BACK = text(NAMED.format("not ")), text(NAMED.format(""))
UNDO = text("select undone, skipped from audit.undo(:transaction_id, :near, :record_id)")


@dataclass(frozen=True)
class Undoable:
    """A transaction to undo, or one record of it; it ended about `near`, as numbers repeat after a restore."""

    transaction_id: int
    near: datetime
    record_id: int | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the functions of db/audit/undo.sql."""
        return {"transaction_id": self.transaction_id, "near": self.near, "record_id": self.record_id}


@dataclass(frozen=True)
class Step:
    """The number of records of an entity that an undo changes by one action: CREATE, UPDATE or DELETE."""

    action: str
    entity: str
    records: int


@dataclass(frozen=True)
class SkippedRecord:
    """A record that an undo skips: its label, and the reason."""

    entity: str
    label: str
    reason: str


@dataclass(frozen=True)
class Preview:
    """What an undo would do: `steps`, those with most records first, and the number of skipped records.

    `skipped_records` has at most SAMPLE of them; `names` has what is put back, unless that is more than FEW records.
    """

    steps: Sequence[Step]
    skipped: int
    skipped_records: Sequence[SkippedRecord]
    names: Sequence[str] = field(default=(), compare=False)

    @property
    def records(self) -> int:
        """How many records the undo would put back."""
        return sum(step.records for step in self.steps)


@dataclass(frozen=True)
class Undone:
    """How many records an undo put back, and how many it skipped."""

    records: int
    skipped: int


def in_words(steps: Sequence[Step]) -> str:
    """The steps in words: `deletes 250 inward entries and sets back 2 products`."""
    parts = [f"{VERBS[step.action]} {counted_entities(step.entity, step.records)}" for step in steps]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def this_transaction(connection: Connection) -> Undoable:
    """The transaction of this connection; it can be undone once it has committed."""
    number, moment = connection.execute(NOW).one()
    return Undoable(number, moment)


def preview(connection: Connection, *, undoable: Undoable) -> Preview:
    """What the undo would do now. Raises Refused when the user may not undo it."""
    rows = connection.execute(COUNTS, undoable.parameters).all()
    steps: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.undone:
            steps[OPPOSITE[row.action], row.entity] += row.records
    skipped = sum(row.records for row in rows if not row.undone)
    return Preview(
        [Step(action, entity, records) for (action, entity), records in steps.most_common()],
        skipped,
        # A second query only when there are names to show: for a long transaction it takes seconds.
        _skipped_records(connection, undoable) if skipped else [],
        _names(connection, undoable) if 0 < steps.total() <= FEW else (),
    )


def undo(connection: Connection, *, undoable: Undoable) -> Undone:
    """Puts back what was not changed since, and records UNDO.

    Raises Refused when the user may not undo it, when nothing is left to undo, and when a rule of the tables forbids
    it, such as stock that has been sold since. Then nothing is undone.
    """
    row = connection.execute(UNDO, undoable.parameters).one()
    return Undone(row.undone, row.skipped)


def _skipped_records(connection: Connection, undoable: Undoable) -> list[SkippedRecord]:
    rows = connection.execute(SKIPPED, undoable.parameters | {"sample": SAMPLE}).all()
    names = _labels(connection, rows)
    return [SkippedRecord(row.entity, label, SKIP_REASONS[row.skipped]) for row, label in zip(rows, names, strict=True)]


def _names(connection: Connection, undoable: Undoable) -> Sequence[str]:
    rows = connection.execute(PUT_BACK, undoable.parameters | {"sample": FEW}).all()
    return _labels(connection, rows)


def _labels(connection: Connection, rows: Sequence[Any]) -> Sequence[str]:
    subjects = [
        labels.Subject(
            row.entity, row.entity_id, row.parent_id, None if row.action == "UPDATE" else decode(row.row), ""
        )
        for row in rows
    ]
    return labels.resolve(connection, subjects=subjects)
