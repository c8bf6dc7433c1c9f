"""Arranges the lines of an order as a colour x size grid per product, and computes its taxes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from backstitch.india import gst
from backstitch.inventory.orders.queries import PAISA, Order, OrderLine


@dataclass(frozen=True)
class GridRow:
    """The quantities by size of a colour at one price and GST rate."""

    color: str
    colour_code: str
    unit_price: Decimal
    gst_rate: Decimal | None
    quantities: dict[str, int]

    @property
    def pieces(self) -> int:
        """The pieces of all sizes."""
        return sum(self.quantities.values())

    @property
    def value(self) -> Decimal:
        """The value of all sizes, without GST."""
        return self.pieces * self.unit_price


@dataclass(frozen=True)
class Grid:
    """The lines of one product in an order; `sizes` are in the product's order."""

    product_id: int
    sku: str
    product: str
    hsn_code: str
    sizes: tuple[str, ...]
    rows: tuple[GridRow, ...]

    @property
    def pieces(self) -> int:
        """The pieces of all rows."""
        return sum(row.pieces for row in self.rows)

    @property
    def value(self) -> Decimal:
        """The value of all rows, without GST."""
        return sum((row.value for row in self.rows), Decimal(0))


@dataclass(frozen=True)
class Tax:
    """A tax at a rate in percent, on a taxable value."""

    name: str
    rate: Decimal
    taxable: Decimal
    amount: Decimal


def grids(lines: Iterable[OrderLine], *, sizes: Mapping[int, Sequence[str]]) -> list[Grid]:
    """A grid per product, products and colours in the order of the lines; `sizes` maps product id to sizes."""
    by_product: dict[int, list[OrderLine]] = {}
    for line in lines:
        by_product.setdefault(line.product_id, []).append(line)
    return [_grid(of_product, sizes.get(id, ())) for id, of_product in by_product.items()]


def _grid(lines: Sequence[OrderLine], sizes: Sequence[str]) -> Grid:
    rows: dict[tuple[str, Decimal, Decimal | None], GridRow] = {}
    for line in lines:
        empty = GridRow(line.color, line.colour_code, line.unit_price, line.gst_rate, {})
        row = rows.setdefault((line.colour_code, line.unit_price, line.gst_rate), empty)
        row.quantities[line.size] = line.quantity
    first = lines[0]
    # An order can have a size that was removed from the product.
    all_sizes = tuple(dict.fromkeys([*sizes, *(line.size for line in lines)]))
    return Grid(first.product_id, first.sku, first.product, first.hsn_code, all_sizes, tuple(rows.values()))


def taxes(order: Order, *, company_gstin: str) -> list[Tax]:
    """The taxes of an order by rate: CGST and SGST within the company's state, IGST to another state.

    One tax GST where a GSTIN, and so the state, is unknown. Their sum is exactly the order's GST.
    """
    lines_by_rate: dict[Decimal, list[OrderLine]] = {}
    for line in order.lines:
        if line.gst_rate:
            lines_by_rate.setdefault(line.gst_rate, []).append(line)
    found = []
    for rate, lines in sorted(lines_by_rate.items()):
        taxable = sum((line.value for line in lines), Decimal(0))
        amount = sum((line.gst for line in lines), Decimal(0))
        found += _split(rate, taxable, amount, company_gstin, order.customer.gst_number)
    return found


def _split(rate: Decimal, taxable: Decimal, amount: Decimal, company: str, customer: str) -> list[Tax]:
    if not gst.state_of(company) or not gst.state_of(customer):
        return [Tax("GST", rate, taxable, amount)]
    if company[:2] != customer[:2]:
        return [Tax("IGST", rate, taxable, amount)]
    half = (amount / 2).quantize(PAISA, ROUND_HALF_UP)
    return [Tax("CGST", rate / 2, taxable, half), Tax("SGST", rate / 2, taxable, amount - half)]
