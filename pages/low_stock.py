"""Low stock: the cells at or below their reorder level, with the quantity to order; as a list and as a file."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory.stock import reports as stock_reports
from backstitch.inventory.stock.reports import LowCell
from ui.shared import formats, paging, session
from ui.stock import low_list as low_stock_list

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)
low_stock_list.open_clicked_row()

st.title("Low stock")

with session.read() as connection:
    low = stock_reports.low_stock(connection, today=formats.today(), size=low_stock_list.ALL)

if not low:
    st.info("Nothing is at or below its reorder level.", icon=":material/check_circle:")
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    search = st.text_input(
        "Search", key="low_search", type="search", placeholder="SKU, name, colour or size", bind="query-params"
    )
    to_order = st.toggle("Only what is to be ordered", key="low_to_order", help="Suggested above 0")

found = low_stock_list.filtered(low, search or "", to_order=to_order)
if not found:
    st.info("Nothing low matches. Try another word.", icon=":material/search_off:")
    st.stop()

pieces = formats.counted(sum(cell.suggested for cell in found), "piece")
with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{formats.counted(len(found), 'cell')}** · {pieces} suggested")
    low_stock_list.download(found, search or "", to_order=to_order)

shown = found[: low_stock_list.DISPLAY_LIMIT]
table = formats.frame(shown, LowCell)
table["open"] = ":material/grid_on: Matrix"
table["receive"] = ":material/input: Goods in"
paging.table("low", is_whole=len(found) == len(shown)).dataframe(
    table,
    key="low_table",
    hide_index=True,
    height="content" if len(shown) <= 15 else 560,
    alt="Cells at or below their reorder level, those that need most first",
    column_order=[
        "sku",
        "open",
        *(["receive"] if editor else []),
        "color",
        "size",
        "on_hand",
        "suggested",
        "name",
        "reorder_level",
        "sold_30_days",
    ],
    column_config={
        **low_stock_list.columns("low_open", shown),
        "receive": low_stock_list.row_button("low_receive", shown, low_stock_list.GOODS_IN),
    },
)
if len(found) > len(shown):
    st.caption(f"The {len(shown):,} that need most. The file has all {len(found):,}.")
st.caption(
    "Suggested: up to twice the reorder level, or up to the reorder level and what was sold in the last 30 days, "
    "whichever is more."
)
