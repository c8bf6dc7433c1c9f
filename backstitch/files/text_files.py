"""Reads text whose cells are separated by commas, semicolons, tabs or bars."""

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import suppress

from backstitch.errors import Refused
from backstitch.files.workbooks import MOST_COLUMNS, MOST_ROWS

SEPARATORS = (",", ";", "\t", "|")
MOST_CELLS = MOST_ROWS * MOST_COLUMNS


def decode(name: str, data: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8, UTF-16 with a byte order mark (Excel's “Unicode text”), or Windows-1252."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            return data.decode(encoding), encoding
    raise Refused(
        f"{name} is neither UTF-8 nor Windows-1252 text. Save it as CSV UTF-8 and try again.",
        rule="encoding_unknown",
    )


def records(name: str, text: str) -> Iterator[tuple[str, ...]]:
    """The rows of the text, blank ones too. Raises Refused: too_many_cells, block_unreadable."""
    # Strict: otherwise a quotation mark that is never closed would silently swallow the rows after it.
    separator = _separator(text)
    if text.count(separator) + text.count("\n") > MOST_CELLS:
        # A cell takes many times the memory of its characters, and a row is read whole.
        raise Refused(f"{name} has more than {MOST_CELLS:,} cells. Split it into several parts.", rule="too_many_cells")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    row = 0
    try:
        for record in reader:
            row += 1
            yield tuple(record)
    except csv.Error as error:
        raise Refused(
            f"{name} cannot be read from row {row + 1} on: a quotation mark is out of place there, or a cell is "
            "longer than 100,000 characters.",
            rule="block_unreadable",
        ) from error


def _separator(text: str) -> str:
    if "\t" in text:
        return "\t"
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=first_line.count)
