"""A database for a campaign: migrated, with signed-in users and a filled stock matrix."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from backstitch import migrations
from backstitch.accounts import sessions, users
from backstitch.accounts.permissions import Role
from backstitch.database import Database, SignedIn
from backstitch.startup import conninfo

Connection = psycopg.Connection[Any]

APP_PASSWORD = "application-of-the-campaigns"
BROWSER = "browser-of-the-campaigns"


@dataclass(frozen=True)
class Person:
    """A signed-in user."""

    id: int
    actor: SignedIn
    role: Role


@dataclass(frozen=True)
class Shop:
    """A database and its users, with connections as superuser and as the application."""

    url: URL
    people: list[Person]

    @property
    def app_url(self) -> URL:
        return self.url.set(username="backstitch_app", password=APP_PASSWORD)

    def superuser(self) -> Connection:
        return psycopg.connect(conninfo(self.url), autocommit=True, application_name="campaign")

    def application(self) -> Connection:
        return psycopg.connect(conninfo(self.app_url), autocommit=True, application_name="campaign")

    def writers(self) -> list[Person]:
        """The users who may change the inventory."""
        return [person for person in self.people if person.role in (Role.ADMIN, Role.MANAGER)]


@contextmanager
def database(server: URL, name: str = "campaign") -> Iterator[URL]:
    """A fresh database, dropped at the end of the block."""
    with psycopg.connect(conninfo(server), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        yield server.set(database=name)
    finally:
        with psycopg.connect(conninfo(server), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def open_shop(url: URL, *, people: int = 2) -> Shop:
    """Migrates the database, and creates and signs in `people` users of each role."""
    owner = Database(url.render_as_string(hide_password=False), application="campaign")
    with owner.owner_connection() as connection:
        migrations.upgrade(connection)
        connection.exec_driver_sql(f"alter role backstitch_app password '{APP_PASSWORD}'")
        for number in range(people):
            for role in Role:
                users.create_user(
                    connection,
                    email=f"{role.value}{number}@example.com",
                    name=f"{role.value.title()} {number}",
                    role=role,
                    password="correct horse battery staple",
                    cost=4,
                )
        connection.commit()
    owner.dispose()
    with psycopg.connect(conninfo(url), autocommit=True) as psql:
        return Shop(url, sign_everybody_in(psql))


def sign_everybody_in(psql: Connection) -> list[Person]:
    """Inserts a session for each active user, which spares the slow hashing of passwords."""
    found = psql.execute("select id, email, role from accounts.users where is_active order by id").fetchall()
    people = [Person(user, sessions.actor(BROWSER, email), Role(role)) for user, email, role in found]
    for person in people:
        psql.execute(
            "insert into accounts.sessions (user_id, token_hash, expires_at) "
            "values (%s, sha256(convert_to(%s, 'UTF8')), now() + interval '1 day')",
            (person.id, person.actor.token),
        )
    return people


def fill_matrix(psql: Connection, *, products: int) -> None:
    """Inserts products in two colours and three sizes, all of their cells, and 60 pieces of goods in for each."""
    psql.execute(
        "insert into inventory.products (sku, name, sizes, unit_price) "
        "select 'P' || n, 'Kurti', '{S,M,L}', 499 from generate_series(1, %s) n",
        (products,),
    )
    psql.execute(
        "insert into inventory.product_colors (product_id, color, colour_code) "
        "select id, c, c from inventory.products, unnest('{R,G}'::text[]) c order by id, c"
    )
    psql.execute(
        "insert into inventory.product_color_stocks (product_id, colour_code, size) "
        "select c.product_id, c.colour_code, s from inventory.product_colors c "
        "join inventory.products p on p.id = c.product_id, unnest(p.sizes) s"
    )
    psql.execute(
        "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
        "select product_id, colour_code, size, 60, 'Mill' from inventory.product_color_stocks"
    )
