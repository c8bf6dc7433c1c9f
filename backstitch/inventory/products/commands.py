"""Writes products: creates, edits one or many, deactivates, and adds colours with their stock cells."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from backstitch import lengths
from backstitch.errors import Refused, StaleEdit
from backstitch.india.gst import hsn_problem, normalise_hsn
from backstitch.inventory.names import name_key, tidy
from backstitch.inventory.products import queries
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.values import stored_name


@dataclass(frozen=True)
class ProductDetails:
    """The fields of a product that a user enters; prices are in the business's currency, GST in percent.

    For allowed stores and agencies an empty list allows all, and None leaves them unchanged.
    """

    sku: str
    name: str
    sizes: Sequence[str]
    description: str = ""
    category: str = ""
    unit_price: Decimal | None = None
    hsn_code: str | None = None
    gst_rate: Decimal | None = None
    reorder_level: int = 0
    allowed_stores: Sequence[str] | None = None
    allowed_agencies: Sequence[str] | None = None


@dataclass(frozen=True)
class ProductChange:
    """The changed fields of a row in the product grid: column -> new value. `version` is the one that was read."""

    product_id: int
    version: str
    fields: Mapping[str, object]


NewColour = tuple[str, str]  # name and code; an empty code is derived from the name

# Columns that the grid may change; the names go into SQL.
GRID_COLUMNS = (
    "sku",
    "name",
    "description",
    "category",
    "unit_price",
    "hsn_code",
    "gst_rate",
    "reorder_level",
    "is_active",
)

CREATE = text(
    """
    insert into inventory.products
        (sku, name, description, category, unit_price, hsn_code, gst_rate, sizes, reorder_level,
         allowed_stores, allowed_agencies)
    values (:sku, :name, :description, :category, :unit_price, :hsn_code, :gst_rate, :sizes, :reorder_level,
            coalesce(cast(:allowed_stores as text[]), '{}'), coalesce(cast(:allowed_agencies as text[]), '{}'))
    returning id
    """
)
EDIT = text(
    """
    update inventory.products
    set sku = :sku, name = :name, description = :description, category = :category,
        unit_price = :unit_price, hsn_code = :hsn_code, gst_rate = :gst_rate, sizes = :sizes,
        reorder_level = :reorder_level,
        allowed_stores = coalesce(cast(:allowed_stores as text[]), allowed_stores),
        allowed_agencies = coalesce(cast(:allowed_agencies as text[]), allowed_agencies)
    where id = :id and xmin = cast(:version as xid)
    """
)
LOCK = text(
    "select id, xmin::text as version from inventory.products where id = any(cast(:ids as bigint[])) "
    "order by id for update"
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
    """The colour code made of a colour's name, in any script: `Teal Green` -> TEAL-GREEN."""
    # Combining marks are kept too: without them a word in Devanagari is another word.
    characters = (character if unicodedata.category(character)[0] in "LMN" else " " for character in color.upper())
    return "-".join("".join(characters).split())[: lengths.COLOUR_CODE].strip("-")


def create_product(connection: Connection, *, details: ProductDetails, colours: Sequence[str | NewColour]) -> int:
    """Creates a product with its colours and an empty stock cell for each colour and size; returns the id.

    Raises Refused: `sku_unique`, `sizes_distinct`, `colour_code_unique` and the other rules of the table.
    """
    product_id = int(connection.execute(CREATE, _parameters(details)).scalar_one())
    add_colours(connection, product_id=product_id, colours=colours)
    return product_id


def edit_product(connection: Connection, *, product_id: int, version: str, details: ProductDetails) -> None:
    """Updates a product that was read as `version`; a new size gets a stock cell for each colour.

    Raises StaleEdit, with the product as it is now, when somebody changed it meanwhile, and Refused
    (`reason_required`) for a price change without a reason.
    """
    before = queries.product(connection, product_id=product_id)
    changed = connection.execute(EDIT, {**_parameters(details, before), "id": product_id, "version": version}).rowcount
    if changed == 0:
        raise StaleEdit(
            f"Somebody else changed {before.sku} while you were editing it. Nothing of yours was saved.",
            theirs=queries.product(connection, product_id=product_id),
            yours=details,
        )
    added = [size for size in _sizes(details, before.sizes) if size not in before.sizes]
    if added:
        connection.execute(ADD_CELLS, {"id": product_id, "sizes": added})


def edit_products(connection: Connection, *, changes: Sequence[ProductChange]) -> int:
    """Updates the changed fields of several products, all or none; returns how many products changed.

    Raises StaleEdit when somebody else changed some of them meanwhile (`theirs`: those products as they are now,
    without deleted ones; `yours`: their ProductChanges), and Refused for what the rules of the table refuse.
    """
    wanted = {change.product_id: change for change in changes if change.fields}
    stored = {row.id: row.version for row in connection.execute(LOCK, {"ids": list(wanted)})}
    stale = [change for change in wanted.values() if stored.get(change.product_id) != change.version]
    if stale:
        theirs = tuple(
            queries.product(connection, product_id=change.product_id) for change in stale if change.product_id in stored
        )
        raise StaleEdit(
            f"Somebody else changed {_sku_list(theirs) or 'these products'} while you were editing. "
            "Nothing of yours was saved.",
            theirs=theirs,
            yours=tuple(stale),
        )
    for product_id in sorted(wanted):
        _update_fields(connection, wanted[product_id])
    return len(wanted)


def _update_fields(connection: Connection, change: ProductChange) -> None:
    unknown = change.fields.keys() - set(GRID_COLUMNS)
    if unknown:
        raise ValueError(f"no column of the grid: {', '.join(sorted(unknown))}")
    columns = [name for name in GRID_COLUMNS if name in change.fields]
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    values = {name: _normalised(name, change.fields[name]) for name in columns}
    connection.execute(
        text(f"update inventory.products set {assignments} where id = :id"), {**values, "id": change.product_id}
    )


def _normalised(name: str, value: object) -> object:
    if name == "hsn_code" and isinstance(value, str):
        return _hsn(value)
    if isinstance(value, str):
        return _tidied(name, value)
    if value is None and name in {"description", "category"}:
        return ""
    return value


def _tidied(column: str, typed: str) -> str:
    """The text of a column as it is stored: a description keeps its lines, a name has nothing that nobody sees."""
    if column == "sku":
        return stored_name(typed, what="The SKU", longest=lengths.SKU)
    return typed.strip()


def _sku_list(products: Sequence[queries.Product]) -> str:
    names = [product.sku for product in products[:3]]
    return ", ".join(names) + (f" and {len(products) - 3} more" if len(products) > 3 else "")


def set_active(connection: Connection, *, product_id: int, is_active: bool) -> bool:
    """Activates or deactivates a product; returns False when nothing changed."""
    return connection.execute(SET_ACTIVE, {"id": product_id, "is_active": is_active}).rowcount == 1


def add_colours(connection: Connection, *, product_id: int, colours: Sequence[str | NewColour]) -> None:
    """Adds colours, given by name or by name and code, each with an empty stock cell for every size."""
    added = _colours_with_codes(colours)
    for color, code in added:
        if not code:
            raise Refused(f"“{color}” has no letter or digit to make a colour code of.", rule="colour_code_not_blank")
        connection.execute(ADD_COLOUR, {"id": product_id, "color": color, "colour_code": code})
    if added:
        sizes = list(queries.product(connection, product_id=product_id).sizes)
        connection.execute(ADD_CELLS, {"id": product_id, "sizes": sizes})


def _colours_with_codes(colours: Sequence[str | NewColour]) -> list[NewColour]:
    pairs = [(colour, "") if isinstance(colour, str) else colour for colour in colours]
    named = [
        (
            stored_name(color, what="The colour", longest=lengths.COLOUR),
            stored_name(code, what="The colour code", longest=lengths.COLOUR_CODE),
        )
        for color, code in pairs
        if tidy(color) or tidy(code)
    ]
    return [(color, code or colour_code(color)) for color, code in named]


def _hsn(typed: str) -> str | None:
    """The code as it is stored. Raises Refused."""
    hsn = normalise_hsn(typed)
    if hsn and (problem := hsn_problem(hsn)):
        raise Refused(f"{problem} Nothing was saved.", rule="hsn_code_digits")
    return hsn or None


def _sizes(details: ProductDetails, stored: Sequence[str] = ()) -> list[str]:
    """The sizes as they are stored. Those that the product has stay as they are."""
    typed = [
        size if size in stored else stored_name(size, what="The size", longest=lengths.SIZE, zero=True)
        for size in details.sizes
    ]
    return size_set.in_order(typed)


def _parameters(details: ProductDetails, before: queries.Product | None = None) -> dict[str, object]:
    return {
        # What was stored before names were checked can stay.
        "sku": details.sku if before and details.sku == before.sku else _tidied("sku", details.sku),
        "name": details.name.strip(),
        "description": details.description.strip(),
        "category": details.category.strip(),
        "unit_price": details.unit_price,
        "hsn_code": _hsn(details.hsn_code or ""),
        "gst_rate": details.gst_rate,
        "sizes": _sizes(details, before.sizes if before else ()),
        "reorder_level": details.reorder_level,
        "allowed_stores": _distinct_names(details.allowed_stores),
        "allowed_agencies": _distinct_names(details.allowed_agencies),
    }


def _distinct_names(names: Sequence[str] | None) -> list[str] | None:
    """The names of different parties, in their order; None stays None."""
    if names is None:
        return None
    distinct: dict[str, str] = {}
    for name in filter(None, map(tidy, names)):
        distinct.setdefault(name_key(name), name)
    return list(distinct.values())
