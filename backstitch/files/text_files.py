"""Reads text whose cells are separated by commas, semicolons, tabs or bars."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from backstitch.errors import Refused
from backstitch.files.csv_out import FORMULA_STARTS
from backstitch.files.grids import LONGEST_CELL, MOST_CELLS

SEPARATORS = ("\t", ",", ";", "|")
SAMPLE = 100_000  # characters, in which the separator is looked for
SAMPLE_ROWS = 50
SEPARATOR_LINE = re.compile(r"sep=(.)(?:\r\n|\r|\n|$)", re.IGNORECASE)
FORMULA_TEXT = re.compile(r'="((?:[^"]|"")*)"')  # how a program keeps Excel from making a number of 00123

# Windows-1252. Letters of other code pages come out as these signs between two letters (ka¿dy), or as pairs.
LETTERS = r"A-Za-zÀ-ÖØ-öø-ÿŠšŽžŒœŸ"
SMALL = r"a-zß-öø-ÿšžœ"
CAPITAL = r"A-ZÀ-ÖØ-ÞŠŽŒŸ"
ORDINARY = r"\u00a0£€§©®™°ªº·•–—…‘’“”„«»¡¿±²³¼½¾×´"
RUN = re.compile(r"[^\x00-\x7f]+")
# One letter, or two of a word in the same case; signs around it.
WESTERN = re.compile(rf"[{ORDINARY}]*(?:[{LETTERS}]{{0,1}}|[{SMALL}]{{2}}|[{CAPITAL}ß]{{2}})[{ORDINARY}]*")
IN_WORD = re.compile(rf"(?<=[A-Za-z])[^\x00-\x7f{LETTERS}’‘–—·•×°®™…”“\u00a0](?=[A-Za-z])")
CASE_BREAK = re.compile(r"(?<=[a-z])[ŠŽŒŸÀ-ÖØ-Þ](?=[a-z]|\b)")


def decode(name: str, data: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8 or UTF-16, with or without a byte order mark, or Windows-1252.

    Raises Refused: encoding_unknown for other code pages, whose bytes are Windows-1252 too, but no words.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\x00" in data:
        # The characters of digits, separators and line ends have a byte 0: the first, or the second.
        encodings = ["utf-16-be" if data[::2].count(0) > data[1::2].count(0) else "utf-16-le"]
    else:
        encodings = ["utf-8-sig"]
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if "\x00" not in text:
                return text, encoding
    if encodings == ["utf-8-sig"] and not data.startswith(codecs.BOM_UTF8):
        with suppress(UnicodeDecodeError):
            text = data.decode("cp1252")
            if not _foreign(text):
                return text, "cp1252"
    raise Refused(
        f"{name}: its characters are neither UTF-8 nor Windows-1252. Open it in the program that made it, save it as "
        "CSV UTF-8 or .xlsx, and try again.",
        rule="encoding_unknown",
    )


def _foreign(text: str) -> bool:
    """Whether the text is no Windows-1252, though its bytes can be read as such."""
    if IN_WORD.search(text) or CASE_BREAK.search(text):
        return True
    return any(_is_foreign_run(text, run) for run in RUN.finditer(text))


def _is_foreign_run(text: str, run: "re.Match[str]") -> bool:
    if not WESTERN.fullmatch(run[0]):
        return True
    letters = re.findall(f"[{LETTERS}]", run[0])
    # Two such letters stand within a word (Calções, GRÖßE); alone they are a character of two bytes.
    beside = text[max(0, run.start() - 1) : run.start()] + text[run.end() : run.end() + 1]
    return len(letters) > 1 and not re.search("[A-Za-z]", beside)


def records(name: str, text: str) -> Iterator[tuple[str, ...]]:
    """The rows of the text, blank ones too, with the cells that a spreadsheet shows.

    A first line `sep=;` names the separator, and is no row.
    Raises Refused: too_many_cells, block_unreadable.
    """
    named = SEPARATOR_LINE.match(text)
    separator = named[1] if named else find_separator(text)
    text = text[named.end() :] if named else text
    if text.count(separator) + text.count("\n") + text.count("\r") > MOST_CELLS:
        # A cell takes many times the memory of its characters, and a row is read whole.
        raise Refused(f"{name} has more than {MOST_CELLS:,} cells. Split it into several parts.", rule="too_many_cells")
    row = 0
    try:
        # Strict: otherwise a quotation mark that is never closed would silently swallow the rows after it.
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            row += 1
            yield tuple(map(shown, record))
    except csv.Error as error:
        raise Refused(
            f"{name} cannot be read from row {row + 1} on: a quotation mark is out of place there, or a cell is "
            f"longer than {LONGEST_CELL:,} characters.",
            rule="block_unreadable",
        ) from error


def find_separator(text: str) -> str:
    """The separator that divides most of the first rows into the same number of cells, outside of quotation marks.

    Of two that do so equally, a tab, or the one that gives more cells.
    """

    def consistency(separator: str) -> tuple[int, bool, int]:
        widths = Counter(width for width in _widths(text[:SAMPLE], separator) if width > 1)
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return rows, separator == "\t", width

    return max(SEPARATORS, key=consistency)


def _widths(sample: str, separator: str) -> Iterator[int]:
    """The numbers of cells of the first rows, blank ones left out."""
    with suppress(csv.Error):
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
        yield from islice((len(record) for record in reader if any(record)), SAMPLE_ROWS)


def shown(cell: str) -> str:
    """What a spreadsheet shows for a cell of a text file, without the marks that keep a number or formula a text.

    `="00123"` shows 00123; so does `'00123`, but `'tis` has its apostrophe.
    """
    if cell[:1] == "=" and (found := FORMULA_TEXT.fullmatch(cell)):
        return found[1].replace('""', '"')
    if cell[:1] == "'" and (cell[1:2].isdecimal() or cell[1:2] in FORMULA_STARTS):
        return cell[1:]
    return cell
