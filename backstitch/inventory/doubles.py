"""Finds names that stand beside each other and are one thing: from before keys were unique (version 0.11)."""

from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import Connection, text

from backstitch.inventory.names import size_key

Kind = Literal["sku", "color", "colour_code", "store_name", "agency_name"]

DOUBLES = text(
    """
    select array_agg(coalesce(p.sku, c.color || ' (' || c.colour_code || ') of ' || o.sku, u.store_name, a.agency_name)
                     order by k.place) as names
    from runtime.name_keys k
    left join inventory.products p on k.kind = 'sku' and p.id = k.owner_id
    left join inventory.product_colors c on k.kind in ('color', 'colour_code') and c.id = k.owner_id
    left join inventory.products o on o.id = c.product_id
    left join inventory.customers u on k.kind = 'store_name' and u.id = k.owner_id
    left join inventory.agencies a on k.kind = 'agency_name' and a.id = k.owner_id
    where k.kind = any(cast(:kinds as text[]))
        and (k.kind, k.scope, k.key) in (select d.kind, d.scope, d.key from runtime.name_keys d where d.place > 0)
    group by k.kind, k.scope, k.key
    order by 1
    """
)


def doubles(connection: Connection, *kinds: Kind) -> list[tuple[str, ...]]:
    """The names of these kinds that are one, group by group; the first of each is what others are taken for."""
    return [tuple(names) for names in connection.execute(DOUBLES, {"kinds": list(kinds)}).scalars()]


def double_sizes(sizes: Iterable[str]) -> list[Sequence[str]]:
    """The sizes of a product that are one, group by group: (XXL, 2XL)."""
    groups: dict[str, list[str]] = {}
    for size in sizes:
        groups.setdefault(size_key(size), []).append(size)
    return [group for group in groups.values() if len(group) > 1]
