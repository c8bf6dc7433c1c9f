"""The Adjustments page: its log, the correction and the deletion of entries, and every refusal."""

from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.ui.conftest import Open
from tests.ui.movements.test_log_selection import listed, select
from tests.ui.shared.test_links import visit
from tests.ui.shop import DAY, MANAGER, Shop, click, field, run, sentences
from ui.shared import formats

COLUMNS = ["date", "sku", "color", "size", "quantity", "reason", "note"]
DONE = """
    select username, operation, reason, action, old_values, new_values from audit.trail
    where entity = 'StockAdjustment' and operation <> 'seed' order by id
"""


@pytest.fixture
def product(shop: Shop) -> int:
    """AN201 with five pieces in red, size S, of which two were damaged; then one was found again."""
    product_id = shop.product()
    shop.receive(product_id, S=5)
    shop.adjust(product_id, -2, "damaged", note="torn")
    shop.adjust(product_id, 1)
    return product_id


def opening(open_page: Open, shop: Shop, index: int = 1) -> AppTest:
    """Opens the dialog of an entry; by default the older one, the damaged pieces."""
    tab = open_page("adjustments", Role.MANAGER)
    tab.session_state["entry_dialog"] = shop.adjustments()[index]
    return run(tab)


def typed(tab: AppTest) -> list[object]:
    """The values of the fields in the dialog."""
    names = ("of_pieces", "of_reason", "of_date", "of_note")
    return [tab.radio[0].value, *(field(tab, f"adjustment_{name}").value for name in names)]


def saving(tab: AppTest, why: str = "", **fields: object) -> AppTest:
    field(tab, "adjustment_reason").set_value(why)
    for name, value in fields.items():
        field(tab, f"adjustment_of_{name}").set_value(value)
    return click(tab, "edit_adjustment_save")


def test_the_log_has_signed_quantities_and_narrows_to_a_reason(open_page: Open, shop: Shop, product: int) -> None:
    tab = open_page("adjustments", Role.VIEWER)
    assert listed(tab).value[COLUMNS].values.tolist() == [
        [DAY, "AN201", "Red", "S", 1, "Count", ""],
        [DAY, "AN201", "Red", "S", -2, "Damaged", "torn"],
    ]
    assert not listed(tab).proto.selection_mode and not tab.page_link
    tab.selectbox(key="adjustment_log_reason").set_value("damaged")
    assert listed(run(tab)).value["quantity"].to_list() == [-2]
    tab.selectbox(key="adjustment_log_reason").set_value("promotion")
    assert [info.value for info in run(tab).info] == ["No entry matches these filters."]


def test_an_empty_log_says_so_and_where_an_adjustment_is_made(open_page: Open) -> None:
    tab = open_page("adjustments", Role.MANAGER)
    assert [info.value for info in tab.info] == ["No adjustments yet."]
    assert "To make one, open a cell of the stock matrix, or count the shelf:" in [text.value for text in tab.text]
    assert [link.proto.page for link in tab.page_link] == ["stock", "stock-take"]


def test_home_leads_to_the_adjustments_of_today_without_the_filters_of_an_earlier_visit(
    open_page: Open, shop: Shop, product: int
) -> None:
    today = formats.today()
    shop.run("update inventory.stock_adjustments set date = %s where quantity = 1", today)
    tab = open_page("adjustments", Role.VIEWER)
    tab.selectbox(key="adjustment_log_reason").set_value("damaged")
    run(tab)
    (link,) = [link for link in visit(tab, "home").page_link if link.value == "1 adjustment dated today"]
    assert (link.proto.page, link.proto.query_string) == ("adjustments", f"from={today}&to={today}")
    visit(tab, "adjustments", **dict(parse_qsl(link.proto.query_string)))
    assert tab.selectbox(key="adjustment_log_reason").value == ""
    assert listed(tab).value[["date", "quantity"]].values.tolist() == [[today, 1]]
    assert len(listed(visit(visit(tab, "home"), "adjustments")).value) == 1
    assert sentences(visit(visit(tab, "home"), "adjustments", **{"from": "soon"}).warning) == [
        "The link asks for the day “soon”, which is not known by that name. Write it as 2026-03-31. The list is shown "
        "without it."
    ]
    assert len(listed(tab).value) == 2


def test_a_corrected_entry_moves_the_stock_and_is_recorded_with_its_reason(
    open_page: Open, shop: Shop, product: int
) -> None:
    tab = opening(open_page, shop)
    assert typed(tab) == ["Take away", "2", "damaged", DAY, "torn"]
    assert sentences(saving(tab, pieces="3").error) == [
        "This change needs a reason. Say why, and save again; nothing was saved."
    ]
    # The dialog has a field for the reason, so the refusal draws none.
    assert [box.key for box in tab.text_input if box.key == "reason_lacking"] == [] and shop.run(DONE) == []
    saving(tab, "counted again", pieces="3", reason="theft or loss", note=" from the van ")
    assert sentences(tab.success) == [
        "Stock adjustment 1 of AN201 was saved: Quantity −2 → −3, Note torn → from the van, "
        "Reason damaged → theft or loss."
    ]
    link = tab.page_link[0]
    assert (link.value, link.proto.query_string) == (
        "View in audit report",
        "product=AN201+%C2%B7+Leggings&type=Stock+adjustment",
    )
    old = {"quantity": -2, "reason": "damaged", "note": "torn"}
    new = {"quantity": -3, "reason": "theft or loss", "note": "from the van"}
    assert shop.run(DONE) == [(MANAGER, "correct stock adjustment", "counted again", "UPDATE", old, new)]
    assert shop.stock(product) == {("RED", "S"): 3}

    tab = opening(open_page, shop, 0)
    assert typed(tab)[:2] == ["Add", "1"]
    tab.radio[0].set_value("Take away")
    assert sentences(saving(tab, "other way round").success) == [
        "Stock adjustment 2 of AN201 was saved: Quantity 1 → −1."
    ]
    assert shop.stock(product) == {("RED", "S"): 1}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"pieces": "0"}, "Say how many pieces: a whole number above 0. Nothing was saved."),
        ({"pieces": "-2"}, "The quantity for size S is negative. Nothing was saved."),
        ({"pieces": "1.5"}, "The quantity for size S is not a whole number. Nothing was saved."),
        (
            {"pieces": "7"},
            "There is not enough stock for this. AN201 Red, size S: 5 asked, 4 on hand. Nothing was saved.",
        ),
    ],
    ids=["zero", "negative", "fractional", "more than there is"],
)
def test_a_wrong_correction_is_refused_with_a_sentence_and_writes_nothing(
    open_page: Open, shop: Shop, product: int, fields: dict[str, str], sentence: str
) -> None:
    tab = saving(opening(open_page, shop), "counted again", **fields)
    assert sentences(tab.error) == [sentence] and not tab.success
    assert shop.run(DONE) == [] and shop.stock(product) == {("RED", "S"): 4}


def test_the_second_of_two_tabs_is_refused_and_sees_both_versions(open_page: Open, shop: Shop, product: int) -> None:
    first, second, third = (opening(open_page, shop) for _ in range(3))
    saving(first, "counted again", pieces="1", reason="count")
    saving(second, "so it was", pieces="3")
    assert sentences(second.error) == [
        "Somebody else changed this entry while you were editing it. Nothing of yours was saved."
    ]
    assert second.dataframe[-1].value.to_dict("records") == [
        {"Field": "Quantity", "Now": "-1", "When you opened it": "-2", "Yours": "-3"},
        {"Field": "Reason", "Now": "count", "When you opened it": "damaged", "Yours": "damaged"},
    ]
    assert typed(click(second, "edit_again"))[:3] == ["Take away", "1", "count"]
    field(third, "adjustment_reason").set_value("entered twice")
    assert sentences(click(third, "edit_adjustment_delete").error) == [
        "Somebody else changed this entry while you were editing it. Nothing of yours was saved."
    ]
    assert len(shop.run(DONE)) == 1 and shop.stock(product) == {("RED", "S"): 5}


def test_deleting_an_adjustment_reverses_its_change_of_stock(open_page: Open, shop: Shop, product: int) -> None:
    first, second = opening(open_page, shop), opening(open_page, shop)
    for tab in (first, second):
        field(tab, "adjustment_reason").set_value("entered twice")
        click(tab, "edit_adjustment_delete")
    assert sentences(first.success) == ["Stock adjustment 1 was deleted; 2 pieces of AN201 Red S came back into stock."]
    assert sentences(second.error) == ["Somebody else deleted this entry meanwhile. Nothing of yours was saved."]
    ((*done, old, new),) = shop.run(DONE)
    assert done == [MANAGER, "delete stock adjustment", "entered twice", "DELETE"]
    assert (old["quantity"], new) == (-2, None) and shop.stock(product) == {("RED", "S"): 6}


def test_selected_entries_are_deleted_in_one_step_that_names_its_effect_on_the_stock(
    open_page: Open, shop: Shop, product: int
) -> None:
    tab = click(select(open_page("adjustments", Role.MANAGER), 0, 1), "delete_selected")
    texts = [text.value for text in tab.text]
    assert "2 entries selected, 3 pieces." in texts
    assert "Delete 2 entries? That takes 1 piece out of stock and brings 2 pieces back into stock." in texts
    tab.text_input(key="delete_entries_reason").set_value("counted anew")
    click(tab, "delete_entries_confirm")
    assert sentences(tab.success) == [
        "2 entries deleted; that takes 1 piece out of stock and brings 2 pieces back into stock."
    ]
    assert tab.page_link[0].proto.query_string == "type=Stock+adjustment&action=Deleted"
    assert {row[:4] for row in shop.run(DONE)} == {(MANAGER, "delete stock adjustments", "counted anew", "DELETE")}
    assert shop.adjustments() == [] and shop.stock(product) == {("RED", "S"): 5}
