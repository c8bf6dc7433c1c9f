"""Undo from the trail: what comes back, what is left and named, what is refused, and what the record says."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from backstitch.accounts.permissions import Role
from backstitch.audit import undo
from backstitch.audit.undo import Preview, SkippedRecord, Step, Undoable, Undone
from backstitch.errors import Refused
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductChange
from tests.conftest import Clone
from tests.db.audit.shop import NEW_INWARD, Shop, new_product, open_shop
from tests.db.business import Business, open_business
from tests.db.trail import Connection, acting, assert_replay_matches, begin, refused, wait_until_blocked

CONTENTS = "select to_jsonb(t) from inventory.{} t order by id"
TABLES = ("products", "product_colors", "product_color_stocks", "inward_logs", "sales_logs", "customers")
ORDERS = (*TABLES, "orders", "order_lines")
UNDO = "select undone, skipped from audit.undo(%s, %s)"


Books = Shop | Business


@pytest.fixture
def shop(clone: Clone) -> Shop:
    return open_shop(clone)


@pytest.fixture
def business(clone: Clone) -> Business:
    return open_business(clone)


def do(shop: Books, *statements: str, role: Role = Role.MANAGER, **values: Any) -> Undoable:
    """One transaction of the user with `role`; what undoes it."""
    with shop.clone.app.transaction(shop.clone.actor(role), operation="test", reason="because") as connection:
        for statement in statements:
            connection.execute(text(statement), values)
        return undo.this_transaction(connection)


def take_back(shop: Books, undoable: Undoable, *, role: Role = Role.MANAGER) -> Undone:
    with shop.clone.app.transaction(shop.clone.actor(role), operation="undo", reason="a mistake") as connection:
        return undo.undo(connection, undoable=undoable)


def preview(shop: Books, undoable: Undoable, *, role: Role = Role.MANAGER) -> Preview:
    with shop.clone.app.read(shop.clone.actor(role)) as connection:
        return undo.preview(connection, undoable=undoable)


def contents(shop: Books, tables: Sequence[str] = TABLES) -> dict[str, list[Any]]:
    """Every row of the tables, ids and all."""
    with shop.clone.superuser() as connection:
        return {
            table: [row for (row,) in connection.execute(CONTENTS.format(table)).fetchall()]  # type: ignore[arg-type]
            for table in tables
        }


def wait_until_blocked_by(watcher: Connection, pid: int) -> None:
    """Returns when some session waits for the one with this pid."""
    deadline = time.monotonic() + 20
    waits = "select exists (select from pg_stat_activity a where %s = any (pg_blocking_pids(a.pid)))"
    while watcher.execute(waits, (pid,)).fetchone() != (True,):
        assert time.monotonic() < deadline, "nobody waits"


def assert_nothing_to_undo(shop: Books, undoable: Undoable) -> None:
    with pytest.raises(Refused) as caught:
        take_back(shop, undoable)
    assert caught.value.rule == "nothing_to_undo"


def stock(shop: Shop) -> list[tuple[str, int]]:
    with shop.clone.superuser() as connection:
        return connection.execute(
            "select colour_code, quantity from inventory.product_color_stocks order by 1"
        ).fetchall()


def records_of(shop: Shop, action: str) -> list[tuple[Any, ...]]:
    with shop.clone.superuser() as connection:
        return connection.execute(
            "select entity, entity_id, username, operation, reason, new_values from audit.trail where action = %s",
            (action,),
        ).fetchall()


@pytest.mark.parametrize(
    "statements",
    [
        ["update inventory.products set name = 'Jeggings', unit_price = 600, sizes = '{S,M,L,XL}'"],
        ["delete from inventory.inward_logs"],
        ["delete from inventory.inward_logs", "delete from inventory.product_color_stocks"],
        ["insert into inventory.customers (store_name) select 'Store ' || n from generate_series(1, 30) n"],
        [
            "update inventory.inward_logs set quantity = 7",
            "update inventory.inward_logs set quantity = 9, date = now()",
        ],
        [
            "update inventory.inward_logs set quantity = 7",
            "delete from inventory.inward_logs",
            "insert into inventory.customers (store_name) values ('A')",
            "update inventory.customers set store_name = 'B'",
        ],
        [
            "delete from inventory.product_color_stocks where colour_code = 'NVY'",
            "insert into inventory.product_color_stocks (product_id, colour_code, size) "
            "select id, 'NVY', 'M' from inventory.products",
        ],
    ],
    ids=["update", "delete", "cell", "bulk create", "twice", "all kinds", "same key again"],
)
def test_undo_gives_every_row_back_as_it_was_with_its_id(shop: Shop, statements: list[str]) -> None:
    before = contents(shop)
    undoable = do(shop, *statements)
    assert contents(shop) != before
    shown = preview(shop, undoable)
    assert (shown.skipped, shown.skipped_records) == (0, [])
    assert take_back(shop, undoable) == Undone(shown.records, 0)
    assert contents(shop) == before
    with shop.clone.superuser() as connection:
        assert_replay_matches(connection)


def test_undo_is_on_the_record_with_what_it_undid_and_can_be_undone(shop: Shop) -> None:
    undoable = do(shop, "update inventory.inward_logs set quantity = 5")
    assert preview(shop, undoable) == Preview([Step("UPDATE", "InwardLog", 1)], 0, [])
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="undo", reason="a mistake") as connection:
        undo.undo(connection, undoable=undoable)
        again = undo.this_transaction(connection)
    assert records_of(shop, "UNDO") == [
        (
            "InwardLog",
            shop.inward,
            "manager@example.com",
            "undo",
            "a mistake",
            {"undid": undoable.transaction_id, "rows": 1},
        )
    ]
    assert stock(shop) == [("NVY", 0), ("RED", 20)]
    take_back(shop, again)
    assert stock(shop) == [("NVY", 0), ("RED", 5)]


def test_rows_changed_since_are_skipped_and_named(shop: Shop) -> None:
    undoable = do(
        shop,
        "insert into inventory.customers (store_name) select 'Store ' || n from generate_series(1, 3) n",
        "update inventory.products set name = 'Jeggings', category = 'Denim'",
    )
    do(shop, "update inventory.customers set region = 'North' where store_name = 'Store 2'")
    do(shop, "update inventory.products set hsn_code = '6104'")  # another field stands in nobody's way
    do(shop, "update inventory.customers set region = 'South' where store_name = 'Store 3'")
    with shop.clone.superuser() as connection:
        # The clock was set back before Store 3 was changed.
        connection.execute(
            "update audit.records set recorded_at = recorded_at - interval '10 minutes' "
            "where id = (select max(id) from audit.records)"
        )
    shown = preview(shop, undoable)
    assert {(step.action, step.entity, step.records) for step in shown.steps} == {
        ("DELETE", "Customer", 1),
        ("UPDATE", "Product", 1),
    }
    assert (shown.skipped, shown.skipped_records) == (
        2,
        [SkippedRecord("Customer", f"Customer Store {n}", "changed since") for n in (3, 2)],
    )
    assert take_back(shop, undoable) == Undone(2, 2)
    after = contents(shop)
    assert [row["store_name"] for row in after["customers"]] == ["Store 2", "Store 3"]
    assert [(row["name"], row["category"], row["hsn_code"]) for row in after["products"]] == [("Leggings", "", "6104")]


def test_undo_that_would_break_the_stock_is_refused_and_changes_nothing(shop: Shop) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER), operation="in") as connection:
        connection.execute(NEW_INWARD, {"product": shop.product, "quantity": 4, "stakeholder": "Mill"})
        connection.execute(text("update inventory.products set name = 'Jeggings'"))
        undoable = undo.this_transaction(connection)
    do(
        shop,
        "insert into inventory.sales_logs (product_id, colour_code, size, quantity, store) "
        "values (:product, 'RED', 'M', 22, 'Kumar')",
        product=shop.product,
    )
    before = contents(shop)
    with pytest.raises(Refused) as caught:
        take_back(shop, undoable)
    assert caught.value.rule == "stock_never_negative"
    assert contents(shop) == before
    assert records_of(shop, "UNDO") == []


def test_an_undo_that_does_not_reach_every_row_it_counts_is_refused(shop: Shop) -> None:
    undoable = do(shop, "insert into inventory.customers (store_name) values ('A'), ('B')")
    with shop.clone.superuser() as connection:
        connection.execute(
            "create function public.keep_b() returns trigger language plpgsql as "
            "$$ begin return case when old.store_name <> 'B' then old end; end $$; "
            "create trigger keep_b before delete on inventory.customers for each row execute function public.keep_b()"
        )
    with pytest.raises(Refused) as caught:
        take_back(shop, undoable)
    assert caught.value.rule == "undo_every_row"
    assert [row["store_name"] for row in contents(shop)["customers"]] == ["A", "B"]


def test_records_to_which_skipped_ones_refer_are_skipped_and_named(business: Business) -> None:
    with business.write() as connection:
        draft = order_commands.create_order(connection, details=business.details(), lines=[business.line(2)])
        drafted = undo.this_transaction(connection)
    read = business.order(draft)
    with business.write(Role.ADMIN) as connection:
        order_commands.edit_order(
            connection,
            order_id=draft,
            version=read.version,
            details=business.details(),
            lines=[business.line(5), business.line(7, size="M")],
        )
    before = contents(business, ORDERS)
    assert preview(business, drafted) == Preview(
        [],
        2,
        [
            SkippedRecord("OrderLine", "Line 1 · KT-1 · Red · S", "changed since"),
            SkippedRecord("Order", "Draft 1 · Mehta Stores", "other records that stay refer to it"),
        ],
    )
    assert_nothing_to_undo(business, drafted)
    # The order alone, without its lines, is no different.
    with business.clone.superuser() as psql:
        (record,) = psql.execute("select id from audit.records where entity = 'Order'").fetchone() or (None,)
    assert preview(business, Undoable(drafted.transaction_id, drafted.near, record)).skipped == 1
    assert contents(business, ORDERS) == before

    with business.write() as connection:
        details = product_commands.ProductDetails("SK-1", "Skirt", ["S", "M"])
        skirt = product_commands.create_product(connection, details=details, colours=["Red", "Blue"])
        created = undo.this_transaction(connection)
    do(
        business,
        "insert into inventory.inward_logs (product_id, colour_code, size, quantity, stakeholder_name) "
        "values (:skirt, 'RED', 'S', 1, 'Mill')",
        skirt=skirt,
        role=Role.ADMIN,
    )
    shown = preview(business, created)
    assert shown.steps == [Step("DELETE", "ProductColorStock", 3), Step("DELETE", "ProductColor", 1)]
    assert [(record.entity, record.reason) for record in shown.skipped_records] == [
        (entity, "other records that stay refer to it") for entity in ("ProductColorStock", "ProductColor", "Product")
    ]
    assert take_back(business, created) == Undone(4, 3)
    rest = contents(business, ORDERS)
    assert [
        (row["colour_code"], row["size"]) for row in rest["product_color_stocks"] if row["product_id"] == skirt
    ] == [("RED", "S")]


def test_a_deleted_draft_comes_back_with_its_lines_before_and_after_cascades(business: Business) -> None:
    draft = business.draft(business.line(2), business.line(3, size="M"))
    before = contents(business, ORDERS)
    with business.write() as connection:
        order_commands.delete_drafts(connection, versions=business.versions([draft]))
        deleted = undo.this_transaction(connection)
    brings_back = Preview([Step("CREATE", "OrderLine", 2), Step("CREATE", "Order", 1)], 0, [])
    assert preview(business, deleted) == brings_back
    with business.clone.superuser() as psql:
        (line,) = psql.execute(
            "select min(id) from audit.records where entity = 'OrderLine' and action = 'DELETE'"
        ).fetchone() or (None,)
    alone = Undoable(deleted.transaction_id, deleted.near, line)
    assert preview(business, alone).skipped_records == [
        SkippedRecord("OrderLine", "Line 1 · KT-1 · Red · S", "what it belongs to is gone"),
    ]
    assert_nothing_to_undo(business, alone)
    assert take_back(business, deleted) == Undone(3, 0)
    assert contents(business, ORDERS) == before

    # As older databases had it, and recorded the order before its lines.
    foreign_key = (
        "alter table inventory.order_lines drop constraint line_of_order, "
        "add constraint line_of_order foreign key (order_id) references inventory.orders {}"
    )
    with business.clone.superuser() as psql:
        psql.execute(foreign_key.format("on delete cascade"))  # type: ignore[arg-type]
        cascaded = do(business, "delete from inventory.orders")
        psql.execute(foreign_key.format(""))  # type: ignore[arg-type]
    assert preview(business, cascaded) == brings_back
    assert take_back(business, cascaded) == Undone(3, 0)
    assert contents(business, ORDERS) == before


def test_references_that_the_undo_itself_sets_back_or_would_break_are_noticed(business: Business) -> None:
    draft = business.draft()
    before = contents(business, ORDERS)
    # The customer can go, since the order goes back to the one it had.
    moved = do(
        business,
        "insert into inventory.customers (store_name) values ('Bandra')",
        "update inventory.orders set customer_id = (select id from inventory.customers where store_name = 'Bandra')",
    )
    assert preview(business, moved) == Preview([Step("DELETE", "Customer", 1), Step("UPDATE", "Order", 1)], 0, [])
    assert take_back(business, moved) == Undone(2, 0)
    assert contents(business, ORDERS) == before

    # The customer that the order had is gone, so the order stays with the other; the rest goes back.
    do(business, "insert into inventory.customers (store_name) values ('Andheri')")
    do(business, "update inventory.orders set customer_id = (select max(id) from inventory.customers)")
    away = do(
        business,
        "update inventory.orders set customer_id = :mehta",
        "update inventory.order_lines set quantity = 9",
        mehta=business.customer,
    )
    do(business, "delete from inventory.customers where store_name = 'Andheri'")
    assert preview(business, away) == Preview(
        [Step("UPDATE", "OrderLine", 1)],
        1,
        [SkippedRecord("Order", f"Draft {draft} · Mehta Stores", "what it belongs to is gone")],
    )
    assert take_back(business, away) == Undone(1, 1)
    assert contents(business, ORDERS) == before


def test_a_colour_comes_back_with_the_cells_it_took_and_no_others(business: Business) -> None:
    cell = "update inventory.product_color_stocks set is_active = {} where (colour_code, size) = ('BLUE', '{}')"
    blue = "update inventory.product_colors set is_active = {} where colour_code = 'BLUE'"
    small = do(business, cell.format("false", "S"))
    before = contents(business)
    off = do(business, blue.format("false"))
    assert preview(business, small).skipped_records == [
        SkippedRecord("ProductColorStock", "KT-1 · Blue · S", "its colour is out of use")
    ]
    assert_nothing_to_undo(business, small)
    assert preview(business, off) == Preview(
        [Step("UPDATE", "ProductColor", 1), Step("UPDATE", "ProductColorStock", 1)], 0, []
    )
    assert take_back(business, off) == Undone(2, 0)
    assert contents(business) == before

    # In one statement some go and some come, or one goes to and fro.
    do(business, blue.format("false"))
    with business.clone.superuser() as psql:
        psql.execute("delete from inventory.inward_logs")
    before = contents(business)
    for statements in (
        ["update inventory.product_colors set is_active = not is_active"],
        [blue.format("true"), cell.format("false", "S"), blue.format("false"), blue.format("true")],
        [blue.format("false").replace("BLUE", "RED"), blue.format("true").replace("BLUE", "RED")],
    ):
        assert take_back(business, do(business, *statements)).skipped == 0
        assert contents(business) == before

    # Out of use again it would take along a cell that somebody else has added since.
    on = do(business, blue.format("true"), "update inventory.customers set region = 'North'")
    do(business, cell.format("false", "S"))
    do(business, cell.format("true", "S"))
    assert preview(business, on).skipped_records == [
        SkippedRecord("ProductColorStock", "KT-1 · Blue · S", "changed since"),
        SkippedRecord("ProductColor", "KT-1 · Blue", "other records that stay refer to it"),
    ]
    assert take_back(business, on) == Undone(2, 2)
    deleted = do(business, "delete from inventory.product_color_stocks where colour_code = 'BLUE'")
    do(business, blue.format("false"))
    assert preview(business, deleted).skipped_records == [
        SkippedRecord("ProductColorStock", "KT-1 · Blue · S", "its colour is out of use")
    ]
    with business.clone.superuser() as psql:
        assert_replay_matches(psql)


def test_a_line_without_a_rate_comes_back_without_one(business: Business) -> None:
    do(business, "update inventory.products set gst_rate = null")
    business.draft()
    (before,) = contents(business, ("order_lines",))["order_lines"]
    assert before["gst_rate"] is None
    deleted = do(business, "delete from inventory.order_lines", "delete from inventory.orders")
    do(business, "update inventory.products set gst_rate = 18")
    with business.write() as connection:
        assert undo.undo(connection, undoable=deleted) == Undone(2, 0)
        # What the same transaction adds is priced as ever.
        connection.execute(
            text(
                "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity, unit_price) "
                "select id, :product, 'RED', 'M', 1, 400 from inventory.orders"
            ),
            {"product": business.product},
        )
    (line, added) = contents(business, ("order_lines",))["order_lines"]
    assert (line, added["gst_rate"]) == (before, 18)


def test_records_without_a_way_back_are_named_and_the_rest_is_undone(business: Business) -> None:
    no_way_back = "a confirmed or dispatched order has no way back"
    with business.write() as connection:
        order_commands.create_order(connection, details=business.details(), lines=[business.line(2)])
        taken = undo.this_transaction(connection)
    stays = SkippedRecord("OrderLine", "Line 1 · KT-1 · Red · S", "its order stays")
    noted = do(business, "update inventory.orders set note = 'call first', date = date - 1")
    assert preview(business, taken).skipped_records == [
        stays,
        SkippedRecord("Order", "Draft 1 · Mehta Stores", "changed since"),
    ]

    order = SkippedRecord("Order", "Order 2026-27/1 · Mehta Stores", no_way_back)
    confirmed = do(business, "update inventory.orders set status = 'confirmed'")
    assert preview(business, confirmed) == Preview([], 1, [order])
    assert_nothing_to_undo(business, confirmed)
    line = do(business, "update inventory.order_lines set quantity = 3")
    dispatched = do(
        business,
        "update inventory.orders set status = 'dispatched', dispatch_date = '2026-11-03'",
        "update inventory.customers set region = 'North'",
    )
    sale = SkippedRecord("SalesLog", "Sale 1 · KT-1 · Red · S", no_way_back)
    assert preview(business, dispatched) == Preview([Step("UPDATE", "Customer", 1)], 2, [sale, order])
    assert take_back(business, dispatched) == Undone(1, 2)
    assert preview(business, line).skipped_records == [SkippedRecord("OrderLine", stays.label, no_way_back)]
    assert preview(business, noted).skipped_records == [order]
    assert business.stock() == {("RED", "S"): 7}

    bare = do(business, "insert into inventory.orders (customer_id) values (:mehta)", mehta=business.customer)
    whole = do(
        business,
        "insert into inventory.order_lines (order_id, product_id, colour_code, size, quantity) "
        "select max(id), :product, 'RED', 'M', 1 from inventory.orders",
        "update inventory.orders set status = 'confirmed' where status = 'draft'",
        product=business.product,
    )
    assert [record.reason for record in preview(business, whole).skipped_records] == [no_way_back, "its order stays"]
    assert preview(business, bare).skipped == 1

    business.draft()
    year = do(business, "update inventory.orders set date = '2026-03-31' where status = 'draft'")
    assert preview(business, year).skipped == 0
    do(business, "update inventory.orders set status = 'confirmed' where status = 'draft'")
    assert [record.reason for record in preview(business, year).skipped_records] == [no_way_back]
    cancelled = do(business, "update inventory.orders set status = 'cancelled' where status = 'confirmed'")
    assert [record.reason for record in preview(business, cancelled).skipped_records] == [no_way_back, no_way_back]


def test_a_record_whose_key_another_has_taken_is_skipped_and_the_rest_is_undone(business: Business) -> None:
    new_cell = (
        "insert into inventory.product_color_stocks (product_id, colour_code, size) values (:product, 'BLUE', 'S')"
    )
    deleted = do(
        business,
        "delete from inventory.product_color_stocks where (colour_code, size) = ('BLUE', 'S')",
        "update inventory.customers set region = 'North'",
        "update inventory.products set sku = 'KT-2'",
        "update inventory.agencies set agency_name = 'Rao & Daughters'",
    )
    do(
        business,
        new_cell,
        "insert into inventory.products (sku, name, sizes) values ('KT-1', 'Kurta', '{S}')",
        "insert into inventory.agencies (agency_name) values ('RAO & SONS')",
        product=business.product,
    )
    reason = "another record has taken its place"
    assert preview(business, deleted) == Preview(
        [Step("UPDATE", "Customer", 1)],
        3,
        [
            SkippedRecord("Agency", "Agency Rao & Daughters", reason),
            SkippedRecord("Product", "Product KT-2 Kurta", reason),
            SkippedRecord("ProductColorStock", "KT-2 · Blue · S", reason),
        ],
    )
    assert take_back(business, deleted) == Undone(1, 3)
    # Numbers that there are not are no number twice.
    drafts = [business.draft(), business.draft()]
    with business.write() as connection:
        order_commands.delete_drafts(connection, versions=business.versions(drafts))
        deleted = undo.this_transaction(connection)
    business.draft()
    assert take_back(business, deleted) == Undone(4, 0)


def test_a_missing_target_of_a_composite_key_is_noticed(business: Business) -> None:
    business.draft(business.line(1, size="M"))
    moved = do(business, "update inventory.order_lines set size = 'S'")
    do(business, "delete from inventory.product_color_stocks where (colour_code, size) = ('RED', 'M')")
    assert [record.reason for record in preview(business, moved).skipped_records] == ["what it belongs to is gone"]


def test_an_undo_after_which_a_row_is_not_what_it_was_is_refused(shop: Shop) -> None:
    do(shop, "insert into inventory.customers (store_name, region) values ('A', 'North'), ('B', 'North')")
    changed = do(shop, "update inventory.customers set region = 'South'")
    deleted = do(shop, "delete from inventory.customers where store_name = 'B'")
    with shop.clone.superuser() as connection:
        connection.execute(
            "create function public.keep_a() returns trigger language plpgsql as $$ begin "
            "update inventory.customers set region = 'East' where region = 'North'; return null; end $$; "
            "create trigger keep_a after update of region on inventory.customers for each statement "
            "when (pg_trigger_depth() = 0) execute function public.keep_a(); "
            "create function public.shout() returns trigger language plpgsql as "
            "$$ begin new.store_name := new.store_name || '!'; return new; end $$; "
            "create trigger shout before insert on inventory.customers for each row execute function public.shout()"
        )
    before = contents(shop)
    for undoable in (changed, deleted):
        with pytest.raises(Refused) as caught:
            take_back(shop, undoable)
        assert caught.value.rule == "undo_as_it_was"
    assert contents(shop) == before


def test_values_that_moved_through_a_unique_column_move_back(shop: Shop) -> None:
    second = new_product(shop.clone, sku="AN202", name="Palazzo")
    manager = shop.clone.actor(Role.MANAGER)
    before = contents(shop)
    with shop.clone.app.read(manager) as connection:
        versions = {id: product_queries.product(connection, product_id=id).version for id in (shop.product, second)}
    with shop.clone.app.transaction(manager, operation="edit products") as connection:
        skus = {shop.product: "AN203", second: "AN201"}
        changes = [ProductChange(id, versions[id], {"sku": sku}) for id, sku in skus.items()]
        product_commands.edit_products(connection, changes=changes)
        moved = undo.this_transaction(connection)
    assert take_back(shop, moved) == Undone(2, 0)
    assert contents(shop) == before


def test_a_deletion_from_before_a_column_was_added_comes_back_with_the_default(shop: Shop) -> None:
    do(shop, "insert into inventory.customers (store_name, phone) values ('A', '9820054321'), ('B', null)")
    (before, _) = contents(shop)["customers"]
    deleted = do(shop, "delete from inventory.customers where store_name = 'A'")
    with shop.clone.superuser() as connection:
        connection.execute("alter table inventory.customers add column rating integer not null default 3")
        connection.execute("select audit.watch('inventory.customers')")
    assert take_back(shop, deleted) == Undone(1, 0)
    assert contents(shop)["customers"][0] == before | {"rating": 3}

    deleted = do(shop, "delete from inventory.customers where store_name = 'B'")
    with shop.clone.superuser() as connection:
        connection.execute("alter table inventory.customers add column grade text not null default 'x'")
        connection.execute("alter table inventory.customers alter column grade drop default")
        connection.execute("select audit.watch('inventory.customers')")
    assert preview(shop, deleted).skipped_records == [
        SkippedRecord("Customer", "Customer B", "its record type has other fields now")
    ]


def test_of_two_undos_of_one_deletion_at_the_same_moment_the_second_finds_nothing(shop: Shop) -> None:
    do(shop, "insert into inventory.customers (store_name) values ('A')")
    before = contents(shop)
    deleted = do(shop, "delete from inventory.customers")
    with shop.clone.superuser() as watcher, shop.clone.application() as late, ThreadPoolExecutor() as threads:
        late.execute("begin")
        begin(late, shop.clone, Role.MANAGER)
        with acting(shop.clone, Role.MANAGER) as first:
            first.execute(UNDO, (deleted.transaction_id, deleted.near))
            waiting = threads.submit(late.execute, UNDO, (deleted.transaction_id, deleted.near))
            wait_until_blocked(watcher, late.info.backend_pid)
        with refused("P0002", "nothing_to_undo"):
            waiting.result(timeout=20)
    assert contents(shop) == before


def test_what_somebody_refers_to_while_the_undo_waits_for_them_stays(shop: Shop) -> None:
    created = do(
        shop,
        "insert into inventory.products (sku, name, sizes) values ('AN202', 'Palazzo', '{M}')",
        "insert into inventory.customers (store_name) values ('A')",
    )
    with shop.clone.superuser() as psql, shop.clone.superuser() as watcher, ThreadPoolExecutor() as threads:
        with psql.transaction():
            psql.execute(
                "insert into inventory.product_colors (product_id, color, colour_code) "
                "select id, 'Red', 'RED' from inventory.products where sku = 'AN202'"
            )
            undone = threads.submit(take_back, shop, created)
            wait_until_blocked_by(watcher, psql.info.backend_pid)
        assert undone.result(timeout=20) == Undone(1, 1)
    after = contents(shop)
    assert ([row["sku"] for row in after["products"]], after["customers"]) == (["AN201", "AN202"], [])


def test_one_record_of_an_operation_is_undone_alone(shop: Shop) -> None:
    undoable = do(shop, "insert into inventory.customers (store_name) values ('A'), ('B'), ('C')")
    with shop.clone.superuser() as connection:
        (record_id,) = connection.execute(
            "select id from audit.trail where new_values ->> 'store_name' = 'B'"
        ).fetchone() or (None,)
    one = Undoable(undoable.transaction_id, undoable.near, record_id)
    assert take_back(shop, one) == Undone(1, 0)
    assert [row["store_name"] for row in contents(shop)["customers"]] == ["A", "C"]
    assert records_of(shop, "UNDO")[0][5] == {
        "undid": undoable.transaction_id,
        "undid_record": record_id,
        "rows": 1,
    }
    # What is undone is not undone again; the rest of the operation still is.
    with pytest.raises(Refused) as caught:
        take_back(shop, one)
    assert caught.value.rule == "nothing_to_undo"
    assert take_back(shop, undoable) == Undone(2, 1)
    assert contents(shop)["customers"] == []


def test_a_manager_undoes_own_changes_an_admin_all_and_other_roles_none(shop: Shop) -> None:
    by_admin = do(shop, "update inventory.products set name = 'Jeggings'", role=Role.ADMIN)
    by_manager = do(shop, "update inventory.products set category = 'Denim'")
    for act in (preview, take_back):
        with pytest.raises(Refused) as caught:
            act(shop, by_admin, role=Role.MANAGER)
        assert caught.value.rule == "undo_own_changes"
    for role in (Role.ANALYST, Role.VIEWER):
        with pytest.raises(Refused):
            take_back(shop, by_manager, role=role)
    assert take_back(shop, by_manager, role=Role.ADMIN) == Undone(1, 0)
    assert take_back(shop, by_admin, role=Role.ADMIN) == Undone(1, 0)


def test_changes_of_accounts_and_missing_transactions_are_not_undone(shop: Shop) -> None:
    role_change = do(shop, "update accounts.users set role = 'analyst' where role = 'viewer'", role=Role.ADMIN)
    nothing = Undoable(role_change.transaction_id + 1000, role_change.near)
    for undoable in (role_change, nothing):
        assert preview(shop, undoable, role=Role.ADMIN) == Preview([], 0, [])
        with pytest.raises(Refused) as caught:
            take_back(shop, undoable, role=Role.ADMIN)
        assert caught.value.rule == "nothing_to_undo"


def test_a_record_with_a_dropped_column_is_skipped(shop: Shop) -> None:
    undoable = do(shop, "insert into inventory.customers (store_name, region) values ('A', 'North')")
    changed = do(shop, "update inventory.customers set region = 'South'")
    with shop.clone.superuser() as connection:
        connection.execute("alter table inventory.customers rename column region to zone")
        connection.execute("select audit.watch('inventory.customers')")
    assert preview(shop, changed).skipped_records == [
        SkippedRecord("Customer", "Customer A", "its record type has other fields now")
    ]
    assert preview(shop, undoable).skipped == 1


def test_a_transaction_number_of_another_time_is_not_taken_for_this_one(shop: Shop) -> None:
    undoable = do(shop, "update inventory.products set name = 'Jeggings'")
    last_year = Undoable(undoable.transaction_id, datetime(2020, 1, 1).astimezone())
    assert preview(shop, last_year) == Preview([], 0, [])
