"""CSV as spreadsheets and programs both read it: UTF-8 with BOM, RFC 4180, ISO 8601, no live formulas."""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import BinaryIO

BOM = b"\xef\xbb\xbf"
FLUSH_AT = 256 * 1024  # characters
# Spreadsheets run text that starts so as a formula, those of East Asia with the wide signs, too. Numbers are written as
# such and never get the apostrophe.
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")


class CsvFile:
    """Writes rows to `file`, or, without one, only tells the SHA-256 that the file would have."""

    def __init__(self, columns: Sequence[str], file: BinaryIO | None = None) -> None:
        self._file = file
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")
        self._digest = hashlib.sha256()
        self._put(BOM)
        self._writer.writerow(columns)

    def write(self, rows: Iterable[Sequence[object]]) -> None:
        """Appends rows of the columns."""
        self._writer.writerows([_text(cell) for cell in row] for row in rows)
        if self._buffer.tell() >= FLUSH_AT:
            self._flush()

    def close(self) -> str:
        """Writes what is left; returns the SHA-256 of the file, in hexadecimal. The file stays open."""
        self._flush()
        return self._digest.hexdigest()

    def _flush(self) -> None:
        self._put(self._buffer.getvalue().encode())
        self._buffer.seek(0)
        self._buffer.truncate()

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        if self._file is not None:
            self._file.write(data)


def inert(text: str) -> str:
    """`text` as a spreadsheet keeps it: with an apostrophe before it, if it would run it as a formula."""
    return f"'{text}" if text[:1] in FORMULA_STARTS else text


def as_it_was(text: str) -> str:
    """What `inert` was given for `text`, when a file that was taken away is read again."""
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA_STARTS else text


def _text(cell: object) -> object:
    if isinstance(cell, str):
        return inert(cell)
    return cell.isoformat() if isinstance(cell, date) else cell
