"""Whoever can only run SQL as the application's login cannot act as another user: SAFETY rows 4 and 6."""

import pytest
from psycopg import sql

from backstitch.accounts.permissions import Role
from tests.conftest import PASSWORD, Clone, email_of
from tests.db.trail import Connection, acting, begin, records, refused

SETTINGS = ("user_id", "session_id", "role", "source", "operation", "reason", "request", "signature")
PRODUCT = "insert into inventory.products (sku, name, sizes) values ('forged', 'Kurti', '{M}')"
UNSIGNED = ("42501", "signed_in_user")
WRONG_ROLE = ("42501", "right_of_user")


@pytest.fixture
def app(clone: Clone) -> Connection:
    """SQL run as the application's login."""
    return clone.application()


def nothing_changed(clone: Clone) -> bool:
    with clone.superuser() as psql:
        counts = psql.execute(
            "select (select count(*) from inventory.products where sku = 'forged' or name = 'forged'), "
            "(select count(*) from audit.records where entity = 'Product' and action <> 'CREATE')"
        ).fetchone()
    return counts == (0, 0)


def apply(app: Connection, settings: dict[str, str], *, local: bool = True) -> None:
    for name, value in settings.items():
        app.execute("select set_config(%s, %s, %s)", (f"backstitch.{name}", value, local))


def current(app: Connection) -> dict[str, str]:
    values = [app.execute("select current_setting(%s)", (f"backstitch.{name}",)).fetchone() for name in SETTINGS]
    return {name: value[0] for name, value in zip(SETTINGS, values, strict=True) if value}


def test_a_role_without_a_signature_can_change_nothing(clone: Clone, app: Connection) -> None:
    with refused("42501"):
        app.execute(PRODUCT)
    for role in ("backstitch_admin", "backstitch_manager"):
        app.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for statement in (
            PRODUCT,
            "update inventory.products set name = 'forged' where false",
            "delete from inventory.products",
            "do $$ begin insert into inventory.products (sku, name, sizes) values ('forged', 'x', '{M}'); end $$",
            "copy inventory.products (sku, name, sizes) from stdin",
        ):
            with refused(*UNSIGNED):
                if statement.startswith("copy"):
                    with app.cursor().copy(statement) as copy:
                        copy.write_row(("forged", "x", "{M}"))
                else:
                    app.execute(statement)
    assert nothing_changed(clone)


def test_settings_made_by_hand_do_not_make_an_actor(clone: Clone, app: Connection) -> None:
    forged = dict.fromkeys(SETTINGS, "") | {"user_id": "1", "session_id": "1", "role": "backstitch_admin"}
    for signature in ("", "0" * 64, "null"):
        for local in (True, False):
            with refused(*UNSIGNED), app.transaction():
                apply(app, forged | {"signature": signature}, local=local)
                app.execute("set local role backstitch_admin")
                app.execute(PRODUCT)
    assert nothing_changed(clone)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_under_the_signature(clone: Clone, app: Connection, name: str) -> None:
    with refused(*UNSIGNED), app.transaction():
        begin(app, clone, Role.MANAGER)
        apply(app, {name: "1"})
        app.execute(PRODUCT)
    assert nothing_changed(clone)


def test_a_signature_is_worth_nothing_in_another_transaction_or_backend(clone: Clone, app: Connection) -> None:
    with app.transaction():
        begin(app, clone, Role.MANAGER)
        copied = current(app)
        with refused(*UNSIGNED), clone.application() as other, other.transaction():
            apply(other, copied)
            other.execute("set local role backstitch_manager")
            other.execute(PRODUCT)
    for local in (True, False):
        with refused(*UNSIGNED), app.transaction():
            apply(app, copied, local=local)
            app.execute("set local role backstitch_manager")
            app.execute(PRODUCT)
    apply(app, copied, local=False)
    with refused(*UNSIGNED):
        app.execute("set role backstitch_manager")
        app.execute(PRODUCT)
    # A procedure that commits starts another transaction within one statement.
    with refused(*UNSIGNED):
        app.execute("reset role")
        app.execute(
            sql.SQL(
                "do $$ declare kept text; begin "
                "perform set_config('role', accounts.begin({}), true); kept := "
                "current_setting('backstitch.signature'); "
                "commit; perform set_config('backstitch.signature', kept, true); set local role backstitch_manager; "
                "insert into inventory.products (sku, name, sizes) values ('forged', 'x', '{{M}}'); end $$"
            ).format(sql.Literal(clone.actor(Role.MANAGER).token))
        )
    assert nothing_changed(clone)


def test_a_viewer_cannot_take_the_rights_of_another_role(clone: Clone, app: Connection) -> None:
    with acting(clone, Role.MANAGER) as manager:
        manager.execute("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')")
    with refused("42501"), app.transaction():
        begin(app, clone, Role.VIEWER)
        app.execute("update inventory.products set name = 'forged'")
    for role in ("backstitch_admin", "backstitch_manager", "none"):
        with refused("42501", None if role == "none" else "signed_in_user"), app.transaction():
            begin(app, clone, Role.VIEWER)
            app.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            app.execute("update inventory.products set name = 'forged'")
    assert nothing_changed(clone)


def test_a_statement_that_changes_its_own_role_half_way_gains_nothing(clone: Clone, app: Connection) -> None:
    """PostgreSQL checks rights as a statement starts, the trail signs as it ends; see audit.require_right."""
    with acting(clone, Role.MANAGER) as manager:
        manager.execute("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')")
    back = "set_config('role', 'backstitch_viewer', true)"
    for statement in (
        f"update inventory.products set name = 'forged' where {back} <> ''",
        f"delete from inventory.products where {back} <> ''",
        f"insert into inventory.products (sku, name, sizes) select 'forged', {back}, '{{M}}'",
        f"with r as materialized (select {back}), w as (update inventory.products set name = 'forged') select * from r",
        f"insert into inventory.products (sku, name, sizes) select 'A', {back}, '{{M}}' "
        "on conflict (sku) do update set name = 'forged'",
        f"merge into inventory.products p using (select {back} r) s on s.r <> '' when matched "
        f"then update set name = 'forged'",
        f"update accounts.users set role = 'admin' where {back} <> ''",
    ):
        with refused(*WRONG_ROLE), app.transaction():
            begin(app, clone, Role.VIEWER)
            app.execute("set local role backstitch_admin")
            app.execute(statement)
    # Nor through a trigger of a temporary table, which nests the change one level deeper.
    with refused(*WRONG_ROLE), app.transaction():
        app.execute("create temp table bait (x int); grant insert on bait to backstitch_admin")
        app.execute(
            "create function pg_temp.bite() returns trigger language plpgsql as $$ begin set "
            "local role backstitch_admin; "
            "update inventory.products set name = 'forged' where set_config('role', 'backstitch_viewer', true) <> ''; "
            "return new; end $$"
        )
        app.execute("create trigger bite before insert on bait for each row execute function pg_temp.bite()")
        app.execute("grant execute on function pg_temp.bite() to public")
        begin(app, clone, Role.VIEWER)
        app.execute("set local role none")
        app.execute("insert into bait values (1)")
    with refused(*WRONG_ROLE), app.transaction():
        begin(app, clone, Role.MANAGER)
        app.execute("set local role backstitch_admin")
        app.execute(
            "update accounts.users set role = 'admin' where set_config('role', 'backstitch_manager', true) <> ''"
        )
    assert nothing_changed(clone)


def test_signing_in_lends_its_signature_to_nothing_else(clone: Clone, app: Connection) -> None:
    proof = "select accounts.sign_in(%s, %s, 'token of the forger', null, null, '1 hour')"
    with clone.superuser() as psql:
        psql.execute(
            "update accounts.users set password_hash = 'bcrypt-sha256:salt:' || "
            "encode(sha256('proof'), 'hex') where role = 'viewer'"
        )
    arguments = (email_of(Role.VIEWER), "proof")
    for role in ("none", "backstitch_admin"):
        with refused(*UNSIGNED), app.transaction():
            # The right to execute is checked before set_config changes the role.
            app.execute(f"select set_config('role', '{role}', true), ({proof})", arguments)
            app.execute("set local role backstitch_admin")
            app.execute("update inventory.products set name = 'forged' where set_config('role', 'none', true) <> ''")
    with refused(*UNSIGNED), app.transaction():
        app.execute(proof, (email_of(Role.ADMIN), PASSWORD))
        app.execute("set local role backstitch_admin")
        app.execute(PRODUCT)
    assert nothing_changed(clone)


def test_activities_cannot_be_made_up(clone: Clone, app: Connection) -> None:
    for action in ("LOGIN", "CREATE", "AUDIT_DELETE", "MAINTENANCE", "PASSWORD_CHANGE"):
        with refused("42501", "activity_on_request"), app.transaction():
            begin(app, clone, Role.ADMIN)
            app.execute("select audit.record_activity(%s, 'Product')", (action,))
    with refused(*UNSIGNED), app.transaction():
        app.execute("set local role backstitch_admin")
        app.execute("select audit.record_activity('EXPORT', 'Product')")
    with clone.superuser() as psql:
        for action in ("CREATE", "UPDATE", "DELETE", "TRUNCATE"):
            with refused("42501", "activity_on_request"):
                psql.execute("select audit.record_activity(%s, 'Product')", (action,))
        assert records(psql, "Product") == []


TYPES = [
    "text",
    "bigint",
    "integer",
    "boolean",
    "name",
    "jsonb",
    "timestamptz",
    "timestamp",
    "date",
    "uuid",
    "bytea",
    "inet",
    "interval",
    "record",
    "regclass",
    "xid8",
    "numeric",
    "int8",
    "int4",
    "bool",
    "varchar",
    "regtype",
    "oid",
]
TABLES = [
    "records",
    "signing_keys",
    "watched_tables",
    "users",
    "sessions",
    "products",
    "product_colors",
    "product_color_stocks",
    "inward_logs",
    "sales_logs",
    "old_rows",
    "new_rows",
    "moves",
    "pg_class",
    "pg_attribute",
    "pg_index",
    "pg_collation",
    "pg_namespace",
    "pg_type",
    "pg_constraint",
    "unnest",
]
FUNCTIONS = {
    "sha256": "(pg_catalog.bytea) returns pg_catalog.bytea",
    "convert_to": "(pg_catalog.text, pg_catalog.name) returns pg_catalog.bytea",
    "encode": "(pg_catalog.bytea, pg_catalog.text) returns pg_catalog.text",
    "now": "() returns pg_catalog.timestamptz",
    "clock_timestamp": "() returns pg_catalog.timestamptz",
    "set_config": "(pg_catalog.text, pg_catalog.text, pg_catalog.bool) returns pg_catalog.text",
    "current_setting": "(pg_catalog.text, pg_catalog.bool) returns pg_catalog.text",
    "lower": "(pg_catalog.text) returns pg_catalog.text",
    "signature": "(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, "
    "pg_catalog.text) returns pg_catalog.text",
    "texteq": "(pg_catalog.text, pg_catalog.text) returns pg_catalog.bool",
}


def shadow(app: Connection) -> None:
    """Puts a trap of the application's into pg_temp under every name that the definer functions use."""
    app.execute(
        "create function pg_temp.trap() returns pg_catalog.bool language plpgsql as "
        "$$ begin raise exception 'sprung as %', current_user using errcode = 'ZZ001'; end $$"
    )
    for name in TABLES:
        app.execute(
            f"create temp table {name} (id pg_catalog.int8, role pg_catalog.text, email "
            f"pg_catalog.text, check (pg_temp.trap()))"
        )
    for name, kind in FUNCTIONS.items():
        app.execute(f"create function pg_temp.{name}{kind} language plpgsql as $$ begin perform pg_temp.trap(); end $$")
    app.execute(
        "create operator pg_temp.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = pg_temp.texteq)"
    )
    for name in TYPES:
        app.execute(
            sql.SQL("create domain pg_temp.{} as pg_catalog.{} check (pg_temp.trap())").format(
                sql.Identifier(name),
                sql.Identifier(name if name not in ("record", "bigint", "integer", "boolean") else "text"),
            )
        )


def test_temporary_tables_types_functions_and_operators_do_not_reach_the_definer_functions(
    clone: Clone, app: Connection
) -> None:
    shadow(app)
    with app.transaction():
        begin(app, clone, Role.MANAGER)
        app.execute(
            "insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}');"
            "insert into inventory.product_colors (product_id, color, colour_code) values (1, 'Red', 'R');"
            "insert into inventory.product_color_stocks (product_id, colour_code, size) values (1, 'R', 'M');"
            "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
            "values (1, 'R', 'M', 5, 'Mill');"
            "update inventory.inward_logs set quantity = 6; delete from inventory.inward_logs;"
            "select audit.record_activity('EXPORT', 'Product'); select * from "
            "public.audit_logs; select * from accounts.me();"
            "update inventory.products set name = 'Top'; select accounts.sign_out()"
        )
    salt = app.execute("select accounts.password_salt('nobody')").fetchone()
    failed = app.execute("select accounts.sign_in('nobody', 'x', 'y', null, null, '1 hour')").fetchone()
    assert salt is not None
    assert (salt[0][:7], failed) == ("$2b$04$", (False,))
    with clone.superuser() as psql:
        movements = records(psql, "Product", "ProductColorStock", "InwardLog")
        recorded = [(r["action"], r["entity"]) for r in movements if r["action"] != "MAINTENANCE"]
        assert recorded == [
            ("CREATE", "Product"),
            ("CREATE", "ProductColorStock"),
            ("CREATE", "InwardLog"),
            ("UPDATE", "ProductColorStock"),
            ("UPDATE", "InwardLog"),
            ("UPDATE", "ProductColorStock"),
            ("DELETE", "InwardLog"),
            ("UPDATE", "ProductColorStock"),
            ("EXPORT", "Product"),
            ("UPDATE", "Product"),
        ]


def test_every_function_names_its_search_path_with_pg_temp_last_or_is_called_by_those_that_do(clone: Clone) -> None:
    with clone.superuser() as psql:
        loose = psql.execute(
            "select p.proname::text, p.prosecdef, exists (select from pg_roles r where r.rolname ~ '^backstitch_' "
            "and r.rolname <> 'backstitch_owner' and has_function_privilege(r.oid, p.oid, 'execute')) "
            "from pg_proc p where p.pronamespace::regnamespace::text in ('audit', 'accounts', 'inventory', 'public') "
            "and p.prokind <> 'a' and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false) "
            "and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
        ).fetchall()
        definers = psql.execute(
            "select count(*) from pg_proc where prosecdef and proowner = 'backstitch_owner'::regrole"
        )
        assert {name for name, definer, _ in loose if definer} == set()
        # Constraints call these, with the rights and the path of whoever writes the row.
        assert {name for name, _, callable in loose if callable} == {"gstin_valid", "financial_year", "texts_short"}
        assert definers.fetchone() != (0,)
