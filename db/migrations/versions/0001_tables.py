"""Roles, schemas and the tables of the business and its users.

Why: everything else (the trail, the stock books, sign-in) hangs on these names.
Locks: none that matter, the database is empty.

Roles belong to the whole server, so they are created only where they are missing; the login of
the application gets its password at start-up (backstitch.startup), not here.
"""

from db.migrations.files import run_as_owner, run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLES = """
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

TABLES = """
create schema inventory;
create schema accounts;

create table accounts.users (
    id bigint generated always as identity primary key,
    email text not null
        constraint email_has_an_at check (email ~ '^[^@\\s]+@[^@\\s]+$' and length(email) <= 254),
    name text not null constraint name_not_blank check (name ~ '\\S'),
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

-- What is written all day and means nothing tomorrow, so it is not on the record: of the attempts the trail has
-- each failure and each lock-out, of the activity each beginning and each end of a session.
create schema runtime;

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

create table inventory.products (
    id bigint generated always as identity primary key,
    sku text not null
        constraint sku_unique unique
        constraint sku_not_blank check (sku ~ '\\S' and length(sku) <= 60),
    name text not null constraint product_name_not_blank check (name ~ '\\S'),
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
    color text not null constraint color_not_blank check (color ~ '\\S'),
    colour_code text not null
        constraint colour_code_not_blank check (colour_code ~ '\\S' and length(colour_code) <= 40),
    constraint colour_code_unique unique (product_id, colour_code)
);

create table inventory.product_color_stocks (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null default 0
        constraint stock_never_negative check (quantity >= 0),
    constraint stock_cell_unique unique (product_id, colour_code, size),
    constraint colour_of_product foreign key (product_id, colour_code)
        references inventory.product_colors (product_id, colour_code)
);

comment on table inventory.product_color_stocks is
    'The cells of the colour x size matrix. The quantity is moved by the database (db/stock.sql) only.';

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
        constraint stakeholder_not_blank check (stakeholder_name ~ '\\S'),
    constraint inward_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index inward_logs_by_product on inventory.inward_logs (product_id, colour_code, size);
create index inward_logs_by_date on inventory.inward_logs (date desc, id desc);

create table inventory.sales_logs (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint sales_quantity_positive check (quantity > 0),
    date date not null default current_date,
    agency text not null default '',
    store text not null constraint store_not_blank check (store ~ '\\S'),
    constraint sales_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index sales_logs_by_product on inventory.sales_logs (product_id, colour_code, size);
create index sales_logs_by_date on inventory.sales_logs (date desc, id desc);

comment on table inventory.inward_logs is 'Goods in; each row has moved its cell of the matrix up.';
comment on table inventory.sales_logs is 'Goods out; each row has moved its cell of the matrix down.';
"""


def upgrade() -> None:
    run_sql(ROLES)
    run_as_owner(TABLES)
