"""Checks a pasted sheet: what would be written, what it would replace, and every problem by row and column."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from sqlalchemy import Connection

from backstitch.files.sheets import Sheet
from backstitch.inventory import values
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.names import name_key
from backstitch.inventory.paste import entries as paste_entries
from backstitch.inventory.paste import layout as paste_layout
from backstitch.inventory.paste import layouts, lookup, orders, readings
from backstitch.inventory.paste import names as paste_names
from backstitch.inventory.paste import products as paste_products
from backstitch.inventory.paste import replace as paste_replace
from backstitch.inventory.paste.columns import Kind, Problem, sheet_problem
from backstitch.inventory.paste.entries import Entry, Reading
from backstitch.inventory.paste.layout import Layout, Matching
from backstitch.inventory.paste.layouts import Remembered
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.paste.names import Doubt, Field
from backstitch.inventory.paste.products import ProductPaste
from backstitch.inventory.paste.readings import DateReading
from backstitch.inventory.paste.replace import ExistingRow, Repeated
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Product
from backstitch.inventory.values import DateOrder


class Again(StrEnum):
    """What to do with rows that seem to be stored already."""

    LEAVE = "leave"
    ADD = "add"


@dataclass(frozen=True)
class Pasted:
    """A sheet and how to read it.

    `product_id` is the product chosen on the page; None: the rows name their products. `replace` deletes stored rows
    with the same product, date and party. `matching` has the columns as a person matched them, `date_order` the order
    of dates that a person chose, `again` the answer about rows that seem to be stored already, and `meant` the answers
    about names, as pairs of `names.Answers`.
    """

    sheet: Sheet
    kind: Kind
    product_id: int | None = None
    replace: bool = False
    matching: Matching | None = None
    date_order: DateOrder | None = None
    again: Again | None = None
    meant: tuple[tuple[tuple[Field, str], str], ...] = ()


@dataclass(frozen=True)
class Checked:
    """The result of a check: `entries` of inward, sales and orders, or `products`, and all problems.

    `replaceable` are the stored rows that `pasted.replace` deletes; without it they stay beside the new entries.
    `repeated` are pasted entries that seem to be stored already; `again` says what becomes of them. `remembered` is
    the layout by which the columns were read, if it is one that was matched by hand before. `doubts` are the names that
    are not known and near to one that is.
    """

    pasted: Pasted
    layout: Layout
    problems: tuple[Problem, ...]
    entries: tuple[Entry, ...] = ()
    products: tuple[ProductPaste, ...] = ()
    replaceable: tuple[ExistingRow, ...] = ()
    repeated: tuple[Repeated, ...] = ()
    dates: DateReading = field(default_factory=DateReading)
    remembered: Remembered | None = None
    doubts: tuple[Doubt, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether a problem keeps the sheet from being written."""
        return any(problem.blocks for problem in self.problems)

    @property
    def asks(self) -> bool:
        """Whether a person has to say first which names are meant, or what becomes of rows that seem to be stored."""
        return any(not doubt.answer for doubt in self.doubts) or self.asks_again

    @property
    def asks_again(self) -> bool:
        """Whether a person has to say what becomes of rows that seem to be stored already."""
        return bool(self.repeated) and not self.pasted.replace and self.pasted.again is None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.entries and not any(product.changes for product in self.products)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about how the sheet was read: what was left out of it, and the order of its dates."""
        return (*self.pasted.sheet.remarks, *self.layout.remarks, *self.dates.sentences)


def check(connection: Connection, *, pasted: Pasted, today: date) -> Checked:
    """Checks a sheet against the database; writes nothing. Raises Refused (product_gone)."""
    sizes: Sequence[str] = ()
    if pasted.product_id is not None:
        sizes = product_queries.product(connection, product_id=pasted.product_id).sizes
    known_sizes = lookup.sizes_in_use(connection)
    remembered = None if pasted.matching else _remembered(connection, pasted, known_sizes | set(sizes))
    matching = remembered.matching if remembered else pasted.matching
    layout = paste_layout.detect(
        pasted.sheet, kind=pasted.kind, sizes=sizes, known_sizes=known_sizes, matching=matching
    )
    if any(problem.blocks for problem in layout.problems):
        return Checked(pasted, layout, _sorted_problems(layout.problems), remembered=remembered)
    dates = readings.read_dates(
        pasted.sheet, layout, chosen=pasted.date_order, remembered=remembered.date_order if remembered else None
    )
    named = _sku_names(layout) | {name for (field, _), name in pasted.meant if field == "sku"}
    known = lookup.read_known(connection, names=named, product_id=pasted.product_id)
    problems = [*layout.problems, *dates.problems, *readings.rate_problems(layout)]
    reading = Reading(pasted.sheet, layout, dates.order, problems)
    if not layout.lines:
        problems.append(sheet_problem("", "There are no rows under the header."))
    if pasted.kind is Kind.PRODUCTS:
        products, doubts = paste_products.read_products(
            reading.rows(), known=known, problems=problems, answers=dict(pasted.meant)
        )
        problems += reading.nothing_problems()
        return Checked(
            pasted,
            layout,
            _sorted_problems(problems),
            products=tuple(products),
            dates=dates,
            remembered=remembered,
            doubts=tuple(doubts),
        )
    checked = _check_entries(connection, pasted, reading, known, today)
    return replace(checked, dates=dates, remembered=remembered)


def _remembered(connection: Connection, pasted: Pasted, known_sizes: frozenset[str]) -> Remembered | None:
    headers = paste_layout.possible_headers(pasted.sheet, kind=pasted.kind, known_sizes=known_sizes)
    numbered = [(pasted.sheet.lines[header.index].number, header) for header in headers]
    return layouts.find(connection, kind=pasted.kind, headers=numbered)


def _sku_names(layout: Layout) -> set[str]:
    index = layout.fields.get("sku")
    if index is None:
        return set()
    named = {line.cells[index] for line in layout.lines if index < len(line.cells)}
    # PostgreSQL takes no NUL in a parameter; the check of the row reports it.
    return {values.normalise(name) for name in named if name.isprintable() and len(name) <= 300}


def _check_entries(connection: Connection, pasted: Pasted, reading: Reading, known: Known, today: date) -> Checked:
    chosen = _chosen_product(known, pasted.product_id)
    layout, problems = reading.layout, reading.problems
    entries: list[Entry] = []
    for row in reading.rows():
        entries += paste_entries.read_row(row, kind=pasted.kind, known=known, chosen=chosen, today=today)
    entries, doubts, spellings = paste_names.resolve(
        connection, entries, kind=pasted.kind, answers=dict(pasted.meant), layout=layout
    )
    problems += spellings
    existing = paste_replace.existing_rows(connection, kind=pasted.kind, entries=entries)
    replaceable = [row for row in existing if not row.stays]
    repeated = paste_replace.repeated_entries(entries, existing)
    if 2 * len(repeated) < len(entries):
        # Some are alike by chance: two sales of a piece to a store on one day.
        problems += _alike_warnings(repeated)
        repeated = ()
    if pasted.again is Again.LEAVE:
        left = {id(one.entry) for one in repeated}
        entries = [entry for entry in entries if id(entry) not in left]
    if pasted.kind is Kind.ORDERS:
        problems += orders.problems(connection, entries=entries, layout=layout, known=known)
    else:
        problems += _repeated_entries(entries)
        problems += _stock_problems(entries, known, replaceable if pasted.replace else (), pasted.kind)
    if pasted.kind is Kind.SALES:
        problems += _early_sales(connection, entries, layout)
    if pasted.kind is not Kind.INWARD:
        problems += _party_problems(entries, known, layout)
    if pasted.replace and pasted.kind is Kind.SALES and len(replaceable) < len(existing):
        problems.append(_kept_sales_warning(len(existing) - len(replaceable)))
    problems += reading.nothing_problems()
    return Checked(
        pasted,
        layout,
        _sorted_problems(problems),
        entries=tuple(entries),
        replaceable=tuple(replaceable),
        repeated=repeated,
        doubts=tuple(doubts),
    )


def _alike_warnings(repeated: Iterable[Repeated]) -> list[Problem]:
    return [
        Problem(
            one.entry.row,
            one.entry.column,
            str(one.entry.quantity),
            f"{one.entry.quantity:,} of {one.entry.cell_words} are stored already for the same date and party. These "
            "are added.",
            blocks=False,
        )
        for one in repeated
    ]


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
    return tuple(
        sorted(paste_names.grouped(problems), key=lambda one: (not one.blocks, one.row is not None, one.row or 0))
    )


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


def _early_sales(connection: Connection, entries: Sequence[Entry], layout: Layout) -> list[Problem]:
    """A remark for each sale that is dated before goods of its cell came in."""
    first = movement_queries.first_days(connection, cells={entry.cell for entry in entries})
    return [
        Problem(
            entry.row,
            layout.heading("date"),
            f"{entry.date:%d %b %Y}",
            f"{entry.cell_words} came in on {first[entry.cell]:%d %b %Y} first; this sale is dated before that.",
            blocks=False,
        )
        for entry in entries
        if entry.cell in first and entry.date < first[entry.cell]
    ]


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
