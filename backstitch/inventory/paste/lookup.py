"""What is stored of what a pasted sheet names: read once, so that ten thousand rows cost a handful of queries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from backstitch.inventory.paste.columns import spellings_of
from backstitch.inventory.paste.values import Wrong, shown
from backstitch.inventory.products.queries import WHOLE_PRODUCT, Product, whole_product

SIZES = text("select distinct unnest(sizes) from inventory.products")
PRODUCTS = text(
    WHOLE_PRODUCT
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
    """Products by casefolded SKU or name, their colours by id, and cells: (quantity, in use)."""

    products: Mapping[str, tuple[Product, ...]]
    colours: Mapping[int, tuple[KnownColour, ...]]
    cells: Mapping[tuple[int, str, str], tuple[int, bool]]

    def product(self, named: str) -> Product:
        """The product of a SKU, in whatever case, or of a name; raises Wrong."""
        found = self.products.get(named.casefold(), ())
        for alike in (
            [product for product in found if product.sku == named],
            [product for product in found if product.sku.casefold() == named.casefold()],
            found,
        ):
            if len(alike) == 1:
                return alike[0]
            if alike:
                raise Wrong(f"There are several products called “{shown(named)}”. Give the SKU.")
        raise Wrong(f"There is no product “{shown(named)}”. Add it on the Products page, or correct the SKU.")

    def colour(self, product: Product, *, color: str, code: str) -> KnownColour:
        """The colour of a product by code, name or both, in whatever case; raises Wrong."""
        colours = self.colours.get(product.id, ())
        if code:
            found = [colour for colour in colours if colour.code == code] or [
                colour for colour in colours if colour.code.casefold() == code.casefold()
            ]
            if not found:
                raise Wrong(f"{product.sku} has no colour with the code “{shown(code)}”.")
            if color and color.casefold() != found[0].color.casefold():
                raise Wrong(f"The code {found[0].code} of {product.sku} is {found[0].color}, not “{shown(color)}”.")
        else:
            found = [colour for colour in colours if colour.color.casefold() == color.casefold()]
            if not found:
                raise Wrong(f"{product.sku} does not come in “{shown(color)}”.")
            if len(found) > 1 and found[1].is_active:
                raise Wrong(f"{product.sku} has several colours called {color}. Give the colour code.")
        if not found[0].is_active:
            raise Wrong(f"{found[0].color} of {product.sku} is not in use any more.")
        return found[0]

    def size(self, product: Product, colour: KnownColour, typed: str) -> str:
        """The size as the product calls it, where it has a cell in use for the colour; raises Wrong."""
        size = next((size for size in spellings_of(typed) if size in product.sizes), None)
        if size is None:
            raise Wrong(f"{product.sku} does not come in size “{shown(typed)}”.")
        if not self.cells.get((product.id, colour.code, size), (0, False))[1]:
            raise Wrong(f"{product.sku} does not come in {colour.color} size {size}.")
        return size


def sizes_in_use(connection: Connection) -> frozenset[str]:
    """Every size that any product has."""
    return frozenset(connection.execute(SIZES).scalars())


def read_known(connection: Connection, *, names: Iterable[str], product_id: int | None) -> Known:
    """What is stored of the products with these SKUs or names, and of the one chosen on the page."""
    keys = {key for name in names for key in (name.lower(), name.casefold())}
    rows = connection.execute(PRODUCTS, {"names": list(keys), "id": product_id})
    products = [whole_product(row) for row in rows]
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
