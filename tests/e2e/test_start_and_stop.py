"""The real app, started, stopped and killed: it always starts again, with every acknowledged change."""

import contextlib
import fcntl
import itertools
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from backstitch import settings, startup
from backstitch.postgres import server as postgres_server
from tests import homes
from tests.e2e.app_process import App, environment, run_command, wait_for
from tests.unit.postgres.processes import is_running, processes_of

LOST = "The database does not answer, or has no connection free. Nothing was saved; try again in a moment."
IN_REQUEST = r" \[[0-9a-f]{12}\]"
LOG_LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "

Start = Callable[..., App]


@dataclass(frozen=True)
class Installation:
    """A home and its embedded server."""

    home: Path
    data: Path
    conninfo: str

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.conninfo, autocommit=True)

    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill_postmaster(self) -> None:
        """Kills the server by SIGKILL; returns when its backends have ended, too."""
        os.kill(self.postmaster(), signal.SIGKILL)
        wait_for(lambda: not processes_of(self.data), "the backends end")


def install(home: Path) -> Installation:
    """Starts and stops the service once, so that `home` gets a migrated database."""
    with startup.running(settings.load(environment(home))) as service:
        assert service.lease is not None
        return Installation(home, service.lease.server.data_dir, service.lease.server.conninfo(startup.DATABASE_NAME))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A home with a migrated database; every test leaves its server stopped."""
    home = tmp_path_factory.mktemp("installed") / "home"
    yield install(home)
    homes.clear(home)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts apps; stops those that the test leaves running."""
    apps: list[App] = []

    def started(home: Path, port: int | None = None, **given: str) -> App:
        apps.append(App(home, port, **given))
        return apps[-1]

    yield started
    for app in apps:
        if app.process.poll() is None:
            app.stop()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    homes.clear(tmp_path / "home")


# --- start and stop ---------------------------------------------------------------------------------------


def test_the_first_start_serves_the_sign_in_page_with_a_calm_console(home: Path, start: Start) -> None:
    app = start(home, BACKSTITCH_DEMO="yes").ready()
    assert "<title>" in app.get("/")
    page = app.page()
    assert page[0] == "Backstitch" and "Sign in" in page
    assert "- `admin@demo.example`" in page[-1]
    assert app.stop() == 0
    assert app.out.split("\n") == [
        "",
        "  You can now view your Streamlit app in your browser.",
        "",
        f"  URL: http://localhost:{app.port}",
        "",
        "",
    ]
    assert app.err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_stops_the_app_and_its_server_even_with_a_tab_open(
    number: int, installed: Installation, start: Start
) -> None:
    app = start(installed.home).ready()
    pid = installed.postmaster()
    with app.tab():
        assert app.stop(number) == 0
    assert app.err == ""
    assert not is_running(pid) and processes_of(installed.data) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_in_the_middle_of_the_start_leaves_no_server(
    number: int, installed: Installation, start: Start
) -> None:
    app = start(installed.home)
    wait_for(lambda: processes_of(installed.data), "the server starts")
    assert app.stop(number) == 0
    assert app.err == "" and processes_of(installed.data) == []


def test_a_second_app_on_the_same_home_shares_the_server_and_survives_the_first(
    installed: Installation, start: Start
) -> None:
    first, second = start(installed.home), start(installed.home)
    first.ready()
    second.ready()
    pid = installed.postmaster()
    assert first.stop() == 0
    assert installed.postmaster() == pid and "Sign in" in second.page()
    psql = run_command(installed.home, "psql", "-At", "-c", "select 1")
    assert (psql.returncode, psql.stdout, psql.stderr) == (0, "1\n", "")
    assert is_running(pid)
    assert second.stop() == 0
    assert processes_of(installed.data) == []


# --- kill -9 ----------------------------------------------------------------------------------------------


def test_after_kill_9_of_the_app_the_next_start_has_everything(installed: Installation, start: Start) -> None:
    app = start(installed.home).ready()
    with installed.connect() as connection:
        connection.execute("create table kept_by_the_server as select 42 as answer")
    pid = installed.postmaster()
    app.kill()
    app = start(installed.home).ready()
    assert installed.postmaster() == pid
    with installed.connect() as connection:
        assert connection.execute("select answer from kept_by_the_server").fetchall() == [(42,)]
    assert "Sign in" in app.page()
    assert app.stop() == 0
    assert processes_of(installed.data) == []


def write_until_the_end(installed: Installation, acknowledged: list[int]) -> None:
    with contextlib.suppress(psycopg.OperationalError), installed.connect() as connection:
        for number in itertools.count():
            connection.execute("insert into written values (%s)", [number])
            acknowledged.append(number)


def test_after_kill_9_of_everything_nothing_acknowledged_is_lost(installed: Installation, start: Start) -> None:
    app = start(installed.home).ready()
    with installed.connect() as connection:
        connection.execute("create table written (number integer)")
    acknowledged: list[int] = []
    writer = threading.Thread(target=write_until_the_end, args=(installed, acknowledged))
    writer.start()
    wait_for(lambda: len(acknowledged) > 200, "200 rows are acknowledged")
    app.kill()
    installed.kill_postmaster()
    writer.join()
    start(installed.home).ready()
    with installed.connect() as connection:
        found = {number for (number,) in connection.execute("select number from written")}
    assert set(acknowledged) <= found


def test_after_kill_9_of_the_server_a_sentence_is_shown_until_the_app_has_restarted_it(
    installed: Installation, start: Start
) -> None:
    app = start(installed.home).ready()
    assert "Sign in" in app.page()
    # While the test holds the lock, nobody can start the server.
    with (installed.data.parent / "start.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed.kill_postmaster()
        assert LOST in app.page()
    wait_for(lambda: LOST not in app.page(), "the server is back")
    assert "Sign in" in app.page()
    expected = (
        f"INFO ui.server.errors{IN_REQUEST}: refused by database_unreachable: {LOST}",
        f"WARNING backstitch.audit.sealing{IN_REQUEST}: The trail cannot be sealed at the moment: {LOST}",
        f"WARNING backstitch.audit.sealing{IN_REQUEST}: The trail is being sealed again.",
        f"WARNING backstitch.startup{IN_REQUEST}: The database had stopped and was started again.",
    )
    lines = app.err.splitlines()
    assert all(re.fullmatch(f"{LOG_LINE}({'|'.join(expected)})", line) for line in lines), app.err
    assert sum(line.endswith("was started again.") for line in lines) == 1
    assert app.stop() == 0
    assert processes_of(installed.data) == []


# --- failed starts and errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "mysql://shop/shop",
            "DATABASE_URL is not a PostgreSQL URL; it looks like postgresql://user:password@host:5432/database.",
        ),
        (
            "postgresql://shop:secret@localhost:1/shop",
            "Cannot connect to postgresql://shop:***@localhost:1/shop: Connection refused; "
            "check DATABASE_URL and the server.",
        ),
    ],
)
def test_a_wrong_database_url_ends_the_start_with_one_sentence(
    url: str, sentence: str, home: Path, start: Start
) -> None:
    app = start(home, DATABASE_URL=url)
    assert app.exit_code() == 1
    assert app.err == f"Backstitch cannot start. {sentence}\n"


def test_a_busy_port_ends_the_start_with_one_sentence_before_a_server_runs(home: Path, start: Start) -> None:
    with socket.create_server(("localhost", 0)) as listener:
        app = start(home, listener.getsockname()[1])
        assert app.exit_code() == 1
    assert re.fullmatch(rf".*Port {app.port} is not available\n", app.err), app.err
    assert not home.exists()


def test_the_cause_of_a_failed_start_of_the_embedded_server_is_shown_once(home: Path, start: Start) -> None:
    (home / "data" / "photos").mkdir(parents=True)
    with pytest.raises(postgres_server.EmbeddedServerError) as caught:
        postgres_server.start(home)
    app = start(home)
    assert app.exit_code() == 1
    assert app.err == f"Backstitch cannot start. {caught.value}\n"


def test_an_unexpected_error_is_shown_as_an_id_under_which_the_log_has_the_rest(
    installed: Installation, start: Start
) -> None:
    app = start(installed.home).ready()
    with installed.connect() as connection:
        connection.execute("alter function accounts.demo_accounts rename to away")
        shown = app.page()[-1]
        connection.execute("alter function accounts.away rename to demo_accounts")
    number = re.search(r"report error ([0-9a-f]{12})\.", shown)
    assert number, shown
    id = number[1]
    assert re.match(rf"{LOG_LINE}ERROR ui\.server\.errors \[{id}\]: error {id}\n  Traceback ", app.err), app.err
    assert "UndefinedFunction" in app.err and "UndefinedFunction" not in shown
