"""The seals of a database and the second implementation of their form agree, in both directions; docs/proof.md."""

import itertools
from collections.abc import Iterator
from typing import Any, LiteralString

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from tests.conftest import Clone
from tests.db.audit import independent
from tests.db.audit.independent import COLUMNS
from tests.db.audit.specimens import BLOCKS, ERAS, RECORDS
from tests.db.audit.tampering import make_history, one, seal_all
from tests.db.trail import Connection

Row = dict[str, Any]

# jsonb as its text: the digest covers that, not the value.
RECORD_COLUMNS = sql.SQL(", ").join(
    sql.SQL("{0}::text as {0}").format(sql.Identifier(name))
    if name in ("action", "source", "old_values", "new_values")
    else sql.Identifier(name)
    for name in COLUMNS
)


@pytest.fixture
def psql(clone: Clone) -> Iterator[Connection]:
    """A hand at psql, at a sealed history with a deletion."""
    with clone.superuser() as connection:
        make_history(connection)
        yield connection


def rows(psql: Connection, query: LiteralString | sql.Composed) -> list[Row]:
    """Each row as a dict."""
    with psql.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def records(psql: Connection) -> dict[int, Row]:
    """The records of the trail by id."""
    return {row["id"]: row for row in rows(psql, sql.SQL("select {} from audit.records").format(RECORD_COLUMNS))}


def eras(psql: Connection) -> dict[int, Row]:
    """The eras by number."""
    return {row["era"]: row for row in rows(psql, "select * from audit.eras")}


def seals(psql: Connection) -> list[Row]:
    """The chain."""
    return rows(psql, "select * from audit.seals order by id")


def headers(psql: Connection) -> list[bytes]:
    """The header of each block, as the second implementation makes it."""
    known = eras(psql)
    return [independent.header(seal, known[seal["era"]]) for seal in seals(psql)]


def leaf_data(seal: Row, kept: dict[int, Row]) -> list[bytes]:
    """The data of each leaf of a seal."""
    return [
        independent.leaf_data(seal["salt"], number, independent.record_digest(kept[number]))
        for number in seal["record_ids"]
    ]


def test_every_leaf_root_and_hash_is_what_the_second_implementation_makes(psql: Connection) -> None:
    kept, chain, made = records(psql), seals(psql), headers(psql)
    assert len(chain) > 6
    compared = 0
    for seal, header in zip(chain, made, strict=True):
        if set(seal["record_ids"]) <= kept.keys():  # those of the deletion are gone
            data = leaf_data(seal, kept)
            assert seal["leaves"] == b"".join(map(independent.leaf_hash, data))
            assert seal["root"] == independent.tree(data).get_root()
            compared += len(data)
        assert seal["hash"] == independent.leaf_hash(header)
        assert seal["nodes"] == b"".join(independent.completed_nodes(made, seal["id"]))
    assert compared > 50
    for before, after in itertools.pairwise(chain):
        assert after["previous"] == before["hash"]


def test_the_roots_of_every_size_and_the_checkpoint_are_those_of_the_second_implementation(psql: Connection) -> None:
    for number in range(13):
        psql.execute("insert into demo.things (size) values (%s)", (number,))
        seal_all(psql)
    made = headers(psql)
    for size in range(1, len(made) + 1):
        root = independent.tree(made[:size]).get_root()
        assert one(psql, "select audit.tree_root(%s)", size) == root
    assert len(made) > 20
    origin = eras(psql)[1]["origin"]
    assert one(psql, "select checkpoint from audit.checkpoint()") == independent.checkpoint(origin, len(made), root)
    assert one(psql, "select audit.tree_root(0)") == independent.sha256(b"")


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 13, 64, 100])
def test_the_root_of_leaves_is_that_of_rfc_6962(psql: Connection, width: int) -> None:
    data = [bytes([number]) * number for number in range(width)]
    leaves = b"".join(map(independent.leaf_hash, data))
    assert one(psql, "select audit.merkle_root(%s)", leaves) == independent.tree(data).get_root()


def test_a_record_is_proved_to_whoever_has_the_checkpoint(psql: Connection) -> None:
    kept, chain, made = records(psql), seals(psql), headers(psql)
    seal = next(seal for seal in chain[2:] if len(seal["record_ids"]) > 4 and set(seal["record_ids"]) <= kept.keys())
    index, data = 3, leaf_data(seal, kept)
    # What a stranger gets: the values, the blinding, an audit path, the header, another audit path.
    record = kept[seal["record_ids"][index]]
    blinding = independent.blinding(seal["salt"], record["id"])
    path = independent.audit_path(independent.tree(data), index, len(data))
    header = made[seal["id"] - 1]
    above = independent.audit_path(independent.tree(made), seal["id"] - 1, len(made))

    leaf = independent.leaf_hash(blinding + independent.record_digest(record))
    assert independent.root_of_path(leaf, index, len(data), path) == header[-96:-64]
    root = independent.root_of_path(independent.leaf_hash(header), seal["id"] - 1, len(made), above)
    _, size, text = one(psql, "select checkpoint from audit.checkpoint()").splitlines()
    assert independent.checkpoint("x", int(size), root).splitlines()[2] == text
    other = independent.leaf_hash(blinding + independent.record_digest({**record, "reason": "another"}))
    assert independent.root_of_path(other, index, len(data), path) != header[-96:-64]


def test_the_same_content_has_another_leaf_under_each_salt_and_each_id(psql: Connection) -> None:
    digest = independent.sha256(b"the same")
    query = (
        "select audit.leaf(audit.blinding(id, audit.hmac_pad(salt, '36'), audit.hmac_pad(salt, '5c')), %s) "
        "from unnest(%s::bytea[]) salt cross join unnest(array[1, 2, 9223372036854775807]) id order by salt, id"
    )
    salts = [bytes(32), b"\x36" * 32, b"\xff" * 32]
    made = [leaf for (leaf,) in psql.execute(query, (digest, salts)).fetchall()]
    assert made == [
        independent.leaf_hash(independent.leaf_data(salt, number, digest))
        for salt in salts
        for number in (1, 2, 2**63 - 1)
    ]
    assert len(set(made)) == 9


def insert(psql: Connection, table: str, row: Row) -> None:
    """Writes a row as it is."""
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier("audit", table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )
    psql.execute(statement, list(row.values()))


def test_the_database_verifies_the_trail_of_the_pages(psql: Connection) -> None:
    psql.execute("truncate audit.records, audit.seals, audit.eras, audit.deletions")
    for era in ERAS:
        insert(psql, "eras", era)
    for record in RECORDS:
        insert(psql, "records", record)
    digests = dict(psql.execute("select id, audit.record_digest(r) from audit.records r").fetchall())
    assert digests == {record["id"]: independent.record_digest(record) for record in RECORDS}
    assert records(psql) == {record["id"]: record for record in RECORDS}
    for block in BLOCKS:
        made = list(block.headers)
        nodes = b"".join(independent.completed_nodes(made, block.seal["id"]))
        insert(psql, "seals", {**block.seal, "hash": independent.leaf_hash(made[-1]), "nodes": nodes})
        assert one(psql, "select audit.seal_header(s, e) from audit.seals s join audit.eras e using (era) "
                   "order by s.id desc limit 1") == made[-1]  # fmt: skip
        root = one(psql, "select audit.tree_root(%s)", block.seal["id"])
        assert independent.checkpoint(block.era["origin"], block.seal["id"], root) == block.checkpoint
    assert psql.execute("select * from audit.chain_findings(1)").fetchall() == []
    assert psql.execute("select * from audit.record_findings(1, null, 0, '{}')").fetchall() == []
    assert psql.execute("select * from audit.shape_findings(0)").fetchall() == []
    checkpoints = [block.checkpoint for block in BLOCKS]
    assert psql.execute("select * from audit.checkpoint_findings(%s)", (checkpoints,)).fetchall() == []
