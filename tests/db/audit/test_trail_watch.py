"""Watching and unwatching, and the check that nothing in `inventory` or `accounts` escapes."""

import pytest

from backstitch import doctor
from backstitch.audit.findings import Finding, Kind
from backstitch.database import Database
from tests.conftest import Clone
from tests.db.audit.tampering import verification
from tests.db.trail import changes, records, refused, watched_table

TABLES = ("tables on the record", "triggers of the trail", "trigger functions", "order of triggers", "functions")


def gaps(owner: Database) -> list[tuple[str, str]]:
    """Each table, or trigger function, that is not, or not truly, on the record, with the check that says so."""
    with owner.owner_connection() as connection:
        found = doctor.findings(connection)
    return sorted({(one.subject or "", one.check) for one in found if one.check in TABLES and one.severity != "ok"})


def test_every_table_of_the_business_and_of_accounts_is_truly_on_the_record(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched = psql.execute("select count(*) from audit.watched_tables").fetchone()
        assert watched is not None
        assert watched[0] >= 7
        assert gaps(clone.owner) == []


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        ("create table inventory.forgotten (id bigint primary key)", ("inventory.forgotten", "tables on the record")),
        ("alter table inventory.products add season text", ("inventory.products", "trigger functions")),
        ("alter table inventory.products rename name to title", ("inventory.products", "trigger functions")),
        ("alter table inventory.products drop description", ("inventory.products", "trigger functions")),
        ("alter table inventory.products alter hsn_code type varchar(8)", ("inventory.products", "trigger functions")),
        (
            "alter table inventory.products alter reorder_level type numeric",
            ("inventory.products", "trigger functions"),
        ),
        ("alter table inventory.sales_logs rename to sold", ("inventory.sold", "trigger functions")),
        (
            "alter table inventory.sales_logs disable trigger audit_insert",
            ("inventory.sales_logs", "triggers of the trail"),
        ),
        (
            "alter table inventory.sales_logs enable trigger audit_truncate",
            ("inventory.sales_logs", "triggers of the trail"),
        ),
        ("drop trigger audit_delete on accounts.users", ("accounts.users", "triggers of the trail")),
        (
            "alter function audit.record_accounts_users() security invoker",
            ("function audit.record_accounts_users()", "functions"),
        ),
        (
            "alter function audit.record_accounts_sessions() reset timezone",
            ("function audit.record_accounts_sessions()", "functions"),
        ),
        ("select audit.unwatch('accounts.users')", ("accounts.users", "tables on the record")),
        (
            "create trigger aaa after insert on inventory.products execute function inventory.refuse_truncate()",
            ("inventory.products", "order of triggers"),
        ),
    ],
)
def test_a_table_that_slips_off_the_record_is_noticed(clone: Clone, change: str, gap: tuple[str, str]) -> None:
    with clone.superuser() as psql:
        psql.execute(change)
        assert gaps(clone.owner) == [gap]


def test_watching_again_closes_the_gap_and_keeps_the_details(clone: Clone) -> None:
    with clone.superuser() as psql:
        details = (
            "select entity, parent, redacted from audit.watched_tables where relation = 'accounts.sessions'::regclass"
        )
        before = psql.execute(details).fetchone()
        psql.execute("alter table accounts.sessions add device text; alter table accounts.sessions disable trigger all")
        assert [check for _, check in gaps(clone.owner)] == ["trigger functions", "triggers of the trail"]
        psql.execute("set role backstitch_owner")
        psql.execute("select audit.watch('accounts.sessions')")
        assert gaps(clone.owner) == []
        assert psql.execute(details).fetchone() == before == ("Session", "user_id", ["token_hash"])


def test_watching_twice_changes_nothing(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id bigint primary key")
        catalog = (
            "select oid, tgname, tgenabled, tgfoid from pg_trigger where tgrelid = 'demo.things'::regclass order by 1"
        )
        before = psql.execute(catalog).fetchall()
        psql.execute("select audit.watch('demo.things')")
        assert psql.execute(catalog).fetchall() == before
        psql.execute("insert into demo.things values (1)")
        assert changes(psql, "Thing") == [("CREATE", 1, None, {"id": 1})]


def test_unwatching_is_on_the_record_and_ends_it(clone: Clone) -> None:
    with clone.superuser() as psql:
        watched_table(psql, "id bigint primary key")
        psql.execute("select set_config('backstitch.reason', 'moved elsewhere', false)")
        psql.execute("select audit.unwatch('demo.things')")
        psql.execute("insert into demo.things values (1)")
        assert records(psql, "Thing") == [
            {
                "action": "MAINTENANCE",
                "entity": "Thing",
                "entity_id": None,
                "parent_id": None,
                "user_id": None,
                "session_id": None,
                "database_role": psql.info.user,
                "application": "psql",
                "client_address": None,
                "operation": None,
                "reason": "moved elsewhere",
                "old_values": None,
                "new_values": {"unwatched": "demo.things"},
            }
        ]
        with refused("42704", "watched_once"):
            psql.execute("select audit.unwatch('demo.things')")
        assert psql.execute("select to_regproc('audit.record_demo_things')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("definition", "constraint"),
    [
        ("create table demo.t (a int, b int, primary key (a, b))", "integer_primary_key"),
        ("create table demo.t (a text primary key)", "integer_primary_key"),
        ("create table demo.t (a int unique not null)", "integer_primary_key"),
        ("create table demo.t (a int primary key deferrable)", "integer_primary_key"),
        ("create unlogged table demo.t (a int primary key)", "ordinary_table"),
        ("create table demo.t (a int primary key) partition by range (a)", "ordinary_table"),
        ("create table demo.p (a int); create table demo.t (primary key (a)) inherits (demo.p)", "ordinary_table"),
        ("create view demo.t as select 1 as a", "ordinary_table"),
    ],
)
def test_what_cannot_be_recorded_truly_cannot_be_watched(clone: Clone, definition: str, constraint: str) -> None:
    with clone.superuser() as psql:
        psql.execute("create schema demo")
        psql.execute(definition)
        with refused("0A000", constraint):
            psql.execute("select audit.watch('demo.t')")
        assert psql.execute("select count(*) from audit.watched_tables where entity = 't'").fetchone() == (0,)


@pytest.mark.parametrize("parent", ["missing", "name"])
def test_a_parent_that_is_no_integer_column_is_refused(clone: Clone, parent: str) -> None:
    with clone.superuser() as psql:
        psql.execute("create schema demo; create table demo.t (id int primary key, name text, owner_id int)")
        with refused("42703", "parent_column"):
            psql.execute("select audit.watch('demo.t', 'T', %s)", (parent,))
        psql.execute("select audit.watch('demo.t', 'T', 'owner_id'); insert into demo.t values (1, 'a', 7)")
        assert psql.execute("select parent_id from audit.records where entity = 'T'").fetchone() == (7,)


def test_two_tables_never_share_a_name_or_a_function_in_the_trail(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("create schema a; create schema a_b")
        psql.execute("create table a.b_c (id int primary key); create table a_b.c (id int primary key)")
        psql.execute("select audit.watch('a.b_c')")
        with refused("23505", "function_name_unique"):
            psql.execute("select audit.watch('a_b.c')")
        with refused("23505", "entity_unique"):
            psql.execute("select audit.watch('a_b.c', 'Product')")
        psql.execute("insert into a.b_c values (1)")
        assert changes(psql, "b_c") == [("CREATE", 1, None, {"id": 1})]


def test_a_record_without_the_values_of_its_action_is_refused_or_found(clone: Clone) -> None:
    fill = (
        "insert into audit.records (id, recorded_at, transaction_id, action, entity, source, database_role, "
        "old_values, new_values) values (%s, now(), 1, %s, 'X', 'SQL', 'x', %s, %s)"
    )
    misshapen = [
        ("CREATE", None, None, "CREATE without old and without new values"),
        ("CREATE", "{}", "{}", "CREATE with old and with new values"),
        ("UPDATE", "{}", None, "UPDATE with old and without new values"),
        ("UPDATE", None, "{}", "UPDATE without old and with new values"),
        ("DELETE", "{}", "{}", "DELETE with old and with new values"),
        ("TRUNCATE", None, None, "TRUNCATE without old and without new values"),
        ("LOGIN", None, None, "LOGIN without old and without new values"),
    ]
    with clone.superuser() as psql:
        psql.execute("insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{S}')")
        psql.execute("update inventory.products set name = 'Top'; delete from inventory.products")
        assert verification(psql).findings == ()
        for number, (action, old, new, _) in enumerate(misshapen):
            psql.execute(fill, (9_000_000 + number, action, old, new))
        assert verification(psql).findings == tuple(
            Finding(Kind.MISSHAPEN_RECORD, None, 9_000_000 + number, detail)
            for number, (*_, detail) in enumerate(misshapen)
        )
        with refused("23514", "action_known"):
            psql.execute(fill, (1, "SHRUG", None, "{}"))


def test_partitions_are_made_ahead_once_and_take_their_month(clone: Clone) -> None:
    with clone.superuser() as psql:
        # A new month may have begun since the template was made.
        psql.execute("select audit.make_partitions()")
        assert psql.execute("select audit.make_partitions()").fetchone() == (0,)
        assert psql.execute("select audit.make_partitions('2031-12-31', 1)").fetchone() == (2,)
        bounds = psql.execute(
            "set timezone = 'UTC'; select pg_get_expr(relpartbound, oid) from pg_class where relname in "
            "('records_2031_12', 'records_2032_01') order by relname"
        )
        bounds.nextset()
        assert bounds.fetchall() == [
            ("FOR VALUES FROM ('2031-12-01 00:00:00+00') TO ('2032-01-01 00:00:00+00')",),
            ("FOR VALUES FROM ('2032-01-01 00:00:00+00') TO ('2032-02-01 00:00:00+00')",),
        ]
        ahead = psql.execute(
            "select count(*) from generate_series(now(), now() + interval '3 months', '1 month') m "
            "where to_regclass('audit.records_' || to_char(m at time zone 'UTC', 'YYYY_MM')) is null"
        ).fetchone()
        assert ahead == (0,)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kolkata"])
def test_the_partitions_begin_with_the_month_of_utc_in_whatever_zone_they_are_made(clone: Clone, zone: str) -> None:
    """Where the session's zone is a day ahead at the end of a month, the month that is not over yet needs one too."""
    with clone.superuser() as psql:
        found = psql.execute("select 'audit.records_' || to_char(now() at time zone 'UTC', 'YYYY_MM')").fetchone()
        assert found is not None
        psql.execute(f"drop table {found[0]}")
        psql.execute(f"set timezone = '{zone}'")
        psql.execute("select audit.make_partitions()")
        assert psql.execute("select to_regclass(%s)::text", found).fetchone() == found


def test_a_logged_table_made_unlogged_later_is_noticed(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("alter table accounts.sessions set unlogged")
        assert gaps(clone.owner) == [("accounts.sessions", "tables on the record")]
