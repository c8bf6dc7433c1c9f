"""Reads the stored products, colours and cells that a pasted sheet names, all rows in a handful of queries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from backstitch.inventory.paste.columns import spellings_of
from backstitch.inventory.products.queries import SELECT_PRODUCT, Product, product_from_row
from backstitch.inventory.values import CellError, quote

SIZES = text("select distinct unnest(sizes) from inventory.products")
PRODUCTS = text(
    SELECT_PRODUCT
    + "where id = :id or lower(sku) = any(cast(:names as text[])) or lower(name) = any(cast(:names as text[])) "
    "order by id"
)
COLOURS = text(
    "select product_id, color, colour_code, is_active from inventory.product_colors "
    "where product_id = any(cast(:ids as bigint[])) order by is_active desc, id"
)
CELLS = text(
    "select product_id, colour_code, size, quantity, is_active from inventory.product_color_stocks "
    "where product_id = any(cast(:ids as bigint[]))"
)


@dataclass(frozen=True)
class KnownColour:
    """A colour of a product."""

    color: str
    code: str
    is_active: bool


@dataclass(frozen=True)
class Known:
    """Stored records: products by casefolded SKU or name, colours by product id, cells as (quantity, is active)."""

    products: Mapping[str, tuple[Product, ...]]
    colours: Mapping[int, tuple[KnownColour, ...]]
    cells: Mapping[tuple[int, str, str], tuple[int, bool]]

    def product(self, named: str) -> Product:
        """The product with this SKU or name, in any case; raises CellError when there is none or more than one."""
        found = self.products.get(named.casefold(), ())
        for alike in (
            [product for product in found if product.sku == named],
            [product for product in found if product.sku.casefold() == named.casefold()],
            found,
        ):
            if len(alike) == 1:
                return alike[0]
            if alike:
                raise CellError(f"There are several products called “{quote(named)}”. Give the SKU.")
        raise CellError(f"There is no product “{quote(named)}”. Add it on the Products page, or correct the SKU.")

    def colour(self, product: Product, *, color: str, code: str) -> KnownColour:
        """The active colour of a product by code, name or both, in any case; raises CellError."""
        colours = self.colours.get(product.id, ())
        if code:
            found = [colour for colour in colours if colour.code == code] or [
                colour for colour in colours if colour.code.casefold() == code.casefold()
            ]
            if not found:
                raise CellError(f"{product.sku} has no colour with the code “{quote(code)}”.")
            if color and color.casefold() != found[0].color.casefold():
                raise CellError(f"The code {found[0].code} of {product.sku} is {found[0].color}, not “{quote(color)}”.")
        else:
            found = [colour for colour in colours if colour.color.casefold() == color.casefold()]
            if not found:
                raise CellError(f"{product.sku} does not come in “{quote(color)}”.")
            if len(found) > 1 and found[1].is_active:
                raise CellError(f"{product.sku} has several colours called {color}. Give the colour code.")
        if not found[0].is_active:
            raise CellError(f"{found[0].color} of {product.sku} is not in use any more.")
        return found[0]

    def size(self, product: Product, colour: KnownColour, typed: str) -> str:
        """The size in the product's spelling; raises CellError when the colour has no active cell of that size."""
        size = next((size for size in spellings_of(typed) if size in product.sizes), None)
        if size is None:
            raise CellError(f"{product.sku} does not come in size “{quote(typed)}”.")
        if not self.cells.get((product.id, colour.code, size), (0, False))[1]:
            raise CellError(f"{product.sku} does not come in {colour.color} size {size}.")
        return size


def sizes_in_use(connection: Connection) -> frozenset[str]:
    """Every size that any product has."""
    return frozenset(connection.execute(SIZES).scalars())


def read_known(connection: Connection, *, names: Iterable[str], product_id: int | None) -> Known:
    """The products with these SKUs or names, and the one chosen on the page, with their colours and cells."""
    keys = {key for name in names for key in (name.lower(), name.casefold())}
    rows = connection.execute(PRODUCTS, {"names": list(keys), "id": product_id})
    products = [product_from_row(row) for row in rows]
    ids = {"ids": [product.id for product in products]}
    by_name: dict[str, tuple[Product, ...]] = {}
    for product in products:
        for key in {product.sku.casefold(), product.name.casefold()}:
            by_name[key] = (*by_name.get(key, ()), product)
    colours: dict[int, tuple[KnownColour, ...]] = {}
    for row in connection.execute(COLOURS, ids):
        colour = KnownColour(row.color, row.colour_code, row.is_active)
        colours[row.product_id] = (*colours.get(row.product_id, ()), colour)
    cells = {
        (row.product_id, row.colour_code, row.size): (row.quantity, row.is_active)
        for row in connection.execute(CELLS, ids)
    }
    return Known(by_name, colours, cells)
