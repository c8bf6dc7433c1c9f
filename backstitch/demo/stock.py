"""The stock of the demo business while its story is told, by cell and day, so that no cell is ever below zero."""

import random
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter

from backstitch.demo.fixtures import Design
from backstitch.inventory.products.commands import colour_code

Cell = tuple[str, str, str]
REMEMBERED = 60  # entries of each log
LOW = 10  # pieces per cell, on average


@dataclass(frozen=True)
class Entry:
    """A row of a log. `party` is the supplier of goods in, or the store of goods out."""

    cell: Cell
    quantity: int
    day: date
    party: str
    agency: str = ""
    category: str = "Supply"

    def row(self, **further: object) -> dict[str, object]:
        """The entry as the statements of the steps take it."""
        sku, code, size = self.cell
        values: dict[str, object] = {"sku": sku, "code": code, "size": size, "quantity": self.quantity}
        values |= {"date": self.day, "party": self.party, "agency": self.agency, "category": self.category}
        return values | further


class Shelves:
    """Quantities by cell and day, the products on sale, and the latest entries, some of which are corrected later."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.on_sale: list[Design] = []
        self.cells_of: dict[str, list[list[Cell]]] = {}  # of a SKU, by colour
        # Of a cell: each day on which it moved, with the pieces at the end of it.
        self.balances: defaultdict[Cell, list[tuple[date, int]]] = defaultdict(list)
        self.inward: deque[Entry] = deque(maxlen=REMEMBERED)
        self.sales: deque[Entry] = deque(maxlen=REMEMBERED)

    def launch(self, design: Design) -> None:
        """Puts a product on sale; its cells are empty."""
        self.on_sale.append(design)
        codes = [colour_code(color) for color in design.colours]
        self.cells_of[design.sku] = [[(design.sku, code, size) for size in design.sizes] for code in codes]

    def cells(self, design: Design) -> list[Cell]:
        """Every cell of a product."""
        return [cell for of_colour in self.cells_of[design.sku] for cell in of_colour]

    def pieces(self, cell: Cell) -> int:
        """Pieces in a cell now."""
        balances = self.balances[cell]
        return balances[-1][1] if balances else 0

    def spare(self, cell: Cell, since: date) -> int:
        """Pieces that can leave a cell as of a day: the least it has held from the end of that day on."""
        least = self.pieces(cell)
        for day, pieces in reversed(self.balances[cell]):
            least = min(least, pieces)
            if day <= since:
                return least
        return 0

    def move(self, cell: Cell, by: int, day: date) -> None:
        """Changes the pieces of a cell from a day on."""
        balances = self.balances[cell]
        after = bisect_right(balances, day, key=itemgetter(0))
        if not after or balances[after - 1][0] != day:
            balances.insert(after, (day, balances[after - 1][1] if after else 0))
            after += 1
        for index in range(after - 1, len(balances)):
            balances[index] = (balances[index][0], balances[index][1] + by)

    def receive(self, entries: Iterable[Entry]) -> None:
        """Adds the goods of these entries."""
        for entry in entries:
            self.move(entry.cell, entry.quantity, entry.day)

    def sell(self, entries: Iterable[Entry]) -> None:
        """Takes out the goods of these entries."""
        for entry in entries:
            self.move(entry.cell, -entry.quantity, entry.day)

    def pick_lines(self, count: int, *, most: int, day: date) -> list[tuple[Cell, int]]:
        """Up to `count` cells that have stock since `day`, with how much a buyer takes of each, `most` at most."""
        found: dict[Cell, int] = {}
        for _ in range(4 * count):
            design = self.dice.choice(self.on_sale)
            for cell in self._pick_some(self.dice.choice(self.cells_of[design.sku])):
                if len(found) < count and (spare := self.spare(cell, day)):
                    found[cell] = self.dice.randrange(1, min(most, spare) + 1)
            if len(found) == count:
                break
        return list(found.items())

    def _pick_some(self, cells: Sequence[Cell]) -> list[Cell]:
        # The middle sizes sell best.
        return [cell for index, cell in enumerate(cells) if self.dice.random() < (0.35 if 0 < index < 4 else 0.2)]

    def low_products(self, count: int) -> list[Design]:
        """Up to `count` products of which little is left, among some looked at."""
        seen = self.dice.sample(self.on_sale, k=min(len(self.on_sale), 4 * count))
        return [design for design in seen if self._average(design) < LOW][:count]

    def _average(self, design: Design) -> float:
        cells = self.cells(design)
        return sum(map(self.pieces, cells)) / len(cells)

    def pick_inward(self) -> Entry | None:
        """An entry of goods in to correct, all of whose goods can still be taken out; it is not picked again."""
        return self._pick(self.inward, [e for e in self.inward if self.spare(e.cell, e.day) >= e.quantity])

    def pick_sale(self) -> Entry | None:
        """A sale to correct; it is not picked again."""
        return self._pick(self.sales, self.sales)

    def _pick(self, log: deque[Entry], entries: Sequence[Entry]) -> Entry | None:
        if not entries:
            return None
        entry = self.dice.choice(entries)
        log.remove(entry)
        return entry

    def recount(self, entry: Entry) -> int:
        """Another quantity for an entry of goods in, counted again."""
        fewer = min(3, self.spare(entry.cell, entry.day), entry.quantity - 1)
        by = self.dice.choice([by for by in range(-fewer, 7) if by])
        self.move(entry.cell, by, entry.day)
        return entry.quantity + by
