"""Sessions end when they should, and everywhere: SAFETY rows 19 and 20, the part of the database."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from backstitch.accounts import passwords, sessions, users
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser
from backstitch.database import SignedIn
from backstitch.errors import Refused, SignedOut
from tests.conftest import BROWSER, PASSWORD, Clone, email_of
from tests.db.trail import acting, refused, wait_until_blocked

NEW = "a lorry of mustard cotton"
HOUR = timedelta(hours=1)


def is_live(clone: Clone, who: SignedIn) -> bool:
    try:
        with clone.app.transaction(who, operation="look"):
            return True
    except SignedOut:
        return False


def also_signed_in(clone: Clone, role: Role, secret: str = "telephone") -> SignedIn:
    """Another session of the user with this role, in a browser of its own."""
    browser = Browser(secret=secret, address="203.0.113.5", user_agent="Firefox")
    assert sessions.sign_in(clone.app, email=email_of(role), password=PASSWORD, browser=browser, lifetime=HOUR)
    return sessions.actor(secret, email_of(role))


def user_id(clone: Clone, role: Role) -> int:
    with clone.superuser() as psql:
        row = psql.execute("select id from accounts.users where email = %s", (email_of(role),)).fetchone()
    assert row is not None
    return int(row[0])


def activities(clone: Clone, user: int) -> list[Any]:
    with clone.superuser() as psql:
        return psql.execute(
            "select action, username, new_values from audit.trail where entity = 'User' and entity_id = %s "
            "and action not in ('CREATE', 'UPDATE') order by id",
            (user,),
        ).fetchall()


# --- time -------------------------------------------------------------------------------------------------


def age(clone: Clone, **ages: str) -> None:
    """Moves the manager's session into the past."""
    with clone.superuser() as psql:
        psql.execute("set session_replication_role = replica")
        for column, interval in ages.items():
            psql.execute(
                f"update accounts.sessions set {column} = now() - interval '{interval}' "  # type: ignore[arg-type]
                "where user_id = (select id from accounts.users where role = 'manager')"
            )


def test_a_session_that_is_not_used_for_its_idle_limit_is_over_for_every_write(clone: Clone) -> None:
    who = clone.actor(Role.MANAGER)
    age(clone, created_at="7 hours 59 minutes")
    assert is_live(clone, who)
    assert sessions.mark_seen(clone.app, who) is True
    age(clone, created_at="9 hours")
    assert is_live(clone, who)  # it was seen just now
    with clone.superuser() as psql:
        psql.execute("update runtime.session_activity set last_seen_at = now() - interval '8 hours 1 second'")
    assert not is_live(clone, who)
    with refused("28000", "session_live"), acting(clone, Role.MANAGER):
        pass
    assert sessions.mark_seen(clone.app, who) is False
    assert not is_live(clone, who)
    user = user_id(clone, Role.MANAGER)
    assert activities(clone, user) == [("SESSION_EXPIRED", email_of(Role.MANAGER), {"cause": "it was not used"})]


def test_a_session_ends_at_its_age_however_busy_it_is(clone: Clone) -> None:
    who = clone.actor(Role.MANAGER)
    assert sessions.mark_seen(clone.app, who) is True
    age(clone, expires_at="1 second")
    assert not is_live(clone, who)
    # Whoever else is seen ends it, on the record, if its own user never comes back.
    assert sessions.mark_seen(clone.app, clone.actor(Role.ADMIN)) is True
    assert sessions.mark_seen(clone.app, clone.actor(Role.ADMIN)) is True
    user = user_id(clone, Role.MANAGER)
    assert activities(clone, user) == [("SESSION_EXPIRED", email_of(Role.MANAGER), {"cause": "its time was over"})]


def test_a_session_that_is_over_is_not_seen_again_while_it_waits_to_be_ended(clone: Clone) -> None:
    age(clone, expires_at="1 second")
    with clone.superuser() as psql, psql.transaction():
        psql.execute("select from accounts.sessions for no key update")  # whoever ends sessions passes these over
        assert sessions.mark_seen(clone.app, clone.actor(Role.MANAGER)) is False
        assert sessions.mark_seen(clone.app, clone.actor(Role.VIEWER)) is True


def test_both_limits_are_given_at_the_sign_in(clone: Clone) -> None:
    browser = Browser(secret="telephone")
    assert sessions.sign_in(
        clone.app,
        email=email_of(Role.VIEWER),
        password=PASSWORD,
        browser=browser,
        lifetime=timedelta(days=3),
        idle_limit=timedelta(minutes=20),
    )
    with clone.superuser() as psql:
        row = psql.execute(
            "select expires_at - created_at, idle_limit from accounts.sessions order by id desc limit 1"
        ).fetchone()
    assert row == (timedelta(days=3), timedelta(minutes=20))


def test_no_session_is_without_end_whatever_somebody_at_sql_asks_for(clone: Clone) -> None:
    viewer = email_of(Role.VIEWER)
    with clone.superuser() as psql, clone.application() as app:
        (salt,) = app.execute("select accounts.password_salt(%s)", (viewer,)).fetchone() or ("",)
        app.execute(
            "select accounts.sign_in(%s, %s, 'token', null, 'psql', '100000 years', '100000 years')",
            (viewer, passwords.proof(PASSWORD, salt)),
        )
        row = psql.execute(
            "select expires_at - created_at, idle_limit from accounts.sessions order by id desc limit 1"
        ).fetchone()
    assert row == (timedelta(days=365), timedelta(days=365))


def test_the_last_use_is_stored_once_a_minute_and_not_on_the_record(clone: Clone) -> None:
    who = clone.actor(Role.MANAGER)
    with clone.superuser() as psql:
        before = psql.execute("select count(*) from audit.records").fetchone()
        versions = []
        for past in ("0 seconds", "0 seconds", "50 seconds", "61 seconds"):
            psql.execute("update runtime.session_activity set last_seen_at = last_seen_at - %s::interval", (past,))
            moment = psql.execute("select max(last_seen_at) from runtime.session_activity").fetchone()
            assert sessions.mark_seen(clone.app, who) is True
            versions.append(psql.execute("select max(last_seen_at) from runtime.session_activity").fetchone() != moment)
        assert versions == [True, False, False, True]
        assert psql.execute("select count(*) from audit.records").fetchone() == before


# --- what ends sessions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    ["role = 'viewer'", "is_active = false", f"password_hash = '{passwords.hash_password(NEW, cost=4)}'"],
    ids=["role", "deactivation", "password"],
)
@pytest.mark.parametrize("by_hand", [True, False], ids=["psql", "admin"])
def test_a_change_of_role_or_password_or_a_deactivation_ends_every_session(
    clone: Clone, change: str, by_hand: bool
) -> None:
    tabs = [clone.actor(Role.MANAGER), also_signed_in(clone, Role.MANAGER)]
    assert all(is_live(clone, tab) for tab in tabs)
    statement: Any = f"update accounts.users set {change} where role = 'manager'"
    if by_hand:
        with clone.superuser() as psql:
            psql.execute(statement)
    else:
        with acting(clone, Role.ADMIN) as admin:
            admin.execute(statement)
    assert not any(is_live(clone, tab) for tab in tabs)
    assert is_live(clone, clone.actor(Role.ADMIN))
    with clone.superuser() as psql:
        # Back as it was, what was ended stays ended.
        psql.execute("update accounts.users set role = 'manager', is_active = true where email like 'manager%'")
        ended = psql.execute(
            "select count(*), count(*) filter (where username = 'admin@example.com') from audit.trail "
            "where entity = 'Session' and action = 'UPDATE' and new_values ? 'revoked_at'"
        ).fetchone()
    assert not any(is_live(clone, tab) for tab in tabs)
    assert ended == (2, 0 if by_hand else 2)
    changed = [action for action, _, _ in activities(clone, user_id(clone, Role.MANAGER)) if action != "LOGIN"]
    assert changed == (["PASSWORD_CHANGE"] if "password" in change else [])


def test_a_deactivated_user_has_no_rights_by_a_session_that_somebody_forgot_to_end(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("update accounts.users set is_active = false where role = 'manager'")
        psql.execute("update accounts.sessions set revoked_at = null")
    assert not is_live(clone, clone.actor(Role.MANAGER)) and is_live(clone, clone.actor(Role.VIEWER))


def test_other_changes_of_a_user_end_no_session(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("update accounts.users set name = 'Asha', is_active = true, role = role where role = 'manager'")
    assert is_live(clone, clone.actor(Role.MANAGER))


@pytest.mark.parametrize("role", list(Role))
def test_a_user_changes_the_password_and_only_the_session_in_use_goes_on(clone: Clone, role: Role) -> None:
    who, telephone = clone.actor(role), also_signed_in(clone, role)
    with pytest.raises(Refused) as caught:
        sessions.change_password(clone.app, who, email=email_of(role), old="wrong", new=NEW)
    assert caught.value.rule == "password_wrong" and is_live(clone, telephone)
    sessions.change_password(clone.app, who, email=email_of(role), old=PASSWORD, new=NEW)
    assert is_live(clone, who) and not is_live(clone, telephone)
    browser = Browser(secret="telephone")
    signed_in = [
        sessions.sign_in(clone.app, email=email_of(role), password=password, browser=browser, lifetime=HOUR)
        for password in (PASSWORD, NEW)
    ]
    assert signed_in == [False, True]
    user = user_id(clone, role)
    recorded = [(action, details.get("cause")) for action, _, details in activities(clone, user)]
    assert recorded == [
        ("LOGIN", None),
        ("LOGIN_FAILED", "wrong password for a change"),
        ("PASSWORD_CHANGE", None),
        ("LOGIN_FAILED", "wrong password"),
        ("LOGIN", None),
    ]
    with clone.superuser() as psql:
        update = psql.execute(
            "select username, operation, old_values, new_values from audit.trail where entity = 'User' "
            "and action = 'UPDATE'"
        ).fetchall()
    redacted = {"password_hash": "redacted"}
    assert update == [(email_of(role), "change password", redacted, redacted)]


def test_changing_the_password_gives_no_right_to_write_users(clone: Clone) -> None:
    with clone.application() as app:
        salt = app.execute("select accounts.password_salt(%s)", (email_of(Role.VIEWER),)).fetchone()
    assert salt is not None
    given = (passwords.proof(PASSWORD, salt[0]), passwords.hash_password(NEW))
    with refused("42501"), acting(clone, Role.VIEWER) as viewer:
        assert viewer.execute("select accounts.change_password(%s, %s)", given).fetchone() == (True,)
        viewer.execute("update accounts.users set role = 'admin' where role = 'viewer'")
    with refused("42501", "signed_in_user"), acting(clone, Role.MANAGER) as manager:
        manager.execute("select set_config('backstitch.role', 'definer', true)")
        manager.execute("select accounts.sign_out()")


# --- seeing and ending sessions ---------------------------------------------------------------------------


def test_a_user_sees_the_own_sessions_and_ends_one_or_all(clone: Clone) -> None:
    who, telephone = clone.actor(Role.VIEWER), also_signed_in(clone, Role.VIEWER)
    also_signed_in(clone, Role.MANAGER, "somebody else's")
    with clone.app.read(who) as connection:
        this, other = sessions.live_sessions(connection)
    assert (this.is_this, this.address, this.email) == (True, "192.0.2.7", email_of(Role.VIEWER))
    assert (other.is_this, other.address, other.user_agent) == (False, "203.0.113.5", "Firefox")
    assert other.ends_at - other.created_at == HOUR
    with clone.app.transaction(who, operation="sign out a session") as connection:
        assert sessions.end_session(connection, session_id=other.id) == 1
        assert sessions.end_session(connection, session_id=other.id) == 0
    assert is_live(clone, who) and not is_live(clone, telephone)
    also_signed_in(clone, Role.VIEWER)
    with clone.app.transaction(who, operation="sign out everywhere") as connection:
        assert sessions.end_sessions_of(connection, user_id=this.user_id) == 2
    assert not is_live(clone, who)
    recorded = [action for action, _, _ in activities(clone, this.user_id)]
    assert recorded == ["LOGIN", "LOGOUT", "LOGIN", "LOGOUT"]


def test_only_an_admin_sees_and_ends_sessions_of_others(clone: Clone) -> None:
    telephone = also_signed_in(clone, Role.VIEWER)
    with clone.app.read(clone.actor(Role.ADMIN)) as connection:
        everybodys = sessions.live_sessions(connection, everybody=True)
        assert len(sessions.live_sessions(connection)) == 1
    assert len(everybodys) == 5 and everybodys[0].is_this
    (viewers,) = [s for s in everybodys if s.user_agent == "Firefox"]
    for role in (Role.MANAGER, Role.ANALYST):
        for call in (
            "select accounts.live_sessions(true)",
            f"select accounts.end_sessions({viewers.id})",
            f"select accounts.end_sessions(null, {viewers.user_id})",
            # A session that there is not, or one's own, is no way to those of somebody else.
            f"select accounts.end_sessions(-1, {viewers.user_id})",
            f"select accounts.end_sessions(id, {viewers.user_id}) from accounts.live_sessions()",
            "select accounts.end_sessions()",
        ):
            # Nor does a role taken half-way help, for the signed one counts.
            with refused("42501", "admin_only"), acting(clone, role) as connection:
                connection.execute(call)  # type: ignore[arg-type]
            with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(clone, role) as connection:
                connection.execute("set local role backstitch_admin")
                connection.execute(call)  # type: ignore[arg-type]
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="sign out a session") as connection:
        assert sessions.end_session(connection, session_id=viewers.id) == 1
    assert not is_live(clone, telephone) and is_live(clone, clone.actor(Role.VIEWER))
    assert activities(clone, viewers.user_id)[-1] == ("LOGOUT", email_of(Role.ADMIN), {})


def test_a_user_sees_what_happened_to_the_account_and_no_values(clone: Clone) -> None:
    also_signed_in(clone, Role.VIEWER)
    with acting(clone, Role.ADMIN, "edit user") as admin:
        admin.execute("update accounts.users set name = 'Asha' where role = 'viewer'")
        admin.execute("update accounts.users set name = 'Ravi' where role = 'manager'")
    with clone.app.read(clone.actor(Role.VIEWER)) as connection:
        renamed, signed_in, _created = sessions.activity(connection)
        assert len(sessions.activity(connection, most=1)) == 1
    assert (renamed.action, renamed.by_user, renamed.details) == ("UPDATE", "Admin Rao", {"fields": ["name"]})
    assert renamed.address is None and renamed.user_agent is None  # the admin's are nobody else's business
    assert (signed_in.action, signed_in.address, signed_in.user_agent) == ("LOGIN", "203.0.113.5", "Firefox")


# --- passwords set by an admin, and users -----------------------------------------------------------------


def test_until_a_password_of_an_admin_is_replaced_its_user_writes_nothing(clone: Clone) -> None:
    once = passwords.one_time()
    user = user_id(clone, Role.MANAGER)
    with clone.app.transaction(clone.actor(Role.ADMIN), operation="reset password") as connection:
        users.reset_password(connection, user_id=user, password=once)
    assert not is_live(clone, clone.actor(Role.MANAGER))
    browser = Browser(secret=BROWSER)
    assert sessions.sign_in(clone.app, email=email_of(Role.MANAGER), password=once, browser=browser, lifetime=HOUR)
    insert = "insert into inventory.products (sku, name, sizes) values ('A', 'Kurti', '{M}')"
    with refused("42501"), acting(clone, Role.MANAGER) as connection:
        connection.execute(insert)
    with refused("42501"), acting(clone, Role.MANAGER) as connection:
        connection.execute("select * from audit.trail")
    sessions.change_password(clone.app, clone.actor(Role.MANAGER), email=email_of(Role.MANAGER), old=once, new=NEW)
    with acting(clone, Role.MANAGER) as connection:
        connection.execute(insert)


def test_a_password_hashed_at_a_lower_cost_is_rehashed_at_the_sign_in_and_no_session_ends(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = clone.actor(Role.MANAGER)
    monkeypatch.setattr(passwords, "COST", 5)
    also_signed_in(clone, Role.MANAGER)
    with clone.superuser() as psql:
        kept = psql.execute("select split_part(password_hash, ':', 2) from accounts.users where role = 'manager'")
        assert (kept.fetchone() or ("",))[0].startswith("$2b$05$")
    assert is_live(clone, who)
    also_signed_in(clone, Role.MANAGER, "tablet")
    recorded = [action for action, _, _ in activities(clone, user_id(clone, Role.MANAGER))]
    assert recorded == ["LOGIN", "LOGIN"]


@pytest.mark.parametrize(
    "statement",
    ["update accounts.users set role = 'viewer' where {}", "update accounts.users set is_active = false where {}"],
)
def test_the_last_active_admin_stays(clone: Clone, statement: str) -> None:
    last: Any = statement.format("role = 'admin'")
    with refused("23514", "last_admin"), clone.superuser() as psql:
        psql.execute(last)
    with refused("23514", "last_admin"), acting(clone, Role.ADMIN) as admin:
        admin.execute(last)
    with clone.superuser() as psql:
        psql.execute("insert into accounts.users (email, name, role) values ('two@example.com', 'Two', 'admin')")
        with refused("23514", "last_admin"):
            psql.execute(last)  # both at once
        first: Any = statement.format("email = 'admin@example.com'")
        psql.execute(first)
        with refused("23514", "last_admin"):
            psql.execute("delete from accounts.users where email = 'two@example.com'")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_two_admins_who_remove_each_other_do_not_both_succeed(clone: Clone, isolation: str) -> None:
    remove = "update accounts.users set is_active = false where email = %s"
    with clone.superuser() as psql, clone.superuser() as first, clone.superuser() as second:
        psql.execute("insert into accounts.users (email, name, role) values ('two@example.com', 'Two', 'admin')")
        for connection in (first, second):
            connection.execute(f"begin isolation level {isolation}")  # type: ignore[arg-type]
            connection.execute("select count(*) from accounts.users")
        first.execute(remove, ("two@example.com",))
        with ThreadPoolExecutor(1) as thread:
            late = thread.submit(second.execute, remove, (email_of(Role.ADMIN),))
            wait_until_blocked(psql, second.info.backend_pid)
            first.execute("commit")
            with refused(*(("23514", "last_admin") if isolation == "read committed" else ("40001", None))):
                late.result(timeout=20)
        second.execute("rollback")
        left = psql.execute("select email from accounts.users where role = 'admin' and is_active").fetchall()
        assert left == [(email_of(Role.ADMIN),)]
