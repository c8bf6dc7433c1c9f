"""The low-stock list as a CSV file, made and on the record before it leaves."""

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
    """The file of these cells; `search` and `to_order` are what they were narrowed by.

    Raises Refused (42501) when the actor's role takes nothing away, and SignedOut.
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
    """UTF-8 with BOM; text that a spreadsheet would run as a formula is kept as text."""
    file = io.BytesIO()
    table = CsvFile(HEADINGS, file)
    table.write([astuple(cell)[1:] for cell in low])
    table.close()
    return file.getvalue()
