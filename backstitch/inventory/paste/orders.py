"""Rows of orders: which belong to one order, and what the database would not take of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.paste.columns import Layout, Problem
from backstitch.inventory.paste.entries import Entry
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.paste.values import shown

CUSTOMERS = text(
    "select id, store_name as name, is_active from inventory.customers "
    "where lower(store_name) = any(cast(:names as text[])) order by id"
)
AGENCIES = text(
    "select id, agency_name as name, is_active from inventory.agencies "
    "where lower(agency_name) = any(cast(:names as text[])) order by id"
)


@dataclass(frozen=True)
class Parties:
    """Customers and agencies in use, by name in lower case: (ids, whether one of that name is out of use)."""

    customers: Mapping[str, tuple[int, ...]]
    agencies: Mapping[str, tuple[int, ...]]
    retired: frozenset[str]


def read_parties(connection: Connection, *, entries: Iterable[Entry]) -> Parties:
    """The customers and agencies that entries name."""
    listed = list(entries)
    customers = connection.execute(CUSTOMERS, {"names": list({entry.party.lower() for entry in listed})}).all()
    agencies = connection.execute(AGENCIES, {"names": list({entry.agency.lower() for entry in listed})}).all()
    retired = frozenset(row.name.lower() for row in (*customers, *agencies) if not row.is_active)
    return Parties(_by_name(customers), _by_name(agencies), retired)


def _by_name(rows: Iterable[Any]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for row in rows:
        if row.is_active:
            found[row.name.lower()] = (*found.get(row.name.lower(), ()), row.id)
    return found


def grouped(entries: Iterable[Entry]) -> dict[tuple[str, ...], list[Entry]]:
    """Entries by order: those with the same text in the column Order, else with the same customer, date and agency."""
    found: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        unnamed = ("", entry.party.lower(), str(entry.date), entry.agency.lower())
        found.setdefault((entry.order.lower(),) if entry.order else unnamed, []).append(entry)
    return found


def problems(connection: Connection, *, entries: Sequence[Entry], layout: Layout, known: Known) -> list[Problem]:
    """Unknown customers and agencies, a price that nobody gave, rows of one order that disagree, a cell twice in it.

    One problem for a row and column at most.
    """
    priced = {product.id for found in known.products.values() for product in found if product.unit_price is not None}
    parties = read_parties(connection, entries=entries)
    found: list[Problem] = []
    for entry in entries:
        customer = _unknown("customer", "Customers", entry.party, parties.customers, parties.retired)
        agency = _unknown("agency", "Agencies", entry.agency, parties.agencies, parties.retired)
        if customer:
            found.append(Problem(entry.row, layout.heading("party"), shown(entry.party), customer))
        if entry.agency and agency:
            found.append(Problem(entry.row, layout.heading("agency"), shown(entry.agency), agency))
        if entry.price is None and entry.product_id not in priced:
            sentence = f"{entry.sku} has no price. Give one in a column Price."
            found.append(Problem(entry.row, layout.heading("price"), "", sentence))
    for group in grouped(entries).values():
        found += _disagreements(group, layout)
    first: dict[tuple[int | None, str], Problem] = {}
    for problem in found:
        first.setdefault((problem.row, problem.column), problem)
    return list(first.values())


def _disagreements(group: Sequence[Entry], layout: Layout) -> list[Problem]:
    """What the rows of one order say differently, and cells that it has already."""
    first, found = group[0], []
    cells: dict[tuple[int, str, str], int] = {}
    for entry in group:
        row = cells.setdefault(entry.cell, entry.row)
        if row != entry.row:
            sentence = f"{entry.cell_words} stands in this order already, on row {row}."
            found.append(Problem(entry.row, entry.column, str(entry.quantity), sentence))
        for name, mine, others in (
            ("date", f"{entry.date:%d %b %Y}", f"{first.date:%d %b %Y}"),
            ("party", entry.party, first.party),
            ("agency", entry.agency, first.agency),
        ):
            if mine.lower() != others.lower():
                heading = layout.heading(name)
                sentence = f"Order {first.order} has another {heading.lower()} on row {first.row}: “{shown(others)}”."
                found.append(Problem(entry.row, heading, shown(mine), sentence))
    return found


def _unknown(what: str, page: str, name: str, known: Mapping[str, tuple[int, ...]], retired: frozenset[str]) -> str:
    ids = known.get(name.lower(), ())
    if len(ids) == 1:
        return ""
    if ids:
        return f"There are several {what}s called “{shown(name)}”. Rename one on the {page} page."
    if name.lower() in retired:
        return f"The {what} “{shown(name)}” is deactivated. Take it back into use on the {page} page."
    return f"There is no {what} “{shown(name)}”. Add it on the {page} page, or correct the name."


def to_create(connection: Connection, *, entries: Sequence[Entry]) -> list[tuple[OrderDetails, list[Line]]]:
    """The orders that entries without problems make, in the order of their first rows."""
    parties = read_parties(connection, entries=entries)
    made = []
    for group in grouped(entries).values():
        first = group[0]
        notes = " · ".join(dict.fromkeys(entry.note for entry in group if entry.note))
        details = OrderDetails(
            customer_id=parties.customers[first.party.lower()][0],
            agency_id=parties.agencies[first.agency.lower()][0] if first.agency else None,
            date=first.date,
            note=" · ".join(filter(None, (first.order, notes))),
        )
        lines = [
            Line(entry.product_id, entry.colour_code, entry.size, entry.quantity, unit_price=entry.price)
            for entry in group
        ]
        made.append((details, lines))
    return made
