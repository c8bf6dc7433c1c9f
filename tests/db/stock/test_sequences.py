"""Whatever managers do, in whatever order: each cell is what its movements say, and what the trail says."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from backstitch.accounts.permissions import Role
from backstitch.audit import undo
from backstitch.audit.undo import Undoable
from backstitch.errors import Refused
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.adjustments import REASONS, Adjustment
from backstitch.inventory.movements.commands import Inward, InwardRow, Sale, SalesRow
from backstitch.inventory.movements.queries import LogFilter
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.orders.queries import OrderFilter
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties.commands import CustomerDetails
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import matrix as product_matrix
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductDetails
from backstitch.inventory.stock import count as stock_count
from backstitch.inventory.stock import reports as stock_reports
from backstitch.inventory.stock.count import Count
from tests.conftest import Clone
from tests.db.trail import Connection as Psql
from tests.db.trail import assert_replay_matches

DAY = date(2026, 11, 2)
Cell = tuple[str, str]
CELLS: list[Cell] = [("RED", "S"), ("RED", "M"), ("BLUE", "S")]
MAY_REFUSE = {"stock_never_negative", "inactive_cell_empty", "cell_holds_stock", "ordered_cell_in_use", "sale_of_order"}
ORDER_RULES = ("move_allowed", "deleted_as_draft", "open", "has_lines", "number_fixed")
MAY_REFUSE_UNDO = {"nothing_to_undo", *(f"order_{rule}" for rule in ORDER_RULES)}

WORK = (
    *("inward", "sale", "adjust", "count", "drop", "restore"),
    *("draft", "confirm", "dispatch", "cancel", "reorder", "dispatch", "confirm"),
    *("edit_inward", "edit_sale", "edit_adjustment", "delete_inward", "delete_sale", "delete_adjustment"),
    *("undo", "undo"),
)
# A step: what to do, to which cell (or which of what there is), and how much.
STEPS = st.lists(st.tuples(st.sampled_from(WORK), st.integers(0, 50), st.integers(1, 6)), min_size=10, max_size=20)


class Book:
    """The stock as it should be: what each step did, kept apart from the database."""

    def __init__(self, connection: Connection, sku: str) -> None:
        details = ProductDetails(sku, sku, ["S", "M"], unit_price=Decimal(100))
        self.product = product_commands.create_product(connection, details=details, colours=["Red", "Blue"])
        self.customer = party_commands.create_customer(connection, details=CustomerDetails(sku))
        self.stock: Counter[Cell] = Counter()
        self.written: list[Undoable] = []
        self.inward(connection, 0, 12)
        self.draft(connection, 0, 3)
        self.confirm(connection, 0, 0)

    def step(self, connection: Connection, what: str, which: int, pieces: int) -> None:
        """Does it, and notes what it should have done; a refusal leaves both as they were."""
        getattr(self, what)(connection, which, pieces)
        self.written.append(undo.this_transaction(connection))

    def inward(self, c: Connection, which: int, pieces: int) -> None:
        code, size = CELLS[which % 3]
        movement_commands.bulk_inward(c, rows=[InwardRow(self.product, code, size, pieces, DAY, "Supply", "Mill")])
        self.stock[code, size] += pieces

    def sale(self, c: Connection, which: int, pieces: int) -> None:
        code, size = CELLS[which % 3]
        movement_commands.bulk_sales(c, rows=[SalesRow(self.product, code, size, pieces, DAY, "Bandra")])
        self.stock[code, size] -= pieces

    def adjust(self, c: Connection, which: int, pieces: int) -> None:
        code, size = CELLS[which % 3]
        moved = pieces - 4 or 1
        correction = Adjustment(self.product, code, size, moved, DAY, REASONS[which % len(REASONS)])
        adjustments.adjust(c, adjustments=[correction])
        self.stock[code, size] += moved

    def count(self, c: Connection, which: int, pieces: int) -> None:
        code, size = cell = CELLS[which % 3]
        counted = [Count(code, size, self.stock[cell], pieces)]
        stock_count.post_counts(c, product_id=self.product, counts=counted, date=DAY)
        self.stock[cell] = pieces

    def draft(self, c: Connection, which: int, pieces: int) -> None:
        lines = [Line(self.product, *CELLS[place % 3], pieces) for place in range(1 + which % 2)]
        order_commands.create_order(c, details=OrderDetails(self.customer, DAY), lines=lines)

    def confirm(self, c: Connection, which: int, pieces: int) -> None:
        self._move(c, which, "draft", "confirmed")

    def cancel(self, c: Connection, which: int, pieces: int) -> None:
        self._move(c, which, "confirmed", "cancelled")

    def dispatch(self, c: Connection, which: int, pieces: int) -> None:
        removed_lines = self._move(c, which, "confirmed", "dispatched")
        self.stock.subtract({(line.colour_code, line.size): line.quantity for line in removed_lines})

    def reorder(self, c: Connection, which: int, pieces: int) -> None:
        found = self._orders(c, *order_queries.OPEN)
        if found:
            order = found[which % len(found)]
            lines = [Line(self.product, *CELLS[which % 3], pieces)]
            details = OrderDetails(self.customer, DAY, note="changed")
            order_commands.edit_order(c, order_id=order.id, version=order.version, details=details, lines=lines)

    def edit_inward(self, c: Connection, which: int, pieces: int) -> None:
        if entry := self._pick(movement_queries.inward_log, c, which):
            movement_commands.edit_inward(c, entry=entry, quantity=pieces, inward=Inward(DAY, "Return", "Mill"))
            self.stock[entry.colour_code, entry.size] += pieces - entry.quantity

    def edit_sale(self, c: Connection, which: int, pieces: int) -> None:
        if entry := self._pick(movement_queries.sales_log, c, which):
            movement_commands.edit_sale(c, entry=entry, quantity=pieces, sale=Sale(DAY, "Andheri"))
            self.stock[entry.colour_code, entry.size] -= pieces - entry.quantity

    def edit_adjustment(self, c: Connection, which: int, pieces: int) -> None:
        if entry := self._pick(movement_queries.adjustment_log, c, which):
            adjustments.edit_adjustment(c, entry=entry, quantity=-pieces, date=DAY, reason="correction")
            self.stock[entry.colour_code, entry.size] += -pieces - entry.quantity

    def delete_inward(self, c: Connection, which: int, pieces: int) -> None:
        if entry := self._pick(movement_queries.inward_log, c, which):
            movement_commands.delete_inwards(c, versions={entry.id: entry.version})
            self.stock[entry.colour_code, entry.size] -= entry.quantity

    def delete_sale(self, c: Connection, which: int, pieces: int) -> None:
        if entry := self._pick(movement_queries.sales_log, c, which):
            movement_commands.delete_sales(c, versions={entry.id: entry.version})
            self.stock[entry.colour_code, entry.size] += entry.quantity

    def delete_adjustment(self, c: Connection, which: int, pieces: int) -> None:
        if entry := self._pick(movement_queries.adjustment_log, c, which):
            adjustments.delete_adjustments(c, versions={entry.id: entry.version})
            self.stock[entry.colour_code, entry.size] -= entry.quantity

    def drop(self, c: Connection, which: int, pieces: int) -> None:
        code, size = CELLS[which % 3]
        product_matrix.set_cell_active(c, product_id=self.product, colour_code=code, size=size, is_active=False)

    def restore(self, c: Connection, which: int, pieces: int) -> None:
        product_matrix.restore_size(c, product_id=self.product, size=CELLS[which % 3][1])

    def undo(self, c: Connection, which: int, pieces: int) -> None:
        if self.written:
            # The last few more often than the first, which mostly were changed since.
            undo.undo(c, undoable=self.written[-1 - which % min(len(self.written), 4)])
            # The cells must follow what the logs say now.
            everything = LogFilter(product_id=self.product)
            self.stock = Counter()
            for direction, log in (
                (1, movement_queries.inward_log),
                (-1, movement_queries.sales_log),
                (1, movement_queries.adjustment_log),
            ):
                for entry in log(c, log_filter=everything):
                    self.stock[entry.colour_code, entry.size] += direction * entry.quantity

    def _orders(self, c: Connection, *statuses: str) -> list[order_queries.OrderSummary]:
        wanted = OrderFilter(statuses=statuses, customer_id=self.customer)
        return order_queries.orders(c, order_filter=wanted)

    def _move(self, c: Connection, which: int, old: str, new: str) -> tuple[order_queries.OrderLine, ...]:
        found = self._orders(c, old)
        if not found:
            return ()
        order = found[which % len(found)]
        order_commands.set_status(c, versions={order.id: order.version}, status=new, dispatch_date=None)
        return order_queries.order(c, order_id=order.id).lines

    def _pick(self, log: Callable[..., list[Any]], c: Connection, which: int) -> Any:
        found = log(c, log_filter=LogFilter(product_id=self.product))
        return found[which % len(found)] if found else None


def in_the_trail(psql: Psql, product: int) -> dict[Cell, int]:
    """The last quantity that the trail recorded of each cell."""
    found = psql.execute(
        "select s.colour_code, s.size, (select (r.new_values ->> 'quantity')::integer from audit.records r "
        "where r.entity = 'ProductColorStock' and r.entity_id = s.id and r.new_values ? 'quantity' "
        "order by r.id desc limit 1) from inventory.product_color_stocks s where s.product_id = %s",
        (product,),
    ).fetchall()
    return {(code, size): quantity for code, size, quantity in found if quantity}


def test_any_sequence_of_work_leaves_books_that_balance(clone: Clone) -> None:
    numbers = iter(range(10_000))
    done: Counter[str] = Counter()
    manager = clone.actor(Role.MANAGER)

    @settings(
        max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(STEPS)
    def work(steps: list[tuple[str, int, int]]) -> None:
        with clone.app.transaction(manager) as connection:
            book = Book(connection, f"P{next(numbers)}")
        for what, which, pieces in steps:
            before = book.stock.copy()
            try:
                with clone.app.transaction(manager, operation=what, reason="test") as connection:
                    book.step(connection, what, which, pieces)
                done[what] += 1
            except Refused as refusal:
                assert refusal.rule in MAY_REFUSE | (MAY_REFUSE_UNDO if what == "undo" else set()), (what, refusal)
                done[refusal.rule] += 1
                book.stock = before
            with clone.app.read(manager) as connection:
                cells = product_queries.matrix(connection, product_id=book.product).cells
                proof = stock_reports.stock_proof(connection, product_id=book.product)
            expected = {cell: quantity for cell, quantity in book.stock.items() if quantity}
            assert {cell: quantity for cell, quantity in cells.items() if quantity} == expected, what
            assert all(cell.holds and cell.on_hand >= 0 for cell in proof)
        assert in_the_trail(psql, book.product) == expected

    with clone.superuser() as psql:
        work()
        assert set(WORK) | {"stock_never_negative", "inactive_cell_empty", "sale_of_order"} <= set(done), done
        dispatched = psql.execute("select count(distinct order_id) > 5 from inventory.sales_logs").fetchone()
        assert dispatched == (True,)
        assert_replay_matches(psql)
