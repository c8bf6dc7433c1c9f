"""The Reasons page: an admin decides which changes demand a reason; every form can then take one."""

from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from tests.conftest import email_of
from tests.ui.conftest import Open
from tests.ui.parties.test_party_pages import adding, saving, stored
from tests.ui.shared.test_links import visit
from tests.ui.shop import Shop, click, click_in_table, confirm, run, sentences
from ui.shared import session

ADMIN = email_of(Role.ADMIN)
DONE = """
    select username, operation, reason, action, new_values from audit.trail
    where entity = 'ReasonPolicy' and operation is not null order by id
"""
REASON_MISSING = "This change needs a reason. Say why, and save again; nothing was saved."


def rules(tab: AppTest) -> list[tuple[str, str]]:
    return list(tab.dataframe[0].value[["entity", "field"]].itertuples(index=False, name=None))


def asking(tab: AppTest, entity: str, field: str, why: str = "") -> AppTest:
    tab.selectbox(key="reason_entity").set_value(entity)
    run(tab).selectbox(key=f"reason_field_{entity}").set_value(field)
    count = len(rules(tab))
    tab.text_input(key=f"reason_rule_why_{count}").set_value(why)
    return click(tab, f"reason_rule_save_{count}")


def test_an_admin_adds_and_switches_off_a_rule_and_both_are_recorded(open_page: Open, shop: Shop) -> None:
    tab = open_page("reasons", Role.ADMIN)
    first = [("Product", "Unit price"), ("Stock adjustment", "Every change"), ("User", "Role")]
    assert rules(tab) == first
    assert tab.selectbox(key="reason_entity").options[:3] == ["Agency", "Customer", "Inward entry"]
    tab.selectbox(key="reason_entity").set_value("User")
    # A rule for every change of a user, or for the password, would keep everybody from setting a password.
    assert run(tab).selectbox(key="reason_field_User").options == ["Email", "Name", "Active"]
    asking(tab, "InwardLog", "quantity", "audit of October")
    assert sentences(tab.success) == ["Inward entry, Quantity: a reason is asked for from now on."]
    assert [(link.value, link.proto.query_string) for link in tab.page_link] == [
        ("View in audit report", "type=Reason+policy")
    ]
    assert rules(tab) == [("Inward entry", "Quantity"), *first]
    assert "Quantity" not in tab.selectbox(key="reason_field_InwardLog").options

    click_in_table(tab, "reason_rule_open", 2)
    assert "Stock adjustment, every change: nobody will be asked why any more." in [text.value for text in tab.text]
    click(tab, "reason_rule_off_save")
    assert sentences(tab.success) == ["Stock adjustment, every change: no reason is asked for from now on."]
    assert rules(tab) == [("Inward entry", "Quantity"), ("Product", "Unit price"), ("User", "Role")]
    asking(tab, "StockAdjustment", "*")
    rule = {"entity": "InwardLog", "field": "quantity", "required": True}
    done = shop.run(DONE)
    assert [(*row[:4], {k: v for k, v in row[4].items() if k != "id"}) for row in done] == [
        (ADMIN, "ask for a reason", "audit of October", "CREATE", rule),
        (ADMIN, "ask for no reason", None, "UPDATE", {"required": False}),
        (ADMIN, "ask for a reason", None, "UPDATE", {"required": True}),
    ]


def test_a_form_without_a_reason_field_asks_for_the_reason_that_a_rule_demands(open_page: Open, shop: Shop) -> None:
    shop.run("insert into inventory.reason_policies (entity, field) values ('Customer', '*')")
    tab = adding(open_page, "customer")
    assert sentences(tab.error) == [REASON_MISSING]
    tab.text_input(key="reason_lacking").set_value("  *new* shop in town ")
    assert sentences(click(tab, "customer_save").success) == ["Mehta & Co was added."]
    why = "select operation, reason from audit.trail where entity = 'Customer'"
    assert shop.run(why) == [("add customer", "*new* shop in town")]
    # The reason counts for that change only: not for another operation or another record, and not after another run or
    # a visit to another page. A dialog runs by itself, so a change of another record may come without another run.
    (made,) = stored(shop, "customer")

    def refused() -> None:
        tab.session_state["customer_dialog"] = made
        assert sentences(saving(run(tab), "customer", made, phone="9820012345").error) == [REASON_MISSING]

    refused()
    tab.text_input(key="reason_lacking").set_value("moved")
    assert sentences(confirm(tab, "customer_active").error) == [REASON_MISSING]
    for meanwhile in (lambda: run(tab), lambda: visit(visit(tab, "home"), "customers")):
        refused()
        tab.text_input(key="reason_lacking").set_value("moved")
        meanwhile()
        refused()
    tab.session_state[session.PENDING_REASON] = ("edit customer", made.id + 1), "moved"
    assert sentences(click(tab, "customer_save").error) == [REASON_MISSING]
    tab.session_state[session.PENDING_REASON] = ("edit customer", made.id), "moved"
    assert sentences(click(tab, "customer_save").success) == ["Mehta & Co was saved: Phone — → 9820012345."]
    assert shop.run(why + " order by id")[1:] == [("edit customer", "moved")]
