"""`python -m backstitch`: what each command says, and the exit code it leaves."""

import io
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from backstitch import __main__ as command_line
from backstitch import __version__, migrations
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.database import System
from tests.conftest import APP_PASSWORD, LIFETIME_HOURS, PASSWORD, WATCH_PASSWORD, Clone

HEADER = "index,SKU Code,Design No.,Stock,Category,Size,Color"
GOOD = "0,AN201-RED-L,AN201,5.0,AN : LEGGINGS,L,Red"
BAD = "1,#REF!,AN201,5.0,AN : LEGGINGS,M,Red"


@pytest.fixture
def configured(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The commands work on the clone, in an empty folder."""
    monkeypatch.setenv("DATABASE_URL", clone.url.render_as_string(hide_password=False))
    # Roles are the server's: start-up would otherwise set another password, for every test's application.
    monkeypatch.setenv("BACKSTITCH_APP_PASSWORD", APP_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_WATCH_PASSWORD", WATCH_PASSWORD)
    monkeypatch.setenv("BACKSTITCH_HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return clone


def stock_file(*lines: str) -> str:
    path = Path("stock.csv")
    path.write_text("\n".join((HEADER, *lines)), encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, the standard output and the standard error."""
    code = command_line.main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def run_apart(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: for psql, which writes past pytest."""
    environment = os.environ | {"PYTHONPATH": str(Path(command_line.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "backstitch", *arguments], capture_output=True, text=True, env=environment, timeout=60
    )


def test_the_version_is_said_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("BACKSTITCH_HOME", str(home))
    done = run_apart("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Backstitch {__version__}\n", "")
    assert not home.exists()


def test_migrate_says_at_which_revision_the_database_is(configured: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "migrate") == (
        0,
        f"The database is up to date (revision {migrations.newest_revision()}, code of {__version__}).\n",
        "",
    )


def test_create_admin_makes_a_user_who_can_sign_in(
    configured: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    assert run(capsys, "create-admin", "Asha@example.com") == (0, "Asha@example.com can sign in as an admin.\n", "")
    with configured.owner.read(System()) as connection:
        user = connection.execute(
            text("select email, name, role, is_active, must_change_password from accounts.users order by id desc")
        ).first()
        record = connection.execute(
            text("select action, entity, username, operation, application from audit.trail order by id desc")
        ).first()
    assert user == ("Asha@example.com", "Asha", Role.ADMIN.value, True, False)
    assert record == ("CREATE", "User", "system", "create admin", "backstitch create-admin")
    assert sessions.sign_in(
        configured.app,
        email="asha@example.com",
        password=PASSWORD,
        browser=sessions.Browser("a"),
        lifetime=timedelta(hours=LIFETIME_HOURS),
    )


@pytest.mark.parametrize(
    ("email", "password", "sentence"),
    [
        (
            "asha@example.com",
            "short",
            "A password has 12 to 64 characters; several words in a row make a good one.\n",
        ),
        ("ADMIN@example.com", PASSWORD, "There is a user with this email address already.\n"),
        ("nobody", PASSWORD, "This is not an email address, or it has more than 254 characters.\n"),
    ],
)
def test_create_admin_says_what_is_wrong_and_creates_nobody(
    configured: Clone,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    email: str,
    password: str,
    sentence: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    assert run(capsys, "create-admin", email) == (1, "", sentence)
    with configured.owner.read(System()) as connection:
        assert connection.execute(text("select count(*) from accounts.users")).scalar_one() == len(Role)


def test_create_admin_at_a_terminal_asks_twice(
    configured: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    answers = iter([PASSWORD, f"{PASSWORD}!", PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    assert run(capsys, "create-admin", "a@example.com") == (1, "", "The two passwords differ. Nothing was saved.\n")
    assert run(capsys, "create-admin", "a@example.com", "--name", "A") == (
        0,
        "a@example.com can sign in as an admin.\n",
        "",
    )


def test_import_stock_says_what_it_did_and_where_the_rejects_are(
    configured: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "import-stock", stock_file(GOOD, BAD), "--date", "2026-04-01")
    assert (code, out, err) == (
        0,
        "Loaded 1 of 2 rows of stock.csv: 1 new product, 5 pieces of opening stock. "
        "1 row not taken; stock-rejects.csv lists each with its reason.\n",
        "products: 1\ncolours: 1\nstock matrix: 1\nopening stock: 1\n",
    )
    assert Path("stock-rejects.csv").read_text(encoding="utf-8-sig") == (
        f"Row,Reason,{HEADER}\n3,The SKU code is a spreadsheet error (#REF!).,{BAD}\n"
    )
    with configured.owner.read(System()) as connection:
        record = connection.execute(
            text(
                "select username, application, operation, new_values ->> 'date' from audit.trail "
                "where entity = 'InwardLog'"
            )
        ).one()
    assert record == ("system", "backstitch import-stock", "import stock list stock.csv", "2026-04-01")


def test_import_stock_without_rejects_writes_no_file(configured: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "import-stock", stock_file(GOOD))
    assert (code, out) == (0, "Loaded 1 of 1 row of stock.csv: 1 new product, 5 pieces of opening stock.\n")
    assert [path.name for path in Path().iterdir()] == ["stock.csv"]


def test_import_stock_that_can_load_nothing_fails_and_says_where_the_reasons_are(
    configured: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "import-stock", stock_file(BAD), "--rejects", "why.csv") == (
        1,
        "No row of stock.csv could be loaded; why.csv says why, row by row.\n",
        "",
    )
    assert Path("why.csv").exists()


def test_import_stock_never_replaces_a_file_that_is_not_its_own(
    configured: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("stock-rejects.csv").write_text("Dear customer")
    assert run(capsys, "import-stock", stock_file(GOOD, BAD)) == (
        1,
        "",
        "stock-rejects.csv exists and is not a rejects file. Name another file with --rejects.\n",
    )
    assert Path("stock-rejects.csv").read_text() == "Dear customer"
    with configured.owner.read(System()) as connection:
        assert connection.execute(text("select count(*) from inventory.products")).scalar_one() == 0


def test_import_stock_says_when_it_read_a_file_as_windows_text(
    configured: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("stock.csv").write_bytes(f"{HEADER}\n{GOOD}é".encode("cp1252"))
    code, _, err = run(capsys, "import-stock", "stock.csv")
    assert (code, err.splitlines()[0]) == (0, "stock.csv is not UTF-8; it was read as Windows-1252.")


def test_import_stock_draws_a_bar_at_a_terminal(
    configured: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, _, err = run(capsys, "import-stock", stock_file(GOOD))
    assert err.endswith(f"\n\ropening stock            [{'#' * 30}] 1 of 1\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("import-stock", "nowhere.csv"), "There is no file nowhere.csv.\n"),
        (("import-stock", "."), ". cannot be read (Is a directory).\n"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_one_sentence(
    configured: Clone, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert run(capsys, *arguments) == (1, "", sentence)


def test_the_applications_login_is_not_enough_to_import(
    configured: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", configured.app.url.render_as_string(hide_password=False))
    assert run(capsys, "import-stock", stock_file(GOOD)) == (
        1,
        "",
        "import-stock needs the owner's login: set DATABASE_URL to one other than backstitch_app.\n",
    )


@pytest.mark.parametrize("command", [("migrate",), ("psql",), ("create-admin", "a@example.com")])
def test_a_wrong_database_url_leaves_one_sentence(
    configured: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://here")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    assert run(capsys, *command) == (
        1,
        "",
        "DATABASE_URL is not a PostgreSQL URL; it looks like postgresql://user:password@host:5432/database.\n",
    )


def test_ctrl_c_stops_without_a_traceback(
    configured: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "_show_progress", interrupted)
    assert run(capsys, "import-stock", stock_file(GOOD)) == (130, "", "Stopped.\n")
    with configured.owner.read(System()) as connection:
        assert connection.execute(text("select count(*) from inventory.products")).scalar_one() == 0


@pytest.mark.parametrize(
    "arguments", [(), ("sew",), ("import-stock",), ("import-stock", "stock.csv", "--date", "1 April")]
)
def test_a_wrong_command_line_shows_the_usage(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m backstitch")


def test_psql_runs_as_the_owner_with_the_arguments_given(configured: Clone) -> None:
    done = run_apart("psql", "-X", "-At", "-c", "select current_user, current_database(), '%x'", "-c", "select 2")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"{configured.url.username}|{configured.url.database}|%x\n2\n",
        "",
    )


# At 20:00 UTC it is the next day in India, and still the same day in Honolulu.
@pytest.mark.parametrize(
    ("zone", "day"), [("", "2027-02-01"), ("Asia/Kolkata", "2027-02-01"), ("Pacific/Honolulu", "2027-01-31")]
)
def test_the_day_of_a_row_typed_into_psql_is_the_businesss(
    configured: Clone, monkeypatch: pytest.MonkeyPatch, zone: str, day: str
) -> None:
    monkeypatch.setenv("BACKSTITCH_TIMEZONE", zone)
    monkeypatch.setenv("PGTZ", "Pacific/Kiritimati")
    asked = "select current_setting('TimeZone'), timestamptz '2027-01-31 20:00+00'::date, current_date = "
    asked += f"(now() at time zone '{zone or 'Asia/Kolkata'}')::date"
    done = run_apart("psql", "-X", "-At", "-c", asked)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{zone or 'Asia/Kolkata'}|{day}|t\n", "")


def test_psql_leaves_its_own_exit_code(configured: Clone) -> None:
    assert run_apart("psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", "nowhere.sql").returncode == 1
    assert run_apart("psql", "-X", "-d", "host=/nowhere").returncode == 2


def test_psql_is_not_given_the_password_on_its_command_line(
    configured: Clone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "psql").write_text('#!/bin/sh\necho "$@" > said\necho "$PGPASSWORD" >> said\n')
    (programs / "psql").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    url = configured.url.set(password=configured.url.password or "trusted anyway")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    assert command_line.main(["psql", "-c", "select 1"]) == 0
    command, password = Path("said").read_text().splitlines()
    assert command.startswith("--dbname=") and command.endswith(" -c select 1")
    assert f"dbname={url.database}" in command and "password" not in command
    assert password == url.password and password not in command


def test_ctrl_c_in_psql_is_for_psql(configured: Clone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    # The default action of an interrupt must not be lost on the way to psql.
    (programs / "psql").write_text("#!/bin/sh\nkill -INT $PPID\nsleep 0.2\ngrep SigIgn /proc/$$/status > ignored\n")
    (programs / "psql").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    started = time.monotonic()
    assert command_line.main(["psql"]) == 0
    assert time.monotonic() - started < 30
    ignored = int(Path("ignored").read_text().split()[1], 16)
    assert not ignored & 0b10
