"""Parties, and the deletion of several entries of a log, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.goods import Product, Shop
from tests.e2e.screen import cell, done, enter, press, sees

pytestmark = pytest.mark.browser

ON_HAND = "select sum(quantity) from inventory.product_color_stocks"


def test_a_mistyped_gstin_gets_a_sentence_and_an_unused_customer_can_be_deleted(
    open_page: OpenPage, shop: Shop
) -> None:
    page = open_page("/customers", "manager")
    sees(page, "Customers")
    press(page, "Add customer")
    dialog = page.get_by_role("dialog")
    enter(dialog, "Store name", "Vastra Bhandar")
    enter(dialog, "GSTIN", "27AAPFU0939F1ZX")
    press(dialog, "Add customer")
    expect(dialog.get_by_text("The last character of this GSTIN does not fit the others.")).to_be_visible()
    enter(dialog, "GSTIN", "27AAPFU0939F1ZV")
    press(dialog, "Add customer")
    expect(page.get_by_test_id("stAlertContentSuccess")).to_contain_text("Vastra Bhandar")
    assert shop.query("select gst_number from inventory.customers where store_name = 'Vastra Bhandar'") == [
        ("27AAPFU0939F1ZV",)
    ]
    # A dialog runs by itself, without the script of the page around it.
    ((source, request),) = shop.query(
        "select source, request from audit.trail where entity = 'Customer' order by id desc limit 1"
    )
    assert source == "page" and re.fullmatch("[0-9a-f]{12}", request)


def test_selected_entries_are_deleted_in_one_step_and_move_the_stock_back(
    open_page: OpenPage, shop: Shop, product: Product
) -> None:
    shop.sell(product, "Two at once", S=1, M=2)
    ((before,),) = shop.query(ON_HAND)
    page = open_page("/sales", "manager")
    sees(page, "Sales")
    log = page.get_by_test_id("stDataFrame").last
    expect(cell(log, 1, 1)).to_be_attached()
    for row, text in enumerate(("1 entry selected, 2 pieces.", "2 entries selected, 3 pieces.")):
        done(page)
        log.click(position={"x": 16, "y": 53 + 35 * row})
        expect(page.get_by_text(text)).to_be_visible()
    press(page, "Delete selected")
    dialog = page.get_by_role("dialog")
    done(page)
    press(dialog, "Delete 2 entries")
    expect(page.get_by_test_id("stAlertContentSuccess")).to_contain_text("2 entries")
    assert shop.query(ON_HAND) == [(before + 3,)]
    assert shop.query(
        "select count(*), count(distinct transaction_id) from audit.trail "
        "where entity = 'SalesLog' and action = 'DELETE' and old_values ->> 'store' = 'Two at once'"
    ) == [(2, 1)]
