"""Eras of the trail: what begins when a trail was restored or moved to another server or database.

Transaction numbers belong to a server, so a restored trail is away from home, and nothing is sealed there before its
new era has begun (db/audit/seals.sql). An era begins when verification and replay have found nothing, or with what they
have found on the record: `judge` looks, and what it returns goes to `migrations.upgrade`, which begins the era.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from backstitch.audit import integrity, replay
from backstitch.audit.integrity import Checkpoint, Verification
from backstitch.audit.replay import Replayed
from backstitch.database import Database, System
from backstitch.errors import StartError

AT_HOME = text("select audit.is_at_home()")
ORIGINS = text("select origin from audit.eras")
RECORDS = text("select count(*) from audit.records")
FIRST = 10  # findings that stand on the record in words


@dataclass(frozen=True)
class Takeover:
    """What is known of a restored trail when its new era begins; the RESTORE record has it.

    `differing` are the tables that replay does not rebuild, `records` is how many records were found. `newer` is a
    checkpoint, kept elsewhere, of a later state of this trail than the one that was found. `backup` says which backup
    it came from. `reason` is why it is taken over whatever was found.
    """

    verification: Verification
    differing: tuple[Replayed, ...]
    records: int
    newer: Checkpoint | None = None
    backup: Mapping[str, Any] | None = None
    reason: str | None = None

    @property
    def total(self) -> int:
        """How many findings verification has, and replay differences."""
        return len(self.verification.findings) + sum(table.total for table in self.differing)

    @property
    def lost_seals(self) -> int | None:
        """How many seals the later checkpoint has more than the trail; None where no such checkpoint is known."""
        here = self.verification.status.checkpoint
        return None if self.newer is None else self.newer.size - (0 if here is None else here.size)

    def first(self) -> list[str]:
        """The first findings and differences, as sentences."""
        findings = map(str, self.verification.findings)
        differences = (str(one) for table in self.differing for one in (*table.problems, *table.differences))
        return [*findings, *differences][:FIRST]

    def details(self) -> dict[str, Any]:
        """The details of the RESTORE record; the database adds the era and the checkpoint that was found."""
        found: dict[str, Any] = {"records": self.records, "findings": self.total}
        if self.total:
            found["first_findings"] = self.first()
        if self.newer is not None:
            found |= {"known_checkpoint": str(self.newer), "lost_seals": self.lost_seals}
        if self.backup is not None:
            found["backup"] = dict(self.backup)
        return found

    def require_sound(self) -> "Takeover":
        """Returns itself; raises StartError if something was found."""
        if self.total:
            first, more = self.first()[0].removesuffix("."), self.total - 1
            raise StartError(
                "The database was restored or moved here, and no new era of its trail begins while verification or "
                f"replay finds something: {first}{f' ({more:,} more)' if more else ''}. `python -m backstitch verify` "
                'and `replay` show all of it; `python -m backstitch begin-era --reason "..."` goes on with it on the '
                "record."
            )
        return self


def is_away(connection: Connection) -> bool:
    """Whether the trail was restored or moved to where it is now, and its era has not begun. Owner only."""
    return connection.execute(AT_HOME).scalar_one() is False


def judge(owner: Database, *, checkpoints: Sequence[Checkpoint] = ()) -> Takeover:
    """Verifies a restored trail, also against checkpoints kept elsewhere, and replays it; changes nothing.

    A checkpoint of a later state of the same trail says what was lost; that is no finding.
    """
    with owner.read(System()) as connection:
        here = integrity.checkpoint(connection)
        origins = set(connection.execute(ORIGINS).scalars())
        records = connection.execute(RECORDS).scalar_one()
    later = [checkpoint for checkpoint in checkpoints if _is_later(checkpoint, here, origins)]
    # As the owner: a backup of an earlier version does not know the login that watches.
    found = integrity.verify(owner, checkpoints=[one for one in checkpoints if one not in later])
    with owner.raw() as raw:
        differing = tuple(table for table in replay.replay_as_told(raw) if table.total)
    newest = max(later, key=lambda checkpoint: checkpoint.size, default=None)
    return Takeover(found, differing, records, newer=newest)


def examine(connection: Connection) -> Takeover | None:
    """What is known of a trail that was restored, ready for its new era; None for one that is at home.

    Raises StartError if verification or replay finds something.
    """
    if not is_away(connection):
        return None
    owner = Database(connection.engine.url.render_as_string(hide_password=False), pool_size=1)
    try:
        return judge(owner).require_sound()
    finally:
        owner.dispose()


def _is_later(checkpoint: Checkpoint, here: Checkpoint | None, origins: Iterable[str]) -> bool:
    """Whether it is of this trail, in one of its eras or a later one, and of a state after the one that is here."""
    size = 0 if here is None else here.size
    return checkpoint.size > size and _installation(checkpoint.origin) in map(_installation, origins)


def _installation(origin: str) -> str:
    """`backstitch/0a1b.../2-0c0d...` -> `0a1b...`."""
    return origin.split("/")[1]
