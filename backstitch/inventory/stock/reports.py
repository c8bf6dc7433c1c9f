"""Reads the stock: low cells, the movements of a cell, the proof that the books balance, the figures of a day."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, text

RECENT_DAYS = 30


@dataclass(frozen=True)
class LowCell:
    """An active cell at or below the reorder level of its product.

    `suggested` is the number of pieces to order: up to twice the reorder level, or up to the reorder level plus the
    sales of the last 30 days, whichever is more.
    """

    product_id: int
    sku: str
    name: str
    color: str
    colour_code: str
    size: str
    on_hand: int
    reorder_level: int
    sold_30_days: int
    suggested: int


@dataclass(frozen=True)
class CellEvent:
    """A movement of a cell: `quantity` is signed, `balance` is the stock after it.

    `kind` is Inward, Sale or Adjustment; `party` is the stakeholder or the store; `detail` is the category, the agency,
    or the reason and the note; `order_id` is the order whose dispatch wrote the movement.
    """

    kind: str
    id: int
    date: date
    quantity: int
    party: str
    detail: str
    order_id: int | None
    balance: int


@dataclass(frozen=True)
class CellProof:
    """Opening + inward − sales ± adjustments of a cell, compared with its stock on hand."""

    colour_code: str
    size: str
    opening: int
    inward: int
    sales: int
    adjustments: int
    on_hand: int

    @property
    def closing(self) -> int:
        """The stock that the movements add up to."""
        return self.opening + self.inward - self.sales + self.adjustments

    @property
    def holds(self) -> bool:
        """Whether the movements add up to the stock on hand."""
        return self.closing == self.on_hand


@dataclass(frozen=True)
class HomeFigures:
    """The figures of the Home page; `low_cells` are those of the low-stock list, movements those of the day."""

    products: int
    customers: int
    agencies: int
    low_cells: int
    inward_entries: int
    inward_pieces: int
    sales_entries: int
    sales_pieces: int
    adjustment_entries: int
    drafts: int
    confirmed: int
    dispatched: int


_LOW = """
    from inventory.product_color_stocks s
    join inventory.products p on p.id = s.product_id and p.is_active
    where s.is_active and s.quantity <= p.reorder_level
"""
LOW_STOCK = text(
    f"""
    with low as (
        select s.product_id, p.sku, p.name, s.colour_code, s.size, s.quantity, p.reorder_level, p.sizes
        {_LOW}
    ), sold as (
        select l.product_id, l.colour_code, l.size, sum(l.quantity) as pieces
        from inventory.sales_logs l
        where l.date > cast(:since as date) and l.date <= cast(:today as date)
        group by 1, 2, 3
    ), suggestions as (
        select low.*, coalesce(sold.pieces, 0)::bigint as sold,
               greatest(0, 2 * low.reorder_level::bigint - low.quantity,
                        low.reorder_level + coalesce(sold.pieces, 0)::bigint - low.quantity) as suggested
        from low left join sold using (product_id, colour_code, size)
    )
    select s.product_id, s.sku, s.name, c.color, s.colour_code, s.size, s.quantity as on_hand, s.reorder_level,
           s.sold as sold_30_days, s.suggested
    from suggestions s
    join inventory.product_colors c using (product_id, colour_code)
    order by s.suggested desc, s.sku, c.color, inventory.size_order(s.size) collate "C"
    limit :size
    """
)
CELL_EVENTS = text(
    """
    with events as (
        select 'Inward' as kind, 1 as rank, id, date, quantity, stakeholder_name as party, category as detail,
               cast(null as bigint) as order_id
        from inventory.inward_logs
        where (product_id, colour_code, size) = (:product_id, :colour_code, :size)
        union all
        select 'Adjustment', 2, id, date, quantity, '', concat_ws(': ', reason, nullif(note, '')), null
        from inventory.stock_adjustments
        where (product_id, colour_code, size) = (:product_id, :colour_code, :size)
        union all
        select 'Sale', 3, id, date, -quantity, store, agency, order_id
        from inventory.sales_logs
        where (product_id, colour_code, size) = (:product_id, :colour_code, :size)
    )
    select kind, id, date, quantity, party, detail, order_id,
           sum(quantity) over (order by date, rank, id)::bigint as balance
    from events order by date, rank, id
    """
)
PROOF = text(
    """
    select s.colour_code, s.size, (i.before - x.before + a.before)::bigint as opening, i.since as inward,
           x.since as sales, a.since as adjustments, s.quantity as on_hand
    from inventory.product_color_stocks s
    cross join lateral (
        select coalesce(sum(quantity) filter (where date < :first), 0)::bigint as before,
               coalesce(sum(quantity) filter (where date >= :first), 0)::bigint as since
        from inventory.inward_logs l
        where (l.product_id, l.colour_code, l.size) = (s.product_id, s.colour_code, s.size)) i
    cross join lateral (
        select coalesce(sum(quantity) filter (where date < :first), 0)::bigint as before,
               coalesce(sum(quantity) filter (where date >= :first), 0)::bigint as since
        from inventory.sales_logs l
        where (l.product_id, l.colour_code, l.size) = (s.product_id, s.colour_code, s.size)) x
    cross join lateral (
        select coalesce(sum(quantity) filter (where date < :first), 0)::bigint as before,
               coalesce(sum(quantity) filter (where date >= :first), 0)::bigint as since
        from inventory.stock_adjustments l
        where (l.product_id, l.colour_code, l.size) = (s.product_id, s.colour_code, s.size)) a
    where s.product_id = :product_id
    order by s.colour_code, s.size
    """
)
HOME = text(
    f"""
    select (select count(*) from inventory.products where is_active) as products,
           (select count(*) from inventory.customers where is_active) as customers,
           (select count(*) from inventory.agencies where is_active) as agencies,
           (select count(*) {_LOW}) as low_cells,
           i.entries as inward_entries, i.pieces as inward_pieces, x.entries as sales_entries,
           x.pieces as sales_pieces,
           (select count(*) from inventory.stock_adjustments where date = :today) as adjustment_entries,
           o.drafts, o.confirmed, o.dispatched
    from (select count(*) as entries, coalesce(sum(quantity), 0)::bigint as pieces
          from inventory.inward_logs where date = :today) i,
         (select count(*) as entries, coalesce(sum(quantity), 0)::bigint as pieces
          from inventory.sales_logs where date = :today) x,
         (select count(*) filter (where status = 'draft') as drafts,
                 count(*) filter (where status = 'confirmed') as confirmed,
                 count(*) filter (where status = 'dispatched') as dispatched
          from inventory.orders where status in ('draft', 'confirmed', 'dispatched')) o
    """
)


def low_stock(connection: Connection, *, today: date, size: int = 200) -> list[LowCell]:
    """Active cells at or below their reorder level, the largest suggestion first; at most `size` of them."""
    parameters = {"today": today, "since": today - timedelta(days=RECENT_DAYS), "size": size}
    return [LowCell(**row._mapping) for row in connection.execute(LOW_STOCK, parameters)]


def cell_events(connection: Connection, *, product_id: int, colour_code: str, size: str) -> list[CellEvent]:
    """All movements of a cell with the running balance, oldest first; within a day, goods in come first.

    A balance may be below zero where an entry was dated back; the last one is the stock on hand.
    """
    parameters = {"product_id": product_id, "colour_code": colour_code, "size": size}
    return [CellEvent(**row._mapping) for row in connection.execute(CELL_EVENTS, parameters)]


def stock_proof(connection: Connection, *, product_id: int, first: date = date.min) -> list[CellProof]:
    """The proof of each cell of a product, by colour code and size; movements before `first` form the opening."""
    parameters = {"product_id": product_id, "first": first}
    return [CellProof(**row._mapping) for row in connection.execute(PROOF, parameters)]


def home_figures(connection: Connection, *, today: date) -> HomeFigures:
    """The figures of the Home page; `today` is the day in the business's time zone."""
    return HomeFigures(**connection.execute(HOME, {"today": today}).one()._mapping)
