"""The tables on the record of this version, with the details that audit.watch was given for each.

What judges a database takes them from here: audit.watched_tables belongs to the database that is judged.
"""

from dataclasses import dataclass

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Watched:
    """A table on the record: its entity in the trail, and its columns that belong to a parent or are not recorded.

    Of `redacted` columns the trail has no values; of `personal` ones it has references.
    """

    schema: str
    name: str
    entity: str
    parent: str | None = None
    redacted: frozenset[str] = NONE
    personal: frozenset[str] = NONE


def _watched(table: str, entity: str, *, parent: str | None = None, redacted: str = "", personal: str = "") -> Watched:
    schema, name = table.split(".")
    return Watched(schema, name, entity, parent, frozenset(redacted.split()), frozenset(personal.split()))


TABLES = (
    _watched("accounts.users", "User", redacted="password_hash", personal="email name"),
    _watched("accounts.sessions", "Session", parent="user_id", redacted="token_hash", personal="address user_agent"),
    _watched("inventory.products", "Product"),
    _watched("inventory.product_colors", "ProductColor", parent="product_id"),
    _watched("inventory.product_color_stocks", "ProductColorStock", parent="product_id"),
    _watched("inventory.inward_logs", "InwardLog", parent="product_id"),
    _watched("inventory.sales_logs", "SalesLog", parent="product_id"),
    _watched("inventory.stock_adjustments", "StockAdjustment", parent="product_id"),
    _watched("inventory.customers", "Customer", personal="store_name gst_number phone address pincode"),
    _watched(
        "inventory.agencies",
        "Agency",
        personal="agency_name owner_mobile accounts_mobile gst_number address pincode",
    ),
    _watched("inventory.order_counters", "OrderCounter"),
    _watched("inventory.orders", "Order", parent="customer_id"),
    _watched("inventory.order_lines", "OrderLine", parent="order_id"),
    _watched("inventory.reason_policies", "ReasonPolicy"),
    _watched("inventory.sheet_layouts", "SheetLayout"),
)
