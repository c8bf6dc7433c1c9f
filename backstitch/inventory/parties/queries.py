"""Reads customers and agencies."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text

from backstitch.errors import Refused
from backstitch.inventory.products.queries import search_pattern


@dataclass(frozen=True)
class Customer:
    """A store that buys. Unknown fields are empty. An edit fails when `version` has changed."""

    id: int
    store_name: str
    gst_number: str
    phone: str
    address: str
    pincode: str
    payment_days: int
    region: str
    is_active: bool
    version: str


@dataclass(frozen=True)
class Agency:
    """An agency that sells to stores. Unknown fields are empty. An edit fails when `version` has changed."""

    id: int
    agency_name: str
    owner_mobile: str
    accounts_mobile: str
    days_of_payment: int
    gst_number: str
    address: str
    pincode: str
    region_covered: str
    is_active: bool
    version: str


@dataclass(frozen=True)
class Duplicate:
    """A party that may be the one being entered; `matches` has what both share: `name`, `GSTIN`, `mobile`."""

    id: int
    name: str
    matches: tuple[str, ...]


_CUSTOMER = """
    select id, store_name, coalesce(gst_number, '') as gst_number, coalesce(phone, '') as phone, address,
           coalesce(pincode, '') as pincode, payment_days, region, is_active, xmin::text as version
    from inventory.customers
"""
_AGENCY = """
    select id, agency_name, coalesce(owner_mobile, '') as owner_mobile,
           coalesce(accounts_mobile, '') as accounts_mobile, days_of_payment, coalesce(gst_number, '') as gst_number,
           address, coalesce(pincode, '') as pincode,
           region_covered, is_active, xmin::text as version
    from inventory.agencies
"""
CUSTOMERS = text(
    _CUSTOMER
    + """
    where (is_active or :inactive)
        and (:pattern = '' or concat_ws(' ', store_name, gst_number, phone, region) ilike :pattern)
    order by lower(store_name), id
    """
)
AGENCIES = text(
    _AGENCY
    + """
    where (is_active or :inactive)
        and (:pattern = ''
             or concat_ws(' ', agency_name, gst_number, owner_mobile, accounts_mobile, region_covered) ilike :pattern)
    order by lower(agency_name), id
    """
)
CUSTOMER = text(_CUSTOMER + " where id = :id")
AGENCY = text(_AGENCY + " where id = :id")
CUSTOMER_USES = text(
    """
    select (select count(*) from inventory.orders o where o.customer_id = c.id)
         + (select count(*) from inventory.sales_logs l
            where inventory.name_key(l.store) = inventory.name_key(c.store_name) and l.order_id is null)
    from inventory.customers c where c.id = :id
    """
)
AGENCY_USES = text(
    """
    select (select count(*) from inventory.orders o where o.agency_id = a.id)
         + (select count(*) from inventory.sales_logs l
            where l.agency <> '' and inventory.name_key(l.agency) = inventory.name_key(a.agency_name)
                and l.order_id is null)
    from inventory.agencies a where a.id = :id
    """
)
# Names are compared without spaces and punctuation: `K. M. Traders` is `KM Traders`.
_SAME_NAME = (
    "regexp_replace(lower({column}), '[^[:alnum:]]', '', 'g') = regexp_replace(lower(:name), '[^[:alnum:]]', '', 'g')"
)
SIMILAR_CUSTOMERS = text(
    f"""
    select id, store_name as name, {_SAME_NAME.format(column="store_name")} as same_name,
           gst_number = :gstin as same_gstin, phone = any(cast(:mobiles as text[])) as same_mobile
    from inventory.customers
    where id is distinct from cast(:exclude_id as bigint)
        and ({_SAME_NAME.format(column="store_name")} or gst_number = :gstin or phone = any(cast(:mobiles as text[])))
    order by id
    """
)
SIMILAR_AGENCIES = text(
    f"""
    select id, agency_name as name, {_SAME_NAME.format(column="agency_name")} as same_name,
           gst_number = :gstin as same_gstin,
           array[owner_mobile, accounts_mobile] && cast(:mobiles as text[]) as same_mobile
    from inventory.agencies
    where id is distinct from cast(:exclude_id as bigint)
        and ({_SAME_NAME.format(column="agency_name")} or gst_number = :gstin
             or array[owner_mobile, accounts_mobile] && cast(:mobiles as text[]))
    order by id
    """
)


def customers(connection: Connection, *, search: str = "", inactive: bool = False) -> list[Customer]:
    """Customers by name; `search` looks for a text in name, GSTIN, phone and region."""
    rows = connection.execute(CUSTOMERS, {"pattern": search_pattern(search), "inactive": inactive})
    return [Customer(**row._mapping) for row in rows]


def agencies(connection: Connection, *, search: str = "", inactive: bool = False) -> list[Agency]:
    """Agencies by name; `search` looks for a text in name, GSTIN, mobiles and region."""
    rows = connection.execute(AGENCIES, {"pattern": search_pattern(search), "inactive": inactive})
    return [Agency(**row._mapping) for row in rows]


def find_customer(connection: Connection, *, customer_id: int) -> Customer | None:
    """One customer, or None when it was deleted."""
    row = connection.execute(CUSTOMER, {"id": customer_id}).one_or_none()
    return Customer(**row._mapping) if row else None


def find_agency(connection: Connection, *, agency_id: int) -> Agency | None:
    """One agency, or None when it was deleted."""
    row = connection.execute(AGENCY, {"id": agency_id}).one_or_none()
    return Agency(**row._mapping) if row else None


def customer(connection: Connection, *, customer_id: int) -> Customer:
    """One customer; raises Refused (party_gone) when it was deleted."""
    found = find_customer(connection, customer_id=customer_id)
    if found is None:
        raise Refused("This customer does not exist any more.", rule="party_gone")
    return found


def agency(connection: Connection, *, agency_id: int) -> Agency:
    """One agency; raises Refused (party_gone) when it was deleted."""
    found = find_agency(connection, agency_id=agency_id)
    if found is None:
        raise Refused("This agency does not exist any more.", rule="party_gone")
    return found


def customer_choices(connection: Connection) -> dict[int, str]:
    """id -> store name of the active customers, by name, for a select box."""
    return {customer.id: customer.store_name for customer in customers(connection)}


def agency_choices(connection: Connection) -> dict[int, str]:
    """id -> name of the active agencies, by name, for a select box."""
    return {agency.id: agency.agency_name for agency in agencies(connection)}


def customer_uses(connection: Connection, *, customer_id: int) -> int:
    """How many orders and sales without an order name the customer; with none it can be deleted."""
    return int(connection.execute(CUSTOMER_USES, {"id": customer_id}).scalar() or 0)


def agency_uses(connection: Connection, *, agency_id: int) -> int:
    """How many orders and sales without an order name the agency; with none it can be deleted."""
    return int(connection.execute(AGENCY_USES, {"id": agency_id}).scalar() or 0)


def similar_customers(
    connection: Connection, *, name: str, gstin: str | None, mobiles: list[str], exclude_id: int | None
) -> list[Duplicate]:
    """Customers with the same name, GSTIN or mobile, all normalised, by id; without the one with `exclude_id`."""
    parameters = {"name": name, "gstin": gstin, "mobiles": mobiles, "exclude_id": exclude_id}
    return _similar(connection, SIMILAR_CUSTOMERS, parameters)


def similar_agencies(
    connection: Connection, *, name: str, gstin: str | None, mobiles: list[str], exclude_id: int | None
) -> list[Duplicate]:
    """Agencies with the same name, GSTIN or mobile, all normalised, by id; without the one with `exclude_id`."""
    parameters = {"name": name, "gstin": gstin, "mobiles": mobiles, "exclude_id": exclude_id}
    return _similar(connection, SIMILAR_AGENCIES, parameters)


def _similar(connection: Connection, statement: TextClause, parameters: dict[str, Any]) -> list[Duplicate]:
    reasons = (("name", "same_name"), ("GSTIN", "same_gstin"), ("mobile", "same_mobile"))
    return [
        Duplicate(row.id, row.name, tuple(reason for reason, column in reasons if row._mapping[column]))
        for row in connection.execute(statement, parameters)
    ]
