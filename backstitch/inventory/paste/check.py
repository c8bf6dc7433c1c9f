"""Checking a pasted sheet whole: what would be written, what it would replace, and every problem by row and column."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from backstitch.inventory.paste import columns, lookup, orders, values
from backstitch.inventory.paste import entries as paste_entries
from backstitch.inventory.paste import products as paste_products
from backstitch.inventory.paste import replace as paste_replace
from backstitch.inventory.paste.columns import Kind, Layout, Problem
from backstitch.inventory.paste.entries import Entry, Row
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.paste.products import ProductPaste
from backstitch.inventory.paste.reader import Sheet
from backstitch.inventory.paste.replace import Gone
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Product


@dataclass(frozen=True)
class Pasted:
    """What is to be checked: the rows, of which kind, for which product (None: the rows name it), and whether what
    is there already for the same product, date and party goes."""

    sheet: Sheet
    kind: Kind
    product_id: int | None = None
    replace: bool = False


@dataclass(frozen=True)
class Checked:
    """What a check found. `entries` are of inward, sales and orders, `products` of products.

    `gone` is what replacing deletes, or what stays beside the new entries when nothing is to be replaced.
    """

    pasted: Pasted
    layout: Layout
    problems: tuple[Problem, ...]
    entries: tuple[Entry, ...] = ()
    products: tuple[ProductPaste, ...] = ()
    gone: tuple[Gone, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether anything keeps it from being written."""
        return any(problem.blocks for problem in self.problems)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.entries and not any(product.changes for product in self.products)


def check(connection: Connection, *, pasted: Pasted, today: date) -> Checked:
    """Checks a sheet against what is stored; writes nothing. Raises Refused (product_gone)."""
    sizes: Sequence[str] = ()
    if pasted.product_id is not None:
        sizes = product_queries.product(connection, product_id=pasted.product_id).sizes
    layout = columns.lay_out(pasted.sheet, kind=pasted.kind, sizes=sizes, known_sizes=lookup.sizes_in_use(connection))
    if any(problem.blocks for problem in layout.problems):
        return Checked(pasted, layout, layout.problems)
    known = lookup.read_known(connection, names=_names(pasted.sheet, layout), product_id=pasted.product_id)
    problems = list(layout.problems)
    rows = [Row(line, layout, problems) for line in pasted.sheet.lines[layout.first :]]
    if not rows:
        problems.append(Problem(None, "", "", "There are no rows under the header."))
    if pasted.kind is Kind.PRODUCTS:
        products = paste_products.read_products(rows, known=known, problems=problems)
        return Checked(pasted, layout, _in_order(problems), products=tuple(products))
    return _check_entries(connection, pasted, layout, rows, known, problems, today)


def _names(sheet: Sheet, layout: Layout) -> set[str]:
    place = layout.fields.get("sku")
    if place is None:
        return set()
    named = {line.cells[place] for line in sheet.lines[layout.first :] if place < len(line.cells)}
    # A NUL could not be asked for; the check of the row says so.
    return {values.tidy(name) for name in named if name.isprintable() and len(name) <= 300}


def _check_entries(
    connection: Connection,
    pasted: Pasted,
    layout: Layout,
    rows: Sequence[Row],
    known: Known,
    problems: list[Problem],
    today: date,
) -> Checked:
    chosen = _chosen(known, pasted.product_id)
    entries: list[Entry] = []
    for row in rows:
        entries += paste_entries.read_row(row, kind=pasted.kind, known=known, chosen=chosen, today=today)
    there = paste_replace.what_is_there(connection, kind=pasted.kind, entries=entries)
    gone = [one for one in there if not one.stays]
    if pasted.kind is Kind.ORDERS:
        problems += orders.problems(connection, entries=entries, layout=layout, known=known)
    else:
        problems += _repeated(entries)
        problems += _stock(entries, known, gone if pasted.replace else (), pasted.kind)
    if pasted.kind is not Kind.INWARD:
        problems += _allowed(entries, known, layout)
    if pasted.replace and len(gone) < len(there):
        kept = len(there) - len(gone)
        sentence = (
            "1 sale that an order made stays: it goes with its order."
            if kept == 1
            else f"{kept:,} sales that orders made stay: they go with their orders."
        )
        problems.append(Problem(None, "", "", sentence, blocks=False))
    return Checked(pasted, layout, _in_order(problems), entries=tuple(entries), gone=tuple(gone))


def _chosen(known: Known, product_id: int | None) -> Product | None:
    return next((one for found in known.products.values() for one in found if one.id == product_id), None)


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Those of the sheet first, then by row; what blocks before warnings."""
    return tuple(sorted(problems, key=lambda one: (not one.blocks, one.row is not None, one.row or 0)))


def _repeated(entries: Iterable[Entry]) -> list[Problem]:
    """A second entry of the same cell, day and party is often a row pasted twice; it may be meant."""
    first: dict[tuple[object, ...], int] = {}
    found = []
    for entry in entries:
        row = first.setdefault((*entry.cell, entry.date, entry.party.casefold(), entry.category), entry.row)
        if row != entry.row:
            sentence = (
                f"{entry.cell_words} stands on row {row} already, with the same date and party. Both are written."
            )
            found.append(Problem(entry.row, entry.column, str(entry.quantity), sentence, blocks=False))
    return found


def _stock(entries: Iterable[Entry], known: Known, gone: Iterable[Gone], kind: Kind) -> list[Problem]:
    """Where a cell would fall below zero: at the row that takes a piece too many, or for want of goods taken back."""
    direction = 1 if kind is Kind.INWARD else -1
    left: Counter[tuple[int, str, str]] = Counter({cell: quantity for cell, (quantity, _) in known.cells.items()})
    names: dict[tuple[int, str, str], str] = {}
    for one in gone:
        left[one.cell] -= direction * one.quantity
        names[one.cell] = one.cell_words
    found = []
    for entry in entries:
        before = left[entry.cell]
        left[entry.cell] += direction * entry.quantity
        if direction < 0 and left[entry.cell] < 0:
            after = ", after the rows above" if before < known.cells[entry.cell][0] else ""
            sentence = f"More than there is: {entry.cell_words} has {max(before, 0):,} on hand{after}."
            found.append(Problem(entry.row, entry.column, str(entry.quantity), sentence))
    if direction > 0:
        found += [
            Problem(None, "", "", f"{words} would fall below zero: goods that are to be replaced are sold already.")
            for cell, words in names.items()
            if left[cell] < 0
        ]
    return found


def _allowed(entries: Iterable[Entry], known: Known, layout: Layout) -> list[Problem]:
    """Stores and agencies that a product may go to, where it names any."""
    products = {product.id: product for found in known.products.values() for product in found}
    found = {}
    for entry in entries:
        product = products[entry.product_id]
        for what, name, allowed in (
            ("party", entry.party, product.allowed_stores),
            ("agency", entry.agency, product.allowed_agencies),
        ):
            if allowed and name and name.lower() not in {one.strip().lower() for one in allowed}:
                sentence = f"{product.sku} may not go to “{values.shown(name)}”. Allowed: {', '.join(allowed)}."
                found[entry.row, what] = Problem(entry.row, layout.heading(what), values.shown(name), sentence)
    return list(found.values())
