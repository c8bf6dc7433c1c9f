"""An order in a real browser: taken, confirmed, dispatched, and its sheet opened by another program."""

import io

import openpyxl
import pytest
from playwright.sync_api import expect

from tests.e2e.app_process import wait_for
from tests.e2e.conftest import OpenPage
from tests.e2e.goods import PIECES, Shop
from tests.e2e.screen import cell, choose, done, press, press_twice, says, sees

pytestmark = pytest.mark.browser

STOCK = """
    select quantity from inventory.product_color_stocks
    where product_id = %s and colour_code = 'INDIGO' and size in ('M', 'L') order by size desc
"""

WAITING = "select count(*) from pg_locks where relation = 'inventory.orders'::regclass and not granted"


def test_an_order_moves_the_stock_when_it_is_dispatched_and_its_sheet_opens_in_a_spreadsheet(
    shop: Shop, open_page: OpenPage
) -> None:
    product, other = shop.product(), shop.product()
    shop.customer("Zaveri Stores")
    page = open_page("/orders", "manager")
    sees(page, "Orders")
    press(page, "New order")
    choose(page, "order_products_new_1", product.sku)
    page.keyboard.press("Escape")
    grid = page.locator("[class*=st-key-order_grid_]").get_by_test_id("stDataFrame")
    expect(cell(grid, 2, 0)).to_be_attached()
    done(page)
    grid.click(position={"x": 450, "y": 53})
    for column, quantity in ((2, "4"), (3, "2")):
        expect(cell(grid, column, 0)).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        page.get_by_test_id("portal").locator("textarea, input").fill(quantity)
        page.keyboard.press("Tab")
        expect(cell(grid, column, 0)).to_have_text(quantity)
    # A second product adds a grid and keeps the texts of the first.
    choose(page, "order_products_new_1", other.sku)
    page.keyboard.press("Escape")
    done(page)
    choose(page, "order_customer_new_1", "Zaveri")
    ((newest,),) = shop.query("select coalesce(max(id), 0) from inventory.orders")
    with shop.connection.transaction():
        shop.query("lock table inventory.orders in share mode")
        press_twice(page, "Save as draft")
        wait_for(lambda: shop.query(WAITING) == [(1,)], "the first click saves when the second comes")
    # The second click saves nothing; it may lead to the list, because it was made at the address of the list.
    expect(page.get_by_role("heading", name="New order")).to_have_count(0)
    ((made,),) = shop.query("select id from inventory.orders where id > %s", newest)
    says(page, f"Draft {made} was saved.")
    page.goto(f"/orders?order={made}")
    expect(page.get_by_role("button", name="Confirm")).to_be_visible()
    for verb, word in (("Confirm", "confirmed"), ("Dispatch", "dispatched")):
        press(page, verb)
        press(page.get_by_role("dialog"), verb)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_test_id("stAlert").filter(has_text=f"was {word}.")).to_be_visible()
    ((name, status),) = shop.query(
        "select financial_year || '/' || order_number, status from inventory.orders order by id desc limit 1"
    )
    says(page, f"{name} was dispatched.")
    assert status == "dispatched"
    assert shop.query(STOCK, product.id) == [(PIECES - 4,), (PIECES - 2,)]
    with page.expect_download() as download:
        press(page, "Order sheet")
    assert download.value.suggested_filename == f"order_{name.replace('/', '_')}.xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes())).active
    found = [[cell.value for cell in row if cell.value is not None] for row in sheet.iter_rows()]
    assert [f"Order {name}"] in found and ["Colour", "S", "M", "L", "XL", "XXL"] in [row[:6] for row in found]
    assert [row[:4] for row in found if row and row[0] == "Indigo"] == [["Indigo", 4, 2, 6]]
    assert shop.query("select action, new_values->>'file_name' from audit.trail order by id desc limit 1") == [
        ("EXPORT", download.value.suggested_filename)
    ]
