"""The words of the screen for the names in the trail."""

ACTIONS = {
    "CREATE": "Added",
    "UPDATE": "Changed",
    "DELETE": "Deleted",
    "TRUNCATE": "Emptied",
    "LOGIN": "Signed in",
    "LOGIN_FAILED": "Sign-in failed",
    "LOGIN_LOCKED": "Sign-in locked",
    "LOGOUT": "Signed out",
    "SESSION_EXPIRED": "Session expired",
    "PASSWORD_CHANGE": "Password changed",
    "EXPORT": "Exported",
    "IMPORT": "Imported",
    "UNDO": "Undone",
    "AUDIT_DELETE": "Audit records deleted",
    "AUDIT_ARCHIVE": "Audit records archived",
    "MAINTENANCE": "Maintenance",
    "VERIFY": "Verified",
}

# Nobody is signed in then, yet it is no work of the system: somebody at a browser has tried.
SIGN_IN_FAILURES = ("LOGIN_FAILED", "LOGIN_LOCKED")

ENTITIES = {
    "Product": "Product",
    "ProductColor": "Colour",
    "ProductColorStock": "Stock cell",
    "InwardLog": "Inward entry",
    "SalesLog": "Sales entry",
    "StockAdjustment": "Stock adjustment",
    "Order": "Order",
    "OrderLine": "Order line",
    "Customer": "Customer",
    "Agency": "Agency",
    "OrderCounter": "Order counter",
    "ReasonPolicy": "Reason policy",
    "User": "User",
    "Session": "Session",
    "StockList": "Stock list",
    "LowStockList": "Low-stock list",
    "AuditReport": "Audit report",
}

PLURALS = {"entry": "entries", "policy": "policies", "agency": "agencies"}

DAYS = frozenset({"date", "dispatch_date"})

# Those whose parent_id in the trail is a product.
PRODUCT_PARTS = ("ProductColor", "ProductColorStock", "InwardLog", "SalesLog", "StockAdjustment")

FIELDS = {
    "sku": "SKU",
    "id": "Number",
    "hsn_code": "HSN code",
    "gst_rate": "GST rate",
    "gst_number": "GSTIN",
    "color": "Colour",
    "is_active": "Active",
    "password_hash": "Password",
    "token_hash": "Token",
    "stakeholder_name": "Stakeholder",
    "product_id": "Product",
    "user_id": "User",
    "user_agent": "Browser",
    "customer_id": "Customer",
    "agency_id": "Agency",
    "order_id": "Order",
    "entity": "Record type",
    "sha256": "SHA-256",
}


def action_word(action: str) -> str:
    """UPDATE -> Changed."""
    return ACTIONS.get(action) or _sentence(action.replace("_", " ").lower())


def entity_word(entity: str) -> str:
    """InwardLog -> Inward entry; PriceList, which is not in the table -> Price list."""
    return ENTITIES.get(entity) or _sentence(
        "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in entity).strip()
    )


def entity_words(entity: str) -> str:
    """InwardLog -> inward entries."""
    word = entity_word(entity).lower()
    first, space, last = word.rpartition(" ")
    return first + space + PLURALS.get(last, f"{last}s")


def counted_entities(entity: str, count: int) -> str:
    """`1 inward entry`, `1,250 inward entries`."""
    return f"{count:,} {entity_word(entity).lower() if count == 1 else entity_words(entity)}"


def field_word(field: str) -> str:
    """unit_price -> Unit price."""
    return FIELDS.get(field) or _sentence(field.replace("_", " ").strip())


def holds_day(field: str) -> bool:
    """Whether the values of a field are days."""
    return field in DAYS


def holds_instant(field: str) -> bool:
    """Whether the values of a field are instants: expires_at, and how long a sign-in is locked."""
    return field.endswith("_at") or field == "until"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
