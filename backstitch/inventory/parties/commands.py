"""Writes customers and agencies. One with orders or sales can be deactivated; one without can be deleted.

Forgetting one is another matter: its values leave the table and the trail for good.
"""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from backstitch import lengths
from backstitch.errors import Refused
from backstitch.india.gst import gstin_problem, normalise_gstin
from backstitch.india.phone import normalise_mobile
from backstitch.inventory.optimistic import stale
from backstitch.inventory.parties import queries
from backstitch.inventory.parties.queries import Duplicate
from backstitch.inventory.values import stored_name


@dataclass(frozen=True)
class CustomerDetails:
    """The fields of a customer as the user typed them."""

    store_name: str
    gst_number: str = ""
    phone: str = ""
    address: str = ""
    pincode: str = ""
    payment_days: int = 0
    region: str = ""


@dataclass(frozen=True)
class AgencyDetails:
    """The fields of an agency as the user typed them."""

    agency_name: str
    owner_mobile: str = ""
    accounts_mobile: str = ""
    days_of_payment: int = 0
    gst_number: str = ""
    address: str = ""
    pincode: str = ""
    region_covered: str = ""


GSTINS = ("gst_number",)
MOBILES = ("phone", "owner_mobile", "accounts_mobile")

CREATE_CUSTOMER = text(
    """
    insert into inventory.customers (store_name, gst_number, phone, address, pincode, payment_days, region)
    values (:store_name, :gst_number, :phone, :address, :pincode, :payment_days, :region)
    returning id
    """
)
EDIT_CUSTOMER = text(
    """
    update inventory.customers
    set store_name = :store_name, gst_number = :gst_number, phone = :phone, address = :address,
        pincode = :pincode, payment_days = :payment_days, region = :region
    where id = :id and xmin = cast(:version as xid)
    """
)
CREATE_AGENCY = text(
    """
    insert into inventory.agencies
        (agency_name, owner_mobile, accounts_mobile, days_of_payment, gst_number, address, pincode, region_covered)
    values (:agency_name, :owner_mobile, :accounts_mobile, :days_of_payment, :gst_number, :address, :pincode,
            :region_covered)
    returning id
    """
)
EDIT_AGENCY = text(
    """
    update inventory.agencies
    set agency_name = :agency_name, owner_mobile = :owner_mobile, accounts_mobile = :accounts_mobile,
        days_of_payment = :days_of_payment, gst_number = :gst_number, address = :address, pincode = :pincode,
        region_covered = :region_covered
    where id = :id and xmin = cast(:version as xid)
    """
)
SWITCH_CUSTOMER = text("update inventory.customers set is_active = :on where id = :id and is_active <> :on")
SWITCH_AGENCY = text("update inventory.agencies set is_active = :on where id = :id and is_active <> :on")
DELETE_CUSTOMER = text("delete from inventory.customers where id = :id and xmin = cast(:version as xid)")
DELETE_AGENCY = text("delete from inventory.agencies where id = :id and xmin = cast(:version as xid)")
FORGET_CUSTOMER = text("select inventory.forget_customer(:id, :reason)")
FORGET_AGENCY = text("select inventory.forget_agency(:id, :reason)")


def create_customer(connection: Connection, *, details: CustomerDetails) -> int:
    """Creates a customer; returns the id. Raises Refused: `gstin_valid`, `mobile_ten_digits`, ..."""
    return int(connection.execute(CREATE_CUSTOMER, _parameters(details)).scalar_one())


def create_agency(connection: Connection, *, details: AgencyDetails) -> int:
    """Creates an agency; returns the id. Raises Refused: `agency_name_unique`, `gstin_valid`, ..."""
    return int(connection.execute(CREATE_AGENCY, _parameters(details)).scalar_one())


def edit_customer(connection: Connection, *, customer_id: int, version: str, details: CustomerDetails) -> None:
    """Updates a customer that was read as `version`. Raises StaleEdit (`theirs`: Customer or None)."""
    before = queries.find_customer(connection, customer_id=customer_id)
    values = {**_parameters(details, before.store_name if before else None), "id": customer_id, "version": version}
    if connection.execute(EDIT_CUSTOMER, values).rowcount == 0:
        theirs = queries.find_customer(connection, customer_id=customer_id)
        raise stale(theirs=theirs, yours=details, what="customer")


def edit_agency(connection: Connection, *, agency_id: int, version: str, details: AgencyDetails) -> None:
    """Updates an agency that was read as `version`. Raises StaleEdit (`theirs`: Agency or None)."""
    before = queries.find_agency(connection, agency_id=agency_id)
    values = {**_parameters(details, before.agency_name if before else None), "id": agency_id, "version": version}
    if connection.execute(EDIT_AGENCY, values).rowcount == 0:
        raise stale(theirs=queries.find_agency(connection, agency_id=agency_id), yours=details, what="agency")


def set_customer_active(connection: Connection, *, customer_id: int, is_active: bool) -> bool:
    """Activates or deactivates a customer; returns False when nothing changed."""
    return connection.execute(SWITCH_CUSTOMER, {"id": customer_id, "on": is_active}).rowcount == 1


def set_agency_active(connection: Connection, *, agency_id: int, is_active: bool) -> bool:
    """Activates or deactivates an agency; returns False when nothing changed."""
    return connection.execute(SWITCH_AGENCY, {"id": agency_id, "on": is_active}).rowcount == 1


def delete_customer(connection: Connection, *, customer_id: int, version: str) -> None:
    """Deletes a customer that nothing refers to. Raises Refused (`customer_unused`) and StaleEdit."""
    if connection.execute(DELETE_CUSTOMER, {"id": customer_id, "version": version}).rowcount == 0:
        theirs = queries.find_customer(connection, customer_id=customer_id)
        raise stale(theirs=theirs, yours=None, what="customer")


def delete_agency(connection: Connection, *, agency_id: int, version: str) -> None:
    """Deletes an agency that nothing refers to. Raises Refused (`agency_unused`) and StaleEdit."""
    if connection.execute(DELETE_AGENCY, {"id": agency_id, "version": version}).rowcount == 0:
        raise stale(theirs=queries.find_agency(connection, agency_id=agency_id), yours=None, what="agency")


def forget_customer(connection: Connection, *, customer_id: int, reason: str) -> int:
    """Replaces a customer's name by a pseudonym and erases its personal values from the trail. For admins.

    Returns how many records still have one of the values in free text, such as the store of a sale. Raises Refused
    `forget_with_reason`, `forget_known_party`.
    """
    return int(connection.execute(FORGET_CUSTOMER, {"id": customer_id, "reason": reason}).scalar_one())


def forget_agency(connection: Connection, *, agency_id: int, reason: str) -> int:
    """Replaces an agency's name by a pseudonym and erases its personal values from the trail. For admins.

    Returns how many records still have one of the values in free text, such as the agency of a sale. Raises Refused
    `forget_with_reason`, `forget_known_party`.
    """
    return int(connection.execute(FORGET_AGENCY, {"id": agency_id, "reason": reason}).scalar_one())


def duplicate_customers(
    connection: Connection, *, details: CustomerDetails, exclude_id: int | None = None
) -> list[Duplicate]:
    """Customers that may be duplicates of this one, by name, GSTIN or mobile; `exclude_id` is the one being edited."""
    return queries.similar_customers(
        connection,
        name=details.store_name,
        gstin=normalise_gstin(details.gst_number) or None,
        mobiles=[mobile for mobile in (normalise_mobile(details.phone),) if mobile],
        exclude_id=exclude_id,
    )


def duplicate_agencies(
    connection: Connection, *, details: AgencyDetails, exclude_id: int | None = None
) -> list[Duplicate]:
    """Agencies that may be duplicates of this one, by name, GSTIN or a mobile; `exclude_id` is the one being edited."""
    typed = (normalise_mobile(details.owner_mobile), normalise_mobile(details.accounts_mobile))
    return queries.similar_agencies(
        connection,
        name=details.agency_name,
        gstin=normalise_gstin(details.gst_number) or None,
        mobiles=[mobile for mobile in typed if mobile],
        exclude_id=exclude_id,
    )


def _parameters(details: CustomerDetails | AgencyDetails, before: str | None = None) -> dict[str, Any]:
    """The details normalised, empty optional fields as None; a name that was stored `before` stays as it is.

    Raises Refused for an invalid GSTIN, and for a text that is no name.
    """
    values: dict[str, Any] = {}
    for name, value in asdict(details).items():
        if name in GSTINS:
            values[name] = normalise_gstin(value) or None
        elif name in MOBILES:
            values[name] = normalise_mobile(value) or None
        elif name == "pincode":
            values[name] = "".join(value.split()) or None
        else:
            values[name] = _text(name, value) if isinstance(value, str) and value != before else value
    problem = gstin_problem(values["gst_number"]) if values["gst_number"] else None
    if problem:
        raise Refused(f"{problem} Nothing was saved.", rule="gstin_valid")
    return values


def _text(column: str, typed: str) -> str:
    if column in {"store_name", "agency_name"}:
        return stored_name(typed, what="The name", longest=lengths.NAME)
    return typed.strip()
