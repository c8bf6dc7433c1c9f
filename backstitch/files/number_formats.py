"""Shows a number as a spreadsheet does: applies the number format of its cell (`"KT-"000` shows 118 as KT-118).

The texts are those of Excel with English names, whatever the language of the format; what differs from machine to
machine is left to the caller, which knows the format's number. `tests/unit/files/number_formats.csv` has examples that
were compared with LibreOffice.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import NamedTuple

GENERAL = "General"
LONGEST_CODE = 255  # characters, of Excel
DIGITS = 15  # significant ones, of Excel
WIDE = Context(prec=700)  # a format has up to 255 places
NOISE = Decimal("1e-11")  # relative; what remains of calculations with binary fractions
GENERAL_CHARACTERS = 11
TIMES = {"calendar", "elapsed", "half"}
PLAIN = re.compile(r"0(\.0+)?")
FILL = {"0": "0", "?": " ", "#": ""}  # what stands where there is no digit
LATEST_SERIAL = 2_958_465  # 9999-12-31
SECONDS_A_DAY = 86_400
# Not those of the language of the server.
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)"? | \\(?P<escaped>.) | _(?P<blank>.) | \*(?P<fill>.) | \[(?P<bracket>[^\]]*)\]
    | (?P<general>General) | (?P<half>AM/PM|A/P) | (?P<exponent>E[+-])
    | (?P<calendar>y+|m+|d+|h+|s+|e+) | (?P<era>g+|b{2,}|aaa+)
    | (?P<digit>[0#?]) | (?P<point>\.) | (?P<comma>,) | (?P<percent>%) | (?P<text>@) | (?P<slash>/) | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*([+-]?[\d.]+(?:E[+-]?\d{1,3})?)", re.IGNORECASE)
TESTS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": Decimal.__lt__,
    "<=": Decimal.__le__,
    ">": Decimal.__gt__,
    ">=": Decimal.__ge__,
    "=": Decimal.__eq__,
    "<>": Decimal.__ne__,
}


class UnknownFormat(Exception):
    """What a number shows under the format is not known."""


class Shown(NamedTuple):
    """The text of a cell; the day, if the format shows a date; and whether the text gives the whole number."""

    text: str
    day: date | None = None
    exact: bool = True


class Token(NamedTuple):
    """A part of a section: its kind, a group of TOKEN or `elapsed` or `literal`, and its text."""

    kind: str
    text: str


@dataclass(frozen=True)
class Section:
    """A section of a format, which are separated by semicolons."""

    tokens: tuple[Token, ...]
    condition: tuple[str, Decimal] | None

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of its tokens."""
        return frozenset(token.kind for token in self.tokens)

    @cached_property
    def parts(self) -> tuple[tuple[Token, ...], tuple[Token, ...], int, Decimal]:
        """Before the point, and from it on; the power of ten that commas take away; the unit of the last place."""
        whole, rest = _at_point(self.tokens)
        last = max((index for index, token in enumerate(whole) if token.kind == "digit"), default=-1)
        # Commas behind the last digit: the number is shown in thousands.
        thousands = sum(token.kind == "comma" for token in (*whole[last + 1 :], *rest))
        return whole, rest, -3 * thousands, _unit(rest)

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is 0, 0.00 and so on."""
        return PLAIN.fullmatch("".join(token.text for token in self.tokens)) is not None and "literal" not in self.kinds


@lru_cache(maxsize=10_000)
def show(value: float, code: str, *, date1904: bool = False) -> Shown:
    """Shows a number under a format. `date1904`: days are counted from 1904, as Excel for Mac once did.

    Raises UnknownFormat for a format of another calendar, and for what Excel shows as #####.
    """
    number = as_decimal(value)
    index, section = _choose(_sections(code), number)
    # The second section writes its own sign: a minus, or brackets.
    negative = number < 0 and not _only_negatives(_sections(code), index)
    if "era" in section.kinds:
        raise UnknownFormat
    if not section.kinds.isdisjoint(TIMES):
        within = int(abs(value))  # 15 digits may be those of the next day already
        return _show_time(section, abs(number) if number < 0 and not negative else number, within, date1904=date1904)
    text, read = _show_number(section, abs(number))
    # What rounds to nothing has no sign.
    return Shown(f"{'-' if negative and read else ''}{text}".strip(), None, _same(read, abs(number)))


def show_text(text: str, code: str) -> str:
    """Shows a text under a format: only one with a section for text changes it."""
    if "@" not in code and code.count(";") < 3:
        return text
    sections = _sections(code)
    section = sections[3] if len(sections) > 3 else sections[-1]
    if "text" not in section.kinds and len(sections) < 4:
        return text
    return "".join(text if token.kind == "text" else token.text for token in section.tokens)


def as_decimal(value: float) -> Decimal:
    """The number with the 15 significant digits that a spreadsheet shows."""
    return Decimal(f"{value:.{DIGITS}g}")


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[Section, ...]:
    if len(code) > LONGEST_CODE:
        raise UnknownFormat
    sections: list[Section] = []
    tokens: list[Token] = []
    condition = None
    for match in TOKEN.finditer(code):
        kind = match.lastgroup or ""
        text = match[kind] if kind else ""
        if kind == "other" and text == ";":
            sections.append(Section(tuple(tokens), condition))
            tokens, condition = [], None
        elif kind == "bracket" and (found := CONDITION.fullmatch(text.strip())):
            condition = (found[1], Decimal(found[2]))
        else:
            tokens.append(_token(kind, text))
    return (*sections, Section(tuple(tokens), condition))


def _token(kind: str, text: str) -> Token:
    if kind == "bracket":
        return _bracket(text)
    if kind in {"quoted", "escaped", "other"}:
        return Token("literal", text)
    if kind in {"blank", "fill"}:
        # A gap as wide as the character; a character that fills the cell.
        return Token("literal", " " if kind == "blank" else "")
    return Token(kind, text.lower() if kind == "calendar" else text)


def _bracket(text: str) -> Token:
    if re.fullmatch(r"h+|m+|s+", text, re.IGNORECASE):
        return Token("elapsed", text.lower())
    if not text.startswith("$"):
        if text.upper().startswith(("DBNUM", "NATNUM")):
            raise UnknownFormat  # other digits
        return Token("literal", "")  # a colour
    symbol, _, locale = text[1:].partition("-")
    # The digits before those of the language choose a calendar and the shapes of digits.
    if re.fullmatch(r"[0-9A-F]{5,8}", locale, re.IGNORECASE) and int(locale, 16) >> 16 not in {0, 1}:
        raise UnknownFormat
    return Token("literal", symbol)


def _choose(sections: tuple[Section, ...], number: Decimal) -> tuple[int, Section]:
    numeric = [section for section in sections[:3] if "text" not in section.kinds]
    if not numeric:
        return 0, Section((Token("general", GENERAL),), None)
    if len(numeric) == 1 and not numeric[0].condition:
        return 0, numeric[0]
    conditions = [section.condition for section in numeric]
    if not any(conditions):
        index = 1 if number < 0 else 2 if number == 0 and len(numeric) > 2 else 0
        return index, numeric[index]
    if len(numeric) == 3 and conditions[0] and not conditions[1]:
        conditions[1] = ("<", Decimal(0))
    if len(numeric) > 1 and conditions[1] and not conditions[0]:
        conditions[0] = (">", Decimal(0)) if len(numeric) > 2 else (">=", Decimal(0))
    for index, section in enumerate(numeric):
        condition = conditions[index]
        last = index == len(numeric) - 1
        if (condition is None and last) or (condition and TESTS[condition[0]](number, condition[1])):
            return index, section
    raise UnknownFormat  # no section is for it: Excel shows #####


def _only_negatives(sections: tuple[Section, ...], index: int) -> bool:
    zero = Decimal(0)
    if sections[index].condition in {("<", zero), ("<=", zero)}:
        return True
    return index == 1 and sections[0].condition in {None, (">", zero), (">=", zero)}


# --- numbers ----------------------------------------------------------------------------------------------


# Each of these takes a number that is not negative, and returns the text and the number that a reader takes it for.


def _show_number(section: Section, number: Decimal) -> tuple[str, Decimal]:
    kinds = section.kinds
    if "general" in kinds:
        text, read = _show_general(number)
        return "".join(text if token.kind == "general" else token.text for token in section.tokens), read
    if "digit" not in kinds:
        return "".join(token.text for token in section.tokens), Decimal(0)
    if "percent" in kinds:
        percent = 100 ** sum(token.kind == "percent" for token in section.tokens)
        number *= percent
    else:
        percent = 1
    if "slash" in kinds and kinds.isdisjoint({"point", "exponent"}):
        text, read = _show_fraction(section.tokens, number)
    elif "exponent" in kinds:
        text, read = _show_exponent(section.tokens, number)
    else:
        text, read = _show_fixed(section, number)
    return text, read / percent if percent > 1 else read


def _show_general(number: Decimal) -> tuple[str, Decimal]:
    """Eleven characters at most; a whole number has all its digits."""
    if number == number.to_integral_value():
        return f"{int(number)}", number
    power = number.adjusted()
    if -4 <= power <= 10:
        text = f"{number.quantize(Decimal(1).scaleb(min(0, max(power, 0) - 9)), ROUND_HALF_UP, WIDE):f}"
    else:
        text = f"{number:f}"
        if len(text) > GENERAL_CHARACTERS:
            mantissa, _, exponent = f"{number:.5E}".partition("E")
            return f"{_trimmed(mantissa)}E{exponent[0]}{exponent[1:]:0>2}", Decimal(f"{number:.5E}")
    return _trimmed(text), Decimal(text)


def _trimmed(decimals: str) -> str:
    return decimals.rstrip("0").rstrip(".") if "." in decimals else decimals


def _same(shown: Decimal, number: Decimal) -> bool:
    return shown == number or abs(shown - number) <= max(number, Decimal(1)) * NOISE


def _show_fixed(section: Section, number: Decimal) -> tuple[str, Decimal]:
    whole, rest, power, unit = section.parts
    rounded = (number.scaleb(power) if power else number).quantize(unit, ROUND_HALF_UP, WIDE)
    return f"{rounded:f}" if section.is_plain else _digits(whole, rest, rounded), rounded


def _at_point(tokens: tuple[Token, ...]) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    for index, token in enumerate(tokens):
        if token.kind == "point":
            return tokens[:index], tokens[index:]
    return tokens, ()


def _unit(places: tuple[Token, ...]) -> Decimal:
    return Decimal(1).scaleb(-sum(token.kind == "digit" for token in places))


def _digits(whole: tuple[Token, ...], rest: tuple[Token, ...], number: Decimal) -> str:
    digits, _, decimals = f"{number:f}".partition(".")
    return _whole_part(whole, digits.lstrip("0")) + _decimal_part(rest, decimals)


def _whole_part(tokens: tuple[Token, ...], digits: str) -> str:
    """The digits before the point, put into their places from the right; the first place takes all that remain.

    Commas between the places divide the digits in threes, wherever they stand.
    """
    places = [index for index, token in enumerate(tokens) if token.kind == "digit"]
    if not places:
        return "".join(token.text for token in tokens if token.kind != "comma") + digits  # `.00`
    grouped = any(token.kind == "comma" for token in tokens[places[0] : places[-1]])
    left = list(digits)
    written: list[str] = []  # from the right
    count = 0
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        if token.kind not in {"digit", "comma"}:
            written.append(token.text)
        if token.kind != "digit":
            continue
        here = [left.pop() if left else FILL[token.text]]
        if index == places[0]:
            here += reversed(left)
        for digit in filter(None, here):
            if grouped and count and count % 3 == 0:
                written.append("," if digit != " " else " ")
            written.append(digit)
            count += 1
    return "".join(reversed(written))


def _decimal_part(tokens: tuple[Token, ...], digits: str) -> str:
    """The point and what follows; without a digit behind it the point is left out."""
    written: list[str] = []
    place = 0
    significant = len(digits.rstrip("0"))
    for token in tokens:
        if token.kind == "digit":
            written.append(digits[place] if place < significant else FILL[token.text])
            place += 1
        elif token.kind not in {"point", "comma"}:
            written.append(token.text)
    point = "." if significant or any(token.text == "0" for token in tokens if token.kind == "digit") else ""
    return point + "".join(written)


def _show_exponent(tokens: tuple[Token, ...], number: Decimal) -> tuple[str, Decimal]:
    index = next(index for index, token in enumerate(tokens) if token.kind == "exponent")
    whole, rest = _at_point(tokens[:index])
    step = max(1, sum(token.kind == "digit" for token in whole))
    power = number.adjusted() // step * step if number else 0
    rounded = number.scaleb(-power).quantize(_unit(rest), ROUND_HALF_UP, WIDE)
    if rounded >= Decimal(10) ** step:
        power += step
        rounded = number.scaleb(-power).quantize(_unit(rest), ROUND_HALF_UP, WIDE)
    sign = "-" if power < 0 else tokens[index].text[1].replace("-", "")
    exponent = _whole_part(tokens[index + 1 :], str(abs(power)).lstrip("0"))
    return f"{_digits(whole, rest, rounded)}E{sign}{exponent}", rounded.scaleb(power)


def _show_fraction(tokens: tuple[Token, ...], number: Decimal) -> tuple[str, Decimal]:
    """`# ?/?`: a whole number and a fraction, without the blanks that line fractions up."""
    slash = next(index for index, token in enumerate(tokens) if token.kind == "slash")
    start, end = slash, slash + 1
    while start and tokens[start - 1].kind == "digit":
        start -= 1
    while end < len(tokens) and (tokens[end].kind == "digit" or tokens[end].text.isdecimal()):
        end += 1
    below = "".join(token.text for token in tokens[slash + 1 : end])
    if start == slash or not below:
        raise UnknownFormat
    numerator, denominator = _nearest(Fraction(number), below)
    read = Decimal(numerator) / Decimal(denominator)
    before = tokens[:start]
    first = next((index for index, token in enumerate(before) if token.kind == "digit"), None)
    shown = []
    if first is not None:
        units, numerator = divmod(numerator, denominator)
        shown = [str(units)] if units or not numerator or before[first].text == "0" else []
    if numerator or first is None:
        shown.append(f"{numerator}/{denominator}")
    prefix = "".join(token.text for token in before[:first])
    return prefix + " ".join(shown) + "".join(token.text for token in tokens[end:]), read


def _nearest(number: Fraction, below: str) -> tuple[int, int]:
    """The fraction nearest to the number, whose denominator is given (`16`) or has as many digits (`??`)."""
    if re.search("[1-9]", below):
        denominator = int(re.sub(r"\D", "0", below))
        return int(number * denominator + Fraction(1, 2)), denominator
    nearest = number.limit_denominator(10 ** min(len(below), 5) - 1)
    return nearest.numerator, nearest.denominator


# --- days and times ---------------------------------------------------------------------------------------


def _is_day(token: Token) -> bool:
    return token.kind == "calendar" and token.text[0] in "ymde"


def _with_minutes(tokens: tuple[Token, ...]) -> Iterator[Token]:
    """The tokens; an `m` after hours or before seconds is of the kind `minutes`."""
    times = [index for index, token in enumerate(tokens) if token.kind in {"calendar", "elapsed"}]
    for index, token in enumerate(tokens):
        if token.kind == "calendar" and token.text in {"m", "mm"}:
            at = times.index(index)
            before = tokens[times[at - 1]].text[0] if at else ""
            after = tokens[times[at + 1]].text[0] if at + 1 < len(times) else ""
            if before == "h" or after == "s":
                yield Token("minutes", token.text)
                continue
        yield token


def _show_time(section: Section, number: Decimal, within: int, *, date1904: bool) -> Shown:
    tokens = tuple(_with_minutes(section.tokens))
    elapsed = "elapsed" in section.kinds
    if not -LATEST_SERIAL <= number < LATEST_SERIAL + 1 or (number < 0 and not elapsed):
        raise UnknownFormat
    seconds = (abs(number) * SECONDS_A_DAY).quantize(Decimal(1).scaleb(-_subseconds(tokens)), ROUND_HALF_UP, WIDE)
    serial, of_day = divmod(seconds, SECONDS_A_DAY)
    shows_day = any(map(_is_day, tokens))
    day = _day(int(serial), date1904=date1904) if shows_day else None
    half = "half" in section.kinds
    text = "".join(_time_texts(tokens, day=day, total=seconds, of_day=of_day, half=half))
    # The last moment of a day is shown as the first one of the next day, and is still of its own.
    return Shown(f"{'-' if number < 0 else ''}{text}".strip(), _day(within, date1904=date1904) if day else None)


def _subseconds(tokens: tuple[Token, ...]) -> int:
    """The number of digits behind the seconds."""
    for index, token in enumerate(tokens):
        if token.kind == "point" and index and tokens[index - 1].text.startswith("s"):
            later = "".join(token.text for token in tokens[index + 1 :])
            return len(later) - len(later.lstrip("0"))
    return 0


def _day(serial: int, *, date1904: bool) -> date | None:
    """The day of a serial number; None for day 0, which a time of day has."""
    if date1904:
        return date(1904, 1, 1) + timedelta(days=serial)
    if serial == 60:
        raise UnknownFormat  # 29 February 1900, which there was not
    return date(1899, 12, 30 if serial > 60 else 31) + timedelta(days=serial) if serial else None


def _time_texts(
    tokens: tuple[Token, ...], *, day: date | None, total: Decimal, of_day: Decimal, half: bool
) -> Iterator[str]:
    hours, rest = divmod(int(of_day), 3600)
    minutes, seconds = divmod(rest, 60)
    subseconds = f"{of_day % 1:f}".partition(".")[2]
    in_subseconds = False
    for index, token in enumerate(tokens):
        if token.kind == "point" and index and tokens[index - 1].text.startswith("s") and subseconds:
            in_subseconds = True
            yield f".{subseconds}"
            continue
        if in_subseconds and token.kind == "digit":
            continue
        in_subseconds = False
        width = min(2, len(token.text))
        if token.kind == "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[token.text[0]]
            yield f"{int(total) // unit:0{len(token.text)}}"
        elif token.kind == "half":
            mark = ("AM", "PM")[hours >= 12]
            yield mark if len(token.text) > 3 else mark[0]
        elif token.kind == "minutes":
            yield f"{minutes:0{width}}"
        elif token.kind == "calendar" and token.text[0] == "h":
            yield f"{(hours + 11) % 12 + 1 if half else hours:0{width}}"
        elif token.kind == "calendar" and token.text[0] == "s":
            yield f"{seconds:0{width}}"
        else:
            yield _day_text(token, day) if token.kind == "calendar" else token.text


def _day_text(token: Token, day: date | None) -> str:
    letter, length = token.text[0], len(token.text)
    # A time of day has, in Excel, the day 0 January 1900, a Saturday.
    year, month, number, weekday = (day.year, day.month, day.day, day.weekday()) if day else (1900, 1, 0, 5)
    if letter == "e":
        return str(year)
    if letter == "y":
        return f"{year % 100:02}" if length <= 2 else f"{year:04}"
    if letter == "m":
        name = MONTHS[month - 1]
        return {1: str(month), 2: f"{month:02}", 3: name[:3], 5: name[0]}.get(length, name)
    return {1: str(number), 2: f"{number:02}", 3: WEEKDAYS[weekday][:3]}.get(length, WEEKDAYS[weekday])
