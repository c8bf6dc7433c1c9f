"""Who gets in: deep links, reloads, stolen cookies and the way out, in a real browser."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.screen import PAGES, Shop, sees, sees_the_sign_in_only, sign_in, table

pytestmark = pytest.mark.browser

EXPORT = "/api/v1/audit/export.csv?start=2026-01-01&end=2026-12-31"


@pytest.mark.parametrize("path", PAGES)
def test_a_deep_link_signed_out_shows_the_sign_in_and_nothing_else(open_page: OpenPage, path: str) -> None:
    page = open_page(path)
    sees_the_sign_in_only(page)
    assert urlsplit(page.url).path == path


def test_a_download_signed_out_is_refused(open_page: OpenPage) -> None:
    page = open_page("/")
    answer = page.request.get(EXPORT)
    assert (answer.status, answer.json()) == (
        401,
        {"error": {"code": "signed_out", "message": "Sign in first."}},
    )


def test_a_viewer_downloads_nothing_and_has_no_report(open_page: OpenPage) -> None:
    page = sign_in(open_page("/"), "viewer")
    sees(page, "Products")
    assert page.request.get(EXPORT).status == 403
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_text(
        [re.compile(f"{title}$") for title in ("Products", "Stock matrix", "Inward", "Sales")]
    )


def test_a_reload_keeps_the_session_and_the_page(open_page: OpenPage) -> None:
    page = sign_in(open_page("/audit"))
    sees(page, "Audit report")
    page.reload()
    sees(page, "Audit report")
    table(page)
    for path, title in PAGES.items():
        page.goto(path)
        sees(page, title)


def test_signing_out_ends_the_session_for_good(open_page: OpenPage, shop: Shop) -> None:
    page = sign_in(open_page("/stock"), "manager2")
    cookies = page.context.cookies()
    page.get_by_role("button", name="Sign out").click()
    sees_the_sign_in_only(page)
    page.wait_for_function("!document.cookie.includes('backstitch_sign_in=')")
    page.reload()
    sees_the_sign_in_only(page)
    assert page.request.get(EXPORT).status == 401
    # Not even the cookies of before, all of them, open what was closed.
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    assert page.request.get(EXPORT).status == 401
    page.goto("/audit")
    sees_the_sign_in_only(page)
    assert shop.query(
        "select action from audit.trail where username = 'manager2@demo.example' and action in ('LOGIN', 'LOGOUT') "
        "order by id desc limit 2"
    ) == [("LOGOUT",), ("LOGIN",)]


def test_the_sign_in_cookie_alone_opens_nothing_in_another_browser(open_page: OpenPage) -> None:
    page = sign_in(open_page("/"))
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies["backstitch_browser"]["httpOnly"] and cookies["backstitch_browser"]["sameSite"] == "Strict"
    assert page.evaluate("document.cookie.includes('backstitch_browser')") is False
    thief = open_page("/")
    thief.context.add_cookies([cookies["backstitch_sign_in"]])  # type: ignore[list-item]
    thief.goto("/audit")
    sees_the_sign_in_only(thief)
    assert thief.request.get(EXPORT).status == 401
    assert page.request.get(EXPORT).status == 200


def test_a_wrong_password_gets_a_sentence(open_page: OpenPage) -> None:
    page = open_page("/")
    page.get_by_label("Email").fill("manager@demo.example")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_label("Password", exact=True).press("Enter")
    expect(page.get_by_test_id("stAlertContentError")).to_contain_text(
        "Email or password is not right. Check both and try again."
    )
    sees_the_sign_in_only(page)
