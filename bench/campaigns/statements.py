"""Random statements of every kind that changes rows, against awkward tables and against the inventory.

Left out, because db/triggers.sql names them as limits: float -0, array bounds, JSON null as a value of a jsonb or json
column, and rows that a row trigger changes again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

KEYS = 60
PARENTS = 12
PRODUCTS = 6

AWKWARD = Path(__file__).with_name("awkward.sql").read_text()

ODD = 'demo."Odd ""ones"""'
KEY = '"Key %s"'

VALUES: dict[str, list[str]] = {
    '"100%"': ["1.0", "1.00", "'NaN'", "'-Infinity'", "-1e-20", "1e60", 't."100%" * 1.0', "random()::numeric"],
    "price": ["t.price", "t.price + 0.25", "t.price * 20", "1.5", "0.005", "default"],
    "share": ["99.990", "100", "100.01", "1e-3"],
    "ratio": ["'NaN'", "'-Infinity'", "0.1::float8 + 0.2", "1e-308", "random()", "5e-324", "1.7976931348623157e308"],
    "thin": ["'NaN'", "0.1", "1e-45", "3.4028235e38", "random()"],
    "doc": [
        """'{"a": [1.0, {"b": null}]}'""",
        """'"text"'""",
        "'[]'",
        "jsonb_build_object('n', 1.10, 'd', now())",
        "t.doc || '{\"x\": 1}'",
        "'12345678901234567890.10'",
    ],
    "raw_doc": ["""'{"b" : 1, "a":2,  "b":3}'""", "'[1.10, 1e2]'", """'"\\u0041 %s"'""", "to_json(now())"],
    "tags": ["""'{a,NULL,"b\\"c", "100%", ""}'""", "t.tags || 'x'::text", "'{}'", "array['null', null]"],
    "grid": ["'{{1,2},{3,4}}'", "'{}'", "t.grid || 1", "array[null]::int[]"],
    "moments": ["array['2026-03-29 02:30', null, 'infinity']::timestamptz[]", "array[now()]"],
    "pairs": ["array[row(1.00, 'a,\"b'), null]::demo.pair[]", "'{}'"],
    "spell": [
        "'1 year -2 days 03:04:05.678901'",
        "'-00:00:00.5'",
        "'P1M'",
        "'-1 mon +2 days -3 hours'",
        "'1 week'",
        "justify_hours(interval '100000 hours')",
    ],
    "seen": ["'2026-04-01 10:00'", "'infinity'", "'0044-03-15 12:00 BC'", "now()", "'99999-01-01'"],
    "wall": ["'2026-10-25 02:30'", "'-infinity'", "localtimestamp", "'0001-01-01 BC'"],
    "clock": ["'10:00:00.5+05:30'", "'24:00:00-12'", "current_time"],
    "day": ["'-infinity'", "'4000-02-29'", "'0044-03-15 BC'", "current_date"],
    "raw": ["'\\x00ff'", "''", "decode(md5(random()::text), 'hex')", "t.raw || '\\x27'::bytea"],
    "mood": ["'fine'", "'it''s 100%'"],
    "pair": ["row(1.00, E'it''s \"x\"\\t')::demo.pair", "row(null, null)::demo.pair", "row('NaN', '')::demo.pair"],
    "place": ["'192.0.2.1/24'", "'::1'", "'2001:db8::/32'"],
    "span": ["tstzrange(now(), 'infinity')", "'empty'", "'(,2026-01-01 00:00]'"],
    "spans": ["'{[1,3), [5,9)}'", "'{}'"],
    "padded": ["'ab'", "''", "'ten  chars'", "'more than ten characters'"],
    "flags": ["B'1010'", "B''", "X'1FF'"],
    "uid": ["gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'"],
    '"new"': [
        "repeat(md5(coalesce(t.\"new\", 'x')), 200)",
        "(select string_agg(md5(g::text || random()), '') from generate_series(1, 300) g)",
        "E'%s\\t''\"\\n\\\\'",
        'left(t."new", 50)',
        "'é衣\U0001f9f5'",
    ],
    "o": ["'o'", "upper(t.o)", "t.o", "''"],
    '"it\'s ""quoted"""': ["'%(x)s'", "':name'", "'$1'"],
}


@dataclass(frozen=True)
class Statement:
    """A statement of a kind; `rows` are the rows that a COPY sends."""

    kind: str
    text: str
    rows: tuple[tuple[object, ...], ...] | None = None


def key(dice: Random) -> int:
    return dice.randint(1, KEYS)


def keys(dice: Random, most: int = 6) -> str:
    """Some distinct keys as a row list: (1), (2)."""
    return ", ".join(f"({k})" for k in dice.sample(range(1, KEYS + 1), dice.randint(1, most)))


def parent(dice: Random) -> str:
    return dice.choice(["null", *map(str, range(1, PARENTS + 1))])


def assignments(dice: Random) -> str:
    """Assignments to one to four columns of the odd table, for a row with the alias t."""
    chosen = dice.sample(sorted(VALUES), dice.randint(1, 4))
    pairs = [f"{c} = {dice.choice([*VALUES[c], 'null', f't.{c}'])}" for c in chosen]
    if dice.random() < 0.25:
        pairs.append(dice.choice(['"Parent" = ', '"other parent" = ']) + parent(dice))
    return ", ".join(pairs)


def fresh(dice: Random) -> tuple[str, str]:
    """Columns and values for an insert, which has no row t."""
    chosen = dice.sample(sorted(VALUES), dice.randint(0, 5))
    values = [dice.choice([v for v in VALUES[c] if "t." not in v and v != "default"]) for c in chosen]
    columns = "".join(f", {c}" for c in chosen)
    return f'{KEY}, "Parent", "other parent"{columns}', f"{parent(dice)}, {parent(dice)}" + "".join(
        f", {v}" for v in values
    )


def where(dice: Random) -> str:
    """A condition on t that no row, one row, some rows or all rows meet."""
    return dice.choice(
        [
            f"t.{KEY} = {key(dice)}",
            f"t.{KEY} between {key(dice)} and {key(dice)}",
            f'"Parent" = {dice.randint(1, PARENTS)}',
            f"t.{KEY} % 3 = {dice.randint(0, 2)}",
            f"t.{KEY} in (select {KEY} from {ODD} order by random() limit 3)",
            "true",
        ]
    )


def _insert(dice: Random) -> str:
    columns, values = fresh(dice)
    return f"insert into {ODD} ({columns}) values ({key(dice)}, {values})"


def _insert_many(dice: Random) -> str:
    columns, values = fresh(dice)
    return f"insert into {ODD} ({columns}) select v, {values} from (values {keys(dice)}) v (v)"


def _upsert(dice: Random) -> str:
    columns, values = fresh(dice)
    action = dice.choice(["do nothing", f"({KEY}) do update set {assignments(dice)}", f"({KEY}) do update set {KEY} ="])
    if action.endswith("="):
        action += f" t.{KEY} + {dice.randint(1, KEYS)}"
    rows = f"select v, {values} from (values {keys(dice)}) v (v)"
    return f"insert into {ODD} as t ({columns}) {rows} on conflict {action}"


def _merge(dice: Random) -> str:
    columns, values = fresh(dice)
    matched = dice.choice(
        ["delete", "do nothing", "update set " + assignments(dice), f"update set {KEY} = t.{KEY} + 50"]
    )
    on = dice.choice([f"t.{KEY} = s.k", f"t.{KEY} = s.k and t.price > 2", f"t.{KEY} = s.k + 1"])
    return (
        f"merge into {ODD} t using (values {keys(dice)}) s (k) on {on} "
        f"when matched and s.k % 2 = 0 then {matched} when matched then update set {assignments(dice)} "
        f"when not matched then insert ({columns}) values (s.k, {values})"
    )


def _writable_cte(dice: Random) -> str:
    delete = f"with deleted as (delete from {ODD} t where {where(dice)} returning *) "
    return dice.choice(
        [
            delete + f"update {ODD} t set {assignments(dice)} from deleted where t.{KEY} <> deleted.{KEY}",
            delete + f"insert into demo.children (odd, note) select null, 'of ' || {KEY} from deleted",
            delete + f"insert into {ODD} ({KEY}, \"new\", doc) select {KEY}, 'again', doc from deleted",
            f"with moved as (update {ODD} t set {KEY} = {KEY} + 60 where {where(dice)} returning {KEY} as k) "
            f"insert into {ODD} ({KEY}) select k - 60 from moved",
            f"with made as (insert into {ODD} ({KEY}) values {keys(dice)} on conflict do nothing returning {KEY} as k) "
            f"insert into demo.children (odd, note) select k, 'made' from made",
            f"with a as (update demo.parents set label = label || '!' returning id), "
            f"b as (insert into {ODD} ({KEY}) values ({key(dice)})) delete from {ODD} t where {where(dice)}",
        ]
    )


def _block(dice: Random) -> str:
    """A statement with a subtransaction, which can fail."""
    return (
        f"do $$ begin update {ODD} t set {assignments(dice)} where {where(dice)}; begin "
        f"insert into {ODD} ({KEY}) values {keys(dice)}; exception when integrity_constraint_violation then "
        f"delete from {ODD} t where t.{KEY} = {key(dice)}; end; end $$"
    )


def _parents(dice: Random) -> str:
    one, other = dice.randint(1, PARENTS), dice.randint(1, PARENTS)
    return dice.choice(
        [
            f"delete from demo.parents where id in ({one}, {dice.choice([one, other])})",
            f"insert into demo.parents select generate_series(1, {PARENTS}), 'all' on conflict do nothing",
            f"update demo.parents set id = {one} where id = {other}",
            f"update demo.parents set id = id + {PARENTS} where id >= {one}",
            f"update demo.parents set id = id % {PARENTS} + 1 where id > {PARENTS}",
            f"insert into demo.parents select generate_series({one}, {PARENTS}), 'new' on conflict do nothing",
            f"insert into demo.parents values ({one}, 'x') on conflict (id) do update set label = excluded.label",
        ]
    )


def _children(dice: Random) -> str:
    return dice.choice(
        [
            f"insert into demo.children (odd, note) select {KEY}, 'child' from {ODD} t where {where(dice)}",
            f"insert into demo.children (odd) values ({key(dice)})",
            f"update demo.children set odd = {key(dice)}, note = note where id % 4 = {dice.randint(0, 3)}",
            "delete from demo.children where id in (select id from demo.children order by random() limit 20)",
        ]
    )


def _copy(dice: Random) -> Statement:
    rows = tuple((k, "copied\t%s\\", None) for k in dice.sample(range(1, KEYS + 1), dice.randint(1, 4)))
    return Statement("copy", f'copy {ODD} ({KEY}, "new", price) from stdin', rows)


ODD_KINDS: dict[str, Callable[[Random], str]] = {
    "insert": _insert,
    "insert rows": _insert_many,
    "upsert": _upsert,
    "update": lambda d: f"update {ODD} t set {assignments(d)} where {where(d)}",
    "update from": lambda d: (
        f'update {ODD} t set {assignments(d)} from demo.parents p where p.id = "Parent" and {where(d)}'
    ),
    "no-op": lambda d: f"update {ODD} t set {(c := d.choice(sorted(VALUES)))} = t.{c} where {where(d)}",
    "key change": lambda d: f"update {ODD} t set {KEY} = {key(d)} where t.{KEY} = {key(d)}",
    "key shift": lambda d: f"update {ODD} t set {KEY} = t.{KEY} + {d.randint(-9, 9)} where {where(d)}",
    "delete": lambda d: f"delete from {ODD} t where t.{KEY} % {d.randint(3, 9)} = 0 and {where(d)}",
    "delete one": lambda d: f"delete from {ODD} where {KEY} = {key(d)}",
    "delete far": lambda d: f"delete from {ODD} where {KEY} not between 1 and {KEYS}",
    "merge": _merge,
    "writable cte": _writable_cte,
    "block": _block,
    "cascade": _parents,
    "child": _children,
}

CELL = "select product_id, colour_code, size from inventory.product_color_stocks order by random() limit"
SOME = "in (select id from inventory.{} order by random() limit {})"


def _moves(dice: Random) -> tuple[str, str, str]:
    """A log of movements, its further required column, and the columns of an insert."""
    log, other = dice.choice([("inward_logs", "stakeholder_name"), ("sales_logs", "store")])
    return f"inventory.{log}", other, f"product_id, colour_code, size, quantity, {other}"


def _movement(dice: Random, lock: str = "") -> str:
    log, _, columns = _moves(dice)
    return (
        f"insert into {log} ({columns}) select product_id, colour_code, size, {dice.randint(0, 9)}, 'c%s' "
        f"from ({CELL} {dice.choice([1, 5, 12])}{lock}) c"
    )


def _movement_locked(dice: Random) -> str:
    """A movement that locks its cells FOR KEY SHARE, as its foreign key would."""
    return _movement(dice, " for key share")


def _movement_by_name(dice: Random) -> str:
    log, _, columns = _moves(dice)
    row = f"({dice.randint(1, PRODUCTS)}, '{dice.choice('RGB')}', '{dice.choice(['S', 'M', 'L', 'XL'])}'"
    return f"insert into {log} ({columns}) values {row}, {dice.randint(1, 9)}, 'x'), {row}, {dice.randint(1, 9)}, 'y')"


def _moved(dice: Random) -> str:
    log, other, _ = _moves(dice)
    some = SOME.format(log.split(".")[1], dice.choice([1, 3, 10]))
    change = dice.choice(
        [
            f"quantity = quantity + {dice.randint(-3, 3)}",
            f"quantity = {dice.randint(1, 9)}, date = date - 1",
            f"{other} = {other} || '!'",
            "quantity = quantity",
        ]
    )
    return f"update {log} set {change} where id {some}"


def _unmoved(dice: Random) -> str:
    log, _, _ = _moves(dice)
    return f"delete from {log} where id {SOME.format(log.split('.')[1], dice.choice([1, 2, 12]))}"


def _other_cell(dice: Random) -> str:
    log, _, _ = _moves(dice)
    return (
        f"update {log} l set product_id = c.product_id, colour_code = c.colour_code, size = c.size "
        f"from ({CELL} 1) c where l.id {SOME.format(log.split('.')[1], 2)}"
    )


def _products(dice: Random) -> str:
    sku = f"P{dice.randint(1, PRODUCTS + 3)}"
    return dice.choice(
        [
            f"insert into inventory.products (sku, name, sizes) values ('{sku}', 'New', '{{S,M}}') "
            "on conflict (sku) do update set name = excluded.name || products.reorder_level",
            f"merge into inventory.products p using (values ('{sku}'), ('P99')) s (sku) on p.sku = s.sku "
            "when matched and p.reorder_level > 90 then delete "
            f"when matched then update set reorder_level = {dice.randint(-1, 95)} "
            "when not matched then insert (sku, name, sizes) values (s.sku, 'Merged', '{M}')",
            f"update inventory.products set unit_price = {dice.randint(-1, 999)}.50, is_active = not is_active "
            f"where sku = '{sku}'",
            f"update inventory.products set sizes = '{{S,M,L{dice.choice([',XL', ''])}}}' where sku = '{sku}'",
            f"delete from inventory.products where sku = '{sku}'",
        ]
    )


def _cells(dice: Random) -> str:
    number, colour = dice.randint(1, PRODUCTS), dice.choice("RGB")
    return dice.choice(
        [
            f"insert into inventory.product_colors (product_id, color, colour_code) values ({number}, 'C', '{colour}') "
            "on conflict do nothing",
            f"insert into inventory.product_color_stocks (product_id, colour_code, size) select product_id, "
            f"colour_code, s from inventory.product_colors join inventory.products p on p.id = product_id, "
            f"unnest(p.sizes) s where product_id = {number} on conflict do nothing",
            f"delete from inventory.product_color_stocks where product_id = {number} and quantity = 0 "
            f"and size = '{dice.choice(['S', 'XL'])}'",
            f"update inventory.product_colors set color = color || '.' where product_id = {number}",
            f"delete from inventory.product_colors where colour_code = '{colour}' and product_id = {number}",
        ]
    )


def _returned(dice: Random) -> str:
    return (
        f"with back as (delete from inventory.sales_logs where id {SOME.format('sales_logs', dice.randint(1, 4))} "
        "returning *) insert into inventory.inward_logs (product_id, colour_code, size, quantity, category, "
        "stakeholder_name) select product_id, colour_code, size, quantity, 'Return', store from back"
    )


def _copy_movement(dice: Random) -> Statement:
    log, _, columns = _moves(dice)
    rows = tuple((dice.randint(1, 3), "R", "M", dice.randint(1, 4), "copied") for _ in range(dice.randint(1, 3)))
    return Statement("copy inventory", f"copy {log} ({columns}) from stdin", rows)


# Under session_replication_role = replica no foreign key is checked, so these are the statements that need none.
UNCHECKED: dict[str, Callable[[Random], str]] = {"movement": _movement_locked, "moved": _moved, "unmoved": _unmoved}
INVENTORY_KINDS: dict[str, Callable[[Random], str]] = {
    "movement": _movement,
    "moved": _moved,
    "unmoved": _unmoved,
    "movement by name": _movement_by_name,
    "other cell": _other_cell,
    "new id": lambda d: f"update {_moves(d)[0]} set id = default where quantity = {d.randint(1, 9)} and id % 5 = 0",
    "products": _products,
    "cells": _cells,
    "returned": _returned,
    "unmoved many": lambda d: f"delete from {_moves(d)[0]} where id % 3 = {d.randint(0, 2)}",
}
KINDS = [*ODD_KINDS, *INVENTORY_KINDS, "copy", "copy inventory", "truncate"]


def statement(kind: str, dice: Random, *, replica: bool = False) -> Statement:
    """A random statement of this kind."""
    if kind == "copy":
        return _copy(dice)
    if kind == "truncate":
        return Statement(kind, dice.choice([f"truncate {ODD} cascade", "truncate demo.parents cascade"]))
    if replica and kind in {*INVENTORY_KINDS, "copy inventory"}:
        return Statement(kind, UNCHECKED.get(kind, _moved)(dice))
    if kind == "copy inventory":
        return _copy_movement(dice)
    return Statement(kind, (ODD_KINDS | INVENTORY_KINDS)[kind](dice))


def any_kind(dice: Random) -> str:
    """A random kind; TRUNCATE seldom, because it leaves no rows to change."""
    found = dice.choice(KINDS)
    return found if found != "truncate" or dice.random() < 0.2 else "insert rows"
