"""The order sheet as another program reads it: values, number formats, print setup, and the taxes on it."""

import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from PIL import Image

from backstitch.company import Company
from backstitch.india.gst import check_digit
from backstitch.inventory.orders import grid as order_grid
from backstitch.inventory.orders import sheet as order_sheet
from backstitch.inventory.orders.queries import Order, OrderLine, OrderSummary
from backstitch.inventory.parties.queries import Agency, Customer

MUMBAI, PUNE, BENGALURU = (
    first + check_digit(first) for first in ("27AAPFU0939F1Z", "27AAPFA0939F1Z", "29AAPFU0939F1Z")
)
COMPANY = Company("Aarna & Co", "Plot 12\nMumbai", MUMBAI)
SIZES = {1: ("S", "M", "L"), 2: ("FREE",)}


def line(id: int, product_id: int, color: str, size: str, quantity: int, price: str, rate: str | None) -> OrderLine:
    sku = {1: "KT-104", 2: "=SR&702"}[product_id]
    return OrderLine(
        id,
        product_id,
        sku,
        sku,
        "0062",
        color,
        color.upper(),
        size,
        quantity,
        Decimal(price),
        None if rate is None else Decimal(rate),
    )


LINES = (
    line(1, 1, "Red", "S", 3, "899.00", "5.00"),
    line(2, 1, "Red", "L", 1200, "899.00", "5.00"),
    line(3, 1, '=HYPERLINK("x")', "M", 1, "0.30", "5.00"),
    line(4, 2, "<r>Gold</r>", "FREE", 2, "1000.00", None),
)


def order(*, gstin: str = PUNE, lines: tuple[OrderLine, ...] = LINES, number: int | None = 12) -> Order:
    customer = Customer(1, "+Mehta & Sons", gstin, "9820012345", "14, Linking Road", "400050", 30, "West", True, "1")
    agency = Agency(1, "@Kapoor", "9876543210", "", 0, "", "", "", "", True, "1")
    value, tax = sum((one.value for one in lines), Decimal(0)), sum((one.gst for one in lines), Decimal(0))
    status = "draft" if number is None else "confirmed"
    summary = OrderSummary(
        7,
        number,
        "2026-27",
        None,
        date(2026, 11, 2),
        1,
        customer.store_name,
        1,
        agency.agency_name,
        status,
        sum(one.quantity for one in lines),
        value,
        tax,
        "-urgent",
        "x",
    )
    return Order(summary, customer, agency, lines)


def read(made: Order, company: Company = COMPANY) -> Worksheet:
    content = order_sheet.workbook(made, sizes=SIZES, company=company, currency="₹")
    (sheet,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    return sheet


def rows(sheet: Worksheet) -> list[list[Any]]:
    found = ([cell.value for cell in row if cell.value is not None] for row in sheet.iter_rows())
    return [row for row in found if row]


def test_the_sheet_has_the_company_the_parties_a_grid_per_product_and_the_totals() -> None:
    sheet = read(order())
    assert rows(sheet) == [
        ["Aarna & Co"],
        ["Plot 12"],
        ["Mumbai"],
        [f"GSTIN {MUMBAI}"],
        ["Order 2026-27/12"],
        ["To", "+Mehta & Sons", "Date", sheet["J6"].value],
        ["GSTIN", PUNE, "Financial year", "2026-27"],
        ["Phone", "9820012345", "Status", "Confirmed"],
        ["Address", "14, Linking Road 400050", "Payment, days", "30"],
        ["Agency", "@Kapoor"],
        ["Phone", "9876543210"],
        ["Note", "-urgent"],
        ["KT-104", "HSN", "0062"],
        ["Colour", "S", "M", "L", "Pieces", "Price (₹)", "GST %", "Value (₹)"],
        ["Red", 3, 1200, 1203, 899, 5, 1081497],
        ['=HYPERLINK("x")', 1, 1, 0.3, 5, 0.3],
        ["Total", 3, 1, 1200, 1204, 1081497.3],
        ["=SR&702", "HSN", "0062"],
        ["Colour", "FREE", "Pieces", "Price (₹)", "GST %", "Value (₹)"],
        ["<r>Gold</r> ", 2, 2, 1000, 2000],
        ["Total", 2, 2, 2000],
        ["Pieces", 1206],
        ["Value (₹)", 1083497.3],
        ["CGST 2.5 % on 1,081,497.30", 27037.44],
        ["SGST 2.5 % on 1,081,497.30", 27037.43],
        ["Total (₹)", 1137572.17],
        ["No GST rate is known for 2 pieces; the total has no GST on them."],
    ]
    assert sheet["J6"].value.date() == date(2026, 11, 2) and sheet["J6"].number_format == "dd mmm yyyy"
    texts = [cell for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert {cell.data_type for cell in texts} == {"s"}  # none is a formula
    (red,) = (row for row in sheet.iter_rows() if row[0].value == "Red")
    assert [(cell.value, cell.number_format) for cell in red if isinstance(cell.value, int | float)] == [
        (3, "#,##0"),
        (1200, "#,##0"),
        (1203, "#,##0"),
        (899, "#,##0.00"),
        (5, "General"),
        (1081497, "#,##0.00"),
    ]


def test_the_sheet_prints_on_a4_one_page_wide_with_its_pages_numbered() -> None:
    sheet = read(order())
    assert (sheet.page_setup.paperSize, sheet.page_setup.orientation) == (9, "portrait")
    assert sheet.sheet_properties.pageSetUpPr.fitToPage is True
    assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.print_area == f"'Order'!$A$1:$K${sheet.max_row}"
    assert (sheet.page_margins.left, sheet.page_margins.right) == (0.5, 0.5)
    assert sheet.oddFooter.left.text == "Order 2026-27/12 · +Mehta && Sons"
    assert sheet.oddFooter.right.text == "Page &P of &N"


def test_a_draft_without_a_company_has_the_logo_alone_above_its_title(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    Image.new("RGB", (300, 100), "red").save(logo)
    sheet = read(order(number=None), Company(logo=logo))
    assert rows(sheet)[0] == ["Draft 7"] and order_sheet.file_name(order(number=None)) == "order_draft_7.xlsx"
    (picture,) = sheet._images
    below = sum(sheet.row_dimensions[row].height or 15 for row in range(1, 6)) * 96 / 72  # pixels
    assert picture.anchor._from.row == 0 and picture.anchor.to.row < 6 and below > order_sheet.LOGO_HEIGHT
    logo.unlink()
    assert rows(read(order(number=None), Company(logo=logo)))[0] == ["Draft 7"]
    assert order_sheet.file_name(order()) == "order_2026-27_12.xlsx"


def test_the_sheet_of_a_product_in_many_sizes_has_the_ordered_sizes() -> None:
    many = {1: tuple(str(size) for size in range(20, 60)), 2: ("FREE",)}
    made = order(lines=(line(1, 1, "Red", "34", 3, "1.00", None), line(2, 1, "Red", "22", 4, "1.00", None)))
    content = order_sheet.workbook(made, sizes=many, company=COMPANY, currency="₹")
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    assert ["Colour", "22", "34", "Pieces", "Price (₹)", "GST %", "Value (₹)"] in rows(sheet)


@pytest.mark.parametrize(
    ("company", "customer", "names"),
    [
        (MUMBAI, PUNE, [("CGST", "27037.44"), ("SGST", "27037.43")]),
        (MUMBAI, BENGALURU, [("IGST", "54074.87")]),
        (MUMBAI, "", [("GST", "54074.87")]),
        ("", PUNE, [("GST", "54074.87")]),
    ],
    ids=["same state", "another state", "customer without GSTIN", "company without GSTIN"],
)
def test_the_state_decides_which_gst_it_is(company: str, customer: str, names: list[tuple[str, str]]) -> None:
    made = order(gstin=customer)
    taxes = order_grid.taxes(made, company_gstin=company)
    assert [(tax.name, str(tax.amount)) for tax in taxes] == names
    assert sum(tax.amount for tax in taxes) == made.summary.gst
