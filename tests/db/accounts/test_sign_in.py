"""Signing in, as the database does it: proof, session, record. The library side is in backstitch.accounts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from backstitch.accounts import passwords, sessions
from backstitch.accounts.permissions import Role
from backstitch.errors import SignedOut
from tests.conftest import BROWSER, PASSWORD, Clone, email_of
from tests.db.trail import Connection, acting, forget, records, refused, wait_until_blocked

CALL = "select accounts.sign_in(%s, %s, %s, '192.0.2.9', 'Firefox', '1 hour')"
ADMIN = email_of(Role.ADMIN)


def proof_of(connection: Connection, email: str, password: str = PASSWORD) -> str:
    salt = connection.execute("select accounts.password_salt(%s)", (email,)).fetchone()
    assert salt is not None
    return passwords.proof(password, salt[0])


def user_id(connection: Connection, email: str = ADMIN) -> int:
    found = connection.execute("select id from accounts.users where email = %s", (email,)).fetchone()
    assert found is not None
    return int(found[0])


def test_a_right_proof_opens_one_session_and_is_on_the_record(clone: Clone) -> None:
    with clone.superuser() as psql, clone.application() as app:
        forget(psql)
        assert app.execute(CALL, (f"  {ADMIN.upper()} ", proof_of(app, ADMIN), "new token")).fetchone() == (True,)
        user = user_id(psql)
        session, *rest = psql.execute(
            "select id, user_id, encode(token_hash, 'hex') = encode(sha256('new token'), "
            "'hex'), host(address), user_agent, "
            "revoked_at, expires_at - created_at from accounts.sessions order by id desc limit 1"
        ).fetchone() or (0,)
        assert rest == [user, True, "192.0.2.9", "Firefox", None, timedelta(hours=1)]
        common: dict[str, Any] = {
            "user_id": user,
            "session_id": session,
            "database_role": "backstitch_app",
            "application": None,
            "client_address": None,
            "operation": "sign in",
            "reason": None,
            "old_values": None,
        }
        opened, login = records(psql, "Session", "User")
        stored = opened.pop("new_values")
        assert (stored["user_id"], stored["token_hash"], stored["user_agent"]) == (user, "redacted", "Firefox")
        assert opened == common | {"action": "CREATE", "entity": "Session", "entity_id": session, "parent_id": user}
        assert login == common | {
            "action": "LOGIN",
            "entity": "User",
            "entity_id": user,
            "parent_id": None,
            "new_values": {},
        }


def test_a_failed_sign_in_keeps_the_typed_name_and_nothing_secret(clone: Clone) -> None:
    typed = "no\x01body\r\n" + "x" * 300
    with clone.superuser() as psql, clone.application() as app:
        forget(psql)
        psql.execute("update accounts.users set is_active = false where role = 'viewer'")
        psql.execute("insert into accounts.users (email, name, role) values ('new@example.com', 'New', 'viewer')")
        forget(psql)
        attempts = [
            (ADMIN, "wrong", "wrong password", user_id(psql)),
            (
                email_of(Role.VIEWER),
                proof_of(app, email_of(Role.VIEWER)),
                "deactivated user",
                user_id(psql, email_of(Role.VIEWER)),
            ),
            ("new@example.com", "wrong", "wrong password", user_id(psql, "new@example.com")),
            (typed, "secret proof", "unknown user", None),
            (ADMIN, None, "wrong password", user_id(psql)),
            (ADMIN, "", "wrong password", user_id(psql)),
        ]
        for email, proof, _, _ in attempts:
            assert app.execute(CALL, (email, proof, "token")).fetchone() == (False,)
        found = records(psql, "User")
        assert [(r["action"], r["entity_id"], r["user_id"], r["session_id"]) for r in found] == [
            ("LOGIN_FAILED", user, None, None) for _, _, _, user in attempts
        ]
        assert [r["new_values"] for r in found] == [
            {"username": email if email != typed else ("nobody" + "x" * 300)[:254], "cause": cause}
            for email, _, cause, _ in attempts
        ]
        assert {(str(r["client_address"]), r["operation"], r["database_role"]) for r in found} == {
            ("192.0.2.9", "sign in", "backstitch_app")
        }
        shown = psql.execute(
            "select distinct username from audit_logs where action = 'LOGIN_FAILED' and entity_id is null"
        )
        assert shown.fetchone() == (("nobody" + "x" * 300)[:254],)
        assert psql.execute("select count(*) from accounts.sessions where token_hash = sha256('token')").fetchone() == (
            0,
        )


def test_a_wrong_proof_opens_nothing_to_write_with(clone: Clone) -> None:
    with refused("28000", "session_live"), clone.application() as app, app.transaction():
        assert app.execute(CALL, (ADMIN, "wrong", "token")).fetchone() == (False,)
        app.execute("select set_config('role', accounts.begin('token'), true)")
    with refused("42501", "signed_in_user"), clone.application() as app, app.transaction():
        app.execute(CALL, (ADMIN, "wrong", "token"))
        app.execute("set local role backstitch_admin")
        app.execute("insert into inventory.products (sku, name, sizes) values ('A', 'x', '{M}')")


def test_the_stored_hash_is_not_a_proof(clone: Clone) -> None:
    with clone.superuser() as psql, clone.application() as app:
        stored = psql.execute("select password_hash from accounts.users where role = 'admin'").fetchone()
        assert stored is not None
        for stolen in (stored[0], stored[0].split(":")[2], stored[0].split(":")[1]):
            assert app.execute(CALL, (ADMIN, stolen, "token")).fetchone() == (False,)


def test_the_salt_of_an_unknown_user_is_steady_and_looks_like_any_other(clone: Clone) -> None:
    with clone.application() as app:
        salts = [
            (app.execute("select accounts.password_salt(%s)", (f"nobody{n}@example.com",)).fetchone() or ("",))[0]
            for n in range(40)
        ]
        again = app.execute("select accounts.password_salt(' NOBODY0@example.com')").fetchone()
        assert again == (salts[0],)
        assert len(set(salts)) == 40
        for salt in salts:
            assert len(passwords.proof("x", salt.replace("$12$", "$04$"))) == 60
        assert len({character for salt in salts for character in salt[7:28]}) > 50
        assert {salt[28] for salt in salts} == set(".Oeu")


def test_signing_in_again_in_the_same_browser_ends_the_session_before(clone: Clone) -> None:
    browser = sessions.Browser(secret=BROWSER, address="192.0.2.7", user_agent="Firefox")
    hour = timedelta(hours=1)
    for _ in range(2):
        assert sessions.sign_in(clone.app, email=ADMIN, password=PASSWORD, browser=browser, lifetime=hour)
    with clone.superuser() as psql:
        live = "select count(*), count(*) filter (where revoked_at is null) from accounts.sessions where user_id = %s"
        assert psql.execute(live, (user_id(psql),)).fetchone() == (3, 1)
    with clone.app.read(clone.actor(Role.ADMIN)) as connection:
        user = sessions.current_user(connection)
    assert user is not None
    assert (user.email, user.name, user.role, user.must_change_password) == (ADMIN, "Admin Rao", Role.ADMIN, False)


def test_two_sign_ins_at_once_in_one_browser_both_succeed_and_leave_one_session(clone: Clone) -> None:
    with clone.application() as first, clone.application() as second, clone.superuser() as psql:
        proof = proof_of(first, ADMIN)
        with ThreadPoolExecutor() as threads:
            with first.transaction():
                assert first.execute(CALL, (ADMIN, proof, "token")).fetchone() == (True,)
                late = threads.submit(lambda: second.execute(CALL, (ADMIN, proof, "token")).fetchone())
                wait_until_blocked(psql, second.info.backend_pid)
            assert late.result(timeout=20) == (True,)
        live = psql.execute(
            "select count(*) from accounts.sessions where token_hash = sha256('token') and revoked_at is null"
        )
        assert live.fetchone() == (1,)


def test_signing_out_ends_the_session_and_is_on_the_record(clone: Clone) -> None:
    sessions.sign_out(clone.app, clone.actor(Role.MANAGER))
    with pytest.raises(SignedOut) as caught:
        sessions.sign_out(clone.app, clone.actor(Role.MANAGER))
    assert caught.value.rule == "session_live"
    with refused("28000", "session_live"), acting(clone, Role.MANAGER):
        pass
    with acting(clone, Role.ADMIN) as admin:
        recorded = admin.execute(
            "select action, entity, username, operation from audit.trail where username = "
            "'manager@example.com' order by id"
        ).fetchall()
    assert recorded == [
        ("UPDATE", "Session", "manager@example.com", "sign out"),
        ("LOGOUT", "User", "manager@example.com", "sign out"),
    ]


def test_a_session_of_one_user_is_not_found_under_another_token(clone: Clone) -> None:
    with clone.application() as app:
        for forged in (clone.actor(Role.ADMIN).token.upper(), clone.actor(Role.ADMIN).token + " ", "%", "' or true --"):
            with refused("28000", "session_live"):
                app.execute("select accounts.begin(%s)", (forged,))


def test_an_address_that_is_alike_in_small_letters_only_is_somebody_elses(clone: Clone) -> None:
    call = (
        "select accounts.sign_in_by_provider("
        "%s, 'installation', %s, now(), 'a browser', null, 'curl', '1 hour', '1 hour')"
    )
    with clone.superuser() as psql, clone.application() as app:
        psql.execute("insert into runtime.single_sign_on (secret_hash) values (sha256('installation'))")
        # A capital I with a dot becomes an i, the Kelvin sign a k: both can be had in the name of a domain.
        psql.execute("update accounts.users set email = 'kiri@example.com' where email = %s", (ADMIN,))
        recorded = [
            app.execute(call, (typed, f"word {typed}")).fetchone()
            for typed in ("k\u0130ri@example.com", "\u212airi@example.com", " KIRI@Example.com ")
        ]
        assert recorded == [("unknown user",), ("unknown user",), (None,)]
