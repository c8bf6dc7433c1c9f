"""The charts of the audit report, with the filters of its table; a click on a bar filters the report to that bar."""

from datetime import UTC, date, datetime
from functools import partial
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd
import streamlit as st
from sqlalchemy import Connection

from backstitch import startup
from backstitch.audit import chart_file, charts
from backstitch.audit.search import Filters
from ui.audit import filters as audit_filters
from ui.shared import session

HEIGHT = 260  # pixels
BAR_HEIGHT = 18  # pixels, enough for a label beside each bar
CLICKED = "clicked"


def show(connection: Connection, filters: Filters, zone: ZoneInfo) -> None:
    """Draws the records by day and action, user, record type, hour and weekday, and the most edited fields."""
    now = datetime.now(UTC)
    st.subheader("Records by day and action")
    by_day = charts.by_day(connection, filters=filters, zone=zone, now=now)
    _clickable(_by_day(by_day, now.astimezone(zone)), "chart_day", "Records by day, coloured by action")
    left, right = st.columns(2)
    with left:
        st.subheader("Records by user")
        by_user = charts.by_user(connection, filters=filters)
        _clickable(_ranking(by_user, "user", "User"), "chart_user", "Records by user, most first")
        st.subheader("Most edited fields")
        edited = charts.most_edited_fields(connection, filters=filters)
        edited["field"] = edited["record_type"] + ": " + edited["field"]
        if edited.empty:
            st.caption("No field was edited.")
        else:
            st.altair_chart(_ranking(edited, "field", "Field"), alt="Most edited fields, most first")
    with right:
        st.subheader("Records by record type")
        by_type = charts.by_record_type(connection, filters=filters)
        by_type = by_type.rename(columns={"record_type": "type"})
        _clickable(_ranking(by_type, "type", "Record type"), "chart_type", "Records by record type, most first")
        st.subheader("Records by hour and weekday")
        by_hour = charts.by_hour_and_weekday(connection, filters=filters, zone=zone)
        st.altair_chart(_heat_map(by_hour), alt="Records by hour of the day and weekday")
    _download(filters, zone)
    st.caption(
        f"Days and hours in {zone.key}. Today is not over yet. A click on the bar of a day, a user or a record type "
        "shows its records; the files above have all of them."
    )


def _download(filters: Filters, zone: ZoneInfo) -> None:
    # The file is made, and its export recorded, when the user clicks.
    person = session.current()
    make = partial(
        chart_file.export,
        startup.current().database,
        person.actor,
        user=person.user.id,
        filters=filters,
        zone=zone,
    )
    st.download_button(
        "Download the figures",
        make,
        file_name=chart_file.name(filters, zone),
        mime="text/csv",
        icon=":material/csv:",
        key="download_figures",
        on_click="ignore",
        help="What the charts show, as one CSV file. The download itself goes on the record.",
    )


def _clickable(chart: alt.Chart | alt.LayerChart, key: str, description: str) -> None:
    st.altair_chart(chart, key=key, alt=description, on_select=lambda: _narrow(key), selection_mode=CLICKED)


def _narrow(key: str) -> None:
    """Sets the filters to the bar that was clicked, and opens the tab with the records."""
    bars = st.session_state[key].selection[CLICKED]
    if not bars:
        return
    labels = dict(bars[0])
    day = labels.pop("iso_day", None)
    if not audit_filters.narrow(labels):
        st.toast("No filter has this bar alone.", icon=":material/filter_alt_off:")
        return
    if day is not None:
        audit_filters.narrow_to_day(date.fromisoformat(day))
    st.session_state["audit_view"] = "Records"


def _by_day(data: pd.DataFrame, now: datetime) -> alt.LayerChart:
    years = data["day"].dt.year.nunique()
    bars = (
        alt.Chart(data.assign(iso_day=data["day"].dt.strftime("%Y-%m-%d")))
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(day):T", title="Day", axis=alt.Axis(format="%d %b %Y" if years > 1 else "%d %b")),
            y=alt.Y("records:Q", title="Records", stack=True, axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("action:N", title="Action", legend=alt.Legend(orient="top")),
            tooltip=[
                alt.Tooltip("day:T", title="Day", format="%a %d %b %Y"),
                alt.Tooltip("action:N", title="Action"),
                alt.Tooltip("records:Q", title="Records", format=","),
            ],
        )
        .properties(height=HEIGHT)
        .add_params(alt.selection_point(CLICKED, fields=["iso_day", "action"]))
    )
    today = pd.DataFrame({"day": [pd.Timestamp(now.date())], "note": ["today, so far"]})
    note = (
        alt.Chart(today[today["day"].isin(data["day"])])
        .mark_text(align="right", baseline="top", dy=2, fontSize=11, opacity=0.7)
        .encode(x="yearmonthdate(day):T", y=alt.value(0), text="note:N")
    )
    layers: alt.LayerChart = bars + note
    return layers


def _ranking(data: pd.DataFrame, column: str, title: str) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=alt.X("records:Q", title="Records", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y(
                f"{column}:N",
                title=None,
                sort="-x",
                axis=alt.Axis(labelLimit=220, labelOverlap=False, labelFlush=False),
            ),
            tooltip=[alt.Tooltip(f"{column}:N", title=title), alt.Tooltip("records:Q", title="Records", format=",")],
        )
        .properties(height=alt.Step(BAR_HEIGHT))
        .add_params(alt.selection_point(CLICKED, fields=[column]))
    )
    return chart


def _heat_map(data: pd.DataFrame) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(data)
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="Hour", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("weekday:N", title=None, sort=list(charts.WEEKDAYS), axis=alt.Axis(labelFlush=False)),
            color=alt.Color("records:Q", title="Records", legend=None),
            tooltip=[
                alt.Tooltip("weekday:N", title="Weekday"),
                alt.Tooltip("hour:O", title="Hour"),
                alt.Tooltip("records:Q", title="Records", format=","),
            ],
        )
        .properties(height=HEIGHT)
    )
    return chart
