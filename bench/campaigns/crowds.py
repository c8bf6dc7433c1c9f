"""One user's crowd of searches and exports, while others work: it must cost them nothing that they notice.

    python -m bench.campaigns.crowds --searches 40 --exports 40

An analyst has 40 tabs that search all time, each for another text, and change their minds; and 40 downloads of the
whole trail, a third of which are closed after a second, and a third never read. Meanwhile a viewer opens pages, a
manager adds products and downloads a CSV file once, all through the real app. Prints figures as JSON, also of a time
without the crowd. The exit code is 1 when the 95th percentile of the viewer's pages was over a second, a seal more than
5 seconds late, the manager's file was not made, or anybody saw an error.
"""

import argparse
import http.client
import json
import random
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import psutil  # type: ignore[import-untyped]

from backstitch.accounts.permissions import Role
from bench.campaigns.installations import PASSWORD, Installation, running
from bench.campaigns.tab import Tab, browser_cookies, sign_in
from ui import SIGN_IN_COOKIE

PAGES = ("stock", "products", "inward", "sales", "orders", "low-stock")
ALL_TIME = {"start": "2001-01-01", "end": "2100-01-01"}
VIEWER_SECONDS, SEAL_SECONDS = 1.0, 5.0
BUSY = ("Something went wrong", "Backstitch is busy", "does not answer", "took longer than")

PRODUCTS = """
    insert into inventory.products (sku, name, sizes, unit_price, reorder_level)
    select 'C' || n, 'Kurti ' || n, array['S', 'M', 'L'], 500, 5 from generate_series(1, 300) n
"""
COLOURS = """
    insert into inventory.product_colors (product_id, color, colour_code)
    select id, 'Red', 'RED' from inventory.products
"""
CELLS = """
    insert into inventory.product_color_stocks (product_id, colour_code, size)
    select id, 'RED', s from inventory.products, unnest(sizes) s
"""
MOVEMENTS = """
    insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name)
    select product_id, colour_code, size, 1, 'Mill ' || (random() * 100000)::int
    from inventory.product_color_stocks, generate_series(1, %s::int / 900)
"""
NEWEST_SESSION = """
    select max(s.id) from accounts.sessions s join accounts.users u on u.id = s.user_id where u.email = %s
"""
# Ids are given out in the order of the records, so what is behind the last seal is what waits.
LAG = """
    select coalesce(extract(epoch from clock_timestamp() - min(recorded_at)), 0)::float8 from audit.records
    where recorded_at >= %s
        and id > (select max(id) from unnest((select record_ids from audit.seals order by id desc limit 1)) id)
"""
UNSEALED = "select unsealed from audit.sealing_state()"


@dataclass
class Seen:
    """What the campaign has measured, in seconds and megabytes."""

    pages: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)
    searches: Counter[str] = field(default_factory=Counter)
    exports: Counter[str] = field(default_factory=Counter)
    csv: tuple[str, float] = ("not asked for", 0.0)
    errors: list[str] = field(default_factory=list)


class Crowd:
    """All that happens at once, until `ended` is set; each act of it is a thread."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.ended = threading.Event()
        self.seen = Seen()
        self.cookies: dict[str, dict[str, str]] = {}
        self._threads: list[threading.Thread] = []
        self._sockets: set[socket.socket] = set()

    def start(self, act: Callable[..., None], *arguments: Any) -> None:
        """Starts an act."""

        def run() -> None:
            try:
                act(*arguments)
            except Exception as error:
                if not self.ended.is_set():
                    self.seen.errors.append(f"{act.__name__}: {error!r}"[:300])

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def end(self) -> None:
        """Ends all acts; whoever still waits in the crowd is cut off."""
        self.ended.set()
        for client in list(self._sockets):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        until = time.monotonic() + 5
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def sign_in(self, email: str) -> Tab:
        """A tab of a browser of its own in which this user is signed in. Keeps the cookies for `tab` and downloads."""
        url = self.installation.url
        cookies = browser_cookies(f"{url}/_stcore/health", url)
        tab = sign_in(Tab(url, cookies, timeout=180), email, PASSWORD)
        (session,) = self.installation.psql.execute(NEWEST_SESSION, (email,)).fetchone()  # type: ignore[misc]
        key = (self.installation.home / "secrets" / "cookie_key").read_text()
        claims = {"username": email, "session": session, "exp_date": time.time() + 3600}
        self.cookies[email] = cookies | {SIGN_IN_COOKIE: jwt.encode(claims, key, algorithm="HS256")}
        return tab

    def search(self, number: int) -> None:
        """A tab that searches all time again and again; every third one changes its mind while it searches."""
        tab = Tab(self.installation.url, self.cookies["analyst@crowd.example"], timeout=600)
        self._sockets.add(tab.connection.socket)
        dice = random.Random(number)
        while not self.ended.is_set():
            tab.query = urlencode({"period": "All time", "text": f"Mill {dice.randrange(100000)}"})
            tab.page_hash = ""
            if number % 3 == 0:
                tab.send("audit")
                time.sleep(dice.random() * 3)
                self.seen.searches["given up"] += 1
                tab.query = urlencode({"period": "All time", "text": f"Mill {dice.randrange(100000)}"})
            tab.run("audit")
            self._note_search(tab)
        tab.close()

    def _note_search(self, tab: Tab) -> None:
        refused = [text for text in tab.texts() if any(word in text for word in BUSY)]
        self.seen.searches["too long" if any("took longer" in text for text in refused) else "answered"] += 1
        self.seen.errors += [f"search: {text}" for text in refused if "took longer" not in text]

    def download(self, number: int) -> None:
        """Downloads of the whole trail: read to the end, closed soon after the start, or never read at all."""
        fate = ("read", "closed", "never read")[number % 3]
        while not self.ended.is_set():
            status, wait = self._download(fate, "xlsx" if number % 2 else "csv")
            self.seen.exports[f"{fate}: {status}"] += 1
            self.ended.wait(wait)

    def _download(self, fate: str, format: str) -> tuple[int | str, float]:
        with socket.create_connection(("localhost", self.installation.app.port), timeout=600) as client:
            self._sockets.add(client)
            client.sendall(self._request(f"export.{format}", ALL_TIME, "analyst@crowd.example"))
            if fate == "closed":
                self.ended.wait(1)
                return "closed after a second", 0.5
            if fate == "never read":
                answer = client.recv(300).partition(b"\r\n")[0]
                if b" 429 " not in answer:
                    self.ended.wait(90)
                return answer.decode().split()[1], 2
            response = http.client.HTTPResponse(client)
            response.begin()
            while response.read(65536):
                pass
            return response.status, min(2.0, float(response.headers.get("retry-after", 1)))

    def _request(self, path: str, query: dict[str, str], email: str) -> bytes:
        host = urlsplit(self.installation.url).netloc
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies[email].items())
        lines = (f"GET /api/v1/audit/{path}?{urlencode(query)} HTTP/1.1", f"Host: {host}", f"Cookie: {cookies}", "", "")
        return "\r\n".join(lines).encode()

    def view(self, tab: Tab) -> None:
        """A viewer who opens one page after the other."""
        for number in range(10**9):
            if self.ended.is_set():
                return
            start = time.perf_counter()
            tab.open(PAGES[number % len(PAGES)])
            self.seen.pages.append(time.perf_counter() - start)
            self.seen.errors += [f"viewer: {text}" for text in tab.texts() if any(word in text for word in BUSY)]
            self.ended.wait(0.3)

    def write(self, tab: Tab, run: str) -> None:
        """A manager who adds products."""
        tab.open("products")
        for number in range(10**9):
            if self.ended.is_set():
                return
            tab.click("Add product").until(lambda: tab.has("SKU"))
            sku = f"M{run}-{number}"
            tab.fill("SKU", sku)
            tab.fill("Name", "Kurti of a manager")
            start = time.perf_counter()
            tab.click("Add product", submits=True)
            tab.until(lambda sku=sku: f"{sku} was added." in tab.texts())  # type: ignore[misc]
            self.seen.writes.append(time.perf_counter() - start)
            tab.values.clear()
            self.ended.wait(0.5)

    def take_csv(self) -> None:
        """The manager's file: what happened to products this month, some hundreds of records."""
        start, today = time.perf_counter(), datetime.now(UTC).date()
        month = {"start": f"{today - timedelta(days=30)}", "end": f"{today + timedelta(days=1)}"}
        with socket.create_connection(("localhost", self.installation.app.port), timeout=300) as client:
            client.sendall(self._request("export.csv", month | {"type": "Product"}, "manager@crowd.example"))
            response = http.client.HTTPResponse(client)
            response.begin()
            size = len(response.read())
        self.seen.csv = (f"{response.status}, {size:,} bytes", time.perf_counter() - start)

    def watch(self, since: Any) -> None:
        """How late the seals are, and what the app takes of memory and disk, twice a second."""
        app = psutil.Process(self.installation.app.process.pid)
        while not self.ended.wait(0.5):
            (lag,) = self.installation.psql.execute(LAG, (since,)).fetchone()  # type: ignore[misc]
            self.seen.lags.append(lag)
            self.seen.memory.append(app.memory_info().rss / 1024**2)
            self.seen.files.append(_held_files(app.pid) / 1024**2)


def _held_files(pid: int) -> int:
    """The bytes of files that a process has open and that have no name any more."""
    total = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(descriptor.readlink()).endswith(" (deleted)"):
                total += descriptor.stat().st_size
    return total


def fill(installation: Installation, records: int) -> None:
    """Makes so many movements, with their records, and waits until they are sealed."""
    psql = installation.psql
    for statement in (PRODUCTS, COLOURS, CELLS):
        psql.execute(statement)
    psql.execute(MOVEMENTS, (records,))
    psql.execute("analyze")
    while psql.execute(UNSEALED).fetchone() != (0,):
        time.sleep(0.5)


def phase(installation: Installation, seconds: float, *, searches: int, exports: int) -> Seen:
    """Everybody at work for so many seconds; returns what was measured from the moment at which all had begun."""
    crowd = Crowd(installation)
    viewer, manager = crowd.sign_in("viewer@crowd.example"), crowd.sign_in("manager@crowd.example")
    crowd.sign_in("analyst@crowd.example").close()
    (now,) = installation.psql.execute("select clock_timestamp()").fetchone()  # type: ignore[misc]
    for number in range(searches):
        crowd.start(crowd.search, number)
    for number in range(exports):
        crowd.start(crowd.download, number)
    time.sleep(3 if searches or exports else 0)
    crowd.start(crowd.view, viewer)
    crowd.start(crowd.write, manager, f"{searches}-{exports}")
    crowd.start(crowd.watch, now)
    time.sleep(seconds / 3)
    crowd.start(crowd.take_csv)
    time.sleep(seconds * 2 / 3)
    crowd.end()
    return crowd.seen


def figures(seen: Seen) -> dict[str, Any]:
    return {
        "viewer's pages": len(seen.pages),
        "viewer's page, seconds: median, 95th percentile, longest": _three(seen.pages),
        "manager's writes": len(seen.writes),
        "manager's write, seconds: median, 95th percentile, longest": _three(seen.writes),
        "manager's CSV file": f"{seen.csv[0]}, {seen.csv[1]:.1f} seconds",
        "seals late, seconds: median, 95th percentile, longest": _three(seen.lags),
        "memory of the app, MB: longest": round(max(seen.memory)),
        "files of exports, MB: most": round(max(seen.files)),
        "searches": dict(seen.searches),
        "exports": dict(seen.exports),
    }


def _three(times: list[float]) -> list[float]:
    percentile = statistics.quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else max(times)
    return [round(value, 2) for value in (statistics.median(times), percentile, max(times))]


def findings(seen: Seen) -> list[str]:
    """What the crowd did to others."""
    found = [*dict.fromkeys(seen.errors)][:10]
    page = _three(seen.pages)[1]
    if page > VIEWER_SECONDS:
        found.append(f"the viewer's pages took {page} seconds (95th percentile)")
    if max(seen.lags) > SEAL_SECONDS:
        found.append(f"a seal was {max(seen.lags):.1f} seconds late")
    if not seen.csv[0].startswith("200"):
        found.append(f"the manager's file: {seen.csv[0]}")
    return found


def campaign(searches: int, exports: int, records: int, seconds: float) -> dict[str, Any]:
    """Runs it, first without the crowd. Returns figures and findings."""
    people = [(f"{role.value}@crowd.example", role) for role in (Role.ANALYST, Role.MANAGER, Role.VIEWER)]
    with running(people) as installation:
        fill(installation, records)
        (total,) = installation.psql.execute("select count(*) from audit.records").fetchone()  # type: ignore[misc]
        alone = phase(installation, min(seconds, 20), searches=0, exports=0)
        crowded = phase(installation, seconds, searches=searches, exports=exports)
        ended = "select new_values ->> 'outcome', count(*) from audit.trail where action = 'EXPORT_END' group by 1"
        outcomes = dict(installation.psql.execute(ended).fetchall())
        logged = [line for line in installation.app.err.splitlines() if " ERROR " in line or "Traceback" in line]
    return {
        "records": total,
        "seconds": seconds,
        "without the crowd": figures(alone),
        f"{searches} searches and {exports} exports of one user": figures(crowded),
        "downloads that ended early, on the record": outcomes,
        "findings": findings(crowded) + logged[:5],
    }


def main() -> int:
    """Runs the campaign; returns 1 on any finding."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--exports", type=int, default=40)
    parser.add_argument("--records", type=int, default=500_000, help="movements to begin with")
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    found = campaign(given.searches, given.exports, given.records, given.seconds)
    print(json.dumps(found, indent=4, ensure_ascii=False))
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
