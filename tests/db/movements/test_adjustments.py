"""Corrections of the stock."""

import pytest
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.adjustments import Adjustment, combined_reason
from backstitch.inventory.movements.queries import LogFilter
from tests.conftest import Clone
from tests.db.business import DAY, Business, open_business
from tests.db.trail import assert_replay_matches, records, refused


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


def adjust(business: Business, quantity: int, reason: str = "damaged", note: str = "") -> None:
    with business.write(reason=combined_reason(reason, note)) as connection:
        correction = Adjustment(business.product, "RED", "S", quantity, DAY, reason, note)
        adjustments.adjust(connection, adjustments=[correction])


def test_an_adjustment_moves_its_cell_and_its_reason_is_on_the_record(business: Business) -> None:
    adjust(business, -2, "damaged", "torn sleeve")
    adjust(business, 1, "return")
    assert business.stock() == {("RED", "S"): 9}
    with business.read() as connection:
        newest, oldest = movement_queries.adjustment_log(connection, log_filter=LogFilter())
        assert movement_queries.adjustment_log(connection, log_filter=LogFilter(reason="return")) == [newest]
    assert (oldest.sku, oldest.color, oldest.quantity, oldest.reason, oldest.note) == (
        "KT-1",
        "Red",
        -2,
        "damaged",
        "torn sleeve",
    )
    with business.clone.superuser() as psql:
        recorded = [
            (r["parent_id"], r["reason"], r["new_values"]["quantity"]) for r in records(psql, "StockAdjustment")
        ]
        assert recorded == [(1, "damaged: torn sleeve", -2), (1, "return", 1)]
        assert_replay_matches(psql)

    with business.write(reason="typing mistake") as connection:
        adjustments.edit_adjustment(connection, entry=oldest, quantity=-1, date=DAY, reason="damaged")
    assert business.stock() == {("RED", "S"): 10}
    with pytest.raises(StaleEdit) as stale, business.write(reason="x") as connection:
        adjustments.edit_adjustment(connection, entry=oldest, quantity=-5, date=DAY, reason="damaged")
    assert (stale.value.theirs.quantity, stale.value.yours.quantity) == (-1, -5)
    with business.read() as connection:
        versions = {
            entry.id: entry.version for entry in movement_queries.adjustment_log(connection, log_filter=LogFilter())
        }
    with business.write(reason="x") as connection:
        assert adjustments.delete_adjustments(connection, versions=versions) == 2
    assert business.stock() == {("RED", "S"): 10}


def test_an_invalid_adjustment_is_refused(business: Business) -> None:
    with business.clone.superuser() as psql:
        adjustment = "insert into inventory.stock_adjustments (product_id, colour_code, size, quantity, reason) values "
        for values, refusal in {
            "(1, 'RED', 'S', 0, 'count')": ("23514", "adjustment_not_zero"),
            "(1, 'RED', 'S', -11, 'count')": ("23514", "stock_never_negative"),
            "(1, 'RED', 'S', 1, 'because')": ("23514", "adjustment_reason_known"),
            "(1, 'RED', 'XL', 1, 'count')": ("23503", "adjustment_cell_of_matrix"),
            "(1, 'RED', 'S', 2147483647, 'count')": ("22003", None),
        }.items():
            with refused(*refusal):
                psql.execute(adjustment + values)
        psql.execute(adjustment + "(1, 'RED', 'S', 2, 'count')")
        with refused("23001", "movements_not_truncated"):
            psql.execute("truncate inventory.stock_adjustments")
        psql.execute("set session_replication_role = replica")
        psql.execute("delete from inventory.stock_adjustments")
    assert business.stock() == {("RED", "S"): 10}


def test_a_role_that_may_not_edit_may_not_adjust(business: Business) -> None:
    for role in (Role.ANALYST, Role.VIEWER):
        with pytest.raises(Refused) as refusal, business.write(role, reason="x") as connection:
            adjustments.adjust(connection, adjustments=[Adjustment(business.product, "RED", "S", 1, DAY, "count")])
        assert refusal.value.rule == "42501"
    with pytest.raises(Refused) as cell, business.write(Role.ADMIN) as connection:
        connection.execute(text("update inventory.product_color_stocks set quantity = 5"))
    assert cell.value.rule == "42501"
