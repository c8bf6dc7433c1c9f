"""What a test leaves of an installation."""

import shutil
from pathlib import Path

from backstitch import embedded_files


def clear(home: Path) -> None:
    """Removes `home`, and its data, which under root lie elsewhere."""
    pointer = home / embedded_files.POINTER
    if pointer.exists():
        shutil.rmtree(Path(pointer.read_text().splitlines()[-1]), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
