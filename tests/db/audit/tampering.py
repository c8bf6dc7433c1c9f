"""Ways to tamper with the trail behind its back, as its owner can, and what verification must say to each.

Each works in the caller's transaction, which is rolled back afterwards, on a history made by `make_history`.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backstitch.audit.integrity import Checkpoint, Verification, examine
from backstitch.database import PLAIN
from tests.db.trail import Connection, watched_table

Named = tuple[str, int | None]  # the finding, and the record or else the seal that it names

SEAL_AGAIN = """
do $$
declare
    s audit.seals;
    before audit.seals;
begin
    for s in select * from audit.seals order by id loop
        s.previous := coalesce(before.hash, s.previous);
        select string_agg(case when r.id is null then l.leaf else audit.leaf(l.blinding, audit.record_digest(r)) end,
                          '' order by l.record_id)
        into s.leaves
        from audit.listed_leaves(s.id, '-infinity') l left join audit.records r on r.id = l.record_id
        where l.seal_id = s.id;
        s.root := audit.merkle_root(s.leaves);
        s.hash := audit.seal_hash(s, e) from audit.eras e where e.era = s.era;
        s.nodes := audit.completed_nodes(s.id, s.hash);
        update audit.seals set previous = s.previous, leaves = s.leaves, root = s.root, hash = s.hash, nodes = s.nodes
        where id = s.id;
        before := s;
    end loop;
end
$$
"""


@dataclass(frozen=True)
class History:
    """A sealed history: live record ids, the seal of each, and the seals."""

    records: list[int]
    seal_of: dict[int, int]
    seals: list[int]
    checkpoint: str


def seal_all(psql: Connection) -> int:
    """Seals all there is; a transaction of the server itself, such as an autoanalyze, may delay it."""
    deadline = time.monotonic() + 20
    sealed = 0
    while True:
        sealed += int(one(psql, "select audit.seal()"))
        if one(psql, "select unsealed from audit.sealing_state()") == 0:
            return sealed
        assert time.monotonic() < deadline, "records stay unsealed"
        time.sleep(0.02)


def make_history(psql: Connection, *, rounds: int = 8, rows: int = 8, seed: int = 0) -> History:
    """Inserts, updates and deletes in some tables, sealed round by round, with one deletion on the record."""
    chance = random.Random(seed)
    watched_table(psql, "id bigint generated always as identity primary key, name text, size int, price numeric")
    psql.execute("select audit.record_activity('MAINTENANCE', 'Old', i) from generate_series(1, 4) i")
    for number in range(rounds):
        with psql.transaction():
            psql.execute(
                "select set_config('backstitch.source', 'system', true), set_config('backstitch.operation', %s, true), "
                "set_config('backstitch.reason', %s, true)",
                (f"round {number}", chance.choice(["", "count", "Zählung, गिनती"])),
            )
            psql.execute(
                "insert into demo.things (name, size, price) select 'n' || i, i, 2.50 from generate_series(1, %s) i",
                (rows,),
            )
            psql.execute("update demo.things set size = size + 1 where id %% 3 = %s", (number % 3,))
        psql.execute("update demo.things set name = null where id = (select min(id) from demo.things)")
        psql.execute("delete from demo.things where id = (select min(id) from demo.things)")
        seal_all(psql)
        if number == 1:
            psql.execute("select audit.delete_records(now(), 'of the test', entities => '{Old}')")
    seal_all(psql)
    listed = psql.execute("select i, s.id from audit.seals s, unnest(record_ids) i order by 1").fetchall()
    live = {row[0] for row in psql.execute("select id from audit.records where entity = 'Thing'").fetchall()}
    checkpoint = one(psql, "select checkpoint from audit.checkpoint()")
    seals = [row[0] for row in psql.execute("select id from audit.seals order by 1").fetchall()]
    return History([i for i, _ in listed if i in live], dict(listed), seals, checkpoint)


def one(psql: Connection, query: str, *values: Any) -> Any:
    """The only value of the only row."""
    row = psql.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def findings(psql: Connection, *checkpoints: str) -> set[Named]:
    """What verification names, with the rights of the login that watches and within the transaction of `psql`."""
    found = verification(psql, *checkpoints).findings
    return {(finding.kind.value, finding.seal if finding.record is None else finding.record) for finding in found}


def verification(psql: Connection, *checkpoints: str, since: datetime | None = None) -> Verification:
    """The verification of `python -m backstitch verify`, which sees what the transaction of `psql` has done."""
    with psql.transaction(force_rollback=True):
        psql.execute("set local role backstitch_watch")
        psql.execute(PLAIN)
        kept = [Checkpoint.parse(checkpoint) for checkpoint in checkpoints]
        return examine(psql, since=since, checkpoints=kept)


def _update(psql: Connection, assignment: str, record: int, *values: Any) -> set[Named]:
    done = psql.execute(f"update audit.records set {assignment} where id = %s", (*values, record))
    assert done.rowcount == 1
    return {("altered_record", record)}


def value(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """One value in the content of a record."""
    column = chance.choice(["old_values", "new_values"])
    record = chance.choice(_with(psql, history, column))
    key = chance.choice(sorted(one(psql, f"select {column} from audit.records where id = %s", record)))
    return _update(psql, f"{column} = {column} || jsonb_build_object(%s::text, 'x')", record, key)


def _with(psql: Connection, history: History, column: str) -> list[int]:
    rows = psql.execute(
        f"select id from audit.records where {column} is not null and id = any (%s)", (history.records,)
    )
    return sorted(row[0] for row in rows)


def trailing_zero(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A number that stays equal: 2.50 becomes 2.5."""
    rows = psql.execute("select id from audit.records where new_values ->> 'price' = '2.50' order by id").fetchall()
    return _update(psql, "new_values = new_values || '{\"price\": 2.5}'", chance.choice(rows)[0])


def actor(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """Who did it."""
    assignment = chance.choice(
        [
            "user_id = coalesce(user_id, 0) + 1",
            "session_id = coalesce(session_id, 0) + 1",
            "database_role = database_role || 'x'",
            "application = coalesce(application, '') || 'x'",
            "client_address = '192.0.2.1'",
            "source = case source when 'system' then 'SQL' else 'system' end",
            "request = coalesce(request, '') || 'f'",
            "era = era + 1",
        ]
    )
    return _update(psql, assignment, chance.choice(history.records))


def moment(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """When it was done, by a microsecond up to a day."""
    shift = chance.choice([1, 1000, 1_000_000, 86_400_000_000]) * chance.choice([1, -1])
    return _update(psql, "recorded_at = recorded_at + %s * interval '1 us'", chance.choice(history.records), shift)


def operation_or_reason(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """What it was part of, and why."""
    column = chance.choice(["operation", "reason"])
    return _update(psql, f"{column} = coalesce({column}, '') || ' '", chance.choice(history.records))


def what_it_is_about(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """The row that it was done to."""
    column = chance.choice(["entity_id = entity_id + 1", "parent_id = 7", "entity = entity || 's'"])
    return _update(psql, column, chance.choice(history.records))


def other_transaction(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """Which transaction it belongs to: another sealed one, one not sealed yet, or one to come."""
    record = chance.choice(history.records)
    here = one(psql, "select transaction_id from audit.records where id = %s", record)
    number = chance.choice([here - 1, here + 1, here + 10**6, one(psql, "select max(to_transaction) from audit.seals")])
    return _update(psql, "transaction_id = %s", record, number)


def deletion(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """Some records go."""
    removed = chance.sample(history.records, chance.randint(1, 5))
    psql.execute("delete from audit.records where id = any (%s)", (removed,))
    return {("missing_record", record) for record in removed}


def listed_deletion(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A record goes, and is added to the list of a deletion that is on the record, or to a list of its own."""
    removed = chance.choice(history.records)
    if chance.random() < 0.5:
        psql.execute(
            "update audit.deletions set record_ids = record_ids || r.id, digests = digests || audit.record_digest(r) "
            "from audit.records r where r.id = %s",
            (removed,),
        )
        # Of the whole list nothing is certain any more.
        lost = set(one(psql, "select record_ids from audit.deletions"))
        number = one(psql, "select id from audit.records where action = 'AUDIT_DELETE'")
    else:
        psql.execute(
            "insert into audit.deletions select 9, 0, array[r.id], array[audit.record_digest(r)] "
            "from audit.records r where r.id = %s",
            (removed,),
        )
        lost, number = {removed}, None
    psql.execute("delete from audit.records where id = %s", (removed,))
    return {("altered_deletion", number)} | {("missing_record", record) for record in lost}


def insertion(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A record more, in a transaction that was sealed, or in one to come."""
    like = chance.choice(history.records)
    number = chance.choice(["transaction_id", "transaction_id + 1000000"])
    added = one(
        psql,
        "insert into audit.records (recorded_at, transaction_id, action, entity, entity_id, source, database_role, "
        f"old_values, new_values) select recorded_at, {number}, action, entity, entity_id, source, database_role, "
        "old_values, new_values from audit.records where id = %s returning id",
        like,
    )
    return {("added_record", added)}


def backdating(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A record more, in a transaction of now, of a time before the last seals."""
    like = chance.choice(history.records)
    added = one(
        psql,
        "insert into audit.records (recorded_at, transaction_id, action, entity, entity_id, source, database_role, "
        "old_values, new_values) select recorded_at - %s * interval '1 minute', pg_current_xact_id()::text::bigint, "
        "action, entity, entity_id, source, database_role, old_values, new_values from audit.records where id = %s "
        "returning id",
        chance.randint(1, 100_000),
        like,
    )
    return {("backdated_record", added)}


def second_of_an_id(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A record more, with the number of a genuine one."""
    record = chance.choice(history.records)
    psql.execute(
        "insert into audit.records (id, recorded_at, transaction_id, action, entity, source, database_role, "
        "new_values) select id, recorded_at + interval '1 us', transaction_id, 'CREATE', entity, source, "
        "database_role, '{}' from audit.records where id = %s",
        (record,),
    )
    return {("added_record", record)}


def swap_of_contents(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """Two records exchange their values."""
    first, second = _two_different(psql, history, chance)
    psql.execute(
        "update audit.records a set action = b.action, old_values = b.old_values, new_values = b.new_values "
        "from audit.records b where (a.id, b.id) in ((%(a)s, %(b)s), (%(b)s, %(a)s))",
        {"a": first, "b": second},
    )
    return {("altered_record", first), ("altered_record", second)}


def swap_of_numbers(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """Two records exchange their ids."""
    first, second = _two_different(psql, history, chance)
    # By way of another number: records of one statement have one time, and id and time are the key.
    for before, after in ((first, -1), (second, first), (-1, second)):
        psql.execute("update audit.records set id = %s where id = %s", (after, before))
    return {("altered_record", first), ("altered_record", second)}


def _two_different(psql: Connection, history: History, chance: random.Random) -> tuple[int, int]:
    while True:
        first, second = chance.sample(history.records, 2)
        if one(
            psql,
            "select (a.old_values, a.new_values) is distinct from (b.old_values, b.new_values) "
            "from audit.records a, audit.records b where a.id = %s and b.id = %s",
            first,
            second,
        ):
            return first, second


def cut_tail(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """The last seals go, with all their records: only the checkpoint that was kept knows of them."""
    first = chance.choice(history.seals[-4:])
    psql.execute(
        "delete from audit.records where id in (select unnest(record_ids) from audit.seals where id >= %s)", (first,)
    )
    psql.execute("delete from audit.seals where id >= %s", (first,))
    named: set[Named] = {("cut_chain", history.seals[-1])}
    if one(psql, "select count(*) from audit.records where action = 'AUDIT_DELETE'") == 0:
        # The deletion is no longer on the record.
        lost = one(psql, "select record_ids from audit.deletions")
        named |= {("altered_deletion", None)} | {("missing_record", record) for record in lost}
    return named


def tail_sealed_again(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A record is altered, its seal and all after it are made anew by the sealer itself."""
    record = chance.choice([r for r in history.records if history.seal_of[r] > history.seals[1]])
    psql.execute("update audit.records set reason = 'another' where id = %s", (record,))
    psql.execute("delete from audit.seals where id >= %s", (history.seal_of[record],))
    psql.execute("select audit.seal()")
    last = one(psql, "select size from audit.checkpoint()")
    return {("other_seal" if last == history.seals[-1] else "cut_chain", history.seals[-1])}


def chain_sealed_again(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A record is altered, and its leaf and every hash from there on are put right."""
    operation_or_reason(psql, history, chance)
    psql.execute(SEAL_AGAIN)
    return {("other_seal", history.seals[-1])}


def altered_seal(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """The row of a seal."""
    seal = chance.choice(history.seals)
    assignment = chance.choice(
        [
            "sealed_at = sealed_at + interval '1 us'",
            "month = month - 31",
            "running = running || to_transaction",
            "salt = sha256(salt)",
            "root = sha256(root)",
            "hash = sha256(hash)",
            "to_transaction = to_transaction + 1000000",
        ]
    )
    psql.execute(f"update audit.seals set {assignment} where id = %s", (seal,))
    named: set[Named] = {("altered_seal", seal)}
    is_last = seal == history.seals[-1]
    if ("hash = " in assignment or "to_transaction =" in assignment) and not is_last:
        named.add(("broken_link", seal + 1))
    if "salt" in assignment:
        # None of its leaves can be computed any more.
        named |= {("altered_record", record) for record in history.records if history.seal_of[record] == seal}
        named |= _without_their_leaf(psql, seal, history)
    if "hash = " in assignment and (is_last and seal % 2):
        named.add(("other_seal", seal))
    return named


def _without_their_leaf(psql: Connection, seal: int, history: History) -> set[Named]:
    """The other records of a seal: still there they are altered, deleted on the record they are missing."""
    rows = psql.execute(
        "select i, exists (select from audit.records where id = i) from audit.seals s, unnest(record_ids) i "
        "where s.id = %s",
        (seal,),
    )
    return {("altered_record" if there else "missing_record", record) for record, there in rows.fetchall()}


def altered_leaf(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A record is altered, and its leaf in the seal, perhaps the root of the leaves, but not the seal's hash."""
    [(_, record)] = operation_or_reason(psql, history, chance)
    assert record is not None
    psql.execute(
        "update audit.seals s set leaves = overlay(s.leaves placing audit.leaf(l.blinding, audit.record_digest(r)) "
        "from 32 * array_position(s.record_ids, r.id) - 31) "
        "from audit.records r, audit.listed_leaves(1, '-infinity') l "
        "where r.id = %s and s.id = l.seal_id and l.record_id = r.id",
        (record,),
    )
    if chance.random() < 0.5:
        psql.execute("update audit.seals set root = audit.merkle_root(leaves)")
    return {("altered_seal", history.seal_of[record])}


def altered_node(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A node of the tree over the blocks."""
    seal = chance.choice([seal for seal in history.seals if seal % 2 == 0])
    levels = _levels(seal)
    level = chance.randint(1, levels)
    psql.execute(
        "update audit.seals set nodes = overlay(nodes placing sha256('x') from %s) where id = %s",
        (32 * (level - 1) + 1, seal),
    )
    named: set[Named] = {("altered_seal", seal)}
    # The node above, of which it is a half, is kept by this seal or by a later one.
    above = seal if level < levels else seal + 2**level
    if above in history.seals:
        named.add(("altered_seal", above))
    if level == levels and seal in _peaks(history):
        named.add(("other_seal", history.seals[-1]))
    return named


def _levels(seal: int) -> int:
    return (seal & -seal).bit_length() - 1


def _peaks(history: History) -> set[int]:
    """The last blocks of the complete subtrees of the tree, from which its root is made."""
    peaks, rest = set(), history.seals[-1]
    while rest:
        peaks.add(rest)
        rest &= rest - 1
    return peaks


def altered_era(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """The row of the era: its origin, its beginning, its server or its database."""
    assignment = chance.choice(
        [
            "origin = origin || 'f'",
            "began_at = began_at - interval '1 us'",
            "system_identifier = system_identifier + 1",
            "database_oid = database_oid + 1",
        ]
    )
    psql.execute(f"update audit.eras set {assignment}")
    named: set[Named] = {("altered_seal", seal) for seal in history.seals}
    return named | ({("other_seal", history.seals[-1])} if "origin" in assignment else set())


def removed_seal(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """A seal in the middle goes; its records stand without."""
    seal = chance.choice(history.seals[:-1])
    psql.execute("delete from audit.seals where id = %s", (seal,))
    rows = psql.execute("select id from audit.records").fetchall()
    return {("missing_seal", seal)} | {
        ("uncovered_record", record) for (record,) in rows if history.seal_of[record] == seal
    }


def seals_in_other_order(psql: Connection, history: History, chance: random.Random) -> set[Named]:
    """Two seals exchange their places."""
    first, second = sorted(chance.sample(history.seals, 2))
    psql.execute("update audit.seals set id = -id where id in (%s, %s)", (first, second))
    psql.execute("update audit.seals set id = %s + %s + id where id < 0", (first, second))
    places = {first, first + 1, second, second + 1} - {history.seals[-1] + 1}
    named = {("altered_seal", first), ("altered_seal", second)} | {("broken_link", place) for place in places}
    # Nodes that later seals keep over nodes of the two.
    named |= {
        ("altered_seal", seal)
        for seal in history.seals
        for level in range(2, _levels(seal) + 1)
        if seal - 2 ** (level - 1) in (first, second)
    }
    return named | ({("other_seal", history.seals[-1])} if {first, second} & _peaks(history) else set())


Tampering = Callable[[Connection, History, random.Random], set[Named]]
KINDS: tuple[Tampering, ...] = (
    value,
    trailing_zero,
    actor,
    moment,
    operation_or_reason,
    what_it_is_about,
    other_transaction,
    deletion,
    listed_deletion,
    insertion,
    backdating,
    second_of_an_id,
    swap_of_contents,
    swap_of_numbers,
    cut_tail,
    tail_sealed_again,
    chain_sealed_again,
    altered_seal,
    altered_leaf,
    altered_node,
    altered_era,
    removed_seal,
    seals_in_other_order,
)


def found(psql: Connection, history: History, kind: Tampering, seed: int) -> tuple[set[Named], set[Named]]:
    """What verification names after the tampering, and what it has to; nothing of it stays."""
    with psql.transaction(force_rollback=True):
        expected = kind(psql, history, random.Random(f"{kind.__name__} {seed}"))
        return findings(psql, history.checkpoint), expected
