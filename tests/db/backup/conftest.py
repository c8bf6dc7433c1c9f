"""What the tests of backups share: an installation on a clone, and empty databases to restore into."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL

from backstitch import __main__ as command_line
from tests import homes
from tests.conftest import APP_PASSWORD, WATCH_PASSWORD, Clone, open_clone
from tests.db.audit.shop import Shop, open_shop
from tests.db.audit.tampering import seal_all
from tests.db.versions.lived_in import empty_database


@dataclass(frozen=True)
class Hand:
    """A hand at the terminal: commands on a database of DATABASE_URL, and what they print."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def at(self, url: URL | None, home: Path) -> "Hand":
        """Goes to another installation; without a URL it has the bundled server."""
        self.monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False) if url else "")
        self.monkeypatch.setenv("BACKSTITCH_HOME", str(home))
        return self

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """The exit code, the standard output and the standard error."""
        code = command_line.main([str(argument) for argument in arguments])
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    def done(self, *arguments: str | Path) -> str:
        """The output of a command that must succeed."""
        code, said, complained = self.run(*arguments)
        assert code == 0, said + complained
        return said

    def refused(self, *arguments: str | Path) -> str:
        """The last line of what a command says that must be refused."""
        code, _, complained = self.run(*arguments)
        assert code == 1
        return complained.splitlines()[-1]


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hand:
    # Roles are the server's: a start would otherwise set other passwords, for every test.
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", APP_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_WATCH_PASSWORD", WATCH_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_TIMEZONE", "Asia/Kolkata")
    return Hand(monkeypatch, capsys)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for an installation."""
    yield tmp_path / "home"
    homes.clear(tmp_path / "home")


@pytest.fixture
def empty(server_url: URL, template: str) -> Iterator[URL]:
    """An empty database on the server of the clones."""
    with empty_database(server_url, f"{template}_restored") as url:
        yield url


@pytest.fixture
def shop(clone: Clone) -> Shop:
    """A small shop, sealed."""
    shop = open_shop(clone)
    with clone.superuser() as psql:
        seal_all(psql)
    return shop


@pytest.fixture
def restored(empty: URL) -> Iterator[Clone]:
    """The logins of the database that a test restores into `empty`."""
    clone = open_clone(empty)
    yield clone
    clone.dispose()
