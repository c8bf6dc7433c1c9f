"""How long signing in takes tells nobody who has an account: SAFETY row 17."""

import statistics
import time
from datetime import timedelta

from backstitch.accounts import passwords, sessions
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser
from tests.conftest import PASSWORD, Clone, email_of

COST = 10  # a quarter of the real one, so what else takes time counts for more


def test_a_known_and_an_unknown_user_differ_by_a_fifth_at_most(clone: Clone) -> None:
    kept = passwords.hash_password(PASSWORD, cost=COST)
    with clone.superuser() as psql:
        psql.execute("update accounts.users set password_hash = %s", (kept,))
        psql.execute("insert into accounts.users (email, name, role) values ('none@example.com', 'N', 'viewer')")
        psql.execute("update accounts.users set is_active = false where role = 'analyst'")
    emails = [email_of(Role.MANAGER), email_of(Role.ANALYST), "none@example.com", "nobody@example.com"]
    # A busy machine can spoil a measurement, but does not make unlike things alike.
    assert any(_spread(clone, emails) <= 1.2 for _ in range(6))


def _spread(clone: Clone, emails: list[str]) -> float:
    """The longest median over the shortest; the users in turn, so that other work meets all alike."""
    times: dict[str, list[float]] = {email: [] for email in emails}
    for attempt in range(7):
        with clone.superuser() as psql:
            psql.execute("delete from runtime.sign_in_attempts")
        for email in emails:
            start = time.perf_counter()
            assert not sessions.sign_in(
                clone.app,
                email=email,
                password="wrong",
                browser=Browser(secret=f"browser {attempt}"),
                lifetime=timedelta(hours=1),
            )
            times[email].append(time.perf_counter() - start)
    medians = [statistics.median(found) for found in times.values()]
    return max(medians) / min(medians)
