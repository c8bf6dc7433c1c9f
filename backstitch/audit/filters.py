"""The filters that the table, the charts and the export of the audit report share, and their SQL."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from backstitch.audit.wording import PRODUCT_PARTS, SIGN_IN_FAILURES
from backstitch.inventory.products.queries import search_pattern


@dataclass(frozen=True)
class Filters:
    """Records in [start, end), both aware, that match every filter; an empty filter matches all.

    `user_ids` and `include_system` (changes without a signed-in user) are one filter: a record matches by either.
    `text` is searched, in any case, in old and new values, the reason, the user, and the product's SKU and name.
    """

    start: datetime
    end: datetime
    user_ids: tuple[int, ...] = ()
    include_system: bool = False
    actions: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    product_id: int | None = None
    text: str = ""

    def __post_init__(self) -> None:
        # Characters that PostgreSQL cannot store would raise an error in the query and in the record of an export.
        storable = self.text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        object.__setattr__(self, "text", storable)


IN_RANGE = "recorded_at >= :start and recorded_at < :end"
BY_USER = "user_id = any(cast(:user_ids as bigint[]))"
BY_SYSTEM = "(user_id is null and action <> all(cast(:sign_in_failures as text[])))"
BY_USER_OR_SYSTEM = f"({BY_USER} or {BY_SYSTEM})"
BY_ACTION = "action = any(cast(:actions as text[]))"
BY_ENTITY = "entity = any(cast(:entities as text[]))"
OF_PRODUCT = """(
    (entity = 'Product' and entity_id = :product_id)
    or (parent_id = :product_id and entity = any(cast(:product_parts as text[]))))"""
# The cheap tests come first. Matching the text of the whole jsonb excludes most rows before its values are expanded;
# that text has quotation marks and line ends escaped, so its pattern has them escaped too.
BY_TEXT = """(
    case when entity = 'Product' then entity_id
         when entity = any(cast(:product_parts as text[])) then parent_id
    end = any(cast(:named_products as bigint[]))
    or username ilike :pattern or user_name ilike :pattern or reason ilike :pattern
    or ((old_values::text ilike :json_pattern or new_values::text ilike :json_pattern)
        and exists (
            select from unnest(array[old_values, new_values]) side,
                        jsonb_path_query(side, 'strict $.**') value
            where jsonb_typeof(value) in ('string', 'number', 'boolean') and value #>> '{}' ilike :pattern)))"""

# Deleted products are searched from the start of the range on: a product is deleted after its parts changed.
NAMED_PRODUCTS = text(
    """
    select id from inventory.products where sku ilike :pattern or name ilike :pattern
    union
    select entity_id from audit.trail
    where entity = 'Product' and action in ('DELETE', 'TRUNCATE') and recorded_at >= :start
        and (old_values ->> 'sku' ilike :pattern or old_values ->> 'name' ilike :pattern)
    """
)


def conditions(connection: Connection, *, filters: Filters) -> tuple[str, dict[str, Any]]:
    """The filters as an SQL condition on the columns of audit.trail, and its parameters."""
    clauses = [IN_RANGE]
    values: dict[str, Any] = {"start": filters.start, "end": filters.end}
    if filters.user_ids or filters.include_system:
        clauses.append(_user_clause(filters))
        values["user_ids"] = list(filters.user_ids)
        values["sign_in_failures"] = list(SIGN_IN_FAILURES)
    if filters.actions:
        clauses.append(BY_ACTION)
        values["actions"] = list(filters.actions)
    if filters.entities:
        clauses.append(BY_ENTITY)
        values["entities"] = list(filters.entities)
    if filters.product_id is not None:
        clauses.append(OF_PRODUCT)
        values |= {"product_id": filters.product_id, "product_parts": list(PRODUCT_PARTS)}
    if filters.text.strip():
        clauses.append(BY_TEXT)
        values |= _text_values(connection, filters)
    return " and ".join(clauses), values


def _user_clause(filters: Filters) -> str:
    if not filters.include_system:
        return BY_USER
    return BY_USER_OR_SYSTEM if filters.user_ids else BY_SYSTEM


def _text_values(connection: Connection, filters: Filters) -> dict[str, Any]:
    search_text = filters.text.strip()
    pattern = search_pattern(search_text)
    named = connection.execute(NAMED_PRODUCTS, {"pattern": pattern, "start": filters.start})
    return {
        "pattern": pattern,
        "json_pattern": search_pattern(json.dumps(search_text, ensure_ascii=False)[1:-1]),
        "named_products": list(named.scalars()),
        "product_parts": list(PRODUCT_PARTS),
    }
