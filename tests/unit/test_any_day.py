"""The campaign of other days: its clock, and how it counts."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import any_day

LEAP_DAY = datetime(2028, 2, 29, 12, tzinfo=UTC)
ASK = """
import threading, time
from datetime import UTC, datetime
began = time.monotonic()
threading.Event().wait(0.2)
print(datetime.now(UTC).date(), datetime.fromtimestamp(time.time(), UTC).date(), 0.1 < time.monotonic() - began < 30)
"""
REPORT = """
<testsuites><testsuite>
<testcase classname="tests.a" name="test_holds"/>
<testcase classname="tests.a" name="test_breaks"><failure/></testcase>
<testcase classname="tests.a" name="test_breaks"><error/></testcase>
<testcase classname="tests.b" name="test_waits"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_a_date_without_an_hour_is_noon_in_utc() -> None:
    assert any_day.moment("2028-02-29") == LEAP_DAY
    assert any_day.moment("2028-02-29T17:30+05:30") == LEAP_DAY
    assert [any_day.moment(date).isoformat() for date in any_day.DATES][-2:] == [
        "2028-02-28T23:50:00+00:00",
        "2028-02-29T12:00:00+00:00",
    ]


@pytest.mark.skipif(not shutil.which("cc") or sys.platform != "linux", reason="needs a C compiler, on Linux")
def test_a_program_under_the_shifted_clock_has_that_day_and_waits_as_ever(tmp_path: Path) -> None:
    shifted = any_day.environment(LEAP_DAY, tmp_path)
    done = subprocess.run([sys.executable, "-c", ASK], env=shifted, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("2028-02-29 2028-02-29 True\n", "")
    shell = subprocess.run(["date", "-u", "+%F"], env=shifted, capture_output=True, text=True, timeout=60)
    assert (shell.stdout, shell.stderr) == ("2028-02-29\n", "")


def test_without_a_c_compiler_the_campaign_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    results, logs = str(tmp_path / "figures.json"), str(tmp_path / "logs")
    monkeypatch.setattr(sys, "argv", ["any_day", "--date", "2028-02-29", "--results", results, "--logs", logs])
    assert any_day.main() == 1
    assert capsys.readouterr().err == (
        "There is no C compiler (cc) here to build the shifted clock with (Debian: apt install gcc).\n"
    )
    assert not Path(results).exists()


def test_a_test_that_fails_twice_counts_once(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert any_day.counted(report) == (0, 0, [])
    report.write_text(REPORT)
    assert any_day.counted(report) == (1, 1, ["tests.a::test_breaks"])
