"""Stock-take: what was counted on the shelf against the books; the difference becomes an adjustment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements.adjustments import Adjustment, adjust


@dataclass(frozen=True)
class Count:
    """A cell that was counted; `on_hand` is what the books said when the counting began."""

    colour_code: str
    size: str
    on_hand: int
    counted: int

    @property
    def difference(self) -> int:
        """Pieces found beyond the books; below 0, pieces missing."""
        return self.counted - self.on_hand


# In the order in which movements lock them.
ON_HAND = text(
    """
    select colour_code, size, quantity from inventory.product_color_stocks
    where product_id = :product_id
    order by product_id, colour_code, size for no key update
    """
)


def differences(counts: Sequence[Count]) -> list[Count]:
    """The cells whose count is not what the books say."""
    return [count for count in counts if count.difference]


def post_counts(connection: Connection, *, product_id: int, counts: Sequence[Count], date: date, note: str = "") -> int:
    """Brings the cells that were counted to their counts, by adjustments with the reason `count`; returns how many.

    Raises StaleEdit when the stock of a counted cell has moved since (`theirs`: what is on hand, `yours`: what was
    when the counting began, by (colour code, size), of those cells only); Refused for a count below 0.
    """
    if any(count.counted < 0 for count in counts):
        raise Refused("A count is 0 or more. Nothing was saved.", rule="negative_quantity")
    now = {(row.colour_code, row.size): row.quantity for row in connection.execute(ON_HAND, {"product_id": product_id})}
    moved = [count for count in counts if now.get((count.colour_code, count.size)) != count.on_hand]
    if moved:
        raise StaleEdit(
            f"The stock of {len(moved)} of the counted cells has moved since. Nothing was saved; check them again.",
            theirs={key: now.get(key) for key in ((count.colour_code, count.size) for count in moved)},
            yours={(count.colour_code, count.size): count.on_hand for count in moved},
        )
    return adjust(
        connection,
        adjustments=[
            Adjustment(product_id, count.colour_code, count.size, count.difference, date, "count", note)
            for count in differences(counts)
        ],
    )
