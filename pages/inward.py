"""Inward: record goods in by size, look up, correct and delete entries."""

from typing import Literal

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.commands import Inward
from backstitch.inventory.movements.queries import InwardEntry
from backstitch.inventory.products import queries as product_queries
from ui.movements import correction as movement_correction
from ui.movements import entry_forms
from ui.movements import lookup as movement_lookup
from ui.movements import tables as movement_tables
from ui.shared import days, matrices, session

CATEGORIES: tuple[Literal["Supply", "Return"], ...] = ("Supply", "Return")
OWN_COLUMNS = {"category": "Category", "stakeholder_name": "Received from"}

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Inward")

with session.read() as connection:
    choices = product_queries.product_choices(connection)
    every_product = product_queries.product_choices(connection, inactive=True)
    stakeholders = movement_queries.stakeholders(connection)


# No st.form: that keeps what is typed in the browser until it is sent, and a grid of another shape would lose it. What
# runs by itself is quick enough to follow the typing, and a second click waits for what the first one does.
@st.fragment
def record() -> None:
    """The form, for the colour of a product."""
    product_id, matrix, colour = entry_forms.choose_product_and_colour(choices, prefix="inward")
    if colour is None:
        return
    typed = matrices.entry_grid(matrix, colour.colour_code, key=entry_forms.key("inward", "grid"))
    with st.container(horizontal=True):
        day = days.entry_day("Date", key="inward_date", button=entry_forms.key("inward", "save"))
        category = st.selectbox("Category", CATEGORIES, key="inward_category")
        stakeholder = entry_forms.choose_or_type("Received from", stakeholders, key="inward_stakeholder")
        reason = entry_forms.reason("InwardLog", key="inward_reason")
    entry_forms.submit(
        "inward",
        "in",
        typed,
        operation="record inward",
        reason=reason,
        of=matrix,
        colour=colour,
        record=lambda connection, quantities: movement_commands.record_inward(
            connection,
            product_id=product_id,
            colour_code=colour.colour_code,
            quantities=quantities,
            inward=Inward(day, category, stakeholder),
        ),
    )


if editor and choices:
    with st.expander("Record goods in", expanded=True, icon=":material/add:"):
        record()
elif editor:
    st.info("Goods come in for a product: add one on the Products page first.", icon=":material/input:")

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
    """What can be corrected of an entry."""
    quantity = entry_forms.quantity(entry.quantity, key=key("quantity"))
    day = st.date_input("Date", entry.date, key=key("date"), format="DD/MM/YYYY")
    category = st.selectbox("Category", CATEGORIES, CATEGORIES.index(entry.category), key=key("category"))
    stakeholder = st.text_input("Received from", entry.stakeholder_name, key=key("stakeholder"))
    return lambda connection: movement_commands.edit_inward(
        connection,
        entry=entry,
        quantity=entry_forms.whole(quantity, entry.size),
        inward=Inward(day, category, stakeholder),
    )


selected = movement_tables.show(
    entries,
    InwardEntry,
    log_filter,
    prefix="inward_log",
    columns=OWN_COLUMNS,
    editable=editor,
    empty=f"Nothing has come in here yet.{movement_tables.APPEARS if editor and choices else ''}",
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
