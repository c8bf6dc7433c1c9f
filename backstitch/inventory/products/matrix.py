"""Writing the shape of a stock matrix: colours, sizes and cells that come and go.

What was never used is removed; what has a history is taken out of use and can come back; what holds stock stays.
"""

from typing import Any, Literal

from sqlalchemy import Connection, text

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.products import queries

Outcome = Literal["removed", "deactivated"]

# In the order in which movements lock them; a movement that is under way has to end first.
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
    """Removes a colour that was never used; takes one with movements or orders out of use.

    Raises Refused (`cell_holds_stock`) when there is stock of it.
    """
    cells = _cells(connection, product_id=product_id, colour_code=colour_code)
    of_colour = {"product_id": product_id, "colour_code": colour_code}
    if any(cell.used for cell in cells):
        connection.execute(SWITCH_COLOUR, {**of_colour, "is_active": False})
        return "deactivated"
    connection.execute(DELETE_CELLS, {"ids": [cell.id for cell in cells]})
    connection.execute(DELETE_COLOUR, of_colour)
    return "removed"


def restore_colour(connection: Connection, *, product_id: int, colour_code: str) -> None:
    """Takes a colour back into use, with all its cells."""
    connection.execute(SWITCH_COLOUR, {"product_id": product_id, "colour_code": colour_code, "is_active": True})


def edit_colour(connection: Connection, *, colour_id: int, version: str, color: str) -> None:
    """Renames a colour; its code stays. Raises StaleEdit, with the Colour as it stands, when somebody saved since."""
    done = connection.execute(EDIT_COLOUR, {"id": colour_id, "version": version, "color": color.strip()}).rowcount
    if done == 0:
        row = connection.execute(COLOUR, {"id": colour_id}).one_or_none()
        raise StaleEdit(
            "Somebody else changed this colour while you were editing it. Nothing of yours was saved.",
            theirs=queries.Colour(**row._mapping) if row else None,
            yours=color,
        )


def remove_size(connection: Connection, *, product_id: int, size: str) -> Outcome:
    """Removes a size that was never used; where it has movements or orders, takes its cells out of use.

    Raises Refused (`cell_holds_stock`) when there is stock of it, `sizes_not_empty` for the last size.
    """
    cells = _cells(connection, product_id=product_id, size=size)
    used = [cell.id for cell in cells if cell.used]
    if used:
        connection.execute(SWITCH_CELLS, {"ids": [cell.id for cell in cells], "is_active": False})
        return "deactivated"
    connection.execute(DELETE_CELLS, {"ids": [cell.id for cell in cells]})
    connection.execute(DROP_SIZE, {"product_id": product_id, "size": size})
    return "removed"


def restore_size(connection: Connection, *, product_id: int, size: str) -> None:
    """Takes the cells of a size back into use, in the colours that are in use."""
    in_use = {
        colour.colour_code for colour in queries.matrix(connection, product_id=product_id).colours if colour.is_active
    }
    cells = _cells(connection, product_id=product_id, size=size)
    ids = [cell.id for cell in cells if cell.colour_code in in_use]
    connection.execute(SWITCH_CELLS, {"ids": ids, "is_active": True})


def set_cell_active(connection: Connection, *, product_id: int, colour_code: str, size: str, is_active: bool) -> bool:
    """Takes one cell out of use, or into use (a blocked one is made); False when it was so already.

    Raises Refused: `inactive_cell_empty` when it holds stock, `colour_in_use` when its colour is out of use.
    """
    cell = {"product_id": product_id, "colour_code": colour_code, "size": size}
    if is_active:
        matrix = queries.matrix(connection, product_id=product_id)
        if any(colour.colour_code == colour_code and not colour.is_active for colour in matrix.colours):
            raise Refused("This colour is out of use. Take it back into use first.", rule="colour_in_use")
        if (colour_code, size) not in matrix.cells:
            return connection.execute(ADD_CELL, cell).rowcount == 1
    return connection.execute(SWITCH_CELL, {**cell, "is_active": is_active}).rowcount == 1


def _cells(connection: Connection, *, product_id: int, colour_code: str = "", size: str = "") -> list[Any]:
    """The cells of a colour or of a size, locked. Raises Refused when one of them holds stock."""
    asked = {"product_id": product_id, "colour_code": colour_code, "size": size}
    cells = list(connection.execute(CELLS, asked))
    held = [cell for cell in cells if cell.quantity]
    if held:
        what = f"size {size}" if size else "this colour"
        raise Refused(
            f"There are {sum(cell.quantity for cell in held)} pieces of {what} in stock, so it cannot be removed. "
            "Sell or adjust the stock to 0 first.",
            rule="cell_holds_stock",
        )
    return cells
