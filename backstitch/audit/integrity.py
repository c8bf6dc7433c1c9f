"""Verifies the trail against its seals, and against heads that were kept outside the database.

A head is the number and the hash of the last seal. Kept elsewhere, it proves every record sealed up to it.
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

HEAD = text("select seal_id, hash from audit.chain_head()")
STATUS = text(
    "select seal_id, hash, sealed_at, era, sealed, deleted, unsealed, unsealed_since from audit.seal_status()"
)
VERIFY = text(
    "select finding, seal_id, record_id, detail "
    "from audit.verify_seals(coalesce(:since, timestamptz '-infinity'), cast(:heads as text[]))"
)
RECORD = text("select audit.record_activity('VERIFY', 'AuditReport', null, cast(:details as jsonb))")
LINE = re.compile(r"(\d{1,18}) ([0-9a-f]{64})")


@dataclass(frozen=True)
class Head:
    """The last seal: its number and its SHA-256 in hex. As text: number, space, hash."""

    seal: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seal} {self.hash}"


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
    Kind.OTHER_SEAL: "Seal {seal} was made anew: it is not the one whose head was kept",
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

    head: Head | None
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


def head(connection: Connection) -> Head | None:
    """The last seal, for every reader of the trail; None before the first seal."""
    row = connection.execute(HEAD).one_or_none()
    return None if row is None else Head(row.seal_id, row.hash)


def status(connection: Connection) -> Status:
    """The state of the seals, for admins, analysts and the owner."""
    row = connection.execute(STATUS).one()
    last = None if row.seal_id is None else Head(row.seal_id, row.hash)
    return Status(last, row.sealed_at, row.era or 1, row.sealed, row.deleted, row.unsealed, row.unsealed_since)


def verify(
    database: Database, actor: Actor, *, since: datetime | None = None, heads: Sequence[Head] = ()
) -> Verification:
    """Recomputes every digest and hash, or those of seals made at or after `since`, in one snapshot.

    Compares `heads` with the whole chain. Reads only and takes no locks. For admins, analysts and the owner.
    """
    with database.read(actor) as connection:
        rows = connection.execute(VERIFY, {"since": since, "heads": [str(head) for head in heads]})
        findings = tuple(Finding(Kind(row.finding), row.seal_id, row.record_id, row.detail) for row in rows)
        return Verification(status(connection), findings)


def record(connection: Connection, *, verification: Verification) -> None:
    """Records a verification with the head, which a chain that is rebuilt later would not match. Owner only."""
    state = verification.status
    details = {
        "chain_head": None if state.head is None else str(state.head),
        "records": state.sealed - state.deleted,
        "findings": len(verification.findings),
    }
    connection.execute(RECORD, {"details": json.dumps(details)})


def read_heads(file: Path) -> tuple[Head, ...]:
    """The heads in a file, one per line, as `verify` and exports print them; skips lines of other text.

    Raises Refused when the file cannot be read or has no head, and for a line that starts with a digit but is no head.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read: {error}.", rule="heads_file") from error
    heads = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if match := LINE.fullmatch(line):
            heads.append(Head(int(match[1]), match[2]))
        elif line[:1].isdigit():
            raise Refused(
                f"Line {number} of {file} is not a head: a number, a space and 64 characters of 0-9 and a-f.",
                rule="heads_file",
            )
    if not heads:
        raise Refused(f"There is no head in {file}.", rule="heads_file")
    return tuple(heads)
