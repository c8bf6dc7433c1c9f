"""What the tests of the database share besides tests/conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backstitch import settings, startup
from backstitch.errors import StartError
from tests import homes
from tests.conftest import APP_PASSWORD, WATCH_PASSWORD, Clone
from tests.db.audit.tampering import seal_all


def sealed(clone: Clone) -> Clone:
    """Seals what the template holds: records that wait for their seal since minutes are a finding of the doctor."""
    with clone.superuser() as psql:
        seal_all(psql)
    return clone


def quiet(clone: Clone) -> Clone:
    """Without event triggers, as on a server where no superuser migrates: they would refuse what cannot be recorded."""
    with clone.superuser() as psql:
        psql.execute("drop event trigger backstitch_watch_ddl; drop event trigger backstitch_watch_drop")
        psql.execute("delete from audit.guards")
    return clone


@pytest.fixture
def environment(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command or a start reads: this test's database, as its owner."""
    monkeypatch.setenv("BACKSTITCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", APP_PASSWORD)
    # A start without it gives the login, which is the server's, a password that the other tests do not know.
    monkeypatch.setenv("BACKSTITCH_WATCH_PASSWORD", WATCH_PASSWORD)
    monkeypatch.setenv("DATABASE_URL", clone.url.render_as_string(hide_password=False))
    yield
    homes.clear(tmp_path / "home")


def start_refusal() -> str:
    """The sentence with which a start in the fixture `environment` is refused."""
    with pytest.raises(StartError) as caught, startup.running(settings.load()):
        pass
    return str(caught.value)
