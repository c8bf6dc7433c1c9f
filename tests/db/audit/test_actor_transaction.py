"""The acting user is set once per transaction and never outlives it: SAFETY row 3."""

import random
from typing import Any

import pytest
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.database import Database, System
from tests.conftest import APP_PASSWORD, Clone
from tests.db.trail import acting, begin, forget, records, refused, watched_table

PRODUCT = "insert into inventory.products (sku, name, sizes) values (%s, 'Kurti', '{M}')"


def ids(clone: Clone) -> dict[Role, tuple[int, int]]:
    """User and session of each role."""
    with clone.superuser() as psql:
        found = psql.execute(
            "select u.role, u.id, s.id from accounts.users u join accounts.sessions s on s.user_id = u.id"
        )
        return {Role(role): (user, session) for role, user, session in found}


def test_a_change_of_the_application_names_user_session_operation_and_reason(clone: Clone) -> None:
    user, session = ids(clone)[Role.MANAGER]
    with clone.app.transaction(
        clone.actor(Role.MANAGER), operation='it\'s 100% "new"\n', reason="séason ' || 衣"
    ) as connection:
        connection.execute(text("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')"))
    with clone.superuser() as psql:
        (record,) = records(psql, "Product")
    values = record.pop("new_values")
    assert (values["sku"], values["id"]) == ("A", 1)
    assert record == {
        "entity_id": 1,
        "parent_id": None,
        "user_id": user,
        "session_id": session,
        "action": "CREATE",
        "entity": "Product",
        "database_role": "backstitch_app",
        "application": "backstitch",
        "client_address": None,
        "operation": 'it\'s 100% "new"\n',
        "reason": "séason ' || 衣",
        "old_values": None,
    }


def test_maintenance_by_the_owner_is_system_with_its_login_and_its_words(clone: Clone) -> None:
    with clone.owner.transaction(System(), operation="tidy up", reason="year end") as connection:
        connection.execute(text("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')"))
    with clone.owner.transaction(System()) as connection:
        connection.execute(text("delete from inventory.products"))
    with clone.superuser() as psql:
        found = [
            (
                r["action"],
                r["user_id"],
                r["session_id"],
                r["database_role"],
                r["application"],
                r["operation"],
                r["reason"],
            )
            for r in records(psql, "Product")
        ]
        login = psql.info.user
    assert found == [
        ("CREATE", None, None, login, "tests", "tidy up", "year end"),
        ("DELETE", None, None, login, "tests", None, None),
    ]


def test_a_dba_who_begins_with_a_token_is_recorded_as_the_user_for_that_transaction_only(clone: Clone) -> None:
    user, session = ids(clone)[Role.VIEWER]
    with clone.superuser() as psql:
        watched_table(psql, "id int primary key")
        with psql.transaction():
            psql.execute("select accounts.begin(%s)", (clone.actor(Role.VIEWER).token,))
            psql.execute("do $$ begin insert into demo.things values (1); end $$")
        psql.execute("insert into demo.things values (2)")
        found = [(r["entity_id"], r["user_id"], r["session_id"], r["database_role"]) for r in records(psql, "Thing")]
        assert found == [(1, user, session, psql.info.user), (2, None, None, psql.info.user)]


def test_one_pooled_connection_with_alternating_users_never_names_the_wrong_one(clone: Clone) -> None:
    url = clone.url.set(username="backstitch_app", password=APP_PASSWORD).render_as_string(hide_password=False)
    database = Database(url, pool_size=1)
    dice = random.Random(7)
    expected: list[tuple[int, int, str]] = []
    who = ids(clone)
    for number in range(400):
        role = dice.choice([Role.ADMIN, Role.MANAGER])
        fate = dice.choice(["commit", "commit", "rollback", "savepoint", "refused", "none"])
        if fate == "none":
            with database.anonymous() as connection:
                assert connection.execute(text("select current_setting('backstitch.user_id', true)")).scalar() in (
                    None,
                    "",
                )
            continue
        try:
            with database.transaction(clone.actor(role), operation=f"{fate} {number}") as connection:
                insert(connection, number)
                if fate == "savepoint":
                    nested = connection.begin_nested()
                    insert(connection, number + 1000)
                    nested.rollback()
                if fate == "rollback":
                    raise KeyError
                if fate == "refused":
                    insert(connection, number)
        except Exception as error:
            assert fate in ("rollback", "refused"), error
        else:
            expected.append((*who[role], f"{fate} {number}"))
    database.dispose()
    with clone.superuser() as psql:
        found = [(r["user_id"], r["session_id"], r["operation"]) for r in records(psql, "Product")]
    assert len(expected) > 150
    assert found == expected


def insert(connection: Any, number: int) -> None:
    connection.execute(
        text("insert into inventory.products (sku, name, sizes) values (:sku, 'Kurti', '{M}')"), {"sku": f"S{number}"}
    )


def test_after_commit_rollback_or_discard_the_connection_is_nobodys_again(clone: Clone) -> None:
    for ending in ("commit", "rollback", "commit; discard all", "rollback; reset all", "commit and chain"):
        with clone.application() as app:
            app.execute("begin")
            begin(app, clone, Role.MANAGER)
            app.execute(PRODUCT, (ending,))
            for statement in ending.split("; "):
                app.execute(statement)
            state = app.execute(
                "select current_user, string_agg(current_setting('backstitch.' || s, true), '') from unnest(array["
                "'user_id', 'session_id', 'role', 'operation', 'reason', 'signature']) s"
            ).fetchone()
            assert state is not None
            assert (state[0], state[1] or "") == ("backstitch_app", ""), ending
            with refused("42501"):
                app.execute(PRODUCT, ("nobody",))


def test_an_actor_begun_in_a_savepoint_ends_with_it(clone: Clone) -> None:
    who = ids(clone)
    with clone.application() as app, app.transaction():
        begin(app, clone, Role.MANAGER, operation="outer")
        with app.transaction(force_rollback=True):
            app.execute("set local role none")
            begin(app, clone, Role.ADMIN, operation="inner")
            app.execute(PRODUCT, ("gone",))
        app.execute(PRODUCT, ("kept",))
    with clone.superuser() as psql:
        found = [(r["user_id"], r["operation"]) for r in records(psql, "Product")]
    assert found == [(who[Role.MANAGER][0], "outer")]


def test_a_session_that_ended_cannot_begin_a_transaction(clone: Clone) -> None:
    endings = {
        Role.ADMIN: "update accounts.sessions set revoked_at = now() where user_id = %s",
        Role.MANAGER: "update accounts.sessions set expires_at = now() where user_id = %s",
        Role.ANALYST: "update accounts.users set is_active = false where id = %s",
    }
    with clone.superuser() as psql:
        for role, ending in endings.items():
            with acting(clone, role) as app:
                assert app.execute("select current_user").fetchone() == (f"backstitch_{role.value}",)
            psql.execute(ending, (ids(clone)[role][0],))
            with refused("28000", "session_live"), acting(clone, role):
                pass
        for token in ("", "x" * 64, None):
            with refused("28000", "session_live"), clone.application() as app:
                app.execute("select accounts.begin(%s)", (token,))


def test_a_change_of_role_ends_the_session_and_so_the_next_transaction(clone: Clone) -> None:
    with acting(clone, Role.MANAGER) as manager:
        manager.execute(PRODUCT, ("A",))
    with clone.superuser() as psql:
        psql.execute("update accounts.users set role = 'viewer' where role = 'manager'")
    with refused("28000", "session_live"), acting(clone, Role.MANAGER) as demoted:
        demoted.execute(PRODUCT, ("B",))


def test_activities_carry_the_same_actor_and_their_details(clone: Clone) -> None:
    user, session = ids(clone)[Role.ANALYST]
    with clone.superuser() as psql:
        forget(psql)
        with acting(clone, Role.ANALYST, operation="export", reason="audit") as analyst:
            number = analyst.execute(
                "select audit.record_activity('EXPORT', 'Product', null, '{\"rows\": 3}')"
            ).fetchone()
        assert records(psql, "Product") == [
            {
                "entity_id": None,
                "parent_id": None,
                "user_id": user,
                "session_id": session,
                "action": "EXPORT",
                "entity": "Product",
                "database_role": "backstitch_app",
                "application": None,
                "client_address": None,
                "operation": "export",
                "reason": "audit",
                "old_values": None,
                "new_values": {"rows": 3},
            }
        ]
        assert psql.execute("select id from audit.records").fetchone() == number


# Source and request -------------------------------------------------------------------------------

BEGIN = "select set_config('role', accounts.begin(%s, %s, %s, %s, %s), true)"
NEW_SKU = "insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')"
SOURCES = ("page", "paste", "import", "API", "command", "SQL", "undo", "system")


@pytest.mark.parametrize(("kind", "source", "recorded"), [
    *(("browser", source, source) for source in SOURCES),
    ("browser", None, "SQL"),
    # Whatever a client with an API token says it is, it is the API.
    ("token", "page", "API"),
    ("token", None, "API"),
])  # fmt: skip
def test_a_record_names_the_source_and_the_request(clone: Clone, kind: str, source: str | None, recorded: str) -> None:
    with clone.superuser() as psql:
        psql.execute("update accounts.sessions set kind = %s", (kind,))
    with clone.application() as app, app.transaction():
        app.execute(BEGIN, (clone.actor(Role.MANAGER).token, "op", None, source, "0123456789ab"))
        app.execute(NEW_SKU)
        app.execute("select audit.record_activity('EXPORT', 'StockList')")
    with clone.superuser() as psql:
        found = psql.execute("select source, request, era from audit.records order by id desc limit 2").fetchall()
    assert found == [(recorded, "0123456789ab", 1)] * 2


@pytest.mark.parametrize(("given", "rule"), [
    (("x" * 201, "y", "page", "z"), "operation_short"),
    (("x", "ঔ" * 401, "page", "z"), "reason_short"),
    (("x", "y", "page", "z" * 65), "request_short"),
    (("x", "y", "Page", "z"), "source_known"),
])  # fmt: skip
def test_what_is_too_long_or_unknown_is_refused_of_the_application_and_of_any_login(
    clone: Clone, given: tuple[str, ...], rule: str
) -> None:
    operation, reason, source, request = given
    state = "23514" if rule == "source_known" else "22001"
    with clone.application() as app, refused(state, rule), app.transaction():
        app.execute(BEGIN, (clone.actor(Role.MANAGER).token, operation, reason, source, request))
    with clone.superuser() as psql, refused(state, rule), psql.transaction():
        for name, value in zip(("operation", "reason", "source", "request"), given, strict=True):
            psql.execute("select set_config('backstitch.' || %s, %s, true)", (name, value))
        psql.execute(NEW_SKU)


def test_the_longest_that_fit_are_kept_whole(clone: Clone) -> None:
    longest = ("x" * 200, "ঔ" * 400, "z" * 64)
    with clone.application() as app, app.transaction():
        app.execute(BEGIN, (clone.actor(Role.MANAGER).token, *longest[:2], "page", longest[2]))
        app.execute(NEW_SKU)
    with clone.superuser() as psql:
        found = psql.execute("select operation, reason, request from audit.records order by id desc limit 1")
        assert found.fetchone() == longest


def test_source_and_request_are_signed_with_the_user(clone: Clone) -> None:
    for name, value in (("source", "system"), ("request", "ffffffffffff"), ("source", "")):
        with clone.application() as app, refused("42501", "signed_in_user"), app.transaction():
            app.execute(BEGIN, (clone.actor(Role.MANAGER).token, "op", None, "page", "0123456789ab"))
            app.execute("select set_config('backstitch.' || %s, %s, true)", (name, value))
            app.execute(NEW_SKU)


def test_a_login_that_does_not_say_its_source_is_sql_and_says_nothing_else(clone: Clone) -> None:
    with clone.superuser() as psql:
        with psql.transaction():
            psql.execute("select set_config('backstitch.operation', 'by hand', true)")
            psql.execute(NEW_SKU)
        with psql.transaction():
            psql.execute(
                "select set_config('backstitch.operation', 'by hand', true), "
                "set_config('backstitch.source', 'system', true), set_config('backstitch.request', 'night 7', true)"
            )
            psql.execute("update inventory.products set name = 'Saree'")
        found = psql.execute(
            "select source, operation, request, user_id from audit.records order by id desc limit 2"
        ).fetchall()
    assert found == [("system", "by hand", "night 7", None), ("SQL", None, None, None)]
