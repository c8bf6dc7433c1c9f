"""Loading a stock list: one transaction, every row on the record, nothing overwritten."""

import csv
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text

from backstitch.accounts.permissions import Role
from backstitch.database import Database, System
from backstitch.errors import Refused
from backstitch.inventory.stock_list.load import ImportResult, load_stock_list
from backstitch.inventory.stock_list.reader import Reject, StockList, read_stock_list
from tests.conftest import Clone

HEADER = "index,SKU Code,Design No.,Stock,Category,Size,Color"
DAY = date(2026, 4, 1)
REAL_FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "apparel_stock.csv"
SMALL = (
    "0,AN201-RED-XL,AN201,6.0,AN : LEGGINGS,XL,Red",
    "1,AN201-RED-S,AN201,3.0,AN : LEGGINGS,S,Red",
    "2,AN201-TEAL-FREE,AN201,0.0,AN : LEGGINGS,FREE,TEAL GREEN ",
    "3,,AN201,9.0,AN : LEGGINGS,M,Red",
    "4,B1-M,B1,4,,M,Blue",
)


def stock_list(folder: Path, *lines: str) -> StockList:
    path = folder / "stock.csv"
    path.write_text("\n".join((HEADER, *lines)), encoding="utf-8")
    return read_stock_list(path)


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql))]


def read(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.read(System()) as connection:
        return rows(connection, sql)


def load(clone: Clone, listed: StockList) -> ImportResult:
    return load_stock_list(clone.owner, System(), listed, on=DAY)


def stock(clone: Clone) -> list[tuple[Any, ...]]:
    return read(
        clone.owner,
        "select sku, colour_code, size, quantity from inventory.product_color_stocks s "
        "join inventory.products p on p.id = s.product_id order by s.id",
    )


def prepare(clone: Clone, *statements: str) -> None:
    with clone.owner.transaction(System()) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def reasons(rejects: Sequence[Reject]) -> list[tuple[int, tuple[str, ...]]]:
    return [(reject.row, reject.reasons) for reject in rejects]


def test_a_list_becomes_products_colours_matrix_and_opening_goods_in(clone: Clone, tmp_path: Path) -> None:
    listed = stock_list(tmp_path, *SMALL)
    assert load(clone, listed) == ImportResult(
        file="stock.csv", rows=5, accepted=4, rejects=listed.rejects, products=2, units=13
    )
    assert read(
        clone.owner, "select sku, name, category, sizes, unit_price, is_active from inventory.products order by id"
    ) == [
        ("AN201", "Leggings AN201", "Leggings", ["S", "XL", "FREE"], None, True),
        ("B1", "B1", "", ["M"], None, True),
    ]
    assert read(
        clone.owner,
        "select sku, color, colour_code from inventory.product_colors c "
        "join inventory.products p on p.id = c.product_id order by c.id",
    ) == [("AN201", "Red", "RED"), ("AN201", "Teal Green", "TEAL-GREEN"), ("B1", "Blue", "BLUE")]
    assert stock(clone) == [
        ("AN201", "RED", "XL", 6),
        ("AN201", "RED", "S", 3),
        ("AN201", "TEAL-GREEN", "FREE", 0),
        ("B1", "BLUE", "M", 4),
    ]
    assert read(
        clone.owner,
        "select sku, colour_code, size, quantity, date, i.category, stakeholder_name "
        "from inventory.inward_logs i join inventory.products p on p.id = i.product_id order by i.id",
    ) == [
        ("AN201", "RED", "XL", 6, DAY, "Supply", "Opening stock"),
        ("AN201", "RED", "S", 3, DAY, "Supply", "Opening stock"),
        ("B1", "BLUE", "M", 4, DAY, "Supply", "Opening stock"),
    ]


def test_the_trail_holds_the_import_and_each_of_its_rows_as_one_operation(clone: Clone, tmp_path: Path) -> None:
    listed = stock_list(tmp_path, *SMALL)
    load_stock_list(clone.app, clone.actor(Role.MANAGER), listed, on=DAY)
    with clone.app.read(clone.actor(Role.ANALYST)) as connection:
        trail = rows(
            connection,
            "select action, entity, count(*), count(distinct transaction_id), min(username), min(operation) "
            "from audit.trail where transaction_id = (select transaction_id from audit.trail where action = 'IMPORT') "
            "group by action, entity order by action, entity",
        )
        details = connection.execute(text("select new_values from audit.trail where action = 'IMPORT'")).scalar_one()
        elsewhere = connection.execute(
            text(
                "select count(*) from audit.trail where operation is null and user_id is not null "
                "and entity not in ('User', 'Session')"
            )
        ).scalar_one()
    who = ("manager@example.com", "import stock list stock.csv")
    assert trail == [
        ("CREATE", "InwardLog", 3, 1, *who),
        ("CREATE", "Product", 2, 1, *who),
        ("CREATE", "ProductColor", 3, 1, *who),
        ("CREATE", "ProductColorStock", 4, 1, *who),
        ("IMPORT", "StockList", 1, 1, *who),
        ("UPDATE", "ProductColorStock", 3, 1, *who),
    ]
    assert elsewhere == 0
    assert details == {
        "file": "stock.csv",
        "sha256": listed.sha256,
        "rows": 5,
        "accepted": 4,
        "rejected": 1,
        "products": 2,
        "units": 13,
    }


def test_a_failure_in_the_middle_leaves_nothing(clone: Clone, tmp_path: Path) -> None:
    def stop_in_the_last_phase(done: int, total: int, phase: str) -> None:
        if phase == "opening stock":
            raise KeyboardInterrupt

    before = read(clone.owner, "select count(*) from audit.records")
    with pytest.raises(KeyboardInterrupt):
        load_stock_list(clone.owner, System(), stock_list(tmp_path, *SMALL), on=DAY, progress=stop_in_the_last_phase)
    assert read(clone.owner, "select count(*) from audit.records") == before
    assert stock(clone) == []
    assert read(clone.owner, "select sku from inventory.products") == []
    assert read(clone.owner, "select id from inventory.inward_logs") == []


def test_a_row_that_the_database_refuses_undoes_the_whole_import(clone: Clone, tmp_path: Path) -> None:
    with clone.superuser() as connection:
        connection.execute(
            "alter table inventory.inward_logs add constraint inward_quantity_positive_2 check (quantity <> 4)"
        )
        connection.execute("alter table inventory.inward_logs drop constraint inward_quantity_positive")
        connection.execute(
            "alter table inventory.inward_logs rename constraint inward_quantity_positive_2 to inward_quantity_positive"
        )
    with pytest.raises(Refused) as refusal:
        load(clone, stock_list(tmp_path, *SMALL))
    assert refusal.value.rule == "inward_quantity_positive"
    assert stock(clone) == []
    assert read(clone.owner, "select count(*) from audit.records where action = 'IMPORT'") == [(0,)]


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_a_role_that_may_not_edit_may_not_import(clone: Clone, tmp_path: Path, role: Role) -> None:
    with pytest.raises(Refused) as refusal:
        load_stock_list(clone.app, clone.actor(role), stock_list(tmp_path, *SMALL), on=DAY)
    assert refusal.value.rule == "42501"
    assert stock(clone) == []


def test_a_second_import_of_the_same_list_adds_nothing_and_says_so_row_by_row(clone: Clone, tmp_path: Path) -> None:
    listed = stock_list(tmp_path, *SMALL)
    load(clone, listed)
    before = stock(clone)
    again = load(clone, listed)
    assert (again.rows, again.accepted, again.products, again.units) == (5, 0, 0, 0)
    assert reasons(again.rejects) == [
        (2, ("Design AN201 in Red, size XL, is in Backstitch already.",)),
        (3, ("Design AN201 in Red, size S, is in Backstitch already.",)),
        (4, ("Design AN201 in Teal Green, size FREE, is in Backstitch already.",)),
        (5, ("The SKU code is missing.",)),
        (6, ("Design B1 in Blue, size M, is in Backstitch already.",)),
    ]
    assert stock(clone) == before


def test_a_known_design_gets_missing_records_and_keeps_stored_ones(clone: Clone, tmp_path: Path) -> None:
    prepare(
        clone,
        "insert into inventory.products (sku, name, category, sizes) values ('AN201', 'My own', 'Mine', '{S,L}')",
        "insert into inventory.product_colors (product_id, color, colour_code) "
        "select id, 'red', 'R1' from inventory.products",
        "insert into inventory.product_color_stocks (product_id, colour_code, size) "
        "select id, 'R1', 'S' from inventory.products",
    )
    result = load(clone, stock_list(tmp_path, *SMALL[:3]))
    assert (result.accepted, result.products, result.units) == (2, 0, 6)
    assert reasons(result.rejects) == [(3, ("Design AN201 in red, size S, is in Backstitch already.",))]
    assert read(clone.owner, "select sku, name, category, sizes from inventory.products") == [
        ("AN201", "My own", "Mine", ["S", "L", "XL", "FREE"])
    ]
    assert read(clone.owner, "select color, colour_code from inventory.product_colors order by id") == [
        ("red", "R1"),
        ("Teal Green", "TEAL-GREEN"),
    ]
    assert stock(clone) == [("AN201", "R1", "S", 0), ("AN201", "R1", "XL", 6), ("AN201", "TEAL-GREEN", "FREE", 0)]


def test_new_sizes_of_a_known_design_stand_in_the_order_of_the_trade(clone: Clone, tmp_path: Path) -> None:
    prepare(clone, "insert into inventory.products (sku, name, sizes) values ('AN201', 'x', '{XL,L}')")
    load(clone, stock_list(tmp_path, *SMALL))
    assert read(clone.owner, "select sizes from inventory.products where sku = 'AN201'") == [
        (["S", "L", "XL", "FREE"],)
    ]


def test_two_rows_that_meet_in_one_stored_cell_are_not_both_taken(clone: Clone, tmp_path: Path) -> None:
    prepare(
        clone,
        "insert into inventory.products (sku, name, sizes) values ('A', 'x', '{S}')",
        "insert into inventory.product_colors (product_id, color, colour_code) "
        "select id, 'Red', 'R1' from inventory.products",
    )
    result = load(clone, stock_list(tmp_path, "0,A1,A,2,,S,Red", "1,A2,A,5,,S,R1"))
    assert stock(clone) == [("A", "R1", "S", 2)]
    assert reasons(result.rejects) == [(3, ("Design A in Red, size S, is in Backstitch already.",))]


def test_rows_of_a_deactivated_design_are_rejected(clone: Clone, tmp_path: Path) -> None:
    prepare(clone, "insert into inventory.products (sku, name, sizes, is_active) values ('B1', 'x', '{S}', false)")
    result = load(clone, stock_list(tmp_path, SMALL[4]))
    assert reasons(result.rejects) == [(2, ("Design B1 is deactivated in Backstitch.",))]
    assert stock(clone) == []


def test_the_forty_first_size_of_a_design_is_rejected(clone: Clone, tmp_path: Path) -> None:
    result = load(clone, stock_list(tmp_path, *(f"{n},A-{n},A,1,,{n},Red" for n in range(100, 141))))
    assert result.accepted == 40
    assert reasons(result.rejects) == [(42, ("Design A has 40 sizes already, and cannot have more.",))]
    assert read(clone.owner, "select sizes from inventory.products") == [([str(n) for n in range(100, 140)],)]


def test_text_with_quotes_percent_signs_colons_and_braces_arrives_as_it_is(clone: Clone, tmp_path: Path) -> None:
    load(clone, stock_list(tmp_path, '0,"A\'%s""{}\\:x","D\'%s""{}\\:x",2,"Men\'s",M,Red'))
    assert read(clone.owner, "select sku, name, category from inventory.products") == [
        ("D'%s\"{}\\:x", "Men's D'%s\"{}\\:x", "Men's")
    ]


def wait_until_one_waits(watcher: psycopg.Connection[Any]) -> None:
    """Returns when some session, whichever of the pool it is, waits for a lock of this database."""
    deadline = time.monotonic() + 20
    waits = (
        "select exists (select from pg_locks l join pg_database d on d.oid = l.database "
        "where not l.granted and l.locktype = 'advisory' and d.datname = current_database())"
    )
    while watcher.execute(waits).fetchone() != (True,):
        assert time.monotonic() < deadline, "no session waits"


def test_of_two_imports_at_once_the_second_waits_and_adds_nothing(clone: Clone, tmp_path: Path) -> None:
    listed = stock_list(tmp_path, *SMALL)
    inside, waited = threading.Event(), threading.Event()

    def until_the_other_waits(done: int, total: int, phase: str) -> None:
        inside.set()
        assert waited.wait(20)

    with ThreadPoolExecutor() as threads, clone.superuser() as watcher:
        first = threads.submit(load_stock_list, clone.owner, System(), listed, on=DAY, progress=until_the_other_waits)
        assert inside.wait(20)
        second = threads.submit(load, clone, listed)
        try:
            wait_until_one_waits(watcher)
        finally:
            waited.set()
        assert first.result(20).accepted == 4
        assert (second.result(20).accepted, len(second.result().rejects)) == (0, 5)
    assert [quantity for *_, quantity in stock(clone)] == [6, 3, 0, 4]


def test_progress_counts_the_records_of_each_phase(clone: Clone, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    load_stock_list(
        clone.owner,
        System(),
        stock_list(tmp_path, *SMALL),
        on=DAY,
        progress=lambda done, total, phase: seen.append((done, total, phase)),
    )
    assert seen == [(2, 2, "products"), (3, 3, "colours"), (4, 4, "stock matrix"), (3, 3, "opening stock")]


@pytest.mark.skipif(not REAL_FILE.exists(), reason=f"the seller's stock list {REAL_FILE} is not on this machine")
def test_a_sellers_real_list_loads_within_half_a_minute_and_no_row_is_lost(clone: Clone) -> None:
    started = time.monotonic()
    listed = read_stock_list(REAL_FILE)
    result = load(clone, listed)
    assert time.monotonic() - started < 30

    expected, rejected = expected_stock(REAL_FILE)
    assert {(sku, code, size): quantity for sku, code, size, quantity in stock(clone)} == expected
    assert [reject.row for reject in result.rejects] == rejected
    assert result.rows == result.accepted + len(result.rejects) == len(expected) + len(rejected)
    assert (result.accepted, result.units) == (len(expected), sum(expected.values()))
    assert result.products == len({sku for sku, _, _ in expected})
    stocked = sum(quantity > 0 for quantity in expected.values())
    assert read(
        clone.owner,
        "select action, entity, count(*) from audit.records where transaction_id = "
        "(select transaction_id from audit.records where action = 'IMPORT') group by 1, 2 order by 1, 2",
    ) == [
        ("CREATE", "InwardLog", stocked),
        ("CREATE", "Product", result.products),
        ("CREATE", "ProductColor", len({(sku, code) for sku, code, _ in expected})),
        ("CREATE", "ProductColorStock", len(expected)),
        ("IMPORT", "StockList", 1),
        ("UPDATE", "ProductColorStock", stocked),
    ]


def expected_stock(path: Path) -> tuple[dict[tuple[str, str, str], int], list[int]]:
    """By another way than the library's: the stock per design, colour code and size, and the rejected rows."""
    cells: dict[tuple[str, str, str], int] = {}
    skus: set[str] = set()
    rejected: list[int] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            sku, design, figure, size = row["SKU Code"], row["Design No."], row["Stock"], row["Size"]
            cell = (design, row["Color"].strip().upper().replace(" ", "-"), size)
            if sku in {"", "#REF!"} | skus or "" in (*cell, figure) or cell in cells:
                rejected.append(number)
            else:
                skus.add(sku)
                cells[cell] = int(Decimal(figure))
    return cells, rejected
