"""A person can be forgotten without breaking the chain: SAFETY row 15."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg import sql

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.audit import integrity, personal, sealing
from backstitch.audit.findings import Finding
from tests.conftest import PASSWORD, Clone, email_of
from tests.db.trail import Connection, acting, assert_replay_matches, refused

EMAIL, NAME = "asha.iyer@example.com", "Asha Iyer"
ADDRESS, AGENT = "198.51.100.77", "Firefox of Asha"
FORGET = "select accounts.forget_user(%s, %s)"
HOUR = timedelta(hours=1)


def sign_in(clone: Clone, email: str, password: str) -> bool:
    browser = sessions.Browser(secret="hers", address=ADDRESS, user_agent=AGENT)
    return sessions.sign_in(clone.app, email=email, password=password, browser=browser, lifetime=HOUR)


@pytest.fixture
def asha(clone: Clone) -> int:
    """The manager's user, who is called Asha, had another address once, signed in, mistyped, and worked."""
    with clone.superuser() as psql:
        found = psql.execute("select id from accounts.users where role = 'manager'").fetchone()
        assert found is not None
        psql.execute("update accounts.users set email = 'asha@old.example', name = %s where id = %s", (NAME, found[0]))
        psql.execute("update accounts.users set email = %s where id = %s", (EMAIL, found[0]))
    assert sign_in(clone, EMAIL, PASSWORD)
    assert not sign_in(clone, f"  {EMAIL.upper()} ", "not her password")
    assert not sign_in(clone, "asha@old.example", "an address of before")
    with clone.app.transaction(sessions.actor("hers", EMAIL), operation="add product") as connection:
        connection.exec_driver_sql("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')")
    return int(found[0])


def forget(clone: Clone, user: int, reason: str | None = "asked for by letter of 3 May") -> Any:
    with acting(clone, Role.ADMIN, "forget a user", None) as connection:  # type: ignore[arg-type]
        row = connection.execute(FORGET, (user, reason)).fetchone()
    assert row is not None
    return row[0]


def findings(clone: Clone) -> list[Finding]:
    with clone.watch.raw() as connection:
        return list(personal.findings(connection))


def mentions(psql: Connection, *words: str) -> list[tuple[str, str]]:
    """Every table of every schema of ours in which one of the words stands, in any column, bytes included."""
    tables = psql.execute(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.relkind = 'r' and n.nspname in ('inventory', 'accounts', 'audit', 'public', 'runtime')"
    ).fetchall()
    assert len(tables) > 10
    found = []
    for schema, table in tables:
        for word in words:
            hits = psql.execute(
                sql.SQL("select count(*) from {} t where t::text ilike %s or t::text ilike %s").format(
                    sql.Identifier(schema, table)
                ),
                (f"%{word}%", f"%{word.encode().hex()}%"),
            ).fetchone()
            if hits != (0,):
                found.append((f"{schema}.{table}", word))
    return found


def test_a_record_holds_a_reference_and_a_commitment_and_the_reader_sees_the_value(clone: Clone, asha: int) -> None:
    with clone.superuser() as psql:
        stored = psql.execute(
            "select old_values, new_values from audit.records where entity = 'User' and action = 'UPDATE' order by id"
        ).fetchall()
        (first_old, first_new), (second_old, second_new) = stored
        assert set(first_new["email"]) == {"personal", "sha256"}
        # The old side is the new side of the record before.
        assert second_old == {"email": first_new["email"]}
        assert second_new["email"] != first_new["email"]
        assert set(first_old) == {"email", "name"}
        fits = psql.execute(
            "select encode(sha256(salt || convert_to(value::text, 'UTF8')), 'hex'), value, length(salt) >= 16 "
            "from audit.personal_values where id = %s",
            (first_new["email"]["personal"],),
        ).fetchone()
        assert fits == (first_new["email"]["sha256"], "asha@old.example", True)
    with acting(clone, Role.ANALYST) as analyst:
        shown = analyst.execute(
            "select field_changed, old_value, new_value from audit_logs where entity = 'User' and action = 'UPDATE' "
            "order by id, field_changed"
        ).fetchall()
        assert shown == [
            ("email", email_of(Role.MANAGER), "asha@old.example"),
            ("name", "Manager Rao", NAME),
            ("email", "asha@old.example", EMAIL),
        ]
        opened = analyst.execute(
            "select new_values ->> 'address', new_values ->> 'user_agent' from audit.trail "
            "where entity = 'Session' and action = 'CREATE' order by id desc limit 1"
        )
        assert opened.fetchone() == (ADDRESS, AGENT)


def test_of_a_forgotten_person_nothing_is_left_anywhere(clone: Clone, asha: int) -> None:
    words = (EMAIL, NAME, "asha", ADDRESS, AGENT)
    with clone.superuser() as psql:
        # The address of a failed sign-in is that of whoever tried.
        psql.execute("update audit.records set client_address = null where action = 'LOGIN_FAILED'")
        assert {table for table, _ in mentions(psql, *words)} == {
            "accounts.users",
            "accounts.sessions",
            "audit.personal_values",
        }
        assert forget(clone, asha) == 0
        assert mentions(psql, *words) == []


def test_forgetting_changes_no_record_so_seals_and_replay_hold(clone: Clone, asha: int) -> None:
    sealing.seal(clone.owner)
    with clone.superuser() as psql:
        stored = "select md5(string_agg(r::text, '|' order by id)) from audit.records r where id <= %s"
        last = psql.execute("select max(id) from audit.records").fetchone()
        before = psql.execute(stored, last).fetchone()
        forget(clone, asha)
        assert psql.execute(stored, last).fetchone() == before
        assert_replay_matches(psql)
    assert findings(clone) == []
    sealing.seal(clone.owner)
    assert list(integrity.verify(clone.watch).findings) == []


def test_the_trail_says_forgotten_where_the_values_were_and_the_work_stays_attributed(clone: Clone, asha: int) -> None:
    forget(clone, asha)
    with acting(clone, Role.ANALYST) as analyst:
        shown = analyst.execute(
            "select field_changed, old_value, new_value from audit_logs where entity = 'User' and action = 'UPDATE' "
            "and field_changed in ('email', 'name') order by id, field_changed"
        ).fetchall()
        new = (f"forgotten-{asha}@forgotten.example", f"Forgotten user {asha}")
        assert shown == [
            ("email", "forgotten", "forgotten"),
            ("name", "forgotten", "forgotten"),
            ("email", "forgotten", "forgotten"),
            ("email", "forgotten", new[0]),
            ("name", "forgotten", new[1]),
        ]
        failed = analyst.execute("select distinct username from audit_logs where action = 'LOGIN_FAILED'").fetchall()
        assert failed == [("forgotten",)]
        work = analyst.execute("select user_id, username, user_name from audit.trail where entity = 'Product'")
        assert work.fetchall() == [(asha, *new)]


def test_the_erasure_is_on_the_record_with_its_reason_and_ends_every_session(clone: Clone, asha: int) -> None:
    forget(clone, asha)
    with clone.superuser() as psql:
        erasure = psql.execute(
            "select action, entity, entity_id, user_id, reason, "
            "(new_values ->> 'erased_values')::int > 5 from audit.records order by id desc limit 1"
        ).fetchone()
        admin = psql.execute("select id from accounts.users where role = 'admin'").fetchone()
        assert admin is not None
        assert erasure == ("FORGET", "User", asha, admin[0], "asked for by letter of 3 May", True)
        person = psql.execute("select role, password_hash, is_active from accounts.users where id = %s", (asha,))
        assert person.fetchone() == ("manager", None, False)
    assert not sign_in(clone, EMAIL, PASSWORD)
    with refused("28000", "session_live"), acting(clone, Role.MANAGER):
        pass


def test_a_person_forgotten_twice_is_forgotten_once(clone: Clone, asha: int) -> None:
    forget(clone, asha)
    forget(clone, asha)
    with clone.superuser() as psql:
        assert_replay_matches(psql)
        assert psql.execute("select email from accounts.users where id = %s", (asha,)).fetchone() == (
            f"forgotten-{asha}@forgotten.example",
        )


def test_records_that_name_the_person_in_free_text_are_counted_for_the_admin(clone: Clone, asha: int) -> None:
    with acting(clone, Role.ADMIN, "edit", f"as {NAME} asked") as connection:
        connection.execute("update inventory.products set reorder_level = 3")
    assert forget(clone, asha) == 1


@pytest.mark.parametrize(
    "reason", [None, "", " \t", f"asked by {EMAIL}", "ASHA IYER asked", "asha@old.example is gone"]
)
def test_a_reason_is_needed_and_may_not_name_the_person(clone: Clone, asha: int, reason: str | None) -> None:
    with refused("22023", "forget_with_reason"):
        forget(clone, asha, reason)


def test_a_short_name_within_a_word_is_no_mention(clone: Clone, asha: int) -> None:
    with clone.superuser() as psql:
        psql.execute("update accounts.users set name = 'Let' where id = %s", (asha,))
    forget(clone, asha, "letter of 3 May")
    with clone.superuser() as psql:
        erased = psql.execute("select name from accounts.users where id = %s", (asha,)).fetchone()
        reason = psql.execute("select reason from audit.records order by id desc limit 1").fetchone()
    assert (erased, reason) == ((f"Forgotten user {asha}",), ("letter of 3 May",))


def test_nobody_is_forgotten_by_mistake(clone: Clone, asha: int) -> None:
    with clone.superuser() as psql:
        admin = psql.execute("select id from accounts.users where role = 'admin'").fetchone()
        assert admin is not None
    for user in (admin[0], 4711):
        with refused("22023", "forget_another_user"):
            forget(clone, user)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ANALYST, Role.VIEWER])
def test_only_an_admin_forgets(clone: Clone, role: Role) -> None:
    with refused("42501"), acting(clone, role) as connection:
        connection.execute(FORGET, (1, "why not"))
    with refused("42501", "signed_in_user"), acting(clone, role) as connection:
        connection.execute("set local role backstitch_admin")
        connection.execute(FORGET, (1, "why not"))


def test_only_a_value_that_was_altered_is_a_finding_and_not_one_that_says_so(clone: Clone, asha: int) -> None:
    with clone.application() as app, clone.superuser() as psql:
        # Nobody has to sign in for these.
        app.execute("select accounts.sign_in('altered', 'x', 't', '192.0.2.9', 'altered', '1 hour')")
        psql.execute("update accounts.users set name = 'altered' where role = 'viewer'")
        psql.execute("update accounts.sessions set user_agent = 'altered'")
        assert findings(clone) == []
        altered = psql.execute(
            "with changed as (update audit.personal_values set value = '\"Mallory\"' "
            "where entity_id = %s and value = to_jsonb(%s::text) returning id) "
            "select r.id from audit.records r, changed "
            "where r.new_values -> 'name' ->> 'personal' = changed.id::text",
            (asha, NAME),
        ).fetchall()
    assert len(altered) == 1
    assert list(map(str, findings(clone))) == [
        f"Record {altered[0][0]} refers to a value that does not fit its commitment: name."
    ]


def test_details_that_look_like_a_reference_open_nothing(clone: Clone, asha: int) -> None:
    forged = (
        "select audit.record_activity('EXPORT', 'User', null, jsonb_build_object('a', jsonb_build_object("
        "'personal', %s::text, 'sha256', 'x'), 'b', jsonb_build_object('personal', 'many', 'sha256', 1)))"
    )
    with clone.superuser() as psql:
        value = psql.execute("select min(id) from audit.personal_values").fetchone()
    with acting(clone, Role.ANALYST) as analyst:
        analyst.execute(forged, value)
        details = analyst.execute("select new_values from audit.trail where action = 'EXPORT'").fetchone()
    assert details == ({"a": "altered", "b": {"personal": "many", "sha256": 1}},)
