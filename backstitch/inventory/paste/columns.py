"""The kinds of records that can be pasted, and the columns of each with the headings that sellers give them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from backstitch import lengths
from backstitch.files.csv_in import heading_key
from backstitch.inventory import values
from backstitch.inventory.values import DateOrder


class Kind(StrEnum):
    """Kinds of records that can be pasted."""

    INWARD = "inward"
    SALES = "sales"
    ORDERS = "orders"
    PRODUCTS = "products"


@dataclass(frozen=True)
class Column:
    """A column of a kind: its heading in the template, and all its spellings as `heading_key` returns them.

    `weaker` are headings that mean it only where no other column does. A column that `is_name` holds names, so 0 or
    TRUE in it is refused.
    """

    heading: str
    spellings: frozenset[str]
    weaker: frozenset[str] = frozenset()
    longest: int = lengths.NAME
    required: bool = False
    is_name: bool = False


@dataclass(frozen=True)
class Problem:
    """A problem of a cell, as a sentence; `row` is the spreadsheet's row number, None for the whole sheet.

    A problem that does not block is a warning; the sentence says whether the value is written or left out.
    """

    row: int | None
    column: str
    value: str
    sentence: str
    blocks: bool = True


def sheet_problem(heading: str, sentence: str, *, blocks: bool = True) -> Problem:
    """A problem of a column, or with '' of the whole sheet."""
    return Problem(None, values.quote(heading), "", sentence, blocks)


def _column(
    heading: str,
    *spellings: str,
    weaker: Sequence[str] = (),
    longest: int = lengths.NAME,
    required: bool = False,
    is_name: bool = False,
) -> Column:
    return Column(
        heading,
        frozenset(map(heading_key, (heading, *spellings))),
        frozenset(map(heading_key, weaker)),
        longest,
        required,
        is_name,
    )


# Headings of Tally, Shopify, Amazon, Flipkart, Myntra, Unicommerce and of sheets that people make by hand.
_DATE = _column(
    "Date", "day", "dt", "dated", "entry date", "bill date", "bill dt", "inv date", "inv dt", "invoice dt", "sale dt",
    "order dt", "vch dt", "doc date", "posting date", "invoice date", "order date", "sale date", "sales date",
    "date of sale", "purchase date", "voucher date", "vch date", "transaction date", "challan date", "dispatch date",
    "dispatched on", "received date", "receipt date", "inward date", "grn date", "po date", "ordered on",
    "order created date", "created at", "packed on", required=True,
)  # fmt: skip
_SKU_CODES = (
    "sku code", "sku id", "sku no", "sku number", "seller sku", "seller sku code", "seller sku id", "item sku",
    "item sku code", "product sku", "variant sku", "lineitem sku", "merchant sku", "product", "product code", "style",
    "style no", "style number", "style code", "design", "design no", "design number", "design code", "item",
    "item code", "item no", "article", "article no", "article number", "article code", "art no", "model no",
)  # fmt: skip
_SKU = _column(
    "SKU", *_SKU_CODES, required=True, is_name=True,
    weaker=("product name", "item name", "name of item", "stock item", "style name", "lineitem name"),
)  # fmt: skip
_CELL = {
    "color": _column(
        "Colour", "colour name", "shade", "shade name", "clr", "item type color", "item color", "variant color",
        longest=lengths.COLOUR, is_name=True,
    ),
    "colour_code": _column(
        "Colour Code", "code", "shade code", "shade no", "col code", longest=lengths.COLOUR_CODE, is_name=True
    ),
    "size": _column(
        "Size", "size name", "item type size", "item size", "variant size", longest=lengths.SIZE, is_name=True
    ),
    "quantity": _column(
        "Quantity", "qty", "pcs", "pieces", "nos", "units", "count", "quantity purchased", "quantity ordered",
        "quantity shipped", "qty sold", "sold qty", "sale qty", "order qty", "ordered qty", "received qty",
        "inward qty", "billed quantity", "billed qty", "actual quantity", "lineitem quantity", "item quantity",
        "no of pcs", "no of pieces",
    ),
}  # fmt: skip
_AGENCY = _column("Agency", "agent", "agency name", "agent name", "broker", "broker name", "sales agent", is_name=True)
_TALLY_PARTY = ("particulars", "party a/c name", "party ledger", "name of party", "ledger name", "account name")
COLUMNS: dict[Kind, dict[str, Column]] = {
    Kind.INWARD: {
        "date": _DATE,
        "sku": _SKU,
        **_CELL,
        "category": _column("Category", "type", "inward type"),
        "party": _column(
            "Stakeholder", "stakeholder name", "party", "party name", "supplier", "supplier name", "vendor",
            "vendor name", "received from", "purchased from", "from", "mill", "mill name", "consignor", *_TALLY_PARTY,
            required=True, is_name=True,
        ),
    },
    Kind.SALES: {
        "date": _DATE,
        "sku": _SKU,
        **_CELL,
        "party": _column(
            "Store", "store name", "shop", "shop name", "outlet", "outlet name", "branch", "party", "party name",
            "sold to", "buyer", "buyer name", "customer", "customer name", "channel", "channel name", "sales channel",
            "marketplace", "consignee", "billing name", *_TALLY_PARTY, required=True, is_name=True,
        ),
        "agency": _AGENCY,
    },
    Kind.ORDERS: {
        "order": _column(
            "Order", "order no", "order number", "order ref", "order id", "amazon order id", "seller order id",
            "sales order", "sale order code", "so no", "po", "po no", "po number", "reference", longest=60,
        ),
        "date": _DATE,
        "party": _column(
            "Customer", "customer name", "party", "party name", "buyer", "buyer name", "client", "client name",
            "retailer", "store", "store name", "stakeholder", "billing name", "consignee", *_TALLY_PARTY,
            required=True, is_name=True,
        ),
        "agency": _AGENCY,
        "sku": _SKU,
        **_CELL,
        "price": _column(
            "Price", "unit price", "rate", "price per piece", "rate per pc", "rate/pc", "selling price", "sale price",
            "lineitem price", "wholesale price", "wsp", "basic rate",
        ),
        "note": _column("Note", "remarks", "remark", "notes", "narration", "comments", longest=lengths.ORDER_NOTE),
    },
    Kind.PRODUCTS: {
        "sku": _column("SKU", *_SKU_CODES, required=True, is_name=True),
        "name": _column(
            "Name", "product name", "item name", "name of item", "stock item", "style name", "title", "product title",
            "item type name", is_name=True,
        ),
        "category": _column(
            "Category", "product category", "item category", "type", "product type", "article type", "stock group",
            longest=lengths.CATEGORY, is_name=True,
        ),
        "unit_price": _column(
            "Price", "unit price", "mrp", "rate", "selling price", "sale price", "list price", "retail price",
            "wholesale price", "wsp", "variant price",
        ),
        "hsn_code": _column("HSN Code", "hsn", "hsn sac", "hsn sac code", "hsn no"),
        "gst_rate": _column(
            "GST Rate", "gst", "gst percent", "gst percentage", "gst slab", "gst rate percent", "igst rate", "tax",
            "tax rate", "tax percent",
        ),
        "sizes": _column("Sizes", "size", "size set", "size range", "available sizes", longest=400),
        "colours": _column(
            "Colours", "colour", "color", "colors", "colour name", "shade", "shades", "available colours", longest=4000
        ),
        "reorder_level": _column(
            "Reorder Level", "reorder", "reorder point", "min stock", "minimum stock", "min qty", "low stock level"
        ),
        "description": _column(
            "Description", "details", "product description", "item description", longest=lengths.DESCRIPTION
        ),
    },
}  # fmt: skip
# Common columns of the trade's sheets that Backstitch does not need, though they hold numbers.
IGNORED_COLUMNS = frozenset(
    map(
        heading_key,
        (
            "Total", "Grand Total", "Total Qty", "Total Pcs", "Total Quantity", "S No", "Sr No", "Sl No", "No",
            "Serial No", "Row", "Amount", "Net Amount", "Gross Amount", "Value", "Gross Value", "Line Total", "Image",
            "Taxable Value", "Taxable Amount", "CGST", "SGST", "IGST", "Discount", "Round Off", "Debit", "Credit",
            "Balance", "Invoice No", "Invoice Number", "Bill No", "Vch No", "Voucher No", "Voucher Number",
            "Challan No", "LR No", "AWB No", "Phone", "Mobile", "Mobile No", "Pincode", "Pin Code", "GSTIN", "GST No",
            "GST Number", "Barcode", "EAN", "Order Item ID", "MRP", "HSN", "HSN Code", "HSN/SAC", "Rate", "Price",
            "Unit Price", "Selling Price", "Item Price", "GST", "GST Rate",
        ),
    )
)  # fmt: skip
BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
SYMBOLS = re.compile(r"[₹₨$€£¥%]")
# What may stand in brackets behind a heading, or as a sign, without making another column of it.
PIECES = frozenset({"pc", "pcs", "piece", "pieces", "no", "nos"})
RUPEES = frozenset({"inr", "rs", "₹", "₨", "rupees"})
UNITS = {
    "quantity": PIECES,
    "reorder_level": PIECES,
    "price": RUPEES,
    "unit_price": RUPEES,
    "gst_rate": frozenset({"%", "percent"}),
}
_DAY, _MONTH, _YEAR = "d{1,2}", "m{1,3}", "(?:y{4}|y{2})"
_MARK = "[/. -]"
DATE_FORMS = re.compile(
    rf"[(\[]\s*(?:(?P<day>{_DAY}{_MARK}?{_MONTH}(?:{_MARK}?{_YEAR})?)|(?P<month>{_MONTH}{_MARK}?{_DAY}(?:{_MARK}?{_YEAR})?)"
    rf"|{_YEAR}{_MARK}?{_MONTH}{_MARK}?{_DAY})\s*[)\]]"
    rf"|\b(?:(?P<bare_day>{_DAY}{_MARK}{_MONTH})|(?P<bare_month>{_MONTH}{_MARK}{_DAY}))(?:{_MARK}{_YEAR})?\s*$",
    re.IGNORECASE,
)


def template(kind: Kind, *, sizes: Sequence[str] = ()) -> list[str]:
    """The headings of the template: with `sizes`, a column per size and no SKU; without, a row per size."""
    headings: list[str] = []
    for name, column in COLUMNS[kind].items():
        if sizes and name == "size":
            headings += sizes
        elif not sizes or name not in {"sku", "quantity"}:
            headings.append(column.heading)
    return headings


def heading_keys(heading: str, units: frozenset[str] = PIECES) -> tuple[str, ...]:
    """The keys under which a heading may be known: as it stands, then without its unit: `Qty (Pcs)` is Qty.

    Only `units` are left out; a heading with another one, as `Qty (Dozen)`, names something else.
    """
    if not units.issuperset(SYMBOLS.findall(values.plain_width(heading))):
        return ()
    said = {part[1:-1].casefold().strip(" .").removeprefix("in ") for part in BRACKETS.findall(heading)}
    keys = [heading_key(heading)]
    if units.issuperset(said - {""}):
        keys.append(heading_key(BRACKETS.sub(" ", heading)))
    return tuple(dict.fromkeys(filter(None, keys)))


def _keys_of(heading: str, name: str) -> tuple[str, ...]:
    """The keys of a heading as that of a field."""
    return heading_keys(DATE_FORMS.sub(" ", heading) if name == "date" else heading, UNITS.get(name, frozenset()))


def date_order(heading: str) -> DateOrder | None:
    """The order that the heading of a column of dates says, as `Date (MM/DD/YYYY)` does."""
    found = DATE_FORMS.search(heading)
    if found is None:
        return None
    if found["day"] or found["bare_day"]:
        return DateOrder.DAY_FIRST
    return DateOrder.MONTH_FIRST if found["month"] or found["bare_month"] else None


@lru_cache(maxsize=4096)
def field_of(heading: str, kind: Kind) -> str | None:
    """The field that a heading names; None for a heading that is not known."""
    found = [
        (position, name)
        for name, column in COLUMNS[kind].items()
        for position, key in enumerate(_keys_of(heading, name))
        if key in column.spellings or key in column.weaker
    ]
    return min(found, key=lambda one: one[0])[1] if found else None


def is_weaker(heading: str, field: str, kind: Kind) -> bool:
    """Whether a heading names the field only where no other column does."""
    return not COLUMNS[kind][field].spellings.intersection(_keys_of(heading, field))


def is_template_heading(heading: str, field: str, kind: Kind) -> bool:
    """Whether a heading is that of the template."""
    return heading_key(COLUMNS[kind][field].heading) in _keys_of(heading, field)


def has_unknown_unit(heading: str, kind: Kind) -> bool:
    """Whether a heading would name a field without its brackets and signs: it may be that field in another unit."""
    key = heading_key(BRACKETS.sub(" ", heading))
    known = any(key in column.spellings or key in column.weaker for column in COLUMNS[kind].values())
    return known and field_of(heading, kind) is None


def is_ignored(heading: str, kind: Kind) -> bool:
    """Whether a column with this heading is left out even if it holds numbers."""
    keys = {heading_key(heading), heading_key(BRACKETS.sub(" ", heading))}
    return not IGNORED_COLUMNS.isdisjoint(keys) and not has_unknown_unit(heading, kind)


def spelling(row: int, column: str, typed: str, name: str) -> Problem:
    """The remark that a row writes a known name otherwise."""
    shown = values.quote(typed)
    return Problem(row, column, shown, f"{name}, written {shown} here.", blocks=False)
