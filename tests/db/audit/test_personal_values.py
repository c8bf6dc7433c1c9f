"""Personal values that vanish or change are named, each reference to them; those that were forgotten are not."""

from datetime import timedelta

import pytest

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.audit import sealing
from backstitch.audit.findings import Finding, Kind
from backstitch.audit.personal import findings
from backstitch.errors import Refused
from tests.conftest import Clone, email_of
from tests.db.audit.emptied import empty_functions
from tests.db.trail import Connection, acting, watched_table

REFERENCES = (
    "select r.id, f.key from audit.records r "
    "cross join lateral (values (r.old_values), (r.new_values)) side (recorded) "
    "cross join lateral jsonb_each(side.recorded) f where f.value ? 'sha256' "
)


def found(clone: Clone) -> list[Finding]:
    with clone.watch.raw() as connection:
        return list(findings(connection))


def missing(psql: Connection, condition: str = "") -> list[Finding]:
    """A finding for each reference in the records of this condition."""
    references = psql.execute(f"{REFERENCES} {condition} order by 1, 2").fetchall()  # type: ignore[arg-type]
    return [Finding(Kind.MISSING_PERSONAL_VALUE, None, record, field) for record, field in references]


def mistype(clone: Clone, email: str) -> None:
    browser = sessions.Browser(secret="hers", address="198.51.100.7", user_agent="Firefox")
    assert not sessions.sign_in(
        clone.app, email=email, password="another", browser=browser, lifetime=timedelta(hours=1)
    )


@pytest.fixture
def psql(clone: Clone) -> Connection:
    """A hand at psql; a customer whose phone was another once, an agency, failed sign-ins, one of nobody."""
    with acting(clone, Role.MANAGER) as manager:
        manager.execute("insert into inventory.customers (store_name, phone) values ('Anu Sarees', '9820012345')")
        manager.execute("update inventory.customers set phone = '9820054321'")
        manager.execute("insert into inventory.agencies (agency_name, address) values ('Rao & Sons', 'Marg 1')")
    for email in (email_of(Role.VIEWER), "nobody@example.com", email_of(Role.MANAGER)):
        mistype(clone, email)
    return clone.superuser()


def forget(clone: Clone, *calls: str) -> None:
    with acting(clone, Role.ADMIN, "forget", None) as admin:  # type: ignore[arg-type]
        for call in calls:
            admin.execute(f"select {call}")  # type: ignore[arg-type]


def forget_viewer(clone: Clone, psql: Connection) -> int:
    (viewer,) = psql.execute("select id from accounts.users where role = 'viewer'").fetchone() or (0,)
    forget(clone, f"accounts.forget_user({viewer}, 'letter')")
    return int(viewer)


def test_values_that_are_gone_are_named_by_reference_and_with_every_function_emptied_too(
    clone: Clone, psql: Connection
) -> None:
    assert found(clone) == []
    empty_functions(psql)
    assert found(clone) == []
    psql.execute("delete from audit.personal_values")
    gone = missing(psql)
    assert found(clone) == gone
    # Of the customer: two values of its creation, both sides of its update.
    assert [one.detail for one in missing(psql, "and r.entity = 'Customer'")] == [
        "phone",
        "store_name",
        "phone",
        "phone",
    ]
    assert len(missing(psql, "and r.action = 'LOGIN_FAILED'")) == 3
    sentence = "Record {} refers to a value that is gone without an erasure on the record: email."
    assert str(gone[0]) == sentence.format(gone[0].record)


def test_whoever_was_forgotten_is_no_finding(clone: Clone, psql: Connection) -> None:
    forget(clone, "inventory.forget_customer(1, 'letter')", "inventory.forget_agency(1, 'letter')")
    viewer = forget_viewer(clone, psql)
    assert psql.execute(
        "select count(*) from audit.personal_values p where p.value::text ~ 'Anu|Rao & Sons'"
    ).fetchone() == (0,)
    assert psql.execute("select address from accounts.sessions where user_id = %s", (viewer,)).fetchone() == (None,)
    assert found(clone) == []
    # Nor a second time, and not after the records of before were deleted.
    forget(clone, "inventory.forget_customer(1, 'letter')", f"accounts.forget_user({viewer}, 'letter')")
    assert found(clone) == []


def test_an_erasure_stays_on_the_record_when_records_are_deleted(clone: Clone, psql: Connection) -> None:
    forget_viewer(clone, psql)
    sealing.seal(clone.owner)
    psql.execute("select audit.delete_records(now() + interval '1 hour', 'test', entities => '{User}')")
    assert psql.execute("select array_agg(action::text) from audit.records where entity = 'User'").fetchone() == (
        ["FORGET"],
    )
    assert found(clone) == []


def test_an_erasure_excuses_no_value_of_others_and_none_that_came_after_it(clone: Clone, psql: Connection) -> None:
    forget(clone, "inventory.forget_customer(1, 'letter')")
    with acting(clone, Role.MANAGER) as manager:
        manager.execute("update inventory.customers set store_name = 'Anu again', phone = '9820011111' where id = 1")
        manager.execute("insert into inventory.customers (store_name) values ('Other Store')")
    psql.execute("delete from audit.personal_values where entity = 'Customer'")
    (erased,) = psql.execute("select id from audit.records where action = 'FORGET'").fetchone() or (0,)
    after = missing(psql, f"and r.entity = 'Customer' and r.id > {erased}")
    assert [(one.record - erased, one.detail) for one in after] == [
        (1, "phone"),
        (1, "store_name"),
        (1, "store_name"),
        (2, "store_name"),
    ]
    # The pseudonym went too, which the erasure does not count.
    assert found(clone) == [*after, Finding(Kind.UNCOUNTED_ERASURE, None, erased, None)]
    assert str(found(clone)[-1]) == f"Record {erased} is of an erasure that counts fewer values than are gone."


def test_an_erasure_excuses_no_more_names_in_failed_sign_ins_than_it_counts(clone: Clone, psql: Connection) -> None:
    forget_viewer(clone, psql)
    (erased,) = psql.execute("select id from audit.records where action = 'FORGET'").fetchone() or (0,)
    assert found(clone) == []
    psql.execute("delete from audit.personal_values where field = 'username' and value = '\"nobody@example.com\"'")
    assert found(clone) == [Finding(Kind.UNCOUNTED_ERASURE, None, erased, None)]


def test_a_value_that_a_baseline_alone_refers_to_is_named(clone: Clone, psql: Connection) -> None:
    sealing.seal(clone.owner)
    psql.execute("select audit.delete_records(now() + interval '1 hour', 'test')")
    assert found(clone) == []
    psql.execute("delete from audit.personal_values where entity in ('Customer', 'Session')")
    baselines = psql.execute("select record_id from audit.baselines where entity = 'Customer'").fetchall()
    gone = [one for one in found(clone) if one.record == baselines[0][0]]
    assert gone == [
        Finding(Kind.MISSING_PERSONAL_VALUE, None, baselines[0][0], f"{field} of its baseline")
        for field in ("phone", "store_name")
    ]
    assert str(gone[0]) == (
        f"Record {baselines[0][0]} refers to a value that is gone without an erasure on the record: phone of "
        "its baseline."
    )
    sessions_gone = [one for one in found(clone) if one.detail == "address of its baseline"]
    assert len(sessions_gone) == len(Role)
    # The session of a baseline belongs to a user who can be forgotten.
    forget_viewer(clone, psql)
    assert len([one for one in found(clone) if one.detail == "address of its baseline"]) == len(Role) - 1


@pytest.mark.parametrize(
    "damage",
    [
        "update audit.personal_values set value = '\"Mallory\"' where field = 'agency_name'",
        "update audit.personal_values set salt = sha256('x') where field = 'agency_name'",
        # It would be forgotten with another agency, and not with its own.
        "update audit.personal_values set entity_id = 2 where field = 'agency_name'",
    ],
)
def test_a_value_that_was_altered_is_named(clone: Clone, psql: Connection, damage: str) -> None:
    psql.execute(damage)  # type: ignore[arg-type]
    (record,) = psql.execute("select id from audit.records where entity = 'Agency'").fetchone() or (0,)
    assert found(clone) == [Finding(Kind.ALTERED_PERSONAL_VALUE, None, record, "agency_name")]
    assert str(found(clone)[0]) == f"Record {record} refers to a value that does not fit its commitment: agency_name."


def test_a_personal_column_of_an_administrators_table_is_looked_at_and_what_only_looks_like_a_reference_is_not(
    clone: Clone, psql: Connection
) -> None:
    watched_table(psql, "id int primary key, nick text, doc jsonb")
    psql.execute("select audit.watch('demo.things', 'Thing', personal => '{nick}')")
    psql.execute("""insert into demo.things values (1, 'Anu', '{"personal": 1, "sha256": "x"}')""")
    with acting(clone, Role.ADMIN) as admin:
        admin.execute(
            """select audit.record_activity('EXPORT', 'User', null, '{"a": {"personal": "1", "sha256": 1}}')"""
        )
    assert found(clone) == []
    psql.execute("delete from audit.personal_values where entity = 'Thing'")
    assert [(one.detail, one.kind) for one in found(clone)] == [("nick", Kind.MISSING_PERSONAL_VALUE)]


def test_values_that_cannot_be_read_are_a_sentence(clone: Clone, psql: Connection) -> None:
    psql.execute("revoke select on audit.personal_values from backstitch_watch")
    with pytest.raises(Refused, match="permission denied for table personal_values; run: python -m backstitch migrate"):
        found(clone)
