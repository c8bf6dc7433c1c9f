"""Writing products: create, edit, deactivate, and the cells of the stock matrix."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory import catalogue


@dataclass(frozen=True)
class ProductDetails:
    """What can be entered for a product; money in the business's currency, GST in percent."""

    sku: str
    name: str
    sizes: Sequence[str]
    description: str = ""
    category: str = ""
    unit_price: Decimal | None = None
    hsn_code: str | None = None
    gst_rate: Decimal | None = None
    reorder_level: int = 0


CREATE = text(
    """
    insert into inventory.products
        (sku, name, description, category, unit_price, hsn_code, gst_rate, sizes, reorder_level)
    values (:sku, :name, :description, :category, :unit_price, :hsn_code, :gst_rate, :sizes, :reorder_level)
    returning id
    """
)
EDIT = text(
    """
    update inventory.products
    set sku = :sku, name = :name, description = :description, category = :category,
        unit_price = :unit_price, hsn_code = :hsn_code, gst_rate = :gst_rate, sizes = :sizes,
        reorder_level = :reorder_level
    where id = :id and xmin = cast(:version as xid)
    """
)
SET_ACTIVE = text("update inventory.products set is_active = :is_active where id = :id and is_active <> :is_active")
ADD_COLOUR = text(
    "insert into inventory.product_colors (product_id, color, colour_code) values (:id, :color, :colour_code)"
)
ADD_CELLS = text(
    """
    insert into inventory.product_color_stocks (product_id, colour_code, size)
    select c.product_id, c.colour_code, size.name
    from inventory.product_colors c cross join unnest(cast(:sizes as text[])) as size (name)
    where c.product_id = :id
    on conflict on constraint stock_cell_unique do nothing
    """
)


def colour_code(color: str) -> str:
    """The code a colour gets when none is given, in any script: `Teal Green` is TEAL-GREEN."""
    # Letters, marks and digits stay: without its marks a word in Devanagari is another word.
    kept = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in color.upper())
    return "-".join("".join(kept).split())[:40].strip("-")


def create_product(connection: Connection, *, details: ProductDetails, colours: Sequence[str]) -> int:
    """Creates a product with its colours and every cell of its matrix, empty; returns the id.

    Raises Refused: `sku_unique`, `sizes_distinct`, `colour_code_unique` and the other rules of the table.
    """
    product_id = int(connection.execute(CREATE, _parameters(details)).scalar_one())
    add_colours(connection, product_id=product_id, colours=colours)
    return product_id


def edit_product(connection: Connection, *, product_id: int, version: str, details: ProductDetails) -> None:
    """Saves a product that was read as `version`; a size that is new gets a cell for each colour.

    Raises StaleEdit, with the product as it stands now, when somebody saved in between.
    """
    before = catalogue.product(connection, product_id=product_id)
    changed = connection.execute(EDIT, {**_parameters(details), "id": product_id, "version": version}).rowcount
    if changed == 0:
        raise StaleEdit(
            f"Somebody else changed {before.sku} while you were editing it. Nothing of yours was saved.",
            theirs=catalogue.product(connection, product_id=product_id),
        )
    added = [size for size in _sizes(details) if size not in before.sizes]
    if added:
        connection.execute(ADD_CELLS, {"id": product_id, "sizes": added})


def set_active(connection: Connection, *, product_id: int, is_active: bool) -> bool:
    """Deactivates a product, or takes it back into use; False when it was so already."""
    return connection.execute(SET_ACTIVE, {"id": product_id, "is_active": is_active}).rowcount == 1


def add_colours(connection: Connection, *, product_id: int, colours: Sequence[str]) -> None:
    """Adds colours by name, each with an empty cell for every size."""
    names = [color.strip() for color in colours if color.strip()]
    for color in names:
        if not colour_code(color):
            raise Refused(f"“{color}” has no letter or digit to make a colour code of.", rule="colour_code_not_blank")
        connection.execute(ADD_COLOUR, {"id": product_id, "color": color, "colour_code": colour_code(color)})
    if names:
        sizes = list(catalogue.product(connection, product_id=product_id).sizes)
        connection.execute(ADD_CELLS, {"id": product_id, "sizes": sizes})


def _sizes(details: ProductDetails) -> list[str]:
    return [size.strip() for size in details.sizes]


def _parameters(details: ProductDetails) -> dict[str, object]:
    return {
        "sku": details.sku.strip(),
        "name": details.name.strip(),
        "description": details.description.strip(),
        "category": details.category.strip(),
        "unit_price": details.unit_price,
        "hsn_code": (details.hsn_code or "").strip() or None,
        "gst_rate": details.gst_rate,
        "sizes": _sizes(details),
        "reorder_level": details.reorder_level,
    }
