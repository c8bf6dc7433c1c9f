"""The keys of names: a SKU, a size, a colour or a party has one key, and two names with one key are one thing.

The functions mirror those of the database (revision 0003), whose unique index refuses a second name with a key; a test
compares them over a million random texts.
"""

import re
import unicodedata
from collections.abc import Iterable

from rapidfuzz import fuzz, process

# Formatting, direction and variation marks, fillers, and the blank of Braille.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
BLANKS = " \t\n\x0b\f\r\x85\u1680\u2028\u2029"
HYPHENS = "-\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u301c\u3030"
SEPARATORS = re.compile(f"[{re.escape(BLANKS + HYPHENS)}]+")
APART = re.compile(r"(?<![0-9])-|-(?![0-9])")
BESIDE_A_DIGIT = re.compile(r"(?<=[0-9])-(?=[^0-9])|(?<=[^0-9])-(?=[0-9])")
SIZE_SIGNS = {**dict.fromkeys(map(ord, BLANKS)), **dict.fromkeys(map(ord, HYPHENS), "-"), 0xD7: "x", ord("*"): "x"}
CASED = (*range(ord("A"), ord("Z") + 1), *range(0x80, 0x590), *range(0x1E00, 0x2000))


def _small_letters() -> dict[int, str]:
    """Capital -> small letter, of Latin, Greek, Cyrillic and Armenian; one letter for one."""
    pairs = {code: chr(code).lower() for code in CASED if unicodedata.is_normalized("NFKC", chr(code))}
    return {code: small for code, small in pairs.items() if len(small) == 1 and ord(small) != code} | {ord("ς"): "σ"}


SMALL_LETTERS = _small_letters()

FREE_SIZE = {"free", "freesize", "fs", "f/s", "onesize", "1size", "onesizefitsall", "os", "o/s"}
NEWBORN = {"newborn", "nb"}
_YEARS = "(?:y|yr|yrs|year|years)"
_MONTHS = "(?:m|mo|mos|mth|mths|month|months)"
LETTER_SIZE = re.compile(
    r"(?:([0-9]{1,2})-?|(double|triple)-?)?((?:x|extra-?)*)-?(s|small|m|med|medium|l|large)", re.ASCII
)
TIMES = {"double": 2, "triple": 3}
MOST_TIMES = 20


def tidy(name: str) -> str:
    """The name as it is stored: NFC, without invisible characters, with single blanks and none at its ends.

    Joiners stay, because the scripts of India write with them.
    """
    seen = "".join(
        character
        for character in unicodedata.normalize("NFC", name)
        if character in "\u200c\u200d" or not INVISIBLE.match(character)
    )
    return " ".join(seen.split()).strip("\u200c\u200d")


def plain(name: str) -> str:
    """A name without what nobody sees or means: case, width (NFKC) and invisible characters."""
    if name.isascii():
        return name.lower()
    visible = INVISIBLE.sub("", unicodedata.normalize("NFKC", name))
    return unicodedata.normalize("NFKC", visible.translate(SMALL_LETTERS))


def name_key(name: str) -> str:
    """The key of a colour, a colour code or a party: NavyBlue, navy-blue and `Navy Blue ` are one.

    A hyphen between two digits stays: Unit 1-12 and Unit 11-2 are two.
    """
    whole = plain(name)
    return APART.sub("", SEPARATORS.sub("-", whole)) or whole


def sku_key(sku: str) -> str:
    """The key of a SKU: kt 104, KT-104 and KT104 are one; 1-12 and 11-2 are two."""
    key = SEPARATORS.sub("-", plain(sku)).strip("-")
    return BESIDE_A_DIGIT.sub("", key) or plain(sku)


def size_key(size: str) -> str:
    """The key of a size, by a fixed table: XXL and 2XL, FREE and Free Size, Size 40 and 38.0, 2-4 Yrs, 32 X 34."""
    key = re.sub(r"^(size|sz)[-:.]?(?=.)", "", plain(size).translate(SIZE_SIGNS), flags=re.DOTALL)
    # 38.0 and 038 are 38; 00 stays.
    key = re.sub(r"(?<=[0-9])[.]0+(?![0-9])", "", key)
    key = re.sub(r"(?<![0-9.])0+(?=[1-9])", "", key)
    key = re.sub(r'^([0-9]+(?:[.][0-9]+)?)-?("|in|inch|inches)\Z', r"\1", key)
    if letters := _letter_size(key):
        return letters
    if key.replace("-", "") in FREE_SIZE:
        return "free"
    if key.replace("-", "") in NEWBORN:
        return "newborn"
    for unit, words in (("y", _YEARS), ("m", _MONTHS)):
        if age := re.fullmatch(rf"([0-9]+){words}?(?:-|to)([0-9]+)-?{words}(?:old)?", key):
            return f"{age[1]}-{age[2]}{unit}"
        key = re.sub(rf"^([0-9]+)-?{words}(?:old)?\Z", rf"\g<1>{unit}", key)
    key = re.sub(r"^w?([0-9][0-9])-?[xl]-?l?([0-9][0-9])\Z", r"\1x\2", key)
    return key.strip("-") or plain(size)


def _letter_size(key: str) -> str:
    """The key of S, XL, XXL, 3-XL, extra large ...; '' of anything else."""
    found = LETTER_SIZE.fullmatch(key)
    if not found:
        return ""
    number, word, crosses, letter = found.groups()
    times = crosses.replace("-", "").replace("extra", "x").count("x")
    if times == 1:
        times = int(number) if number else TIMES.get(word, 1)
    elif number or word:
        return ""
    if times > MOST_TIMES or (times and letter[0] == "m") or (number and not times):
        return ""
    return (str(times) if times > 1 else "") + "x" * min(times, 1) + letter[0]


ALIKE = 85  # of 100: one letter of seven may differ, be missing, or stand elsewhere
MOST_NEAR = 3
_NO_LETTER = re.compile(r"[^\w]+|_+")
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


def near(name: str, known: Iterable[str]) -> list[str]:
    """The known names that may be meant: the nearest first, at most MOST_NEAR. None with the same key is among them.

    Near are `Arvind` and `Arvind Mills` (one has all words of the other), and names of which hardly a letter differs.
    Names with other digits are not: Shop 1 and Shop 2 are two.
    """
    key, words = _squeezed(name), _words(name)
    scored = [
        (score, other)
        for other in known
        if name_key(other) != name_key(name)
        and _digits(other) == _digits(name)
        and (score := _likeness(key, words, other)) >= ALIKE
    ]
    return [other for _, other in sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:MOST_NEAR]]


def near_sku(sku: str, known: Iterable[str]) -> list[str]:
    """The known SKUs that differ only in signs, leading zeros, or a letter that looks like a digit: KT1O4, KT.104."""
    mine, key = _looks(sku), sku_key(sku)
    return sorted(other for other in known if _looks(other) == mine and sku_key(other) != key)[:MOST_NEAR]


def like_sku(sku: str, known: Iterable[str]) -> list[str]:
    """The known SKUs of which hardly a character differs, the likest first: what a SKU that is none may be."""
    found = process.extract(sku_key(sku), {one: sku_key(one) for one in known}, scorer=fuzz.ratio, limit=MOST_NEAR,
                            score_cutoff=ALIKE - 10)  # fmt: skip
    return [one for _, _, one in found]


def _likeness(key: str, words: frozenset[str], other: str) -> float:
    others = _words(other)
    if words and others and (words <= others or others <= words):
        return 100.0
    return fuzz.ratio(key, _squeezed(other), score_cutoff=ALIKE)


def _words(name: str) -> frozenset[str]:
    """The words of a name, without those of one letter and what stands before every name (M/s)."""
    return frozenset(word for word in _NO_LETTER.split(plain(name)) if len(word) > 1 and word not in {"ms", "the"})


def _digits(name: str) -> list[str]:
    return re.findall("[0-9]+", plain(name))


def _squeezed(name: str) -> str:
    return _NO_LETTER.sub("", plain(name))


def _looks(sku: str) -> str:
    return _LEADING_ZEROS.sub("", _squeezed(sku).translate(str.maketrans("oil", "011")))
