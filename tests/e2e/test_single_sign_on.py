"""Single sign-on: the provider identifies the person, the database decides; sessions and records are like any other."""

import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import psycopg
import pytest
from playwright.sync_api import Browser

from backstitch import startup
from backstitch.postgres import server as postgres_server
from bench.campaigns.tab import Tab, browser_cookies
from tests import homes
from tests.e2e import identity_provider, reruns
from tests.e2e.app_process import App, free_port, wait_for
from tests.e2e.identity_provider import Provider
from tests.e2e.screen import TIMEOUT, done, has_sign_in_cookie, press, sees, sees_the_sign_in_only
from ui import SIGN_IN_COOKIE

BUTTON = "Sign in with single sign-on"


@dataclass
class Installation:
    """The app with a provider, and its database as the owner."""

    url: str
    home: Path
    provider: Provider
    psql: "psycopg.Connection[Any]"

    def sign_in(self, **claims: Any) -> Tab:
        """The tab of a fresh browser after a sign-in at the provider with `claims`."""
        self.provider.claims = claims
        tab = Tab(self.url, {}).run().click(BUTTON)
        tab.close()
        assert tab.leads_to
        return Tab(self.url, browser_cookies(f"{self.url}/_stcore/health", self.url + tab.leads_to)).run()

    def trail(self) -> list[Any]:
        """The sign-ins and failures since the previous call."""
        found = self.psql.execute(
            "select action, username, new_values from audit.trail where action like 'LOGIN%' and id > "
            "coalesce(nullif(current_setting('tests.seen', true), '')::bigint, 0) order by id"
        ).fetchall()
        self.psql.execute("select set_config('tests.seen', max(id)::text, false) from audit.records")
        return found

    def actions(self, email: str) -> list[str]:
        """The sign-ins, failures and sign-outs of this address, oldest first."""
        found = self.psql.execute(
            "select action from audit.trail where username = %s and action like 'LOG%%' order by id", [email]
        )
        return [action for (action,) in found]

    def sessions(self, email: str) -> list[bool]:
        """Whether each session of this user has ended, oldest first."""
        found = self.psql.execute(
            "select s.revoked_at is not null from accounts.sessions s join accounts.users u on u.id = s.user_id "
            "where u.email = %s order by s.id",
            [email],
        )
        return [ended for (ended,) in found]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("sign_on")
    home, port = folder / "home", free_port()
    with identity_provider.running() as provider:
        (folder / ".streamlit").mkdir()
        Path(folder, ".streamlit", "secrets.toml").write_text(provider.secrets(f"http://localhost:{port}"))
        app = App(home, port, HOME=str(folder))
        try:
            app.ready()
            with postgres_server.start(home) as lease:
                conninfo = lease.server.conninfo(startup.DATABASE_NAME)
                with psycopg.connect(conninfo, autocommit=True) as psql:
                    psql.execute(
                        "insert into accounts.users (email, name, role) values "
                        "('asha@example.com', 'Asha', 'manager'), ('ravi@example.com', 'Ravi', 'viewer'), "
                        "('mira@example.com', 'Mira', 'manager'), ('root@example.com', 'Root', 'admin')"
                    )
                    yield Installation(f"http://localhost:{app.port}", home, provider, psql)
                assert app.stop() == 0
                # Streamlit takes the return from the provider's sign-out for a stale sign-in, and logs that.
                assert [line for line in app.err.splitlines() if "Missing provider for OAuth" not in line] == []
        finally:
            if app.process.poll() is None:
                app.kill()
            homes.clear(home)


def test_a_verified_address_of_an_active_user_is_signed_in_once(installed: Installation) -> None:
    tab = installed.sign_in(email="Asha@Example.com", email_verified=True)
    while not tab.has("Sign out"):
        tab.finished()
    assert "Asha · manager" in tab.texts()
    assert installed.trail() == [("LOGIN", "asha@example.com", {})]
    row = installed.psql.execute(
        "select u.email, s.revoked_at, s.idle_limit = '8 hours', s.expires_at - s.created_at = '7 days' "
        "from accounts.sessions s "
        "join accounts.users u on u.id = s.user_id order by s.id desc limit 1"
    ).fetchone()
    assert row == ("asha@example.com", None, True, True)
    # The browser still has the provider's assertion when the session is over; it opens no second session.
    installed.psql.execute("update accounts.users set role = 'viewer' where email = 'asha@example.com'")
    assert not tab.run().has("Sign out")
    again = Tab(installed.url, tab.cookies).run()
    assert not again.has("Sign out") and again.has(BUTTON)
    ((action, username, details),) = installed.trail()
    assert (action, username) == ("LOGIN_FAILED", "Asha@Example.com")
    assert details["cause"] == "the provider's word is old"
    for closed in (tab, again):
        closed.close()


@pytest.mark.parametrize(
    ("claims", "sentence", "cause"),
    [
        (
            {"email": "asha@example.com", "email_verified": False},
            "The identity provider has not verified your email address.",
            None,
        ),
        ({"email": "asha@example.com"}, "The identity provider has not verified your email address.", None),
        ({"email": "asha@example.com", "email_verified": "true"}, "The identity provider has not verified", None),
        ({"email_verified": True}, "The identity provider has not verified your email address.", None),
        (
            {"email": "eve@example.com", "email_verified": True},
            "No active user here has the address eve@example.com.",
            "unknown user",
        ),
        (
            {"email": "ravi@example.com", "email_verified": True},
            "No active user here has the address ravi@example.com.",
            "deactivated user",
        ),
    ],
)
def test_nobody_else_is_signed_in(
    installed: Installation, claims: dict[str, Any], sentence: str, cause: str | None
) -> None:
    installed.psql.execute("update accounts.users set is_active = email <> 'ravi@example.com'")
    installed.trail()
    tab = installed.sign_in(**claims)
    assert not tab.has("Sign out") and tab.has("Email")
    assert [text for text in tab.texts() if text.startswith(sentence)]
    assert [details["cause"] for _, _, details in installed.trail()] == ([cause] if cause else [])
    tab.close()


def test_the_applications_login_alone_cannot_vouch_for_anybody(installed: Installation) -> None:
    call = (
        "select accounts.sign_in_by_provider("
        "'root@example.com', %s, 'x', now(), 'token', null, 'x', '1 hour', '1 hour')"
    )
    for secret in ("", "guess", None):
        assert installed.psql.execute(call, (secret,)).fetchone() == ("single sign-on is not set up",)
    assert {action for action, _, _ in installed.trail()} == {"LOGIN_FAILED"}


@pytest.mark.browser
def test_signing_out_is_for_good_and_a_deactivated_user_is_out(installed: Installation, browser: Browser) -> None:
    provider, mira = installed.provider, "mira@example.com"
    provider.claims = {"email": mira, "email_verified": True}
    provider.requests.clear()
    with browser.new_context(base_url=installed.url) as context:
        context.set_default_timeout(TIMEOUT)
        reruns.follow(context)
        page = context.new_page()
        page.goto("/products")
        press(page, BUTTON)
        sees(page, "Home")
        wait_for(lambda: has_sign_in_cookie(page), "the browser has the sign-in cookie")
        press(page, "Sign out", exact=True)
        wait_for(lambda: not has_sign_in_cookie(page) and len(provider.requests) == 2, "the cookie is deleted")
        sees_the_sign_in_only(page)
        assert not [cookie for cookie in context.cookies() if cookie["name"].startswith("_streamlit_user")]
        page.reload()
        sees_the_sign_in_only(page)
        for _ in range(2):  # past the page that was signed in, to the one before it
            page.go_back()
            sees_the_sign_in_only(page)
            done(page)
        assert provider.requests == ["sign in", "sign out"]
        assert installed.sessions(mira) == [True]
        assert installed.actions(mira) == ["LOGIN", "LOGOUT"]

        press(page, BUTTON)
        sees(page, "Home")
        installed.psql.execute("update accounts.users set is_active = false where email = %s", [mira])
        page.get_by_test_id("stSidebarNavLink").filter(has_text="Products").click()
        sees_the_sign_in_only(page)
        page.reload()
        sees_the_sign_in_only(page)
        assert installed.sessions(mira) == [True, True]
        assert installed.actions(mira)[:3] == ["LOGIN", "LOGOUT", "LOGIN"]


def upload(installed: Installation, tab: Tab, size: int, **cookies: str) -> int:
    """Uploads a file of `size` bytes as a browser does; returns the status of the response."""
    given = tab.cookies | cookies
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + b"a" * size + b"\r\n--x--\r\n"
    )
    connection = http.client.HTTPConnection(urlsplit(installed.url).netloc, timeout=60)
    connection.putrequest("PUT", f"/_stcore/upload_file/{tab.session_id}/some-file")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Cookie", "; ".join(f"{name}={value}" for name, value in given.items()))
    connection.putheader("X-Xsrftoken", given["_streamlit_xsrf"])
    # A file that is too large is refused by its Content-Length, before its body is sent.
    connection.endheaders(body if size < 1_000_000 else None)
    status = connection.getresponse().status
    connection.close()
    return status


def test_an_upload_needs_a_live_session_and_a_size_that_is_allowed(installed: Installation) -> None:
    tab = installed.sign_in(email="root@example.com", email_verified=True)
    tab.until(lambda: tab.has("Sign out"))
    key = (installed.home / "secrets" / "cookie_key").read_text()
    (session,) = installed.psql.execute("select max(id) from accounts.sessions").fetchone() or (0,)
    claims = {"username": "root@example.com", "session": session, "exp_date": 4_102_444_800}
    signed = jwt.encode(claims, key, "HS256")
    assert upload(installed, tab, 1000) == 401
    assert upload(installed, tab, 1000, **{SIGN_IN_COOKIE: signed}) == 204
    assert upload(installed, tab, 21 * 1024 * 1024, **{SIGN_IN_COOKIE: signed}) == 413
    installed.psql.execute("update accounts.sessions set revoked_at = now() where revoked_at is null")
    assert upload(installed, tab, 1000, **{SIGN_IN_COOKIE: signed}) == 401
    tab.close()
