"""Sizes: their order everywhere, and what a range or a set that somebody types stands for."""

import random

import pytest

from backstitch.errors import Refused
from backstitch.inventory.products import sizes

IN_ORDER = (
    ("3XL", "2XL", "XXS", "XS", "S", "M", "L", "XL", "4XL", "10XL", "9XL"),
    ("NB", "0-3M", "3-6M", "6-12M", "2-4Y", "5Y", "10-12Y", "8-9Y"),
    ("28", "30", "32", "36", "38", "38.5", "100"),
    ("28x30", "30x30", "30x32", "32x28"),
    ("M", "12M", "2Y", "28", "30x32", "34B", "FREE"),
    ("Small", "MED", "Extra Large", "XXL", "Free Size"),
)
SORTED = (
    ("XXS", "XS", "S", "M", "L", "XL", "2XL", "3XL", "4XL", "9XL", "10XL"),
    ("NB", "0-3M", "3-6M", "6-12M", "2-4Y", "5Y", "8-9Y", "10-12Y"),
    IN_ORDER[2],
    IN_ORDER[3],
    IN_ORDER[4],
    IN_ORDER[5],
)
EXPANDED = (
    ("28-36", "28 30 32 34 36"),
    ("28 to 36", "28 30 32 34 36"),
    ("28 – 32", "28 30 32"),
    ("30 TILL 34", "30 32 34"),
    ("28 to 40", "28 30 32 34 36 38 40"),
    ("28/30/32", "28 30 32"),
    ("28-30-32", "28 30 32"),
    ("28 30 32", "28 30 32"),
    ("S-M-L", "S M L"),
    ("S/M/L", "S M L"),
    ("S | M | L", "S M L"),
    ("S M L", "S M L"),
    ("s,m;l", "S M L"),
    ("S & M & L", "S M L"),
    ("S-XXL", "S M L XL XXL"),
    ("s to 4xl", "S M L XL XXL XXXL 4XL"),
    ("XS to 6XL", "XS S M L XL XXL XXXL 4XL 5XL 6XL"),
    ("S, 2XL, 3XL", "S 2XL 3XL"),
    ("Small, Medium, Extra Large", "S M XL"),
    ("2-3Y to 5-6Y", "2-3Y 3-4Y 4-5Y 5-6Y"),
    ("2-3 Yrs to 4-5 Yrs", "2-3Y 3-4Y 4-5Y"),
    ("2-4Y to 10-12Y", "2-4Y 4-6Y 6-8Y 8-10Y 10-12Y"),
    ("0-3M to 9-12M", "0-3M 3-6M 6-9M 9-12M"),
    ("2-4Y", "2-4Y"),
    ("6-12 months", "6-12M"),
    ("Free Size", "FREE"),
    ("One size", "FREE"),
    ("Size 40", "40"),
    ("40.0, 42.0", "40 42"),
    ("32 X 34", "32x34"),
    ("34B, 36B", "34B 36B"),
    ('"S/M", L', "S/M L"),
    ("S–L, FREE", "S M L FREE"),
    ("", ""),
)
UNCLEAR = (
    "S/M", "L/XL", "2-4", "4-14", "1 to 5", "28-33", "29-35", "XXL-S", "36-28", "2Y to 8Y", "2-3Y to 6-8Y",
    "5-6Y to 2-3Y", "XL-40", "XL/XXL", "S M L & XL", "S-XXL (5 pcs)", "S upto XL", "S.M.L", "38-44 (even)", "S=2",
    "XL 42", "S, Small", "XXL, 2XL", "FREE, Free Size", "40, 40.0", "S, S",
)  # fmt: skip


@pytest.mark.parametrize(("shuffled", "expected"), list(zip(IN_ORDER, SORTED, strict=True)))
def test_sizes_stand_in_the_order_of_the_trade(shuffled: tuple[str, ...], expected: tuple[str, ...]) -> None:
    for seed in range(5):
        mixed = list(shuffled)
        random.Random(seed).shuffle(mixed)
        assert sizes.in_order(mixed) == list(expected)


@pytest.mark.parametrize(("typed", "meant"), EXPANDED)
def test_ranges_and_sets_are_expanded(typed: str, meant: str) -> None:
    assert sizes.expand(typed) == meant.split()


@pytest.mark.parametrize("typed", UNCLEAR)
def test_what_may_be_one_size_or_several_is_asked(typed: str) -> None:
    with pytest.raises(Refused) as refused:
        sizes.expand(typed)
    assert refused.value.rule in {"sizes_unclear", "sizes_distinct", "size_key_unique", "name_unclear"}


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("S/M, L", ("S/M", "L"), ["S/M", "L"]),
        ("2-4", ("2-4", "5-7"), ["2-4"]),
        ("xxl, free size", ("2XL", "FREE"), ["2XL", "FREE"]),
        ("Size 38, 40.0", ("38", "40"), ["38", "40"]),
        ("S M", ("S M", "L"), ["S M"]),
    ],
)
def test_a_size_that_the_product_has_is_that_size(typed: str, known: tuple[str, ...], meant: list[str]) -> None:
    assert sizes.expand(typed, known=known) == meant


def test_sizes_have_one_order_in_the_database_and_here() -> None:
    assert sizes.order("XS") < sizes.order("S") < sizes.order("10XL") < sizes.order("0-3M") < sizes.order("2-4Y")
    assert sizes.order("10-12Y") < sizes.order("28") < sizes.order("28x30") < sizes.order("34B") < sizes.order("FREE")
