"""Reads a CSV file, of any common separator and encoding, into rows of text."""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backstitch.errors import Refused
from backstitch.files.text_files import SEPARATORS, decode

LONGEST_HEADER = 100_000  # characters, in which the separator is looked for
LARGEST = 100 * 1024 * 1024  # bytes; the whole file is held in memory
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how .xlsx, .ods and .xls begin


@dataclass(frozen=True)
class Table:
    """The rows of a file, values unchanged. The header is row 1 and not in `rows`; rows may differ in length.

    `encoding` is utf-8-sig, utf-16 or cp1252; `sha256` (hex) is that of the file's bytes.
    """

    file: str
    sha256: str
    encoding: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read(path: Path) -> Table:
    """Reads a CSV file with a header. A blank line becomes a row without values, as in a spreadsheet.

    Raises Refused: file_missing, file_unreadable, file_too_large, file_empty, encoding_unknown, not_csv.
    """
    data = _read_bytes(path)
    if data.startswith(WORKBOOKS):
        raise Refused(
            f"{path.name} is a workbook, not a CSV file. Open it and save the sheet as CSV UTF-8.", rule="not_csv"
        )
    text, encoding = decode(path.name, data)
    if not text.strip():
        raise Refused(f"{path.name} is empty.", rule="file_empty")
    header, *rows = _records(path.name, text)
    # The trail cannot store a file name that is not UTF-8.
    name = path.name.encode("utf-8", "replace").decode()
    return Table(name, hashlib.sha256(data).hexdigest(), encoding, header, tuple(rows))


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise Refused(
                f"{path.name} is larger than {LARGEST // 1024**2} MB. Split it into several files.",
                rule="file_too_large",
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise Refused(f"There is no file {path}.", rule="file_missing") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}).", rule="file_unreadable") from error


def heading_key(heading: str) -> str:
    """A heading reduced to what tells columns apart: no case, spaces or punctuation, and `colour` spelt `color`."""
    return "".join(character for character in heading.casefold() if character.isalnum()).replace("colour", "color")


def _records(name: str, text: str) -> Iterator[tuple[str, ...]]:
    first_line = text.lstrip()[:LONGEST_HEADER].splitlines()[0]
    if "\x00" in first_line:
        raise Refused(f"{name} is not a CSV file. Save the stock list as CSV UTF-8.", rule="not_csv")
    # Strict: otherwise a quotation mark that is never closed would silently swallow the rows after it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=first_line.count), strict=True)
    starts_on = 1
    try:
        for record in reader:
            yield tuple(record)
            starts_on = reader.line_num + 1
    except csv.Error as error:
        raise Refused(
            f"{name} cannot be read as CSV: a quotation mark is out of place in the row that starts on "
            f"line {starts_on}, or a cell of it is longer than 100,000 characters.",
            rule="not_csv",
        ) from error
