"""GSTINs, mobiles and financial years as they are typed."""

from datetime import date

import pytest

from backstitch.india.financial_year import financial_year, first_day
from backstitch.india.gst import check_digit, gstin_problem, normalise_gstin, state_of
from backstitch.india.phone import normalise_mobile

GSTIN = "27AAPFU0939F1ZV"


def test_a_gstin_is_normalised_and_checked_and_names_its_state() -> None:
    assert normalise_gstin(" 27 aapfu-0939f1zv ") == GSTIN
    assert gstin_problem(GSTIN) is None
    assert gstin_problem("29AAGCB7383J1Z4") is None
    assert (state_of(GSTIN), state_of("29AAGCB7383J1Z4"), state_of("96AAPFU0939F1ZV")) == (
        "Maharashtra",
        "Karnataka",
        "",
    )


@pytest.mark.parametrize(
    ("gstin", "sentence"),
    [
        ("27AAPFU0939F1Z", "A GSTIN has 15 characters; this one has 14."),
        (
            "27AAPFU093XF1ZV",
            "A GSTIN is 2 digits, 5 letters, 4 digits, a letter and 3 more characters, such as 27AAPFU0939F1ZV.",
        ),
        ("39AAPFU0939F1ZU", "A GSTIN starts with the number of a state, 01 to 38, or 97 or 99; 39 is none."),
        ("27AAPFU0939F1ZW", "The last character of this GSTIN does not fit the others. Look for a typing mistake."),
    ],
)
def test_a_wrong_gstin_is_refused_with_what_is_wrong_with_it(gstin: str, sentence: str) -> None:
    assert gstin_problem(gstin) == sentence


def test_the_check_digit_finds_every_wrong_character_and_every_swap_of_neighbours_in_the_pan() -> None:
    first_14 = GSTIN[:14]
    for index in range(14):
        for character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            if character != first_14[index]:
                assert check_digit(first_14[:index] + character + first_14[index + 1 :]) != GSTIN[14]
    for index in range(2, 11):
        swapped = first_14[:index] + first_14[index + 1] + first_14[index] + first_14[index + 2 :]
        assert swapped == first_14 or check_digit(swapped) != GSTIN[14]


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        ("98200 12345", "9820012345"),
        ("+91 98200-12345", "9820012345"),
        ("0091 (98200) 12345", "9820012345"),
        ("098200.12345", "9820012345"),
        ("9198200123", "9198200123"),
        ("982001234", "982001234"),
        ("", ""),
        ("shop", "shop"),
    ],
)
def test_a_mobile_is_its_ten_digits_however_it_was_typed(typed: str, normalised: str) -> None:
    assert normalise_mobile(typed) == normalised


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2026, 4, 1), "2026-27"),
        (date(2027, 3, 31), "2026-27"),
        (date(2026, 3, 31), "2025-26"),
        (date(2099, 12, 31), "2099-00"),
    ],
)
def test_a_financial_year_runs_from_april_to_march(day: date, year: str) -> None:
    assert financial_year(day) == year
    assert first_day(year) <= day < first_day(year).replace(year=first_day(year).year + 1)
