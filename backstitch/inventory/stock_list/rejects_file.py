"""Writes the rejects file: the rejected rows of a stock list with their reasons, to correct and import again.

Its columns are Row, Reason and the original ones, so that the corrected file can be imported. A text that a spreadsheet
would run as a formula gets an apostrophe in front, which the import removes.
"""

import csv
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from backstitch.errors import Refused
from backstitch.files.csv_out import escape_formula
from backstitch.inventory.stock_list.reader import Reject

LEADING_COLUMNS = ("Row", "Reason")
FIRST_BYTES = ("\ufeff" + ",".join(LEADING_COLUMNS)).encode()


def check_place(path: Path, *, source: Path) -> None:
    """Raises Refused when the rejects of `source` cannot be written to `path`; called before anything is loaded.

    Of existing files only a rejects file is replaced.
    Rules: rejects_over_source, rejects_over_other_file, rejects_unwritable.
    """
    try:
        if path.exists():
            if path.samefile(source):
                raise Refused(
                    f"The rejects of {path.name} cannot replace it. Name another file with --rejects.",
                    rule="rejects_over_source",
                )
            if not path.is_file() or not path.read_bytes().startswith(FIRST_BYTES):
                raise Refused(
                    f"{path} exists and is not a rejects file. Name another file with --rejects.",
                    rule="rejects_over_other_file",
                )
        trial = _temporary_path(path)
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def write(path: Path, *, header: Iterable[str], rejects: Iterable[Reject]) -> None:
    """Writes the rejects as CSV for spreadsheets (UTF-8 with BOM), the whole file or nothing.

    Raises Refused (rejects_unwritable).
    """
    part = _temporary_path(path)
    try:
        with part.open("x", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow((*LEADING_COLUMNS, *map(escape_formula, header)))
            writer.writerows(
                (reject.row, escape_formula(" ".join(reject.reasons)), *map(escape_formula, reject.values))
                for reject in rejects
            )
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(4)}.part")


def _unwritable(path: Path, error: OSError) -> Refused:
    return Refused(
        f"The rejects cannot be written to {path} ({error.strerror}). Name another file with --rejects.",
        rule="rejects_unwritable",
    )
