"""The code of the database: its files, the order in which they are applied, and which of them a database has.

Revisions of db/migrations create tables, types, constraints and indexes, and are frozen. Functions, triggers, views,
policies and rights are code: the files below, which can be applied again. `apply` applies all of them in this order, in
the transaction of the caller, and stores their hashes, so a database has the whole code of one version or none of it. A
revision drops what a file no longer defines. Steps on data (db/steps) run last, each once, by name.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, text

from db.migrations.sql import execute, execute_as_owner

FOLDER = Path(__file__).resolve().parent
# Views come after the functions that they call, rights last. The order of functions does not matter, because their
# bodies are not checked before they run (check_function_bodies = off).
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
MIGRATION_LOCK = 0x6261636B  # "back": the key of the advisory lock that a migration holds
STEPS = "steps"  # the folder of the steps on data

APPLIED = text("select file, sha256 from public.backstitch_code")
STORE_HASH = text(
    """
    insert into public.backstitch_code as c (file, sha256, version) values (:file, :sha256, :version)
    on conflict on constraint backstitch_code_pkey do update
    set sha256 = excluded.sha256, version = excluded.version, applied_at = now()
    where (c.sha256, c.version) <> (excluded.sha256, excluded.version)
    """
)
DELETE_OTHER_HASHES = text("delete from public.backstitch_code where file <> all (cast(:files as text[]))")
# Trigger functions are generated from triggers.sql and the columns of each table, so each change of either renews them.
WATCH_AGAIN = "select audit.watch(w.relation) from audit.watched_tables w join pg_class c on c.oid = w.relation "
OF_THE_OWNER = "where c.relowner = 'backstitch_owner'::regrole"
# Triggers are made by whoever owns the table; only the login that migrates can be that, or stand in for it.
OF_OTHERS = "where c.relowner <> 'backstitch_owner'::regrole"
STEPS_TAKEN = text("select name from public.backstitch_steps")
STORE_STEP = text("insert into public.backstitch_steps (name) values (:name)")


def hashes() -> dict[str, str]:
    """SHA-256 of each file of this version, in the order in which they are applied."""
    return {file: hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() for file in FILES}


@cache
def source() -> str:
    """All files, in the order in which they are applied."""
    return "".join((FOLDER / file).read_text(encoding="utf-8") for file in FILES)


def applied(connection: Connection) -> dict[str, str]:
    """SHA-256 of each file that was applied to the database last, as the database has stored it."""
    return {file: sha256 for file, sha256 in connection.execute(APPLIED)}


def apply(connection: Connection, *, version: str) -> None:
    """Applies every file as backstitch_owner and stores their hashes. The caller commits."""
    execute(connection, "set local check_function_bodies = off")
    for file in FILES:
        execute_as_owner(connection, (FOLDER / file).read_text(encoding="utf-8"))
    execute_as_owner(connection, WATCH_AGAIN + OF_THE_OWNER)
    execute(connection, WATCH_AGAIN + OF_OTHERS)
    _store_hashes(connection, hashes(), version)


def take_steps(connection: Connection) -> None:
    """Runs the steps on data that have not run on this database, in the order of their names. The caller commits."""
    taken = set(connection.execute(STEPS_TAKEN).scalars())
    for step in sorted((FOLDER / STEPS).glob("*.sql")):
        if step.stem not in taken:
            execute_as_owner(connection, step.read_text(encoding="utf-8"))
            connection.execute(STORE_STEP, {"name": step.stem})


def _store_hashes(connection: Connection, files: Mapping[str, str], version: str) -> None:
    connection.execute(DELETE_OTHER_HASHES, {"files": list(files)})
    for file, sha256 in files.items():
        connection.execute(STORE_HASH, {"file": file, "sha256": sha256, "version": version})
