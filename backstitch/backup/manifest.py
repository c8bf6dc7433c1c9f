"""The manifest of a backup: what its folder holds, and of which database.

manifest.json       this; written last
database.dump       the database, as pg_dump writes it (custom format)
roles.sql           the roles of Backstitch, for a server that lacks them; no passwords
checkpoint.txt      the checkpoint of the trail, for `verify --checkpoint`; missing where nothing was sealed yet
secrets/            the keys of BACKSTITCH_HOME that a start does not make again
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from packaging.version import InvalidVersion, Version

from backstitch import __version__
from backstitch.errors import Refused

NAME = "manifest.json"
DUMP, ROLES, CHECKPOINT, SECRETS = "database.dump", "roles.sql", "checkpoint.txt", "secrets"
FORMAT = 1  # of the folder; a later one may hold what this version cannot restore
CHUNK = 1024 * 1024

# done, total, what is being done
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class File:
    """Size in bytes and SHA-256 (hex) of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `files` are by their paths in the folder; `taken_at` is the moment that the dump shows.

    `version` and `revision` are of the database's code; `postgres` and `pg_dump` are major versions. `records` counts
    the records of the trail in the dump. `other_roles` are roles that are not of Backstitch, own things in the
    database or have rights there, and must exist where it is restored. `settings` are those of BACKSTITCH_* that the
    business's data depend on.
    """

    format: int
    backstitch: str
    version: str
    revision: str
    postgres: int
    pg_dump: int
    taken_at: datetime
    seconds: float
    records: int
    login: str
    other_roles: tuple[str, ...]
    settings: Mapping[str, str]
    files: Mapping[str, File]

    def write(self, folder: Path) -> str:
        """Writes the manifest into the folder and returns its SHA-256."""
        content = json.dumps(asdict(self) | {"taken_at": self.taken_at.isoformat()}, indent=1, ensure_ascii=False)
        (folder / NAME).write_text(content + "\n", encoding="utf-8")
        return fingerprint(folder / NAME).sha256

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files.values())


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises Refused for a folder without one, and for one that this version cannot read."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _refused(f"{folder} is no backup: it has no {NAME}.") from None
    except (OSError, ValueError) as error:
        raise _refused(f"{folder / NAME} cannot be read: {error}. Take another backup.") from error
    _require_known(folder, content)
    try:
        files = {name: File(**file) for name, file in content.pop("files").items()}
        taken_at = datetime.fromisoformat(content.pop("taken_at"))
        others = tuple(content.pop("other_roles"))
        return Manifest(**content, files=files, taken_at=taken_at, other_roles=others)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _refused(f"{folder / NAME} is damaged ({error}). Take another backup.") from error


def check(folder: Path, manifest: Manifest, progress: Progress) -> None:
    """Raises Refused, with all their names, if files are missing from the folder or are not those of the manifest."""
    wrong, done = [], 0
    for name, file in manifest.files.items():
        if not (folder / name).is_file():
            wrong.append(f"{name} is missing")
        elif fingerprint(folder / name) != file:
            wrong.append(f"{name} is damaged")
        done += file.size
        progress(done, manifest.size, "Checking files, bytes")
    if wrong:
        raise _refused(f"The backup in {folder} cannot be used: {', '.join(wrong)}. Take another one.")


def fingerprint(path: Path) -> File:
    """Size and SHA-256 of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            size += len(piece)
    return File(size, digest.hexdigest())


def _require_known(folder: Path, content: object) -> None:
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise _refused(f"{folder / NAME} is not the manifest of a backup. Take another backup.")
    newer = content["format"] > FORMAT or any(_is_newer(content.get(key)) for key in ("backstitch", "version"))
    if newer:
        raise _refused(
            f"The backup in {folder} was made by Backstitch {content.get('backstitch')}, and this is {__version__}; "
            "install that version, or a later one."
        )


def _is_newer(version: object) -> bool:
    try:
        return Version(str(version)) > Version(__version__)
    except InvalidVersion:
        return False  # the manifest is damaged, which is said where it is read


def _refused(sentence: str) -> Refused:
    return Refused(sentence, rule="backup")
