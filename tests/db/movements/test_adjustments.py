"""Corrections of the stock, stock-take, and colours, sizes and cells that come and go."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.adjustments import Adjustment, combined_reason
from backstitch.inventory.movements.commands import InwardRow, SalesRow
from backstitch.inventory.movements.queries import LogFilter
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import matrix as product_matrix
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductChange, ProductDetails
from backstitch.inventory.stock import reports as stock_reports
from backstitch.inventory.stock.count import Count, differences, post_counts
from backstitch.inventory.stock.reports import CellEvent, CellProof, LowCell
from tests.conftest import Clone
from tests.db.business import DAY, PRICE, Business, open_business
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
        told = [(r["parent_id"], r["reason"], r["new_values"]["quantity"]) for r in records(psql, "StockAdjustment")]
        assert told == [(1, "damaged: torn sleeve", -2), (1, "return", 1)]
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


def test_a_stock_take_posts_the_differences_unless_the_stock_moved_meanwhile(business: Business) -> None:
    counts = [Count("RED", "S", 10, 8), Count("RED", "M", 0, 0), Count("BLUE", "S", 0, 3)]
    assert [count.difference for count in differences(counts)] == [-2, 3]
    with business.write(reason="stock-take") as connection:
        assert post_counts(connection, product_id=business.product, counts=counts, date=DAY, note="Diwali") == 2
    assert business.stock() == {("RED", "S"): 8, ("BLUE", "S"): 3}
    with business.read() as connection:
        found = movement_queries.adjustment_log(connection, log_filter=LogFilter())
    assert {(entry.reason, entry.note) for entry in found} == {("count", "Diwali")}

    with pytest.raises(StaleEdit) as stale, business.write(reason="stock-take") as connection:
        post_counts(connection, product_id=business.product, counts=counts, date=DAY)
    assert stale.value.theirs == {("RED", "S"): 8, ("BLUE", "S"): 3}
    assert stale.value.yours == {("RED", "S"): 10, ("BLUE", "S"): 0}
    with pytest.raises(Refused) as negative, business.write(reason="stock-take") as connection:
        post_counts(connection, product_id=business.product, counts=[Count("RED", "S", 8, -1)], date=DAY)
    assert negative.value.rule == "negative_quantity"


def test_colours_and_sizes_with_stock_stay_with_history_are_deactivated_and_unused_are_deleted(
    business: Business,
) -> None:
    product = business.product
    for remove in (
        lambda c: product_matrix.remove_colour(c, product_id=product, colour_code="RED"),
        lambda c: product_matrix.remove_size(c, product_id=product, size="S"),
    ):
        with pytest.raises(Refused) as held, business.write() as connection:
            remove(connection)
        assert held.value.rule == "cell_holds_stock"
    with business.write() as connection:
        assert product_matrix.remove_size(connection, product_id=product, size="M") == "removed"
        assert product_matrix.remove_colour(connection, product_id=product, colour_code="BLUE") == "removed"
        movement_commands.bulk_sales(connection, rows=[SalesRow(product, "RED", "S", 10, DAY, "Bandra")])
    with business.write() as connection:
        assert product_matrix.remove_colour(connection, product_id=product, colour_code="RED") == "deactivated"
        assert product_matrix.remove_size(connection, product_id=product, size="S") == "deactivated"
    with business.read() as connection:
        matrix = product_queries.matrix(connection, product_id=product)
    assert (matrix.product.sizes, [(c.colour_code, c.is_active) for c in matrix.colours]) == (("S",), [("RED", False)])
    assert (matrix.cells, matrix.inactive) == ({("RED", "S"): 0}, {("RED", "S")})
    goods = [InwardRow(product, "RED", "S", 1, DAY, "Return", "Bandra")]
    with pytest.raises(Refused) as out_of_use, business.write() as connection:
        movement_commands.bulk_inward(connection, rows=goods)
    assert out_of_use.value.rule == "inactive_cell_empty"
    with pytest.raises(Refused) as colour, business.write() as connection:
        product_matrix.set_cell_active(connection, product_id=product, colour_code="RED", size="S", is_active=True)
    assert colour.value.rule == "colour_in_use"
    with business.write() as connection:
        product_matrix.restore_colour(connection, product_id=product, colour_code="RED")
        movement_commands.bulk_inward(connection, rows=goods)
    assert business.stock() == {("RED", "S"): 1}
    with business.clone.superuser() as psql:
        for statement, refusal in {
            "update inventory.product_colors set is_active = false": ("23514", "inactive_cell_empty"),
            "update inventory.product_color_stocks set is_active = false": ("23514", "inactive_cell_empty"),
            "update inventory.sales_logs set quantity = 11; delete from inventory.product_color_stocks": (
                "23001",
                "cell_has_history",
            ),
        }.items():
            with refused(*refusal):
                psql.execute(statement)
        assert_replay_matches(psql)


def test_a_new_size_of_an_inactive_colour_is_inactive(business: Business) -> None:
    with business.write() as connection:
        movement_commands.bulk_inward(
            connection, rows=[InwardRow(business.product, "BLUE", "S", 1, DAY, "Supply", "Mill")]
        )
        movement_commands.bulk_sales(connection, rows=[SalesRow(business.product, "BLUE", "S", 1, DAY, "Bandra")])
        assert (
            product_matrix.remove_colour(connection, product_id=business.product, colour_code="BLUE") == "deactivated"
        )
        product = product_queries.product(connection, product_id=business.product)
        details = ProductDetails("KT-1", "Kurta", ["S", "M", "L"], unit_price=PRICE, gst_rate=Decimal(5))
        product_commands.edit_product(connection, product_id=product.id, version=product.version, details=details)
        assert product_queries.matrix(connection, product_id=product.id).inactive == {
            ("BLUE", "S"),
            ("BLUE", "M"),
            ("BLUE", "L"),
        }
        product_matrix.restore_colour(connection, product_id=product.id, colour_code="BLUE")
        assert product_matrix.remove_size(connection, product_id=product.id, size="L") == "removed"
        product_matrix.set_cell_active(connection, product_id=1, colour_code="BLUE", size="M", is_active=False)
        product_matrix.restore_size(connection, product_id=product.id, size="M")
        matrix = product_queries.matrix(connection, product_id=product.id)
        assert (matrix.inactive, matrix.product.sizes) == (frozenset(), ("S", "M"))
        (blue, red) = matrix.colours
        product_matrix.edit_colour(connection, colour_id=blue.id, version=blue.version, color="Sky blue")
        with pytest.raises(StaleEdit) as stale:
            product_matrix.edit_colour(connection, colour_id=red.id, version="1", color="Rust")
        assert (stale.value.theirs.color, stale.value.yours) == ("Red", "Rust")


def test_a_grid_of_products_writes_the_changed_cells_only_or_nothing(business: Business) -> None:
    with business.write() as connection:
        other = product_commands.create_product(
            connection, details=ProductDetails("KT-2", "Top", ["S"]), colours=["Red"]
        )
    with business.read() as connection:
        first, second = (product_queries.product(connection, product_id=id) for id in (business.product, other))
    with business.write(reason="new season") as connection:
        changes = [
            ProductChange(first.id, first.version, {"unit_price": Decimal(549), "hsn_code": " "}),
            ProductChange(second.id, second.version, {"name": " Crop top ", "reorder_level": 5}),
        ]
        assert product_commands.edit_products(connection, changes=changes) == 2
    with business.clone.superuser() as psql:
        told = [r["new_values"] for r in records(psql, "Product") if r["action"] == "UPDATE"]
    assert told == [{"unit_price": 549, "hsn_code": None}, {"name": "Crop top", "reorder_level": 5}]
    with pytest.raises(StaleEdit) as stale, business.write(reason="late") as connection:
        product_commands.edit_products(connection, changes=changes)
    assert [product.unit_price for product in stale.value.theirs] == [Decimal(549), None]
    assert stale.value.yours == tuple(changes)
    with pytest.raises(ValueError, match="no column of the grid: id"), business.write() as connection:
        product_commands.edit_products(connection, changes=[ProductChange(first.id, "0", {})])
        now = product_queries.product(connection, product_id=first.id)
        product_commands.edit_products(connection, changes=[ProductChange(now.id, now.version, {"id": 7})])


def test_the_proof_the_events_and_the_low_cells_explain_the_stock(business: Business) -> None:
    order = business.draft(business.line(3))
    business.move("confirmed", order)
    business.move("dispatched", order, on=DAY)
    adjust(business, -5, "theft or loss")
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


def test_a_role_that_may_not_edit_may_not_adjust(business: Business) -> None:
    for role in (Role.ANALYST, Role.VIEWER):
        with pytest.raises(Refused) as refusal, business.write(role, reason="x") as connection:
            adjustments.adjust(connection, adjustments=[Adjustment(business.product, "RED", "S", 1, DAY, "count")])
        assert refusal.value.rule == "42501"
    with pytest.raises(Refused) as cell, business.write(Role.ADMIN) as connection:
        connection.execute(text("update inventory.product_color_stocks set quantity = 5"))
    assert cell.value.rule == "42501"
