"""An order in a real browser: taken, confirmed, dispatched, and its sheet opened by another program."""

import io

import openpyxl
import pytest
from playwright.sync_api import expect

from tests.e2e.app_process import wait_for
from tests.e2e.conftest import OpenPage
from tests.e2e.screen import Shop, cell, choose, done, press, press_twice, says, sees

pytestmark = pytest.mark.browser

STOCK = """
    select s.quantity from inventory.product_color_stocks s join inventory.products p on p.id = s.product_id
    where p.sku = 'KT-104' and s.colour_code = %s and s.size = %s
"""
RECEIVE = """
    insert into inventory.inward_logs (product_id, colour_code, size, quantity, date, category, stakeholder_name)
    select s.product_id, s.colour_code, s.size, 10, date '2026-01-01', 'Supply', 'Mill'
    from inventory.product_color_stocks s join inventory.products p on p.id = s.product_id where p.sku = 'KT-104'
"""

WAITING = "select count(*) from pg_locks where relation = 'inventory.orders'::regclass and not granted"


def test_an_order_moves_the_stock_when_it_is_dispatched_and_its_sheet_opens_in_a_spreadsheet(
    shop: Shop, open_page: OpenPage
) -> None:
    shop.query(RECEIVE)
    shop.query("insert into inventory.customers (store_name) values ('Zaveri Stores')")
    before = [shop.query(STOCK, "MUSTARD", size)[0][0] for size in ("M", "L")]
    page = open_page("/orders", "manager")
    sees(page, "Orders")
    press(page, "New order")
    choose(page, "order_products_new_1", "KT-104")
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
    # Another product makes room for another grid, and takes nothing away of what was typed.
    choose(page, "order_products_new_1", "KT-118")
    page.keyboard.press("Escape")
    done(page)
    choose(page, "order_customer_new_1", "Zaveri")
    ((newest,),) = shop.query("select max(id) from inventory.orders")
    with shop.connection.transaction():
        shop.query("lock table inventory.orders in share mode")
        press_twice(page, "Save as draft")
        wait_for(lambda: shop.query(WAITING) == [(1,)], "the first click saves when the second comes")
    # The second click saves nothing; it may lead to the list, where the address said to be when it was made.
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
    after = [shop.query(STOCK, "MUSTARD", size)[0][0] for size in ("M", "L")]
    assert after == [before[0] - 4, before[1] - 2]
    with page.expect_download() as download:
        press(page, "Order sheet")
    assert download.value.suggested_filename == f"order_{name.replace('/', '_')}.xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes())).active
    found = [[cell.value for cell in row if cell.value is not None] for row in sheet.iter_rows()]
    assert [f"Order {name}"] in found and ["Colour", "S", "M", "L", "XL", "XXL"] in [row[:6] for row in found]
    assert [row[:4] for row in found if row and row[0] == "Mustard"] == [["Mustard", 4, 2, 6]]
    assert shop.query("select action, new_values->>'file_name' from audit.trail order by id desc limit 1") == [
        ("EXPORT", download.value.suggested_filename)
    ]
