"""Why a session has ended, as the sign-in page says it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from backstitch.accounts import sessions, users
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser
from tests.conftest import BROWSER, PASSWORD, Clone, email_of
from tests.db.trail import acting

HOUR = timedelta(hours=1)


def sign_in(clone: Clone, secret: str = BROWSER) -> None:
    browser = Browser(secret=secret, address="203.0.113.9", user_agent="Firefox")
    assert sessions.sign_in(clone.app, email=email_of(Role.MANAGER), password=PASSWORD, browser=browser, lifetime=HOUR)


def sign_out(clone: Clone) -> None:
    sessions.sign_out(clone.app, clone.actor(Role.MANAGER))


def end_elsewhere(clone: Clone) -> None:
    sign_in(clone, "telephone")
    with clone.app.transaction(sessions.actor("telephone", email_of(Role.MANAGER)), operation="sign out") as connection:
        sessions.end_sessions_of(connection, user_id=sessions.current_user(connection).id)  # type: ignore[union-attr]


def as_admin(statement: str) -> Callable[[Clone], None]:
    def change(clone: Clone) -> None:
        with acting(clone, Role.ADMIN) as connection:
            connection.execute(statement, {"email": email_of(Role.MANAGER)})  # type: ignore[call-overload]

    return change


def age(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("set session_replication_role = replica")
        psql.execute(
            "update accounts.sessions set created_at = created_at - interval '1 day', "
            "expires_at = now() - interval '1 minute'"
        )


def expire(clone: Clone) -> None:
    age(clone)
    assert not sessions.mark_seen(clone.app, clone.actor(Role.MANAGER))


ENDS: list[tuple[str, Callable[[Clone], None]]] = [
    ("signed out", sign_out),
    ("signed out elsewhere", end_elsewhere),
    (
        "signed out by an admin",
        as_admin("select accounts.end_sessions(null, (select id from accounts.users where email = %(email)s))"),
    ),
    ("role", as_admin("update accounts.users set role = 'viewer' where email = %(email)s")),
    ("deactivated", as_admin("update accounts.users set is_active = false where email = %(email)s")),
    ("expired", age),
    ("expired", expire),
]


@pytest.mark.parametrize(("cause", "end"), ENDS, ids=[f"{cause}-{end.__name__}" for cause, end in ENDS])
def test_an_ended_session_says_why(clone: Clone, cause: str, end: Callable[[Clone], None]) -> None:
    actor = clone.actor(Role.MANAGER)
    assert sessions.why_ended(clone.app, actor) is None
    end(clone)
    assert sessions.why_ended(clone.app, actor) == cause


def test_a_new_password_by_an_admin_is_the_cause(clone: Clone) -> None:
    with clone.app.read(clone.actor(Role.MANAGER)) as connection:
        user = sessions.current_user(connection)
    assert user is not None
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="reset password") as connection:
        users.reset_password(connection, user_id=user.id, password="nine bales of linen")
    assert sessions.why_ended(clone.app, clone.actor(Role.MANAGER)) == "password"


def test_a_session_that_a_later_one_of_the_same_browser_replaced_says_so(clone: Clone) -> None:
    with clone.app.read(clone.actor(Role.MANAGER)) as connection:
        first = sessions.current_session(connection)
    sign_in(clone)
    actor = sessions.actor(BROWSER, email_of(Role.MANAGER), first)
    assert sessions.why_ended(clone.app, actor) == "signed in again"
    assert sessions.why_ended(clone.app, clone.actor(Role.MANAGER)) is None


def test_an_unknown_token_gets_no_cause(clone: Clone) -> None:
    assert sessions.why_ended(clone.app, sessions.actor("another browser", email_of(Role.MANAGER))) is None


def test_an_end_that_no_record_explains_gets_no_cause(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("update accounts.sessions set revoked_at = now()")
    assert sessions.why_ended(clone.app, clone.actor(Role.MANAGER)) is None
