"""Verifies the trail against its seals, and against checkpoints that were kept outside the database.

A checkpoint is the origin of the trail, the number of its seals and the root of the tree over them, in the text form of
C2SP tlog-checkpoint. Kept elsewhere, it proves every record sealed up to it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, text

from backstitch.database import Actor, Database
from backstitch.errors import Refused

CHECKPOINT = text("select checkpoint from audit.checkpoint()")
STATUS = text("select checkpoint, sealed_at, era, sealed, deleted, unsealed, unsealed_since from audit.seal_status()")
VERIFY = text(
    "select finding, seal_id, record_id, detail "
    "from audit.verify_seals(coalesce(:since, timestamptz '-infinity'), cast(:checkpoints as text[]))"
)
RECORD = text("select audit.record_activity('VERIFY', 'AuditReport', null, cast(:details as jsonb))")
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


class Kind(StrEnum):
    """The kinds of findings."""

    ALTERED_RECORD = "altered_record"
    MISSING_RECORD = "missing_record"
    ADDED_RECORD = "added_record"
    UNCOVERED_RECORD = "uncovered_record"
    UNSEALED_RECORD = "unsealed_record"
    MISSHAPEN_RECORD = "misshapen_record"
    ALTERED_SEAL = "altered_seal"
    MISSING_SEAL = "missing_seal"
    BROKEN_LINK = "broken_link"
    ALTERED_DELETION = "altered_deletion"
    CUT_CHAIN = "cut_chain"
    OTHER_SEAL = "other_seal"


SENTENCES = {
    Kind.ALTERED_RECORD: "Record {record} was altered after it was sealed (seal {seal})",
    Kind.MISSING_RECORD: "Record {record} is missing, and its deletion is not on the record (seal {seal})",
    Kind.ADDED_RECORD: "Record {record} was added behind the back of the trail",
    Kind.UNCOVERED_RECORD: "Record {record} has lost its seal",
    Kind.UNSEALED_RECORD: "Record {record} should have been sealed long ago",
    Kind.MISSHAPEN_RECORD: "Record {record} does not hold what its action asks for",
    Kind.ALTERED_SEAL: "Seal {seal} was altered",
    Kind.MISSING_SEAL: "Seal {seal} is missing",
    Kind.BROKEN_LINK: "Seal {seal} does not follow the one before it",
    Kind.ALTERED_DELETION: "A deletion is not what its record says (record {record})",
    Kind.CUT_CHAIN: "The chain was cut off: seal {seal} is gone",
    Kind.OTHER_SEAL: "The chain up to seal {seal} is not the one of which a checkpoint was kept",
}


@dataclass(frozen=True)
class Finding:
    """One deviation from what was sealed; `seal` and `record` are ids, None where they do not apply."""

    kind: Kind
    seal: int | None
    record: int | None
    detail: str | None

    def __str__(self) -> str:
        sentence = SENTENCES[self.kind].format(record=self.record or "none", seal=self.seal)
        return f"{sentence}: {self.detail}." if self.detail else f"{sentence}."


@dataclass(frozen=True)
class Status:
    """The state of the seals. Of the `sealed` records, `deleted` were deleted on the record.

    `unsealed` records wait for a seal, the oldest since `unsealed_since`. A new era begins when the database is
    restored into another server.
    """

    checkpoint: Checkpoint | None
    sealed_at: datetime | None
    era: int
    sealed: int
    deleted: int
    unsealed: int
    unsealed_since: datetime | None


@dataclass(frozen=True)
class Verification:
    """The findings, by seal and record, and the state of the seals at that time."""

    status: Status
    findings: tuple[Finding, ...]


def checkpoint(connection: Connection) -> Checkpoint | None:
    """The checkpoint of the chain, for every reader of the trail; None before the first seal."""
    found = connection.execute(CHECKPOINT).scalar_one_or_none()
    return None if found is None else Checkpoint.parse(found)


def status(connection: Connection) -> Status:
    """The state of the seals, for admins, analysts and the owner."""
    row = connection.execute(STATUS).one()
    last = None if row.checkpoint is None else Checkpoint.parse(row.checkpoint)
    return Status(last, row.sealed_at, row.era or 1, row.sealed, row.deleted, row.unsealed, row.unsealed_since)


def verify(
    database: Database, actor: Actor, *, since: datetime | None = None, checkpoints: Sequence[Checkpoint] = ()
) -> Verification:
    """Recomputes every digest and hash, or those of seals made at or after `since`, in one snapshot.

    Compares `checkpoints` with the whole chain. Reads only and takes no locks. For admins, analysts and the owner.
    """
    with database.read(actor) as connection:
        rows = connection.execute(
            VERIFY, {"since": since, "checkpoints": [str(checkpoint) for checkpoint in checkpoints]}
        )
        findings = tuple(Finding(Kind(row.finding), row.seal_id, row.record_id, row.detail) for row in rows)
        return Verification(status(connection), findings)


def record(connection: Connection, *, verification: Verification) -> None:
    """Records a verification with the checkpoint, which a chain that is rebuilt later would not match. Owner only."""
    state = verification.status
    details = {
        "checkpoint": None if state.checkpoint is None else str(state.checkpoint),
        "records": state.sealed - state.deleted,
        "findings": len(verification.findings),
    }
    connection.execute(RECORD, {"details": json.dumps(details)})


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
