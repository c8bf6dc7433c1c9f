"""Writes money as people in India do: ₹2,54,624.00, in lakhs and crores."""

from decimal import Decimal

RUPEE = "₹"


def money(value: Decimal, *, currency: str) -> str:
    """An amount with its currency and two decimals; rupees are grouped in lakhs, other currencies in thousands."""
    sign = "-" if value < 0 else ""
    figures = f"{abs(value):.2f}" if currency == RUPEE else f"{abs(value):,.2f}"
    return f"{sign}{currency}{_in_lakhs(figures) if currency == RUPEE else figures}"


def _in_lakhs(figures: str) -> str:
    """254624.00 -> 2,54,624.00: the last three digits, then groups of two."""
    whole, _, decimals = figures.partition(".")
    rest, last = whole[:-3], whole[-3:]
    groups = [rest[max(0, end - 2) : end] for end in range(len(rest), 0, -2)][::-1]
    return ",".join([*groups, last]) + f".{decimals}"
