"""A business for the tests of the inventory: a product, a customer and an agency, written by the library."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from backstitch.accounts.permissions import Role
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements.commands import InwardRow
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.orders.queries import Order
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties.commands import AgencyDetails, CustomerDetails
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductDetails
from tests.conftest import Clone

DAY = date(2026, 11, 2)
GSTIN = "27AAPFU0939F1ZV"
PRICE = Decimal("499.50")


@dataclass(frozen=True)
class Business:
    """KT-1 in Red and Blue, S and M, 10 Red S on hand; customer Mehta Stores; agency Rao & Sons."""

    clone: Clone
    product: int
    customer: int
    agency: int

    @contextmanager
    def write(self, role: Role = Role.MANAGER, *, reason: str | None = None) -> Iterator[Connection]:
        """A transaction of the user with this role."""
        with self.clone.app.transaction(self.clone.actor(role), operation="test", reason=reason) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """What a viewer sees."""
        with self.clone.app.read(self.clone.actor(Role.VIEWER)) as connection:
            yield connection

    def stock(self) -> dict[tuple[str, str], int]:
        """What is on hand, without the empty cells."""
        with self.read() as connection:
            cells = product_queries.matrix(connection, product_id=self.product).cells
        return {cell: quantity for cell, quantity in cells.items() if quantity}

    def line(self, quantity: int = 1, colour_code: str = "RED", size: str = "S", **more: Any) -> Line:
        """A line of the product."""
        return Line(self.product, colour_code, size, quantity, **more)

    def details(self, day: date = DAY, **more: Any) -> OrderDetails:
        """An order of the customer through the agency."""
        return OrderDetails(**({"customer_id": self.customer, "agency_id": self.agency, "date": day} | more))

    def draft(self, *lines: Line, day: date = DAY) -> int:
        """The id of a new draft, of one Red S unless lines are given."""
        with self.write() as connection:
            return order_commands.create_order(connection, details=self.details(day), lines=lines or (self.line(),))

    def order(self, order_id: int) -> Order:
        """The order as a page reads it."""
        with self.read() as connection:
            return order_queries.order(connection, order_id=order_id)

    def versions(self, ids: Sequence[int]) -> Mapping[int, str]:
        """The orders as they stand, for a change of status."""
        with self.read() as connection:
            return order_queries.versions(connection, order_ids=ids)

    def move(self, status: str, *ids: int, on: date | None = None) -> int:
        """Moves orders as they stand to a status."""
        with self.write() as connection:
            return order_commands.set_status(connection, versions=self.versions(ids), status=status, dispatch_date=on)


def open_business(clone: Clone) -> Business:
    """The business, in one transaction of the manager."""
    with clone.app.transaction(clone.actor(Role.MANAGER), operation="open") as connection:
        details = ProductDetails(
            "KT-1", "Kurta", ["S", "M"], unit_price=PRICE, gst_rate=Decimal(5), hsn_code="6109", reorder_level=3
        )
        product = product_commands.create_product(connection, details=details, colours=["Red", "Blue"])
        received = InwardRow(product, "RED", "S", 10, date(2026, 10, 1), "Supply", "Arvind Mills")
        movement_commands.bulk_inward(connection, rows=[received])
        customer = party_commands.create_customer(
            connection, details=CustomerDetails("Mehta Stores", GSTIN, "+91 98200 12345", pincode="400 001")
        )
        agency = party_commands.create_agency(connection, details=AgencyDetails("Rao & Sons", "9820054321"))
    return Business(clone, product, customer, agency)
