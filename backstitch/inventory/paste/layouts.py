"""Remembers how the columns of a sheet were matched by hand, by its headings: the next sheet of the sender has them.

Reads and writes inventory.sheet_layouts. Who matched them, and when, is on the record.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from backstitch.errors import Refused
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.layout import Header, Matching
from backstitch.inventory.values import DateOrder

# The limits of inventory.sheet_layouts, whose headings are part of an index.
MOST_HEADINGS = 60
LONGEST_HEADING = 100  # characters
LONGEST_HEADINGS = 1900  # bytes of all headings

FIND = text(
    """
    select id, headings, columns, date_order from inventory.sheet_layouts
    where kind = :kind
        and headings in (select array(select jsonb_array_elements_text(header))
                         from jsonb_array_elements(cast(:headers as jsonb)) as header)
    """
)
REMEMBER = text(
    """
    insert into inventory.sheet_layouts as l (kind, headings, columns, date_order)
    values (:kind, :headings, :columns, :date_order)
    on conflict on constraint layout_unique do update set columns = excluded.columns, date_order = excluded.date_order
    where (l.columns, l.date_order) is distinct from (excluded.columns, excluded.date_order)
    """
)
FORGET = text("delete from inventory.sheet_layouts where id = :id")


@dataclass(frozen=True)
class Remembered:
    """A remembered layout of the sheet at hand: how to read it, and the order of its dates if one was chosen."""

    id: int
    matching: Matching
    date_order: DateOrder | None


def find(connection: Connection, *, kind: Kind, headers: Iterable[tuple[int, Header]]) -> Remembered | None:
    """The layout that is remembered for the first of these headers that has one; each comes with its row's number."""
    rows = {header.keys: number for number, header in reversed(list(headers)) if _fits(header)}
    if not rows:
        return None
    found = connection.execute(FIND, {"kind": kind, "headers": json.dumps([list(keys) for keys in rows])})
    stored = sorted(found, key=lambda row: rows[tuple(row.headings)])
    if not stored:
        return None
    first = stored[0]
    order = None if first.date_order is None else DateOrder(first.date_order)
    return Remembered(first.id, Matching(rows[tuple(first.headings)], tuple(first.columns)), order)


def remember(
    connection: Connection, *, kind: Kind, header: Header, targets: Sequence[str], date_order: DateOrder | None
) -> None:
    """Remembers the columns of a sheet with a header, and the order of its dates; replaces what was remembered.

    Raises Refused: layout_too_long.
    """
    if not _fits(header):
        raise Refused(
            "The header is blank or too long, so these columns are used for this sheet but not remembered.",
            rule="layout_too_long",
        )
    keys = list(header.keys)
    columns = [*targets, *[""] * len(keys)][: len(keys)]
    connection.execute(REMEMBER, {"kind": kind, "headings": keys, "columns": columns, "date_order": date_order})


def forget(connection: Connection, *, layout_id: int) -> None:
    """Forgets a remembered layout; the headings are then read by themselves again."""
    connection.execute(FORGET, {"id": layout_id})


def _fits(header: Header) -> bool:
    keys = header.keys
    return (
        any(keys)
        and len(keys) <= MOST_HEADINGS
        and max(map(len, keys)) <= LONGEST_HEADING
        and len("".join(keys).encode()) <= LONGEST_HEADINGS
    )
