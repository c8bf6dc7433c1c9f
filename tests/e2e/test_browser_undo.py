"""Undo in a real browser: after a write, and of an operation in the report."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.goods import PIECES, Product, Shop
from tests.e2e.screen import cell, choose, choose_product, done, enter, press, says, sees, table, type_in_row

pytestmark = pytest.mark.browser

ON_HAND = (
    "select quantity from inventory.product_color_stocks where product_id = %s and size = 'S' order by colour_code"
)


def confirm(page: Page, preview: str, reason: str) -> None:
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(preview, exact=True)).to_be_visible()
    done(page)
    enter(dialog, "Reason", reason)
    press(dialog, "Undo this")


def test_a_change_is_undone_beside_its_message_and_an_operation_from_the_report(
    open_page: OpenPage, shop: Shop, product: Product
) -> None:
    page = open_page("/inward", "manager")
    sees(page, "Inward")
    choose_product(page, "inward_product", product.sku, "Indigo")
    type_in_row(page, table(page, "inward_grid_0"), ["7"])
    choose(page, "inward_stakeholder", "Tirupur Knits")
    press(page, "Record goods in")
    says(page, f"Recorded 7 pieces of {product.sku} Indigo in: S 7.")
    ((entry,),) = shop.query("select max(id) from inventory.inward_logs")
    back = f"Undone: 1 record put back: Inward {entry} · {product.sku} · Indigo · S."
    press(page, "Undo", exact=True)
    confirm(page, "Undoing this deletes 1 inward entry.", "wrong product")
    says(page, back)
    assert shop.query(ON_HAND, product.id) == [(PIECES,), (PIECES,)]

    # The undo is an operation like any other: it comes first in the report, and can be undone.
    page.get_by_role("link", name="View in audit report").click()
    sees(page, "Audit report")
    expect(cell(table(page), 7, 0)).to_have_text("undo")
    page.get_by_role("tab", name="Operations").click()
    steps = table(page)
    expect(cell(steps, 6, 0)).to_have_text("wrong product")
    done(page)
    steps.click(position={"x": 40, "y": 53})
    page.get_by_role("dialog").get_by_text("Undo", exact=True).click()
    confirm(page, "Undoing this brings back 1 inward entry.", "it was right after all")
    says(page, back)
    assert shop.query(ON_HAND, product.id) == [(PIECES + 7,), (PIECES,)]
    assert shop.query(
        "select username, reason from audit.trail where action = 'UNDO' and operation = 'undo' order by id desc limit 2"
    ) == [("manager@demo.example", "it was right after all"), ("manager@demo.example", "wrong product")]
