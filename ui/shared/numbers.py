"""Converts texts of form fields to numbers."""

from decimal import Decimal, InvalidOperation

from backstitch.errors import Refused

LIMIT = 10**10  # for the number of any field; the database has its own limits


def whole(label: str, typed: str) -> int:
    """A whole number, 0 for an empty text. Raises Refused for any other text."""
    value = _decimal(label, typed) or Decimal(0)
    if value != value.to_integral_value():
        raise Refused(f"{label} is a whole number. Nothing was saved.", rule="fractional_quantity")
    if abs(value) >= LIMIT:
        raise Refused(f"{label} is too large. Nothing was saved.", rule="22003")
    return int(value)


def amount(label: str, typed: str) -> Decimal | None:
    """An amount or a percentage, with or without commas; None for an empty text. Raises Refused for a third decimal."""
    value = _decimal(label, typed)
    if value is not None and abs(value) < LIMIT and value != round(value, 2):
        raise Refused(f"{label}: “{typed}” has more than two decimals. Nothing was saved.", rule="two_decimals")
    return value


def _decimal(label: str, typed: str) -> Decimal | None:
    digits = typed.strip().replace(",", "")
    if not digits:
        return None
    try:
        value = Decimal(digits)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise Refused(f"{label}: “{typed}” is not a number. Nothing was saved.", rule="not_a_number")
    return value
