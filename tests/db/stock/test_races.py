"""Stock under concurrency: real sessions, and locks seen in the server rather than waited for."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from backstitch.accounts.permissions import Role
from tests.conftest import Clone
from tests.db.stock.test_books import IN, OUT, UNBALANCED, make_matrix, stock
from tests.db.trail import Connection, acting, assert_replay_matches, refused, wait_until_blocked

SELLERS = 8


def ready(clone: Clone, *, pieces: int, products: int = 1) -> Connection:
    psql = clone.superuser()
    make_matrix(psql, products=products)
    psql.execute(f"{IN} select product_id, colour_code, size, {pieces}, 'Mill' from inventory.product_color_stocks")
    return psql


def sell(clone: Clone, start: threading.Barrier, statement: str, isolation: str = "read committed") -> str | None:
    """SQLSTATE of the refusal, if there was one."""
    with clone.application() as app:
        start.wait(timeout=20)
        try:
            with app.transaction():
                app.execute(f"set transaction isolation level {isolation}")
                app.execute("select set_config('role', accounts.begin(%s), true)", (clone.actor(Role.MANAGER).token,))
                app.execute(statement)
        except psycopg.Error as error:
            return f"{error.sqlstate} {error.diag.constraint_name or ''}".strip()
    return None


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_of_eight_sellers_of_the_last_piece_one_sells_it(clone: Clone, isolation: str) -> None:
    with ready(clone, pieces=1) as psql, ThreadPoolExecutor(SELLERS) as threads:
        start = threading.Barrier(SELLERS)
        sale = OUT + "values (1, 'R', 'S', 1, 'Shop')"
        sellers = [threads.submit(sell, clone, start, sale, isolation) for _ in range(SELLERS)]
        results = [seller.result(timeout=60) for seller in sellers]
        assert results.count(None) == 1
        assert set(results) <= {None, "23514 stock_never_negative", "40001"}
        if isolation == "read committed":
            assert results.count("23514 stock_never_negative") == SELLERS - 1
        assert "R S" not in stock(psql)
        assert psql.execute(UNBALANCED).fetchall() == []


def test_the_second_seller_of_the_last_piece_waits_and_is_then_refused(clone: Clone) -> None:
    with ready(clone, pieces=1) as psql, clone.superuser() as second, ThreadPoolExecutor() as threads:
        with acting(clone, Role.MANAGER) as first:
            first.execute(OUT + "values (1, 'R', 'S', 1, 'Shop')")
            late: Future[object] = threads.submit(second.execute, OUT + "values (1, 'R', 'S', 1, 'Shop')")
            wait_until_blocked(psql, second.info.backend_pid)
        with refused("23514", "stock_never_negative"):
            late.result(timeout=20)
        assert psql.execute("select count(*) from inventory.sales_logs").fetchone() == (1,)


def test_bulk_writers_in_opposite_order_do_not_deadlock(clone: Clone) -> None:
    with ready(clone, pieces=1000, products=5) as psql, ThreadPoolExecutor(4) as threads:
        start = threading.Barrier(4)
        cells = (
            "select product_id, colour_code, size, 1, 'x' from inventory.product_color_stocks, "
            "generate_series(1, 3) order by id"
        )
        writers = [
            threads.submit(sell, clone, start, statement)
            for statement in (OUT + cells, OUT + cells + " desc", IN + cells + " desc", IN + cells)
            for _ in range(1)
        ]
        for _ in range(4):
            assert [writer.result(timeout=60) for writer in writers] == [None] * 4
            writers = [
                threads.submit(sell, clone, start, statement)
                for statement in (
                    "update inventory.sales_logs set quantity = quantity + 1",
                    IN + cells + " desc",
                    OUT + cells,
                    OUT + cells + " desc",
                )
            ]
        assert [writer.result(timeout=60) for writer in writers] == [None] * 4
        assert psql.execute(UNBALANCED).fetchall() == []


def test_sellers_who_have_all_checked_their_cell_before_any_moves_it_do_not_deadlock(clone: Clone) -> None:
    """The foreign key's lock on the cell comes first, the lock that moves it second; a trigger holds them between."""
    with ready(clone, pieces=10) as psql, clone.superuser() as first, clone.superuser() as second:
        psql.execute(
            "create function public.hold() returns trigger language plpgsql as "
            "$$ begin perform pg_advisory_xact_lock_shared(42); return null; end $$; "
            "create trigger zz_hold after insert on inventory.sales_logs for each row execute function public.hold(); "
            "alter table inventory.sales_logs enable always trigger zz_hold"
        )
        psql.execute("select pg_advisory_lock(42)")
        with ThreadPoolExecutor() as threads:
            sellers = [
                threads.submit(seller.execute, OUT + "values (1, 'R', 'S', 1, 'Shop'), (1, 'G', 'M', 1, 'Shop')")
                for seller in (first, second)
            ]
            with clone.superuser() as watcher:
                wait_until_blocked(watcher, first.info.backend_pid)
                wait_until_blocked(watcher, second.info.backend_pid)
            psql.execute("select pg_advisory_unlock(42)")
            for seller in sellers:
                seller.result(timeout=20)
        assert (stock(psql)["R S"], stock(psql)["G M"]) == (8, 8)


def test_a_size_cannot_be_removed_while_a_cell_of_it_is_added(clone: Clone) -> None:
    with ready(clone, pieces=1) as psql, clone.superuser() as other, ThreadPoolExecutor() as threads:
        psql.execute("update inventory.products set sizes = sizes || 'XL'::text")
        cell = "insert into inventory.product_color_stocks (product_id, colour_code, size) values (1, 'R', 'XL')"
        shrink = "update inventory.products set sizes = '{S,M,L}'"
        for held, waiting, refusal in (
            (cell, shrink, ("23001", "size_in_use")),
            (shrink, cell, ("23514", "size_of_product")),
        ):
            with clone.superuser() as watcher:
                psql.execute("begin")
                psql.execute(held)
                late: Future[object] = threads.submit(other.execute, waiting)
                wait_until_blocked(watcher, other.info.backend_pid)
                psql.execute("commit")
            with refused(*refusal):
                late.result(timeout=20)
            psql.execute("delete from inventory.product_color_stocks where size = 'XL'")


def test_a_cell_added_while_its_colour_is_deactivated_is_deactivated_too(clone: Clone) -> None:
    with clone.superuser() as psql, clone.superuser() as other, clone.superuser() as watcher:
        make_matrix(psql)
        psql.execute("update inventory.products set sizes = '{S,M,L,XL}'")
        cell = "insert into inventory.product_color_stocks (product_id, colour_code, size) values (1, 'R', 'XL')"
        switch_off = "update inventory.product_colors set is_active = false where colour_code = 'R'"
        wrong = (
            "select c.colour_code, s.size from inventory.product_colors c join inventory.product_color_stocks s "
            "using (product_id, colour_code) where s.is_active and not c.is_active"
        )
        for held, waiting in ((cell, switch_off), (switch_off, cell)):
            with ThreadPoolExecutor() as threads:
                psql.execute("begin")
                psql.execute(held)
                late: Future[object] = threads.submit(other.execute, waiting)
                wait_until_blocked(watcher, other.info.backend_pid)
                psql.execute("commit")
                late.result(timeout=20)
            assert psql.execute(wrong).fetchall() == []
            psql.execute("delete from inventory.product_color_stocks where size = 'XL'")
            psql.execute("update inventory.product_colors set is_active = true")
        psql.execute(switch_off)
        with refused("23514", "colour_in_use"):
            psql.execute("update inventory.product_color_stocks set is_active = true where colour_code = 'R'")
        assert psql.execute(wrong).fetchall() == []
        assert_replay_matches(psql, "inventory.product_color_stocks")


def test_rules_that_look_at_other_rows_are_kept_at_read_committed_only(clone: Clone) -> None:
    with ready(clone, pieces=1) as psql:
        psql.execute("insert into inventory.customers (store_name) values ('Shop')")
        psql.execute("insert into inventory.orders (customer_id) values (1)")
        line = "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity, unit_price) "
        psql.execute(line + "values (1, 1, 'R', 'S', 1, 10)")
        for isolation in ("repeatable read", "serializable"):
            for statement in (
                "update inventory.products set sizes = '{S,M,L,XL}'",
                "update inventory.product_colors set is_active = false",
                "update inventory.orders set status = 'confirmed'",
                "delete from inventory.order_lines",
            ):
                with refused("0A000", "rules_read_committed"), psql.transaction():
                    psql.execute(f"set transaction isolation level {isolation}")
                    psql.execute(statement)
        psql.execute("set default_transaction_isolation = 'serializable'")
        psql.execute("insert into inventory.products (sku, name, sizes) values ('P2', 'Kurti', '{S}')")
