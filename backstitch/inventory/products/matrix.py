"""Writes the shape of a stock matrix: removes, deactivates and restores colours, sizes and cells.

A colour, size or cell that was never used is deleted. One with movements or orders is deactivated, and can be restored.
One that holds stock stays.
"""

from typing import Any, Literal

from sqlalchemy import Connection, text

from backstitch import lengths
from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.products import queries
from backstitch.inventory.values import stored_name

Outcome = Literal["removed", "deactivated"]

# Locks cells in the same order as movements do, and waits for movements under way.
CELLS = text(
    """
    select s.id, s.colour_code, s.size, s.quantity,
           inventory.cell_used(s.product_id, s.colour_code, s.size) as used
    from inventory.product_color_stocks s
    where s.product_id = :product_id and (s.colour_code = :colour_code or s.size = :size)
    order by s.product_id, s.colour_code, s.size
    for update of s
    """
)
DELETE_CELLS = text("delete from inventory.product_color_stocks where id = any(cast(:ids as bigint[]))")
SWITCH_CELLS = text(
    """
    update inventory.product_color_stocks set is_active = :is_active
    where id = any(cast(:ids as bigint[])) and is_active <> :is_active
    """
)
SWITCH_CELL = text(
    """
    update inventory.product_color_stocks set is_active = :is_active
    where product_id = :product_id and colour_code = :colour_code and size = :size and is_active <> :is_active
    """
)
ADD_CELL = text(
    """
    insert into inventory.product_color_stocks (product_id, colour_code, size)
    values (:product_id, :colour_code, :size) on conflict on constraint stock_cell_unique do nothing
    """
)
DELETE_COLOUR = text(
    "delete from inventory.product_colors where product_id = :product_id and colour_code = :colour_code"
)
SWITCH_COLOUR = text(
    """
    update inventory.product_colors set is_active = :is_active
    where product_id = :product_id and colour_code = :colour_code and is_active <> :is_active
    """
)
EDIT_COLOUR = text("update inventory.product_colors set color = :color where id = :id and xmin = cast(:version as xid)")
COLOUR = text(
    "select id, color, colour_code, is_active, xmin::text as version from inventory.product_colors where id = :id"
)
DROP_SIZE = text(
    "update inventory.products set sizes = array_remove(sizes, cast(:size as text)) where id = :product_id"
)


def remove_colour(connection: Connection, *, product_id: int, colour_code: str) -> Outcome:
    """Deletes a colour that was never used; deactivates one with movements or orders.

    Raises Refused (`cell_holds_stock`) when there is stock of it.
    """
    cells = _lock_empty_cells(connection, product_id=product_id, colour_code=colour_code)
    colour_key = {"product_id": product_id, "colour_code": colour_code}
    if any(cell.used for cell in cells):
        connection.execute(SWITCH_COLOUR, {**colour_key, "is_active": False})
        return "deactivated"
    connection.execute(DELETE_CELLS, {"ids": [cell.id for cell in cells]})
    connection.execute(DELETE_COLOUR, colour_key)
    return "removed"


def restore_colour(connection: Connection, *, product_id: int, colour_code: str) -> None:
    """Activates a colour with all its cells."""
    connection.execute(SWITCH_COLOUR, {"product_id": product_id, "colour_code": colour_code, "is_active": True})


def edit_colour(connection: Connection, *, colour_id: int, version: str, color: str) -> None:
    """Renames a colour; its code stays. Raises StaleEdit, with the Colour as it is now, when somebody changed it."""
    named = stored_name(color, what="The colour", longest=lengths.COLOUR)
    updated = connection.execute(EDIT_COLOUR, {"id": colour_id, "version": version, "color": named}).rowcount
    if updated == 0:
        row = connection.execute(COLOUR, {"id": colour_id}).one_or_none()
        raise StaleEdit(
            "Somebody else changed this colour while you were editing it. Nothing of yours was saved.",
            theirs=queries.Colour(**row._mapping) if row else None,
            yours=color,
        )


def remove_size(connection: Connection, *, product_id: int, size: str) -> Outcome:
    """Deletes a size that was never used; deactivates the cells of one with movements or orders.

    Raises Refused: `cell_holds_stock` when there is stock of it, `sizes_not_empty` for the last size.
    """
    cells = _lock_empty_cells(connection, product_id=product_id, size=size)
    used = [cell.id for cell in cells if cell.used]
    if used:
        connection.execute(SWITCH_CELLS, {"ids": [cell.id for cell in cells], "is_active": False})
        return "deactivated"
    connection.execute(DELETE_CELLS, {"ids": [cell.id for cell in cells]})
    connection.execute(DROP_SIZE, {"product_id": product_id, "size": size})
    return "removed"


def restore_size(connection: Connection, *, product_id: int, size: str) -> None:
    """Activates the cells of a size in all active colours."""
    in_use = {
        colour.colour_code for colour in queries.matrix(connection, product_id=product_id).colours if colour.is_active
    }
    cells = _lock_empty_cells(connection, product_id=product_id, size=size)
    ids = [cell.id for cell in cells if cell.colour_code in in_use]
    connection.execute(SWITCH_CELLS, {"ids": ids, "is_active": True})


def set_cell_active(connection: Connection, *, product_id: int, colour_code: str, size: str, is_active: bool) -> bool:
    """Activates or deactivates one cell, and creates it if it does not exist; returns False when nothing changed.

    Raises Refused: `inactive_cell_empty` when it holds stock, `colour_in_use` when its colour is inactive.
    """
    cell = {"product_id": product_id, "colour_code": colour_code, "size": size}
    if is_active:
        matrix = queries.matrix(connection, product_id=product_id)
        if any(colour.colour_code == colour_code and not colour.is_active for colour in matrix.colours):
            raise Refused("This colour is out of use. Take it back into use first.", rule="colour_in_use")
        if (colour_code, size) not in matrix.cells:
            return connection.execute(ADD_CELL, cell).rowcount == 1
    return connection.execute(SWITCH_CELL, {**cell, "is_active": is_active}).rowcount == 1


def _lock_empty_cells(connection: Connection, *, product_id: int, colour_code: str = "", size: str = "") -> list[Any]:
    """Locks and returns the cells of a colour or of a size. Raises Refused when one of them holds stock."""
    parameters = {"product_id": product_id, "colour_code": colour_code, "size": size}
    cells = list(connection.execute(CELLS, parameters))
    with_stock = [cell for cell in cells if cell.quantity]
    if with_stock:
        what = f"size {size}" if size else "this colour"
        raise Refused(
            f"There are {sum(cell.quantity for cell in with_stock)} pieces of {what} in stock, so it cannot be "
            "removed. Sell or adjust the stock to 0 first.",
            rule="cell_holds_stock",
        )
    return cells
