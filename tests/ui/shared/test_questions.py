"""What takes something out of use asks first, says what will happen, and takes a reason."""

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.accounts.users import list_users
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, confirm, run, sentences

# Page, role, what the dialog is of, the key of its button, the start of the question, the operation on the record.
PRODUCT = ("products", Role.MANAGER, "product_dialog")
QUESTIONS = [
    (*PRODUCT, "edit_active", "AN201 leaves the lists to choose from", "deactivate product"),
    (*PRODUCT, "shape_colour_switch", "AN201 will not come in Navy Blue any more.", "remove colour"),
    (*PRODUCT, "shape_size_switch", "AN201 will not come in size S any more.", "remove size"),
    ("users", Role.ADMIN, "user_dialog", "edit_user_active", "Manager Rao is signed out everywhere", "deactivate user"),
]


def opened(open_page: Open, shop: Shop, page: str, role: Role, dialog: str) -> AppTest:
    shop.product()
    tab = open_page(page, role)
    if page == "users":
        with shop.clone.app.read(shop.clone.actor(Role.ADMIN)) as connection:
            subject: object = next(line for line in list_users(connection) if line.role is Role.MANAGER)
    else:
        subject = shop.read_product()
    tab.session_state[dialog] = subject
    return run(tab)


@pytest.mark.parametrize(("page", "role", "dialog", "key", "effect", "operation"), QUESTIONS)
def test_nothing_happens_before_the_question_is_answered(
    open_page: Open, shop: Shop, page: str, role: Role, dialog: str, key: str, effect: str, operation: str
) -> None:
    written = "select operation, reason from audit.trail where operation = %s"
    tab = click(opened(open_page, shop, page, role, dialog), key)
    assert [text.value for text in tab.text if text.value.startswith(effect)] and shop.run(written, operation) == []
    click(tab, f"{key}_leave")
    assert f"{key}_confirm" not in {button.key for button in tab.button} and shop.run(written, operation) == []
    click(tab, key)
    tab.text_input(key=f"{key}_reason").set_value("not made any more")
    click(tab, f"{key}_confirm")
    assert set(shop.run(written, operation)) == {(operation, "not made any more")}


def test_a_rule_that_asks_for_a_reason_holds_for_a_deactivation_too(open_page: Open, shop: Shop) -> None:
    tab = opened(open_page, shop, *PRODUCT)
    shop.run("insert into inventory.reason_policies (entity, field) values ('Product', '*')")
    confirm(tab, "edit_active")
    assert sentences(tab.error) == ["This change needs a reason. Say why, and save again; nothing was saved."]
    assert tab.text_input(key="edit_active_reason").label == "Reason"
    tab.text_input(key="edit_active_reason").set_value("out of fashion")
    assert sentences(click(tab, "edit_active_confirm").success) == ["AN201 was deactivated."]


def test_what_comes_back_into_use_does_so_at_once(open_page: Open, shop: Shop) -> None:
    shop.product()
    shop.run("update inventory.products set is_active = false")
    tab = open_page("products", Role.MANAGER)
    tab.session_state["product_dialog"] = shop.read_product()
    assert sentences(click(run(tab), "edit_active").success) == ["AN201 was taken back into use."]
