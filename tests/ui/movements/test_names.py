"""Names in the forms of movements: another spelling is the known one, a near one is asked about."""

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import Shop, choose_or_type, click, run, sentences, type_in_grid, unescaped


def test_another_spelling_of_a_supplier_is_that_supplier(open_page: Open, shop: Shop) -> None:
    shop.receive(shop.product(), stakeholder="Vardhman Looms", S=5)
    tab = open_page("inward", Role.MANAGER)
    type_in_grid(tab, "inward_grid_0", S="1")
    choose_or_type(tab, "inward_stakeholder", "VARDHMAN-looms")
    click(tab, "inward_save_0")
    assert [entry.stakeholder_name for entry in shop.inward()] == ["Vardhman Looms"] * 2


def test_a_supplier_that_may_be_a_known_one_is_asked_about(open_page: Open, shop: Shop) -> None:
    shop.receive(shop.product(), stakeholder="Vardhman Looms", S=5)
    tab = open_page("inward", Role.MANAGER)
    type_in_grid(tab, "inward_grid_0", S="1")
    choose_or_type(tab, "inward_stakeholder", "Vardhman")
    run(tab)
    question = tab.radio(key="inward_stakeholder_meant_Vardhman")
    assert unescaped(question.label) == "“Vardhman” is new. Did you mean Vardhman Looms?"
    choose_or_type(tab, "inward_stakeholder", "Vardhman")
    click(tab, "inward_save_0")
    assert sentences(tab.error) == ["Say first which name is meant by “Vardhman”. Nothing was saved."]
    assert len(shop.inward()) == 1
    choose_or_type(tab, "inward_stakeholder", "Vardhman")
    tab.radio(key="inward_stakeholder_meant_Vardhman").set_value("Vardhman Looms")
    click(tab, "inward_save_0")
    assert [entry.stakeholder_name for entry in shop.inward()] == ["Vardhman Looms"] * 2


def test_a_new_supplier_beside_one_like_it_is_kept_when_it_is_said_to_be_another(open_page: Open, shop: Shop) -> None:
    shop.receive(shop.product(), stakeholder="Vardhman Looms", S=5)
    tab = open_page("inward", Role.MANAGER)
    type_in_grid(tab, "inward_grid_0", S="1")
    choose_or_type(tab, "inward_stakeholder", "Vardhman")
    run(tab)
    choose_or_type(tab, "inward_stakeholder", "Vardhman")
    tab.radio(key="inward_stakeholder_meant_Vardhman").set_value("Vardhman")
    click(tab, "inward_save_0")
    assert sorted(entry.stakeholder_name for entry in shop.inward()) == ["Vardhman", "Vardhman Looms"]


def test_a_sale_before_the_goods_came_in_gets_a_hint(open_page: Open, shop: Shop) -> None:
    shop.receive(shop.product(colours=["Red"]), S=5)
    shop.run("update inventory.inward_logs set date = current_date")
    tab = open_page("sales", Role.MANAGER)
    type_in_grid(tab, "sales_grid_0", S="1")
    choose_or_type(tab, "sales_store", "Andheri")
    (day,) = shop.run("select current_date - 3")[0]
    tab.date_input(key="sales_date").set_value(day)
    click(tab, "sales_save_0")
    assert "Goods came in later than that day: S on" in sentences(tab.success)[0]
    assert len(shop.sales()) == 1
