"""The rest of the business: customers, agencies, orders, adjustments, colours and cells out of use, reasons.

Why: orders, corrections and parties enter the books, and the database asks for reasons where a policy says so.
Locks: ACCESS EXCLUSIVE on product_colors, product_color_stocks and sales_logs for milliseconds each: a column with
a constant default rewrites nothing. The indexes on the logs keep writers out while they are built, about a second
per million rows.
"""

from db.migrations.files import run_as_owner, run_file

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PARTIES = """
create table inventory.customers (
    id bigint generated always as identity primary key,
    store_name text not null
        constraint customer_name_not_blank check (store_name ~ '\\S' and length(store_name) <= 120),
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
        constraint agency_name_not_blank check (agency_name ~ '\\S' and length(agency_name) <= 120),
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

ORDERS = """
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
    order_id bigint not null constraint line_of_order references inventory.orders on delete cascade,
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

MOVEMENTS = """
alter table inventory.product_colors add column is_active boolean not null default true;
alter table inventory.product_color_stocks
    add column is_active boolean not null default true,
    -- A movement into a cell out of use would break it, and so would taking a cell with stock out of use.
    add constraint inactive_cell_empty check (is_active or quantity = 0);
alter table inventory.sales_logs add column order_id bigint constraint sale_order references inventory.orders;
create index sales_logs_by_order on inventory.sales_logs (order_id) where order_id is not null;
-- Who has dealt with a store or an agency, and the last entry of one, without reading the log.
create index sales_logs_by_store on inventory.sales_logs (lower(store), date desc, id desc);
create index sales_logs_by_agency on inventory.sales_logs (lower(agency)) where agency <> '';
create index inward_logs_by_stakeholder on inventory.inward_logs (lower(stakeholder_name), date desc, id desc);

create table inventory.stock_adjustments (
    id bigint generated always as identity primary key,
    product_id bigint not null references inventory.products,
    colour_code text not null,
    size text not null,
    quantity integer not null constraint adjustment_not_zero check (quantity <> 0),
    date date not null default current_date,
    reason text not null constraint adjustment_reason_known
        check (reason in ('count', 'correction', 'damaged', 'theft or loss', 'promotion', 'return')),
    note text not null default '' constraint adjustment_note_short check (length(note) <= 400),
    constraint adjustment_cell_of_matrix foreign key (product_id, colour_code, size)
        references inventory.product_color_stocks (product_id, colour_code, size)
);
create index stock_adjustments_by_product on inventory.stock_adjustments (product_id, colour_code, size);
create index stock_adjustments_by_date on inventory.stock_adjustments (date desc, id desc);

comment on column inventory.product_color_stocks.is_active is
    'Whether the product is still made in this colour and size.';
comment on column inventory.sales_logs.order_id is 'The order whose dispatch wrote this row; null: entered by hand.';
comment on table inventory.stock_adjustments is
    'Counts and corrections; each row has moved its cell by its signed quantity.';
"""

REASONS = """
create table inventory.reason_policies (
    id bigint generated always as identity primary key,
    entity text not null constraint policy_entity_not_blank check (entity ~ '\\S'),
    field text not null constraint policy_field_not_blank check (field ~ '\\S'),
    required boolean not null default true,
    constraint policy_unique unique (entity, field)
);
comment on table inventory.reason_policies is
    'Which changes a signed-in user must give a reason for. Field *: every addition, change and deletion.';
"""

WATCH = """
select audit.watch('inventory.product_colors');
select audit.watch('inventory.product_color_stocks');
select audit.watch('inventory.sales_logs');
select audit.watch('inventory.stock_adjustments', 'StockAdjustment', parent => 'product_id');
select audit.watch('inventory.customers', 'Customer');
select audit.watch('inventory.agencies', 'Agency');
select audit.watch('inventory.order_counters', 'OrderCounter');
select audit.watch('inventory.orders', 'Order', parent => 'customer_id');
select audit.watch('inventory.order_lines', 'OrderLine', parent => 'order_id');
select audit.watch('inventory.reason_policies', 'ReasonPolicy');
insert into inventory.reason_policies (entity, field)
values ('StockAdjustment', '*'), ('Product', 'unit_price'), ('User', 'role');
"""


def upgrade() -> None:
    run_file("checks.sql")
    for tables in (PARTIES, ORDERS, MOVEMENTS, REASONS):
        run_as_owner(tables)
    run_file("stock.sql")
    run_file("adjustments.sql")
    run_file("orders.sql")
    run_file("reasons.sql")
    run_as_owner(WATCH)
    run_file("doctor.sql")
