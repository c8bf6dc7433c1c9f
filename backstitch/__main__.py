"""`python -m backstitch COMMAND`: the commands for a terminal, run with the rights of the database's owner.

The exit code is 0 when it was done, 1 with a sentence when it was refused, 2 for a wrong command line.
"""

import argparse
import getpass
import logging
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from backstitch import __version__, doctor, migrations, settings, startup
from backstitch.accounts import users
from backstitch.accounts.permissions import Role
from backstitch.audit import eras, integrity, replay, sealing
from backstitch.audit.eras import Takeover
from backstitch.backup import make as backups
from backstitch.backup import restore as restores
from backstitch.database import Database, System
from backstitch.demo import loader as demo_loader
from backstitch.errors import Refused, StartError
from backstitch.inventory.stock_list import rejects_file
from backstitch.inventory.stock_list.load import ImportResult, load_stock_list
from backstitch.inventory.stock_list.reader import read_stock_list
from backstitch.postgres import clients
from backstitch.postgres import server as postgres_server
from backstitch.request import Source, door
from backstitch.settings import Settings
from backstitch.startup import Service

BAR_WIDTH = 30
LONGEST_REASON = 400  # characters that the trail keeps
FINDINGS_SHOWN = 1000
RESTORED = (
    "The database was restored or moved here, and its new era has not begun: a start begins it if nothing is found, "
    "`python -m backstitch begin-era` in any case."
)


def main(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    # Everything after `psql` is psql's; argparse would look for its own options in it.
    passed = 1 if arguments[:1] == ["psql"] else len(arguments)
    options = _parser().parse_args(arguments[:passed], argparse.Namespace(psql_arguments=arguments[passed:]))
    # What the library logs is said here in a sentence; without a handler it would be printed as well.
    logging.getLogger("backstitch").addHandler(logging.NullHandler())
    try:
        with door(Source.COMMAND):
            return int(options.run(options, settings.load()))
    except (StartError, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def migrate(options: argparse.Namespace, configured: Settings) -> int:
    """Brings the database up to date; --reapply applies the code again even if its hashes are right."""
    with startup.running(configured, application="backstitch migrate", reapply=options.reapply):
        print(f"The database is up to date (revision {migrations.newest_revision()}, code of {__version__}).")
    return 0


def create_admin(options: argparse.Namespace, configured: Settings) -> int:
    """Creates a user with the role admin."""
    password = _new_password()
    with (
        _owner_database(configured, "create-admin") as database,
        database.transaction(System(), operation="create admin") as connection,
    ):
        users.create_user(
            connection,
            email=options.email,
            name=options.name or options.email.partition("@")[0],
            role=Role.ADMIN,
            password=password,
        )
    print(f"{options.email} can sign in as an admin.")
    return 0


def import_stock(options: argparse.Namespace, configured: Settings) -> int:
    """Loads a seller's stock list; returns 1 if it could load no row."""
    rejects = options.rejects or Path(f"{options.file.stem}-rejects.csv")
    stock_list = read_stock_list(options.file)
    if stock_list.encoding == "cp1252":
        print(f"{stock_list.file} is not UTF-8; it was read as Windows-1252.", file=sys.stderr)
    rejects_file.check_place(rejects, source=options.file)
    on = options.date or datetime.now(configured.timezone).date()
    with _owner_database(configured, "import-stock") as database:
        result = load_stock_list(database, System(), stock_list, on=on, progress=_show_progress)
    # A former rejects file is not left behind to be taken for this import's.
    if result.rejects or rejects.exists():
        rejects_file.write(rejects, header=stock_list.header, rejects=result.rejects)
    print(_report(result, rejects))
    return 0 if result.accepted else 1


def load_demo(options: argparse.Namespace, configured: Settings) -> int:
    """Loads the demo data into an empty database."""
    with startup.running(configured, application="backstitch demo") as service:
        records = demo_loader.load(service, scale=options.scale, seed=options.seed, progress=_show_progress)
    print(
        f"Loaded demo data, {_counted(records, 'record')}. Sign in as manager@demo.example with the password "
        f"“{demo_loader.PASSWORD}”; the sign-in page names the others."
    )
    return 0


def seal(options: argparse.Namespace, configured: Settings) -> int:
    """Seals what was committed since the last seal."""
    with _owner_database(configured, "seal", examined=False) as database:
        sealed = sealing.seal(database)
        with database.read(System()) as connection:
            checkpoint = integrity.checkpoint(connection)
    print(f"Sealed {_counted(sealed, 'record')}; the checkpoint is:\n{checkpoint or 'none'}".rstrip())
    return 0


def verify(options: argparse.Namespace, configured: Settings) -> int:
    """Seals the new records, verifies all sealed ones and prints the checkpoint; returns 1 on any finding.

    Verification is the watcher's. Where the owner's login is not known, nothing is sealed or recorded first.
    """
    checkpoints = integrity.read_checkpoints(options.checkpoint) if options.checkpoint else ()
    since = datetime.combine(options.since, datetime.min.time(), configured.timezone) if options.since else None
    with (
        startup.running(configured, application="backstitch verify", examined=False, takes_over=False) as service,
        _judge(service, configured, "verify") as judge,
    ):
        # Nothing is written into a restored trail before its era begins.
        is_restored = _is_restored(service)
        before = integrity.waiting(judge)
        undone = [RESTORED if is_restored else _sealed_first(service, configured)]
        found = integrity.verify(judge, since=since, checkpoints=checkpoints)
        if not is_restored:
            undone.append(_recorded(service, configured, found))
    print("\n".join([*_verdict(before, found), *filter(None, dict.fromkeys(undone))]))
    return 1 if found.findings else 0


def replay_trail(options: argparse.Namespace, configured: Settings) -> int:
    """Rebuilds every table from the trail and prints the differences; returns 1 if there are any."""
    with (
        startup.running(configured, application="backstitch replay", examined=False, takes_over=False) as service,
        _judge(service, configured, "replay") as judge,
        ExitStack() as stack,
    ):
        connection = stack.enter_context(judge.raw())
        owner = None
        if service.owner_url is not None:
            database = stack.enter_context(_owner(service, configured, "replay"))
            owner = stack.enter_context(database.raw())
        outcomes = replay.replay(connection, owner=owner)
    print(replay.report(outcomes))
    return 1 if any(outcome.total for outcome in outcomes) else 0


def begin_era(options: argparse.Namespace, configured: Settings) -> int:
    """Takes a restored database over, with what verification and replay find and the reason on the record."""
    checkpoints = integrity.read_checkpoints(options.checkpoint) if options.checkpoint else ()
    with startup.owner(configured) as url, _opened(url, "begin-era") as database:
        if not startup.is_restored(url):
            raise Refused(
                "The database was neither restored nor moved since its era began: there is none to begin.",
                rule="era_begun",
            )
        takeover = replace(eras.judge(database, checkpoints=checkpoints), reason=options.reason)
        with startup.running(configured, application="backstitch begin-era", examined=False, takeover=takeover):
            print("\n".join(_taken_over(takeover)))
    return 0


def backup(options: argparse.Namespace, configured: Settings) -> int:
    """Makes a backup of the database, while people work, in a folder of its own."""
    began = time.monotonic()
    with startup.owner(configured) as url, _opened(url, "backup") as database:
        made = backups.make(database, configured, options.folder, progress=_show_progress)
    print(
        f"The backup is in {made.folder}: {_counted(made.manifest.records, 'record')}, {_size(made.manifest.size)}, "
        f"{time.monotonic() - began:.0f} s. Keep it like the database itself.\n"
        f"SHA-256 of its manifest.json: {made.fingerprint}"
    )
    if not made.recorded:
        print("It is not on the record, because the database was restored here and its era has not begun.")
    return 0


def restore(options: argparse.Namespace, configured: Settings) -> int:
    """Restores a backup into an empty database and takes it over; returns 1 if verification or replay finds anything.

    Such a database stays as it is, and no start serves it.
    """
    checkpoints = integrity.read_checkpoints(options.checkpoint) if options.checkpoint else ()
    restored = restores.restore(configured, options.folder, checkpoints=checkpoints, progress=_show_progress)
    takeover = restored.takeover
    print(f"Restored the backup of {restored.manifest.taken_at.astimezone(configured.timezone):%Y-%m-%d %H:%M}.")
    if restored.left_out:
        print(f"Left out, because only a superuser can restore it: {'; '.join(restored.left_out)}.")
    if restored.zone:
        print(f"It was made with BACKSTITCH_TIMEZONE={restored.zone}; set it before the next start.")
    if takeover.total:
        print("\n".join([*takeover.first(), f"Findings: {takeover.total:,}. Nobody is served this database."]))
        print(
            "Look at it with `python -m backstitch verify`, `replay` and `psql`, or remove it and restore an earlier "
            'backup. `python -m backstitch begin-era --reason "..."` takes it over with the findings on the record.'
        )
        return 1
    print("\n".join(_taken_over(takeover)))
    return 0


def examine(options: argparse.Namespace, configured: Settings) -> int:
    """Prints the findings of the doctor; returns 1 on any error. Changes nothing."""
    with startup.owner(configured) as url:
        database = Database(url.render_as_string(hide_password=False), application="backstitch doctor", pool_size=1)
        watch = startup.watcher(configured, url, "backstitch doctor")
        try:
            with database.anonymous() as connection:
                found = doctor.findings(connection, watch=watch, thorough=True)
        finally:
            database.dispose()
            if watch is not None:
                watch.dispose()
    print(doctor.report(found))
    return 1 if any(finding.severity == "error" for finding in found) else 0


def psql(options: argparse.Namespace, configured: Settings) -> int:
    """Runs psql on the database as the owner's login; returns the exit code of psql."""
    with startup.owner(configured, whole=False) as url:
        if missing := startup.missing_roles(url):
            print(startup.roles_sentence(missing), file=sys.stderr)
        command, environment = _psql_call(url, configured)
        # Ctrl-C is for psql, which cancels the query; a handler, unlike SIG_IGN, is not inherited.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return subprocess.call([*command, *options.psql_arguments], env=environment)
        finally:
            signal.signal(signal.SIGINT, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backstitch", description="Backstitch at the terminal.")
    parser.add_argument("--version", action="version", version=f"Backstitch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("migrate", help="bring the database up to date")
    command.add_argument("--reapply", action="store_true", help="apply functions, triggers, views and rights again")
    command.set_defaults(run=migrate)

    command = commands.add_parser("create-admin", help="create a user who may do everything")
    command.add_argument("email", metavar="EMAIL")
    command.add_argument("--name", help="as others see it; default: the part of EMAIL before the @")
    command.set_defaults(run=create_admin)

    command = commands.add_parser("import-stock", help="load a seller's stock list")
    command.add_argument("file", metavar="FILE.csv", type=Path)
    command.add_argument("--rejects", metavar="FILE", type=Path, help="default: FILE-rejects.csv in this folder")
    command.add_argument("--date", metavar="YYYY-MM-DD", type=_day, help="of the opening stock; default: today")
    command.set_defaults(run=import_stock)

    command = commands.add_parser("demo", help="fill an empty database with an invented business of two years")
    command.add_argument("--scale", metavar="S", type=float, default=1, help="1: some 10,000 records; 100: a million")
    command.add_argument(
        "--seed", metavar="N", type=int, default=demo_loader.SEED, help="another one, another business"
    )
    command.set_defaults(run=load_demo)

    command = commands.add_parser("backup", help="back up the database while people work")
    command.add_argument("folder", metavar="DIR", type=Path, help="made by this; must not exist, or be empty")
    command.set_defaults(run=backup)

    command = commands.add_parser("restore", help="restore a backup into an empty database, and verify it")
    command.add_argument("folder", metavar="DIR", type=Path, help="that `backup` has made")
    command.add_argument("--checkpoint", metavar="FILE", type=Path, help="checkpoints kept elsewhere than the backup")
    command.set_defaults(run=restore)

    command = commands.add_parser("begin-era", help="take over a restored database in which something was found")
    command.add_argument("--reason", required=True, type=_reason, help="why, at most 400 characters; it is recorded")
    command.add_argument("--checkpoint", metavar="FILE", type=Path, help="checkpoints kept elsewhere")
    command.set_defaults(run=begin_era)

    command = commands.add_parser("seal", help="seal the trail's new records")
    command.set_defaults(run=seal)

    command = commands.add_parser("verify", help="find what was altered, removed or added in the sealed trail")
    command.add_argument("--since", metavar="YYYY-MM-DD", type=_day, help="only what was sealed from that day on")
    command.add_argument(
        "--checkpoint", metavar="FILE", type=Path, help="checkpoints kept from earlier verifications and exports"
    )
    command.set_defaults(run=verify)

    command = commands.add_parser("replay", help="rebuild every table from the trail and compare")
    command.set_defaults(run=replay_trail)

    command = commands.add_parser("doctor", help="find what would let a change past the trail")
    command.set_defaults(run=examine)

    command = commands.add_parser("psql", help="run psql on the database; further arguments are psql's")
    command.set_defaults(run=psql)
    return parser


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{value}” is not a date; write YYYY-MM-DD") from None


OWNER_UNKNOWN = (
    "The owner's login is not known here, so nothing was sealed before, and this verification is not recorded."
)


@contextmanager
def _judge(service: Service, configured: Settings, command: str) -> Iterator[Database]:
    """Who reads the raw trail: the login that watches; of a restored database, which may not know it, the owner."""
    if service.watch is not None:
        yield service.watch
    elif service.owner_url is not None:
        with _owner(service, configured, command) as database:
            yield database
    else:
        raise Refused(
            f"{command} needs the login that watches: set BACKSTITCH_WATCH_PASSWORD to the password of "
            f"{startup.WATCH_LOGIN}, or DATABASE_URL to the owner's login.",
            rule="watch_login",
        )


def _is_restored(service: Service) -> bool:
    """Whether the database was restored or moved here and its era has not begun; only the owner can say."""
    return service.owner_url is not None and startup.is_restored(service.owner_url)


def _sealed_first(service: Service, configured: Settings) -> str | None:
    """Seals the new records before a verification; returns a sentence if it cannot.

    Verification is wanted most where the functions of the database are not what they were.
    """
    if service.owner_url is None:
        return OWNER_UNKNOWN
    try:
        with _owner(service, configured, "verify") as database:
            sealing.seal(database)
    except (Refused, SQLAlchemyError, TypeError, ValueError) as error:
        said = error if isinstance(error, Refused) else "audit.seal() does not do what it should; see the doctor."
        return f"The new records could not be sealed first: {said}"
    return None


def _recorded(service: Service, configured: Settings, found: integrity.Verification) -> str | None:
    """Records a verification; returns a sentence if it cannot."""
    if service.owner_url is None:
        return OWNER_UNKNOWN
    try:
        with (
            _owner(service, configured, "verify") as database,
            database.transaction(System(), operation="verify") as connection,
        ):
            recorded = integrity.record(connection, verification=found)
    except (Refused, SQLAlchemyError):
        recorded = False
    if recorded:
        return None
    return "This verification is not on the record: audit.record_activity() does not do what it should; see the doctor."


def _reason(value: str) -> str:
    if not value.strip() or len(value) > LONGEST_REASON:
        raise argparse.ArgumentTypeError(f"a reason has 1 to {LONGEST_REASON} characters")
    return value


@contextmanager
def _opened(url: URL, command: str) -> Iterator[Database]:
    """The database as it is, as the owner's login."""
    database = Database(url.render_as_string(hide_password=False), application=f"backstitch {command}", pool_size=1)
    try:
        if url.username == startup.APPLICATION_LOGIN:
            raise _needs_owner(command)
        yield database
    finally:
        database.dispose()


def _needs_owner(command: str) -> Refused:
    return Refused(
        f"{command} needs the owner's login: set DATABASE_URL to one other than {startup.APPLICATION_LOGIN}.",
        rule="owner_login",
    )


@contextmanager
def _owner_database(
    configured: Settings, command: str, *, examined: bool = True, takes_over: bool = True
) -> Iterator[Database]:
    """The migrated database as its owner; the trail names the command as the application.

    What only reads the trail is not `examined` first: it is wanted most when the doctor has found something. Unless it
    `takes_over`, a database that was restored is left as it is.
    """
    with (
        startup.running(configured, examined=examined, takes_over=takes_over) as service,
        _owner(service, configured, command) as database,
    ):
        yield database


@contextmanager
def _owner(service: Service, configured: Settings, command: str) -> Iterator[Database]:
    if service.owner_url is None:
        raise _needs_owner(command)
    url = service.owner_url.render_as_string(hide_password=False)
    database = Database(url, application=f"backstitch {command}", pool_size=1, zone=configured.timezone)
    try:
        yield database
    finally:
        database.dispose()


def _new_password() -> str:
    """Asks for a password, twice at a terminal; elsewhere reads the first line of the standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise Refused("The two passwords differ. Nothing was saved.", rule="passwords_differ")
    return password


def _show_progress(done: int, total: int, phase: str) -> None:
    """Draws a growing bar at a terminal, prints a line per phase elsewhere; on the standard error."""
    if sys.stderr.isatty():
        bar = "#" * (BAR_WIDTH * done // total)
        end = "\n" if done == total else ""
        print(f"\r{phase:<24} [{bar:<{BAR_WIDTH}}] {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)
    elif done == total:
        print(f"{phase}: {total:,}", file=sys.stderr)


def _report(result: ImportResult, rejects: Path) -> str:
    if not result.accepted:
        return f"No row of {result.file} could be loaded; {rejects} says why, row by row."
    loaded = (
        f"Loaded {result.accepted:,} of {_counted(result.rows, 'row')} of {result.file}: "
        f"{_counted(result.products, 'new product')}, {_counted(result.units, 'piece')} of opening stock."
    )
    if result.rejects:
        loaded += f" {_counted(len(result.rejects), 'row')} not taken; {rejects} lists each with its reason."
    spellings = [f"  {one.name}, written {one.written} in row {one.row}" for one in result.spellings]
    return "\n".join([loaded, *(["One thing, written in more than one way:", *spellings] if spellings else [])])


def _verdict(before: integrity.Waiting, found: integrity.Verification) -> list[str]:
    """The lines of a verification. The checkpoint comes first, so that --checkpoint can read the output."""
    state, shown = found.status, found.findings[:FINDINGS_SHOWN]
    unsealed = state.waiting.records
    lines = [str(state.checkpoint or "There is no seal yet.").rstrip()]
    lines.append(
        f"Sealed up to here: {_counted(state.sealed - state.deleted, 'record')}"
        + (f", {state.deleted:,} more deleted on the record" if state.deleted else "")
        + (f"; {_counted(unsealed, 'record')} not sealed yet" if unsealed else "")
        + (f"; restored into another server {_counted(state.era - 1, 'time')}" if state.era > 1 else "")
        + "."
    )
    lines.extend(_window(before, found))
    lines.extend(map(str, shown))
    if len(found.findings) > len(shown):
        lines.append(f"... and {len(found.findings) - len(shown):,} more.")
    lines.append("Everything is as it was sealed." if not found.findings else f"Findings: {len(found.findings):,}.")
    return lines


def _window(before: integrity.Waiting, found: integrity.Verification) -> list[str]:
    """How long a record could be altered unseen: until its seal."""
    lines = []
    if before.age is not None:
        waited = f"{_counted(before.records, 'record')} had waited for a seal, the oldest for {_span(before.age)}"
        lines.append(f"{waited}{': the app seals while it runs' if before.age > timedelta(hours=1) else ''}.")
    if found.longest_wait is not None:
        lines.append(f"The longest wait for a seal: {_span(found.longest_wait)}.")
    return lines


def _span(lasted: timedelta) -> str:
    """A span of time in its two largest units, seconds with a decimal below a minute."""
    seconds = max(lasted.total_seconds(), 0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if hours < 1:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{_counted(days, 'day')} {hours % 24} h"


def _taken_over(takeover: Takeover) -> list[str]:
    """What has become of a restored database when its era has begun."""
    lines = [f"A new era of the trail has begun with {_counted(takeover.records, 'record')}; RESTORE is on the record."]
    if takeover.newer is not None:
        lines.append(
            f"Lost: {_counted(takeover.lost_seals or 0, 'seal')} after the last one here, up to the given checkpoint, "
            "and what was written after it."
        )
    if takeover.total:
        lines.append(f"So is what was found: {_counted(takeover.total, 'finding')}. `verify` goes on naming it.")
    return lines


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _psql_call(url: URL, configured: Settings) -> tuple[list[str], dict[str, str]]:
    """The command and its environment, which holds the password: other users can read a command line.

    The session is in the business's zone: a row typed into psql is dated as one that a page writes.
    """
    program = shutil.which("psql") if configured.database_url else None
    try:
        program = program or str(postgres_server.bin_dir() / "psql")
    except postgres_server.EmbeddedServerError as error:
        raise StartError("There is no psql here: install PostgreSQL's client programs.") from error
    database, environment = clients.connection(startup.conninfo(url))
    return [program, f"--dbname={database}"], environment | {"PGTZ": configured.timezone.key}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
