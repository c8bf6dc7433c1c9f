"""Reads the first sheet of an .xlsx workbook as rows of text, in a process that has little memory and little time."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Hashable, Iterator

from backstitch.errors import Refused
from backstitch.files import workbook_reader
from backstitch.files.workbook_reader import LARGEST_UNPACKED, LONGEST_CELL, MOST_COLUMNS, MOST_ROWS
from backstitch.queues import Gate
from backstitch.settings import PROJECT

__all__ = ["MOST_COLUMNS", "MOST_ROWS", "rows"]

log = logging.getLogger(__name__)

COMMAND = [sys.executable, "-m", workbook_reader.__name__]
SECONDS = 60  # for a workbook; the process has half of that of a core
TURN_SECONDS = 30  # to wait for those before it
SENTENCES = {
    "workbook_too_large": f"{{}} unpacks to more than {LARGEST_UNPACKED // 1024**2} MB, or holds more text than can be "
    "read at once. Copy its rows into a new workbook, or split it into several.",
    "workbook_unreadable": "{} is not a workbook that can be read. Open it in Excel, save it as .xlsx and try again.",
    "cell_too_long": f"{{}} has a cell with more than {LONGEST_CELL:,} characters. Shorten it, and try again.",
    "workbook_too_slow": "{} takes too long to read. Copy its rows into a new workbook, or split it into several.",
}

_gate = Gate(at_once=2, per_user=1)


def rows(name: str, data: bytes, *, user: Hashable) -> Iterator[tuple[str, ...]]:
    """All rows of the first visible sheet, blank ones too; a formula gives the value that Excel last computed.

    Two workbooks are read at once, one of a `user`; the others wait.
    Raises Refused: workbook_too_large, workbook_unreadable, workbook_too_slow, cell_too_long, busy.
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
    *lines, end = done.stdout.split(b"\n")[:-1]
    rule = json.loads(end).get("refused")
    if rule is not None:
        raise _refused(name, rule)
    return (tuple(json.loads(line)) for line in lines)


def _why_it_died(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The rule for a process that the system has ended: by the limit of time, for want of memory, or for a fault."""
    if done.returncode == -signal.SIGXCPU:
        return "workbook_too_slow"
    if done.returncode in {workbook_reader.TOO_MUCH_MEMORY, -signal.SIGKILL}:
        return "workbook_too_large"
    log.warning("A workbook ended its reader (%s): %s", done.returncode, done.stderr[-400:].decode(errors="replace"))
    return "workbook_unreadable"


def _refused(name: str, rule: str) -> Refused:
    return Refused(SENTENCES[rule].format(name), rule=rule)
