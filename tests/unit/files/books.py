"""Workbooks for the tests: the same rows as .xlsx, .xls and .ods, and broken or protected files."""

import io
import zipfile
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape, quoteattr

import xlsxwriter
import xlwt
from xlwt.CompoundDoc import XlsDoc

Value = str | float | bool | None
Row = Sequence[tuple[Value, str] | Value]  # a value, or one with its number format


def xlsx(*rows: Row, draw: Callable[[xlsxwriter.Workbook, object], object] | None = None) -> bytes:
    """A workbook with a sheet of these rows; `draw` does more to the workbook and its sheet."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("Goods")
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                value, code = cell if isinstance(cell, tuple) else (cell, "General")
                sheet.write(at, column, value, book.add_format({"num_format": code}))
        if draw:
            draw(book, sheet)
    return file.getvalue()


def xls(*rows: Row, draw: Callable[[xlwt.Workbook, xlwt.Worksheet], object] | None = None) -> bytes:
    """The same as an old workbook."""
    book = xls_book(*rows)
    if draw:
        draw(book, book.get_sheet(0))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def xls_book(*rows: Row) -> xlwt.Workbook:
    """An old workbook that is not saved yet."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Goods")
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            value, code = cell if isinstance(cell, tuple) else (cell, "General")
            if value is not None:
                sheet.write(at, column, value, xlwt.easyxf(num_format_str=code))
    return book


def protected_xls() -> bytes:
    """An old workbook with the record that says it is encrypted, behind the first one."""
    stream = xls_book(["a"]).get_biff_data()
    first = 4 + int.from_bytes(stream[2:4], "little")
    file = io.BytesIO()
    XlsDoc().save(file, stream[:first] + b"\x2f\x00\x06\x00" + bytes(6) + stream[first:])
    return file.getvalue()


def compound(stream: str) -> bytes:
    """A compound file with a stream of this name, as Word and protected workbooks have."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + stream.encode("utf-16-le") + bytes(512)


def archive(**parts: str | bytes) -> bytes:
    """A ZIP archive; in the name of a part `__` stands for a slash, and `_xml` for .xml."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in parts.items():
            made.writestr(name.replace("__", "/").replace("_xml", ".xml"), text)
    return file.getvalue()


ODS = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
    '<office:automatic-styles><style:style style:name="hidden" style:family="table">'
    '<style:table-properties table:display="false"/></style:style></office:automatic-styles>'
    "<office:body><office:spreadsheet>{}</office:spreadsheet></office:body></office:document-content>"
)
MANIFEST = (
    "<manifest:manifest xmlns:manifest='urn:oasis:names:tc:opendocument:xmlns:manifest:1.0'>{}</manifest:manifest>"
)


def ods(*sheets: str, manifest: str = "") -> bytes:
    """An OpenDocument workbook of sheets as XML, or of one sheet's rows."""
    tables = sheets if sheets and sheets[0].startswith("<table:table ") else [ods_sheet("Goods", *sheets)]
    return archive(
        mimetype="application/vnd.oasis.opendocument.spreadsheet",
        content_xml=ODS.format("".join(tables)),
        **{"META-INF__manifest_xml": MANIFEST.format(manifest)},
    )


def ods_sheet(name: str, *rows: str, style: str = "shown") -> str:
    """A sheet; its style `hidden` hides it."""
    return f'<table:table table:name={quoteattr(name)} table:style-name="{style}">{"".join(rows)}</table:table>'


def ods_row(*cells: str, **attributes: str) -> str:
    """A row; `cells` are XML or texts."""
    made = "".join(cell if cell.startswith("<table:") else ods_cell(cell) for cell in cells)
    return f"<table:table-row{_attributes(attributes)}>{made}</table:table-row>"


def ods_cell(shown: str, kind: str = "string", value: str = "", inside: str = "", **attributes: str) -> str:
    """A cell with its text and, behind it, the value that it stands for; `inside` is XML for the text."""
    office = {"float": "value", "percentage": "value", "currency": "value", "date": "date-value"}
    stored = f" office:{office[kind]}={quoteattr(value)}" if kind in office else ""
    text = f"<text:p>{inside or escape(shown)}</text:p>" if shown or inside else ""
    type_ = f' office:value-type="{kind}"' if kind else ""
    return f"<table:table-cell{type_}{stored}{_attributes(attributes)}>{text}</table:table-cell>"


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" table:{name.replace('_', '-')}={quoteattr(value)}" for name, value in attributes.items())
