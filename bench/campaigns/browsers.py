"""Many browsers at once, each with its own user, write through the pages: no record may have another user.

    python -m bench.campaigns.browsers --browsers 50 --writes 1000

Each browser is a client of the real app's WebSocket: it signs in with the form, opens the dialog of a new product,
fills it in and saves. In the end every product must exist once, and its record, its session and its transaction must
be those of the browser that wrote it. Prints figures as JSON; the exit code is 1 on any finding.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from backstitch.accounts.permissions import Role
from bench.campaigns.installations import PASSWORD, Installation, running
from bench.campaigns.tab import Tab, browser_cookies, sign_in

RECORDS = """
    select new_values ->> 'sku', t.username, u.email, count(*) over (partition by t.transaction_id)
    from audit.trail t
    left join accounts.sessions s on s.id = t.session_id left join accounts.users u on u.id = s.user_id
    where t.entity = 'Product' and t.action = 'CREATE'
"""


def write(installation: Installation, number: int, writes: int) -> list[float]:
    """Writes products in one browser. Returns how long each save took, in seconds."""
    tab = Tab(installation.url, browser_cookies(f"{installation.url}/_stcore/health", installation.url), timeout=180)
    sign_in(tab, email(number), PASSWORD)
    tab.open("products")
    times = []
    for count in range(writes):
        tab.click("Add product").until(lambda: tab.has("SKU"))
        tab.fill("SKU", sku(number, count))
        tab.fill("Name", f"Kurti of {number}")
        start = time.perf_counter()
        tab.click("Add product", submits=True)
        message = f"{sku(number, count)} was added."
        tab.until(lambda message=message: message in tab.texts())  # type: ignore[misc]
        times.append(time.perf_counter() - start)
        tab.values.clear()
    tab.close()
    return times


def email(number: int) -> str:
    return f"manager{number}@campaign.example"


def sku(number: int, count: int) -> str:
    return f"B{number}-{count}"


def campaign(browsers: int, writes: int) -> dict[str, Any]:
    """Runs all browsers and compares the records. Returns figures and findings."""
    each = writes // browsers
    expected = {(sku(n, count), email(n)) for n in range(browsers) for count in range(each)}
    with running([(email(number), Role.MANAGER) for number in range(browsers)]) as installation:
        start = time.perf_counter()
        with ThreadPoolExecutor(browsers) as threads:
            times = [t for found in threads.map(lambda n: write(installation, n, each), range(browsers)) for t in found]
        seconds = time.perf_counter() - start
        records = installation.psql.execute(RECORDS).fetchall()
        logged = installation.app.err
    wrong = [row for row in records if (row[0], row[1]) not in expected or row[2] != row[1] or row[3] != 1]
    missing = expected - {(row[0], row[1]) for row in records}
    return {
        "browsers": browsers,
        "writes": len(times),
        "seconds, with signing in": round(seconds, 1),
        "writes per second": round(len(times) / seconds, 1),
        "median save, seconds": round(statistics.median(times), 3),
        "95th percentile": round(statistics.quantiles(times, n=20)[-1], 3),
        "records": len(records),
        "records of another user": len(wrong),
        "writes without a record": len(missing),
        "lines in the log": len(logged.splitlines()),
        "findings": [str(row) for row in wrong[:5]]
        + sorted(str(pair) for pair in missing)[:5]
        + logged.splitlines()[:5],
    }


def main() -> int:
    """Runs the campaign; returns 1 on any finding."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--writes", type=int, default=1000)
    given = parser.parse_args()
    figures = campaign(given.browsers, given.writes)
    print(json.dumps(figures, indent=4, ensure_ascii=False))
    return 1 if figures["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
