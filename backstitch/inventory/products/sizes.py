"""Sorts sizes, names the sets that a new product can start from, and expands what is typed: S-XXL, 28 to 36, S/M/L."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from backstitch import lengths
from backstitch.errors import Refused
from backstitch.inventory.names import size_key, tidy
from backstitch.inventory.values import CellError, name

# How the house writes sizes of letters; `size_key` knows their other names.
LETTERS = ("XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL", "4XL", "5XL", "6XL", "7XL", "8XL", "9XL", "10XL")
FREE = "FREE"

PRESETS: dict[str, tuple[str, ...]] = {
    "XS to XXL": LETTERS[1:7],
    "S to XL": LETTERS[2:6],
    "XS to 6XL": LETTERS[1:11],
    "Free size": (FREE,),
    "28 to 40": ("28", "30", "32", "34", "36", "38", "40"),
}

SEPARATORS = re.compile(r"[,;|\n]+")
QUOTED = re.compile(r"""["“”](.+)["“”]|'(.+)'""")
SET = re.compile(r"\s*(?:[/&+]|\band\b)\s*", re.IGNORECASE)
DASHES = re.compile(r"\s*[-–—]\s*")
RANGE = re.compile(r"(.+?)\s*(?:\bto\b|\btill\b|[-–—])\s*(.+)", re.IGNORECASE)
WORD_RANGE = re.compile(r"(.+?)\s*(?:\bto\b|\btill\b|\s[-–—]\s)\s*(.+)", re.IGNORECASE)
DIGITS_APART = re.compile(r"[0-9]\s+[0-9]")
AS_LETTERS = re.compile(r"[0-9]*X*[SML]")
AGES = re.compile(r"([0-9]+)-([0-9]+)([my])")
TOKENS = re.compile(r"[^0-9A-Za-z]+|\b(?:to|upto|thru|and)\b", re.IGNORECASE)
LONGEST_PART = 400  # characters
LEAST_EVEN = 20  # numbers below may be ages: 2-4 is a size of its own as often as two

_LETTER = re.compile(r"(?:([0-9]{0,2})(x))?([sml])")
_NUMBERS = re.compile(r"([0-9]{1,9})([.][0-9]+)?(?:[-x]([0-9]{1,9}))?([my]?)")
_RANKS = {size_key(size): rank for rank, size in enumerate(LETTERS)}


def order(size: str) -> str:
    """What puts sizes in the order of the trade, compared as code points; mirrors inventory.size_order."""
    key = size_key(size)
    if letters := _LETTER.fullmatch(key):
        number, cross, letter = letters.groups()
        times = int(number or 1) if cross else 0
        return f"0{500 + {'s': -times, 'm': 1, 'l': 2 + times}[letter]}"
    if numbers := _NUMBERS.fullmatch(key):
        first, decimals, second, unit = numbers.groups()
        group = {"m": "1", "y": "2"}.get(unit) or ("4" if "x" in key else "3")
        return f"{group}{first:>09}{decimals or ''}-{second or 0:>09}"
    return {"newborn": "1", "free": "6"}.get(key) or f"5{key}"


def in_order(sizes: Iterable[str]) -> list[str]:
    """The distinct sizes in the order of the trade: S to 10XL, months, years, numbers, waist by length, FREE last."""
    return sorted(dict.fromkeys(sizes), key=order)


def same(size: str, sizes: Iterable[str]) -> str | None:
    """The one of `sizes` that is this size, however it is written; None if it is none of them."""
    key = size_key(size)
    return next((one for one in sizes if one == size), None) or next(
        (one for one in sizes if size_key(one) == key), None
    )


def expand(text: str, *, known: Sequence[str] = ()) -> list[str]:
    """The sizes of `S, M, L`, `S M L`, a range (`S-XXL`, `28 to 36`, `2-3Y to 5-6Y`) or a set (`S/M/L`), as typed.

    What is in `known` (the product's sizes) is that size, and a text in quotation marks is one size whatever is in it.
    Raises Refused: sizes_unclear for what may be one size or several; sizes_distinct, size_key_unique; sizes_short.
    """
    typed = tidy(text.replace("\n", ","))
    preset = next((list(sizes) for name, sizes in PRESETS.items() if size_key(name) == size_key(typed)), None)
    if preset:
        return preset
    parts = SEPARATORS.split(typed) if SEPARATORS.search(typed) else _words(typed, known)
    sizes = [size for part in parts if part.strip() for size in _expand_part(part.strip(), known)]
    for size in sizes:
        if len(size) > lengths.SIZE:
            raise Refused(f"The size “{size[:40]}” is longer than {lengths.SIZE} characters.", rule="sizes_short")
    if len(set(sizes)) < len(sizes):
        raise Refused("A size stands there twice.", rule="sizes_distinct")
    keys: dict[str, str] = {}
    for size in sizes:
        if (other := keys.setdefault(size_key(size), size)) != size:
            raise Refused(f"{other} and {size} are one size. Keep one of them.", rule="size_key_unique")
    return sizes


def _words(typed: str, known: Sequence[str]) -> Sequence[str]:
    """`S M L` and `28 30 32` are several sizes, `Free Size`, `2-4 Yrs`, `28 to 36` and `Extra Large` are not."""
    words = [] if same(typed, known) else typed.split()
    usual = all(_usual(word) or same(word, known) for word in words) and len({order(word)[0] for word in words}) == 1
    return words if len(words) > 1 and usual and (DIGITS_APART.search(typed) or not _usual(typed)) else [typed]


def _usual(size: str) -> bool:
    """Whether a text is a size as the trade knows them."""
    return order(size)[0] != "5"


def _expand_part(part: str, known: Sequence[str]) -> Sequence[str]:
    if quoted := QUOTED.fullmatch(part):
        return [(quoted[1] or quoted[2]).upper()]
    if stored := same(part, known):
        return [stored]
    try:
        name(part, longest=LONGEST_PART)
    except CellError as error:
        raise Refused(f"In the sizes: {error}", rule="name_unclear") from None
    if (ends := WORD_RANGE.fullmatch(part)) and (found := _range(part, ends[1].strip(), ends[2].strip())) is not None:
        return found
    members = SET.split(part)
    if len(members) > 1 and all(map(_usual, members)):
        if len(members) == 2 and "/" in part:
            raise _unclear(part, f"the size {part.upper()} or the sizes {' and '.join(map(str.upper, members))}")
        return [_written(member) for member in members]
    if _is_age(part):
        return [_written(part)]
    members = DASHES.split(part)
    if len(members) > 2 and all(member and _usual(member) for member in members):
        return [_written(member) for member in members]
    if (ends := RANGE.fullmatch(part)) and (found := _range(part, ends[1].strip(), ends[2].strip())) is not None:
        return found
    if not _usual(part) and sum(map(_usual, filter(None, TOKENS.split(part)))) > 1:
        raise _unclear(part, "one size or several")
    return [_written(part)]


def _is_age(part: str) -> bool:
    """Whether a text is the size of an age such as 2-4Y or 6-12M, and not several: `2Y to 8Y` may be."""
    age = AGES.fullmatch(size_key(part))
    return age is not None and (age[3] == "m" or int(age[2]) - int(age[1]) <= 2)


def _written(size: str) -> str:
    """The size in upper case; in words, or with more than it needs, as the house writes it: Extra Large is XL."""
    key = size_key(size)
    if key in _RANKS:
        return size.upper() if AS_LETTERS.fullmatch(size.upper()) else LETTERS[_RANKS[key]]
    if key == "free":
        return FREE
    if order(size)[0] in {"1", "2"}:
        return key.upper()
    return key if order(size)[0] in {"3", "4"} else size.upper()


def _range(part: str, first: str, last: str) -> Sequence[str] | None:
    """The sizes from one to another, None if these are no ends of a range. Raises Refused (sizes_unclear)."""
    begin, end = size_key(first), size_key(last)
    if begin in _RANKS and end in _RANKS:
        if _RANKS[begin] >= _RANKS[end]:
            raise _backwards(part)
        return LETTERS[_RANKS[begin] : _RANKS[end] + 1]
    if begin.isdecimal() and end.isdecimal():
        return _numbers(part, int(begin), int(end))
    if (young := AGES.fullmatch(begin)) and (old := AGES.fullmatch(end)) and young[3] == old[3]:
        return _ages(part, young, old)
    if {order(first)[0], order(last)[0]} <= set("0123") and first and last:
        raise _unclear(part, "one size or several")
    return None


def _numbers(part: str, begin: int, end: int) -> Sequence[str]:
    if begin >= end:
        raise _backwards(part)
    if begin < LEAST_EVEN:
        raise _unclear(part, f"the size {begin}-{end} or the sizes from {begin} to {end}")
    if begin % 2 or end % 2:
        raise _unclear(part, f"every size from {begin} to {end} or every second one")
    return [str(size) for size in range(begin, end + 1, 2)]


def _ages(part: str, young: "re.Match[str]", old: "re.Match[str]") -> Sequence[str]:
    """`2-3Y to 5-6Y`: each age begins where the one before ends."""
    starts, width = int(young[1]), int(young[2]) - int(young[1])
    if int(old[1]) <= starts:
        raise _backwards(part)
    if width <= 0 or int(old[2]) - int(old[1]) != width or (int(old[1]) - starts) % width:
        raise _unclear(part, "sizes of more than one width")
    edges = range(starts, int(old[2]) + 1, width)
    return [f"{begin}-{end}{young[3].upper()}" for begin, end in pairwise(edges)]


def _unclear(part: str, meanings: str) -> Refused:
    return Refused(
        f"“{part[:40]}” may be {meanings}. Write the sizes with commas between, or one size in quotation marks.",
        rule="sizes_unclear",
    )


def _backwards(part: str) -> Refused:
    return Refused(f"“{part[:40]}” runs backwards. Write the smaller size first.", rule="sizes_unclear")
