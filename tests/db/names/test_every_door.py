"""Whatever is typed for a SKU, a colour or a party: saved twice it is one thing, and every door says the same."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from backstitch.accounts.permissions import Role
from backstitch.database import System
from backstitch.errors import Refused, explain
from backstitch.files import tables
from backstitch.files.text_files import shown
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements.commands import Inward
from backstitch.inventory.names import name_key, size_key, sku_key, tidy
from backstitch.inventory.paste import check as paste_check
from backstitch.inventory.paste import write as paste_write
from backstitch.inventory.paste.check import Again, Pasted
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.products.commands import ProductChange, ProductDetails
from backstitch.inventory.stock_list.load import load_stock_list
from backstitch.inventory.stock_list.reader import read_stock_list
from tests.conftest import Clone

TODAY = date(2026, 11, 26)
HEADER = "SKU Code,Design No.,Stock,Category,Size,Color\n"
KNOWN = st.sampled_from(
    ["qz-77", "QZ 77", "00042", "'00042", "NavyBlue", "navy-blue", "Asha & Sons", "R.K. Stores", "KT.5", "हरा-5",
     "TRUE", "nan", "N/A", "8.9E+12", "2-Apr", "#REF!", "=1+1", "-7", "-", "0",
     "0.0", "\u200b", "Ａ１", "ﬁne", "é", "M/s X"]
)  # fmt: skip
TYPED = KNOWN | st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs", "Cf", "Mn"], exclude_characters='",;:|()\ufffd'),
    min_size=1,
    max_size=20,
).map(str.strip).filter(bool)
FEW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def respelt(name: str, seed: int) -> str:
    """The name with other case, blanks at its ends and a mark that nobody sees."""
    dice = random.Random(seed)
    changed = dice.choice([name.lower(), name.upper(), name]) if name.isascii() else name
    at = dice.randint(0, len(changed))
    return dice.choice(["", " "]) + changed[:at] + dice.choice(["", "\u2060", "\u200b"]) + changed[at:] + " "


@contextmanager
def trial(clone: Clone) -> Iterator[Connection]:
    """A manager's transaction that leaves nothing behind."""
    with clone.app.transaction(clone.actor(Role.MANAGER), operation="trial") as connection:
        yield connection
        connection.rollback()


def accepted(act: Callable[[Connection, str], None], connection: Connection, name: str) -> bool:
    """Whether a door takes a name."""
    try:
        with connection.begin_nested():
            act(connection, name)
    except Refused:
        return False
    except DBAPIError as error:
        assert explain(error) is not None
        return False
    return True


def paste(connection: Connection, kind: Kind, *lines: str) -> None:
    sheet = tables.read_block("\n".join(lines))
    asked = paste_check.check(connection, pasted=Pasted(sheet, kind), today=TODAY)
    meant = tuple(((doubt.field, doubt.name), doubt.name) for doubt in asked.doubts)
    pasted = Pasted(sheet, kind, meant=meant, again=Again.ADD)
    paste_write.write(connection, checked=paste_check.check(connection, pasted=pasted, today=TODAY), today=TODAY)


def sku_by_form(connection: Connection, name: str) -> None:
    product_commands.create_product(connection, details=ProductDetails(name, "Frock", ["S"]), colours=["Red"])


def sku_by_paste(connection: Connection, name: str) -> None:
    paste(connection, Kind.PRODUCTS, "SKU\tName\tSizes\tColours", f"{name}\tFrock\tS\tRed")


def sku_by_grid(connection: Connection, name: str) -> None:
    made = product_commands.create_product(connection, details=ProductDetails("TO-BE", "Frock", ["S"]), colours=["Red"])
    version = product_queries.product(connection, product_id=made).version
    product_commands.edit_products(connection, changes=[ProductChange(made, version, {"sku": name})])


def party_by_form(connection: Connection, name: str) -> None:
    product = product_queries.product_choices(connection)
    movement_commands.record_inward(
        connection,
        product_id=next(iter(product)),
        colour_code="RED",
        quantities={"S": 1},
        inward=Inward(TODAY, "Supply", name),
    )


def party_by_paste(connection: Connection, name: str) -> None:
    paste(
        connection,
        Kind.INWARD,
        "Date\tSKU\tColour\tSize\tQuantity\tStakeholder",
        f"26/11/2026\tHOME\tRed\tS\t1\t{name}",
    )


def colour_by_form(connection: Connection, name: str) -> None:
    product_commands.add_colours(
        connection, product_id=next(iter(product_queries.product_choices(connection))), colours=[name]
    )


def colour_by_paste(connection: Connection, name: str) -> None:
    paste(connection, Kind.PRODUCTS, "SKU\tColours", f"HOME\t{name}")


def size_by_form(connection: Connection, name: str) -> None:
    home = product_queries.product(connection, product_id=next(iter(product_queries.product_choices(connection))))
    sizes = size_set.expand(f"{', '.join(home.sizes)}, {name}", known=home.sizes)
    details = ProductDetails(home.sku, home.name, list(dict.fromkeys(sizes)))
    product_commands.edit_product(connection, product_id=home.id, version=home.version, details=details)


def size_by_paste(connection: Connection, name: str) -> None:
    paste(connection, Kind.PRODUCTS, "SKU\tSizes", f"HOME\t{name}")


@pytest.fixture
def shop(clone: Clone) -> Clone:
    """A product HOME in red, size S."""
    with clone.app.transaction(clone.actor(Role.MANAGER), operation="seed") as connection:
        product_commands.create_product(connection, details=ProductDetails("HOME", "Frock", ["S"]), colours=["Red"])
    return clone


@FEW
@given(name=TYPED, seed=st.integers(0, 99))
def test_a_sku_is_one_at_every_door(shop: Clone, name: str, seed: int) -> None:
    doors = (sku_by_form, sku_by_paste, sku_by_grid)
    with trial(shop) as connection:
        results = {}
        for door in doors:
            with connection.begin_nested() as point:
                results[door.__name__] = accepted(door, connection, name)
                point.rollback()
        assert len(set(results.values())) == 1, (name, results)
    with trial(shop) as connection:
        first, second = random.Random(seed).choices(doors, k=2)
        accepted(first, connection, name)
        accepted(second, connection, respelt(name, seed))
        skus = connection.execute(text("select sku from inventory.products")).scalars().all()
        assert len({sku_key(sku) for sku in skus}) == len(skus)


@FEW
@given(name=TYPED, seed=st.integers(0, 99))
def test_a_party_is_one_at_every_door(shop: Clone, name: str, seed: int) -> None:
    with trial(shop) as connection:
        doors = (party_by_form, party_by_paste)
        assert len({accepted(door, connection, name) for door in doors}) == 1, name
        for door in doors:
            accepted(door, connection, respelt(name, seed))
        names = connection.execute(text("select distinct stakeholder_name from inventory.inward_logs")).scalars().all()
        assert len({name_key(one) for one in names}) == len(names) <= 1


@FEW
@given(name=TYPED, seed=st.integers(0, 99))
def test_a_colour_is_one_at_every_door(shop: Clone, name: str, seed: int) -> None:
    with trial(shop) as connection:
        first, second = random.Random(seed).choices((colour_by_form, colour_by_paste), k=2)
        accepted(first, connection, name)
        accepted(second, connection, respelt(name, seed))
        colours = connection.execute(text("select color from inventory.product_colors")).scalars().all()
        assert len({name_key(color) for color in colours}) == len(colours) <= 2


SIZES = st.sampled_from(
    ["2XL", "XXL", "xx-large", "Free Size", "FREE", "one size", "Size 40", "40.0", "38-42", "S/M/L"]
)


@FEW
@given(name=TYPED | SIZES, again=TYPED | SIZES, seed=st.integers(0, 99))
def test_a_size_is_one_at_every_door(shop: Clone, name: str, again: str, seed: int) -> None:
    with trial(shop) as connection:
        first, second = random.Random(seed).choices((size_by_form, size_by_paste), k=2)
        accepted(first, connection, name)
        accepted(second, connection, respelt(name, seed) if seed % 2 else again)
        (sizes,) = connection.execute(text("select sizes from inventory.products")).scalars()
        assert len({size_key(size) for size in sizes}) == len(sizes)
        assert sizes == size_set.in_order(sizes)


@settings(FEW, max_examples=15)
@given(name=TYPED, seed=st.integers(0, 99))
def test_the_import_takes_what_the_form_takes_and_adds_no_double(
    shop: Clone, tmp_path: Path, name: str, seed: int
) -> None:
    with trial(shop) as connection:
        stored = connection.execute(text("select sku from inventory.products")).scalars().all()
        by_form = accepted(sku_by_form, connection, name)
    known = sku_key(tidy(shown(name))) in set(map(sku_key, stored))
    file = tmp_path / "list.csv"
    file.write_text(f"{HEADER}A,{name},1,TOP,S,Red\nB,{respelt(name, seed)},1,TOP,M,Red\n", encoding="utf-8")
    stock_list = read_stock_list(file)
    assert bool(stock_list.rows) == (by_form or known), (name, stock_list.rejects)
    load_stock_list(shop.owner, System(), stock_list, on=TODAY)
    with shop.owner.read(System()) as connection:
        skus = connection.execute(text("select sku from inventory.products")).scalars().all()
        assert len({sku_key(sku) for sku in skus}) == len(skus)
