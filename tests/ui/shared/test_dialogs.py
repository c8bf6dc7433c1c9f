"""A dialog closes when the user leaves its page: the Back button does not call `on_dismiss`."""

from streamlit.proto.Block_pb2 import Block as BlockProto
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.audit import search
from backstitch.audit.operations import operations
from backstitch.inventory.reasons import ReasonPolicy
from tests.ui.audit.test_undo_dialog import last_day
from tests.ui.conftest import Open
from tests.ui.shared.test_links import visit
from tests.ui.shop import Shop, click, run
from ui.accounts import user_forms
from ui.audit import diffs, undo
from ui.movements import deletion as movement_deletion
from ui.movements import tables as movement_tables
from ui.orders import steps as order_steps
from ui.parties import kinds as party_kinds
from ui.products import forms as product_forms
from ui.reasons import rules as reason_rules


def dialogs(tab: AppTest) -> list[str]:
    """The titles of the open dialogs."""
    blocks = (getattr(node, "proto", None) for node in tab._tree)
    return [block.dialog.title for block in blocks if isinstance(block, BlockProto) and block.HasField("dialog")]


def test_leaving_a_page_closes_its_dialog(open_page: Open, shop: Shop) -> None:
    product = shop.product()
    shop.receive(product, S=5)
    shop.adjust(product, -1)
    tab = open_page("home", Role.ADMIN)
    with shop.clone.app.read(shop.clone.actor(Role.ADMIN)) as connection:
        (operation,) = operations(connection, filters=last_day(), size=1).operations
        record = search.search(connection, filters=last_day(), size=1).records[0]
    entry = shop.inward()[0]
    undoable = undo.Undoable(operation.transaction_id, operation.ended)
    for page, dialog, what, title in (
        ("products", product_forms.DIALOG, "new", "Add product"),
        ("products", product_forms.DIALOG, shop.read_product(product), "Product"),
        ("inward", movement_tables.DIALOG, entry, "Inward entry"),
        ("inward", movement_deletion.DIALOG, (entry,), "Delete entries"),
        ("adjustments", movement_tables.DIALOG, shop.adjustments()[0], "Stock adjustment"),
        ("audit", diffs.DIALOG, record, "On the record"),
        ("audit", diffs.DIALOG, operation, "What one step did"),
        ("orders", order_steps.DIALOG, order_steps.Step("copy", {}, []), "Copy orders"),
        ("customers", party_kinds.CUSTOMERS.dialog, "new", "Add customer"),
        ("agencies", party_kinds.AGENCIES.dialog, "new", "Add agency"),
        ("users", user_forms.DIALOG, "new", "Add user"),
        ("reasons", reason_rules.DIALOG, ReasonPolicy(1, "Product", "unit_price", True), "Ask no more"),
        ("sales", undo.DIALOG, undoable, "Undo"),
    ):
        visit(tab, page)
        tab.session_state[dialog.key] = what
        assert dialogs(run(tab)) == [title] == dialogs(run(tab))
        assert dialogs(visit(visit(tab, "home"), page)) == []


def test_two_quick_clicks_that_open_two_dialogs_leave_one_open(open_page: Open) -> None:
    tab = click(open_page("customers", Role.MANAGER), "add_customer")
    tab.text_input(key="edit_customer_store_name_new").set_value("Mehta Stores")
    click(tab, "customer_save").button(key="undo_offer").click()
    assert len(dialogs(click(tab, "add_customer"))) == 1
