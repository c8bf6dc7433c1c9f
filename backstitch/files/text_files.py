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
SEPARATOR_LINE = re.compile(r'("?)sep=([,;\t|:~^])\1(?:\r\n|\r|\n|$)', re.IGNORECASE)
FORMULA_TEXT = re.compile(r'="((?:[^"]|"")*)"')  # how a program keeps Excel from making a number of 00123

# Windows-1252, without the letters of Icelandic, whose bytes are common Turkish letters. Of another code page letters
# come out as signs within a word (ka¿dy), or a character as two that stand together nowhere (ºì).
LETTERS = r"A-Za-zÀ-ÏÑ-ÖØ-Üß-ïñ-öø-üÿŠšŽžŒœŸ"
SMALL, CAPITAL = r"ß-ïñ-öø-üÿšžœ", r"À-ÏÑ-ÖØ-ÜßŠŽŒŸ"
SIGNS = r"\u00a0£€§©®™°ªº·•–—…‘’“”„«»¡¿±²³¼½¾×´"
OPENING, CLOSING = r"\u00a0“‘’„«¡¿–—…•£€", r"\u00a0”’“»–—…•™£€"
HIGH = re.compile(r"[^\x00-\x7f]+")
WESTERN = re.compile(
    rf"[{SIGNS}{LETTERS}]|°[–—”’]|[½¼¾][”’]|[{OPENING}]*(?:[{LETTERS}]?|[{SMALL}]{{2}}|[{CAPITAL}]{{2}})[{CLOSING}]*"
)
SIGN_IN_WORD = re.compile(rf"(?<=[{LETTERS}])[^\x00-\x7f{LETTERS}’‘–—·•×°®™…”“\u00a0](?=[{LETTERS}])")
CAPITAL_IN_WORD = re.compile(r"(?<=[a-z])[À-ÖØ-ÞŠŽŒŸ](?=[a-z]|\b)")


def decode(name: str, data: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8 or UTF-16, with or without a byte order mark, or Windows-1252.

    Raises Refused: not_a_table for bytes that are no text; encoding_unknown for the text of another code page, whose
    bytes are Windows-1252 too, but no words of it.
    """
    encoding = _unicode(data)
    if encoding is None:
        raise Refused(f"{name} is no text file and no workbook. Upload an .xlsx or .csv file.", rule="not_a_table")
    with suppress(UnicodeDecodeError):
        return data.decode(encoding), encoding
    if encoding == "utf-8-sig" and not data.startswith(codecs.BOM_UTF8):
        with suppress(UnicodeDecodeError):
            text = data.decode("cp1252")
            if not _is_foreign(text):
                return text, "cp1252"
    raise Refused(
        f"{name}: its characters are neither UTF-8 nor Windows-1252. Open it in the program that made it, save it as "
        "CSV UTF-8 or .xlsx, and try again.",
        rule="encoding_unknown",
    )


def _unicode(data: bytes) -> str | None:
    """The encoding, if it is one of Unicode; None for bytes that are no text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = data.count(0)
    if not zeros:
        return "utf-8-sig"
    # In UTF-16 digits, separators and line ends have a byte 0: always the first, or always the second.
    first = data[::2].count(0)
    if zeros * 10 < len(data) or min(first, zeros - first) * 10 > zeros:
        return None
    return "utf-16-be" if first * 2 > zeros else "utf-16-le"


def remarks(text: str, encoding: str) -> tuple[str, ...]:
    """Names a word by which somebody can see whether the characters were read rightly, where a file does not say."""
    word = re.search(r"[^\s,;|]{0,15}[^\x00-\x7f][^\s,;|]{0,15}", text) if encoding == "cp1252" else None
    if word is None:
        return ()
    return (f"The file is not UTF-8, so its characters were read as Windows-1252: is “{word[0]}” right?",)


def _is_foreign(text: str) -> bool:
    """Whether the text is no Windows-1252, though its bytes can be read as such."""
    if SIGN_IN_WORD.search(text) or CAPITAL_IN_WORD.search(text):
        return True
    return any(_is_foreign_run(text, run) for run in HIGH.finditer(text))


def _is_foreign_run(text: str, run: "re.Match[str]") -> bool:
    if not WESTERN.fullmatch(run[0]):
        return True
    # Two letters stand within a word (Calções, GRÖßE); alone they are one character of another code page.
    beside = text[max(0, run.start() - 1) : run.start()] + text[run.end() : run.end() + 1]
    return sum(character.isalpha() for character in run[0]) > 1 and not re.search("[A-Za-z]", beside)


def records(name: str, text: str) -> Iterator[tuple[str, ...]]:
    """The rows of the text, blank ones too, with the cells that a spreadsheet shows.

    A first line `sep=;` names the separator, and is no row.
    Raises Refused: too_many_cells, block_unreadable.
    """
    named = SEPARATOR_LINE.match(text)
    separator = named[2] if named else find_separator(text)
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
