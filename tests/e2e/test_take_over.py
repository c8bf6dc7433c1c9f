"""SAFETY row 20: attacks with a client of the attacker's own, and with stolen cookies and session ids."""

import urllib.error
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus

from backstitch.demo import loader as demo_loader
from bench.campaigns.tab import Tab, browser_cookies, sign_in
from tests.e2e.goods import Shop
from ui import BROWSER_COOKIE, BROWSER_HEADER
from ui.navigation import SECTIONS

SIGN_IN = ["Backstitch", "Inventory in which every change is on the record.", "Sign in", "Email", "Password", "Sign in"]


def shows_only_the_sign_in(tab: Tab, path: str = "") -> bool:
    *texts, demo_data, accounts = tab.run(path).texts()
    drawn = {str(element.WhichOneof("type")) for element in tab.elements.values()}
    offered = demo_data.startswith("**Demo data.**") and accounts.startswith("- `admin@demo.example`")
    return texts == SIGN_IN and offered and drawn <= {"heading", "markdown", "text_input", "button", "empty"}


@pytest.fixture
def victim(shop: Shop) -> Tab:
    """An open tab in which the analyst is signed in."""
    return sign_in(Tab(shop.url, browser_cookies(shop.url)), "analyst@demo.example", demo_loader.PASSWORD)


def test_a_stolen_session_id_opens_a_new_tab_for_a_stranger_and_disturbs_nobody(shop: Shop, victim: Tab) -> None:
    session_id = victim.session_id
    own = browser_cookies(shop.url)
    for cookies, headers in (
        (own, {}),
        ({}, {}),
        ({BROWSER_COOKIE: "guess"}, {}),
        (own, {BROWSER_HEADER: "forged"}),
        ({}, {BROWSER_HEADER: victim.cookies[BROWSER_COOKIE]}),
    ):
        thief = Tab(shop.url, cookies, session_id=session_id, headers=headers)
        assert shows_only_the_sign_in(thief)
        assert thief.session_id != session_id
        thief.close()
    assert victim.run().has("Sign out") and victim.session_id == session_id
    # Nor after the victim's connection is lost, while the tab could still reconnect.
    victim.close()
    thief = Tab(shop.url, own, session_id=session_id)
    assert shows_only_the_sign_in(thief) and thief.session_id != session_id
    thief.close()
    # The browser that opened the session resumes it.
    again = Tab(shop.url, victim.cookies, session_id=session_id)
    assert again.run().has("Sign out") and again.session_id == session_id
    again.close()


def test_two_clients_without_cookies_are_two_browsers(shop: Shop) -> None:
    first = sign_in(Tab(shop.url, {}), "analyst@demo.example", demo_loader.PASSWORD)
    second = Tab(shop.url, {}, session_id=first.session_id)
    assert shows_only_the_sign_in(second) and second.session_id != first.session_id
    assert first.run().has("Sign out")
    for tab in (first, second):
        tab.close()


def test_a_page_of_another_site_cannot_connect_with_the_victims_cookies(shop: Shop, victim: Tab) -> None:
    # To the browser a page on another port of this machine is same-site: it sends the cookies.
    for origin in ("http://localhost:9", "http://127.0.0.1:9", "http://evil.example"):
        with pytest.raises(InvalidStatus) as caught:
            Tab(shop.url, victim.cookies, session_id=victim.session_id, origin=origin)
        assert caught.value.response.status_code == 403
    victim.close()


def test_the_address_of_every_page_shows_the_sign_in_to_a_client_that_is_signed_out(shop: Shop) -> None:
    tab = Tab(shop.url, {})
    for entry in (entry for entries in SECTIONS.values() for entry in entries):
        assert shows_only_the_sign_in(tab, entry.path), entry.path
        assert tab.page_hash == tab.pages[entry.path], entry.path  # the address stays for after the sign-in
    tab.close()


def status(shop: Shop, path: str, method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(
        shop.url + path, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_other_routes_of_the_server_are_closed_too(shop: Shop) -> None:
    with urllib.request.urlopen(shop.url + "/", timeout=30) as answer:
        assert answer.status == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self' 'sha256-")
    assert status(shop, "/_stcore/health") == 200
    for path in ("/_stcore/metrics", "/_stcore//metrics", "/_stcore/%6detrics", "/_stcore/agent/openapi.json"):
        assert status(shop, path) == 404, path
    for path in ("/media/x.csv", "/api/v1/audit/export.csv"):
        assert status(shop, path) == 401, path
    assert status(shop, "/_stcore/upload_file/x/y", "PUT") == 401
    assert status(shop, "/", Host="evil.example") == 400
    for path in ("/app/static/README.md", "/static/../app.py", "/component/../app.py", "/.streamlit/config.toml"):
        with urllib.request.urlopen(shop.url + "/", timeout=30) as index:
            page = index.read()
        code = status(shop, path)
        if code == 200:  # Streamlit answers unknown paths with the app's own page
            assert urllib.request.urlopen(shop.url + path, timeout=30).read() == page
