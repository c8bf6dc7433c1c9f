"""The rejects file: the rows of a stock list that were not taken, with the reason, to be put right.

Its columns are Row, Reason and the original ones as they came, so that, put right, it can be imported; a text that a
spreadsheet would run as a formula has an apostrophe before it, which the import takes away.
"""

import csv
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from backstitch.errors import Refused
from backstitch.files.csv_out import inert
from backstitch.inventory.stock_list.reader import Reject

LEADING_COLUMNS = ("Row", "Reason")
FIRST_BYTES = ("\ufeff" + ",".join(LEADING_COLUMNS)).encode()


def check_place(path: Path, *, source: Path) -> None:
    """Raises Refused when the rejects of `source` cannot go to `path`, before anything is loaded.

    Only a former rejects file is replaced. Rules: rejects_over_source, rejects_over_other_file, rejects_unwritable.
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
        trial = _beside(path)
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def write(path: Path, *, header: Iterable[str], rejects: Iterable[Reject]) -> None:
    """Writes the rejects as CSV that spreadsheets open (UTF-8 with its mark), whole or not at all.

    Raises Refused (rejects_unwritable).
    """
    part = _beside(path)
    try:
        with part.open("x", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow((*LEADING_COLUMNS, *map(inert, header)))
            writer.writerows(
                (reject.row, inert(" ".join(reject.reasons)), *map(inert, reject.values)) for reject in rejects
            )
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _beside(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(4)}.part")


def _unwritable(path: Path, error: OSError) -> Refused:
    return Refused(
        f"The rejects cannot be written to {path} ({error.strerror}). Name another file with --rejects.",
        rule="rejects_unwritable",
    )
