"""Deletions of records that are on the record: their lists, and the baselines of replay, held against AUDIT_DELETE."""

from array import array
from collections.abc import Iterator, KeysView, Sequence
from dataclasses import dataclass, field

from backstitch.audit import proof, raw
from backstitch.audit.findings import Finding, Kind
from backstitch.audit.notes import Note

LISTS = "select deletion_id, record_ids, digests from only audit.deletions order by deletion_id, chunk"
BASELINES = (
    "select num_nulls(entity, entity_id, record_id, row_values), entity, entity_id, record_id, "
    "substr(jsonb_send(row_values), 2) from only audit.baselines order by record_id"
)
DIGESTS_AT, DIGEST_WIDTH = 20, 36  # of the binary form of a bytea[]: where its elements begin, and each with its length


@dataclass
class _List:
    """The list of one deletion: of each chunk the ids, and their digests in binary form."""

    chunks: list[tuple["array[int]", bytes]] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)

    @property
    def records(self) -> int:
        return sum(len(ids) for ids, _ in self.chunks)

    @property
    def digest(self) -> str:
        return proof.sha256(b"".join(self.hashes)).hexdigest()


@dataclass
class Deletions:
    """The lists that are what their records say. `deleted` counts the records of all lists."""

    genuine: list[_List] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    deleted: int = 0

    def digests(self, absent: KeysView[int]) -> Iterator[tuple[int, bytes]]:
        """Those of the absent records that were deleted on the record, with their digests."""
        if not absent:
            return
        wanted = set(absent)
        least, most = min(wanted), max(wanted)
        for deletion in self.genuine:
            for ids, digests in deletion.chunks:
                if not ids or ids[0] > most or ids[-1] < least:
                    continue
                for place, number in enumerate(ids):
                    if number in wanted:
                        at = DIGESTS_AT + DIGEST_WIDTH * place + 4
                        yield number, digests[at : at + 32]


def read_deletions(connection: raw.Connection, notes: Sequence[Note]) -> Deletions:
    """Reads the lists, and holds them and the baselines against the AUDIT_DELETE records among the notes."""
    lists: dict[int, _List] = {}
    found = Deletions()
    for row in raw.rows(connection, LISTS):
        number, ids, digests = row
        if number is None or ids is None or digests is None:
            found.findings.append(Finding(Kind.ALTERED_DELETION, None, None, "a value of its list is missing"))
            continue
        chunks = lists.setdefault(proof.integer(number), _List())
        try:
            chunks.chunks.append((proof.int8s(ids), digests))
        except ValueError:
            chunks.chunks.append((array("q"), digests))
        chunks.hashes.append(proof.sha256(ids + digests).digest())
    found.deleted = sum(deletion.records for deletion in lists.values())
    _compare(found, lists, [note for note in notes if note.action == "AUDIT_DELETE"])
    found.findings.extend(_baseline_findings(connection, notes))
    return found


def _compare(found: Deletions, lists: dict[int, _List], notes: Sequence[Note]) -> None:
    named = set()
    for note in notes:
        if note.records == "0":
            continue
        number = note.deletion
        kept = None if number is None else lists.get(number)
        if number is not None:
            named.add(number)
        if kept is not None and (kept.digest, str(kept.records)) == (note.digest, note.records):
            found.genuine.append(kept)
        else:
            found.findings.append(_not_its_record(number, note.id))
    found.findings.extend(_not_its_record(number, None) for number in lists.keys() - named)


def _not_its_record(deletion: int | None, record: int | None) -> Finding:
    said = f"the list of deletion {'' if deletion is None else deletion} does not fit its record"
    return Finding(Kind.ALTERED_DELETION, None, record, said)


def _baseline_findings(connection: raw.Connection, notes: Sequence[Note]) -> Iterator[Finding]:
    whole = proof.sha256()
    for row in raw.copied(connection, BASELINES):
        # Columns, the length and the value of the number of nulls, and then the four elements.
        nulls = proof.integer(row[6:10])
        whole.update(proof.sha256(proof.array_head(4, has_null=nulls > 0) + row[10:]).digest())
    last = max((note for note in notes if note.action == "AUDIT_DELETE"), key=lambda note: note.id, default=None)
    expected = last.baselines if last is not None and last.baselines is not None else proof.sha256().hexdigest()
    if whole.hexdigest() != expected:
        said = "the baselines of replay do not fit the record of the last deletion"
        yield Finding(Kind.ALTERED_DELETION, None, None if last is None else last.id, said)
