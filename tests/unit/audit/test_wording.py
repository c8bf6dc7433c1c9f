"""Records in words."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backstitch.audit import wording
from backstitch.audit.records import Record
from backstitch.audit.watched import TABLES
from backstitch.audit.wording import Change, action_word, changes, client, entity_word, field_word, source_word, summary
from backstitch.request import Source

RUPEES = "₹"
SOME = Record(
    id=7,
    recorded_at=datetime(2026, 11, 23, 6, 30, tzinfo=UTC),
    transaction_id=900,
    user_id=2,
    username="meena@example.com",
    user_name="Meena Rao",
    action="UPDATE",
    entity="ProductColorStock",
    entity_id=331,
    parent_id=3,
    old_values={},
    new_values={},
    operation=None,
    reason=None,
    source="page",
    request="0a1b2c3d4e5f",
    session_id=5,
    database_role="backstitch_app",
    application="backstitch",
    address="192.0.2.7",
    user_agent="Firefox",
    label="AN201 · Red · M",
)


def update(old: dict[str, Any], new: dict[str, Any]) -> Record:
    return replace(SOME, old_values=old, new_values=new)


def created(entity: str, **values: Any) -> Record:
    return replace(SOME, action="CREATE", entity=entity, old_values=None, new_values=values)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"quantity": 12}, {"quantity": 7}, "Quantity 12 → 7 (−5)"),
        ({"quantity": 999}, {"quantity": 1200}, "Quantity 999 → 1,200 (+201)"),
        (
            {"unit_price": Decimal("549.00"), "name": "Legging", "category": "", "quantity": 1},
            {"unit_price": Decimal("599.50"), "name": "Leggings", "category": "Wear", "quantity": 0},
            "Quantity 1 → 0 (−1), +3 more",
        ),
        (
            {"unit_price": Decimal("549.00")},
            {"unit_price": Decimal("499.00")},
            "Unit price ₹549.00 → ₹499.00 (−₹50.00)",
        ),
        ({"unit_price": None}, {"unit_price": Decimal("1549.50")}, "Unit price — → ₹1,549.50"),
        ({"gst_rate": Decimal("5.00")}, {"gst_rate": Decimal("12.50")}, "GST rate 5% → 12.5% (+7.5%)"),
        ({"is_active": True}, {"is_active": False}, "Active yes → no"),
        ({"sizes": ["S", "M"]}, {"sizes": ["S", "M", "L"]}, "Sizes S, M → S, M, L"),
        ({"allowed_stores": []}, {"allowed_stores": ["Pune"]}, "Allowed stores — → Pune"),
        ({"product_id": 1200}, {"product_id": 1300}, "Product 1200 → 1300"),
        ({"date": "2026-11-03"}, {"date": "2026-11-23"}, "Date 3 Nov 2026 → 23 Nov 2026"),
        ({"dispatch_date": None}, {"dispatch_date": "2026-11-23"}, "Dispatch date — → 23 Nov 2026"),
        ({"date": "infinity"}, {"date": "2026-11-23"}, "Date infinity → 23 Nov 2026"),
        ({"password_hash": "redacted"}, {"password_hash": "redacted"}, "Password changed"),
        ({"description": "x" * 80}, {"description": ""}, f"Description {'x' * 59}… → —"),
        ({}, {}, ""),
    ],
)
def test_an_update_shows_the_most_important_field_with_both_values(
    old: dict[str, Any], new: dict[str, Any], words: str
) -> None:
    assert summary(update(old, new), RUPEES) == words


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            created("InwardLog", quantity=20, category="Supply", stakeholder_name="Arvind Mills", size="M"),
            "Quantity 20, Supply from Arvind Mills",
        ),
        (created("SalesLog", quantity=5, store="Pune", agency="North"), "Quantity 5, to Pune through North"),
        (created("SalesLog", quantity=5, store="Pune", agency=""), "Quantity 5, to Pune"),
        (created("Product", unit_price=Decimal("549.00"), sizes=["S", "M"], sku="AN201"), "₹549.00, sizes S, M"),
        (created("Product", unit_price=None, sizes=["S"]), "sizes S"),
        (created("ProductColorStock", quantity=0, size="M", colour_code="RED"), "Quantity 0"),
        (created("User", name="Meena Rao", role="manager", password_hash="redacted"), "Meena Rao, manager"),
        (created("ProductColor", color="Red", colour_code="RED", is_active=True), "Colour Red, Colour code RED"),
        (created("StockAdjustment", quantity=3, reason="count", note=""), "Quantity +3, count"),
        (created("StockAdjustment", quantity=-1200, reason="damaged", note="wet"), "Quantity −1,200, damaged, wet"),
        (created("Order", status="draft", date="2026-11-02", customer_id=7), "draft, 2 Nov 2026"),
        (created("OrderLine", quantity=2, unit_price=Decimal("549.00")), "Quantity 2 at ₹549.00"),
        (created("Customer", store_name="Mehta", gst_number="27AAPFU0939F1ZV"), "Mehta, 27AAPFU0939F1ZV"),
        (created("Agency", agency_name="Rao & Sons", gst_number=None), "Rao & Sons"),
        (created("Courier", id=4, name="Anita", pincode="411001", city="", gstin=None), "Name Anita, Pincode 411001"),
        (created("Courier", a=1, b=2, c=3, d=4, e=5), "A 1, B 2, C 3, +2 more"),
    ],
)
def test_added_and_deleted_records_are_described_in_a_few_words(record: Record, words: str) -> None:
    deleted = replace(record, action="DELETE", old_values=record.new_values, new_values=None)
    assert summary(record, RUPEES) == words
    assert summary(deleted, RUPEES) == words


@pytest.mark.parametrize(
    ("action", "entity", "details", "words"),
    [
        ("LOGIN", "User", {}, ""),
        ("LOGIN_FAILED", "User", {"username": "meena@x", "cause": "wrong password"}, "meena@x, wrong password"),
        ("EXPORT", "AuditReport", {"rows": 1234, "file_name": "audit.csv"}, "1,234 rows, audit.csv"),
        ("EXPORT", "LowStockList", {"rows": 12, "file_name": "low.csv"}, "12 rows, low.csv"),
        (
            "IMPORT",
            "StockList",
            {"file": "stock.csv", "rows": 9271, "accepted": 9100},
            "9,100 of 9,271 rows, stock.csv",
        ),
        ("UNDO", "InwardLog", {"undone": 3}, "Undone 3"),
    ],
)
def test_an_activity_says_what_it_did(action: str, entity: str, details: dict[str, Any], words: str) -> None:
    record = replace(SOME, action=action, entity=entity, old_values=None, new_values=details)
    assert summary(record, RUPEES) == words


def test_the_changes_of_an_update_are_its_fields_in_words() -> None:
    record = update(
        {"unit_price": Decimal("549.00"), "is_active": True, "hsn_code": None, "sizes": ["S"]},
        {"unit_price": Decimal("599.00"), "is_active": False, "hsn_code": "6109", "sizes": ["S", "M"]},
    )
    assert changes(record, RUPEES) == [
        Change("Unit price", "₹549.00", "₹599.00"),
        Change("Active", "yes", "no"),
        Change("HSN code", "—", "6109"),
        Change("Sizes", "S", "S, M"),
    ]


def test_the_changes_of_a_new_and_of_a_deleted_record_are_all_its_fields_on_one_side() -> None:
    record = created("Session", user_id=4, token_hash="redacted", expires_at="2026-11-23T06:30:00+00:00")
    assert changes(record, zone=ZoneInfo("Asia/Kolkata"))[0] == Change("Expires at", "—", "23 Nov 2026 12:00 IST")
    assert changes(record) == [
        Change("Expires at", "—", "23 Nov 2026 06:30 UTC"),
        Change("Token", "—", "hidden"),
        Change("User", "—", "4"),
    ]
    deleted = replace(record, action="DELETE", old_values={"quantity": 3}, new_values=None)
    assert changes(deleted) == [Change("Quantity", "3", "—")]


def test_details_that_are_not_flat_are_shown_as_json() -> None:
    record = created("AuditReport", filters={"text": ["é"]}, price=Decimal("2.00"))
    assert changes(record)[1] == Change("Filters", "—", '{"text": ["é"]}')


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "Browser, 192.0.2.7"),
        ({"address": None}, "Browser"),
        ({"user_id": None, "action": "LOGIN_FAILED"}, "Browser, 192.0.2.7"),
        ({"source": "paste"}, "Browser, 192.0.2.7"),
        ({"source": "API"}, "Program, 192.0.2.7"),
        ({"source": "SQL"}, "backstitch_app via backstitch, 192.0.2.7"),
        (
            {"user_id": None, "database_role": "postgres", "application": "psql", "address": None},
            "postgres via psql, local",
        ),
        ({"user_id": None, "database_role": "dba", "application": None}, "dba, 192.0.2.7"),
    ],
)
def test_the_client_is_the_browser_of_people_and_the_login_of_the_system(changed: dict[str, Any], words: str) -> None:
    assert client(replace(SOME, **changed)) == words


def test_every_door_has_words() -> None:
    assert [source_word(source) for source in Source] == [
        "Page",
        "Bulk paste",
        "Import",
        "API",
        "Command line",
        "SQL",
        "Undo",
        "System",
    ]


def test_names_of_the_trail_have_words_and_unknown_ones_get_some() -> None:
    assert [action_word(action) for action in ("CREATE", "LOGIN_FAILED", "PRICE_LIST")] == [
        "Added",
        "Sign-in failed",
        "Price list",
    ]
    assert [entity_word(entity) for entity in ("InwardLog", "ProductColorStock", "PriceList")] == [
        "Inward entry",
        "Stock cell",
        "Price list",
    ]
    assert [field_word(field) for field in ("unit_price", "sku", "colour_code")] == [
        "Unit price",
        "SKU",
        "Colour code",
    ]


def test_the_kinds_that_managers_do_not_see_are_all_but_those_of_the_inventory() -> None:
    inventory = {table.entity for table in TABLES if table.schema == "inventory"} | {"StockList", "LowStockList"}
    assert wording.HIDDEN_FROM_MANAGERS.keys() >= wording.ENTITIES.keys() - inventory
    assert not wording.HIDDEN_FROM_MANAGERS.keys() & inventory
    assert "(7 kinds)" in wording.hidden_from_managers()
