"""What the dialog of a product asks before it saves: near SKUs, and what a range of sizes stands for."""

import pytest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, field, run, sentences
from ui.products import forms as product_forms


def fill(tab: object, **texts: str) -> None:
    for name, text in texts.items():
        field(tab, name).set_value(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("typed", ["AN2O1", "AN.201"])
def test_a_sku_that_may_be_a_known_one_is_asked_about(open_page: Open, shop: Shop, typed: str) -> None:
    shop.product()
    tab = open_page("products", Role.MANAGER)
    tab.session_state[product_forms.DIALOG.key] = "new"
    run(tab)
    tab.text_input(key="new_sku").set_value(typed)
    tab.text_input(key="new_name").set_value("Kurta")
    click(tab, "new_save")
    assert sentences(tab.warning) == ["Did you mean AN201? Nothing was saved yet."]
    assert shop.run("select count(*) from inventory.products") == [(1,)]
    click(tab, "new_anyway")
    assert shop.run("select sku from inventory.products order by id desc limit 1") == [(typed,)]


def test_a_range_of_sizes_is_shown_before_it_is_saved(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["28"])
    tab = open_page("products", Role.MANAGER)
    tab.session_state["product_dialog"] = shop.read_product(product)
    run(tab)
    field(tab, "sizes").set_value("28-34")
    click(tab, "edit_save")
    assert sentences(tab.warning) == ["The sizes are read as 28, 30, 32, 34. Nothing was saved yet."]
    click(tab, "edit_anyway")
    assert shop.run("select sizes from inventory.products") == [(["28", "30", "32", "34"],)]


def test_a_size_by_another_name_is_the_size_that_is_there(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["S", "XXL"])
    tab = open_page("products", Role.MANAGER)
    tab.session_state["product_dialog"] = shop.read_product(product)
    run(tab)
    field(tab, "sizes").set_value("small, 2XL, M")
    click(tab, "edit_save")
    assert not tab.error
    assert shop.run("select sizes from inventory.products") == [(["S", "M", "XXL"],)]
