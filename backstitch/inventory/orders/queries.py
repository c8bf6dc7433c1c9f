"""Reads orders, and the stock that they lack."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import Connection, text

from backstitch.errors import Refused
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.parties.queries import Agency, Customer
from backstitch.inventory.products.queries import search_pattern

STATUSES = ("draft", "confirmed", "dispatched", "delivered", "cancelled")
# Status -> statuses that may follow; db/inventory/orders.sql enforces them.
MOVES: dict[str, tuple[str, ...]] = {
    "draft": ("confirmed",),
    "confirmed": ("dispatched", "cancelled"),
    "dispatched": ("delivered",),
    "delivered": (),
    "cancelled": (),
}
OPEN = ("draft", "confirmed")  # lines, party and date can change
PAISA = Decimal("0.01")


@dataclass(frozen=True)
class OrderSummary:
    """A row of the list of orders. `value` is without GST. An edit fails when `version` has changed."""

    id: int
    order_number: int | None
    financial_year: str
    dispatch_date: date | None
    date: date
    customer_id: int
    store: str
    agency_id: int | None
    agency: str
    status: str
    pieces: int
    value: Decimal
    gst: Decimal
    note: str
    version: str

    @property
    def name(self) -> str:
        """The number of the order, `2026-27/12`; of a draft its id, `Draft 7`."""
        return order_name(self.id, self.order_number, self.financial_year)

    @property
    def total(self) -> Decimal:
        """The value with GST."""
        return self.value + self.gst


@dataclass(frozen=True)
class OrderLine:
    """A stock cell in an order, with the price and GST rate at the time of entry."""

    id: int
    product_id: int
    sku: str
    product: str
    hsn_code: str
    color: str
    colour_code: str
    size: str
    quantity: int
    unit_price: Decimal
    gst_rate: Decimal | None

    @property
    def value(self) -> Decimal:
        """Quantity times price, without GST."""
        return self.quantity * self.unit_price

    @property
    def gst(self) -> Decimal:
        """GST on the value, rounded to the paisa; 0 without a rate."""
        return (self.value * (self.gst_rate or Decimal(0)) / 100).quantize(PAISA, ROUND_HALF_UP)


@dataclass(frozen=True)
class Order:
    """An order with its parties, and its lines in the order of entry."""

    summary: OrderSummary
    customer: Customer
    agency: Agency | None
    lines: tuple[OrderLine, ...]

    @property
    def version(self) -> str:
        """Changes with the order and with each of its lines; an edit fails when it has changed."""
        return self.summary.version


@dataclass(frozen=True)
class OrderFilter:
    """Which orders to return. An empty value or None does not filter; `first` and `last` are included.

    `search` looks for a text in number, store, agency and note.
    """

    statuses: Sequence[str] = ()
    customer_id: int | None = None
    agency_id: int | None = None
    first: date | None = None
    last: date | None = None
    search: str = ""
    size: int = 100


@dataclass(frozen=True)
class Shortage:
    """A stock cell with fewer pieces on hand than orders want."""

    sku: str
    color: str
    size: str
    wanted: int
    on_hand: int


_SUMMARY = """
    select o.id, o.order_number, o.financial_year, o.date, o.customer_id, c.store_name as store, o.agency_id,
           coalesce(a.agency_name, '') as agency, o.status, coalesce(l.pieces, 0)::bigint as pieces,
           coalesce(l.value, 0) as value, coalesce(l.gst, 0) as gst, o.dispatch_date, o.note,
           md5(o.xmin::text || coalesce(l.versions, '')) as version
    from inventory.orders o
    join inventory.customers c on c.id = o.customer_id
    left join inventory.agencies a on a.id = o.agency_id
    left join lateral (
        select sum(l.quantity) as pieces, sum(l.quantity * l.unit_price) as value,
               sum(round(l.quantity * l.unit_price * coalesce(l.gst_rate, 0) / 100, 2)) as gst,
               string_agg(l.id || ':' || l.xmin::text, ',' order by l.id) as versions
        from inventory.order_lines l where l.order_id = o.id
    ) l on true
"""
ORDERS = text(
    _SUMMARY
    + """
    where (cast(:statuses as text[]) = '{}' or o.status = any(cast(:statuses as text[])))
        and (cast(:customer_id as bigint) is null or o.customer_id = :customer_id)
        and (cast(:agency_id as bigint) is null or o.agency_id = :agency_id)
        and (cast(:first as date) is null or o.date >= :first)
        and (cast(:last as date) is null or o.date <= :last)
        and (:pattern = '' or concat_ws(' ', o.financial_year || '/' || o.order_number, c.store_name, a.agency_name,
                                        o.note) ilike :pattern)
    order by o.date desc, o.id desc
    limit :size
    """
)
ORDER = text(_SUMMARY + " where o.id = :id")
VERSIONS = text(_SUMMARY + " where o.id = any(cast(:ids as bigint[]))")
LINES = text(
    """
    select l.id, l.product_id, p.sku, p.name as product, coalesce(p.hsn_code, '') as hsn_code, c.color, l.colour_code,
           l.size, l.quantity, l.unit_price, l.gst_rate
    from inventory.order_lines l
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
    where l.order_id = :id
    order by l.id
    """
)
NAMES = text("select id, order_number, financial_year from inventory.orders where id = any(cast(:ids as bigint[]))")
SHORTAGES = text(
    """
    select p.sku, c.color, s.size, w.wanted, s.quantity as on_hand
    from (select l.product_id, l.colour_code, l.size, sum(l.quantity) as wanted
          from inventory.order_lines l where l.order_id = any(cast(:ids as bigint[])) group by 1, 2, 3) w
    join inventory.product_color_stocks s using (product_id, colour_code, size)
    join inventory.product_colors c using (product_id, colour_code)
    join inventory.products p on p.id = s.product_id
    where w.wanted > s.quantity
    order by p.sku, c.color, inventory.size_order(s.size) collate "C"
    """
)


def order_name(order_id: int, order_number: int | None, financial_year: str) -> str:
    """The name of an order: `2026-27/12`, or `Draft 7` by its id while it has no number."""
    return f"Draft {order_id}" if order_number is None else f"{financial_year}/{order_number}"


def orders(connection: Connection, *, order_filter: OrderFilter) -> list[OrderSummary]:
    """Orders, newest first, `order_filter.size` at most."""
    parameters = {
        "statuses": list(order_filter.statuses),
        "customer_id": order_filter.customer_id,
        "agency_id": order_filter.agency_id,
        "first": order_filter.first,
        "last": order_filter.last,
        "pattern": search_pattern(order_filter.search),
        "size": order_filter.size,
    }
    return [OrderSummary(**row._mapping) for row in connection.execute(ORDERS, parameters)]


def find_order(connection: Connection, *, order_id: int) -> Order | None:
    """One order with its lines, or None when it was deleted."""
    row = connection.execute(ORDER, {"id": order_id}).one_or_none()
    if row is None:
        return None
    summary = OrderSummary(**row._mapping)
    return Order(
        summary=summary,
        customer=party_queries.customer(connection, customer_id=summary.customer_id),
        agency=party_queries.agency(connection, agency_id=summary.agency_id) if summary.agency_id else None,
        lines=tuple(OrderLine(**line._mapping) for line in connection.execute(LINES, {"id": order_id})),
    )


def order(connection: Connection, *, order_id: int) -> Order:
    """One order with its lines; raises Refused (order_gone) when it was deleted."""
    found = find_order(connection, order_id=order_id)
    if found is None:
        raise Refused("This order does not exist any more.", rule="order_gone")
    return found


def versions(connection: Connection, *, order_ids: Sequence[int]) -> dict[int, str]:
    """id -> version of the orders that exist."""
    return {row.id: row.version for row in connection.execute(VERSIONS, {"ids": list(order_ids)})}


def names(connection: Connection, *, order_ids: Collection[int]) -> dict[int, str]:
    """id -> name of the orders that exist."""
    rows = connection.execute(NAMES, {"ids": list(order_ids)})
    return {row.id: order_name(row.id, row.order_number, row.financial_year) for row in rows}


def shortages(connection: Connection, *, order_ids: Sequence[int]) -> list[Shortage]:
    """The cells with too little stock to dispatch these orders together, by SKU, colour and size."""
    return [Shortage(**row._mapping) for row in connection.execute(SHORTAGES, {"ids": list(order_ids)})]
