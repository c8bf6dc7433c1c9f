"""The chain of seals: its rounds, its links, the tree over its blocks, and checkpoints held against it."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from psycopg import sql

from backstitch.audit import proof, raw
from backstitch.audit.findings import Finding, Kind

ERAS = f"select {raw.columns_of('eras')} from only audit.eras order by era"
ROUNDS = (
    "select id, era, to_transaction, running, sealed_at, month, record_count from only audit.seals "
    "where id is not null order by id"
)
BLOCKS = f"select {raw.columns_of('seals')} from only audit.seals"
CHAIN = sql.SQL(BLOCKS + " where id >= {first} or id is null order by id")
NODES = sql.SQL("select id, era, hash, nodes from only audit.seals where id = any ({ids})")

LEAST, MOST = -(2**63), 2**63 - 1


class Snapshot(NamedTuple):
    """What a round saw as ended: the transactions of earlier eras, and of its own those below `to` but `running`."""

    era: int
    to: int
    running: frozenset[int]

    def sees(self, era: int, transaction: int) -> bool:
        """Whether a transaction had ended by then."""
        return era < self.era or (era == self.era and transaction < self.to and transaction not in self.running)


class Gap(NamedTuple):
    """Where seals are missing: the round before them (None: they are the first) and the seal after them."""

    before: Snapshot | None
    after: Snapshot

    def covers(self, era: int, transaction: int) -> bool:
        """Whether a record of this transaction can have been in one of the missing seals."""
        seen_before = self.before is not None and self.before.sees(era, transaction)
        return self.after.sees(era, transaction) and not seen_before


class Rounds:
    """The rounds of one era in their order, kept in arrays: a year of sealing each second has millions.

    `began` is the latest time, of this round and those before it, at which one began: what has a number that it did
    not see was written after it. In microseconds since 2000.
    """

    def __init__(self) -> None:
        self.to = array("q")
        self.first, self.last = array("q"), array("q")
        self.began = array("q")
        self.running: dict[int, frozenset[int]] = {}
        self._opened = 0  # when the present round's first seal was made

    def __len__(self) -> int:
        return len(self.to)

    def add(self, seal: int, snapshot: Snapshot, sealed_at: int) -> None:
        """Takes the next seal, of the present round if it has its snapshot, otherwise of a new one."""
        if len(self) and (self.to[-1], self.running.get(len(self) - 1, frozenset())) == snapshot[1:]:
            self.last[-1] = seal
            self._set_began(len(self) - 1, sealed_at)
            return
        self.to.append(snapshot.to)
        self.first.append(seal)
        self.last.append(seal)
        self.began.append(LEAST)
        if snapshot.running:
            self.running[len(self) - 1] = snapshot.running
        self._opened = sealed_at
        self._set_began(len(self) - 1, sealed_at)

    def _set_began(self, place: int, sealed_at: int) -> None:
        # Before 0.10 each seal of a round had a time of its own, after its records had been read and hashed. That took
        # about as long as sealing them did.
        began = self._opened - max(0, sealed_at - self._opened)
        before = self.began[place - 1] if place else LEAST
        self.began[place] = max(before, LEAST, min(began, MOST))

    def at(self, place: int, era: int) -> Snapshot:
        """The snapshot of a round by its place, from 0."""
        return Snapshot(era, self.to[place], self.running.get(place, frozenset()))

    def place_of(self, seal: int) -> int:
        """The place of the round of a seal."""
        return bisect_right(self.first, seal) - 1

    def began_before(self, transaction: int) -> int:
        """The latest time at which a round began that a transaction came after."""
        place = bisect_right(self.to, transaction)
        return self.began[place - 1] if place else LEAST


@dataclass
class Chain:
    """All seals, without their records: the rounds of each era, the months that have seals, and where seals miss.

    `sealed` counts the records that the seals say they have; `last_seal` is 0 before the first.
    """

    rounds: dict[int, Rounds] = field(default_factory=dict)
    months: set[date] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    sealed: int = 0
    last_seal: int = 0
    last_sealed_at: int | None = None
    since_seal: int | None = None  # the first seal made at or after a time, otherwise the last one

    def last_round(self, era: int) -> Snapshot:
        """The last round of an era; before its first one, a snapshot that has seen nothing."""
        rounds = self.rounds.get(era)
        return rounds.at(len(rounds) - 1, era) if rounds else Snapshot(era, 0, frozenset())

    def round_of(self, seal: int, era: int) -> tuple[Snapshot, Snapshot, int]:
        """The round of a seal, the one of its era before it, and the latest time at which one of those before began."""
        rounds = self.rounds[era]
        place = rounds.place_of(seal)
        if place <= 0:
            return rounds.at(max(place, 0), era), Snapshot(era, 0, frozenset()), LEAST
        return rounds.at(place, era), rounds.at(place - 1, era), rounds.began[place - 1]

    def began_before(self, era: int, transaction: int) -> int:
        """The latest time at which a round of an era began that a transaction came after."""
        rounds = self.rounds.get(era)
        return rounds.began_before(transaction) if rounds else LEAST

    def start(self, present_era: int | None) -> tuple[int, Snapshot | None]:
        """The first seal to verify, and the last round before it: of those since a time, or all of them.

        From the round of the first seal since that time, otherwise from the last round. The numbers of transactions
        compare within an era only, so a time before the present one means all of the trail.
        """
        if not self.last_seal or self.since_seal is None or present_era not in self.rounds:
            return 1, None
        rounds = self.rounds[present_era]
        place = rounds.place_of(self.since_seal)
        if place < 1 or rounds.last[place] < self.since_seal:
            return 1, None
        return rounds.last[place - 1] + 1, rounds.at(place - 1, present_era)


def read_chain(connection: raw.Connection, *, since: datetime | None) -> Chain:
    """Reads the seals, in order, without what they have of their records."""
    chain = Chain()
    start = None if since is None else proof.micros(since)
    round_before: Snapshot | None = None
    present: Snapshot | None = None
    for row in raw.rows(connection, ROUNDS):
        seal = _summary(row)
        if seal is None:
            continue  # a value is missing; chain_findings says so
        number, snapshot, sealed_at, month, count = seal
        if number > chain.last_seal + 1:
            # The missing seals can be of the round of the seal before them, so the gap begins where that round did.
            chain.gaps.append(Gap(round_before, snapshot))
        if snapshot != present:
            round_before, present = present, snapshot
        chain.rounds.setdefault(snapshot.era, Rounds()).add(number, snapshot, sealed_at)
        if month is not None:
            chain.months.add(month.replace(day=1))
        chain.sealed += count
        chain.last_seal, chain.last_sealed_at = number, sealed_at
        if start is not None and chain.since_seal is None and sealed_at >= start:
            chain.since_seal = number
    if start is not None and chain.since_seal is None and chain.last_seal:
        chain.since_seal = chain.last_seal
    return chain


def _summary(row: raw.Row) -> tuple[int, Snapshot, int, date | None, int] | None:
    """Number, snapshot, time, month and number of records of a row of ROUNDS; None where a value is missing."""
    if any(column is None for column in row):
        return None
    number, era, to, running, sealed_at, month, count = (column or b"" for column in row)
    try:
        snapshot = Snapshot(proof.integer(era), proof.integer(to), frozenset(proof.int8s(running)))
    except ValueError:
        return None
    return (
        proof.integer(number),
        snapshot,
        proof.integer(sealed_at),
        proof.day(proof.integer(month)),
        proof.integer(count),
    )


@dataclass(frozen=True)
class Eras:
    """The rows of audit.eras by their number, and the present one, None before the first."""

    by_number: Mapping[int, proof.Era]

    @property
    def present(self) -> int | None:
        """The number of the present era."""
        return max(self.by_number, default=None)

    def origin(self, number: int) -> str:
        """The origin of the checkpoints of an era."""
        return self.by_number[number].origin.decode("utf-8", "replace")


def read_eras(connection: raw.Connection) -> Eras:
    """Reads the eras. A host may not have said the number of its server, which then counts as 0."""
    found = {}
    for number, origin, began_at, system_identifier, database_oid in raw.rows(connection, ERAS):
        if number is not None:
            none = proof.NO_ERA
            found[proof.integer(number)] = proof.Era(
                origin or none.origin,
                system_identifier or none.system_identifier,
                database_oid or none.database_oid,
                began_at or none.began_at,
            )
    return Eras(found)


# Links --------------------------------------------------------------------------------------------


@dataclass
class _Link:
    """What the next seal is held against."""

    id: int = 0
    hash: bytes = proof.NO_HASH
    era: int | None = None
    to: int = LEAST


@dataclass(frozen=True)
class _Node:
    """A node of the tree that a seal keeps, and whether that seal has its hash."""

    seal: int
    hash: bytes
    sound: bool


def chain_findings(connection: raw.Connection, eras: Eras, *, first_seal: int) -> Iterator[Finding]:
    """The missing and altered seals and the broken links of the chain, from a seal on. Reads no record."""
    before = _Link()
    nodes = _nodes_before(connection, first_seal)
    for row in raw.rows(connection, CHAIN.format(first=sql.Literal(first_seal - 1 if first_seal > 1 else LEAST))):
        block = _block(row)
        number = None if row[0] is None else proof.integer(row[0])
        if block is None or number is None:
            yield Finding(Kind.ALTERED_SEAL, number, None, "a value is missing")
            continue
        if number <= before.id:
            yield Finding(Kind.ALTERED_SEAL, number, None, "another one has its number, or it has one before the first")
            continue
        sound, finding = _own_finding(block, eras)
        wrong_nodes = not _nodes_follow(block, nodes, sound)
        if number >= first_seal:
            yield from _link_findings(block, before)
            if finding is not None:
                yield finding
            if wrong_nodes:
                said = "its nodes of the tree over the blocks do not follow from the blocks"
                yield Finding(Kind.ALTERED_SEAL, number, None, said)
        for level in range(proof.levels(number) + 1):
            nodes[level] = _Node(number, _kept(block.hash, block.nodes, level), sound)
        before = _Link(number, block.hash, proof.integer(block.era), proof.integer(block.to_transaction))


def _block(row: raw.Row) -> proof.Block | None:
    columns = [column for column in row if column is not None]
    return proof.Block(*columns) if len(columns) == len(row) else None


def _own_finding(block: proof.Block, eras: Eras) -> tuple[bool, Finding | None]:
    """Whether a block has its hash, and what is wrong with it by itself."""
    try:
        sound = block.hash == block.own_hash(eras.by_number.get(proof.integer(block.era), proof.NO_ERA))
        whole = len(block.leaves) == 4 * len(proof.int8_elements(block.record_ids))
    except ValueError:
        sound = whole = False
    if not sound:
        return False, Finding(Kind.ALTERED_SEAL, block.number, None, "its content does not have its hash")
    if not whole or block.root != proof.merkle_root(block.leaves):
        return True, Finding(Kind.ALTERED_SEAL, block.number, None, "its leaves do not have its root")
    return True, None


def _link_findings(block: proof.Block, before: _Link) -> Iterator[Finding]:
    number = block.number
    if number > before.id + 1:
        missing = number - before.id - 1
        yield Finding(Kind.MISSING_SEAL, before.id + 1, None, f"{missing} of the chain missing before seal {number}")
        return
    if block.previous != before.hash:
        yield Finding(Kind.BROKEN_LINK, number, None, "it does not follow the hash of the seal before")
    era, to = proof.integer(block.era), proof.integer(block.to_transaction)
    if before.era is not None and (era, to) < (before.era, before.to):
        yield Finding(Kind.BROKEN_LINK, number, None, "its snapshot does not follow that of the seal before")


def _nodes_follow(block: proof.Block, nodes: Mapping[int, _Node], sound: bool) -> bool:
    """Whether the nodes of a block follow from those that earlier seals keep, as far as these are there."""
    levels = proof.levels(block.number)
    if len(block.nodes) != 32 * levels:
        return False
    for level in range(1, levels + 1):
        left = nodes.get(level - 1)
        if left is None or left.seal != block.number - (1 << (level - 1)):
            continue
        if level == 1 and not (sound and left.sound):
            continue  # where a block has another hash, that is the finding
        right = _kept(block.hash, block.nodes, level - 1)
        if _kept(block.hash, block.nodes, level) != proof.node(left.hash, right):
            return False
    return True


def _kept(own_hash: bytes, nodes: bytes, level: int) -> bytes:
    """The node over the last 2 to the power of `level` blocks up to one, as its seal keeps it."""
    return own_hash if level == 0 else nodes[32 * (level - 1) : 32 * level]


def _nodes_before(connection: raw.Connection, first_seal: int) -> dict[int, _Node]:
    """Of each level the last node that the seals before `first_seal` keep."""
    last = first_seal - 1
    seals = {level: last >> level << level for level in range(last.bit_length())}
    tree = read_tree(connection, seals.values())
    return {
        level: _Node(seal, _kept(*tree.kept[seal][1:], level), sound=True)
        for level, seal in seals.items()
        if seal in tree.kept
    }


# The tree over the blocks, and checkpoints --------------------------------------------------------


@dataclass(frozen=True)
class Tree:
    """Of some seals their era, their hash and the nodes that they keep."""

    kept: Mapping[int, tuple[int, bytes, bytes]]

    def root(self, size: int) -> bytes | None:
        """The root over the first `size` blocks; None where a seal that it needs is missing or not read."""
        peaks = proof.peaks(size)
        if not peaks or any(peak not in self.kept for peak in peaks):
            return None
        return proof.root_of([_kept(*self.kept[peak][1:], proof.levels(peak)) for peak in peaks])


def read_tree(connection: raw.Connection, seals: Iterable[int]) -> Tree:
    """Reads what these seals keep of the tree."""
    wanted = sorted(set(seals))
    if not wanted:
        return Tree({})
    found = {}
    for number, era, own_hash, nodes in raw.rows(connection, NODES.format(ids=raw.some(wanted))):
        if number is not None and era is not None and own_hash is not None and nodes is not None:
            found[proof.integer(number)] = (proof.integer(era), own_hash, nodes)
    return Tree(found)


@dataclass(frozen=True)
class Kept:
    """The text of a checkpoint and where it was kept: on a record, or outside (None)."""

    text: str
    record: int | None = None

    def __str__(self) -> str:
        return "checkpoint kept outside" if self.record is None else f"checkpoint kept on record {self.record}"

    @property
    def lines(self) -> Sequence[str]:
        """Origin, size and root; empty where there are none."""
        return [*self.text.split("\n"), "", ""][:3]

    @property
    def size(self) -> int | None:
        """How many blocks it says there were; None for no number."""
        size = self.lines[1]
        return int(size) if size.isascii() and size.isdigit() and size[0] != "0" and len(size) <= 18 else None


def checkpoint_findings(tree: Tree, eras: Eras, last_seal: int, checkpoints: Iterable[Kept]) -> Iterator[Finding]:
    """The checkpoints that do not fit: the chain was cut off before their size, or sealed again.

    One that needs a missing seal cannot be compared; that seal is a finding by itself.
    """
    numbers = {eras.origin(number): number for number in eras.by_number}
    for kept in checkpoints:
        (origin, _, root), size = kept.lines, kept.size
        era = numbers.get(origin)
        if size is None:
            yield Finding(Kind.OTHER_SEAL, None, kept.record, f"{kept} is none")
        elif era is None:
            yield Finding(Kind.OTHER_SEAL, size, kept.record, f"{kept}, of an origin that this trail does not have")
        elif size > last_seal or (size in tree.kept and tree.kept[size][0] > era):
            # A checkpoint of an earlier era ends with the blocks of that era or before.
            yield Finding(Kind.CUT_CHAIN, size, kept.record, str(kept))
        else:
            found = tree.root(size)
            if found is not None and proof.checkpoint(origin, size, found).split("\n")[2] != root:
                yield Finding(Kind.OTHER_SEAL, size, kept.record, str(kept))
