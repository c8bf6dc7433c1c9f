"""What a test leaves of an installation."""

import shutil
from pathlib import Path

from backstitch.postgres import files as postgres_files


def clear(home: Path) -> None:
    """Removes `home`, and its data, which under root lie elsewhere."""
    pointer = home / postgres_files.POINTER
    if pointer.exists():
        shutil.rmtree(Path(pointer.read_text().splitlines()[-1]), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
