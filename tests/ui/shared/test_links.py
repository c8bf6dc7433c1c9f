"""Links with filters: they reset the other filters, find what they name, or warn that it is unknown."""

from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, sentences


def visit(tab: AppTest, page: str, **query: str) -> AppTest:
    """The tab on another page, opened by a link with this query, or by the menu."""
    tab.query_params.clear()
    for name, value in query.items():
        tab.query_params[name] = value
    tab.switch_page(f"../pages/{page}.py")
    return run(tab)


def test_a_link_to_the_report_resets_the_other_filters_and_the_menu_keeps_them(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["S"], colours=["Red"])
    tab = open_page("audit", Role.MANAGER, user="Admin Rao", text="nothing like it", period="Today")
    assert not tab.dataframe
    visit(visit(tab, "sales"), "audit")
    assert (tab.selectbox(key="period").value, tab.text_input(key="text").value) == ("Today", "nothing like it")
    visit(visit(tab, "sales"), "audit", product="AN201 · Leggings")
    assert (tab.selectbox(key="period").value, tab.selectbox(key="product").value) == ("Last 7 days", product)
    assert (tab.multiselect(key="user").value, tab.text_input(key="text").value) == ([], "")
    assert tab.markdown[0].value == "**3** records · times in Asia/Kolkata"
    assert dict(tab.query_params) == {"product": "AN201 · Leggings"}


def test_the_stock_page_and_the_report_keep_a_product_each(open_page: Open, shop: Shop) -> None:
    leggings, kurta = shop.product(), shop.product("KT-1", "Kurta", colours=["Teal"])
    tab = open_page("audit", Role.MANAGER, period="Today")
    visit(tab, "stock", stock_product="KT-1 · Kurta")
    assert tab.selectbox(key="stock_product").value == kurta
    visit(tab, "audit")
    assert tab.selectbox(key="product").value == 0
    visit(tab, "sales")
    visit(tab, "audit", product="AN201 · Leggings")
    visit(tab, "stock")
    assert (leggings, tab.selectbox(key="stock_product").value) == (1, kurta)


def test_a_link_finds_a_product_that_was_renamed_since(open_page: Open, shop: Shop) -> None:
    shop.product()
    kurta = shop.product("KT-1", "Kurta", colours=["Teal"])
    tab = open_page("audit", Role.MANAGER, product="KT-1 · Old name", user="Nobody")
    assert tab.selectbox(key="product").value == kurta
    assert dict(tab.query_params) == {"product": "KT-1 · Kurta"}
    assert sentences(tab.warning) == [
        "The link asks for the user “Nobody”, which is not known by that name. The report is shown without it."
    ]
    visit(tab, "stock", stock_product="KT-1")
    assert tab.selectbox(key="stock_product").value == kurta and not tab.warning
    visit(visit(tab, "sales"), "audit", product="KT-1 · Older name")
    assert tab.selectbox(key="product").value == kurta and not tab.warning


def test_a_link_to_an_unknown_value_gets_a_warning_until_a_choice_or_another_page(open_page: Open, shop: Shop) -> None:
    shop.product()
    kurta = shop.product("KT-1", "Kurta", colours=["Teal"])
    tab = open_page("stock", Role.MANAGER, stock_product="KT-999 · Gone")
    assert sentences(tab.warning) == [
        "The link asks for the product “KT-999 · Gone”, which is not known by that name. Choose another; of those that "
        "are in use, the first is shown."
    ]
    assert len(run(tab).warning) == 1
    tab.selectbox(key="stock_product").set_value(kurta)
    assert not run(tab).warning
    assert sentences(visit(tab, "orders", order="abc").warning) == [
        "The link asks for the order “abc”, which is not known by that name. All orders are shown."
    ]
    assert sentences(visit(visit(tab, "sales"), "orders", status="lost").warning) == [
        "The link asks for the status “lost”, which is not known by that name. The list is shown without it."
    ]
    tab.multiselect(key="order_statuses").set_value(["draft"])
    assert not run(tab).warning
    assert sentences(visit(tab, "stock_take", take_product="KT-999 · Gone").warning) == [
        "The link asks for the product “KT-999 · Gone”, which is not known by that name. Choose another; of those that "
        "are in use, the first is shown."
    ]
    visit(visit(tab, "sales"), "stock_take", take_product="KT-1 · Old name")
    assert tab.selectbox(key="take_product").value == kurta and not tab.warning


def test_on_the_report_the_link_to_an_undo_filters_the_report_to_it(open_page: Open, shop: Shop) -> None:
    product = shop.product(sizes=["S"], colours=["Red"])
    shop.receive(product, S=5)
    tab = open_page("audit", Role.MANAGER, type="Inward entry", text="Mill")
    tab.session_state["done"] = ("Undone.", {"action": "Added"}, None)
    click(run(tab), "view_record")
    assert (tab.multiselect(key="type").value, tab.text_input(key="text").value) == ([], "")
    assert tab.multiselect(key="action").value == ["CREATE"]
    assert set(tab.dataframe[0].value["action"]) == {"Added"} and len(tab.dataframe[0].value) > 1


def test_a_product_deactivated_during_a_visit_to_another_page_is_not_offered(open_page: Open, shop: Shop) -> None:
    shop.product()
    kurta = shop.product("KT-1", "Kurta", colours=[])
    stay = open_page("audit", Role.MANAGER, product="KT-1 · Kurta")
    tab = open_page("audit", Role.MANAGER, product="KT-1 · Kurta")
    visit(tab, "stock", stock_product="KT-1 · Kurta")
    visit(tab, "inward")
    tab.selectbox(key="inward_log_product").set_value(kurta)
    tab.selectbox(key="inward_product").set_value(kurta)
    visit(run(tab), "home")
    shop.run("delete from inventory.products where sku = 'KT-1'")
    assert run(stay).selectbox(key="product").value == 0
    assert visit(tab, "audit").selectbox(key="product").value == 0
    assert visit(tab, "stock").selectbox(key="stock_product").value == 1
    visit(tab, "inward")
    assert (tab.selectbox(key="inward_log_product").value, tab.selectbox(key="inward_product").value) == (0, 1)
