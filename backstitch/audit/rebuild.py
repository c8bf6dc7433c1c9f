"""Rebuilds the rows of watched tables from the records of the trail, row by row, in one pass over the records.

The ids of records give the order of changes, except within one statement that changes a row twice (db/triggers.sql,
Limits). So a row that does not fit in the order of ids is replayed transaction by transaction, and the records of each
in any order that fits.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from backstitch.audit import outside
from backstitch.audit.jsonb import Values, decode_row
from backstitch.audit.outside import Driver

BATCH = 2000  # records that are fetched at once
# In a transaction that changes a row more often, the records after these are not tried in another order.
LOOKAHEAD = 100
# The rows are sorted before their values are written as text, which would be longer. A function writes it, because a
# cast from jsonb to text can be anybody's.
STEPS = """
    select s.entity, s.entity_id, s.id, s.transaction_id, s.action,
           convert_from(substr(jsonb_send(s.old_values), 2), 'UTF8'),
           convert_from(substr(jsonb_send(s.new_values), 2), 'UTF8')
    from (select r.entity collate "C" as entity, r.entity_id, r.id, r.transaction_id, r.action::text as action,
                 r.old_values, r.new_values
          from audit.records r
          where r.entity = any (%(entities)s) and r.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
              and r.entity_id = coalesce(%(row)s, r.entity_id)
          union all
          select b.entity collate "C", b.entity_id, b.record_id, null, 'BASELINE', null, b.row_values
          from audit.baselines b
          where b.entity = any (%(entities)s) and b.entity_id = coalesce(%(row)s, b.entity_id)
          order by 1, 2, 3) s
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as its records leave it: its values, None where it was deleted. Personal values are references.

    `broken_at` is the first record whose old values are not those of the row before it.
    """

    id: int
    values: Values | None
    broken_at: int | None
    records: int


class Step(NamedTuple):
    """A record of a change of a row, or a baseline (without a transaction), from which replay goes on."""

    id: int
    transaction: int | None
    action: str
    old: Values | None
    new: Values | None


def rows(connection: Driver, redacted: Mapping[str, Collection[str]]) -> Iterator[tuple[str, Iterator[Row]]]:
    """Each entity that has records, in order, with its rows in the order of their ids.

    `redacted` names the entities, and for each the columns of which the trail has no values.
    """
    steps = _steps(connection, "backstitch_replay", sorted(redacted))
    for entity, found in groupby(steps, key=itemgetter(0)):
        yield entity, _rows(connection, entity, found, redacted[entity])


def _steps(connection: Driver, name: str, entities: Collection[str], row: int | None = None) -> Iterator[Any]:
    """The rows of STEPS, of all rows or of one, through a cursor of this name."""
    with outside.reading("The trail"), connection.cursor(name=name) as cursor:
        cursor.itersize = BATCH
        cursor.execute(STEPS, {"entities": list(entities), "row": row})
        yield from cursor


def _rows(connection: Driver, entity: str, steps: Iterable[Any], redacted: Collection[str]) -> Iterator[Row]:
    for row, of_row in groupby(steps, key=itemgetter(1)):
        values, broken_at, records = None, None, 0
        for step in _read(of_row, redacted):
            if broken_at is None and not _fits(values, step):
                broken_at = step.id
            values = _after(values, step)
            records += step.action != "BASELINE"
        if broken_at is not None:
            again = _read(_steps(connection, "backstitch_replay_row", [entity], row), redacted)
            values, broken_at = _by_transaction(again)
        yield Row(row, values, broken_at, records)


def _read(steps: Iterable[Any], redacted: Collection[str]) -> Iterator[Step]:
    for _, _, id, transaction, action, old_text, new_text in steps:
        old, new = decode_row(old_text), decode_row(new_text)
        for name in redacted:
            for values in (old, new):
                if values is not None:
                    values.pop(name, None)
        yield Step(id, transaction, action, old, new)


def _fits(values: Values | None, step: Step) -> bool:
    """Whether the row can have been like this before the step. A column that no record has named yet is null."""
    if step.action == "BASELINE":
        return True
    if step.action == "CREATE":
        return values is None
    if values is None or step.old is None:
        return False
    return all(values.get(name) == value for name, value in step.old.items())


def _after(values: Values | None, step: Step) -> Values | None:
    if step.action == "UPDATE":
        return {**(values or step.old or {}), **(step.new or {})}
    return step.new if step.action in ("CREATE", "BASELINE") else None


def _by_transaction(steps: Iterable[Step]) -> tuple[Values | None, int | None]:
    """The row after its records, and the first that fits in no order of those of its transaction.

    A transaction number can come again in another era, so a transaction is an unbroken run of its number.
    """
    values, broken_at = None, None
    for _, run in groupby(steps, key=attrgetter("transaction")):
        up = list(run)
        after, broken = _in_some_order(values, up)
        if broken is not None:
            after, broken = _in_some_order(values, up[::-1])
        values = after
        broken_at = broken if broken_at is None else broken_at
    return values, broken_at


def _in_some_order(values: Values | None, steps: list[Step]) -> tuple[Values | None, int | None]:
    """The row after the steps: each time the first that fits, or, if none does, the first."""
    left, broken_at = list(steps), None
    while left:
        index = next((index for index, step in enumerate(left[:LOOKAHEAD]) if _fits(values, step)), None)
        step = left.pop(index or 0)
        if index is None and broken_at is None:
            broken_at = step.id
        values = _after(values, step)
    return values, broken_at
