"""Keeps what was typed into forms and is not saved yet, for when the session ends or the server starts again.

Streamlit holds it in the memory of the server, for one connection of one tab. At the end of each run the values of the
forms go into a file of the installation's folder: one for each tab of each user in each browser, named after hashes of
what only that browser has. They come back when the same user is signed in again in the same tab; after the session has
ended, in any tab of the same browser.
"""

import contextlib
import hashlib
import io
import logging
import os
import pickle
import re
import tempfile
import time
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

import backstitch
from backstitch import startup
from ui.server import library_patches
from ui.shared import typed_grid

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
LARGEST = 2 * 1024 * 1024  # bytes of one value
# The keys of the forms: movements, orders, products, parties, counts and paste, and "page", without which an open
# dialog would count as one of another page. Users' forms are left out, and with them every password.
FORMS = re.compile(
    r"page|typed_grids|entries_to_delete"
    r"|(inward|sales|take|adjust\w*?|entry|order|product|customer|agency|paste|delete_entries|edit|new)_.*"
)
# Users' forms; the time of a click on this server; what the Paste page reads again from the block.
LEFT_OUT = re.compile(r"(edit|new)_user_.*|.*_saved_at|paste_(sheet|checked)")
PLAIN = {
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "zoneinfo": {"ZoneInfo"},
}
OURS = {"backstitch", "ui"}
DIGEST = "unsaved_digest"  # in the session state: of what the file holds, so that it is written only when that changes


def keep(token: str) -> None:
    """Writes what is typed into the forms of this tab to its file, which a tab without a form does not have.

    `token` is that of the session (backstitch.accounts.sessions.actor).
    """
    values = _values()
    content = pickle.dumps((backstitch.__version__, values))
    digest = hashlib.sha256(content).hexdigest()
    if st.session_state.get(DIGEST) == digest:
        return
    st.session_state[DIGEST] = digest
    path = _path(token, library_patches.tab_ids()[0])
    try:
        if values.keys() <= {"page"}:
            path.unlink(missing_ok=True)
        else:
            _replace(path, content)
    except OSError as error:
        log.warning("what was typed cannot be kept in %s: %s", path.parent, error.strerror)


def _values() -> dict[str, bytes]:
    """The values of the forms, each as it is written."""
    found = {}
    for key, value in library_patches.settable_values().items():
        if value is None or not FORMS.fullmatch(key) or LEFT_OUT.fullmatch(key) or key in st.query_params:
            continue
        # A value of a library's own class is left out: it would not be read again.
        with contextlib.suppress(pickle.PickleError, TypeError, AttributeError):
            written = _written(value)
            if len(written) <= LARGEST:
                _read(written, same_version=True)
                found[key] = written
    return found


def end(token: str) -> None:
    """Keeps what this tab holds as left behind by a session that has ended: any tab of this browser may take it."""
    typed_grid.settle()  # this run may not have drawn a grid whose edit it has brought
    keep(token)
    path = _path(token, library_patches.tab_ids()[0])
    with contextlib.suppress(FileNotFoundError):
        path.rename(path.with_suffix(".ended"))


def discard(token: str) -> None:
    """Forgets what this tab holds: its user has signed out in it."""
    _path(token, library_patches.tab_ids()[0]).unlink(missing_ok=True)


def is_left_behind(token: str) -> bool:
    """Whether a session of this user in this browser has ended with values in its forms."""
    return bool(_left_behind(token))


def restore(token: str) -> None:
    """Puts back what this tab held, or else the latest that an ended session of this browser has left behind.

    A value that the browser still has on its screen counts more.
    """
    _forget_old()
    own = [_path(token, tab) for tab in library_patches.tab_ids()]
    candidates = [*(path.with_suffix(".ended") for path in own[:1]), *own[1:], *_left_behind(token)]
    path = next((path for path in candidates if path.exists()), None)
    if path is None:
        return
    on_screen = library_patches.keys_from_browser()
    for key, value in _load(path).items():
        if key not in st.session_state and key not in on_screen and key not in st.query_params:
            st.session_state[key] = value
    path.unlink(missing_ok=True)


def _load(path: Path) -> dict[str, object]:
    """The values of a file; those of our own classes only if the version that wrote them is this one."""
    values = {}
    try:
        version, written = _read(path.read_bytes(), same_version=False)
    except (OSError, pickle.PickleError, ValueError, TypeError, EOFError):
        return {}
    for key, value in written.items():
        with contextlib.suppress(Exception):  # a class of another version; the value is then not put back
            values[key] = _read(value, same_version=version == backstitch.__version__)
    return values


class _Writer(pickle.Pickler):
    """Writes zones and enumerations by their classes, where Python writes a call of `getattr`, which is not read."""

    def reducer_override(self, value: object) -> Any:
        """The class and the arguments that make such a value again."""
        if isinstance(value, ZoneInfo):
            return ZoneInfo, (value.key,)
        return (type(value), (value.value,)) if isinstance(value, Enum) else NotImplemented


def _written(value: object) -> bytes:
    place = io.BytesIO()
    _Writer(place).dump(value)
    return place.getvalue()


class _Reader(pickle.Unpickler):
    """Reads plain values and, with `same_version`, objects of our own classes: a pickle could call anything else."""

    def __init__(self, written: bytes, *, same_version: bool) -> None:
        super().__init__(io.BytesIO(written))
        self._same_version = same_version

    def find_class(self, module: str, name: str) -> Any:
        """The class of a value. Raises UnpicklingError for any but those."""
        if name in PLAIN.get(module, ()):
            return super().find_class(module, name)
        if self._same_version and module.partition(".")[0] in OURS:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not kept")


def _read(written: bytes, *, same_version: bool) -> Any:
    return _Reader(written, same_version=same_version).load()


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as fresh:  # readable by this account only
        fresh.write(content)
    os.replace(fresh.name, path)


def _forget_old() -> None:
    before = time.time() - KEPT.total_seconds()
    for path in _folder().glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()


def _left_behind(token: str) -> list[Path]:
    """The files of ended sessions of this user in this browser, the latest first."""
    found = _folder().glob(f"{_hash(token)}-*.ended")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _folder() -> Path:
    return startup.current().settings.home / "unsaved"


def _path(token: str, tab: str) -> Path:
    return _folder() / f"{_hash(token)}-{_hash(tab)}.typed"


def _hash(text: str) -> str:
    return hashlib.sha256(f"unsaved {text}".encode()).hexdigest()[:32]
