"""The stock books are kept by the database: every movement moves its cell, and nothing else does."""

import random
from typing import Any

import psycopg
import pytest
from psycopg import sql

from backstitch.accounts.permissions import Role
from tests.conftest import Clone
from tests.db.trail import Connection, acting, assert_replay_matches, changes, records, refused

IN = "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
OUT = "insert into inventory.sales_logs (product_id, colour_code, size, quantity, store) "

# Cells whose quantity is not what came in less what went out.
UNBALANCED = """
select s.product_id, s.colour_code, s.size, s.quantity, m.moved
from inventory.product_color_stocks s
left join (select product_id, colour_code, size, sum(quantity) as moved
           from (select product_id, colour_code, size, quantity from inventory.inward_logs
                 union all select product_id, colour_code, size, -quantity from inventory.sales_logs) b
           group by 1, 2, 3) m using (product_id, colour_code, size)
where s.quantity <> coalesce(m.moved, 0)
"""


def make_matrix(connection: Connection, *, products: int = 1, sizes: str = "{S,M,L}") -> None:
    """Products 1 to n in colours R and G, all sizes in the matrix, all empty."""
    connection.execute(
        "insert into inventory.products (sku, name, sizes) select 'P' || n, 'Kurti', %s from generate_series(1, %s) n",
        (sizes, products),
    )
    connection.execute(
        "insert into inventory.product_colors (product_id, color, colour_code) "
        "select id, c, c from inventory.products, unnest('{R,G}'::text[]) c order by id, c"
    )
    connection.execute(
        "insert into inventory.product_color_stocks (product_id, colour_code, size) "
        "select product_id, colour_code, s from inventory.product_colors c join "
        "inventory.products p on p.id = c.product_id, "
        "unnest(p.sizes) s"
    )


@pytest.fixture
def psql(clone: Clone) -> Connection:
    """A hand at psql, with product 1 in the matrix and 10 pieces of R S."""
    connection = clone.superuser()
    make_matrix(connection)
    connection.execute(IN + "values (1, 'R', 'S', 10, 'Mill')")
    return connection


def stock(connection: Connection) -> dict[str, int]:
    """Quantities that are not 0, by colour and size."""
    found = connection.execute(
        "select colour_code || ' ' || size, quantity from inventory.product_color_stocks where quantity <> 0"
    )
    return dict(found.fetchall())


def test_goods_in_and_out_move_their_cell_by_hand_too(psql: Connection) -> None:
    psql.execute(OUT + "values (1, 'R', 'S', 4, 'Shop')")
    assert stock(psql) == {"R S": 6}


def test_one_statement_of_many_rows_moves_each_cell_once(psql: Connection) -> None:
    psql.execute(IN + "values (1, 'R', 'S', 1, 'Mill'), (1, 'G', 'M', 2, 'Mill'), (1, 'R', 'S', 3, 'Mill')")
    assert stock(psql) == {"R S": 14, "G M": 2}
    moves = [change[2:] for change in changes(psql, "ProductColorStock") if change[0] == "UPDATE"]
    assert moves[1:] in (
        [({"quantity": 0}, {"quantity": 2}), ({"quantity": 10}, {"quantity": 14})],
        [({"quantity": 10}, {"quantity": 14}), ({"quantity": 0}, {"quantity": 2})],
    )


def test_edits_and_deletions_of_movements_move_the_stock_back(psql: Connection) -> None:
    psql.execute(OUT + "values (1, 'R', 'S', 4, 'Shop')")
    psql.execute("update inventory.sales_logs set quantity = 1")
    assert stock(psql) == {"R S": 9}
    psql.execute("update inventory.inward_logs set quantity = 20, stakeholder_name = 'Other'")
    assert stock(psql) == {"R S": 19}
    psql.execute("update inventory.inward_logs set date = '2026-04-01'")
    assert stock(psql) == {"R S": 19}
    psql.execute("delete from inventory.sales_logs")
    assert stock(psql) == {"R S": 20}
    psql.execute("update inventory.inward_logs set colour_code = 'G', size = 'L', quantity = 3")
    assert stock(psql) == {"G L": 3}
    psql.execute("delete from inventory.inward_logs")
    assert stock(psql) == {}


def test_upsert_merge_copy_and_with_clauses_move_stock_too(psql: Connection) -> None:
    with psql.cursor().copy(
        "copy inventory.sales_logs (product_id, colour_code, size, quantity, store) from stdin"
    ) as copy:
        copy.write_row((1, "R", "S", 1, "Shop"))
        copy.write_row((1, "R", "S", 2, "Shop"))
    assert stock(psql) == {"R S": 7}
    psql.execute(
        "merge into inventory.sales_logs l using (values (1::bigint), (2), (99)) s (id) on l.id = s.id "
        "when matched and s.id = 1 then delete when matched then update set quantity = 5 "
        "when not matched then insert (product_id, colour_code, size, quantity, store) values (1, 'R', 'S', 1, 'Shop')"
    )
    assert stock(psql) == {"R S": 4}
    psql.execute(
        "insert into inventory.sales_logs (id, product_id, colour_code, size, quantity, store) overriding system value "
        "values (2, 1, 'R', 'S', 1, 'Shop') on conflict (id) do update set quantity = excluded.quantity"
    )
    assert stock(psql) == {"R S": 8}
    psql.execute(
        "with gone as (delete from inventory.sales_logs returning *) "
        + IN
        + "select 1, 'G', 'S', quantity, store from gone"
    )
    assert stock(psql) == {"R S": 10, "G S": 2}
    assert psql.execute(UNBALANCED).fetchall() == []


def test_selling_more_than_there_is_is_refused_and_leaves_nothing(psql: Connection) -> None:
    before = len(changes(psql, "SalesLog", "ProductColorStock"))
    for statement in (
        OUT + "values (1, 'R', 'S', 11, 'Shop')",
        OUT + "values (1, 'R', 'S', 6, 'Shop'), (1, 'R', 'S', 5, 'Shop')",
        OUT + "values (1, 'G', 'S', 1, 'Shop')",
        "update inventory.inward_logs set size = 'M'; " + OUT + "values (1, 'R', 'S', 1, 'Shop')",
    ):
        with refused("23514", "stock_never_negative"):
            psql.execute(statement)
    psql.execute(OUT + "values (1, 'R', 'S', 10, 'Shop')")
    with refused("23514", "stock_never_negative"):
        psql.execute("delete from inventory.inward_logs")
    with refused("23514", "stock_never_negative"):
        psql.execute("update inventory.inward_logs set quantity = 9")
    assert stock(psql) == {}
    assert len(changes(psql, "SalesLog", "ProductColorStock")) == before + 2


def test_a_movement_needs_a_cell_and_a_positive_whole_quantity(psql: Connection) -> None:
    for values, refusal in {
        "(1, 'X', 'S', 1, 'x')": ("23503", "inward_cell_of_matrix"),
        "(1, 'R', 'XL', 1, 'x')": ("23503", "inward_cell_of_matrix"),
        "(2, 'R', 'S', 1, 'x')": ("23503", "inward_logs_product_id_fkey"),
        "(1, 'R', 'S', 0, 'x')": ("23514", "inward_quantity_positive"),
        "(1, 'R', 'S', -1, 'x')": ("23514", "inward_quantity_positive"),
        "(1, 'R', 'S', 1, ' ')": ("23514", "stakeholder_not_blank"),
        "(1, 'R', 'S', 99999999999, 'x')": ("22003", None),
        "(1, 'R', 'S', '1.5', 'x')": ("22P02", None),
    }.items():
        with refused(*refusal):
            psql.execute(f"{IN} values {values}")
    with refused("22003"):
        psql.execute(IN + "values (1, 'R', 'S', 2147483647, 'x')")
    assert stock(psql) == {"R S": 10}


def test_truncating_a_log_of_movements_is_refused(psql: Connection) -> None:
    for statement in (
        "truncate inventory.inward_logs",
        "truncate inventory.sales_logs",
        "truncate inventory.products cascade",
        "set session_replication_role = replica; truncate inventory.inward_logs",
    ):
        with refused("23001", "movements_not_truncated"):
            psql.execute(statement)
    assert stock(psql) == {"R S": 10}


def test_stock_moves_in_replica_mode_too(psql: Connection) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute(OUT + "values (1, 'R', 'S', 4, 'Shop')")
    psql.execute("delete from inventory.sales_logs")
    psql.execute("update inventory.inward_logs set quantity = 3")
    assert stock(psql) == {"R S": 3}


def test_a_movement_and_what_it_moved_are_of_the_same_user_and_transaction(clone: Clone, psql: Connection) -> None:
    with acting(clone, Role.MANAGER, operation="sell") as manager:
        manager.execute(OUT + "values (1, 'R', 'S', 4, 'Shop')")
    recorded = psql.execute(
        "select entity, action, username, database_role, operation, parent_id, old_values, "
        "new_values - '{id,date}'::text[] "
        "from audit.trail where transaction_id = (select max(transaction_id) from "
        "audit.records) order by id"
    ).fetchall()
    who = ("manager@example.com", "backstitch_app", "sell", 1)
    sale: dict[str, Any] = {
        "product_id": 1,
        "colour_code": "R",
        "size": "S",
        "quantity": 4,
        "agency": "",
        "store": "Shop",
        "order_id": None,
    }
    assert recorded == [
        ("SalesLog", "CREATE", *who, None, sale),
        ("ProductColorStock", "UPDATE", *who, {"quantity": 10}, {"quantity": 6}),
    ]


def test_cells_have_the_sizes_of_their_product_and_only_empty_ones_are_deleted(psql: Connection) -> None:
    cell = "insert into inventory.product_color_stocks (product_id, colour_code, size) values "
    for statement, refusal in {
        cell + "(1, 'R', 'XL')": ("23514", "size_of_product"),
        cell + "(9, 'R', 'S')": ("23514", "size_of_product"),
        cell + "(1, 'X', 'S')": ("23503", "colour_of_product"),
        cell + "(1, 'R', 'S')": ("23505", "stock_cell_unique"),
        "update inventory.product_color_stocks set size = 'XL' where size = 'M'": ("23514", "size_of_product"),
        "delete from inventory.product_color_stocks where size = 'S'": ("23001", "cell_holds_stock"),
        "update inventory.products set sizes = '{S}'": ("23001", "size_in_use"),
        "update inventory.products set sizes = '{S,M,L,S}'": ("23514", "sizes_distinct"),
        "update inventory.products set sizes = '{S,M,L,\" \"}'": ("23514", "sizes_distinct"),
        "update inventory.products set sizes = '{S,M,L,NULL}'": ("23514", "sizes_distinct"),
        "update inventory.products set sizes = '{}'": ("23001", "size_in_use"),
        "update inventory.products set sizes = null": ("23502", None),
        "insert into inventory.products (sku, name, sizes) values ('N', 'x', '{}')": ("23514", "sizes_not_empty"),
        "delete from inventory.product_colors": ("23503", "colour_of_product"),
    }.items():
        with refused(*refusal):
            psql.execute(statement)
    psql.execute("delete from inventory.product_color_stocks where size = 'M'")
    psql.execute("update inventory.products set sizes = '{XL,L,S}'")
    assert stock(psql) == {"R S": 10}


def test_after_a_random_mix_each_cell_equals_goods_in_less_goods_out(clone: Clone) -> None:
    dice = random.Random(20260401)
    with clone.superuser() as psql:
        make_matrix(psql, products=3)

        def some(rows: int) -> str:
            return ", ".join(
                f"({dice.randint(1, 3)}, '{dice.choice('RG')}', '{dice.choice('SML')}', {dice.randint(1, 9)}, 'x')"
                for _ in range(rows)
            )

        def statement() -> str:
            log = dice.choice(["inward_logs", "sales_logs"])
            where = f"where id % {dice.randint(2, 5)} = {dice.randint(0, 1)}"
            return dice.choice(
                [
                    f"{IN} values {some(dice.randint(1, 12))}",
                    f"{OUT} values {some(dice.randint(1, 4))}",
                    f"update inventory.{log} set quantity = quantity + 1 {where}",
                    f"update inventory.{log} set size = '{dice.choice('SML')}', colour_code = "
                    f"'{dice.choice('RG')}' {where}",
                    f"update inventory.{log} set product_id = {dice.randint(1, 3)}, quantity = "
                    f"{dice.randint(1, 5)} {where}",
                    f"update inventory.{log} set date = date - 1",
                    f"delete from inventory.{log} {where} and id % 3 = 0",
                ]
            )

        done = 0
        for _ in range(250):
            try:
                with psql.transaction(force_rollback=dice.random() < 0.1):
                    psql.execute(sql.SQL(statement()))
                    done += 1
            except psycopg.errors.CheckViolation as error:
                assert error.diag.constraint_name == "stock_never_negative"
            assert psql.execute(UNBALANCED).fetchall() == []
        assert done > 100
        assert_replay_matches(psql)
        assert len(records(psql, "ProductColorStock")) > 300
