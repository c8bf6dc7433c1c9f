"""Reading: the ten columns of audit_logs, and who sees which records."""

from typing import Any

from backstitch.accounts.permissions import Role
from tests.conftest import Clone, email_of
from tests.db.trail import Connection, acting, forget, refused

PRODUCT = "insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')"


def test_audit_logs_has_exactly_the_ten_columns(clone: Clone) -> None:
    with clone.superuser() as psql:
        found = psql.execute("select * from audit_logs order by timestamp desc limit 10").description
    assert found is not None
    assert [column.name for column in found] == (
        [
            "id",
            "timestamp",
            "user_id",
            "username",
            "action",
            "entity",
            "entity_id",
            "field_changed",
            "old_value",
            "new_value",
        ]
    )


def test_one_row_per_changed_field_and_one_with_the_whole_record_otherwise(clone: Clone) -> None:
    with clone.superuser() as psql:
        forget(psql)
        with acting(clone, Role.MANAGER) as manager:
            manager.execute(PRODUCT)
            manager.execute("update inventory.products set name = 'Top', unit_price = 1.50, sizes = '{M,L}'")
        psql.execute("delete from inventory.products")
        manager_id = psql.execute("select id from accounts.users where role = 'manager'").fetchone()
        rows = psql.execute(
            "select user_id, username, action, entity, entity_id, field_changed, old_value, new_value from audit_logs "
            "order by id, field_changed"
        ).fetchall()
    assert manager_id is not None
    by_manager = (manager_id[0], email_of(Role.MANAGER))
    created, changed, deleted = rows[0], rows[1:4], rows[4]
    whole = {"id": 1, "sku": "A", "name": "Kurti", "sizes": ["M"], "category": "", "description": "", "is_active": True}
    whole |= {"gst_rate": None, "hsn_code": None, "unit_price": None, "reorder_level": 0}
    whole |= {"allowed_stores": [], "allowed_agencies": []}
    assert created[:7] == (*by_manager, "CREATE", "Product", 1, None, None)
    assert as_json(psql_value=created[7], clone=clone) == whole
    assert changed == [
        (*by_manager, "UPDATE", "Product", 1, "name", "Kurti", "Top"),
        (*by_manager, "UPDATE", "Product", 1, "sizes", '["M"]', '["M", "L"]'),
        (*by_manager, "UPDATE", "Product", 1, "unit_price", None, "1.50"),
    ]
    assert (deleted[:6], deleted[7]) == ((None, "system", "DELETE", "Product", 1, None), None)
    whole |= {"name": "Top", "unit_price": 1.5, "sizes": ["M", "L"]}
    assert as_json(psql_value=deleted[6], clone=clone) == whole
    assert len(rows) == 5


def as_json(*, psql_value: str, clone: Clone) -> Any:
    with clone.superuser() as psql:
        found = psql.execute("select %s::jsonb", (psql_value,)).fetchone()
    assert found is not None
    return found[0]


def entities(connection: Connection) -> set[str]:
    return {entity for (entity,) in connection.execute("select distinct entity from audit_logs")}


def test_admins_and_analysts_see_the_whole_trail_managers_the_inventorys_and_their_own(clone: Clone) -> None:
    with acting(clone, Role.MANAGER) as manager:
        manager.execute(PRODUCT)
        manager.execute("select accounts.sign_out()")
        assert entities(manager) == {"Product", "Session", "User", "ReasonPolicy"}
        own = manager.execute(
            "select distinct action, entity, username from audit_logs where action in ('LOGOUT', 'UPDATE') order by 1"
        ).fetchall()
        assert own == [("LOGOUT", "User", email_of(Role.MANAGER)), ("UPDATE", "Session", email_of(Role.MANAGER))]
    for role in (Role.ADMIN, Role.ANALYST):
        with acting(clone, role) as reader:
            assert entities(reader) == {"Product", "Session", "User", "ReasonPolicy"}
            everyone = reader.execute("select count(*) from audit_logs where action = 'CREATE' and entity = 'User'")
            assert everyone.fetchone() == (4,)
    for view in ("audit_logs", "audit.trail"):
        with refused("42501"), acting(clone, Role.VIEWER) as viewer:
            viewer.execute(f"select * from {view}")


def test_another_role_or_settings_made_by_hand_show_no_more_of_the_trail(clone: Clone) -> None:
    with clone.superuser() as psql:
        admin = psql.execute("select id::text from accounts.users where role = 'admin'").fetchone()
    assert admin is not None
    with clone.application() as app, app.transaction():
        app.execute("select set_config('role', accounts.begin(%s), true)", (clone.actor(Role.MANAGER).token,))
        app.execute("select audit.record_activity('EXPORT', 'Product')")
        hidden = "select count(*) from audit.trail where entity in ('User', 'Session')"
        assert app.execute(hidden).fetchone() == (0,)
    for statement in ("set local role backstitch_admin", "select set_config('backstitch.user_id', %s, true)"):
        with refused("42501", "signed_in_user"), clone.application() as app, app.transaction():
            app.execute("select set_config('role', accounts.begin(%s), true)", (clone.actor(Role.MANAGER).token,))
            app.execute(statement, admin if "%s" in statement else None)
            app.execute(hidden)
    with refused("42501", "signed_in_user"), clone.application() as app:
        app.execute("set role backstitch_analyst")
        app.execute(hidden)


def test_a_leaky_function_of_the_reader_sees_only_rows_he_may_see(clone: Clone) -> None:
    with acting(clone, Role.MANAGER) as manager:
        manager.execute(PRODUCT)
        manager.execute(
            "create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as "
            "$$ begin raise exception 'saw %', $1; end $$"
        )
        manager.execute("savepoint s")
        shown = manager.execute("select count(*) from audit_logs where entity = 'User'").fetchone()
        assert shown == (0,)
        manager.execute(
            "select 1 from audit.trail where entity in ('User', 'Session') and pg_temp.leak(new_values::text)"
        )
