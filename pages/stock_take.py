"""Stock-take: enter the counts, see the differences, post them as adjustments."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory.products import queries as product_queries
from ui.shared import links, session
from ui.stock import count_posting, count_sheet

session.require(Permission.EDIT_INVENTORY)

st.title("Stock-take")

with session.read() as connection:
    choices = product_queries.product_choices(connection)

if not choices:
    st.info("No products yet. Add one on the Products page, then count it.", icon=":material/fact_check:")
    st.stop()

links.resolve_product("take_product", choices.values())
for value in links.unresolved("take_product", choices.values()):
    links.warn_unresolved("product", value, "Choose another; of those that are in use, the first is shown.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    product_id = st.selectbox(
        "Product",
        list(choices),
        format_func=choices.__getitem__,
        key="take_product",
        bind="query-params",
        filter_mode="contains",
        on_change=links.clear_unresolved,
        args=("take_product",),
    )
    books = st.toggle("Show the books", key="take_books", help="What should be there; hidden, it cannot lead the count")

with session.read() as connection:
    matrix = product_queries.matrix(connection, product_id=product_id)

if not matrix.cells.keys() - matrix.inactive:
    st.info("This product has no colours in use. Add them on the Products page.", icon=":material/palette:")
    st.stop()

opening = count_sheet.opening_books(matrix)
if books:
    count_sheet.show_books(matrix, opening)
typed = count_sheet.show(matrix)
count_posting.show(matrix, opening, typed, choices[product_id])
