"""Runs the tests on other days: one run per date, with the wall clock of every program shifted.

    .venv/bin/python -m bench.any_day -n 2                                   all tests, on each of DATES
    .venv/bin/python -m bench.any_day --date 2028-02-29T12:00 -- tests/unit  some of them, on one

A date is UTC; without an hour it is noon. The clock goes on from there, so midnight comes during some runs.
bench/shifted_clock.c says how the clock is shifted and which clocks are not. Before each run Python, the embedded
server and Chromium are asked for the time, and a run is refused if one of them is not shifted. Needs a C compiler and
Linux. Prints a table, writes bench/results/any_day.json after each run, and exits with 1 if a run fails.
"""

import argparse
import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent

DATES = (
    "2026-11-26T06:00",  # a day like any other
    "2026-11-29T09:00",  # a Sunday
    "2026-12-31T18:20",  # ten minutes before the year ends in Kolkata
    "2027-01-31T20:00",  # already 1 February in Kolkata
    "2027-03-31T18:45",  # a quarter of an hour into the financial year in Kolkata, still March in UTC
    "2027-04-01T00:05",  # the financial year's first day
    "2028-02-28T23:50",  # 29 February in Kolkata, and ten minutes later in UTC
    "2028-02-29T12:00",
)
NEAR = timedelta(minutes=2)  # how long the programs may take to answer what time it is
print = functools.partial(print, flush=True)


class NoShift(Exception):
    """The clock cannot be shifted here; the message is a sentence."""


@dataclass(frozen=True)
class Run:
    """The result of the run on one date; `clocks` are the times of the programs before it."""

    date: str
    passed: int
    failed: int
    skipped: int
    seconds: int
    exit_code: int
    failures: list[str]
    clocks: dict[str, str]


def moment(text: str) -> datetime:
    """The instant of a date of the command line. Raises ValueError."""
    parsed = datetime.fromisoformat(text)
    at = parsed if len(text) > len("2028-02-29") else parsed.replace(hour=12)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def environment(at: datetime, folder: Path) -> dict[str, str]:
    """The environment variables with which programs start at this instant. Raises NoShift."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoShift("There is no C compiler (cc) here to build the shifted clock with (Debian: apt install gcc).")
    library = folder / "shifted_clock.so"
    shift = int((at - datetime.now(UTC)).total_seconds())
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", f"-DSHIFT={shift}L", "-o", library, HERE / "shifted_clock.c", "-ldl"],
        check=True,
    )
    # The account of the embedded server has to read it too.
    folder.chmod(0o755)
    library.chmod(0o755)
    # In front of other libraries: a clock that is shifted already is shifted once more.
    preloaded = filter(None, (str(library), os.environ.get("LD_PRELOAD")))
    return os.environ | {"LD_PRELOAD": ":".join(preloaded)}


def clocks(shifted: dict[str, str], at: datetime) -> dict[str, str]:
    """The time for each program. Raises NoShift if one of them is not near this instant."""
    asked = subprocess.run(
        [sys.executable, "-m", "bench.clocks"], cwd=HERE.parent, env=shifted, check=True, stdout=subprocess.PIPE
    )
    found: dict[str, str] = json.loads(asked.stdout)
    for program, time_there in found.items():
        if not at - NEAR < datetime.fromisoformat(time_there) < at + NEAR:
            raise NoShift(f"For {program} it is {time_there}, not {at.isoformat()}: its clock was not shifted.")
    return found


def run(at: datetime, workers: int, arguments: Sequence[str], logs: Path) -> Run:
    """Runs the tests from this instant on; the output of pytest goes to a file in `logs`. Raises NoShift."""
    name = f"{at:%Y-%m-%dT%H%M}"
    report = logs / f"{name}.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rfE", f"--junitxml={report}"]
    command += ["-n", str(workers), "--dist", "loadgroup"] if workers > 1 else []
    with tempfile.TemporaryDirectory(prefix="any-day-") as folder, (logs / f"{name}.log").open("wb") as log:
        found = clocks(environment(at, Path(folder)), at)
        shifted = environment(at, Path(folder))  # again, because asking took seconds
        began = time.perf_counter()
        done = subprocess.run([*command, *arguments], cwd=HERE.parent, env=shifted, stdout=log, stderr=log)
        seconds = round(time.perf_counter() - began)
    passed, skipped, failures = counted(report)
    return Run(f"{at:%Y-%m-%d %H:%M} UTC", passed, len(failures), skipped, seconds, done.returncode, failures, found)


def counted(report: Path) -> tuple[int, int, list[str]]:
    """The number of tests that passed and that were skipped, and the names of those that failed."""
    passed, skipped, failures = 0, 0, set()
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        outcomes = {outcome.tag for outcome in case}
        if outcomes & {"failure", "error"}:
            failures.add(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in outcomes:
            skipped += 1
        else:
            passed += 1
    return passed, skipped, sorted(failures)


def write(results: Path, workers: int, arguments: Sequence[str], runs: Sequence[Run]) -> None:
    """Writes the figures of the runs so far."""
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    settings = {"load": list(os.getloadavg()), "workers": workers, "arguments": list(arguments)}
    figures = machine | settings | {"runs": [asdict(run) for run in runs]}
    results.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--date", metavar="YYYY-MM-DD[THH:MM]", type=moment, action="append", help="repeatable; UTC")
    parser.add_argument("-n", type=int, default=1, metavar="WORKERS", help="of pytest")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "any_day.json")
    parser.add_argument("--logs", type=Path, help="folder for the output of pytest; default: a new temporary one")
    parser.add_argument("arguments", nargs="*", help="pytest's, after --")
    return parser


def main() -> int:
    """Runs the tests on each date; 1 if a run fails or the clock cannot be shifted."""
    options = parser().parse_args()
    logs = (options.logs or Path(tempfile.mkdtemp(prefix="any-day-logs-"))).resolve()
    logs.mkdir(parents=True, exist_ok=True)
    print(f"The output of pytest is in {logs}.")
    print(f"{'date':<22}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    runs: list[Run] = []
    for at in options.date or map(moment, DATES):
        try:
            done = run(at, options.n, options.arguments, logs)
        except NoShift as error:
            print(error, file=sys.stderr)
            return 1
        runs.append(done)
        print(f"{done.date:<22}{done.passed:>8}{done.failed:>8}{done.skipped:>9}{done.seconds:>9}")
        print("".join(f"    {name}\n" for name in done.failures), end="")
        if done.exit_code and not done.failures:
            print(f"    pytest ended with {done.exit_code}")
        write(options.results, options.n, options.arguments, runs)
    return 1 if any(done.exit_code for done in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
