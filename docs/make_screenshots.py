"""Makes the pictures of docs/screenshots. By hand: `.venv/bin/python docs/make_screenshots.py STOCK.csv`

Starts the app with demo data on a home of its own, imports STOCK.csv (columns as in a seller's stock list), and
looks at the pages with Chromium. Each picture is 1280 pixels wide and, with 256 colours, below 200 KB.
"""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from backstitch.inventory.orders.commands import Line  # noqa: E402
from tests import homes  # noqa: E402
from tests.e2e import goods, reruns  # noqa: E402
from tests.e2e.app_process import App, environment  # noqa: E402
from tests.e2e.conftest import ARGUMENTS, CHROMIUM  # noqa: E402
from tests.e2e.screen import (  # noqa: E402
    FIRST_CELL,
    TIMEOUT,
    choose,
    choose_product,
    click_open,
    done,
    press,
    rows,
    says,
    sees,
    sees_the_sign_in_only,
    sign_in,
    table,
    type_in_row,
)

FOLDER = PROJECT / "docs" / "screenshots"
WIDTH = 1280
LARGEST = 200_000  # bytes


def main(stock_list: Path) -> None:
    """Makes all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with running(stock_list) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(
            base_url=url, viewport={"width": WIDTH, "height": 860}, locale="en-GB", color_scheme="light"
        )
        context.set_default_timeout(TIMEOUT)
        reruns.follow(context)
        expect.set_options(timeout=TIMEOUT)
        page = context.new_page()
        sign_in_page(page)
        home(page)
        inward(page)
        stock_matrix(page)
        stock_take(page)
        paste(page)
        paste_columns(page)
        paste_again(page)
        order(page)
        audit_report(page)
        diff(page)
        charts(page)
        browser.close()


@contextmanager
def running(stock_list: Path) -> Iterator[str]:
    """The address of an app with demo data and the stock list."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        app = App(home, BACKSTITCH_DEMO="yes")
        try:
            app.ready()
            command = [sys.executable, "-m", "backstitch", "import-stock", str(stock_list)]
            rejects = Path(folder) / "rejects.csv"
            subprocess.run([*command, "--rejects", str(rejects)], cwd=PROJECT, env=environment(home), check=True)
            url = f"http://localhost:{app.port}"
            with goods.opened(home, url) as shop:
                put_in(shop)
            yield url
            app.stop()
        finally:
            if app.process.poll() is None:
                app.kill()
            homes.clear(home)


def put_in(shop: goods.Shop) -> None:
    """What the pictures show and the story of the day may lack: pieces, a correction, an order to dispatch."""
    ((leggings,),) = shop.query("select id from inventory.products where sku = 'LG-301'")
    for _ in range(2):
        shop.receive(leggings, "BEIGE", S=12, M=18, L=18, XL=12)
    shop.correct_inward(leggings)
    lines = [Line(leggings, "BEIGE", size, 6) for size in ("S", "M", "L")]
    shop.confirmed_order(shop.customer("Zaveri Stores"), lines)


def take(page: Page, name: str, height: int = 860) -> None:
    """Saves what a window of this height shows."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.mouse.move(WIDTH - 4, height - 4)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.fonts.ready")
    done(page)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    file = FOLDER / f"{name}.png"
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, optimize=True)
    assert file.stat().st_size < LARGEST, f"{file} has {file.stat().st_size} bytes"
    print(f"{file.relative_to(PROJECT)}: {file.stat().st_size // 1000} KB", flush=True)


def sign_in_page(page: Page) -> None:
    page.goto("/")
    sees_the_sign_in_only(page)
    take(page, "sign-in")
    sign_in(page)


def inward(page: Page) -> None:
    """A delivery just recorded, and the next one being typed."""
    page.goto("/inward")
    sees(page, "Inward")
    choose_product(page, "inward_product", "KT-104", "Mustard")
    type_in_row(page, table(page, "inward_grid_0"), ["6", "12", "12", "6"])
    choose(page, "inward_stakeholder", "Jaipur Block Prints")
    press(page, "Record goods in")
    says(page, "Recorded 36 pieces of KT-104 Mustard in: S 6, M 12, L 12, XL 6.")
    type_in_row(page, table(page, "inward_grid_1"), ["4", "8", "8", "4", "2"])
    take(page, "inward")


def home(page: Page) -> None:
    """What needs attention, as the manager sees it after signing in."""
    page.goto("/")
    sees(page, "Home")
    rows(page.get_by_test_id("stDataFrame").first)
    take(page, "home", 940)


def stock_matrix(page: Page) -> None:
    """A design of the demo data: those of the stock list have one colour each. A cell is open."""
    page.goto("/stock?stock_product=LG-301+%C2%B7+Ankle+leggings")
    sees(page, "Stock matrix")
    expect(page.get_by_label("Product")).to_have_value("LG-301 · Ankle leggings")
    table(page, "matrix").click(position=FIRST_CELL)
    expect(page.get_by_role("heading", name="Beige · S")).to_be_visible()
    rows(page.get_by_test_id("stDataFrame").nth(1))
    take(page, "stock-matrix", 1000)


def stock_take(page: Page) -> None:
    """A shelf being counted: two cells are not as the books say."""
    small, medium, large, extra = (int(text) for text in rows(table(page, "matrix"))[0][1:5])
    page.goto("/stock-take?take_product=LG-301+%C2%B7+Ankle+leggings")
    sees(page, "Stock-take")
    expect(page.get_by_label("Product")).to_have_value("LG-301 · Ankle leggings")
    type_in_row(page, table(page, "take_sheet"), [str(count) for count in (small, medium - 2, large, extra + 1)])
    rows(page.get_by_test_id("stDataFrame").nth(1))
    take(page, "stock-take", 860)


def paste(page: Page) -> None:
    """A delivery copied from a spreadsheet, with two cells to put right."""
    page.goto("/paste")
    sees(page, "Paste from Excel")
    product = page.locator(".st-key-paste_product input").first
    product.fill("KT-118")
    product.press("Enter")
    expect(page.get_by_text("Columns: Date, Colour, Colour Code, S, M, L, XL, XXL, Category")).to_be_visible()
    lines = (
        "Date\tColor\tColour Code\tS\tM\tL\tXL\tXXL\tCategory\tStakeholder",
        "05/11/2026\tRust\tRUST\t3\t-4\t2\t\t\tSupply\tJaipur Block Prints",
        "05/11/2026\tIndigo\tINDIGO\t6\t6\t4.5\t2\t\tSupply\tJaipur Block Prints",
    )
    page.get_by_role("textbox", name="Rows copied from Excel").fill("\n".join(lines))
    press(page, "Check")
    rows(page.get_by_test_id("stDataFrame").nth(1))
    take(page, "paste", 1100)


REGISTER = (
    "Meera Textiles, Surat",
    "Sales register, November 2026",
    "Tarikh\tMaal\tShade\tSize\tQty (Pcs)\tParty A/c Name",
    "03/11/2026\tLG-301\tBeige\tM\t3 pcs\tBandra",
    "03/11/2026\tLG-301\tBeige\tL\t2 pcs\tBandra",
    "04/11/2026\tLG-301\tBeige\tS\t1 pc\tPune",
    "Grand Total\t\t\t\t6\t",
)


def check_register(page: Page) -> None:
    """Pastes and checks a register of sales with a title, a total and headings that Backstitch does not know."""
    page.get_by_role("radio", name="Sales", exact=True).click()
    done(page)
    page.get_by_role("textbox", name="Rows copied from Excel").fill("\n".join(REGISTER))
    press(page, "Check")
    done(page)


def paste_columns(page: Page) -> None:
    """The columns of a register, matched by hand."""
    page.goto("/paste")
    sees(page, "Paste from Excel")
    check_register(page)
    choose(page, "paste_column_2_0_", "Date")
    choose(page, "paste_column_2_1_", "SKU")
    expect(page.get_by_role("button", name="Use these columns")).to_be_visible()
    take(page, "paste-columns", 1560)


def paste_again(page: Page) -> None:
    """The same register, pasted again."""
    press(page, "Use these columns")
    expect(page.get_by_text("Columns as matched by")).to_be_visible()
    press(page, "Write 3 sales entries")
    says(page, "3 sales entries written, 6 pieces.")
    page.goto("/paste")
    sees(page, "Paste from Excel")
    check_register(page)
    expect(page.get_by_text("These 3 rows seem to be there already")).to_be_visible()
    take(page, "paste-again", 1480)


def order(page: Page) -> None:
    """The newest order that is confirmed: what was ordered, what it costs, and what comes next."""
    page.goto("/orders?status=confirmed")
    sees(page, "Orders")
    table(page).click(position={"x": 150, "y": 53})
    expect(page.get_by_role("button", name="Dispatch")).to_be_visible()
    take(page, "order", 960)


def audit_report(page: Page) -> None:
    """What a manager changed in thirty days; the sidebar makes room for the table."""
    page.goto("/audit?period=Last+30+days&user=Ravi+Menon&action=Changed")
    sees(page, "Audit report")
    page.get_by_test_id("stSidebarHeader").hover()
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    expect(page.get_by_test_id("stExpandSidebarButton")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).not_to_be_in_viewport()
    table(page)
    take(page, "audit-report")
    page.get_by_test_id("stExpandSidebarButton").click()


def diff(page: Page) -> None:
    """A quantity that was corrected, opened."""
    page.goto("/audit?period=All+time&action=Changed&type=Inward+entry")
    sees(page, "Audit report")
    table(page)
    dialog = click_open(page)
    rows(dialog.get_by_test_id("stDataFrame").first)
    take(page, "diff")


def charts(page: Page) -> None:
    """The thirty days up to yesterday: the import of today would dwarf the work of a day."""
    today = goods.today()
    page.goto(f"/audit?period=Custom&from={today - timedelta(days=30)}&to={today - timedelta(days=1)}")
    sees(page, "Audit report")
    page.get_by_role("tab", name="Charts").click()
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks")).to_have_count(5)
    take(page, "charts", 1480)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.chdir(PROJECT)
    main(Path(sys.argv[1]).resolve())
