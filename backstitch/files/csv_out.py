"""Writes CSV that spreadsheets and programs read: UTF-8 with BOM, RFC 4180, ISO 8601, formulas escaped."""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import BinaryIO

BOM = b"\xef\xbb\xbf"
FLUSH_AT = 256 * 1024  # characters
# Spreadsheets run a text that starts with one of these as a formula; East Asian ones also take the wide characters.
# Numbers are never escaped.
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")


class CsvFile:
    """Writes rows to `file`; without a file only computes the SHA-256 that it would have."""

    def __init__(self, columns: Sequence[str], file: BinaryIO | None = None) -> None:
        self._file = file
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")
        self._digest = hashlib.sha256()
        self.size = 0  # bytes so far, without those of the buffer
        self._put(BOM)
        self._writer.writerow(columns)

    def write(self, rows: Iterable[Sequence[object]]) -> None:
        """Appends rows, their cells in the order of the columns."""
        self._writer.writerows([_text(cell) for cell in row] for row in rows)
        if self._buffer.tell() >= FLUSH_AT:
            self._flush()

    def close(self) -> str:
        """Flushes the buffer; returns the SHA-256 of the file in hexadecimal. The file stays open."""
        self._flush()
        return self._digest.hexdigest()

    def _flush(self) -> None:
        self._put(self._buffer.getvalue().encode())
        self._buffer.seek(0)
        self._buffer.truncate()

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        if self._file is not None:
            self._file.write(data)


def escape_formula(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would run it as a formula.

    So has a text that already is such a formula behind apostrophes, or `unescape_formula` would take one of its own.
    """
    return f"'{text}" if _starts_formula(text) else text


def unescape_formula(text: str) -> str:
    """The text without the apostrophe of `escape_formula`, for reading an exported file."""
    return text[1:] if text[:1] == "'" and _starts_formula(text) else text


def _starts_formula(text: str) -> bool:
    return text.lstrip("'").startswith(tuple(FORMULA_STARTS))


def _text(cell: object) -> object:
    if isinstance(cell, str):
        return escape_formula(cell)
    return cell.isoformat() if isinstance(cell, date) else cell
