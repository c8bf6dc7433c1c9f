"""Adjustments: what counts, damage and other corrections did to the stock; correct and delete them."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory import adjustments, catalogue, logs
from backstitch.inventory.adjustments import REASONS
from backstitch.inventory.logs import AdjustmentEntry
from ui import adjustment_fields, log_correction, log_tables, session

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Adjustments")

with session.read() as connection:
    every_product = catalogue.product_choices(connection, inactive=True)

if editor:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text("To make one, open a cell of the stock matrix, or count the shelf:", width="content")
        st.page_link("../pages/stock.py", label="Stock matrix", icon=":material/grid_on:")
        st.page_link("../pages/stock_take.py", label="Stock-take", icon=":material/fact_check:")

log_filter = log_tables.filter_bar(
    every_product, prefix="adjustment_log", names={"reason": ("Reason", REASONS)}, shown=str.capitalize
)
with session.read() as connection:
    entries = logs.adjustment_log(connection, log_filter=log_filter)


def fields(entry: AdjustmentEntry, key: log_correction.Key) -> log_correction.Save:
    """What can be corrected of an entry."""
    typed = adjustment_fields.show(key("of_{}"), entry)
    return lambda connection: adjustments.edit_adjustment(
        connection,
        entry=entry,
        quantity=typed.change(entry.size),
        date=typed.date,
        reason=typed.kind(),
        note=typed.note,
    )


selected = log_tables.show(
    entries,
    AdjustmentEntry,
    log_filter,
    prefix="adjustment_log",
    columns={"reason": "Reason", "note": "Note"},
    editable=editor,
    empty="No adjustments yet.",
    further={"reason": [entry.reason.capitalize() for entry in entries]},
)
log_correction.offer(
    log_correction.Log(
        AdjustmentEntry,
        "adjustment",
        ":material/rule:",
        ("stock adjustment", "stock adjustments"),
        fields,
        lambda connection, entry: adjustments.delete_adjustment(connection, entry=entry),
        lambda connection, versions: adjustments.delete_adjustments(connection, versions=versions),
        reason_label="Why it is changed",
    ),
    selected,
    every_product,
    editable=editor,
)
