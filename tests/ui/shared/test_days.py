"""The date of a new entry on a page that is left open over midnight."""

from datetime import date, timedelta

import pytest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import Shop, choose_or_type, click, run, type_in_grid
from ui.shared import formats


@pytest.fixture
def midnight(monkeypatch: pytest.MonkeyPatch) -> "Midnight":
    """A clock of days: midnight comes when the test says so."""
    return Midnight(monkeypatch, formats.today())


class Midnight:
    """The business's date, which changes by `comes` only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, today: date) -> None:
        self._monkeypatch = monkeypatch
        self.today = today
        self._set_today()

    def comes(self) -> date:
        """Starts the next day and returns it."""
        self.today += timedelta(days=1)
        self._set_today()
        return self.today

    def _set_today(self) -> None:
        self._monkeypatch.setattr(formats, "today", lambda: self.today)


@pytest.mark.parametrize(
    ("page", "key"), [("inward", "inward_date"), ("sales", "sales_date"), ("stock", "adjust_date_1_RED_S_0")]
)
def test_a_date_left_at_today_follows_the_day_at_midnight_and_a_chosen_one_stays(
    open_page: Open, shop: Shop, midnight: Midnight, page: str, key: str
) -> None:
    shop.receive(shop.product(colours=["Red"]), S=5)
    tab = open_page(page, Role.MANAGER)

    def shown() -> date:
        """The date in the field after another run, with the cell of the stock matrix still selected."""
        if page == "stock":
            tab.session_state["matrix_1"] = {"selection": {"rows": [], "columns": [], "cells": [[0, "S"]]}}
        return date.fromisoformat(str(run(tab).date_input(key=key).value))

    assert shown() == midnight.today
    assert midnight.comes() == shown()
    chosen = midnight.today - timedelta(days=3)
    tab.date_input(key=key).set_value(chosen)
    if page == "stock":
        click(tab, "adjust_save_1_RED_S_0")  # which is refused; a form sends its date when it is submitted
    assert shown() == chosen
    midnight.comes()
    assert shown() == chosen
    assert not tab.warning


def test_an_entry_saved_just_after_midnight_has_the_date_on_the_screen(
    open_page: Open, shop: Shop, midnight: Midnight
) -> None:
    shop.product()
    tab = open_page("inward", Role.MANAGER)
    date_on_screen = tab.date_input(key="inward_date").value
    tab.selectbox(key="inward_colour_1").set_value("RED")
    run(tab)
    type_in_grid(tab, "inward_grid_0", S="4")
    choose_or_type(tab, "inward_stakeholder", "Mill")
    midnight.comes()
    click(tab, "inward_save_0")
    assert [(entry.date, entry.quantity) for entry in shop.inward()] == [(date_on_screen, 4)]
    assert run(tab).date_input(key="inward_date").value == midnight.today
