"""The form of the seals, byte by byte: docs/proof.md in Python. Pure functions; no database.

Values come in the binary form in which PostgreSQL sends them: whole numbers with the highest byte first, times in
microseconds since 2000-01-01 UTC, text in UTF-8, and an array with its dimensions before its elements.
"""

import hashlib
import sys
from array import array
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from struct import Struct

sha256 = hashlib.sha256

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
NO_HASH = bytes(32)  # what stands for the hash of a block before the first
LEAF, NODE = b"\x00", b"\x01"
LABEL = b"Backstitch block 1\n"
RECORD_COLUMNS = 19

_ARRAY = Struct(">iiiii")  # dimensions, whether it has a null, oid of the elements' type, their number, lower bound
_BYTEA, _INT8 = 17, 20
_LENGTH = Struct(">i")
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def array_head(elements: int, *, has_null: bool) -> bytes:
    """What the binary form of a bytea[] begins with. Its elements follow, each with its length, -1 for null."""
    return _ARRAY.pack(1, has_null, _BYTEA, elements, 1)


# By whether one of the columns of the record is null.
RECORD_HEADS = (array_head(RECORD_COLUMNS, has_null=False), array_head(RECORD_COLUMNS, has_null=True))


def record_digest(elements: bytes, *, has_null: bool) -> bytes:
    """The digest of a record, from its 19 columns, each with its length before it."""
    return sha256(RECORD_HEADS[has_null] + elements).digest()


class Blinding:
    """The leaves of one block: `leaf` blinds the digest of a record with its id under the salt of the block."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, salt: bytes) -> None:
        # HMAC-SHA-256 (RFC 2104) with what both hashes begin with computed once; keys are shorter than a block of 64.
        key = (salt if len(salt) <= 64 else sha256(salt).digest()).ljust(64, b"\x00")
        self._inner, self._outer = sha256(key.translate(_INNER)), sha256(key.translate(_OUTER))

    def leaf(self, record_id: bytes, digest: bytes) -> bytes:
        """The leaf of a record, from its id in eight bytes and its digest."""
        inner = self._inner.copy()
        inner.update(record_id)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return sha256(LEAF + outer.digest() + digest).digest()


def node(left: bytes, right: bytes) -> bytes:
    """An inner node of either tree."""
    return sha256(NODE + left + right).digest()


def merkle_root(leaves: bytes) -> bytes | None:
    """The root of the tree of RFC 6962 over leaf hashes of 32 bytes; None for what is no number of them, or none."""
    if not leaves or len(leaves) % 32:
        return None
    level = leaves
    while len(level) > 32:
        whole = len(level) - len(level) % 64
        pairs = [sha256(NODE + level[at : at + 64]).digest() for at in range(0, whole, 64)]
        # One that is left over moves up as it is.
        level = b"".join(pairs) + level[whole:]
    return level


@dataclass(frozen=True, slots=True)
class Era:
    """A row of audit.eras: what the headers of its blocks have of it."""

    origin: bytes
    system_identifier: bytes
    database_oid: bytes
    began_at: bytes


NO_ERA = Era(b"", bytes(8), bytes(8), b"\x80" + bytes(7))


@dataclass(frozen=True, slots=True)
class Block:
    """A row of audit.seals, its columns in binary form."""

    id: bytes
    era: bytes
    month: bytes
    to_transaction: bytes
    running: bytes
    sealed_at: bytes
    record_count: bytes
    record_ids: bytes
    leaves: bytes
    root: bytes
    salt: bytes
    previous: bytes
    hash: bytes
    nodes: bytes

    @property
    def number(self) -> int:
        """Its place in the chain."""
        return integer(self.id)

    def header(self, era: Era) -> bytes:
        """What its hash covers."""
        running = int8_elements(self.running)
        return b"".join(
            (
                LABEL,
                self.id,
                self.era,
                _LENGTH.pack(len(era.origin)),
                era.origin,
                era.system_identifier,
                era.database_oid,
                era.began_at,
                self.month,
                self.sealed_at,
                self.to_transaction,
                _LENGTH.pack(len(running) // 8),
                running,
                self.record_count,
                sha256(int8_elements(self.record_ids)).digest(),
                self.root,
                sha256(self.salt).digest(),
                self.previous,
            )
        )

    def own_hash(self, era: Era) -> bytes:
        """The hash of the block: that of its header as a leaf. Raises ValueError for a row that is none."""
        return sha256(LEAF + self.header(era)).digest()


def levels(number: int) -> int:
    """How many inner nodes of the tree over the blocks a block completes: the zero bits that its number ends with."""
    return (number & -number).bit_length() - 1


def peaks(size: int) -> list[int]:
    """The blocks whose highest nodes give the root over the first `size` blocks, the last block first."""
    found = []
    while size > 0:
        found.append(size)
        size &= size - 1
    return found


def root_of(nodes: list[bytes]) -> bytes:
    """The root of the tree, from the highest nodes of its peaks, those of the last block first."""
    root, *others = nodes
    for left in others:
        root = node(left, root)
    return root


def checkpoint(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint: C2SP tlog-checkpoint, without signatures."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


# Binary forms -------------------------------------------------------------------------------------


def integer(data: bytes) -> int:
    """A whole number of any width."""
    return int.from_bytes(data, "big", signed=True)


def instant(micros: int) -> datetime:
    """The time so many microseconds after 2000-01-01 UTC; the nearest that Python has, for infinity."""
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return (datetime.max if micros > 0 else datetime.min).replace(tzinfo=UTC)


def micros(moment: datetime) -> int:
    """The microseconds from 2000-01-01 UTC to a time."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def day(days: int) -> date | None:
    """The day so many days after 2000-01-01; None for one that Python has not, such as infinity."""
    try:
        return EPOCH.date() + timedelta(days=days)
    except OverflowError:
        return None


def int8_elements(data: bytes) -> bytes:
    """The elements of the binary form of a bigint[], eight bytes each. Raises ValueError for null and for tables."""
    if len(data) == 12 and _LENGTH.unpack_from(data)[0] == 0:
        return b""
    if len(data) < 20:
        raise ValueError("no array")
    dimensions, has_null, kind, count, _ = _ARRAY.unpack_from(data)
    if (dimensions, has_null, kind) != (1, 0, _INT8) or len(data) != 20 + 12 * count:
        raise ValueError("not a row of numbers")
    # Each element is its length and its eight bytes: three words, of which the first one goes.
    words = array("I", data[20:])
    del words[0::3]
    return words.tobytes()


def int8s(data: bytes) -> "array[int]":
    """The numbers of the binary form of a bigint[]; raises ValueError as `int8_elements` does."""
    numbers = array("q", int8_elements(data))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def elements(data: bytes) -> list[bytes | None]:
    """The elements of a record's columns or of a row, each with its length before it in `data`; None for null."""
    found: list[bytes | None] = []
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += 4
        found.append(None if length < 0 else data[at : at + length])
        at += max(length, 0)
    return found
