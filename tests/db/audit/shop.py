"""A small shop whose trail the audit tests read: one product, two colours, goods in and out."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.audit.records import Record
from backstitch.audit.search import Filters, search
from backstitch.request import Source
from tests.conftest import Clone

NEW_PRODUCT = text(
    "insert into inventory.products (sku, name, unit_price, sizes) values (:sku, :name, 549.00, '{S,M,L}') returning id"
)
NEW_COLOUR = text(
    "insert into inventory.product_colors (product_id, color, colour_code) values (:product, :color, :code)"
)
NEW_CELL = text(
    "insert into inventory.product_color_stocks (product_id, colour_code, size) "
    "values (:product, :code, 'M') returning id"
)
NEW_INWARD = text(
    "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name, date) "
    "values (:product, 'RED', 'M', :quantity, :stakeholder, '2026-10-01') returning id"
)


@dataclass(frozen=True)
class Shop:
    """Product AN201 Leggings in Red (RED) and Navy (NVY), size M of each in the matrix, 20 Red received."""

    clone: Clone
    product: int
    red: int
    navy: int
    inward: int

    def run(self, sql: str, *, role: Role = Role.MANAGER, reason: str | None = None, **values: Any) -> None:
        """One transaction of the user with `role`."""
        with self.clone.app.transaction(
            self.clone.actor(role), operation="test", reason=reason, source=Source.PAGE
        ) as connection:
            connection.execute(text(sql), values)

    def found(self, *, role: Role = Role.ANALYST, size: int = 50, **filters: Any) -> list[Record]:
        """The first page of a search over yesterday to tomorrow."""
        with self.clone.app.read(self.clone.actor(role)) as connection:
            return list(search(connection, filters=around_now(**filters), size=size).records)


def around_now(**filters: Any) -> Filters:
    """Yesterday to tomorrow."""
    now = datetime.now(UTC)
    return Filters(**({"start": now - timedelta(days=1), "end": now + timedelta(days=1)} | filters))


def new_product(clone: Clone, *, sku: str = "AN201", name: str = "Leggings") -> int:
    """The id of a product that the manager adds."""
    with clone.app.transaction(clone.actor(Role.MANAGER), operation="add product", source=Source.PAGE) as connection:
        return int(connection.execute(NEW_PRODUCT, {"sku": sku, "name": name}).scalar_one())


def open_shop(clone: Clone) -> Shop:
    """The shop, in four transactions of the manager."""
    manager = clone.actor(Role.MANAGER)
    product = new_product(clone)
    cells = []
    for color, code in (("Red", "RED"), ("Navy", "NVY")):
        with clone.app.transaction(manager, operation="add colour", source=Source.PAGE) as connection:
            colour = {"product": product, "color": color, "code": code}
            connection.execute(NEW_COLOUR, colour)
            cells.append(connection.execute(NEW_CELL, colour).scalar_one())
    with clone.app.transaction(manager, operation="record goods in", source=Source.PAGE) as connection:
        received = {"product": product, "quantity": 20, "stakeholder": "Arvind Mills"}
        inward = connection.execute(NEW_INWARD, received).scalar_one()
    return Shop(clone, product, cells[0], cells[1], inward)


def put_into_the_past(clone: Clone, *, days: int) -> None:
    """Moves the whole trail back, as only the owner can, into partitions of its own."""
    with clone.superuser() as connection:
        connection.execute("select audit.make_partitions((now() - make_interval(days => %s))::date)", [days])
        connection.execute("update audit.records set recorded_at = recorded_at - make_interval(days => %s)", [days])
