"""Entries of goods in and out: recorded and deleted in bulk, corrected, looked up."""

import pytest

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.commands import SalesRow
from backstitch.inventory.movements.queries import LogFilter
from tests.conftest import Clone
from tests.db.business import DAY, Business, open_business


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


def test_bulk_entries_and_deletions_of_the_logs_are_one_operation_or_nothing(business: Business) -> None:
    rows = [SalesRow(business.product, "RED", "S", n, DAY, " Bandra ") for n in (1, 2, 3)]
    with business.write() as connection:
        assert movement_commands.bulk_sales(connection, rows=rows) == 3
    with pytest.raises(Refused) as short, business.write() as connection:
        movement_commands.bulk_sales(connection, rows=[*rows, SalesRow(business.product, "RED", "M", 1, DAY, "Bandra")])
    assert short.value.rule == "stock_never_negative"
    with business.read() as connection:
        sold = movement_queries.sales_log(connection, log_filter=LogFilter(store="bandra"))
        (received,) = movement_queries.inward_log(
            connection, log_filter=LogFilter(stakeholder="arvind mills", category="Supply")
        )
    assert [entry.quantity for entry in sold] == [3, 2, 1]
    with pytest.raises(Refused) as refusal, business.write() as connection:
        movement_commands.delete_inwards(connection, versions={received.id: received.version})
    assert refusal.value.rule == "stock_never_negative"
    versions = {entry.id: entry.version for entry in sold}
    with business.write() as connection:
        movement_commands.edit_sale(connection, entry=sold[0], quantity=4, sale=movement_commands.Sale(DAY, "Bandra"))
    with pytest.raises(StaleEdit) as stale, business.write() as connection:
        movement_commands.delete_sales(connection, versions=versions)
    assert [entry.quantity for entry in stale.value.theirs] == [4]
    with business.write() as connection:
        del versions[sold[0].id]
        assert movement_commands.delete_sales(connection, versions=versions) == 2
    assert business.stock() == {("RED", "S"): 6}
