"""An order as people read it: a colour x size grid per product, and the taxes on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from backstitch.india import gst
from backstitch.inventory.orders.queries import PAISA, Order, OrderLine


@dataclass(frozen=True)
class GridRow:
    """A colour of a product at a price and a GST rate, with its quantity per size."""

    color: str
    colour_code: str
    unit_price: Decimal
    gst_rate: Decimal | None
    quantities: dict[str, int]

    @property
    def pieces(self) -> int:
        """All sizes together."""
        return sum(self.quantities.values())

    @property
    def value(self) -> Decimal:
        """All sizes at the price, without GST."""
        return self.pieces * self.unit_price


@dataclass(frozen=True)
class Grid:
    """What an order has of one product; `sizes` in the product's order."""

    product_id: int
    sku: str
    product: str
    hsn_code: str
    sizes: tuple[str, ...]
    rows: tuple[GridRow, ...]

    @property
    def pieces(self) -> int:
        """All rows together."""
        return sum(row.pieces for row in self.rows)

    @property
    def value(self) -> Decimal:
        """All rows together, without GST."""
        return sum((row.value for row in self.rows), Decimal(0))


@dataclass(frozen=True)
class Tax:
    """A tax at a rate in percent, on a taxable value."""

    name: str
    rate: Decimal
    taxable: Decimal
    amount: Decimal


def grids(lines: Iterable[OrderLine], *, sizes: Mapping[int, Sequence[str]]) -> list[Grid]:
    """The lines by product and colour, both in the order of their entry; `sizes` are those of each product."""
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
    # A size that the product has no more is still in the order.
    every = tuple(dict.fromkeys([*sizes, *(line.size for line in lines)]))
    return Grid(first.product_id, first.sku, first.product, first.hsn_code, every, tuple(rows.values()))


def taxes(order: Order, *, company_gstin: str) -> list[Tax]:
    """The GST of an order by rate: CGST and SGST within the company's state, IGST to another one.

    Plain GST where a GSTIN, and so the state, is not known. Together they are the order's GST, to the paisa.
    """
    known: dict[Decimal, list[OrderLine]] = {}
    for line in order.lines:
        if line.gst_rate:
            known.setdefault(line.gst_rate, []).append(line)
    found = []
    for rate, lines in sorted(known.items()):
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
