"""Runs pg_dump, pg_restore and psql, and says in a sentence what made them fail."""

import re
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO

from backstitch.errors import Refused
from backstitch.postgres import clients, system

# `pg_dump: error: query failed: ERROR:  permission denied ...`, `psql:<stdin>:12: ERROR:  role "x" does not exist`.
OF_SERVER = re.compile(r"(?:ERROR|FATAL): +(.*)")
IN_ITS_LANGUAGE = re.compile(r"^psql:\S+ \w+: +(.*)", re.MULTILINE)  # `FEHLER: ...`
OF_PROGRAM = re.compile(r"pg_(?:dump|restore): (?:error|fatal): (.*)")
STATEMENT = re.compile(r"^STATEMENT: +(.*?);?$", re.MULTILINE)
CAUSES = (
    (r"No space left|quota exceeded|File too large", "the disk is full"),
    (r"due to (?:statement|lock) timeout", "somebody keeps a table locked, as a migration does; try again later"),
)
LINES_KEPT = 200  # of a report
CHUNK = 64 * 1024  # bytes
LONGEST_LINE = 300  # characters of an error that are shown
ENGLISH = {"LC_ALL": "C"}  # `heard` reads the reports
# pg_restore of 17 and later begins with this, whatever the server is; an older one does not know the setting.
UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"
HEADER_LINES = 40  # within which it comes
RUN_SCRIPT = ("--no-psqlrc", "--quiet", "--echo-errors", "--set=ON_ERROR_STOP=1", "--no-password")

Heard = Callable[[str], None]


def dump(pg_dump: Path, arguments: Sequence[str], *, conninfo: str, heard: Heard) -> None:
    """Runs pg_dump; gives `heard` each line of its report. Raises Refused with the reason if it fails."""
    database, environment = clients.connection(conninfo)
    command = [str(pg_dump), *arguments, f"--dbname={database}", "--no-password", "--verbose"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment | ENGLISH,
    ) as process:
        said = _listen(process, heard)
    if process.returncode:
        raise Refused(f"The database could not be dumped: {reason(said)}.", rule="backup")


def restore(file: Path, entries: Sequence[str], *, at_least: int, conninfo: str, server: int, heard: Heard) -> None:
    """Restores these entries of a dump in one transaction; gives `heard` each line of the report.

    `at_least` is the major version of the pg_dump that wrote it, `server` that of the server. Raises Refused with the
    reason if it fails.
    """
    database, environment = clients.connection(conninfo)
    psql = [str(clients.find("psql", at_least=at_least)), *RUN_SCRIPT, f"--dbname={database}"]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as listed, tempfile.TemporaryFile("w+") as errors:
        listed.write("\n".join(entries) + "\n")
        listed.flush()
        pg_restore = [str(clients.find("pg_restore", at_least=at_least)), "--verbose", "--file=-"]
        with (
            subprocess.Popen(
                [*pg_restore, f"--use-list={listed.name}", str(file)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment | ENGLISH,
            ) as script,
            subprocess.Popen(
                psql, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=environment | ENGLISH
            ) as run,
        ):
            copier = threading.Thread(target=_copy, args=(script, run.stdin, server))
            copier.start()
            said = _listen(script, heard)
            copier.join()
        errors.seek(0)
        said = errors.read() + said
    if script.returncode or run.returncode:
        raise Refused(f"The database could not be restored, and is as empty as it was: {reason(said)}.", rule="backup")


def contents(file: Path, *, at_least: int) -> list[str]:
    """The lines of a dump's table of contents, with its comments. Raises Refused if it is none."""
    done = system.run([str(clients.find("pg_restore", at_least=at_least)), "--list", str(file)])
    if done.returncode:
        raise Refused(f"{file} cannot be read: {reason(done.stdout)}.", rule="backup")
    return done.stdout.splitlines()


def reason(output: str) -> str:
    """The first error in the report of a program and the statement that it is of, on one line."""
    for pattern, cause in CAUSES:
        if re.search(pattern, output):
            return cause
    found = OF_SERVER.search(output) or IN_ITS_LANGUAGE.search(output) or OF_PROGRAM.search(output)
    if found is None:
        return (output.strip().splitlines() or ["it ended without saying why"])[-1][:LONGEST_LINE]
    statement = STATEMENT.search(output)
    first = found[1].rstrip(".")
    return f"{first} ({statement[1]})"[:LONGEST_LINE] if statement else first[:LONGEST_LINE]


def _listen(process: subprocess.Popen[bytes], heard: Heard) -> str:
    """Gives `heard` each line of a program's report as it comes; returns the last ones."""
    assert process.stderr is not None
    said: deque[str] = deque(maxlen=LINES_KEPT)
    try:
        for line in process.stderr:
            said.append(line.decode(errors="replace"))
            heard(said[-1])
    except BaseException:
        process.kill()  # interrupted
        raise
    return "".join(said)


def _copy(script: subprocess.Popen[bytes], target: IO[bytes], server: int) -> None:
    """Writes the script of pg_restore to psql as one transaction, committed only if pg_restore came to its end."""
    assert script.stdout is not None
    # psql ends at the first error, and then reads no more.
    with suppress(BrokenPipeError), target:
        target.write(b"begin;\n")
        for line in islice(script.stdout, HEADER_LINES):
            if server >= 17 or line != UNKNOWN_BEFORE_17:
                target.write(line)
        shutil.copyfileobj(script.stdout, target, CHUNK)
        if script.wait() == 0:
            target.write(b"commit;\n")
    # What psql has not read is not waited for.
    script.stdout.close()
