"""Signing in and out, as the person at the screen sees it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from backstitch import startup
from backstitch.accounts.permissions import Role
from backstitch.demo import first_start
from backstitch.demo import loader as demo_loader
from backstitch.startup import Service
from tests.conftest import PASSWORD, Clone, email_of
from tests.ui.conftest import Open


def _sign_in(tab: AppTest, email: str, password: str) -> AppTest:
    tab.text_input[0].set_value(email)
    tab.text_input[1].set_value(password)
    return tab.button[0].click().run()


def test_a_new_tab_shows_the_sign_in_and_nothing_else(signed_out: AppTest) -> None:
    signed_out.run()
    assert not signed_out.exception
    assert [field.label for field in signed_out.text_input] == ["Email", "Password"]
    assert not signed_out.dataframe


def test_the_right_password_opens_home(signed_out: AppTest) -> None:
    _sign_in(signed_out.run(), email_of(Role.MANAGER), PASSWORD)
    assert not signed_out.exception
    assert [title.value for title in signed_out.title] == ["Home"]


def test_a_session_is_bound_to_its_browser_and_ends_as_configured(
    signed_out: AppTest, service: Service, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"session_lifetime": timedelta(hours=3), "session_idle": timedelta(minutes=20)}
    startup.use(replace(service, settings=replace(service.settings, **limits)))
    monkeypatch.setattr(ContextProxy, "headers", property(lambda self: {"User-Agent": "Firefox"}))
    _sign_in(signed_out.run(), email_of(Role.MANAGER), PASSWORD)
    with clone.superuser() as connection:
        found = connection.execute(
            "select expires_at - created_at, idle_limit, user_agent from accounts.sessions order by id desc limit 1"
        ).fetchone()
    assert found == (*limits.values(), "Firefox")


def test_an_email_is_accepted_in_any_case_and_with_spaces_around_it(signed_out: AppTest) -> None:
    _sign_in(signed_out.run(), f"  {email_of(Role.MANAGER).upper()} ", PASSWORD)
    assert [title.value for title in signed_out.title] == ["Home"]


def test_a_wrong_password_gets_a_sentence_and_a_record(signed_out: AppTest, clone: Clone) -> None:
    _sign_in(signed_out.run(), email_of(Role.MANAGER), "wrong")
    assert [error.value for error in signed_out.error] == ["Email or password is not right. Check both and try again."]
    with clone.superuser() as connection:
        found = connection.execute(
            "select username, new_values from audit.trail where action = 'LOGIN_FAILED'"
        ).fetchall()
    assert found == [(email_of(Role.MANAGER), {"username": email_of(Role.MANAGER), "cause": "wrong password"})]


def test_an_unknown_user_and_one_without_a_password_get_the_same_sentence_as_a_wrong_one(
    signed_out: AppTest, clone: Clone
) -> None:
    with clone.superuser() as connection:
        connection.execute("insert into accounts.users (email, name, role) values ('sso@example.com', 'Sam', 'viewer')")
    signed_out.run()
    for email, password in (("nobody@example.com", "wrong"), ("sso@example.com", "wrong"), ("sso@example.com", " ")):
        _sign_in(signed_out, email, password)
        assert [error.value for error in signed_out.error] == [
            "Email or password is not right. Check both and try again."
        ]


def test_after_five_failures_the_page_says_how_long_to_wait(signed_out: AppTest) -> None:
    signed_out.run()
    messages = [
        _sign_in(signed_out, email_of(Role.MANAGER), password).error[0].value for password in ["x"] * 5 + [PASSWORD]
    ]
    wrong = "Email or password is not right. Check both and try again."
    assert messages == [wrong] * 4 + ["Too many sign-ins have failed. Try again in 1 minute."] * 2


@pytest.mark.parametrize(
    ("reported", "kept"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("no address", None),
        (None, None),
    ],
)
def test_the_address_of_the_browser_is_counted_and_on_the_record(
    signed_out: AppTest, clone: Clone, monkeypatch: pytest.MonkeyPatch, reported: str | None, kept: str | None
) -> None:
    monkeypatch.setattr(ContextProxy, "ip_address", property(lambda self: reported))
    _sign_in(signed_out.run(), email_of(Role.MANAGER), "wrong")
    with clone.superuser() as connection:
        found = connection.execute("select host(address) from audit.trail where action = 'LOGIN_FAILED'").fetchall()
        counts = connection.execute("select count(*) from runtime.sign_in_attempts where failures > 0").fetchone()
    assert found == [(kept,)]
    assert counts == (1 if kept is None else 2,)


def test_signing_out_ends_the_session_and_shows_the_sign_in(open_page: Open, clone: Clone) -> None:
    tab = open_page("products", Role.MANAGER)
    tab.button(key="sign_out").click().run()
    assert not tab.exception
    assert [field.label for field in tab.text_input] == ["Email", "Password"]
    with clone.superuser() as connection:
        found = connection.execute("select username from audit.trail where action = 'LOGOUT'").fetchall()
    assert found == [(email_of(Role.MANAGER),)]


def test_a_session_that_was_revoked_ends_at_the_next_click(open_page: Open, clone: Clone) -> None:
    tab = open_page("products", Role.MANAGER)
    with clone.superuser() as connection:
        connection.execute("update accounts.sessions set revoked_at = now()")
    tab.run()
    assert not tab.exception
    assert [field.label for field in tab.text_input] == ["Email", "Password"]
    assert not tab.dataframe


def test_a_user_who_was_deactivated_is_out_at_the_next_click(open_page: Open, clone: Clone) -> None:
    tab = open_page("products", Role.MANAGER)
    with clone.superuser() as connection:
        connection.execute("update accounts.users set is_active = false where role = 'manager'")
    tab.run()
    assert [field.label for field in tab.text_input] == ["Email", "Password"]


def test_demo_accounts_are_shown_only_where_there_is_demo_data_and_to_this_machine(
    signed_out: AppTest, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_out.run()
    assert not any("demo" in text.value.lower() for text in signed_out.markdown)
    with clone.superuser() as connection:
        connection.execute("update accounts.users set email = 'manager@demo.example' where role = 'manager'")
    signed_out.run()
    assert any("manager@demo.example" in text.value for text in signed_out.markdown)
    monkeypatch.setattr(ContextProxy, "ip_address", property(lambda self: "198.51.100.7"))
    signed_out.run()
    assert not any("demo" in text.value.lower() for text in signed_out.markdown)


def test_a_failed_load_of_the_demo_is_shown_on_the_sign_in_page_and_to_an_admin_on_home(
    signed_out: AppTest, open_page: Open, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_out.run()
    assert not signed_out.warning

    def fails(service: Service) -> None:
        raise RuntimeError("no room left on device")

    monkeypatch.setattr(first_start, "_problem", None)
    monkeypatch.setattr(demo_loader, "load_once", fails)
    first_start.load(service)
    (warning,) = signed_out.run().warning
    assert re.fullmatch(
        r"The demo data could not be loaded\. Drop the database, create it again, and start Backstitch to try once "
        r"more, or set BACKSTITCH_DEMO=no to work without them\. If this stays, report error [0-9a-f]{12}; the log has "
        r"the details\.",
        warning.value,
    )
    assert [shown.value for shown in open_page("home", Role.ADMIN).warning] == [warning.value]
    assert not open_page("home", Role.VIEWER).warning
