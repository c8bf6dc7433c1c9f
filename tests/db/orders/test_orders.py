"""Orders: numbers without gaps, allowed moves only, and stock that moves at the dispatch."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import Connection, text

from backstitch.accounts.permissions import Role
from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.adjustments import Adjustment
from backstitch.inventory.movements.commands import InwardRow, SalesRow
from backstitch.inventory.movements.queries import LogFilter
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.queries import OrderFilter, Shortage
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.stock import reports as stock_reports
from backstitch.inventory.stock.count import Count, post_counts
from tests.conftest import Clone
from tests.db.business import DAY, PRICE, Business, open_business
from tests.db.trail import acting, assert_replay_matches, begin, changes, refused, wait_until_blocked

WRITERS = 8


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


def test_an_order_goes_from_draft_to_delivered_and_its_dispatch_moves_the_stock(business: Business) -> None:
    draft = business.draft(business.line(3), business.line(2, unit_price=Decimal(450), size="S", colour_code="BLUE"))
    order = business.order(draft)
    assert (order.summary.name, order.summary.status, order.summary.financial_year) == ("Draft 1", "draft", "2026-27")
    assert [(line.quantity, line.unit_price, line.gst_rate) for line in order.lines] == [
        (3, PRICE, Decimal(5)),
        (2, Decimal(450), Decimal(5)),
    ]
    assert (order.summary.pieces, order.summary.value, order.summary.gst) == (
        5,
        Decimal("2398.50"),
        Decimal("74.93") + Decimal(45),
    )
    assert order.summary.gst == sum(line.gst for line in order.lines)

    assert business.move("confirmed", draft) == 1
    assert business.order(draft).summary.name == "2026-27/1"
    with business.read() as connection:
        assert order_queries.shortages(connection, order_ids=[draft]) == [Shortage("KT-1", "Blue", "S", 2, 0)]
    with pytest.raises(Refused) as short:
        business.move("dispatched", draft, on=DAY)
    assert short.value.rule == "stock_never_negative"

    stored = business.order(draft)
    with business.write() as connection:
        order_commands.edit_order(
            connection,
            order_id=draft,
            version=stored.version,
            details=business.details(note="less"),
            lines=[business.line(4)],
        )
    business.move("dispatched", draft, on=date(2026, 11, 5))
    assert business.stock() == {("RED", "S"): 6}
    with business.read() as connection:
        (sale,) = movement_queries.sales_log(connection, log_filter=LogFilter())
    assert (sale.quantity, sale.store, sale.agency, sale.date, sale.order_id) == (
        4,
        "Mehta Stores",
        "Rao & Sons",
        date(2026, 11, 5),
        draft,
    )
    business.move("delivered", draft)
    assert business.order(draft).summary.status == "delivered"
    with business.clone.superuser() as psql:
        assert_replay_matches(psql)


def test_only_the_allowed_moves_are_allowed_whoever_asks(business: Business) -> None:
    allowed = {(old, new) for old, ways in order_queries.MOVES.items() for new in ways}
    with business.clone.superuser() as psql:
        asked = psql.execute(
            "select o, n, inventory.order_move_allowed(o, n) from unnest(%s::text[]) o, unnest(%s::text[]) n",
            (list(order_queries.STATUSES), list(order_queries.STATUSES)),
        ).fetchall()
        assert {(old, new) for old, new, may in asked if may} == allowed
        business.draft()
        for status in ("dispatched", "delivered", "cancelled"):
            with refused("23514", "order_move_allowed"):
                psql.execute("update inventory.orders set status = %s", (status,))
        psql.execute("update inventory.orders set status = 'confirmed'")
        for statement, refusal in {
            "update inventory.orders set status = 'draft'": ("23514", "order_move_allowed"),
            "update inventory.orders set status = 'delivered'": ("23514", "order_move_allowed"),
            "update inventory.orders set status = 'sent'": ("23514", "order_move_allowed"),
            "update inventory.orders set order_number = 7": ("23001", "order_number_fixed"),
            "update inventory.orders set date = '2026-03-31'": ("23001", "order_number_fixed"),
            "delete from inventory.orders": ("23001", "order_deleted_as_draft"),
            "delete from inventory.order_lines": ("23514", "order_has_lines"),
            "update inventory.order_lines set quantity = 0": ("23514", "order_quantity_positive"),
            "truncate inventory.order_lines": ("23001", "movements_not_truncated"),
            "truncate inventory.orders cascade": ("23001", "movements_not_truncated"),
            "insert into inventory.orders (customer_id, status) values (1, 'confirmed')": (
                "23514",
                "order_starts_as_draft",
            ),
            "insert into inventory.orders (customer_id, order_number) values (1, 9)": (
                "23514",
                "order_number_when_confirmed",
            ),
            "insert into inventory.orders (customer_id) values (99)": ("23503", "order_customer"),
            "update inventory.orders set status = 'dispatched', dispatch_date = '2026-11-01'": (
                "23514",
                "dispatch_not_before_order",
            ),
        }.items():
            with refused(*refusal):
                psql.execute(statement)
        psql.execute("update inventory.orders set status = 'dispatched'")
        for statement, refusal in {
            "update inventory.orders set status = 'cancelled'": ("23514", "order_move_allowed"),
            "update inventory.orders set date = date - 1": ("23001", "order_open"),
            "update inventory.orders set agency_id = null": ("23001", "order_open"),
            "update inventory.order_lines set quantity = 2": ("23001", "order_open"),
            "delete from inventory.order_lines": ("23001", "order_open"),
            "update inventory.sales_logs set quantity = 2": ("23001", "sale_of_order"),
            "update inventory.sales_logs set order_id = null": ("23001", "sale_of_order"),
            "delete from inventory.sales_logs": ("23001", "sale_of_order"),
            "insert into inventory.sales_logs (product_id, colour_code, size, quantity, store, order_id) "
            "values (1, 'RED', 'S', 1, 'x', 1)": ("23001", "sale_of_order"),
        }.items():
            with refused(*refusal):
                psql.execute(statement)
    # Nor by a trigger of one's own, in which a statement is as deep as the one that the dispatch makes.
    for act in ("delete from inventory.sales_logs", "update inventory.sales_logs set quantity = 5"):
        with refused("23001", "sale_of_order"), business.clone.application() as app, app.transaction():
            begin(app, business.clone, Role.MANAGER)
            app.execute("create temp table bait (x int)")
            body = f"begin {act}; return null; end"
            app.execute(f"create function pg_temp.bite() returns trigger language plpgsql as $${body}$$")
            app.execute("create trigger bite after insert on bait execute function pg_temp.bite()")
            app.execute("insert into bait values (1)")
    assert business.stock() == {("RED", "S"): 9}


def test_an_order_without_lines_is_not_confirmed_and_one_without_a_price_not_entered(business: Business) -> None:
    with business.write() as connection:
        empty = order_commands.create_order(connection, details=business.details(), lines=[])
    with pytest.raises(Refused) as no_lines:
        business.move("confirmed", empty)
    assert no_lines.value.rule == "order_has_lines"
    with business.clone.superuser() as psql:
        psql.execute("update inventory.products set unit_price = null")
    with pytest.raises(Refused) as no_price:
        business.draft(business.line())
    assert no_price.value.rule == "line_price_known"
    with pytest.raises(Refused) as twice:
        business.draft(business.line(1, unit_price=PRICE), business.line(2, unit_price=PRICE))
    assert twice.value.rule == "order_line_unique"
    with pytest.raises(Refused, match="cannot be stored") as unstorable, business.write() as connection:
        order_commands.create_order(connection, details=business.details(note="a\x00b"), lines=[])
    assert unstorable.value.rule == "22P05"


def test_eight_writers_at_once_number_their_orders_without_gap_or_duplicate(business: Business) -> None:
    """Every third confirmation is rolled back after it had its number."""
    drafts = [business.draft(day=DAY if n % 4 else date(2027, 4, 1)) for n in range(WRITERS * 6)]
    start = threading.Barrier(WRITERS)

    def confirm(mine: list[int]) -> None:
        start.wait(timeout=20)
        for place, order_id in enumerate(mine):
            with acting(business.clone, Role.MANAGER) as app, app.transaction(force_rollback=place % 3 == 2):
                app.execute("update inventory.orders set status = 'confirmed' where id = %s", (order_id,))

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(confirm, [drafts[writer::WRITERS] for writer in range(WRITERS)]))
    with business.clone.superuser() as psql:
        numbered = psql.execute(
            "select financial_year, array_agg(order_number order by order_number) from inventory.orders "
            "where order_number is not null group by 1 order by 1"
        ).fetchall()
        assert sum(len(numbers) for _, numbers in numbered) == WRITERS * 4
        assert [year for year, _ in numbered] == ["2026-27", "2027-28"]
        assert all(numbers == list(range(1, len(numbers) + 1)) for _, numbers in numbered)
        assert psql.execute(
            "select financial_year, last_number from inventory.order_counters order by 1"
        ).fetchall() == [(year, len(numbers)) for year, numbers in numbered]


def test_bulk_create_confirm_dispatch_and_delete_are_all_or_nothing(business: Business) -> None:
    with business.write() as connection:
        ids = order_commands.create_orders(
            connection, orders=[(business.details(note=str(n)), [business.line(4)]) for n in range(4)]
        )
    with business.read() as connection:
        found = order_queries.orders(connection, order_filter=OrderFilter(statuses=["draft"]))
    assert [(order.id, order.note) for order in found] == [(id, str(n)) for n, id in reversed(list(enumerate(ids)))]
    assert business.move("confirmed", *ids[:3]) == 3
    assert [business.order(id).summary.order_number for id in ids[:3]] == [1, 2, 3]
    with pytest.raises(Refused) as short:
        business.move("dispatched", *ids[:3], on=DAY)
    assert short.value.rule == "stock_never_negative"
    assert business.stock() == {("RED", "S"): 10}
    assert business.move("dispatched", *ids[:2], on=DAY) == 2
    assert business.stock() == {("RED", "S"): 2}
    with pytest.raises(Refused) as numbered, business.write() as connection:
        order_commands.delete_drafts(connection, versions=business.versions(ids[2:]))
    assert numbered.value.rule == "order_deleted_as_draft"
    with business.write() as connection:
        assert order_commands.delete_drafts(connection, versions=business.versions(ids[3:])) == 1
    assert business.move("cancelled", ids[2]) == 1
    with business.clone.superuser() as psql:
        assert [change[0] for change in changes(psql, "OrderLine")] == ["CREATE"] * 4 + ["DELETE"]


def test_a_stale_edit_of_an_order_or_of_its_lines_shows_both(business: Business) -> None:
    draft = business.draft(business.line(1))
    read = business.order(draft)
    with business.write() as connection:
        order_commands.edit_order(
            connection, order_id=draft, version=read.version, details=business.details(), lines=[business.line(2)]
        )
    mine = (business.details(note="mine"), (business.line(5),))
    with pytest.raises(StaleEdit) as stale, business.write() as connection:
        order_commands.edit_order(connection, order_id=draft, version=read.version, details=mine[0], lines=mine[1])
    assert (stale.value.theirs.lines[0].quantity, stale.value.yours) == (2, mine)
    for write in (
        lambda c: order_commands.set_status(c, versions={draft: read.version}, status="confirmed"),
        lambda c: order_commands.delete_drafts(c, versions={draft: read.version, 99: "x"}),
    ):
        with pytest.raises(StaleEdit) as stale, business.write() as connection:
            write(connection)
        assert [order.summary.id for order in stale.value.theirs] == [draft]
    assert business.order(draft).summary.status == "draft"


def test_products_go_to_their_allowed_stores_through_their_allowed_agencies(business: Business) -> None:
    draft = business.draft()
    with business.clone.superuser() as psql:
        psql.execute("update inventory.products set allowed_stores = '{ mehta stores }', allowed_agencies = '{Other}'")
        sale = "insert into inventory.sales_logs (product_id, colour_code, size, quantity, store, agency) values "
        for values, rule in {
            "(1, 'RED', 'S', 1, 'Bandra', '')": "store_allowed",
            "(1, 'RED', 'S', 1, 'Mehta Stores', 'Rao & Sons')": "agency_allowed",
        }.items():
            with refused("23514", rule):
                psql.execute(sale + values)
        psql.execute(sale + "(1, 'RED', 'S', 1, 'MEHTA STORES', 'other'), (1, 'RED', 'S', 1, 'Mehta Stores', '')")
        with refused("23514", "store_allowed"):
            psql.execute("update inventory.sales_logs set store = 'Bandra'")
        with refused("23514", "agency_allowed"):
            psql.execute(
                "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity) "
                "values (1, 1, 'RED', 'M', 1)"
            )
        with refused("23514", "agency_allowed"):
            business_move = "update inventory.orders set status = %s where id = %s"
            psql.execute(business_move, ("confirmed", draft))
            psql.execute(business_move, ("dispatched", draft))
        psql.execute("update inventory.orders set agency_id = null")
        with refused("23514", "agency_allowed"):
            psql.execute("update inventory.orders set agency_id = 1")
        psql.execute("update inventory.products set allowed_stores = '{Elsewhere}'")
        psql.execute("update inventory.sales_logs set quantity = 2")
    assert business.stock() == {("RED", "S"): 6}


def test_new_orders_cannot_have_inactive_parties_products_or_cells(business: Business) -> None:
    draft = business.draft()
    with business.clone.superuser() as psql:
        line = "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity) values "
        psql.execute("update inventory.product_color_stocks set is_active = false where colour_code = 'BLUE'")
        with refused("23514", "ordered_cell_in_use"):
            psql.execute(line + "(1, 1, 'BLUE', 'S', 1)")
        psql.execute("update inventory.products set is_active = false")
        with refused("23514", "ordered_cell_in_use"):
            psql.execute(line + "(1, 1, 'RED', 'M', 1)")
        psql.execute("update inventory.agencies set is_active = false")
        with refused("23514", "agency_active"):
            psql.execute("insert into inventory.orders (customer_id, agency_id) values (1, 1)")
        psql.execute("update inventory.customers set is_active = false")
        with refused("23514", "customer_active"):
            psql.execute("insert into inventory.orders (customer_id) values (1)")
        psql.execute("update inventory.orders set note = 'an old order can still be worked on' where id = %s", (draft,))


def test_two_who_dispatch_the_last_pieces_one_wins(business: Business) -> None:
    drafts = [business.draft(business.line(7)) for _ in range(2)]
    business.move("confirmed", *drafts)
    start = threading.Barrier(2)

    def dispatch(order_id: int) -> str:
        versions = business.versions([order_id])
        start.wait(timeout=20)
        try:
            with business.write() as connection:
                order_commands.set_status(connection, versions=versions, status="dispatched", dispatch_date=DAY)
        except Refused as refusal:
            return refusal.rule
        return "dispatched"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(dispatch, drafts)) == ["dispatched", "stock_never_negative"]
    assert business.stock() == {("RED", "S"): 3}


def test_a_line_cannot_slip_into_an_order_that_is_being_dispatched(business: Business) -> None:
    draft = business.draft()
    business.move("confirmed", draft)
    with business.clone.superuser() as psql, business.clone.superuser() as late, ThreadPoolExecutor() as threads:
        with psql.transaction():
            psql.execute("update inventory.orders set status = 'dispatched'")
            waiting = threads.submit(late.execute, "update inventory.order_lines set quantity = 5")
            with business.clone.superuser() as watcher:
                wait_until_blocked(watcher, late.info.backend_pid)
        with refused("23001", "order_open"):
            waiting.result(timeout=20)


def test_parties_and_cells_of_an_order_cannot_be_deactivated_while_it_is_entered(business: Business) -> None:
    business.draft()
    order = "insert into inventory.orders (customer_id, agency_id) values (1, 1)"
    line = (
        "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity) "
        "values (1, 1, 'BLUE', 'M', 1)"
    )
    switch_off = "update inventory.{} set is_active = false where id = 1"
    blue_m = "update inventory.product_color_stocks set is_active = false where (colour_code, size) = ('BLUE', 'M')"
    with (
        business.clone.superuser() as psql,
        business.clone.superuser() as other,
        business.clone.superuser() as watcher,
        ThreadPoolExecutor() as threads,
    ):
        for entry, going, rule in (
            (order, switch_off.format("customers"), "customer_active"),
            (order, switch_off.format("agencies"), "agency_active"),
            (line, switch_off.format("products"), "ordered_cell_in_use"),
            (line, blue_m, "ordered_cell_in_use"),
        ):
            psql.execute("begin")
            other.execute("begin")
            psql.execute(entry)
            waiting = threads.submit(other.execute, going)
            wait_until_blocked(watcher, other.info.backend_pid)
            psql.execute("rollback")
            waiting.result(timeout=20)
            late = threads.submit(psql.execute, entry)
            wait_until_blocked(watcher, psql.info.backend_pid)
            other.execute("commit")
            with refused("23514", rule):
                late.result(timeout=20)
            for table in ("customers", "agencies", "products", "product_color_stocks"):
                psql.execute(f"update inventory.{table} set is_active = true where not is_active")


def test_two_who_take_the_last_two_lines_of_a_numbered_order_leave_one(business: Business) -> None:
    order = business.draft(business.line(), business.line(size="M"))
    business.move("confirmed", order)
    with business.clone.superuser() as psql, business.clone.superuser() as late, ThreadPoolExecutor() as threads:
        with psql.transaction():
            psql.execute("delete from inventory.order_lines where size = 'S'")
            waiting = threads.submit(late.execute, "delete from inventory.order_lines where size = 'M'")
            with business.clone.superuser() as watcher:
                wait_until_blocked(watcher, late.info.backend_pid)
        with refused("23514", "order_has_lines"):
            waiting.result(timeout=20)
        assert psql.execute("select size from inventory.order_lines").fetchall() == [("M",)]


def test_a_role_that_may_not_edit_may_not_order(business: Business) -> None:
    for role in (Role.ANALYST, Role.VIEWER):
        for write in (
            lambda c: order_commands.create_order(c, details=business.details(), lines=[]),
            lambda c: c.execute(text("update inventory.order_counters set last_number = 9")),
            lambda c: movement_commands.bulk_sales(c, rows=[]) or c.execute(text("delete from inventory.customers")),
        ):
            with pytest.raises(Refused) as refusal, business.write(role) as connection:
                write(connection)
            assert refusal.value.rule == "42501"
    with pytest.raises(Refused) as counter, business.write(Role.ADMIN) as connection:
        connection.execute(text("update inventory.orders set order_number = 9"))
    assert counter.value.rule == "42501"


def test_a_price_that_changes_later_leaves_the_order_as_it_was_entered(business: Business) -> None:
    draft = business.draft(business.line(2))
    with business.write(reason="new season") as connection:
        product = product_queries.product(connection, product_id=business.product)
        change = product_commands.ProductChange(product.id, product.version, {"unit_price": Decimal(999)})
        product_commands.edit_products(connection, changes=[change])
    read = business.order(draft)
    with business.write() as connection:
        lines = [replace(business.line(3), unit_price=None)]
        order_commands.edit_order(
            connection, order_id=draft, version=read.version, details=business.details(), lines=lines
        )
    (line,) = business.order(draft).lines
    assert (line.quantity, line.unit_price) == (3, PRICE)


def test_eight_writers_of_everything_at_once_do_not_deadlock(business: Business) -> None:
    cells = [(code, size) for code in ("RED", "BLUE") for size in ("S", "M")]
    with business.write() as connection:
        goods = [InwardRow(business.product, *cell, 200, DAY, "Supply", "Mill") for cell in cells]
        movement_commands.bulk_inward(connection, rows=goods)
    drafts = [business.draft(*(business.line(1, *cell) for cell in cells)) for _ in range(WRITERS * 2)]
    business.move("confirmed", *drafts)
    start = threading.Barrier(WRITERS)

    def sell(c: Connection, mine: list[tuple[str, str]], turn: int) -> None:
        movement_commands.bulk_sales(c, rows=[SalesRow(business.product, *cell, 1, DAY, "Bandra") for cell in mine])

    def receive(c: Connection, mine: list[tuple[str, str]], turn: int) -> None:
        movement_commands.bulk_inward(
            c, rows=[InwardRow(business.product, *cell, 1, DAY, "Supply", "Mill") for cell in mine]
        )

    def correct(c: Connection, mine: list[tuple[str, str]], turn: int) -> None:
        adjustments.adjust(c, adjustments=[Adjustment(business.product, *cell, -1, DAY, "damaged") for cell in mine])

    def dispatch(c: Connection, mine: list[tuple[str, str]], turn: int) -> None:
        ids = drafts[turn * 2 : turn * 2 + 3]
        order_commands.set_status(
            c, versions=order_queries.versions(c, order_ids=ids), status="dispatched", dispatch_date=DAY
        )

    def count(c: Connection, mine: list[tuple[str, str]], turn: int) -> None:
        on_hand = product_queries.matrix(c, product_id=business.product).cells
        counts = [Count(*cell, on_hand[cell], on_hand[cell] + 1) for cell in mine]
        post_counts(c, product_id=business.product, counts=counts, date=DAY)

    def work(writer: int) -> list[str]:
        rules = []
        start.wait(timeout=20)
        for turn in range(8):
            mine = cells if writer % 2 else cells[::-1]
            act = (sell, receive, correct, dispatch, count)[(writer + turn) % 5]
            try:
                with business.write(reason="race") as connection:
                    act(connection, mine, turn)
            except Refused as refusal:
                rules.append(refusal.rule)
        return rules

    with ThreadPoolExecutor(WRITERS) as threads:
        rules = {rule for mine in threads.map(work, range(WRITERS)) for rule in mine}
    assert rules <= {"edited_since", "order_move_allowed"}
    with business.read() as connection:
        proof = stock_reports.stock_proof(connection, product_id=business.product)
    assert all(cell.holds for cell in proof) and len(proof) == 4
    with business.clone.superuser() as psql:
        assert_replay_matches(psql)
