"""What can be wrong with a database, and what the doctor says to each: one case for each kind of finding.

A case does its damage in a transaction of a superuser that is rolled back, so what it does to roles and to the server
stays in it. `{month}` is the present month's partition of the trail, `{database}` the name of the database.
"""

from typing import NamedTuple

PRODUCTS = "inventory.products"
# As audit.watch makes one for a table of an administrator.
OWN_TABLE = (
    "create schema shop authorization backstitch_owner; set local role backstitch_owner; "
    "create table shop.tills (id bigint generated always as identity primary key, note text); "
    "select audit.watch('shop.tills'); reset role; "
)
TRIGGER_FUNCTION = (
    "create or replace function {} returns trigger language plpgsql security definer "
    "set search_path = pg_catalog, pg_temp as 'begin return null; end'"
)
NOT_OURS = "is not of this version of Backstitch"
OTHER = "is not that of this version"


class Case(NamedTuple):
    """The damage, and the finding: its check, its severity and its sentence."""

    damage: str
    check: str
    severity: str
    sentence: str


def alter_triggers_of(constraint: str, change: str) -> str:
    """Switches the triggers off, or on, that PostgreSQL keeps for a foreign key."""
    return (
        "do $$ declare one record; begin for one in select t.tgname, t.tgrelid::regclass as target from pg_trigger t "
        f"join pg_constraint c on c.oid = t.tgconstraint where c.conname = '{constraint}' loop execute format("
        f"'alter table %s {change} trigger %I', one.target, one.tgname); end loop; end $$"
    )


TABLES = [
    Case(
        "create table inventory.forgotten (id bigint primary key); alter table inventory.forgotten owner to "
        "backstitch_owner",
        "tables on the record", "error", "inventory.forgotten is not watched, so its changes leave no record",
    ),
    Case(
        "create table accounts.forgotten (id bigint primary key)",
        "tables on the record", "error", "accounts.forgotten is not watched, so its changes leave no record",
    ),
    Case(
        "drop trigger audit_insert on inventory.products; drop trigger audit_update on inventory.products; "
        "drop trigger audit_delete on inventory.products; drop trigger audit_truncate on inventory.products",
        "tables on the record", "error", f"{PRODUCTS} is not watched, so its changes leave no record",
    ),
    Case(
        "alter table accounts.sessions set unlogged",
        "tables on the record", "error",
        "accounts.sessions is not an ordinary, logged table, so changes could pass its triggers",
    ),
    Case(
        "delete from audit.watched_tables where relation = 'inventory.order_lines'::regclass",
        "tables on the record", "error", "inventory.order_lines is not watched, so its changes leave no record",
    ),
    Case(
        "update audit.watched_tables set redacted = '{{}}', personal = '{{email,name,role}}' "
        "where relation = 'accounts.users'::regclass",
        "tables on the record", "error",
        "accounts.users is watched as 'User', personal => '{email,name,role}', and should be as 'User', "
        "redacted => '{password_hash}', personal => '{email,name}'",
    ),
    Case(
        "drop trigger audit_truncate on inventory.products", "triggers of the trail", "error",
        f"{PRODUCTS} is without its triggers audit_truncate as they should be (ENABLE ALWAYS, for every statement)",
    ),
    Case(
        "alter table inventory.products disable trigger audit_update", "triggers of the trail", "error",
        f"{PRODUCTS} is without its triggers audit_update as they should be (ENABLE ALWAYS, for every statement)",
    ),
    Case(
        "alter table inventory.products enable replica trigger audit_delete", "triggers of the trail", "error",
        f"{PRODUCTS} is without its triggers audit_delete as they should be (ENABLE ALWAYS, for every statement)",
    ),
    Case(
        "create or replace trigger audit_update after update on inventory.products referencing old table as old_rows "
        "new table as new_rows for each statement when (false) execute function audit.record_inventory_products(); "
        "alter table inventory.products enable always trigger audit_update", "triggers of the trail", "error",
        f"{PRODUCTS} is without its triggers audit_update as they should be (ENABLE ALWAYS, for every statement)",
    ),
    Case(
        "create or replace trigger audit_insert after insert on inventory.products referencing new table as new_rows "
        "for each statement execute function audit.record_inventory_sales_logs(); "
        "alter table inventory.products enable always trigger audit_insert", "triggers of the trail", "error",
        f"{PRODUCTS} is without its triggers audit_insert as they should be (ENABLE ALWAYS, for every statement)",
    ),
    Case(
        OWN_TABLE + "alter table shop.tills disable trigger audit_insert", "triggers of the trail", "error",
        "shop.tills is without its triggers audit_insert as they should be (ENABLE ALWAYS, for every statement)",
    ),
    Case(
        OWN_TABLE + "drop function audit.record_shop_tills() cascade", "trigger functions", "error",
        "shop.tills has lost its trigger function",
    ),
    Case(
        OWN_TABLE + TRIGGER_FUNCTION.format("audit.record_shop_tills()"), "trigger functions", "error",
        "shop.tills has a trigger function that is not made from its present columns",
    ),
    Case(
        OWN_TABLE + "alter function audit.record_shop_tills() security invoker", "trigger functions", "error",
        "shop.tills has a trigger function that is not made from its present columns",
    ),
    Case(
        "alter table inventory.products add season text; set local role backstitch_owner; "
        "select audit.watch('inventory.products'); reset role; "
        + TRIGGER_FUNCTION.format("audit.record_inventory_products()"), "trigger functions", "error",
        f"{PRODUCTS} has a trigger function that is not made from its present columns",
    ),
    Case(
        "alter table inventory.products add season text", "trigger functions", "error",
        f"{PRODUCTS} has changed its columns since it was last watched",
    ),
    Case(
        OWN_TABLE + "create role thief; grant create on schema audit to thief; "
        "alter function audit.record_shop_tills() owner to thief", "trigger functions", "error",
        "shop.tills has a trigger function of an owner that could replace it",
    ),
    Case(
        "create trigger late after insert on inventory.products for each row execute function inventory.check_sizes()",
        "order of triggers", "error", f"{PRODUCTS} has a trigger late that can write rows before they are recorded",
    ),
    Case(
        "create trigger aaa after insert on inventory.products execute function inventory.refuse_truncate()",
        "order of triggers", "error", f"{PRODUCTS} has a trigger aaa that can write rows before they are recorded",
    ),
]  # fmt: skip

ROLES = [
    Case("alter role backstitch_app createdb", "roles", "error", "backstitch_app has the attribute createdb"),
    Case("alter role backstitch_app superuser", "roles", "error", "backstitch_app has the attribute superuser"),
    Case("alter role backstitch_watch bypassrls replication", "roles", "error",
         "backstitch_watch has the attribute replication and has the attribute bypassrls"),
    Case("alter role backstitch_viewer login", "roles", "error", "backstitch_viewer has the attribute login"),
    Case("alter role backstitch_owner login", "roles", "error", "backstitch_owner has the attribute login"),
    Case("alter role backstitch_app nologin", "roles", "error", "backstitch_app lacks the attribute login"),
    Case("alter role backstitch_app valid until '2001-01-01'", "roles", "error",
         "backstitch_app has the attribute expired"),
    Case("alter role backstitch_app connection limit 0", "roles", "error",
         "backstitch_app has the attribute no-connections"),
    Case("grant pg_monitor to backstitch_app", "roles", "error", "backstitch_app is a member of pg_monitor"),
    Case("grant backstitch_admin to backstitch_viewer", "roles", "error",
         "backstitch_viewer is a member of backstitch_admin"),
    Case("grant backstitch_owner to backstitch_app", "roles", "error",
         "backstitch_app is a member of backstitch_owner"),
    Case("grant backstitch_admin to backstitch_app with admin option", "roles", "error",
         "backstitch_app is a member of backstitch_admin with the options set admin, and should be with set"),
    Case("revoke backstitch_manager from backstitch_app", "roles", "error",
         "backstitch_app is not a member of backstitch_manager"),
    Case("create role dba login; grant backstitch_owner to dba", "roles", "warning",
         "dba is a member of backstitch_owner"),
    Case("create role dba login; create role head login; grant backstitch_analyst to head with admin option; "
         "set local role head; grant backstitch_analyst to dba; reset role", "roles", "warning",
         "dba is a member of backstitch_analyst"),
    Case("create role clerk login; grant backstitch_manager to clerk", "roles", "error",
         "clerk is a member of backstitch_manager"),
    Case("create role other login; grant backstitch_manager to other with admin option", "roles", "warning",
         "other is a member of backstitch_manager"),
    Case("create role backstitch_guest", "roles", "warning", f"role backstitch_guest {NOT_OURS}"),
    Case("alter view public.audit_logs owner to backstitch_viewer", "roles", "error",
         "backstitch_viewer owns view public.audit_logs"),
]  # fmt: skip

OBJECTS = [
    Case("create trigger quiet before insert on audit.records for each row execute function inventory.check_sizes()",
         "triggers", "error", f"trigger quiet on audit.records {NOT_OURS}"),
    Case("create trigger quiet before insert on {month} for each row execute function inventory.check_sizes()",
         "triggers", "error", f"trigger quiet on {{month}} {NOT_OURS}"),
    Case("create rule nothing as on insert to audit.records do instead nothing", "triggers", "error",
         f"rule nothing on audit.records {NOT_OURS}"),
    Case("create rule nothing as on delete to inventory.agencies do instead nothing", "triggers", "error",
         f"rule nothing on inventory.agencies {NOT_OURS}"),
    Case("create function public.hush() returns event_trigger language plpgsql as 'begin end'; "
         "create event trigger hush on ddl_command_start execute function public.hush()", "triggers", "error",
         f"event trigger hush {NOT_OURS}"),
    Case("create function public.hush() returns event_trigger language plpgsql as 'begin end'; "
         "create event trigger backstitch_watch_ddl on ddl_command_end execute function public.hush()", "triggers",
         "error", "event trigger backstitch_watch_ddl is not as Backstitch makes it: enabled always, of a superuser"),
    Case("create function audit.rows_in_use(bigint) returns bigint language sql as 'select 1::bigint'", "functions",
         "error", f"function audit.rows_in_use(bigint) {NOT_OURS}"),
    Case('create function audit."Odd $name"() returns integer language sql as \'select 1\'', "functions", "error",
         f'function audit."Odd $name"() {NOT_OURS}'),
    Case("create role stranger superuser; set local role stranger; "
         "create function public.other(integer, bigint) returns boolean language sql as 'select true'; "
         "create operator public.= (leftarg = integer, rightarg = bigint, function = public.other); reset role",
         "functions", "error", "operator public.= (integer, bigint) was added to those of PostgreSQL, where functions "
         "of Backstitch can find it"),
    Case("create function public.hidden(jsonb) returns text language sql as 'select 1::text'; "
         "create role stranger superuser; alter function public.hidden(jsonb) owner to stranger; "
         "create cast (jsonb as text) with function public.hidden(jsonb) as implicit", "functions", "error",
         "cast from jsonb to text was added to those of PostgreSQL, where functions of Backstitch can find it"),
    Case("create function pg_catalog.lower(varchar) returns text language sql as 'select null::text'", "functions",
         "warning", "system function pg_catalog.lower(character varying) was added to those of PostgreSQL, where "
         "functions of Backstitch can find it"),
    Case("create view inventory.report as select count(*) from inventory.orders", "views and policies", "warning",
         f"view inventory.report {NOT_OURS}"),
    Case("create policy more on accounts.users to backstitch_viewer using (true)", "views and policies", "error",
         f"policy more on accounts.users {NOT_OURS}"),
    Case("create policy hide on audit.records using (false)", "views and policies", "error",
         f"policy hide on audit.records {NOT_OURS}"),
    Case("alter table audit.records enable row level security, force row level security", "tables and constraints",
         "error", f"table audit.records {OTHER}: it is “p p row security forced RANGE (recorded_at)” and should be "
         "“p p RANGE (recorded_at)”"),
    Case("alter table accounts.users disable row level security", "tables and constraints", "error",
         f"table accounts.users {OTHER}: it is “r p” and should be “r p row security”"),
    Case("alter table audit.seals set unlogged", "tables and constraints", "error",
         f"table audit.seals {OTHER}: it is “r u” and should be “r p”"),
    Case("create table inventory.mine (id bigint primary key)", "tables and constraints", "warning",
         f"table inventory.mine {NOT_OURS}"),
    Case("create table audit.more () inherits (audit.watched_tables)", "tables and constraints", "error",
         f"child table audit.more {NOT_OURS}"),
    Case("create table public.above (file text); alter table public.backstitch_code inherit public.above",
         "tables and constraints", "error",
         "parent table public.above is the parent of public.backstitch_code, whose rows it can change past their "
         "triggers"),
    Case("alter table {month} set unlogged", "tables and constraints", "error",
         "month {month} is unlogged, as no month of the trail should be"),
    Case("alter table {month} enable row level security", "tables and constraints", "error",
         "month {month} is under row security, as no month of the trail should be"),
    Case("alter table {month} add constraint no_agencies check (entity <> 'Agency')", "tables and constraints",
         "error", f"constraint no_agencies on {{month}} {NOT_OURS}"),
    Case("alter table {month} alter column reason set default 'none'", "tables and constraints", "error",
         f"default {{month}}.reason {NOT_OURS}"),
    Case("create unique index once on {month} (id)", "tables and constraints", "error",
         f"index audit.once {NOT_OURS}"),
    Case("alter table inventory.orders add season text", "tables and constraints", "warning",
         f"column inventory.orders.season {NOT_OURS}"),
    Case("alter table audit.records add note text", "tables and constraints", "error",
         f"column audit.records.note {NOT_OURS}"),
    Case("alter table inventory.orders add season text default current_user", "tables and constraints", "error",
         f"default inventory.orders.season {NOT_OURS}"),
    Case("alter table accounts.users add twice text generated always as (email || name) stored",
         "tables and constraints", "error", f"default accounts.users.twice {NOT_OURS}"),
    Case("alter table audit.records alter column user_id set default 1", "tables and constraints", "error",
         f"default audit.records.user_id {NOT_OURS}"),
    Case("alter table accounts.users alter must_change_password set default true", "tables and constraints", "error",
         f"default accounts.users.must_change_password {OTHER}: it is “true” and should be “false”"),
    Case("alter table inventory.orders alter date drop default", "tables and constraints", "error",
         "default inventory.orders.date is missing"),
    Case("alter table inventory.customers alter id set generated by default", "tables and constraints", "error",
         f"default inventory.customers.id {OTHER}: it is “identity d” and should be “identity a”"),
    Case("alter table inventory.agencies alter id drop identity", "tables and constraints", "error",
         "default inventory.agencies.id is missing"),
    Case("alter table accounts.users alter email drop not null", "tables and constraints", "error",
         f"column accounts.users.email {OTHER}: it is “text” and should be “text not null”"),
    Case('alter table inventory.orders alter note type text collate "C"', "tables and constraints", "error",
         f"column inventory.orders.note {OTHER}: it is “text collate \"C\" not null” and should be “text not null”"),
    Case("alter table inventory.product_color_stocks drop constraint stock_never_negative", "tables and constraints",
         "error", "constraint stock_never_negative on inventory.product_color_stocks is missing"),
    Case("alter table inventory.product_color_stocks drop constraint stock_never_negative, add constraint "
         "stock_never_negative check (quantity >= -5)", "tables and constraints", "error",
         f"constraint stock_never_negative on inventory.product_color_stocks {OTHER}: it is "
         "“CHECK ((quantity >= '-5'::integer))” and should be “CHECK ((quantity >= 0))”"),
    Case("alter table inventory.product_color_stocks drop constraint stock_never_negative, add constraint "
         "stock_never_negative check (quantity >= 0) not valid", "tables and constraints", "error",
         f"constraint stock_never_negative on inventory.product_color_stocks {OTHER}: it is “CHECK ((quantity >= 0)) "
         "NOT VALID not valid” and should be “CHECK ((quantity >= 0))”"),
    Case(alter_triggers_of("line_of_product", "disable"), "tables and constraints", "error",
         f"constraint line_of_product on inventory.order_lines {OTHER}: it is “FOREIGN KEY (product_id) REFERENCES "
         "inventory.products(id) its triggers off” and should be “FOREIGN KEY (product_id) REFERENCES "
         "inventory.products(id)”"),
    Case("alter table inventory.orders add constraint my_rule check (note <> 'x')", "tables and constraints",
         "warning", f"constraint my_rule on inventory.orders {NOT_OURS}"),
    Case("alter table inventory.order_lines drop constraint order_line_unique", "tables and constraints", "error",
         "constraint order_line_unique on inventory.order_lines is missing"),
    Case("alter domain audit.action drop constraint action_known", "tables and constraints", "error",
         "constraint action_known of audit.action is missing"),
    Case("alter domain audit.source add constraint no_sql check (value <> 'SQL') not valid", "tables and constraints",
         "error", f"constraint no_sql of audit.source {NOT_OURS}"),
    Case("drop index inventory.orders_open", "tables and constraints", "error",
         "index inventory.orders_open is missing"),
    Case("update pg_index set indisvalid = false where indexrelid = 'inventory.orders_open'::regclass",
         "tables and constraints", "error", f"index inventory.orders_open {OTHER}: it is “CREATE INDEX orders_open ON "
         "inventory.orders USING btree (status) WHERE (status = ANY (ARRAY['draft'::text, 'confirmed'::text, "
         "'dispatched'::text])) invalid” and should be “CREATE INDEX orders_open ON inventory.orders USING btree "
         "(status) WHERE (status = ANY (ARRAY['draft'::text, 'confirmed'::text, 'dispatched'::text]))”"),
    Case("create index mine on inventory.orders (note)", "tables and constraints", "warning",
         f"index inventory.mine {NOT_OURS}"),
    Case("create unique index mine on audit.seals (root)", "tables and constraints", "error",
         f"index audit.mine {NOT_OURS}"),
    Case("alter sequence audit.records_id_seq maxvalue 9999 cycle", "tables and constraints", "error",
         f"sequence audit.records_id_seq {OTHER}: it is “bigint from 1 start 1 to 9999 by 1 cache 1 cycle of "
         "audit.records.id” and should be “bigint from 1 start 1 to 9223372036854775807 by 1 cache 1 of "
         "audit.records.id”"),
    Case("alter sequence audit.records_id_seq owned by none", "tables and constraints", "error",
         f"sequence audit.records_id_seq {OTHER}: it is “bigint from 1 start 1 to 9223372036854775807 by 1 cache 1” "
         "and should be “bigint from 1 start 1 to 9223372036854775807 by 1 cache 1 of audit.records.id”"),
    Case("alter domain audit.action set default 'CREATE'", "tables and constraints", "error",
         f"type audit.action {OTHER}: it is “domain over text default 'CREATE'::text” and should be “domain over "
         "text”"),
    Case("create type inventory.colour as enum ('red', 'blue')", "tables and constraints", "warning",
         f"type inventory.colour {NOT_OURS}"),
]  # fmt: skip

RIGHTS = [
    Case("grant update on inventory.products to backstitch_viewer", "rights and owners", "error",
         f"right UPDATE on table inventory.products to backstitch_viewer {NOT_OURS}"),
    Case("grant update (value) on audit.personal_values to backstitch_admin", "rights and owners", "error",
         f"right UPDATE on column audit.personal_values.value to backstitch_admin {NOT_OURS}"),
    Case("grant insert on {month} to backstitch_app", "rights and owners", "error",
         f"right INSERT on table {{month}} to backstitch_app {NOT_OURS}"),
    Case("grant execute on function audit.sign_actor(bigint, bigint, text, text, text, text, text) to backstitch_app",
         "rights and owners", "error", "right EXECUTE on function "
         f"audit.sign_actor(bigint,bigint,text,text,text,text,text) to backstitch_app {NOT_OURS}"),
    Case("grant execute on function audit.signature(text, text, text, text, text, text, text) to public",
         "rights and owners", "error", "right EXECUTE on function "
         f"audit.signature(text,text,text,text,text,text,text) to public {NOT_OURS}"),
    Case("grant select on audit.trail to backstitch_analyst with grant option", "rights and owners", "error",
         f"right SELECT on view audit.trail to backstitch_analyst {OTHER}: it is “with grant option” and should be “”"),
    Case("create role head; grant select on audit.trail to head with grant option; grant usage on schema audit to head;"
         " set local role head; grant select on audit.trail to backstitch_viewer; reset role", "rights and owners",
         "error", f"right SELECT on view audit.trail to backstitch_viewer by head {NOT_OURS}"),
    Case("grant create on schema public to public", "rights and owners", "error",
         f"right CREATE on schema public to public {NOT_OURS}"),
    Case("grant create on database {database} to backstitch_app", "rights and owners", "error",
         f"right CREATE on database to backstitch_app {NOT_OURS}"),
    Case("revoke select on public.alembic_version from backstitch_watch", "rights and owners", "error",
         "right SELECT on table public.alembic_version to backstitch_watch is missing"),
    Case("create role bob login; grant update on public.alembic_version to bob", "rights and owners", "error",
         f"foreign right UPDATE on table public.alembic_version to bob {NOT_OURS}"),
    Case("create role bob login; grant insert on audit.records to bob", "rights and owners", "error",
         f"foreign right INSERT on table audit.records to bob {NOT_OURS}"),
    Case("create role bob login; grant update on audit.seals to bob", "rights and owners", "error",
         f"foreign right UPDATE on table audit.seals to bob {NOT_OURS}"),
    Case("create role bob login; grant delete on audit.signing_keys to bob", "rights and owners", "error",
         f"foreign right DELETE on table audit.signing_keys to bob {NOT_OURS}"),
    Case("create role bob login; grant select on audit.signing_keys to bob", "rights and owners", "error",
         f"foreign right SELECT on table audit.signing_keys to bob {NOT_OURS}"),
    Case("create role bob login; grant select (password_hash) on accounts.users to bob", "rights and owners", "error",
         f"foreign right SELECT on column accounts.users.password_hash to bob {NOT_OURS}"),
    Case("create role bob login; grant select on accounts.sessions to bob", "rights and owners", "error",
         f"foreign right SELECT on table accounts.sessions to bob {NOT_OURS}"),
    Case("create role bob login; grant usage on sequence audit.records_id_seq to bob", "rights and owners", "error",
         f"foreign right USAGE on sequence audit.records_id_seq to bob {NOT_OURS}"),
    Case("create role bob login; grant create on schema audit to bob", "rights and owners", "error",
         f"foreign right CREATE on schema audit to bob {NOT_OURS}"),
    Case("create role bob login; grant execute on function audit.forget_actor() to bob", "rights and owners", "error",
         f"foreign right EXECUTE on function audit.forget_actor() to bob {NOT_OURS}"),
    Case("create role bob login; grant execute on function accounts.reads_trail() to bob", "rights and owners",
         "warning", f"foreign right EXECUTE on function accounts.reads_trail() to bob {NOT_OURS}"),
    Case("create role bob login; grant select on audit.trail to bob with grant option", "rights and owners", "warning",
         f"foreign right SELECT on view audit.trail to bob {NOT_OURS}"),
    Case("create role bob login; grant select on inventory.products to bob", "rights and owners", "warning",
         f"foreign right SELECT on table inventory.products to bob {NOT_OURS}"),
    Case("alter default privileges for role backstitch_owner in schema audit grant insert on tables to public",
         "rights and owners", "error",
         f"default right INSERT on tables of backstitch_owner in schema audit to public {NOT_OURS}"),
    Case("alter default privileges grant select on tables to backstitch_viewer", "rights and owners", "error",
         f"default right SELECT on tables of postgres to backstitch_viewer {NOT_OURS}"),
    Case("grant set on parameter session_replication_role to backstitch_manager", "rights and owners", "error",
         f"parameter right SET on session_replication_role to backstitch_manager {NOT_OURS}"),
    Case("create role bob login; grant alter system on parameter fsync to bob", "rights and owners", "error",
         f"parameter right ALTER SYSTEM on fsync to bob {NOT_OURS}"),
    Case("alter function accounts.me() owner to postgres", "rights and owners", "error",
         f"the owner of function accounts.me() {OTHER}: it is “postgres” and should be “backstitch_owner”"),
    Case("alter schema audit owner to postgres", "rights and owners", "error",
         f"the owner of schema audit {OTHER}: it is “postgres” and should be “backstitch_owner”"),
    Case("alter domain audit.action owner to postgres", "rights and owners", "error",
         f"the owner of type audit.action {OTHER}: it is “postgres” and should be “backstitch_owner”"),
    Case("alter table public.backstitch_steps owner to postgres", "rights and owners", "error",
         f"the owner of table public.backstitch_steps {OTHER}: it is “postgres” and should be “backstitch_owner”"),
    Case("alter table public.alembic_version owner to backstitch_watch", "rights and owners", "error",
         f"the owner of table public.alembic_version {OTHER}: it is “backstitch_watch” and should be “the login that "
         "migrates”"),
    Case("create subscription copied connection 'dbname=nowhere' publication p with (connect = false); "
         "insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select oid, 'inventory.products'::regclass, "
         "'r' from pg_subscription where subname = 'copied'", "replication", "error",
         "subscription copied writes tables of Backstitch past their triggers"),
    Case("create publication everything for all tables", "replication", "warning",
         "publication everything sends changes of tables of Backstitch to whoever subscribes"),
]  # fmt: skip

SETTINGS = [
    Case(f"alter role {role} set {setting} = '{value}'", "settings", severity,
         f"setting {setting} of role {role} is set to {value}, and should not be set")
    for role, setting, value, severity in (
        ("backstitch_app", "default_transaction_read_only", "on", "error"),
        ("backstitch_app", "role", "backstitch_admin", "error"),
        ("backstitch_app", "statement_timeout", "1", "error"),
        ("backstitch_app", "statement_timeout", "60s", "warning"),
        ("backstitch_app", "standard_conforming_strings", "off", "error"),
        ("backstitch_watch", "search_path", "public", "error"),
        ("backstitch_manager", "session_replication_role", "replica", "error"),
        ("backstitch_app", "row_security", "off", "error"),
        ("backstitch_app", "check_function_bodies", "off", "error"),
        ("backstitch_app", "default_transaction_isolation", "serializable", "error"),
        ("backstitch_app", "backstitch.source", "page", "error"),
        ("backstitch_app", "work_mem", "64kB", "warning"),
        ("backstitch_app", "synchronous_commit", "off", "warning"),
    )
] + [
    Case("alter database {database} set default_transaction_read_only = on", "settings", "error",
         "setting default_transaction_read_only of everybody is set to on, and should not be set"),
    Case("alter database {database} set role = backstitch_admin", "settings", "error",
         "setting role of everybody is set to backstitch_admin, and should not be set"),
    Case("alter role all set session_replication_role = replica", "settings", "error",
         "setting session_replication_role of every role is set to replica, and should not be set"),
    Case("alter role backstitch_app in database {database} set lock_timeout = '1ms'", "settings", "error",
         "setting lock_timeout of role backstitch_app in this database is set to 1ms, and should not be set"),
]  # fmt: skip

TRAIL = [
    Case("do $$ begin execute (select 'drop table audit.records_' || "
         "to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM')); end $$", "partitions ahead", "warning",
         "audit.records has no partition for {next_month}"),
    Case("insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, new_values) "
         "select moment, 1, 'MAINTENANCE', 'User', 'SQL', 'x', '{{}}' "
         "from unnest('{{2101-01-01, 2101-01-31 23:59Z, 2102-03-01}}'::timestamptz[]) moment; "
         "select setval('audit.records_id_seq', 90)",
         "default partition", "warning", "audit.records_default holds records, of months that had no partition; "
         "nothing is lost, but reading them is slow"),
    Case("alter table only audit.records alter column era set default 2", "seals", "error",
         "audit.records gives new records era 2, and the present one is 1"),
    Case("alter table only audit.records alter column era drop default", "seals", "error",
         "audit.records gives new records era null, and the present one is 1"),
    Case("alter sequence audit.records_id_seq restart", "numbers", "error",
         "sequence audit.records_id_seq stands at its start, below the number {newest} that a row of audit.records "
         "has"),
    Case("select setval('accounts.users_id_seq', 2)", "numbers", "error",
         "sequence accounts.users_id_seq stands at 2, below the number 4 that a row of accounts.users has"),
]  # fmt: skip

# As a version before this one could have had it: it lets every right pass.
OLD_FUNCTION = (
    "create or replace function audit.require_right(target regclass, change text) returns void language plpgsql stable "
    "set search_path = pg_catalog, pg_temp as 'begin end'"
)

# What the code of db/ makes, and `migrate --reapply` makes anew.
REAPPLIED = [
    Case(OLD_FUNCTION, "functions", "error", f"function audit.require_right(regclass,text) {OTHER}"),
    Case("create or replace function audit.current_actor() returns audit.actor language sql stable security definer "
         "set search_path = pg_catalog, pg_temp as 'select null::audit.actor'", "functions", "error",
         f"function audit.current_actor() {OTHER}"),
    Case("alter function accounts.begin(text, text, text, text, text) reset search_path", "functions", "error",
         f"function accounts.begin(text,text,text,text,text) {OTHER}"),
    Case("update pg_proc set prosrc = prosrc || ' ' where proname = 'record_inventory_products'", "functions", "error",
         f"function audit.record_inventory_products() {OTHER}"),
    Case("drop function accounts.unlock(bigint)", "functions", "error", "function accounts.unlock(bigint) is missing"),
    Case("alter table inventory.sales_logs disable trigger move_stock_insert", "triggers", "error",
         f"trigger move_stock_insert on inventory.sales_logs {OTHER}"),
    Case("drop trigger follow_order on inventory.orders", "triggers", "error",
         "trigger follow_order on inventory.orders is missing"),
    Case("create or replace view runtime.sessions as select s.id, s.user_id, s.kind, s.token_hash, s.address, "
         "s.user_agent, s.created_at, s.revoked_at, s.created_at as last_seen_at, s.expires_at as ends_at "
         "from accounts.sessions s", "views and policies", "error", f"view runtime.sessions {OTHER}"),
    Case("alter policy for_signed_in on accounts.users using (true)", "views and policies", "error",
         f"policy for_signed_in on accounts.users {OTHER}"),
    Case("revoke select on audit.trail from backstitch_analyst", "rights and owners", "error",
         "right SELECT on view audit.trail to backstitch_analyst is missing"),
    Case("revoke usage on schema accounts from backstitch_app", "rights and owners", "error",
         "right USAGE on schema accounts to backstitch_app is missing"),
]  # fmt: skip

CASES = [*TABLES, *ROLES, *OBJECTS, *RIGHTS, *SETTINGS, *TRAIL]

# Findings for which there is no command.
FROM_A_REVISION = Case(
    "create or replace function inventory.financial_year(day date) returns text language sql immutable strict "
    "parallel safe as 'select null::text'",
    "functions", "error", f"function inventory.financial_year(date) {OTHER}",
)  # fmt: skip
OF_POSTGRESQL = Case(
    "create or replace function pg_catalog.sha256(bytea) returns bytea language sql immutable strict as 'select $1'",
    "functions", "error", "functions of PostgreSQL itself are not those that it comes with",
)  # fmt: skip
LOST_COLUMN = Case(
    "alter table inventory.orders drop column note cascade",
    "tables and constraints", "error", "column inventory.orders.note is missing",
)  # fmt: skip
LOST_TABLE = Case(
    "drop table audit.deletions cascade", "tables and constraints", "error", "table audit.deletions is missing"
)
OTHER_TYPE = Case(
    "alter type audit.undo_step add attribute more text",
    "tables and constraints", "error", f"type audit.undo_step {OTHER}",
)  # fmt: skip
PARTITIONED = Case(
    "create table accounts.forgotten (id bigint primary key) partition by range (id)",
    "tables on the record", "error", "accounts.forgotten is not watched, so its changes leave no record",
)  # fmt: skip
