"""A name whose key another one has is refused, whatever writes it; names that stood beside each other stay."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Clone
from tests.db.names.doubles import add_double


@dataclass(frozen=True)
class Named:
    """A column of names: how a row of it is inserted, two spellings of one name, and another name."""

    table: str
    column: str
    insert: str
    name: str
    same: str
    other: str

    def add(self, psql: psycopg.Connection, name: str) -> int:
        """Inserts a row with this name; returns its id."""
        row = psql.execute(self.insert, {"name": name}).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(row[0])

    def rename(self, psql: psycopg.Connection, row_id: int, name: str) -> None:
        """Gives a row another name."""
        psql.execute(f"update inventory.{self.table} set {self.column} = %s where id = %s", (name, row_id))  # type: ignore[arg-type]

    def delete(self, psql: psycopg.Connection, row_id: int) -> None:
        """Deletes a row."""
        psql.execute(f"delete from inventory.{self.table} where id = %s", (row_id,))  # type: ignore[arg-type]


PRODUCT = "insert into inventory.products (sku, name, sizes) values (%(name)s, 'Frock', '{S}') returning id"
COLOUR = (
    "insert into inventory.product_colors (product_id, color, colour_code) "
    "select min(id), {}, {} from inventory.products returning id"
)
KINDS = [
    Named("products", "sku", PRODUCT, "QA-12", "qa 12\u200b", "QA-1-2"),
    Named("product_colors", "color", COLOUR.format("%(name)s", "'C' || random()"), "Sea Green", "SEAGREEN", "Sea Blue"),
    Named("product_colors", "colour_code", COLOUR.format("'c' || random()", "%(name)s"), "SEA-G", "sea g", "SEA-B"),
    Named("customers", "store_name", "insert into inventory.customers (store_name) values (%(name)s) returning id",
          "R K Stores, Pune", "rk stores, pune", "RK Store"),
    Named("agencies", "agency_name", "insert into inventory.agencies (agency_name) values (%(name)s) returning id",
          "Vora & Sons", "VORA & SONS ", "Vora"),
]  # fmt: skip


@pytest.fixture(params=KINDS, ids=lambda named: named.column)
def named(request: pytest.FixtureRequest) -> Named:
    found = request.param
    assert isinstance(found, Named)
    return found


@pytest.fixture
def psql(clone: Clone) -> Iterator[psycopg.Connection]:
    """As the owner's superuser, on the record as SQL by hand; a product to which colours can belong is there."""
    with clone.superuser() as connection:
        connection.autocommit = True
        connection.execute(PRODUCT, {"name": "HOME"})
        yield connection


def refusal(named: Named, psql: psycopg.Connection, act: str, *arguments: object) -> tuple[str | None, str | None]:
    """The rule that refuses an act, and the name that it says stands in the way."""
    with pytest.raises(psycopg.Error) as caught, psql.transaction():
        getattr(named, act)(psql, *arguments)
    return caught.value.diag.constraint_name, caught.value.diag.message_detail


def assert_kept(psql: psycopg.Connection) -> None:
    """Each name has its key, once, and at the first place of each key there is a name."""
    assert (
        psql.execute(
            """
            with names (kind, scope, key, id) as (
                select 'sku', 0, inventory.sku_key(sku), id from inventory.products
                union all select 'color', product_id, inventory.name_key(color), id from inventory.product_colors
                union all
                select 'colour_code', product_id, inventory.name_key(colour_code), id from inventory.product_colors
                union all select 'store_name', 0, inventory.name_key(store_name), id from inventory.customers
                union all select 'agency_name', 0, inventory.name_key(agency_name), id from inventory.agencies
            )
            (select * from names except all select kind, scope, key, owner_id from runtime.name_keys)
            union all
            (select kind, scope, key, owner_id from runtime.name_keys except all select * from names)
            union all
            (select kind, scope, key, min(place) from runtime.name_keys group by 1, 2, 3 having min(place) > 0)
            """
        ).fetchall()
        == []
    )


def test_a_second_name_with_a_key_is_refused(named: Named, psql: psycopg.Connection) -> None:
    first = named.add(psql, named.name)
    other = named.add(psql, named.other)
    taken = (f"{named.column}_key_unique", named.name)
    assert refusal(named, psql, "add", named.same) == taken
    assert refusal(named, psql, "rename", other, named.same) == taken
    named.rename(psql, first, named.same)  # the same thing, written anew
    assert_kept(psql)
    named.delete(psql, first)
    named.rename(psql, other, named.name)
    assert refusal(named, psql, "add", named.same) == taken
    assert_kept(psql)


def test_a_name_of_which_nothing_is_seen_is_refused(named: Named, psql: psycopg.Connection) -> None:
    rule, _ = refusal(named, psql, "add", "\u200b\u2060")
    assert rule is not None and rule.endswith("_not_blank")


@pytest.mark.parametrize("named", [KINDS[0], *KINDS[3:]], ids=lambda named: named.column)
def test_names_that_stood_beside_each_other_stay_until_one_goes(named: Named, psql: psycopg.Connection) -> None:
    others: dict[str, object] = {"name": "Frock", "sizes": ["S"]} if named.table == "products" else {}
    first, second = add_double(psql, named.table, named.column, named.name, named.same, **others)
    assert_kept(psql)
    assert refusal(named, psql, "add", named.same.upper() + "\u200b")[0] == f"{named.column}_key_unique"
    named.delete(psql, first)
    assert_kept(psql)
    assert refusal(named, psql, "add", named.name) == (f"{named.column}_key_unique", named.same)
    named.rename(psql, second, named.other)
    named.add(psql, named.name)
    assert_kept(psql)


def test_two_at_once_make_one(named: Named, clone: Clone, psql: psycopg.Connection) -> None:
    results: list[str | None] = []

    def add_second() -> None:
        with clone.superuser() as another:
            try:
                named.add(another, named.same)
            except psycopg.errors.UniqueViolation as error:
                results.append(error.diag.message_detail)
            else:
                results.append(None)

    with psql.transaction():
        named.add(psql, named.name)
        second = threading.Thread(target=add_second)
        second.start()
        with clone.superuser() as watching:
            # Not pg_stat_activity, which stands still within a transaction.
            while not watching.execute("select 1 from pg_locks where not granted").fetchone():
                pass
    second.join()
    assert results == [named.name]
    assert_kept(psql)


def test_keys_follow_whatever_is_done(psql: psycopg.Connection) -> None:
    dice = random.Random(11)
    spelt = [f"{one}{blank}{two}" for one in ("Ab", "aB", "C") for blank in (" ", "-", "") for two in ("1", "2", "x")]
    for _ in range(400):
        named = dice.choice(KINDS)
        chosen = psql.execute(
            sql.SQL("select id from {} order by random() limit 1").format(sql.Identifier("inventory", named.table))
        ).fetchone()
        try:
            with psql.transaction():
                act = dice.choice(["add", "add", "rename", "delete"])
                if act == "add":
                    named.add(psql, dice.choice(spelt))
                elif chosen and act == "rename":
                    named.rename(psql, chosen[0], dice.choice(spelt))
                elif chosen:
                    named.delete(psql, chosen[0])
        except (psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation, psycopg.errors.NotNullViolation):
            pass
    assert_kept(psql)
    with pytest.raises(psycopg.errors.RestrictViolation), psql.transaction():
        psql.execute("truncate inventory.customers cascade")


@pytest.mark.parametrize(
    ("sizes", "names"),
    [("{S,XXL,2XL}", "XXL is 2XL"), ("{FREE,Free Size}", "FREE is Free Size"), ("{40,Size 40}", "40 is Size 40")],
)
def test_a_product_has_no_size_twice(psql: psycopg.Connection, sizes: str, names: str) -> None:
    insert = "insert into inventory.products (sku, name, sizes) values ('TW', 'Top', %s)"
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        psql.execute(insert, (sizes,))
    assert caught.value.diag.constraint_name == "size_key_unique"
    assert set((caught.value.diag.message_detail or "").split(" is ")) == set(names.split(" is "))


def test_a_size_that_is_there_by_another_name_cannot_be_added(psql: psycopg.Connection) -> None:
    psql.execute("insert into inventory.products (sku, name, sizes) values ('TW', 'Top', '{S,XXL}')")
    with pytest.raises(psycopg.errors.CheckViolation) as caught, psql.transaction():
        psql.execute("update inventory.products set sizes = '{S,XXL,2xl}' where sku = 'TW'")
    assert caught.value.diag.constraint_name == "size_key_unique"
    psql.execute("update inventory.products set sizes = '{S,M,XXL}' where sku = 'TW'")
