"""The two kinds of parties, customers and agencies, with their fields, queries and commands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from sqlalchemy import Connection

from backstitch import lengths
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.parties.commands import AgencyDetails, CustomerDetails
from backstitch.inventory.parties.queries import Agency, Customer, Duplicate
from ui.shared.dialogs import Dialog

Party = TypeVar("Party", Customer, Agency)
Details = TypeVar("Details", CustomerDetails, AgencyDetails)


@dataclass(frozen=True)
class Kind(Generic[Party, Details]):
    """The settings by which customers and agencies differ. `fields` has the label of each column in the form."""

    noun: str
    plural: str
    icon: str
    name: Literal["store_name", "agency_name"]
    days: str
    entity: str
    fields: Mapping[str, str]
    details: type[Details]
    record: type[Party]
    find_all: Callable[..., Sequence[Party]]
    find_one: Callable[[Connection, int], Party]
    count_uses: Callable[[Connection, int], int]
    find_duplicates: Callable[..., list[Duplicate]]
    create: Callable[..., int]
    edit: Callable[[Connection, Party, Details], None]
    set_active: Callable[[Connection, int, bool], bool]
    delete: Callable[[Connection, Party], None]
    forget: Callable[[Connection, Party, str], int]

    @property
    def dialog(self) -> Dialog:
        """The dialog of a party; its subject is "new", or the party as it was read."""
        return Dialog(f"{self.noun}_dialog")

    @property
    def pending(self) -> Dialog:
        """The question in the dialog; its subject is the likely duplicates of the party being saved."""
        return Dialog(f"{self.noun}_pending", within=self.dialog.key)


EXAMPLES = {
    "gst_number": "27AAPFU0939F1ZV",
    "phone": "98200 12345",
    "owner_mobile": "98200 12345",
    "accounts_mobile": "98200 12345",
    "pincode": "400050",
}
LONGEST = {
    "store_name": lengths.NAME,
    "agency_name": lengths.NAME,
    "address": lengths.ADDRESS,
    "region": lengths.REGION,
    "region_covered": lengths.REGION,
}
CUSTOMERS = Kind[Customer, CustomerDetails](
    noun="customer",
    plural="customers",
    icon=":material/storefront:",
    name="store_name",
    days="payment_days",
    entity="Customer",
    fields={
        "store_name": "Store name",
        "gst_number": "GSTIN",
        "phone": "Mobile",
        "payment_days": "Days of payment",
        "address": "Address",
        "pincode": "Pincode",
        "region": "Region",
    },
    details=CustomerDetails,
    record=Customer,
    find_all=party_queries.customers,
    find_one=lambda connection, party_id: party_queries.customer(connection, customer_id=party_id),
    count_uses=lambda connection, party_id: party_queries.customer_uses(connection, customer_id=party_id),
    find_duplicates=party_commands.duplicate_customers,
    create=party_commands.create_customer,
    edit=lambda connection, read, details: party_commands.edit_customer(
        connection, customer_id=read.id, version=read.version, details=details
    ),
    set_active=lambda connection, party_id, on: party_commands.set_customer_active(
        connection, customer_id=party_id, is_active=on
    ),
    delete=lambda connection, read: party_commands.delete_customer(
        connection, customer_id=read.id, version=read.version
    ),
    forget=lambda connection, read, reason: party_commands.forget_customer(
        connection, customer_id=read.id, reason=reason
    ),
)
AGENCIES = Kind[Agency, AgencyDetails](
    noun="agency",
    plural="agencies",
    icon=":material/handshake:",
    name="agency_name",
    days="days_of_payment",
    entity="Agency",
    fields={
        "agency_name": "Agency name",
        "gst_number": "GSTIN",
        "owner_mobile": "Owner's mobile",
        "accounts_mobile": "Mobile for accounts",
        "days_of_payment": "Days of payment",
        "address": "Address",
        "pincode": "Pincode",
        "region_covered": "Region covered",
    },
    details=AgencyDetails,
    record=Agency,
    find_all=party_queries.agencies,
    find_one=lambda connection, party_id: party_queries.agency(connection, agency_id=party_id),
    count_uses=lambda connection, party_id: party_queries.agency_uses(connection, agency_id=party_id),
    find_duplicates=party_commands.duplicate_agencies,
    create=party_commands.create_agency,
    edit=lambda connection, read, details: party_commands.edit_agency(
        connection, agency_id=read.id, version=read.version, details=details
    ),
    set_active=lambda connection, party_id, on: party_commands.set_agency_active(
        connection, agency_id=party_id, is_active=on
    ),
    delete=lambda connection, read: party_commands.delete_agency(connection, agency_id=read.id, version=read.version),
    forget=lambda connection, read, reason: party_commands.forget_agency(connection, agency_id=read.id, reason=reason),
)
