"""Reads movements: inward, sales and adjustments."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class LogFilter:
    """Which entries to return. An empty text or None does not filter; `first` and `last` are included.

    Each log uses the fields that it has: inward `stakeholder` and `category`, sales `store` and `agency`, adjustments
    `reason`. Names match in any case.
    """

    product_id: int | None = None
    first: date | None = None
    last: date | None = None
    size: int = 100
    stakeholder: str = ""
    category: str = ""
    store: str = ""
    agency: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Entry:
    """The fields of every entry: one stock cell and one quantity. An edit fails when `version` has changed."""

    id: int
    date: date
    sku: str
    color: str
    colour_code: str
    size: str
    quantity: int
    version: str
    product_id: int


@dataclass(frozen=True)
class InwardEntry(Entry):
    """Goods in."""

    category: str
    stakeholder_name: str


@dataclass(frozen=True)
class SalesEntry(Entry):
    """Goods out.

    The dispatch of an order writes entries with its `order_id`; these cannot be edited or deleted on their own.
    """

    store: str
    agency: str
    order_id: int | None


@dataclass(frozen=True)
class AdjustmentEntry(Entry):
    """A stock adjustment; the quantity is signed."""

    reason: str
    note: str


_INWARD = """
    select l.id, l.date, p.sku, c.color, l.colour_code, l.size, l.quantity, l.category, l.stakeholder_name,
           l.xmin::text as version, l.product_id
    from inventory.inward_logs l
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
"""
_SALES = """
    select l.id, l.date, p.sku, c.color, l.colour_code, l.size, l.quantity, l.store, l.agency,
           l.xmin::text as version, l.product_id, l.order_id
    from inventory.sales_logs l
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
"""
_ADJUSTMENTS = """
    select l.id, l.date, p.sku, c.color, l.colour_code, l.size, l.quantity, l.reason, l.note,
           l.xmin::text as version, l.product_id
    from inventory.stock_adjustments l
    join inventory.products p on p.id = l.product_id
    join inventory.product_colors c on c.product_id = l.product_id and c.colour_code = l.colour_code
"""
_FILTER = """
    where (cast(:product_id as bigint) is null or l.product_id = :product_id)
        and (cast(:first as date) is null or l.date >= :first)
        and (cast(:last as date) is null or l.date <= :last)
"""
_INWARD_FILTER = """
        and (:stakeholder = '' or inventory.name_key(l.stakeholder_name) = inventory.name_key(:stakeholder))
        and (:category = '' or l.category = :category)
"""
_SALES_FILTER = """
        and (:store = '' or inventory.name_key(l.store) = inventory.name_key(:store))
        and (:agency = '' or (l.agency <> '' and inventory.name_key(l.agency) = inventory.name_key(:agency)))
"""
_ADJUSTMENTS_FILTER = """
        and (:reason = '' or l.reason = :reason)
"""
_NEWEST = """
    order by l.date desc, l.id desc
    limit :size
"""
_BY_ID = " where l.id = :id"

INWARD_LOG = text(_INWARD + _FILTER + _INWARD_FILTER + _NEWEST)
INWARD_ENTRY = text(_INWARD + _BY_ID)
SALES_LOG = text(_SALES + _FILTER + _SALES_FILTER + _NEWEST)
SALES_ENTRY = text(_SALES + _BY_ID)
ADJUSTMENT_LOG = text(_ADJUSTMENTS + _FILTER + _ADJUSTMENTS_FILTER + _NEWEST)
ADJUSTMENT_ENTRY = text(_ADJUSTMENTS + _BY_ID)
# The quick look-up: the latest day on which goods moved, for one party or for all.
LAST_INWARD_DAY = text(
    """
    select max(date) from inventory.inward_logs
    where :name = '' or inventory.name_key(stakeholder_name) = inventory.name_key(:name)
    """
)
LAST_SALES_DAY = text(
    """
    select max(date) from inventory.sales_logs
    where :name = '' or inventory.name_key(store) = inventory.name_key(:name)
    """
)
# Choices are read from the latest 1000 entries, so that no page reads a whole log.
_RECENT = """
    select {column} from (
        select {column}, date from inventory.{table} order by date desc, id desc limit 1000
    ) recent
    group by 1 order by max(date) desc, 1
"""
STAKEHOLDERS = text(_RECENT.format(column="stakeholder_name", table="inward_logs"))
STORES = text(_RECENT.format(column="store", table="sales_logs"))
AGENCIES = text(_RECENT.format(column="agency", table="sales_logs"))
FIRST_DAYS = text(
    """
    select l.product_id, l.colour_code, l.size, min(l.date) as first
    from inventory.inward_logs l
    join unnest(cast(:products as bigint[]), cast(:codes as text[]), cast(:sizes as text[])) as k (product, code, size)
        on (k.product, k.code, k.size) = (l.product_id, l.colour_code, l.size)
    group by 1, 2, 3
    """
)
LARGEST_DAY = 1000  # entries of one day that a look-up shows at most


def inward_log(connection: Connection, *, log_filter: LogFilter) -> list[InwardEntry]:
    """Goods in, newest first, `log_filter.size` at most."""
    return [InwardEntry(**row._mapping) for row in connection.execute(INWARD_LOG, asdict(log_filter))]


def inward_entry(connection: Connection, *, entry_id: int) -> InwardEntry | None:
    """One entry, or None when it was deleted."""
    row = connection.execute(INWARD_ENTRY, {"id": entry_id}).one_or_none()
    return InwardEntry(**row._mapping) if row else None


def sales_log(connection: Connection, *, log_filter: LogFilter) -> list[SalesEntry]:
    """Goods out, newest first, `log_filter.size` at most."""
    return [SalesEntry(**row._mapping) for row in connection.execute(SALES_LOG, asdict(log_filter))]


def sales_entry(connection: Connection, *, entry_id: int) -> SalesEntry | None:
    """One entry, or None when it was deleted."""
    row = connection.execute(SALES_ENTRY, {"id": entry_id}).one_or_none()
    return SalesEntry(**row._mapping) if row else None


def stakeholders(connection: Connection) -> list[str]:
    """Names of the stakeholders of recent goods in, latest first."""
    return list(connection.execute(STAKEHOLDERS).scalars())


def stores(connection: Connection) -> list[str]:
    """Names of the stores of recent goods out, latest first."""
    return list(connection.execute(STORES).scalars())


def agency_names(connection: Connection) -> list[str]:
    """Names of the agencies of recent goods out, latest first."""
    return [name for name in connection.execute(AGENCIES).scalars() if name]


def adjustment_log(connection: Connection, *, log_filter: LogFilter) -> list[AdjustmentEntry]:
    """Stock adjustments, newest first, `log_filter.size` at most."""
    return [AdjustmentEntry(**row._mapping) for row in connection.execute(ADJUSTMENT_LOG, asdict(log_filter))]


def adjustment_entry(connection: Connection, *, entry_id: int) -> AdjustmentEntry | None:
    """One entry, or None when it was deleted."""
    row = connection.execute(ADJUSTMENT_ENTRY, {"id": entry_id}).one_or_none()
    return AdjustmentEntry(**row._mapping) if row else None


def latest_inward(connection: Connection, *, stakeholder: str = "", on: date | None = None) -> list[InwardEntry]:
    """The goods in of the latest day, or of the day `on`, newest first; with `stakeholder` only theirs."""
    day = on or connection.execute(LAST_INWARD_DAY, {"name": stakeholder.strip()}).scalar_one()
    day_filter = LogFilter(first=day, last=day, stakeholder=stakeholder.strip(), size=LARGEST_DAY)
    return inward_log(connection, log_filter=day_filter) if day else []


def latest_sales(connection: Connection, *, store: str = "", on: date | None = None) -> list[SalesEntry]:
    """The goods out of the latest day, or of the day `on`, newest first; with `store` only those to it."""
    day = on or connection.execute(LAST_SALES_DAY, {"name": store.strip()}).scalar_one()
    day_filter = LogFilter(first=day, last=day, store=store.strip(), size=LARGEST_DAY)
    return sales_log(connection, log_filter=day_filter) if day else []


def first_days(connection: Connection, *, cells: Collection[tuple[int, str, str]]) -> dict[tuple[int, str, str], date]:
    """Cell (product id, colour code, size) -> the day on which goods of it came in first.

    A sale dated before that day is seldom meant, and worth a hint.
    """
    products, codes, sizes = (list(parts) for parts in zip(*cells, strict=True)) if cells else ([], [], [])
    rows = connection.execute(FIRST_DAYS, {"products": products, "codes": codes, "sizes": sizes})
    return {(row.product_id, row.colour_code, row.size): row.first for row in rows}
