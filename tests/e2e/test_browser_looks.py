"""The looks of the pages on a phone, in dark colours, and with names that look like code."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.goods import Product, Shop
from tests.e2e.screen import PAGES, done, press, sees, sees_the_sign_in_only, sign_in

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
HOSTILE = "<img src=x onerror=alert(1)> **bold** $x^2$ :red[x] [a](javascript:alert(1))"
OVERFLOW = """
() => [document.documentElement, document.body, ...document.querySelectorAll('[data-testid=stMain]')]
    .map(element => element.scrollWidth - element.clientWidth).filter(pixels => pixels > 0)
"""


def test_every_page_fits_a_phone_and_the_sign_out_is_in_the_sidebar(open_page: OpenPage) -> None:
    page = sign_in(open_page("/", viewport=PHONE))
    for path, title in PAGES.items():
        page.goto(path)
        sees(page, title)
        assert page.evaluate(OVERFLOW) == [], path
    expect(page.get_by_role("button", name="Sign out", exact=True)).not_to_be_in_viewport()
    page.get_by_test_id("stExpandSidebarButton").click()
    press(page, "Sign out", exact=True)
    sees_the_sign_in_only(page)
    assert page.evaluate(OVERFLOW) == []


def test_a_phone_can_record_goods(open_page: OpenPage) -> None:
    page = open_page("/inward", "manager", viewport=PHONE)
    sees(page, "Inward")
    press(page, "Record goods in")
    expect(page.get_by_test_id("stAlertContentError")).to_contain_text("Enter a quantity for at least one size.")


def colours(page: Page) -> tuple[str, str]:
    style = "element => [getComputedStyle(element).backgroundColor, getComputedStyle(element).color]"
    background, text = page.get_by_test_id("stApp").evaluate(style)
    return background, text


def test_pages_follow_the_dark_or_light_colour_scheme(open_page: OpenPage, product: Product) -> None:
    dark, light = open_page("/", color_scheme="dark"), open_page("/", color_scheme="light")
    for page in (dark, light):
        expect(page.get_by_label("Email")).to_be_visible()
    assert colours(dark) == ("rgb(23, 26, 31)", "rgb(230, 227, 221)")
    assert colours(light) == ("rgb(253, 252, 250)", "rgb(13, 17, 22)")
    sign_in(dark)
    dark.goto("/audit?period=Last+30+days")
    sees(dark, "Audit report")
    dark.get_by_role("tab", name="Charts").click()
    expect(dark.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks")).to_have_count(5)
    assert colours(dark) == ("rgb(23, 26, 31)", "rgb(230, 227, 221)")


def test_a_name_that_looks_like_code_is_shown_and_not_run(open_page: OpenPage, shop: Shop) -> None:
    shop.query("insert into inventory.products (sku, name, sizes) values ('AA-0', %s, '{S}')", HOSTILE)
    try:
        page = open_page("/stock", "manager")
        sees(page, "Stock matrix")
        expect(page.get_by_label("Product")).to_have_value(f"AA-0 · {HOSTILE}")
        for path, title in PAGES.items():
            page.goto(path)
            sees(page, title)
            done(page)
            expect(page.locator("img[src=x], .katex, a[href^=javascript]")).to_have_count(0)
    finally:
        shop.query("delete from inventory.products where sku = 'AA-0'")
