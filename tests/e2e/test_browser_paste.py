"""Rows pasted from Excel in a real browser: a wrong cell is marked and corrected, and the rows are in the log."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.goods import PIECES, Product, Shop
from tests.e2e.screen import choose, done, press, rows, says, sees

pytestmark = pytest.mark.browser

HEADER = "Date\tColor\tColour Code\tS\tM\tL\tXL\tXXL\tCategory\tStakeholder\n"
STOCK = (
    "select quantity from inventory.product_color_stocks where product_id = %s and colour_code = 'RUST' and size = 'M'"
)
LATEST = "select l.size, l.quantity, l.stakeholder_name from inventory.inward_logs l order by l.id desc limit 2"


def test_pasted_rows_are_checked_corrected_and_written(open_page: OpenPage, shop: Shop, product: Product) -> None:
    page = open_page("/paste", "manager")
    sees(page, "Paste from Excel")
    choose(page, "paste_product", product.sku)
    expect(page.get_by_text("Columns: Date, Colour, Colour Code, S, M, L, XL, XXL, Category")).to_be_visible()
    block = page.get_by_role("textbox", name="Rows copied from Excel")
    block.fill(HEADER + "05/11/2026\tRust\tRUST\t3\t-4\t\t\t\tSupply\tJaipur Block Prints")
    press(page, "Check")
    expect(page.get_by_text("1 problem in 1 row")).to_be_visible()
    done(page)
    problems, pasted = page.get_by_test_id("stDataFrame").nth(0), page.get_by_test_id("stDataFrame").nth(1)
    assert rows(problems) == [["2", "M", "“-4” is negative.", "-4"]]
    expect(pasted.locator("tbody td").filter(has_text="✗")).to_have_text(["✗ -4"])
    expect(page.get_by_role("button", name="Write")).to_have_count(0)

    block.fill(HEADER + "05/11/2026\tRust\tRUST\t3\t4\t\t\t\tSupply\tJaipur Block Prints")
    press(page, "Check")
    press(page, "Write 2 inward entries")
    says(page, "2 inward entries written, 7 pieces.")
    expect(block).to_have_value("")
    assert sorted(shop.query(LATEST)) == [("M", 4, "Jaipur Block Prints"), ("S", 3, "Jaipur Block Prints")]
    assert shop.query(STOCK, product.id) == [(PIECES + 4,)]
