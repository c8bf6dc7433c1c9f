"""Two years of the demo business, step by step, the same for the same seed.

It runs without a database, and keeps the rules of one by itself: a step that the database would refuse, or that would
change nothing and so leave no record, is never told. tests/unit/demo/rules.py lists these rules and checks them.
"""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from backstitch.demo import fixtures
from backstitch.demo.calendar import Action, Diary
from backstitch.demo.fixtures import ADMIN, MILLS, STORES, Design
from backstitch.demo.steps import Work
from backstitch.demo.stock import Cell, Entry, Shelves
from backstitch.inventory.movements.adjustments import combined_reason
from backstitch.inventory.products.commands import colour_code

DAYS = 730
MISTAKE, UNDONE = 0.16, 0.02  # how many a day brings, at scale 1
LOWEST_PRICE = Decimal("99.00")
DAMAGES = ("torn sleeve", "stain", "button missing", "faded in the window", "water in the store room")


class Story(Diary):
    """The `days` up to yesterday, as seen from `today`; `scale` is how busy they are."""

    def __init__(self, *, scale: float, seed: int, today: date, zone: ZoneInfo, days: int = DAYS) -> None:
        super().__init__(dice=random.Random(seed), first=today - timedelta(days=days), days=days, zone=zone)
        self.scale = scale
        self.shelves = Shelves(self.dice)
        count = max(3, round(12 + 6 * (scale - 1)))
        self.launches = self._plan_launches(list(fixtures.designs(self.dice, count)))
        self.customers = list(fixtures.customers(self.dice, max(3, round(10 + 4 * (scale - 1)))))
        self.agencies = list(fixtures.agencies(self.dice, max(2, round(4 + scale / 5))))
        self.orders = 0

    def _actions_of(self, number: int) -> list[Action]:
        if not self.shelves.on_sale:
            self._load_parties()
        return self._launches_of(number) + self._usual_actions(number)

    def _work_late(self) -> None:
        self._reprice()

    # Products and parties -----------------------------------------------------------------------

    def _plan_launches(self, designs: list[Design]) -> defaultdict[int, list[Design]]:
        """The products that come on each day: two thirds on the first three, the others with the seasons."""
        plan: defaultdict[int, list[Design]] = defaultdict(list)
        for index, design in enumerate(designs):
            early = index < 2 * len(designs) / 3
            plan[index % 3 if early else self.dice.randrange(3, max(4, 9 * self.days // 10))].append(design)
        return plan

    def _launches_of(self, number: int) -> list[Action]:
        # What was to come on a Sunday comes on the Monday after.
        due = self.launches.pop(number, []) + self.launches.pop(number - 1, [])
        return [lambda design=design: self._launch(design) for design in due]  # type: ignore[misc]

    def _launch(self, design: Design) -> None:
        manager = self._manager()
        row: dict[str, object] = {"sku": design.sku, "name": design.name, "category": design.category}
        row |= {
            "unit_price": str(design.price),
            "hsn_code": fixtures.HSN[design.category],
            "gst_rate": design.gst_rate,
        }
        codes = [{"sku": design.sku, "color": color, "code": colour_code(color)} for color in design.colours]
        product: Work = ("product", row | {"sizes": design.sizes, "reorder_level": 6})
        self._step(manager, "add product", product, ("colours", codes), ("cells", {"sku": design.sku}))
        self.shelves.launch(design)
        self._restock(design, manager)

    def _load_parties(self) -> None:
        self._step(ADMIN, "load customers", ("customer", self.customers))
        self._step(ADMIN, "load agencies", ("agency", self.agencies))

    def _reprice(self) -> None:
        index = self.dice.randrange(len(self.shelves.on_sale))
        price = self.shelves.on_sale[index].price
        price += self.dice.choice([by for by in (-100, -50, 50, 50, 100) if price + by >= LOWEST_PRICE])
        why = self.dice.choice(("cloth costs more", "price of the season", "what others ask", "clearance"))
        self._set_prices("edit product", {index: price}, why)

    def _reprice_category(self, percent: int, why: str) -> None:
        """Changes the prices of a category, all in one go."""
        category = self.dice.choice(self.shelves.on_sale).category
        prices = {
            index: max(LOWEST_PRICE, (design.price * (100 + percent) / 100).quantize(Decimal(1)) + Decimal("0.00"))
            for index, design in enumerate(self.shelves.on_sale)
            if design.category == category
        }
        self._set_prices("edit products", prices, why)

    def _set_prices(self, operation: str, prices: dict[int, Decimal], why: str) -> None:
        """Changes the prices of these products, by their index among those on sale; only what differs is told."""
        rows = []
        for index, price in prices.items():
            design = self.shelves.on_sale[index]
            if price != design.price:
                self.shelves.on_sale[index] = replace(design, price=price)
                rows.append({"sku": design.sku, "price": str(price)})
        if rows:
            self._step(self._manager(), operation, ("price", rows), reason=why)

    # What a day brings --------------------------------------------------------------------------

    def _usual_actions(self, number: int) -> list[Action]:
        """Actions of an ordinary day, shuffled: the business grows by half in its two years."""
        if number < 3:
            return []
        busy = self.scale**0.6 * (0.8 + 0.4 * number / self.days)
        actions: list[Action] = [self._sell] * self._times(1.5 * busy)
        actions += [self._order] * self._times(0.3 * busy) + [self._fill_up] * self._times(0.35 * busy)
        actions += [self._correct] * self._times(MISTAKE * busy) + [self._paste_and_undo] * self._times(UNDONE * busy)
        actions += [self._write_off] * self._times(0.05 * busy) + [self._reprice] * self._times(0.05 * busy)
        actions += [self._stock_take] * self._times(0.02 * busy) + [self._take_back] * self._times(0.04 * busy)
        self.dice.shuffle(actions)
        if self.day.day == 2 and self.day.month in (1, 7):
            actions.append(lambda: self._reprice_category(-15, "end of season"))
        if self.day.day == 3 and self.day.month in (2, 8):
            actions.append(lambda: self._reprice_category(15, "new season"))
        return actions

    def _times(self, mean: float) -> int:
        return int(mean) + (self.dice.random() < mean % 1)

    def _lines(self, mean: int) -> int:
        """How many rows an entry has: more in a business that is busy."""
        return 1 + self.dice.randrange(max(1, round(2 * mean * max(self.scale, 0.3) ** 0.5)))

    def _sell(self) -> None:
        store, agency = self.dice.choice(STORES), self.dice.choice(("", "", "", str(self.agencies[0]["agency_name"])))
        # Some is written down days after it was sold.
        day = self.day - timedelta(days=self.dice.choice((0,) * 22 + (1, 2, 5)))
        lines = self.shelves.pick_lines(self._lines(2), most=3, day=day)
        entries = [Entry(cell, quantity, day, store, agency) for cell, quantity in lines]
        if entries:
            self.shelves.sell(entries)
            self.shelves.sales.extend(entries)
            self._step(self._manager(), "record sale", ("sales", [entry.row() for entry in entries]))

    def _fill_up(self) -> None:
        for design in self.shelves.low_products(self._times(max(1, 0.5 * self.scale**0.45))):
            self._restock(design, self._manager())

    def _restock(self, design: Design, manager: str) -> None:
        by_colour = self.shelves.cells_of[design.sku]
        cells = self.dice.choice((None, None, *by_colour)) or self.shelves.cells(design)
        supplier = self.dice.choice(MILLS)
        self._receive(manager, [Entry(cell, self.dice.randrange(8, 36), self.day, supplier) for cell in cells])

    def _receive(self, manager: str, entries: list[Entry]) -> None:
        self.shelves.receive(entries)
        self.shelves.inward.extend(entries)
        self._step(manager, "record inward", ("inward", [entry.row() for entry in entries]))

    def _take_back(self) -> None:
        sale = self.shelves.pick_sale()
        if sale:
            entry = replace(sale, quantity=1, day=self.day, category="Return", agency="")
            self.shelves.receive([entry])
            self._step(self._manager(), "record inward", ("inward", [entry.row()]))

    # Corrections --------------------------------------------------------------------------------

    def _correct(self) -> None:
        """Somebody finds an entry of the last days or weeks to be wrong."""
        self.dice.choice(
            (self._count_again, self._count_again, self._change_store, self._delete_sale, self._delete_inward)
        )()

    def _count_again(self) -> None:
        entry = self.shelves.pick_inward()
        if entry:
            work: Work = ("edit inward", entry.row(meant=self.shelves.recount(entry)))
            self._step(self._manager(), "correct inward entry", work)

    def _change_store(self) -> None:
        entry = self.shelves.pick_sale()
        if entry:
            meant = self.dice.choice([store for store in STORES if store != entry.party])
            work: Work = ("edit sale", entry.row(meant=meant))
            self._step(self._manager(), "correct sale", work, reason="went to another store")

    def _delete_sale(self) -> None:
        entry = self.shelves.pick_sale()
        if entry:
            self.shelves.receive([entry])
            self._step(self._manager(), "delete sale", ("delete sale", entry.row()), reason="was not sold")

    def _delete_inward(self) -> None:
        entry = self.shelves.pick_inward()
        if entry:
            self.shelves.sell([entry])
            self._step(self._manager(), "delete inward entry", ("delete inward", entry.row()), reason="entered twice")

    def _paste_and_undo(self) -> None:
        """A whole delivery goes in under the wrong product, and is undone within the hour."""
        design, manager = self.dice.choice(self.shelves.on_sale), self._manager()
        rows = [Entry(cell, 12, self.day, self.dice.choice(MILLS)).row() for cell in self.shelves.cells(design)]
        self._step(manager, "paste inward", ("inward", rows))
        self.clock += timedelta(minutes=self.dice.randrange(2, 25))
        self._step(manager, "undo", ("undo", {"back": 1}), reason="pasted under the wrong product")

    def _write_off(self) -> None:
        lines = self.shelves.pick_lines(1, most=1, day=self.day)
        if lines:
            kind = self.dice.choice(("damaged", "damaged", "theft or loss", "promotion"))
            note = self.dice.choice(DAMAGES) if kind == "damaged" else ""
            self._adjust([(cell, -quantity) for cell, quantity in lines], kind, note)

    def _stock_take(self) -> None:
        """A product is counted; a few of its cells differ."""
        cells = self.shelves.cells(self.dice.choice(self.shelves.on_sale))
        differences = [
            (cell, self.dice.choice((-2, -1, -1, 1)))
            for cell in self.dice.sample(cells, k=min(len(cells), 3))
            if self.shelves.pieces(cell) > 2
        ]
        if differences:
            self._adjust(differences, "count", "stock-take")

    def _adjust(self, moves: list[tuple[Cell, int]], kind: str, note: str) -> None:
        rows = [Entry(cell, by, self.day, "").row(reason=kind, note=note) for cell, by in moves]
        for cell, by in moves:
            self.shelves.move(cell, by, self.day)
        self._step(self._manager(), "adjust stock", ("adjust", rows), reason=combined_reason(kind, note))

    # Orders -------------------------------------------------------------------------------------

    def _order(self) -> None:
        lines = self.shelves.pick_lines(self._lines(3), most=6, day=self.day)
        if not lines:
            return
        self.orders += 1
        note, manager = f"PO {1000 + self.orders}", self._manager()
        agency = self.dice.choice((None, str(self.dice.choice(self.agencies)["agency_name"])))
        head = {
            "note": note,
            "date": self.day,
            "store": self.dice.choice(self.customers)["store_name"],
            "agency": agency,
        }
        rows = [Entry(cell, quantity, self.day, "").row(note=note) for cell, quantity in lines]
        self._step(manager, "add order", ("order", head), ("order lines", rows))
        if self.dice.random() < 0.04:
            self._put_off(3, lambda: self._drop(note))
            return
        self._put_off(1, lambda: self._confirm(note, lines))

    def _drop(self, note: str) -> None:
        work: list[Work] = [("delete order lines", {"note": note}), ("delete order", {"note": note})]
        self._step(self._manager(), "delete draft", *work, reason="never confirmed")

    def _move_order(self, note: str, status: str, operation: str, **further: object) -> None:
        self._step(self._manager(), operation, ("order moves", {"note": note, "status": status, **further}))

    def _confirm(self, note: str, lines: list[tuple[Cell, int]]) -> None:
        self._move_order(note, "confirmed", "confirm order")
        if self.dice.random() < 0.06:
            self._put_off(4, lambda: self._move_order(note, "cancelled", "cancel order"))
        else:
            self._put_off(5, lambda: self._dispatch(note, lines))

    def _dispatch(self, note: str, lines: list[tuple[Cell, int]]) -> None:
        missing = {cell[0] for cell, quantity in lines if self.shelves.pieces(cell) < quantity}
        for design in [design for design in self.shelves.on_sale if design.sku in missing]:
            cells = self.shelves.cells(design)
            self._receive(self._manager(), [Entry(cell, 12, self.day, self.dice.choice(MILLS)) for cell in cells])
        self.shelves.sell([Entry(cell, quantity, self.day, "") for cell, quantity in lines])
        self._move_order(note, "dispatched", "dispatch order", date=self.day)
        self._put_off(6, lambda: self._move_order(note, "delivered", "order delivered"))
