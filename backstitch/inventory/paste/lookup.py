"""Reads the stored products, colours and cells that a pasted sheet names, all rows in a handful of queries."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from backstitch.inventory.names import like_sku, name_key, near, near_sku, sku_key
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.products.queries import SELECT_PRODUCT, Product, product_from_row
from backstitch.inventory.values import CellError, quote

SIZES = text("select distinct unnest(sizes) from inventory.products")
SKUS = text("select sku from inventory.products")
PRODUCTS = text(
    SELECT_PRODUCT
    + """
    where id = :id
        or id in (select owner_id from runtime.name_keys
                  where kind = 'sku' and scope = 0 and key = any(cast(:sku_keys as text[])))
        or inventory.name_key(name) = any(cast(:name_keys as text[]))
    order by id
    """
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
    """Stored records: products by the keys of their SKUs and names, colours by product id, cells as (quantity, active).

    `skus` are those of all products; empty if every name that was asked for is known.
    """

    by_sku: Mapping[str, tuple[Product, ...]]
    by_name: Mapping[str, tuple[Product, ...]]
    skus: tuple[str, ...]
    colours: Mapping[int, tuple[KnownColour, ...]]
    cells: Mapping[tuple[int, str, str], tuple[int, bool]]

    @property
    def products(self) -> tuple[Product, ...]:
        """All of the products, each once."""
        found = {one.id: one for alike in (*self.by_sku.values(), *self.by_name.values()) for one in alike}
        return tuple(found.values())

    def stored(self, sku: str) -> Product | None:
        """The product with this SKU, however it is written; of two that differ in writing only the one so written."""
        found = self.by_sku.get(sku_key(sku), ())
        return next((one for one in found if one.sku == sku), found[0] if found else None)

    def product(self, named: str) -> Product:
        """The product with this SKU or name; raises CellError when there is none or more than one."""
        found = self.by_sku.get(sku_key(named)) or self.by_name.get(name_key(named), ())
        exact = [product for product in found if product.sku == named] or found
        if len(exact) == 1:
            return exact[0]
        if exact:
            raise CellError(
                f"There are several products called “{quote(named)}”: {_listed(one.sku for one in exact)}. "
                "Write the SKU exactly as one of them has it."
            )
        meant = near_sku(named, self.skus) or like_sku(named, self.skus)
        if meant:
            raise CellError(f"There is no product “{quote(named)}”. Did you mean {_listed(meant)}?")
        raise CellError(f"There is no product “{quote(named)}”. Add it on the Products page, or correct the SKU.")

    def colour(self, product: Product, *, color: str, code: str) -> KnownColour:
        """The active colour of a product by code, name or both, however they are written; raises CellError."""
        colours = self.colours.get(product.id, ())
        if code:
            found = _alike(colours, code, lambda colour: colour.code)
            if not found:
                raise CellError(
                    f"{product.sku} has no colour with the code “{quote(code)}”."
                    + _meant(code, [colour.code for colour in colours])
                )
            if color and name_key(color) != name_key(found[0].color):
                raise CellError(f"The code {found[0].code} of {product.sku} is {found[0].color}, not “{quote(color)}”.")
        else:
            found = _alike(colours, color, lambda colour: colour.color)
            if not found:
                raise CellError(
                    f"{product.sku} does not come in “{quote(color)}”."
                    + _meant(color, [colour.color for colour in colours])
                )
            if len(found) > 1 and found[1].is_active:
                raise CellError(f"{product.sku} has several colours called {color}. Give the colour code.")
        if not found[0].is_active:
            raise CellError(f"{found[0].color} of {product.sku} is not in use any more.")
        return found[0]

    def size(self, product: Product, colour: KnownColour, typed: str) -> str:
        """The size in the product's spelling; raises CellError when the colour has no active cell of that size."""
        size = size_set.same(typed, product.sizes)
        if size is None:
            raise CellError(f"{product.sku} does not come in size “{quote(typed)}”. It has {', '.join(product.sizes)}.")
        if not self.cells.get((product.id, colour.code, size), (0, False))[1]:
            raise CellError(f"{product.sku} does not come in {colour.color} size {size}.")
        return size


def _alike(colours: Iterable[KnownColour], typed: str, name: Callable[[KnownColour], str]) -> list[KnownColour]:
    """The colours with a name, exactly so written if there are such, otherwise by key."""
    same = [colour for colour in colours if name_key(name(colour)) == name_key(typed)]
    return [colour for colour in same if name(colour) == typed] or same


def _meant(typed: str, known: Sequence[str]) -> str:
    meant = near(typed, known)
    return f" Did you mean {_listed(meant)}?" if meant else ""


def _listed(names: Iterable[str]) -> str:
    return " or ".join(names)


def sizes_in_use(connection: Connection) -> frozenset[str]:
    """Every size that any product has."""
    return frozenset(connection.execute(SIZES).scalars())


def read_known(connection: Connection, *, names: Iterable[str], product_id: int | None) -> Known:
    """The products with these SKUs or names, and the one chosen on the page, with their colours and cells."""
    asked = set(names)
    keys = {"sku_keys": [*map(sku_key, asked)], "name_keys": [*map(name_key, asked)], "id": product_id}
    products = [product_from_row(row) for row in connection.execute(PRODUCTS, keys)]
    ids = {"ids": [product.id for product in products]}
    by_sku: dict[str, tuple[Product, ...]] = {}
    by_name: dict[str, tuple[Product, ...]] = {}
    for product in products:
        for found, key in ((by_sku, sku_key(product.sku)), (by_name, name_key(product.name))):
            found[key] = (*found.get(key, ()), product)
    unknown = any(sku_key(name) not in by_sku and name_key(name) not in by_name for name in asked)
    colours: dict[int, tuple[KnownColour, ...]] = {}
    for row in connection.execute(COLOURS, ids):
        colour = KnownColour(row.color, row.colour_code, row.is_active)
        colours[row.product_id] = (*colours.get(row.product_id, ()), colour)
    cells = {
        (row.product_id, row.colour_code, row.size): (row.quantity, row.is_active)
        for row in connection.execute(CELLS, ids)
    }
    skus = tuple(connection.execute(SKUS).scalars()) if unknown else ()
    return Known(by_sku, by_name, skus, colours, cells)
