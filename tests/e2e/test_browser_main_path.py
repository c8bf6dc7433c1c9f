"""The main path in a real browser: sign in, move stock, find it in the report, chart it, download it, sign out."""

import hashlib
import io
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlsplit

import openpyxl
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from backstitch.audit.rows import COLUMNS
from tests.e2e.conftest import OpenPage
from tests.e2e.goods import PIECES, Product, Shop
from tests.e2e.screen import (
    FIRST_CELL,
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


def test_enter_takes_the_known_supplier_before_it_offers_to_add_one(open_page: OpenPage, product: Product) -> None:
    page = open_page("/inward", "manager")
    sees(page, "Inward")
    choose(page, "inward_stakeholder", "arvind")
    expect(page.locator("[class*=st-key-inward_stakeholder] input").first).to_have_value("Arvind Mills")


def test_goods_in_entered_in_the_grid_are_recorded_with_the_users_name(
    open_page: OpenPage, shop: Shop, product: Product
) -> None:
    page = open_page("/inward", "manager")
    sees(page, "Inward")
    choose_product(page, "inward_product", product.sku, "Indigo")
    on_hand = page.get_by_test_id("stDataFrame").first
    expect(on_hand.locator("th")).to_have_text(["", "S", "M", "L", "XL", "XXL"])
    expect(cell(on_hand, 1, 0)).to_have_text(str(PIECES))
    expect(cell(on_hand, 2, 0)).to_have_text(str(PIECES))
    type_in_row(page, table(page, "inward_grid_0"), ["7", "2"])
    choose(page, "inward_stakeholder", "Tirupur Knits")
    press(page, "Record goods in")
    says(page, f"Recorded 9 pieces of {product.sku} Indigo in: S 7, M 2.")
    expect(cell(on_hand, 1, 0)).to_have_text(str(PIECES + 7))
    expect(cell(on_hand, 2, 0)).to_have_text(str(PIECES + 2))
    expect(cell(table(page, "inward_grid_1"), 1, 0)).to_have_text("")

    page.get_by_role("link", name="View in audit report").click()
    sees(page, "Audit report")
    assert parse_qs(urlsplit(page.url).query) == {"product": [product.label]}
    expect(cell(table(page), 2, 0)).to_have_text("Ravi Menon")
    newest = rows(table(page))[:4]
    ((last,),) = shop.query(LATEST)
    entries = [f"Inward {last - 1} · {product.sku} · Indigo · S", f"Inward {last} · {product.sku} · Indigo · M"]
    assert {row[2] for row in newest} == {"Ravi Menon"}
    assert sorted(tuple(row[3:7]) for row in newest) == [
        ("Added", "Inward entry", entries[0], "Quantity 7, Supply from Tirupur Knits"),
        ("Added", "Inward entry", entries[1], "Quantity 2, Supply from Tirupur Knits"),
        ("Changed", "Stock cell", f"{product.sku} · Indigo · M", f"Quantity {PIECES} → {PIECES + 2} (+2)"),
        ("Changed", "Stock cell", f"{product.sku} · Indigo · S", f"Quantity {PIECES} → {PIECES + 7} (+7)"),
    ]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("-2", "The quantity for size S is negative. Nothing was saved."),
        (
            "99999",
            "There is not enough stock for this. {sku} Indigo, size S: 99,999 asked, {on_hand} on hand. "
            "Nothing was saved.",
        ),
    ],
    ids=["negative", "more than there is"],
)
def test_a_wrong_quantity_gets_a_sentence_and_stays_in_the_grid(
    open_page: OpenPage, shop: Shop, product: Product, typed: str, sentence: str
) -> None:
    page = open_page("/sales", "manager")
    sees(page, "Sales")
    choose_product(page, "sales_product", product.sku, "Indigo")
    before = shop.query("select count(*), max(id) from inventory.sales_logs")
    grid = table(page, "sales_grid_0")
    type_in_row(page, grid, [typed])
    choose(page, "sales_store", "Bandra")
    press(page, "Record goods out")
    says(page, sentence.format(sku=product.sku, on_hand=PIECES))
    expect(cell(grid, 1, 0)).to_have_text(typed)
    assert shop.query("select count(*), max(id) from inventory.sales_logs") == before


# --- the report -------------------------------------------------------------------------------------------


@pytest.fixture
def store(shop: Shop, product: Product) -> str:
    """A store with sales of two sizes, whose name no other record has."""
    name = f"Khan Market {product.sku}"
    shop.sell(product, name, S=1, M=2)
    return name


@pytest.fixture
def analyst(open_page: OpenPage, product: Product) -> Page:
    """The analyst's page with the report of the last 30 days, which has a product and its stock."""
    page = open_page("/audit?period=Last+30+days", "analyst")
    sees(page, "Audit report")
    return page


def search_text(page: Page, text: str) -> None:
    """Filters the report by a text; returns once its records have changed."""
    before = count_line(page).inner_text()
    enter(page, "Text", text)
    page.get_by_label("Text").press("Enter")
    expect(page.get_by_text(before, exact=True)).to_have_count(0)
    done(page)
    expect(cell(table(page), 6, 0)).to_contain_text(re.compile(text, re.IGNORECASE))


def test_filters_narrow_the_report_and_live_in_the_url(store: str, analyst: Page) -> None:
    assert count_of_records(analyst) > 2
    search_text(analyst, store.lower())
    assert count_of_records(analyst) == 2
    found = sorted(row[3:5] + row[6:7] for row in rows(table(analyst)))
    assert found == [["Added", "Sales entry", f"Quantity {sold}, to {store}"] for sold in (1, 2)]
    assert parse_qs(urlsplit(analyst.url).query) == {"period": ["Last 30 days"], "text": [store.lower()]}

    analyst.reload()
    sees(analyst, "Audit report")
    expect(analyst.get_by_label("Text")).to_have_value(store.lower())
    assert count_of_records(analyst) == 2

    analyst.locator(".st-key-audit_clear button").click()
    expect(analyst.get_by_label("Text")).to_have_value("")
    expect(analyst.get_by_label("Period")).to_have_value("Last 7 days")
    expect(analyst.get_by_label("Product")).to_have_value("All products")
    expect(analyst.get_by_text("2 records · times in Asia/Kolkata", exact=True)).to_have_count(0)
    done(analyst)
    assert urlsplit(analyst.url).query == ""


def test_a_filtered_report_can_be_sent_to_a_colleague_who_signs_in_first(open_page: OpenPage, product: Product) -> None:
    page = open_page(f"/audit?period=All+time&product={quote_plus(product.label)}&action=Added&type=Product")
    sees_the_sign_in_only(page)
    sign_in(page, "manager2")
    sees(page, "Audit report")
    assert count_of_records(page) == 1
    assert rows(table(page))[0][3:7] == [
        "Added",
        "Product",
        f"Product {product.sku} {product.name}",
        "₹899.00, sizes S, M, L, XL, XXL",
    ]


def test_a_record_opens_with_its_circumstances_and_closes(
    store: str, analyst: Page, shop: Shop, product: Product
) -> None:
    shop.sell(product, f"Dadar {product.sku}", L=1)
    search_text(analyst, store)
    row = rows(table(analyst))[0]
    dialog = click_open(analyst)
    expect(dialog).to_contain_text("On the record")
    expect(dialog).to_contain_text(row[5])
    facts = dict(rows(dialog.get_by_test_id("stDataFrame").nth(1)))  # type: ignore[arg-type]
    assert facts["Operation"] == row[7] == "record sale" and facts["User"].startswith(row[2])
    press(dialog, "Close")
    expect(analyst.get_by_role("dialog")).to_have_count(0)
    done(analyst)
    search_text(analyst, f"Dadar {product.sku}")
    expect(analyst.get_by_role("dialog")).to_have_count(0)


def test_the_charts_are_drawn(analyst: Page) -> None:
    analyst.get_by_role("tab", name="Charts").click()
    expect(analyst.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks")).to_have_count(5)
    done(analyst)


def test_a_change_made_by_hand_in_psql_is_in_the_report_as_system(analyst: Page, shop: Shop, product: Product) -> None:
    shop.query("update inventory.products set description = 'by hand' where id = %s", product.id)
    analyst.goto(f"/audit?user=System&product={quote_plus(product.label)}&text=by+hand")
    sees(analyst, "Audit report")
    (row,) = rows(table(analyst))
    changed = f"Product {product.sku} {product.name}"
    assert row[2:7] == ["system", "Changed", "Product", changed, "Description — → by hand"]
    assert row[8] == "postgres via psql, local"


# --- downloads --------------------------------------------------------------------------------------------


def downloaded(page: Page, label: str, folder: Path) -> Path:
    """Downloads the file of a link."""
    with page.context.expect_event("download") as waiting:
        page.get_by_role("link", name=label).click()
    file = folder / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file


def test_the_filtered_report_downloads_as_csv_with_the_rows_on_screen(
    store: str, analyst: Page, shop: Shop, tmp_path: Path
) -> None:
    analyst.goto(f"/audit?period=Last+30+days&action=Added&type=Sales+entry&text={quote_plus(store)}")
    sees(analyst, "Audit report")
    on_screen = count_of_records(analyst)
    assert on_screen == 2
    file = downloaded(analyst, "Download CSV", tmp_path)
    assert re.fullmatch(r"backstitch_audit_\d{4}-\d\d-\d\d_to_\d{4}-\d\d-\d\d_IST\.csv", file.name)
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf") and raw.count(b"\r\n") == on_screen + 1
    assert raw.count(b"\n") == raw.count(b"\r\n")
    table = pd.read_csv(io.BytesIO(raw), encoding="utf-8-sig")
    assert tuple(table.columns) == COLUMNS
    assert len(table) == on_screen
    assert set(table["Action"]) == {"Added"} and set(table["Record type"]) == {"Sales entry"}
    assert {json.loads(row)["store"] for row in table["New value"]} == {store}
    times = pd.to_datetime(table["Time"])
    assert times.is_monotonic_decreasing and str(times.dt.tz) == "UTC+05:30"

    ((user, operation, details),) = shop.query(EXPORT)
    assert (user, operation) == ("analyst@demo.example", "export audit report")
    assert details["sha256"] == hashlib.sha256(raw).hexdigest()
    assert (details["file_name"], details["records"], details["rows"]) == (file.name, on_screen, on_screen)
    assert (details["filters"]["action"], details["filters"]["text"]) == (["CREATE"], [store])


def test_the_filtered_report_downloads_as_excel_with_the_rows_on_screen(
    store: str, analyst: Page, shop: Shop, tmp_path: Path
) -> None:
    analyst.goto(f"/audit?period=Last+30+days&action=Added&type=Sales+entry&text={quote_plus(store)}")
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
    assert data.freeze_panes == "A2" and data.auto_filter.ref == f"A1:P{on_screen + 1}"
    assert data["A2"].is_date and data["D2"].value == "Added"
    about = {row[0].value: row[1].value for row in book["About"]}
    assert (about["Records"], about["Made by"]) == (on_screen, "Kiran Rao <analyst@demo.example>")

    ((user, _, details),) = shop.query(EXPORT)
    assert (user, details["format"], details["records"]) == ("analyst@demo.example", "xlsx", on_screen)
    assert details["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_download_is_itself_seen_in_the_report(analyst: Page, product: Product, tmp_path: Path) -> None:
    analyst.goto(f"/audit?type=Product&product={quote_plus(product.label)}")
    sees(analyst, "Audit report")
    file = downloaded(analyst, "Download CSV", tmp_path)
    analyst.goto("/audit?action=Exported")
    sees(analyst, "Audit report")
    newest = rows(table(analyst))[0]
    assert newest[2:5] == ["Kiran Rao", "Exported", "Audit report"] and file.name in newest[6]


# --- two people -------------------------------------------------------------------------------------------


def test_a_stale_edit_is_refused_and_the_next_one_starts_from_the_stored_version(
    open_page: OpenPage, shop: Shop, product: Product
) -> None:
    page = open_page(f"/products?product_search={product.sku}", "manager")
    sees(page, "Products")
    table(page).click(position=FIRST_CELL)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value(product.name)
    done(page)
    enter(dialog, "Name", "Mine")
    shop.query("update inventory.products set unit_price = 654 where id = %s", product.id)
    press(dialog, "Save")
    says(page, f"Somebody else changed {product.sku} while you were editing it. Nothing of yours was saved.")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Mine")
    press(dialog, "Edit the record as it stands now")
    # The fields of the old form stay for a moment, below those of the new one.
    expect(dialog.get_by_label("Name", exact=True).first).to_have_value(product.name)
    expect(dialog.get_by_label("Price").first).to_have_value("654.00")
    done(page)
    enter(dialog, "Name", f"{product.name}, ribbed")
    press(dialog, "Save")
    says(page, f"{product.sku} was saved: Name {product.name} → {product.name}, ribbed.")
    assert shop.query("select name, unit_price::text from inventory.products where id = %s", product.id) == [
        (f"{product.name}, ribbed", "654.00")
    ]


def test_navigation_reaches_every_page(open_page: OpenPage) -> None:
    page = sign_in(open_page("/"))
    for title in ("Products", "Stock matrix", "Low stock", "Stock-take", "Inward", "Sales", "Audit report", "Home"):
        go(page, title)
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
