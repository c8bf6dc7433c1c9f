"""Sales: record goods out by size, look up, correct and delete entries."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory import catalogue, directory, logs, movements, order_book
from backstitch.inventory.logs import SalesEntry
from backstitch.inventory.movements import Sale
from ui import entry_forms, feedback, formats, log_deletion, log_lookup, log_tables, matrices, session

OWN_COLUMNS = {"store": "Store", "agency": "Agency"}

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Sales")

with session.read() as connection:
    choices = catalogue.product_choices(connection)
    stores = entry_forms.names(logs.stores(connection), directory.customer_choices(connection).values())
    agencies = entry_forms.names(logs.agencies_named(connection), directory.agency_choices(connection).values())

if editor and choices:
    with st.expander("Record goods out", expanded=True, icon=":material/add:"):
        product_id, matrix, colour = entry_forms.choose_cell_row(choices, prefix="sales")
        if colour is not None:
            with st.form("record_sale", border=False):
                typed = matrices.entry_grid(matrix, colour.colour_code, key=entry_forms.grid_key("sales"))
                with st.container(horizontal=True):
                    day = st.date_input("Date", formats.today(), key="sales_date", format="DD/MM/YYYY")
                    store = entry_forms.choose_allowed(
                        "Store", matrix.product.allowed_stores, stores, key="sales_store"
                    )
                    agency = entry_forms.choose_allowed(
                        "Agency (optional)", matrix.product.allowed_agencies, agencies, key="sales_agency"
                    )
                    reason = entry_forms.reason("SalesLog", key="sales_reason")
                submitted = st.form_submit_button("Record goods out", type="primary", key="sales_save")
            if submitted:
                with feedback.refusals():
                    quantities = movements.quantities(typed)
                    with session.write("record sale", reason=reason) as connection:
                        movements.record_sale(
                            connection,
                            product_id=product_id,
                            colour_code=colour.colour_code,
                            quantities=quantities,
                            sale=Sale(day, store, agency),
                        )
                    entry_forms.clear_grid("sales")
                    recorded = ", ".join(f"{size} {count}" for size, count in quantities.items())
                    feedback.done(
                        f"Recorded {formats.counted(sum(quantities.values()), 'piece')} of {matrix.product.sku} "
                        f"{colour.color} out: {recorded}.",
                        on_record={"product": choices[product_id]},
                    )
elif editor:
    st.info("Goods go out of a product's stock: add one on the Products page first.", icon=":material/output:")

log_lookup.panel(
    lambda connection, name, day: logs.latest_sales(connection, store=name, on=day),
    prefix="sales",
    label="Store",
    known=stores,
    columns=OWN_COLUMNS,
)

st.subheader("Sales log")
log_filter = log_tables.filter_bar(
    choices, prefix="sales_log", names={"store": ("Store", stores), "agency": ("Agency", agencies)}
)
with session.read() as connection:
    entries = logs.sales_log(connection, log_filter=log_filter)
    order_names = order_book.names(connection, order_ids={entry.order_id for entry in entries if entry.order_id})


@st.dialog("Sales entry", icon=":material/output:", on_dismiss=log_tables.close)
def edit_entry(entry: SalesEntry) -> None:
    """Corrects or deletes one entry."""
    # A click inside runs the dialog alone, with what it was opened with; the entry may have been read anew.
    entry = log_tables.opened(SalesEntry) or entry
    log_tables.heading(entry)
    if entry.order_id is not None:
        st.info(
            f"This sale belongs to order {order_names.get(entry.order_id, entry.order_id)}, which was dispatched. It "
            "stays as it is; goods that come back are recorded as goods in, of category Return.",
            icon=":material/lock:",
        )
        return
    version = f"{entry.id}_{entry.version}"  # a field that outlived its version would carry old figures into the next
    with st.form("edit_sale", border=False):
        quantity = entry_forms.quantity(entry.quantity, key=f"edit_sale_quantity_{version}")
        day = st.date_input("Date", entry.date, key=f"edit_sale_date_{version}", format="DD/MM/YYYY")
        store = st.text_input("Store", entry.store, key=f"edit_sale_store_{version}")
        agency = st.text_input("Agency (optional)", entry.agency, key=f"edit_sale_agency_{version}")
        reason = entry_forms.reason("SalesLog", key=f"edit_sale_reason_{version}", always=True)
        with st.container(horizontal=True):
            saved = st.form_submit_button("Save", type="primary", key="edit_sale_save")
            deleted = st.form_submit_button("Delete entry", icon=":material/delete:", key="edit_sale_delete")
    if saved:
        with log_tables.stale_shown(entry), feedback.refusals():
            with session.write("correct sale", reason=reason) as connection:
                movements.edit_sale(
                    connection,
                    entry=entry,
                    quantity=entry_forms.whole(quantity, entry.size),
                    sale=Sale(day, store, agency or ""),
                )
            log_tables.close()
            feedback.done(f"Sales entry {entry.id} of {entry.sku} was saved.")
    if deleted:
        with log_tables.stale_shown(entry), feedback.refusals():
            with session.write("delete sale", reason=reason) as connection:
                movements.delete_sale(connection, entry=entry)
            log_tables.close()
            feedback.done(
                f"Sales entry {entry.id} was deleted; {formats.counted(entry.quantity, 'piece')} of {entry.sku} "
                f"{entry.color} {entry.size} came back into stock."
            )


selected = log_tables.show(
    entries,
    SalesEntry,
    log_filter,
    columns={**OWN_COLUMNS, "order": "Order"},
    editable=editor,
    empty="Nothing has gone out here yet. What you record above appears in this list.",
    further={"order": [order_names.get(entry.order_id or 0, "") for entry in entries]},
)
log_deletion.offer(selected)
opened = log_tables.opened(SalesEntry)
if opened is not None and editor:
    edit_entry(opened)
elif editor:
    log_deletion.ask(
        lambda connection, versions: movements.delete_sales(connection, versions=versions),
        kind=SalesEntry,
        operation="delete sales",
        moved="brings {} back into stock",
    )
