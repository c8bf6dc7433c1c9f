"""Rows that break a rule of this version, however they came in, are named by the command, rule by rule."""

import pytest

from backstitch import doctor
from backstitch.doctor.finding import Finding
from backstitch.doctor.rows import _rules
from db import catalog
from tests.conftest import Clone
from tests.db.conftest import sealed

# A product with a cell and a line of an order, written as a replica writes: past foreign keys and ordinary triggers.
STOCK = (
    "set local session_replication_role = replica; "
    "insert into inventory.products (id, sku, name, sizes) overriding system value values (7, 'A', 'Kurti', '{M}'); "
    "insert into inventory.product_colors (product_id, color, colour_code) values (7, 'Red', 'R'); "
    "insert into inventory.product_color_stocks (product_id, colour_code, size) values (7, 'R', 'M'); "
)


@pytest.fixture(scope="module")
def kept_clone(kept_clone: Clone) -> Clone:
    return sealed(kept_clone)


def found_after(clone: Clone, damage: str) -> list[Finding]:
    """What the thorough doctor says of rows after the damage, which is rolled back."""
    with clone.owner.owner_connection() as connection, connection.begin() as transaction:
        connection.exec_driver_sql(damage, execution_options={"no_parameters": True})
        connection.exec_driver_sql("reset session_replication_role")
        found = [one for one in doctor.findings(connection, thorough=True) if one.check == "rows"]
        transaction.rollback()
    return found


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (STOCK, None),
        (STOCK + "insert into inventory.sales_logs (id, product_id, colour_code, size, quantity, store) overriding "
         "system value values (5, 7, 'R', 'XL', 1, 'Asha')",
         "row 5 of inventory.sales_logs breaks sales_cell_of_matrix"),
        (STOCK + "delete from inventory.products",
         " of inventory.product_colors breaks product_colors_product_id_fkey"),
        ("alter table inventory.product_color_stocks drop constraint stock_never_negative; " + STOCK
         + "update inventory.product_color_stocks set quantity = -405",
         " of inventory.product_color_stocks breaks stock_never_negative"),
        ("alter table inventory.product_color_stocks drop constraint stock_never_negative; " + STOCK
         + "update inventory.product_color_stocks set quantity = -405; alter table inventory.product_color_stocks add "
         "constraint stock_never_negative check (quantity >= 0) not valid",
         " of inventory.product_color_stocks breaks stock_never_negative"),
        ("alter table accounts.users alter role drop not null; update accounts.users set role = null where id = 3",
         "row 3 of accounts.users breaks not null of role"),
        ("alter domain audit.action drop constraint action_known; update audit.records set action = 'DREAM' "
         "where id = 2", "breaks action_known"),
        ("alter table inventory.products drop constraint sizes_short; " + STOCK
         + "update inventory.products set sizes = '{M,ABCDEFGHIJKLMNOPQRSTUVWXYZ}'",
         "row 7 of inventory.products breaks sizes_short"),
    ],
)  # fmt: skip
def test_the_first_row_that_breaks_a_rule_is_named(kept_clone: Clone, damage: str, sentence: str | None) -> None:
    found = found_after(kept_clone, damage)
    if sentence is None:
        assert [one.severity for one in found] == ["ok"]
        return
    said = [one for one in found if one.sentence.endswith(sentence)]
    assert [one.severity for one in said] == ["error"]
    # No command can know what the row should have been.
    assert said[0].advice == (
        "correct the row, or delete it, so that it is on the record who did that and why; the trail has its history"
    )


def test_a_start_does_not_read_all_rows(kept_clone: Clone) -> None:
    with kept_clone.app.anonymous() as connection:
        assert "rows" not in {one.check for one in doctor.findings(connection, watch=kept_clone.watch)}


def test_a_rule_whose_function_was_replaced_does_not_run_it(kept_clone: Clone) -> None:
    """It would run with the rights of whoever asks the doctor; that it was replaced is named itself."""
    found = found_after(
        kept_clone,
        STOCK + "create or replace function inventory.texts_short(texts text[], most integer, longest integer) returns "
        "boolean language plpgsql immutable as $$ begin raise exception 'it ran'; end $$",
    )
    assert [one.sentence for one in found if "it ran" in one.sentence] == []


def test_every_foreign_key_and_check_of_this_version_is_held_against_the_rows() -> None:
    rules = {(rule.table, rule.name) for rule in _rules(catalog.expected())}
    for one, definition in catalog.expected().items():
        name, _, table = one.name.partition(" on ")
        if one.kind == "constraint" and str(definition).startswith(("CHECK", "FOREIGN KEY")):
            assert (table, name) in rules or " of audit." in one.name
    assert {("audit.records", "action_known"), ("audit.records", "source_known")} <= rules
