"""What each role of the database may do, statement by statement: SAFETY rows 5 and 30, DESIGN section 3."""

from collections.abc import Iterable

import psycopg
import pytest
from psycopg import sql

from backstitch.accounts.permissions import Role
from tests.conftest import Clone
from tests.db.trail import Connection, acting, begin, refused

ROLES = ["backstitch_app", *(f"backstitch_{role.value}" for role in Role)]

FORBIDDEN_TO_ALL = [
    # the trail cannot be written, in any partition
    "insert into {trail} (recorded_at, transaction_id, action, entity, database_role, new_values) "
    "values (now(), '1', 'CREATE', 'X', 'x', '{{}}')",
    "update {trail} set entity = 'X'",
    "delete from {trail}",
    "truncate {trail}",
    "select * from {trail}",
    "alter table {trail} disable trigger all",
    "drop table {trail}",
    "lock table {trail}",
    "copy {trail} to stdout",
]
FORBIDDEN_ONCE = [
    "select * from audit.signing_keys",
    "select * from audit.watched_tables",
    "insert into audit.watched_tables values ('pg_class', 'X', 'x', null, '{}', '{}', '[]')",
    "delete from audit.watched_tables",
    "select * from accounts.sessions",
    "select token_hash from accounts.sessions",
    "insert into accounts.sessions (user_id, token_hash, expires_at) values (1, '\\x00', now() + interval '1 day')",
    "update accounts.sessions set expires_at = 'infinity'",
    "delete from accounts.sessions",
    "select password_hash from accounts.users",
    "select * from accounts.users",
    "select u from accounts.users u",
    "delete from accounts.users",
    "truncate accounts.users",
    "update accounts.users set name = password_hash",
    "select audit.signature('1', '1', 'backstitch_admin', 'page', '', '', '')",
    "select audit.sign_actor(1, 1, 'backstitch_admin', 'page', '', '', '')",
    "select audit.forget_actor()",
    "select audit.current_actor()",
    "select audit.write_activity(null, 'LOGIN', 'User', 1, '{}')",
    "select audit.watch('inventory.products')",
    "select audit.unwatch('inventory.products')",
    "select audit.make_partitions()",
    "select audit.key_column('inventory.products')",
    "select audit.trigger_source(null)",
    "select audit.record_unseen('inventory.products')",
    "select audit.differences('inventory.products')",
    "select audit.replayed(null)",
    "select * from audit.personal_values",
    "insert into audit.personal_values (entity, field, value, salt) values ('User', 'email', '1', '0123456789abcdef')",
    "update audit.personal_values set value = '1'",
    "delete from audit.personal_values",
    "select audit.keep_personal('User', 1, null, 'email', '1')",
    "select audit.personal_reference('User', 1, null, 'email', '1')",
    "select nextval('audit.records_id_seq')",
    "select setval('audit.records_id_seq', 1)",
    "select audit.record_inventory_products()",
    "select inventory.move_stock()",
    "alter table inventory.products disable trigger all",
    "alter table inventory.products disable trigger audit_update",
    "drop trigger audit_update on inventory.products",
    "create trigger mine after insert on inventory.products execute function inventory.move_stock('1')",
    "alter table inventory.products add x int",
    "truncate inventory.products cascade",
    "truncate inventory.inward_logs",
    "update inventory.product_color_stocks set quantity = 99",
    "insert into inventory.product_color_stocks (product_id, colour_code, size, quantity) values (1, 'R', 'M', 99)",
    "create function audit.mine() returns int language sql as 'select 1'",
    "create or replace function audit.current_actor() returns audit.actor language sql as 'select null::audit.actor'",
    "alter function audit.current_actor() security invoker",
    "create table audit.mine (x int)",
    "create table inventory.mine (x int)",
    "create table accounts.mine (x int)",
    "create table public.mine (x int)",
    "create view public.mine as select 1",
    "create schema mine",
    "create extension pg_trgm",
    "set session_replication_role = replica",
    "set session authorization postgres",
    "set role backstitch_owner",
    "reset session authorization; set role backstitch_owner",
    "alter role backstitch_app superuser",
    "alter role backstitch_app inherit",
    "grant backstitch_owner to backstitch_app",
    "grant backstitch_admin to backstitch_viewer",
    "grant select on audit.records to backstitch_viewer",
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/tmp/backstitch-escape'",
    "select pg_read_file('/etc/passwd')",
    "drop view audit_logs",
    "create or replace rule mine as on insert to inventory.products do instead nothing",
    "alter table inventory.products enable row level security",
    "reindex table inventory.products",
    "comment on table inventory.products is 'mine'",
    "create temp table t (x int); create trigger t after insert on t execute function "
    "audit.record_inventory_products()",
    "create temp table t () inherits (inventory.products)",
]
# A view with joins is refused as such, before any right is looked at.
NOT_UPDATABLE = {"insert into audit_logs (id) values (1)", "delete from audit_logs", "delete from audit.trail"}


def as_role(connection: Connection, clone: Clone, role: str) -> None:
    """The application's login as it is, or for its signed-in user with this role."""
    if role != "backstitch_app":
        begin(connection, clone, Role(role.removeprefix("backstitch_")))


def outcomes(clone: Clone, role: str, statements: Iterable[str]) -> dict[str, str]:
    """SQLSTATE of each statement, tried alone."""
    found = {}
    with clone.application() as app:
        for statement in statements:
            try:
                with app.transaction(force_rollback=True):
                    as_role(app, clone, role)
                    app.execute(statement)
                found[statement] = "allowed"
            except psycopg.Error as error:
                found[statement] = error.sqlstate or str(error)
    return found


@pytest.mark.parametrize("role", ROLES)
def test_no_role_touches_the_trail_its_keys_its_triggers_or_the_secrets(clone: Clone, role: str) -> None:
    with clone.superuser() as psql:
        relations = psql.execute(
            "select oid::regclass::text from pg_class where oid in (select relid from "
            "pg_partition_tree('audit.records'))"
        ).fetchall()
    assert len(relations) >= 6
    statements = [text.format(trail=name) for text in FORBIDDEN_TO_ALL for (name,) in relations] + FORBIDDEN_ONCE
    assert outcomes(clone, role, statements) == dict.fromkeys(statements, "42501")
    for state in outcomes(clone, role, NOT_UPDATABLE).values():
        assert state in ("42501", "55000")


# One statement for each right, with who has it; the rest get 42501.
SEES = {Role.ADMIN, Role.MANAGER, Role.ANALYST, Role.VIEWER}
EDITS = {Role.ADMIN, Role.MANAGER}
RIGHTS: dict[str, set[Role]] = {
    "select * from inventory.products": SEES,
    "select * from inventory.product_colors": SEES,
    "select * from inventory.product_color_stocks": SEES,
    "select * from inventory.inward_logs": SEES,
    "select * from inventory.sales_logs": SEES,
    "select * from accounts.me()": SEES,
    "select accounts.sign_out()": SEES,
    "insert into inventory.products (sku, name, sizes) values ('B', 'Top', '{M}')": EDITS,
    "update inventory.products set name = 'Top'": EDITS,
    "delete from inventory.products where sku = 'none'": EDITS,
    "insert into inventory.product_colors (product_id, color, colour_code) values (1, 'Blue', 'B')": EDITS,
    "update inventory.product_colors set color = 'Rose'": EDITS,
    "delete from inventory.product_colors where color = 'none'": EDITS,
    "insert into inventory.product_color_stocks (product_id, colour_code, size) values (1, 'R', 'L')": EDITS,
    "delete from inventory.product_color_stocks where size = 'L'": EDITS,
    "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
    "values (1, 'R', 'M', 1, 'Mill')": EDITS,
    "update inventory.inward_logs set quantity = quantity + 1": EDITS,
    "delete from inventory.inward_logs": EDITS,
    "insert into inventory.sales_logs (product_id, colour_code, size, quantity, store) values "
    "(1, 'R', 'M', 1, 'Shop')": EDITS,
    "update inventory.sales_logs set store = 'Other'": EDITS,
    "delete from inventory.sales_logs": EDITS,
    "select * from audit_logs": {Role.ADMIN, Role.MANAGER, Role.ANALYST},
    "select * from audit.trail": {Role.ADMIN, Role.MANAGER, Role.ANALYST},
    "select audit.record_activity('EXPORT', 'Product')": {Role.ADMIN, Role.MANAGER, Role.ANALYST},
    "select id, email, name, role, is_active, must_change_password from accounts.users": SEES - {Role.VIEWER},
    "insert into accounts.users (email, name, role) values ('n@example.com', 'N', 'viewer')": {Role.ADMIN},
    "update accounts.users set is_active = false where role = 'viewer'": {Role.ADMIN},
    "update accounts.users set password_hash = 'x' where role = 'viewer'": {Role.ADMIN},
    "select accounts.begin('x')": set(),
    "select accounts.password_salt('x')": set(),
    "select accounts.sign_in('x', 'x', 'x', null, null, '1 hour')": set(),
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_table_of_rights_says_and_nothing_else(clone: Clone, role: Role) -> None:
    with acting(clone, Role.ADMIN) as admin:
        admin.execute("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M,L}')")
        admin.execute("insert into inventory.product_colors (product_id, color, colour_code) values (1, 'Red', 'R')")
        admin.execute("insert into inventory.product_color_stocks (product_id, colour_code, size) values (1, 'R', 'M')")
        admin.execute(
            "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
            "values (1, 'R', 'M', 5, 'Mill')"
        )
    found = outcomes(clone, f"backstitch_{role.value}", RIGHTS)
    assert found == {text: "allowed" if role in allowed else "42501" for text, allowed in RIGHTS.items()}


def test_the_applications_login_by_itself_may_only_sign_in(clone: Clone) -> None:
    found = outcomes(clone, "backstitch_app", RIGHTS)
    assert {text for text, state in found.items() if state != "42501"} == {
        "select accounts.begin('x')",
        "select accounts.password_salt('x')",
        "select accounts.sign_in('x', 'x', 'x', null, null, '1 hour')",
    }
    assert found["select accounts.begin('x')"] == "28000"


# PostgreSQL checks rights as a statement starts; this one starts as an analyst, or as another, and ends as itself.
HALF_WAY = (
    "with taken as materialized (select set_config('role', '{signed}', true) as role) "
    "select t from taken cross join lateral (select * from {what} where taken.role is not null offset 0) t"
)
# What reads people or the trail, and what it gives to whom the table of rights gives nothing: rows, or the rule.
READ_THE_TRAIL: dict[str, object] = {
    "audit.trail": None,
    "public.audit_logs": None,
    "audit.record_activity('EXPORT', 'User', 1)": "right_of_user",
    "audit.seal_status()": "right_of_user",
    "audit.verify_seals()": "right_of_user",
    "audit.checkpoint()": "right_of_user",
    "(select id, email from accounts.users) u": [],
}


def test_a_role_taken_half_way_through_a_statement_reads_and_records_nothing(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("update accounts.users set must_change_password = true where role = 'admin'")
        psql.execute("select audit.seal()")
    with clone.application() as app:
        # An admin whose password is due is signed as a viewer.
        for signed_in in (Role.VIEWER, Role.ADMIN):
            found: dict[str, object] = {}
            for what in READ_THE_TRAIL:
                try:
                    with app.transaction(force_rollback=True):
                        begin(app, clone, signed_in)
                        app.execute("set local role backstitch_analyst")
                        rows = app.execute(HALF_WAY.format(signed="backstitch_viewer", what=what))  # type: ignore[arg-type]
                        found[what] = rows.fetchall()
                except psycopg.errors.InsufficientPrivilege as refusal:
                    found[what] = refusal.diag.constraint_name
            assert found == READ_THE_TRAIL
        with app.transaction(force_rollback=True):
            begin(app, clone, Role.MANAGER)
            app.execute("set local role backstitch_analyst")
            rows = app.execute(HALF_WAY.format(signed="backstitch_manager", what="audit.trail"))  # type: ignore[arg-type]
            assert not any("manager@example.com" in str(row) for row in rows)
        with app.transaction(force_rollback=True):
            begin(app, clone, Role.ANALYST)
            for what in set(READ_THE_TRAIL) - {"audit.verify_seals()"}:
                assert app.execute(f"select * from {what}").fetchall(), what  # type: ignore[arg-type]


def test_nobody_signed_in_reads_people_or_the_trail(clone: Clone) -> None:
    with clone.application() as app:
        for role in ("admin", "manager", "analyst"):
            for what in READ_THE_TRAIL:
                if "seal" in what and role == "manager":
                    continue
                with refused("42501", "signed_in_user"), app.transaction():
                    app.execute(f"set local role backstitch_{role}")  # type: ignore[arg-type]
                    app.execute(f"select * from {what}")  # type: ignore[arg-type]


def test_a_manager_reads_what_was_done_to_the_inventory_and_by_himself(clone: Clone) -> None:
    record = "select audit.record_activity(%s, %s)"
    for role in (Role.ADMIN, Role.MANAGER):
        with acting(clone, role, f"work of the {role.value}") as user:
            user.execute(
                "insert into inventory.products (sku, name, sizes) values (%s, 'Kurti', '{M}')", (f"A {role.value}",)
            )
            for action, entity in (
                ("EXPORT", "AuditReport"),
                ("EXPORT", "User"),
                ("EXPORT", "Order"),
                ("EXPORT", "LowStockList"),
                ("IMPORT", "StockList"),
            ):
                user.execute(record, (action, entity))
    with clone.superuser() as psql:
        psql.execute("select audit.record_activity('MAINTENANCE', 'DemoData')")
    with acting(clone, Role.MANAGER) as manager:
        read = manager.execute(
            "select u.role, t.entity from audit.trail t left join accounts.users u on u.id = t.user_id "
            "where t.operation like 'work of%' or t.entity = 'DemoData' order by t.id"
        ).fetchall()
    shared = ["Product", "Order", "LowStockList", "StockList"]
    own = ["Product", "AuditReport", "User", "Order", "LowStockList", "StockList"]
    assert read == [("admin", entity) for entity in shared] + [("manager", entity) for entity in own]


def test_the_applications_login_owns_nothing_and_inherits_nothing(clone: Clone) -> None:
    with clone.superuser() as psql:
        login = psql.execute(
            "select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin "
            "from pg_roles where rolname = 'backstitch_app'"
        ).fetchone()
        assert login == (False, False, False, False, False, False, True)
        assert psql.execute(
            "select count(*) from pg_shdepend where refobjid = 'backstitch_app'::regrole and deptype = 'o'"
        ).fetchone() == (0,)
        roles = psql.execute(
            "select roleid::regrole::text, admin_option from pg_auth_members where member = "
            "'backstitch_app'::regrole order by 1"
        ).fetchall()
        assert roles == [(f"backstitch_{role}", False) for role in ("admin", "analyst", "manager", "viewer")]
        logins = psql.execute(
            "select rolname from pg_roles where rolname like 'backstitch\\_%' and rolcanlogin order by 1"
        ).fetchall()
        assert logins == [("backstitch_app",), ("backstitch_watch",)]
        if psql.info.server_version >= 160000:
            inherited = (
                "select count(*) from pg_auth_members where member = 'backstitch_app'::regrole and inherit_option"
            )
            assert psql.execute(inherited).fetchone() == (0,)


def test_no_function_of_ours_is_executable_by_everybody(clone: Clone) -> None:
    with clone.superuser() as psql:
        open_to_all = psql.execute(
            "select p.oid::regprocedure::text from pg_proc p, "
            "aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a "
            "where p.pronamespace::regnamespace::text in ('audit', 'accounts', 'inventory') "
            "and a.grantee = 0 and a.privilege_type = 'EXECUTE'"
        ).fetchall()
        assert open_to_all == []
        tables = psql.execute(
            "select c.oid::regclass::text from pg_class c, aclexplode(c.relacl) a "
            "where c.relnamespace::regnamespace::text in ('audit', 'accounts', 'inventory') and a.grantee = 0"
        ).fetchall()
        assert tables == []


def test_a_partition_made_later_is_as_closed_as_the_others(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("set role backstitch_owner")
        psql.execute("select audit.make_partitions('2033-01-01', 0)")
    with refused("42501"), acting(clone, Role.ADMIN) as admin:
        admin.execute(sql.SQL("delete from {}").format(sql.Identifier("audit", "records_2033_01")))
