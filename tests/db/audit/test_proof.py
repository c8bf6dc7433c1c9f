"""The seals of the database against the second implementation of their form, and against the vectors of docs/."""

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from psycopg.rows import dict_row

from tests.conftest import Clone
from tests.db.audit import independent
from tests.db.audit.specimens import BLOCKS, ERAS, RECORDS, SALTS, leaf_data
from tests.db.audit.tampering import findings, make_history, one
from tests.db.trail import Connection

ROUNDS = 34  # more than 32 blocks, so that one completes five nodes
COLUMNS = ", ".join(f"r.{name}::text" if name.endswith("_values") else f"r.{name}" for name in independent.COLUMNS)
DIGESTS = "select id, digest from audit.deletions, unnest(record_ids, digests) l (id, digest)"

Row = dict[str, Any]


@dataclass(frozen=True)
class Trail:
    """What the database holds of a sealed history. `data` and `headers` are made by the second implementation."""

    psql: Connection
    records: dict[int, Row]
    seals: list[Row]
    data: list[list[bytes]]  # of each seal, the data of its leaves
    headers: list[bytes]


def rows(psql: Connection, query: str, *values: Any) -> list[Row]:
    """The rows as dicts."""
    return psql.cursor(row_factory=dict_row).execute(query, values).fetchall()


@pytest.fixture(scope="module")
def psql(kept_clone: Clone) -> Iterator[Connection]:
    """A hand at psql, on a history in which each round is sealed."""
    with kept_clone.superuser() as connection:
        make_history(connection, rounds=ROUNDS, rows=2)
        yield connection


@pytest.fixture(scope="module")
def trail(psql: Connection) -> Trail:
    """The history, read once."""
    records = {row["id"]: row for row in rows(psql, f"select {COLUMNS} from audit.records r")}
    digests = {row["id"]: row["digest"] for row in rows(psql, DIGESTS)}
    assert len(digests) == 4, "the history has a deletion"
    digests |= {id: independent.record_digest(record) for id, record in records.items()}
    eras = {row["era"]: row for row in rows(psql, "select * from audit.eras")}
    seals = rows(psql, "select * from audit.seals order by id")
    assert len(seals) > 32
    data = [[independent.leaf_data(seal["salt"], id, digests[id]) for id in seal["record_ids"]] for seal in seals]
    headers = [independent.header(seal, eras[seal["era"]]) for seal in seals]
    return Trail(psql, records, seals, data, headers)


# A real trail ---------------------------------------------------------------------------------


def test_the_digest_of_each_record_is_that_of_the_second_implementation(trail: Trail) -> None:
    computed = trail.psql.execute("select r.id, audit.record_digest(r) from audit.records r").fetchall()
    assert len(computed) > 300
    assert dict(computed) == {id: independent.record_digest(record) for id, record in trail.records.items()}


def test_the_leaves_of_each_block_are_those_of_its_records_in_order(trail: Trail) -> None:
    for seal, data in zip(trail.seals, trail.data, strict=True):
        assert seal["record_ids"] == sorted(seal["record_ids"])
        assert seal["record_count"] == len(data)
        assert seal["leaves"] == b"".join(map(independent.leaf_hash, data))


def test_the_root_of_each_block_is_that_of_the_tree_of_rfc_6962(trail: Trail) -> None:
    assert [seal["root"] for seal in trail.seals] == [independent.tree(data).get_root() for data in trail.data]


def test_the_header_and_the_hash_of_each_block_are_those_of_the_second_implementation(trail: Trail) -> None:
    computed = trail.psql.execute(
        "select audit.seal_header(s, e) from audit.seals s join audit.eras e using (era) order by s.id"
    ).fetchall()
    assert [header for (header,) in computed] == trail.headers
    hashes = list(map(independent.leaf_hash, trail.headers))
    assert [seal["hash"] for seal in trail.seals] == hashes
    assert [seal["previous"] for seal in trail.seals] == [bytes(32), *hashes[:-1]]
    assert [seal["id"] for seal in trail.seals] == list(range(1, len(hashes) + 1))


def test_each_block_keeps_the_nodes_that_it_completes(trail: Trail) -> None:
    kept = [seal["nodes"] for seal in trail.seals]
    assert len(kept[31]) == 5 * 32
    assert kept == [
        b"".join(independent.completed_nodes(trail.headers, block)) for block in range(1, len(trail.headers) + 1)
    ]


def test_the_root_over_any_number_of_blocks_is_that_of_the_tree_of_rfc_6962(trail: Trail) -> None:
    computed = trail.psql.execute(
        "select audit.tree_root(size) from generate_series(0, %s) size order by size", (len(trail.headers),)
    ).fetchall()
    tree = independent.tree(trail.headers)
    assert [root for (root,) in computed] == [tree.get_root(size) for size in range(len(trail.headers) + 1)]


def test_the_checkpoint_is_the_text_of_origin_size_and_root(trail: Trail) -> None:
    [row] = rows(trail.psql, "select * from audit.checkpoint()")
    [era] = rows(trail.psql, "select origin from audit.eras")
    root = independent.tree(trail.headers).get_root()
    assert re.fullmatch(r"backstitch/[0-9a-f]{32}/1-[0-9a-f]{16}", era["origin"])
    assert row["checkpoint"] == independent.checkpoint(era["origin"], len(trail.headers), root)
    assert (row["origin"], row["size"], b64decode(row["root"])) == (era["origin"], len(trail.headers), root)


def test_each_record_is_in_one_block_of_its_month_and_its_era(trail: Trail) -> None:
    sealed = [id for seal in trail.seals for id in seal["record_ids"]]
    assert len(sealed) == len(set(sealed))
    assert trail.records.keys() <= set(sealed)
    for seal in trail.seals:
        for id in trail.records.keys() & set(seal["record_ids"]):
            assert trail.records[id]["recorded_at"].astimezone(UTC).date().replace(day=1) == seal["month"]
            assert trail.records[id]["era"] == seal["era"]


def test_a_proof_of_any_record_leads_from_its_values_to_the_checkpoint(trail: Trail) -> None:
    _, size, kept = one(trail.psql, "select checkpoint from audit.checkpoint()").splitlines()
    blocks = independent.tree(trail.headers)
    proved = 0
    for number, (seal, header) in enumerate(zip(trail.seals, trail.headers, strict=True)):
        leaves = independent.tree(trail.data[number])
        block_path = independent.audit_path(blocks, number, int(size))
        for place, id in enumerate(seal["record_ids"]):
            if id not in trail.records:
                continue  # deleted, on the record
            path = independent.audit_path(leaves, place, len(seal["record_ids"]))
            blinding = trail.data[number][place][:32]
            # From here on what a stranger has: values, blinding, places, paths, header, checkpoint.
            record = trail.records[id]
            for values, is_genuine in ((record, True), ({**record, "reason": "another"}, False)):
                leaf = independent.leaf_hash(blinding + independent.record_digest(values))
                count = int.from_bytes(header[-132:-128], "big")
                reached = independent.root_of_path(leaf, place, count, path)
                assert (reached == header[-96:-64]) == is_genuine
            top = independent.root_of_path(independent.leaf_hash(header), number, int(size), block_path)
            assert top == b64decode(kept)
            proved += 1
    assert proved == len(trail.records)


def test_each_checkpoint_goes_on_from_each_one_before_it(trail: Trail) -> None:
    found = trail.psql.execute("select s.id, audit.tree_root(s.id) from audit.seals s").fetchall()
    roots = dict(found)
    for new in range(2, len(trail.headers) + 1):
        for old in range(1, new):
            path = independent.consistency_path(trail.headers[:new], old)
            assert independent.roots_of_consistency(roots[old], old, new, path) == (roots[old], roots[new])


# Leaves and trees by themselves ---------------------------------------------------------------


def test_a_record_has_another_leaf_under_each_salt_and_each_id(psql: Connection) -> None:
    digest = independent.sha256(b"the same values")
    ids = [1, 2, 2**63 - 1, -(2**63)]
    salts = [*SALTS, bytes(32), b"\x36" * 32, b"\x5c" * 32, b"\xff" * 32]
    leaves = [one(psql, "select audit.leaves(%s, %s, %s)", ids, [digest] * len(ids), salt) for salt in salts]
    expected = [[independent.leaf_hash(independent.leaf_data(salt, id, digest)) for id in ids] for salt in salts]
    assert leaves == list(map(b"".join, expected))
    assert len({leaf for of_salt in expected for leaf in of_salt}) == len(ids) * len(salts)


def test_whoever_guesses_a_record_cannot_find_it_among_the_leaves(trail: Trail) -> None:
    assert len({seal["salt"] for seal in trail.seals}) == len(trail.seals)
    stored = {seal["leaves"][at : at + 32] for seal in trail.seals for at in range(0, len(seal["leaves"]), 32)}
    digests = [independent.record_digest(record) for record in trail.records.values()]
    assert stored.isdisjoint([independent.leaf_hash(digest) for digest in digests] + digests)


@pytest.mark.parametrize("width", [*range(1, 71), 127, 128, 129, 4095, 4096])
def test_the_root_over_leaves_of_any_number_is_that_of_rfc_6962(psql: Connection, width: int) -> None:
    data = [independent.int8(number) for number in range(width)]
    leaves = b"".join(map(independent.leaf_hash, data))
    assert one(psql, "select audit.merkle_root(%s)", leaves) == independent.tree(data).get_root()


@pytest.mark.parametrize(
    "value",
    [
        {"bb": 1, "a": 2, "é": 3, "aa": 4, "ab": 5, "": 6, "Z": 7, "गि": 8, "zzz": 9},
        {"numbers": [0, -7, 10**30, Decimal("549.00"), Decimal("-0.50"), Decimal("1e3"), Decimal("1e-7")]},
        {"text": '"quoted" \\ / \b\f\n\r\t \x01 \x1f \x7f \u2028 ₹ 😀 <&>'},
        {"nested": [{}, [], [[None, True, False]], {"b": {"c": []}, "a": ""}]},
        "text",
        None,
    ],
)
def test_the_text_of_jsonb_values_is_that_of_postgresql(psql: Connection, value: Any) -> None:
    text = independent.jsonb_text(value)
    assert one(psql, "select %s::jsonb::text", text) == text


# The vectors of docs/proof.md and docs/records.md ---------------------------------------------


@pytest.fixture
def vectors(kept_clone: Clone) -> Iterator[Connection]:
    """A hand at psql, in a transaction in which the trail is the made-up one of the pages; it is rolled back."""
    with kept_clone.superuser() as connection, connection.transaction(force_rollback=True):
        connection.execute("truncate audit.records, audit.seals, audit.eras, audit.deletions, audit.baselines")
        for era in ERAS:
            _insert(connection, "audit.eras", era)
        for record in RECORDS:
            _insert(connection, "audit.records", record)
        for block in BLOCKS:
            # Everything that is computed is the database's.
            _insert(
                connection,
                "audit.seals",
                {**block.seal, "leaves": _leaves(connection, block.seal), "hash": b"", "nodes": b""},
            )
            connection.execute(
                "update audit.seals set root = audit.merkle_root(leaves), "
                "previous = coalesce((select p.hash from audit.seals p where p.id = %(id)s - 1), %(none)s) "
                "where id = %(id)s",
                {"id": block.seal["id"], "none": bytes(32)},
            )
            for assignment in ("hash = audit.seal_hash(s, e)", "nodes = audit.completed_nodes(s.id, s.hash)"):
                connection.execute(
                    f"update audit.seals s set {assignment} from audit.eras e where e.era = s.era and s.id = %s",
                    (block.seal["id"],),
                )
        yield connection


def _insert(psql: Connection, table: str, values: Row) -> None:
    placeholders = ", ".join(f"%({name})s" for name in values)
    psql.execute(f"insert into {table} ({', '.join(values)}) values ({placeholders})", values)


def _leaves(psql: Connection, seal: Row) -> bytes:
    return bytes(
        one(
            psql,
            "select audit.leaves(array_agg(r.id order by r.id), array_agg(audit.record_digest(r) order by r.id), %s) "
            "from audit.records r where r.id = any (%s)",
            seal["salt"],
            seal["record_ids"],
        )
    )


def test_the_domains_have_the_actions_and_the_sources_of_the_page(vectors: Connection) -> None:
    for name in ("action", "source"):
        rule = one(vectors, "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", f"{name}_known")
        assert set(re.findall(r"'(\w+)'", rule)) == {record[name] for record in RECORDS}


def test_the_database_computes_each_record_of_the_page(vectors: Connection) -> None:
    stored = rows(vectors, f"select {COLUMNS}, audit.record_digest(r) as digest from audit.records r order by r.id")
    digests = [row.pop("digest") for row in stored]
    assert stored == [dict(record) for record in RECORDS]
    assert digests == [independent.record_digest(record) for record in RECORDS]
    leaves = one(vectors, "select audit.leaves(%s, %s, %s)", [record["id"] for record in RECORDS], digests, SALTS[0])
    assert leaves == b"".join(map(independent.leaf_hash, leaf_data(RECORDS, SALTS[0])))


def test_the_database_computes_the_blocks_of_the_page(vectors: Connection) -> None:
    stored = rows(
        vectors,
        "select s.*, audit.seal_header(s, e) as header from audit.seals s join audit.eras e using (era) order by s.id",
    )
    headers = [row["header"] for row in stored]
    assert headers == list(BLOCKS[-1].headers)
    for row, block in zip(stored, BLOCKS, strict=True):
        assert {name: row[name] for name in block.seal} == block.seal
        assert row["hash"] == independent.leaf_hash(row["header"])
        assert row["nodes"] == b"".join(independent.completed_nodes(headers, row["id"]))


def test_the_database_computes_the_roots_and_the_checkpoint_of_the_page(vectors: Connection) -> None:
    tree = independent.tree(BLOCKS[-1].headers)
    assert [one(vectors, "select audit.tree_root(%s)", size) for size in range(1, 6)] == [
        tree.get_root(size) for size in range(1, 6)
    ]
    assert one(vectors, "select checkpoint from audit.checkpoint()") == BLOCKS[-1].checkpoint


def test_verification_finds_nothing_in_the_trail_of_the_page_and_an_alteration_of_it(vectors: Connection) -> None:
    checkpoints = [block.checkpoint for block in BLOCKS]
    assert findings(vectors, *checkpoints) == set()
    with vectors.transaction(force_rollback=True):
        vectors.execute("update audit.records set reason = 'another' where id = 2")
        assert findings(vectors, *checkpoints) == {("altered_record", 2)}
