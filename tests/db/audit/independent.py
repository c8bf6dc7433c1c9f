"""A second implementation of the form of the seals, from docs/proof.md. It shares no code with db/audit/seals.sql.

Values of records, seals and eras come as psycopg gives them, those of jsonb columns as PostgreSQL's text. Trees and
audit paths are pymerkle's. Its consistency proofs have another form than those of RFC 6962, which are written out here.
"""

import hashlib
import hmac
import ipaddress
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pymerkle import InmemoryTree

Values = Mapping[str, Any]

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
BYTEA_OID = 17


def sha256(data: bytes) -> bytes:
    """The SHA-256 of some bytes."""
    return hashlib.sha256(data).digest()


def int2(number: int) -> bytes:
    """A number in two bytes; int4 and int8 alike: two's complement, the highest byte first."""
    return number.to_bytes(2, "big", signed=True)


def int4(number: int) -> bytes:
    """A number in four bytes."""
    return number.to_bytes(4, "big", signed=True)


def int8(number: int) -> bytes:
    """A number in eight bytes."""
    return number.to_bytes(8, "big", signed=True)


def instant(moment: datetime) -> bytes:
    """Microseconds since 2000-01-01 00:00 UTC, in eight bytes."""
    return int8((moment - EPOCH) // timedelta(microseconds=1))


def day(when: date) -> bytes:
    """Days since 2000-01-01, in four bytes."""
    return int4((when - EPOCH.date()).days)


def address(inet: Any) -> bytes:
    """The binary form of an inet: family, length of the prefix in bits, 0 (no cidr), number of bytes, the bytes."""
    interface = ipaddress.ip_interface(inet)
    family = 2 if interface.version == 4 else 3
    return bytes([family, interface.network.prefixlen, 0, len(interface.packed)]) + interface.packed


COLUMNS: dict[str, Callable[[Any], bytes]] = {
    "id": int8,
    "recorded_at": instant,
    "transaction_id": int8,
    "entity_id": int8,
    "parent_id": int8,
    "user_id": int8,
    "session_id": int8,
    "era": int2,
    "action": str.encode,
    "entity": str.encode,
    "source": str.encode,
    "database_role": str.encode,
    "application": str.encode,
    "client_address": address,
    "operation": str.encode,
    "reason": str.encode,
    "request": str.encode,
    "old_values": str.encode,
    "new_values": str.encode,
}


def elements(record: Values) -> list[bytes | None]:
    """The bytes of each column of a record; None for null."""
    return [None if record[name] is None else encode(record[name]) for name, encode in COLUMNS.items()]


def array_header(items: Sequence[bytes | None]) -> bytes:
    """What the binary form of a bytea[] begins with: dimensions, whether there is a null, type, length, lower bound."""
    return int4(1) + int4(int(None in items)) + int4(BYTEA_OID) + int4(len(items)) + int4(1)


def array(items: Sequence[bytes | None]) -> bytes:
    """The binary form of a bytea[]."""
    return array_header(items) + b"".join(int4(-1) if item is None else int4(len(item)) + item for item in items)


def record_digest(record: Values) -> bytes:
    """The digest of a record."""
    return sha256(array(elements(record)))


def blinding(salt: bytes, record_id: int) -> bytes:
    """The blinding of a record in the block with this salt."""
    return hmac.digest(salt, int8(record_id), "sha256")


def leaf_data(salt: bytes, record_id: int, digest: bytes) -> bytes:
    """What the leaf of a record hashes."""
    return blinding(salt, record_id) + digest


def leaf_hash(data: bytes) -> bytes:
    """A leaf of either tree: of the data of a record, or of the header of a block (then it is the block's hash)."""
    return sha256(b"\x00" + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    """An inner node of either tree."""
    return sha256(b"\x01" + left + right)


def header_fields(seal: Values, era: Values) -> dict[str, bytes]:
    """The fields of the header of a block, in their order."""
    origin = era["origin"].encode()
    return {
        "label": b"Backstitch block 1\n",
        "id": int8(seal["id"]),
        "era": int2(seal["era"]),
        "origin": int4(len(origin)) + origin,
        "system_identifier": int8(era["system_identifier"] or 0),
        "database_oid": int8(era["database_oid"]),
        "began_at": instant(era["began_at"]),
        "month": day(seal["month"]),
        "sealed_at": instant(seal["sealed_at"]),
        "to_transaction": int8(seal["to_transaction"]),
        "running": int4(len(seal["running"])) + b"".join(map(int8, seal["running"])),
        "record_count": int4(seal["record_count"]),
        "SHA-256 of the ids": sha256(b"".join(map(int8, seal["record_ids"]))),
        "root": seal["root"],
        "SHA-256 of the salt": sha256(seal["salt"]),
        "previous": seal["previous"],
    }


def header(seal: Values, era: Values) -> bytes:
    """The header of a block, whose root is at [-96:-64]."""
    return b"".join(header_fields(seal, era).values())


def tree(leaves: Iterable[bytes]) -> InmemoryTree:
    """The tree over the data of leaves."""
    made = InmemoryTree(algorithm="sha256")
    made.append_entries(leaves)
    return made


def completed_nodes(headers: Sequence[bytes], block: int) -> list[bytes]:
    """The inner nodes of the tree over the blocks that a block completes, lowest first."""
    widths = (1 << level for level in range(1, block.bit_length()))
    return [tree(headers[block - width : block]).get_root() for width in widths if block % width == 0]


def checkpoint(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def audit_path(of: InmemoryTree, index: int, size: int) -> list[bytes]:
    """The audit path of RFC 6962 2.1.1 of a leaf, counted from 0, in the tree over the first `size` leaves."""
    return list(of.prove_inclusion(index + 1, size).path[1:])


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root to which an audit path leads: RFC 9162 2.1.3.2. Raises ValueError for a path of the wrong length."""
    node, number, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if number % 2 or number == last:
            node = node_hash(sibling, node)
            while number % 2 == 0 and number:
                number, last = number // 2, last // 2
        else:
            node = node_hash(node, sibling)
        number, last = number // 2, last // 2
    if last:
        raise ValueError("the path is too short")
    return node


def consistency_path(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The consistency proof of RFC 6962 2.1.2 between the tree over the first `old_size` leaves and that over all."""

    def path(part: Sequence[bytes], old: int, whole: bool) -> list[bytes]:
        if old == len(part):
            return [] if whole else [tree(part).get_root()]
        half = 1 << (len(part) - 1).bit_length() - 1
        if old <= half:
            return [*path(part[:half], old, whole), tree(part[half:]).get_root()]
        return [*path(part[half:], old - half, False), tree(part[:half]).get_root()]

    return path(leaves, old_size, True)


def roots_of_consistency(old_root: bytes, old_size: int, new_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The old and the new root to which a consistency proof leads: RFC 9162 2.1.4.2; sizes differ, and none is 0.

    Raises ValueError for a proof of the wrong length.
    """
    nodes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    number, last = old_size - 1, new_size - 1
    while number % 2:
        number, last = number // 2, last // 2
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise ValueError("the proof is too long")
        if number % 2 or number == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while number % 2 == 0 and number:
                number, last = number // 2, last // 2
        else:
            new = node_hash(new, node)
        number, last = number // 2, last // 2
    if last:
        raise ValueError("the proof is too short")
    return old, new


def jsonb_text(value: Any) -> str:
    """PostgreSQL's text of a jsonb value: the shortest keys first, then by their bytes; numbers keep their zeros."""
    match value:
        case dict():
            keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
            return "{" + ", ".join(f"{jsonb_text(key)}: {jsonb_text(value[key])}" for key in keys) + "}"
        case list():
            return "[" + ", ".join(map(jsonb_text, value)) + "]"
        case Decimal():
            return f"{value:f}"
        case _:
            return json.dumps(value, ensure_ascii=False)
