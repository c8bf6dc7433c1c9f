"""Stock matrix: the quantities on hand of a product, colour by size; a cell opens to its movements."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.audit.periods import Period
from backstitch.inventory.doubles import double_sizes
from backstitch.inventory.products import queries as product_queries
from ui.shared import doubles, formats, links, matrices, session
from ui.stock import cell_panel

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)

st.title("Stock matrix")

with session.read() as connection:
    choices = product_queries.product_choices(connection)

if not choices:
    st.info("No products yet. Add one on the Products page; its matrix appears here.", icon=":material/grid_on:")
    st.stop()

links.resolve_product("stock_product", choices.values())
for value in links.unresolved("stock_product", choices.values()):
    links.warn_unresolved("product", value, "Choose another; of those that are in use, the first is shown.")
product_id = st.selectbox(
    "Product",
    list(choices),
    format_func=choices.__getitem__,
    key="stock_product",
    bind="query-params",
    filter_mode="contains",
    on_change=links.clear_unresolved,
    args=("stock_product",),
)

with session.read() as connection:
    matrix = product_queries.matrix(connection, product_id=product_id)

product = matrix.product
low = sum(
    1 for cell, quantity in matrix.cells.items() if quantity <= product.reorder_level and cell not in matrix.inactive
)
on_hand = sum(matrix.cells.values())
with st.container(horizontal=True):
    st.metric("On hand", f"{on_hand:,}", border=True)
    st.metric("Cells at or below reorder level", f"{low:,}", border=True, help=f"Reorder level {product.reorder_level}")
    if product.unit_price is not None:
        st.metric("Value at price", formats.money(on_hand * product.unit_price), border=True)

if not matrix.cells:
    st.info("This product has no colours yet. Add them on the Products page.", icon=":material/palette:")
    st.stop()

with st.container(key="matrix"):
    state = st.dataframe(
        matrices.styled(matrix),
        key=f"matrix_{product_id}",
        height="content",
        placeholder="·",
        alt=f"Stock of {product.sku}, colours down, sizes across",
        column_config=matrices.columns(matrix),
        on_select="rerun",
        selection_mode="single-cell",
    )
st.caption(
    f"{matrices.LOW} at or below the reorder level ({product.reorder_level}) · grey: the product does not come in this "
    "colour and size, or no longer"
)
doubles.draw(double_sizes(product.sizes), doubles.PRODUCTS)
selected = matrices.selected_cell(matrix, state)
if selected is None:
    st.caption("Click a cell to see what moved it" + (", and to adjust it." if editor else "."))
else:
    cell_panel.show(matrix, *selected, choices[product_id], editable=editor)

if user.may(Permission.READ_TRAIL):
    st.page_link(
        "../pages/audit.py",
        label=f"All changes to {formats.plain(product.sku)}",
        icon=":material/history:",
        query_params={"product": choices[product_id], "period": Period.ALL_TIME.value},
    )
