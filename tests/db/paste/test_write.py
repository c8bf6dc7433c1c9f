"""Pasting rows: every problem by row and column with its sentence, and one transaction for all that is written."""

import time
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from backstitch.accounts.permissions import Role
from backstitch.audit import operations
from backstitch.audit.filters import Filters
from backstitch.errors import Refused
from backstitch.files import tables
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.queries import OrderFilter
from backstitch.inventory.paste import check as paste_check
from backstitch.inventory.paste import write as paste_write
from backstitch.inventory.paste.check import Checked, Pasted
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.write import Written
from backstitch.inventory.products import queries as product_queries
from tests.conftest import Clone
from tests.db.names.doubles import add_double
from tests.ui.shop import Shop

TODAY = date(2026, 11, 23)
LONG = "Date\tSKU\tColour\tColour Code\tSize\tQuantity\tCategory\tStakeholder"
SALES = "Date\tSKU\tColour\tSize\tQuantity\tStore\tAgency"
ORDERS = "Order\tDate\tCustomer\tAgency\tSKU\tColour\tSize\tQuantity\tPrice"
PRODUCTS = "SKU\tName\tCategory\tPrice\tHSN Code\tGST Rate\tSizes\tColours\tReorder Level"


@pytest.fixture
def shop(clone: Clone) -> Shop:
    """Two products and one out of use; five red S on hand; a customer; KT-9 only goes to Bandra."""
    made = Shop(clone)
    made.receive(made.product(), S=5)
    made.product("KT-9", "Kurta", sizes=("S", "XXL"), colours=["Red", "Blue"], unit_price=None)
    made.product("OLD", "Old design")
    made.run("update inventory.products set is_active = false where sku = 'OLD'")
    made.run(
        "update inventory.products set allowed_stores = '{Bandra}', allowed_agencies = '{Kapoor}' where sku = 'KT-9'"
    )
    made.run("insert into inventory.customers (store_name) values ('Bandra'), ('Gone')")
    with made.clone.superuser() as psql:
        add_double(psql, "customers", "store_name", "Twice", "TWICE")
    made.run("update inventory.customers set is_active = false where store_name = 'Gone'")
    made.run("insert into inventory.agencies (agency_name) values ('Kapoor')")
    return made


def checked(shop: Shop, kind: Kind, *lines: str, product_id: int | None = None, replace: bool = False) -> Checked:
    with shop.clone.app.read(shop.clone.actor(Role.MANAGER)) as connection:
        pasted = Pasted(tables.read_block("\n".join(lines)), kind, product_id, replace)
        return paste_check.check(connection, pasted=pasted, today=TODAY)


def write(shop: Shop, found: Checked, reason: str | None = None, **options: Any) -> Written:
    actor = shop.clone.actor(Role.MANAGER)
    with shop.clone.app.transaction(actor, operation="paste", reason=reason) as connection:
        return paste_write.write(connection, checked=found, today=TODAY, **options)


def problems(found: Checked) -> list[tuple[Any, ...]]:
    """Row, column and sentence of what blocks."""
    return [(problem.row, problem.column, problem.sentence) for problem in found.problems if problem.blocks]


def remarks(found: Checked) -> list[tuple[Any, ...]]:
    return [(problem.row, problem.sentence) for problem in found.problems if not problem.blocks]


def row(kind: Kind, **values: str) -> str:
    """A good row of a kind with some of its values put wrong."""
    good = {
        Kind.INWARD: ("05/11/2026", "AN201", "Red", "RED", "S", "4", "Supply", "Mill"),
        Kind.SALES: ("05/11/2026", "AN201", "Red", "S", "4", "Bandra", ""),
        Kind.ORDERS: ("1", "05/11/2026", "Bandra", "Kapoor", "AN201", "Red", "S", "4", "500"),
        Kind.PRODUCTS: ("NEW-1", "New kurta", "Kurta", "899", "6204", "5", "S, M", "Red, Blue:BL", "3"),
    }[kind]
    names = HEADERS[kind].split("\t")
    assert set(values) <= {name.replace(" ", "_") for name in names}
    return "\t".join(values.get(name.replace(" ", "_"), value) for name, value in zip(names, good, strict=True))


HEADERS = {Kind.INWARD: LONG, Kind.SALES: SALES, Kind.ORDERS: ORDERS, Kind.PRODUCTS: PRODUCTS}
NO_DATE = " is not a date. Write it as 31/12/2026, day first, or as 2026-12-31."
FORMULA = "“=1+1” looks like a formula. Copy the value, not the formula."
CONTROL = "It holds a character that cannot be stored (NUL or another control character)."
TURNED = "It holds an invisible mark that turns the direction of the text. Type it anew."
CUSTOMERS = "Rename one on the Customers page."
BACK = "Take it back into use on the Customers page."
ADD_CUSTOMER = "Add it on the Customers page, or correct the name."
ADD_AGENCY = "Add it on the Agencies page, or correct the name."
# kind, what is put wrong, the column that is marked (the one put wrong unless named), the sentence
WRONG: list[tuple[Kind, dict[str, str], str]] = [
    (Kind.INWARD, {"Date": ""}, "The date is missing."),
    (Kind.INWARD, {"Date": "31/02/2026"}, "“31/02/2026”" + NO_DATE),
    (Kind.SALES, {"Date": "2026-25-11"}, "“2026-25-11”" + NO_DATE),
    (Kind.INWARD, {"Date": "Monday"}, "“Monday”" + NO_DATE),
    (Kind.INWARD, {"Date": "5-Foo-26"}, "“5-Foo-26”" + NO_DATE),
    (Kind.INWARD, {"Date": "24/11/2026"}, "24 Nov 2026 is in the future."),
    (Kind.INWARD, {"Date": "01/01/1999"}, "01 Jan 1999 is before the year 2000."),
    (Kind.INWARD, {"Date": "=TODAY()"}, "“=TODAY()”" + NO_DATE),
    (Kind.INWARD, {"SKU": ""}, "The SKU is missing."),
    (Kind.INWARD, {"SKU": "KT-999"}, "There is no product “KT-999”. Did you mean KT-9?"),
    (Kind.INWARD, {"SKU": "OLD"}, "OLD is deactivated. Take it back into use first."),
    (Kind.INWARD, {"SKU": "#REF!"}, "B3 is a spreadsheet error (#REF!). Correct its formula, or type the value."),
    (Kind.INWARD, {"SKU": "x" * 121}, "It is longer than 120 characters."),
    (Kind.INWARD, {"Colour_Code": "NOPE"}, "AN201 has no colour with the code “NOPE”."),
    (Kind.INWARD, {"Colour": "Navy Blue", "Colour_Code": "RED"}, "The code RED of AN201 is Red, not “Navy Blue”."),
    (Kind.INWARD, {"Size": ""}, "The size is missing."),
    (Kind.INWARD, {"Size": "7XL"}, "AN201 does not come in size “7XL”. It has S, M, L."),
    (Kind.INWARD, {"Size": "L"}, "AN201 does not come in Red size L."),
    (Kind.INWARD, {"Quantity": ""}, "The quantity is missing."),
    (Kind.INWARD, {"Quantity": "0"}, "A quantity is a whole number above 0."),
    (Kind.INWARD, {"Quantity": "-3"}, "“-3” is negative."),
    (Kind.INWARD, {"Quantity": "(3)"}, "“(3)” is negative."),
    (Kind.INWARD, {"Quantity": "−3"}, "“−3” is negative."),
    (Kind.INWARD, {"Quantity": "2.5"}, "“2.5” is not a whole number."),
    (Kind.INWARD, {"Quantity": "three"}, "“three” is not a number in plain digits."),
    (Kind.INWARD, {"Quantity": "=1+1"}, "“=1+1” is not a number in plain digits."),
    (Kind.INWARD, {"Quantity": "1.2E+05"}, "“1.2E+05” is how a spreadsheet shows a long number. Write it in full."),
    (Kind.INWARD, {"Quantity": "१२"}, "“१२” is written in Devanagari digits. Write it in the digits 0 to 9."),
    (Kind.INWARD, {"Quantity": "Infinity"}, "“Infinity” is not a number in plain digits."),
    (Kind.INWARD, {"Quantity": "99999999999"}, "“99999999999” is larger than 2,147,483,647."),
    (Kind.INWARD, {"Quantity": "9" * 400}, "“" + "9" * 39 + "…” is not a number in plain digits."),
    (Kind.INWARD, {"Category": "Gift"}, "“Gift” is no category of goods in. Write Supply or Return."),
    (Kind.INWARD, {"Stakeholder": ""}, "The stakeholder is missing."),
    (Kind.INWARD, {"Stakeholder": "=1+1"}, FORMULA),
    (Kind.INWARD, {"Stakeholder": "Mi\x00ll"}, CONTROL),
    (Kind.INWARD, {"Stakeholder": "Mi\x07ll"}, CONTROL),
    (Kind.INWARD, {"Stakeholder": "Mill\u202egro"}, TURNED),
    (Kind.INWARD, {"Stakeholder": "M" * 5000}, "It is longer than 120 characters."),
    (Kind.SALES, {"Quantity": "6"}, "More than there is: AN201 Red S has 5 on hand."),
    (Kind.SALES, {"Store": " "}, "The store is missing."),
    (Kind.SALES, {"Store": "@cmd"}, "“@cmd” looks like a formula. Copy the value, not the formula."),
    (Kind.SALES, {"Colour": "Green"}, "AN201 does not come in “Green”."),
    (Kind.ORDERS, {"Customer": "Nobody"}, "There is no customer “Nobody”. " + ADD_CUSTOMER),
    (Kind.ORDERS, {"Customer": "twice"}, "There are several customers called “Twice”. " + CUSTOMERS),
    (Kind.ORDERS, {"Customer": "Gone"}, "The customer “Gone” is deactivated. " + BACK),
    (Kind.ORDERS, {"Agency": "Nobody"}, "There is no agency “Nobody”. " + ADD_AGENCY),
    (Kind.ORDERS, {"Price": "-1"}, "A price cannot be negative."),
    (Kind.ORDERS, {"Price": "1234.567"}, "“1234.567” has more than two decimals."),
    (Kind.ORDERS, {"SKU": "KT-9", "Price": ""}, "KT-9 has no price. Give one in a column Price."),
    (Kind.PRODUCTS, {"SKU": ""}, "The SKU is missing."),
    (Kind.PRODUCTS, {"SKU": "x" * 61}, "It is longer than 60 characters."),
    (Kind.PRODUCTS, {"Name": ""}, "A new product needs a name."),
    (Kind.PRODUCTS, {"Price": "cheap"}, "“cheap” is not a number."),
    (Kind.PRODUCTS, {"Price": "99999999999"}, "A price cannot be more than 9,999,999,999.99."),
    (Kind.PRODUCTS, {"HSN_Code": "62"}, "“62” is not an HSN code, which has 4, 6 or 8 digits."),
    (Kind.PRODUCTS, {"GST_Rate": "101"}, "A GST rate cannot be more than 100."),
    (Kind.PRODUCTS, {"Sizes": ""}, "A new product needs sizes."),
    (Kind.PRODUCTS, {"Sizes": "S, M, S"}, "A size stands there twice."),
    (Kind.PRODUCTS, {"Sizes": "XL-S"}, "“XL-S” runs backwards. Write the smaller size first."),
    (Kind.PRODUCTS, {"Sizes": ",".join(map(str, range(41)))}, "A product has at most 40 sizes."),
    (Kind.PRODUCTS, {"Colours": "Red:"  + "R" * 41}, "The code of Red is longer than 40 characters."),
    (Kind.PRODUCTS, {"Colours": "Red:A, Blue:a"}, "The colour code a stands there twice."),
    (Kind.PRODUCTS, {"Colours": "!!"}, "“!!” is no name. Write the name."),
    (Kind.PRODUCTS, {"Colours": ":NV"}, "“:NV” is no colour. Write it as Navy or Navy:NV."),
    (Kind.PRODUCTS, {"Reorder_Level": "-1"}, "“-1” is negative."),
    (Kind.PRODUCTS, {"SKU": "AN201", "Colours": "Green:RED"}, "The code RED is Red already. Use another code."),
    (Kind.PRODUCTS, {"SKU": "AN201", "Colours": "Red:RR"}, "Red has the code RED already."),
]  # fmt: skip
MARKED = {
    "RED of AN201 is": "Colour Code",
    "has no price": "Price",
    "is Red already": "Colours",
    "has the code RED": "Colours",
}


def test_each_wrong_value_is_marked_by_row_and_column_with_its_sentence_and_nothing_is_written(shop: Shop) -> None:
    shop.run("delete from inventory.product_color_stocks where size = 'L' and colour_code = 'RED' and product_id = 1")
    before = shop.trail()
    expected, found = {}, {}
    for kind, wrong, sentence in WRONG:
        column = next(
            (marked for part, marked in MARKED.items() if part in sentence), next(iter(wrong)).replace("_", " ")
        )
        # A good row before the wrong one must not be written on its own.
        result = checked(shop, kind, HEADERS[kind], row(kind) if kind is Kind.INWARD else "", row(kind, **wrong))
        case = f"{kind} {wrong}"
        expected[case], found[case] = [(3, column, sentence)], problems(result)
        with pytest.raises(Refused) as refused:
            write(shop, result)
        assert refused.value.rule == "paste_has_problems"
    assert found == expected
    assert len(WRONG) >= 60 and shop.trail() == before


def test_problems_between_rows_are_found(shop: Shop) -> None:
    """Stock that runs out row by row, stores that a product may not go to, orders that contradict themselves."""
    sales = [
        row(Kind.SALES, Quantity="3"),
        row(Kind.SALES, Quantity="3"),
        row(Kind.SALES, SKU="KT-9", Store="Pune", Agency="Rao"),
    ]
    result = checked(shop, Kind.SALES, SALES, *sales)
    assert problems(result) == [
        (3, "Quantity", "More than there is: AN201 Red S has 2 on hand, after the rows above."),
        (4, "Quantity", "More than there is: KT-9 Red S has 0 on hand."),
        (4, "Store", "KT-9 may not go to “Pune”. Allowed: Bandra."),
        (4, "Agency", "KT-9 may not go to “Rao”. Allowed: Kapoor."),
    ]
    orders = [row(Kind.ORDERS), row(Kind.ORDERS), row(Kind.ORDERS, Size="M", Date="06/11/2026", Agency="")]
    assert problems(checked(shop, Kind.ORDERS, ORDERS, *orders)) == [
        (3, "Quantity", "AN201 Red S stands in this order already, on row 2."),
        (4, "Date", "Order 1 has another date on row 2: “05 Nov 2026”."),
        (4, "Agency", "Order 1 has another agency on row 2: “Kapoor”."),
    ]
    products_twice = checked(shop, Kind.PRODUCTS, PRODUCTS, row(Kind.PRODUCTS), row(Kind.PRODUCTS, SKU="new-1"))
    assert problems(products_twice) == [(3, "SKU", "new-1 stands on row 2 already.")]
    other = checked(shop, Kind.INWARD, LONG, row(Kind.INWARD, SKU="KT-9"), product_id=1)
    assert problems(other) == [(2, "SKU", "The row is for KT-9, but AN201 is chosen above.")]
    assert problems(checked(shop, Kind.INWARD, LONG)) == [(None, "", "There are no rows under the header.")]
    twice = checked(shop, Kind.INWARD, LONG, row(Kind.INWARD), row(Kind.INWARD))
    assert remarks(twice) == [
        (3, "AN201 Red S stands on row 2 already, with the same date and party. Both are written.")
    ]
    assert not twice.blocked


def test_sizes_as_columns_and_rows_without_a_header_mean_the_same(shop: Shop) -> None:
    wide = checked(
        shop,
        Kind.INWARD,
        "Date\tColor\tCode\tS\tM\tL\tTotal\tCategory\tParty",
        "05/11/2026\tred\t\t4\t\t1,200\t1204\treturn\tMill",
        "05/11/2026\t\tnavy-blue\t\t-\t0\t\t\tMill",
        product_id=1,
    )
    bare = checked(shop, Kind.INWARD, "2026-11-05\tRed\tRED\t4\t\t1200\tReturn\tMill", product_id=1)
    long = checked(
        shop,
        Kind.INWARD,
        LONG,
        row(Kind.INWARD, Category="Return"),
        row(Kind.INWARD, Category="Return", Size="L", Quantity="1200"),
    )
    cells = [
        [(entry.cell, entry.quantity, entry.date, entry.category, entry.party) for entry in one.entries]
        for one in (wide, bare, long)
    ]
    day = date(2026, 11, 5)
    assert cells == [[((1, "RED", "S"), 4, day, "Return", "Mill"), ((1, "RED", "L"), 1200, day, "Return", "Mill")]] * 3
    assert remarks(wide) == [
        (None, "The column is not used, and is left out."),
        (2, "Red, written red here."),
        (3, "The row has no quantity, and is left out."),
    ]
    named = checked(shop, Kind.INWARD, "Date\tSKU\tColour\t2XL\tParty", "5-Nov-26\tkurta\tblue\t7\tMill")
    assert [entry.cell for entry in named.entries] == [(2, "BLUE", "XXL")]


# --- writing ----------------------------------------------------------------------------------------------


def bulk(shop: Shop) -> list[str]:
    """The newest operations as the audit report words them."""
    now = shop.run("select now()")[0][0]
    filters = Filters(start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    with shop.clone.app.read(shop.clone.actor(Role.ADMIN)) as connection:
        return [found.gist for found in operations.operations(connection, filters=filters, size=1).operations]


def test_inward_is_written_in_one_operation_and_moves_the_stock(shop: Shop) -> None:
    steps: list[tuple[int, int]] = []
    found = checked(
        shop, Kind.INWARD, LONG, row(Kind.INWARD), row(Kind.INWARD, Size="M", Quantity="2", Stakeholder="Weavers")
    )
    assert write(shop, found, progress=lambda done, total: steps.append((done, total))) == Written(created=2, pieces=6)
    assert steps == [(2, 2)]
    assert shop.stock(1) == {("RED", "S"): 9, ("RED", "M"): 2}
    newest = [(one.date, one.size, one.quantity, one.category, one.stakeholder_name) for one in shop.inward()[:2]]
    assert sorted(newest) == [
        (date(2026, 11, 5), "M", 2, "Supply", "Weavers"),
        (date(2026, 11, 5), "S", 4, "Supply", "Mill"),
    ]
    assert bulk(shop) == ["BULK_CREATE inward entries, 2 rows"]


def test_stored_rows_of_the_same_product_date_and_party_are_replaced_on_request_only(shop: Shop) -> None:
    write(shop, checked(shop, Kind.INWARD, LONG, row(Kind.INWARD), row(Kind.INWARD, Date="04/11/2026")))
    fresh = (LONG, row(Kind.INWARD, Quantity="1", Stakeholder="MILL"))
    kept = checked(shop, Kind.INWARD, *fresh)
    replacing = checked(shop, Kind.INWARD, *fresh, replace=True)
    assert [(one.quantity, one.party, one.cell_words) for one in replacing.replaceable] == [(4, "Mill", "AN201 Red S")]
    assert kept.replaceable == replacing.replaceable and not replacing.blocked
    assert write(shop, replacing) == Written(created=1, deleted=1, pieces=1)
    assert shop.stock(1) == {("RED", "S"): 10}
    with pytest.raises(Refused) as refused:
        write(shop, kept)
    assert refused.value.rule == "paste_outdated"
    # Goods that are sold cannot be taken back.
    write(shop, checked(shop, Kind.SALES, SALES, row(Kind.SALES, Quantity="10")))
    less = checked(shop, Kind.INWARD, LONG, row(Kind.INWARD, Size="M"), replace=True)
    assert problems(less) == [
        (None, "", "AN201 Red S would fall below zero: goods that are to be replaced are sold already.")
    ]
    # A sale frees what it took before it is written anew.
    again = checked(shop, Kind.SALES, SALES, row(Kind.SALES, Quantity="9"), replace=True)
    assert write(shop, again) == Written(created=1, deleted=1, pieces=9)
    assert shop.stock(1) == {("RED", "S"): 1}


def test_sales_that_an_order_made_stay_when_sales_are_replaced(shop: Shop) -> None:
    write(shop, checked(shop, Kind.ORDERS, ORDERS, row(Kind.ORDERS, Quantity="2")))
    write(shop, checked(shop, Kind.SALES, SALES, row(Kind.SALES, Quantity="1")))
    shop.run("update inventory.orders set status = 'confirmed'")
    shop.run("update inventory.orders set status = 'dispatched', dispatch_date = date")
    again = checked(shop, Kind.SALES, SALES, row(Kind.SALES, Quantity="3"), replace=True)
    assert [one.quantity for one in again.replaceable] == [1]
    assert remarks(again) == [(None, "1 sale that an order made stays: it goes with its order.")]
    assert write(shop, again) == Written(created=1, deleted=1, pieces=3)
    assert shop.stock(1) == {}
    more = checked(shop, Kind.SALES, SALES, row(Kind.SALES, Quantity="4"), replace=True)
    assert problems(more) == [(2, "Quantity", "More than there is: AN201 Red S has 3 on hand.")]


def test_orders_are_created_as_drafts_and_drafts_replaced(shop: Shop) -> None:
    lines = (
        ORDERS,
        row(Kind.ORDERS),
        row(Kind.ORDERS, Size="M", Quantity="2", Price=""),
        row(Kind.ORDERS, Order="2", Agency=""),
    )
    assert write(shop, checked(shop, Kind.ORDERS, *lines)) == Written(created=2, pieces=10)

    def stored() -> list[tuple[Any, ...]]:
        with shop.clone.app.read(shop.clone.actor(Role.VIEWER)) as connection:
            listed = order_queries.orders(connection, order_filter=OrderFilter())
            return [
                (one.status, one.date, one.store, one.agency or "", one.pieces, one.value, one.note) for one in listed
            ]

    day = date(2026, 11, 5)
    assert sorted(stored()) == [
        ("draft", day, "Bandra", "", 4, Decimal("2000.00"), "2"),
        ("draft", day, "Bandra", "Kapoor", 6, Decimal("3098.00"), "1"),
    ]
    again = checked(shop, Kind.ORDERS, ORDERS, row(Kind.ORDERS, Quantity="1", Order=""), replace=True)
    assert len(again.replaceable) == 3
    assert write(shop, again) == Written(created=1, deleted=2, pieces=1)
    assert stored() == [("draft", day, "Bandra", "Kapoor", 1, Decimal("500.00"), "")]


def test_a_known_sku_changes_the_filled_columns_only_and_a_new_one_is_added(shop: Shop) -> None:
    shop.run("delete from inventory.product_color_stocks where product_id = 1 and size = 'L' and colour_code = 'RED'")
    found = checked(
        shop,
        Kind.PRODUCTS,
        "SKU\tName\tPrice\tGST\tSizes\tColours",
        "an201\t\t599\t5%\tXS, S\tRed, Teal:TL",
        "NEW-1\tNew kurta\t₹1,199.00\t12\tS-XXL\tRed\n",
        "KT-9\tKurta\t\t\t\t",
    )
    changes = [[(change.field, change.old, change.new) for change in one.changes] for one in found.products]
    assert list(zip([one.sku for one in found.products], changes, strict=True)) == [
        (
            "AN201",
            [
                ("Price", "549.00", "599.00"),
                ("GST Rate", "", "5.00"),
                ("Sizes", "S, M, L", "XS, S, M, L"),
                ("Colours", "", "Teal (TL)"),
            ],
        ),
        (
            "NEW-1",
            [
                ("Name", "", "New kurta"),
                ("Price", "", "1199.00"),
                ("GST Rate", "", "12.00"),
                ("Sizes", "", "S, M, L, XL, XXL"),
                ("Colours", "", "Red (RED)"),
            ],
        ),
        ("KT-9", []),
    ]
    assert remarks(found) == [
        (2, "AN201, written an201 here."),
        (2, "M, L of AN201 stays: a size is removed on the Stock matrix page."),
    ]
    with pytest.raises(Refused) as refused:
        write(shop, found)
    assert refused.value.rule == "reason_required"
    assert write(shop, found, reason="new price list") == Written(created=1, changed=1)
    ((product_id,),) = shop.run("select id from inventory.products where sku = 'NEW-1'")
    with shop.clone.app.read(shop.clone.actor(Role.VIEWER)) as connection:
        leggings = product_queries.matrix(connection, product_id=1)
        new = product_queries.matrix(connection, product_id=product_id)
    assert (leggings.product.name, leggings.product.unit_price, leggings.product.gst_rate) == (
        "Leggings",
        Decimal("599.00"),
        5,
    )
    assert len(leggings.cells) == 11 and leggings.cells["TL", "XS"] == 0
    assert (new.product.sku, new.product.unit_price, len(new.cells)) == ("NEW-1", Decimal("1199.00"), 5)


def test_two_thousand_rows_are_checked_and_written_in_seconds(shop: Shop) -> None:
    rows = [
        row(Kind.INWARD, Date=f"{1 + n % 20}/11/2026", Size="SML"[n % 3], Stakeholder=f"Mill {n % 7}")
        for n in range(2000)
    ]
    begun = time.monotonic()
    assert write(shop, checked(shop, Kind.INWARD, LONG, *rows)) == Written(created=2000, pieces=8000)
    assert time.monotonic() - begun < 10
    assert sum(shop.stock(1).values()) == 8005
