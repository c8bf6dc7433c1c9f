"""The forms of `backstitch.audit.proof`, with which verification judges, against the second implementation."""

import struct

import pytest

from backstitch.audit import proof
from tests.db.audit import independent
from tests.db.audit.specimens import BLOCKS, RECORDS, SALTS


def sent(numbers: list[int]) -> bytes:
    """A bigint[] as PostgreSQL sends it."""
    if not numbers:
        return struct.pack(">iii", 0, 0, 20)
    return struct.pack(">iiiii", 1, 0, 20, len(numbers), 1) + b"".join(struct.pack(">iq", 8, n) for n in numbers)


def block(seal: independent.Values) -> proof.Block:
    """A seal as it is read."""
    return proof.Block(
        id=independent.int8(seal["id"]),
        era=independent.int2(seal["era"]),
        month=independent.day(seal["month"]),
        to_transaction=independent.int8(seal["to_transaction"]),
        running=sent(seal["running"]),
        sealed_at=independent.instant(seal["sealed_at"]),
        record_count=independent.int4(seal["record_count"]),
        record_ids=sent(seal["record_ids"]),
        leaves=seal["leaves"],
        root=seal["root"],
        salt=seal["salt"],
        previous=seal["previous"],
        hash=b"",
        nodes=b"",
    )


def test_digests_and_leaves_of_the_records_of_the_page() -> None:
    for record in RECORDS:
        columns = independent.elements(record)
        elements = b"".join(
            independent.int4(-1) if column is None else independent.int4(len(column)) + column for column in columns
        )
        assert proof.elements(elements) == columns
        digest = proof.record_digest(elements, has_null=None in columns)
        assert digest == independent.record_digest(record)
        for salt in (*SALTS, bytes(32), b"", b"\x5c" * 64, b"long" * 20):
            leaf = independent.leaf_hash(independent.leaf_data(salt, record["id"], digest))
            assert proof.Blinding(salt).leaf(independent.int8(record["id"]), digest) == leaf


def test_headers_hashes_and_roots_of_the_blocks_of_the_page() -> None:
    for number, specimen in enumerate(BLOCKS):
        found = block(specimen.seal)
        origin, server = specimen.era["origin"].encode(), specimen.era["system_identifier"] or 0
        era = proof.Era(
            origin,
            independent.int8(server),
            independent.int8(specimen.era["database_oid"]),
            independent.instant(specimen.era["began_at"]),
        )
        assert found.header(era) == specimen.headers[number]
        assert found.own_hash(era) == independent.leaf_hash(specimen.headers[number])
        assert proof.merkle_root(specimen.seal["leaves"]) == specimen.seal["root"]


@pytest.mark.parametrize("width", [*range(1, 40), 127, 128, 129, 4096])
def test_the_root_over_any_number_of_leaves_and_of_any_number_of_blocks(width: int) -> None:
    data = [independent.int8(number) for number in range(width)]
    expected = independent.tree(data).get_root()
    assert proof.merkle_root(b"".join(map(independent.leaf_hash, data))) == expected
    # The root over blocks is made of the highest nodes of its peaks.
    nodes = []
    for peak in proof.peaks(width):
        nodes.append(independent.tree(data[peak - 2 ** proof.levels(peak) : peak]).get_root())
    assert proof.root_of(nodes) == expected
    assert proof.checkpoint("o", width, expected) == independent.checkpoint("o", width, expected)


def test_what_is_no_row_of_leaves_has_no_root() -> None:
    assert proof.merkle_root(b"") is None
    assert proof.merkle_root(bytes(33)) is None


@pytest.mark.parametrize("numbers", [[], [0], [1, -1, 2**63 - 1, -(2**63)], list(range(4096))])
def test_numbers_of_an_array(numbers: list[int]) -> None:
    assert list(proof.int8s(sent(numbers))) == numbers


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00\x00\x01",
        sent([1])[:-1],
        sent([1]) + b"\x00",
        sent([1]).replace(b"\x00\x00\x00\x14", b"\x00\x00\x00\x17"),
        struct.pack(">iiiii", 1, 1, 20, 1, 1) + b"\xff\xff\xff\xff",
        struct.pack(">iiiiiii", 2, 0, 20, 1, 1, 1, 1) + struct.pack(">iq", 8, 7),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no array|row of numbers"):
        proof.int8s(data)


def test_times_and_days_beyond_those_of_python_are_the_last_it_has() -> None:
    assert proof.instant(2**63 - 1).year == 9999
    assert proof.instant(-(2**63)).year == 1
    assert proof.day(2**31 - 1) is None
    assert proof.instant(proof.micros(proof.EPOCH)) == proof.EPOCH
