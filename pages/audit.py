"""Audit report: who changed what and when; with filters, charts and downloads."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.audit import search, wording
from backstitch.errors import Refused
from ui.audit import charts, diffs, operation_table
from ui.audit import filters as audit_filters
from ui.server import downloads
from ui.shared import formats, paging, session

user = session.require(Permission.READ_TRAIL)
zone = formats.timezone()
currency = formats.currency()

st.title("Audit report")

try:
    filters = audit_filters.filter_bar()
except Refused as refusal:
    st.info(str(refusal), icon=":material/date_range:")
    st.stop()

with session.read() as connection:
    total = search.count(connection, filters=filters)

with st.container(horizontal=True, vertical_alignment="center"):
    counted = f"more than {search.COUNT_CAP:,}" if total > search.COUNT_CAP else f"{total:,}"
    st.markdown(f"**{counted}** record{'' if total == 1 else 's'} · times in {zone.key}")
    downloads.links(filters, total)

if total == 0:
    st.info(
        "Nothing is on the record for these filters. Widen the period, or clear a filter.", icon=":material/search_off:"
    )
    st.stop()

table_tab, steps_tab, charts_tab = st.tabs(["Records", "Operations", "Charts"], on_change="rerun", key="audit_view")

if table_tab.open:
    with table_tab:
        size = st.session_state.get("audit_size", 50)
        starts = paging.starts("audit", (filters, size))
        with session.read() as connection:
            page = search.search(connection, filters=filters, size=size, before=starts[-1])
        records = page.records
        st.dataframe(
            [
                {
                    "open": ":material/difference: Open",
                    "time": record.recorded_at.astimezone(zone).replace(tzinfo=None),
                    "user": record.user_name or record.username,
                    "action": wording.action_word(record.action),
                    "type": wording.entity_word(record.entity),
                    "record": record.label,
                    "change": wording.summary(record, currency, zone),
                    "operation": record.operation or "",
                    "client": wording.client(record),
                    "reason": record.reason or "",
                }
                for record in records
            ],
            key="audit_table",
            hide_index=True,
            height="content" if len(records) <= 15 else 560,
            alt="Records of the trail, newest first",
            column_config={
                "open": st.column_config.ButtonColumn(
                    "",
                    key="audit_open",
                    type="tertiary",
                    pinned=True,
                    on_click=lambda: diffs.open_record(records[st.session_state["audit_open"].row]),
                ),
                "time": st.column_config.DatetimeColumn(
                    f"Time ({zone.key})", format="DD MMM YYYY, HH:mm:ss", pinned=True
                ),
                "user": st.column_config.TextColumn("User", pinned=True),
                "action": "Action",
                "type": "Record type",
                "record": st.column_config.TextColumn("Record", width="medium"),
                "change": st.column_config.TextColumn("Change", width="large"),
                "operation": "Operation",
                "client": "Client",
                "reason": "Reason",
            },
        )
        first = (len(starts) - 1) * size + 1
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{first:,} to {first + len(records) - 1:,} of {counted}, newest first")
            paging.buttons("audit", (filters, size), starts, page.next_cursor)
            st.selectbox("Rows a page", [25, 50, 100], index=1, key="audit_size", width=120, persist_state="session")

if steps_tab.open:
    with steps_tab:
        operation_table.show(filters, zone)

if charts_tab.open:
    with charts_tab, session.read() as connection:
        charts.show(connection, filters, zone)

diffs.show_open()
