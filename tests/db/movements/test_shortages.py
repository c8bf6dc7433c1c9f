"""A refusal for lack of stock names the cells, the pieces asked and the pieces on hand, whoever moves the stock."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused, explain
from tests.conftest import Clone
from tests.ui.shop import Shop

SALE = "insert into inventory.sales_logs (product_id, colour_code, size, quantity, date, store) values "


@pytest.fixture
def shop(clone: Clone) -> Shop:
    """Five pieces of AN201 in red S, two in M, of which one entry each."""
    shop = Shop(clone)
    shop.receive(shop.product(), S=5, M=2)
    return shop


def write(shop: Shop, statement: str) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="test", reason="test") as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "cells"),
    [
        (SALE + "(1, 'RED', 'S', 6, '2026-11-02', 'Bandra')", "AN201 Red, size S: 6 asked, 5 on hand"),
        (SALE + "(1, 'RED', 'L', 1, '2026-11-02', 'Bandra')", "AN201 Red, size L: 1 asked, 0 on hand"),
        (
            SALE + "(1, 'RED', 'S', 3, '2026-11-02', 'Bandra'), (1, 'RED', 'S', 4, '2026-11-02', 'Andheri')",
            "AN201 Red, size S: 7 asked, 5 on hand",
        ),
        (
            SALE + "(1, 'RED', 'S', 9000, '2026-11-02', 'Bandra'), (1, 'RED', 'M', 3, '2026-11-02', 'Bandra')",
            "AN201 Red, size M: 3 asked, 2 on hand; AN201 Red, size S: 9,000 asked, 5 on hand",
        ),
        (
            "insert into inventory.stock_adjustments (product_id, colour_code, size, quantity, date, reason) "
            "values (1, 'RED', 'M', -3, '2026-11-02', 'damaged')",
            "AN201 Red, size M: 3 asked, 2 on hand",
        ),
    ],
)
def test_the_refusal_names_the_cells(shop: Shop, statement: str, cells: str) -> None:
    with pytest.raises(Refused) as caught:
        write(shop, statement)
    assert caught.value.rule == "stock_never_negative"
    assert str(caught.value) == f"There is not enough stock for this. {cells}. Nothing was saved."


def test_taking_goods_in_back_and_correcting_a_sale_name_what_is_lacking(shop: Shop) -> None:
    shop.sell(1, S=4)
    for statement, cells in (
        ("delete from inventory.inward_logs where size = 'S'", "AN201 Red, size S: 5 asked, 1 on hand"),
        ("update inventory.sales_logs set quantity = 7", "AN201 Red, size S: 3 asked, 1 on hand"),
    ):
        with pytest.raises(Refused, match=cells):
            write(shop, statement)


def test_more_than_five_cells_are_counted() -> None:
    class Diagnostics:
        constraint_name = "stock_never_negative"
        message_detail = str([[f"KT-{n}", "Red", "S", n + 1, n] for n in range(8)]).replace("'", '"')

    class Short(psycopg.errors.CheckViolation):
        diag = Diagnostics()  # type: ignore[assignment]

    refused = explain(DBAPIError("", {}, Short()))
    assert str(refused).endswith("KT-4 Red, size S: 5 asked, 4 on hand; and 3 more. Nothing was saved.")
