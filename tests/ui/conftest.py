"""Fixtures to run pages with AppTest: the entry script, a signed-in user per role, a database per test."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from backstitch import installation, startup
from backstitch.accounts.permissions import Role
from backstitch.settings import Settings
from backstitch.startup import Service
from tests.conftest import BROWSER, Clone, email_of
from tests.ui.shop import Shop
from ui import feedback
from ui.server import script_runs

Open = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def scanned_once() -> Iterator[None]:
    """For each new tab Streamlit 1.67 reads the metadata of every installed package, a tenth of a second each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session", autouse=True)
def runs_are_requests() -> None:
    """As app.py does before the first run."""
    script_runs.install()


@pytest.fixture
def service(clone: Clone, tmp_path: Path) -> Iterator[Service]:
    """The service that the pages use, on the database of this test."""
    installation.prepare_home(tmp_path)
    made = Service(
        settings=Settings(
            home=tmp_path,
            database_url=None,
            timezone=ZoneInfo("Asia/Kolkata"),
            currency="₹",
            demo=False,
            session_lifetime=timedelta(hours=1),
        ),
        database=clone.app,
        owner_url=clone.url,
    )
    startup.use(made)
    yield made
    startup.use(None)


@pytest.fixture(autouse=True)
def quick_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages disappear at the next run, so that a test does not find the one before."""
    monkeypatch.setattr(feedback, "STAYS", 0)


@pytest.fixture
def shop(clone: Clone) -> Shop:
    """An empty shop; a test fills and reads it without a page."""
    return Shop(clone)


@pytest.fixture
def signed_out(service: Service, project: Path) -> AppTest:
    """A fresh tab in which nobody is signed in."""
    return AppTest.from_file(str(project / "ui" / "main.py"), default_timeout=30)


@pytest.fixture
def open_page(service: Service, project: Path) -> Open:
    """Opens a page in a tab in which the user of a role is signed in: `open_page("stock", Role.VIEWER)`.

    Further arguments are the query of the URL.
    """

    def opened(page: str, role: Role, **query: str | list[str]) -> AppTest:
        tab = AppTest.from_file(str(project / "ui" / "main.py"), default_timeout=30)
        tab.session_state["tab_secret"] = BROWSER
        tab.session_state["username"] = email_of(role)
        if "_" in page:
            # AppTest finds a page whose address differs from its file name only after a run of the navigation.
            tab.run()
        for name, value in query.items():
            tab.query_params[name] = value
        tab.switch_page(f"../pages/{page}.py").run() if page != "home" else tab.run()
        assert not tab.exception
        return tab

    return opened
