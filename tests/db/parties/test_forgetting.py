"""A customer or an agency can be forgotten: its values leave the trail, and the trail still holds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from backstitch.accounts.permissions import Role
from backstitch.audit import integrity, sealing, search, undo
from backstitch.audit.undo import Step, Undoable, Undone
from backstitch.errors import Refused
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties import queries as party_queries
from tests.conftest import Clone
from tests.db.audit.shop import around_now
from tests.db.audit.test_personal_data import mentions
from tests.db.business import GSTIN
from tests.db.trail import Connection, acting, assert_replay_matches, begin, refused, wait_until_blocked

OTHER_GSTIN = "29AAGCB7383J1Z4"


@dataclass(frozen=True)
class Kind:
    """A table of parties, a whole row of it, and the row once it was forgotten."""

    entity: str
    table: str
    name: str
    values: dict[str, Any]
    emptied: dict[str, Any]

    @property
    def word(self) -> str:
        return self.entity.lower()

    @property
    def forget(self) -> str:
        return f"select inventory.forget_{self.word}(%s, %s)"


ADDRESS = {"gst_number": GSTIN, "address": '12 "Chandan" Marg', "pincode": "400050"}
NO_ADDRESS = {"gst_number": None, "address": "", "pincode": None}
CUSTOMER = Kind(
    "Customer",
    "customers",
    "store_name",
    {"store_name": "Asha Saree Centre", "phone": "9820012345", "region": "West", **ADDRESS},
    {"phone": None, "region": "West", **NO_ADDRESS},
)
AGENCY = Kind(
    "Agency",
    "agencies",
    "agency_name",
    {
        "agency_name": "Asha Iyer & Sons",
        "owner_mobile": "9820012345",
        "accounts_mobile": "9820054321",
        "region_covered": "West",
        **ADDRESS,
    },
    {"owner_mobile": None, "accounts_mobile": None, "region_covered": "West", **NO_ADDRESS},
)
KINDS = pytest.mark.parametrize("kind", [CUSTOMER, AGENCY], ids=lambda kind: kind.word)


def insert(connection: Connection, kind: Kind, **others: Any) -> int:
    values = kind.values | others
    row = connection.execute(
        f"insert into inventory.{kind.table} ({', '.join(values)}) values ({', '.join(['%s'] * len(values))}) "  # type: ignore[arg-type]
        "returning id",
        list(values.values()),
    ).fetchone()
    assert row is not None
    return int(row[0])


def add(clone: Clone, kind: Kind, **others: Any) -> int:
    """A party whose name was another one once."""
    with acting(clone, Role.MANAGER, f"add {kind.word}") as connection:
        party = insert(connection, kind, **{kind.name: "Asha's first name", **others})
    with acting(clone, Role.MANAGER, f"edit {kind.word}") as connection:
        connection.execute(
            f"update inventory.{kind.table} set {kind.name} = %s where id = %s",  # type: ignore[arg-type]
            (kind.values[kind.name], party),
        )
    return party


def forget(clone: Clone, kind: Kind, party: int, reason: str | None = "letter of 3 May") -> int:
    with acting(clone, Role.ADMIN, f"forget {kind.word}", None) as connection:  # type: ignore[arg-type]
        row = connection.execute(kind.forget, (party, reason)).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def assert_whole(clone: Clone) -> None:
    """The trail is as it was sealed and replays to the tables."""
    sealing.seal(clone.owner)
    assert list(integrity.verify(clone.watch).findings) == []
    with clone.superuser() as psql:
        assert_replay_matches(psql)


@KINDS
def test_a_record_holds_references_to_the_personal_values_and_empty_fields_as_they_are(
    clone: Clone, kind: Kind
) -> None:
    party = add(clone, kind, address="", pincode=None)
    with clone.superuser() as psql:
        stored = psql.execute(
            "select old_values, new_values from audit.records where entity = %s order by id", (kind.entity,)
        ).fetchall()
        created = stored[0][1]
        assert (created["address"], created["pincode"]) == ("", None)
        referring = {name for name, value in created.items() if isinstance(value, dict)}
        assert referring == {
            kind.name,
            "gst_number",
            *(name for name in kind.values if name in {"phone"} or "mobile" in name),
        }
        # The old side is the new side of the record before.
        assert stored[1][0] == {kind.name: created[kind.name]}
        kept = psql.execute(
            "select field, value #>> '{}' from audit.personal_values where entity = %s order by id", (kind.entity,)
        ).fetchall()
        assert (kind.name, "Asha's first name") in kept and (kind.name, kind.values[kind.name]) in kept
        assert not {"address", "pincode", "region", "region_covered"} & {field for field, _ in kept}
        psql.execute(f"update inventory.{kind.table} set is_active = false where id = %s", (party,))  # type: ignore[arg-type]
        again = psql.execute("select count(*) from audit.personal_values where entity = %s", (kind.entity,)).fetchone()
        assert again == (len(kept),)
    with acting(clone, Role.ANALYST) as analyst:
        shown = analyst.execute(
            "select old_value, new_value from audit_logs where entity = %s and field_changed = %s",
            (kind.entity, kind.name),
        )
        assert shown.fetchall() == [("Asha's first name", kind.values[kind.name])]


@KINDS
def test_of_a_forgotten_party_nothing_is_left_and_the_trail_holds(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    sealing.seal(clone.owner)
    with clone.superuser() as psql:
        assert {table for table, _ in mentions(psql, "Asha", "9820012345", "Chandan", GSTIN)} == {
            f"inventory.{kind.table}",
            "audit.personal_values",
            "runtime.name_keys",
        }
        stored = "select md5(string_agg(r::text, '|' order by id)) from audit.records r where id <= %s"
        last = psql.execute("select max(id) from audit.records").fetchone()
        before = psql.execute(stored, last).fetchone()
        assert forget(clone, kind, party) == 0
        assert psql.execute(stored, last).fetchone() == before
        assert mentions(psql, "Asha", "9820012345", "9820054321", "Chandan", GSTIN, "400050") == []
        row = psql.execute(
            f"select to_jsonb(t) from inventory.{kind.table} t where id = %s",  # type: ignore[arg-type]
            (party,),
        ).fetchone()
        pseudonym = f"Forgotten {kind.word} {party}"
        assert row is not None
        assert row[0].items() >= {**kind.emptied, kind.name: pseudonym, "is_active": False}.items()
        # Every personal column, also one that is added later.
        personal = psql.execute(
            "select personal from audit.watched_tables where entity = %s", (kind.entity,)
        ).fetchone()
        assert personal is not None
        assert {row[0][name] for name in personal[0]} == {pseudonym, None, ""}
    assert_whole(clone)
    with acting(clone, Role.ANALYST) as analyst:
        created = analyst.execute(
            "select new_values from audit.trail where entity = %s and action = 'CREATE'", (kind.entity,)
        ).fetchone()
        assert created is not None
        personal_fields = kind.values.keys() - {"region", "region_covered"}
        assert {created[0][name] for name in personal_fields} == {"forgotten"}
        renamed = analyst.execute(
            "select old_value, new_value from audit_logs where entity = %s and field_changed = %s order by id",
            (kind.entity, kind.name),
        )
        assert renamed.fetchall() == [("forgotten", "forgotten"), ("forgotten", pseudonym)]


@KINDS
def test_the_erasure_is_on_the_record_and_the_other_party_keeps_its_values(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    with clone.superuser() as psql:
        other = insert(psql, kind, **{kind.name: "Mehta Stores"})
        forget(clone, kind, party)
        erasure = psql.execute(
            "select action, entity, entity_id, operation, reason, new_values from audit.records "
            "order by id desc limit 1"
        ).fetchone()
        assert erasure == (
            "FORGET",
            kind.entity,
            party,
            f"forget {kind.word}",
            "letter of 3 May",
            {"erased_values": len(kind.values)},
        )
        kept = psql.execute(
            "select count(*) from audit.personal_values where entity = %s and entity_id = %s", (kind.entity, other)
        ).fetchone()
    assert kept == (len(kind.values) - 1,)


@KINDS
def test_a_party_forgotten_twice_and_then_edited_replays(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    forget(clone, kind, party)
    forget(clone, kind, party)
    with acting(clone, Role.MANAGER) as connection:
        connection.execute(
            f"update inventory.{kind.table} set {kind.name} = 'Somebody else', pincode = '560001' where id = %s",  # type: ignore[arg-type]
            (party,),
        )
    assert_whole(clone)


@KINDS
def test_a_deleted_party_can_be_forgotten_and_one_that_never_was_cannot(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    with clone.superuser() as psql:
        psql.execute(f"delete from inventory.{kind.table} where id = %s", (party,))  # type: ignore[arg-type]
        assert forget(clone, kind, party) == 0
        assert mentions(psql, "Asha", "9820012345", GSTIN) == []
    assert_whole(clone)
    for unknown in (party, 4711):
        with refused("P0002", "forget_known_party"):
            forget(clone, kind, unknown)


@KINDS
@pytest.mark.parametrize(
    "reason",
    [None, "", " \t", "ASHA'S first name", f"GSTIN {GSTIN}", "call 9820012345", "of 400050", '12 "Chandan" Marg'],
)
def test_a_reason_is_needed_and_may_have_none_of_the_values(clone: Clone, kind: Kind, reason: str | None) -> None:
    party = add(clone, kind)
    with refused("22023", "forget_with_reason"):
        forget(clone, kind, party, reason)


@KINDS
@pytest.mark.parametrize("role", [Role.MANAGER, Role.ANALYST, Role.VIEWER])
def test_only_an_admin_forgets_a_party(clone: Clone, kind: Kind, role: Role) -> None:
    with refused("42501"), acting(clone, role) as connection:
        connection.execute(kind.forget, (1, "why not"))  # type: ignore[arg-type]
    with refused("42501", "signed_in_user"), acting(clone, role) as connection:
        connection.execute("set local role backstitch_admin")
        connection.execute(kind.forget, (1, "why not"))  # type: ignore[arg-type]


@KINDS
def test_records_with_a_value_in_free_text_are_counted(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    with acting(clone, Role.ADMIN, "edit", f"as {kind.values[kind.name]} asked") as connection:
        insert(connection, kind, **{kind.name: "Mehta Stores", "gst_number": OTHER_GSTIN, "pincode": "400051"})
    with acting(clone, Role.ADMIN) as connection:
        # In the text of jsonb the quotation marks have backslashes. A pincode alone is a number like any other.
        connection.execute(
            "insert into inventory.products (sku, name, sizes, description) "
            "values ('A', 'Kurti', '{M}', 'for 12 \"Chandan\" Marg'), ('B', 'Kurti', '{M}', 'for 400050')"
        )
    assert forget(clone, kind, party) == 2


def step(clone: Clone, *statements: str) -> Undoable:
    with clone.app.transaction(clone.actor(Role.MANAGER), operation="test", reason="because") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        return undo.this_transaction(connection)


def take_back(clone: Clone, undoable: Undoable) -> Undone:
    with clone.app.transaction(clone.actor(Role.MANAGER), operation="undo", reason="a mistake") as connection:
        return undo.undo(connection, undoable=undoable)


@KINDS
def test_an_undo_brings_the_personal_values_back_under_their_references(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    whole = f"select to_jsonb(t) from inventory.{kind.table} t where id = {party}"
    with clone.superuser() as psql:
        before = psql.execute(whole).fetchone()  # type: ignore[arg-type]
        values = psql.execute("select count(*) from audit.personal_values").fetchone()
        deleted = step(clone, f"delete from inventory.{kind.table} where id = {party}")
        assert take_back(clone, deleted) == Undone(1, 0)
        edited = step(clone, f"update inventory.{kind.table} set address = '', pincode = null where id = {party}")
        assert take_back(clone, edited) == Undone(1, 0)
        assert psql.execute(whole).fetchone() == before  # type: ignore[arg-type]
        assert psql.execute("select count(*) from audit.personal_values").fetchone() == values
    assert_whole(clone)


@KINDS
def test_an_undo_skips_a_row_whose_values_were_erased_or_altered(clone: Clone, kind: Kind) -> None:
    with clone.superuser() as psql:
        forgotten, altered, kept = (insert(psql, kind, **{kind.name: f"Asha {n}"}) for n in range(3))
        deleted = step(clone, f"delete from inventory.{kind.table} where id in ({forgotten}, {altered}, {kept})")
        forget(clone, kind, forgotten)
        psql.execute(
            "update audit.personal_values set value = '\"Mallory\"' "
            "where entity = %s and entity_id = %s and field = %s",
            (kind.entity, altered, kind.name),
        )
    with clone.app.read(clone.actor(Role.MANAGER)) as connection:
        shown = undo.preview(connection, undoable=deleted)
    reason = "the trail does not keep its values"
    assert (shown.steps, shown.skipped) == ([Step("CREATE", kind.entity, 1)], 2)
    assert {(record.label, record.reason) for record in shown.skipped_records} == {
        (f"{kind.entity} forgotten", reason),
        (f"{kind.entity} altered", reason),
    }
    assert take_back(clone, deleted) == Undone(1, 2)
    with clone.app.read(clone.actor(Role.MANAGER)) as connection:
        find = party_queries.customers if kind is CUSTOMER else party_queries.agencies
        assert [party.id for party in find(connection)] == [kept]


def test_what_forgetting_did_cannot_be_undone(clone: Clone) -> None:
    party = add(clone, CUSTOMER)
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="forget customer", reason="letter") as connection:
        party_commands.forget_customer(connection, customer_id=party, reason="letter")
        done = undo.this_transaction(connection)
    with (
        pytest.raises(Refused) as nothing,
        clone.app.transaction(clone.actor(Role.ADMIN), operation="undo") as connection,
    ):
        undo.undo(connection, undoable=done)
    assert nothing.value.rule == "nothing_to_undo"


def test_the_commands_return_how_many_records_still_have_a_value(clone: Clone) -> None:
    customer, agency = add(clone, CUSTOMER), add(clone, AGENCY)
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="forget customer", reason="letter") as connection:
        assert party_commands.forget_customer(connection, customer_id=customer, reason="letter") == 0
        assert party_commands.forget_agency(connection, agency_id=agency, reason="letter") == 0
    with (
        pytest.raises(Refused) as unreasoned,
        clone.app.transaction(clone.actor(Role.ADMIN), operation="forget customer") as connection,
    ):
        party_commands.forget_customer(connection, customer_id=customer, reason=" ")
    assert unreasoned.value.rule == "forget_with_reason"


def test_search_and_labels_show_the_name_of_a_deleted_party_until_it_is_forgotten(clone: Clone) -> None:
    with acting(clone, Role.MANAGER) as connection:
        party = insert(connection, CUSTOMER)
    step(clone, f"delete from inventory.customers where id = {party}")
    # By a word of the name, by a text in whose marks jsonb has backslashes, and by a part of a number.
    for words in ("saree", '"chandan"', "98200123"):
        label = "Customer Asha Saree Centre"
        assert found(clone, words) == [("DELETE", label), ("CREATE", label)]
    forget(clone, CUSTOMER, party)
    assert found(clone, "saree") == found(clone, "98200123") == []
    assert ("DELETE", "Customer forgotten") in found(clone, "forgotten")


def found(clone: Clone, words: str) -> list[tuple[str, str]]:
    """Action and label of the records of customers with a text in their values, the newest first."""
    filters = replace(around_now(), entities=("Customer",), text=words)
    with clone.app.read(clone.actor(Role.ANALYST)) as connection:
        records = search.search(connection, filters=filters).records
    return [(record.action, record.label) for record in records]


@KINDS
def test_a_deletion_of_records_takes_the_values_that_nothing_refers_to_any_more(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind, address="")
    sealing.seal(clone.owner)
    kept = "select array_agg(value #>> '{}' order by id) from audit.personal_values where entity = %s and field = %s"
    with clone.superuser() as psql:
        psql.execute("select audit.delete_records(now() + interval '1 hour', 'asked to')")
        # The baseline of the row has its last values.
        assert psql.execute(kept, (kind.entity, kind.name)).fetchone() == ([kind.values[kind.name]],)
        assert_replay_matches(psql)
        forget(clone, kind, party)
        assert psql.execute(kept, (kind.entity, kind.name)).fetchone() == ([f"Forgotten {kind.word} {party}"],)
    assert_whole(clone)


@KINDS
def test_a_change_of_the_table_keeps_the_personal_values_apart(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    with clone.superuser() as psql:
        psql.execute(
            f"alter table inventory.{kind.table} rename address to postal_address; "  # type: ignore[arg-type]
            f"alter table inventory.{kind.table} alter pincode type varchar(6); "
            f"set role backstitch_owner; select audit.watch('inventory.{kind.table}'); reset role"
        )
        title, declared = f"inventory.{kind.table}", kind.values.keys() - {"region", "region_covered"}
        problems = [
            f"{title} has other details in audit.watched_tables: personal "
            f"{' '.join(sorted({*declared, 'postal_address'}))} instead of {' '.join(sorted(declared))}.",
            f"{title} is without its column address; `python -m backstitch doctor` says what to do.",
        ]
        assert_replay_matches(psql, problems=problems)
        # Rows that were changed behind the triggers.
        psql.execute(
            f"alter table inventory.{kind.table} disable trigger audit_update; "  # type: ignore[arg-type]
            f"update inventory.{kind.table} set postal_address = 'Elsewhere', gst_number = null; "
            f"alter table inventory.{kind.table} enable always trigger audit_update; "
            f"select audit.record_unseen('inventory.{kind.table}', '{{postal_address,gst_number}}')"
        )
        assert_replay_matches(psql, problems=problems)
        recorded = psql.execute(
            "select new_values from audit.records where entity = %s order by id desc limit 1", (kind.entity,)
        ).fetchone()
        assert recorded is not None
        assert set(recorded[0]["postal_address"]) == {"personal", "sha256"} and recorded[0]["gst_number"] is None
        trail = psql.execute("select string_agg(r::text, '') from audit.records r where entity = %s", (kind.entity,))
        assert "Elsewhere" not in str(trail.fetchone())
        assert psql.execute(
            "select count(*) from audit.personal_values "
            "where entity = %s and entity_id = %s and value = '\"Elsewhere\"'",
            (kind.entity, party),
        ).fetchone() == (1,)


@KINDS
def test_an_undo_that_brings_a_party_back_and_its_erasure_wait_for_each_other(clone: Clone, kind: Kind) -> None:
    party = add(clone, kind)
    deleted = step(clone, f"delete from inventory.{kind.table} where id = {party}")
    with clone.superuser() as watcher, clone.application() as admin, ThreadPoolExecutor() as pool:
        with clone.application() as manager, manager.transaction():
            begin(manager, clone, Role.MANAGER)
            manager.execute("select audit.undo(%s, %s)", (deleted.transaction_id, deleted.near))
            with admin.transaction():
                begin(admin, clone, Role.ADMIN, "forget", "letter")
                waiting = pool.submit(admin.execute, kind.forget, (party, "letter"))  # type: ignore[arg-type]
                wait_until_blocked(watcher, admin.info.backend_pid)
                manager.execute("commit")
                waiting.result(timeout=20)
        row = watcher.execute(f"select {kind.name} from inventory.{kind.table} where id = %s", (party,))  # type: ignore[arg-type]
        assert row.fetchone() == (f"Forgotten {kind.word} {party}",)
        assert mentions(watcher, "Asha") == []
    assert_whole(clone)
