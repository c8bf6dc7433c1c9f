"""HSN codes as people write them, numbers that are no GSTIN, and the slab of apparel."""

from decimal import Decimal

import pytest

from backstitch.india.gst import check_digit, gstin_problem, hsn_problem, normalise_hsn, slab_remark


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("6204", "6204"),
        ("62.04", "6204"),
        ("6204 42", "620442"),
        ("6109.10", "610910"),
        ("6204.42.10", "62044210"),
        ("6204.0", "6204"),
        ("620442.0", "620442"),
        ("62044290.0", "62044290"),
        (" 6204-42-10 ", "62044210"),
    ],
)
def test_an_hsn_code_is_tidied(typed: str, code: str) -> None:
    assert normalise_hsn(typed) == code
    assert hsn_problem(code) is None


@pytest.mark.parametrize("code", ["62", "620", "62044", "6204421", "620442101", "62A4", "६२०४"])
def test_another_number_of_digits_is_refused(code: str) -> None:
    assert "4, 6 or 8 digits" in (hsn_problem(normalise_hsn(code)) or "")


@pytest.mark.parametrize("first_14", ["97AAPFU0939F1Z", "99AAPFU0939F1Z", "27MUMA12345A1D"])
def test_territories_and_deductors_are_accepted(first_14: str) -> None:
    assert gstin_problem(first_14 + check_digit(first_14)) is None


@pytest.mark.parametrize(
    ("number", "said"),
    [("0717USA00011UNE", "a UIN"), ("2917GBR00022ONB", "a UIN"), ("9917USA29001NRT", "non-resident")],
)
def test_other_numbers_of_15_characters_are_refused_by_what_they_are(number: str, said: str) -> None:
    assert said in (gstin_problem(number) or "")


@pytest.mark.parametrize(
    ("hsn", "price", "rate", "hint"),
    [
        ("6204", "1299", "5", False),
        ("6204", "2500", "5", False),
        ("6204", "2500.01", "18", False),
        ("6109", "1299", "12", True),
        ("6204", "2999", "12", True),
        ("6204", "2999", "5", True),
        ("6204", "1299", "18", True),
        ("5208", "1299", "12", False),
        (None, "1299", "12", False),
        ("6204", None, "12", False),
        ("6204", "1299", None, False),
    ],
)
def test_a_rate_that_is_not_the_slab_gets_a_hint(
    hsn: str | None, price: str | None, rate: str | None, hint: bool
) -> None:
    said = slab_remark(hsn=hsn, price=price and Decimal(price), rate=rate and Decimal(rate))  # type: ignore[arg-type]
    assert (said is not None) == hint
    assert not said or "22 September 2025" in said
