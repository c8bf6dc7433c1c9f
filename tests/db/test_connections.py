"""How the library talks to the database: isolation, the day of the business, and a connection that breaks."""

from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.database import Database, System
from backstitch.errors import Refused
from tests.conftest import Clone
from tests.db.trail import records

AGENCY = text("insert into inventory.agencies (agency_name) values ('Rao & Sons')")
AGENCIES = "select agency_name from inventory.agencies"


def test_writes_are_read_committed_and_reads_one_snapshot_whatever_the_server_prefers(clone: Clone) -> None:
    level = text("select current_setting('transaction_isolation'), current_setting('transaction_read_only')")
    with clone.superuser() as psql:
        psql.execute(
            sql.SQL("alter database {} set default_transaction_isolation = 'serializable'").format(
                sql.Identifier(psql.info.dbname)
            )
        )
    for _ in range(2):  # the second time on the same connection
        with clone.app.transaction(clone.actor(Role.MANAGER)) as connection:
            assert tuple(connection.execute(level).one()) == ("read committed", "off")
        with clone.app.read(clone.actor(Role.MANAGER)) as connection:
            assert tuple(connection.execute(level).one()) == ("repeatable read", "on")
    with clone.owner.owner_connection() as connection:
        assert connection.execute(level).one()[0] == "read committed"


def test_a_lost_connection_says_whether_anything_was_saved(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        clone.superuser() as psql,
        pytest.raises(Refused) as lost,
        clone.app.transaction(clone.actor(Role.MANAGER)) as connection,
    ):
        connection.execute(AGENCY)
        psql.execute("select pg_terminate_backend(%s)", (connection.execute(text("select pg_backend_pid()")).scalar(),))
        connection.execute(text("select 1"))
    assert (lost.value.rule, str(lost.value)) == (
        "database_unreachable",
        "The database does not answer, or has no connection free. Nothing was saved; try again in a moment.",
    )
    commit = clone.app._engine.dialect.do_commit

    def committed_unheard(connection: psycopg.Connection) -> None:
        commit(connection)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as cut:
        cut.setattr(clone.app._engine.dialect, "do_commit", committed_unheard)
        with pytest.raises(Refused) as unheard, clone.app.transaction(clone.actor(Role.MANAGER)) as connection:
            connection.execute(AGENCY)
    assert (unheard.value.rule, str(unheard.value)) == (
        "commit_unknown",
        "The connection to the database broke while this was being saved. It is not known whether it was saved; "
        "look before you enter it again.",
    )
    with clone.superuser() as psql:
        assert psql.execute(AGENCIES).fetchall() == [("Rao & Sons",)]


def test_today_is_the_day_of_the_business_and_the_trail_stays_in_utc(clone: Clone) -> None:
    """Two zones in which it is never the same day."""
    days = {}
    for role, zone in ((Role.ADMIN, "Pacific/Kiritimati"), (Role.MANAGER, "Etc/GMT+12")):
        url = clone.app.url.render_as_string(hide_password=False)
        database = Database(url, zone=ZoneInfo(zone), pool_size=1)
        today = text("select current_date, (now() at time zone :zone)::date")
        with database.transaction(clone.actor(role)) as connection:
            connection.execute(text("insert into inventory.customers (store_name) values (:zone)"), {"zone": zone})
            entered = text("insert into inventory.orders (customer_id) select max(id) from inventory.customers")
            connection.execute(entered)
            day, days[zone] = connection.execute(today, {"zone": zone}).one()
            assert day == days[zone]
        with database.read(clone.actor(role)) as connection:
            assert connection.execute(today, {"zone": zone}).one()[0] == day
        with database.transaction(clone.actor(role)) as connection:
            connection.execute(text("select accounts.sign_out()"))
        with database.anonymous() as connection:
            # The server's own, which is left as it is.
            assert connection.execute(text("show timezone")).scalar() in {"UTC", "Etc/UTC"}
        database.dispose()
    with Database(clone.url.render_as_string(hide_password=False), zone=ZoneInfo(zone)).transaction(System()) as owner:
        assert owner.execute(today, {"zone": zone}).one()[0] == days[zone]
    with clone.superuser() as psql:
        assert psql.execute(
            "select c.store_name, o.date from inventory.orders o join inventory.customers c on c.id = o.customer_id"
        ).fetchall() == list(days.items())
        ended = [r["new_values"]["revoked_at"] for r in records(psql, "Session") if r["action"] == "UPDATE"]
    assert len(set(days.values())) == len(ended) == 2
    assert all(instant.endswith("+00:00") for instant in ended)
