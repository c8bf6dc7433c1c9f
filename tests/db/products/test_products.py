"""Colours, sizes and cells that come and go, and the grid that edits many products."""

from decimal import Decimal

import pytest

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements.commands import InwardRow, SalesRow
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import matrix as product_matrix
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductChange, ProductDetails
from tests.conftest import Clone
from tests.db.business import DAY, PRICE, Business, open_business
from tests.db.trail import assert_replay_matches, records, refused


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


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
        recorded = [r["new_values"] for r in records(psql, "Product") if r["action"] == "UPDATE"]
    assert recorded == [{"unit_price": 549, "hsn_code": None}, {"name": "Crop top", "reorder_level": 5}]
    with pytest.raises(StaleEdit) as stale, business.write(reason="late") as connection:
        product_commands.edit_products(connection, changes=changes)
    assert [product.unit_price for product in stale.value.theirs] == [Decimal(549), None]
    assert stale.value.yours == tuple(changes)
    with pytest.raises(ValueError, match="no column of the grid: id"), business.write() as connection:
        product_commands.edit_products(connection, changes=[ProductChange(first.id, "0", {})])
        now = product_queries.product(connection, product_id=first.id)
        product_commands.edit_products(connection, changes=[ProductChange(now.id, now.version, {"id": 7})])
