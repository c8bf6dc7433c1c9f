"""Gives each kind of name one key: SKU, size, colour, party. Adds the layouts of sheets (inventory.sheet_layouts)."""

from db.migrations.sql import run_as_owner

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


# The headings are part of an index, whose rows have at most 2,704 bytes.
SHEET_LAYOUTS = r"""
create table inventory.sheet_layouts (
    id bigint generated always as identity primary key,
    kind text not null constraint layout_kind_known check (kind in ('inward', 'sales', 'orders', 'products')),
    headings text[] not null
        constraint layout_headings_short check (inventory.texts_short(headings, 60, 100))
        constraint layout_headings_fit check (octet_length(array_to_string(headings, '')) between 1 and 1900),
    columns text[] not null constraint layout_columns_short check (inventory.texts_short(columns, 60, 40)),
    date_order text
        constraint layout_date_order_known check (date_order in ('day first', 'month first')),
    constraint layout_columns_match check (cardinality(columns) = cardinality(headings)),
    constraint layout_unique unique (kind, headings)
);
comment on table inventory.sheet_layouts is
    'The columns of sheets as somebody matched them by hand: a sheet with the same headings is read the same way.';
comment on column inventory.sheet_layouts.kind is 'What is pasted: inward, sales, orders or products.';
comment on column inventory.sheet_layouts.headings is
    'The headings of the sheet in its order, without case, spaces and punctuation.';
comment on column inventory.sheet_layouts.columns is
    'For each heading the field that the column has, `size M` for a column of a size, or an empty text: left out.';
comment on column inventory.sheet_layouts.date_order is
    'How its dates of three numbers are read; null: nobody has chosen.';
"""


def upgrade() -> None:
    run_as_owner(SHEET_LAYOUTS)
