"""Makes a template: a workbook with the headings of a kind and an example row, to fill in and paste from."""

import io
from collections.abc import Sequence
from datetime import date

import xlsxwriter

from backstitch.files.excel_cells import fit_cell
from backstitch.inventory.paste import columns
from backstitch.inventory.paste.columns import Kind

ROWS = 1000  # formatted as text, so that Excel keeps 0104 and 3-4 as they are typed
EXAMPLES = {
    "SKU": "KT-104",
    "Colour": "Navy Blue",
    "Colour Code": "NAVY-BLUE",
    "Size": "M",
    "Quantity": "12",
    "Category": "Supply",
    "Stakeholder": "Arvind Mills",
    "Store": "Bandra",
    "Agency": "",
    "Order": "1",
    "Customer": "Bandra",
    "Price": "899.00",
    "Note": "",
    "Name": "Straight cotton kurta",
    "HSN Code": "6204",
    "GST Rate": "5",
    "Sizes": "XS-XXL",
    "Colours": "Navy Blue:NV, Red:RD",
    "Reorder Level": "10",
    "Description": "",
}
NUMBERS = {"Quantity", "Price", "GST Rate", "Reorder Level"}


def workbook(kind: Kind, *, today: date, sizes: Sequence[str] = ()) -> bytes:
    """The template as .xlsx; `sizes` are those of the product chosen on the page and become columns."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(kind.capitalize())
    bold = book.add_format({"bold": True, "bottom": 1})
    as_text = book.add_format({"num_format": "@"})
    plain = book.add_format()
    headings = columns.template(kind, sizes=sizes)
    for column, heading in enumerate(headings):
        number = heading in NUMBERS or heading in sizes
        sheet.set_column(column, column, max(10, len(_example(kind, heading, today, sizes)) + 2))
        sheet.write_string(0, column, fit_cell(heading), bold)
        for row in range(1, ROWS + 1):
            sheet.write_blank(row, column, None, plain if number else as_text)
        example = _example(kind, heading, today, sizes)
        if number and example:
            sheet.write_number(1, column, float(example))
        else:
            sheet.write_string(1, column, example, as_text)
    sheet.freeze_panes(1, 0)
    book.close()
    return file.getvalue()


def _example(kind: Kind, heading: str, today: date, sizes: Sequence[str]) -> str:
    if heading == "Date":
        return f"{today:%d/%m/%Y}"
    if heading in sizes:
        return "12" if heading == sizes[0] else ""
    if kind is Kind.PRODUCTS and heading == "Category":
        return "Kurta"
    return EXAMPLES[heading]


def name(kind: Kind, sku: str = "") -> str:
    """The name of the template's file."""
    safe = "".join(character if character.isalnum() or character in "-_" else "-" for character in sku)
    return f"backstitch_{kind}{'_' + safe if safe else ''}_template.xlsx"
