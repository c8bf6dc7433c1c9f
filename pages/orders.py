"""Orders: take, confirm, dispatch and copy them, and hand out the order sheet."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory.orders.queries import Order
from ui.orders import forms as order_forms
from ui.orders import list as order_list
from ui.orders import steps as order_steps
from ui.orders import view as order_view
from ui.shared import links, session

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("Orders", width="content")
    form = order_forms.opened() if editor else None
    if editor and form is None:
        st.button("New order", type="primary", icon=":material/add:", key="new_order", on_click=order_forms.open_new)

order_id = st.query_params.get("order", "")
linked_id = int(order_id) if order_id.isdecimal() and len(order_id) < 19 else None
if form is not None and order_forms.is_requested(linked_id):
    order_forms.show(form if isinstance(form, Order) else None)
elif linked_id is not None:
    if form is not None:
        order_forms.show_unsaved_notice()
    order_view.show(linked_id, editable=editor)
else:
    if order_id:
        links.warn_unresolved("order", order_id, "All orders are shown.")
    order_list.show(editable=editor)
if editor:
    order_steps.show_open()
