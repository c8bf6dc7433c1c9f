"""The table of operations: a bulk operation or an import is one row, which opens to its records."""

from functools import partial
from zoneinfo import ZoneInfo

import streamlit as st

from backstitch.audit.operations import operations
from backstitch.audit.search import Filters
from ui import feedback
from ui.audit import diffs
from ui.shared import paging

PAGE_SIZE = 50


def show(filters: Filters, zone: ZoneInfo) -> None:
    """Draws a row per transaction that has records under the filters, newest first, paged by key."""
    starts = paging.starts("operations", filters)
    page = feedback.answer(partial(operations, filters=filters, size=PAGE_SIZE, before=starts[-1]))
    if page is None:
        return
    with paging.table("operations", is_whole=len(starts) == 1 and page.next_cursor is None):
        st.dataframe(
            [
                {
                    "open": ":material/stacks: Open",
                    "time": operation.ended.astimezone(zone).replace(tzinfo=None),
                    "user": operation.user_name or operation.username,
                    "gist": operation.gist,
                    "records": operation.records,
                    "operation": operation.operation or "",
                    "reason": operation.reason or "",
                }
                for operation in page.operations
            ],
            key="operations_table",
            hide_index=True,
            height="content" if len(page.operations) <= 15 else 560,
            alt="Operations, newest first",
            column_config={
                "open": st.column_config.ButtonColumn(
                    "",
                    key="operations_open",
                    type="tertiary",
                    pinned=True,
                    on_click=lambda: diffs.open_record(page.operations[st.session_state["operations_open"].row]),
                ),
                "time": st.column_config.DatetimeColumn(
                    f"Time ({zone.key})", format="DD MMM YYYY, HH:mm:ss", pinned=True
                ),
                "user": st.column_config.TextColumn("User", pinned=True),
                "gist": st.column_config.TextColumn("What it did", width="large"),
                "records": st.column_config.NumberColumn("Records", format="localized"),
                "operation": "Operation",
                "reason": "Reason",
            },
        )
    with st.container(horizontal=True):
        paging.buttons("operations", filters, starts, page.next_cursor)
