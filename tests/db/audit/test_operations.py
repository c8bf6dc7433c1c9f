"""The trail by operation: one line per transaction, its gist, and pages by key."""

from typing import Any

import pytest
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.audit.operations import Kind, Operation, OperationPage, operations
from backstitch.database import System
from tests.conftest import Clone, email_of
from tests.db.audit.shop import NEW_INWARD, Shop, around_now, open_shop


@pytest.fixture
def shop(clone: Clone) -> Shop:
    return open_shop(clone)


def page(shop: Shop, *, role: Role = Role.ANALYST, size: int = 50, before: Any = None, **filters: Any) -> OperationPage:
    with shop.clone.app.read(shop.clone.actor(role)) as connection:
        return operations(connection, filters=around_now(**filters), size=size, before=before)


def receive(shop: Shop, times: int) -> None:
    with shop.clone.app.transaction(
        shop.clone.actor(Role.MANAGER), operation="bulk paste", reason="delivery 17"
    ) as connection:
        connection.execute(
            text(
                "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
                "select :product, case when n % 2 = 0 then 'RED' else 'NVY' end, 'M', 1, 'Mill' "
                "from generate_series(1, :times) n"
            ),
            {"product": shop.product, "times": times},
        )


def test_a_bulk_operation_is_one_line_with_its_gist_its_reason_and_all_its_records(shop: Shop) -> None:
    receive(shop, 1250)
    newest = page(shop).operations[0]
    assert newest.kinds == (Kind("CREATE", "InwardLog", 1250), Kind("UPDATE", "ProductColorStock", 2))
    assert newest.gist == "BULK_CREATE inward entries, 1,250 rows"
    assert (newest.records, newest.operation, newest.reason) == (1252, "bulk paste", "delivery 17")
    assert (newest.username, newest.user_name) == (email_of(Role.MANAGER), "Manager Rao")
    assert newest.started < newest.ended


def test_every_transaction_is_one_operation_newest_first(shop: Shop) -> None:
    shop.run("update inventory.products set name = 'Jeggings'")
    listed = [(operation.gist, operation.operation) for operation in page(shop).operations]
    assert listed[:4] == [
        ("UPDATE product", "test"),
        ("CREATE inward entry", "record goods in"),
        ("CREATE colour", "add colour"),
        ("CREATE colour", "add colour"),
    ]


def test_an_import_says_how_many_rows_it_took(shop: Shop) -> None:
    with shop.clone.owner.transaction(System(), operation="import") as connection:
        connection.execute(NEW_INWARD, {"product": shop.product, "quantity": 5, "stakeholder": "Mill"})
        connection.execute(
            text("""select audit.record_activity('IMPORT', 'StockList', null, '{"accepted": 9169, "rows": 9200}')""")
        )
    newest = page(shop).operations[0]
    assert (newest.gist, newest.username) == ("IMPORT stock list, 9,169 rows", "system")


def test_filters_choose_the_operations_and_each_still_counts_all_its_records(shop: Shop) -> None:
    receive(shop, 3)
    found = page(shop, entities=("ProductColorStock",), actions=("UPDATE",)).operations
    assert [operation.records for operation in found] == [5, 2]
    assert page(shop, text="delivery 17").operations[0].reason == "delivery 17"
    assert page(shop, product_id=shop.product + 1).operations == []


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_by_key_give_every_operation_once_while_new_ones_arrive(shop: Shop, size: int) -> None:
    for _ in range(3):
        receive(shop, 2)
    everything = [operation.transaction_id for operation in page(shop).operations]
    seen: list[int] = []
    before = None
    while True:
        one = page(shop, size=size, before=before)
        seen += [operation.transaction_id for operation in one.operations]
        receive(shop, 1)
        before = one.next_cursor
        if before is None:
            break
    assert seen == everything


def test_a_long_transaction_is_listed_once_though_others_end_within_it(shop: Shop) -> None:
    manager = shop.clone.actor(Role.MANAGER)
    with shop.clone.app.transaction(manager, operation="long") as connection:
        connection.execute(NEW_INWARD, {"product": shop.product, "quantity": 5, "stakeholder": "Mill"})
        for _ in range(2):
            shop.clone.superuser().execute("update accounts.users set must_change_password = not must_change_password")
        connection.execute(text("update inventory.products set reorder_level = 7"))
    listed: list[Operation] = []
    before = None
    for _ in range(5):
        one = page(shop, size=1, before=before)
        listed += one.operations
        before = one.next_cursor
    assert [operation.operation for operation in listed].count("long") == 1
    assert listed[0].operation == "long"


def test_a_manager_sees_no_operation_on_accounts_and_a_viewer_none(shop: Shop) -> None:
    kinds = {kind.entity for operation in page(shop, role=Role.MANAGER).operations for kind in operation.kinds}
    assert kinds <= {"Product", "ProductColor", "ProductColorStock", "InwardLog", "ReasonPolicy"}
