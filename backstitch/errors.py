"""Errors with sentences for users, and the sentences for the database's constraints.

The names of the constraints come from db/; `diag.constraint_name` is mapped, never message text. Where a sentence has
{detail}, the database names there what stands in the way (db/inventory/names.sql).
"""

import json
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError


class StartError(RuntimeError):
    """Backstitch cannot start; the message is one sentence that says what to do."""


class Refused(Exception):
    """A request that was refused. The message is a sentence for the user.

    `rule` names what refused it: a database constraint, or a rule of the library.
    """

    def __init__(self, sentence: str, *, rule: str) -> None:
        super().__init__(sentence)
        self.rule = rule


class StaleEdit(Refused):
    """Somebody else changed the record since it was read.

    `theirs` is the record as it is now, or None when it was deleted; `yours` is what was to be saved. For a bulk edit
    both are tuples of the records that changed.
    """

    def __init__(self, sentence: str, *, theirs: Any = None, yours: Any = None) -> None:
        super().__init__(sentence, rule="edited_since")
        self.theirs = theirs
        self.yours = yours


class Abandoned(Exception):
    """Nobody waits for the answer any more: a tab was closed, a filter changed, a download cut off."""


class SignedOut(Refused):
    """The session has ended: signed out, expired, or the user was deactivated."""


SENTENCES = {
    "session_live": "Your session has ended. Sign in again; nothing was saved.",
    "signed_in_user": "Only a signed-in user can change anything. Sign in again; nothing was saved.",
    "sku_unique": "There is a product with this SKU already. Use another SKU, or edit the existing product.",
    "sku_key_unique": "There is a product with this SKU already, written {detail}. Use another SKU, or edit that one.",
    "color_key_unique": "This product has that colour already, written {detail}. Use it, or name this one differently.",
    "colour_code_key_unique": "This product has that colour code already, written {detail}. Use another code.",
    "store_name_key_unique": "There is a customer with this name already, written {detail}. Use that one, or add the "
    "town to the name of this one.",
    "agency_name_key_unique": "There is an agency with this name already, written {detail}. Use that one, or add the "
    "town to the name of this one.",
    "size_key_unique": "Two of these sizes are one: {detail}. Keep one of them.",
    "sku_not_blank": "A product needs an SKU of 1 to 60 characters.",
    "product_name_not_blank": "A product needs a name of at most 120 characters.",
    "description_short": "A description has at most 4,000 characters.",
    "category_short": "A category has at most 60 characters.",
    "price_not_negative": "A price cannot be negative.",
    "hsn_code_digits": "An HSN code has 4, 6 or 8 digits.",
    **dict.fromkeys(
        ("inward_date_finite", "sale_date_finite", "adjustment_date_finite", "order_date_finite"),
        "A date is a day of the calendar; “infinity” is none.",
    ),
    "dispatch_date_finite": "A date of dispatch is a day of the calendar; “infinity” is none.",
    "gst_rate_percent": "A GST rate is a percentage between 0 and 100.",
    "sizes_not_empty": "A product needs at least one size, and at most 40.",
    "sizes_short": "A size has at most 20 characters.",
    "allowed_stores_short": "A product has at most 1,000 allowed stores, each with a name of at most 120 characters.",
    "allowed_agencies_short": "A product has at most 1,000 allowed agencies, each with a name of at most 120 "
    "characters.",
    "sizes_distinct": "Each size can stand in the list only once, and none can be blank.",
    "size_in_use": "A size that is in the stock matrix cannot be removed from the product.",
    "size_of_product": "This size is not one of the product's sizes. Add it to the product first.",
    "reorder_level_not_negative": "A reorder level cannot be negative.",
    "color_not_blank": "A colour needs a name of at most 60 characters.",
    "colour_code_not_blank": "A colour needs a code of 1 to 40 characters.",
    "colour_code_unique": "This product has that colour code already. Use another code.",
    "colour_of_product": "This product has no such colour. Add the colour to the product first.",
    "cell_short": "A colour code has at most 40 characters, a size at most 20.",
    "stock_cell_unique": "This colour and size are in the stock matrix already.",
    "cell_holds_stock": "A colour and size that hold stock cannot be removed from the matrix.",
    "cell_has_history": "A colour and size with movements or orders cannot be removed. Take them out of use instead.",
    "inactive_cell_empty": "A colour and size out of use hold no stock. Sell or adjust the stock to 0 before you take "
    "them out of use, and take them back into use before you move stock.",
    "colour_in_use": "This colour is out of use. Take it back into use first.",
    "stock_never_negative": "There is not enough stock for this. Nothing was saved.",
    "inward_quantity_positive": "A quantity is a whole number above 0.",
    "sales_quantity_positive": "A quantity is a whole number above 0.",
    "inward_category_known": "The category of goods in is Supply or Return.",
    "stakeholder_not_blank": "Say who the goods came from, in at most 120 characters.",
    "store_not_blank": "Say which store the goods went to, in at most 120 characters.",
    "sale_agency_short": "The name of an agency has at most 120 characters.",
    "inward_cell_of_matrix": "The product does not come in this colour and size. Add them to the product first.",
    "sales_cell_of_matrix": "The product does not come in this colour and size. Add them to the product first.",
    "store_allowed": "This product does not go to that store. The product says which stores are allowed.",
    "agency_allowed": "This product is not sold through that agency. The product says which agencies are allowed.",
    "sale_of_order": "This sale belongs to a dispatched order and cannot be changed on its own. Enter goods that come "
    "back as inward, category Return.",
    "adjustment_not_zero": "An adjustment adds or takes away at least one piece.",
    "adjustment_reason_known": "The reason of an adjustment is count, correction, damaged, theft or loss, promotion or "
    "return.",
    "adjustment_note_short": "A note has at most 380 characters.",
    "adjustment_cell_of_matrix": "The product does not come in this colour and size. Add them to the product first.",
    "rules_read_committed": "This cannot be changed in a transaction of this kind; use isolation level READ COMMITTED.",
    "movements_not_truncated": "The log cannot be emptied at once: its rows have moved stock. Delete them instead.",
    "customer_name_not_blank": "A customer needs a store name of at most 120 characters.",
    "agency_name_not_blank": "An agency needs a name of at most 120 characters.",
    "agency_name_unique": "There is an agency with this name already.",
    "gstin_valid": "This is not a GSTIN: it has 15 characters, and the last one checks the others. Look for a typing "
    "mistake.",
    "mobile_ten_digits": "A mobile number has 10 digits and starts with 6, 7, 8 or 9.",
    "accounts_mobile_ten_digits": "The mobile number for accounts has 10 digits and starts with 6, 7, 8 or 9.",
    "pincode_six_digits": "A pincode has 6 digits and does not start with 0.",
    "address_short": "An address has at most 400 characters.",
    "region_short": "A region has at most 120 characters.",
    "payment_days_within_year": "The days of payment are a whole number from 0 to 365.",
    "customer_unused": "This customer has orders or sales, so it cannot be deleted. Deactivate it instead.",
    "agency_unused": "This agency has orders or sales, so it cannot be deleted. Deactivate it instead.",
    "customer_active": "This customer is deactivated. Take it back into use, or choose another.",
    "agency_active": "This agency is deactivated. Take it back into use, or choose another.",
    "order_customer": "This customer is gone. Choose another.",
    "order_agency": "This agency is gone. Choose another.",
    "order_status_known": "An order is a draft, confirmed, dispatched, delivered or cancelled.",
    "order_move_allowed": "An order goes from draft to confirmed, dispatched and delivered; a confirmed one can be "
    "cancelled. There is no way back.",
    "order_starts_as_draft": "A new order starts as a draft.",
    "order_deleted_as_draft": "Only drafts can be deleted: an order with a number stays. Cancel it instead.",
    "order_open": "Only drafts and confirmed orders can be changed.",
    "order_has_lines": "An order needs at least one line before it is confirmed, and keeps at least one.",
    "order_number_fixed": "A confirmed order keeps its number and its financial year: choose a date in "
    "that year. It does not go back to a draft, but it can be cancelled.",
    "order_note_short": "The note of an order has at most 500 characters.",
    "financial_year_short": "A financial year is written like 2026-27.",
    "order_number_when_confirmed": "An order gets its number when it is confirmed.",
    "order_number_unique": "There is an order with this number already.",
    "dispatch_date_when_dispatched": "A date of dispatch belongs to a dispatched order.",
    "dispatch_not_before_order": "An order cannot be dispatched before the day it was placed.",
    "order_quantity_positive": "A quantity is a whole number above 0.",
    "order_line_unique": "The order has a line for this colour and size already.",
    "order_cell_of_matrix": "The product does not come in this colour and size. Add them to the product first.",
    "ordered_cell_in_use": "The order has a product, colour or size that is out of use.",
    "line_of_order": "This order is gone, or it still has lines. Reload the page and try again.",
    "line_of_product": "This product is gone. Reload the page.",
    "line_price_known": "The product has no price. Enter a price for it in the order, or in the product.",
    "era_begun": "The database was restored, and the new era of its trail has not begun. Nothing was deleted; start "
    "Backstitch anew first.",
    "reason_short": "A reason has at most 400 characters. Nothing was saved.",
    "operation_short": "The name of an operation has at most 200 characters. Nothing was saved.",
    "activity_short": "What was asked for is too long for the record. Use a shorter search text, or fewer filters.",
    "reason_required": "This change needs a reason. Say why, and save again; nothing was saved.",
    "policy_entity_not_blank": "Say which record type needs a reason.",
    "policy_entity_known": "No reason can be asked for changes of this record type. Choose one that people enter.",
    "policy_field_not_blank": "Say which field needs a reason, in at most 63 characters, or * for all.",
    "policy_unique": "There is a rule for this record type and field already.",
    "layout_kind_known": "Columns are matched for inward, sales, orders or products.",
    "layout_headings_short": "A sheet whose columns are remembered has at most 60 headings, each of at most 100 "
    "characters.",
    "layout_headings_fit": "The headings of this sheet are too long to be remembered, or all blank.",
    "layout_columns_short": "A sheet whose columns are remembered has at most 60 columns, each matched by a word of at "
    "most 40 characters.",
    "layout_columns_match": "Each heading of a sheet is matched to one column.",
    "layout_date_order_known": "Dates are read day first or month first.",
    "layout_unique": "The columns of a sheet with these headings are matched already.",
    "undo_own_changes": "Somebody else did this. An admin can undo it.",
    "nothing_to_undo": "Nothing is left to undo: it was undone already, changed since, or has no way back.",
    "undo_every_row": "Some of these records changed meanwhile, or a rule keeps them. Nothing was undone; try again.",
    "undo_as_it_was": "A rule keeps one of these records from being as it was, so nothing was undone.",
    "email_unique": "There is a user with this email address already.",
    "email_has_an_at": "This is not an email address, or it has more than 254 characters.",
    "name_not_blank": "A user needs a name of at most 120 characters.",
    "password_hash_short": "A password hash has at most 200 characters.",
    "user_agent_short": "The name of a browser has at most 400 characters.",
    "role_known": "A role is admin, manager, analyst or viewer.",
    "last_admin": "The last active admin stays one. Make another user an admin first; nothing was saved.",
    "admin_only": "Only an admin may do this. Nothing was saved.",
    "password_attempts": "Too many wrong passwords. Try again in some minutes; nothing was changed.",
    "forget_another_user": "There is no such user, or it is you. Another admin can forget you.",
    "forget_with_reason": "Say why, without the name and the other values to forget; the reason stays on the record.",
    "forget_known_party": "There is no such customer or agency, or nothing about it is kept.",
    "audit_deletion_by_admin": "Only an admin can delete records of the trail. Nothing was deleted.",
    "audit_deletion_reason": "Say why the records may be deleted; the reason stays on the record.",
    "audit_deletion_before": "Say up to which time the records may be deleted.",
    "audit_deletion_as_sealed": "Some of these records are not as they were sealed, so nothing was deleted. "
    "Run `python -m backstitch verify`.",
}

CELLS_NAMED = 5  # in a sentence

NUL = "The text holds a character that cannot be stored (NUL). Remove it and try again."

# SQLSTATE classes for which no constraint is named.
SENTENCES_BY_STATE = {
    "42501": "Your role does not allow this. Ask an admin if you need it.",
    "22003": "A number is too large. The largest quantity is 2,147,483,647.",
    "22021": NUL,
    "22P05": NUL,  # the same, in JSON
    "23503": "The record is in use, or something it refers to is gone. Reload the page and try again.",
    "40001": "Somebody changed the same records at the same moment. Nothing was saved; try again.",
    "40P01": "Somebody changed the same records at the same moment. Nothing was saved; try again.",
    "55P03": "Somebody is changing the same records. Nothing was saved; try again in a moment.",
    "57014": "This took too long, and the database stopped it. Nothing was saved; try again when less is going on.",
    "53100": "The disk of the database is full. Nothing was saved; tell the person who runs the server.",
}


def explain(error: DBAPIError) -> Refused | None:
    """The Refused for a database error, or None for an error about which a user can do nothing."""
    original = error.orig
    if not isinstance(original, psycopg.Error):
        return None
    rule = original.diag.constraint_name or ""
    state = original.sqlstate or ""
    sentence = SENTENCES.get(rule) or SENTENCES_BY_STATE.get(state)
    if sentence and "{detail}" in sentence:
        sentence = sentence.replace("{detail}", original.diag.message_detail or "")
    if sentence is None and isinstance(original, psycopg.DataError) and "NUL" in str(original):
        sentence = NUL
    if sentence is None:
        return None
    if rule in {"session_live", "signed_in_user"}:
        return SignedOut(sentence, rule=rule)
    if rule == "stock_never_negative":
        sentence = _with_cells(sentence, original.diag.message_detail)
    return Refused(sentence, rule=rule or state)


def _with_cells(sentence: str, detail: str | None) -> str:
    """The sentence about a shortage with the cells that `inventory.refuse_shortage` names."""
    try:
        cells = [
            f"{sku} {color}, size {size}: {asked:,} asked, {on_hand:,} on hand"
            for sku, color, size, asked, on_hand in json.loads(detail or "")
        ]
    except ValueError:  # of the constraint itself, whose detail is no JSON
        return sentence
    more = f"; and {len(cells) - CELLS_NAMED:,} more" if len(cells) > CELLS_NAMED else ""
    what, _, rest = sentence.partition(". ")
    return f"{what}. {'; '.join(cells[:CELLS_NAMED])}{more}. {rest}"
