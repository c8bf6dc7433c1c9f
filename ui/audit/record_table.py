"""The table of records of the audit report, newest first, paged by key; a button of each row opens it."""

from functools import partial
from zoneinfo import ZoneInfo

import streamlit as st

from backstitch.audit import search, wording
from backstitch.audit.search import Filters
from ui import feedback
from ui.audit import diffs
from ui.shared import formats, paging


def show(filters: Filters, zone: ZoneInfo, counted: str) -> None:
    """Draws a row per record under the filters; `counted` is their number in words."""
    size = st.session_state.get("audit_size", 50)
    starts = paging.starts("audit", (filters, size))
    page = feedback.answer(partial(search.search, filters=filters, size=size, before=starts[-1]))
    if page is None:
        return
    records = page.records
    with paging.table("audit", is_whole=len(starts) == 1 and page.next_cursor is None):
        st.dataframe(
            [
                {
                    "open": ":material/difference: Open",
                    "time": record.recorded_at.astimezone(zone).replace(tzinfo=None),
                    "user": record.user_name or record.username,
                    "action": wording.action_word(record.action),
                    "type": wording.entity_word(record.entity),
                    "record": record.label,
                    "change": wording.summary(record, formats.currency(), zone),
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
