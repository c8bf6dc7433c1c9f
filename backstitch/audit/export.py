"""Exports the filtered trail as a file; the export is on the record before the file is sent."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from io import BufferedRandom
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from backstitch.accounts.sessions import current_user
from backstitch.audit import integrity, query, rows
from backstitch.audit.excel_file import ExcelFile
from backstitch.audit.filters import Filters
from backstitch.audit.rows import COLUMNS, ExportRow
from backstitch.audit.search import people
from backstitch.database import Actor, Database
from backstitch.errors import Abandoned, Refused
from backstitch.files import export_record
from backstitch.files.csv_out import CsvFile

STATEMENT_SECONDS = 300  # for one statement of an export, which reads the trail week by week
LARGEST = 2 * 1024**3  # bytes, as CSV; with the number of transfers it bounds what exports hold of the disk


class Format(StrEnum):
    """The file formats; the value is the extension."""

    CSV = "csv"
    EXCEL = "xlsx"


MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.EXCEL: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True)
class Export:
    """A finished export. `file` is a temporary file at its first byte; closing deletes it."""

    file: BufferedRandom
    file_name: str
    media_type: str
    size: int  # bytes
    records: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class _Summary:
    """Figures of the rows written. `rows_sha256` is the hash of the rows as CSV."""

    records: int
    rows: int
    rows_sha256: str
    checkpoint: str | None  # of the seals; None before the first


def export(
    database: Database,
    actor: Actor,
    *,
    filters: Filters,
    format: Format,
    zone: ZoneInfo,
    abandoned: Callable[[], bool] | None = None,
) -> Export:
    """Writes all records under `filters` to a file, newest first; times are in `zone`. The caller closes the file.

    Memory does not grow with the rows; the disk needs room for the file, for Excel several times as much.
    Raises Refused when the actor may not read the trail, the file would be too large or the disk is full, SignedOut,
    and Abandoned soon after `abandoned` returns true.
    """
    with _translate_disk_errors(), ExitStack() as on_failure:
        # A temporary file without a name disappears however the process ends.
        file = on_failure.enter_context(tempfile.TemporaryFile())
        with database.long_read(actor, seconds=STATEMENT_SECONDS, abandoned=abandoned) as connection:
            summary = _write(connection, file, filters, format, zone, abandoned or (lambda: False))
        name = file_name(filters, format, zone)
        sha256, size = _digest(file), file.tell()
        _record(database, actor, filters, format, summary, {"file_name": name, "sha256": sha256, "bytes": size})
        file.seek(0)
        on_failure.pop_all()
        return Export(file, name, MEDIA_TYPES[format], size, summary.records, summary.rows, sha256)


def record_end(
    database: Database, actor: Actor, *, filters: Filters, format: Format, details: Mapping[str, str | int]
) -> None:
    """Records that an export ended before its file had been sent; `details` has its outcome."""
    asked = {"format": format.value, "filters": query.filters_to_query(filters)}
    export_record.record(
        database,
        actor,
        action="EXPORT_END",
        operation="export audit report",
        entity="AuditReport",
        details=asked | dict(details),
    )


def file_name(filters: Filters, format: Format, zone: ZoneInfo, *, of: str = "audit") -> str:
    """The file's name: backstitch_audit_2026-10-01_to_2026-10-31_IST.xlsx, with the first and the last day."""
    first = filters.start.astimezone(zone)
    last = (filters.end - timedelta(microseconds=1)).astimezone(zone)
    return f"backstitch_{of}_{first:%Y-%m-%d}_to_{last:%Y-%m-%d}_{first:%Z}.{format}"


@contextmanager
def _translate_disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(
            f"The file could not be made ({error.strerror}); ask for fewer days, or tell the person who runs "
            "the server.",
            rule="export_disk",
        ) from error


def _write(
    connection: Connection,
    file: BufferedRandom,
    filters: Filters,
    format: Format,
    zone: ZoneInfo,
    abandoned: Callable[[], bool],
) -> _Summary:
    if format is Format.CSV:
        table = CsvFile(COLUMNS, file)

        def write_csv(batch: list[ExportRow]) -> None:
            _go_on(table, abandoned)
            table.write(batch)

        records, count = _copy_rows(connection, filters, zone, write_csv)
        return _Summary(records, count, table.close(), _checkpoint(connection))
    with tempfile.TemporaryDirectory() as folder:
        as_csv = CsvFile(COLUMNS)
        book = ExcelFile((f"{COLUMNS[0]} ({zone.key})", *COLUMNS[1:]), file, folder=folder)

        def write(batch: list[ExportRow]) -> None:
            _go_on(as_csv, abandoned)
            book.write(batch)
            as_csv.write(batch)

        records, count = _copy_rows(connection, filters, zone, write)
        summary = _Summary(records, count, as_csv.close(), _checkpoint(connection))
        book.about(_about_rows(connection, filters, zone, summary))
        book.close()
        return summary


def _go_on(table: CsvFile, abandoned: Callable[[], bool]) -> None:
    """Raises Abandoned when nobody waits for the file, and Refused when it would become too large."""
    if abandoned():
        raise Abandoned
    if table.size > LARGEST:
        raise Refused(
            f"The file would be larger than {LARGEST // 1024**2:,} MB. Ask for fewer days, or set more filters.",
            rule="export_too_large",
        )


def _checkpoint(connection: Connection) -> str | None:
    checkpoint = integrity.checkpoint(connection)
    return None if checkpoint is None else str(checkpoint)


def _copy_rows(
    connection: Connection, filters: Filters, zone: ZoneInfo, write: Callable[[list[ExportRow]], None]
) -> tuple[int, int]:
    """Passes every row to `write`; returns the numbers of records and rows."""
    records = count = 0
    for batch in rows.records(connection, filters=filters):
        flat = [row for record in batch for row in rows.flatten(record, zone)]
        write(flat)
        records += len(batch)
        count += len(flat)
    return records, count


def _about_rows(
    connection: Connection, filters: Filters, zone: ZoneInfo, summary: _Summary
) -> list[tuple[str, str | int]]:
    user = current_user(connection)
    names = {person.id: f"{person.name} <{person.email}>" for person in people(connection)}
    return [
        ("Report", "Backstitch audit trail, one row per changed field, newest first"),
        ("From", filters.start.astimezone(zone).isoformat()),
        ("To, not included", filters.end.astimezone(zone).isoformat()),
        ("Time zone", zone.key),
        *query.in_words(connection, filters=filters, people=names),
        ("Records", summary.records),
        ("Rows", summary.rows),
        ("SHA-256 of the rows as CSV", summary.rows_sha256),
        ("Checkpoint of the seals", summary.checkpoint or "none yet"),
        ("Made by", names[user.id] if user else query.SYSTEM),
        ("Made at", datetime.now(UTC).astimezone(zone).isoformat(timespec="seconds")),
    ]


def _digest(file: BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _record(
    database: Database, actor: Actor, filters: Filters, format: Format, summary: _Summary, file: dict[str, str | int]
) -> None:
    details = {
        "format": format.value,
        "filters": query.filters_to_query(filters),
        "columns": COLUMNS,
        "records": summary.records,
        "rows": summary.rows,
        "checkpoint": summary.checkpoint,
        **file,
    }
    export_record.record(database, actor, operation="export audit report", entity="AuditReport", details=details)
