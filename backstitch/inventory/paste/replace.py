"""Reads the stored rows with the product, date and party of pasted rows, and finds those that are there already.

"Replace what is there" deletes the stored rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
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
           l.quantity, l.stakeholder_name as party, l.category, false as stays
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
           l.quantity, l.store as party, '' as category, l.order_id is not null as stays
    from inventory.sales_logs l
    join {_KEYS} on k.product_id = l.product_id and k.day = l.date and k.party = inventory.name_key(l.store)
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
    order by l.id
    """
)
ORDERS = text(
    f"""
    select o.id, o.xmin::text as version, o.date, coalesce(p.sku, '') as sku, coalesce(c.color, '') as color,
           coalesce(l.product_id, 0) as product_id, coalesce(l.colour_code, '') as colour_code,
           coalesce(l.size, '') as size, coalesce(l.quantity, 0) as quantity, u.store_name as party, '' as category,
           o.status <> 'draft' as stays
    from inventory.orders o
    join inventory.customers u on u.id = o.customer_id
    left join inventory.order_lines l on l.order_id = o.id
    left join inventory.products p on p.id = l.product_id
    left join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
    where o.status <> 'cancelled'
        and exists (select from {_KEYS} where k.day = o.date and k.party = inventory.name_key(u.store_name))
    order by o.id, l.id
    """
)
STATEMENTS = {Kind.INWARD: INWARD, Kind.SALES: SALES, Kind.ORDERS: ORDERS}


@dataclass(frozen=True)
class ExistingRow:
    """A stored row beside pasted rows: an entry of a log, or a line of an order.

    `id` is that of the entry or of the order. One that `stays` is never replaced: a sale of a dispatched order, or an
    order that is no draft any more. Only goods in have a `category`.
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
    category: str
    stays: bool

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

    For orders: all lines of orders with the customer and date of an entry, but for cancelled ones.
    """
    keys = sorted({(entry.product_id, entry.date, name_key(entry.party)) for entry in entries})
    if not keys:
        return []
    products, days, parties = (list(values) for values in zip(*keys, strict=True))
    rows = connection.execute(STATEMENTS[kind], {"products": products, "days": days, "parties": parties})
    return [ExistingRow(**row._mapping) for row in rows]


@dataclass(frozen=True)
class Repeated:
    """A pasted entry, and a stored row with the same date, party, product, colour, size and quantity."""

    entry: Entry
    stored: ExistingRow


def repeated_entries(entries: Iterable[Entry], existing: Sequence[ExistingRow]) -> tuple[Repeated, ...]:
    """The entries that seem to be stored already. A stored row answers for one entry: two equal entries need two."""
    stored = defaultdict(list)
    for row in reversed(existing):
        stored[row.date, name_key(row.party), row.cell, row.quantity, row.category].append(row)
    found = []
    for entry in entries:
        category = entry.category if any(row.category for row in existing[:1]) else ""
        alike = stored.get((entry.date, name_key(entry.party), entry.cell, entry.quantity, category))
        if alike:
            found.append(Repeated(entry, alike.pop()))
    return tuple(found)
