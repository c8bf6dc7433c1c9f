"""The rules of the database that the demo story must keep, as a small model that refuses what the database would.

It knows the steps and nothing of how the story keeps its own books. Each method takes the parameters of the statement
of that name in backstitch/demo/steps.py and asserts what the tables, triggers and policies of db/ would. A step must
also leave a record: an update that changes nothing, and a sign-in that is not tried, leave none.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from backstitch.demo.fixtures import PEOPLE
from backstitch.demo.steps import Step

# accounts.attempt_counters. A load takes seconds: it forgets no failure, and no lock ends while it runs.
FAILURES_OF_A_NAME, FAILURES_OF_A_NETWORK = 5, 20
NEEDS_REASON = {"adjust", "price"}  # db/steps/0002_reason_policies.sql; no step changes a role
ORDER_MOVES = {
    ("draft", "confirmed"),
    ("confirmed", "dispatched"),
    ("confirmed", "cancelled"),
    ("dispatched", "delivered"),
}
ADJUSTMENT_REASONS = {"count", "correction", "damaged", "theft or loss", "promotion", "return"}
MOBILE, PINCODE, HSN = re.compile(r"[6-9]\d{9}"), re.compile(r"[1-9]\d{5}"), re.compile(r"\d{4,8}")
ROLES = {email: role.value for email, _, role in PEOPLE}
WRITERS = {"admin", "manager"}
OPENS, CLOSES = time(9), time(23)

Cell = tuple[str, str, str]
Row = Mapping[str, Any]


def _cell(row: Row) -> Cell:
    return row["sku"], row["code"], row["size"]


def _values(row: Row, other: str) -> tuple[object, ...]:
    """The values by which a step finds an entry of a log; `other` names the last of them."""
    return *_cell(row), row["date"], row["quantity"], row["party"], row[other]


class Rules:
    """The state of a database that takes a story, step by step; an AssertionError is a refusal."""

    def __init__(self, *, today: date, zone: ZoneInfo) -> None:
        self.today, self.zone = today, zone
        self.moment = datetime.min.replace(tzinfo=UTC)
        self.people: dict[str, str] = {}  # who is signed in, by session
        self.used: set[str] = set()
        self.failures_of_name: Counter[str] = Counter()
        self.failures_of_network: Counter[str] = Counter()
        self.parties: dict[str, set[str]] = {"store_name": set(), "agency_name": set()}
        self.prices: dict[str, Decimal] = {}
        self.sizes: dict[str, Sequence[str]] = {}
        self.colours: defaultdict[str, set[str]] = defaultdict(set)
        self.stock: dict[Cell, int] = {}
        self.moved: defaultdict[Cell, Counter[date]] = defaultdict(Counter)
        self.logs: dict[str, Counter[tuple[object, ...]]] = {"inward": Counter(), "sales": Counter()}
        self.orders: dict[str, dict[str, Any]] = {}
        self.count = 0

    def take_day(self, steps: Sequence[Step]) -> None:
        """Takes the steps of one day, which the loader never parts into two batches."""
        self.count += len(steps)
        for index, step in enumerate(steps):
            self._check_moment(step)
            work: Sequence[tuple[str, Any]] = step.work
            if step.operation is None:
                assert [name for name, _ in work] == ["sign in"], step
                self._sign_in(step.session, work[0][1])
                continue
            email = self.people[step.session]
            assert work and step.operation.strip(), step
            for name, data in work:
                if name == "sign out":
                    del self.people[step.session]
                elif name == "undo":
                    self._undo(steps[index - data["back"]], email, index)
                else:
                    assert ROLES[email] in WRITERS, step
                    assert name not in NEEDS_REASON or (step.reason or "").strip(), step
                    getattr(self, "_" + name.replace(" ", "_"))(data)

    def check_end(self) -> None:
        """Nobody is left signed in, and no cell was below zero at the end of any day, by the dates of the entries."""
        assert not self.people
        for cell, moved in self.moved.items():
            pieces = 0
            for day in sorted(moved):
                pieces += moved[day]
                assert pieces >= 0, (cell, day)
            assert pieces == self.stock[cell]

    def _check_moment(self, step: Step) -> None:
        moment = step.at.astimezone(UTC)
        assert moment > self.moment, step
        self.moment = moment
        local = moment.astimezone(self.zone)
        assert local.weekday() < 6 and local.date() < self.today and OPENS <= local.time() < CLOSES, step
        self.day = local.date()

    # Sign-ins -----------------------------------------------------------------------------------

    def _sign_in(self, session: str, data: Row) -> None:
        email, network = data["email"], data["address"]
        assert self.failures_of_name[email] < FAILURES_OF_A_NAME, email
        assert self.failures_of_network[network] < FAILURES_OF_A_NETWORK, network
        if not data["right"]:
            self.failures_of_name[email] += 1
            self.failures_of_network[network] += 1
            return
        # A browser that has signed in before has a count of its own, which the story has no use for.
        assert email in ROLES and session not in self.used
        self.used.add(session)
        self.people[session] = email
        del self.failures_of_name[email]

    # Parties and products -----------------------------------------------------------------------

    def _customer(self, rows: Sequence[Row]) -> None:
        self._parties(rows, "store_name", mobiles=("phone",), days="payment_days")

    def _agency(self, rows: Sequence[Row]) -> None:
        self._parties(rows, "agency_name", mobiles=("owner_mobile", "accounts_mobile"), days="days_of_payment")

    def _parties(self, rows: Sequence[Row], key: str, *, mobiles: Iterable[str], days: str) -> None:
        assert rows
        for row in rows:
            name = str(row[key]).lower()
            assert 0 < len(name) <= 120 and name not in self.parties[key], row
            assert all(MOBILE.fullmatch(row[mobile]) for mobile in mobiles) and PINCODE.fullmatch(row["pincode"]), row
            assert 0 <= row[days] <= 365, row
            self.parties[key].add(name)

    def _product(self, row: Row) -> None:
        assert 0 < len(row["sku"]) <= 60 and row["sku"] not in self.prices and row["name"].strip(), row
        assert HSN.fullmatch(row["hsn_code"]) and 0 <= row["gst_rate"] <= 100 and row["reorder_level"] >= 0, row
        assert 0 < len(row["sizes"]) == len(set(row["sizes"])) <= 40, row
        self._check_price(row["unit_price"])
        self.prices[row["sku"]] = Decimal(row["unit_price"])
        self.sizes[row["sku"]] = row["sizes"]

    def _check_price(self, price: str) -> None:
        assert re.fullmatch(r"\d{1,10}\.\d\d", price) and Decimal(price) > 0, price

    def _colours(self, rows: Sequence[Row]) -> None:
        assert rows
        for row in rows:
            codes = self.colours[row["sku"]]
            assert row["color"].strip() and 0 < len(row["code"]) <= 40 and row["code"] not in codes, row
            codes.add(row["code"])

    def _cells(self, data: Row) -> None:
        sku = data["sku"]
        made = {(sku, code, size): 0 for code in self.colours[sku] for size in self.sizes[sku]}
        assert made and not made.keys() & self.stock.keys(), data
        self.stock |= made

    def _price(self, rows: Sequence[Row]) -> None:
        assert rows and len({row["sku"] for row in rows}) == len(rows), rows
        for row in rows:
            self._check_price(row["price"])
            assert Decimal(row["price"]) != self.prices[row["sku"]], row
            self.prices[row["sku"]] = Decimal(row["price"])

    # Movements ----------------------------------------------------------------------------------

    def _move(self, moves: Iterable[tuple[Cell, date, int]]) -> None:
        """One statement: the database nets it by cell, and looks at the stock afterwards."""
        touched = set()
        for cell, day, by in moves:
            self.stock[cell] += by  # a KeyError is a cell that is not in the matrix
            self.moved[cell][day] += by
            assert by and day <= self.day, (cell, day)
            touched.add(cell)
        assert touched
        assert all(self.stock[cell] >= 0 for cell in touched), touched

    def _inward(self, rows: Sequence[Row]) -> None:
        for row in rows:
            assert row["quantity"] > 0 and row["party"].strip() and row["category"] in ("Supply", "Return"), row
            self.logs["inward"][_values(row, "category")] += 1
        self._move((_cell(row), row["date"], row["quantity"]) for row in rows)

    def _sales(self, rows: Sequence[Row]) -> None:
        for row in rows:
            assert row["quantity"] > 0 and row["party"].strip(), row
            self.logs["sales"][_values(row, "agency")] += 1
        self._move((_cell(row), row["date"], -row["quantity"]) for row in rows)

    def _adjust(self, rows: Sequence[Row]) -> None:
        assert all(row["reason"] in ADJUSTMENT_REASONS and len(row["note"]) <= 380 for row in rows), rows
        self._move((_cell(row), row["date"], row["quantity"]) for row in rows)

    def _take_entry(self, log: str, values: tuple[object, ...]) -> None:
        """Takes an entry out of a log, which must have it: else the statement finds nothing."""
        assert self.logs[log][values] > 0, values
        self.logs[log][values] -= 1

    def _edit_inward(self, row: Row) -> None:
        assert row["meant"] > 0 and row["meant"] != row["quantity"], row
        self._take_entry("inward", _values(row, "category"))
        self.logs["inward"][_values({**row, "quantity": row["meant"]}, "category")] += 1
        self._move([(_cell(row), row["date"], row["meant"] - row["quantity"])])

    def _delete_inward(self, row: Row) -> None:
        self._take_entry("inward", _values(row, "category"))
        self._move([(_cell(row), row["date"], -row["quantity"])])

    def _edit_sale(self, row: Row) -> None:
        assert row["meant"].strip() and row["meant"] != row["party"], row
        self._take_entry("sales", _values(row, "agency"))
        self.logs["sales"][_values({**row, "party": row["meant"]}, "agency")] += 1

    def _delete_sale(self, row: Row) -> None:
        self._take_entry("sales", _values(row, "agency"))
        self._move([(_cell(row), row["date"], row["quantity"])])

    def _undo(self, undone: Step, email: str, index: int) -> None:
        """A manager undoes what they did in this batch; the story does so with goods in only."""
        assert index > 0 and ROLES[email] in WRITERS and self.people[undone.session] == email, undone
        work: Sequence[tuple[str, Any]] = undone.work
        ((name, rows),) = work
        assert name == "inward", undone
        for row in rows:
            self._take_entry("inward", _values(row, "category"))
        self._move((_cell(row), row["date"], -row["quantity"]) for row in rows)

    # Orders -------------------------------------------------------------------------------------

    def _order(self, data: Row) -> None:
        assert data["note"] not in self.orders and data["store"].lower() in self.parties["store_name"], data
        assert data["agency"] is None or data["agency"].lower() in self.parties["agency_name"], data
        self.orders[data["note"]] = {"status": "draft", "date": data["date"], "lines": {}}

    def _order_lines(self, rows: Sequence[Row]) -> None:
        assert rows
        for row in rows:
            order = self.orders[row["note"]]
            assert order["status"] in ("draft", "confirmed") and row["quantity"] > 0, row
            assert _cell(row) in self.stock and _cell(row) not in order["lines"], row
            order["lines"][_cell(row)] = row["quantity"]

    def _order_moves(self, data: Row) -> None:
        order, status = self.orders[data["note"]], data["status"]
        assert (order["status"], status) in ORDER_MOVES and order["lines"], data
        order["status"] = status
        assert ("date" in data) == (status == "dispatched"), data
        if status == "dispatched":
            assert data["date"] >= order["date"], data
            self._move((cell, data["date"], -quantity) for cell, quantity in order["lines"].items())

    def _delete_order_lines(self, data: Row) -> None:
        order = self.orders[data["note"]]
        assert order["status"] == "draft" and order["lines"], data
        order["lines"] = {}

    def _delete_order(self, data: Row) -> None:
        assert self.orders.pop(data["note"])["status"] == "draft", data
