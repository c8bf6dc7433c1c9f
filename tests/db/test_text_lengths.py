"""Every text of the business has a greatest length, which Python and the database agree on."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from backstitch import lengths
from backstitch.accounts.permissions import Role
from backstitch.errors import SENTENCES, Refused
from backstitch.inventory.movements.adjustments import LONGEST_NOTE
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products.commands import ProductDetails
from tests.conftest import Clone
from tests.db.trail import Connection

TEXT_COLUMNS = """
    select format('%s.%s', c.oid::regclass, a.attname), t.typcategory = 'A'
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
    where c.relnamespace in ('inventory'::regnamespace, 'accounts'::regnamespace) and c.relkind in ('r', 'p')
        and a.attnum > 0 and not a.attisdropped
        and coalesce((select e.typname from pg_type e where e.oid = t.typelem and t.typcategory = 'A'), t.typname)
            in ('text', 'varchar', 'bpchar', 'name', 'citext')
    order by 1
"""
CHECKS = """
    select conname, pg_get_expr(conbin, conrelid) from pg_constraint
    where conrelid = %s::regclass and contype = 'c' order by conname
"""
# By column: the greatest length, and the constraint that refuses a longer text.
CELL = {"colour_code": (lengths.COLOUR_CODE, "cell_short"), "size": (lengths.SIZE, "cell_short")}
LONGEST: dict[str, dict[str, tuple[int, str]]] = {
    "accounts.users": {
        "email": (lengths.EMAIL, "email_has_an_at"),
        "name": (lengths.NAME, "name_not_blank"),
        "password_hash": (200, "password_hash_short"),
    },
    "accounts.sessions": {"user_agent": (400, "user_agent_short")},  # accounts.open_session cuts it
    "inventory.products": {
        "sku": (lengths.SKU, "sku_not_blank"),
        "name": (lengths.NAME, "product_name_not_blank"),
        "description": (lengths.DESCRIPTION, "description_short"),
        "category": (lengths.CATEGORY, "category_short"),
        "hsn_code": (8, "hsn_code_digits"),
        "sizes": (lengths.SIZE, "sizes_short"),
        "allowed_stores": (lengths.NAME, "allowed_stores_short"),
        "allowed_agencies": (lengths.NAME, "allowed_agencies_short"),
    },
    "inventory.product_colors": {
        "color": (lengths.COLOUR, "color_not_blank"),
        "colour_code": (lengths.COLOUR_CODE, "colour_code_not_blank"),
    },
    "inventory.product_color_stocks": CELL,
    "inventory.customers": {
        "store_name": (lengths.NAME, "customer_name_not_blank"),
        "gst_number": (15, "gstin_valid"),
        "phone": (10, "mobile_ten_digits"),
        "address": (lengths.ADDRESS, "address_short"),
        "pincode": (6, "pincode_six_digits"),
        "region": (lengths.REGION, "region_short"),
    },
    "inventory.agencies": {
        "agency_name": (lengths.NAME, "agency_name_not_blank"),
        "gst_number": (15, "gstin_valid"),
        "owner_mobile": (10, "mobile_ten_digits"),
        "accounts_mobile": (10, "accounts_mobile_ten_digits"),
        "address": (lengths.ADDRESS, "address_short"),
        "pincode": (6, "pincode_six_digits"),
        "region_covered": (lengths.REGION, "region_short"),
    },
    "inventory.order_counters": {"financial_year": (10, "financial_year_short")},
    "inventory.orders": {
        "financial_year": (10, "financial_year_short"),
        "note": (lengths.ORDER_NOTE, "order_note_short"),
    },
    "inventory.order_lines": CELL,
    "inventory.inward_logs": {**CELL, "stakeholder_name": (lengths.NAME, "stakeholder_not_blank")},
    "inventory.sales_logs": {
        **CELL,
        "agency": (lengths.NAME, "sale_agency_short"),
        "store": (lengths.NAME, "store_not_blank"),
    },
    "inventory.stock_adjustments": {**CELL, "note": (LONGEST_NOTE, "adjustment_note_short")},
    "inventory.reason_policies": {"field": (63, "policy_field_not_blank")},  # a name of PostgreSQL
    "inventory.sheet_layouts": {"headings": (100, "layout_headings_short"), "columns": (40, "layout_columns_short")},
}
COLUMNS = {f"{table}.{column}": limit for table, columns in LONGEST.items() for column, limit in columns.items()}
LISTS = {
    "inventory.products.sizes": (lengths.SIZES, "sizes_short"),
    "inventory.products.allowed_stores": (lengths.ALLOWED_PARTIES, "allowed_stores_short"),
    "inventory.products.allowed_agencies": (lengths.ALLOWED_PARTIES, "allowed_agencies_short"),
    "inventory.sheet_layouts.headings": (60, "layout_headings_short"),
    "inventory.sheet_layouts.columns": (60, "layout_columns_short"),
}
# Texts of the greatest length where a form is prescribed; elsewhere letters do.
FITTING = {
    "email": "a@" + "b" * 252,
    "hsn_code": "6" * 8,
    "gst_number": "27AAPFU0939F1ZV",
    "phone": "9" * 10,
    "owner_mobile": "9" * 10,
    "accounts_mobile": "9" * 10,
    "pincode": "4" * 6,
}


def refusing(psql: Connection, column: str, value: Any) -> set[str]:
    """The constraints of the table that refuse this value of the column, whatever the other columns have."""
    table, _, name = column.rpartition(".")
    found = set()
    for rule, expression in psql.execute(CHECKS, (table,)).fetchall():
        refused = psql.execute(
            f"select ({expression}) is false "  # type: ignore[arg-type]
            f"from jsonb_populate_record(null::{table}, jsonb_build_object(%s::text, %s::jsonb)) row",
            (name, Jsonb(value)),
        ).fetchone()
        if refused == (True,):
            found.add(rule)
    return found


def test_every_text_column_of_the_business_has_a_greatest_length(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        columns = dict(psql.execute(TEXT_COLUMNS).fetchall())
        assert columns.keys() >= COLUMNS.keys()
        assert {column for column, is_list in columns.items() if is_list} == LISTS.keys()
        for column, is_list in columns.items():
            # What is not in COLUMNS is one of a few words.
            text = "x" * 100_000 if column in COLUMNS else "another word"
            assert refusing(psql, column, [text] if is_list else text), f"{column} takes a text of any length"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_text_of_the_greatest_length_fits_and_one_character_more_does_not(kept_clone: Clone, column: str) -> None:
    longest, rule = COLUMNS[column]
    text = FITTING.get(column.rpartition(".")[2], "x" * longest)
    assert len(text) == longest
    # A character of two bytes counts once.
    more = text + text[-1] if column.rpartition(".")[2] in FITTING else "ä" * (longest + 1)
    with kept_clone.superuser() as psql:
        fits, does_not = ([text], [text, more]) if column in LISTS else (text, more)
        assert refusing(psql, column, fits) == set()
        assert refusing(psql, column, does_not) == {rule}
    assert rule in SENTENCES
    if rule.endswith("_short") and rule != "financial_year_short":
        assert f"{longest:,}" in SENTENCES[rule]


@pytest.mark.parametrize("column", LISTS)
def test_a_list_has_a_greatest_number_of_texts(kept_clone: Clone, column: str) -> None:
    most, rule = LISTS[column]
    with kept_clone.superuser() as psql:
        assert refusing(psql, column, [str(n) for n in range(most)]) == set()
        assert rule in refusing(psql, column, [str(n) for n in range(most + 1)])


def test_every_rule_of_the_business_has_its_sentence(kept_clone: Clone) -> None:
    # Without those of columns that only the database writes.
    rules = (
        "select distinct conname from pg_constraint where contype = 'c' and connamespace in "
        "('inventory'::regnamespace, 'accounts'::regnamespace) and conname not in "
        "('session_kind_known', 'order_counter_positive', 'order_date_in_financial_year')"
    )
    with kept_clone.superuser() as psql:
        assert {rule for (rule,) in psql.execute(rules).fetchall()} - SENTENCES.keys() == set()


def test_a_refusal_names_the_field(kept_clone: Clone) -> None:
    novel = ProductDetails("A", "Kurti", ["M"], description="x" * 4_001)
    with (
        pytest.raises(Refused) as refusal,
        kept_clone.app.transaction(kept_clone.actor(Role.MANAGER), operation="add product") as connection,
    ):
        product_commands.create_product(connection, details=novel, colours=[])
    assert (refusal.value.rule, str(refusal.value)) == (
        "description_short",
        "A description has at most 4,000 characters.",
    )
