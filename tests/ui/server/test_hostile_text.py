"""Names that look like markup, or are as long as a name can be: every page and message shows them escaped."""

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts import users
from backstitch.accounts.permissions import Role
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders.commands import OrderDetails
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties.commands import CustomerDetails
from tests.ui.conftest import Open
from tests.ui.shop import DAY, SEED, Shop, choose_or_type, click, field, run, sentences, type_in_grid, unescaped
from ui.accounts import user_forms

HOSTILE = {
    "HTML": "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "Markdown": "**b** [l](javascript:alert(1)) ![x](http://x) # h `c` ~~s~~",
    "mathematics": "$x^2$ and $$y$$",
    "a colour": ":red[x] :material/delete: :small[y]",
    "an emoji code": ":smile: -> <- -- (c)",
    "a table": "| a | b |",
    "an address": "www.example.com http://example.com a@example.com",
    "right to left": "قميص \u202eabc\u202c",
    "emoji": "👗🏽 Kurta 👩‍👩‍👧",
    "backslashes": "\\*not\\* \\\\ {x} %s %(y)s",
    "a quotation": 'O\'Neil "x"; drop table products; --',
    "a long one": "Kurta " * 20,
    "a formula": '=HYPERLINK("http://x")',
}
# Refused as the name of a product, a colour or a party; databases from before 0.11 may have them.
NO_NAMES = {HOSTILE["right to left"].strip(), HOSTILE["a formula"]}
# The elements whose text is Markdown; all others are plain texts and tables.
MARKDOWN = ("markdown", "caption", "success", "error", "info", "warning", "title", "header", "subheader", "page_link")


def interpreted(tab: AppTest) -> Iterator[str]:
    """All Markdown on the screen that contains any part of a name."""
    for kind in MARKDOWN:
        for element in getattr(tab, kind):
            yield str(element.value)


def assert_shown_as_it_is(tab: AppTest, name: str) -> None:
    """The name is in no Markdown, unless escaped letter by letter."""
    assert not tab.exception
    for text in interpreted(tab):
        assert name.strip() not in text or unescaped(text), text


@pytest.fixture(params=HOSTILE.values(), ids=list(HOSTILE))
def name(request: pytest.FixtureRequest) -> str:
    """A hostile name, as the database keeps it."""
    return str(request.param).strip()


def hostile_product(shop: Shop, sku: str, colours: list[str], **details: Any) -> int:
    """A product whose SKU and colours may be no names."""
    if NO_NAMES.isdisjoint((sku, *colours)):
        return shop.product(sku=sku, colours=colours, **details)
    product = shop.product(sku="plain", colours=[f"plain {n}" for n in range(len(colours))], **details)
    shop.run("update inventory.products set sku = %s where id = %s", sku, product)
    for n, colour in enumerate(colours):
        shop.run("update inventory.product_colors set color = %s where color = %s", colour, f"plain {n}")
    return product


def test_products_with_hostile_names_are_listed_opened_and_saved(open_page: Open, shop: Shop, name: str) -> None:
    short = name[:60].strip()  # an SKU, a category or a colour is shorter than a name
    product = hostile_product(shop, short, [short], name=name, category=short, description=name)
    shop.run("update accounts.users set name = %s where role = 'manager'", name)  # in the sidebar
    tab = open_page("products", Role.MANAGER)
    assert_shown_as_it_is(tab, name)
    assert tab.dataframe[0].value[["sku", "name", "category"]].to_dict("records") == [
        {"sku": short, "name": name, "category": short}
    ]
    tab.session_state["product_dialog"] = shop.read_product(product)
    run(tab)
    assert sentences(tab.subheader) == [short]
    assert field(tab, "name").value == name
    field(tab, "price").set_value("1")
    field(tab, "reason").set_value(name[:400])
    assert sentences(click(tab, "edit_save").success) == [f"{short} was saved: Unit price ₹549.00 → ₹1.00."]


def test_goods_of_hostile_products_come_in_and_go_out(open_page: Open, shop: Shop, name: str) -> None:
    sku = name[:60].strip()
    colour = name[:59] + "x"
    product = hostile_product(shop, sku, [colour], name=name)
    party = "Plain" if name in NO_NAMES else name
    for page, box in (("inward", "inward_stakeholder"), ("sales", "sales_store")):
        tab = open_page(page, Role.MANAGER)
        type_in_grid(tab, f"{page}_grid_0", S="1")
        choose_or_type(tab, box, party)
        click(tab, f"{page}_save_0")
        way = "in" if page == "inward" else "out"
        assert sentences(tab.success) == [f"Recorded 1 piece of {sku} {colour} {way}: S 1."]
        assert_shown_as_it_is(tab, name)
        tab.session_state["entry_dialog"] = (shop.inward() if page == "inward" else shop.sales())[0]
        assert_shown_as_it_is(run(tab), name)
    entry: Any = shop.inward()[0]
    assert (entry.sku, entry.color, entry.stakeholder_name) == (sku, colour, party)
    tab = open_page("stock", Role.ANALYST)
    assert tab.selectbox(key="stock_product").value == product
    assert [unescaped(link.value) for link in tab.page_link] == [f"All changes to {sku}"]
    assert list(tab.dataframe[0].value.index) == [colour, "Total"]


def test_an_order_a_cell_and_a_user_of_hostile_names_are_shown_as_they_are(open_page: Open, shop: Shop) -> None:
    name = '<b onclick="x">*bold*</b> [a](http://x) $y$ :red[z] | `c`'
    product = shop.product(sku=name, name=name, colours=[name], sizes=["*S*"])
    details = CustomerDetails(name, address=name)
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation=SEED) as connection:
        party = party_commands.create_customer(connection, details=details)
        order = OrderDetails(party, DAY, note=name)
        order_commands.create_order(connection, details=order, lines=[])
    tab = open_page("orders", Role.VIEWER, order="1")
    assert sentences(tab.subheader) == [f"Draft 1 · {name}"]
    facts = tab.table[0].value.iloc[:, 0]
    assert [unescaped(str(facts[row])) for row in ("Party", "Address", "Note")] == [name] * 3
    tab = open_page("stock", Role.VIEWER)
    tab.session_state[f"matrix_{product}"] = {"selection": {"rows": [], "columns": [], "cells": [[0, "*S*"]]}}
    assert sentences(run(tab).subheader) == [f"{name} · *S*"]
    tab = open_page("paste", Role.MANAGER)
    tab.selectbox(key="paste_product").set_value(product)
    assert [text for text in sentences(run(tab).caption) if "*S*" in text]
    shop.run("update accounts.users set name = %s where role = 'viewer'", name)
    tab = open_page("users", Role.ADMIN)
    with shop.clone.app.read(shop.clone.actor(Role.ADMIN)) as connection:
        (hostile,) = (line for line in users.list_users(connection) if line.name == name)
    tab.session_state[user_forms.DIALOG.key] = hostile
    assert name in sentences(run(tab).subheader)


def test_the_trail_of_hostile_names_is_searched_opened_and_charted(open_page: Open, shop: Shop, name: str) -> None:
    sku = name[:60].strip()
    product = hostile_product(shop, sku, [], name=name)
    shop.run("update accounts.users set name = %s where role = 'manager'", name)
    tab = open_page("audit", Role.ANALYST, type="Product")
    tab.text_input(key="text").set_value(name[:80])
    tab.selectbox(key="product").set_value(product)
    run(tab)
    assert tab.dataframe[0].value[["user", "record"]].to_dict("records")[-1] == {
        "user": name,
        "record": f"Product {sku} {name}",
    }
    assert_shown_as_it_is(tab, name)
    tab.session_state["audit_view"] = "Charts"
    assert_shown_as_it_is(run(tab), name)


def test_the_refusal_of_a_quantity_shows_its_text_escaped(open_page: Open, shop: Shop, name: str) -> None:
    shop.product()
    tab = open_page("inward", Role.MANAGER)
    type_in_grid(tab, "inward_grid_0", S=name)
    click(tab, "inward_save_0")
    assert sentences(tab.error) == [f"“{name}” for size S is not a number. Nothing was saved."]
