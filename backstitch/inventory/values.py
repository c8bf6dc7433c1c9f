"""Parses texts that people type or that a spreadsheet shows: names, numbers, money and dates, the same at every door.

Each function returns the value, or raises CellError with a sentence.
"""

import re
import unicodedata
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from functools import lru_cache

from backstitch.errors import Refused
from backstitch.files.text_files import shown
from backstitch.inventory.names import tidy

LARGEST_QUANTITY = 2_147_483_647

FIRST_DAY = date(2000, 1, 1)
EXCEL_EPOCH = date(1899, 12, 30)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NUMERIC = re.compile(r"([0-9]{1,2})[/.\- ]([0-9]{1,2})[/.\-, ]+([0-9]{4}|[0-9]{2})")
YEAR_FIRST = re.compile(r"([0-9]{4})[/.\-]([0-9]{1,2})[/.\-]([0-9]{1,2})")
DAY_MONTH = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?[/.\-, ]*([a-z]{3,9})\.?[/.\-, ']*([0-9]{4}|[0-9]{2})")
MONTH_DAY = re.compile(r"([a-z]{3,9})\.?[/.\- ]*([0-9]{1,2})(?:st|nd|rd|th)?(?:,[ ]*|[/.\- ]+)([0-9]{4}|[0-9]{2})")
WITHOUT_DAY = re.compile(r"(?:([a-z]{3,9})|[0-9]{1,2})\.?[/.\-, ']*[0-9]{4}|([a-z]{3,9})\.?[/.\-, ']*[0-9]{2}")
WITHOUT_YEAR = re.compile(r"[0-9]{1,2}(?:st|nd|rd|th)?[/.\- ]*([a-z]{3,9})")
TIME = re.compile(
    r"[ t,]+[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?: ?[ap]\.?m\.?)?"
    r"(?: ?(z|utc|gmt|ist|[+-][0-9]{2}:?[0-9]{2}))?$"
)
ZONES_HERE = {None, "ist", "+05:30", "+0530"}
SERIAL = re.compile(r"[0-9]{5}(\.[0-9]+)?")
# 1,00,000 in lakhs or 100,000 in thousands, but no mixture of them; a group never begins with 0.
GROUPED = re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?|[1-9][0-9]?(,[0-9]{2})*,[0-9]{3}(\.[0-9]+)?")
COMMA_DECIMAL = re.compile(r"[0-9]{1,3}(\.[0-9]{3})+,[0-9]*|[0-9]*,[0-9]{1,2}|0,[0-9]+|[0-9]+,[0-9]{4,}")
# 1.200 is 1,200 where the comma is the decimal sign.
POINT_GROUPED = re.compile(r"[1-9][0-9]{0,2}(\.[0-9]{3})+")
PLAIN = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)")
NUMBER_LIKE = re.compile(r"[+-]?[0-9][0-9,]*(\.[0-9]*)?")
# Without a sign only with decimals: 1E5 is a name as often as a number.
SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?e[+-][0-9]{1,3}|[0-9]+[.,][0-9]+e[0-9]{1,3}")
ROUNDED = re.compile(r"[0-9]{13,}000(\.0+)?")  # a spreadsheet keeps 15 digits, and writes 0 for the others
RUPEES = re.compile(r"^(₹|₨|rs\.?|inr)\s*|\s*(₹|₨|rs\.?|inr)$")
SLASH_DASH = re.compile(r"\s*/[-=]$")  # 1299/- as a bill has it
OTHER_CURRENCY = re.compile(r"[$€£¥]|\b(usd|eur|gbp|aed)\b")
PIECES = re.compile(r"\s*(pcs?|pieces?|nos?|units?)\.?$")
SPREADSHEET_ERROR = re.compile(r"#(N/A|[A-Z0-9/]+[!?])", re.IGNORECASE)
FORMULA_STARTS = ("=", "+", "@", "-")
# 2-Apr of 2-4, Mar-12 of MAR-12. People write months in capitals in a SKU.
_SHORT_MONTH = "(?:" + "|".join(f"{month[:3].capitalize()}|{month[:3]}" for month in MONTHS) + ")"
SHORT_DATE = re.compile(f"[0-9]{{1,2}}[- ]{_SHORT_MONTH}|{_SHORT_MONTH}-[0-9]{{2}}")
# Three numbers with a year of two digits may be a set of sizes, as 8/10/12.
FULL_DATE = re.compile(
    r"[0-9]{4}[/.\-][0-9]{1,2}[/.\-][0-9]{1,2}|[0-9]{1,2}[/.\-][0-9]{1,2}[/.\-][0-9]{4}"
    r"|[0-9]{1,2}(?:st|nd|rd|th)?[/.\- ]+[a-z]{3,9}\.?[/.\-, ']+(?:[0-9]{4}|[0-9]{2})"
    r"|[a-z]{3,9}\.?[/.\- ]+[0-9]{1,2}(?:st|nd|rd|th)?[/.\-, ]+[0-9]{4}"
)
DASHES = {"-", "--", "---", "–", "—", "−"}
# What exports and people write into a cell that has no value, without case, blanks and dots.
NOTHING_WORDS = {
    "nan", "null", "(null)", "<null>", "none", "nil", "nill", "n/a", "n\\a", "\\n", "na", "<na>", "nat", "undefined",
    "blank", "(blank)",
}  # fmt: skip
DITTO = re.compile(r"[\W_]*(do|ditto|(same )?as above)[\W_]*|[\"'”’″〃]{1,2}")
LONGEST_NOTHING = 20  # characters of a word for nothing with what may stand around it; a cell can have 100,000
TRUTHS = {"true", "false"}
# Bidirectional control characters: they make a text look different from what it is.
DIRECTION_MARKS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f", "\u061c"}
INVISIBLE = dict.fromkeys((0x200B, 0xFEFF, 0x00AD))
LONGEST_DATE = 60  # characters
LONGEST_QUOTE = 40  # characters
# A spreadsheet keeps 15 digits; what follows them is the noise of binary fractions.
FLOAT_DIGITS = Context(prec=15, rounding=ROUND_HALF_EVEN)


class CellError(ValueError):
    """A cell holds an invalid value; the message is a sentence for the user."""


class DateOrder(StrEnum):
    """How a date of three numbers is read: 03/04/2026 is 3 April, or March 4."""

    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"


def quote(value: str) -> str:
    """The value as a message quotes it: on one line, unprintable characters replaced, cut at LONGEST_QUOTE."""
    visible = "".join(
        character if character.isprintable() and character not in DIRECTION_MARKS else "\ufffd" for character in value
    )
    return visible if len(visible) <= LONGEST_QUOTE else visible[: LONGEST_QUOTE - 1] + "…"


def normalise(value: str) -> str:
    """The text in NFC, with single spaces, without line breaks, invisible characters and spaces at the ends."""
    return " ".join(unicodedata.normalize("NFC", value.translate(INVISIBLE)).split())


def plain_width(value: str) -> str:
    """The text with full-width characters as plain ones: ５％ is 5%. Nothing else changes, so 5² is never 52."""
    return "".join(
        unicodedata.normalize("NFKC", one) if unicodedata.decomposition(one).startswith(("<wide>", "<narrow>")) else one
        for one in value
    )


def is_blank(value: str) -> bool:
    """Whether a text says nothing: blank, a dash, or a word for nothing such as NULL, nan or N/A."""
    return _is_short_blank(value) if len(value) <= LONGEST_NOTHING else not normalise(value)


@lru_cache(maxsize=4096)
def _is_short_blank(value: str) -> bool:
    text = normalise(value)
    return not text or text in DASHES or is_nothing_word(text)


def is_nothing_word(value: str) -> bool:
    """Whether a text is a word for nothing, such as NULL, nan, N/A or NA; a dash is none."""
    return len(value) <= LONGEST_NOTHING and _is_short_nothing_word(value)


@lru_cache(maxsize=4096)
def _is_short_nothing_word(value: str) -> bool:
    return normalise(value).casefold().replace(".", "").replace(" ", "") in NOTHING_WORDS


def is_spreadsheet_error(value: str) -> bool:
    """Whether a text is what a spreadsheet shows for a formula that failed, such as #REF! or #N/A."""
    return SPREADSHEET_ERROR.fullmatch(normalise(value)) is not None


def words(value: str, *, longest: int) -> str:
    """A text to store, such as a note or a description. Raises CellError."""
    text = normalise(value)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise CellError("It holds a character that cannot be stored (NUL or another control character).")
    if any(character in DIRECTION_MARKS for character in text):
        raise CellError("It holds an invisible mark that turns the direction of the text. Type it anew.")
    if SPREADSHEET_ERROR.fullmatch(text):
        raise CellError(f"It is a spreadsheet error ({text}).")
    if text.startswith(FORMULA_STARTS) and len(text) > 1:
        raise CellError(f"“{quote(text)}” looks like a formula. Copy the value, not the formula.")
    if len(text) > longest:
        raise CellError(f"It is longer than {longest} characters.")
    return tidy(text)


def stored_name(value: str, *, what: str, longest: int, zero: bool = False) -> str:
    """A SKU, a size, a colour or a party as a form, a grid or a program gives it; '' for none.

    The same rules as in a pasted sheet, and the marks with which a spreadsheet keeps a text (`'00123`) are taken off.
    `what` begins the sentence. Raises Refused (name_unclear).
    """
    text = shown(value.strip())
    if text in DASHES:
        return ""
    if is_nothing_word(text):
        raise Refused(f"{what}: “{quote(text)}” stands for nothing, and is no name.", rule="name_unclear")
    try:
        return name(text, longest=longest, zero=zero)
    except CellError as error:
        raise Refused(f"{what}: {error} Nothing was saved.", rule="name_unclear") from None


def name(value: str, *, longest: int, zero: bool = True) -> str:
    """A text that names something: a SKU, a size, a colour or a party. Raises CellError.

    Without `zero` a 0 is refused: sizes can be 0, but in a column of other names it stands for nothing.
    """
    _check_says_a_name(normalise(value))
    text = words(value, longest=longest)
    if not zero and re.fullmatch(r"[0０]+([.,]0+)?", text) and len(text) < 5:
        raise CellError(f"“{quote(text)}” is no name. Leave the cell blank, or write the name.")
    if text.casefold() in TRUTHS:
        raise CellError(f"“{quote(text)}” is what a spreadsheet makes of yes and no, and no name. Write the name.")
    _check_not_converted(text)
    return text


def _check_says_a_name(text: str) -> None:
    """Raises CellError for a text that stands for a name elsewhere or for none; a dash is blank."""
    if len(text) <= LONGEST_NOTHING and DITTO.fullmatch(text.casefold()):
        raise CellError(f"“{quote(text)}” stands for what is above it. Write the name.")
    nameless = text and text not in DASHES and not any(map(str.isalnum, text))
    if nameless or text.casefold() == "unknown":
        raise CellError(f"“{quote(text)}” is no name. Write the name.")
    # Keys of names make plain digits of these: 5² would be 52.
    if any(one.isdigit() and not one.isdecimal() for one in text):
        raise CellError(f"“{quote(text)}” has a raised, lowered or circled digit. Write it in the digits 0 to 9.")


def _check_not_converted(text: str) -> None:
    """Raises CellError for what a spreadsheet makes of a long number, or of a text that looks like a date."""
    plain = plain_width(text)
    if ROUNDED.fullmatch(plain):
        raise CellError(
            f"“{quote(text)}” ends in 000 after more than 15 digits: a spreadsheet has dropped the last ones. Format "
            "the column as text, and type the number in full."
        )
    if SCIENTIFIC.fullmatch(plain.casefold()):
        raise CellError(
            f"“{quote(text)}” is how a spreadsheet shows a long number: its last digits are missing. Format the "
            "column as text, and type the number in full."
        )
    if SHORT_DATE.fullmatch(plain) or _is_full_date(text):
        raise CellError(
            f"“{quote(text)}” is how a spreadsheet shows a date: it has made one of what was typed. Type it again as "
            "text."
        )


def _is_full_date(text: str) -> bool:
    bare = TIME.sub("", _date_text(text))
    return FULL_DATE.fullmatch(bare) is not None and any(_can_be_read(bare, order) for order in DateOrder)


def _can_be_read(text: str, order: DateOrder) -> bool:
    try:
        read_day(text, order=order)
    except CellError:
        return False
    return True


def day(value: str, *, today: date, order: DateOrder = DateOrder.DAY_FIRST) -> date:
    """The date of a text: 05/11/2026 in the `order` given, 5-Nov-26, Nov 5, 2026, 2026-11-05 or a serial number.

    A time of day is left out; years of two digits are 20xx. Raises CellError.
    """
    return allowed_day(read_day(value, order=order), today=today)


def allowed_day(found: date, *, today: date) -> date:
    """The date, if it is neither in the future nor before 2000. Raises CellError."""
    if found > today:
        raise CellError(f"{found:%d %b %Y} is in the future.")
    if found < FIRST_DAY:
        raise CellError(f"{found:%d %b %Y} is before the year 2000.")
    return found


def read_day(value: str, *, order: DateOrder) -> date:
    """The date of a text as `day` reads it, of any year. Raises CellError."""
    found = _read_day(value, order)
    weekday = _date_parts(value)[1] if len(value) <= LONGEST_DATE else None
    if weekday is not None and found.weekday() != weekday:
        raise CellError(
            f"“{quote(value)}” is read as {found.day} {found:%B %Y}, a {found:%A}. Correct the date or the day of the "
            "week."
        )
    return found


def _read_day(value: str, order: DateOrder) -> date:
    text = _date_text(value)
    if SERIAL.fullmatch(text):
        return EXCEL_EPOCH + timedelta(days=int(float(text)))
    if found := YEAR_FIRST.fullmatch(text):
        year, month, day_of_month = map(int, found.groups())
    elif numbers := day_numbers(value):
        first, second, year = numbers
        day_of_month, month = (first, second) if order is DateOrder.DAY_FIRST else (second, first)
    elif found := DAY_MONTH.fullmatch(text):
        day_of_month, month, year = int(found[1]), _month(found[2]), _full_year(found[3])
    elif found := MONTH_DAY.fullmatch(text):
        day_of_month, month, year = int(found[2]), _month(found[1]), _full_year(found[3])
    else:
        raise CellError(_why_no_date(value, text, order))
    try:
        return date(year, month, day_of_month)
    except ValueError:
        raise CellError(_why_no_date(value, text, order)) from None


def day_numbers(value: str) -> tuple[int, int, int] | None:
    """The first, the second and the year of a date of three numbers, in which the order decides; None for others."""
    found = NUMERIC.fullmatch(_date_text(value))
    return (int(found[1]), int(found[2]), _full_year(found[3])) if found else None


def is_serial(value: str) -> bool:
    """Whether a text can be the number by which a spreadsheet stores a date."""
    return SERIAL.fullmatch(_date_text(value)) is not None


def has_short_year(value: str) -> bool:
    """Whether a date says its year in two digits."""
    found = [form.fullmatch(_date_text(value)) for form in (NUMERIC, DAY_MONTH, MONTH_DAY)]
    return any(one is not None and len(one[3]) == 2 for one in found)


def _date_text(value: str) -> str:
    """The text in lower case and plain digits, without the day of the week and the time of a day that is certain."""
    return _date_parts(value)[0] if len(value) <= LONGEST_DATE else ""


@lru_cache(maxsize=4096)
def _date_parts(value: str) -> tuple[str, int | None]:
    """The text of `_date_text`, and the day of the week that it named: 0 for Monday."""
    text = plain_width(normalise(value).removeprefix("'")).lower()
    first, _, rest = text.partition(" ")
    word = first.rstrip(",.")
    weekday = next((n for n, name in enumerate(DAY_NAMES) if len(word) >= 3 and name.startswith(word)), None)
    if weekday is not None:
        text = rest
    time = TIME.search(text)
    return (text[: time.start()] if time and time[1] in ZONES_HERE else text), weekday


def _full_year(digits: str) -> int:
    return int(digits) + (2000 if len(digits) == 2 else 0)


def _month(word: str) -> int:
    """1 to 12 for the name of a month or its beginning, else 0."""
    known = [month for month in MONTHS if month.startswith(word if word != "sept" else "sep")]
    return MONTHS.index(known[0]) + 1 if known else 0


def _why_no_date(value: str, text: str, order: DateOrder) -> str:
    shown = f"“{quote(value)}”"
    if foreign := _foreign_digits(text):
        return f"{shown} is written in {foreign}. Write it in the digits 0 to 9."
    time = TIME.search(text)
    if time and time[1] not in ZONES_HERE:
        return f"{shown} is a time of another zone, so its day is not certain here. Write the day alone, as 2026-12-31."
    if (found := WITHOUT_DAY.fullmatch(text)) and (not any(found.groups()) or _month(found[1] or found[2])):
        return f"{shown} names no day. Write the day, the month and the year."
    if (found := WITHOUT_YEAR.fullmatch(text)) and _month(found[1]):
        return f"{shown} names no year. Write the day, the month and the year."
    if order is DateOrder.MONTH_FIRST:
        return f"{shown} is not a date. Write it as 12/31/2026, month first like the others, or as 2026-12-31."
    return f"{shown} is not a date. Write it as 31/12/2026, day first, or as 2026-12-31."


def quantity(value: str) -> int:
    """A whole number of pieces, such as 1,200 or 12 pcs; 0 for a blank cell, a dash or a word for nothing."""
    if is_blank(value):
        return 0
    text = PIECES.sub("", _number_text(value))
    if _is_negative(text):
        raise CellError(f"“{quote(value)}” is negative.")
    digits = _digits(text)
    if digits is None:
        raise CellError(_why_no_number(value, text, "is not a number in plain digits"))
    figure = Decimal(digits)
    if figure > LARGEST_QUANTITY:
        raise CellError(f"“{quote(value)}” is larger than {LARGEST_QUANTITY:,}.")
    if figure != int(figure):
        raise CellError(f"“{quote(value)}” is not a whole number.")
    return int(figure)


def amount(value: str, *, largest: Decimal, what: str) -> Decimal:
    """Money in rupees with at most two decimals, such as 1299, ₹ 1,299.00, Rs. 1299 or 1299/-. Raises CellError."""
    return _figure(value, RUPEES.sub("", SLASH_DASH.sub("", _number_text(value))), largest, what)


def percentage(value: str, *, what: str) -> Decimal:
    """A percentage up to 100 with at most two decimals, such as 5, 5% or 5 %. Raises CellError."""
    return _figure(value, _number_text(value).removesuffix("%").rstrip(), Decimal(100), what)


def _figure(value: str, text: str, largest: Decimal, what: str) -> Decimal:
    if _is_negative(text):
        raise CellError(f"{what} cannot be negative.")
    digits = _digits(text)
    if digits is None:
        raise CellError(_why_no_number(value, text, "is not a number"))
    figure = FLOAT_DIGITS.create_decimal(digits)
    if figure > largest:
        raise CellError(f"{what} cannot be more than {largest:,}.")
    if figure != round(figure, 2):
        raise CellError(f"“{quote(value)}” has more than two decimals.")
    return round(figure, 2)


def is_number(value: str) -> bool:
    """Whether the text looks like a number, so that the cell may be a quantity."""
    return NUMBER_LIKE.fullmatch(PIECES.sub("", _number_text(value))) is not None


def has_comma_decimal(value: str) -> bool:
    """Whether the text is a number whose decimal sign is a comma, such as 1.234,56 or 1,5."""
    return COMMA_DECIMAL.fullmatch(RUPEES.sub("", _number_text(value))) is not None


def _number_text(value: str) -> str:
    """The text in lower case, wide digits as plain ones, a minus as a hyphen, without Excel's leading apostrophe."""
    text = plain_width(normalise(value)).lower().replace("−", "-")
    return text.removeprefix("'").strip()


def _is_negative(text: str) -> bool:
    bare = RUPEES.sub("", text.strip("-() ")).strip("-() ")
    return bool(re.fullmatch(r"-.+|\(.+\)|.+-", text)) and _digits(bare) is not None


def _why_no_number(value: str, text: str, otherwise: str) -> str:
    shown = f"“{quote(value)}”"
    if foreign := _foreign_digits(text):
        return f"{shown} is written in {foreign}. Write it in the digits 0 to 9."
    if SPREADSHEET_ERROR.fullmatch(text):
        return f"It is a spreadsheet error ({quote(value)})."
    if SCIENTIFIC.fullmatch(text):
        return f"{shown} is how a spreadsheet shows a long number. Write it in full."
    if OTHER_CURRENCY.search(text):
        return f"{shown} is not in rupees. Write the price in rupees."
    if COMMA_DECIMAL.fullmatch(text):
        return (
            f"{shown} has a comma where decimals begin, or groups that are not of thousands. Write 1234.50 or 1,234.50."
        )
    if POINT_GROUPED.fullmatch(text):
        return (
            f"{shown} may be {text.replace('.', ',')} or have three decimals. Write a comma between thousands, or two "
            "decimals at most."
        )
    return f"{shown} {otherwise}."


def _foreign_digits(text: str) -> str:
    """What a message calls the script of digits that are not 0 to 9; '' without such digits."""
    name = next((unicodedata.name(one, "") for one in text if one.isdigit() and not one.isascii()), "")
    script, digit, _ = name.partition(" DIGIT ")
    script = script.capitalize() if digit else name.partition(" ")[0].lower()  # SUPERSCRIPT TWO
    return f"{script} digits" if script else ""


def _digits(text: str) -> str | None:
    if POINT_GROUPED.fullmatch(text):
        return None
    if GROUPED.fullmatch(text):
        return text.replace(",", "")
    return text if PLAIN.fullmatch(text) and len(text) <= 30 else None
