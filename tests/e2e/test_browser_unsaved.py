"""What was typed and is not saved outlives an ended session, and is not lost to F5 or Escape without a question."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.app_process import wait_for
from tests.e2e.conftest import OpenPage
from tests.e2e.goods import Product, Shop
from tests.e2e.screen import cell, choose, choose_product, done, enter, press, sees, sign_in

pytestmark = pytest.mark.browser

WHO = "manager2"
QUESTION = "What you typed here is not saved. Close it and lose what you typed?"
ELSEWHERE = "You were signed out because you ended this session elsewhere. Sign in again, and what you typed is there."


def type_in_cell(page: Page, grid: Locator, text: str) -> None:
    """Types into the first cell of a grid behind its pinned column."""
    expect(cell(grid, 1, 0)).to_be_attached()
    grid.click(position={"x": 110, "y": 53})
    expect(cell(grid, 1, 0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.get_by_test_id("portal").locator("textarea, input").fill(text)
    page.keyboard.press("Tab")
    expect(cell(grid, 1, 0)).to_have_text(text)


def quantities(page: Page) -> Locator:
    """The grid of the form for goods in."""
    return page.locator("[class*=st-key-unsaved_inward_grid]").get_by_test_id("stDataFrame")


def ended_elsewhere(open_page: OpenPage) -> None:
    """Ends all sessions of WHO from another browser."""
    other = sign_in(open_page("/account"), WHO)
    sees(other, "My account")
    press(other, "Sign out everywhere")
    expect(other.get_by_label("Email")).to_be_visible()


def says_why(page: Page) -> None:
    expect(page.get_by_test_id("stAlert").get_by_text(ELSEWHERE)).to_be_visible()
    expect(page.get_by_label("Email")).to_be_visible()


def test_an_entry_of_goods_outlives_its_session(open_page: OpenPage, product: Product) -> None:
    page = sign_in(open_page("/inward"), WHO)
    sees(page, "Inward")
    choose_product(page, "inward_product", product.sku, "Indigo")
    choose(page, "inward_stakeholder", "Surat Loom House")
    type_in_cell(page, quantities(page), "7")
    ended_elsewhere(open_page)
    press(page, "Record goods in")
    says_why(page)
    sign_in(page, WHO)
    sees(page, "Inward")
    expect(page.get_by_label("Received from").first).to_have_value("Surat Loom House")
    expect(page.locator("[class*=st-key-inward_product] input").first).to_have_value(product.label)
    expect(cell(quantities(page), 1, 0)).to_have_text("7")
    press(page, "Record goods in")
    expect(
        page.get_by_test_id("stAlert").get_by_text(f"Recorded 7 pieces of {product.sku} Indigo in: S 7.")
    ).to_be_visible()


def test_an_order_outlives_its_session_and_the_reload_of_the_sign_in(
    open_page: OpenPage, product: Product, shop: Shop
) -> None:
    shop.customer("Bhuj Textiles")
    page = sign_in(open_page("/orders"), WHO)
    sees(page, "Orders")
    press(page, "New order")
    choose(page, "order_products_new_1", product.sku)
    page.keyboard.press("Escape")
    choose(page, "order_customer_new_1", "Bhuj")
    enter(page, "Note", "deliver before noon")
    type_in_cell(page, page.locator("[class*=st-key-order_grid_]").get_by_test_id("stDataFrame"), "4")
    done(page)
    ended_elsewhere(open_page)
    go_on = page.get_by_test_id("stSidebarNavLink").filter(has_text="Stock matrix")
    go_on.click()
    says_why(page)
    page.goto("/orders")
    says_why(page)
    sign_in(page, WHO)
    sees(page, "Orders")
    expect(page.get_by_label("Note")).to_have_value("deliver before noon")
    press(page, "Save as draft")
    expect(page.get_by_test_id("stAlert").filter(has_text="was saved.")).to_be_visible()
    assert shop.query("select l.size, l.quantity from inventory.order_lines l order by l.id desc limit 1") == [("S", 4)]


def test_the_texts_of_a_dialog_outlive_their_session(open_page: OpenPage, shop: Shop) -> None:
    page = sign_in(open_page("/customers"), WHO)
    sees(page, "Customers")
    press(page, "Add customer")
    dialog = page.get_by_role("dialog")
    enter(dialog, "Store name", "Kutch Cottons")
    ended_elsewhere(open_page)
    press(dialog, "Add customer")
    says_why(page)
    sign_in(page, WHO)
    sees(page, "Customers")
    expect(dialog.get_by_label("Store name")).to_have_value("Kutch Cottons")
    press(dialog, "Add customer")
    expect(page.get_by_test_id("stAlert").get_by_text("Kutch Cottons was added.")).to_be_visible()


def test_a_pasted_block_outlives_its_session_but_not_for_another_user(open_page: OpenPage) -> None:
    page = sign_in(open_page("/paste"), WHO)
    sees(page, "Paste from Excel")
    block = page.get_by_role("textbox", name="Rows copied from Excel")
    block.fill("a block of manager2")
    ended_elsewhere(open_page)
    press(page, "Check")
    says_why(page)
    sign_in(page, "manager")
    sees(page, "Paste from Excel")
    expect(block).to_have_value("")
    press(page, "Sign out", exact=True)
    sign_in(page, WHO)
    sees(page, "Paste from Excel")
    expect(block).to_have_value("a block of manager2")


# --- F5 and Escape ---------------------------------------------------------------------------------------


def asks_before_leaving(page: Page, asked: list[str]) -> None:
    """Asserts that the browser asks before it leaves the page, as F5 does, and that the page is still there."""
    title = page.locator("h1").inner_text()
    asked.clear()
    page.close(run_before_unload=True)
    wait_for(lambda: page.wait_for_timeout(20) or asked, "the browser asks")
    assert asked == ["beforeunload"]
    expect(page.locator("h1")).to_have_text([title])


def test_f5_asks_only_while_something_is_typed_and_not_saved(open_page: OpenPage, product: Product) -> None:
    asked: list[str] = []
    page = open_page("/inward", "manager", asked)
    sees(page, "Inward")
    choose_product(page, "inward_product", product.sku, "Indigo")
    page.reload()
    sees(page, "Inward")
    assert asked == []
    choose_product(page, "inward_product", product.sku, "Indigo")
    choose(page, "inward_stakeholder", "Surat Loom House")
    type_in_cell(page, quantities(page), "3")
    asks_before_leaving(page, asked)
    expect(cell(quantities(page), 1, 0)).to_have_text("3")
    press(page, "Record goods in")
    expect(page.get_by_test_id("stAlert").filter(has_text=f"Recorded 3 pieces of {product.sku}")).to_be_visible()
    asked.clear()
    page.reload()
    sees(page, "Inward")
    assert asked == []


def test_a_search_is_left_without_a_question(open_page: OpenPage) -> None:
    page = open_page("/customers", "manager")
    sees(page, "Customers")
    page.get_by_label("Search").click()
    page.keyboard.type("kurta")
    page.reload()
    sees(page, "Customers")


def test_a_dialog_with_typed_values_asks_before_it_closes(open_page: OpenPage) -> None:
    asked: list[str] = []
    page = open_page("/customers", "manager", asked)
    sees(page, "Customers")
    press(page, "Add customer")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    press(page, "Add customer")
    store = dialog.get_by_label("Store name")
    store.click()
    page.keyboard.type("Kutch Cottons")
    asks_before_leaving(page, asked)
    asked.clear()
    page.keyboard.press("Escape")
    wait_for(lambda: page.wait_for_timeout(20) or asked, "Escape asks")
    dialog.get_by_label("Close", exact=True).click()
    page.mouse.click(5, 500)
    page.mouse.click(5, 500)
    done(page)
    assert asked == [QUESTION, QUESTION]
    expect(store).to_have_value("Kutch Cottons")
    # Without what was typed it closes at once.
    store.fill("")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert asked == [QUESTION, QUESTION]
