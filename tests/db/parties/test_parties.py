"""Customers and agencies: what they are entered with, who may be a duplicate, and who stays."""

import pytest

from backstitch.errors import Refused, StaleEdit
from backstitch.india.gst import gstin_problem
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements.commands import SalesRow
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.parties.commands import AgencyDetails, CustomerDetails
from backstitch.inventory.parties.queries import Duplicate
from tests.conftest import Clone
from tests.db.business import DAY, GSTIN, Business, open_business
from tests.db.trail import assert_replay_matches, refused


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


def test_a_customer_is_stored_normalised_and_a_stale_edit_shows_both_versions(business: Business) -> None:
    with business.read() as connection:
        read = party_queries.customer(connection, customer_id=business.customer)
        assert party_queries.customer_choices(connection) == {business.customer: "Mehta Stores"}
        assert [agency.agency_name for agency in party_queries.agencies(connection, search="98200543")] == [
            "Rao & Sons"
        ]
    assert (read.store_name, read.gst_number, read.phone, read.pincode, read.payment_days) == (
        "Mehta Stores",
        GSTIN,
        "9820012345",
        "400001",
        0,
    )
    edit = CustomerDetails("Mehta Stores", payment_days=30, region="West")
    with business.write() as connection:
        party_commands.edit_customer(connection, customer_id=read.id, version=read.version, details=edit)
    with pytest.raises(StaleEdit) as stale, business.write() as connection:
        party_commands.edit_customer(
            connection, customer_id=read.id, version=read.version, details=CustomerDetails("Mine")
        )
    assert (stale.value.theirs.payment_days, stale.value.theirs.gst_number) == (30, "")
    assert stale.value.yours == CustomerDetails("Mine")
    with business.clone.superuser() as psql:
        assert_replay_matches(psql, "inventory.customers")


@pytest.mark.parametrize("kind", ["customer", "agency"])
def test_wrong_details_are_refused_by_the_database_and_nothing_is_written(business: Business, kind: str) -> None:
    table, name, mobile, days = {
        "customer": ("customers", "store_name", "phone", "payment_days"),
        "agency": ("agencies", "agency_name", "owner_mobile", "days_of_payment"),
    }[kind]
    with business.clone.superuser() as psql:
        before = psql.execute(f"select * from inventory.{table} order by id").fetchall()
        for column, value, rule in (
            (name, " ", f"{kind}_name_not_blank"),
            (name, "x" * 121, f"{kind}_name_not_blank"),
            ("gst_number", "27AAPFU0939F1ZW", "gstin_valid"),
            ("gst_number", "27aapfu0939f1zv", "gstin_valid"),
            ("gst_number", "39AAPFU0939F1ZU", "gstin_valid"),
            ("gst_number", "", "gstin_valid"),
            (mobile, "5820012345", "mobile_ten_digits"),
            (mobile, "98200123456", "mobile_ten_digits"),
            ("pincode", "012345", "pincode_six_digits"),
            ("pincode", "40001", "pincode_six_digits"),
            (days, -1, "payment_days_within_year"),
            (days, 366, "payment_days_within_year"),
        ):
            with refused("23514", rule):
                psql.execute(f"update inventory.{table} set {column} = %s", (value,))
        assert psql.execute(f"select * from inventory.{table} order by id").fetchall() == before


def test_python_and_the_database_agree_on_what_a_gstin_is(business: Business) -> None:
    characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    gstins = [GSTIN[:14] + character for character in characters] + [
        GSTIN[:index] + "7" + GSTIN[index + 1 :] for index in range(15)
    ]
    gstins += [f"{state:02}AAPFU0939F1Z{character}" for state in (0, 1, 38, 39, 97, 99) for character in characters] + [
        "",
        GSTIN + "V",
    ]
    with business.clone.superuser() as psql:
        rows = psql.execute("select g, inventory.gstin_valid(g) from unnest(%s::text[]) g", (gstins,)).fetchall()
    assert [valid for _, valid in rows] == [gstin_problem(gstin) is None for gstin, _ in rows]
    assert sum(valid for _, valid in rows) == 6


def test_likely_duplicates_are_named_with_what_matches(business: Business) -> None:
    typed = CustomerDetails("MEHTA  stores.", gst_number=GSTIN.lower(), phone="0 98200 12345")
    with business.write() as connection:
        assert party_commands.duplicate_customers(connection, details=typed) == [
            Duplicate(business.customer, "Mehta Stores", ("name", "GSTIN", "mobile"))
        ]
        assert party_commands.duplicate_customers(connection, details=typed, exclude_id=business.customer) == []
        assert party_commands.duplicate_customers(connection, details=CustomerDetails("Mehta")) == [
            Duplicate(business.customer, "Mehta Stores", ("a name like it",))
        ]
        assert party_commands.duplicate_customers(connection, details=CustomerDetails("Shah")) == []
        second = AgencyDetails("Patil", accounts_mobile="+91 9820054321")
        assert party_commands.duplicate_agencies(connection, details=second) == [
            Duplicate(business.agency, "Rao & Sons", ("mobile",))
        ]
    with pytest.raises(Refused) as taken, business.write() as connection:
        party_commands.create_agency(connection, details=AgencyDetails(" rao & SONS "))
    assert taken.value.rule == "agency_name_unique"


def test_used_parties_are_deactivated_and_unused_ones_deleted(business: Business) -> None:
    with business.write() as connection:
        fresh = party_commands.create_customer(connection, details=CustomerDetails("Fresh"))
        seller = party_commands.create_agency(connection, details=AgencyDetails("Seller"))
        sale = SalesRow(business.product, "RED", "S", 1, DAY, "BANDRA", "seller")
        movement_commands.bulk_sales(connection, rows=[sale])
        bandra = party_commands.create_customer(connection, details=CustomerDetails("Bandra"))
    business.draft()
    with business.read() as connection:
        assert [
            party_queries.customer_uses(connection, customer_id=id) for id in (business.customer, fresh, bandra)
        ] == [
            1,
            0,
            1,
        ]
        assert [party_queries.agency_uses(connection, agency_id=id) for id in (business.agency, seller)] == [1, 1]
        versions = {
            id: party_queries.customer(connection, customer_id=id).version for id in (business.customer, fresh, bandra)
        }
        agencies = {id: party_queries.agency(connection, agency_id=id).version for id in (business.agency, seller)}
    for id in (business.customer, bandra):
        with pytest.raises(Refused) as used, business.write() as connection:
            party_commands.delete_customer(connection, customer_id=id, version=versions[id])
        assert used.value.rule == "customer_unused"
    for id, version in agencies.items():
        with pytest.raises(Refused) as used, business.write() as connection:
            party_commands.delete_agency(connection, agency_id=id, version=version)
        assert used.value.rule == "agency_unused"
    with business.write() as connection:
        party_commands.delete_customer(connection, customer_id=fresh, version=versions[fresh])
        assert party_commands.set_customer_active(connection, customer_id=bandra, is_active=False)
        assert party_commands.set_agency_active(connection, agency_id=seller, is_active=False)
    with business.read() as connection:
        assert set(party_queries.customer_choices(connection)) == {business.customer}
        assert [c.store_name for c in party_queries.customers(connection, inactive=True)] == ["Bandra", "Mehta Stores"]
        with pytest.raises(Refused) as refusal:
            party_queries.customer(connection, customer_id=fresh)
    assert refusal.value.rule == "party_gone"
