"""Home: what needs attention today, with a link to the page for each."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.demo import first_start
from backstitch.inventory.stock import reports as stock_reports
from ui.audit import diffs
from ui.home import parts as home_parts
from ui.shared import formats, session
from ui.stock import low_list as low_stock_list

user = session.require(Permission.SEE_INVENTORY)
low_stock_list.open_clicked_row()

st.title("Home")
if user.may(Permission.MANAGE_USERS) and (problem := first_start.problem()):
    st.warning(problem, icon=":material/warning:")

with session.read() as connection:
    figures = stock_reports.home_figures(connection, today=formats.today())

if not figures.products:
    home_parts.first_steps(user)

home_parts.cards(figures)

with session.read() as connection:
    low = stock_reports.low_stock(connection, today=formats.today(), size=home_parts.ROWS)
if low:
    home_parts.most_urgent(low, figures.low_cells)
elif figures.products:
    st.caption("Nothing is at or below its reorder level.")

if user.may(Permission.READ_TRAIL):
    home_parts.last_activity()
    diffs.show_open()
