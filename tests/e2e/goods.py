"""The data of the browser tests: each test writes its own, as the manager, and uses none of the demo's story.

That story ends on the day before the app starts, so its content differs from day to day.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import psycopg

from backstitch import startup
from backstitch.accounts import sessions
from backstitch.database import Database, SignedIn
from backstitch.demo import loader as demo_loader
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.commands import Inward, Sale
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties.commands import CustomerDetails
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products.commands import ProductDetails
from backstitch.postgres import server as postgres_server

MANAGER = "manager@demo.example"
SIZES, COLOURS = ("S", "M", "L", "XL", "XXL"), ("Indigo", "Rust")
ZONE = ZoneInfo("Asia/Kolkata")  # of the app that the tests start
PRICED: dict[str, Any] = {"unit_price": Decimal("899.00"), "gst_rate": Decimal(5)}
PIECES = 10  # of each cell of a product with stock


@dataclass(frozen=True)
class Product:
    """A product that only one test uses."""

    id: int
    sku: str
    name: str

    @property
    def label(self) -> str:
        """Its label in options and addresses."""
        return f"{self.sku} · {self.name}"


def today() -> date:
    """Today's date in the business's zone."""
    return datetime.now(ZONE).date()


@dataclass(frozen=True)
class Shop:
    """The app's address and its database as the owner; its methods write data as the manager."""

    url: str
    connection: "psycopg.Connection[Any]"
    database: Database
    manager: SignedIn
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(101))

    def query(self, sql: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Runs a statement as if typed into psql; returns its rows."""
        cursor = self.connection.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else []

    def product(self, *, pieces: int = PIECES, reorder_level: int = 0) -> Product:
        """Creates a product in SIZES and COLOURS, with `pieces` of each on hand."""
        sku, name = f"TS-{next(self.numbers)}", "Tie-dye kurta"
        details = ProductDetails(sku, name, SIZES, **PRICED, reorder_level=reorder_level)
        with self.database.transaction(self.manager, operation="add product") as connection:
            made = Product(product_commands.create_product(connection, details=details, colours=COLOURS), sku, name)
        if pieces:
            for colour in COLOURS:
                self.receive(made.id, colour.upper(), **dict.fromkeys(SIZES, pieces))
        return made

    def receive(self, product_id: int, colour_code: str, **sizes: int) -> None:
        """Records goods in, a quantity per size."""
        with self.database.transaction(self.manager, operation="record inward") as connection:
            movement_commands.record_inward(
                connection,
                product_id=product_id,
                colour_code=colour_code,
                quantities=sizes,
                inward=Inward(today(), "Supply", "Arvind Mills"),
            )

    def sell(self, product: Product, store: str, **sizes: int) -> None:
        """Records goods out in Indigo, a quantity per size."""
        with self.database.transaction(self.manager, operation="record sale") as connection:
            movement_commands.record_sale(
                connection, product_id=product.id, colour_code="INDIGO", quantities=sizes, sale=Sale(today(), store)
            )

    def correct_inward(self, product_id: int) -> None:
        """Corrects the newest delivery of a product to one piece more."""
        with self.database.transaction(
            self.manager, operation="edit inward entry", reason="counted again"
        ) as connection:
            log = movement_queries.LogFilter(product_id=product_id)
            entry = movement_queries.inward_log(connection, log_filter=log)[0]
            movement_commands.edit_inward(
                connection,
                entry=entry,
                quantity=entry.quantity + 1,
                inward=Inward(entry.date, "Supply", entry.stakeholder_name),
            )

    def customer(self, store_name: str) -> int:
        """Creates a customer and returns its id."""
        with self.database.transaction(self.manager, operation="add customer") as connection:
            return party_commands.create_customer(connection, details=CustomerDetails(store_name=store_name))

    def confirmed_order(self, customer_id: int, lines: list[Line]) -> None:
        """Creates and confirms an order dated today."""
        with self.database.transaction(self.manager, operation="add order") as connection:
            made = order_commands.create_order(
                connection, details=OrderDetails(customer_id=customer_id, date=today()), lines=lines
            )
            versions = order_queries.versions(connection, order_ids=[made])
            order_commands.set_status(connection, versions=versions, status="confirmed")


@contextmanager
def opened(home: Path, url: str) -> Iterator[Shop]:
    """The shop of an app with demo data that runs on `home` and answers at `url`."""
    with postgres_server.start(home) as lease:
        database = Database(lease.server.url(startup.DATABASE_NAME), zone=ZONE)
        browser = sessions.Browser("the back door of the tests")
        assert sessions.sign_in(
            database, email=MANAGER, password=demo_loader.PASSWORD, browser=browser, lifetime=timedelta(days=1)
        )
        conninfo = lease.server.conninfo(startup.DATABASE_NAME)
        with psycopg.connect(conninfo, autocommit=True, application_name="psql") as connection:
            yield Shop(url, connection, database, sessions.actor(browser.secret, MANAGER))
        database.dispose()
