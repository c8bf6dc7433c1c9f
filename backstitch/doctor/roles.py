"""What the roles of Backstitch own, and which logins can switch the trail off."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from backstitch.doctor.finding import Finding, or_ok, psql
from db import catalog

BELONGINGS = text(catalog.judge("belongings"))
SWITCHERS = text(catalog.judge("switchers"))


def belongings(connection: Connection) -> Iterator[Finding]:
    """What a role owns that should own nothing."""
    for role, object in connection.execute(BELONGINGS):
        advice = psql(f"reassign owned by {role} to backstitch_owner")
        yield Finding("roles", "error", role, f"owns {object}", advice)


def switchers(connection: Connection) -> list[Finding]:
    """A notice that names each login that can switch the trail off, and how."""
    named = [f"{login} ({'; '.join(ways)})" for login, ways in connection.execute(SWITCHERS)]
    check = "who"
    return or_ok(check, (Finding(check, "notice", "can switch the trail off:", ", ".join(named)) for _ in named[:1]))
