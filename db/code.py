"""The code of the database: its files, the order in which they are applied, and which of them a database has.

Revisions of db/migrations create tables, types, constraints and indexes, and are frozen. Functions, triggers, views,
policies and rights are code: the files below, which can be applied again. `apply` applies all of them in this order, in
the transaction of the caller, and stores their hashes, so a database has the whole code of one version or none of it. A
revision drops what a file no longer defines. Steps on data (db/steps) run last, each once, by name.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from db.migrations.sql import execute, execute_as_owner

FOLDER = Path(__file__).resolve().parent
# Views come after the functions that they call, rights last. The order of functions does not matter, because their
# bodies are not checked before they run (check_function_bodies = off).
FILES = (
    "triggers.sql",
    "audit/actor.sql",
    "audit/personal.sql",
    "audit/partitions.sql",
    "audit/interruptions.sql",
    "audit/replay.sql",
    "audit/seals.sql",
    "audit/undo.sql",
    "accounts/sign_in.sql",
    "accounts/people.sql",
    "audit/reading.sql",
    "inventory/names.sql",
    "inventory/products.sql",
    "inventory/movements.sql",
    "inventory/parties.sql",
    "inventory/orders.sql",
    "inventory/reasons.sql",
    "rights.sql",
)
MIGRATION_LOCK = 0x6261636B  # "back": the key of the advisory lock that a migration holds
# A try waits for a lock for less than deadlock_timeout, which is a second unless an administrator has changed it.
LOCK_TIMEOUT = "100ms"
PATIENCE, PAUSE = 5, 0.05  # seconds: until no further try, and between two
# All locks that the files need, at once: the views before the tables, as their readers take them. An ALTER VIEW that
# changes nothing locks a view alone, LOCK TABLE everything below it too. The tables in another order at each try:
# whichever order some writer takes them in all the time, one of the tries has it.
LOCK_FIRST = """
do $$
begin
    if to_regclass('audit.watched_tables') is not null and exists (select from audit.watched_tables) then
        alter view if exists public.audit_logs reset (security_barrier);
        alter view if exists audit.trail set (security_barrier);
        alter view if exists runtime.sessions reset (security_barrier);
        lock table accounts.users in access exclusive mode;
        execute (select 'lock table ' || string_agg(w.relation::text, ', ' order by random())
                        || ' in share row exclusive mode'
                 from audit.watched_tables w join pg_class c on c.oid = w.relation
                 where c.relowner = 'backstitch_owner'::regrole);
    end if;
end
$$
"""
GAVE_UP = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
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
# Only a superuser can make event triggers; without them the app looks each second (db/audit/interruptions.sql).
MAKE_EVENT_TRIGGERS = """
do $$
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        -- Restored by such a login, a database has lost those that it had; it is watched by looks from here on.
        if not exists (select from pg_event_trigger where evtname in ('backstitch_watch_ddl', 'backstitch_watch_drop'))
        then
            set local role backstitch_owner;
            delete from audit.guards where guard = 'definitions';
            reset role;
        end if;
        return;
    end if;
    drop event trigger if exists backstitch_watch_ddl;
    drop event trigger if exists backstitch_watch_drop;
    create event trigger backstitch_watch_ddl on ddl_command_end execute function audit.note_definitions();
    create event trigger backstitch_watch_drop on sql_drop execute function audit.note_definitions();
    alter event trigger backstitch_watch_ddl enable always;
    alter event trigger backstitch_watch_drop enable always;
    insert into audit.guards (guard, relation) values ('definitions', 'event triggers')
    on conflict on constraint guards_pkey do nothing;
end
$$
"""
# For the transaction of a migration; the fingerprint (backstitch/audit/fingerprint.py) says what it brought.
DISABLE_EVENT_TRIGGERS = """
do $$
declare
    event_trigger name;
begin
    for event_trigger in
        select evtname from pg_event_trigger
        where evtname in ('backstitch_watch_ddl', 'backstitch_watch_drop')
            and (select rolsuper from pg_roles where rolname = current_user)
    loop
        execute format('alter event trigger %I disable', event_trigger);
    end loop;
end
$$
"""
BEGIN_ERA = text("select audit.begin_era(cast(:facts as jsonb), :reason)")
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


def apply(connection: Connection, *, version: str, begin_era: Callable[[], None]) -> None:
    """Applies every file as backstitch_owner and stores their hashes. The caller commits.

    Calls `begin_era` before it watches the tables again, which records what a revision did to their columns.

    Readers and writers lock the same tables and views in orders of their own, so a wait for a lock could be part of a
    deadlock. Each try gives up, and gives back all locks, before any session looks for deadlocks; others do not fail.
    Raises OperationalError (lock_not_available) if no try succeeds for some seconds.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with connection.begin_nested():
                _apply_files(connection, version, begin_era)
            return
        except OperationalError as error:
            if not isinstance(error.orig, GAVE_UP) or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)


def _apply_files(connection: Connection, version: str, begin_era: Callable[[], None]) -> None:
    kept = connection.exec_driver_sql("show lock_timeout").scalar_one()
    execute(connection, f"set local lock_timeout = '{LOCK_TIMEOUT}'; set local check_function_bodies = off")
    execute_as_owner(connection, LOCK_FIRST)
    for file in FILES:
        execute_as_owner(connection, (FOLDER / file).read_text(encoding="utf-8"))
    begin_era()
    execute_as_owner(connection, WATCH_AGAIN + OF_THE_OWNER)
    execute(connection, WATCH_AGAIN + OF_OTHERS)
    _store_hashes(connection, hashes(), version)
    execute(connection, f"set local lock_timeout = '{kept}'")


def disable_event_triggers(connection: Connection) -> None:
    """Switches off the event triggers that record each command, for the rest of a migration. The caller commits."""
    execute(connection, DISABLE_EVENT_TRIGGERS)


def make_event_triggers(connection: Connection) -> None:
    """Makes the event triggers anew, at the end of a migration, if the login is a superuser. The caller commits."""
    execute(connection, MAKE_EVENT_TRIGGERS)


def begin_era(connection: Connection, *, facts: Mapping[str, Any], reason: str | None) -> None:
    """Begins an era of the trail if it was restored here, with these facts on the record. The caller commits."""
    execute(connection, "set local role backstitch_owner")
    connection.execute(BEGIN_ERA, {"facts": json.dumps(facts), "reason": reason})
    execute(connection, "reset role")


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
