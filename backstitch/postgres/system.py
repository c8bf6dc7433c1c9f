"""What the bundled PostgreSQL needs of the operating system: locks, private files, programs, error messages."""

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
    """The bundled PostgreSQL cannot start or stop. The message is one sentence that says what to do.

    `detail` is for support: the end of the server's log, or the output of the failed program.
    """

    def __init__(self, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.detail = detail


def own_folder(path: Path, mode: int = 0o700, uid: int | None = None, gid: int = -1) -> None:
    """Creates the folder for `uid`, by default the caller. Raises EmbeddedServerError when it is somebody else's."""
    uid = os.geteuid() if uid is None else uid
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    folder_status = path.lstat()
    if stat.S_ISDIR(folder_status.st_mode) and folder_status.st_uid == os.geteuid():
        os.chown(path, uid, gid, follow_symlinks=False)
    elif not stat.S_ISDIR(folder_status.st_mode) or folder_status.st_uid != uid:
        raise EmbeddedServerError(f"{path} is a link or belongs to somebody else: remove it and start again.")
    path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, the whole file or nothing."""
    part = path.with_name(path.name + ".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flushes the entries of a folder to disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_lock(path: Path) -> int:
    """Opens a lock file, without locking it; returns the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Holds the lock of a file during the block; waits for it as long as it takes. Yields the descriptor."""
    lock = open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough once another thread has forked
    finally:
        os.close(lock)


def try_lock(path: Path) -> int | None:
    """Takes the lock of a file; returns the descriptor, or None when another process holds it."""
    lock = open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except BlockingIOError:
        os.close(lock)
        return None


def run(
    command: Sequence[str],
    account: pwd.struct_passwd | None = None,
    output: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Runs a program as the account, in English and out of reach of Ctrl-C, with errors in its output.

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
    """The error for a known cause in the output, such as a full disk; else an error with the sentence `otherwise`."""
    if where.exists() and shutil.disk_usage(where).free < DISK_IS_FULL:
        output += "\nNo space left"  # the log is on that disk too, and may have nothing to say
    for pattern, sentence in CAUSES:
        if re.search(pattern, output):
            return EmbeddedServerError(sentence.format(place=where), output)
    return EmbeddedServerError(otherwise, output)


@contextlib.contextmanager
def translate_errors(home: Path, elsewhere: Path, *, reported: bool = False) -> Iterator[None]:
    """Turns OSErrors into EmbeddedServerErrors about the folder concerned, and logs their details.

    With `reported`, the caller shows the sentence to the user, and it is not logged.
    """
    try:
        yield
    except OSError as error:
        _log.error("%s", error)
        where = elsewhere if str(elsewhere) in str(error) else home
        otherwise = f"{where} cannot be used ({error.strerror}): choose another folder."
        raise explain(str(error), where, otherwise) from error
    except EmbeddedServerError as error:
        if error.detail or not reported:
            _log.error("%s", error.detail if reported else f"{error} {error.detail}")
        raise
