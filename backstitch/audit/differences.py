"""Makes the old and the new text of a change differ to the eye: blanks, invisible and look-alike characters."""

import json
import unicodedata
from collections.abc import Iterable

BLANK = "␠"
UNSEEN = ("Cc", "Cf", "Cn", "Co", "Cs")  # categories of characters: controls, formats, unassigned and private ones
# Letters of Cyrillic and Greek that look like Latin ones, as far as names and codes are concerned.
_LOOK_ALIKE = str.maketrans(
    "АВЕКМНОРСТУХаеорсухіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο‐‑‒–—−‘’´`“”", "ABEKMHOPCTYXaeopcyxijsABEZHIKMNOPTYXo------''''\"\""
)


def list_in_words(items: Iterable[str]) -> str:
    """The items with commas between them; one that could be read as another, or as several, in quotation marks."""
    return ", ".join(json.dumps(item, ensure_ascii=False) if _is_ambiguous(item) else item for item in items)


def look_alike(old: str, new: str) -> bool:
    """Whether a reader could take the two texts for the same."""
    return _looks(old) == _looks(new)


def told_apart(old: str, new: str) -> tuple[str, str]:
    """The two texts as they are; where they differ but look alike, with the characters visible that make them differ.

    A blank becomes `␠`, any other character that cannot be told from others its number, such as `U+200B`.
    """
    if old == new or not look_alike(old, new):
        return old, new
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    return _marked(old, start, end), _marked(new, start, end)


def clipped(old: str, new: str, longest: int) -> tuple[str, str]:
    """The two texts in at most `longest` characters each, cut so that what differs between them is still there."""
    if max(len(old), len(new)) <= longest:
        return old, new
    start = _common(old, new)
    # Two texts that are cut at their ends only look the same when they differ further on.
    skipped = max(0, start - longest // 3) if start >= longest - 1 - longest // 3 else 0
    return _clip(old, skipped, longest), _clip(new, skipped, longest)


def _is_ambiguous(item: str) -> bool:
    return not item or item != item.strip() or "," in item or '"' in item


def _looks(text: str) -> str:
    """The text without what the eye does not see: the kind of a blank, how many there are, those at the ends."""
    spaced = "".join(" " if character.isspace() else character for character in unicodedata.normalize("NFKC", text))
    seen = (character for character in spaced.translate(_LOOK_ALIKE) if unicodedata.category(character) not in UNSEEN)
    return " ".join("".join(seen).split())


def _common(old: str, new: str) -> int:
    """How many characters the texts have in common at their starts."""
    pairs = zip(old, new, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))


def _marked(text: str, start: int, end: int) -> str:
    head, middle, tail = text[:start], text[start : len(text) - end], text[len(text) - end :]
    return "".join((head, *map(_visible, middle), tail))


def _visible(character: str) -> str:
    if character == " ":
        return BLANK
    return character if "!" <= character <= "~" else f"U+{ord(character):04X}"


def _clip(text: str, skipped: int, longest: int) -> str:
    begun = f"…{text[skipped:]}" if skipped else text
    return begun if len(begun) <= longest else begun[: longest - 1] + "…"
