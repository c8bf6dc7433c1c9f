"""Reasons: where a policy asks for one, the database refuses a signed-in user who gives none."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from backstitch import doctor
from backstitch.accounts.permissions import Role
from backstitch.errors import Refused
from backstitch.inventory import reasons
from tests.conftest import Clone
from tests.db.business import Business, open_business
from tests.db.trail import assert_replay_matches, records, refused

ADJUST = (
    "insert into inventory.stock_adjustments (product_id, colour_code, size, quantity, reason) "
    "values (1, 'RED', 'S', 1, 'count')"
)


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


def run(business: Business, sql: str, *, role: Role = Role.MANAGER, reason: str | None = None) -> str | None:
    """The rule that refused it, if one did."""
    try:
        with business.write(role, reason=reason) as connection:
            connection.execute(text(sql))
    except Refused as refusal:
        return refusal.rule
    return None


def test_prices_roles_and_adjustments_need_a_reason_and_other_changes_do_not(business: Business) -> None:
    role = "update accounts.users set role = 'analyst' where role = 'viewer'"
    for sql, who in (
        ("update inventory.products set unit_price = 1", Role.MANAGER),
        ("update inventory.products set unit_price = null", Role.MANAGER),
        (role, Role.ADMIN),
        (ADJUST, Role.MANAGER),
    ):
        assert run(business, sql, role=who) == "reason_required", sql
        assert run(business, sql, role=who, reason=" \t") == "reason_required", sql
        assert run(business, sql, role=who, reason="as agreed") is None, sql
    for sql in (
        "update inventory.stock_adjustments set note = 'x'",
        "delete from inventory.stock_adjustments",
        "update inventory.products set name = 'Top', unit_price = 5",
    ):
        assert run(business, sql) == "reason_required", sql
    for sql in (
        "update inventory.products set name = 'Top', unit_price = unit_price",
        "update inventory.products set unit_price = 7 where id = 99",
        "insert into inventory.products (sku, name, sizes, unit_price) values ('N', 'New', '{S}', 1)",
        "delete from inventory.products where sku = 'N'",
        "update inventory.inward_logs set quantity = 12",
    ):
        assert run(business, sql) is None, sql
    with business.clone.superuser() as psql:
        recorded = {
            (r["entity"], r["reason"]) for r in records(psql, "User", "StockAdjustment") if r["action"] == "UPDATE"
        }
        assert recorded == {("User", "as agreed")}
        psql.execute("update inventory.products set unit_price = 9")
        psql.execute(ADJUST)


def test_a_reason_made_by_hand_is_refused_by_the_trail(business: Business) -> None:
    forge = "select set_config('backstitch.reason', 'forged', true); update inventory.products set unit_price = 1"
    with refused("42501", "signed_in_user"), business.clone.application() as app, app.transaction():
        app.execute("select set_config('role', accounts.begin(%s), true)", (business.clone.actor(Role.MANAGER).token,))
        app.execute(forge)
    nobody = "select set_config('backstitch.user_id', '', true); update inventory.products set unit_price = 1"
    with refused("42501", "signed_in_user"), business.clone.application() as app, app.transaction():
        app.execute("select set_config('role', accounts.begin(%s), true)", (business.clone.actor(Role.MANAGER).token,))
        app.execute(nobody)


def test_an_admin_says_what_needs_a_reason_and_that_is_on_the_record(business: Business) -> None:
    with business.read() as connection:
        assert [(p.entity, p.field, p.required) for p in reasons.policies(connection)] == [
            ("Product", "unit_price", True),
            ("StockAdjustment", "*", True),
            ("User", "role", True),
        ]
        assert reasons.reason_required(connection, entity="Product", field="unit_price")
        assert reasons.reason_required(connection, entity="StockAdjustment", field="quantity")
        assert not reasons.reason_required(connection, entity="Product", field="name")
    with business.write(Role.ADMIN) as connection:
        reasons.set_policy(connection, entity="Product", field="unit_price", required=False)
        reasons.set_policy(connection, entity="InwardLog", field="quantity", required=True)
        reasons.set_policy(connection, entity="Customer", field="*", required=True)
    assert run(business, "update inventory.products set unit_price = 1") is None
    assert run(business, "update inventory.inward_logs set quantity = 12") == "reason_required"
    assert run(business, "update inventory.inward_logs set stakeholder_name = 'Mill'") is None
    assert run(business, "insert into inventory.customers (store_name) values ('New')") == "reason_required"
    assert run(business, "delete from inventory.customers where id = 99") is None
    assert run(business, "update inventory.reason_policies set required = false") == "42501"
    with business.clone.superuser() as psql:
        changed = [r["new_values"] for r in records(psql, "ReasonPolicy") if r["action"] == "UPDATE"]
        assert changed == [{"required": False}]
        assert_replay_matches(psql)
        price = psql.execute("select unit_price from inventory.products").fetchone()
    assert price == (Decimal("1.00"),)


def test_only_record_types_that_ask_for_reasons_can_have_a_policy(business: Business) -> None:
    asked = (
        "select relation::regclass::text, entity from audit.watched_tables "
        "where exists (select from pg_trigger where tgrelid = relation and tgname = 'reason_update')"
    )
    with business.clone.superuser() as psql:
        entities = {entity for _, entity in psql.execute(asked)}
        for (entity,) in psql.execute("select entity from audit.watched_tables").fetchall():
            rule = "insert into inventory.reason_policies (entity, field) values (%s, 'any field')"
            if entity in entities:
                psql.execute(rule, (entity,))
            else:
                with refused("23514", "policy_entity_known"):
                    psql.execute(rule, (entity,))
        assert entities >= {"Product", "Order", "User"}
        with business.read() as connection:
            askable = reasons.askable(connection)
        assert askable.keys() == entities
        assert askable["Agency"][:3] == ("*", "agency_name", "owner_mobile")
        assert askable["ReasonPolicy"] == ("*", "entity", "field", "required")
        assert askable["User"] == ("email", "name", "role", "is_active")
    with business.clone.owner.owner_connection() as connection:
        assert [found for found in doctor.findings(connection) if found.severity == "error"] == []
    with pytest.raises(Refused) as nonsense, business.write(Role.ADMIN) as connection:
        reasons.set_policy(connection, entity="Nonsense", field="*", required=True)
    assert nonsense.value.rule == "policy_entity_known"
    assert "No reason can be asked for" in str(nonsense.value)
