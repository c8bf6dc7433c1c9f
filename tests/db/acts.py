"""What a DBA and the thief of the application's login can do, and who names it: the table in docs/security.md.

Each act runs on a business whose trail is sealed and without a finding. `test_acts.py` does it and asks each of the
watchers; a test there holds the table of docs/security.md against this list.
"""

from dataclasses import dataclass

DBA, THIEF = "DBA", "thief"

# Who can name an act. `refused`: the database does not let it happen. `nobody`: what nothing inside a database sees.
RECORD, DOCTOR, VERIFY, CHECKPOINT, REPLAY = "record", "doctor", "verify", "verify --checkpoint", "replay"
REFUSED, NOBODY = "refused", "nobody"

ROW = "update inventory.products set name = 'Kurta, long' where sku = 'KT-1'"
CUSTOMER = "insert into inventory.customers (store_name) values ('Planted Stores')"
OFF = "alter table inventory.products disable trigger audit_update"
ON = "alter table inventory.products enable always trigger audit_update"
REPLICA = "set session_replication_role = replica"
A_RECORD = (
    "insert into audit.records (recorded_at, transaction_id, entity_id, user_id, action, entity, source, "
    "database_role, old_values, new_values) select {at}, {transaction}, 1, 1, 'UPDATE', 'Product', 'page', "
    '\'backstitch_app\', \'{{"name": "A"}}\', \'{{"name": "B"}}\''
)
NOW = "pg_current_xact_id()::text::bigint"
TRIGGER = (
    "create function public.between() returns trigger language plpgsql as $$ begin {body} end $$; "
    "create trigger between before insert on audit.records for each row execute function public.between()"
)
EVENTS = "alter event trigger backstitch_watch_ddl {0}; alter event trigger backstitch_watch_drop {0}"
CELL = "inventory.product_color_stocks"
TAKEN_OUT = "delete from audit.records where transaction_id = " + NOW


@dataclass(frozen=True)
class Act:
    """Statements, each in a transaction of its own unless they say begin, and who names them."""

    words: str
    who: str
    named_by: tuple[str, ...]
    statements: tuple[str, ...]
    afterwards: str = ""


def dba(words: str, *statements: str, named_by: tuple[str, ...], afterwards: str = "") -> Act:
    """An act of a superuser. `afterwards` takes back what it has done to roles, which belong to the server."""
    return Act(words, DBA, named_by, statements, afterwards)


def thief(words: str, *statements: str, named_by: tuple[str, ...] = (REFUSED,)) -> Act:
    """An act of somebody with the password of backstitch_app, and nobody's session."""
    return Act(words, THIEF, named_by, statements)


ACTS = (
    # Changing the business
    dba("changes a row by hand", ROW, named_by=(RECORD,)),
    dba("changes a row as a replica (`session_replication_role`)", REPLICA, ROW, named_by=(RECORD,)),
    dba("changes a row, and says it came from a page", f"set backstitch.source = page; {ROW}", named_by=(RECORD,)),
    dba("switches a trigger off, changes a row, leaves it off", OFF, ROW, named_by=(RECORD, DOCTOR, REPLAY)),
    dba("switches a trigger off, changes a row, switches it on", OFF, ROW, ON, named_by=(RECORD, REPLAY)),
    dba("the same within one transaction", f"begin; {OFF}; {ROW}; {ON}; commit", named_by=(RECORD, REPLAY)),
    dba(
        "the same, with the event triggers off meanwhile",
        f"begin; {EVENTS.format('disable')}; {OFF}; {ROW}; {ON}; {EVENTS.format('enable always')}; commit",
        named_by=(REPLAY,),
    ),
    dba("drops a trigger of a table", "drop trigger audit_delete on inventory.orders", named_by=(RECORD, DOCTOR)),
    dba("takes a table off the record", "select audit.unwatch('inventory.orders')", named_by=(RECORD, DOCTOR, REPLAY)),
    dba("drops a watched table", "drop table inventory.order_lines", named_by=(RECORD, DOCTOR, REPLAY)),
    dba("makes a table that is not on the record", "create table inventory.loose (id int)", named_by=(RECORD, DOCTOR)),
    dba(
        "adds a child table, whose rows count as the parent's",
        "create table public.kept_apart () inherits (inventory.stock_adjustments)",
        named_by=(DOCTOR,),
    ),
    dba("empties a table", "truncate inventory.reason_policies", named_by=(RECORD,)),
    dba("empties a movement log", "truncate inventory.sales_logs", named_by=(REFUSED,)),
    dba(
        "changes a row and takes its record out, in one transaction",
        f"begin; {ROW}; {TAKEN_OUT}; commit",
        named_by=(REPLAY,),
    ),
    dba(
        "adds a row, deletes it and takes both records out, in one transaction",
        f"begin; {CUSTOMER}; delete from inventory.customers where store_name = 'Planted Stores'; {TAKEN_OUT}; "
        f"delete from audit.personal_values where value = '\"Planted Stores\"'; commit",
        named_by=(NOBODY,),
    ),
    # The records and the seals
    dba(
        "changes a value of a record",
        "update audit.records set new_values = '{\"name\": \"Other\"}' where entity = 'Product' and action = 'CREATE'",
        named_by=(VERIFY, REPLAY),
    ),
    dba(
        "changes who a record names",
        "update audit.records set user_id = 1 where entity = 'InwardLog'",
        named_by=(VERIFY,),
    ),
    dba("deletes a sealed record", "delete from audit.records where entity = 'InwardLog'", named_by=(VERIFY, REPLAY)),
    dba("empties the trail", "truncate audit.records", named_by=(VERIFY, REPLAY)),
    dba(
        "adds a record with a number that a seal has seen",
        A_RECORD.format(at="now()", transaction="3"),
        named_by=(VERIFY, REPLAY),
    ),
    dba(
        "adds a record of the present, dated 40 days back",
        "select audit.make_partitions((now() - interval '40 days')::date, 2)",
        A_RECORD.format(at="now() - interval '40 days'", transaction=NOW),
        named_by=(VERIFY, REPLAY),
    ),
    dba(
        "adds a record of the present in another's name, about no row, before the next seal",
        "insert into audit.records (recorded_at, transaction_id, user_id, action, entity, source, database_role, "
        f"new_values) select clock_timestamp(), {NOW}, 1, 'IMPORT', 'StockList', 'page', 'backstitch_app', '{{}}'",
        named_by=(NOBODY,),
    ),
    dba(
        "cuts off the last seal and its records",
        "delete from audit.records r using audit.seals s where r.id = any (s.record_ids) "
        "and s.id = (select max(id) from audit.seals); delete from audit.seals "
        "where id = (select max(id) from audit.seals)",
        named_by=(CHECKPOINT, REPLAY),
    ),
    dba(
        "changes a record, drops all seals and seals again",
        "update audit.records set user_id = 1 where entity = 'InwardLog'; truncate audit.seals; select audit.seal()",
        named_by=(CHECKPOINT,),
    ),
    dba("changes a seal", "update audit.seals set sealed_at = sealed_at - interval '1 day'", named_by=(VERIFY,)),
    dba(
        "adds to the list of deleted records",
        "insert into audit.deletions select 1, 0, '{1}', array[sha256('x')]",
        named_by=(VERIFY,),
    ),
    dba(
        "plants a baseline for replay",
        "insert into audit.baselines values ('Product', 1, 99999, '{\"id\": 1}')",
        named_by=(VERIFY, REPLAY),
    ),
    dba("erases personal values", "delete from audit.personal_values", named_by=(VERIFY, REPLAY)),
    dba(
        "changes a personal value",
        "update audit.personal_values set value = '\"Someone\"' where entity = 'Customer'",
        named_by=(VERIFY, REPLAY),
    ),
    dba(
        "gives new records another era",
        "alter table audit.records alter column era set default 7",
        named_by=(RECORD, DOCTOR, VERIFY),
    ),
    dba("turns back the numbers of records", "select setval('audit.records_id_seq', 1)", named_by=(DOCTOR,)),
    # What stands before the trail
    dba(
        "swallows the records of customers by a trigger on the trail",
        TRIGGER.format(body="return case when new.entity <> 'Customer' then new end;"),
        CUSTOMER,
        named_by=(RECORD, DOCTOR, REPLAY),
    ),
    dba(
        "puts another user into the records of agencies by a trigger on the trail",
        TRIGGER.format(body="if new.entity = 'Agency' then new.user_id := 1; end if; return new;"),
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "makes a rule on the trail that does nothing instead",
        "create rule nothing as on insert to audit.records do instead nothing",
        named_by=(REFUSED,),
    ),
    dba(
        "makes that rule with the event triggers off",
        EVENTS.format("disable"),
        "create rule nothing as on insert to audit.records do instead nothing",
        ROW,
        named_by=(DOCTOR, REPLAY),
    ),
    dba(
        "puts the trail under row security",
        "alter table audit.records enable row level security, force row level security",
        named_by=(REFUSED,),
    ),
    dba(
        "puts it under row security with the event triggers off meanwhile",
        f"begin; {EVENTS.format('disable')}; alter table audit.records enable row level security, "
        f"force row level security; {EVENTS.format('enable always')}; commit",
        named_by=(DOCTOR, VERIFY, REPLAY),
    ),
    dba(
        "gives new records a user by default",
        "alter table audit.records alter column user_id set default 1",
        named_by=(RECORD, DOCTOR),
    ),
    dba("switches the event triggers off", EVENTS.format("disable"), named_by=(RECORD, DOCTOR)),
    # The code
    dba(
        "replaces who acts (`audit.current_actor`)",
        "create or replace function audit.current_actor() returns audit.actor language sql stable security definer "
        "as 'select audit.claimed_actor()'",
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "empties the check of rights (`audit.require_right`)",
        "create or replace function audit.require_right(target regclass, change text) returns void language sql as ''",
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "replaces the trigger function of a table",
        "create or replace function audit.record_inventory_customers() returns trigger language plpgsql "
        "security definer as 'begin return null; end'",
        CUSTOMER,
        named_by=(RECORD, DOCTOR, REPLAY),
    ),
    dba(
        "changes a view of the trail",
        "create or replace view public.audit_logs as select id, recorded_at as timestamp, user_id, username, action, "
        "entity, entity_id, null::text as field_changed, null::text as old_value, null::text as new_value "
        "from audit.trail",
        named_by=(RECORD, DOCTOR),
    ),
    # Rights and roles
    dba(
        "lets the application sign actors",
        "grant execute on function audit.sign_actor(bigint, bigint, text, text, text, text, text) to backstitch_app",
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "lets everybody make signatures",
        "grant execute on function audit.signature(text, text, text, text, text, text, text) to public",
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "lets viewers change products",
        "grant update on inventory.products to backstitch_viewer",
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "gives a login the right to write records",
        "grant insert on audit.records to {login}",
        named_by=(RECORD, DOCTOR),
    ),
    dba("gives a login the signing key", "grant select on audit.signing_keys to {login}", named_by=(RECORD, DOCTOR)),
    dba("makes a login a member of the owner", "grant backstitch_owner to {login}", named_by=(DOCTOR,)),
    dba(
        "gives new tables away by default privileges",
        "alter default privileges for role backstitch_owner in schema inventory grant insert on tables to {login}",
        named_by=(RECORD, DOCTOR),
    ),
    dba("reads the signing key and signs as another", "select key from audit.signing_keys", named_by=(NOBODY,)),
    dba(
        "gives a user another password",
        "update accounts.users set password_hash = 'bcrypt-sha256:x:y' where id = 1",
        named_by=(RECORD,),
    ),
    dba(
        "opens a session for a user",
        "insert into accounts.sessions (user_id, token_hash, expires_at) values (1, sha256('mine'), now() + '1 day')",
        named_by=(RECORD,),
    ),
    dba(
        "makes the application's login a superuser",
        "alter role backstitch_app superuser",
        named_by=(DOCTOR,),
        afterwards="alter role backstitch_app nosuperuser",
    ),
    dba(
        "lets the application's login work as a replica",
        "grant set on parameter session_replication_role to backstitch_app",
        named_by=(DOCTOR,),
        afterwards="revoke set on parameter session_replication_role from backstitch_app",
    ),
    dba(
        "lets the application's login only read",
        "alter role backstitch_app set default_transaction_read_only = on",
        named_by=(DOCTOR,),
        afterwards="alter role backstitch_app reset default_transaction_read_only",
    ),
    # Constraints and settings
    dba(
        "drops the rule that stock is never negative",
        f"alter table {CELL} drop constraint stock_never_negative",
        named_by=(RECORD, DOCTOR),
    ),
    dba("drops a unique index", "drop index accounts.email_unique", named_by=(RECORD, DOCTOR)),
    dba(
        "switches the foreign keys of a table off",
        "alter table inventory.order_lines disable trigger all",
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "adds a line of an order that does not exist, as a replica",
        REPLICA,
        "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity, unit_price) "
        "values (99, 1, 'RED', 'S', 1, 1)",
        named_by=(RECORD, DOCTOR),
    ),
    dba(
        "lets nobody write by a setting of the database",
        "alter database {database} set default_transaction_read_only = on",
        named_by=(DOCTOR,),
    ),
    dba(
        "changes what a backslash means by a setting of the database",
        "alter database {database} set standard_conforming_strings = off",
        named_by=(DOCTOR,),
    ),
    # The thief of the application's login
    thief("writes a record", A_RECORD.format(at="now()", transaction="3")),
    thief("deletes records", "delete from audit.records"),
    thief("changes a seal", "update audit.seals set sealed_at = now()"),
    thief("reads the trail", "select * from audit.records"),
    thief("changes a row", ROW),
    thief("takes an admin's role and changes a row", f"set role backstitch_admin; {ROW}"),
    thief(
        "puts a user into the settings and changes a row",
        "begin; set local role backstitch_admin; set local backstitch.user_id = 1; "
        "set local backstitch.session_id = 1; set local backstitch.role = backstitch_admin; "
        f"set local backstitch.signature = abc; {ROW}; commit",
    ),
    thief("signs an actor", "select audit.sign_actor(1, 1, 'backstitch_admin', 'page', null, null, null)"),
    thief("switches a trigger off", OFF),
    thief("works as a replica", REPLICA),
    thief(
        "replaces a function",
        "create or replace function audit.require_right(regclass, text) returns void language sql as ''",
    ),
    thief("notes an end of an interruption", "update audit.guards set since = null"),
    thief("names a session that does not exist", "select accounts.begin('none')"),
    thief(
        "hides the trail behind temporary tables of the same names",
        "create temp table records (id int); create temp table users (id int)",
        named_by=(NOBODY,),
    ),
)
