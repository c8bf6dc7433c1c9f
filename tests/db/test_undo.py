"""Undo from the trail: what comes back, what is left and named, what is refused, and what the record says."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.audit import undo
from backstitch.audit.undo import Left, Preview, Step, Undoable, Undone
from backstitch.errors import Refused
from tests.conftest import Clone
from tests.db.audit_shop import NEW_INWARD, Shop, open_shop

CONTENTS = "select to_jsonb(t) from inventory.{} t order by id"
TABLES = ("products", "product_colors", "product_color_stocks", "inward_logs", "sales_logs", "customers")


@pytest.fixture
def shop(clone: Clone) -> Shop:
    return open_shop(clone)


def do(shop: Shop, *statements: str, role: Role = Role.MANAGER, **values: Any) -> Undoable:
    """One transaction of the user with `role`; what undoes it."""
    with shop.clone.app.transaction(shop.clone.actor(role), operation="test", reason="because") as connection:
        for statement in statements:
            connection.execute(text(statement), values)
        return undo.this_transaction(connection)


def take_back(shop: Shop, undoable: Undoable, *, role: Role = Role.MANAGER) -> Undone:
    with shop.clone.app.transaction(shop.clone.actor(role), operation="undo", reason="a mistake") as connection:
        return undo.undo(connection, undoable=undoable)


def preview(shop: Shop, undoable: Undoable, *, role: Role = Role.MANAGER) -> Preview:
    with shop.clone.app.read(shop.clone.actor(role)) as connection:
        return undo.preview(connection, undoable=undoable)


def contents(shop: Shop) -> dict[str, list[Any]]:
    """Every row of the tables, ids and all."""
    with shop.clone.superuser() as connection:
        return {
            table: [row for (row,) in connection.execute(CONTENTS.format(table)).fetchall()]  # type: ignore[arg-type]
            for table in TABLES
        }


def stock(shop: Shop) -> list[tuple[str, int]]:
    with shop.clone.superuser() as connection:
        return connection.execute(
            "select colour_code, quantity from inventory.product_color_stocks order by 1"
        ).fetchall()


def records_of(shop: Shop, action: str) -> list[tuple[Any, ...]]:
    with shop.clone.superuser() as connection:
        return connection.execute(
            "select entity, entity_id, username, operation, reason, new_values from audit.trail where action = %s",
            (action,),
        ).fetchall()


@pytest.mark.parametrize(
    "statements",
    [
        ["update inventory.products set name = 'Jeggings', unit_price = 600, sizes = '{S,M,L,XL}'"],
        ["delete from inventory.inward_logs"],
        ["delete from inventory.inward_logs", "delete from inventory.product_color_stocks where colour_code = 'NVY'"],
        ["insert into inventory.customers (store_name) select 'Store ' || n from generate_series(1, 30) n"],
        [
            "update inventory.inward_logs set quantity = 7",
            "update inventory.inward_logs set quantity = 9, date = now()",
        ],
        [
            "update inventory.inward_logs set quantity = 7",
            "delete from inventory.inward_logs",
            "insert into inventory.customers (store_name) values ('A')",
            "update inventory.customers set store_name = 'B'",
        ],
        [
            "delete from inventory.product_color_stocks where colour_code = 'NVY'",
            "insert into inventory.product_color_stocks (product_id, colour_code, size) "
            "select id, 'NVY', 'M' from inventory.products",
        ],
    ],
    ids=["update", "delete", "cell", "bulk create", "twice", "all kinds", "same key again"],
)
def test_undo_gives_every_row_back_as_it_was_with_its_id(shop: Shop, statements: list[str]) -> None:
    before = contents(shop)
    undoable = do(shop, *statements)
    assert contents(shop) != before
    shown = preview(shop, undoable)
    assert (shown.skipped, shown.left) == (0, [])
    assert take_back(shop, undoable) == Undone(shown.records, 0)
    assert contents(shop) == before
    with shop.clone.superuser() as connection:
        for table in TABLES:
            assert connection.execute("select from audit.differences(%s)", (f"inventory.{table}",)).fetchall() == []


def test_undo_is_on_the_record_with_what_it_undid_and_can_be_undone(shop: Shop) -> None:
    undoable = do(shop, "update inventory.inward_logs set quantity = 5")
    assert preview(shop, undoable) == Preview([Step("UPDATE", "InwardLog", 1)], 0, [])
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="undo", reason="a mistake") as connection:
        undo.undo(connection, undoable=undoable)
        again = undo.this_transaction(connection)
    assert records_of(shop, "UNDO") == [
        (
            "InwardLog",
            shop.inward,
            "manager@example.com",
            "undo",
            "a mistake",
            {"undid": undoable.transaction_id, "rows": 1},
        )
    ]
    assert stock(shop) == [("NVY", 0), ("RED", 20)]
    take_back(shop, again)
    assert stock(shop) == [("NVY", 0), ("RED", 5)]


def test_rows_changed_since_are_left_and_named(shop: Shop) -> None:
    undoable = do(
        shop,
        "insert into inventory.customers (store_name) select 'Store ' || n from generate_series(1, 3) n",
        "update inventory.products set name = 'Jeggings', category = 'Denim'",
    )
    do(shop, "update inventory.customers set region = 'North' where store_name = 'Store 2'")
    do(shop, "update inventory.products set hsn_code = '6104'")  # another field stands in nobody's way
    shown = preview(shop, undoable)
    assert {(step.action, step.entity, step.records) for step in shown.steps} == {
        ("DELETE", "Customer", 2),
        ("UPDATE", "Product", 1),
    }
    assert (shown.skipped, shown.left) == (1, [Left("Customer", "Customer Store 2", "changed since")])
    assert take_back(shop, undoable) == Undone(3, 1)
    after = contents(shop)
    assert [row["store_name"] for row in after["customers"]] == ["Store 2"]
    assert [(row["name"], row["category"], row["hsn_code"]) for row in after["products"]] == [("Leggings", "", "6104")]


def test_undo_that_would_break_the_stock_is_refused_and_changes_nothing(shop: Shop) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="in") as connection:
        connection.execute(NEW_INWARD, {"product": shop.product, "quantity": 4, "stakeholder": "Mill"})
        connection.execute(text("update inventory.products set name = 'Jeggings'"))
        undoable = undo.this_transaction(connection)
    do(
        shop,
        "insert into inventory.sales_logs (product_id, colour_code, size, quantity, store) "
        "values (:product, 'RED', 'M', 22, 'Kumar')",
        product=shop.product,
    )
    before = contents(shop)
    with pytest.raises(Refused) as caught:
        take_back(shop, undoable)
    assert caught.value.rule == "stock_never_negative"
    assert contents(shop) == before
    assert records_of(shop, "UNDO") == []


def test_one_record_of_an_operation_is_undone_alone(shop: Shop) -> None:
    undoable = do(shop, "insert into inventory.customers (store_name) values ('A'), ('B'), ('C')")
    with shop.clone.superuser() as connection:
        (record_id,) = connection.execute(
            "select id from audit.records where new_values ->> 'store_name' = 'B'"
        ).fetchone() or (None,)
    one = Undoable(undoable.transaction_id, undoable.near, record_id)
    assert take_back(shop, one) == Undone(1, 0)
    assert [row["store_name"] for row in contents(shop)["customers"]] == ["A", "C"]
    assert records_of(shop, "UNDO")[0][5] == {
        "undid": undoable.transaction_id,
        "undid_record": record_id,
        "rows": 1,
    }
    # What is undone is not undone again; the rest of the operation still is.
    with pytest.raises(Refused) as caught:
        take_back(shop, one)
    assert caught.value.rule == "nothing_to_undo"
    assert take_back(shop, undoable) == Undone(2, 1)
    assert contents(shop)["customers"] == []


def test_a_manager_undoes_only_own_changes_an_admin_anybody_s_and_nobody_else_any(shop: Shop) -> None:
    by_admin = do(shop, "update inventory.products set name = 'Jeggings'", role=Role.ADMIN)
    by_manager = do(shop, "update inventory.products set category = 'Denim'")
    for act in (preview, take_back):
        with pytest.raises(Refused) as caught:
            act(shop, by_admin, role=Role.MANAGER)
        assert caught.value.rule == "undo_own_changes"
    for role in (Role.ANALYST, Role.VIEWER):
        with pytest.raises(Refused):
            take_back(shop, by_manager, role=role)
    assert take_back(shop, by_manager, role=Role.ADMIN) == Undone(1, 0)
    assert take_back(shop, by_admin, role=Role.ADMIN) == Undone(1, 0)


def test_accounts_and_what_nobody_did_are_not_undone(shop: Shop) -> None:
    role_change = do(shop, "update accounts.users set role = 'analyst' where role = 'viewer'", role=Role.ADMIN)
    nothing = Undoable(role_change.transaction_id + 1000, role_change.near)
    for undoable in (role_change, nothing):
        assert preview(shop, undoable, role=Role.ADMIN) == Preview([], 0, [])
        with pytest.raises(Refused) as caught:
            take_back(shop, undoable, role=Role.ADMIN)
        assert caught.value.rule == "nothing_to_undo"


def test_a_record_with_a_column_that_is_gone_is_left(shop: Shop) -> None:
    undoable = do(shop, "insert into inventory.customers (store_name, region) values ('A', 'North')")
    changed = do(shop, "update inventory.customers set region = 'South'")
    with shop.clone.superuser() as connection:
        connection.execute("alter table inventory.customers rename column region to zone")
        connection.execute("select audit.watch('inventory.customers')")
    assert preview(shop, changed).left == [Left("Customer", "Customer A", "its record type has other fields now")]
    assert preview(shop, undoable).skipped == 1


def test_a_transaction_number_of_another_time_is_not_taken_for_this_one(shop: Shop) -> None:
    undoable = do(shop, "update inventory.products set name = 'Jeggings'")
    last_year = Undoable(undoable.transaction_id, datetime(2020, 1, 1).astimezone())
    assert preview(shop, last_year) == Preview([], 0, [])
