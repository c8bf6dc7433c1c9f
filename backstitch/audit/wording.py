"""Translates the names in the trail to words for the screen, and describes records in words."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from backstitch.audit.differences import clipped, list_in_words, told_apart
from backstitch.audit.records import Record, Values
from backstitch.india.money import money
from backstitch.request import Source

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
    "EXPORT_END": "Download ended",
    "IMPORT": "Imported",
    "UNDO": "Undone",
    "AUDIT_DELETE": "Audit records deleted",
    "AUDIT_ARCHIVE": "Audit records archived",
    "RESTORE": "Restored",
    "MAINTENANCE": "Maintenance",
    "VERIFY": "Verified",
    "TOKEN_CREATE": "API token made",
    "TOKEN_REVOKE": "API token revoked",
    "ALERT_ACKNOWLEDGE": "Alert acknowledged",
    "APPROVE": "Approved",
    "REFUSE": "Refused",
    "WITNESS": "Witnessed",
    "KEY_ROTATE": "Key replaced",
    "FORGET": "Forgotten",
}

SOURCES: dict[str, str] = {
    Source.PAGE: "Page",
    Source.PASTE: "Bulk paste",
    Source.IMPORT: "Import",
    Source.API: "API",
    Source.COMMAND: "Command line",
    Source.SQL: "SQL",
    Source.UNDO: "Undo",
    Source.SYSTEM: "System",
}

# By source: what people connect with. Through the other doors nothing says more than the login does.
CLIENTS: dict[str, str] = {
    Source.PAGE: "Browser",
    Source.PASTE: "Browser",
    Source.IMPORT: "Browser",
    Source.UNDO: "Browser",
    Source.API: "Program",
}

# These have no signed-in user, but are not the system's: somebody at a browser tried to sign in.
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
    "SheetLayout": "Sheet layout",
    "User": "User",
    "Session": "Session",
    "StockList": "Stock list",
    "LowStockList": "Low-stock list",
    "AuditReport": "Audit report",
    "Backup": "Backup",
}

# What audit.trail shows of neither the inventory nor its files, so not to managers, but for what they did themselves.
HIDDEN_FROM_MANAGERS = {
    "User": "users and their sign-ins",
    "Session": "sessions",
    "AuditReport": "exports and checks of the audit trail",
    "Backup": "backups",
    "Interruption": "interruptions of the record",
    "Definition": "changed definitions of the database",
    "Fingerprint": "versions of the program",
}

PLURALS = {"entry": "entries", "policy": "policies", "agency": "agencies"}

DAYS = frozenset({"date", "dispatch_date"})

# Entities whose parent_id in the trail is a product.
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
    """The word for an action: UPDATE -> Changed."""
    return ACTIONS.get(action) or _sentence(action.replace("_", " ").lower())


def source_word(source: str) -> str:
    """The words for a door: paste -> Bulk paste."""
    return SOURCES.get(source) or _sentence(source)


def entity_word(entity: str) -> str:
    """The word for an entity: InwardLog -> Inward entry; PriceList, which has no translation, -> Price list."""
    return ENTITIES.get(entity) or _sentence(
        "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in entity).strip()
    )


def entity_words(entity: str) -> str:
    """The plural of an entity: InwardLog -> inward entries."""
    word = entity_word(entity).lower()
    first, space, last = word.rpartition(" ")
    return first + space + PLURALS.get(last, f"{last}s")


def counted_entities(entity: str, count: int) -> str:
    """A number of entities in words: `1 inward entry`, `1,250 inward entries`."""
    return f"{count:,} {entity_word(entity).lower() if count == 1 else entity_words(entity)}"


def hidden_from_managers() -> str:
    """The sentence that says which records a manager does not see, and of how many kinds."""
    *first, last = HIDDEN_FROM_MANAGERS.values()
    return (
        f"Your role does not see the records of {', '.join(first)} and {last} ({len(first) + 1} kinds), apart from "
        "what you did yourself: admins and analysts see them."
    )


def field_word(field: str) -> str:
    """The word for a field: unit_price -> Unit price."""
    return FIELDS.get(field) or _sentence(field.replace("_", " ").strip())


def holds_day(field: str) -> bool:
    """Whether the values of a field are days."""
    return field in DAYS


def holds_instant(field: str) -> bool:
    """Whether the values of a field are instants, such as expires_at and `until` of a locked sign-in."""
    return field.endswith("_at") or field == "until"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


NOTHING = "—"
LONGEST_IN_SUMMARY = 60
MONEY = {"unit_price", "price"}
PERCENT = {"gst_rate"}
# Numbers that identify something: shown without thousands separators and without a difference.
NAMES = {
    "id",
    "product_id",
    "user_id",
    "session_id",
    "order_id",
    "customer_id",
    "agency_id",
    "order_number",
    "last_number",
}
HIDDEN = {"password_hash", "token_hash"}
FINGERPRINTED = ("code", "tables", "rights", "roles")
# The fields that readers look for first; others follow alphabetically.
FIRST_FIELDS = ("quantity", "unit_price", "price", "role", "is_active", "name", "sku", "status")


@dataclass(frozen=True)
class Change:
    """The old and the new value of a field, in words; a missing value is “—”."""

    field: str
    old: str
    new: str


def summary(record: Record, currency: str, zone: tzinfo = UTC) -> str:
    """A record in one line: `Quantity 12 → 7 (−5), +2 more`; what was added or deleted; what an activity did."""
    old, new = record.old_values, record.new_values
    if old is not None and new is not None:
        names = _ordered(new)
        text = _change_in_words(names[0], old.get(names[0]), new[names[0]], currency, zone) if names else ""
        return text + (f", +{len(names) - 1} more" if len(names) > 1 else "")
    return _record_gist(record, {**(old or {}), **(new or {})}, currency, zone)


def changes(record: Record, currency: str = "", zone: tzinfo = UTC) -> list[Change]:
    """The changed fields of an update, most important first; of other records every field."""
    old, new = record.old_values or {}, record.new_values or {}
    return [
        Change(field_word(name), *value_words(name, old.get(name), new.get(name), currency, zone))
        for name in _ordered({**old, **new})
    ]


def client(record: Record) -> str:
    """What was connected: `Browser, 192.0.2.7` for people, `postgres via psql, local` for logins of the database."""
    address = record.address or "local"
    if (record.user_id is not None or record.action in SIGN_IN_FAILURES) and record.source in CLIENTS:
        name = CLIENTS[record.source]
        return f"{name}, {record.address}" if record.address else name
    via = f" via {record.application}" if record.application else ""
    return f"{record.database_role}{via}, {address}"


def value_words(field: str, old: Any, new: Any, currency: str = "", zone: tzinfo = UTC) -> tuple[str, str]:
    """The old and the new value as the screen shows them; values that differ have words that differ to the eye."""
    words = value_word(field, old, currency, zone), value_word(field, new, currency, zone)
    if field in HIDDEN or (old == new and type(old) is type(new)):
        return words
    before, after = told_apart(*words)
    # Such as none and an empty text, or two instants within a minute.
    return (before, after) if before != after else (_exactly(old), _exactly(new))


def _exactly(value: Any) -> str:
    return NOTHING if value is None else json.dumps(value, ensure_ascii=False, default=str)


def value_word(field: str, value: Any, currency: str = "", zone: tzinfo = UTC) -> str:
    """A value as the screen shows it: money with the currency, booleans as yes and no, lists joined, empty as “—”."""
    if value is None or value == "" or value == []:
        return NOTHING
    if field in HIDDEN:
        return "hidden"
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | Decimal():
            return _number(field, value, currency)
        case list():
            return list_in_words(
                item if isinstance(item, str) else value_word(field, item, currency, zone) for item in value
            )
        case dict():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return _text(field, str(value), zone)


def _ordered(values: Iterable[str]) -> list[str]:
    rank = {name: index for index, name in enumerate(FIRST_FIELDS)}
    return sorted(values, key=lambda name: (rank.get(name, len(rank)), name))


def _change_in_words(field: str, old: Any, new: Any, currency: str, zone: tzinfo) -> str:
    if field in HIDDEN:
        return f"{field_word(field)} changed"
    before, after = clipped(*value_words(field, old, new, currency, zone), LONGEST_IN_SUMMARY)
    return f"{field_word(field)} {before} → {after}{_difference(field, old, new, currency)}"


def _difference(field: str, old: Any, new: Any, currency: str) -> str:
    numbers = [value for value in (old, new) if isinstance(value, int | Decimal) and not isinstance(value, bool)]
    if len(numbers) < 2 or field in NAMES:
        return ""
    difference = numbers[1] - numbers[0]
    return f" ({'+' if difference > 0 else ''}{_number(field, difference, currency)})"


def _number(field: str, value: int | Decimal, currency: str) -> str:
    if field in NAMES:
        return str(value)
    sign = "−" if value < 0 else ""
    if field in MONEY:
        return f"{sign}{money(abs(Decimal(value)), currency=currency)}"
    if field in PERCENT:
        return f"{sign}{abs(Decimal(value)).normalize():f}%"
    return f"{sign}{abs(value):,}"


def _text(field: str, value: str, zone: tzinfo) -> str:
    try:
        if holds_day(field):
            return _day(date.fromisoformat(value))
        if holds_instant(field):
            instant = datetime.fromisoformat(value).astimezone(zone)
            return f"{_day(instant)} {instant:%H:%M %Z}"
    except (ValueError, OverflowError):
        return value
    return value


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _record_gist(record: Record, values: Values, currency: str, zone: tzinfo) -> str:
    match record.action, record.entity:
        case "EXPORT", _ if "rows" in values:
            return _joined(f"{value_word('rows', values['rows'])} rows", values.get("file_name"))
        case "EXPORT_END", _ if "outcome" in values:
            return _joined(values["outcome"], values.get("file_name"))
        case "IMPORT", "StockList" if "rows" in values:
            accepted, rows = (value_word("rows", values.get(name)) for name in ("accepted", "rows"))
            return _joined(f"{accepted} of {rows} rows", values.get("file"))
        case "MAINTENANCE", "Interruption":
            return _interruption_gist(values, zone)
        case "MAINTENANCE", "Definition":
            return _joined(values.get("command"), *values.get("objects", ()))
        case "MAINTENANCE", "Fingerprint":
            return _joined(values.get("version"), *(f"{part} {str(values.get(part))[:12]}" for part in FINGERPRINTED))
        case action, _ if action in SIGN_IN_FAILURES:
            return _joined(values.get("username"), values.get("cause"))
        case "CREATE" | "DELETE" | "TRUNCATE", entity if entity in ROW_GISTS:
            return ROW_GISTS[entity](values, currency)
    return _first_fields(values, currency, zone)


def _interruption_gist(values: Values, zone: tzinfo) -> str:
    began, ended = (value_word(name, values.get(name), zone=zone) for name in ("began_at", "ended_at"))
    if values.get("interrupted"):
        return _joined(f"{values.get('table')} is not on the record", values.get("off"))
    return f"{values.get('table')} is on the record again; it was not from {began} to {ended}"


def _inward_gist(values: Values, currency: str) -> str:
    quantity = value_word("quantity", values.get("quantity"))
    return f"Quantity {quantity}, {values.get('category')} from {_clip(str(values.get('stakeholder_name')))}"


def _sales_gist(values: Values, currency: str) -> str:
    quantity = value_word("quantity", values.get("quantity"))
    through = f" through {_clip(str(values['agency']))}" if values.get("agency") else ""
    return f"Quantity {quantity}, to {_clip(str(values.get('store')))}{through}"


def _colour_gist(values: Values, currency: str) -> str:
    return f"Colour {_clip(str(values.get('color')))}, Colour code {_clip(str(values.get('colour_code')))}"


def _adjustment_gist(values: Values, currency: str) -> str:
    quantity = values.get("quantity")
    signed = f"{'+' if isinstance(quantity, int) and quantity > 0 else ''}{value_word('quantity', quantity)}"
    return _joined(f"Quantity {signed}", values.get("reason"), values.get("note"))


def _line_gist(values: Values, currency: str) -> str:
    price = value_word("unit_price", values.get("unit_price"), currency)
    return f"Quantity {value_word('quantity', values.get('quantity'))} at {price}"


def _party_gist(values: Values, currency: str) -> str:
    return _joined(values.get("store_name"), values.get("agency_name"), values.get("gst_number"))


def _product_gist(values: Values, currency: str) -> str:
    price = values.get("unit_price")
    sizes = value_word("sizes", values.get("sizes"))
    return _joined(None if price is None else value_word("unit_price", price, currency), f"sizes {sizes}")


ROW_GISTS: dict[str, Callable[[Values, str], str]] = {
    "Product": _product_gist,
    "ProductColor": _colour_gist,
    "ProductColorStock": lambda values, currency: f"Quantity {value_word('quantity', values.get('quantity'))}",
    "InwardLog": _inward_gist,
    "SalesLog": _sales_gist,
    "StockAdjustment": _adjustment_gist,
    "Order": lambda values, currency: _joined(values.get("status"), value_word("date", values.get("date"))),
    "OrderLine": _line_gist,
    "Customer": _party_gist,
    "Agency": _party_gist,
    "User": lambda values, currency: _joined(values.get("name"), values.get("role")),
    "Session": lambda values, currency: _joined(values.get("address")),
}


def _first_fields(values: Values, currency: str, zone: tzinfo) -> str:
    visible_fields = [
        name for name in _ordered(values) if name not in NAMES | HIDDEN and values[name] not in (None, "", [])
    ]
    texts = [
        f"{field_word(name)} {_clip(value_word(name, values[name], currency, zone))}" for name in visible_fields[:3]
    ]
    return ", ".join(texts) + (f", +{len(visible_fields) - 3} more" if len(visible_fields) > 3 else "")


def _joined(*texts: Any) -> str:
    return ", ".join(_clip(str(text)) for text in texts if text)


def _clip(text: str) -> str:
    return text if len(text) <= LONGEST_IN_SUMMARY else text[: LONGEST_IN_SUMMARY - 1] + "…"
