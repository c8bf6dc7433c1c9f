"""Runs pg_dump and pg_restore, and says in a sentence what made them fail."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from backstitch.errors import Refused
from backstitch.postgres import clients, system

ERROR = re.compile(r"pg_(?:dump|restore): (?:error|fatal): (.*)", re.DOTALL)
# `could not execute query: ERROR:  role "x" does not exist`, then the statement; `query failed: ERROR:  ...`.
OF_SERVER = re.compile(r"(?:ERROR|FATAL): +(.*)")
FULL = ("No space left", "quota exceeded", "File too large")
LONGEST_LINE = 300  # characters of an error that are shown


def run(program: Path, arguments: Sequence[str], *, conninfo: str, heard: Callable[[str], None], failed: str) -> None:
    """Runs a program of PostgreSQL on a database; gives `heard` each line of its report.

    Raises Refused with `failed`, which ends where the reason follows.
    """
    database, environment = clients.connection(conninfo)
    command = [str(program), *arguments, f"--dbname={database}", "--no-password", "--verbose"]
    said: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment | {"LC_ALL": "C"},  # `heard` reads the report
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                heard(line)
                said = [*said[-200:], line]
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise Refused(f"{failed}: {reason(''.join(said))}.", rule="backup")


def contents(program: Path, dump: Path) -> list[str]:
    """The lines of a dump's table of contents, with its comments. Raises Refused if it is none."""
    done = system.run([str(program), "--list", str(dump)])
    if done.returncode:
        raise Refused(f"{dump} cannot be read: {reason(done.stdout)}.", rule="backup")
    return done.stdout.splitlines()


def reason(output: str) -> str:
    """The first error in the report of a program, on one line."""
    if any(word in output for word in FULL):
        return "the disk is full"
    found = ERROR.search(output)
    if found is None:
        return (output.strip().splitlines() or ["it ended without saying why"])[-1][:LONGEST_LINE]
    of_server = OF_SERVER.search(found[1])
    return (of_server[1] if of_server else found[1].splitlines()[0]).rstrip(".")[:LONGEST_LINE]
