"""Audit report: who changed what and when; with filters, charts and downloads."""

from functools import partial

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.audit import search, wording
from backstitch.errors import Refused
from ui import feedback
from ui.audit import charts, diffs, operation_table, record_table
from ui.audit import filters as audit_filters
from ui.server import downloads
from ui.shared import formats, session

user = session.require(Permission.READ_TRAIL)
zone = formats.timezone()

st.title("Audit report")

try:
    filters = audit_filters.filter_bar()
except Refused as refusal:
    st.info(str(refusal), icon=":material/date_range:")
    st.stop()

total = feedback.answer(partial(search.count, filters=filters))
if total is None:
    st.stop()

with st.container(horizontal=True, vertical_alignment="center"):
    counted = f"more than {search.COUNT_CAP:,}" if total > search.COUNT_CAP else f"{total:,}"
    st.markdown(f"**{counted}** record{'' if total == 1 else 's'} · times in {zone.key}")
    downloads.links(filters, total)

if not user.may(Permission.READ_WHOLE_TRAIL):
    st.caption(formats.plain(wording.hidden_from_managers()))

if total == 0:
    st.info(
        "Nothing is on the record for these filters. Widen the period, or clear a filter.", icon=":material/search_off:"
    )
    st.stop()

table_tab, steps_tab, charts_tab = st.tabs(["Records", "Operations", "Charts"], on_change="rerun", key="audit_view")

if table_tab.open:
    with table_tab:
        record_table.show(filters, zone, counted)

if steps_tab.open:
    with steps_tab:
        operation_table.show(filters, zone)

if charts_tab.open:
    with charts_tab:
        feedback.answer(lambda connection: charts.show(connection, filters, zone))

diffs.show_open()
