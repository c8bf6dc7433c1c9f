"""Reads products and their stock matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, text

from backstitch.errors import Refused
from backstitch.inventory.products import sizes as size_set


@dataclass(frozen=True)
class ProductLine:
    """A row of the list of products. `low_cells` counts the active cells at or below the reorder level."""

    id: int
    sku: str
    name: str
    category: str
    unit_price: Decimal | None
    colours: int
    sizes: tuple[str, ...]
    on_hand: int
    low_cells: int
    is_active: bool


@dataclass(frozen=True)
class Product:
    """A product, its sizes in the order of the trade. An edit fails when `version` has changed since."""

    id: int
    sku: str
    name: str
    description: str
    category: str
    unit_price: Decimal | None
    hsn_code: str | None
    gst_rate: Decimal | None
    sizes: tuple[str, ...]
    reorder_level: int
    allowed_stores: tuple[str, ...]
    allowed_agencies: tuple[str, ...]
    is_active: bool
    version: str


@dataclass(frozen=True)
class Colour:
    """A colour of a product; an inactive one keeps its cells, which are inactive and empty."""

    id: int
    color: str
    colour_code: str
    is_active: bool
    version: str


@dataclass(frozen=True)
class Matrix:
    """The colour x size grid: `cells[colour_code, size]` is the quantity; a missing key is a blocked cell.

    `inactive` are the inactive cells: they are in `cells` too, with quantity 0.
    """

    product: Product
    colours: tuple[Colour, ...]
    cells: dict[tuple[str, str], int]
    inactive: frozenset[tuple[str, str]]


PRODUCT_LIST = text(
    """
    select p.id, p.sku, p.name, p.category, p.unit_price, p.sizes, p.is_active,
           (select count(*) from inventory.product_colors c where c.product_id = p.id) as colours,
           coalesce(s.on_hand, 0) as on_hand, coalesce(s.low_cells, 0) as low_cells
    from inventory.products p
    left join lateral (
        select sum(s.quantity) as on_hand,
               count(*) filter (where s.quantity <= p.reorder_level and s.is_active) as low_cells
        from inventory.product_color_stocks s where s.product_id = p.id
    ) s on true
    where (p.is_active or :inactive)
        and (:pattern = '' or p.sku ilike :pattern or p.name ilike :pattern or p.category ilike :pattern)
        and (:category = '' or p.category = :category)
        and p.sku > :after
    order by p.sku
    limit :size
    """
)
PRODUCT_COUNT = text(
    """
    select count(*)
    from inventory.products p
    where (p.is_active or :inactive)
        and (:pattern = '' or p.sku ilike :pattern or p.name ilike :pattern or p.category ilike :pattern)
        and (:category = '' or p.category = :category)
    """
)
CATEGORIES = text("select distinct category from inventory.products where category <> '' order by 1")
CHOICES = text("select id, sku, name from inventory.products where is_active or :inactive order by sku")
SELECT_PRODUCT = """
    select id, sku, name, description, category, unit_price, hsn_code, gst_rate, sizes, reorder_level,
           allowed_stores, allowed_agencies, is_active, xmin::text as version
    from inventory.products
"""
PRODUCTS = text(SELECT_PRODUCT + "where id = any(cast(:ids as bigint[])) order by sku")
COLOURS = text(
    "select id, color, colour_code, is_active, xmin::text as version from inventory.product_colors "
    "where product_id = :id order by color, colour_code"
)
CELLS = text("select colour_code, size, quantity, is_active from inventory.product_color_stocks where product_id = :id")


def search_pattern(search: str) -> str:
    """The ILIKE pattern that matches a text anywhere; '' for an empty search."""
    escaped = search.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%" if escaped else ""


def list_products(
    connection: Connection,
    *,
    search: str = "",
    category: str = "",
    inactive: bool = False,
    after: str = "",
    size: int = 50,
) -> list[ProductLine]:
    """A page of products by SKU: `size` products after the SKU `after`, the last one of the previous page."""
    rows = connection.execute(
        PRODUCT_LIST,
        {
            "pattern": search_pattern(search),
            "category": category,
            "inactive": inactive,
            "after": after,
            "size": size,
        },
    )
    return [ProductLine(**{**row._mapping, "sizes": tuple(size_set.in_order(row.sizes))}) for row in rows]


def count_products(connection: Connection, *, search: str = "", category: str = "", inactive: bool = False) -> int:
    """How many products `list_products` returns with the same filter, on all pages."""
    return int(
        connection.execute(
            PRODUCT_COUNT, {"pattern": search_pattern(search), "category": category, "inactive": inactive}
        ).scalar_one()
    )


def categories(connection: Connection) -> Sequence[str]:
    """All categories of products, by name."""
    return connection.execute(CATEGORIES).scalars().all()


def product_choices(connection: Connection, *, inactive: bool = False) -> dict[int, str]:
    """id -> "SKU · name", by SKU, for a select box."""
    return {row.id: choice_label(row.sku, row.name) for row in connection.execute(CHOICES, {"inactive": inactive})}


def choice_label(sku: str, name: str) -> str:
    """The label of a product in a select box."""
    return sku if sku == name else f"{sku} · {name}"


def product(connection: Connection, *, product_id: int) -> Product:
    """One product; raises Refused (product_gone) when it does not exist."""
    found = products(connection, ids=[product_id])
    if not found:
        raise Refused("This product does not exist any more.", rule="product_gone")
    return found[0]


def products(connection: Connection, *, ids: Sequence[int]) -> list[Product]:
    """The products with these ids that exist, by SKU."""
    return [product_from_row(row) for row in connection.execute(PRODUCTS, {"ids": list(ids)})]


def product_from_row(row: Row[Any]) -> Product:
    """The product of a row of SELECT_PRODUCT."""
    lists = {name: tuple(row._mapping[name]) for name in ("allowed_stores", "allowed_agencies")}
    return Product(**{**row._mapping, **lists, "sizes": tuple(size_set.in_order(row.sizes))})


def matrix(connection: Connection, *, product_id: int) -> Matrix:
    """The stock matrix of a product; raises Refused (product_gone) when the product does not exist."""
    cells = connection.execute(CELLS, {"id": product_id}).all()
    return Matrix(
        product=product(connection, product_id=product_id),
        colours=tuple(Colour(**row._mapping) for row in connection.execute(COLOURS, {"id": product_id})),
        cells={(cell.colour_code, cell.size): cell.quantity for cell in cells},
        inactive=frozenset((cell.colour_code, cell.size) for cell in cells if not cell.is_active),
    )
