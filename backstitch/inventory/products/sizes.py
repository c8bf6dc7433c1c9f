"""Sorts and parses sizes, and names the presets that a new product can start from."""

from collections.abc import Iterable

LETTERS = ("XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL", "4XL", "5XL", "6XL")
FREE = "FREE"

PRESETS: dict[str, tuple[str, ...]] = {
    "XS to XXL": ("XS", "S", "M", "L", "XL", "XXL"),
    "S to XL": ("S", "M", "L", "XL"),
    "XS to 6XL": LETTERS[1:],
    "Free size": (FREE,),
    "28 to 40": ("28", "30", "32", "34", "36", "38", "40"),
}

_RANK = {size: rank for rank, size in enumerate(LETTERS)}


def in_order(sizes: Iterable[str]) -> list[str]:
    """The distinct sizes in the order of the trade: letters by size, numbers, others, FREE last."""

    def rank(size: str) -> tuple[int, float, str]:
        if size in _RANK:
            return (0, _RANK[size], size)
        if size.isdecimal():
            return (1, float(size), size)
        return (3 if size == FREE else 2, 0, size)

    return sorted(dict.fromkeys(sizes), key=rank)


def parse(text: str) -> list[str]:
    """The sizes of a text separated by commas or spaces, in upper case, in the order typed."""
    return [size.upper() for size in text.replace(",", " ").split()]
