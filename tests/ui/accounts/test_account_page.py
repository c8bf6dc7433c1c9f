"""My account: sessions, password, account events; and the form for a first password before any page."""

from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch import __version__
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser, Session
from tests.conftest import BROWSER, PASSWORD, Clone, email_of
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, sentences
from ui.accounts import own_forms as account_forms

NEW = "a lorry of mustard cotton"
ANDROID = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/150.0.0.0 Mobile Safari/537.36"
SIGN_IN = ["Email", "Password"]


def labels(tab: AppTest) -> list[str]:
    return [field.label for field in tab.text_input]


def sign_in_on_second_device(clone: Clone, role: Role) -> None:
    """Signs the user of a role in on a second device."""
    browser = Browser(secret="telephone", address="203.0.113.5", user_agent=ANDROID)
    hour = timedelta(hours=1)
    assert sessions.sign_in(clone.app, email=email_of(role), password=PASSWORD, browser=browser, lifetime=hour)


def own_sessions(clone: Clone, role: Role) -> list[Session]:
    with clone.app.read(clone.actor(role)) as connection:
        return sessions.live_sessions(connection)


def change(tab: AppTest, old: str, new: str, again: str) -> AppTest:
    fields = [field for field in tab.text_input if field.key and field.key.startswith("password_")]
    for field, typed in zip(fields, (old, new, again), strict=True):
        field.set_value(typed)
    return click(tab, f"password_save_{tab.session_state['password_round']}")


def test_the_page_lists_the_sessions_and_the_account_events(open_page: Open, clone: Clone) -> None:
    sign_in_on_second_device(clone, Role.VIEWER)
    tab = open_page("account", Role.VIEWER)
    assert [title.value for title in tab.title] == ["My account"]
    listed, happened = (table.value for table in tab.dataframe)
    assert listed[["browser", "this", "address"]].to_dict("records") == [
        {"browser": "Unknown browser", "this": "This browser", "address": "192.0.2.7"},
        {"browser": "Chrome on Android", "this": "", "address": "203.0.113.5"},
    ]
    assert happened[["what", "from"]].to_dict("records") == [
        {"what": "Signed in", "from": "Chrome on Android · 203.0.113.5"},
        {"what": "User added", "from": ""},
    ]
    assert not tab.error


def test_the_page_names_the_version_to_everybody(open_page: Open) -> None:
    captions = [caption.value for caption in open_page("account", Role.VIEWER).caption]
    assert captions[-1] == f"Backstitch {__version__}"


def test_a_session_can_be_ended_from_another_session(open_page: Open, clone: Clone) -> None:
    sign_in_on_second_device(clone, Role.MANAGER)
    tab = open_page("account", Role.MANAGER)
    tab.session_state[account_forms.SESSION_TO_END] = own_sessions(clone, Role.MANAGER)[1]
    run(tab)
    assert sentences(tab.success) == ["Chrome on Android is signed out."]
    assert [s.is_this for s in own_sessions(clone, Role.MANAGER)] == [True]


def test_signing_out_this_session_or_everywhere_leads_to_the_sign_in(open_page: Open, clone: Clone) -> None:
    tab = open_page("account", Role.ANALYST)
    tab.session_state[account_forms.SESSION_TO_END] = own_sessions(clone, Role.ANALYST)[0]
    assert labels(run(tab)) == SIGN_IN
    sign_in_on_second_device(clone, Role.MANAGER)
    tab = open_page("account", Role.MANAGER)
    assert labels(click(tab, "sign_out_everywhere")) == SIGN_IN
    with clone.superuser() as psql:
        live = psql.execute(
            "select count(*) from accounts.sessions s join accounts.users u on u.id = s.user_id "
            "where s.revoked_at is null and u.role in ('manager', 'analyst')"
        )
        assert live.fetchone() == (0,)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
def test_a_password_change_needs_the_old_password_and_ends_the_other_sessions(
    open_page: Open, clone: Clone, role: Role
) -> None:
    sign_in_on_second_device(clone, role)
    tab = open_page("account", role)
    for old, new, again, sentence in (
        ("wrong", NEW, NEW, "The present password is not right. Nothing was changed."),
        (PASSWORD, NEW, f"{NEW}!", "The new password was not typed the same way twice. Type it again."),
        (PASSWORD, PASSWORD, PASSWORD, "The new password is the old one. Choose another."),
        (PASSWORD, "short", "short", "A password has 12 to 64 characters; several words in a row make a good one."),
        (
            PASSWORD,
            "password12345",
            "password12345",
            "This password is among the first that anybody would try. Take several words that do not belong together.",
        ),
    ):
        assert sentences(change(tab, old, new, again).error) == [sentence]
    assert len(own_sessions(clone, role)) == 2
    change(tab, PASSWORD, NEW, NEW)
    assert sentences(tab.success) == ["Your password was changed. Every other session of yours was signed out."]
    assert len(own_sessions(clone, role)) == 1
    for text in (PASSWORD, NEW):
        assert text not in str(tab)


def first_sign_in(shop: Shop) -> None:
    shop.run("update accounts.users set must_change_password = true where role = 'manager'")


@pytest.mark.parametrize("page", ["products", "account", "audit"])
def test_a_password_set_by_an_admin_is_replaced_before_any_page_shows(
    signed_out: AppTest, shop: Shop, page: str
) -> None:
    shop.product()
    first_sign_in(shop)
    tab = signed_out
    tab.session_state["tab_secret"], tab.session_state["username"] = BROWSER, email_of(Role.MANAGER)
    run(tab)
    if page != "products":
        tab.switch_page(f"../pages/{page}.py")
        run(tab)
    assert [title.value for title in tab.title] == ["Choose a password"]
    assert labels(tab) == ["Present password", "New password", "New password again"]
    assert not tab.dataframe and not tab.selectbox
    change(tab, PASSWORD, NEW, NEW)
    assert sentences(tab.success) == ["Your password was changed."]
    assert [title.value for title in tab.title] != ["Choose a password"]
    row: Any = shop.run("select must_change_password from accounts.users where role = 'manager'")
    assert row == [(False,)]
