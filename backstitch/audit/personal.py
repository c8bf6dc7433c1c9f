"""Personal values, looked at from outside: those that are gone without an erasure on the record, and altered ones.

A record refers to a personal value by its id and its commitment, the SHA-256 of a salt and the value
(db/audit/personal.sql). What may take a value away is a FORGET record of the row that it is about, and no more values
than that record counts. The deletion of records takes only values to which nothing refers any more.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import class_row

from backstitch.audit import outside, raw
from backstitch.audit.findings import Finding, Kind
from backstitch.audit.jsonb import Values, decode
from backstitch.audit.outside import Driver
from backstitch.audit.watched import TABLES

BATCH = 2000  # references that are fetched at once
ID = re.compile(r"\d{1,18}", re.ASCII)
# Written by a function: a cast, from jsonb to text say, can be anybody's.
KEPT = (
    "select p.id, convert_from(substr(jsonb_send(p.value), 2), 'UTF8'), p.salt "
    "from audit.personal_values p where p.id = any (%s)"
)
CHANGES = frozenset({"CREATE", "UPDATE", "DELETE", "TRUNCATE"})
# The details of these come from the application, so what looks like a reference in them may be none.
DETAILS_OF_THE_APPLICATION = frozenset({"EXPORT", "IMPORT"})
PERSONAL_COLUMNS = "select w.entity, w.personal from audit.watched_tables w where w.personal <> '{}'"
FORGOTTEN = """
    select r.id, r.entity, r.entity_id, r.new_values ->> 'erased_values' from audit.records r
    where r.action = 'FORGET' order by r.id
"""
# The user of a session is in the parent of its records, and in a column of its baselines.
REFERENCES = r"""
    select f.record, f.is_baseline, f.action, f.entity, f.entity_id, f.parent_id, f.name, f.value, f.sha256,
           p.entity as kept_entity, p.entity_id as kept_id, p.field as kept_name, 
           convert_from(substr(jsonb_send(p.value), 2), 'UTF8') as kept, p.salt
    from (select s.record, s.is_baseline, s.action, s.entity, s.entity_id, s.parent_id, e.key as name,
                 e.value ->> 'personal' as value, e.value ->> 'sha256' as sha256
          from (select r.id as record, false as is_baseline, r.action::text as action, r.entity, r.entity_id,
                       format('%%s', r.parent_id) as parent_id, side.recorded
                from audit.records r cross join lateral (values (r.old_values), (r.new_values)) side (recorded)
                where r.entity = any (%(entities)s)
                union all
                select b.record_id, true, 'CREATE', b.entity, b.entity_id, b.row_values ->> 'user_id', b.row_values
                from audit.baselines b where b.entity = any (%(entities)s)) s
          cross join lateral jsonb_each(case when jsonb_typeof(s.recorded) = 'object' then s.recorded end) e
          where jsonb_typeof(e.value) = 'object' and e.value ? 'sha256'
              and case when e.value ->> 'personal' ~ '^[0-9]{1,18}$' then true end
          offset 0) f
    left join audit.personal_values p on format('%%s', p.id) = f.value
    order by f.record, f.name
"""


@dataclass(frozen=True)
class _Reference:
    """A row of REFERENCES; what is `kept` is None where the value is gone."""

    record: int
    is_baseline: bool
    action: str
    entity: str
    entity_id: int | None
    parent_id: str | None
    name: str
    value: str
    sha256: str
    kept_entity: str | None
    kept_id: int | None
    kept_name: str | None
    kept: str | None
    salt: bytes | None

    @property
    def is_genuine(self) -> bool:
        """Whether the value is the one that was committed to, and still said to be of this row and field."""
        return (
            self.kept is not None
            and _fits(self.kept, self.salt or b"", self.sha256)
            and (self.kept_entity, self.kept_id, self.kept_name) == (self.entity, self.entity_id, self.name)
        )

    @property
    def is_typed_name(self) -> bool:
        """Whether it is the name in a failed sign-in, which goes with whoever is forgotten by that name."""
        return self.entity == "User" and self.name == "username" and self.action not in CHANGES

    @property
    def person(self) -> "_Person":
        """The row that has to be forgotten for the value to go."""
        if self.entity == "Session" and self.parent_id is not None and ID.fullmatch(self.parent_id):
            return "User", int(self.parent_id)
        return self.entity, self.entity_id


_Person = tuple[str, int | None]  # entity and id


@dataclass
class _Erasures:
    """The erasures on the record, and the values that are gone by them, counted once each."""

    last: dict[_Person, int] = field(default_factory=dict)
    last_of_users: int = 0
    counted: defaultdict[_Person, int] = field(default_factory=lambda: defaultdict(int))
    gone: defaultdict[_Person, set[str]] = field(default_factory=lambda: defaultdict(set))
    typed_names: set[str] = field(default_factory=set)

    def add(self, record: int, person: _Person, count: int) -> None:
        """Adds an erasure, in the order of the records."""
        self.last[person] = record
        self.counted[person] += count
        if person[0] == "User":
            self.last_of_users = record

    def explain(self, missing: _Reference) -> bool:
        """Whether an erasure came after the record that refers to the value."""
        last = self.last_of_users if missing.is_typed_name else self.last.get(missing.person, 0)
        if missing.record > last:
            return False
        (self.typed_names if missing.is_typed_name else self.gone[missing.person]).add(missing.value)
        return True

    def uncounted(self) -> Iterator[Finding]:
        """A finding for each person of whom more is gone than their erasures count, and one for names typed."""
        left = 0
        for person, record in self.last.items():
            surplus = self.counted[person] - len(self.gone[person])
            left += max(surplus, 0) if person[0] == "User" else 0
            if surplus < 0:
                yield Finding(Kind.UNCOUNTED_ERASURE, None, record, None)
        if left < len(self.typed_names):
            yield Finding(Kind.UNCOUNTED_ERASURE, None, self.last_of_users, None)


def findings(connection: Driver) -> Iterator[Finding]:
    """What is wrong with the personal values, by record; at the end what their erasures do not count.

    `connection` is backstitch_watch's or the owner's (Database.raw). Reads the records of all tables with personal
    columns. Raises Refused with a sentence if the trail cannot be read.
    """
    outside.set_plainly(connection)
    raw.require_tables(connection, "records", "baselines", "personal_values", "watched_tables")
    columns = _columns(connection)
    erasures = _erasures(connection)
    for reference in _references(connection, list(columns)):
        if reference.action in CHANGES and reference.name not in columns[reference.entity]:
            continue
        if reference.is_genuine or reference.action in DETAILS_OF_THE_APPLICATION:
            continue
        is_gone = reference.kept is None
        if not (is_gone and erasures.explain(reference)):
            kind = Kind.MISSING_PERSONAL_VALUE if is_gone else Kind.ALTERED_PERSONAL_VALUE
            field = raw.text(reference.name.encode())
            where = f"{field} of its baseline" if reference.is_baseline else field
            yield Finding(kind, None, reference.record, where)
    yield from erasures.uncounted()


def reference(value: Any) -> int | None:
    """The id of the personal value to which a recorded value refers; None for one that is no reference."""
    if not isinstance(value, dict) or "sha256" not in value:
        return None
    number = value.get("personal")
    written = number.decode() if isinstance(number, bytes) else number
    return int(written) if isinstance(written, str) and ID.fullmatch(written) else None


def kept(connection: Driver, ids: Collection[int]) -> Mapping[int, tuple[str, bytes]]:
    """The personal values of these ids that are there, as the server writes them, each with its salt."""
    # Elsewhere no index is used, because a broken one could hide rows; here what it hid would be a finding.
    with outside.indexes(connection):
        return {id: (value, salt) for id, value, salt in connection.execute(KEPT, (list(ids),))}


def revealed(values: Values, kept: Mapping[int, tuple[str, bytes]]) -> Values:
    """The values of a row with those to which they refer: None where it is gone, `altered` where it does not fit."""
    shown = dict(values)
    for name, value in values.items():
        if (id := reference(value)) is not None:
            shown[name] = None
            if id in kept:
                written, salt = kept[id]
                shown[name] = decode(written) if _fits(written, salt, value["sha256"]) else "altered"
    return shown


def _fits(written: str, salt: bytes, sha256: Any) -> bool:
    return bool(sha256 == hashlib.sha256(salt + written.encode()).hexdigest())


def _columns(connection: Driver) -> dict[str, frozenset[str]]:
    """The personal columns of each entity: those of this version, and those that an administrator has declared."""
    columns = {table.entity: table.personal for table in TABLES if table.personal}
    with outside.reading("audit.watched_tables"):
        for entity, personal in connection.execute(PERSONAL_COLUMNS):
            columns[entity] = columns.get(entity, frozenset()) | frozenset(personal)
    return columns


def _erasures(connection: Driver) -> _Erasures:
    erasures = _Erasures()
    with outside.reading("The trail"):
        for record, entity, entity_id, count in connection.execute(FORGOTTEN):
            erasures.add(record, (entity, entity_id), int(count) if count and ID.fullmatch(count) else 0)
    return erasures


def _references(connection: Driver, entities: Collection[str]) -> Iterator[_Reference]:
    with (
        outside.reading("The trail"),
        connection.cursor(name="backstitch_references", row_factory=class_row(_Reference)) as cursor,
    ):
        cursor.itersize = BATCH
        cursor.execute(REFERENCES, {"entities": list(entities)})
        yield from cursor
