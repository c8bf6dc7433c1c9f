"""Groups rows into orders, and finds what the database would refuse in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from backstitch.inventory.names import name_key, sku_key
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.paste.columns import Problem
from backstitch.inventory.paste.entries import Entry
from backstitch.inventory.paste.layout import Layout
from backstitch.inventory.paste.lookup import Known
from backstitch.inventory.values import quote

CUSTOMERS = text(
    "select id, store_name as name, is_active from inventory.customers "
    "where inventory.name_key(store_name) = any(cast(:keys as text[])) order by id"
)
AGENCIES = text(
    "select id, agency_name as name, is_active from inventory.agencies "
    "where inventory.name_key(agency_name) = any(cast(:keys as text[])) order by id"
)


@dataclass(frozen=True)
class Parties:
    """Ids of active customers and agencies by the key of their name; `retired` are the names of inactive ones."""

    customers: Mapping[str, tuple[int, ...]]
    agencies: Mapping[str, tuple[int, ...]]
    retired: frozenset[str]


def read_parties(connection: Connection, *, entries: Iterable[Entry]) -> Parties:
    """The customers and agencies that the entries name."""
    listed = list(entries)
    customers = connection.execute(CUSTOMERS, {"keys": list({name_key(entry.party) for entry in listed})}).all()
    agencies = connection.execute(AGENCIES, {"keys": list({name_key(entry.agency) for entry in listed})}).all()
    retired = frozenset(name_key(row.name) for row in (*customers, *agencies) if not row.is_active)
    return Parties(_active_ids_by_name(customers), _active_ids_by_name(agencies), retired)


def _active_ids_by_name(rows: Iterable[Any]) -> dict[str, tuple[int, ...]]:
    ids_by_name: dict[str, tuple[int, ...]] = {}
    for row in rows:
        if row.is_active:
            ids_by_name[name_key(row.name)] = (*ids_by_name.get(name_key(row.name), ()), row.id)
    return ids_by_name


def group_by_order(entries: Iterable[Entry]) -> dict[tuple[str, ...], list[Entry]]:
    """Groups entries into orders: by the text in the column Order, without one by customer, date and agency."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        unnamed = ("", name_key(entry.party), str(entry.date), name_key(entry.agency))
        groups.setdefault((sku_key(entry.order),) if entry.order else unnamed, []).append(entry)
    return groups


def problems(connection: Connection, *, entries: Sequence[Entry], layout: Layout, known: Known) -> list[Problem]:
    """Unknown customers and agencies, missing prices, rows of one order that disagree, and cells repeated in an order.

    At most one problem for a row and column.
    """
    priced = {product.id for product in known.products if product.unit_price is not None}
    parties = read_parties(connection, entries=entries)
    found: list[Problem] = []
    for entry in entries:
        customer = _party_problem("customer", "Customers", entry.party, parties.customers, parties.retired)
        agency = _party_problem("agency", "Agencies", entry.agency, parties.agencies, parties.retired)
        if customer:
            found.append(Problem(entry.row, layout.heading("party"), quote(entry.party), customer))
        if entry.agency and agency:
            found.append(Problem(entry.row, layout.heading("agency"), quote(entry.agency), agency))
        if entry.price is None and entry.product_id not in priced:
            sentence = f"{entry.sku} has no price. Give one in a column Price."
            found.append(Problem(entry.row, layout.heading("price"), "", sentence))
    for group in group_by_order(entries).values():
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
            if name_key(mine) != name_key(others):
                heading = layout.heading(name)
                sentence = f"Order {first.order} has another {heading.lower()} on row {first.row}: “{quote(others)}”."
                found.append(Problem(entry.row, heading, quote(mine), sentence))
    return found


def _party_problem(
    what: str, page: str, name: str, known: Mapping[str, tuple[int, ...]], retired: frozenset[str]
) -> str:
    ids = known.get(name_key(name), ())
    if len(ids) == 1:
        return ""
    if ids:
        return f"There are several {what}s called “{quote(name)}”. Rename one on the {page} page."
    if name_key(name) in retired:
        return f"The {what} “{quote(name)}” is deactivated. Take it back into use on the {page} page."
    return f"There is no {what} “{quote(name)}”. Add it on the {page} page, or correct the name."


def orders_to_create(connection: Connection, *, entries: Sequence[Entry]) -> list[tuple[OrderDetails, list[Line]]]:
    """The details and lines of each order, in the order of their first rows; the entries must have no problems."""
    parties = read_parties(connection, entries=entries)
    orders = []
    for group in group_by_order(entries).values():
        first = group[0]
        notes = " · ".join(dict.fromkeys(entry.note for entry in group if entry.note))
        details = OrderDetails(
            customer_id=parties.customers[name_key(first.party)][0],
            agency_id=parties.agencies[name_key(first.agency)][0] if first.agency else None,
            date=first.date,
            note=" · ".join(filter(None, (first.order, notes))),
        )
        lines = [
            Line(entry.product_id, entry.colour_code, entry.size, entry.quantity, unit_price=entry.price)
            for entry in group
        ]
        orders.append((details, lines))
    return orders
