"""What a text means at every door: names, words for nothing, dates, quantities and amounts."""

from datetime import date
from decimal import Decimal

import pytest

from backstitch.errors import Refused
from backstitch.inventory import values
from backstitch.inventory.values import CellError, DateOrder

TODAY = date(2026, 11, 23)
DAY, MONTH = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST
FORMAT_DAY = "Write it as 31/12/2026, day first, or as 2026-12-31."
FORMAT_MONTH = "Write it as 12/31/2026, month first like the others, or as 2026-12-31."


# --- words for nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\u00a0", "-", "--", "–", "—", "−", "nan", "NaN", "NULL", "null", "(null)", "<NULL>", "None", "NIL",
        "N/A", "n/a", "n.a.", "N. A.", "N.A", "NA", "na", "<NA>", "NaT", "undefined", "\u200bnull ",
        "(blank)", "(Blank)", "\\N", "N\\A", "nill", "NILL",
    ],
)  # fmt: skip
def test_a_word_for_nothing_says_nothing(text: str) -> None:
    assert values.is_blank(text)
    assert values.quantity(text) == 0


@pytest.mark.parametrize(
    "text", ["0", "Nan Traders", "Nashik", "NA-12", "Nulla", "#N/A", "#REF!", "TRUE", "x", ".", "None left", "- 1"]
)
def test_other_words_are_no_nothing(text: str) -> None:
    assert not values.is_blank(text)


ERROR = "It is a spreadsheet error ({})."
NO_NAME = "“{}” is no name. Leave the cell blank, or write the name."
TRUTH = "“{}” is what a spreadsheet makes of yes and no, and no name. Write the name."
LONG_NUMBER = (
    "“{}” is how a spreadsheet shows a long number: its last digits are missing. Format the column as text, and type "
    "the number in full."
)
RAISED = "“{}” has a raised, lowered or circled digit. Write it in the digits 0 to 9."
UNNAMED = "“{}” is no name. Write the name."
ABOVE = "“{}” stands for what is above it. Write the name."
DROPPED = (
    "“{}” ends in 000 after more than 15 digits: a spreadsheet has dropped the last ones. Format the column as text, "
    "and type the number in full."
)
MADE_A_DATE = "“{}” is how a spreadsheet shows a date: it has made one of what was typed. Type it again as text."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("#REF!", ERROR), ("#N/A", ERROR), ("#VALUE!", ERROR), ("#DIV/0!", ERROR), ("#NAME?", ERROR), ("#NUM!", ERROR),
        ("#n/a", ERROR), ("0", NO_NAME), ("0.0", NO_NAME), ("00", NO_NAME), ("TRUE", TRUTH), ("false", TRUTH),
        ("8.9E+12", LONG_NUMBER), ("8.90123E+17", LONG_NUMBER), ("1e+15", LONG_NUMBER), ("8,9E+12", LONG_NUMBER),
        ("2-Apr", MADE_A_DATE), ("12-Mar", MADE_A_DATE), ("Mar-12", MADE_A_DATE), ("02-Apr", MADE_A_DATE),
        ("2-apr", MADE_A_DATE), ("12 Mar", MADE_A_DATE), ("mar-12", MADE_A_DATE), ("12-Mar-26", MADE_A_DATE),
        ("12-MAR-26", MADE_A_DATE), ("12 March 2026", MADE_A_DATE), ("Mar 12, 2026", MADE_A_DATE),
        ("2026-03-12", MADE_A_DATE), ("2026-03-12 00:00:00", MADE_A_DATE), ("2026-03-12T00:00:00Z", MADE_A_DATE),
        ("12/03/2026", MADE_A_DATE), ("03/14/2026", MADE_A_DATE), ("12.03.2026", MADE_A_DATE),
        ("Thu 12/03/2026", MADE_A_DATE), ("１２/03/2026", MADE_A_DATE),
        ("8.9e12", LONG_NUMBER), ("8.9E12", LONG_NUMBER), ("8,9E12", LONG_NUMBER),
        ("1234567890123456000", DROPPED), ("8901234567890000", DROPPED), ("8901234567890123000.0", DROPPED),
        ("?", UNNAMED), (".", UNNAMED), ("***", UNNAMED), ("_", UNNAMED), ("????", UNNAMED), ("- -", UNNAMED),
        ("5²", RAISED), ("KT₂", RAISED), ("A①", RAISED),
        ("#", UNNAMED), ("…", UNNAMED), ("unknown", UNNAMED), ("Unknown", UNNAMED), ("UNKNOWN", UNNAMED),
        ("do", ABOVE), ("Do.", ABOVE), ("-do-", ABOVE), ("-DO-", ABOVE), ("ditto", ABOVE), ("same as above", ABOVE),
        ("As above", ABOVE), ('"', ABOVE), ("''", ABOVE), ("〃", ABOVE), ("”", ABOVE),
    ],
)  # fmt: skip
def test_what_no_name_is_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(CellError) as refused:
        values.name(text, longest=60, zero=False)
    assert str(refused.value) == sentence.format(text)


@pytest.mark.parametrize(
    "text",
    [
        "MAR-12", "2-4", "2-4Y", "00042", "007", "1E5", "E+12", "TRUE BLUE", "0-3M", "#12", "12/34", "8/10/12",
        "28/30/32", "12-34-2026", "99/99/2026", "1-12", "8901234567890", "123456789012000", "8901234567890123456",
        "Dodo", "Do It", "Ditto Traders", "Unknown Pleasures",
        "लाल", "红", "ا", "½", "5½", "May", "12 Marigold", "AN-12-Mar-26",
    ],
)  # fmt: skip
def test_names_that_look_like_none_stay_names(text: str) -> None:
    assert values.name(text, longest=60, zero=False) == text


def test_a_size_can_be_0() -> None:
    assert values.name("0", longest=20) == "0"


@pytest.mark.parametrize(
    "text", ["?", "***", "-do-", '"', "unknown", "(blank)", "\\N", "2-apr", "12/03/2026", "8.9e12"]
)
def test_forms_and_sizes_refuse_what_no_name_is_too(text: str) -> None:
    with pytest.raises(Refused) as refused:
        values.stored_name(text, what="The size", longest=20, zero=True)
    assert refused.value.rule == "name_unclear"


@pytest.mark.parametrize("text", ["", "-", "--", "–", "—"])
def test_a_dash_is_no_name_and_none_is_needed(text: str) -> None:
    assert values.stored_name(text, what="The agency", longest=20) == ""


# --- dates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "05/11/2026", "5/11/26", "05-11-2026", "5.11.2026", "05.11.26", "5 11 2026", "5-Nov-26", "05 November 2026",
        "5-nov-2026", "Nov 5, 2026", "November 5 2026", "Nov 5 2026", "Nov-5-2026", "5th Nov 2026",
        "5 Nov, 2026", "5Nov2026", "05NOV26", "5 Nov. 2026", "5-Nov'26", "Thu, 5 Nov 2026", "Thursday 5 November 2026",
        "2026-11-05", "2026/11/5", "2026.11.05", "2026-11-05 00:00:00", "2026-11-05T10:30", "2026-11-05T10:30:15.250",
        "2026-11-05 10:30:00 +0530", "2026-11-05T10:30:00+05:30", "05/11/2026 10:30 AM", "05/11/2026, 10:30 pm",
        "5-Nov-26 23:59", "46331", "46331.0", "46331.4375", " 05/11/2026 ", "05/11/2026\u00a0", "'05/11/2026",
        "０５/１１/２０２６",
    ],
)  # fmt: skip
def test_a_date_is_understood_in_the_forms_of_the_trade(text: str) -> None:
    assert values.day(text, today=TODAY) == date(2026, 11, 5)


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("03/04/2026", DAY, date(2026, 4, 3)), ("03/04/2026", MONTH, date(2026, 3, 4)),
        ("3-4-26", MONTH, date(2026, 3, 4)), ("10.09.2026 09:15", MONTH, date(2026, 10, 9)),
        ("2026-03-04", MONTH, date(2026, 3, 4)), ("Mon 05/11/2026", MONTH, date(2026, 5, 11)),
        ("3-Apr-26", MONTH, date(2026, 4, 3)),
        ("Sept 4, 2026", DAY, date(2026, 9, 4)), ("29/02/2024", DAY, date(2024, 2, 29)),
    ],
)  # fmt: skip
def test_the_order_decides_dates_of_three_numbers_only(text: str, order: DateOrder, day: date) -> None:
    assert values.day(text, today=TODAY, order=order) == day


ZONE = "“{}” is a time of another zone, so its day is not certain here. Write the day alone, as 2026-12-31."
NO_DAY = "“{}” names no day. Write the day, the month and the year."
WEEKDAY = "Correct the date or the day of the week."
NO_YEAR = "“{}” names no year. Write the day, the month and the year."


@pytest.mark.parametrize(
    ("text", "order", "sentence"),
    [
        ("Nov 2026", DAY, NO_DAY),
        ("Nov-26", DAY, NO_DAY),
        ("November'26", DAY, NO_DAY),
        ("11/2026", DAY, NO_DAY),
        ("5-Nov", DAY, NO_YEAR),
        ("5th Nov", DAY, NO_YEAR),
        ("2026-11-05T20:00:00Z", DAY, ZONE),
        ("2026-11-05T20:00:00+00:00", DAY, ZONE),
        ("5-Nov-26 10:30 GMT", DAY, ZONE),
        ("०५/११/२०२६", DAY, "“{}” is written in Devanagari digits. Write it in the digits 0 to 9."),
        ("31/02/2026", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("03/14/2026", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("14/03/2026", MONTH, "“{}” is not a date. " + FORMAT_MONTH),
        ("2026-11-0²", DAY, "“{}” is written in superscript digits. Write it in the digits 0 to 9."),
        ("Mon 05/11/2026", DAY, "“{}” is read as 5 November 2026, a Thursday. " + WEEKDAY),
        ("Friday, 5 Nov 2026", DAY, "“{}” is read as 5 November 2026, a Thursday. " + WEEKDAY),
        ("Thu 05/11/2026", MONTH, "“{}” is read as 11 May 2026, a Monday. " + WEEKDAY),
        ("Tues 2026-11-05", DAY, "“{}” is read as 5 November 2026, a Thursday. " + WEEKDAY),
        ("2026-13-05", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("5-Foo-26", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("5-Marzo-26", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("05/11/2026 25:99", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("20261105", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("4633", DAY, "“{}” is not a date. " + FORMAT_DAY),
        ("24/11/2026", DAY, "24 Nov 2026 is in the future."),
        ("31/12/1999", DAY, "31 Dec 1999 is before the year 2000."),
        ("05/11/69", DAY, "05 Nov 2069 is in the future."),
    ],
)
def test_what_is_not_a_day_is_refused_in_words(text: str, order: DateOrder, sentence: str) -> None:
    with pytest.raises(CellError) as refused:
        values.day(text, today=TODAY, order=order)
    assert str(refused.value) == sentence.format(text)


# --- numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("12", 12), (" 12.0 ", 12), ("12.00", 12), ("1,200", 1200), ("1,00,000", 100_000), ("100,000", 100_000),
        ("12,34,567", 1_234_567), ("1,234,567", 1_234_567), ("0", 0), ("12 pcs", 12), ("12pcs.", 12), ("12 Nos", 12),
        ("1 pc", 1), ("3 pieces", 3), ("１２", 12), ("12\u00a0", 12), ("'12", 12), ("1,200.0", 1200),
    ],
)  # fmt: skip
def test_a_quantity_is_a_whole_number_of_pieces(text: str, quantity: int) -> None:
    assert values.quantity(text) == quantity


COMMA = "“{}” has a comma where decimals begin, or groups that are not of thousands. Write 1234.50 or 1,234.50."
NOT_PLAIN = "“{}” is not a number in plain digits."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-3", "“{}” is negative."),
        ("(12)", "“{}” is negative."),
        ("12-", "“{}” is negative."),
        ("−3", "“{}” is negative."),
        ("2.5", "“{}” is not a whole number."),
        ("1,5", COMMA),
        ("12,50", COMMA),
        ("1.234,56", COMMA),
        ("0,500", COMMA),
        (
            "1.000",
            "“{}” may be 1,000 or have three decimals. Write a comma between thousands, or two decimals at most.",
        ),
        ("1,00,00", NOT_PLAIN),
        ("2 dozen", NOT_PLAIN),
        ("12 sets", NOT_PLAIN),
        ("1 200", NOT_PLAIN),
        ("1,23,4567", NOT_PLAIN),
        ("१२", "“{}” is written in Devanagari digits. Write it in the digits 0 to 9."),
        ("5²", "“{}” is written in superscript digits. Write it in the digits 0 to 9."),
        ("²", "“{}” is written in superscript digits. Write it in the digits 0 to 9."),
        ("1₂", "“{}” is written in subscript digits. Write it in the digits 0 to 9."),
        ("①", "“{}” is written in Circled digits. Write it in the digits 0 to 9."),
        ("1½", NOT_PLAIN),
        ("1.2E+05", "“{}” is how a spreadsheet shows a long number. Write it in full."),
        ("three", NOT_PLAIN),
        ("=1+1", NOT_PLAIN),
        ("TRUE", NOT_PLAIN),
        ("#REF!", "It is a spreadsheet error ({})."),
        ("99999999999", "“{}” is larger than 2,147,483,647."),
    ],
)
def test_what_is_no_quantity_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(CellError) as refused:
        values.quantity(text)
    assert str(refused.value) == sentence.format(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("₹ 1,149.50", "1149.50"),
        ("Rs. 899", "899.00"),
        ("Rs.1,299/-", "1299.00"),
        ("1299/-", "1299.00"),
        ("1299/=", "1299.00"),
        ("INR 1299", "1299.00"),
        ("1,299.00 INR", "1299.00"),
        ("₹\u00a01,00,000.00", "100000.00"),
        ("1169.1000000000001", "1169.10"),
        ("0.30000000000000004", "0.30"),
        ("1298.9999999999999", "1299.00"),
        ("12.0", "12.00"),
        ("₨ 1299", "1299.00"),
        (".5", "0.50"),
        ("１２９９", "1299.00"),
        ("1169.100", "1169.10"),
    ],
)
def test_an_amount_is_read_as_a_bill_and_a_spreadsheet_write_it(text: str, amount: str) -> None:
    assert values.amount(text, largest=Decimal(1_000_000), what="A price") == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "33.333",
            "“{}” may be 33,333 or have three decimals. Write a comma between thousands, or two decimals at most.",
        ),
        ("1333.333", "“{}” has more than two decimals."),
        ("1.234,56", COMMA),
        ("1299,50", COMMA),
        (
            "1.299",
            "“{}” may be 1,299 or have three decimals. Write a comma between thousands, or two decimals at most.",
        ),
        ("$ 12", "“{}” is not in rupees. Write the price in rupees."),
        ("USD 12", "“{}” is not in rupees. Write the price in rupees."),
        ("€12,50", "“{}” is not in rupees. Write the price in rupees."),
        ("5%", "“{}” is not a number."),
        ("-5", "A price cannot be negative."),
        ("(5.00)", "A price cannot be negative."),
        ("₹ -5", "A price cannot be negative."),
        ("5-", "A price cannot be negative."),
        ("1E+06", "“{}” is how a spreadsheet shows a long number. Write it in full."),
        ("2000000", "A price cannot be more than 1,000,000."),
        ("cheap", "“{}” is not a number."),
        ("129⁹", "“{}” is written in superscript digits. Write it in the digits 0 to 9."),
    ],
)
def test_what_is_no_amount_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(CellError) as refused:
        values.amount(text, largest=Decimal(1_000_000), what="A price")
    assert str(refused.value) == sentence.format(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("5", "5"), ("5%", "5"), ("５％", "5"), ("12.5 %", "12.5"), ("0.25%", "0.25")]
)
def test_a_percentage_may_have_its_sign(text: str, rate: str) -> None:
    assert values.percentage(text, what="A GST rate") == Decimal(rate)


def test_a_wrong_value_is_quoted_shortened_on_one_line_without_unprintable_characters() -> None:
    with pytest.raises(CellError) as wrong:
        values.quantity("a\u202eb\n" + "x" * 500)
    assert str(wrong.value) == "“a�b�" + "x" * 35 + "…” is not a number in plain digits."
