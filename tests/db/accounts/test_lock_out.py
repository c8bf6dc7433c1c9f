"""Failed sign-ins are counted by the database and lock what failed: SAFETY row 16."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backstitch.accounts import passwords, sessions, users
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser, Locked
from backstitch.audit import search
from backstitch.audit.filters import Filters
from backstitch.audit.wording import client
from backstitch.errors import Refused
from backstitch.request import Source, door
from tests.conftest import BROWSER, PASSWORD, Clone, email_of
from tests.db.trail import Connection, acting, refused, wait_until_blocked

MANAGER = email_of(Role.MANAGER)
UNKNOWN = "nobody@example.com"
STRANGER = Browser(secret="a browser of a stranger", address="198.51.100.7", user_agent="curl")
HOUR = timedelta(hours=1)
SIGN_IN = "select accounts.sign_in(%s, %s, %s, %s, 'curl', '1 hour')"
LOCKED = "select accounts.locked_until(%s, %s, %s) - now()"


def attempt(clone: Clone, email: str = MANAGER, password: str = "wrong", browser: Browser = STRANGER) -> bool:
    """As the sign-in page does it."""
    with door(Source.PAGE):
        return sessions.sign_in(clone.app, email=email, password=password, browser=browser, lifetime=HOUR)


def lock(clone: Clone, email: str = MANAGER, browser: Browser = STRANGER) -> None:
    """Fails until it is locked; the fifth failure says so."""
    for _ in range(4):
        assert attempt(clone, email, browser=browser) is False
    with pytest.raises(Locked):
        attempt(clone, email, browser=browser)


def fail(app: Connection, name: str, address: str | None, token: str = "strange token") -> None:
    """A wrong proof, without the library."""
    assert app.execute(SIGN_IN, (name, "wrong", token, address)).fetchone() == (False,)


def rest_of_lock(app: Connection, name: str, address: str | None, token: str = "strange token") -> Any:
    row = app.execute(LOCKED, (name, token, address)).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("email", [MANAGER, UNKNOWN])
def test_after_five_failures_nothing_is_tried_for_a_minute_known_user_or_not(clone: Clone, email: str) -> None:
    lock(clone, email)
    for typed in (PASSWORD, "wrong"):
        with pytest.raises(Locked, match=r"^Too many sign-ins have failed\. Try again in 1 minute\.$") as caught:
            attempt(clone, f" {email.upper()} ", typed)
    assert caught.value.rule == "sign_in_locked"
    # Another browser and another address do not help, nor does a restart: it is in the database.
    with pytest.raises(Locked):
        attempt(clone, email, PASSWORD, Browser(secret="another", address="203.0.113.9"))
    with clone.superuser() as psql:
        found = psql.execute(
            "select action, username, user_id, entity_id is not null, host(address), new_values - 'until' "
            "from audit.trail where action in ('LOGIN', 'LOGIN_FAILED', 'LOGIN_LOCKED') order by id"
        ).fetchall()
        # Nor does a crash of the server: what is not logged ahead would be empty after it.
        kept = psql.execute("select relpersistence from pg_class where oid = 'runtime.sign_in_attempts'::regclass")
        assert kept.fetchone() == ("p",)
    cause = "wrong password" if email == MANAGER else "unknown user"
    failed = ("LOGIN_FAILED", email, None, email == MANAGER, "198.51.100.7", {"username": email, "cause": cause})
    recorded = ("LOGIN_LOCKED", email, None, email == MANAGER, "198.51.100.7", {"username": email, "locked": ["user"]})
    assert found == [failed] * 5 + [recorded]


def test_the_delay_doubles_with_each_further_failure_up_to_an_hour_and_a_success_clears_it(clone: Clone) -> None:
    with clone.application() as app, clone.superuser() as psql:
        delays = []
        for _ in range(13):
            fail(app, MANAGER, None)
            delays.append(rest_of_lock(app, MANAGER, None))
            psql.execute("update runtime.sign_in_attempts set locked_until = now() - interval '1 second'")
        assert delays[:4] == [None] * 4
        minutes = [round(delay / timedelta(minutes=1)) for delay in delays[4:]]
        assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert attempt(clone, password=PASSWORD) is True
        assert attempt(clone) is False and rest_of_lock(app, MANAGER, None) is None


def test_failures_are_forgotten_a_day_after_the_last_and_their_rows_go(clone: Clone) -> None:
    with clone.application() as app, clone.superuser() as psql:
        for number in range(30):
            fail(app, f"nobody{number}@example.com", f"2001:db8:{number}::1")
        for _ in range(4):
            fail(app, MANAGER, None)
        kept = psql.execute(
            "select count(*), min(forget_at) > now() + interval '119 minutes', "
            "max(forget_at) < now() + interval '1 day 1 minute' from runtime.sign_in_attempts"
        )
        assert kept.fetchone() == (61, True, True)
        psql.execute("update runtime.sign_in_attempts set forget_at = now() - interval '1 second'")
        fail(app, MANAGER, None)
        assert rest_of_lock(app, MANAGER, None) is None
        assert psql.execute("select failures from runtime.sign_in_attempts").fetchall() == [(1,)]


def test_one_address_cannot_try_one_user_after_another(clone: Clone) -> None:
    with clone.application() as app:
        # A provider gives a household a /64: its addresses count as one.
        for number in range(20):
            assert rest_of_lock(app, "anybody", "2001:db8::1") is None
            fail(app, f"nobody{number}@example.com", f"2001:db8::{number:x}")
        assert rest_of_lock(app, MANAGER, "2001:db8::ffff") > timedelta(seconds=50)
        # Others are not locked out with it, and nobody is where the address is not known.
        assert rest_of_lock(app, MANAGER, "2001:db8:0:1::1") is None
        assert rest_of_lock(app, MANAGER, "192.0.2.1") is None
        assert rest_of_lock(app, MANAGER, None) is None
    with clone.superuser() as psql:
        recorded = psql.execute("select new_values -> 'locked' from audit.records where action = 'LOGIN_LOCKED'")
        assert recorded.fetchall() == [(["address"],)]


def test_an_email_of_megabytes_is_cut(clone: Clone) -> None:
    for letters in (1_000_000, 2_000_000):
        assert attempt(clone, "x" * letters) is False
    with clone.superuser() as psql:
        assert psql.execute("select failures from runtime.sign_in_attempts").fetchall() == [(2,), (2,)]


def test_strangers_cannot_lock_a_user_out_of_the_browser_he_works_in(clone: Clone) -> None:
    own = Browser(secret=BROWSER, address=STRANGER.address)  # it has a session of the manager
    lock(clone)
    with clone.application() as app:
        for number in range(20):
            fail(app, f"nobody{number}@example.com", STRANGER.address)
    assert attempt(clone, password=PASSWORD, browser=own) is True
    # It is not a way to guess on: his browser has a count of its own, and it counts for the user as well.
    lock(clone, browser=own)
    with pytest.raises(Locked):
        attempt(clone, password=PASSWORD, browser=own)
    with pytest.raises(Locked):
        attempt(clone, password=PASSWORD, browser=Browser(secret="a new telephone"))
    with clone.superuser() as psql:
        recorded = psql.execute(
            "select new_values -> 'locked' from audit.records where action = 'LOGIN_LOCKED' order by id"
        )
        assert recorded.fetchall()[-1] == (["address", "browser", "user"],)


def test_guesses_at_the_same_moment_are_counted_one_after_the_other(clone: Clone) -> None:
    with clone.application() as app:
        salt = app.execute("select accounts.password_salt(%s)", (MANAGER,)).fetchone()
    assert salt is not None
    proof = passwords.proof(PASSWORD, salt[0])

    def guess(number: int) -> Any:
        with clone.application() as app:
            # The right one comes last of all.
            return app.execute(SIGN_IN, (MANAGER, "wrong" if number < 24 else proof, f"{number}", None)).fetchone()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(guess, range(25))) == [(False,)] * 25
    with clone.superuser() as psql:
        counted = (
            "select count(*) filter (where action = 'LOGIN_FAILED'), count(*) filter (where action = 'LOGIN_LOCKED')"
        )
        assert psql.execute(f"{counted} from audit.records").fetchone() == (5, 1)
        assert psql.execute("select failures from runtime.sign_in_attempts").fetchall() == [(5,)]


def test_an_admin_sees_who_is_locked_and_unlocks_on_the_record(clone: Clone) -> None:
    lock(clone)
    lock(clone, browser=Browser(secret=BROWSER, address="192.0.2.7"), email=email_of(Role.VIEWER))
    with clone.app.read(clone.actor(Role.ADMIN)) as connection:
        locked = {line.email: line for line in users.list_users(connection) if line.locked_until}
    assert set(locked) == {MANAGER, email_of(Role.VIEWER)}
    assert isinstance(locked[MANAGER].locked_until, datetime)
    for line in locked.values():
        with clone.app.transaction(clone.actor(Role.ADMIN), operation="unlock user") as connection:
            assert users.unlock(connection, user_id=line.id) is True
    assert attempt(clone, password=PASSWORD) is True
    assert attempt(clone, email_of(Role.VIEWER), PASSWORD, Browser(secret=BROWSER)) is True
    with clone.superuser() as psql:
        recorded = psql.execute(
            "select username, action, entity, entity_id, new_values from audit.trail where operation = 'unlock user' "
            "order by id"
        ).fetchall()
    assert recorded == [
        (email_of(Role.ADMIN), "MAINTENANCE", "User", line.id, {"unlocked": True}) for line in locked.values()
    ]
    for role in (Role.MANAGER, Role.ANALYST, Role.VIEWER):
        with refused("42501"), acting(clone, role) as connection:
            connection.execute("select accounts.unlock(1)")


def test_an_assertion_used_again_is_reported_and_not_counted(clone: Clone) -> None:
    again = (
        "select accounts.sign_in_by_provider(%s, 'installation', %s, now() - %s::interval, 'a browser', "
        "'198.51.100.7', 'curl', '1 hour', '8 hours')"
    )
    with clone.superuser() as psql, clone.application() as app:
        psql.execute("insert into runtime.single_sign_on (secret_hash) values (sha256('installation'))")
        fail(app, MANAGER, STRANGER.address)
        assert app.execute(again, (MANAGER, "word", "0")).fetchone() == (None,)
        for word, age in [("word", "0")] * 6 + [("word of last month", "30 days")]:
            assert app.execute(again, (MANAGER, word, age)).fetchone() == ("the provider's word is old",)
        assert rest_of_lock(app, MANAGER, STRANGER.address, "a new telephone") is None
        counted = psql.execute("select failures from runtime.sign_in_attempts where failures > 0").fetchall()
        assert counted == [(1,), (1,)]
        recorded = psql.execute(
            "select action, username, new_values ->> 'cause', host(address) from audit.trail "
            "where action like 'LOGIN%' order by id"
        ).fetchall()
        old = ("LOGIN_FAILED", MANAGER, "the provider's word is old", "198.51.100.7")
        assert recorded[2:] == [old] * 7
        # Any other failure of single sign-on counts as a wrong password does.
        assert app.execute(again, (UNKNOWN, "a new word", "0")).fetchone() == ("unknown user",)
        assert psql.execute(
            "select failures from runtime.sign_in_attempts where failures > 0 order by 1"
        ).fetchall() == [(1,), (1,), (2,)]


def test_failures_and_lock_outs_are_shown_as_what_a_browser_did_and_not_as_the_system(clone: Clone) -> None:
    lock(clone)
    now = datetime.now(UTC)
    with clone.app.read(clone.actor(Role.ADMIN)) as connection:
        done = {
            system: search.search(
                connection,
                filters=Filters(now - HOUR, now + HOUR, include_system=system, entities=("User",)),
            ).records
            for system in (False, True)
        }
    assert [(record.action, client(record)) for record in done[False][:6]] == [
        ("LOGIN_LOCKED", "Browser, 198.51.100.7"),
        *[("LOGIN_FAILED", "Browser, 198.51.100.7")] * 5,
    ]
    assert {record.action for record in done[True]} == {"CREATE"}


def test_a_password_and_an_assertion_at_the_same_moment_do_not_collide(clone: Clone) -> None:
    call = "select accounts.sign_in_by_provider(%s, 'guess', 'x', now(), 't', null, 'curl', '1 hour', '1 hour')"
    with clone.superuser() as psql, clone.superuser() as first, clone.superuser() as second:
        first.execute("begin")
        first.execute("select accounts.hold_attempts(%s, 't', null)", (MANAGER,))
        with ThreadPoolExecutor(1) as thread:
            late = thread.submit(second.execute, call, (MANAGER,))
            wait_until_blocked(psql, second.info.backend_pid)
            fail(first, MANAGER, None, "t")
            first.execute("commit")
            assert late.result(timeout=20).fetchone() == ("single sign-on is not set up",)


def test_nothing_of_a_person_is_kept_with_the_counts(clone: Clone) -> None:
    lock(clone)
    with clone.superuser() as psql:
        rows = psql.execute("select t::text from runtime.sign_in_attempts t").fetchall()
        assert len(rows) == 2
        for (row,) in rows:
            for word in (MANAGER, MANAGER.encode().hex(), "198.51", b"198.51".hex()):
                assert word not in row


def test_the_old_password_for_a_change_is_not_guessed_either(clone: Clone) -> None:
    new = "a lorry of mustard cotton"

    def change(old: str) -> None:
        sessions.change_password(clone.app, clone.actor(Role.VIEWER), email=email_of(Role.VIEWER), old=old, new=new)

    for _ in range(5):
        with pytest.raises(Refused) as caught:
            change("wrong")
        assert caught.value.rule == "password_wrong"
    for old in ("wrong", PASSWORD):
        with pytest.raises(Refused) as caught:
            change(old)
        assert caught.value.rule == "password_attempts"
    with clone.superuser() as psql:
        psql.execute("update runtime.sign_in_attempts set locked_until = now()")
    change(PASSWORD)
