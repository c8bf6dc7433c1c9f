"""Finds PostgreSQL's client programs, psql, pg_dump and pg_restore: the bundled ones, or those of the PATH."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from backstitch.errors import StartError
from backstitch.postgres.files import bin_dir
from backstitch.postgres.system import EmbeddedServerError, run


def find(name: str, *, at_least: int = 0) -> Path:
    """The program of this name: the bundled one, or that of the PATH where the bundled one is older than `at_least`.

    pg_dump refuses a server of a newer major version than its own, and pg_restore a dump of one. Raises StartError.
    """
    for program in _candidates(name):
        if major(program) >= at_least:
            return program
    wanted = f" {at_least} or newer" if at_least else ""
    raise StartError(f"There is no {name}{wanted} here: install the client programs of PostgreSQL{wanted}.")


def major(program: Path) -> int:
    """The major version of a program; 0 if it does not run."""
    try:
        output = run([str(program), "--version"]).stdout
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", output)
    return int(found[1]) if found else 0


def connection(conninfo: str) -> tuple[str, dict[str, str]]:
    """The connection string without its password, and an environment that has it: others can read a command line."""
    parts = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    return make_conninfo("", **parts), environment


def _candidates(name: str) -> Iterator[Path]:
    # The package may be missing where DATABASE_URL names another server.
    with contextlib.suppress(EmbeddedServerError):
        yield bin_dir() / name
    if found := shutil.which(name):
        yield Path(found)
