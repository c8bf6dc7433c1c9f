"""The main path in a real browser: sign in, move stock, see it on the record, chart it, take it away, sign out."""

import hashlib
import io
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from backstitch.audit.rows import COLUMNS
from tests.e2e.conftest import OpenPage
from tests.e2e.screen import (
    FIRST_CELL,
    Shop,
    cell,
    choose,
    choose_product,
    click_open,
    count_line,
    count_of_records,
    done,
    enter,
    go,
    press,
    rows,
    says,
    sees,
    sees_the_sign_in_only,
    sign_in,
    table,
    type_in_row,
)

pytestmark = pytest.mark.browser

LATEST = "select max(id) from inventory.inward_logs"
EXPORT = "select username, operation, new_values from audit.trail where action = 'EXPORT' order by id desc limit 1"


def test_goods_that_come_in_through_the_grid_are_on_the_record_with_the_name(open_page: OpenPage, shop: Shop) -> None:
    page = open_page("/inward", "manager")
    sees(page, "Inward")
    choose_product(page, "inward_product", "KT-118", "Indigo")
    on_hand = page.get_by_test_id("stDataFrame").first
    expect(on_hand.locator("th")).to_have_text(["", "S", "M", "L", "XL", "XXL"])
    before = [int(cell(on_hand, column, 0).inner_text()) for column in (1, 2)]
    type_in_row(page, table(page, "inward_grid_0"), ["7", "2"])
    choose(page, "inward_stakeholder", "Tirupur Knits")
    press(page, "Record goods in")
    says(page, "Recorded 9 pieces of KT-118 Indigo in: S 7, M 2.")
    expect(cell(on_hand, 1, 0)).to_have_text(str(before[0] + 7))
    expect(cell(on_hand, 2, 0)).to_have_text(str(before[1] + 2))
    expect(cell(table(page, "inward_grid_1"), 1, 0)).to_have_text("")

    page.get_by_role("link", name="View in audit report").click()
    sees(page, "Audit report")
    assert parse_qs(urlsplit(page.url).query) == {"product": ["KT-118 · Block print kurta"]}
    expect(cell(table(page), 2, 0)).to_have_text("Ravi Menon")
    newest = rows(table(page))[:4]
    ((last,),) = shop.query(LATEST)
    entries = [f"Inward {last - 1} · KT-118 · Indigo · S", f"Inward {last} · KT-118 · Indigo · M"]
    assert {row[2] for row in newest} == {"Ravi Menon"}
    assert sorted(tuple(row[3:7]) for row in newest) == [
        ("Added", "Inward entry", entries[0], "Quantity 7, Supply from Tirupur Knits"),
        ("Added", "Inward entry", entries[1], "Quantity 2, Supply from Tirupur Knits"),
        ("Changed", "Stock cell", "KT-118 · Indigo · M", f"Quantity {before[1]} → {before[1] + 2} (+2)"),
        ("Changed", "Stock cell", "KT-118 · Indigo · S", f"Quantity {before[0]} → {before[0] + 7} (+7)"),
    ]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("-2", "The quantity for size S is negative. Nothing was saved."),
        ("99999", "There is not enough stock for this. Nothing was saved."),
    ],
    ids=["negative", "more than there is"],
)
def test_a_wrong_quantity_gets_a_sentence_and_stays_in_the_grid(
    open_page: OpenPage, shop: Shop, typed: str, sentence: str
) -> None:
    page = open_page("/sales", "manager")
    sees(page, "Sales")
    choose_product(page, "sales_product", "KT-118", "Indigo")
    before = shop.query("select count(*), max(id) from inventory.sales_logs")
    grid = table(page, "sales_grid_0")
    type_in_row(page, grid, [typed])
    choose(page, "sales_store", "Bandra")
    press(page, "Record goods out")
    says(page, sentence)
    expect(cell(grid, 1, 0)).to_have_text(typed)
    assert shop.query("select count(*), max(id) from inventory.sales_logs") == before


# --- the report -------------------------------------------------------------------------------------------


@pytest.fixture
def analyst(open_page: OpenPage) -> Page:
    """The report of the last 30 days, open for the analyst."""
    page = open_page("/audit?period=Last+30+days", "analyst")
    sees(page, "Audit report")
    return page


def search_text(page: Page, text: str) -> None:
    """Narrows the report to a text; returns once it has other records than before."""
    before = count_line(page).inner_text()
    enter(page, "Text", text)
    page.get_by_label("Text").press("Enter")
    expect(page.get_by_text(before, exact=True)).to_have_count(0)
    done(page)
    expect(cell(table(page), 6, 0)).to_contain_text(re.compile(text, re.IGNORECASE))


def test_filters_narrow_the_report_and_live_in_the_url(analyst: Page, shop: Shop) -> None:
    everything = count_of_records(analyst)
    search_text(analyst, "indiranagar")
    found = count_of_records(analyst)
    ((expected,),) = shop.query(
        "select count(*) from audit.trail where recorded_at >= (current_date - 29)::timestamp at time zone "
        "'Asia/Kolkata' and (new_values::text || coalesce(old_values::text, '')) ilike '%indiranagar%'"
    )
    assert 0 < found < everything and abs(found - expected) <= expected / 5
    assert all("Indiranagar" in row[6] for row in rows(table(analyst))[:5])
    assert parse_qs(urlsplit(analyst.url).query) == {"period": ["Last 30 days"], "text": ["indiranagar"]}

    analyst.reload()
    sees(analyst, "Audit report")
    expect(analyst.get_by_label("Text")).to_have_value("indiranagar")
    assert count_of_records(analyst) == found

    analyst.locator(".st-key-audit_clear button").click()
    expect(analyst.get_by_label("Text")).to_have_value("")
    expect(analyst.get_by_label("Period")).to_have_value("Last 7 days")
    expect(analyst.get_by_label("Product")).to_have_value("All products")
    expect(analyst.get_by_text(f"{found} records · times in Asia/Kolkata", exact=True)).to_have_count(0)
    done(analyst)
    assert urlsplit(analyst.url).query == ""


def test_a_filtered_report_can_be_sent_to_a_colleague_who_signs_in_first(open_page: OpenPage) -> None:
    page = open_page("/audit?period=All+time&product=KT-104+%C2%B7+Straight+cotton+kurta&action=Added&type=Product")
    sees_the_sign_in_only(page)
    sign_in(page, "manager2")
    sees(page, "Audit report")
    assert count_of_records(page) == 1
    assert rows(table(page))[0][3:7] == [
        "Added",
        "Product",
        "Product KT-104 Straight cotton kurta",
        "₹899.00, sizes S, M, L, XL, XXL",
    ]


def test_a_record_opens_with_its_circumstances_and_closes(analyst: Page, shop: Shop) -> None:
    search_text(analyst, "indiranagar")
    row = rows(table(analyst))[0]
    dialog = click_open(analyst)
    expect(dialog).to_contain_text("On the record")
    expect(dialog).to_contain_text(row[5])
    facts = dict(rows(dialog.get_by_test_id("stDataFrame").nth(1)))  # type: ignore[arg-type]
    assert facts["Operation"] == row[7] and facts["User"].startswith(row[2])
    press(dialog, "Close")
    expect(analyst.get_by_role("dialog")).to_have_count(0)
    done(analyst)
    search_text(analyst, "bandra")
    expect(analyst.get_by_role("dialog")).to_have_count(0)


def test_the_charts_are_drawn(analyst: Page) -> None:
    analyst.get_by_role("tab", name="Charts").click()
    expect(analyst.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks")).to_have_count(5)
    done(analyst)


def test_a_change_made_by_hand_in_psql_is_in_the_report_as_system(analyst: Page, shop: Shop) -> None:
    shop.query("update inventory.products set description = 'by hand' where sku = 'KT-131'")
    analyst.goto("/audit?user=System&product=KT-131+%C2%B7+A-line+rayon+kurta&text=by+hand")
    sees(analyst, "Audit report")
    (row,) = rows(table(analyst))
    assert row[2:7] == ["system", "Changed", "Product", "Product KT-131 A-line rayon kurta", "Description — → by hand"]
    assert row[8] == "postgres via psql, local"


# --- taking it away ---------------------------------------------------------------------------------------


def downloaded(page: Page, label: str, folder: Path) -> Path:
    """The file behind a link, as the browser keeps it."""
    with page.context.expect_event("download") as waiting:
        page.get_by_role("link", name=label).click()
    file = folder / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file


def test_the_filtered_report_downloads_as_csv_with_the_rows_on_screen(
    analyst: Page, shop: Shop, tmp_path: Path
) -> None:
    analyst.goto("/audit?period=Last+30+days&action=Added&type=Sales+entry&text=bandra")
    sees(analyst, "Audit report")
    on_screen = count_of_records(analyst)
    assert on_screen > 0
    file = downloaded(analyst, "Download CSV", tmp_path)
    assert re.fullmatch(r"backstitch_audit_\d{4}-\d\d-\d\d_to_\d{4}-\d\d-\d\d_IST\.csv", file.name)
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf") and raw.count(b"\r\n") == on_screen + 1
    assert raw.count(b"\n") == raw.count(b"\r\n")
    table = pd.read_csv(io.BytesIO(raw), encoding="utf-8-sig")
    assert tuple(table.columns) == COLUMNS
    assert len(table) == on_screen
    assert set(table["Action"]) == {"Added"} and set(table["Record type"]) == {"Sales entry"}
    assert {json.loads(row)["store"] for row in table["New value"]} == {"Bandra"}
    times = pd.to_datetime(table["Time"])
    assert times.is_monotonic_decreasing and str(times.dt.tz) == "UTC+05:30"

    ((user, operation, details),) = shop.query(EXPORT)
    assert (user, operation) == ("analyst@demo.example", "export audit report")
    assert details["sha256"] == hashlib.sha256(raw).hexdigest()
    assert (details["file_name"], details["records"], details["rows"]) == (file.name, on_screen, on_screen)
    assert (details["filters"]["action"], details["filters"]["text"]) == (["CREATE"], ["bandra"])


def test_the_filtered_report_downloads_as_excel_with_the_rows_on_screen(
    analyst: Page, shop: Shop, tmp_path: Path
) -> None:
    analyst.goto("/audit?period=Last+30+days&action=Added&type=Sales+entry&text=bandra")
    sees(analyst, "Audit report")
    on_screen = count_of_records(analyst)
    file = downloaded(analyst, "Download Excel", tmp_path)
    assert file.suffix == ".xlsx"
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == ["Data", "About"]
    data = book["Data"]
    header = [column.value for column in data[1]]
    assert header == ["Time (Asia/Kolkata)", *COLUMNS[1:]]
    assert data.max_row == on_screen + 1 and all(column.font.bold for column in data[1])
    assert data.freeze_panes == "A2" and data.auto_filter.ref == f"A1:N{on_screen + 1}"
    assert data["A2"].is_date and data["D2"].value == "Added"
    about = {row[0].value: row[1].value for row in book["About"]}
    assert (about["Records"], about["Made by"]) == (on_screen, "Kiran Rao <analyst@demo.example>")

    ((user, _, details),) = shop.query(EXPORT)
    assert (user, details["format"], details["records"]) == ("analyst@demo.example", "xlsx", on_screen)
    assert details["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_download_is_itself_seen_in_the_report(analyst: Page, tmp_path: Path) -> None:
    analyst.goto("/audit?period=Today&type=User")
    sees(analyst, "Audit report")
    file = downloaded(analyst, "Download CSV", tmp_path)
    analyst.goto("/audit?action=Exported")
    sees(analyst, "Audit report")
    newest = rows(table(analyst))[0]
    assert newest[2:5] == ["Kiran Rao", "Exported", "Audit report"] and file.name in newest[6]


# --- two people -------------------------------------------------------------------------------------------


def test_a_stale_edit_is_refused_and_the_next_begins_with_what_stands_now(open_page: OpenPage, shop: Shop) -> None:
    page = open_page("/products?product_search=TP-515", "manager")
    sees(page, "Products")
    table(page).click(position=FIRST_CELL)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Crop top")
    done(page)
    enter(dialog, "Name", "Mine")
    shop.query("update inventory.products set unit_price = 654 where sku = 'TP-515'")
    press(dialog, "Save")
    says(page, "Somebody else changed TP-515 while you were editing it. Nothing of yours was saved.")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Mine")
    press(dialog, "Edit the record as it stands now")
    # The fields of the old form stay for a moment, after those of the new one.
    expect(dialog.get_by_label("Name", exact=True).first).to_have_value("Crop top")
    expect(dialog.get_by_label("Price").first).to_have_value("654.00")
    done(page)
    enter(dialog, "Name", "Crop top, ribbed")
    press(dialog, "Save")
    says(page, "TP-515 was saved.")
    assert shop.query("select name, unit_price::text from inventory.products where sku = 'TP-515'") == [
        ("Crop top, ribbed", "654.00")
    ]


def test_navigation_reaches_every_page(open_page: OpenPage) -> None:
    page = sign_in(open_page("/"))
    for title in ("Products", "Stock matrix", "Low stock", "Stock-take", "Inward", "Sales", "Audit report", "Home"):
        go(page, title)
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
