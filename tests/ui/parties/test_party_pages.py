"""The Customers and Agencies pages: add, edit, deactivate, delete, and every refusal with its sentence."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch import lengths
from backstitch.accounts.permissions import Role
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders.commands import OrderDetails
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.parties.commands import AgencyDetails, CustomerDetails
from backstitch.inventory.parties.queries import Agency, Customer
from tests.ui.conftest import Open
from tests.ui.shop import DAY, SEED, Shop, click, confirm, run, sentences

PAGES = {"customer": "customers", "agency": "agencies"}
NAMES = {"customer": "store_name", "agency": "agency_name"}
GSTIN = "27AAPFU0939F1ZV"


def seeded(shop: Shop, write: Any) -> Any:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation=SEED) as connection:
        return write(connection)


def party(shop: Shop, word: str, name: str = "Mehta & Co", **details: Any) -> Customer | Agency:
    """A party as the page reads it."""
    if word == "customer":
        made = CustomerDetails(name, **details)
        id = seeded(shop, lambda connection: party_commands.create_customer(connection, details=made))
    else:
        of_agency = AgencyDetails(name, **details)
        id = seeded(shop, lambda connection: party_commands.create_agency(connection, details=of_agency))
    return next(found for found in stored(shop, word) if found.id == id)


def stored(shop: Shop, word: str) -> list[Any]:
    with shop.clone.app.read(shop.clone.actor(Role.VIEWER)) as connection:
        listed = party_queries.customers if word == "customer" else party_queries.agencies
        return list(listed(connection, inactive=True))


def written(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.run("select operation, action, entity from audit.trail where operation <> %s order by id", SEED)


def adding(open_page: Open, word: str, **fields: str) -> AppTest:
    tab = click(open_page(PAGES[word], Role.MANAGER), f"add_{word}")
    for name, value in ({NAMES[word]: "Mehta & Co"} | fields).items():
        tab.text_input(key=f"edit_{word}_{name}_new").set_value(value)
    return click(tab, f"{word}_save")


def opening(open_page: Open, word: str, read: Customer | Agency, role: Role = Role.MANAGER) -> AppTest:
    tab = open_page(PAGES[word], role)
    tab.session_state[f"{word}_dialog"] = read
    return run(tab)


def saving(tab: AppTest, word: str, read: Customer | Agency, **fields: str) -> AppTest:
    for name, value in fields.items():
        tab.text_input(key=f"edit_{word}_{name}_{read.id}_{read.version}").set_value(value)
    return click(tab, f"{word}_save")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("word", PAGES)
def test_every_role_sees_the_parties_and_only_editors_can_change_them(
    open_page: Open, shop: Shop, word: str, role: Role
) -> None:
    read = party(shop, word)
    tab = opening(open_page, word, read, role)
    editor = role in (Role.ADMIN, Role.MANAGER)
    assert list(tab.dataframe[0].value[NAMES[word]]) == ["Mehta & Co"]
    assert tab.button(key=f"{word}_save").disabled is not editor
    keys = {button.key for button in tab.button}
    assert ({f"add_{word}", f"{word}_active", f"{word}_delete"} <= keys) is editor
    assert (f"{word}_delete" in keys) is editor


@pytest.mark.parametrize("word", PAGES)
def test_a_party_is_added_in_normal_form_and_the_search_finds_no_other(open_page: Open, shop: Shop, word: str) -> None:
    assert open_page(PAGES[word], Role.VIEWER).info[0].value == f"No {PAGES[word]} yet."
    mobile = "phone" if word == "customer" else "owner_mobile"
    days = "payment_days" if word == "customer" else "days_of_payment"
    fields = {"gst_number": "27 aapfu0939f1zv", mobile: "+91 98200-12345", "pincode": "400 050", days: "30"}
    tab = adding(open_page, word, **fields)
    assert sentences(tab.success) == ["Mehta & Co was added."]
    (made,) = stored(shop, word)
    found = made.gst_number, getattr(made, mobile), made.pincode, getattr(made, days)
    assert found == (GSTIN, "9820012345", "400050", 30)
    assert written(shop) == [(f"add {word}", "CREATE", word.capitalize())]
    tab.text_input(key=f"{word}_search").set_value("nobody")
    assert [info.value for info in run(tab).info] == [f"No {word} matches."]


WRONG = {
    "GSTIN too short": ({"gst_number": "27AAPFU"}, "A GSTIN has 15 characters; this one has 7. Nothing was saved."),
    "GSTIN mistyped": (
        {"gst_number": "27AAPFU0939F1ZX"},
        "The last character of this GSTIN does not fit the others. Look for a typing mistake. Nothing was saved.",
    ),
    "GSTIN of no state": (
        {"gst_number": "96AAPFU0939F1ZV"},
        "A GSTIN starts with the number of a state, 01 to 38, or 97 or 99; 96 is none. Nothing was saved.",
    ),
    "pincode": ({"pincode": "04005"}, "A pincode has 6 digits and does not start with 0."),
    "no name": ({"name": "  "}, "name of at most 120 characters."),
    "mobile": ({"mobile": "12345"}, "A mobile number has 10 digits and starts with 6, 7, 8 or 9."),
    "days": ({"days": "366"}, "The days of payment are a whole number from 0 to 365."),
    "negative days": ({"days": "-1"}, "The days of payment are a whole number from 0 to 365."),
    "half days": ({"days": "1.5"}, "The days of payment are a whole number from 0 to 365. Nothing was saved."),
    "days in words": ({"days": "a month"}, "The days of payment are a whole number from 0 to 365. Nothing was saved."),
}


@pytest.mark.parametrize(("fields", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_party_is_refused_with_a_sentence_and_writes_nothing(
    open_page: Open, shop: Shop, fields: dict[str, str], sentence: str
) -> None:
    for word in PAGES:
        customer = word == "customer"
        names = {
            "name": NAMES[word],
            "mobile": "phone" if customer else "owner_mobile",
            "days": "payment_days" if customer else "days_of_payment",
        }
        tab = adding(open_page, word, **{names.get(name, name): value for name, value in fields.items()})
        (message,) = sentences(tab.error)
        assert message.endswith(sentence) and not tab.success
    assert written(shop) == []


@pytest.mark.parametrize("word", PAGES)
def test_a_likely_duplicate_is_shown_before_anything_is_saved(open_page: Open, shop: Shop, word: str) -> None:
    party(shop, word, gst_number=GSTIN)
    tab = adding(open_page, word, **{NAMES[word]: "Mehta and Company", "gst_number": GSTIN})
    assert [warning.value for warning in tab.warning] == [f"This {word} may be the same. Nothing was saved yet."]
    assert tab.dataframe[-1].value.to_dict("records") == [{word.capitalize(): "Mehta & Co", "Same": "GSTIN"}]
    assert written(shop) == []
    # The texts typed after the warning are saved, unless they match yet another party.
    party(shop, word, "Nair Stores")
    tab.text_input(key=f"edit_{word}_{NAMES[word]}_new").set_value("Nair Stores")
    assert written(shop) == [] and not click(tab, f"{word}_anyway").success
    assert [shown["Same"] for shown in tab.dataframe[-1].value.to_dict("records")] == ["GSTIN", "name"]
    tab.text_input(key=f"edit_{word}_address_new").set_value("2, Main Road")
    tab.text_input(key=f"edit_{word}_{NAMES[word]}_new").set_value("Mehta and Company")
    click(tab, f"{word}_anyway")
    assert sentences(tab.success) == ["Mehta and Company was added."]
    assert [one.address for one in stored(shop, word)] == ["", "2, Main Road", ""]


@pytest.mark.parametrize("word", PAGES)
def test_the_second_of_two_edits_of_a_party_is_refused_and_shows_both(open_page: Open, shop: Shop, word: str) -> None:
    read = party(shop, word)
    first, second = opening(open_page, word, read), opening(open_page, word, read, Role.ADMIN)
    assert sentences(saving(first, word, read, address="1, Main Road").success) == [
        "Mehta & Co was saved: Address — → 1, Main Road."
    ]
    before = written(shop)
    saving(second, word, read, address="2, Main Road")
    assert sentences(second.error) == [
        f"Somebody else changed this {word} while you were editing it. Nothing of yours was saved."
    ]
    assert second.dataframe[-1].value.to_dict("records") == [
        {"Field": "Address", "Now": "1, Main Road", "When you opened it": "", "Yours": "2, Main Road"}
    ]
    assert written(shop) == before
    (now,) = stored(shop, word)
    saving(click(second, "edit_again"), word, now, address="2, Main Road")
    assert [one.address for one in stored(shop, word)] == ["2, Main Road"]


@pytest.mark.parametrize("word", PAGES)
def test_an_unused_party_can_be_deleted_and_a_used_one_only_deactivated(open_page: Open, shop: Shop, word: str) -> None:
    unused, used = party(shop, word, "Unused"), party(shop, word, "Used")
    customer = used.id if word == "customer" else party(shop, "customer").id
    details = OrderDetails(customer, DAY, agency_id=None if word == "customer" else used.id)
    seeded(shop, lambda connection: order_commands.create_order(connection, details=details, lines=[]))
    tab = click(opening(open_page, word, unused), f"{word}_delete")
    assert sentences(tab.success) == ["Unused was deleted."]
    tab = opening(open_page, word, used)
    assert "Used in 1 order or sale, so it cannot be deleted, only deactivated." in [c.value for c in tab.caption]
    assert f"{word}_delete" not in {button.key for button in tab.button}
    assert sentences(confirm(tab, f"{word}_active").success) == ["Used was deactivated."]
    (left,) = [one for one in stored(shop, word) if one.id == used.id]
    assert (left.is_active, [one.id for one in stored(shop, word) if one.id == unused.id]) == (False, [])
    assert sentences(click(opening(open_page, word, left), f"{word}_active").success) == [
        "Used was taken back into use."
    ]
    assert [operation for operation, _, _ in written(shop)] == [
        f"delete {word}",
        f"deactivate {word}",
        f"take {word} back into use",
    ]


@pytest.mark.parametrize("word", PAGES)
def test_an_admin_forgets_a_party_with_a_reason_and_nobody_is_offered_an_undo(
    open_page: Open, shop: Shop, word: str
) -> None:
    read = party(shop, word, gst_number=GSTIN, address="12 MG Road")
    assert f"{word}_forget_save" not in {button.key for button in opening(open_page, word, read).button}
    tab = opening(open_page, word, read, Role.ADMIN)
    assert f"Forgotten {word} {read.id}" in tab.caption[-1].value
    for reason in ("", "asked for by Mehta & Co"):
        tab.text_input(key=f"{word}_forget_reason_{read.id}").set_value(reason)
        assert sentences(click(tab, f"{word}_forget_save").error)[0].startswith("Say why, without the name")
    tab.text_input(key=f"{word}_forget_reason_{read.id}").set_value("letter of 3 May")
    assert sentences(click(tab, f"{word}_forget_save").success) == [f"The {word} was forgotten."]
    assert "undo_offer" not in {button.key for button in tab.button}
    [forgotten] = stored(shop, word)
    assert getattr(forgotten, NAMES[word]) == f"Forgotten {word} {read.id}"
    assert (forgotten.gst_number, forgotten.address, forgotten.is_active) == ("", "", False)
    [(operation, reason)] = shop.run("select operation, reason from audit.trail where action = 'FORGET'")
    assert (operation, reason) == (f"forget {word}", "letter of 3 May")


@pytest.mark.parametrize("word", PAGES)
def test_the_fields_take_no_longer_text_than_the_database(open_page: Open, word: str) -> None:
    tab = click(open_page(PAGES[word], Role.MANAGER), f"add_{word}")
    region = "region" if word == "customer" else "region_covered"
    fields = {name: tab.text_input(key=f"edit_{word}_{name}_new") for name in (NAMES[word], "address", region)}
    assert {name: field.proto.max_chars for name, field in fields.items()} == {
        NAMES[word]: lengths.NAME,
        "address": lengths.ADDRESS,
        region: lengths.REGION,
    }
