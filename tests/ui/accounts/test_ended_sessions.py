"""A session that ended elsewhere: the sign-in page says why, and what was typed is there for the same user only."""

import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.startup import Service
from tests.conftest import BROWSER, PASSWORD, Clone, email_of
from tests.db.trail import acting
from tests.ui.conftest import Open
from tests.ui.shop import Shop
from ui.shared import session, unsaved

NOTE = "deliver before noon"
MANAGER = email_of(Role.MANAGER)


def sign_in(tab: AppTest, role: Role) -> AppTest:
    tab.text_input[0].set_value(email_of(role))
    tab.text_input[1].set_value(PASSWORD)
    return tab.button[0].click().run()


def as_admin(statement: str) -> Callable[[Clone], None]:
    def change(clone: Clone) -> None:
        with acting(clone, Role.ADMIN) as connection:
            connection.execute(statement, {"email": MANAGER})  # type: ignore[call-overload]

    return change


def sign_out(clone: Clone) -> None:
    sessions.sign_out(clone.app, clone.actor(Role.MANAGER))


AGAIN = "Sign in again, and what you typed is there."
ENDS: list[tuple[Callable[[Clone], None], str]] = [
    (sign_out, f"You were signed out because you signed out in another tab. {AGAIN}"),
    (
        as_admin("select accounts.end_sessions(null, (select id from accounts.users where email = %(email)s))"),
        f"You were signed out because an admin ended this session. {AGAIN}",
    ),
    (
        as_admin("update accounts.users set role = 'admin' where email = %(email)s"),
        f"You were signed out because your role was changed. {AGAIN}",
    ),
    (
        as_admin("update accounts.users set is_active = false where email = %(email)s"),
        "You were signed out because your account was deactivated. Ask an admin if you need it.",
    ),
]


@pytest.fixture
def typed(open_page: Open, shop: Shop) -> AppTest:
    """A tab of the manager with a note typed into the form of a new order."""
    shop.product("KT-118", "Block print kurta")
    shop.run("insert into inventory.customers (store_name) values ('Asha Stores')")
    tab = open_page("orders", Role.MANAGER)
    tab.button(key="new_order").click().run()
    tab.text_input(key="order_note_new_1").set_value(NOTE).run()
    assert not tab.exception
    return tab


@pytest.mark.parametrize(("end", "sentence"), ENDS, ids=[sentence for _, sentence in ENDS])
def test_the_sign_in_page_says_why(typed: AppTest, clone: Clone, end: Callable[[Clone], None], sentence: str) -> None:
    end(clone)
    typed.run()
    assert [warning.value for warning in typed.warning] == [sentence]
    assert [field.label for field in typed.text_input] == ["Email", "Password"]


def test_every_cause_of_the_database_has_a_sentence(clone: Clone) -> None:
    with clone.superuser() as psql:
        (comment,) = psql.execute("select obj_description('accounts.why_ended(text, bigint)'::regprocedure)").fetchone()
    listed = comment.partition(": ")[2].partition(".")[0]
    assert set(listed.split(", ")) == set(session.WHY_ENDED)


def test_what_was_typed_is_there_for_the_same_user_after_another_has_not_got_it(typed: AppTest, clone: Clone) -> None:
    sign_out(clone)
    typed.text_input(key="order_note_new_1").set_value(f"{NOTE}, typed into the ended session").run()
    sign_in(typed, Role.ADMIN)
    assert [title.value for title in typed.title] == ["Orders"]
    assert not typed.warning
    assert "order_note_new_1" not in typed.session_state
    typed.button(key="sign_out").click().run()
    assert not typed.warning  # who signs out knows it
    sign_in(typed, Role.MANAGER)
    assert typed.text_input(key="order_note_new_1").value == f"{NOTE}, typed into the ended session"


def test_nothing_comes_back_after_signing_out(typed: AppTest) -> None:
    typed.button(key="sign_out").click().run()
    sign_in(typed, Role.MANAGER)
    assert [title.value for title in typed.title] == ["Orders"]
    assert "order_note_new_1" not in typed.session_state


def test_a_tab_without_a_form_promises_nothing(open_page: Open, clone: Clone, service: Service) -> None:
    tab = open_page("home", Role.MANAGER)
    sign_out(clone)
    tab.run()
    assert [warning.value for warning in tab.warning] == [
        "You were signed out because you signed out in another tab. Sign in again."
    ]
    assert list((service.settings.home / "unsaved").glob("*")) == []


def test_what_is_kept_is_for_this_account_of_the_machine_and_for_a_day(
    typed: AppTest, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = service.settings.home / "unsaved"
    (kept,) = folder.glob("*")
    assert (folder.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    assert BROWSER not in kept.name and MANAGER not in kept.name
    now = time.time()
    monkeypatch.setattr(unsaved.time, "time", lambda: now + unsaved.KEPT.total_seconds() + 60)
    unsaved._forget_old()
    assert list(folder.glob("*")) == []
