"""Every page for every role: what is shown, disabled and absent."""

import pytest
from streamlit.testing.v1 import AppTest

from backstitch import startup
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from tests.conftest import BROWSER, email_of
from tests.ui.conftest import Open
from tests.ui.shop import Shop, run
from ui.shared.session import Person

EDITORS = [Role.ADMIN, Role.MANAGER]
READERS = [Role.ANALYST, Role.VIEWER]
OF_THE_TRAIL = [Role.ADMIN, Role.MANAGER, Role.ANALYST]
EDIT = ":material/edit: Edit"


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """One product with goods in and out."""
    product = shop.product()
    shop.receive(product, S=5, M=2)
    shop.sell(product, S=1)
    shop.adjust(product, -1, "damaged")
    return shop


def buttons(tab: AppTest) -> list[str]:
    return sorted(button.label for button in tab.button if button.label != "Sign out")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("page", ["home", "products", "stock", "low_stock", "inward", "sales", "adjustments"])
def test_every_role_sees_the_inventory_and_who_is_signed_in(
    open_page: Open, stocked: Shop, page: str, role: Role
) -> None:
    tab = open_page(page, role)
    titles = {"stock": "Stock matrix", "low_stock": "Low stock"}
    assert [title.value for title in tab.title] == [titles.get(page, page.capitalize())]
    assert [text.value for text in tab.sidebar.text] == [f"{role.value.title()} Rao · {role.value}"]
    assert not tab.error


@pytest.mark.parametrize("role", EDITORS)
def test_admins_and_managers_have_the_forms(open_page: Open, stocked: Shop, role: Role) -> None:
    assert buttons(open_page("products", role)) == ["Add product"]
    assert buttons(open_page("inward", role)) == ["Record goods in"]
    assert buttons(open_page("sales", role)) == ["Record goods out"]
    tab = open_page("adjustments", role)
    assert [link.value for link in tab.page_link] == ["Stock matrix", "Stock-take"] and listed(tab) == [EDIT]


@pytest.mark.parametrize("role", READERS)
def test_analysts_and_viewers_have_no_forms(open_page: Open, stocked: Shop, role: Role) -> None:
    for page in ("home", "products", "stock", "low_stock", "inward", "sales", "adjustments"):
        tab = open_page(page, role)
        assert buttons(tab) == [] and not tab.data_editor
        assert {expander.label for expander in tab.expander} <= {"Quick look-up"}


def listed(tab: AppTest) -> list[str]:
    return [str(label) for label in tab.dataframe[0].value["open"]]


def test_products_open_for_editing_or_for_viewing(open_page: Open, stocked: Shop) -> None:
    assert [listed(open_page("products", role)) for role in Role] == [
        [EDIT],
        [EDIT],
        [":material/visibility: View"],
        [":material/visibility: View"],
    ]


@pytest.mark.parametrize("role", READERS)
def test_a_product_opened_for_viewing_has_every_field_disabled(open_page: Open, stocked: Shop, role: Role) -> None:
    tab = open_page("products", role)
    tab.session_state["product_dialog"] = stocked.read_product()
    run(tab)
    fields = [field for field in tab.text_input if field.key and field.key.startswith("edit_")]
    assert {field.label: field.value for field in fields} == {
        "SKU": "AN201",
        "Name": "Leggings",
        "Category": "",
        "Price": "549.00",
        "Reorder level": "0",
        "HSN code": "",
        "GST rate %": "",
        "Sizes": "S, M, L",
        "Description": "",
    }
    assert all(field.disabled for field in fields)
    assert tab.button(key="edit_save").disabled
    assert buttons(tab) == ["Save"]


@pytest.mark.parametrize("role", READERS)
@pytest.mark.parametrize("page", ["inward", "sales", "adjustments"])
def test_an_entry_does_not_open_for_users_who_may_not_edit(
    open_page: Open, stocked: Shop, page: str, role: Role
) -> None:
    tab = open_page(page, role)
    entries = {"inward": stocked.inward, "sales": stocked.sales, "adjustments": stocked.adjustments}
    tab.session_state["entry_dialog"] = entries[page]()[0]
    run(tab)
    assert buttons(tab) == [] and not tab.text_input


@pytest.mark.parametrize("role", OF_THE_TRAIL)
def test_every_role_except_viewer_reaches_the_trail(open_page: Open, stocked: Shop, role: Role) -> None:
    links = [link.value for link in open_page("stock", role).page_link]
    assert links == ["All changes to AN201"]
    tab = open_page("audit", role)
    assert [title.value for title in tab.title] == ["Audit report"]
    assert [link.label for link in tab.link_button] == ["Download CSV", "Download Excel"]


def test_a_viewer_has_no_audit_report_and_no_link_to_it(open_page: Open, stocked: Shop) -> None:
    tab = open_page("stock", Role.VIEWER)
    assert not tab.page_link
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        tab.switch_page("../pages/audit.py")


def person(role: str) -> Person:
    """The user of a role, as `ui/main.py` finds the user."""
    actor = sessions.actor(BROWSER, email_of(Role(role)))
    with startup.current().database.read(actor) as connection:
        user = sessions.current_user(connection)
    assert user is not None
    return Person(user, actor, session_id=1)


def test_a_user_whose_role_was_changed_must_sign_in_again_at_the_next_click(open_page: Open, stocked: Shop) -> None:
    tab = open_page("audit", Role.ANALYST)
    stocked.run("update accounts.users set role = 'viewer' where role = 'analyst'")
    run(tab)
    assert [field.label for field in tab.text_input] == ["Email", "Password"]
    assert not tab.error and not tab.link_button
