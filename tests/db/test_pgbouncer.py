"""The application through PgBouncer in transaction mode, where consecutive transactions of a client change
connections and those of all clients share them: SAFETY row 3.
"""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import URL, text

from backstitch.accounts.permissions import Role
from backstitch.database import Database
from backstitch.startup import conninfo
from bench.campaigns import bouncer, pool, shop
from tests.conftest import APP_PASSWORD, Clone
from tests.db.trail import Connection, refused

pytestmark = pytest.mark.skipif(
    bouncer.program() is None, reason="PgBouncer is missing: apt-get install pgbouncer to test with it"
)


@pytest.fixture
def psql(clone: Clone) -> Iterator[Connection]:
    with clone.superuser() as connection:
        yield connection


@pytest.fixture
def bounced(clone: Clone, psql: Connection) -> Iterator[URL]:
    """The application's URL through a PgBouncer that has one connection to the server."""
    app_url = clone.url.set(username="backstitch_app", password=APP_PASSWORD)
    with bouncer.pgbouncer(psql, app_url) as url:
        yield url


def test_eight_threads_on_one_server_connection_never_name_the_wrong_user(
    clone: Clone, psql: Connection, bounced: URL
) -> None:
    people = shop.sign_everybody_in(psql)
    writers = [person for person in people if person.role in (Role.ADMIN, Role.MANAGER)]
    wrong, figures = pool.run(
        bounced.render_as_string(hide_password=False), psql, writers, count=2000, threads=8, seed=1
    )
    assert wrong == []
    assert figures["transactions"] == 2000
    assert figures["server connections"] == 1
    assert figures["records"] > 1000


def test_a_statement_run_many_times_is_not_prepared_on_a_connection_that_others_get(
    clone: Clone, psql: Connection, bounced: URL
) -> None:
    database = Database(bounced.render_as_string(hide_password=False))
    for number in range(12):  # psycopg prepares at the sixth, unless told not to
        with database.transaction(clone.actor(Role.MANAGER)) as connection:
            connection.execute(pool.INSERT, {"sku": f"S{number}"})
            assert connection.execute(text("select count(*) from pg_prepared_statements")).scalar() == 0
    database.dispose()
    assert psql.execute("select count(*) from inventory.products").fetchone() == (12,)


def test_a_session_that_a_client_begins_and_leaves_open_is_rolled_back_for_the_next(
    clone: Clone, psql: Connection, bounced: URL
) -> None:
    left = psycopg.connect(conninfo(bounced))
    left.execute("select set_config('role', accounts.begin(%s), true)", (clone.actor(Role.ADMIN).token,))
    left.execute("insert into inventory.products (sku, name, sizes) values ('LEFT', 'Kurti', '{M}')")
    left.close()
    with psycopg.connect(conninfo(bounced), autocommit=True) as other:
        assert other.execute("select current_user").fetchone() == ("backstitch_app",)
        with refused("42501"):
            other.execute("insert into inventory.products (sku, name, sizes) values ('NEXT', 'Kurti', '{M}')")
    assert psql.execute("select count(*) from inventory.products").fetchone() == (0,)
