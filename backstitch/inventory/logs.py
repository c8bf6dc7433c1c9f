"""Reading the inward and the sales log."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class LogFilter:
    """What to show of a log. `product_id` None: all products; dates inclusive, None: open."""

    product_id: int | None = None
    first: date | None = None
    last: date | None = None
    size: int = 100


@dataclass(frozen=True)
class InwardEntry:
    """Goods in: one cell, one quantity. `version` is what an edit must still find."""

    id: int
    date: date
    sku: str
    color: str
    colour_code: str
    size: str
    quantity: int
    category: str
    stakeholder_name: str
    version: str


@dataclass(frozen=True)
class SalesEntry:
    """Goods out: one cell, one quantity. `version` is what an edit must still find."""

    id: int
    date: date
    sku: str
    color: str
    colour_code: str
    size: str
    quantity: int
    store: str
    agency: str
    version: str


_INWARD = """
    select l.id, l.date, p.sku, c.color, l.colour_code, l.size, l.quantity, l.category, l.stakeholder_name,
           l.xmin::text as version
    from inventory.inward_logs l
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
"""
_SALES = """
    select l.id, l.date, p.sku, c.color, l.colour_code, l.size, l.quantity, l.store, l.agency,
           l.xmin::text as version
    from inventory.sales_logs l
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
"""
_FILTER = """
    where (cast(:product_id as bigint) is null or l.product_id = :product_id)
        and (cast(:first as date) is null or l.date >= :first)
        and (cast(:last as date) is null or l.date <= :last)
    order by l.date desc, l.id desc
    limit :size
"""
_BY_ID = " where l.id = :id"

INWARD_LOG = text(_INWARD + _FILTER)
INWARD_ENTRY = text(_INWARD + _BY_ID)
SALES_LOG = text(_SALES + _FILTER)
SALES_ENTRY = text(_SALES + _BY_ID)
# The choices come from the latest entries, so that no page reads a whole log.
_RECENT = """
    select {column} from (
        select {column}, date from inventory.{table} order by date desc, id desc limit 1000
    ) recent
    group by 1 order by max(date) desc, 1
"""
STAKEHOLDERS = text(_RECENT.format(column="stakeholder_name", table="inward_logs"))
STORES = text(_RECENT.format(column="store", table="sales_logs"))


def _parameters(log_filter: LogFilter) -> dict[str, object]:
    return {
        "product_id": log_filter.product_id,
        "first": log_filter.first,
        "last": log_filter.last,
        "size": log_filter.size,
    }


def inward_log(connection: Connection, *, log_filter: LogFilter) -> list[InwardEntry]:
    """Goods in, newest first, `log_filter.size` at most."""
    return [InwardEntry(**row._mapping) for row in connection.execute(INWARD_LOG, _parameters(log_filter))]


def inward_entry(connection: Connection, *, entry_id: int) -> InwardEntry | None:
    """One entry as it stands, or None when it is gone."""
    row = connection.execute(INWARD_ENTRY, {"id": entry_id}).one_or_none()
    return InwardEntry(**row._mapping) if row else None


def sales_log(connection: Connection, *, log_filter: LogFilter) -> list[SalesEntry]:
    """Goods out, newest first, `log_filter.size` at most."""
    return [SalesEntry(**row._mapping) for row in connection.execute(SALES_LOG, _parameters(log_filter))]


def sales_entry(connection: Connection, *, entry_id: int) -> SalesEntry | None:
    """One entry as it stands, or None when it is gone."""
    row = connection.execute(SALES_ENTRY, {"id": entry_id}).one_or_none()
    return SalesEntry(**row._mapping) if row else None


def stakeholders(connection: Connection) -> list[str]:
    """Whom goods came from lately, latest first."""
    return list(connection.execute(STAKEHOLDERS).scalars())


def stores(connection: Connection) -> list[str]:
    """Which stores goods went to lately, latest first."""
    return list(connection.execute(STORES).scalars())
