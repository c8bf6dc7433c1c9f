"""The code of the database: which files it is made of, in which order they are applied, and what was applied.

Tables, types, constraints and indexes are made by the revisions of db/migrations and are frozen there. Functions,
triggers, views, policies and rights stand in the files below. `apply` brings a database up to them: all files in this
order, in the transaction of the caller, with their hashes, so a database runs the whole code of one version or none.
What a file no longer defines is dropped by a revision. Steps on data come last, each once, by name.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, text

from db.migrations.sql import execute, execute_as_owner

FOLDER = Path(__file__).resolve().parent
# Views after the functions they call; rights last, when everything is there. Bodies of functions are looked at when
# they run, so the order of functions does not matter.
FILES = (
    "triggers.sql",
    "audit/actor.sql",
    "audit/personal.sql",
    "audit/partitions.sql",
    "audit/replay.sql",
    "audit/seals.sql",
    "audit/undo.sql",
    "accounts/sign_in.sql",
    "accounts/people.sql",
    "audit/reading.sql",
    "inventory/products.sql",
    "inventory/movements.sql",
    "inventory/parties.sql",
    "inventory/orders.sql",
    "inventory/reasons.sql",
    "audit/doctor.sql",
    "rights.sql",
)
MIGRATION_LOCK = 0x6261636B  # "back": the key of the advisory lock that one migration holds at a time
STEPS = "steps"  # the folder of the steps on data

APPLIED = text("select file, sha256 from public.backstitch_code")
REMEMBER = text(
    """
    insert into public.backstitch_code as c (file, sha256, version) values (:file, :sha256, :version)
    on conflict on constraint backstitch_code_pkey do update
    set sha256 = excluded.sha256, version = excluded.version, applied_at = now()
    where (c.sha256, c.version) <> (excluded.sha256, excluded.version)
    """
)
FORGET = text("delete from public.backstitch_code where file <> all (cast(:files as text[]))")
# Generated from triggers.sql and the present columns of each table, so made again with every change of either.
WATCH_AGAIN = "select audit.watch(w.relation) from audit.watched_tables w join pg_class c on c.oid = w.relation "
OF_THE_OWNER = "where c.relowner = 'backstitch_owner'::regrole"
# Triggers are made by whoever owns the table; only the login that migrates can be that, or stand in for it.
OF_OTHERS = "where c.relowner <> 'backstitch_owner'::regrole"
TAKEN = text("select name from public.backstitch_steps")
TAKE = text("insert into public.backstitch_steps (name) values (:name)")


def hashes() -> dict[str, str]:
    """SHA-256 of each file of this version, in the order in which they are applied."""
    return {file: hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() for file in FILES}


@cache
def source() -> str:
    """All files, in the order in which they are applied."""
    return "".join((FOLDER / file).read_text(encoding="utf-8") for file in FILES)


def applied(connection: Connection) -> dict[str, str]:
    """SHA-256 of each file that the database keeps as applied."""
    return {file: sha256 for file, sha256 in connection.execute(APPLIED)}


def apply(connection: Connection, *, version: str) -> None:
    """Applies every file as backstitch_owner and keeps their hashes. The caller commits."""
    execute(connection, "set local check_function_bodies = off")
    for file in FILES:
        execute_as_owner(connection, (FOLDER / file).read_text(encoding="utf-8"))
    execute_as_owner(connection, WATCH_AGAIN + OF_THE_OWNER)
    execute(connection, WATCH_AGAIN + OF_OTHERS)
    _remember(connection, hashes(), version)


def take_steps(connection: Connection) -> None:
    """Runs the steps on data that the database has not taken yet, in the order of their names. The caller commits."""
    taken = set(connection.execute(TAKEN).scalars())
    for step in sorted((FOLDER / STEPS).glob("*.sql")):
        if step.stem not in taken:
            execute_as_owner(connection, step.read_text(encoding="utf-8"))
            connection.execute(TAKE, {"name": step.stem})


def _remember(connection: Connection, files: Mapping[str, str], version: str) -> None:
    connection.execute(FORGET, {"files": list(files)})
    for file, sha256 in files.items():
        connection.execute(REMEMBER, {"file": file, "sha256": sha256, "version": version})
