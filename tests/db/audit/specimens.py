"""A made-up trail for docs/records.md and docs/proof.md: a record of each action, every source among them, in five
blocks of two eras, with salts and times that a real trail would take from chance and from the clock.

Each dict of values has the names and the Python types with which psycopg gives the columns of its table; jsonb columns
hold PostgreSQL's text.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from tests.db.audit import independent

Row = dict[str, Any]

FIRST_MOMENT = datetime(2026, 11, 23, 8, 2, 11, 531288, tzinfo=UTC)
CHECKPOINT = object()  # in the details of a record: the checkpoint of the blocks before its own
NO_HASH = bytes(32)

# Each salt goes on where the one before ended: 00 01 .. 1f, then 20 21 .. 3f.
SALTS = tuple(bytes(range(32 * block, 32 * block + 32)) for block in range(5))

ERAS: tuple[Row, ...] = (
    {
        "era": 1,
        "origin": "backstitch/5f0c1f2e9b7d4c31a8e6d2b4907f13ac/1-8f1d6a02c4e97b35",
        "began_at": datetime(2026, 4, 1, 3, 30, tzinfo=UTC),
        "system_identifier": 7574302518420316457,
        "database_oid": 16402,
    },
    {
        "era": 2,
        "origin": "backstitch/5f0c1f2e9b7d4c31a8e6d2b4907f13ac/2-03b9e7d15a6c2f48",
        "began_at": datetime(2026, 11, 24, 4, 15, 2, 118, tzinfo=UTC),
        "system_identifier": None,
        "database_oid": 16391,
    },
)

APP: Row = {"database_role": "backstitch_app", "application": "backstitch", "client_address": ip_address("10.20.0.5")}
MEENA: Row = {**APP, "source": "page", "user_id": 2, "session_id": 31}
ADMIN: Row = {**APP, "source": "page", "user_id": 1, "session_id": 28}
TOKEN: Row = {**APP, "source": "API", "user_id": 4, "session_id": 40}
PSQL: Row = {"source": "SQL", "database_role": "postgres", "application": "psql"}


@dataclass(frozen=True)
class Block:
    """The row of a seal, the records in it, and its header and that of every block before."""

    seal: Row
    era: Row
    records: tuple[Row, ...]
    headers: tuple[bytes, ...]

    @property
    def checkpoint(self) -> str:
        """The checkpoint after this block."""
        root = independent.tree(self.headers).get_root()
        return independent.checkpoint(self.era["origin"], len(self.headers), root)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _command(name: str) -> Row:
    return {"source": "command", "database_role": "postgres", "application": f"backstitch {name}"}


def _personal(id: int) -> Row:
    """The reference of a personal value."""
    return {"personal": id, "sha256": _sha256(f"personal value {id}")}


CHANGES: tuple[Row, ...] = (
    {
        **MEENA,
        "source": "paste",
        "action": "CREATE",
        "entity": "InwardLog",
        "entity_id": 164,
        "parent_id": 7,
        "operation": "paste inward from Excel",
        "request": "5c1e90b2a7d4",
        "new_values": {
            "id": 164,
            "date": "2026-11-23",
            "size": "M",
            "category": "Supply",
            "quantity": 12,
            "product_id": 7,
            "colour_code": "NV",
            "stakeholder_name": "Shree Textiles, Surat",
        },
    },
    {
        **MEENA,
        "action": "UPDATE",
        "entity": "Product",
        "entity_id": 7,
        "operation": "edit product",
        "reason": "दीवाली का भाव: ₹599.50",
        "request": "0a1b2c3d4e5f",
        "old_values": {"name": "Kurta", "sizes": ["S", "M"], "gst_rate": None, "unit_price": Decimal("549.00")},
        "new_values": {
            "name": "Kurta “Navya”",
            "sizes": ["S", "M", "L"],
            "gst_rate": Decimal("5.00"),
            "unit_price": Decimal("599.50"),
        },
    },
    {
        **PSQL,
        "action": "DELETE",
        "entity": "SalesLog",
        "entity_id": 88,
        "parent_id": 7,
        "old_values": {
            "id": 88,
            "date": "2026-11-21",
            "size": "M",
            "store": "Ravi Stores",
            "agency": "",
            "order_id": None,
            "quantity": 3,
            "product_id": 7,
            "colour_code": "NV",
        },
    },
)

SIGN_INS: tuple[Row, ...] = (
    {
        **PSQL,
        "action": "TRUNCATE",
        "entity": "OrderCounter",
        "entity_id": 1,
        "database_role": "dba",
        "client_address": ip_address("192.0.2.44"),
        "old_values": {"id": 1, "last_number": 318, "financial_year": "2025-26"},
    },
    {
        **APP,
        "action": "LOGIN_FAILED",
        "entity": "User",
        "entity_id": 2,
        "source": "page",
        "client_address": ip_address("2001:db8::17"),
        "operation": "sign in",
        "request": "b7729e03c5d8",
        "new_values": {"username": _personal(811), "cause": "wrong password"},
    },
    {
        **APP,
        "action": "LOGIN_LOCKED",
        "entity": "User",
        "entity_id": 2,
        "source": "page",
        "client_address": ip_address("2001:db8::17"),
        "operation": "sign in",
        "request": "b7729e03c5d8",
        "new_values": {
            "username": _personal(812),
            "locked": ["address", "user"],
            "until": "2026-11-23T13:48:02.531288+05:30",
        },
    },
    {
        **MEENA,
        "action": "LOGIN",
        "entity": "User",
        "entity_id": 2,
        "operation": "sign in",
        "request": "2f88c0d7e1a9",
        "new_values": {},
    },
    {
        **MEENA,
        "action": "PASSWORD_CHANGE",
        "entity": "User",
        "entity_id": 2,
        "operation": "change password",
        "request": "d410b36f7c5e",
        "new_values": {},
    },
    {
        **MEENA,
        "action": "LOGOUT",
        "entity": "User",
        "entity_id": 2,
        "operation": "sign out",
        "request": "60ea7d9215fb",
        "new_values": {},
    },
    {
        **APP,
        "action": "SESSION_EXPIRED",
        "entity": "User",
        "entity_id": 5,
        "user_id": 5,
        "session_id": 29,
        "source": "system",
        "operation": "session expired",
        "request": "1b96f4e2c0d3",
        "new_values": {"cause": "it was not used"},
    },
)

ACTIVITIES: tuple[Row, ...] = (
    {
        **_command("verify"),
        "action": "VERIFY",
        "entity": "AuditReport",
        "operation": "verify",
        "request": "6f20d1c83b9a",
        "new_values": {"checkpoint": CHECKPOINT, "records": 10, "findings": 0},
    },
    {
        **TOKEN,
        "action": "EXPORT",
        "entity": "AuditReport",
        "operation": "export audit report",
        "request": "91ab44e07c3d",
        "new_values": {
            "format": "csv",
            "filters": {"start": ["2026-11-01T00:00:00+05:30"], "end": ["2026-12-01T00:00:00+05:30"]},
            "columns": ["Time", "User", "Action"],
            "records": 10,
            "rows": 31,
            "checkpoint": CHECKPOINT,
            "file_name": "backstitch_audit_2026-11-01_to_2026-11-30_IST.csv",
            "sha256": _sha256("the file"),
            "bytes": 4821,
        },
    },
    {
        **TOKEN,
        "action": "EXPORT_END",
        "entity": "AuditReport",
        "operation": "export audit report",
        "request": "91ab44e07c3d",
        "new_values": {
            "format": "csv",
            "filters": {"start": ["2026-11-01T00:00:00+05:30"], "end": ["2026-12-01T00:00:00+05:30"]},
            "outcome": "the client closed the connection",
            "file_name": "backstitch_audit_2026-11-01_to_2026-11-30_IST.csv",
            "sha256": _sha256("the file"),
            "bytes": 4821,
            "sent": 1310,
        },
    },
    {
        **ADMIN,
        "action": "IMPORT",
        "entity": "StockList",
        "source": "import",
        "operation": "import stock list stock-2026-11.csv",
        "request": "e2d8140f6b71",
        "new_values": {
            "file": "stock-2026-11.csv",
            "sha256": _sha256("stock-2026-11.csv"),
            "rows": 9271,
            "accepted": 9235,
            "rejected": 36,
            "products": 1316,
            "units": 242386,
        },
    },
    {
        **MEENA,
        "action": "UNDO",
        "entity": "InwardLog",
        "source": "undo",
        "operation": "undo",
        "reason": "pasted twice",
        "request": "3377fa1c90de",
        "new_values": {"undid": 1891, "rows": 1},
    },
    {
        **ADMIN,
        "action": "APPROVE",
        "entity": "StockAdjustment",
        "entity_id": 52,
        "operation": "approve",
        "request": "48c6b5290ee1",
        "new_values": {"asked_by": 2, "quantity": -40},
    },
    {
        **ADMIN,
        "action": "REFUSE",
        "entity": "StockAdjustment",
        "entity_id": 53,
        "operation": "refuse",
        "reason": "count it again",
        "request": "d90f12ab7c64",
        "new_values": {"asked_by": 2, "quantity": -400},
    },
)

ADMINISTRATION: tuple[Row, ...] = (
    {
        **_command("witness"),
        "action": "WITNESS",
        "entity": "AuditReport",
        "operation": "witness",
        "request": "0d5e7713fa28",
        "new_values": {"witness": "witness.example", "checkpoint": CHECKPOINT},
    },
    {
        **ADMIN,
        "action": "ALERT_ACKNOWLEDGE",
        "entity": "Alert",
        "entity_id": 9,
        "operation": "acknowledge alert",
        "reason": "the yearly count",
        "request": "7be13c60d592",
        "new_values": {"rule": "many deletions", "records": [3, 4]},
    },
    {
        **ADMIN,
        "action": "FORGET",
        "entity": "User",
        "entity_id": 5,
        "operation": "forget user",
        "reason": "left the firm, asked for it",
        "request": "a4096cd8e35b",
        "new_values": {"erased_values": 6},
    },
    {
        **ADMIN,
        "action": "TOKEN_CREATE",
        "entity": "Session",
        "entity_id": 41,
        "operation": "make API token",
        "request": "55e8f9307ad2",
        "new_values": {"name": "price list", "user_id": 4, "expires_at": "2027-11-23T00:00:00+05:30"},
    },
    {
        **ADMIN,
        "action": "TOKEN_REVOKE",
        "entity": "Session",
        "entity_id": 41,
        "operation": "revoke API token",
        "request": "f61d02b9c87e",
        "new_values": {"name": "price list", "user_id": 4},
    },
    {
        **PSQL,
        "action": "AUDIT_DELETE",
        "entity": "AuditReport",
        "operation": "delete audit records",
        "reason": "kept for eight years, as the law asks",
        "new_values": {
            "deletion": 1,
            "records": 0,
            "digest": _sha256(""),
            "baselines": _sha256(""),
            "first_id": None,
            "last_id": None,
            "oldest": None,
            "newest": None,
            "since": None,
            "before": "2018-12-01T00:00:00",
            "entities": ["Session", "SalesLog"],
        },
    },
    {
        **_command("archive"),
        "action": "AUDIT_ARCHIVE",
        "entity": "AuditReport",
        "operation": "archive",
        "request": "1c7f5be2048d",
        "new_values": {"month": "2026-10-01", "records": 18204, "sha256": _sha256("the archive")},
    },
)

NEW_SERVER: tuple[Row, ...] = (
    {
        **_command("migrate"),
        "action": "RESTORE",
        "entity": "AuditReport",
        "source": "system",
        "operation": "begin an era",
        "new_values": {
            "era": 2,
            "origin": ERAS[1]["origin"],
            "records": 31,
            "findings": 0,
            "database": 16391,
            "checkpoint": CHECKPOINT,
            "system_identifier": None,
        },
    },
    {
        **_command("migrate"),
        "action": "MAINTENANCE",
        "entity": "Customer",
        "request": "82b04d6fe91c",
        "new_values": {"table": "inventory.customers", "columns": {"added": ["region"]}},
    },
    {
        **_command("rotate-key"),
        "action": "KEY_ROTATE",
        "entity": "AuditReport",
        "operation": "rotate key",
        "request": "c93a68e1f705",
        "new_values": {"old": _sha256("old key")[:16], "new": _sha256("new key")[:16]},
    },
)


def _record(id: int, era: Row, values: Row, checkpoint: str) -> Row:
    """A whole record: numbered, timed, with nulls where it has no value and PostgreSQL's text for jsonb."""
    record = dict.fromkeys(independent.COLUMNS) | values
    record["id"] = id
    record["era"] = era["era"]
    record["recorded_at"] = FIRST_MOMENT + timedelta(seconds=97, microseconds=211) * id
    record["transaction_id"] = 1890 + id
    if era["era"] == 2:
        record["recorded_at"] = era["began_at"] + timedelta(microseconds=1519) * (id - 24)
        record["transaction_id"] = 731 + id
    for column in ("old_values", "new_values"):
        if column in values:
            found = {key: checkpoint if item is CHECKPOINT else item for key, item in values[column].items()}
            record[column] = independent.jsonb_text(found)
    return record


def _block(number: int, era: Row, records: tuple[Row, ...], before: Block | None) -> Block:
    seal = {
        "id": number,
        "era": era["era"],
        "month": date(2026, 11, 1),
        # When the first block was sealed, an older transaction was still running, and that of record 4.
        "to_transaction": records[-1]["transaction_id"] + (2 if number == 1 else 1),
        "running": [records[0]["transaction_id"] - 4, records[-1]["transaction_id"] + 1] if number == 1 else [],
        "sealed_at": records[-1]["recorded_at"] + timedelta(microseconds=804_417),
        "record_count": len(records),
        "record_ids": [record["id"] for record in records],
        "salt": SALTS[number - 1],
        "previous": independent.leaf_hash(before.headers[-1]) if before else NO_HASH,
    }
    data = leaf_data(records, seal["salt"])
    seal["leaves"] = b"".join(map(independent.leaf_hash, data))
    seal["root"] = independent.tree(data).get_root()
    return Block(seal, era, records, (*(before.headers if before else ()), independent.header(seal, era)))


def leaf_data(records: Iterable[independent.Values], salt: bytes) -> list[bytes]:
    """The data of the leaf of each record under a salt."""
    return [independent.leaf_data(salt, record["id"], independent.record_digest(record)) for record in records]


def _trail() -> tuple[Block, ...]:
    blocks: list[Block] = []
    for part in (CHANGES, SIGN_INS, ACTIVITIES, ADMINISTRATION, NEW_SERVER):
        era = ERAS[1] if part is NEW_SERVER else ERAS[0]
        before = blocks[-1] if blocks else None
        first = 1 + sum(len(block.records) for block in blocks)
        records = tuple(
            _record(id, era, values, before.checkpoint if before else "") for id, values in enumerate(part, start=first)
        )
        blocks.append(_block(len(blocks) + 1, era, records, before))
    return tuple(blocks)


BLOCKS = _trail()
RECORDS = tuple(record for block in BLOCKS for record in block.records)
