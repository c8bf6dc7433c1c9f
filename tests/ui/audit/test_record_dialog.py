"""The dialog of a record: its changes, its circumstances, and the other records of its transaction."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.audit.records import Record
from backstitch.audit.search import Filters, search
from tests.ui.conftest import Open
from tests.ui.shop import Shop, run
from ui.shared import formats


def newest(shop: Shop, role: Role = Role.ANALYST, **filters: Any) -> Record:
    """The newest record of the last day under `filters`."""
    now = datetime.now(UTC)
    with shop.clone.app.read(shop.clone.actor(role)) as connection:
        found = Filters(start=now - timedelta(days=1), end=now + timedelta(days=1), **filters)
        return search(connection, filters=found, size=1).records[0]


def opened(open_page: Open, record: Record, role: Role = Role.ANALYST) -> AppTest:
    """The report with the dialog that the button of the row opens."""
    tab = open_page("audit", role)
    tab.session_state["audit_record"] = record
    return run(tab)


def tables(tab: AppTest) -> list[list[dict[str, Any]]]:
    """The tables of the dialog; the report's own comes first."""
    return [table.value.to_dict("records") for table in tab.dataframe[1:]]


@pytest.fixture
def product(shop: Shop) -> int:
    """AN201 in red and size S."""
    return shop.product(sizes=["S"], colours=["Red"])


def test_an_edit_shows_the_changed_fields_only_old_beside_new(open_page: Open, shop: Shop, product: int) -> None:
    shop.run("update inventory.products set unit_price = 599, sizes = '{S,M}' where id = %s", product)
    record = newest(shop, entities=("Product",))
    tab = opened(open_page, record)
    assert [text.value for text in tab.text] == ["Analyst Rao · analyst", "Product AN201 Leggings"]
    assert "**Changed** · Product" in [text.value for text in tab.markdown]
    changes, facts = tables(tab)
    assert changes == [
        {"field": "Unit price", "old": "₹549.00", "new": "₹599.00"},
        {"field": "Sizes", "old": "S", "new": "S, M"},
    ]
    local = record.recorded_at.astimezone(formats.timezone())
    assert facts == [
        {"fact": "Time", "value": f"{local:%d %b %Y, %H:%M:%S.%f} IST"},
        {"fact": "User", "value": "system"},
        {"fact": "Source", "value": "SQL"},
        {"fact": "Client", "value": "postgres via psql, local"},
        {"fact": "Database login", "value": "postgres"},
        {"fact": "Application", "value": "psql"},
        {"fact": "Record number", "value": f"Product {product}"},
        {"fact": "Transaction", "value": str(record.transaction_id)},
        {"fact": "Trail number", "value": str(record.id)},
    ]
    assert not tab.expander


def test_a_created_record_shows_its_values_and_the_other_records_of_its_transaction(
    open_page: Open, shop: Shop, product: int
) -> None:
    shop.receive(product, S=5)
    tab = opened(open_page, newest(shop, entities=("InwardLog",)))
    values, facts, together = tables(tab)
    assert [list(row) for row in values] == [["field", "new"]] * 8
    assert {row["field"]: row["new"] for row in values} == {
        "Quantity": "5",
        "Category": "Supply",
        "Colour code": "RED",
        "Date": "2 Nov 2026",
        "Number": "1",
        "Product": str(product),
        "Size": "S",
        "Stakeholder": "Mill",
    }
    assert {row["fact"]: row["value"] for row in facts}["Operation"] == "seed"
    assert {row["fact"]: row["value"] for row in facts}["User"] == "Manager Rao (manager@example.com)"
    assert [expander.label for expander in tab.expander] == ["What the same step did as well (1 record)"]
    assert together == [
        {"action": "Changed", "type": "Stock cell", "record": "AN201 · Red · S", "change": "Quantity 0 → 5 (+5)"}
    ]


def test_a_deleted_record_shows_its_old_values(open_page: Open, shop: Shop, product: int) -> None:
    shop.receive(product, S=5)
    shop.run("delete from inventory.inward_logs")
    tab = opened(open_page, newest(shop, actions=("DELETE",)))
    assert tab.text[-1].value == "Inward 1 · AN201 · Red · S"
    assert {row["field"]: row["old"] for row in tables(tab)[0]}["Quantity"] == "5"
    assert tab.dataframe[1].proto.columns and "Value that was deleted" in tab.dataframe[1].proto.columns


def test_a_bulk_operation_names_the_newest_hundred_of_its_records(open_page: Open, shop: Shop, product: int) -> None:
    shop.run(
        "insert into inventory.inward_logs (product_id, colour_code, size, quantity, date, stakeholder_name) "
        "select %s, 'RED', 'S', 1, '2026-11-01', 'Mill' from generate_series(1, 150)",
        product,
    )
    tab = opened(open_page, newest(shop, entities=("InwardLog",)))
    (label,) = [expander.label for expander in tab.expander]
    assert label in {
        "What the same step did as well (99 records, the newest 100 of them)",
        "What the same step did as well (100 records, the newest 100 of them)",
    }


def test_a_failed_sign_in_shows_the_name_and_the_cause(open_page: Open, shop: Shop, product: int) -> None:
    shop.run("select accounts.sign_in('nobody@example.com', 'x', 'y', '192.0.2.9', 'curl', interval '1 hour')")
    tab = opened(open_page, newest(shop, Role.ADMIN, actions=("LOGIN_FAILED",)), Role.ADMIN)
    assert {row["field"]: row["new"] for row in tables(tab)[0]} == {
        "Cause": "unknown user",
        "Username": "nobody@example.com",
    }


def test_the_dialog_of_a_record_stays_open_until_it_is_dismissed(open_page: Open, shop: Shop, product: int) -> None:
    tab = opened(open_page, newest(shop, entities=("Product",)))
    assert len(run(tab).dataframe) > 1
    del tab.session_state["audit_record"]
    assert len(run(tab).dataframe) == 1
