"""Exports: all filtered rows, inert in every program, and on the record before a byte leaves."""

import csv
import hashlib
import io
import resource
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pandas as pd
import pytest

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.audit import rows
from backstitch.audit.export import Format, export, file_name
from backstitch.audit.search import Filters
from backstitch.errors import Refused, SignedOut
from tests.conftest import Clone
from tests.db.audit.shop import Shop, around_now, open_shop, put_into_the_past

INDIA = ZoneInfo("Asia/Kolkata")
PAYLOADS = [
    "=1+1",
    '+cmd|" /C calc"!A0',
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "<script>alert(1)</script>",
    "<r>&</r>",
    "[link](javascript:alert(1))",
    'a\r\nb,c;"d"',
    "\u202egnp.exe",
    "\x01\x02\x1f",
    "नमस्ते 👗",
]


@pytest.fixture
def shop(clone: Clone) -> Shop:
    return open_shop(clone)


@dataclass(frozen=True)
class Taken:
    """What somebody downloaded."""

    content: bytes
    name: str
    records: int
    rows: int
    sha256: str


def take(shop: Shop, format: Format, *, role: Role = Role.ANALYST, **filters: Any) -> Taken:
    made = export(shop.clone.app, shop.clone.actor(role), filters=around_now(**filters), format=format, zone=INDIA)
    with made.file:
        content = made.file.read()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (made.size, made.sha256)
    return Taken(content, made.file_name, made.records, made.rows, made.sha256)


def csv_rows(shop: Shop, **filters: Any) -> list[dict[str, str]]:
    text = take(shop, Format.CSV, **filters).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def receive(shop: Shop, times: int) -> None:
    shop.run(
        "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
        "select :product, 'RED', 'M', n, 'Arvind Mills' from generate_series(1, :times) n",
        product=shop.product,
        times=times,
    )


def sheet_rows(taken: Taken, sheet: str) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(io.BytesIO(taken.content))[sheet].values)


def test_a_csv_has_one_row_per_changed_field_newest_first(shop: Shop) -> None:
    shop.run("update inventory.products set unit_price = 599, is_active = false", reason="Diwali")
    changed = shop.found(entities=("Product",))[0]
    exported = csv_rows(shop, entities=("Product",))
    assert tuple(exported[0]) == rows.COLUMNS
    assert [(row["Action"], row["Field"], row["Old value"], row["New value"]) for row in exported[:2]] == [
        ("Changed", "Active", "yes", "no"),
        ("Changed", "Unit price", "549.00", "599.00"),
    ]
    assert exported[1] == {
        "Time": changed.recorded_at.astimezone(INDIA).isoformat(),
        "User": "manager@example.com",
        "Name": "Manager Rao",
        "Action": "Changed",
        "Record type": "Product",
        "Record": "Product AN201 Leggings",
        "Record id": str(shop.product),
        "Field": "Unit price",
        "Old value": "549.00",
        "New value": "599.00",
        "Operation": "test",
        "Reason": "Diwali",
        "Source": "Page",
        "Client": "Browser, 192.0.2.7",
        "Transaction": str(changed.transaction_id),
        "Request": "",
    }


def test_a_new_record_is_one_row_with_its_values_as_they_are_stored(shop: Shop) -> None:
    (row,) = csv_rows(shop, entities=("Product",))
    assert (row["Field"], row["Old value"]) == ("", "")
    assert '"unit_price": 549.00' in row["New value"]
    assert '"sizes": ["S", "M", "L"]' in row["New value"]


def test_all_rows_are_exported_not_a_page_and_in_the_order_of_the_trail(shop: Shop) -> None:
    receive(shop, 5_000)
    exported = csv_rows(shop, product_id=shop.product)
    with shop.clone.superuser() as connection:
        kept = connection.execute(
            "select entity_id, entity from audit.records "
            "where (parent_id = %s and entity <> 'Session') or entity = 'Product' "
            "order by recorded_at desc, id desc",
            [shop.product],
        ).fetchall()
    words = {"InwardLog": "Inward entry", "ProductColorStock": "Stock cell", "ProductColor": "Colour"}
    assert len(exported) == 5008
    assert [(int(row["Record id"]), row["Record type"]) for row in exported] == [
        (id, words.get(entity, entity)) for id, entity in kept
    ]


def test_rows_are_read_in_batches_so_that_memory_does_not_grow_with_them(shop: Shop) -> None:
    receive(shop, 5_000)
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        batches = [len(batch) for batch in rows.records(connection, filters=around_now(entities=("InwardLog",)))]
    assert batches == [rows.BATCH, rows.BATCH, 1_001]


def test_an_export_reaches_over_the_partitions_of_months(clone: Clone) -> None:
    shop = open_shop(clone)
    put_into_the_past(clone, days=70)
    shop.run("update inventory.products set name = 'New'")
    start = datetime.now(UTC) - timedelta(days=400)
    exported = csv_rows(shop, start=start, product_id=shop.product)
    assert len(exported) == 8
    assert [row["Time"] for row in exported] == sorted((row["Time"] for row in exported), reverse=True)


def test_deleted_records_keep_their_labels_in_an_export(shop: Shop) -> None:
    shop.run("delete from inventory.inward_logs")
    labels = [row["Record"] for row in csv_rows(shop, entities=("InwardLog",))]
    assert labels == [f"Inward {shop.inward} · AN201 · Red · M"] * 2


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_every_field_is_inert_in_csv_and_excel(shop: Shop, payload: str) -> None:
    shop.run(
        "update inventory.products set sku = :payload, name = :payload, description = :payload",
        reason=payload,
        payload=f"{payload}x",
    )
    for row in csv_rows(shop, entities=("Product",)):
        assert not any(value[:1] in set("=+-@\t\r\n＝＋－＠") for value in row.values())
        assert f"{payload}x" in row["Record"]
    taken = take(shop, Format.EXCEL, entities=("Product",))
    sheet = openpyxl.load_workbook(io.BytesIO(taken.content))["Data"]
    assert {cell.data_type for line in sheet for cell in line} <= {"s", "inlineStr", "n", "d"}
    assert not any(cell.hyperlink for line in sheet for cell in line)
    assert len(pd.read_excel(io.BytesIO(taken.content), sheet_name="Data")) == taken.rows


def test_a_long_cell_is_whole_in_csv_and_cut_in_excel(shop: Shop) -> None:
    # The longest value that a row can have: a list of names.
    shop.run("update inventory.products set allowed_stores = array_fill(repeat('x', 120), array[1000])")
    found: dict[str, Any] = {"entities": ("Product",), "actions": ("UPDATE",)}
    assert csv_rows(shop, **found)[0]["New value"].count("x") == 120_000
    cell = sheet_rows(take(shop, Format.EXCEL, **found), "Data")[1][9]
    assert (len(cell), cell.endswith("… (cut: too long for a cell)")) == (32_767, True)


def test_excel_has_the_rows_of_the_csv_with_real_times_and_numbers(shop: Shop) -> None:
    shop.run("update inventory.inward_logs set date = '2026-10-02', quantity = 19")
    found: dict[str, Any] = {"entities": ("InwardLog",), "actions": ("UPDATE",)}
    changed = shop.found(**found)[0]
    header, *lines = sheet_rows(take(shop, Format.EXCEL, **found), "Data")
    assert header == ("Time (Asia/Kolkata)", *rows.COLUMNS[1:])
    written = changed.recorded_at.astimezone(INDIA).replace(tzinfo=None)
    assert all(abs(line[0] - written) < timedelta(milliseconds=2) for line in lines)
    assert [line[6:10] for line in lines] == [
        (shop.inward, "Date", datetime(2026, 10, 1), datetime(2026, 10, 2)),
        (shop.inward, "Quantity", 20, 19),
    ]


def test_the_about_sheet_says_what_the_rows_are(shop: Shop) -> None:
    with shop.clone.superuser() as connection:
        manager = connection.execute("select id from accounts.users where role = 'manager'").fetchone()
    assert manager is not None
    start = datetime.now(INDIA).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    filters: dict[str, Any] = {
        "start": start,
        "end": start + timedelta(days=3),
        "user_ids": manager,
        "include_system": True,
        "actions": ("CREATE", "UPDATE"),
        "entities": ("Product", "InwardLog"),
        "product_id": shop.product,
        "text": "an201",
    }
    as_csv = take(shop, Format.CSV, **filters)
    taken = take(shop, Format.EXCEL, **filters)
    facts = dict(sheet_rows(taken, "About"))
    made_at = datetime.fromisoformat(facts.pop("Made at"))
    assert abs(datetime.now(UTC) - made_at) < timedelta(minutes=1)
    assert made_at.utcoffset() == timedelta(hours=5, minutes=30)
    assert facts == {
        "Report": "Backstitch audit trail, one row per changed field, newest first",
        "From": start.isoformat(),
        "To, not included": (start + timedelta(days=3)).isoformat(),
        "Time zone": "Asia/Kolkata",
        "Users": "Manager Rao <manager@example.com>, system",
        "Actions": "Added, Changed",
        "Record types": "Product, Inward entry",
        "Product": "Product AN201 Leggings",
        "Text": "“an201”",
        "Records": 2,
        "Rows": 2,
        "SHA-256 of the rows as CSV": as_csv.sha256,
        "Checkpoint of the seals": "none yet",
        "Made by": "Analyst Rao <analyst@example.com>",
    }


def test_an_empty_csv_has_its_header(shop: Shop) -> None:
    taken = take(shop, Format.CSV, text="no such thing")
    assert taken.content == b"\xef\xbb\xbf" + ",".join(rows.COLUMNS).encode() + b"\r\n"
    assert (taken.records, taken.rows) == (0, 0)


def test_an_empty_workbook_has_its_header(shop: Shop) -> None:
    taken = take(shop, Format.EXCEL, text="no such thing")
    assert sheet_rows(taken, "Data") == [("Time (Asia/Kolkata)", *rows.COLUMNS[1:])]
    assert (taken.records, taken.rows) == (0, 0)


@pytest.mark.parametrize("format", Format)
def test_an_export_is_on_the_record_with_the_hash_of_its_file(shop: Shop, format: Format) -> None:
    filters = around_now(entities=("Product",), text="an201")
    taken = take(shop, format, start=filters.start, end=filters.end, entities=("Product",), text="an201")
    (recorded,) = shop.found(actions=("EXPORT",))
    assert (recorded.username, recorded.entity, recorded.label, recorded.operation) == (
        "analyst@example.com",
        "AuditReport",
        "Audit report",
        "export audit report",
    )
    assert recorded.new_values == {
        "format": format.value,
        "filters": {
            "start": [filters.start.isoformat()],
            "end": [filters.end.isoformat()],
            "type": ["Product"],
            "text": ["an201"],
        },
        "columns": list(rows.COLUMNS),
        "records": 1,
        "rows": 1,
        "checkpoint": None,
        "file_name": taken.name,
        "sha256": taken.sha256,
        "bytes": len(taken.content),
    }


def test_a_manager_exports_what_he_may_see(shop: Shop) -> None:
    exported = take(shop, Format.CSV, role=Role.MANAGER).content.decode("utf-8-sig")
    types = {row["Record type"] for row in csv.DictReader(io.StringIO(exported, newline=""))}
    assert types == {"Product", "Colour", "Stock cell", "Inward entry", "Reason policy"}


def test_a_viewer_gets_no_file_and_leaves_no_record(shop: Shop) -> None:
    with pytest.raises(Refused) as refused:
        take(shop, Format.CSV, role=Role.VIEWER)
    assert refused.value.rule == "42501"
    assert shop.found(actions=("EXPORT",)) == []


def test_an_ended_session_gets_no_file(shop: Shop) -> None:
    sessions.sign_out(shop.clone.app, shop.clone.actor(Role.ANALYST))
    with pytest.raises(SignedOut):
        take(shop, Format.CSV)
    assert shop.found(role=Role.ADMIN, actions=("EXPORT",)) == []


def test_no_file_leaves_when_it_cannot_be_recorded(shop: Shop) -> None:
    with shop.clone.superuser() as connection:
        connection.execute("revoke execute on function audit.record_activity from backstitch_analyst")
    with pytest.raises(Refused) as refused:
        take(shop, Format.EXCEL)
    assert refused.value.rule == "42501"


def test_a_full_disk_is_a_sentence_and_leaves_no_record(shop: Shop) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    receive(shop, 1_000)
    # The limit of a file's size stands in for the end of the disk; Python ignores its signal.
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        for format in Format:
            with pytest.raises(Refused) as refused:
                take(shop, format)
            assert (refused.value.rule, str(refused.value)) == (
                "export_disk",
                "The file could not be made (File too large); ask for fewer days, or tell the person who runs "
                "the server.",
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert shop.found(actions=("EXPORT",)) == []


def test_the_file_is_named_after_its_first_and_last_day() -> None:
    october = Filters(datetime(2026, 10, 1, tzinfo=INDIA), datetime(2026, 11, 1, tzinfo=INDIA))
    assert file_name(october, Format.EXCEL, INDIA) == "backstitch_audit_2026-10-01_to_2026-10-31_IST.xlsx"
    in_utc = Filters(october.start.astimezone(UTC), october.end.astimezone(UTC))
    assert file_name(in_utc, Format.CSV, INDIA) == "backstitch_audit_2026-10-01_to_2026-10-31_IST.csv"
