"""Stock-take: counts typed into the grid, their differences, the posting and its refusals."""

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.shop import MANAGER, Shop, click, run, sentences

POSTED = """
    select username, operation, reason, new_values ->> 'colour_code', new_values ->> 'size',
           new_values ->> 'quantity', new_values ->> 'reason'
    from audit.trail where entity = 'StockAdjustment' order by id
"""


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """Red: 5 S, 2 M and no L at all; nothing of Teal."""
    product = shop.product(sizes=["S", "M", "L"], colours=["Red", "Teal"])
    shop.receive(product, S=5, M=2)
    shop.run("delete from inventory.product_color_stocks where colour_code = 'RED' and size = 'L'")
    return shop


def counting(tab: AppTest, *rows: dict[str, str | None]) -> AppTest:
    """Types counts, a row per colour."""
    tab.session_state["take_grid_1_0"] = {
        "edited_rows": dict(enumerate(rows)),
        "added_rows": [],
        "deleted_rows": [],
    }
    return run(tab)


def test_counts_are_posted_as_adjustments_and_the_sheet_is_empty_again(open_page: Open, stocked: Shop) -> None:
    tab = open_page("stock_take", Role.MANAGER)
    assert tab.data_editor[0].value.fillna("").values.tolist() == [["", "", "·"], ["", "", ""]]
    counting(tab, {"S": "4", "M": "2"}, {"L": " 1 "})
    assert [markdown.value for markdown in tab.markdown] == [
        "**3 cells counted**, 2 differ: 1 piece missing, 1 piece more than in the books."
    ]
    assert tab.dataframe[-1].value.values.tolist() == [["Red · S", 5, 4, -1], ["Teal · L", 0, 1, 1]]
    tab.text_input(key="take_note").set_value("shelf 2")
    click(tab, "take_post")
    assert sentences(tab.success) == ["Posted 2 differences of AN201."]
    assert stocked.run(POSTED) == [
        (MANAGER, "stock-take", "count: shelf 2", "RED", "S", "-1", "count"),
        (MANAGER, "stock-take", "count: shelf 2", "TEAL", "L", "1", "count"),
    ]
    assert stocked.stock(1) == {("RED", "S"): 4, ("RED", "M"): 2, ("TEAL", "L"): 1}
    assert tab.data_editor[0].key == "take_grid_1_1" and not tab.markdown


WRONG = {
    "a negative count": ({"S": "-1"}, "Red · S: “-1” is not a whole number of 0 or more."),
    "half a piece": ({"M": "1.5"}, "Red · M: “1.5” is not a whole number of 0 or more."),
    "a word": ({"S": "many"}, "Red · S: “many” is not a whole number of 0 or more."),
    "too many": ({"S": "2147483648"}, "Red · S: “2147483648” is too large. The largest quantity is 2,147,483,647."),
    "a cell that is not there": ({"L": "1"}, "Red · L: the product does not come in this colour and size."),
}


@pytest.mark.parametrize(("row", "sentence"), WRONG.values(), ids=list(WRONG))
def test_a_text_that_is_no_count_gets_a_message_and_blocks_the_posting(
    open_page: Open, stocked: Shop, row: dict[str, str | None], sentence: str
) -> None:
    tab = counting(open_page("stock_take", Role.MANAGER), row, {"S": "9"})
    assert sentences(tab.error) == [sentence]
    assert [button.key for button in tab.button if button.key == "take_post"] == []
    assert stocked.run(POSTED) == []


def test_counts_of_cells_that_moved_since_are_refused_and_shown_beside_the_stock(
    open_page: Open, stocked: Shop
) -> None:
    tab = counting(open_page("stock_take", Role.MANAGER), {"S": "4", "M": "3"})
    stocked.sell(1, S=2)
    click(tab, "take_post")
    assert sentences(tab.error) == [
        "The stock of 1 of the counted cells has moved since. Nothing was saved; check them again."
    ]
    assert tab.dataframe[-1].value.to_dict("records") == [{"cell": "Red · S", "began": 5, "now": 3, "counted": 4}]
    assert stocked.run(POSTED) == []
    click(tab, "take_compare")
    assert tab.dataframe[-1].value.values.tolist() == [["Red · S", 3, 4, 1], ["Red · M", 2, 3, 1]]
    click(tab, "take_post")
    assert sentences(tab.success) == ["Posted 2 differences of AN201."]
    assert stocked.stock(1) == {("RED", "S"): 4, ("RED", "M"): 3}


def test_counts_equal_to_the_books_have_no_difference_and_survive_a_visit_to_another_page(
    open_page: Open, stocked: Shop
) -> None:
    tab = counting(open_page("stock_take", Role.MANAGER), {"S": "5"})
    assert [markdown.value for markdown in tab.markdown] == [
        ":material/check_circle: **1 cell counted**, all as the books say. There is nothing to post."
    ]
    tab.switch_page("../pages/stock.py").run()
    run(tab.switch_page("../pages/stock_take.py"))
    assert tab.data_editor[0].value["S"].tolist()[0] == "5"
    click(tab, "take_clear")
    assert tab.data_editor[0].value["S"].tolist()[0] == "" and not tab.markdown


def test_counts_stay_when_a_colleague_changes_sizes_and_colours_meanwhile(open_page: Open, stocked: Shop) -> None:
    tab = counting(open_page("stock_take", Role.MANAGER), {"S": "4"}, {"L": "1"})
    stocked.run("update inventory.product_colors set color = 'Crimson' where colour_code = 'RED'")
    stocked.colours(1, "Azure")
    run(tab)
    assert [info.value for info in tab.info] == [
        "The sizes or colours were changed meanwhile. What you typed is still there."
    ]
    assert tab.data_editor[0].value.fillna("").to_dict("index") == {
        "Azure": {"S": "", "M": "", "L": ""},
        "Crimson": {"S": "4", "M": "", "L": ""},
        "Teal": {"S": "", "M": "", "L": "1"},
    }
    assert tab.dataframe[-1].value.values.tolist() == [["Crimson · S", 5, 4, -1], ["Teal · L", 0, 1, 1]]
    # A removed colour stays in the sheet with its count, and blocks the posting.
    stocked.run("update inventory.product_colors set is_active = false where colour_code = 'TEAL'")
    assert sentences(run(tab).error) == ["Teal · L: the product does not come in this colour and size."]
    tab.session_state["take_grid_1_0_2"] = {"edited_rows": {2: {"L": None}}, "added_rows": [], "deleted_rows": []}
    assert sentences(click(run(tab), "take_post").success) == ["Posted 1 difference of AN201."]
    assert stocked.stock(1) == {("RED", "S"): 4, ("RED", "M"): 2}


def test_without_products_or_colours_the_page_says_where_to_add_them(open_page: Open, shop: Shop) -> None:
    tab = open_page("stock_take", Role.MANAGER)
    assert [info.value for info in tab.info] == ["No products yet. Add one on the Products page, then count it."]
    shop.product(colours=[])
    assert [info.value for info in run(tab).info] == [
        "This product has no colours in use. Add them on the Products page."
    ]
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        open_page("stock_take", Role.VIEWER)
