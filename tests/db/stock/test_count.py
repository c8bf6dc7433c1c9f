"""The stock-take: counts posted as adjustments."""

import pytest

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.queries import LogFilter
from backstitch.inventory.stock.count import Count, differences, post_counts
from tests.conftest import Clone
from tests.db.business import DAY, Business, open_business


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


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
