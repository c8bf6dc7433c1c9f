"""Roles, schemas, types, tables, constraints and indexes: everything that is not code.

Why: everything else (the trail, the stock books, sign-in) is code, and stands in db/**/*.sql (see db/code.py).
Locks: none that matter, the database is empty.

Roles belong to the whole server, so they are created only where they are missing; the login of the application gets
its password at start-up (backstitch.startup), not here. The functions here are asked by constraints, so they are
frozen with them. Who may do what is db/rights.sql.
"""

from db.migrations.sql import run_as_owner, run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLES = r"""
do $$
declare
    role_name text;
begin
    foreach role_name in array array[
        'backstitch_owner', 'backstitch_admin', 'backstitch_manager',
        'backstitch_analyst', 'backstitch_viewer', 'backstitch_app'
    ] loop
        if not exists (select from pg_roles where rolname = role_name) then
            begin
                -- NOINHERIT: the login may become one of the four roles, it is none of them by itself.
                execute format('create role %I %s', role_name,
                               case role_name when 'backstitch_app' then 'login noinherit' else 'nologin' end);
            exception when duplicate_object or unique_violation then
                null; -- another database of this server is being migrated at the same moment
            end;
        end if;
    end loop;
end
$$;

grant backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer
    to backstitch_app;
grant backstitch_owner to session_user;

do $$
begin
    execute format('grant create, connect on database %I to backstitch_owner', current_database());
end
$$;

grant create on schema public to backstitch_owner;

-- The application checks at its start that the database is up to date.
grant select on public.alembic_version to backstitch_app;
"""

SCHEMAS = r"""
create schema inventory;
create schema accounts;
create schema audit;
-- What is written all day and means nothing tomorrow, so it is not on the record: of the attempts the trail has
-- each failure and each lock-out, of the activity each beginning and each end of a session.
create schema runtime;

create table public.backstitch_code (
    file text constraint backstitch_code_pkey primary key,
    sha256 text not null,
    version text not null,
    applied_at timestamptz not null default now()
);
comment on table public.backstitch_code is 'The files of db/ that this database runs, as db/code.py applied them.';
comment on column public.backstitch_code.version is 'The version of Backstitch that applied the file.';

create table public.backstitch_steps (
    name text constraint backstitch_steps_pkey primary key,
    applied_at timestamptz not null default now()
);
comment on table public.backstitch_steps is 'The steps on data (db/steps/) that this database has taken, each once.';
"""

ACCOUNTS = r"""
create table accounts.users (
    id bigint generated always as identity primary key,
    email text not null
        constraint email_has_an_at check (email ~ '^[^@\s]+@[^@\s]+$' and length(email) <= 254),
    name text not null constraint name_not_blank check (name ~ '\S'),
    role text not null
        constraint role_known check (role in ('admin', 'manager', 'analyst', 'viewer')),
    password_hash text,
    is_active boolean not null default true,
    must_change_password boolean not null default false
);
create unique index email_unique on accounts.users (lower(email));

comment on table accounts.users is
    'People who sign in. Never deleted: the trail names them.';
comment on column accounts.users.password_hash is
    'bcrypt-sha256:<bcrypt salt>:<SHA-256 of the bcrypt result, hex>. The database can check a '
    'sign-in with it, and reading it does not help to sign in.';

create table accounts.sessions (
    id bigint generated always as identity primary key,
    user_id bigint not null references accounts.users,
    token_hash bytea not null,
    address inet,
    user_agent text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    idle_limit interval not null default '8 hours',
    revoked_at timestamptz
);
create unique index live_session_by_token on accounts.sessions (token_hash)
    where revoked_at is null;
create index sessions_by_token on accounts.sessions (token_hash);
create index sessions_by_user on accounts.sessions (user_id);

comment on table accounts.sessions is
    'Sign-ins. Only the SHA-256 of the token is kept; a change is attributed to the user of a live row.';
comment on column accounts.sessions.expires_at is 'The absolute end, however busy the session is.';
comment on column accounts.sessions.idle_limit is
    'How long after it was last seen (runtime.session_activity) the session ends by itself.';

create table runtime.sign_in_attempts (
    key bytea primary key,
    failures integer not null constraint failures_not_negative check (failures >= 0),
    locked_until timestamptz,
    forget_at timestamptz not null
);
create index sign_in_attempts_to_forget on runtime.sign_in_attempts (forget_at);

comment on table runtime.sign_in_attempts is
    'Failed sign-ins per user name, per known browser and per network, until they are forgotten.';
comment on column runtime.sign_in_attempts.key is
    'A keyed hash of the name, the browser or the network, so that nothing about a person is kept here.';

create table runtime.session_activity (
    session_id bigint primary key,
    last_seen_at timestamptz not null
);

create table runtime.used_assertions (
    key bytea primary key,
    forget_at timestamptz not null
);

comment on table runtime.used_assertions is
    'Keyed hashes of what an identity provider has said and was believed, once; kept until it is too old anyway.';

create table runtime.single_sign_on (
    only_row boolean primary key default true constraint one_single_sign_on check (only_row),
    secret_hash bytea not null
);

comment on table runtime.single_sign_on is
    'SHA-256 of the secret with which the application vouches for the identity provider; empty without one.';
comment on table runtime.session_activity is 'When a session was last seen, to the minute; written by accounts.seen.';
"""

CONSTRAINT_FUNCTIONS = r"""
create function inventory.gstin_valid(gstin text) returns boolean
language sql immutable strict parallel safe
as $$
    -- State, PAN, registration of that PAN in the state, one more character, and the check digit in base 36: values at
    -- even positions count twice, and of each product its two digits in base 36 are added.
    select gstin ~ '^(0[1-9]|[12][0-9]|3[0-8])[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][0-9A-Z]{2}$'
        and substr(gstin, 15, 1) = substr(alphabet.all_36, (1 + (36 - total.digits % 36) % 36)::integer, 1)
    from (values ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')) alphabet (all_36)
    cross join lateral (
        select sum(product / 36 + product % 36) as digits
        from (select (strpos(alphabet.all_36, substr(gstin, n, 1)) - 1) * (2 - n % 2) as product
              from generate_series(1, 14) n) products
    ) total
$$;
comment on function inventory.gstin_valid(text) is 'Whether a GSTIN has the form and the check digit of one.';

create function inventory.financial_year(day date) returns text
language sql immutable strict parallel safe
as $$
    select format('%s-%s', began, lpad(((began + 1) % 100)::pg_catalog.text, 2, '0'))
    from (select extract(year from day - interval '3 months')::integer as began) year
$$;
comment on function inventory.financial_year(date) is 'The financial year (April to March) of a day, e.g. 2026-27.';
"""

PRODUCTS = r"""
create table inventory.products (
    id bigint generated always as identity primary key,
    sku text not null
        constraint sku_unique unique
        constraint sku_not_blank check (sku ~ '\S' and length(sku) <= 60),
    name text not null constraint product_name_not_blank check (name ~ '\S'),
    description text not null default '',
    category text not null default '',
    unit_price numeric(12,2) constraint price_not_negative check (unit_price >= 0),
    hsn_code text constraint hsn_code_digits check (hsn_code ~ '^[0-9]{4,8}$'),
    gst_rate numeric(5,2) constraint gst_rate_percent check (gst_rate between 0 and 100),
    sizes text[] not null
        constraint sizes_not_empty check (cardinality(sizes) between 1 and 40),
    reorder_level integer not null default 0
        constraint reorder_level_not_negative check (reorder_level >= 0),
    allowed_stores text[] not null default '{}',
    allowed_agencies text[] not null default '{}',
    is_active boolean not null default true
);

comment on table inventory.products is 'A design as it is sold; its colours and sizes span the stock matrix.';
comment on column inventory.products.sizes is 'In the order in which the matrix shows them.';

create table inventory.product_colors (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    color text not null constraint color_not_blank check (color ~ '\S'),
    colour_code text not null
        constraint colour_code_not_blank check (colour_code ~ '\S' and length(colour_code) <= 40),
    is_active boolean not null default true,
    constraint colour_code_unique unique (product_id, colour_code)
);

create table inventory.product_color_stocks (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null default 0
        constraint stock_never_negative check (quantity >= 0),
    is_active boolean not null default true,
    -- A movement into a cell out of use would break it, and so would taking a cell with stock out of use.
    constraint inactive_cell_empty check (is_active or quantity = 0),
    constraint stock_cell_unique unique (product_id, colour_code, size),
    constraint colour_of_product foreign key (product_id, colour_code)
        references inventory.product_colors (product_id, colour_code)
);

comment on table inventory.product_color_stocks is
    'The cells of the colour x size matrix. The quantity is moved by the database (db/inventory/movements.sql) only.';
"""

PARTIES = r"""
create table inventory.customers (
    id bigint generated always as identity primary key,
    store_name text not null
        constraint customer_name_not_blank check (store_name ~ '\S' and length(store_name) <= 120),
    gst_number text constraint gstin_valid check (inventory.gstin_valid(gst_number)),
    phone text constraint mobile_ten_digits check (phone ~ '^[6-9][0-9]{9}$'),
    address text not null default '',
    pincode text constraint pincode_six_digits check (pincode ~ '^[1-9][0-9]{5}$'),
    payment_days integer not null default 0
        constraint payment_days_within_year check (payment_days between 0 and 365),
    region text not null default '',
    is_active boolean not null default true
);
create index customers_by_name on inventory.customers (lower(store_name));

create table inventory.agencies (
    id bigint generated always as identity primary key,
    agency_name text not null
        constraint agency_name_not_blank check (agency_name ~ '\S' and length(agency_name) <= 120),
    owner_mobile text constraint mobile_ten_digits check (owner_mobile ~ '^[6-9][0-9]{9}$'),
    accounts_mobile text constraint accounts_mobile_ten_digits check (accounts_mobile ~ '^[6-9][0-9]{9}$'),
    days_of_payment integer not null default 0
        constraint payment_days_within_year check (days_of_payment between 0 and 365),
    gst_number text constraint gstin_valid check (inventory.gstin_valid(gst_number)),
    address text not null default '',
    pincode text constraint pincode_six_digits check (pincode ~ '^[1-9][0-9]{5}$'),
    region_covered text not null default '',
    is_active boolean not null default true
);
create unique index agency_name_unique on inventory.agencies (lower(agency_name));

comment on table inventory.customers is 'Stores that buy. Whoever has orders or sales is deactivated, not deleted.';
comment on table inventory.agencies is 'Agencies that sell to stores. Used ones are deactivated, not deleted.';
comment on column inventory.customers.payment_days is 'Days that the store has to pay.';
"""

ORDERS = r"""
create table inventory.order_counters (
    id bigint generated always as identity primary key,
    financial_year text not null constraint order_counter_per_year unique,
    last_number integer not null constraint order_counter_positive check (last_number > 0)
);

create table inventory.orders (
    id bigint generated always as identity primary key,
    order_number integer,
    financial_year text not null,
    date date not null default current_date,
    customer_id bigint not null constraint order_customer references inventory.customers,
    agency_id bigint constraint order_agency references inventory.agencies,
    status text not null default 'draft' constraint order_status_known
        check (status in ('draft', 'confirmed', 'dispatched', 'delivered', 'cancelled')),
    dispatch_date date,
    note text not null default '',
    constraint order_number_unique unique (financial_year, order_number),
    constraint order_number_when_confirmed check ((status = 'draft') = (order_number is null)),
    constraint order_date_in_financial_year check (financial_year = inventory.financial_year(date)),
    constraint dispatch_date_when_dispatched
        check ((status in ('dispatched', 'delivered')) = (dispatch_date is not null)),
    constraint dispatch_not_before_order check (dispatch_date >= date)
);
create index orders_by_date on inventory.orders (date desc, id desc);
create index orders_by_customer on inventory.orders (customer_id);
create index orders_by_agency on inventory.orders (agency_id) where agency_id is not null;
create index orders_open on inventory.orders (status) where status in ('draft', 'confirmed', 'dispatched');

create table inventory.order_lines (
    id bigint generated always as identity primary key,
    -- No cascade: what a draft loses is deleted by name, so that undo gives it back in an order that its keys allow.
    order_id bigint not null constraint line_of_order references inventory.orders,
    product_id bigint not null constraint line_of_product references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint order_quantity_positive check (quantity > 0),
    unit_price numeric(12,2) not null constraint price_not_negative check (unit_price >= 0),
    gst_rate numeric(5,2) constraint gst_rate_percent check (gst_rate between 0 and 100),
    constraint order_line_unique unique (order_id, product_id, colour_code, size),
    constraint order_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index order_lines_by_product on inventory.order_lines (product_id, colour_code, size);

comment on table inventory.order_counters is
    'The last order number of each financial year; written by inventory.number_order.';
comment on table inventory.orders is
    'What stores ordered. A draft has no number yet; a numbered order is never deleted.';
comment on column inventory.orders.order_number is
    'Given at the confirmation, without gaps within the financial year.';
comment on table inventory.order_lines is
    'One cell of the matrix per line, at the price and GST rate of when it was entered.';
"""

MOVEMENTS = r"""
create type inventory.stock_move as (product_id bigint, colour_code text, size text, moved bigint);
comment on type inventory.stock_move is 'How far a statement moves one cell of the matrix, in pieces.';

create table inventory.inward_logs (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint inward_quantity_positive check (quantity > 0),
    date date not null default current_date,
    category text not null default 'Supply'
        constraint inward_category_known check (category in ('Supply', 'Return')),
    stakeholder_name text not null
        constraint stakeholder_not_blank check (stakeholder_name ~ '\S'),
    constraint inward_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index inward_logs_by_product on inventory.inward_logs (product_id, colour_code, size);
create index inward_logs_by_date on inventory.inward_logs (date desc, id desc);
-- Who has dealt with a supplier, and the last entry of one, without reading the log.
create index inward_logs_by_stakeholder on inventory.inward_logs (lower(stakeholder_name), date desc, id desc);

create table inventory.sales_logs (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint sales_quantity_positive check (quantity > 0),
    date date not null default current_date,
    agency text not null default '',
    store text not null constraint store_not_blank check (store ~ '\S'),
    order_id bigint constraint sale_order references inventory.orders,
    constraint sales_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index sales_logs_by_product on inventory.sales_logs (product_id, colour_code, size);
create index sales_logs_by_date on inventory.sales_logs (date desc, id desc);
create index sales_logs_by_order on inventory.sales_logs (order_id) where order_id is not null;
create index sales_logs_by_store on inventory.sales_logs (lower(store), date desc, id desc);
create index sales_logs_by_agency on inventory.sales_logs (lower(agency)) where agency <> '';

create table inventory.stock_adjustments (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint adjustment_not_zero check (quantity <> 0),
    date date not null default current_date,
    reason text not null constraint adjustment_reason_known
        check (reason in ('count', 'correction', 'damaged', 'theft or loss', 'promotion', 'return')),
    note text not null default '' constraint adjustment_note_short check (length(note) <= 380),
    constraint adjustment_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index stock_adjustments_by_product on inventory.stock_adjustments (product_id, colour_code, size);
create index stock_adjustments_by_date on inventory.stock_adjustments (date desc, id desc);

comment on table inventory.inward_logs is 'Goods in; each row has moved its cell of the matrix up.';
comment on table inventory.sales_logs is 'Goods out; each row has moved its cell of the matrix down.';
comment on column inventory.product_color_stocks.is_active is
    'Whether the product is still made in this colour and size.';
comment on column inventory.sales_logs.order_id is 'The order whose dispatch wrote this row; null: entered by hand.';
comment on table inventory.stock_adjustments is
    'Counts and corrections; each row has moved its cell by its signed quantity.';
"""

REASONS = r"""
create table inventory.reason_policies (
    id bigint generated always as identity primary key,
    -- Those whose tables have the triggers of db/inventory/reasons.sql: a policy for another would ask nobody.
    entity text not null constraint policy_entity_known check (entity in (
        'Product', 'ProductColor', 'InwardLog', 'SalesLog', 'StockAdjustment', 'Customer', 'Agency', 'Order',
        'OrderLine', 'ReasonPolicy', 'User')),
    field text not null constraint policy_field_not_blank check (field ~ '\S'),
    required boolean not null default true,
    constraint policy_unique unique (entity, field)
);
comment on table inventory.reason_policies is
    'Which changes a signed-in user must give a reason for. Field *: every addition, change and deletion.';
"""

TRAIL = r"""
-- A domain: PostgreSQL keeps its check ready for use, and reads that of a table anew at every statement.
create domain audit.action as text constraint action_known check (value in (
    'CREATE', 'UPDATE', 'DELETE', 'TRUNCATE',
    'LOGIN', 'LOGIN_FAILED', 'LOGIN_LOCKED', 'LOGOUT', 'SESSION_EXPIRED', 'PASSWORD_CHANGE',
    'EXPORT', 'IMPORT', 'UNDO', 'AUDIT_DELETE', 'AUDIT_ARCHIVE', 'MAINTENANCE', 'VERIFY'));
comment on domain audit.action is 'What a record can say was done: a change of data, or an activity.';

create sequence audit.records_id_seq;

create table audit.records (
    id bigint not null default nextval('audit.records_id_seq'),
    recorded_at timestamptz not null,
    transaction_id bigint not null,
    entity_id bigint,
    parent_id bigint,
    user_id bigint,
    session_id bigint,
    action audit.action not null,
    entity text not null,
    database_role text not null,
    application text,
    client_address inet,
    operation text,
    reason text,
    old_values jsonb,
    new_values jsonb,
    constraint records_pkey primary key (recorded_at, id)
) partition by range (recorded_at);

alter sequence audit.records_id_seq owned by audit.records.id;

-- Sealing reads the records of a range of transactions; block ranges cost a writer next to nothing.
create index records_by_transaction on audit.records
    using brin (transaction_id) with (pages_per_range = 32, autosummarize = on);
create index records_by_entity on audit.records (entity_id, entity);
create index records_by_parent on audit.records (parent_id) where parent_id is not null;

comment on table audit.records is
    'The trail: one record per changed row or activity. Written by triggers and definer functions only.';
comment on column audit.records.id is
    'Order within the trail. Has gaps: a rolled back transaction keeps its numbers.';
comment on column audit.records.recorded_at is
    'When the statement was recorded (clock_timestamp, one value per statement).';
comment on column audit.records.transaction_id is
    'Records of one transaction share it (pg_current_xact_id): what a click did, a bulk operation, an import.';
comment on column audit.records.entity_id is
    'Primary key of the changed row; for an activity, of the record it is about, if any.';
comment on column audit.records.parent_id is
    'Primary key of the record this one belongs to (a stock cell: its product), so that the history '
    'of a product includes its parts, deleted ones too.';
comment on column audit.records.user_id is 'accounts.users.id; null: no signed-in user, shown as system.';
comment on column audit.records.database_role is 'The login of the connection (session_user).';
comment on column audit.records.application is 'application_name: what the client called itself; not proof.';
comment on column audit.records.operation is 'What the user was doing, in words, as given to accounts.begin.';
comment on column audit.records.old_values is
    'UPDATE: the changed columns before. DELETE, TRUNCATE: the whole row. jsonb, with types.';
comment on column audit.records.new_values is
    'UPDATE: the changed columns after. CREATE: the whole row. Activity: its details.';

create table audit.watched_tables (
    relation regclass constraint watched_once primary key,
    entity text not null constraint entity_unique unique,
    function_name text not null constraint function_name_unique unique,
    parent text,
    redacted text[] not null,
    personal text[] not null,
    columns jsonb not null
);

comment on table audit.watched_tables is 'What audit.watch was told: the tables on the record, and how.';
comment on column audit.watched_tables.entity is 'The name of the record type in the trail, e.g. InwardLog.';
comment on column audit.watched_tables.parent is 'Column that goes into records.parent_id, e.g. product_id.';
comment on column audit.watched_tables.redacted is
    'Columns whose values never enter the trail; that they changed does.';
comment on column audit.watched_tables.personal is
    'Columns whose values are kept in audit.personal_values, where they can be erased. Once in, always in.';
comment on column audit.watched_tables.columns is
    'The recorded columns (attnum, name, type) when the table was last watched; what differs now, a migration did.';

create table audit.personal_values (
    id bigint generated always as identity constraint personal_values_pkey primary key,
    entity text not null,
    entity_id bigint,
    parent_id bigint,
    field text not null,
    value jsonb not null,
    salt bytea not null constraint salt_long_enough check (length(salt) >= 16)
);
create index personal_values_by_record on audit.personal_values (entity, entity_id, field);

comment on table audit.personal_values is
    'Values about a person, apart from the sealed records, which hold {"personal": id, "sha256": commitment} in '
    'their place. Erasing one leaves every record as it was; without the salt the commitment tells nothing.';
comment on column audit.personal_values.parent_id is 'As in audit.records: of a session, the user.';
comment on column audit.personal_values.salt is
    'Random; a commitment without it could be guessed from a list of names.';

create table audit.signing_keys (
    only_row boolean primary key default true constraint one_signing_key check (only_row),
    key bytea not null constraint signing_key_long_enough check (length(key) >= 32)
);

comment on table audit.signing_keys is 'The key of the actor''s signature. Readable by the owner only.';

-- gen_random_uuid draws from the operating system's strong random source; 122 bits each.
insert into audit.signing_keys (key)
select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

create table audit.records_default partition of audit.records default;
comment on table audit.records_default is 'Safety net: records of a month that has no partition. Should be empty.';

-- Types of functions.
create type audit.actor as (
    user_id bigint, session_id bigint, operation text, reason text,
    database_role text, application text, client_address inet);

create type audit.finding as (check_name text, severity text, subject text, problem text, advice text);
comment on type audit.finding is 'What a check found. severity is ok, warning or error; an ok has no subject.';
create type audit.undo_step as (
    record_id bigint, entity text, entity_id bigint, parent_id bigint, action text,
    old_values jsonb, new_values jsonb, skipped text);
comment on type audit.undo_step is
    'A record that is to be undone, and why it is not (null: it is): changed_since, in_use (records that stay refer to '
    'it), reference_gone (what it refers to is gone), taken (another row has its unique values), columns_changed, '
    'values_not_kept, no_way_back (of an order with a number), order_stays (a line, taken with an order that stays), '
    'colour_out_of_use.';

create type audit.undo_group as (entity text, action text, fields text[], ids bigint[]);
comment on type audit.undo_group is
    'The rows of an entity that an undo writes by one action (of the record), for an update those with the same '
    'fields.';
"""

PROOFS = r"""
create table audit.seals (
    id bigint not null,
    era integer not null constraint era_positive check (era >= 1),
    format smallint not null,
    from_transaction bigint not null,
    to_transaction bigint not null,
    sealed_at timestamptz not null,
    system_identifier bigint,
    record_count integer not null,
    record_ids bigint[] not null,
    digests bytea[] not null,
    previous bytea not null,
    hash bytea not null,
    constraint seals_pkey primary key (id),
    -- Two sealers that had not seen each other would both follow the same seal.
    constraint seals_do_not_fork unique (previous),
    constraint seal_range_not_empty check (from_transaction < to_transaction),
    constraint seal_digest_for_each_record check (
        record_count = cardinality(record_ids) and record_count = cardinality(digests))
);
-- Digests do not compress.
alter table audit.seals alter column digests set storage external;
create index seals_by_range on audit.seals using gist (int8range(from_transaction, to_transaction));

comment on table audit.seals is
    'The chain of seals: one row per block of committed records. Written by the functions of db/audit/seals.sql only.';
comment on column audit.seals.id is 'Place in the chain: 1, 2, 3, without gaps.';
comment on column audit.seals.era is 'Which server''s transaction numbers the range is of; see db/audit/seals.sql.';
comment on column audit.seals.format is 'Version of audit.record_digest and audit.seal_hash that made this seal.';
comment on column audit.seals.from_transaction is
    'The block holds the committed records of the transactions from here up to but not including to_transaction. '
    'A range of very many records is several blocks.';
comment on column audit.seals.system_identifier is 'Of the server that sealed; null where it could not be read.';
comment on column audit.seals.record_ids is 'audit.records.id of the block, ascending.';
comment on column audit.seals.digests is 'SHA-256 of each record, in the order of record_ids.';
comment on column audit.seals.previous is 'Hash of the seal before; 32 zero bytes for the first.';
comment on column audit.seals.hash is 'audit.seal_hash of this row.';

create table audit.deletions (
    deletion_id bigint not null,
    chunk integer not null,
    record_ids bigint[] not null,
    digests bytea[] not null,
    constraint deletions_pkey primary key (deletion_id, chunk)
);
alter table audit.deletions alter column digests set storage external;

comment on table audit.deletions is
    'What audit.delete_records deleted: ids and digests, in chunks. The record AUDIT_DELETE names deletion_id and has '
    'the digest of the whole list, so the list cannot be altered unseen.';

create type audit.replayed_row as (row_values jsonb, broken_at bigint);
comment on type audit.replayed_row is
    'A row as its records leave it (null: deleted), and the first record that does not say what was there before.';

create table audit.baselines (
    entity text not null,
    entity_id bigint not null,
    record_id bigint not null,
    row_values jsonb,
    constraint baselines_pkey primary key (entity, entity_id, record_id)
);
comment on table audit.baselines is
    'Where the replay of a row goes on after audit.delete_records took records of it. The digest of the whole table is '
    'in the record of the last deletion.';
comment on column audit.baselines.record_id is
    'The last of the row''s records that went: the baseline takes its place.';
comment on column audit.baselines.row_values is
    'The row as that record left it; null: deleted. Personal values as references.';
"""


def upgrade() -> None:
    run_sql(ROLES)
    for tables in (SCHEMAS, ACCOUNTS, CONSTRAINT_FUNCTIONS, PRODUCTS, PARTIES, ORDERS, MOVEMENTS, REASONS):
        run_as_owner(tables)
    run_as_owner(TRAIL)
    run_as_owner(PROOFS)
