"""Writes db/expected.json: the objects that a fresh database has. Run it after a change of a file of db/.

    .venv/bin/python -m bench.expected                  from the embedded server
    .venv/bin/python -m bench.expected --debian 15      from Debian's PostgreSQL 15 as well

A definition is written once, or, where servers deparse it differently, by major version. A run replaces the
definitions of the servers that it asks; those of other major versions stay until they are asked.
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
    """Reads the objects of a fresh database on each server and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", type=int, action="append", default=[], metavar="VERSION")
    options = parser.parse_args(arguments)
    merged: Mapping[Object, Definition] = catalog.expected() if catalog.EXPECTED.exists() else {}
    for debian in (None, *options.debian):
        with server(debian=debian) as url:
            major, found = fresh(url)
        merged = {object: _merged(merged.get(object), major, text) for object, text in found.items()}
    kinds: defaultdict[str, dict[str, Definition]] = defaultdict(dict)
    for object, definition in sorted(merged.items()):
        kinds[object.kind][object.name] = definition
    catalog.EXPECTED.write_text(json.dumps(kinds, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def fresh(url: URL) -> tuple[str, dict[Object, str]]:
    """The major version of the server, and the objects of a fresh database on it."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute(f"create database {NAME}")
    database = Database(url.set(database=NAME).render_as_string(hide_password=False), pool_size=1)
    try:
        with database.owner_connection() as connection:
            migrations.upgrade(connection)
            objects = {object: one.definition for object, one in catalog.present(connection).items()}
            objects |= {Object("watched table", one.name): one.definition for one in catalog.watched(connection)}
            return catalog.major(connection), objects
    finally:
        database.dispose()
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            connection.execute(f"drop database {NAME} with (force)")


def _merged(before: Definition | None, major: str, now: str) -> Definition:
    if before is None or isinstance(before, str):
        # Another server of this run has written a different definition: both are kept.
        return now if before is None or before == now or major == "18" else {"18": before, major: now}
    after = {**before, major: now}
    return now if len(set(after.values())) == 1 else after


if __name__ == "__main__":
    main()
