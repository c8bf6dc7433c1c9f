"""Checks a pasted sheet: what would be written, what it would replace, and every problem by row and column."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from backstitch.files.sheets import Sheet
from backstitch.inventory.names import name_key
from backstitch.inventory.paste import columns, lookup, orders, values
from backstitch.inventory.paste import entries as paste_entries
from backstitch.inventory.paste import products as paste_products
from backstitch.inventory.paste import replace as paste_replace
from backstitch.inventory.paste.columns import Kind, Layout, Problem
from backstitch.inventory.paste.entries import Entry, Row
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.paste.products import ProductPaste
from backstitch.inventory.paste.replace import ExistingRow
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Product


@dataclass(frozen=True)
class Pasted:
    """A sheet and how to read it.

    `product_id` is the product chosen on the page; None: the rows name their products. `replace` deletes stored rows
    with the same product, date and party.
    """

    sheet: Sheet
    kind: Kind
    product_id: int | None = None
    replace: bool = False


@dataclass(frozen=True)
class Checked:
    """The result of a check: `entries` of inward, sales and orders, or `products`, and all problems.

    `replaceable` are the stored rows that `pasted.replace` deletes; without it they stay beside the new entries.
    """

    pasted: Pasted
    layout: Layout
    problems: tuple[Problem, ...]
    entries: tuple[Entry, ...] = ()
    products: tuple[ProductPaste, ...] = ()
    replaceable: tuple[ExistingRow, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether a problem keeps the sheet from being written."""
        return any(problem.blocks for problem in self.problems)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.entries and not any(product.changes for product in self.products)


def check(connection: Connection, *, pasted: Pasted, today: date) -> Checked:
    """Checks a sheet against the database; writes nothing. Raises Refused (product_gone)."""
    sizes: Sequence[str] = ()
    if pasted.product_id is not None:
        sizes = product_queries.product(connection, product_id=pasted.product_id).sizes
    layout = columns.detect_columns(
        pasted.sheet, kind=pasted.kind, sizes=sizes, known_sizes=lookup.sizes_in_use(connection)
    )
    if any(problem.blocks for problem in layout.problems):
        return Checked(pasted, layout, layout.problems)
    known = lookup.read_known(connection, names=_sku_names(pasted.sheet, layout), product_id=pasted.product_id)
    problems = list(layout.problems)
    rows = [Row(line, layout, problems) for line in pasted.sheet.lines[layout.first :]]
    if not rows:
        problems.append(Problem(None, "", "", "There are no rows under the header."))
    if pasted.kind is Kind.PRODUCTS:
        products = paste_products.read_products(rows, known=known, problems=problems)
        return Checked(pasted, layout, _sorted_problems(problems), products=tuple(products))
    return _check_entries(connection, pasted, layout, rows, known, problems, today)


def _sku_names(sheet: Sheet, layout: Layout) -> set[str]:
    index = layout.fields.get("sku")
    if index is None:
        return set()
    named = {line.cells[index] for line in sheet.lines[layout.first :] if index < len(line.cells)}
    # PostgreSQL takes no NUL in a parameter; the check of the row reports it.
    return {values.normalise(name) for name in named if name.isprintable() and len(name) <= 300}


def _check_entries(
    connection: Connection,
    pasted: Pasted,
    layout: Layout,
    rows: Sequence[Row],
    known: Known,
    problems: list[Problem],
    today: date,
) -> Checked:
    chosen = _chosen_product(known, pasted.product_id)
    entries: list[Entry] = []
    for row in rows:
        entries += paste_entries.read_row(row, kind=pasted.kind, known=known, chosen=chosen, today=today)
    existing = paste_replace.existing_rows(connection, kind=pasted.kind, entries=entries)
    replaceable = [row for row in existing if not row.from_order]
    if pasted.kind is Kind.ORDERS:
        problems += orders.problems(connection, entries=entries, layout=layout, known=known)
    else:
        problems += _repeated_entries(entries)
        problems += _stock_problems(entries, known, replaceable if pasted.replace else (), pasted.kind)
    if pasted.kind is not Kind.INWARD:
        problems += _party_problems(entries, known, layout)
    if pasted.replace and len(replaceable) < len(existing):
        problems.append(_kept_sales_warning(len(existing) - len(replaceable)))
    return Checked(pasted, layout, _sorted_problems(problems), entries=tuple(entries), replaceable=tuple(replaceable))


def _kept_sales_warning(kept: int) -> Problem:
    sentence = (
        "1 sale that an order made stays: it goes with its order."
        if kept == 1
        else f"{kept:,} sales that orders made stay: they go with their orders."
    )
    return Problem(None, "", "", sentence, blocks=False)


def _chosen_product(known: Known, product_id: int | None) -> Product | None:
    return next((product for product in known.products if product.id == product_id), None)


def _sorted_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Blocking problems before warnings; in each, problems of the whole sheet first, then by row."""
    return tuple(sorted(problems, key=lambda one: (not one.blocks, one.row is not None, one.row or 0)))


def _repeated_entries(entries: Iterable[Entry]) -> list[Problem]:
    """A warning for each repeated cell, day and party: often a row was pasted twice, but it may be intended."""
    first: dict[tuple[object, ...], int] = {}
    problems = []
    for entry in entries:
        row = first.setdefault((*entry.cell, entry.date, name_key(entry.party), entry.category), entry.row)
        if row != entry.row:
            sentence = (
                f"{entry.cell_words} stands on row {row} already, with the same date and party. Both are written."
            )
            problems.append(Problem(entry.row, entry.column, str(entry.quantity), sentence, blocks=False))
    return problems


def _stock_problems(
    entries: Iterable[Entry], known: Known, replaceable: Iterable[ExistingRow], kind: Kind
) -> list[Problem]:
    """Cells that would fall below zero: by the row that sells too much, or because replaced goods in are sold."""
    direction = 1 if kind is Kind.INWARD else -1
    left: Counter[tuple[int, str, str]] = Counter({cell: quantity for cell, (quantity, _) in known.cells.items()})
    names: dict[tuple[int, str, str], str] = {}
    for row in replaceable:
        left[row.cell] -= direction * row.quantity
        names[row.cell] = row.cell_words
    problems = []
    for entry in entries:
        before = left[entry.cell]
        left[entry.cell] += direction * entry.quantity
        if direction < 0 and left[entry.cell] < 0:
            after = ", after the rows above" if before < known.cells[entry.cell][0] else ""
            sentence = f"More than there is: {entry.cell_words} has {max(before, 0):,} on hand{after}."
            problems.append(Problem(entry.row, entry.column, str(entry.quantity), sentence))
    if direction > 0:
        problems += [
            Problem(None, "", "", f"{words} would fall below zero: goods that are to be replaced are sold already.")
            for cell, words in names.items()
            if left[cell] < 0
        ]
    return problems


def _party_problems(entries: Iterable[Entry], known: Known, layout: Layout) -> list[Problem]:
    """Stores and agencies that are not among those that the product allows."""
    products = {product.id: product for product in known.products}
    problems_by_cell = {}
    for entry in entries:
        product = products[entry.product_id]
        for what, name, allowed in (
            ("party", entry.party, product.allowed_stores),
            ("agency", entry.agency, product.allowed_agencies),
        ):
            if allowed and name and name_key(name) not in set(map(name_key, allowed)):
                sentence = f"{product.sku} may not go to “{values.quote(name)}”. Allowed: {', '.join(allowed)}."
                problems_by_cell[entry.row, what] = Problem(
                    entry.row, layout.heading(what), values.quote(name), sentence
                )
    return list(problems_by_cell.values())
