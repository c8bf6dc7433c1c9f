"""The steps of the demo story, and how they reach the database: each a transaction of the user who takes it.

A batch of steps is one DO block, which establishes the user, works and commits step by step in the server: the
triggers see what they see of the application, without a round trip for every statement.

The statements are not those of backstitch/inventory: these take ids and versions that a page has read before, and a
block in the server has no page, so it finds each row by what a person would go by.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from backstitch.database import Database
from backstitch.request import Source, door

Work = tuple[str, Mapping[str, object] | Sequence[Mapping[str, object]]]


@dataclass(frozen=True)
class Step:
    """One transaction of a user at a moment; it leaves at least one record in the trail.

    `session` names the sign-in it belongs to: an address and a number, as in `manager@demo.example 3`. A step without
    an operation acts for nobody: it is a sign-in.
    """

    at: datetime
    session: str
    operation: str | None
    work: tuple[Work, ...]
    reason: str | None = None


# An entry to correct is found by all of its values; of two that are alike in each it does not matter which.
_CELL = (
    "p.sku = $1 ->> 'sku' and l.colour_code = $1 ->> 'code' and l.size = $1 ->> 'size' "
    "and l.date = ($1 ->> 'date')::date and l.quantity = ($1 ->> 'quantity')::integer"
)
_INWARD = (
    "select max(l.id) from inventory.inward_logs l join inventory.products p on p.id = l.product_id "
    f"where {_CELL} and l.stakeholder_name = $1 ->> 'party' and l.category = $1 ->> 'category'"
)
_SALE = (
    "select max(l.id) from inventory.sales_logs l join inventory.products p on p.id = l.product_id "
    f"where {_CELL} and l.store = $1 ->> 'party' and l.agency = $1 ->> 'agency' and l.order_id is null"
)
_ROWS = (
    "jsonb_to_recordset($1) r (sku text, code text, size text, quantity integer, date date, party text, "
    "agency text, category text, reason text, note text) join inventory.products p on p.sku = r.sku"
)
# $1 holds the parameters that the step gives, $2 the transactions of the batch so far.
STATEMENTS = {
    "sign in": (
        "select accounts.sign_in($1 ->> 'email', $1 ->> 'proof', $1 ->> 'token', ($1 ->> 'address')::inet, "
        "$1 ->> 'browser', interval '1 day')"
    ),
    "sign out": "select accounts.sign_out()",
    "customer": (
        "insert into inventory.customers (store_name, gst_number, phone, address, pincode, payment_days, region) "
        "select r.store_name, r.gst_number, r.phone, r.address, r.pincode, r.payment_days, r.region "
        "from jsonb_populate_recordset(null::inventory.customers, $1) r"
    ),
    "agency": (
        "insert into inventory.agencies (agency_name, owner_mobile, accounts_mobile, days_of_payment, gst_number, "
        "address, pincode, region_covered) "
        "select r.agency_name, r.owner_mobile, r.accounts_mobile, r.days_of_payment, r.gst_number, r.address, "
        "r.pincode, r.region_covered from jsonb_populate_recordset(null::inventory.agencies, $1) r"
    ),
    "product": (
        "insert into inventory.products (sku, name, category, unit_price, hsn_code, gst_rate, sizes, reorder_level) "
        "select r.sku, r.name, r.category, r.unit_price, r.hsn_code, r.gst_rate, r.sizes, r.reorder_level "
        "from jsonb_populate_record(null::inventory.products, $1) r"
    ),
    "colours": (
        "insert into inventory.product_colors (product_id, color, colour_code) "
        "select p.id, r.color, r.code from jsonb_to_recordset($1) r (sku text, color text, code text) "
        "join inventory.products p on p.sku = r.sku"
    ),
    "cells": (
        "insert into inventory.product_color_stocks (product_id, colour_code, size) "
        "select p.id, c.colour_code, s.size from inventory.products p "
        "join inventory.product_colors c on c.product_id = p.id cross join unnest(p.sizes) s (size) "
        "where p.sku = $1 ->> 'sku'"
    ),
    "price": (
        "update inventory.products p set unit_price = r.price from jsonb_to_recordset($1) r (sku text, price numeric) "
        "where p.sku = r.sku"
    ),
    "inward": (
        "insert into inventory.inward_logs (product_id, colour_code, size, quantity, date, category, stakeholder_name) "
        f"select p.id, r.code, r.size, r.quantity, r.date, r.category, r.party from {_ROWS}"
    ),
    "edit inward": (f"update inventory.inward_logs set quantity = ($1 ->> 'meant')::integer where id = ({_INWARD})"),
    "delete inward": f"delete from inventory.inward_logs where id = ({_INWARD})",
    "sales": (
        "insert into inventory.sales_logs (product_id, colour_code, size, quantity, date, store, agency) "
        f"select p.id, r.code, r.size, r.quantity, r.date, r.party, r.agency from {_ROWS}"
    ),
    "edit sale": f"update inventory.sales_logs set store = $1 ->> 'meant' where id = ({_SALE})",
    "delete sale": f"delete from inventory.sales_logs where id = ({_SALE})",
    "adjust": (
        "insert into inventory.stock_adjustments (product_id, colour_code, size, quantity, date, reason, note) "
        f"select p.id, r.code, r.size, r.quantity, r.date, r.reason, r.note from {_ROWS}"
    ),
    "order": (
        "insert into inventory.orders (date, customer_id, agency_id, note) "
        "select ($1 ->> 'date')::date, c.id, a.id, $1 ->> 'note' from inventory.customers c "
        "left join inventory.agencies a on a.agency_name = $1 ->> 'agency' where c.store_name = $1 ->> 'store'"
    ),
    "order lines": (
        "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity) "
        f"select o.id, p.id, r.code, r.size, r.quantity from {_ROWS} join inventory.orders o on o.note = r.note"
    ),
    "order moves": (
        "update inventory.orders set status = $1 ->> 'status', "
        "dispatch_date = coalesce(($1 ->> 'date')::date, dispatch_date) where note = $1 ->> 'note'"
    ),
    "delete order lines": (
        "delete from inventory.order_lines l using inventory.orders o "
        "where o.id = l.order_id and o.note = $1 ->> 'note'"
    ),
    "delete order": "delete from inventory.orders where note = $1 ->> 'note'",
    # `back`: so many transactions ago.
    "undo": ("select audit.undo(($2)[cardinality($2) - ($1 ->> 'back')::integer + 1], clock_timestamp())"),
}

_BLOCK = """
declare
    statements constant jsonb := {statements};
    done bigint[] := '{{}}';
    step jsonb;
    work jsonb;
begin
    for step in select jsonb_array_elements({steps}) loop
        if step ->> 1 is null then
            perform set_config('backstitch.source', {source}, true), set_config('backstitch.request', {request}, true);
        else
            perform set_config('role', accounts.begin(step ->> 0, step ->> 1, step ->> 2, {source}, {request}), true);
        end if;
        for work in select jsonb_array_elements(step -> 3) loop
            execute statements ->> (work ->> 0) using work -> 1, done;
        end loop;
        done := done || pg_current_xact_id()::text::bigint;
        commit;
    end loop;
end
"""


def run(database: Database, steps: Sequence[Step], *, tokens: Mapping[str, str], proof: str) -> None:
    """Takes the steps in their order, through the application's login.

    `tokens` holds the browser's token of each session, `proof` proves the password, the same for every user.
    """
    parameters = [
        [tokens[step.session], step.operation, step.reason, _with_secrets(step, tokens, proof)] for step in steps
    ]
    with database.owner_connection() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with door(Source.SYSTEM) as request:
            block = sql.SQL(_BLOCK).format(
                statements=_literal(STATEMENTS),
                steps=_literal(parameters),
                source=sql.Literal(request.source.value),
                request=sql.Literal(request.id),
            )
        # In no transaction, as the block makes its own.
        driver.autocommit = True
        driver.execute(sql.SQL("do {}").format(sql.Literal(block.as_string(driver))))
        driver.autocommit = False


def _with_secrets(step: Step, tokens: Mapping[str, str], proof: str) -> list[Work]:
    if step.operation is not None:
        return list(step.work)
    return [
        (name, {**data, "token": tokens[step.session], "proof": proof if data["right"] else "mistyped"})
        for name, data in step.work
        if isinstance(data, Mapping)
    ]


def _literal(value: object) -> sql.Composable:
    return sql.SQL("{}::jsonb").format(sql.Literal(json.dumps(value, default=str)))
