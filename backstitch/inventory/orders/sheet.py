"""Exports an order as an Excel workbook that prints on A4; the export is on the record before the file is sent."""

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import xlsxwriter
from PIL import Image

from backstitch.company import Company
from backstitch.database import Actor, Database
from backstitch.files import export_record
from backstitch.files.excel_cells import fit_cell
from backstitch.inventory.orders import grid as order_grid
from backstitch.inventory.orders import queries
from backstitch.inventory.orders.grid import Grid
from backstitch.inventory.orders.queries import Order
from backstitch.inventory.products import queries as product_queries

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

A4 = 9
FEWEST_SIZES = 6  # columns, so that an address beside them has room
MOST_SIZES = 12  # columns; of a product with more, only those that were ordered
SIZES_WIDTH = 42  # characters, together, at least
NARROWEST = 6
LINE_HEIGHT = 15  # points
TALLEST = 409  # points, of a row that Excel opens
LOGO_HEIGHT = 56  # pixels
LOGO_WIDTH = 150
LONGEST_FOOTER_NAME = 60
GRAY = "#d9d9d9"
FORMATS: dict[str, dict[str, Any]] = {
    "company": {"bold": True, "font_size": 16},
    "title": {"bold": True, "font_size": 13, "bottom": 2, "valign": "vcenter"},
    "plain": {"text_wrap": True, "valign": "top"},
    "label": {"font_color": "#595959", "valign": "top"},
    "bold": {"bold": True, "text_wrap": True, "valign": "top"},
    "day": {"num_format": "dd mmm yyyy", "align": "left", "valign": "top"},
    "product": {"bold": True, "bg_color": "#f2f2f2", "border": 1, "border_color": GRAY},
    "heading": {"bold": True, "align": "right", "border": 1, "border_color": GRAY},
    "first_heading": {"bold": True, "border": 1, "border_color": GRAY},
    "cell": {"border": 1, "border_color": GRAY, "text_wrap": True},
    "quantity": {"num_format": "#,##0", "border": 1, "border_color": GRAY},
    "money": {"num_format": "#,##0.00", "border": 1, "border_color": GRAY},
    "rate": {"border": 1, "border_color": GRAY},
    "total": {"num_format": "#,##0", "bold": True, "border": 1, "border_color": GRAY, "top": 2},
    "total_money": {"num_format": "#,##0.00", "bold": True, "border": 1, "border_color": GRAY, "top": 2},
    "sum_label": {"align": "right"},
    "sum": {"num_format": "#,##0"},
    "sum_money": {"num_format": "#,##0.00"},
    "grand_label": {"align": "right", "bold": True, "font_size": 12, "top": 2},
    "grand": {"num_format": "#,##0.00", "bold": True, "font_size": 12, "top": 2},
}


Fact = tuple[str, Any, str]  # label, value and format of a line above the grids


@dataclass(frozen=True)
class OrderSheet:
    """A finished workbook."""

    file_name: str
    content: bytes


def export(database: Database, actor: Actor, *, order_id: int, company: Company, currency: str) -> OrderSheet:
    """Makes the sheet of an order and records the export. Raises Refused (`order_gone`) and SignedOut."""
    with database.read(actor) as connection:
        order = queries.order(connection, order_id=order_id)
        sizes = {
            id: product_queries.product(connection, product_id=id).sizes
            for id in {line.product_id for line in order.lines}
        }
    sheet = OrderSheet(file_name(order), workbook(order, sizes=sizes, company=company, currency=currency))
    details = {
        "file_name": sheet.file_name,
        "pieces": order.summary.pieces,
        "sha256": hashlib.sha256(sheet.content).hexdigest(),
        "bytes": len(sheet.content),
    }
    export_record.record(database, actor, operation="export order sheet", entity="Order", id=order_id, details=details)
    return sheet


def file_name(order: Order) -> str:
    """The name of the file: order_2026-27_12.xlsx; order_draft_7.xlsx while the order has no number."""
    return f"order_{order.summary.name.lower().replace('/', '_').replace(' ', '_')}.xlsx"


def workbook(order: Order, *, sizes: Mapping[int, Sequence[str]], company: Company, currency: str) -> bytes:
    """The workbook of an order; `sizes` maps product id to sizes, `currency` is the symbol of the prices."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        _Sheet(book, order, order_grid.grids(order.lines, sizes=sizes), company, currency).draw()
    return file.getvalue()


class _Sheet:
    """Draws one order from the top down; `self._row` is the next free row."""

    def __init__(
        self, book: xlsxwriter.Workbook, order: Order, grids: Sequence[Grid], company: Company, currency: str
    ) -> None:
        self._sheet = book.add_worksheet("Order")
        self._formats = {name: book.add_format(properties) for name, properties in FORMATS.items()}
        self._order, self._company, self._currency = order, company, currency
        self._grids = [(grid, _columns(grid)) for grid in grids]
        self._sizes = max([FEWEST_SIZES, *(len(columns) for _, columns in self._grids)])
        self._size_width = max(NARROWEST, SIZES_WIDTH // self._sizes)
        self._pieces = self._sizes + 1
        self._price, self._gst, self._value = self._pieces + 1, self._pieces + 2, self._pieces + 3
        self._row = 0

    def draw(self) -> None:
        """Draws the whole sheet."""
        self._set_up_page()
        self._head()
        self._parties()
        for grid, columns in self._grids:
            self._grid(grid, columns)
        self._totals()
        self._sheet.print_area(0, 0, self._row - 1, self._value)

    def _set_up_page(self) -> None:
        sheet = self._sheet
        sheet.set_paper(A4)
        sheet.set_portrait()
        sheet.fit_to_pages(1, 0)  # one page wide, as long as it takes
        sheet.set_margins(left=0.5, right=0.5, top=0.5, bottom=0.75)
        sheet.center_horizontally()
        sheet.hide_gridlines(2)
        # A single ampersand starts a code in a footer; two print one.
        name = f"{self._title()} · {self._order.customer.store_name[:LONGEST_FOOTER_NAME]}".replace("&", "&&")
        sheet.set_footer(f"&L{name}&RPage &P of &N")
        for first, last, width in (
            (0, 0, 18),
            (1, self._sizes, self._size_width),
            (self._pieces, self._pieces, 8),
            (self._price, self._price, 11),
            (self._gst, self._gst, 7),
            (self._value, self._value, 14),
        ):
            sheet.set_column(first, last, width)

    def _title(self) -> str:
        summary = self._order.summary
        return summary.name if summary.order_number is None else f"Order {summary.name}"

    def _head(self) -> None:
        company = self._company
        top = self._row
        lines = [*company.address.splitlines(), *([f"GSTIN {company.gstin}"] if company.gstin else [])]
        if company.name:
            self._put(0, self._sizes, company.name, "company", height=24)
        for line in lines:
            self._put(0, self._sizes, line, "plain")
        if company.logo and company.logo.is_file():
            # The logo stands beside the name and must not cover the title.
            self._row = max(self._row, top + math.ceil(LOGO_HEIGHT * 0.75 / LINE_HEIGHT) + 1)
            self._logo(top, company.logo.read_bytes())
        self._put(0, self._value, self._title(), "title", height=24)

    def _logo(self, row: int, picture: bytes) -> None:
        with Image.open(io.BytesIO(picture)) as image:
            width, height = image.size
        scale = min(LOGO_HEIGHT / height, LOGO_WIDTH / width)
        options = {"image_data": io.BytesIO(picture), "x_scale": scale, "y_scale": scale, "object_position": 2}
        self._sheet.insert_image(row, self._pieces, "logo", options)

    def _parties(self) -> None:
        """Writes customer and agency on the left, the fields of the order on the right."""
        left, right = ([fact for fact in facts if fact[1]] for facts in (self._party_facts(), self._order_facts()))
        top = self._row
        for row, (label, value, style) in enumerate(left, start=top):
            self._write(row, 0, 0, label, "label")
            self._write(row, 1, self._sizes, value, style)
            wrapped = sum(
                math.ceil(max(len(line), 1) / (self._sizes * self._size_width)) for line in value.splitlines()
            )
            self._sheet.set_row(row, min(LINE_HEIGHT * wrapped, TALLEST))
        for row, (label, value, style) in enumerate(right, start=top):
            self._write(row, self._pieces, self._price, label, "label")
            self._write(row, self._gst, self._value, value, style)
        self._row = top + max(len(left), len(right)) + 1

    def _party_facts(self) -> list[Fact]:
        customer, agency = self._order.customer, self._order.agency
        facts: list[Fact] = [
            ("To", customer.store_name, "bold"),
            ("GSTIN", customer.gst_number, "plain"),
            ("Phone", customer.phone, "plain"),
            ("Address", " ".join(filter(None, (customer.address, customer.pincode))), "plain"),
        ]
        if agency:
            facts += [
                ("Agency", agency.agency_name, "bold"),
                ("GSTIN", agency.gst_number, "plain"),
                ("Phone", agency.owner_mobile, "plain"),
            ]
        return [*facts, ("Note", self._order.summary.note, "plain")]

    def _order_facts(self) -> list[Fact]:
        summary, customer = self._order.summary, self._order.customer
        return [
            ("Date", summary.date, "day"),
            ("Financial year", summary.financial_year, "plain"),
            ("Status", summary.status.capitalize(), "plain"),
            ("Dispatched", summary.dispatch_date, "day"),
            ("Payment, days", str(customer.payment_days or ""), "plain"),
        ]

    def _grid_title(self, grid: Grid) -> None:
        title = grid.sku if grid.sku == grid.product else f"{grid.sku} · {grid.product}"
        self._write(self._row, 0, self._sizes, title, "product")
        self._write(self._row, self._pieces, self._pieces, "HSN" if grid.hsn_code else "", "product")
        self._write(self._row, self._price, self._value, grid.hsn_code, "product")
        self._row += 1

    def _grid(self, grid: Grid, columns: Sequence[str]) -> None:
        self._grid_title(grid)
        headings = [*columns, *[""] * (self._sizes - len(columns)), "Pieces", f"Price ({self._currency})", "GST %"]
        self._line(["Colour", *headings, f"Value ({self._currency})"], ["first_heading", *["heading"] * (self._value)])
        for row in grid.rows:
            self._line(
                [
                    row.color,
                    *self._across(row.quantities, columns),
                    row.pieces,
                    row.unit_price,
                    row.gst_rate,
                    row.value,
                ],
                ["cell", *["quantity"] * (self._sizes + 1), "money", "rate", "money"],
            )
        totals = {size: sum(row.quantities.get(size, 0) for row in grid.rows) for size in columns}
        self._line(
            ["Total", *self._across(totals, columns), grid.pieces, None, None, grid.value],
            [*["total"] * (self._sizes + 4), "total_money"],
        )
        self._sheet.set_row(self._row, LINE_HEIGHT / 2)
        self._row += 1

    def _across(self, quantities: Mapping[str, int], columns: Sequence[str]) -> list[int | None]:
        return [quantities.get(size) or None for size in columns] + [None] * (self._sizes - len(columns))

    def _line(self, values: Sequence[Any], styles: Sequence[str]) -> None:
        """Writes a row of cells, one style per cell; None leaves a cell empty."""
        for column, (value, style) in enumerate(zip(values, styles, strict=True)):
            self._write(self._row, column, column, value, style)
        self._row += 1

    def _totals(self) -> None:
        summary = self._order.summary
        self._sum("Pieces", summary.pieces, "sum")
        self._sum(f"Value ({self._currency})", summary.value, "sum_money")
        for tax in order_grid.taxes(self._order, company_gstin=self._company.gstin):
            self._sum(f"{tax.name} {percent(tax.rate)} % on {tax.taxable:,.2f}", tax.amount, "sum_money")
        self._sum(f"Total ({self._currency})", summary.total, "grand")
        without = sum(line.quantity for line in self._order.lines if line.gst_rate is None)
        if without:
            self._put(
                0, self._value, f"No GST rate is known for {without:,} pieces; the total has no GST on them.", "plain"
            )

    def _sum(self, label: str, amount: Any, style: str) -> None:
        self._write(self._row, 1, self._gst, label, "grand_label" if style == "grand" else "sum_label")
        self._write(self._row, self._value, self._value, amount, style)
        self._row += 1

    def _put(self, first: int, last: int, value: str, style: str, *, height: float = LINE_HEIGHT) -> None:
        self._write(self._row, first, last, value, style)
        self._sheet.set_row(self._row, height)
        self._row += 1

    def _write(self, row: int, first: int, last: int, value: Any, style: str) -> None:
        """Writes a value into the columns from `first` to `last`, merged."""
        format, sheet = self._formats[style], self._sheet
        if last > first:
            sheet.merge_range(row, first, row, last, "", format)
        match value:
            case None | "":
                sheet.write_blank(row, first, None, format)
            case str():
                sheet.write_string(row, first, fit_cell(value), format)
            case int() | Decimal():
                sheet.write_number(row, first, value, format)
            case _:
                sheet.write_datetime(row, first, value, format)


def _columns(grid: Grid) -> tuple[str, ...]:
    if len(grid.sizes) <= MOST_SIZES:
        return grid.sizes
    ordered = {size for row in grid.rows for size in row.quantities}
    return tuple(size for size in grid.sizes if size in ordered)


def percent(rate: Decimal) -> str:
    """A rate without trailing zeroes: 2.50 -> `2.5`, 10.00 -> `10`."""
    return f"{rate.normalize():f}"
