"""Adjustments: counts, damage and other corrections of the stock; look up, correct and delete them."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.adjustments import REASONS
from backstitch.inventory.movements.queries import AdjustmentEntry
from backstitch.inventory.products import queries as product_queries
from ui.movements import adjustment_fields
from ui.movements import correction as movement_correction
from ui.movements import tables as movement_tables
from ui.shared import days, session

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Adjustments")

with session.read() as connection:
    every_product = product_queries.product_choices(connection, inactive=True)

if editor:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text("To make one, open a cell of the stock matrix, or count the shelf:", width="content")
        st.page_link("../pages/stock.py", label="Stock matrix", icon=":material/grid_on:")
        st.page_link("../pages/stock_take.py", label="Stock-take", icon=":material/fact_check:")

log_filter = movement_tables.filter_bar(
    every_product, prefix="adjustment_log", names={"reason": ("Reason", REASONS)}, format_name=str.capitalize
)
with session.read() as connection:
    entries = movement_queries.adjustment_log(connection, log_filter=log_filter)


def fields(entry: AdjustmentEntry, key: movement_correction.Key) -> movement_correction.Save:
    """Draws the fields of an entry that can be corrected; returns what saves it."""
    typed = adjustment_fields.show(key("of_{}"), entry)
    return lambda connection: adjustments.edit_adjustment(
        connection,
        entry=entry,
        quantity=typed.signed_quantity(entry.size),
        date=days.checked(typed.date, stored=entry.date),
        reason=typed.required_reason(),
        note=typed.note,
    )


selected = movement_tables.show(
    entries,
    AdjustmentEntry,
    log_filter,
    prefix="adjustment_log",
    columns={"reason": "Reason", "note": "Note"},
    editable=editor,
    empty="No adjustments yet.",
    extra_columns={"reason": [entry.reason.capitalize() for entry in entries]},
)
movement_correction.offer(
    movement_correction.Log(
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
