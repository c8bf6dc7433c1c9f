"""Reads the sheets of a workbook, in a process that has little memory and little time."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Hashable, Iterable
from dataclasses import replace
from datetime import date

from backstitch.errors import Refused
from backstitch.files import workbook_reader
from backstitch.files.grids import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS, MOST_UNKNOWN
from backstitch.files.sheets import Line, Sheet
from backstitch.files.workbook_reader import LARGEST_UNPACKED
from backstitch.queues import Gate
from backstitch.settings import PROJECT

log = logging.getLogger(__name__)

COMMAND = [sys.executable, "-m", workbook_reader.__name__]
SECONDS = 60  # for a workbook; the process has half of that of a core
TURN_SECONDS = 30  # to wait for those before it
# By rule, with the name of the file and the words of the reader.
SENTENCES = {
    "workbook_too_large": f"{{0}} unpacks to more than {LARGEST_UNPACKED // 1024**2} MB, or holds more than can be "
    "read at once. Copy its rows into a new workbook, or split it into several.",
    "workbook_unreadable": "{0} is not a workbook that can be read. Open it in Excel, save it as .xlsx and try again.",
    "workbook_protected": "{0} is protected by a password. Save it without one.",
    "not_a_table": "{0} is {1}. Open it, and save its rows as .xlsx or .csv.",
    "cell_too_long": f"{{0}} has a cell with more than {LONGEST_CELL:,} characters. Shorten it, and try again.",
    "workbook_too_slow": "{0} takes too long to read. Copy its rows into a new workbook, or split it into several.",
    "too_many_rows": f"{{0}} has more than {MOST_ROWS:,} rows{{1}}. Split it into several parts.",
    "too_many_columns": f"{{0}}: {{1}} has more than {MOST_COLUMNS} columns.",
    "too_many_unknown": f"{{0}} has more than {MOST_UNKNOWN:,} cells that cannot be read. {{1}}",
    "rows_hidden": "All rows of {0} are hidden. Show them in Excel, and try again.",
    "block_empty": "{0} is empty. Copy the rows in Excel, their header too, and try again.",
}

_gate = Gate(at_once=2, per_user=1)


def read(name: str, data: bytes, *, user: Hashable) -> tuple[Sheet, ...]:
    """The visible sheets that show rows, in their order: one at least.

    Two workbooks are read at once, one of a `user`; the others wait.
    Raises Refused: the rules of SENTENCES, busy.
    """
    with _gate.place(user, seconds=TURN_SECONDS):
        try:
            done = subprocess.run(
                COMMAND,
                input=data,
                capture_output=True,
                timeout=SECONDS,
                cwd=PROJECT,
                # None of the settings, which hold passwords.
                env={"PATH": os.environ.get("PATH", "")},
            )
        except subprocess.TimeoutExpired:
            raise _refused(name, "workbook_too_slow") from None
    if done.returncode:
        raise _refused(name, _why_it_died(done))
    *lines, last = done.stdout.split(b"\n")[:-1]
    end = json.loads(last)
    if "refused" in end:
        raise _refused(name, end["refused"], end.get("words", ""))
    return _sheets(name, lines)


def _sheets(name: str, output: Iterable[bytes]) -> tuple[Sheet, ...]:
    found: list[Sheet] = []
    hidden = False
    lines: list[Line] = []
    dates: dict[tuple[int, int], date] = {}
    unknown: dict[tuple[int, int], str] = {}
    for record in map(json.loads, output):
        if isinstance(record, list):
            number, cells, days, sentences = record
            lines.append(Line(number, tuple(cells)))
            dates |= {(number, int(column)): date.fromisoformat(day) for column, day in days.items()}
            unknown |= {(number, int(column)): sentence for column, sentence in sentences.items()}
            continue
        hidden |= record["hidden"]
        if lines:
            found.append(Sheet(name, tuple(lines), record["sheet"], dates, unknown, tuple(record["remarks"])))
        lines, dates, unknown = [], {}, {}
    if not found:
        raise _refused(name, "rows_hidden" if hidden else "block_empty")
    return tuple(found) if len(found) > 1 else (replace(found[0], tab=""),)


def _why_it_died(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The rule for a process that the system has ended: by the limit of time, for want of memory, or for a fault."""
    if done.returncode == -signal.SIGXCPU:
        return "workbook_too_slow"
    if done.returncode in {workbook_reader.TOO_MUCH_MEMORY, -signal.SIGKILL}:
        return "workbook_too_large"
    log.warning("A workbook ended its reader (%s): %s", done.returncode, done.stderr[-400:].decode(errors="replace"))
    return "workbook_unreadable"


def _refused(name: str, rule: str, words: str = "") -> Refused:
    return Refused(SENTENCES[rule].format(name, words), rule=rule)
