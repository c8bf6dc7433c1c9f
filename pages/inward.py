"""Inward: record goods in by size, look up, correct and delete entries."""

from datetime import date
from functools import partial
from typing import Literal

import streamlit as st

from backstitch import lengths
from backstitch.accounts.permissions import Permission
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.commands import Inward
from backstitch.inventory.movements.queries import InwardEntry
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Matrix
from ui.movements import correction as movement_correction
from ui.movements import entry_forms, recording
from ui.movements import lookup as movement_lookup
from ui.movements import tables as movement_tables
from ui.shared import days, session

CATEGORIES: tuple[Literal["Supply", "Return"], ...] = ("Supply", "Return")
OWN_COLUMNS = {"category": "Category", "stakeholder_name": "Received from"}

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Inward")

with session.read() as connection:
    choices = product_queries.product_choices(connection)
    every_product = product_queries.product_choices(connection, inactive=True)
    stakeholders = movement_queries.stakeholders(connection)


def details(matrix: Matrix, day: date) -> recording.Record:
    """Draws the fields that only goods in have; returns what writes an entry."""
    category = st.selectbox("Category", CATEGORIES, key="inward_category")
    stakeholder = entry_forms.choose_or_type("Received from", stakeholders, key="inward_stakeholder")
    record = partial(movement_commands.record_inward, inward=Inward(day, category, stakeholder))
    return entry_forms.when_answered(record, stakeholder)


if editor:
    recording.panel(
        recording.Movement(
            prefix="inward",
            entity="InwardLog",
            direction="in",
            operation="record inward",
            fields=details,
            no_product="Goods come in for a product: add one on the Products page first.",
            icon=":material/input:",
        ),
        choices,
    )

movement_lookup.panel(
    lambda connection, name, day: movement_queries.latest_inward(connection, stakeholder=name, on=day),
    prefix="inward",
    label="Received from",
    known=stakeholders,
    columns=OWN_COLUMNS,
)

st.subheader("Inward log")
log_filter = movement_tables.filter_bar(
    every_product,
    prefix="inward_log",
    names={"stakeholder": ("Received from", stakeholders), "category": ("Category", CATEGORIES)},
)
with session.read() as connection:
    entries = movement_queries.inward_log(connection, log_filter=log_filter)


def fields(entry: InwardEntry, key: movement_correction.Key) -> movement_correction.Save:
    """Draws the fields of an entry that can be corrected; returns what saves it."""
    quantity = entry_forms.quantity(entry.quantity, key=key("quantity"))
    day = days.field("Date", entry.date, key=key("date"))
    category = st.selectbox("Category", CATEGORIES, CATEGORIES.index(entry.category), key=key("category"))
    typed = st.text_input("Received from", entry.stakeholder_name, key=key("stakeholder"), max_chars=lengths.NAME)
    stakeholder = entry_forms.meant(typed or "", stakeholders, key=key("stakeholder"), before=entry.stakeholder_name)
    edit = entry_forms.when_answered(movement_commands.edit_inward, stakeholder)
    return lambda connection: edit(
        connection,
        entry=entry,
        quantity=entry_forms.whole(quantity, entry.size),
        inward=Inward(days.checked(day, stored=entry.date), category, stakeholder),
    )


selected = movement_tables.show(
    entries,
    InwardEntry,
    log_filter,
    prefix="inward_log",
    columns=OWN_COLUMNS,
    editable=editor,
    empty=f"Nothing has come in here yet.{movement_tables.FORM_ABOVE if editor and choices else ''}",
)
movement_correction.offer(
    movement_correction.Log(
        InwardEntry,
        "inward",
        ":material/input:",
        ("inward entry", "inward entries"),
        fields,
        lambda connection, entry: movement_commands.delete_inward(connection, entry=entry),
        lambda connection, versions: movement_commands.delete_inwards(connection, versions=versions),
    ),
    selected,
    every_product,
    editable=editor,
)
