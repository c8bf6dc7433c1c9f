"""Writes db/expected.json: what a database has that is as it should be. To be run when a file of db/ has changed.

    .venv/bin/python -m bench.expected                  from the embedded server
    .venv/bin/python -m bench.expected --debian 15      from Debian's PostgreSQL 15 as well

Each definition is kept once; where servers write it in other words, by their major version. A definition that
changed replaces the one of the servers asked; of the others, where theirs was another, it stays until they are asked.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

import psycopg
from sqlalchemy import URL

from backstitch import migrations
from backstitch.database import Database
from backstitch.startup import conninfo
from bench.campaigns.servers import server
from db import catalog
from db.catalog import Definition, Object

NAME = "backstitch_expected"


def main(arguments: Sequence[str] | None = None) -> None:
    """Asks the servers and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", type=int, action="append", default=[], metavar="VERSION")
    given = parser.parse_args(arguments)
    merged: Mapping[Object, Definition] = catalog.expected() if catalog.EXPECTED.exists() else {}
    for debian in (None, *given.debian):
        with server(debian=debian) as url:
            major, found = fresh(url)
        merged = {object: _merged(merged.get(object), major, text) for object, text in found.items()}
    kinds: defaultdict[str, dict[str, Definition]] = defaultdict(dict)
    for object, definition in sorted(merged.items()):
        kinds[object.kind][object.name] = definition
    catalog.EXPECTED.write_text(json.dumps(kinds, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def fresh(url: URL) -> tuple[str, dict[Object, str]]:
    """The server's major version, and what a fresh database on it has."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute(f"create database {NAME}")
    database = Database(url.set(database=NAME).render_as_string(hide_password=False), pool_size=1)
    try:
        with database.owner_connection() as connection:
            migrations.upgrade(connection)
            return catalog.major(connection), catalog.present(connection)
    finally:
        database.dispose()
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            connection.execute(f"drop database {NAME} with (force)")


def _merged(before: Definition | None, major: str, now: str) -> Definition:
    if before is None or isinstance(before, str):
        # Written before by another server of this run, in other words: both are kept.
        return now if before is None or before == now or major == "18" else {"18": before, major: now}
    after = {**before, major: now}
    return now if len(set(after.values())) == 1 else after


if __name__ == "__main__":
    main()
