"""The kinds of findings of a verification, and their sentences."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of findings."""

    ALTERED_RECORD = "altered_record"
    MISSING_RECORD = "missing_record"
    ADDED_RECORD = "added_record"
    BACKDATED_RECORD = "backdated_record"
    UNCOVERED_RECORD = "uncovered_record"
    UNSEALED_RECORD = "unsealed_record"
    MISSHAPEN_RECORD = "misshapen_record"
    ALTERED_SEAL = "altered_seal"
    MISSING_SEAL = "missing_seal"
    BROKEN_LINK = "broken_link"
    ALTERED_DELETION = "altered_deletion"
    CUT_CHAIN = "cut_chain"
    OTHER_SEAL = "other_seal"
    MISSING_PERSONAL_VALUE = "missing_personal_value"
    ALTERED_PERSONAL_VALUE = "altered_personal_value"
    UNCOUNTED_ERASURE = "uncounted_erasure"


SENTENCES = {
    Kind.ALTERED_RECORD: "Record {record} was altered after it was sealed (seal {seal})",
    Kind.MISSING_RECORD: "Record {record} is missing, and its deletion is not on the record (seal {seal})",
    Kind.ADDED_RECORD: "Record {record} was added behind the back of the trail",
    Kind.BACKDATED_RECORD: "Record {record} was written after the time that it has",
    Kind.UNCOVERED_RECORD: "Record {record} has lost its seal",
    Kind.UNSEALED_RECORD: "Record {record} should have been sealed long ago",
    Kind.MISSHAPEN_RECORD: "Record {record} does not hold what its action asks for",
    Kind.ALTERED_SEAL: "Seal {seal} was altered",
    Kind.MISSING_SEAL: "Seal {seal} is missing",
    Kind.BROKEN_LINK: "Seal {seal} does not follow the one before it",
    Kind.ALTERED_DELETION: "A deletion is not what its record says (record {record})",
    Kind.CUT_CHAIN: "The chain was cut off: seal {seal} is gone",
    Kind.OTHER_SEAL: "The chain up to seal {seal} is not the one of which a checkpoint was kept",
    Kind.MISSING_PERSONAL_VALUE: "Record {record} refers to a value that is gone without an erasure on the record",
    Kind.ALTERED_PERSONAL_VALUE: "Record {record} refers to a value that does not fit its commitment",
    Kind.UNCOUNTED_ERASURE: "Record {record} is of an erasure that counts fewer values than are gone",
}


@dataclass(frozen=True)
class Finding:
    """One deviation from what was sealed; `seal` and `record` are ids, None where they do not apply."""

    kind: Kind
    seal: int | None
    record: int | None
    detail: str | None

    def __str__(self) -> str:
        record = "none" if self.record is None else self.record
        sentence = SENTENCES[self.kind].format(record=record, seal=self.seal)
        return f"{sentence}: {self.detail}." if self.detail else f"{sentence}."
