"""Inward: record goods in by size, look up, correct and delete entries."""

from typing import Literal

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory import catalogue, logs, movements
from backstitch.inventory.logs import InwardEntry
from backstitch.inventory.movements import Inward
from ui import entry_forms, feedback, formats, log_deletion, log_lookup, log_tables, matrices, session

CATEGORIES: tuple[Literal["Supply", "Return"], ...] = ("Supply", "Return")
OWN_COLUMNS = {"category": "Category", "stakeholder_name": "Received from"}

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Inward")

with session.read() as connection:
    choices = catalogue.product_choices(connection)
    stakeholders = logs.stakeholders(connection)

if editor and choices:
    with st.expander("Record goods in", expanded=True, icon=":material/add:"):
        product_id, matrix, colour = entry_forms.choose_cell_row(choices, prefix="inward")
        if colour is not None:
            with st.form("record_inward", border=False):
                typed = matrices.entry_grid(matrix, colour.colour_code, key=entry_forms.grid_key("inward"))
                with st.container(horizontal=True):
                    day = st.date_input("Date", formats.today(), key="inward_date", format="DD/MM/YYYY")
                    category = st.selectbox("Category", CATEGORIES, key="inward_category")
                    stakeholder = entry_forms.choose_or_type("Received from", stakeholders, key="inward_stakeholder")
                    reason = entry_forms.reason("InwardLog", key="inward_reason")
                submitted = st.form_submit_button("Record goods in", type="primary", key="inward_save")
            if submitted:
                with feedback.refusals():
                    quantities = movements.quantities(typed)
                    with session.write("record inward", reason=reason) as connection:
                        movements.record_inward(
                            connection,
                            product_id=product_id,
                            colour_code=colour.colour_code,
                            quantities=quantities,
                            inward=Inward(day, category, stakeholder),
                        )
                    entry_forms.clear_grid("inward")
                    recorded = ", ".join(f"{size} {count}" for size, count in quantities.items())
                    feedback.done(
                        f"Recorded {formats.counted(sum(quantities.values()), 'piece')} of {matrix.product.sku} "
                        f"{colour.color} in: {recorded}.",
                        on_record={"product": choices[product_id]},
                    )
elif editor:
    st.info("Goods come in for a product: add one on the Products page first.", icon=":material/input:")

log_lookup.panel(
    lambda connection, name, day: logs.latest_inward(connection, stakeholder=name, on=day),
    prefix="inward",
    label="Received from",
    known=stakeholders,
    columns=OWN_COLUMNS,
)

st.subheader("Inward log")
log_filter = log_tables.filter_bar(
    choices,
    prefix="inward_log",
    names={"stakeholder": ("Received from", stakeholders), "category": ("Category", CATEGORIES)},
)
with session.read() as connection:
    entries = logs.inward_log(connection, log_filter=log_filter)


@st.dialog("Inward entry", icon=":material/input:", on_dismiss=log_tables.close)
def edit_entry(entry: InwardEntry) -> None:
    """Corrects or deletes one entry."""
    # A click inside runs the dialog alone, with what it was opened with; the entry may have been read anew.
    entry = log_tables.opened(InwardEntry) or entry
    log_tables.heading(entry)
    version = f"{entry.id}_{entry.version}"  # a field that outlived its version would carry old figures into the next
    with st.form("edit_inward", border=False):
        quantity = entry_forms.quantity(entry.quantity, key=f"edit_inward_quantity_{version}")
        day = st.date_input("Date", entry.date, key=f"edit_inward_date_{version}", format="DD/MM/YYYY")
        category = st.selectbox(
            "Category",
            CATEGORIES,
            CATEGORIES.index(entry.category),
            key=f"edit_inward_category_{version}",
        )
        stakeholder = st.text_input("Received from", entry.stakeholder_name, key=f"edit_inward_stakeholder_{version}")
        reason = entry_forms.reason("InwardLog", key=f"edit_inward_reason_{version}", always=True)
        with st.container(horizontal=True):
            saved = st.form_submit_button("Save", type="primary", key="edit_inward_save")
            deleted = st.form_submit_button("Delete entry", icon=":material/delete:", key="edit_inward_delete")
    if saved:
        with log_tables.stale_shown(entry), feedback.refusals():
            with session.write("correct inward entry", reason=reason) as connection:
                movements.edit_inward(
                    connection,
                    entry=entry,
                    quantity=entry_forms.whole(quantity, entry.size),
                    inward=Inward(day, category, stakeholder),
                )
            log_tables.close()
            feedback.done(f"Inward entry {entry.id} of {entry.sku} was saved.")
    if deleted:
        with log_tables.stale_shown(entry), feedback.refusals():
            with session.write("delete inward entry", reason=reason) as connection:
                movements.delete_inward(connection, entry=entry)
            log_tables.close()
            feedback.done(
                f"Inward entry {entry.id} was deleted; {formats.counted(entry.quantity, 'piece')} of {entry.sku} "
                f"{entry.color} {entry.size} went out of stock with it."
            )


selected = log_tables.show(
    entries,
    InwardEntry,
    log_filter,
    columns=OWN_COLUMNS,
    editable=editor,
    empty="Nothing has come in here yet. What you record above appears in this list.",
)
log_deletion.offer(selected)
opened = log_tables.opened(InwardEntry)
if opened is not None and editor:
    edit_entry(opened)
elif editor:
    log_deletion.ask(
        lambda connection, versions: movements.delete_inwards(connection, versions=versions),
        kind=InwardEntry,
        operation="delete inward entries",
        moved="takes {} out of stock",
    )
