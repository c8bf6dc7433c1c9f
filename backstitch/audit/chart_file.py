"""The figures behind the charts of the audit report as one CSV file, made and on the record before it leaves."""

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

# Column of a chart's data -> heading; a chart has the columns of its own, the others are empty.
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


def export(database: Database, actor: Actor, *, filters: Filters, zone: ZoneInfo) -> bytes:
    """The file of all charts under `filters`; days and hours are those of `zone`.

    Raises Refused (42501) when the actor's role takes nothing away, and SignedOut.
    """
    with database.read(actor) as connection:
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
    """backstitch_charts_2026-10-01_to_2026-10-31_IST.csv: first and last day, both included."""
    return file_name(filters, Format.CSV, zone, of="charts")


def figures(connection: Connection, *, filters: Filters, zone: ZoneInfo) -> Iterator[list[object]]:
    """A row per bar or square, of the charts in the order in which they are on the screen; columns of HEADINGS."""
    by_day = charts.by_day(connection, filters=filters, zone=zone, now=datetime.now(UTC))
    found: dict[str, pd.DataFrame] = {
        "Records by day and action": by_day.assign(day=by_day["day"].dt.date),
        "Records by user": charts.by_user(connection, filters=filters),
        "Most edited fields": charts.most_edited_fields(connection, filters=filters),
        "Records by record type": charts.by_record_type(connection, filters=filters),
        "Records by hour and weekday": charts.by_hour_and_weekday(connection, filters=filters, zone=zone),
    }
    for chart, data in found.items():
        for row in data.assign(chart=chart).to_dict("records"):
            cells: dict[Any, object] = dict(row)
            yield [cells.get(column, "") for column in HEADINGS]


def as_csv(rows: list[list[object]]) -> bytes:
    """UTF-8 with BOM; text that a spreadsheet would run as a formula is kept as text."""
    file = io.BytesIO()
    table = CsvFile(list(HEADINGS.values()), file)
    table.write(rows)
    table.close()
    return file.getvalue()
