"""How bad it is that an object is there which is not of this version: an error stops the start."""

import re

from db.catalog import Object, Present

# What an administrator may have added: it is named, and does not stop the start.
TOLERATED = ("table", "view", "column", "constraint", "index", "sequence", "type", "publication", "role")
COMPUTES = re.compile(r"UNIQUE|WHERE|\(.*\(")  # an index that can refuse a row, or runs something for it

WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
SECRETS = re.compile(
    r"SELECT on (table (audit\.signing_keys|accounts\.users|accounts\.sessions|runtime\.single_sign_on)"
    r"|column (audit\.signing_keys\.\w+|accounts\.users\.password_hash|accounts\.sessions\.token_hash"
    r"|runtime\.single_sign_on\.secret_hash|runtime\.sessions\.token_hash)|view runtime\.sessions) "
)
# What a login needs that reads the views of the trail, which call them with the rights of whoever asks.
READING = (
    *("accounts.reads_trail()", "accounts.reads_whole_trail()", "audit.signed_role()", "audit.revealed(jsonb,jsonb)"),
    "audit.checkpoint()",
)
# Members of these can read, or do what is listed anyway: who can switch the trail off.
READERS = ("backstitch_analyst", "backstitch_viewer", "backstitch_watch", "backstitch_owner")

# Settings that change what statements mean, whether they run, or as whom.
MEANING = {
    *("role", "session_replication_role", "search_path", "row_security", "check_function_bodies"),
    *("standard_conforming_strings", "backslash_quote", "transform_null_equals", "array_nulls", "xmloption"),
    *("default_transaction_read_only", "default_transaction_isolation", "default_transaction_deferrable"),
    *("plpgsql.variable_conflict", "quote_all_identifiers"),
    *("allow_system_table_mods", "zero_damaged_pages", "ignore_checksum_failure", "ignore_system_indexes"),
}
# Errors below SOON, since then nothing comes to its end.
TIMEOUTS = {
    *("statement_timeout", "lock_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"),
    "idle_session_timeout",
}
SOON = 1000  # milliseconds
UNITS = {"us": 0.001, "": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def of_surplus(object: Object, present: Present | None) -> str:
    """The severity of an object that should not be there."""
    definition = present.definition if present else ""
    match object.kind:
        case "foreign right":
            is_error = _writes(object.name) or bool(SECRETS.match(object.name))
        case "member":
            user, role = object.name.split(" of ", 1)
            # Who may grant the roles migrates another database of the server.
            is_error = user.startswith("backstitch_") or (role not in READERS and "admin" not in definition.split())
        case "setting":
            setting = object.name.partition(" of ")[0].lower()
            is_error = is_meant(setting, definition)
        case "event trigger":
            is_error = " of extension " not in definition
        case "cast" | "operator" | "system function" | "system table":
            is_error = definition != "of the first superuser"  # hosts add objects of their own as that one
        case "column" | "constraint":
            is_error = bool(re.search(r"(^| on | of )(audit|public)\.", object.name))
        case "index":
            is_error = object.name.startswith("audit.") and bool(COMPUTES.search(definition))
        case kind:
            is_error = kind not in TOLERATED
    return "error" if is_error else "warning"


def of_change(object: Object) -> str:
    """The severity of an object that is missing, or not as it should be."""
    # A host may have changed its PostgreSQL.
    return "warning" if object.kind == "system functions" else "error"


def is_meant(setting: str, value: str) -> bool:
    """Whether a setting changes what statements mean, whether they run, or as whom."""
    if setting in TIMEOUTS:
        return 0 < _milliseconds(value) < SOON
    return setting in MEANING or setting.startswith("backstitch.")


def _writes(right: str) -> bool:
    """Whether a right such as `UPDATE on table inventory.products to bob` is more than one to read."""
    privilege, _, rest = right.partition(" on ")
    kind, _, target = rest.partition(" ")
    target = target.rpartition(" to ")[0]
    if privilege == "EXECUTE":
        return target.startswith(("audit.", "accounts.")) and target not in READING
    if privilege == "CREATE":
        return kind == "schema" and target != "public"
    return privilege in WRITES or (kind == "sequence" and privilege == "USAGE")


def _milliseconds(value: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value)
    return float(found[1]) * UNITS.get(found[2], 1) if found else 0
