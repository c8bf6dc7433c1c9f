"""Parses the text of a pasted cell. Each function returns the value, or raises CellError with a sentence."""

import re
import unicodedata
from datetime import date, timedelta
from decimal import Decimal

from backstitch.inventory.movements.commands import LARGEST_QUANTITY
from backstitch.inventory.stock_list.reader import SPREADSHEET_ERROR

FIRST_DAY = date(2000, 1, 1)
EXCEL_EPOCH = date(1899, 12, 30)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAY_FIRST = re.compile(r"([0-9]{1,2})[/.\- ]([0-9]{1,2}|[a-z]{3,9})[/.\-, ]+([0-9]{4}|[0-9]{2})")
YEAR_FIRST = re.compile(r"([0-9]{4})[/.\-]([0-9]{1,2})[/.\-]([0-9]{1,2})")
MIDNIGHT = re.compile(r"[ t]00:00(:00)?$")
SERIAL = re.compile(r"[0-9]{5}(\.0+)?")
GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]+)?")
PLAIN = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)")
NUMBER_LIKE = re.compile(r"[−+-]?[0-9][0-9,]*(\.[0-9]*)?")
FORMULA_STARTS = ("=", "+", "@", "-")
ZEROES = {"", "-", "–", "—"}  # an accounting format shows 0 as a dash
# Bidirectional control characters: they make a text look different from what it is.
DIRECTION_MARKS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f", "\u061c"}
INVISIBLE = dict.fromkeys((0x200B, 0xFEFF, 0x00AD))
LONGEST_QUOTE = 40  # characters


class CellError(ValueError):
    """A cell holds an invalid value; the message is a sentence for the user."""


def quote(value: str) -> str:
    """The value as a message quotes it: on one line, unprintable characters replaced, cut at LONGEST_QUOTE."""
    visible = "".join(
        character if character.isprintable() and character not in DIRECTION_MARKS else "\ufffd" for character in value
    )
    return visible if len(visible) <= LONGEST_QUOTE else visible[: LONGEST_QUOTE - 1] + "…"


def normalise(value: str) -> str:
    """The text in NFC, with single spaces, without line breaks, invisible characters and spaces at the ends."""
    return " ".join(unicodedata.normalize("NFC", value.translate(INVISIBLE)).split())


def name(value: str, *, longest: int) -> str:
    """A text to store, such as a SKU, a colour or a party. Raises CellError."""
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
    return text


def day(value: str, *, today: date) -> date:
    """The date written as 05/11/2026, 5-Nov-26, 2026-11-05 or Excel's serial number; the day comes before the month."""
    text = MIDNIGHT.sub("", normalise(value).lower())
    found = _day(text)
    if found is None:
        raise CellError(f"“{quote(value)}” is not a date. Write it as 31/12/2026, day first, or as 2026-12-31.")
    if found > today:
        raise CellError(f"{found:%d %b %Y} is in the future.")
    if found < FIRST_DAY:
        raise CellError(f"{found:%d %b %Y} is before the year 2000.")
    return found


def _day(text: str) -> date | None:
    if SERIAL.fullmatch(text):
        return EXCEL_EPOCH + timedelta(days=int(float(text)))
    if found := YEAR_FIRST.fullmatch(text):
        year, month, day_of_month = found.groups()
    elif found := DAY_FIRST.fullmatch(text):
        day_of_month, month, year = found.groups()
    else:
        return None
    if not month.isdigit():
        month = str(MONTHS.index(month[:3]) + 1) if month[:3] in MONTHS else "0"
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day_of_month))
    except ValueError:
        return None


def quantity(value: str) -> int:
    """A whole number of pieces, with or without grouping commas; 0 for a blank cell or a dash."""
    text = normalise(value).replace("−", "-")
    if text in ZEROES:
        return 0
    if re.fullmatch(r"-.+|\(.+\)", text) and _digits(text.strip("-() ")):
        raise CellError(f"“{quote(value)}” is negative.")
    digits = _digits(text)
    if digits is None:
        raise CellError(f"“{quote(value)}” is not a number in plain digits.")
    figure = Decimal(digits)
    if figure > LARGEST_QUANTITY:
        raise CellError(f"“{quote(value)}” is larger than {LARGEST_QUANTITY:,}.")
    if figure != int(figure):
        raise CellError(f"“{quote(value)}” is not a whole number.")
    return int(figure)


def amount(value: str, *, largest: Decimal, what: str) -> Decimal:
    """Money or a percentage with at most two decimals; the text may have a currency sign, grouping commas or %."""
    text = re.sub(r"^(₹|rs\.?|inr|\$|€|£)\s*|\s*%$", "", normalise(value).lower()).replace("−", "-")
    if text.startswith("-") and _digits(text[1:]):
        raise CellError(f"{what} cannot be negative.")
    digits = _digits(text)
    if digits is None:
        raise CellError(f"“{quote(value)}” is not a number.")
    figure = Decimal(digits)
    if figure > largest:
        raise CellError(f"{what} cannot be more than {largest:,}.")
    if figure != round(figure, 2):
        raise CellError(f"“{quote(value)}” has more than two decimals.")
    return round(figure, 2)


def is_number(value: str) -> bool:
    """Whether the text looks like a number, so that the cell may be a quantity."""
    return NUMBER_LIKE.fullmatch(normalise(value)) is not None


def _digits(text: str) -> str | None:
    if GROUPED.fullmatch(text):
        return text.replace(",", "")
    return text if PLAIN.fullmatch(text) and len(text) <= 30 else None
