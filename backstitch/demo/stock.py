"""What the demo business has on its shelves while its story is told, so that it never sells what it has not."""

import random
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from backstitch.demo.fixtures import Design
from backstitch.inventory.products.commands import colour_code

Cell = tuple[str, str, str]
REMEMBERED = 60  # entries of each log
LOW = 10  # pieces per cell, on average


@dataclass(frozen=True)
class Entry:
    """A row of a log: who sent the goods, or where they went."""

    cell: Cell
    quantity: int
    day: date
    party: str
    agency: str = ""
    category: str = "Supply"

    def row(self, **further: object) -> dict[str, object]:
        """As the statements of the steps take it."""
        sku, code, size = self.cell
        known: dict[str, object] = {"sku": sku, "code": code, "size": size, "quantity": self.quantity}
        known |= {"date": self.day, "party": self.party, "agency": self.agency, "category": self.category}
        return known | further


class Shelves:
    """Quantities by cell, the products on sale, and the latest entries, of which some turn out to be wrong."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.on_sale: list[Design] = []
        self.pieces: defaultdict[Cell, int] = defaultdict(int)
        self.inward: deque[Entry] = deque(maxlen=REMEMBERED)
        self.sales: deque[Entry] = deque(maxlen=REMEMBERED)

    def cells(self, design: Design, color: str | None = None) -> list[Cell]:
        """Every cell of a product, or those of a colour."""
        colours = design.colours if color is None else (color,)
        return [(design.sku, colour_code(name), size) for name in colours for size in design.sizes]

    def received(self, entries: Sequence[Entry], *, remembered: bool = True) -> None:
        """Goods came in."""
        for entry in entries:
            self.pieces[entry.cell] += entry.quantity
        if remembered:
            self.inward.extend(entries)

    def sold(self, entries: Sequence[Entry], *, remembered: bool = True) -> None:
        """Goods went out."""
        for entry in entries:
            self.pieces[entry.cell] -= entry.quantity
        if remembered:
            self.sales.extend(entries)

    def wanted(self, count: int, *, most: int) -> list[tuple[Cell, int]]:
        """Up to `count` cells that have stock, with what a buyer takes of each, `most` at most."""
        found: dict[Cell, int] = {}
        for _ in range(4 * count):
            design = self.dice.choice(self.on_sale)
            for cell in self._some(self.cells(design, self.dice.choice(design.colours))):
                if len(found) < count and self.pieces[cell]:
                    found[cell] = self.dice.randrange(1, min(most, self.pieces[cell]) + 1)
            if len(found) == count:
                break
        return list(found.items())

    def _some(self, cells: list[Cell]) -> list[Cell]:
        # The middle sizes sell best.
        return [cell for place, cell in enumerate(cells) if self.dice.random() < (0.35 if 0 < place < 4 else 0.2)]

    def runs_low(self, count: int) -> list[Design]:
        """Up to `count` products of which little is left, among some looked at."""
        seen = self.dice.sample(self.on_sale, k=min(len(self.on_sale), 4 * count))
        return [design for design in seen if self._per_cell(design) < LOW][:count]

    def _per_cell(self, design: Design) -> float:
        cells = self.cells(design)
        return sum(self.pieces[cell] for cell in cells) / len(cells)

    def takes_back(self, log: deque[Entry], *, spare: bool) -> Entry | None:
        """An entry to correct, taken from the log; with `spare` one whose goods are still there."""
        found = [entry for entry in log if not spare or self.pieces[entry.cell] >= entry.quantity]
        if not found:
            return None
        entry = self.dice.choice(found)
        log.remove(entry)
        return entry

    def recount(self, entry: Entry) -> Entry:
        """The same goods in, counted again."""
        fewer = min(3, self.pieces[entry.cell], entry.quantity - 1)
        moved = self.dice.choice([by for by in range(-fewer, 7) if by])
        self.pieces[entry.cell] += moved
        return replace(entry, quantity=entry.quantity + moved)
