"""Verifies the trail against its seals, and against checkpoints that were kept outside the database.

It is computed here, from raw rows that the login backstitch_watch reads (`raw`, `Database.raw`): whoever owns the
database can replace every function in it, so nothing of the verdict comes from one. docs/proof.md has the form.

A checkpoint is the origin of the trail, the number of its seals and the root of the tree over them, in the text form of
C2SP tlog-checkpoint. Kept elsewhere, it proves every record sealed up to it.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from psycopg import sql
from sqlalchemy import Connection, text

from backstitch.audit import personal, proof, raw
from backstitch.audit.chain import (
    LEAST,
    Chain,
    Eras,
    Kept,
    Snapshot,
    Tree,
    chain_findings,
    checkpoint_findings,
    read_chain,
    read_eras,
    read_tree,
)
from backstitch.audit.deletions import read_deletions
from backstitch.audit.findings import Finding, Kind
from backstitch.audit.notes import Note, read_demo, read_notes
from backstitch.audit.sealed import Matching, Trail, read_here
from backstitch.database import Database
from backstitch.errors import Refused

CHECKPOINT = text("select checkpoint from audit.checkpoint()")
RECORD = text("select audit.record_activity('VERIFY', 'AuditReport', null, cast(:details as jsonb))")
RECORDED = text(
    "select exists (select from audit.records "
    "where action = 'VERIFY' and transaction_id = cast(cast(pg_current_xact_id() as text) as bigint))"
)
TABLES = ("records", "eras", "seals", "deletions", "baselines")
WAITING = sql.SQL(
    "select count(*), min(recorded_at), statement_timestamp() from audit.records "
    "where era >= {era} and not (era = {era} and transaction_id < {to} and transaction_id <> all ({running}))"
)
# The truth table: which of old_values and new_values an action fills; activities have their details in new_values.
SHAPES = sql.SQL(
    "select id, recorded_at, transaction_id, era, action, old_values is null, new_values is null from audit.records "
    "where transaction_id >= {first} "
    "and ((old_values is not null) <> (action in ('UPDATE', 'DELETE', 'TRUNCATE')) "
    "or (new_values is not null) <> (action not in ('DELETE', 'TRUNCATE'))) "
    "or id is null or recorded_at is null or transaction_id is null or era is null"
)
ORIGIN = re.compile(r"backstitch/[0-9a-f]{32}/[1-9]\d{0,4}-[0-9a-f]{16}", re.ASCII)
SIZE = re.compile(r"[1-9]\d{0,17}", re.ASCII)
ROOT = re.compile(r"[A-Za-z0-9+/]{43}=", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """The state of the chain: its origin, how many seals it has, and the root of the tree over them in base64.

    As text: three lines, each with its line feed.
    """

    origin: str
    size: int
    root: str

    @classmethod
    def parse(cls, checkpoint: str) -> "Checkpoint":
        """The checkpoint in its text form, which the database gave."""
        origin, size, root = checkpoint.splitlines()
        return cls(origin, int(size), root)

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{self.root}\n"


@dataclass(frozen=True)
class Waiting:
    """How many records wait for their seal, and the time of the oldest; `now` is the time of the server."""

    records: int
    since: datetime | None
    now: datetime

    @property
    def age(self) -> timedelta | None:
        """For how long the oldest has waited; None where none waits."""
        return None if self.since is None else max(self.now - self.since, timedelta())


@dataclass(frozen=True)
class Status:
    """The state of the seals. Of the `sealed` records, `deleted` were deleted on the record.

    A new era begins when the database is restored into another server.
    """

    checkpoint: Checkpoint | None
    era: int
    sealed: int
    deleted: int
    waiting: Waiting


@dataclass(frozen=True)
class Verification:
    """The findings, by seal and record, and the state of the seals at that time.

    `longest_wait` is the longest time between a record and its seal among those that were verified, the demo's aside:
    so long could its owner have altered it unseen. None where nothing was.
    """

    status: Status
    findings: tuple[Finding, ...]
    longest_wait: timedelta | None


def checkpoint(connection: Connection) -> Checkpoint | None:
    """The checkpoint of the chain as the database says it, for readers of the trail; None before the first seal."""
    found = connection.execute(CHECKPOINT).scalar_one_or_none()
    return None if found is None else Checkpoint.parse(found)


def waiting(watch: Database) -> Waiting:
    """The records that wait for their seal now."""
    with watch.raw() as connection:
        raw.require_tables(connection, *TABLES)
        eras = read_eras(connection)
        return _waiting(connection, eras, read_chain(connection, since=None))


def verify(watch: Database, *, since: datetime | None = None, checkpoints: Sequence[Checkpoint] = ()) -> Verification:
    """Recomputes every digest and hash, or those of seals made at or after `since`, in one snapshot.

    Compares `checkpoints` with the whole chain. `watch` is the login that watches. Reads only, and takes no lock that
    a writer waits for. Raises Refused with a sentence for what stands in the place of the trail.
    """
    with watch.raw() as connection:
        return examine(connection, since=since, checkpoints=checkpoints)


def examine(
    connection: raw.Connection, *, since: datetime | None = None, checkpoints: Sequence[Checkpoint] = ()
) -> Verification:
    """Verifies on a connection of `Database.raw`."""
    raw.require_tables(connection, *TABLES)
    eras, chain, notes = read_eras(connection), read_chain(connection, since=since), read_notes(connection)
    deletions, demo = read_deletions(connection, notes), read_demo(connection, notes)
    first_seal, prior = chain.start(eras.present)
    broken = list(chain_findings(connection, eras, first_seal=first_seal))
    here = read_here(connection)
    matching = Matching(Trail(eras, chain, here, deletions, demo, first_seal, prior, is_whole=not broken))
    matching.run(connection)
    kept = _kept(notes, checkpoints)
    tree = _tree(connection, chain, kept)
    found = [
        *broken,
        *matching.findings,
        *_shape_findings(connection, prior),
        *deletions.findings,
        *checkpoint_findings(tree, eras, chain.last_seal, kept),
    ]
    if since is None:  # each value and each erasure counts, so there is no part of them to look at
        found += personal.findings(connection)
    last = _last_checkpoint(tree, eras, chain)
    state = Status(last, eras.present or 1, chain.sealed, deletions.deleted, _waiting(connection, eras, chain))
    waited = None if matching.longest_wait is None else timedelta(microseconds=matching.longest_wait)
    return Verification(state, tuple(sorted(found, key=_in_order)), waited)


def _kept(notes: Sequence[Note], checkpoints: Sequence[Checkpoint]) -> list[Kept]:
    """The checkpoints that were given, and those on records that no user of the application can write."""
    on_record = [note for note in notes if note.checkpoint is not None and note.action in ("VERIFY", "RESTORE")]
    return [
        *(Kept(str(given)) for given in checkpoints),
        *(Kept(note.checkpoint or "", note.id) for note in on_record),
    ]


def _tree(connection: raw.Connection, chain: Chain, kept: Sequence[Kept]) -> Tree:
    sizes = {chain.last_seal, *(checkpoint.size or 0 for checkpoint in kept)}
    return read_tree(connection, itertools.chain.from_iterable(proof.peaks(size) for size in sizes))


def _last_checkpoint(tree: Tree, eras: Eras, chain: Chain) -> Checkpoint | None:
    root = tree.root(chain.last_seal)
    if root is None or eras.present is None:
        return None
    return Checkpoint.parse(proof.checkpoint(eras.origin(eras.present), chain.last_seal, root))


def _in_order(finding: Finding) -> tuple[float, float, str]:
    """By seal, by record, by kind; what has none comes last."""
    last = float("inf")
    seal, record = (last if number is None else number for number in (finding.seal, finding.record))
    return seal, record, finding.kind


def _waiting(connection: raw.Connection, eras: Eras, chain: Chain) -> Waiting:
    last = chain.last_round(eras.present or 1)
    query = WAITING.format(era=sql.Literal(last.era), to=sql.Literal(last.to), running=raw.some(sorted(last.running)))
    ((records, since, now),) = raw.rows(connection, query)
    return Waiting(
        proof.integer(records or b""),
        None if since is None else proof.instant(proof.integer(since)),
        proof.instant(proof.integer(now or b"")),
    )


def _shape_findings(connection: raw.Connection, prior: Snapshot | None) -> Iterator[Finding]:
    """The records whose old and new values do not fit their action, and those without what each record has.

    A CHECK of the table would say so too, and take a fifth of the time of a single-row change.
    """
    for row in raw.rows(connection, SHAPES.format(first=sql.Literal(LEAST if prior is None else prior.to))):
        number, at, transaction, era, action, no_old, no_new = row
        record = None if number is None else proof.integer(number)
        if number is None or at is None or transaction is None or era is None:
            yield Finding(Kind.MISSHAPEN_RECORD, None, record, "it has no id, time, transaction or era")
        else:
            old, new = ("without" if absent == b"\x01" else "with" for absent in (no_old, no_new))
            said = f"{raw.text(action)} {old} old and {new} new values"
            yield Finding(Kind.MISSHAPEN_RECORD, None, record, said)


def record(connection: Connection, *, verification: Verification) -> bool:
    """Records a verification with the checkpoint, which a chain that is rebuilt later would not match. Owner only.

    Returns whether the record is there.
    """
    state = verification.status
    details = {
        "checkpoint": None if state.checkpoint is None else str(state.checkpoint),
        "records": state.sealed - state.deleted,
        "findings": len(verification.findings),
    }
    connection.execute(RECORD, {"details": json.dumps(details)})
    return bool(connection.execute(RECORDED).scalar_one())


def read_checkpoints(file: Path) -> tuple[Checkpoint, ...]:
    """The checkpoints in a file, as `verify` and exports print them; skips lines of other text, such as signatures.

    Raises Refused when the file cannot be read or has no checkpoint, and for an origin that no size and root follow.
    """
    try:
        # A spreadsheet copies a cell of several lines with quotes around it.
        lines = [line.strip().strip('"') for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read: {error}.", rule="checkpoint_file") from error
    found = []
    for number, origin in enumerate(lines, start=1):
        if not origin.startswith("backstitch/"):
            continue
        size, root = [*lines[number : number + 2], "", ""][:2]
        if not (ORIGIN.fullmatch(origin) and SIZE.fullmatch(size) and ROOT.fullmatch(root)):
            raise Refused(
                f"Line {number} of {file} begins no checkpoint: an origin, a number and 44 characters of base64, "
                "each on a line of its own.",
                rule="checkpoint_file",
            )
        found.append(Checkpoint(origin, int(size), root))
    if not found:
        raise Refused(f"There is no checkpoint in {file}.", rule="checkpoint_file")
    return tuple(found)
