"""What explains the stock: the proof of a product, the events of a cell, low cells, the figures of Home."""

from datetime import date

import pytest

from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.adjustments import Adjustment
from backstitch.inventory.stock import reports as stock_reports
from backstitch.inventory.stock.reports import CellEvent, CellProof, LowCell
from tests.conftest import Clone
from tests.db.business import DAY, Business, open_business


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


def test_the_proof_the_events_and_the_low_cells_explain_the_stock(business: Business) -> None:
    order = business.draft(business.line(3))
    business.move("confirmed", order)
    business.move("dispatched", order, on=DAY)
    with business.write(reason="theft or loss") as connection:
        lost = Adjustment(business.product, "RED", "S", -5, DAY, "theft or loss")
        adjustments.adjust(connection, adjustments=[lost])
    with business.read() as connection:
        events = stock_reports.cell_events(connection, product_id=business.product, colour_code="RED", size="S")
        proof = stock_reports.stock_proof(connection, product_id=business.product, first=DAY)
        low = stock_reports.low_stock(connection, today=DAY)
        home = stock_reports.home_figures(connection, today=DAY)
        assert movement_queries.latest_sales(connection)[0].order_id == order
        assert [
            entry.quantity for entry in movement_queries.latest_inward(connection, stakeholder=" arvind MILLS ")
        ] == [10]
        assert movement_queries.latest_inward(connection, stakeholder="nobody") == []
        assert movement_queries.latest_sales(connection, store="Mehta Stores", on=date(2026, 1, 1)) == []
        assert movement_queries.agency_names(connection) == ["Rao & Sons"]
    assert events == [
        CellEvent("Inward", 1, date(2026, 10, 1), 10, "Arvind Mills", "Supply", None, 10),
        CellEvent("Adjustment", 1, DAY, -5, "", "theft or loss", None, 5),
        CellEvent("Sale", 1, DAY, -3, "Mehta Stores", "Rao & Sons", order, 2),
    ]
    assert proof[-1] == CellProof("RED", "S", opening=10, inward=0, sales=3, adjustments=-5, on_hand=2)
    assert all(cell.holds for cell in proof)
    assert [(cell.color, cell.size, cell.on_hand, cell.sold_30_days, cell.suggested) for cell in low] == [
        ("Blue", "S", 0, 0, 6),
        ("Blue", "M", 0, 0, 6),
        ("Red", "M", 0, 0, 6),
        ("Red", "S", 2, 3, 4),
    ]
    assert low[-1] == LowCell(1, "KT-1", "Kurta", "Red", "RED", "S", 2, 3, 3, 4)
    assert (home.low_cells, home.inward_entries, home.sales_pieces, home.adjustment_entries, home.dispatched) == (
        4,
        0,
        3,
        1,
        1,
    )
