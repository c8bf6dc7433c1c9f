"""Stock in a real browser: Home leads to low cells, a cell is adjusted and undone, a stock-take is posted."""

import hashlib
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.goods import PIECES, Product, Shop
from tests.e2e.screen import (
    FIRST_CELL,
    cell,
    choose,
    done,
    enter,
    press,
    press_twice,
    rows,
    says,
    sees,
    table,
    type_in_row,
)

pytestmark = pytest.mark.browser

ON_HAND = """
    select quantity from inventory.product_color_stocks
    where product_id = %s and colour_code = 'INDIGO' and size = 'S'
"""
MOST_URGENT = 1_000_000  # a reorder level above all those of the demo


def on_hand(shop: Shop, product: Product) -> int:
    ((quantity,),) = shop.query(ON_HAND, product.id)
    return int(quantity)


def matrix(page: Page) -> None:
    """Selects Indigo S of the product, which opens the panel of the cell."""
    within = table(page, "matrix")
    header = within.locator("th").all_inner_texts()
    assert header[:3] == ["Colour", "S", "M"] and rows(within)[0][0] == "Indigo"
    within.click(position=FIRST_CELL)
    expect(page.get_by_role("heading", name="Indigo · S")).to_be_visible()
    done(page)


def download_is_recorded(page: Page, shop: Shop) -> None:
    """Downloads the list, which is recorded; Streamlit's own download of a table, which would not be, is off."""
    table(page).hover()
    expect(page.get_by_test_id("stElementToolbar").get_by_role("button", name="Search")).to_be_visible()
    expect(page.get_by_role("button", name="Download as CSV")).to_have_count(0)
    with page.expect_download() as download:
        press(page, "Download CSV")
    content = download.value.path().read_bytes()
    assert shop.query(
        "select action, new_values->>'file_name', new_values->>'sha256' from audit.trail order by id desc limit 1"
    ) == [("EXPORT", download.value.suggested_filename, hashlib.sha256(content).hexdigest())]


def test_home_leads_to_its_pages_and_a_low_cell_to_its_matrix(open_page: OpenPage, shop: Shop) -> None:
    product = shop.product(pieces=0, reorder_level=MOST_URGENT)
    page = open_page("/", "manager")
    for link, title in (
        ("What to order", "Low stock"),
        ("Orders", "Orders"),
        ("All of the audit report", "Audit report"),
    ):
        page.get_by_test_id("stMain").get_by_role("link", name=link, exact=True).click()
        sees(page, title)
        if title == "Low stock":
            download_is_recorded(page, shop)
        page.goto("/")
        sees(page, "Home")
    low = page.get_by_test_id("stDataFrame").first
    assert rows(low)[0][0] == product.sku
    low.click(position=FIRST_CELL)
    sees(page, "Stock matrix")
    expect(page.get_by_label("Product")).to_have_value(product.label)


def test_a_cell_is_adjusted_with_a_reason_and_the_adjustment_undone(
    open_page: OpenPage, shop: Shop, product: Product
) -> None:
    page = open_page(f"/stock?stock_product={quote_plus(product.label)}", "manager")
    sees(page, "Stock matrix")
    matrix(page)
    expect(page.get_by_text(f"= {PIECES} on hand")).to_be_visible()
    page.get_by_text("Adjust the stock").click()
    enter(page, "Pieces", "2")
    press(page, "Adjust", exact=True)
    says(page, "Choose the reason of the adjustment. Nothing was saved.")
    choose(page, "adjust_reason_", "Damaged")
    press(page, "Adjust", exact=True)
    says(page, f"Took away 2 pieces of {product.sku} Indigo S: damaged.")
    expect(page.get_by_text(f"= {PIECES - 2} on hand")).to_be_visible()
    expect(cell(page.get_by_test_id("stDataFrame").nth(1), 1, 0)).to_have_text("Adjustment")
    assert on_hand(shop, product) == PIECES - 2

    press(page, "Undo")
    dialog = page.get_by_role("dialog")
    enter(dialog, "Reason", "it was clean after all")
    press(dialog, "Undo this")
    expect(page.get_by_text(f"= {PIECES} on hand")).to_be_visible()
    assert on_hand(shop, product) == PIECES

    # A double click adjusts once.
    enter(page, "Pieces", "1")
    choose(page, "adjust_reason_", "Damaged")
    press_twice(page, "Adjust", exact=True)
    says(page, f"Took away 1 piece of {product.sku} Indigo S: damaged.")
    expect(page.get_by_text(f"= {PIECES - 1} on hand")).to_be_visible()
    assert on_hand(shop, product) == PIECES - 1


def test_a_stock_take_shows_and_posts_the_difference(open_page: OpenPage, shop: Shop, product: Product) -> None:
    page = open_page(f"/stock-take?take_product={quote_plus(product.label)}", "manager")
    sees(page, "Stock-take")
    expect(page.get_by_label("Product")).to_have_value(product.label)
    type_in_row(page, table(page, "take_sheet"), ["x"])
    says(page, "Indigo · S: “x” is not a whole number of 0 or more.")
    expect(page.get_by_role("button", name="Post the differences")).to_have_count(0)
    type_in_row(page, table(page, "take_sheet"), [str(PIECES + 1)])
    expect(page.get_by_text("1 cell counted, 1 differs: 1 piece more than in the books.")).to_be_visible()
    assert rows(page.get_by_test_id("stDataFrame").nth(1)) == [["Indigo · S", str(PIECES), str(PIECES + 1), "1"]]
    enter(page, "Note", "Ravi, shelf 4")
    press(page, "Post the differences")
    says(page, f"Posted 1 difference of {product.sku}.")
    assert on_hand(shop, product) == PIECES + 1
