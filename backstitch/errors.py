"""What goes wrong, in sentences: a database constraint becomes what a manager understands.

The names of the constraints come from db/; `diag.constraint_name` is mapped, never message text.
"""

from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError


class StartError(RuntimeError):
    """Backstitch cannot start; the message is one sentence that says what to do."""


class Refused(Exception):
    """A change that was not made. The message is a sentence for the person who asked for it.

    `rule` names what refused it: a database constraint, or a rule of the library.
    """

    def __init__(self, sentence: str, *, rule: str) -> None:
        super().__init__(sentence)
        self.rule = rule


class StaleEdit(Refused):
    """Somebody else changed the record since it was read. `theirs` is the record as it stands now, or None."""

    def __init__(self, sentence: str, *, theirs: Any = None) -> None:
        super().__init__(sentence, rule="edited_since")
        self.theirs = theirs


class SignedOut(Refused):
    """The session has ended: signed out, expired, or the user was deactivated."""


SENTENCES = {
    "session_live": "Your session has ended. Sign in again; nothing was saved.",
    "signed_in_user": "Only a signed-in user can change anything. Sign in again; nothing was saved.",
    "sku_unique": "There is a product with this SKU already. Use another SKU, or edit the existing product.",
    "sku_not_blank": "A product needs an SKU of 1 to 60 characters.",
    "product_name_not_blank": "A product needs a name.",
    "price_not_negative": "A price cannot be negative.",
    "hsn_code_digits": "An HSN code has 4 to 8 digits.",
    "gst_rate_percent": "A GST rate is a percentage between 0 and 100.",
    "sizes_not_empty": "A product needs at least one size, and at most 40.",
    "sizes_distinct": "Each size can stand in the list only once, and none can be blank.",
    "size_in_use": "A size that is in the stock matrix cannot be removed from the product.",
    "size_of_product": "This size is not one of the product's sizes. Add it to the product first.",
    "reorder_level_not_negative": "A reorder level cannot be negative.",
    "color_not_blank": "A colour needs a name.",
    "colour_code_not_blank": "A colour needs a code of 1 to 40 characters.",
    "colour_code_unique": "This product has that colour code already. Use another code.",
    "colour_of_product": "This product has no such colour. Add the colour to the product first.",
    "stock_cell_unique": "This colour and size are in the stock matrix already.",
    "cell_holds_stock": "A colour and size that hold stock cannot be removed from the matrix.",
    "stock_never_negative": "There is not enough stock for this. Nothing was saved.",
    "inward_quantity_positive": "A quantity is a whole number above 0.",
    "sales_quantity_positive": "A quantity is a whole number above 0.",
    "inward_category_known": "The category of goods in is Supply or Return.",
    "stakeholder_not_blank": "Say who the goods came from.",
    "store_not_blank": "Say which store the goods went to.",
    "inward_cell_of_matrix": "The product does not come in this colour and size. Add them to the product first.",
    "sales_cell_of_matrix": "The product does not come in this colour and size. Add them to the product first.",
    "movements_not_truncated": "The log cannot be emptied at once: its rows have moved stock. Delete them instead.",
    "email_unique": "There is a user with this email address already.",
    "email_has_an_at": "This is not an email address.",
    "name_not_blank": "A user needs a name.",
    "role_known": "A role is admin, manager, analyst or viewer.",
    "forget_another_user": "There is no such user, or it is you. Another admin can forget you.",
    "forget_with_reason": "Say why the person is forgotten, without naming them; the reason stays on the record.",
    "audit_deletion_by_admin": "Only an admin can delete records of the trail. Nothing was deleted.",
    "audit_deletion_reason": "Say why the records may be deleted; the reason stays on the record.",
    "audit_deletion_before": "Say up to which time the records may be deleted.",
    "audit_deletion_as_sealed": "Some of these records are not as they were sealed, so nothing was deleted. "
    "Run `python -m backstitch verify`.",
}

# SQLSTATE classes for which no constraint is named.
SENTENCES_BY_STATE = {
    "42501": "Your role does not allow this. Ask an admin if you need it.",
    "22003": "A number is too large. The largest quantity is 2,147,483,647.",
    "22021": "The text holds a character that cannot be stored (NUL). Remove it and try again.",
    "23503": "The record is in use, or something it refers to is gone. Reload the page and try again.",
    "40001": "Somebody changed the same records at the same moment. Nothing was saved; try again.",
    "40P01": "Somebody changed the same records at the same moment. Nothing was saved; try again.",
    "55P03": "Somebody is changing the same records. Nothing was saved; try again in a moment.",
    "53100": "The disk of the database is full. Nothing was saved; tell the person who runs the server.",
}


def explain(error: DBAPIError) -> Refused | None:
    """The refusal behind a database error, or None when it is not one a user can do anything about."""
    original = error.orig
    if not isinstance(original, psycopg.Error):
        return None
    rule = original.diag.constraint_name or ""
    state = original.sqlstate or ""
    sentence = SENTENCES.get(rule) or SENTENCES_BY_STATE.get(state)
    if sentence is None and isinstance(original, psycopg.DataError) and "NUL" in str(original):
        sentence = SENTENCES_BY_STATE["22021"]
    if sentence is None:
        return None
    if rule in {"session_live", "signed_in_user"}:
        return SignedOut(sentence, rule=rule)
    return Refused(sentence, rule=rule or state)
