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


REGISTER = (
    "Meera Textiles",
    "Tarikh\tMaal\tShade\tSize\tQty (Pcs)\tParty A/c Name",
    "03/04/2026\t{sku}\tRust\tM\t3 pcs\tBandra",
    "05/04/2026\t{sku}\tRust\tL\t2 pcs\tBandra",
    "Grand Total\t\t\t\t5\t",
)
SOLD = "select date::text, size, quantity, store from inventory.sales_logs where product_id = %s order by date"


def test_columns_are_matched_dates_switched_and_the_same_block_is_asked_about(
    open_page: OpenPage, shop: Shop, product: Product
) -> None:
    page = open_page("/paste", "manager")
    sees(page, "Paste from Excel")
    page.get_by_role("radio", name="Sales", exact=True).click()
    done(page)
    block = page.get_by_role("textbox", name="Rows copied from Excel")
    rows_of_sheet = "\n".join(REGISTER).format(sku=product.sku)
    block.fill(rows_of_sheet)
    press(page, "Check")
    expect(page.get_by_text("There is no column Date").first).to_be_attached()
    choose(page, "paste_column_1_0_", "Date")
    choose(page, "paste_column_1_1_", "SKU")
    press(page, "Use these columns")
    expect(page.get_by_text("Columns as matched by")).to_be_visible()
    expect(page.get_by_text("2 dates could be read the other way")).to_be_visible()
    page.get_by_role("radio", name="Month first").click()
    expect(page.get_by_text("is read as 4 March 2026, month first, as chosen")).to_be_visible()
    press(page, "Write 2 sales entries")
    says(page, "2 sales entries written, 5 pieces.")
    written = [("2026-03-04", "M", 3, "Bandra"), ("2026-05-04", "L", 2, "Bandra")]
    assert shop.query(SOLD, product.id) == written

    block.fill(rows_of_sheet)
    press(page, "Check")
    expect(page.get_by_text("These 2 rows seem to be there already: 4 Mar to 4 May, Bandra, 5 pieces")).to_be_visible()
    done(page)
    expect(page.get_by_role("button", name="Write 2 sales entries")).to_be_disabled()
    page.get_by_text("Leave what is there, and write nothing").click()
    expect(page.get_by_text("There is nothing to write")).to_be_visible()
    assert shop.query(SOLD, product.id) == written
