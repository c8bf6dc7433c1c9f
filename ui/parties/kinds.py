"""What tells customers from agencies: both are parties, with other fields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection

from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.parties.commands import AgencyDetails, CustomerDetails
from backstitch.inventory.parties.queries import Agency, Customer, Duplicate
from ui.shared.dialogs import Dialog

Party = TypeVar("Party", Customer, Agency)
Details = TypeVar("Details", CustomerDetails, AgencyDetails)


@dataclass(frozen=True)
class Kind(Generic[Party, Details]):
    """What tells customers from agencies. `fields` are those of the form, by the name of the column."""

    word: str
    words: str
    icon: str
    name: str
    days: str
    entity: str
    fields: Mapping[str, str]
    details: type[Details]
    record: type[Party]
    listed: Callable[..., Sequence[Party]]
    one: Callable[[Connection, int], Party]
    uses: Callable[[Connection, int], int]
    alike: Callable[..., list[Duplicate]]
    create: Callable[..., int]
    edit: Callable[[Connection, Party, Details], None]
    switch: Callable[[Connection, int, bool], bool]
    delete: Callable[[Connection, Party], None]

    @property
    def dialog(self) -> Dialog:
        """Open for "new", or for the party as it was read."""
        return Dialog(f"{self.word}_dialog")

    @property
    def pending(self) -> Dialog:
        """The question in the dialog, open for the parties that may be the one being saved."""
        return Dialog(f"{self.word}_pending", within=self.dialog.key)


EXAMPLES = {
    "gst_number": "27AAPFU0939F1ZV",
    "phone": "98200 12345",
    "owner_mobile": "98200 12345",
    "accounts_mobile": "98200 12345",
    "pincode": "400050",
}
CUSTOMERS = Kind[Customer, CustomerDetails](
    word="customer",
    words="customers",
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
    listed=party_queries.customers,
    one=lambda connection, party_id: party_queries.customer(connection, customer_id=party_id),
    uses=lambda connection, party_id: party_queries.customer_uses(connection, customer_id=party_id),
    alike=party_commands.duplicate_customers,
    create=party_commands.create_customer,
    edit=lambda connection, read, details: party_commands.edit_customer(
        connection, customer_id=read.id, version=read.version, details=details
    ),
    switch=lambda connection, party_id, on: party_commands.set_customer_active(
        connection, customer_id=party_id, is_active=on
    ),
    delete=lambda connection, read: party_commands.delete_customer(
        connection, customer_id=read.id, version=read.version
    ),
)
AGENCIES = Kind[Agency, AgencyDetails](
    word="agency",
    words="agencies",
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
    listed=party_queries.agencies,
    one=lambda connection, party_id: party_queries.agency(connection, agency_id=party_id),
    uses=lambda connection, party_id: party_queries.agency_uses(connection, agency_id=party_id),
    alike=party_commands.duplicate_agencies,
    create=party_commands.create_agency,
    edit=lambda connection, read, details: party_commands.edit_agency(
        connection, agency_id=read.id, version=read.version, details=details
    ),
    switch=lambda connection, party_id, on: party_commands.set_agency_active(
        connection, agency_id=party_id, is_active=on
    ),
    delete=lambda connection, read: party_commands.delete_agency(connection, agency_id=read.id, version=read.version),
)
