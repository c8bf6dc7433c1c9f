"""Exports the figures of the charts as one CSV file; the export is on the record before the file is sent."""

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import Connection

from backstitch.audit import charts, query
from backstitch.audit.export import Format, file_name
from backstitch.audit.filters import Filters
from backstitch.database import Actor, Database
from backstitch.files import export_record
from backstitch.files.csv_out import CsvFile

# Column of a chart's data -> heading; columns that a chart does not have are empty.
HEADINGS = {
    "chart": "Chart",
    "day": "Day",
    "action": "Action",
    "user": "User",
    "record_type": "Record type",
    "field": "Field",
    "weekday": "Weekday",
    "hour": "Hour",
    "records": "Records",
}


def export(database: Database, actor: Actor, *, user: int, filters: Filters, zone: ZoneInfo) -> bytes:
    """Makes the file of all charts under `filters` and records the export; days and hours are in `zone`.

    Waits its turn among the heavy questions, where `user` is counted.
    Raises Refused (42501) when the actor's role may not export, `too_long`, and SignedOut.
    """
    with database.heavy(actor, user=user) as connection:
        rows = list(figures(connection, filters=filters, zone=zone))
    content = as_csv(rows)
    details = {
        "format": Format.CSV.value,
        "filters": query.filters_to_query(filters),
        "columns": list(HEADINGS.values()),
        "rows": len(rows),
        "file_name": name(filters, zone),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    export_record.record(database, actor, operation="export chart figures", entity="AuditReport", details=details)
    return content


def name(filters: Filters, zone: ZoneInfo) -> str:
    """The file's name: backstitch_charts_2026-10-01_to_2026-10-31_IST.csv, with the first and the last day."""
    return file_name(filters, Format.CSV, zone, of="charts")


def figures(connection: Connection, *, filters: Filters, zone: ZoneInfo) -> Iterator[list[object]]:
    """A row per bar or square, with the columns of HEADINGS, chart by chart as on the page."""
    by_day = charts.by_day(connection, filters=filters, zone=zone, now=datetime.now(UTC))
    frames: dict[str, pd.DataFrame] = {
        "Records by day and action": by_day.assign(day=by_day["day"].dt.date),
        "Records by user": charts.by_user(connection, filters=filters),
        "Most edited fields": charts.most_edited_fields(connection, filters=filters),
        "Records by record type": charts.by_record_type(connection, filters=filters),
        "Records by hour and weekday": charts.by_hour_and_weekday(connection, filters=filters, zone=zone),
    }
    for chart, data in frames.items():
        for row in data.assign(chart=chart).to_dict("records"):
            cells: dict[Any, object] = dict(row)
            yield [cells.get(column, "") for column in HEADINGS]


def as_csv(rows: list[list[object]]) -> bytes:
    """The content of the file: UTF-8 with BOM, formulas escaped."""
    file = io.BytesIO()
    table = CsvFile(list(HEADINGS.values()), file)
    table.write(rows)
    table.close()
    return file.getvalue()
