"""The records that say something about the trail itself: deletions, checkpoints, eras, and the demo's data."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from backstitch.audit import proof, raw

NOTES = """
select id, era, transaction_id, action, user_id, new_values ->> 'deletion', new_values ->> 'records',
       new_values ->> 'digest', new_values ->> 'baselines', new_values ->> 'checkpoint', new_values ->> 'state'
from audit.records
where id is not null and era is not null and transaction_id is not null
    and (action in ('AUDIT_DELETE', 'VERIFY', 'RESTORE') or action = 'MAINTENANCE' and entity = 'DemoData')
order by id
"""
DEMO = "backstitch demo"  # the application that the loader's records have
USED_BEFORE = sql.SQL(
    "select 1 from audit.records where user_id is not null "
    "and (era < {era} or era = {era} and transaction_id < {transaction}) limit 1"
)
LAST = 2**63 - 1


@dataclass(frozen=True)
class Note:
    """One such record, with those of its details that verification reads; None where it has none."""

    id: int
    era: int
    transaction_id: int
    action: str
    by_user: bool
    deletion: int | None
    records: str | None
    digest: str | None
    baselines: str | None
    checkpoint: str | None
    state: str | None


def read_notes(connection: raw.Connection) -> list[Note]:
    """Reads them all, in the order of their ids."""
    return [_note(row) for row in raw.rows(connection, NOTES)]


def _note(row: raw.Row) -> Note:
    number, era, transaction = (proof.integer(column or b"") for column in row[:3])
    action, *details = (None if column is None else column.decode("utf-8", "replace") for column in [row[3], *row[5:]])
    deletion, *others = details
    return Note(number, era, transaction, action or "", row[4] is not None, _number(deletion), *others)


def _number(text: str | None) -> int | None:
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if is_number and text is not None else None


@dataclass(frozen=True)
class Demo:
    """The transactions of the demo's loader, whose records have times of the past: two records of the trail say so."""

    era: int
    first: int
    last: int

    def has(self, record: raw.Record) -> bool:
        """Whether a record is the loader's."""
        return (
            record.era == self.era and self.first <= record.transaction_id <= self.last and record.application == DEMO
        )


def read_demo(connection: raw.Connection, notes: Sequence[Note]) -> Demo | None:
    """The load of demo data that the trail begins with, if it does.

    It goes into an empty database only, so where somebody had signed in before, nothing in the past is a demo's.
    """
    said = [note for note in notes if note.action == "MAINTENANCE" and not note.by_user]
    begun = next((note for note in said if note.state == "begun"), None)
    if begun is None:
        return None
    query = USED_BEFORE.format(era=sql.Literal(begun.era), transaction=sql.Literal(begun.transaction_id))
    if list(raw.rows(connection, query)):
        return None
    last = next((note.transaction_id for note in said if note.state == "loaded" and note.id > begun.id), LAST)
    return Demo(begun.era, begun.transaction_id, last)
