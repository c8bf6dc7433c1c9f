"""Converts texts of form fields to numbers, by the rules of a pasted sheet (`backstitch.inventory.values`)."""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from backstitch.errors import Refused
from backstitch.inventory import values
from backstitch.inventory.values import CellError

LARGEST_AMOUNT = Decimal("9999999999.99")

Number = TypeVar("Number", int, Decimal)


def whole(label: str, typed: str) -> int:
    """A whole number, 0 for an empty text. Raises Refused for any other text."""
    return _read(label, typed, values.quantity)


def amount(label: str, typed: str) -> Decimal | None:
    """An amount of money such as 1299, ₹1,299.00 or 1299/-; None for an empty text. Raises Refused."""
    if not typed.strip():
        return None
    return _read(label, typed, lambda text: values.amount(text, largest=LARGEST_AMOUNT, what="A price"))


def percentage(label: str, typed: str) -> Decimal | None:
    """A percentage such as 5 or 5 %; None for an empty text. Raises Refused, also for 0.05, which may mean 5 %."""
    if not typed.strip():
        return None
    found = _read(label, typed, lambda text: values.percentage(text, what="A GST rate"))
    if 0 < found < 1:
        raise Refused(
            f"{label}: {typed.strip()} is less than 1 %. Write {found * 100:f} if {found * 100:f} % is meant. "
            "Nothing was saved.",
            rule="rate_unclear",
        )
    return found


def _read(label: str, typed: str, read: Callable[[str], Number]) -> Number:
    try:
        return read(typed)
    except CellError as error:
        raise Refused(f"{label}: {error} Nothing was saved.", rule="not_a_number") from None
