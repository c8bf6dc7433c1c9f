"""200 payloads in every text of every file that a person takes away: inert in spreadsheets, and nothing lost.

The export of the audit report, with payloads that went through the database, is in tests/db/audit/test_export.py.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from backstitch.audit import chart_file
from backstitch.audit.excel_file import ExcelFile
from backstitch.company import Company
from backstitch.files.csv_out import unescape_formula
from backstitch.files.excel_cells import fit_cell
from backstitch.inventory.orders import sheet as order_sheet
from backstitch.inventory.orders.queries import Order, OrderLine, OrderSummary
from backstitch.inventory.parties.queries import Agency, Customer
from backstitch.inventory.paste import template as paste_template
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.stock import low_file as low_stock_file
from backstitch.inventory.stock.reports import LowCell
from backstitch.inventory.stock_list import rejects_file
from backstitch.inventory.stock_list.reader import Reject, read_stock_list
from bench.campaigns import payloads

ROOT = Path(__file__).resolve().parents[3]
DAY = date(2026, 11, 2)
# The last is markup to the library that writes workbooks.
TEXTS = [*(text for text in payloads.fixed() if text), "<r>&</r>"]


def csv_rows(content: bytes) -> list[list[str]]:
    """The rows under the header as they were before the file; fails for a text that would run as a formula."""
    assert content.startswith(b"\xef\xbb\xbf")
    _, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    for row in rows:
        assert not [text for text in row if text.startswith(tuple("=+-@\t\r\n＝＋－＠"))]
    return [[unescape_formula(text) for text in row] for row in rows]


def excel_texts(content: bytes) -> list[str]:
    """The texts of all sheets; fails for a formula, a link, a part that is no XML, or one that leads outside."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
            assert "external" not in name.lower() and b'TargetMode="External"' not in archive.read(name)
    cells = [cell for sheet in openpyxl.load_workbook(io.BytesIO(content)) for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n", "d"}
    assert not [cell for cell in cells if cell.hyperlink]
    return [unescape(cell.value) for cell in cells if isinstance(cell.value, str)]


def order(texts: Iterator[str], lines: tuple[OrderLine, ...]) -> Order:
    """An order with the next of `texts` wherever somebody could have typed one."""
    # The store is in the footer, too, where an ampersand is a code.
    customer = Customer(1, f"&P&{next(texts)}", next(texts), next(texts), next(texts), next(texts), 30, "", True, "1")
    agency = Agency(1, next(texts), next(texts), "", 0, next(texts), "", "", "", True, "1")
    summary = OrderSummary(
        7,
        12,
        "2026-27",
        None,
        DAY,
        1,
        customer.store_name,
        1,
        agency.agency_name,
        "confirmed",
        1,
        Decimal(1),
        Decimal(0),
        next(texts),
        "x",
    )
    return Order(summary, customer, agency, lines)


def line(id: int, text: str) -> OrderLine:
    return OrderLine(id, id, text, f"{text}.", text, text, text, text, 1, Decimal(1), None)


def test_the_low_stock_list() -> None:
    low = [LowCell(id, text, text, text, text, text, 0, 3, 12, 15) for id, text in enumerate(TEXTS)]
    assert csv_rows(low_stock_file.as_csv(low)) == [[str(value) for value in astuple(cell)[1:]] for cell in low]


def test_the_figures_of_the_charts() -> None:
    rows: list[list[object]] = [["Records by user", "", "", text, text, text, "", "", 3] for text in TEXTS]
    assert csv_rows(chart_file.as_csv(rows)) == [[str(value) for value in row] for row in rows]


def test_the_rejects_of_an_import_which_can_be_imported_once_they_are_put_right(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    rejects = [Reject(number, (text, text), (text, text)) for number, text in enumerate(TEXTS)]
    rejects_file.write(path, header=("=Size", "Color"), rejects=rejects)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfRow,Reason,'=Size,Color\r\n")
    assert csv_rows(path.read_bytes()) == [[str(row), f"{text} {text}", text, text] for row, text in enumerate(TEXTS)]
    header = ("SKU Code", "Design No.", "Stock", "Category", "Size", "Color")
    rejects_file.write(path, header=header, rejects=[Reject(2, ("",), ("A1", "'7", "+5", "home", "M", "O'Red"))])
    (row,) = read_stock_list(path).rows
    assert (row.sku_code, row.design, row.stock, row.category, row.size, row.color) == (
        "A1",
        "7",
        5,
        "Home",
        "M",
        "O'red",
    )


def test_the_lines_of_an_order_sheet() -> None:
    lines = tuple(line(id, text) for id, text in enumerate(TEXTS))
    content = order_sheet.workbook(
        order(iter(["x"] * 20), lines),
        sizes={line.product_id: (line.size,) for line in lines},
        company=Company(),
        currency="₹",
    )
    found = excel_texts(content)
    for text in map(fit_cell, TEXTS):
        assert found.count(text) >= 3  # HSN code, size, colour
    assert set(found) >= {fit_cell(f"{text} · {text}.") for text in TEXTS}


def test_the_parties_and_the_company_of_an_order_sheet() -> None:
    # Twelve texts go on each sheet, of which two make the address.
    for first in range(0, len(TEXTS), 12):
        mine = [*TEXTS, *TEXTS][first : first + 12]
        texts = iter(mine)
        company = Company(next(texts), next(texts), next(texts))
        made = order(texts, (line(1, "x"),))
        content = order_sheet.workbook(made, sizes={1: ("x",)}, company=company, currency="=₹")
        found = excel_texts(content)
        assert set(found) >= {
            fit_cell(text) for text in (*mine[4:6], *mine[8:12], mine[0], f"&P&{mine[3]}", f"GSTIN {mine[2]}")
        }
        assert fit_cell(f"{mine[6]} {mine[7]}") in found and "Price (=₹)" in found
        assert footer_codes(content) == ["&L", "&R", "&P", "&N"]
        heights = openpyxl.load_workbook(io.BytesIO(content)).active.row_dimensions.values()
        assert all((row.height or 0) <= order_sheet.TALLEST for row in heights)


def footer_codes(content: bytes) -> list[str]:
    """What Excel would take for codes in the footer."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    (text,) = (element.text or "" for element in sheet.iter() if element.tag.endswith("}oddFooter"))
    return re.findall("&.", text.replace("&&", ""))


def test_the_template_of_a_product_with_odd_sizes() -> None:
    sizes = [*payloads.FORMULAS, TEXTS[-1]]
    content = paste_template.workbook(Kind.INWARD, today=DAY, sizes=sizes)
    assert set(excel_texts(content)) >= set(map(fit_cell, sizes))
    assert re.fullmatch(r"[\w.-]+", paste_template.name(Kind.INWARD, '=1+1\r\n"; ../x'), re.ASCII)


def test_the_workbook_of_the_audit_report(tmp_path: Path) -> None:
    file = io.BytesIO()
    book = ExcelFile(["=A", "B"], file, folder=str(tmp_path))
    book.write([(text, text) for text in TEXTS])
    book.about([("Text", text) for text in TEXTS])
    book.close()
    found = excel_texts(file.getvalue())
    for text in map(fit_cell, TEXTS):
        assert found.count(text) >= 3
    assert "=A" in found


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        (
            r"csv\.writer\(|CsvFile\(|ExcelFile\(|xlsxwriter\.Workbook\(|\.to_(csv|excel)\(",
            {
                *("backstitch/audit/chart_file.py", "backstitch/audit/excel_file.py", "backstitch/audit/export.py"),
                *("backstitch/files/csv_out.py", "backstitch/inventory/orders/sheet.py"),
                *("backstitch/inventory/paste/template.py", "backstitch/inventory/stock/low_file.py"),
                "backstitch/inventory/stock_list/rejects_file.py",
            },
        ),
        # Each is on the record but the template, in which there is nothing of the business but the sizes of a product.
        (
            r"\.(download|link)_button\(",
            {
                *("pages/paste.py", "ui/audit/charts.py", "ui/orders/view.py", "ui/server/downloads.py"),
                "ui/stock/low_list.py",
            },
        ),
    ],
)
def test_no_file_is_made_or_offered_elsewhere(pattern: str, known: set[str]) -> None:
    files = (file for folder in ("backstitch", "ui", "pages") for file in (ROOT / folder).rglob("*.py"))
    found = {
        file.relative_to(ROOT).as_posix() for file in files if re.search(pattern, file.read_text(encoding="utf-8"))
    }
    assert found == known
