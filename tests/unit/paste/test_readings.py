"""Columns that are read as a whole: the order of their dates, and GST rates."""

from collections.abc import Mapping
from datetime import date

import pytest

from backstitch.files.sheets import Line, Place, Sheet
from backstitch.inventory.paste import layout as paste_layout
from backstitch.inventory.paste import readings
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.readings import DateReading
from backstitch.inventory.values import DateOrder

DAY, MONTH = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST
HEADER = ("Date", "SKU", "Colour", "Size", "Qty", "Store")


def read(
    *dates: str,
    real: Mapping[Place, date] | None = None,
    chosen: DateOrder | None = None,
    remembered: DateOrder | None = None,
    heading: str = "Date",
) -> DateReading:
    lines = [
        Line(1, (heading, *HEADER[1:])),
        *(Line(n, (text, "A", "Red", "S", "1", "B")) for n, text in enumerate(dates, start=2)),
    ]
    sheet = Sheet("", tuple(lines), dates=real or {})
    layout = paste_layout.detect(sheet, kind=Kind.SALES, sizes=(), known_sizes=frozenset())
    return readings.read_dates(sheet, layout, chosen=chosen, remembered=remembered)


@pytest.mark.parametrize(
    ("dates", "order", "ambiguous", "sentences"),
    [
        (["14/11/2026", "22/11/2026"], DAY, 0, []),
        (["2026-03-04", "5 Nov 2026"], DAY, 0, []),
        (["05/05/2026"], DAY, 0, []),
        (
            ["03/04/2026", "03/14/2026", "10/09/2026"], MONTH, 0,
            ["03/04/2026 in column Date is read as 4 March 2026, month first, as A3 (03/14/2026) can only be."],
        ),
        (
            ["03/04/2026", "14/03/2026"], DAY, 0,
            ["03/04/2026 in column Date is read as 3 April 2026, day first, as A3 (14/03/2026) can only be."],
        ),
        (["03/14/2026"], MONTH, 0, ["03/14/2026 in column Date is read as 14 March 2026, month first."]),
        (
            ["05/05/2026", "03/04/2026", "7/8/2026"], DAY, 2,
            ["03/04/2026 in column Date is read as 3 April 2026, day first; 2 dates could be read the other way."],
        ),
        (
            ["3-4-26"], DAY, 1,
            ["3-4-26 in column Date is read as 3 April 2026, day first; 1 date could be read the other way."],
        ),
        (["5-Nov-26"], DAY, 0, ["5-Nov-26 in column Date is read as 5 November 2026: the year is of this century."]),
        (["46331", "46332.0"], DAY, 0, ["46331 in column Date is read as 5 November 2026: a spreadsheet counts days."]),
        (["", "-", "n/a", "22/11/2026"], DAY, 0, []),
    ],
)  # fmt: skip
def test_a_column_of_dates_is_read_one_way_and_the_way_is_said(
    dates: list[str], order: DateOrder, ambiguous: int, sentences: list[str]
) -> None:
    found = read(*dates)
    assert (found.order, found.ambiguous, list(found.sentences), found.problems) == (order, ambiguous, sentences, ())


@pytest.mark.parametrize(
    ("dates", "asks"),
    [(["03/04/2026"], True), (["03/04/2026", "03/14/2026"], True), (["03/14/2026"], False), (["5-Nov-26"], False)],
)
def test_the_switch_is_offered_where_a_date_can_be_read_both_ways(dates: list[str], asks: bool) -> None:
    assert read(*dates).asks is asks


@pytest.mark.parametrize(
    ("dates", "sentence"),
    [
        (
            ["14/03/2026", "01/02/2026", "03/14/2026"],
            "A2 (14/03/2026) has the day first, and A4 (03/14/2026) the month. A column is read one way: correct one "
            "of the two, and look at the other dates too.",
        ),
        (
            ["46331", "05/11/2026"],
            "A2 is the number 46331 in a column of dates. Format the whole column as dates in the spreadsheet, then "
            "copy it again.",
        ),
    ],
)
def test_a_column_that_contradicts_itself_is_refused_with_its_cells(dates: list[str], sentence: str) -> None:
    for chosen in (None, DAY, MONTH):
        assert [problem.sentence for problem in read(*dates, chosen=chosen).problems] == [sentence]


def test_an_order_that_was_chosen_comes_before_what_is_remembered_and_that_before_day_first() -> None:
    assert read("03/04/2026", remembered=MONTH).order is MONTH
    assert read("03/04/2026", remembered=MONTH).sentences == (
        "03/04/2026 in column Date is read as 4 March 2026, month first, as last time; 1 date could be read the other "
        "way.",
    )
    assert read("03/04/2026", "14/03/2026", remembered=MONTH).order is DAY
    chosen = read("03/04/2026", "14/03/2026", chosen=MONTH)
    assert chosen.order is MONTH and chosen.asks
    assert chosen.sentences == ("03/04/2026 in column Date is read as 4 March 2026, month first, as chosen.",)


@pytest.mark.parametrize(
    ("heading", "order"),
    [
        ("Date (MM/DD/YYYY)", MONTH), ("Date (mm-dd-yy)", MONTH), ("Date [M/D/YYYY]", MONTH), ("Date mm/dd", MONTH),
        ("Invoice Date (MMDDYYYY)", MONTH), ("Date (DD-MM-YYYY)", DAY), ("Date (dd/mm)", DAY), ("Date dd.mm.yyyy", DAY),
    ],
)  # fmt: skip
def test_a_heading_can_say_the_order_of_its_dates(heading: str, order: DateOrder) -> None:
    other = DAY if order is MONTH else MONTH
    found = read("03/04/2026", heading=heading, remembered=other)
    day = "4 March" if order is MONTH else "3 April"
    assert (found.order, found.ambiguous, found.problems) == (order, 0, ())
    assert found.sentences == (f"03/04/2026 in column {heading} is read as {day} 2026, {order}, as its heading says.",)
    assert read("03/04/2026", heading=heading, chosen=other).order is other


@pytest.mark.parametrize("heading", ["Date (YYYY-MM-DD)", "Date"])
def test_a_heading_without_an_order_leaves_it_to_the_dates(heading: str) -> None:
    assert (read("03/04/2026", heading=heading).order, read("03/04/2026", heading=heading).ambiguous) == (DAY, 1)


def test_a_heading_that_its_dates_contradict_is_asked_about() -> None:
    dates = ("03/04/2026", "14/03/2026")
    found = read(*dates, heading="Date (MM/DD/YYYY)")
    assert found.asks and [problem.sentence for problem in found.problems] == [
        "The heading says month first, but A3 (14/03/2026) can only be day first. Correct one of the two, or choose "
        "the order of the dates below."
    ]
    assert read(*dates, heading="Date (MM/DD/YYYY)", chosen=DAY).problems == ()
    assert read("14/03/2026", heading="Date (DD/MM/YYYY)").problems == ()


def test_real_dates_are_certain_unless_a_spreadsheet_left_beside_them_what_it_could_not_read() -> None:
    april = {(2, 0): date(2026, 4, 3)}
    assert read("03-Apr-2026", "22/11/2026", real={(2, 0): date(2026, 4, 13)}).problems == ()
    assert read("2-Apr", "5-Nov-2026", real=april).problems == ()
    suspicious = read("03/04/2026", "03/14/2026", real=april)
    assert [problem.sentence for problem in suspicious.problems] == [
        "A2 is a date of the spreadsheet (3 April 2026), but A3 (03/14/2026) is text that it could not read as a date. "
        "It may have read the others with day and month swapped. Correct them, or choose the order of the texts below "
        "if the dates are right."
    ]
    assert suspicious.asks and read("03/04/2026", "03/14/2026", real=april, chosen=MONTH).problems == ()


@pytest.mark.parametrize(
    ("rates", "rows"),
    [
        (["0.05", "5", "12"], [2]),
        (["0.05", "0.12", "0.18"], [2, 3, 4]),
        (["0.28", ".05"], [2, 3]),
        (["5", "12%", "18.0", "0", "", "n/a"], []),
        (["0.25%", "0.05%", "0.25", "0.1"], []),
    ],
)
def test_a_rate_of_gst_that_is_a_fraction_is_asked_about(rates: list[str], rows: list[int]) -> None:
    lines = (Line(1, ("SKU", "Name", "GST %")), *(Line(n, ("A", "B", rate)) for n, rate in enumerate(rates, start=2)))
    layout = paste_layout.detect(Sheet("", lines), kind=Kind.PRODUCTS, sizes=(), known_sizes=frozenset())
    found = readings.rate_problems(layout)
    assert [(problem.row, problem.column) for problem in found] == [(row, "GST %") for row in rows]
    assert all(problem.blocks for problem in found)
    if rates[0] == "0.05":
        assert found[0].sentence == ("C2 says 0.05, and there is no GST rate of so little. Write 5 if 5 % is meant.")
