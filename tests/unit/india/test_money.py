"""Money as people in India write it."""

from decimal import Decimal

import pytest

from backstitch.india.money import money


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("0", "₹0.00"),
        ("5", "₹5.00"),
        ("999.9", "₹999.90"),
        ("1000", "₹1,000.00"),
        ("54624", "₹54,624.00"),
        ("254624", "₹2,54,624.00"),
        ("1254624.5", "₹12,54,624.50"),
        ("12345678.91", "₹1,23,45,678.91"),
        ("9999999999.99", "₹9,99,99,99,999.99"),
        ("-254624", "-₹2,54,624.00"),
    ],
)
def test_rupees_are_grouped_in_lakhs(value: str, written: str) -> None:
    assert money(Decimal(value), currency="₹") == written


def test_another_currency_is_grouped_in_thousands() -> None:
    assert money(Decimal("1254624.5"), currency="$") == "$1,254,624.50"
