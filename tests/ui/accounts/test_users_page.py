"""Users, as an admin manages them."""

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts import sessions, users
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser, Locked
from backstitch.accounts.users import UserLine
from tests.conftest import PASSWORD, Clone, email_of
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, confirm, run, sentences
from ui.accounts import own_forms as account_forms
from ui.accounts import user_forms


def line(clone: Clone, email: str) -> UserLine:
    with clone.app.read(clone.actor(Role.ADMIN)) as connection:
        return next(found for found in users.list_users(connection) if found.email == email)


def opened(open_page: Open, clone: Clone, role: Role) -> AppTest:
    """The users page with the dialog of the user with this role."""
    tab = open_page("users", Role.ADMIN)
    tab.session_state[user_forms.DIALOG.key] = line(clone, email_of(role))
    return run(tab)


def try_sign_in(clone: Clone, email: str, password: str) -> bool:
    browser = Browser(secret="a new telephone")
    hour = timedelta(hours=1)
    return sessions.sign_in(clone.app, email=email, password=password, browser=browser, lifetime=hour)


def is_signed_in(clone: Clone, role: Role) -> bool:
    return sessions.mark_seen(clone.app, clone.actor(role))


def report_filters(tab: AppTest) -> str:
    """The filters of the link beside the message."""
    (link,) = [link for link in tab.page_link if link.value == "View in audit report"]
    return str(link.proto.query_string)


def one_time(tab: AppTest) -> str:
    """The password that the dialog shows until the admin confirms it."""
    (shown,) = [code.value for code in tab.code]
    assert len(shown) == 19 and [code.value for code in run(tab).code] == [shown]
    assert not click(tab, "one_time_password_noted").code and shown not in str(tab)
    return str(shown)


def done(shop: Shop, operation: str) -> list[tuple[object, ...]]:
    """The records of an operation in the trail."""
    return shop.run(
        "select username, action, entity, reason, old_values, new_values from audit.trail where operation = %s "
        "order by id",
        operation,
    )


ADMIN = email_of(Role.ADMIN)


def test_the_page_lists_the_users_and_their_sessions(open_page: Open, shop: Shop) -> None:
    shop.run("update accounts.users set is_active = false where role = 'viewer'")
    shop.run("update accounts.users set must_change_password = true where role = 'analyst'")
    tab = open_page("users", Role.ADMIN)
    listed, signed_in = (table.value for table in tab.dataframe)
    assert listed[["name", "email", "role", "state"]].to_numpy().tolist() == [
        ["Admin Rao", "admin@example.com", "Admin", ""],
        ["Analyst Rao", "analyst@example.com", "Analyst", "New password due"],
        ["Manager Rao", "manager@example.com", "Manager", ""],
        ["Viewer Rao", "viewer@example.com", "Viewer", "Deactivated"],
    ]
    assert sorted(signed_in["name"]) == ["Admin Rao", "Analyst Rao", "Manager Rao"]


def test_a_user_is_added_with_a_password_shown_once(open_page: Open, clone: Clone, shop: Shop) -> None:
    tab = click(open_page("users", Role.ADMIN), "add_user")
    tab.text_input(key="new_user_name").set_value(" Asha <b>Iyer</b> ")
    tab.text_input(key="new_user_email").set_value("asha@example.com")
    tab.selectbox(key="new_user_role").set_value(Role.MANAGER)
    tab.text_input(key="new_user_reason").set_value("new in the Pune shop")
    assert report_filters(click(tab, "new_user_save")) == "type=User"
    password = one_time(tab)
    made = line(clone, "asha@example.com")
    assert (made.name, made.role, made.is_active, made.must_change_password) == (
        "Asha <b>Iyer</b>",
        Role.MANAGER,
        True,
        True,
    )
    assert try_sign_in(clone, "asha@example.com", password)
    ((who, action, entity, reason, _, new),) = done(shop, "add user")
    assert (who, action, entity, reason) == (ADMIN, "CREATE", "User", "new in the Pune shop")
    assert password not in str(new)


@pytest.mark.parametrize(
    ("name", "email", "sentence"),
    [
        ("Asha", "manager@example.com", "There is a user with this email address already."),
        ("Asha", "MANAGER@example.com", "There is a user with this email address already."),
        ("Asha", "no address", "This is not an email address, or it has more than 254 characters."),
        ("  ", "asha@example.com", "A user needs a name of at most 120 characters."),
    ],
)
def test_an_invalid_user_is_refused_with_a_sentence(open_page: Open, name: str, email: str, sentence: str) -> None:
    tab = click(open_page("users", Role.ADMIN), "add_user")
    tab.text_input(key="new_user_name").set_value(name)
    tab.text_input(key="new_user_email").set_value(email)
    assert sentences(click(tab, "new_user_save").error) == [sentence]


def test_a_role_is_changed_with_a_reason_and_ends_the_sessions(open_page: Open, clone: Clone, shop: Shop) -> None:
    manager = line(clone, email_of(Role.MANAGER))
    tab = opened(open_page, clone, Role.MANAGER)
    tab.selectbox(key=f"edit_user_role_{manager.id}").set_value(Role.VIEWER)
    assert [error.value for error in click(tab, "edit_user_save").error] != []
    assert is_signed_in(clone, Role.MANAGER) and done(shop, "edit user") == []
    tab.text_input(key=f"edit_user_reason_{manager.id}").set_value("leaves the shop")
    click(tab, "edit_user_save")
    assert sentences(tab.success) == ["Manager Rao was saved. Every session of theirs was signed out."]
    assert report_filters(tab) == "type=User"
    assert not is_signed_in(clone, Role.MANAGER)
    written = done(shop, "edit user")
    assert (ADMIN, "UPDATE", "User", "leaves the shop", {"role": "manager"}, {"role": "viewer"}) in written


def test_a_user_edited_meanwhile_is_not_overwritten(open_page: Open, clone: Clone, shop: Shop) -> None:
    tab = opened(open_page, clone, Role.MANAGER)
    shop.run("update accounts.users set name = 'Ravi' where role = 'manager'")
    click(tab, "edit_user_save")
    assert sentences(tab.error) == [
        "Somebody else changed this user since you opened it. Nothing was saved; open it again."
    ]


def test_a_user_is_deactivated_and_taken_back(open_page: Open, clone: Clone, shop: Shop) -> None:
    tab = confirm(opened(open_page, clone, Role.MANAGER), "edit_user_active")
    assert sentences(tab.success) == ["Manager Rao was deactivated."]
    assert report_filters(tab) == "type=User"
    assert not is_signed_in(clone, Role.MANAGER) and not try_sign_in(clone, email_of(Role.MANAGER), PASSWORD)
    tab = click(opened(open_page, clone, Role.MANAGER), "edit_user_active")
    assert sentences(tab.success) == ["Manager Rao was taken back into use."]
    assert not is_signed_in(clone, Role.MANAGER) and try_sign_in(clone, email_of(Role.MANAGER), PASSWORD)


def test_a_password_is_reset_to_one_that_is_shown_once(open_page: Open, clone: Clone, shop: Shop) -> None:
    password = one_time(click(opened(open_page, clone, Role.MANAGER), "edit_user_reset"))
    assert not is_signed_in(clone, Role.MANAGER)
    assert not try_sign_in(clone, email_of(Role.MANAGER), PASSWORD)
    assert try_sign_in(clone, email_of(Role.MANAGER), password)
    assert line(clone, email_of(Role.MANAGER)).must_change_password
    written = done(shop, "reset password")
    assert [(action, entity) for _, action, entity, _, _, _ in written] == [
        ("UPDATE", "User"),
        ("UPDATE", "Session"),
        ("PASSWORD_CHANGE", "User"),
        ("MAINTENANCE", "User"),
    ]
    assert password not in str(written)


def test_a_locked_user_is_shown_as_such_and_unlocked(open_page: Open, clone: Clone) -> None:
    for _ in range(4):
        assert not try_sign_in(clone, email_of(Role.MANAGER), "wrong")
    with pytest.raises(Locked):
        try_sign_in(clone, email_of(Role.MANAGER), "wrong")
    tab = opened(open_page, clone, Role.MANAGER)
    assert [state for state in tab.dataframe[0].value["state"] if state.startswith("Locked until ")]
    click(tab, "edit_user_unlock")
    assert sentences(tab.success) == ["Manager Rao can sign in again."]
    assert try_sign_in(clone, email_of(Role.MANAGER), PASSWORD)


def test_an_admin_ends_one_session_or_all_of_a_user(open_page: Open, clone: Clone) -> None:
    assert try_sign_in(clone, email_of(Role.MANAGER), PASSWORD)
    tab = open_page("users", Role.ADMIN)
    with clone.app.read(clone.actor(Role.ADMIN)) as connection:
        listed = sessions.live_sessions(connection, everybody=True)
    tab.session_state[account_forms.SESSION_TO_END] = next(s for s in listed if s.email == email_of(Role.VIEWER))
    assert sentences(run(tab).success) == ["Unknown browser is signed out."]
    assert not is_signed_in(clone, Role.VIEWER) and is_signed_in(clone, Role.MANAGER)
    tab = click(opened(open_page, clone, Role.MANAGER), "edit_user_sign_out")
    assert sentences(tab.success) == ["2 sessions of Manager Rao signed out."]
    assert report_filters(tab) == "type=Session"
    assert not is_signed_in(clone, Role.MANAGER)


def test_the_last_admin_stays_an_admin(open_page: Open, clone: Clone) -> None:
    tab = opened(open_page, clone, Role.ADMIN)
    last = "The last active admin stays one. Make another user an admin first; nothing was saved."
    assert sentences(confirm(tab, "edit_user_active").error) == [last]
    admin = line(clone, ADMIN)
    tab.selectbox(key=f"edit_user_role_{admin.id}").set_value(Role.MANAGER)
    tab.text_input(key=f"edit_user_reason_{admin.id}").set_value("tired")
    assert sentences(click(tab, "edit_user_save").error) == [last]
    # The dialog does not let admins reset their own password or forget themselves, either.
    assert {"edit_user_reset", "forget_save"}.isdisjoint({button.key for button in tab.button})


def test_a_person_is_forgotten_with_a_reason(open_page: Open, clone: Clone) -> None:
    with clone.superuser() as psql:  # the form asks for the reason once, although a rule demands one, too
        psql.execute("insert into inventory.reason_policies (entity, field) values ('User', 'email')")
    manager = line(clone, email_of(Role.MANAGER))
    tab = opened(open_page, clone, Role.MANAGER)
    assert "Say why" in sentences(click(tab, "forget_save").error)[0]
    tab.text_input(key=f"forget_reason_{manager.id}").set_value("asked for by letter of 3 May")
    assert sentences(click(tab, "forget_save").success)[0].startswith("The person was forgotten.")
    names = list(tab.dataframe[0].value["name"])
    assert "Manager Rao" not in names and f"Forgotten user {manager.id}" in names
    assert not is_signed_in(clone, Role.MANAGER)
