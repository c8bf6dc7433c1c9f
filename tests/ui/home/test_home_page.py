"""Home: links to what needs attention, and first steps in an empty shop."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.conftest import Clone
from tests.ui.conftest import Open
from tests.ui.shop import Shop
from ui.shared import formats


def links(tab: AppTest) -> list[str]:
    return [link.value for link in tab.page_link]


CARDS = ["What to order", "Inward", "Sales", "Orders"]
STEPS = ["1\\. Add your first product", "2\\. Or paste a list from Excel", "3\\. Record goods in"]
TO_THE_TRAIL = ["All of the audit report"]


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.ADMIN, [*STEPS, "4\\. Add the people you work with", *CARDS]),
        (Role.MANAGER, [*STEPS, *CARDS]),
        (Role.ANALYST, CARDS),
        (Role.VIEWER, CARDS),
    ],
)
def test_an_empty_shop_has_first_steps_for_those_who_may_take_them(
    open_page: Open, role: Role, expected: list[str]
) -> None:
    tab = open_page("home", role)
    assert links(tab) == expected
    assert [info.value for info in tab.info] == (
        [] if role in (Role.ADMIN, Role.MANAGER) else ["Nothing is here yet. Products that a manager adds show here."]
    )
    assert [metric.value for metric in tab.metric] == ["0", "0", "0", "0"]
    assert not tab.dataframe and not tab.error


def test_home_has_the_figures_of_the_day_the_low_cells_and_the_last_changes(
    open_page: Open, shop: Shop, clone: Clone
) -> None:
    product = shop.product(sizes=["S", "M"], colours=["Red"], reorder_level=3)
    shop.receive(product, S=9, M=4)
    shop.sell(product, M=2)
    shop.run("update inventory.inward_logs set date = %s", formats.today())
    shop.run("update inventory.sales_logs set date = %s", formats.today())
    tab = open_page("home", Role.MANAGER)
    assert [(metric.label, metric.value) for metric in tab.metric] == [
        ("Low stock", "1"),
        ("Goods in today", "13"),
        ("Goods out today", "2"),
        ("Open orders", "0"),
    ]
    captions = [caption.value for caption in tab.caption]
    assert captions == [
        "at or below reorder level",
        "pieces in 2 entries",
        "pieces in 1 entry",
        "0 draft, 0 confirmed, 0 on the way",
    ]
    low, activity = (table.value for table in tab.dataframe)
    assert low[["sku", "color", "size", "on_hand", "reorder_level", "suggested"]].values.tolist() == [
        ["AN201", "Red", "M", 2, 3, 4]
    ]
    assert [name for name in activity["user"]][-1] == "Manager Rao" and set(activity["operation"]) >= {"seed"}
    assert links(tab) == [*CARDS, *TO_THE_TRAIL]
    assert json.loads(tab.dataframe[1].proto.columns)["time"]["label"] == "Time (Asia/Kolkata)"


def test_a_viewer_has_no_activity_and_a_full_shelf_nothing_low(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["S"], colours=["Red"])
    shop.receive(product, S=9)
    tab = open_page("home", Role.VIEWER)
    assert links(tab) == CARDS and not tab.dataframe
    assert [caption.value for caption in tab.caption][-1] == "Nothing is at or below its reorder level."
