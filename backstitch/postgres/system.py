"""What the bundled PostgreSQL needs of the operating system: locks, private files, programs, plain words."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

DISK_IS_FULL = 1024 * 1024  # bytes free

CAUSES = (
    (
        r"No space left|quota exceeded|File too large|size limit",
        "The disk is full at {place}: free some space there and start again.",
    ),
    (
        r"Permission denied|Read-only|not permitted",
        "{place} cannot be written: give this user the right to, or choose another folder.",
    ),
    (r"File exists|Not a directory", "{place} is not a folder: choose another one."),
)

_log = logging.getLogger("backstitch.postgres")


class EmbeddedServerError(RuntimeError):
    """The bundled PostgreSQL cannot serve. The message is one sentence that says what to do.

    `detail` is what a support person reads: the end of the server's log, or the output of the failed program.
    """

    def __init__(self, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.detail = detail


def own_folder(path: Path, mode: int = 0o700, uid: int | None = None, gid: int = -1) -> None:
    """Create the folder, or make sure that what is there is one and belongs to `uid`, else to the caller."""
    uid = os.geteuid() if uid is None else uid
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        os.chown(path, uid, gid, follow_symlinks=False)
    elif not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
        raise EmbeddedServerError(f"{path} is a link or belongs to somebody else: remove it and start again.")
    path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the file's lock, waiting for it as long as it takes."""
    held = open_lock(path)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield held
        fcntl.flock(held, fcntl.LOCK_UN)  # closing is not enough once another thread has forked
    finally:
        os.close(held)


def try_lock(path: Path) -> int | None:
    held = open_lock(path)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return held
    except BlockingIOError:
        os.close(held)
        return None


def run(
    command: Sequence[str],
    account: pwd.struct_passwd | None = None,
    output: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a program as the account, its output and errors together, in English, out of reach of Ctrl-C.

    Of the environment it gets where programs and libraries are found, and what the loader puts before them.
    """
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PATH") if name in os.environ}
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",  # the current folder may be closed to the account
        env=kept | {"LC_ALL": "C"},
        start_new_session=True,
        pass_fds=pass_fds,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def explain(output: str, where: Path, otherwise: str) -> EmbeddedServerError:
    """The sentence for a cause that people meet, else the other one."""
    if where.exists() and shutil.disk_usage(where).free < DISK_IS_FULL:
        output += "\nNo space left"  # the log is on that disk too, and may have nothing to say
    for pattern, sentence in CAUSES:
        if re.search(pattern, output):
            return EmbeddedServerError(sentence.format(place=where), output)
    return EmbeddedServerError(otherwise, output)


@contextlib.contextmanager
def in_plain_words(home: Path, elsewhere: Path, *, shown: bool = False) -> Iterator[None]:
    """Turn the system's errors into sentences on the folder concerned, and log what is behind each.

    Whoever shows the sentence to the user says so: it is then not logged as well.
    """
    try:
        yield
    except OSError as error:
        _log.error("%s", error)
        where = elsewhere if str(elsewhere) in str(error) else home
        otherwise = f"{where} cannot be used ({error.strerror}): choose another folder."
        raise explain(str(error), where, otherwise) from error
    except EmbeddedServerError as error:
        if error.detail or not shown:
            _log.error("%s", error.detail if shown else f"{error} {error.detail}")
        raise
