"""Unexpected errors: the screen shows a sentence with an id, the log has the traceback under that id."""

import logging
import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from backstitch.accounts.permissions import Role
from backstitch.audit import search
from backstitch.errors import Refused
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from tests.ui.conftest import Open
from tests.ui.shop import Shop, choose_or_type, click, run, sentences, type_in_grid
from ui.server import errors

SENTENCE = re.compile(
    r"Something went wrong, and nothing was saved by this step\. Try again; if it stays, report error ([0-9a-f]{12})\."
)


@pytest.fixture(autouse=True)
def handler_of_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest runs a script without st.App, so this installs the error handler of the app."""
    original = LocalScriptRunner.__init__

    def with_handler(self: LocalScriptRunner, *arguments: object, **options: object) -> None:
        original(self, *arguments, **options)  # type: ignore[arg-type]
        self._on_script_error = errors.show

    monkeypatch.setattr(LocalScriptRunner, "__init__", with_handler)


def raising(error: Exception) -> Callable[..., object]:
    def fail(*arguments: object, **options: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    ("page", "module", "function"),
    [
        ("products", product_queries, "list_products"),
        ("stock", product_queries, "matrix"),
        ("inward", movement_queries, "inward_log"),
        ("sales", movement_queries, "sales_log"),
        ("audit", search, "count"),
    ],
    ids=["products", "stock", "inward", "sales", "audit"],
)
def test_an_error_on_a_page_shows_an_id_and_logs_a_traceback(
    open_page: Open,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    page: str,
    module: object,
    function: str,
) -> None:
    shop.product()
    monkeypatch.setattr(module, function, raising(RuntimeError("boom in the cellar")))
    with caplog.at_level(logging.ERROR, logger="ui.server.errors"):
        tab = open_page(page, Role.MANAGER)
    (shown,) = [error.value for error in tab.error]
    number = SENTENCE.fullmatch(shown)
    assert number, shown
    assert "cellar" not in str(tab)
    (logged,) = [record for record in caplog.records if record.name == "ui.server.errors"]
    assert logged.getMessage() == f"error {number[1]}"
    assert logged.exc_text and "RuntimeError: boom in the cellar" in logged.exc_text


def test_an_error_in_a_save_writes_nothing_and_the_page_goes_on(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = shop.product()
    tab = open_page("inward", Role.MANAGER)
    type_in_grid(tab, "inward_grid_0", S="3")
    choose_or_type(tab, "inward_stakeholder", "Mill")
    with monkeypatch.context() as broken:
        broken.setattr(movement_commands, "record_inward", raising(RuntimeError("boom")))
        click(tab, "inward_save_0")
    assert [bool(SENTENCE.fullmatch(error.value)) for error in tab.error] == [True]
    assert shop.trail() == [] and shop.stock(product) == {}
    choose_or_type(tab, "inward_stakeholder", "Mill")
    assert sentences(click(tab, "inward_save_0").success) == ["Recorded 3 pieces of AN201 Navy Blue in: S 3."]


def test_an_error_in_a_dialog_is_shown_as_a_sentence(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.product()
    tab = open_page("products", Role.MANAGER)
    tab.session_state["product_dialog"] = shop.read_product()
    run(tab)
    monkeypatch.setattr(product_commands, "edit_product", raising(RuntimeError("boom")))
    click(tab, "edit_save")
    assert [bool(SENTENCE.fullmatch(error.value)) for error in tab.error] == [True]
    assert shop.trail() == []


def test_a_refusal_that_no_page_handles_is_shown_as_its_sentence(
    open_page: Open, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Refused(
        "The database does not answer, or has no connection free. Nothing was saved; try again in a moment.",
        rule="database_unreachable",
    )
    monkeypatch.setattr(product_queries, "list_products", raising(lost))
    tab = open_page("products", Role.MANAGER)
    assert sentences(tab.error) == [str(lost)]
