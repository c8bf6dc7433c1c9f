"""Names in a sheet: written otherwise they are the known ones, near to a known one they are asked about."""

from datetime import date

import pytest

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused
from backstitch.files import tables
from backstitch.inventory.paste import check as paste_check
from backstitch.inventory.paste import write as paste_write
from backstitch.inventory.paste.check import Checked, Pasted
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.names import Doubt, Field
from tests.conftest import Clone
from tests.ui.shop import Shop

TODAY = date(2026, 11, 23)
INWARD = "Date\tSKU\tColour\tSize\tQuantity\tStakeholder"
SALES = "Date\tSKU\tColour\tSize\tQuantity\tStore\tAgency"
PRODUCTS = "SKU\tName\tSizes\tColours"


@pytest.fixture
def shop(clone: Clone) -> Shop:
    """AN201 in red and navy blue, S to XXL, 50 of each red one, from Vardhman Looms; a store and an agency."""
    made = Shop(clone)
    product = made.product(sizes=["S", "M", "XXL"], colours=["Red", "Navy Blue"])
    made.receive(product, stakeholder="Vardhman Looms", S=50, M=50, XXL=50)
    made.run("insert into inventory.customers (store_name) values ('Kala Ghoda Store')")
    made.run("insert into inventory.agencies (agency_name) values ('Kapoor Agency')")
    return made


def checked(shop: Shop, kind: Kind, *lines: str, **answers: str) -> Checked:
    meant: tuple[tuple[tuple[Field, str], str], ...] = tuple(
        ((field, name), answer)
        for field, pair in answers.items()
        for name, answer in [pair.split(" = ")]  # type: ignore[misc]
    )
    with shop.clone.app.read(shop.clone.actor(Role.MANAGER)) as connection:
        pasted = Pasted(tables.read_block("\n".join(lines)), kind, meant=meant)
        return paste_check.check(connection, pasted=pasted, today=TODAY)


def write(shop: Shop, found: Checked) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="paste") as connection:
        paste_write.write(connection, checked=found, today=TODAY)


@pytest.mark.parametrize(
    ("column", "typed", "said"),
    [
        ("SKU", "an 201", "AN201, written an 201 here."),
        ("SKU", "AN-201\u200b", "AN201, written AN-201 here."),
        ("Colour", "RED", "Red, written RED here."),
        ("Size", "2XL", "XXL, written 2XL here."),
        ("Size", "xx-large", "XXL, written xx-large here."),
        ("Stakeholder", "VARDHMAN-LOOMS", "Vardhman Looms, written VARDHMAN-LOOMS here."),
    ],
)
def test_another_spelling_is_the_same_and_said_once(shop: Shop, column: str, typed: str, said: str) -> None:
    good = dict(zip(INWARD.split("\t"), ["05/11/2026", "AN201", "Red", "XXL", "4", "Vardhman Looms"], strict=True))
    row = "\t".join({**good, column: typed}.values())
    found = checked(shop, Kind.INWARD, INWARD, row, row.replace("\t4\t", "\t5\t"), "\t".join(good.values()))
    assert [(one.row, one.sentence) for one in found.problems if said in one.sentence] == [(2, f"{said} (1 more row)")]
    assert {(one.sku, one.color, one.size, one.party) for one in found.entries} == {
        ("AN201", "Red", "XXL", "Vardhman Looms")
    }
    write(shop, found)
    assert shop.run("select distinct stakeholder_name from inventory.inward_logs") == [("Vardhman Looms",)]


def test_a_supplier_that_may_be_a_known_one_is_asked_about(shop: Shop) -> None:
    rows = [f"05/11/2026\tAN201\tRed\tS\t{count}\tVardhman" for count in (3, 4)]
    found = checked(shop, Kind.INWARD, INWARD, *rows)
    assert found.doubts == (Doubt("party", "Vardhman", ("Vardhman Looms",), (2, 3)),)
    assert found.asks and not found.blocked
    with pytest.raises(Refused) as refused:
        write(shop, found)
    assert refused.value.rule == "paste_unanswered"
    answered = checked(shop, Kind.INWARD, INWARD, *rows, party="Vardhman = Vardhman Looms")
    assert not answered.asks and {one.party for one in answered.entries} == {"Vardhman Looms"}
    another = checked(shop, Kind.INWARD, INWARD, *rows, party="Vardhman = Vardhman")
    write(shop, another)
    assert ("Vardhman",) in shop.run("select distinct stakeholder_name from inventory.inward_logs")
    again = checked(shop, Kind.INWARD, INWARD, rows[0].replace("\t3\t", "\t9\t").replace("Vardhman", "VARDHMAN"))
    assert not again.doubts and {one.party for one in again.entries} == {"Vardhman"}


def test_a_store_and_an_agency_that_may_be_known_ones_are_asked_about(shop: Shop) -> None:
    row = "05/11/2026\tAN201\tRed\tS\t3\tKala Ghoda\tKapor Agency"
    found = checked(shop, Kind.SALES, SALES, row)
    assert [(one.field, one.name, one.meant) for one in found.doubts] == [
        ("party", "Kala Ghoda", ("Kala Ghoda Store",)),
        ("agency", "Kapor Agency", ("Kapoor Agency",)),
    ]
    answered = checked(
        shop, Kind.SALES, SALES, row, party="Kala Ghoda = Kala Ghoda Store", agency="Kapor Agency = Kapoor Agency"
    )
    write(shop, answered)
    assert shop.run("select store, agency from inventory.sales_logs") == [("Kala Ghoda Store", "Kapoor Agency")]


def test_a_customer_of_an_order_has_to_be_known(shop: Shop) -> None:
    row = "05/11/2026\tAN201\tRed\tS\t3\tKala Ghoda\t"
    found = checked(shop, Kind.ORDERS, SALES.replace("Store", "Customer"), row)
    assert [(one.name, one.may_be_new) for one in found.doubts] == [("Kala Ghoda", False)] and found.blocked
    answered = checked(
        shop, Kind.ORDERS, SALES.replace("Store", "Customer"), row, party="Kala Ghoda = Kala Ghoda Store"
    )
    assert not answered.blocked and not answered.asks


def test_a_sku_that_may_be_a_known_one_is_asked_about(shop: Shop) -> None:
    row = "AN2O1\tKurta\tS, L\tRed"
    found = checked(shop, Kind.PRODUCTS, PRODUCTS, row)
    assert [(one.name, one.meant) for one in found.doubts] == [("AN2O1", ("AN201",))] and found.asks
    known = checked(shop, Kind.PRODUCTS, PRODUCTS, row, sku="AN2O1 = AN201")
    assert [one.product and one.product.sku for one in known.products] == ["AN201"]
    new = checked(shop, Kind.PRODUCTS, PRODUCTS, row, sku="AN2O1 = AN2O1")
    write(shop, new)
    assert shop.run("select sku from inventory.products order by sku") == [("AN201",), ("AN2O1",)]


def test_a_sku_that_is_none_names_those_like_it(shop: Shop) -> None:
    found = checked(shop, Kind.INWARD, INWARD, "05/11/2026\tAN21\tRed\tS\t3\tVardhman Looms")
    assert "Did you mean AN201?" in found.problems[0].sentence


def test_new_names_of_one_sheet_are_compared_with_each_other(shop: Shop) -> None:
    rows = [f"05/11/2026\tAN201\tRed\tS\t1\t{name}" for name in ("Zenith Fabrics", "Zenith Fabric", "Quilt House")]
    found = checked(shop, Kind.INWARD, INWARD, *rows)
    assert [(one.name, one.meant) for one in found.doubts] == [("Zenith Fabric", ("Zenith Fabrics",))]
    answered = checked(shop, Kind.INWARD, INWARD, *rows, party="Zenith Fabric = Zenith Fabrics")
    assert {one.party for one in answered.entries} == {"Zenith Fabrics", "Quilt House"}
    skus = checked(shop, Kind.PRODUCTS, PRODUCTS, "ZX-104\tFrock\tS\tRed", "ZX-1O4\tFrock\tS\tRed")
    assert [(one.name, one.meant) for one in skus.doubts] == [("ZX-1O4", ("ZX-104",))]


def test_a_colour_that_may_be_one_of_the_product_is_asked_about(shop: Shop) -> None:
    row = "AN201\tKurta\tS, M, XXL\tRed, Navi Blue"
    found = checked(shop, Kind.PRODUCTS, PRODUCTS, row)
    assert [(one.field, one.name, one.meant) for one in found.doubts] == [("color", "Navi Blue", ("Navy Blue",))]
    known = checked(shop, Kind.PRODUCTS, PRODUCTS, row, color="Navi Blue = Navy Blue")
    assert not known.asks and not known.products[0].colours
    new = checked(shop, Kind.PRODUCTS, PRODUCTS, row, color="Navi Blue = Navi Blue")
    assert [color for color, _ in new.products[0].colours] == ["Navi Blue"]
