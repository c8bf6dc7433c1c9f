"""Prints the time of each program that the tests start, as JSON, in UTC, by program.

.venv/bin/python -m bench.clocks
"""

import json
import sys
from datetime import UTC, datetime

import psycopg
from playwright.sync_api import sync_playwright

from backstitch.postgres import server as postgres_server
from bench.campaigns.servers import SETTINGS, temporary_home
from tests.e2e.conftest import ARGUMENTS, CHROMIUM


def server() -> datetime:
    """The time of the embedded server, which under root runs as another account."""
    with (
        temporary_home() as home,
        postgres_server.start(home, options=SETTINGS) as lease,
        psycopg.connect(lease.server.conninfo()) as connection,
    ):
        found = connection.execute("select clock_timestamp()").fetchone()
        assert found is not None
        time: datetime = found[0]
        return time.astimezone(UTC)


def browser() -> datetime:
    """The time of a page's script, which Chromium runs in a process of its own."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        milliseconds = launched.new_page().evaluate("Date.now()")
        launched.close()
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def main() -> int:
    """Asks each program; the browser only where Chromium is installed."""
    clocks = {"python": datetime.now(UTC), "server": server()} | ({"browser": browser()} if CHROMIUM else {})
    print(json.dumps({program: found.isoformat(timespec="seconds") for program, found in clocks.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
