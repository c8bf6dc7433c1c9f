"""Makes a backup: a folder with a dump of the database, taken while people work, and what else a restore needs.

The dump and what the manifest says of it are of one snapshot. The folder gets its name when it is complete, so one that
was cut off cannot be taken for a backup. The backup is on the record, with its checkpoint and the SHA-256 of its
manifest.
"""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from psycopg import sql
from sqlalchemy import URL, Connection, text

from backstitch import __version__, migrations
from backstitch.audit import eras, integrity, sealing
from backstitch.audit.integrity import Checkpoint
from backstitch.backup import manifest as manifests
from backstitch.backup import programs
from backstitch.backup.manifest import CHECKPOINT, DUMP, ROLES, SECRETS, Manifest, Progress
from backstitch.database import Database, System
from backstitch.errors import Refused
from backstitch.postgres import clients
from backstitch.postgres.system import sync_folder
from backstitch.settings import Settings
from backstitch.startup import ROLES as ROLE_NAMES
from backstitch.startup import conninfo

INSUFFICIENT_PRIVILEGE = "42501"  # SQLSTATE
KEPT_SECRETS = ("cookie_key", "single_sign_on")
LOCK_PATIENCE = "60s"  # for a table that somebody keeps locked, as a migration does
TABLE = re.compile(r'dumping contents of table "(.*)"$')

# The snapshot lives as long as the transaction, which waits for pg_dump.
KEEP_OPEN = text(
    "select set_config('idle_in_transaction_session_timeout', '0', true), set_config('transaction_timeout', '0', true)"
)
KEEP_OPEN_BEFORE_17 = text("select set_config('idle_in_transaction_session_timeout', '0', true)")
EXPORT_SNAPSHOT = text("select pg_export_snapshot()")
FACTS = text(
    """
    select current_setting('server_version_num')::integer / 10000 as postgres, session_user::text as login,
           transaction_timestamp() as taken_at, (select max(version) from public.backstitch_code) as version,
           (select count(*) from audit.records) as records
    """
)
OTHER_ROLES = text(
    """
    select distinct r.rolname::text from pg_shdepend d join pg_roles r on r.oid = d.refobjid
    where d.dbid = (select oid from pg_database where datname = current_database())
        and d.refclassid = 'pg_authid'::regclass and d.deptype in ('o', 'a', 'r')
        and r.rolname <> all (cast(:known as text[])) and r.rolname !~ '^pg_' and not r.rolsuper
    order by 1
    """
)
# As the server has last counted them: to ask for the size itself would wait for a table that somebody has locked.
PAGES = text(
    """
    select n.nspname || '.' || c.relname, 1 + greatest(c.relpages, 0) + greatest(t.relpages, 0)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_class t on t.oid = c.reltoastrelid
    where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    """
)
ATTRIBUTES = text(
    """
    select r.rolname, concat_ws(' ', case when r.rolcanlogin then 'login' else 'nologin' end,
               case when r.rolinherit then 'inherit' else 'noinherit' end, case when r.rolsuper then 'superuser' end,
               case when r.rolcreaterole then 'createrole' end, case when r.rolcreatedb then 'createdb' end,
               case when r.rolreplication then 'replication' end, case when r.rolbypassrls then 'bypassrls' end,
               case when r.rolconnlimit >= 0 then 'connection limit ' || r.rolconnlimit end)
    from pg_roles r join unnest(cast(:names as text[])) with ordinality n (name, place) on n.name = r.rolname
    order by n.place
    """
)
MEMBERSHIPS = text(
    """
    select distinct r.rolname::text, m.rolname::text
    from pg_auth_members g join pg_roles r on r.oid = g.roleid join pg_roles m on m.oid = g.member
    where r.rolname = any (cast(:names as text[])) and m.rolname = any (cast(:names as text[]))
    order by 2, 1
    """
)
CREATE_ROLE = "if to_regrole({name}) is null then create role {role} {attributes}; end if;"
GRANT_ROLE = "if not pg_has_role({member_name}, {name}, 'member') then grant {role} to {member}; end if;"
RECORD = text("select audit.record_activity('MAINTENANCE', 'Backup', null, cast(:details as jsonb))")


@dataclass(frozen=True)
class Backup:
    """A complete backup. `fingerprint` is the SHA-256 of its manifest; `recorded` is whether the trail has it."""

    folder: Path
    manifest: Manifest
    fingerprint: str
    recorded: bool


def make(owner: Database, settings: Settings, folder: Path, progress: Progress) -> Backup:
    """Makes a backup in `folder`, which must be empty or not exist. `owner` connects as the owner's login.

    Raises Refused for a folder that is in use, a disk that is full and whatever pg_dump cannot read; then no folder
    is left.
    """
    folder = folder.absolute()
    _require_free(folder)
    with _translate_errors(owner, folder):
        with owner.read(System()) as connection:
            # A restored trail is left as it is until it is taken over.
            at_home = not eras.is_away(connection)
        if at_home:
            sealing.seal(owner)
        with _work_folder(folder) as work:
            manifest, checkpoint = _fill(owner, settings, work, progress)
            fingerprint = manifest.write(work)
            _sync(work)
            work.rename(folder)
            sync_folder(folder.parent)
    if at_home:
        _record(owner, manifest, checkpoint, fingerprint)
    return Backup(folder, manifest, fingerprint, at_home)


def _require_free(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise Refused(f"{folder} exists already; name a folder that does not, such as one with the day.", rule="backup")


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the one to be, which only this account can read; what is left of it at the end is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".part", dir=folder.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _translate_errors(owner: Database, folder: Path) -> Iterator[None]:
    try:
        yield
    except Refused as refusal:
        if refusal.rule != INSUFFICIENT_PRIVILEGE:
            raise
        raise Refused(
            f"{owner.url.username} may not read the whole database; set DATABASE_URL to the login of its owner or a "
            "superuser.",
            rule="owner_login",
        ) from refusal
    except OSError as error:
        raise Refused(f"The backup cannot be written to {folder}: {error.strerror}.", rule="backup") from error


def _fill(owner: Database, settings: Settings, work: Path, progress: Progress) -> tuple[Manifest, Checkpoint | None]:
    """Writes everything but the manifest, which it returns, with the checkpoint of the trail in the dump."""
    began = time.monotonic()
    with owner.read(System()) as connection:
        found = connection.execute(FACTS).one()
        connection.execute(KEEP_OPEN if found.postgres >= 17 else KEEP_OPEN_BEFORE_17)
        checkpoint = integrity.checkpoint(connection)
        revision = migrations.current_revision(connection) or ""
        others = tuple(connection.execute(OTHER_ROLES, {"known": [*ROLE_NAMES, found.login]}).scalars())
        (work / ROLES).write_text(_roles(connection), encoding="utf-8")
        pg_dump = clients.find("pg_dump", at_least=found.postgres)
        _dump(pg_dump, connection, owner.url, work / DUMP, progress)
    if checkpoint is not None:
        (work / CHECKPOINT).write_text(str(checkpoint), encoding="utf-8")
    _copy_secrets(settings, work)
    manifest = Manifest(
        format=manifests.FORMAT,
        backstitch=__version__,
        version=found.version,
        revision=revision,
        postgres=found.postgres,
        pg_dump=clients.major(pg_dump),
        taken_at=found.taken_at.astimezone(UTC),
        seconds=round(time.monotonic() - began, 1),
        records=found.records,
        login=found.login,
        other_roles=others,
        settings={"BACKSTITCH_TIMEZONE": settings.timezone.key, "BACKSTITCH_CURRENCY": settings.currency},
        files={name: manifests.fingerprint(work / name) for name in _protect(work)},
    )
    return manifest, checkpoint


def _dump(pg_dump: Path, connection: Connection, url: URL, file: Path, progress: Progress) -> None:
    """Dumps what the transaction of `connection` sees."""
    pages: dict[str, int] = {name: count for name, count in connection.execute(PAGES)}
    total, done, present = sum(pages.values()), 0, 0

    def heard(line: str) -> None:
        nonlocal done, present
        table = TABLE.search(line)
        if table:
            done, present = done + present, pages.get(table[1], 0)
            progress(min(done, total - 1), total, "Dumping, pages")

    snapshot = connection.execute(EXPORT_SNAPSHOT).scalar_one()
    # psql, which runs the script of a restore, takes the name of accounts.begin, unless it is quoted, for a keyword.
    arguments = ["--format=custom", "--quote-all-identifiers", f"--file={file}"]
    arguments += [f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_PATIENCE}"]
    programs.dump(pg_dump, arguments, conninfo=conninfo(url), heard=heard)
    progress(total, total, "Dumping, pages")


def _roles(connection: Connection) -> str:
    """SQL that makes the roles of Backstitch where they are missing; it can run again."""
    names = {"names": list(ROLE_NAMES)}
    statements = [
        sql.SQL(CREATE_ROLE).format(name=sql.Literal(name), role=sql.Identifier(name), attributes=sql.SQL(attributes))
        for name, attributes in connection.execute(ATTRIBUTES, names)
    ]
    statements += [
        sql.SQL(GRANT_ROLE).format(
            name=sql.Literal(role),
            role=sql.Identifier(role),
            member_name=sql.Literal(member),
            member=sql.Identifier(member),
        )
        for role, member in connection.execute(MEMBERSHIPS, names)
    ]
    lines = "\n    ".join(statement.as_string() for statement in statements)
    return (
        "-- The roles of Backstitch, for a server that lacks them. A start sets the passwords.\n"
        f"do $$\nbegin\n    {lines}\nend\n$$;\n"
    )


def _copy_secrets(settings: Settings, work: Path) -> None:
    """Copies the keys of this installation that are files. Those of its settings stay the operator's to keep."""
    (work / SECRETS).mkdir()
    for name in KEPT_SECRETS:
        kept = settings.home / "secrets" / name
        if kept.exists():
            shutil.copyfile(kept, work / SECRETS / name)


def _protect(work: Path) -> list[str]:
    """Closes the files to other accounts; returns their paths in the folder, by name."""
    (work / SECRETS).chmod(0o700)
    files = sorted(path for path in work.rglob("*") if path.is_file())
    for file in files:
        file.chmod(0o600)
    return [file.relative_to(work).as_posix() for file in files]


def _sync(work: Path) -> None:
    """Flushes everything to disk: what is called a backup must outlive a power cut."""
    (work / manifests.NAME).chmod(0o600)
    for file in (path for path in work.rglob("*") if path.is_file()):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(work / SECRETS)
    sync_folder(work)


def _record(owner: Database, manifest: Manifest, checkpoint: Checkpoint | None, fingerprint: str) -> None:
    details: dict[str, Any] = {
        "taken_at": manifest.taken_at.isoformat(),
        "records": manifest.records,
        "size": manifest.size,
        "manifest": fingerprint,
        "checkpoint": None if checkpoint is None else str(checkpoint),
    }
    with owner.transaction(System(), operation="backup") as connection:
        connection.execute(RECORD, {"details": json.dumps(details)})
