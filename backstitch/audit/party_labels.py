"""Names for orders and parties in the trail: “Order 2026-27/12 · Mehta Stores”, “Customer Mehta Stores”."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from backstitch.audit.words import entity_word, field_word

Deleted = Callable[[set[int]], Mapping[int, Mapping[str, Any]]]
Asked = Mapping[str, tuple[set[int], Deleted]]

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


def party_labels(connection: Connection, asked: Asked) -> dict[tuple[str, int], str]:
    """Labels by record type and id; `asked` has for each type the ids, and a way to read those that were deleted."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for entity, (ids, deleted) in asked.items():
        live = {row.id: row._asdict() for row in connection.execute(LIVE[entity], {"ids": list(ids)})}
        for id, row in {**live, **deleted(ids - live.keys())}.items():
            found[entity, id] = row
    stores = _stores(connection, found)
    return {(entity, id): _label(entity, id, row, stores) for (entity, id), row in found.items()}


def _stores(connection: Connection, found: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[int, str]:
    ids = {row["customer_id"] for (entity, _), row in found.items() if entity == "Order"}
    if not ids:
        return {}
    return {row.id: row.store_name for row in connection.execute(LIVE["Customer"], {"ids": list(ids)})}


def _label(entity: str, id: int, row: Mapping[str, Any], stores: Mapping[int, str]) -> str:
    match entity:
        case "Customer":
            return f"Customer {row['store_name']}"
        case "Agency":
            return f"Agency {row['agency_name']}"
        case "ReasonPolicy":
            asked_for = "every change" if row["field"] == "*" else field_word(row["field"])
            return f"Reason policy {entity_word(row['entity'])} · {asked_for}"
        case "OrderCounter":
            return f"Order counter {row['financial_year']}"
    number = row["order_number"]
    name = f"Draft {id}" if number is None else f"Order {row['financial_year']}/{number}"
    store = stores.get(row["customer_id"])
    return f"{name} · {store}" if store else name
