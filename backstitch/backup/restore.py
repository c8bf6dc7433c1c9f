"""Restores a backup into an empty database, verifies it, and takes it over.

A restore is one transaction, so one that fails leaves the database as empty as it was. What was restored
is away from home (backstitch/audit/eras.py): no start serves it before its trail was verified. So a database with
findings stays where it is, for everybody to look at, until somebody takes it over with the findings on the record.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from backstitch import startup
from backstitch.audit import eras
from backstitch.audit.eras import Takeover
from backstitch.audit.integrity import Checkpoint, read_checkpoints
from backstitch.backup import manifest as manifests
from backstitch.backup import programs
from backstitch.backup.manifest import CHECKPOINT, DUMP, ROLES, SECRETS, Manifest, Progress
from backstitch.database import Database
from backstitch.errors import Refused
from backstitch.postgres.system import write_private
from backstitch.settings import Settings
from backstitch.startup import conninfo

# What keeps a database from being empty: a table, view or function, or a schema, that no extension has brought.
OCCUPANTS = """
    select 'the schema ' || n.nspname from pg_namespace n
    where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'public')
        and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid
                            and d.deptype = 'e')
    union all
    select 'the table or view ' || c.relname from pg_class c
    where c.relnamespace = to_regnamespace('public')
        and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                            and d.deptype in ('e', 'i', 'a'))
    union all
    select 'the function ' || p.proname from pg_proc p
    where p.pronamespace = to_regnamespace('public')
        and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                            and d.deptype = 'e')
    order by 1
"""
LOGIN = "select session_user, rolsuper from pg_roles where rolname = session_user"
MISSING = "select r from unnest(%s::text[]) r where to_regrole(quote_ident(r)) is null"
# As revision 0001 does for a fresh database: whoever hands objects over must be allowed to act as their owner.
MAY_ACT = "do $$ begin if not pg_has_role('backstitch_owner', 'usage') then grant backstitch_owner to session_user; end if; end $$"  # noqa: E501
GRANTS = """
    do $$ begin
        execute format('grant create, connect on database %I to backstitch_owner', current_database());
        grant create on schema public to backstitch_owner;
    end $$
"""
# Entries of a dump that ask for a superuser; a start makes such triggers again where it may.
FOR_SUPERUSERS = re.compile(r" (EVENT TRIGGER|COMMENT - EXTENSION|COMMENT - EVENT TRIGGER) ")
LINE_OF_REPORT = re.compile(r"pg_restore: (creating|processing data|executing) ")


@dataclass(frozen=True)
class Restored:
    """What a restore has brought back. It was taken over if `takeover` has no findings.

    `left_out` are entries of the dump that only a superuser can restore. `zone` is the time zone of the business in
    the backup, if this installation has another one.
    """

    manifest: Manifest
    takeover: Takeover
    left_out: tuple[str, ...]
    zone: str | None


def restore(settings: Settings, folder: Path, *, checkpoints: Sequence[Checkpoint], progress: Progress) -> Restored:
    """Restores the backup in `folder` into the empty database of `settings`, verifies it and takes it over.

    `checkpoints` were kept elsewhere; a later one than the backup's says what was lost. Raises Refused or StartError:
    for a folder that is damaged or of a newer version, a database that is not empty, an older server, roles that are
    missing; then nothing was restored.
    """
    folder = folder.absolute()
    manifest = manifests.read(folder)
    manifests.check(folder, manifest, progress)
    own = read_checkpoints(folder / CHECKPOINT) if CHECKPOINT in manifest.files else ()
    with startup.owner(settings) as url:
        left_out = _bring_back(url, folder, manifest, progress)
        _bring_secrets(folder, settings.home)
        progress(0, 1, "Verifying")
        with _opened(url) as owner:
            takeover = replace(eras.judge(owner, checkpoints=(*own, *checkpoints)), backup=_source(folder, manifest))
        progress(1, 1, "Verifying")
        if not takeover.total:
            with startup.running(settings, application="backstitch restore", takeover=takeover):
                pass  # it starts, and the doctor has no errors
    zone = manifest.settings.get("BACKSTITCH_TIMEZONE", settings.timezone.key)
    return Restored(manifest, takeover, left_out, None if zone == settings.timezone.key else zone)


def _bring_back(url: URL, folder: Path, manifest: Manifest, progress: Progress) -> tuple[str, ...]:
    """Restores the dump into the empty database; returns the entries that were left out."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        _require_empty(connection, url)
        version = connection.info.server_version // 10000
        if version < manifest.postgres:
            raise _refused(
                f"The backup is of PostgreSQL {manifest.postgres}, and this server is {version}; use a server that is "
                "at least as new."
            )
        superuser = _make_roles(connection, folder, manifest)
    entries = programs.contents(folder / DUMP, at_least=manifest.pg_dump)
    left_out = [] if superuser else [entry for entry in entries if FOR_SUPERUSERS.search(entry)]
    wanted = [entry for entry in entries if entry not in left_out]
    heard, end = _listener(sum(1 for entry in wanted if not entry.startswith(";")), progress)
    programs.restore(
        folder / DUMP, wanted, at_least=manifest.pg_dump, conninfo=conninfo(url), server=version, heard=heard
    )
    end()
    return tuple(entry.split(" ", 3)[-1].strip() for entry in left_out)


def _require_empty(connection: psycopg.Connection, url: URL) -> None:
    occupant = connection.execute(OCCUPANTS).fetchone()
    if occupant is not None:
        raise _refused(
            f"The database {url.database} is not empty: it has {occupant[0]}. Restore into an empty one: with the "
            "bundled server name another BACKSTITCH_HOME, otherwise make a database and name it in DATABASE_URL."
        )


def _make_roles(connection: psycopg.Connection, folder: Path, manifest: Manifest) -> bool:
    """Makes the roles of Backstitch that are missing; returns whether the login is a superuser."""
    missing = [name for (name,) in connection.execute(MISSING, [list(manifest.other_roles)])]
    if missing:
        statement = "; ".join(sql.SQL("create role {}").format(sql.Identifier(name)).as_string() for name in missing)
        raise _refused(
            f"Things in the backup belong to roles that this server does not have, or give them rights: "
            f"{', '.join(missing)}. Make them first: python -m backstitch psql -c '{statement}'"
        )
    try:
        connection.execute((folder / ROLES).read_bytes())
        connection.execute(MAY_ACT)
        connection.execute(GRANTS)
        login = connection.execute(LOGIN).fetchone()
    except psycopg.Error as error:
        raise _refused(
            f"The roles of Backstitch cannot be made or used: {_first_line(error)}. DATABASE_URL must name the owner "
            "of the database, who may create roles; where another login has made them, that one or a superuser runs: "
            f"grant {', '.join(startup.ROLES)} to {connection.info.user} with admin option"
        ) from error
    assert login is not None
    return bool(login[1])


def _listener(total: int, progress: Progress) -> tuple[Callable[[str], None], Callable[[], None]]:
    """What counts the objects in the report of pg_restore, and what says that all are there."""
    done = 0

    def heard(line: str) -> None:
        nonlocal done
        if LINE_OF_REPORT.match(line) and done < total - 1:
            done += 1
            progress(done, total, "Restoring, objects")

    return heard, lambda: progress(total, total, "Restoring, objects")


@contextmanager
def _opened(url: URL) -> Iterator[Database]:
    owner = Database(url.render_as_string(hide_password=False), application="backstitch restore", pool_size=1)
    try:
        yield owner
    finally:
        owner.dispose()


def _source(folder: Path, manifest: Manifest) -> dict[str, str]:
    """What the RESTORE record says of the backup."""
    return {
        "taken_at": manifest.taken_at.isoformat(),
        "manifest": manifests.fingerprint(folder / manifests.NAME).sha256,
        "backstitch": manifest.backstitch,
    }


def _bring_secrets(folder: Path, home: Path) -> None:
    """Brings back the keys that this installation does not have yet."""
    for kept in sorted((folder / SECRETS).glob("*")):
        target = home / "secrets" / kept.name
        if not target.exists():
            write_private(target, kept.read_text(encoding="ascii"))


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _refused(sentence: str) -> Refused:
    return Refused(sentence, rule="backup")
