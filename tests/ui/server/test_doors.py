"""The doors of the pages: forms, dialogs, callbacks, sign-in, paste and undo name their source and request."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.inventory.paste.columns import Kind
from tests.conftest import PASSWORD, email_of
from tests.ui.conftest import Open
from tests.ui.paste.test_paste_page import HEADER, day, pasted
from tests.ui.server.test_unexpected_errors import SENTENCE, handler_of_the_app, raising
from tests.ui.shop import SEED, Shop, choose_or_type, click, run, type_in_grid

ID = re.compile(r"[0-9a-f]{12}")

__all__ = ["handler_of_the_app"]  # a fixture of every test here


def came(shop: Shop, *actions: str) -> list[tuple[str, str, str]]:
    """Source, request and operation of what the pages wrote, each transaction once, in order."""
    rows = shop.run(
        "select source, request, operation from audit.records "
        "where operation is distinct from %s and (%s or action::text = any(%s)) and (user_id is not null or %s) "
        "group by transaction_id, source, request, operation order by transaction_id",
        SEED,
        not actions,
        list(actions),
        bool(actions),
    )
    return [(source, request, operation) for source, request, operation in rows]


def save_inward(tab: AppTest, **sizes: str) -> AppTest:
    type_in_grid(tab, "inward_grid_0", **sizes)
    choose_or_type(tab, "inward_stakeholder", "Mill")
    return click(tab, "inward_save_0")


def test_a_form_a_dialog_and_an_undo_are_requests_of_their_own(open_page: Open, shop: Shop) -> None:
    shop.product()
    tab = save_inward(open_page("inward", Role.MANAGER), S="3")
    click(tab, "undo_offer")
    next(button for button in tab.button if button.label == "Undo this").click()
    run(tab)
    dialog = open_page("products", Role.MANAGER)
    dialog.session_state["product_dialog"] = shop.read_product()
    run(dialog)
    next(field for field in dialog.text_input if (field.key or "").startswith("edit_name_")).set_value("Tights")
    click(dialog, "edit_save")
    found = came(shop)
    assert [(source, operation) for source, _, operation in found] == [
        ("page", "record inward"),
        ("undo", "undo"),
        ("page", "edit product"),
    ]
    assert len({request for _, request, _ in found if ID.fullmatch(request)}) == 3


def test_a_paste_is_a_paste(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    tab = pasted(
        open_page("paste", Role.MANAGER),
        HEADER,
        f"{day()}\tRed\t4\t\t2\tSupply\tMill",
        kind=Kind.INWARD,
        product=product,
    )
    click(tab, "paste_write")
    ((source, request, _),) = came(shop)
    assert source == "paste" and ID.fullmatch(request)


def test_signing_in_and_out_comes_through_a_page_although_it_runs_before_the_page(
    signed_out: AppTest, shop: Shop
) -> None:
    for password in ("wrong", PASSWORD):
        signed_out.run()
        signed_out.text_input[0].set_value(email_of(Role.MANAGER))
        signed_out.text_input[1].set_value(password)
        signed_out.button[0].click().run()
    next(button for button in signed_out.button if button.label == "Sign out").click().run()
    for action in ("LOGIN_FAILED", "LOGIN", "LOGOUT"):
        ((source, request, _),) = came(shop, action)
        assert (action, source) == (action, "page") and ID.fullmatch(request)


def test_the_id_of_an_error_is_that_of_the_records_and_of_the_log(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The save commits, and what the page does about it fails."""
    shop.product()
    tab = open_page("products", Role.MANAGER)
    tab.session_state["product_dialog"] = shop.read_product()
    run(tab)
    next(field for field in tab.text_input if (field.key or "").startswith("edit_name_")).set_value("Tights")
    with monkeypatch.context() as broken:
        broken.setattr("ui.feedback.done", raising(RuntimeError("boom")))
        click(tab, "edit_save")
    (shown,) = [match for error in tab.error if (match := SENTENCE.fullmatch(error.value))]
    assert came(shop) == [("page", shown[1], "edit product")]
    assert f"error {shown[1]}" in caplog.messages
