"""Products: find, add, edit one or many, deactivate."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import ProductLine
from ui.products import forms as product_forms
from ui.products import grid as product_grid
from ui.shared import doubles, formats, paging, session

user = session.require(Permission.SEE_INVENTORY)
editor = user.may(Permission.EDIT_INVENTORY)
PAGE_SIZE = 50

st.title("Products")

grid = False
if editor:
    # Above the filters: the table's own toolbar would lie over a button next to it.
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Add product", type="primary", icon=":material/add:", key="add_product", on_click=product_forms.open_new
        )
        grid = st.toggle("Edit in a grid", key="product_in_grid", on_change=product_grid.leave)

with session.read() as connection:
    categories = product_queries.categories(connection)

with st.container(horizontal=True, vertical_alignment="bottom"):
    search = st.text_input(
        "Search", key="product_search", type="search", placeholder="SKU, name or category", bind="query-params"
    )
    category = st.selectbox(
        "Category", ["", *categories], format_func=lambda name: name or "All categories", key="product_category"
    )
    inactive = st.toggle("Show deactivated", key="product_inactive")

filters = (search, category, inactive)
starts = paging.starts("product", filters, first="")

with session.read() as connection:
    lines = product_queries.list_products(
        connection, search=search or "", category=category, inactive=inactive, after=starts[-1], size=PAGE_SIZE + 1
    )
    total = product_queries.count_products(connection, search=search or "", category=category, inactive=inactive)
    none_at_all = total == 0 and product_queries.count_products(connection, inactive=True) == 0
more = len(lines) > PAGE_SIZE
lines = lines[:PAGE_SIZE]

if none_at_all:
    first_step = "Add the first one, or paste a list from Excel." if editor else "A manager adds the first one."
    st.info(f"No products yet. {first_step}", icon=":material/styler:")
elif not lines:
    st.info("No product matches. Try another word, or show deactivated products too.", icon=":material/search_off:")
elif grid:
    product_grid.show([line.id for line in lines], (filters, starts[-1]))
else:
    table = formats.frame(lines, ProductLine)
    table["unit_price"] = table["unit_price"].astype("Float64")
    table["stock"] = table["low_cells"].map(lambda low: f"{low} low" if low else "")
    table["state"] = table["is_active"].map({True: "", False: "Deactivated"})
    table["open"] = ":material/edit: Edit" if editor else ":material/visibility: View"
    paging.table("product", is_whole=len(lines) == total).dataframe(
        table,
        key="product_table",
        placeholder="",
        hide_index=True,
        height="content",
        alt="Products with their stock",
        column_order=["sku", "open", "name", "category", "unit_price", "colours", "sizes", "on_hand", "stock", "state"],
        column_config={
            "sku": st.column_config.TextColumn("SKU", pinned=True),
            "name": st.column_config.TextColumn("Name", width="medium"),
            "category": "Category",
            "unit_price": st.column_config.NumberColumn("Price", format=formats.money_format(), width=95),
            "colours": st.column_config.NumberColumn("Colours", format="%d"),
            "sizes": st.column_config.ListColumn("Sizes"),
            "on_hand": st.column_config.NumberColumn("On hand", format="localized"),
            "stock": st.column_config.TextColumn("Reorder", help="Cells at or below the reorder level"),
            "state": "State",
            "open": st.column_config.ButtonColumn(
                "",
                key="product_open",
                type="tertiary",
                on_click=lambda: product_forms.open_product(lines[st.session_state["product_open"].row].id),
            ),
        },
    )
if lines:
    first = (len(starts) - 1) * PAGE_SIZE + 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{first:,} to {first + len(lines) - 1:,} of {total:,} products")
        following = lines[-1].sku if more else None
        paging.buttons("product", filters, starts, following, labels=("Previous", "Next"))

if editor:
    doubles.show("sku", "color", "colour_code", advice=doubles.PRODUCTS)
product_forms.show_open(editable=editor)
