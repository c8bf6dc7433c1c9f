"""Reads the stored rows with the product, date and party of pasted rows: "Replace what is there" deletes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from backstitch.inventory.names import name_key
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.entries import Entry

_KEYS = (
    "unnest(cast(:products as bigint[]), cast(:days as date[]), cast(:parties as text[])) as k (product_id, day, party)"
)
INWARD = text(
    f"""
    select distinct l.id, l.xmin::text as version, l.date, p.sku, c.color, l.product_id, l.colour_code, l.size,
           l.quantity, l.stakeholder_name as party, false as from_order
    from inventory.inward_logs l
    join {_KEYS} on k.product_id = l.product_id and k.day = l.date and k.party = inventory.name_key(l.stakeholder_name)
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
    order by l.id
    """
)
SALES = text(
    f"""
    select distinct l.id, l.xmin::text as version, l.date, p.sku, c.color, l.product_id, l.colour_code, l.size,
           l.quantity, l.store as party, l.order_id is not null as from_order
    from inventory.sales_logs l
    join {_KEYS} on k.product_id = l.product_id and k.day = l.date and k.party = inventory.name_key(l.store)
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
    order by l.id
    """
)
DRAFTS = text(
    f"""
    select o.id, o.xmin::text as version, o.date, coalesce(p.sku, '') as sku, coalesce(c.color, '') as color,
           coalesce(l.product_id, 0) as product_id, coalesce(l.colour_code, '') as colour_code,
           coalesce(l.size, '') as size, coalesce(l.quantity, 0) as quantity, u.store_name as party, false as from_order
    from inventory.orders o
    join inventory.customers u on u.id = o.customer_id
    left join inventory.order_lines l on l.order_id = o.id
    left join inventory.products p on p.id = l.product_id
    left join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
    where o.status = 'draft'
        and exists (select from {_KEYS} where k.day = o.date and k.party = inventory.name_key(u.store_name))
    order by o.id, l.id
    """
)
STATEMENTS = {Kind.INWARD: INWARD, Kind.SALES: SALES, Kind.ORDERS: DRAFTS}


@dataclass(frozen=True)
class ExistingRow:
    """A stored row that pasted rows can replace: an entry of a log, or a line of a draft order.

    `id` is that of the entry or of the order. A sale `from_order` belongs to a dispatched order and is not replaced.
    """

    id: int
    version: str
    date: date
    sku: str
    color: str
    product_id: int
    colour_code: str
    size: str
    quantity: int
    party: str
    from_order: bool

    @property
    def cell(self) -> tuple[int, str, str]:
        """The key of the stock cell: product id, colour code, size."""
        return (self.product_id, self.colour_code, self.size)

    @property
    def cell_words(self) -> str:
        """The stock cell as messages name it: `AN201 Red S`."""
        return f"{self.sku} {self.color} {self.size}"


def existing_rows(connection: Connection, *, kind: Kind, entries: Iterable[Entry]) -> list[ExistingRow]:
    """Stored rows with the product, date and stakeholder (inward) or store (sales) of the entries, by id.

    For orders: all lines of drafts with the customer and date of an entry.
    """
    keys = sorted({(entry.product_id, entry.date, name_key(entry.party)) for entry in entries})
    if not keys:
        return []
    products, days, parties = (list(values) for values in zip(*keys, strict=True))
    rows = connection.execute(STATEMENTS[kind], {"products": products, "days": days, "parties": parties})
    return [ExistingRow(**row._mapping) for row in rows]
