"""Reading a value of a pasted cell. Each function returns the value, or raises Wrong with a sentence on it."""

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
NOTHING = {"", "-", "–", "—"}  # how an accountant's format shows 0
# Marks that turn the direction of the text around them, so that it reads as something else than it is.
TURNING = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f", "\u061c"}
INVISIBLE = dict.fromkeys((0x200B, 0xFEFF, 0x00AD))
SHOWN = 40  # characters of a wrong value in a sentence


class Wrong(ValueError):
    """A value that cannot be taken; the message is a sentence."""


def shown(value: str) -> str:
    """A wrong value as a sentence quotes it: on one line, not longer than a glance."""
    visible = "".join(sign if sign.isprintable() and sign not in TURNING else "\ufffd" for sign in value)
    return visible if len(visible) <= SHOWN else visible[: SHOWN - 1] + "…"


def tidy(value: str) -> str:
    """Without spaces at the ends, double ones, line breaks and invisible marks."""
    return " ".join(unicodedata.normalize("NFC", value.translate(INVISIBLE)).split())


def name(value: str, *, longest: int) -> str:
    """A text that is stored: a SKU, a colour, a party."""
    text = tidy(value)
    if any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text):
        raise Wrong("It holds a character that cannot be stored (NUL or another control character).")
    if any(sign in TURNING for sign in text):
        raise Wrong("It holds an invisible mark that turns the direction of the text. Type it anew.")
    if SPREADSHEET_ERROR.fullmatch(text):
        raise Wrong(f"It is a spreadsheet error ({text}).")
    if text.startswith(FORMULA_STARTS) and len(text) > 1:
        raise Wrong(f"“{shown(text)}” looks like a formula. Copy the value, not the formula.")
    if len(text) > longest:
        raise Wrong(f"It is longer than {longest} characters.")
    return text


def day(value: str, *, today: date) -> date:
    """05/11/2026, 5-Nov-26, 2026-11-05 or Excel's serial number; the day stands before the month."""
    text = MIDNIGHT.sub("", tidy(value).lower())
    found = _day(text)
    if found is None:
        raise Wrong(f"“{shown(value)}” is not a date. Write it as 31/12/2026, day first, or as 2026-12-31.")
    if found > today:
        raise Wrong(f"{found:%d %b %Y} is in the future.")
    if found < FIRST_DAY:
        raise Wrong(f"{found:%d %b %Y} is before the year 2000.")
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
    """A whole number of pieces, 0 for a blank cell or a dash; 1,200 may be grouped."""
    text = tidy(value).replace("−", "-")
    if text in NOTHING:
        return 0
    if re.fullmatch(r"-.+|\(.+\)", text) and _digits(text.strip("-() ")):
        raise Wrong(f"“{shown(value)}” is negative.")
    digits = _digits(text)
    if digits is None:
        raise Wrong(f"“{shown(value)}” is not a number in plain digits.")
    figure = Decimal(digits)
    if figure > LARGEST_QUANTITY:
        raise Wrong(f"“{shown(value)}” is larger than {LARGEST_QUANTITY:,}.")
    if figure != int(figure):
        raise Wrong(f"“{shown(value)}” is not a whole number.")
    return int(figure)


def amount(value: str, *, largest: Decimal, what: str) -> Decimal:
    """Money or a percentage with at most two decimals; a currency sign, a grouping comma and % may stand in it."""
    text = re.sub(r"^(₹|rs\.?|inr|\$|€|£)\s*|\s*%$", "", tidy(value).lower()).replace("−", "-")
    if text.startswith("-") and _digits(text[1:]):
        raise Wrong(f"{what} cannot be negative.")
    digits = _digits(text)
    if digits is None:
        raise Wrong(f"“{shown(value)}” is not a number.")
    figure = Decimal(digits)
    if figure > largest:
        raise Wrong(f"{what} cannot be more than {largest:,}.")
    if figure != round(figure, 2):
        raise Wrong(f"“{shown(value)}” has more than two decimals.")
    return round(figure, 2)


def is_number(value: str) -> bool:
    """Whether a cell under an unknown heading may be a quantity."""
    return NUMBER_LIKE.fullmatch(tidy(value)) is not None


def _digits(text: str) -> str | None:
    if GROUPED.fullmatch(text):
        return text.replace(",", "")
    return text if PLAIN.fullmatch(text) and len(text) <= 30 else None
