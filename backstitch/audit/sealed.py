"""Holds the records against the seals, month by month: what was altered, removed, added, or written after its time.

Of one month the ids and the leaves are kept at once. What has no counterpart in its month is carried to the end, since
the time of a record, or the month of a seal, may be what was altered.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from psycopg import sql

from backstitch.audit import proof, raw
from backstitch.audit.chain import LEAST, MOST, Chain, Eras, Snapshot
from backstitch.audit.deletions import Deletions
from backstitch.audit.findings import Finding, Kind
from backstitch.audit.notes import Demo

SECOND = 1_000_000
STEP_OF_THE_CLOCK = 5 * SECOND
PATIENCE = 60 * 60 * SECOND

HERE = """
select (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()),
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()), pg_catalog.pg_current_xact_id_if_assigned(),
       pg_catalog.statement_timestamp()
"""
MAY_ASK = "select pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')"
SERVER = "select system_identifier from pg_catalog.pg_control_system()"
SEALS = sql.SQL(
    "select id, era, sealed_at, record_ids, leaves, salt from only audit.seals "
    "where id >= {first} and month >= {start} and month < {end}"
)
OTHER_SEALS = sql.SQL(
    "select id, era, sealed_at, record_ids, leaves, salt from only audit.seals "
    "where id >= {first} and (month < {start} or month >= {end})"
)


@dataclass(frozen=True)
class Here:
    """The server and the database, as the trail's numbers of transactions need them; times in microseconds."""

    database_oid: int
    system_identifier: int | None  # None where the host denies it
    next_transaction: int
    now: int

    def is_home_of(self, era: proof.Era, last: Snapshot) -> bool:
        """Whether the numbers of an era are those of this server and this database."""
        server = proof.integer(era.system_identifier)
        return (
            proof.integer(era.database_oid) == self.database_oid
            and (server == 0 or self.system_identifier is None or server == self.system_identifier)
            and last.to <= self.next_transaction
        )


def read_here(connection: raw.Connection) -> Here:
    """Asks the server about itself."""
    ((oid, xmax, own, now),) = raw.rows(connection, HERE)
    ((may_ask,),) = connection.execute(MAY_ASK).fetchall()
    identifier = connection.execute(SERVER).fetchall()[0][0] if may_ask else None
    assert oid is not None and xmax is not None and now is not None
    following = proof.integer(xmax)
    if own is not None:
        following = max(following, proof.integer(own) + 1)
    return Here(int.from_bytes(oid, "big"), identifier, following, proof.integer(now))


@dataclass(frozen=True)
class Trail:
    """What the records are held against. `prior` is the last round before `first_seal`; None: from the beginning."""

    eras: Eras
    chain: Chain
    here: Here
    deletions: Deletions
    demo: Demo | None
    first_seal: int
    prior: Snapshot | None
    # In a chain with a finding of its own nobody can say of which round a record is.
    is_whole: bool

    @property
    def last(self) -> Snapshot:
        """The last round of the present era."""
        return self.chain.last_round(self.eras.present or 1)

    @property
    def is_at_home(self) -> bool | None:
        """Whether the present era is that of this server; None before the first one."""
        if self.eras.present is None:
            return None
        return self.here.is_home_of(self.eras.by_number[self.eras.present], self.last)


class _Block(NamedTuple):
    """A seal with what its records are held against; times and numbers of transactions as in the database."""

    seal: int
    era: int
    sealed_at: int
    blinding: proof.Blinding
    # A record of these transactions, not older than that, is of the seal's round and of its time: most of them.
    low: int
    high: int
    earliest: int


class _Listed(NamedTuple):
    """A record that a seal lists."""

    seal: int
    leaf: bytes
    blinding: proof.Blinding


@dataclass
class _Month:
    """The seals of a month: `place_of` says where a record stands among their leaves."""

    blocks: list[_Block] = field(default_factory=list)
    place_of: dict[int, int] = field(default_factory=dict)
    block_of: "array[int]" = field(default_factory=lambda: array("q"))
    leaves: bytearray = field(default_factory=bytearray)

    def leaf(self, place: int) -> bytes:
        return bytes(self.leaves[32 * place : 32 * place + 32])


class Matching:
    """One pass over the records; `findings` and `longest_wait` are its outcome."""

    def __init__(self, trail: Trail) -> None:
        self.findings: list[Finding] = []
        self.longest_wait: int | None = None  # microseconds from a record to its seal
        self._trail = trail
        self._last, self._at_home = trail.last, trail.is_at_home
        self._unlisted: dict[int, list[tuple[raw.Record, bytes]]] = {}
        self._missing: dict[int, _Listed] = {}

    def run(self, connection: raw.Connection) -> None:
        """Reads all records and all seals once."""
        months = sorted(self._trail.chain.months)
        for start, end, has_seals in _ranges(months):
            month = self._month(connection, SEALS, start, end) if has_seals else _Month()
            self._match(month, connection, _records(start, end, self._trail.prior))
        if months:
            # Seals whose month is none, or infinity.
            rest = self._month(connection, OTHER_SEALS, months[0], _next_month(months[-1]))
            self._carry(rest, bytearray(len(rest.block_of)))
        self._finish()

    def _month(self, connection: raw.Connection, query: sql.SQL, start: date | None, end: date | None) -> _Month:
        month = _Month()
        months = {"start": sql.Literal(str(start)), "end": sql.Literal(str(end))}
        for row in raw.rows(connection, query.format(first=sql.Literal(self._trail.first_seal), **months)):
            if any(column is None for column in row):
                continue  # chain_findings has said so
            number, era, sealed_at, ids, leaves, salt = (column or b"" for column in row)
            try:
                listed = proof.int8s(ids)
            except ValueError:
                continue
            block = self._block(proof.integer(number), proof.integer(era), proof.integer(sealed_at), salt)
            self._add(month, block, listed, leaves)
        return month

    def _block(self, seal: int, era: int, sealed_at: int, salt: bytes) -> _Block:
        own, before, began = self._trail.chain.round_of(seal, era)
        high = min(own.running, default=own.to)
        return _Block(seal, era, sealed_at, proof.Blinding(salt), before.to, high, began - STEP_OF_THE_CLOCK)

    def _add(self, month: _Month, block: _Block, ids: "array[int]", leaves: bytes) -> None:
        first, number = len(month.block_of), len(month.blocks)
        month.blocks.append(block)
        month.block_of.extend([number] * len(ids))
        month.leaves += leaves[: 32 * len(ids)].ljust(32 * len(ids), b"\x00")
        known = len(month.place_of)
        month.place_of.update(zip(ids, range(first, first + len(ids)), strict=True))
        if len(month.place_of) != known + len(ids):
            said = "it lists a record that it, or another seal, lists too"
            self.findings.append(Finding(Kind.ALTERED_SEAL, block.seal, None, said))

    # The hot loop: about four microseconds a record, so its names are local and nothing is called without need.
    def _match(self, month: _Month, connection: raw.Connection, query: sql.Composed) -> None:
        head, sha256, heads = raw.RECORD_HEAD.unpack_from, proof.sha256, proof.RECORD_HEADS
        place_of, block_of, blocks, leaves = month.place_of.get, month.block_of, month.blocks, month.leaves
        at_elements, at_id = raw.ELEMENTS_AT, raw.ID_AT
        prior = self._trail.prior
        seen, oldest = bytearray(len(block_of)), [MOST] * len(blocks)
        differing: list[tuple[int, bytes]] = []
        for row in raw.copied(connection, query):
            era, nulls, number, recorded_at, transaction = head(row)
            if prior is not None and prior.sees(era, transaction):
                continue
            place = place_of(number)
            digest = sha256(heads[nulls > 0] + row[at_elements:]).digest()
            if place is None:
                self._not_listed(row, digest)
                continue
            block = blocks[block_of[place]]
            leaf = block.blinding.leaf(row[at_id : at_id + 8], digest)
            if leaf != leaves[32 * place : 32 * place + 32] or seen[place]:
                differing.append((place, row))
                continue
            seen[place] = 1
            if not (block.low <= transaction < block.high and recorded_at >= block.earliest and era == block.era):
                self._doubt(row, block)
            if recorded_at < oldest[block_of[place]] and not self._is_of_demo(row):
                oldest[block_of[place]] = recorded_at
        self._name_differing(month, differing, seen)
        self._note_waits(month, oldest)
        self._carry(month, seen)

    def _is_of_demo(self, row: bytes) -> bool:
        return self._trail.demo is not None and self._trail.demo.has(raw.Record.of(row))

    def _name_differing(self, month: _Month, differing: list[tuple[int, bytes]], seen: bytearray) -> None:
        """Names records that do not have their leaf. Where another record has it, or has the id too, it was added."""
        times: dict[int, int] = {}
        for place, _ in differing:
            times[place] = times.get(place, 0) + 1
        for place, row in differing:
            record = raw.Record.of(row)
            kind = Kind.ADDED_RECORD if seen[place] or times[place] > 1 else Kind.ALTERED_RECORD
            seal = month.blocks[month.block_of[place]].seal
            self.findings.append(Finding(kind, seal, record.id, record.about))
        for place in times:
            seen[place] = 1

    def _note_waits(self, month: _Month, oldest: list[int]) -> None:
        waits = [block.sealed_at - at for block, at in zip(month.blocks, oldest, strict=True) if at != MOST]
        if waits:
            self.longest_wait = max(*waits, self.longest_wait or 0)

    def _carry(self, month: _Month, seen: bytearray) -> None:
        """Keeps what a month lists and does not have, unless its deletion is on the record."""
        absent = {number: place for number, place in month.place_of.items() if not seen[place]}
        for number, digest in self._trail.deletions.digests(absent.keys()):
            place = absent.get(number)
            if place is None:
                continue
            blinding = month.blocks[month.block_of[place]].blinding
            if blinding.leaf(number.to_bytes(8, "big", signed=True), digest) == month.leaf(place):
                del absent[number]
        for number, place in absent.items():
            block = month.blocks[month.block_of[place]]
            self._missing[number] = _Listed(block.seal, month.leaf(place), block.blinding)

    # Records in doubt -----------------------------------------------------------------------------

    def _doubt(self, row: bytes, block: _Block) -> None:
        """Names a record that is as it was sealed, but of another round than its seal, or of an earlier time."""
        record = raw.Record.of(row)
        own, before, _ = self._trail.chain.round_of(block.seal, block.era)
        is_of_round = record.era == block.era and own.sees(record.era, record.transaction_id)
        if self._trail.is_whole and (not is_of_round or before.sees(record.era, record.transaction_id)):
            said = f"{record.about}; its seal is of another round than its transaction"
            self.findings.append(Finding(Kind.ADDED_RECORD, block.seal, record.id, said))
        else:
            self._name_backdated(record, block.seal)

    def _name_backdated(self, record: raw.Record, seal: int | None) -> None:
        began = self._trail.chain.began_before(record.era, record.transaction_id)
        if record.recorded_at >= began - STEP_OF_THE_CLOCK:
            return
        if self._trail.demo is not None and self._trail.demo.has(record):
            return
        said = f"{record.about}, in a transaction that began after {raw.moment(began)} UTC"
        self.findings.append(Finding(Kind.BACKDATED_RECORD, seal, record.id, said))

    def _not_listed(self, row: bytes, digest: bytes) -> None:
        """Keeps a record without a seal in its month for the end, unless it only waits for its seal."""
        record = raw.Record.of(row)
        if self._kind(record) is None:
            self._name_backdated(record, None)
        else:
            self._unlisted.setdefault(record.id, []).append((record, digest))

    def _kind(self, record: raw.Record) -> Kind | None:
        """What a record without a seal is; None if it may still wait for one."""
        era, transaction = record.era, record.transaction_id
        gaps = self._trail.chain.gaps
        if any(
            gap.after.sees(era, transaction) and not (gap.before and gap.before.sees(era, transaction)) for gap in gaps
        ):
            return Kind.UNCOVERED_RECORD
        if era != self._last.era or self._last.sees(era, transaction):
            return Kind.ADDED_RECORD
        # Restored elsewhere, and no era begun since: the numbers of the transactions do not compare.
        if self._at_home and transaction >= self._trail.here.next_transaction:
            return Kind.ADDED_RECORD
        sealed_at = self._trail.chain.last_sealed_at
        since = max(record.recorded_at, LEAST if sealed_at is None else sealed_at)
        if self._at_home is not False and since < self._trail.here.now - PATIENCE:
            return Kind.UNSEALED_RECORD
        return None

    def _finish(self) -> None:
        """Joins what was carried: a record whose time was altered is in another month than its seal."""
        for number, present in self._unlisted.items():
            listed = self._missing.pop(number, None)
            for record, digest in present:
                if listed is None:
                    kind = self._kind(record)
                    assert kind is not None
                    self.findings.append(Finding(kind, None, number, record.about))
                elif listed.blinding.leaf(number.to_bytes(8, "big", signed=True), digest) != listed.leaf:
                    kind = Kind.ALTERED_RECORD if len(present) == 1 else Kind.ADDED_RECORD
                    self.findings.append(Finding(kind, listed.seal, number, record.about))
        for number, listed in self._missing.items():
            self.findings.append(Finding(Kind.MISSING_RECORD, listed.seal, number, None))


def _ranges(months: list[date]) -> Iterator[tuple[date | None, date | None, bool]]:
    """All of time, in order: the months that have seals, and what lies before, between and after them."""
    at: date | None = None
    for month in months:
        if at is None or month > at:
            yield at, month, False
        yield month, _next_month(month), True
        at = _next_month(month)
    yield at, None, False


def _next_month(month: date) -> date:
    try:
        return (month.replace(day=1) + timedelta(days=31)).replace(day=1)
    except OverflowError:
        return date.max


def _records(start: date | None, end: date | None, prior: Snapshot | None) -> sql.Composed:
    """The query for the records of a time, and if there is a round before, those that it may not have seen."""
    parts: list[sql.Composable] = [sql.SQL(raw.RECORDS)]
    if start is not None:
        parts.append(sql.SQL("and recorded_at >= {}::timestamptz").format(sql.Literal(f"{start} 00:00:00+00")))
    if end is not None:
        parts.append(sql.SQL("and recorded_at < {}::timestamptz").format(sql.Literal(f"{end} 00:00:00+00")))
    if prior is not None:
        parts.append(
            sql.SQL("and era >= {} and transaction_id >= {}").format(
                sql.Literal(prior.era), sql.Literal(min([prior.to, *prior.running]))
            )
        )
    return sql.SQL(" ").join(parts)
