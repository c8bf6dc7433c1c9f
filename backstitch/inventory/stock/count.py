"""Posts a stock-take: the difference between the counted stock and the books becomes an adjustment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements.adjustments import Adjustment, adjust


@dataclass(frozen=True)
class Count:
    """A counted stock cell; `on_hand` is the quantity in the books when the count began."""

    colour_code: str
    size: str
    on_hand: int
    counted: int

    @property
    def difference(self) -> int:
        """Counted pieces less the pieces in the books; below 0 when pieces are missing."""
        return self.counted - self.on_hand


# Locks cells in the same order as movements do.
ON_HAND = text(
    """
    select colour_code, size, quantity from inventory.product_color_stocks
    where product_id = :product_id
    order by product_id, colour_code, size for no key update
    """
)


def differences(counts: Sequence[Count]) -> list[Count]:
    """The counts that differ from the books."""
    return [count for count in counts if count.difference]


def post_counts(connection: Connection, *, product_id: int, counts: Sequence[Count], date: date, note: str = "") -> int:
    """Writes adjustments with the reason `count` for the cells whose count differs; returns how many.

    Raises StaleEdit when the stock of a counted cell has moved since the count began, with the quantities of those
    cells by (colour code, size): `theirs` on hand now, `yours` when the count began.
    Raises Refused for a count below 0.
    """
    if any(count.counted < 0 for count in counts):
        raise Refused("A count is 0 or more. Nothing was saved.", rule="negative_quantity")
    on_hand = {
        (row.colour_code, row.size): row.quantity for row in connection.execute(ON_HAND, {"product_id": product_id})
    }
    moved = [count for count in counts if on_hand.get((count.colour_code, count.size)) != count.on_hand]
    if moved:
        raise StaleEdit(
            f"The stock of {len(moved)} of the counted cells has moved since. Nothing was saved; check them again.",
            theirs={key: on_hand.get(key) for key in ((count.colour_code, count.size) for count in moved)},
            yours={(count.colour_code, count.size): count.on_hand for count in moved},
        )
    return adjust(
        connection,
        adjustments=[
            Adjustment(product_id, count.colour_code, count.size, count.difference, date, "count", note)
            for count in differences(counts)
        ],
    )
