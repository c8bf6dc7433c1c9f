"""What a number shows under its format: number_formats.csv, each row of which was compared with LibreOffice."""

import csv
import io
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from backstitch.files.number_formats import UnknownFormat, show, show_text

LAST_MOMENT = 46331 + 86399.999999 / 86400  # of 5 November 2026
TABLE = Path(__file__).with_name("number_formats.csv")
with TABLE.open(encoding="utf-8", newline="") as file:
    ROWS = [tuple(row) for row in csv.reader(file)][1:]  # what the cell holds, its value, format and shown text


def test_the_table_is_long() -> None:
    assert len(ROWS) > 170


@pytest.mark.parametrize(("holds", "value", "code", "text"), ROWS)
def test_a_cell_shows_what_libreoffice_shows(holds: str, value: str, code: str, text: str) -> None:
    assert (show_text(value, code) if holds == "text" else show(float(value), code).text) == text


@pytest.mark.slow
def test_libreoffice_shows_what_the_table_says(tmp_path: Path) -> None:
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice (soffice) is not installed")
    with xlsxwriter.Workbook(tmp_path / "table.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.set_column(0, 0, 60)  # a narrow column would show ###
        for row, (holds, value, code, _) in enumerate(ROWS):
            format_ = book.add_format({"num_format": code})
            if holds == "text":
                sheet.write_string(row, 0, value, format_)
            else:
                sheet.write_number(row, 0, float(value), format_)
        sheet.write_string(len(ROWS), 0, "end")
    subprocess.run(
        [
            *(office, "--headless", f"-env:UserInstallation=file://{tmp_path}/profile"),
            # Separated by tabs, UTF-8, as shown.
            *("--convert-to", "csv:Text - txt - csv (StarCalc):9,34,76", "--outdir", str(tmp_path)),
            str(tmp_path / "table.xlsx"),
        ],
        check=True,
        capture_output=True,
        timeout=180,
    )
    made = (tmp_path / "table.csv").read_text(encoding="utf-8")
    *shown, _ = ["".join(row) for row in csv.reader(io.StringIO(made), delimiter="\t")]
    # It pads with blanks where a format aligns numbers.
    assert [" ".join(text.split()) for text in shown] == [" ".join(text.split()) for *_, text in ROWS]


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        # Excel shows eleven characters under General, LibreOffice more.
        (0.000123456789, "General", "0.000123457"),
        (1299.123456789, "General", "1299.123457"),
        (123456789.123, "General", "123456789.1"),
        (0.123456789012, "General", "0.123456789"),
        (0.0000000123456, "General", "1.23456E-08"),
        # Day 0, which LibreOffice has on 30 December 1899.
        (0.25, "dd/mm/yyyy hh:mm", "00/01/1900 06:00"),
        (1, "yyyy-mm-dd", "1900-01-01"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (0.5208333333333334, "h:mm A/P", "12:30 P"),
        (46331, "e/mm/dd", "2026/11/05"),
    ],
)
def test_excel_is_followed_where_libreoffice_differs(value: float, code: str, text: str) -> None:
    assert show(value, code).text == text


@pytest.mark.parametrize(
    ("value", "code", "day"),
    [
        (46331, "d-mmm", date(2026, 11, 5)),
        (46331.75, "dd/mm/yyyy hh:mm", date(2026, 11, 5)),
        (46331.999999999, "dd/mm/yyyy", date(2026, 11, 5)),
        (LAST_MOMENT, "dd/mm/yyyy", date(2026, 11, 5)),
        (LAST_MOMENT, "yyyy-mm-dd hh:mm:ss", date(2026, 11, 5)),
        (LAST_MOMENT, "yyyy-mm-dd hh:mm:ss.000", date(2026, 11, 5)),
        (46332, "yyyy-mm-dd hh:mm:ss", date(2026, 11, 6)),
        (46331, "mmm-yy", date(2026, 11, 5)),
        (46331, "dddd", date(2026, 11, 5)),
        (46331, "[$-F800]dddd, mmmm dd, yyyy", date(2026, 11, 5)),
        (46331.75, "hh:mm", None),
        (46331, "[h]:mm", None),
        (46331, "mm:ss", None),
        (0.5, "dd/mm/yyyy", None),
        (46331, '"D"0', None),
        (46331, "0.00", None),
    ],
)
def test_a_format_with_a_day_month_or_year_gives_the_day(value: float, code: str, day: date | None) -> None:
    assert show(value, code).day == day


def test_days_can_be_counted_from_1904() -> None:
    assert show(44869, "yyyy-mm-dd", date1904=True) == ("2026-11-05", date(2026, 11, 5), True)


@pytest.mark.parametrize(
    ("value", "code", "exact"),
    [
        (4.6, "0", False),
        (1169.1000000000001, "0.00", True),
        (1169.104, "0.00", False),
        (0.05, "0%", True),
        (0.055, "0%", False),
        (12000, "0,", False),
        (0, ";;;", True),
        (5, ";;;", False),
        (0.5, "# ?/?", True),
        (0.3333, "# ?/?", False),
        (0.1 + 0.2, "General", True),
        (-2.5, "0;(0)", False),
        (1234567, "0.00E+00", False),
    ],
)
def test_a_text_that_is_not_the_whole_number_is_known(value: float, code: str, exact: bool) -> None:
    assert show(value, code).exact is exact


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (60, "dd/mm/yyyy"),  # 29 February 1900
        (-1, "dd/mm/yyyy"),
        (3_000_000, "dd/mm/yyyy"),
        (46331, "[$-1070000]d/mm/yyyy;@"),  # Thai
        (46331, "[$-2060401]dd/mm/yyyy"),  # Hijri
        (46331, "ggge"),
        (5, "[DBNum1]0"),
        (5, "[<3]0;[<4]0"),
        (5, "0" * 300),
    ],
)
def test_what_a_format_shows_may_be_unknown(value: float, code: str) -> None:
    with pytest.raises(UnknownFormat):
        show(value, code)
