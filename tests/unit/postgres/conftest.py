"""The bundled PostgreSQL, started for real, as a plain user and as root.

Each test runs in a forked child; what it leaves behind is ended and removed by the fixture `ground`.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstitch.postgres import files as postgres_files
from backstitch.postgres import server as postgres_server
from tests.unit.postgres.processes import FAST, IS_ROOT, SERVER_ACCOUNT, give, in_child, temporary_ground


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A stopped home of a plain user, to copy: initdb takes a second."""
    with temporary_ground() as ground:
        home = give(ground / "own", "plain") / "home"
        in_child(lambda: postgres_server.start(home, FAST).stop(), "plain")
        yield home


@pytest.fixture(scope="session")
def template_of_root() -> Iterator[Path]:
    with temporary_ground() as ground:
        if IS_ROOT:
            in_child(lambda: make_template_of_root(ground), "root")
        yield ground


def make_template_of_root(ground: Path) -> None:
    postgres_files.ACCOUNT, postgres_files.ROOT_FOLDER = SERVER_ACCOUNT, ground / "var"
    with postgres_server.start(ground / "home", FAST) as lease:
        place = lease.server.data_dir.parent
    place.rename(ground / "place")
    (ground / "home" / postgres_files.POINTER).unlink()


@pytest.fixture
def ground(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if kind == "root" and not IS_ROOT:
        pytest.skip("needs root")
    with temporary_ground() as ground:
        monkeypatch.setattr(postgres_files, "ACCOUNT", SERVER_ACCOUNT)
        monkeypatch.setattr(postgres_files, "ROOT_FOLDER", ground / "var")
        monkeypatch.setattr(postgres_files, "SHORT_FOLDER", ground)
        ground.chmod(0o1777)
        yield ground


@pytest.fixture
def own(kind: str, ground: Path) -> Path:
    """A folder that belongs to whoever runs the test."""
    return give(ground / "own", kind)


@pytest.fixture
def home(kind: str, own: Path, template: Path, template_of_root: Path) -> Path:
    """A home with data, whose server is stopped."""
    if kind == "plain":
        in_child(lambda: shutil.copytree(template, own / "home"), kind)
    else:
        postgres_files.ROOT_FOLDER.mkdir()
        for source, target in (("home", own / "home"), ("place", postgres_files._recorded_folder(own / "home"))):
            subprocess.run(["cp", "-a", template_of_root / source, target], check=True)
    return own / "home"
