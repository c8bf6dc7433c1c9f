"""Sales: record goods out by size, look up, correct and delete entries."""

from datetime import date
from functools import partial

import streamlit as st

from backstitch import lengths
from backstitch.accounts.permissions import Permission
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.commands import Sale
from backstitch.inventory.movements.queries import SalesEntry
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Matrix
from ui.movements import correction as movement_correction
from ui.movements import entry_forms, recording
from ui.movements import lookup as movement_lookup
from ui.movements import tables as movement_tables
from ui.shared import days, session

OWN_COLUMNS = {"store": "Store", "agency": "Agency"}

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Sales")

with session.read() as connection:
    choices = product_queries.product_choices(connection)
    every_product = product_queries.product_choices(connection, inactive=True)
    stores = entry_forms.names(movement_queries.stores(connection), party_queries.customer_choices(connection).values())
    agencies = entry_forms.names(
        movement_queries.agency_names(connection), party_queries.agency_choices(connection).values()
    )


def details(matrix: Matrix, day: date) -> recording.Record:
    """Draws the fields that only goods out have; returns what writes an entry."""
    product = matrix.product
    store = entry_forms.choose_allowed("Store", product.allowed_stores, stores, key="sales_store")
    agency = entry_forms.choose_allowed("Agency (optional)", product.allowed_agencies, agencies, key="sales_agency")
    record = partial(movement_commands.record_sale, sale=Sale(day, store, agency))
    return entry_forms.when_answered(record, store, agency)


if editor:
    recording.panel(
        recording.Movement(
            prefix="sales",
            entity="SalesLog",
            direction="out",
            operation="record sale",
            fields=details,
            no_product="Goods go out of a product's stock: add one on the Products page first.",
            icon=":material/output:",
        ),
        choices,
    )

movement_lookup.panel(
    lambda connection, name, day: movement_queries.latest_sales(connection, store=name, on=day),
    prefix="sales",
    label="Store",
    known=stores,
    columns=OWN_COLUMNS,
)

st.subheader("Sales log")
log_filter = movement_tables.filter_bar(
    every_product, prefix="sales_log", names={"store": ("Store", stores), "agency": ("Agency", agencies)}
)
with session.read() as connection:
    entries = movement_queries.sales_log(connection, log_filter=log_filter)
    order_names = order_queries.names(connection, order_ids={entry.order_id for entry in entries if entry.order_id})


def fields(entry: SalesEntry, key: movement_correction.Key) -> movement_correction.Save:
    """Draws the fields of an entry that can be corrected; returns what saves it."""
    quantity = entry_forms.quantity(entry.quantity, key=key("quantity"))
    day = days.field("Date", entry.date, key=key("date"))
    typed_store = st.text_input("Store", entry.store, key=key("store"), max_chars=lengths.NAME)
    store = entry_forms.meant(typed_store or "", stores, key=key("store"), before=entry.store)
    typed_agency = st.text_input("Agency (optional)", entry.agency, key=key("agency"), max_chars=lengths.NAME)
    agency = entry_forms.meant(typed_agency or "", agencies, key=key("agency"), before=entry.agency)
    edit = entry_forms.when_answered(movement_commands.edit_sale, store, agency)
    return lambda connection: edit(
        connection,
        entry=entry,
        quantity=entry_forms.whole(quantity, entry.size),
        sale=Sale(days.checked(day, stored=entry.date), store, agency),
    )


selected = movement_tables.show(
    entries,
    SalesEntry,
    log_filter,
    prefix="sales_log",
    columns={**OWN_COLUMNS, "order": "Order"},
    editable=editor,
    empty=f"Nothing has gone out here yet.{movement_tables.FORM_ABOVE if editor and choices else ''}",
    extra_columns={"order": [order_names.get(entry.order_id or 0, "") for entry in entries]},
)
movement_correction.offer(
    movement_correction.Log(
        SalesEntry,
        "sale",
        ":material/output:",
        ("sale", "sales"),
        fields,
        lambda connection, entry: movement_commands.delete_sale(connection, entry=entry),
        lambda connection, versions: movement_commands.delete_sales(connection, versions=versions),
        order_names=order_names,
    ),
    selected,
    every_product,
    editable=editor,
)
