"""Creates roles, schemas, types, tables, constraints and indexes: everything that is not code.

Why: code (the trail, stock, sign-in, rights) is in db/**/*.sql and is applied after the revisions (db/code.py).
Locks: none that matter, because the database is empty.

Roles belong to the whole server, so they are created only where they are missing. The login of the application gets
its password at start-up (backstitch.startup). The functions here are used by constraints and frozen with them.
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
                -- NOINHERIT: the login can set one of the four roles of users, and without that has none of their
                -- rights.
                execute format('create role %I %s', role_name,
                               case role_name when 'backstitch_app' then 'login noinherit' else 'nologin' end);
            exception when duplicate_object or unique_violation then
                null; -- the migration of another database of this server has created it since
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

-- At its start the application checks that the database is up to date.
grant select on public.alembic_version to backstitch_app;
"""

SCHEMAS = r"""
create schema inventory;
comment on schema inventory is 'Products, stock, movements, orders, customers and agencies. On the record.';
create schema accounts;
comment on schema accounts is 'Users and their sessions. On the record.';
create schema audit;
comment on schema audit is 'The trail: its records, seals, and the functions that write and prove them.';
create schema runtime;
comment on schema runtime is
    'State of the running system, which changes all day and is not on the record. Of sign-in attempts the trail has '
    'each failure and each lock-out, of sessions each beginning and each end.';

create table public.backstitch_code (
    file text constraint backstitch_code_pkey primary key,
    sha256 text not null,
    version text not null,
    applied_at timestamptz not null default now()
);
comment on table public.backstitch_code is
    'The files of db/ whose code this database has, a row each, as db/code.py applied them.';
comment on column public.backstitch_code.version is 'The version of Backstitch that applied the file.';

create table public.backstitch_steps (
    name text constraint backstitch_steps_pkey primary key,
    applied_at timestamptz not null default now()
);
comment on table public.backstitch_steps is 'The steps on data (db/steps/) that have run on this database, each once.';
"""

ACCOUNTS = r"""
create table accounts.users (
    id bigint generated always as identity primary key,
    email text not null
        constraint email_has_an_at check (email ~ '^[^@\s]+@[^@\s]+$' and length(email) <= 254),
    name text not null constraint name_not_blank check (name ~ '\S' and length(name) <= 120),
    role text not null
        constraint role_known check (role in ('admin', 'manager', 'analyst', 'viewer')),
    password_hash text constraint password_hash_short check (length(password_hash) <= 200),
    is_active boolean not null default true,
    must_change_password boolean not null default false
);
create unique index email_unique on accounts.users (lower(email));

comment on table accounts.users is
    'Users of the application. Never deleted, because the trail refers to them.';
comment on column accounts.users.password_hash is
    'bcrypt-sha256:<bcrypt salt>:<SHA-256 of the bcrypt result, hex>. It checks a sign-in, but whoever reads it cannot '
    'sign in with it. Null: no password.';

create table accounts.sessions (
    id bigint generated always as identity primary key,
    user_id bigint not null references accounts.users,
    kind text not null default 'browser' constraint session_kind_known check (kind in ('browser', 'token')),
    token_hash bytea not null,
    address inet,
    user_agent text constraint user_agent_short check (length(user_agent) <= 400),
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
    'Sessions, from a sign-in on. accounts.begin attributes a transaction to the user of a live session.';
comment on column accounts.sessions.kind is
    'browser: from a sign-in. token: an API token, whose transactions have the source API.';
comment on column accounts.sessions.token_hash is 'SHA-256 of the token; the token itself is not stored.';
comment on column accounts.sessions.expires_at is 'When the session ends at the latest, even if it is in use.';
comment on column accounts.sessions.idle_limit is
    'How long after its last use (runtime.session_activity) the session ends.';

create table runtime.sign_in_attempts (
    key bytea primary key,
    failures integer not null constraint failures_not_negative check (failures >= 0),
    locked_until timestamptz,
    forget_at timestamptz not null
);
create index sign_in_attempts_to_forget on runtime.sign_in_attempts (forget_at);

comment on table runtime.sign_in_attempts is
    'Counters of failed sign-ins, per user name, per known browser and per network.';
comment on column runtime.sign_in_attempts.forget_at is 'From when on the counter is deleted.';
comment on column runtime.sign_in_attempts.key is
    'accounts.counter_key: a keyed hash of the name, the browser or the network, so that the table holds no personal '
    'value.';

create table runtime.session_activity (
    session_id bigint primary key,
    last_seen_at timestamptz not null
);

create table runtime.used_assertions (
    key bytea primary key,
    forget_at timestamptz not null
);

comment on table runtime.used_assertions is
    'Keyed hashes of assertions of an identity provider that have opened a session, kept until they are too old '
    'anyway.';

create table runtime.single_sign_on (
    only_row boolean primary key default true constraint one_single_sign_on check (only_row),
    secret_hash bytea not null
);

comment on table runtime.single_sign_on is
    'SHA-256 of the secret with which the application vouches for the identity provider. No row: no single sign-on.';
comment on table runtime.session_activity is
    'When each session was last in use, to the minute. Written by accounts.seen.';
"""

CONSTRAINT_FUNCTIONS = r"""
create function inventory.gstin_valid(gstin text) returns boolean
language sql immutable strict parallel safe
as $$
    -- State code, PAN, number of the PAN's registration in the state, one more character, and the check digit in base
    -- 36 (Luhn mod 36): values at even positions count twice, and the two base-36 digits of each product are added.
    select gstin ~ '^(0[1-9]|[12][0-9]|3[0-8])[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][0-9A-Z]{2}$'
        and substr(gstin, 15, 1) = substr(alphabet.all_36, (1 + (36 - total.digits % 36) % 36)::integer, 1)
    from (values ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')) alphabet (all_36)
    cross join lateral (
        select sum(product / 36 + product % 36) as digits
        from (select (strpos(alphabet.all_36, substr(gstin, n, 1)) - 1) * (2 - n % 2) as product
              from generate_series(1, 14) n) products
    ) total
$$;
comment on function inventory.gstin_valid(text) is
    'Returns whether a GSTIN has the right form and the right check digit.';

create function inventory.financial_year(day date) returns text
language sql immutable strict parallel safe
as $$
    select format('%s-%s', began, lpad(((began + 1) % 100)::pg_catalog.text, 2, '0'))
    from (select extract(year from day - interval '3 months')::integer as began) year
$$;
comment on function inventory.financial_year(date) is
    'Returns the financial year (April to March) of a day, e.g. 2026-27.';

create function inventory.texts_short(texts text[], most integer, longest integer) returns boolean
language sql immutable strict parallel safe
as $$
    select cardinality(texts) <= most and not exists (select from unnest(texts) one where length(one) > longest)
$$;
comment on function inventory.texts_short(text[], integer, integer) is
    'Returns whether an array has at most so many texts, none of them longer than so many characters.';
"""

PRODUCTS = r"""
create table inventory.products (
    id bigint generated always as identity primary key,
    sku text not null
        constraint sku_unique unique
        constraint sku_not_blank check (sku ~ '\S' and length(sku) <= 60),
    name text not null constraint product_name_not_blank check (name ~ '\S' and length(name) <= 120),
    description text not null default '' constraint description_short check (length(description) <= 4000),
    category text not null default '' constraint category_short check (length(category) <= 60),
    unit_price numeric(12,2) constraint price_not_negative check (unit_price >= 0),
    hsn_code text constraint hsn_code_digits check (hsn_code ~ '^[0-9]{4,8}$'),
    gst_rate numeric(5,2) constraint gst_rate_percent check (gst_rate between 0 and 100),
    sizes text[] not null
        constraint sizes_not_empty check (cardinality(sizes) between 1 and 40)
        constraint sizes_short check (inventory.texts_short(sizes, 40, 20)),
    reorder_level integer not null default 0
        constraint reorder_level_not_negative check (reorder_level >= 0),
    allowed_stores text[] not null default '{}'
        constraint allowed_stores_short check (inventory.texts_short(allowed_stores, 1000, 120)),
    allowed_agencies text[] not null default '{}'
        constraint allowed_agencies_short check (inventory.texts_short(allowed_agencies, 1000, 120)),
    is_active boolean not null default true
);

comment on table inventory.products is
    'Products. The colours and the sizes of a product are the axes of its stock matrix.';
comment on column inventory.products.sizes is 'Sizes, in the order in which the stock matrix shows them.';

create table inventory.product_colors (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    color text not null constraint color_not_blank check (color ~ '\S' and length(color) <= 60),
    colour_code text not null
        constraint colour_code_not_blank check (colour_code ~ '\S' and length(colour_code) <= 40),
    is_active boolean not null default true,
    constraint colour_code_unique unique (product_id, colour_code)
);

comment on table inventory.product_colors is 'Colours of products, each with its colour code.';

create table inventory.product_color_stocks (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null default 0
        constraint stock_never_negative check (quantity >= 0),
    is_active boolean not null default true,
    -- Refuses a movement into a cell out of use, and taking a cell with stock out of use.
    constraint inactive_cell_empty check (is_active or quantity = 0),
    constraint cell_short check (length(colour_code) <= 40 and length(size) <= 20),
    constraint stock_cell_unique unique (product_id, colour_code, size),
    constraint colour_of_product foreign key (product_id, colour_code)
        references inventory.product_colors (product_id, colour_code)
);

comment on table inventory.product_color_stocks is
    'Cells of the colour x size matrix. Only triggers write the quantity (db/inventory/movements.sql).';
"""

PARTIES = r"""
create table inventory.customers (
    id bigint generated always as identity primary key,
    store_name text not null
        constraint customer_name_not_blank check (store_name ~ '\S' and length(store_name) <= 120),
    gst_number text constraint gstin_valid check (inventory.gstin_valid(gst_number)),
    phone text constraint mobile_ten_digits check (phone ~ '^[6-9][0-9]{9}$'),
    address text not null default '' constraint address_short check (length(address) <= 400),
    pincode text constraint pincode_six_digits check (pincode ~ '^[1-9][0-9]{5}$'),
    payment_days integer not null default 0
        constraint payment_days_within_year check (payment_days between 0 and 365),
    region text not null default '' constraint region_short check (length(region) <= 120),
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
    address text not null default '' constraint address_short check (length(address) <= 400),
    pincode text constraint pincode_six_digits check (pincode ~ '^[1-9][0-9]{5}$'),
    region_covered text not null default '' constraint region_short check (length(region_covered) <= 120),
    is_active boolean not null default true
);
create unique index agency_name_unique on inventory.agencies (lower(agency_name));

comment on table inventory.customers is
    'Stores that buy. A store with orders or sales cannot be deleted, only deactivated.';
comment on table inventory.agencies is
    'Agencies that sell to stores. An agency with orders or sales cannot be deleted, only deactivated.';
comment on column inventory.customers.payment_days is 'Payment term of the store, in days.';
"""

ORDERS = r"""
create table inventory.order_counters (
    id bigint generated always as identity primary key,
    financial_year text not null
        constraint order_counter_per_year unique
        constraint financial_year_short check (length(financial_year) <= 10),
    last_number integer not null constraint order_counter_positive check (last_number > 0)
);

create table inventory.orders (
    id bigint generated always as identity primary key,
    order_number integer,
    financial_year text not null constraint financial_year_short check (length(financial_year) <= 10),
    date date not null default current_date,
    customer_id bigint not null constraint order_customer references inventory.customers,
    agency_id bigint constraint order_agency references inventory.agencies,
    status text not null default 'draft' constraint order_status_known
        check (status in ('draft', 'confirmed', 'dispatched', 'delivered', 'cancelled')),
    dispatch_date date,
    note text not null default '' constraint order_note_short check (length(note) <= 500),
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
    -- No cascade: the lines of a draft are deleted by a statement of their own before it, so that their records come
    -- first and an undo inserts the order before its lines.
    order_id bigint not null constraint line_of_order references inventory.orders,
    product_id bigint not null constraint line_of_product references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint order_quantity_positive check (quantity > 0),
    unit_price numeric(12,2) not null constraint price_not_negative check (unit_price >= 0),
    gst_rate numeric(5,2) constraint gst_rate_percent check (gst_rate between 0 and 100),
    constraint cell_short check (length(colour_code) <= 40 and length(size) <= 20),
    constraint order_line_unique unique (order_id, product_id, colour_code, size),
    constraint order_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index order_lines_by_product on inventory.order_lines (product_id, colour_code, size);

comment on table inventory.order_counters is
    'The last order number of each financial year. Written by inventory.number_order.';
comment on table inventory.orders is
    'Orders of stores. A draft has no number; an order with a number is never deleted.';
comment on column inventory.orders.order_number is
    'Set by the confirmation, without gaps within the financial year.';
comment on table inventory.order_lines is
    'Lines of orders: a cell of the stock matrix each, at the price and the GST rate when the line was entered.';
"""

MOVEMENTS = r"""
create type inventory.stock_move as (product_id bigint, colour_code text, size text, moved bigint);
comment on type inventory.stock_move is 'The net change of a cell of the stock matrix by a statement, in pieces.';

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
        constraint stakeholder_not_blank check (stakeholder_name ~ '\S' and length(stakeholder_name) <= 120),
    constraint cell_short check (length(colour_code) <= 40 and length(size) <= 20),
    constraint inward_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index inward_logs_by_product on inventory.inward_logs (product_id, colour_code, size);
create index inward_logs_by_date on inventory.inward_logs (date desc, id desc);
-- Finds the names of suppliers, and the last entry of each, without reading the whole log.
create index inward_logs_by_stakeholder on inventory.inward_logs (lower(stakeholder_name), date desc, id desc);

create table inventory.sales_logs (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint sales_quantity_positive check (quantity > 0),
    date date not null default current_date,
    agency text not null default '' constraint sale_agency_short check (length(agency) <= 120),
    store text not null constraint store_not_blank check (store ~ '\S' and length(store) <= 120),
    order_id bigint constraint sale_order references inventory.orders,
    constraint cell_short check (length(colour_code) <= 40 and length(size) <= 20),
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
    constraint cell_short check (length(colour_code) <= 40 and length(size) <= 20),
    constraint adjustment_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index stock_adjustments_by_product on inventory.stock_adjustments (product_id, colour_code, size);
create index stock_adjustments_by_date on inventory.stock_adjustments (date desc, id desc);

comment on table inventory.inward_logs is 'Goods in. Each row has added its quantity to its cell.';
comment on table inventory.sales_logs is 'Goods out. Each row has subtracted its quantity from its cell.';
comment on column inventory.product_color_stocks.is_active is
    'Whether the product is still sold in this colour and size.';
comment on column inventory.sales_logs.order_id is 'The order whose dispatch wrote this row; null: entered by hand.';
comment on table inventory.stock_adjustments is
    'Stock counts and corrections. Each row has added its signed quantity to its cell.';
"""

REASONS = r"""
create table inventory.reason_policies (
    id bigint generated always as identity primary key,
    -- The entities whose tables have the triggers of db/inventory/reasons.sql; a policy for another would have no
    -- effect.
    entity text not null constraint policy_entity_known check (entity in (
        'Product', 'ProductColor', 'InwardLog', 'SalesLog', 'StockAdjustment', 'Customer', 'Agency', 'Order',
        'OrderLine', 'ReasonPolicy', 'User')),
    field text not null constraint policy_field_not_blank check (field ~ '\S' and length(field) <= 63),
    required boolean not null default true,
    constraint policy_unique unique (entity, field)
);
comment on table inventory.reason_policies is
    'Changes for which a signed-in user must give a reason. Field *: every insert, update and delete of the entity.';
"""

TRAIL = r"""
-- A domain, because PostgreSQL caches the check of a domain but reads that of a table again for every statement.
create domain audit.action as text constraint action_known check (value in (
    'CREATE', 'UPDATE', 'DELETE', 'TRUNCATE',
    'LOGIN', 'LOGIN_FAILED', 'LOGIN_LOCKED', 'LOGOUT', 'SESSION_EXPIRED', 'PASSWORD_CHANGE',
    'EXPORT', 'EXPORT_END', 'IMPORT', 'UNDO', 'APPROVE', 'REFUSE', 'ALERT_ACKNOWLEDGE', 'FORGET',
    'TOKEN_CREATE', 'TOKEN_REVOKE', 'AUDIT_DELETE', 'AUDIT_ARCHIVE', 'VERIFY', 'WITNESS', 'KEY_ROTATE', 'RESTORE',
    'MAINTENANCE'));
comment on domain audit.action is 'The action of a record: a change of data or an activity.';

create domain audit.source as text constraint source_known check (value in (
    'page', 'paste', 'import', 'API', 'command', 'SQL', 'undo', 'system'));
comment on domain audit.source is
    'The door through which a change came: a page, a bulk paste, an imported file, the API, a command of Backstitch, '
    'SQL by hand, an undo, or the system by itself.';

create sequence audit.records_id_seq;

create table audit.records (
    id bigint not null default nextval('audit.records_id_seq'),
    recorded_at timestamptz not null,
    transaction_id bigint not null,
    entity_id bigint,
    parent_id bigint,
    user_id bigint,
    session_id bigint,
    -- Its default is the present era (audit.begin_era), so that writing looks nothing up.
    era smallint not null default 1,
    action audit.action not null,
    entity text not null,
    source audit.source not null,
    database_role text not null,
    application text,
    client_address inet,
    operation text,
    reason text,
    request text,
    old_values jsonb,
    new_values jsonb,
    constraint records_pkey primary key (recorded_at, id)
) partition by range (recorded_at);

alter sequence audit.records_id_seq owned by audit.records.id;

-- Sealing reads the records of a range of transactions; a BRIN index costs writers next to nothing.
create index records_by_transaction on audit.records
    using brin (transaction_id) with (pages_per_range = 32, autosummarize = on);
create index records_by_entity on audit.records (entity_id, entity);
create index records_by_parent on audit.records (parent_id) where parent_id is not null;

comment on table audit.records is
    'The trail: one record per changed row or activity. Written by triggers and definer functions only.';
comment on column audit.records.id is
    'Position in the trail. Has gaps, because a rolled back transaction uses up its numbers.';
comment on column audit.records.recorded_at is
    'When the statement was recorded: clock_timestamp(), one value per statement.';
comment on column audit.records.transaction_id is
    'pg_current_xact_id() of the transaction, which all of its records share: those of a click, a bulk operation, an '
    'import. Another server counts from its own start, so only era and transaction_id together name a transaction.';
comment on column audit.records.entity_id is
    'Primary key of the changed row; of an activity, that of the row it is about, or null.';
comment on column audit.records.parent_id is
    'Primary key of the row to which this one belongs (of a stock cell, its product), so that the history of a product '
    'includes its colours and cells, even deleted ones.';
comment on column audit.records.user_id is 'accounts.users.id; null: no signed-in user, shown as system.';
comment on column audit.records.session_id is 'accounts.sessions.id; null: no signed-in user.';
comment on column audit.records.era is
    'audit.eras.era: which server''s transaction numbers transaction_id belongs to.';
comment on column audit.records.action is
    'What was done: a change of data (CREATE, UPDATE ...) or an activity (LOGIN ...).';
comment on column audit.records.entity is
    'Name of the record type, audit.watched_tables.entity; of an activity, its subject.';
comment on column audit.records.source is
    'The door through which it came. For a signed-in user the application said so in accounts.begin, and the signature '
    'covers it; without a user it is what the login said, or SQL.';
comment on column audit.records.database_role is 'The login of the connection (session_user).';
comment on column audit.records.application is 'application_name, which the client chooses; no proof.';
comment on column audit.records.client_address is 'Address of the client (inet_client_addr()); null: a Unix socket.';
comment on column audit.records.operation is 'What the user was doing, in words, as given to accounts.begin.';
comment on column audit.records.reason is 'Why, in the user''s words, as given to accounts.begin.';
comment on column audit.records.request is
    'Id of the request (the run of a page, the call, the command) that made the change, as in the log. Null: none.';
comment on column audit.records.old_values is
    'UPDATE: the changed columns before. DELETE, TRUNCATE: the whole row. Otherwise null. jsonb keeps the types.';
comment on column audit.records.new_values is
    'UPDATE: the changed columns after. CREATE: the whole row. Activity: its details. Otherwise null.';
comment on sequence audit.records_id_seq is 'Numbers the records of all partitions.';

create table audit.watched_tables (
    relation regclass constraint watched_once primary key,
    entity text not null constraint entity_unique unique,
    function_name text not null constraint function_name_unique unique,
    parent text,
    redacted text[] not null,
    personal text[] not null,
    columns jsonb not null
);

comment on table audit.watched_tables is 'The tables on the record, with the details that audit.watch was given.';
comment on column audit.watched_tables.relation is 'The watched table.';
comment on column audit.watched_tables.entity is 'Name of the record type in the trail, e.g. InwardLog.';
comment on column audit.watched_tables.function_name is 'Name of the generated trigger function, in the schema audit.';
comment on column audit.watched_tables.parent is 'Column whose value is records.parent_id, e.g. product_id.';
comment on column audit.watched_tables.redacted is
    'Columns whose values never enter the trail; records say only that they changed.';
comment on column audit.watched_tables.personal is
    'Columns whose values are in audit.personal_values, where they can be erased. A column is never removed.';
comment on column audit.watched_tables.columns is
    'The recorded columns (attnum, name, type) at the last audit.watch. The next one compares them with the present '
    'ones.';

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
    'Personal values, kept apart from the sealed records, which hold {"personal": id, "sha256": commitment} in their '
    'place. Erasing a value changes no record, and without the salt the commitment shows nothing of the value.';
comment on column audit.personal_values.id is 'The id in the references of records.';
comment on column audit.personal_values.entity is 'As in audit.records.';
comment on column audit.personal_values.entity_id is 'As in audit.records.';
comment on column audit.personal_values.parent_id is 'As in audit.records; of a session, the user.';
comment on column audit.personal_values.field is
    'The column, or the key of an activity''s details, that had the value.';
comment on column audit.personal_values.value is 'The value, as jsonb.';
comment on column audit.personal_values.salt is
    'Random. Without a salt, a commitment could be guessed from a list of names.';

create table audit.signing_keys (
    only_row boolean primary key default true constraint one_signing_key check (only_row),
    key bytea not null constraint signing_key_long_enough check (length(key) >= 32)
);

comment on table audit.signing_keys is
    'The key of audit.signature and of the keyed hashes of sign-in. Only the owner can read it.';
comment on column audit.signing_keys.only_row is 'Always true, so that there is one row.';
comment on column audit.signing_keys.key is 'A random key.';

-- gen_random_uuid uses the strong random source of the operating system, 122 bits each.
insert into audit.signing_keys (key)
select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

create table audit.records_default partition of audit.records default;
comment on table audit.records_default is 'Records of months without a partition. Should be empty.';

-- Types of arguments and results of functions.
create type audit.actor as (
    user_id bigint, session_id bigint, source text, operation text, reason text, request text,
    database_role text, application text, client_address inet);
comment on type audit.actor is 'Who acts: the columns of audit.records that say so.';

create type audit.finding as (check_name text, severity text, subject text, problem text, advice text);
comment on type audit.finding is
    'A finding of a check. severity is ok, warning or error; ok has neither subject nor problem.';
create type audit.undo_step as (
    record_id bigint, entity text, entity_id bigint, parent_id bigint, action text,
    old_values jsonb, new_values jsonb, skipped text);
comment on type audit.undo_step is
    'A record to undo, and why the undo skips it (null: it does not): changed_since, in_use (rows that stay refer to '
    'it), reference_gone (a row to which it refers does not exist), taken (another row has its unique values), '
    'columns_changed, values_not_kept, no_way_back (of an order with a number), order_stays (a line of an order that '
    'stays), colour_out_of_use.';

create type audit.undo_group as (entity text, action text, fields text[], ids bigint[]);
comment on type audit.undo_group is
    'The rows of an entity whose records of one action an undo undoes; of updates, those with the same fields.';
"""

PROOFS = r"""
create table audit.eras (
    era smallint not null constraint era_positive check (era >= 1),
    origin text not null constraint origins_differ unique,
    began_at timestamptz not null,
    system_identifier bigint,
    database_oid bigint not null,
    constraint eras_pkey primary key (era)
);
comment on table audit.eras is
    'The eras of the trail: one for each server and database in which it was kept, because transaction numbers belong '
    'to a server. Written by audit.seal and audit.begin_era only; each seal''s hash covers the row of its era.';
comment on column audit.eras.era is 'Number of the era: 1, 2, 3. The default of audit.records.era is the present one.';
comment on column audit.eras.origin is
    'Origin of its checkpoints: backstitch/<installation>/<era>-<random>. The installation is that of the first era.';
comment on column audit.eras.began_at is 'When the era began (clock_timestamp()).';
comment on column audit.eras.system_identifier is 'System identifier of the server; null where the host denies it.';
comment on column audit.eras.database_oid is 'pg_database.oid of the database.';

create table audit.seals (
    id bigint not null,
    era smallint not null,
    month date not null,
    to_transaction bigint not null,
    running bigint[] not null,
    sealed_at timestamptz not null,
    record_count integer not null,
    record_ids bigint[] not null,
    leaves bytea not null,
    root bytea not null,
    salt bytea not null,
    previous bytea not null,
    hash bytea not null,
    nodes bytea not null,
    constraint seals_pkey primary key (id),
    constraint era_of_seal foreign key (era) references audit.eras,
    -- Refuses a second seal after the same one, which two concurrent sealers could otherwise make.
    constraint seals_do_not_fork unique (previous),
    constraint seal_leaf_for_each_record check (
        record_count >= 1 and record_count <= 4096 and record_count = cardinality(record_ids)
        and octet_length(leaves) = 32 * record_count)
);
-- Hashes do not compress.
alter table audit.seals alter column leaves set storage external, alter column nodes set storage external;
create index seals_by_month on audit.seals (month);

comment on table audit.seals is
    'The chain of seals: one row per block of committed records. Written by the functions of db/audit/seals.sql only.';
comment on column audit.seals.id is 'Position in the chain: 1, 2, 3, without gaps.';
comment on column audit.seals.era is 'The era of its records.';
comment on column audit.seals.month is 'First day of the month (UTC) in which its records were recorded.';
comment on column audit.seals.to_transaction is
    'xmax of the snapshot of the round: no transaction from here on had ended. All seals of a round have the same.';
comment on column audit.seals.running is
    'The transactions below to_transaction that had not ended by the snapshot, ascending.';
comment on column audit.seals.sealed_at is 'When the block was sealed (clock_timestamp()).';
comment on column audit.seals.record_count is 'Number of records in the block, 1 to 4,096.';
comment on column audit.seals.record_ids is 'audit.records.id of each record, ascending.';
comment on column audit.seals.leaves is '32 bytes for each record, in the order of record_ids: audit.leaf.';
comment on column audit.seals.root is 'audit.merkle_root of the leaves.';
comment on column audit.seals.salt is
    'Random key of the blinding of its leaves. Whoever has it can test guesses at values, so no proof holds it.';
comment on column audit.seals.previous is 'Hash of the previous seal; 32 zero bytes for the first.';
comment on column audit.seals.hash is
    'SHA-256 of a zero byte and audit.seal_header: the link of the chain, and the leaf of the tree over the blocks.';
comment on column audit.seals.nodes is
    'The inner nodes of the tree over the blocks that this block completes, 32 bytes each, lowest first.';

create table audit.deletions (
    deletion_id bigint not null,
    chunk integer not null,
    record_ids bigint[] not null,
    digests bytea[] not null,
    constraint deletions_pkey primary key (deletion_id, chunk)
);
alter table audit.deletions alter column digests set storage external;

comment on table audit.deletions is
    'Lists of the records that audit.delete_records deleted, in chunks. The AUDIT_DELETE record has deletion_id and '
    'the digest of the list, so an alteration of the list is found.';
comment on column audit.deletions.deletion_id is 'Number of the deletion.';
comment on column audit.deletions.chunk is 'Number of the chunk within the list, from 0.';
comment on column audit.deletions.record_ids is 'audit.records.id of each deleted record, ascending.';
comment on column audit.deletions.digests is 'audit.record_digest of each record, in the order of record_ids.';

create type audit.replayed_row as (row_values jsonb, broken_at bigint);
comment on type audit.replayed_row is
    'A row as its records leave it (null: deleted), and the first record whose old values are not those of the row '
    'before it (null: none).';

create table audit.baselines (
    entity text not null,
    entity_id bigint not null,
    record_id bigint not null,
    row_values jsonb,
    constraint baselines_pkey primary key (entity, entity_id, record_id)
);
comment on table audit.baselines is
    'Rows from which replay goes on after audit.delete_records has deleted records of theirs. The AUDIT_DELETE record '
    'of the last deletion has the digest of the whole table.';
comment on column audit.baselines.entity is 'As in audit.records.';
comment on column audit.baselines.entity_id is 'As in audit.records.';
comment on column audit.baselines.record_id is
    'The last deleted record of the row, whose place the baseline takes.';
comment on column audit.baselines.row_values is
    'The row as that record left it, with personal values as references; null: deleted.';
"""


def upgrade() -> None:
    run_sql(ROLES)
    for tables in (SCHEMAS, ACCOUNTS, CONSTRAINT_FUNCTIONS, PRODUCTS, PARTIES, ORDERS, MOVEMENTS, REASONS):
        run_as_owner(tables)
    run_as_owner(TRAIL)
    run_as_owner(PROOFS)
