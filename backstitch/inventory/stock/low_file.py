"""Exports the low-stock list as a CSV file; the export is on the record before the file is sent."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple

from backstitch.database import Actor, Database
from backstitch.files import export_record
from backstitch.files.csv_out import CsvFile
from backstitch.inventory.stock.reports import LowCell

HEADINGS = (
    "SKU",
    "Name",
    "Colour",
    "Colour code",
    "Size",
    "On hand",
    "Reorder level",
    "Sold in 30 days",
    "Suggested",
)


def export(
    database: Database, actor: Actor, *, low: Sequence[LowCell], search: str, to_order: bool, file_name: str
) -> bytes:
    """Makes the file of these cells and records the export; `search` and `to_order` are the filters of the list.

    Raises Refused (42501) when the actor's role may not export, and SignedOut.
    """
    content = as_csv(low)
    details = {
        "format": "csv",
        "filters": {"search": " ".join(search.split()), "to_order": to_order},
        "columns": HEADINGS,
        "rows": len(low),
        "file_name": file_name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    export_record.record(database, actor, operation="export low-stock list", entity="LowStockList", details=details)
    return content


def as_csv(low: Sequence[LowCell]) -> bytes:
    """The content of the file: UTF-8 with BOM, formulas escaped."""
    file = io.BytesIO()
    table = CsvFile(HEADINGS, file)
    table.write([astuple(cell)[1:] for cell in low])
    table.close()
    return file.getvalue()
