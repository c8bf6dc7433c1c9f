"""A date field refuses nothing in the browser; what is out of range is refused after Save, with a sentence."""

from datetime import date, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused
from tests.ui.conftest import Open
from tests.ui.shop import DAY, Shop, click, field, run, sentences
from ui.shared import days, formats

TODAY = date(2026, 11, 20)
NO_DATE = "{} is no date for this: choose one from 01/01/2000 to today, {:%d/%m/%Y}. Nothing was saved."
DATES = {"sales": "sale_date", "inward": "inward_date", "adjustments": "adjustment_of_date"}
LINKS = ("2012-01-31", "2000-01-01", "1890-05-05", "2150-01-01", "0001-01-01")


@pytest.mark.parametrize(
    ("day", "stored", "ahead", "taken"),
    [
        (date(2000, 1, 1), None, 0, True),
        (date(1999, 12, 31), None, 0, False),
        (date(1999, 12, 31), date(1999, 12, 31), 0, True),
        (date(206, 11, 5), None, 0, False),
        (date(1, 1, 1), None, 0, False),
        (TODAY, None, 0, True),
        (TODAY + timedelta(days=1), None, 0, False),
        (TODAY + timedelta(days=1), TODAY + timedelta(days=1), 0, True),
        (TODAY + timedelta(days=30), None, 366, True),
        (TODAY + timedelta(days=367), None, 366, False),
        (date(9999, 12, 31), None, 366, False),
        (None, date(2026, 1, 1), 0, False),
    ],
)
def test_the_days_of_an_entry_are_the_products(
    monkeypatch: pytest.MonkeyPatch, day: date | None, stored: date | None, ahead: int, taken: bool
) -> None:
    monkeypatch.setattr(formats, "today", lambda: TODAY)
    if taken:
        assert days.checked(day, stored=stored, ahead=timedelta(days=ahead)) == day
    else:
        with pytest.raises(Refused, match="Nothing was saved"):
            days.checked(day, stored=stored, ahead=timedelta(days=ahead))


@pytest.mark.parametrize("page", ["sales", "inward", "adjustments"])
@pytest.mark.parametrize("stored", [date(2006, 3, 4), date(1998, 3, 4)])
def test_a_date_of_long_ago_can_be_set_right(open_page: Open, shop: Shop, page: str, stored: date) -> None:
    tab, log, name = opening(open_page, shop, page, stored)
    place = field(tab, DATES[page])
    assert place.min <= date(1, 1, 1) and place.max >= date(9999, 12, 31) and place.value == stored
    place.set_value(DAY)
    field(tab, f"{name}_reason").set_value("typed in the wrong century")
    said = sentences(click(tab, f"edit_{name}_save").success)
    assert said == [f"{log} 1 of AN201 was saved: Date {stored.day} Mar {stored.year} → 2 Nov 2026."]


@pytest.mark.parametrize("page", ["sales", "inward", "adjustments"])
def test_a_save_that_changed_nothing_does_not_say_saved(open_page: Open, shop: Shop, page: str) -> None:
    tab, log, name = opening(open_page, shop, page, date(2006, 3, 4))
    said = sentences(click(tab, f"edit_{name}_save").success)
    assert said == [
        f"Nothing was saved: {log} 1 of AN201 has these values already. If a field shows another one, type it again."
    ]


@pytest.mark.parametrize("page", ["sales", "inward", "adjustments"])
@pytest.mark.parametrize("wrong", [date(206, 11, 5), date(1999, 12, 31), date(9999, 1, 1)])
def test_a_date_out_of_range_is_refused_with_a_sentence(open_page: Open, shop: Shop, page: str, wrong: date) -> None:
    tab, _, name = opening(open_page, shop, page, date(2006, 3, 4))
    field(tab, DATES[page]).set_value(wrong)
    said = sentences(click(tab, f"edit_{name}_save").error)
    written = f"{wrong.day:02}/{wrong.month:02}/{wrong.year}"
    assert said == [NO_DATE.format(written, formats.today())]


def opening(open_page: Open, shop: Shop, page: str, stored: date) -> tuple[AppTest, str, str]:
    """A tab with the dialog of the one entry of a log, whose date is `stored`; the words and the key of the log."""
    product = shop.product()
    shop.receive(product, S=5)
    if page == "sales":
        shop.sell(product, S=1)
    if page == "adjustments":
        shop.adjust(product, -1)
    table, log, name = {
        "sales": ("sales_logs", "Sales entry", "sale"),
        "inward": ("inward_logs", "Inward entry", "inward"),
        "adjustments": ("stock_adjustments", "Stock adjustment", "adjustment"),
    }[page]
    shop.run(f"update inventory.{table} set date = %s", stored)
    tab = open_page(page, Role.MANAGER)
    entries = {"sales": shop.sales, "inward": shop.inward, "adjustments": shop.adjustments}[page]()
    tab.session_state["entry_dialog"] = entries[0]
    return run(tab), log, name


@pytest.mark.parametrize("linked", LINKS)
def test_a_link_of_the_report_keeps_its_dates_or_says_why_not(open_page: Open, shop: Shop, linked: str) -> None:
    tab = open_page("audit", Role.ANALYST, **{"period": "Custom", "from": linked, "to": linked})
    assert [tab.date_input(key=key).value for key in ("from", "to")] == [date.fromisoformat(linked)] * 2
    expected = ["Choose days between 2000 and 2199."] if linked < "2000" else []
    assert [info.value for info in tab.info if "Choose" in info.value] == expected


@pytest.mark.parametrize("linked", ["2012-13-01", "31/12/2012", "yesterday", "2012"])
def test_a_link_whose_date_is_none_says_so(open_page: Open, shop: Shop, linked: str) -> None:
    tab = open_page("audit", Role.ANALYST, **{"period": "Custom", "from": linked, "to": "2012-12-31"})
    assert sentences(tab.warning) == [
        f"The link asks for the day “{linked}”, which is not known by that name. Write it as 2026-03-31. "
        "The report is shown without it."
    ]


@pytest.mark.parametrize("linked", LINKS)
@pytest.mark.parametrize("page", ["sales", "inward", "adjustments"])
def test_a_link_of_a_log_keeps_its_dates(open_page: Open, shop: Shop, page: str, linked: str) -> None:
    tab = open_page(page, Role.VIEWER, **{"from": linked})
    prefix = {"sales": "sales_log", "inward": "inward_log", "adjustments": "adjustment_log"}[page]
    assert tab.date_input(key=f"{prefix}_first").value == date.fromisoformat(linked)
