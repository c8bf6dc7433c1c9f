"""Finds labels for the records of the trail: “AN201 · Red · M” instead of stock cell 331.

Names come from the present rows, and for deleted rows from the trail. Each kind of name is read in one query, however
many records need labels.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, TextClause, text

from backstitch.audit.records import VALUES_AT, Record, Values, decode
from backstitch.audit.wording import PRODUCT_PARTS, entity_word, field_word

ReadDeleted = Callable[[set[int]], Mapping[int, Mapping[str, Any]]]
PartyRequests = Mapping[str, tuple[set[int], ReadDeleted]]

LIVE = {
    "Customer": text("select id, store_name from inventory.customers where id = any(cast(:ids as bigint[]))"),
    "Agency": text("select id, agency_name from inventory.agencies where id = any(cast(:ids as bigint[]))"),
    "Order": text(
        "select id, order_number, financial_year, customer_id from inventory.orders "
        "where id = any(cast(:ids as bigint[]))"
    ),
    "ReasonPolicy": text(
        "select id, entity, field from inventory.reason_policies where id = any(cast(:ids as bigint[]))"
    ),
    "OrderCounter": text(
        "select id, financial_year from inventory.order_counters where id = any(cast(:ids as bigint[]))"
    ),
}
PARTY_ENTITIES = tuple(LIVE)

SEPARATOR = " · "
NUMBERED = {"InwardLog": "Inward", "SalesLog": "Sale", "StockAdjustment": "Adjustment", "OrderLine": "Line"}
CELLS = (*PRODUCT_PARTS, "OrderLine")  # entities with a colour, and most with a size


class Subject(NamedTuple):
    """The row that a record is about. `row` has all its values if the record has them; `username` is who acted."""

    entity: str
    entity_id: int | None
    parent_id: int | None
    row: Mapping[str, Any] | None
    username: str


class _Part(NamedTuple):
    product_id: int
    colour_code: str
    size: str | None


@dataclass(frozen=True)
class _Names:
    parts: Mapping[tuple[str, int], _Part]
    products: Mapping[int, tuple[str, str]]
    colours: Mapping[tuple[int, str], str]
    emails: Mapping[int, str]
    parties: Mapping[tuple[str, int], str]


def _parts_of(table: str, size: str = "size") -> TextClause:
    return text(
        f"select id, product_id, colour_code, {size} as size from inventory.{table} "
        "where id = any(cast(:ids as bigint[]))"
    )


LIVE_PARTS = {
    "ProductColor": _parts_of("product_colors", "cast(null as text)"),
    "ProductColorStock": _parts_of("product_color_stocks"),
    "InwardLog": _parts_of("inward_logs"),
    "SalesLog": _parts_of("sales_logs"),
    "StockAdjustment": _parts_of("stock_adjustments"),
    "OrderLine": _parts_of("order_lines"),
}
LIVE_PRODUCTS = text("select id, sku, name from inventory.products where id = any(cast(:ids as bigint[]))")
LIVE_COLOURS = text(
    """
    select product_id, colour_code, color from inventory.product_colors
    where (product_id, colour_code) in (
        select product, code from unnest(cast(:products as bigint[]), cast(:codes as text[])) keys (product, code))
    """
)
EMAILS = text("select id, email from accounts.users where id = any(cast(:ids as bigint[]))")
DELETED = text(
    """
    select distinct on (entity_id) entity_id, coalesce(old_values, new_values)::text as row
    from audit.trail
    where entity = :entity and entity_id = any(cast(:ids as bigint[]))
        and action in ('CREATE', 'DELETE', 'TRUNCATE')
    order by entity_id, recorded_at desc, id desc
    """
)
DELETED_COLOURS = text(
    """
    select distinct on (parent_id, old_values ->> 'colour_code')
           parent_id, old_values ->> 'colour_code' as colour_code, old_values ->> 'color' as color
    from audit.trail
    where entity = 'ProductColor' and parent_id = any(cast(:products as bigint[]))
        and action in ('DELETE', 'TRUNCATE')
    order by parent_id, old_values ->> 'colour_code', recorded_at desc, id desc
    """
)


def labelled_records(connection: Connection, *, rows: Sequence[Row[Any]]) -> list[Record]:
    """The records of rows of SELECT, in the same order; reads the labels of all of them at once."""
    parsed = [(decode(row.old_values), decode(row.new_values)) for row in rows]
    subjects = [
        Subject(row.entity, row.entity_id, row.parent_id, _row_of(row.action, old, new), row.username)
        for row, (old, new) in zip(rows, parsed, strict=True)
    ]
    record_labels = resolve(connection, subjects=subjects)
    # By position, because by name takes twice as long; the test of a whole record checks the order against SELECT.
    return [
        Record(*(*row[:VALUES_AT], *values, *row[VALUES_AT + 2 :], label))
        for row, values, label in zip(rows, parsed, record_labels, strict=True)
    ]


def resolve(connection: Connection, *, subjects: Sequence[Subject]) -> list[str]:
    """The label of each subject, in the same order."""
    parts = {(entity, id): part for entity in CELLS for id, part in _parts(connection, entity, subjects).items()}
    products = {part.product_id for part in parts.values()}
    products |= {s.entity_id for s in subjects if s.entity == "Product" and s.entity_id is not None}
    names = _Names(
        parts=parts,
        products=_products(connection, products, subjects),
        colours=_colours(connection, {(part.product_id, part.colour_code) for part in parts.values()}),
        emails=_emails(connection, subjects),
        parties=party_labels(connection, _rows_of_parties(connection, subjects)),
    )
    return [_label(subject, names) for subject in subjects]


def _label(subject: Subject, names: _Names) -> str:
    entity, id = subject.entity, subject.entity_id
    if entity in CELLS and id is not None and (entity, id) in names.parts:
        return _part_label(entity, id, names)
    if entity == "Product" and id is not None and id in names.products:
        return f"Product {' '.join(names.products[id])}"
    if id is not None and (entity, id) in names.parties:
        return names.parties[entity, id]
    if entity == "User":
        # Without an id it is a failed sign-in, and `username` is what the person typed.
        return f"User {names.emails.get(id, id) if id is not None else subject.username}"
    if entity == "Session" and subject.parent_id is not None and subject.parent_id in names.emails:
        return f"Session of {names.emails[subject.parent_id]}"
    return entity_word(entity) if id is None else f"{entity_word(entity)} {id}"


def _part_label(entity: str, id: int, names: _Names) -> str:
    part = names.parts[entity, id]
    sku = names.products[part.product_id][0] if part.product_id in names.products else f"Product {part.product_id}"
    color = names.colours.get((part.product_id, part.colour_code), part.colour_code)
    head = [f"{NUMBERED[entity]} {id}"] if entity in NUMBERED else []
    tail = [part.size] if part.size is not None else []
    return SEPARATOR.join([*head, sku, color, *tail])


def _parts(connection: Connection, entity: str, subjects: Sequence[Subject]) -> dict[int, _Part]:
    ids = {s.entity_id for s in subjects if s.entity == entity and s.entity_id is not None}
    if not ids:
        return {}
    rows = connection.execute(LIVE_PARTS[entity], {"ids": list(ids)})
    live = {row.id: _Part(row.product_id, row.colour_code, row.size) for row in rows}
    deleted = _deleted(connection, entity, ids - live.keys(), subjects)
    return live | {id: _Part(row["product_id"], row["colour_code"], row.get("size")) for id, row in deleted.items()}


def _rows_of_parties(connection: Connection, subjects: Sequence[Subject]) -> dict[str, tuple[set[int], ReadDeleted]]:
    """By entity: the ids that need labels, and a function that reads the rows of deleted ones."""
    party_requests: dict[str, tuple[set[int], ReadDeleted]] = {}
    for entity in PARTY_ENTITIES:
        ids = {s.entity_id for s in subjects if s.entity == entity and s.entity_id is not None}
        if ids:
            party_requests[entity] = (ids, partial(_deleted, connection, entity, subjects=subjects))
    return party_requests


def _products(connection: Connection, ids: set[int], subjects: Sequence[Subject]) -> dict[int, tuple[str, str]]:
    if not ids:
        return {}
    live = {row.id: (row.sku, row.name) for row in connection.execute(LIVE_PRODUCTS, {"ids": list(ids)})}
    deleted = _deleted(connection, "Product", ids - live.keys(), subjects)
    return live | {id: (row["sku"], row["name"]) for id, row in deleted.items()}


def _deleted(
    connection: Connection, entity: str, ids: set[int], subjects: Sequence[Subject]
) -> dict[int, Mapping[str, Any]]:
    """The whole rows of deleted `ids`: from a subject that has it, else from the trail."""
    if not ids:
        return {}
    known: dict[int, Mapping[str, Any]] = {
        s.entity_id: s.row for s in subjects if s.entity == entity and s.entity_id in ids and s.row is not None
    }
    missing = ids - known.keys()
    if missing:
        rows = connection.execute(DELETED, {"entity": entity, "ids": list(missing)})
        known |= {row.entity_id: json.loads(row.row) for row in rows}
    return known


def _colours(connection: Connection, keys: set[tuple[int, str]]) -> dict[tuple[int, str], str]:
    if not keys:
        return {}
    parameters = {"products": [product for product, _ in keys], "codes": [code for _, code in keys]}
    live = _by_colour(connection.execute(LIVE_COLOURS, parameters))
    missing = {product for product, code in keys if (product, code) not in live}
    if not missing:
        return live
    return _by_colour(connection.execute(DELETED_COLOURS, {"products": list(missing)})) | live


def _by_colour(rows: Iterable[Any]) -> dict[tuple[int, str], str]:
    return {(product, code): color for product, code, color in rows}


def _emails(connection: Connection, subjects: Sequence[Subject]) -> dict[int, str]:
    ids = {s.entity_id for s in subjects if s.entity == "User"}
    ids |= {s.parent_id for s in subjects if s.entity == "Session"}
    ids.discard(None)
    if not ids:
        return {}
    return {row.id: row.email for row in connection.execute(EMAILS, {"ids": list(ids)})}


def party_labels(connection: Connection, party_requests: PartyRequests) -> dict[tuple[str, int], str]:
    """Labels by (entity, id) for the ids of each entity; deleted rows are read by the function of the request."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for entity, (ids, deleted) in party_requests.items():
        live = {row.id: row._asdict() for row in connection.execute(LIVE[entity], {"ids": list(ids)})}
        for id, row in {**live, **deleted(ids - live.keys())}.items():
            found[entity, id] = row
    stores = _stores(connection, found)
    return {(entity, id): _party_label(entity, id, row, stores) for (entity, id), row in found.items()}


def _stores(connection: Connection, found: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[int, str]:
    ids = {row["customer_id"] for (entity, _), row in found.items() if entity == "Order"}
    if not ids:
        return {}
    return {row.id: row.store_name for row in connection.execute(LIVE["Customer"], {"ids": list(ids)})}


def _party_label(entity: str, id: int, row: Mapping[str, Any], stores: Mapping[int, str]) -> str:
    match entity:
        case "Customer":
            return f"Customer {row['store_name']}"
        case "Agency":
            return f"Agency {row['agency_name']}"
        case "ReasonPolicy":
            change = "every change" if row["field"] == "*" else field_word(row["field"])
            return f"Reason policy {entity_word(row['entity'])} · {change}"
        case "OrderCounter":
            return f"Order counter {row['financial_year']}"
    number = row["order_number"]
    name = f"Draft {id}" if number is None else f"Order {row['financial_year']}/{number}"
    store = stores.get(row["customer_id"])
    return f"{name} · {store}" if store else name


def _row_of(action: str, old: Values | None, new: Values | None) -> Values | None:
    return old or new if action in {"CREATE", "DELETE", "TRUNCATE"} else None
