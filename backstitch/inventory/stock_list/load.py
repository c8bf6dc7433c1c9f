"""Loads a stock list: designs become products, their colours and sizes stock cells, their stock opening goods in.

Stored records are not changed. A known design gets the colours, sizes and cells that it lacks; a row of a stored cell
is rejected. So importing a list twice adds nothing, and corrected rejects can be imported again.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, TextClause, text

from backstitch import lengths
from backstitch.database import Actor, Database
from backstitch.inventory.names import name_key, size_key, sku_key
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.stock_list.reader import Reject, StockList, StockRow
from backstitch.request import Source

Progress = Callable[[int, int, str], None]
"""Called with the number of records written so far in a phase, their total, and the name of the phase."""

BATCH = 1000  # records in a statement: few statements for the triggers, yet progress that moves
IMPORT_LOCK = 0x73746F63  # "stoc"

LOCK = text("select pg_advisory_xact_lock(:key)")
PRODUCTS = text(
    """
    select p.id, p.sku, p.sizes, p.is_active
    from runtime.name_keys k join inventory.products p on p.id = k.owner_id
    where k.kind = 'sku' and k.scope = 0 and k.key = any(:keys)
    order by k.place desc, p.id
    for update of p
    """
)
COLOURS = text(
    "select product_id, color, colour_code from inventory.product_colors where product_id = any(:ids) order by id"
)
CELLS = text("select product_id, colour_code, size from inventory.product_color_stocks where product_id = any(:ids)")
RECORD_IMPORT = text("select audit.record_activity('IMPORT', 'StockList', null, cast(:details as jsonb))")
INSERT_PRODUCTS = text(
    """
    insert into inventory.products (sku, name, category, sizes)
    select r.sku, r.name, r.category, r.sizes
    from json_to_recordset(cast(:records as json)) as r (sku text, name text, category text, sizes text[])
    """
)
EXTEND_SIZES = text(
    """
    update inventory.products p set sizes = r.sizes
    from json_to_recordset(cast(:records as json)) as r (id bigint, sizes text[])
    where p.id = r.id
    """
)
INSERT_COLOURS = text(
    """
    insert into inventory.product_colors (product_id, color, colour_code)
    select r.product_id, r.color, r.colour_code
    from json_to_recordset(cast(:records as json)) as r (product_id bigint, color text, colour_code text)
    """
)
INSERT_CELLS = text(
    """
    insert into inventory.product_color_stocks (product_id, colour_code, size)
    select r.product_id, r.colour_code, r.size
    from json_to_recordset(cast(:records as json)) as r (product_id bigint, colour_code text, size text)
    """
)
INSERT_INWARD = text(
    """
    insert into inventory.inward_logs (product_id, colour_code, size, quantity, date, category, stakeholder_name)
    select r.product_id, r.colour_code, r.size, r.quantity, r.date, 'Supply', 'Opening stock'
    from json_to_recordset(cast(:records as json))
        as r (product_id bigint, colour_code text, size text, quantity integer, date date)
    """
)


@dataclass(frozen=True)
class Spelling:
    """A name that a row writes otherwise than the first row that has it, or than Backstitch: `written` is `name`."""

    row: int
    name: str
    written: str


@dataclass(frozen=True)
class ImportResult:
    """The result of an import. `rejects` are all rejected rows in the order of the file; `units` are pieces.

    `spellings` has each other spelling of a design, a colour or a size once, with the first row that has it.
    """

    file: str
    rows: int
    accepted: int
    rejects: tuple[Reject, ...]
    products: int
    units: int
    spellings: tuple[Spelling, ...] = ()


@dataclass(frozen=True)
class _Product:
    id: int
    sizes: Sequence[str]
    is_active: bool


@dataclass(frozen=True)
class _Known:
    """Stored records of the designs in a list: products by SKU, colours by product and key, cells.

    `colours` has the name and the code of a colour by the key of its name, and of its code where no name has that.
    """

    products: Mapping[str, _Product]
    colours: Mapping[tuple[int, str], tuple[str, str]]
    cells: frozenset[tuple[int, str, str]]


def _no_progress(done: int, total: int, phase: str) -> None:
    pass


def load_stock_list(
    database: Database, actor: Actor, stock_list: StockList, *, on: date, progress: Progress = _no_progress
) -> ImportResult:
    """Loads the valid rows, dated `on`, and records the import, all in one transaction.

    Raises Refused when the database refuses a row; then nothing is loaded.
    """
    operation = f"import stock list {stock_list.file}"
    with database.transaction(actor, operation=operation, source=Source.IMPORT) as connection:
        # A second import waits here until the first has committed, and then rejects the rows that it stored.
        connection.execute(LOCK, {"key": IMPORT_LOCK})
        known = _read_known(connection, stock_list.rows)
        rows, spellings = _as_written(stock_list.rows, known)
        accepted, refused = _split_rows(rows, known)
        result = ImportResult(
            file=stock_list.file,
            rows=stock_list.total,
            accepted=len(accepted),
            rejects=tuple(sorted((*stock_list.rejects, *refused), key=lambda reject: reject.row)),
            products=len({row.design for row in accepted} - known.products.keys()),
            units=sum(row.stock for row in accepted),
            spellings=tuple(spellings),
        )
        _record(connection, stock_list, result)
        _write_products(connection, accepted, known, progress)
        _write_matrix(connection, accepted, known, on, progress)
        return result


def _read_known(connection: Connection, rows: Iterable[StockRow]) -> _Known:
    products = _read_products(connection, rows)
    ids = {"ids": [product.id for product in products.values()]}
    colours: dict[tuple[int, str], tuple[str, str]] = {}
    stored = connection.execute(COLOURS, ids).all()
    for key in ("color", "colour_code"):
        for row in stored:
            colours.setdefault((row.product_id, name_key(row._mapping[key])), (row.color, row.colour_code))
    cells = frozenset((row.product_id, row.colour_code, row.size) for row in connection.execute(CELLS, ids))
    return _Known(products, colours, cells)


def _read_products(connection: Connection, rows: Iterable[StockRow]) -> dict[str, _Product]:
    """The stored products of the rows by SKU; locks them until the import ends.

    Of two whose SKUs differ in writing only, the one that had its key first is the last, and so counts.
    """
    found = connection.execute(PRODUCTS, {"keys": list({sku_key(row.design) for row in rows})})
    return {row.sku: _Product(row.id, row.sizes, row.is_active) for row in found}


def _as_written(rows: Iterable[StockRow], known: _Known) -> tuple[list[StockRow], list[Spelling]]:
    """The rows with each design, colour and size as Backstitch writes it, or else the first row that has it."""
    designs = {sku_key(sku): sku for sku in known.products}
    ids = {sku: product.id for sku, product in known.products.items()}
    colours: dict[tuple[str, str], tuple[str, str]] = {}
    sizes: dict[tuple[str, str], str] = {
        (sku, size_key(size)): size for sku, product in known.products.items() for size in reversed(product.sizes)
    }
    written: list[StockRow] = []
    spellings: dict[tuple[str, str], Spelling] = {}
    for row in rows:
        design = designs.setdefault(sku_key(row.design), row.design)
        product_id, code_key = ids.get(design, 0), name_key(row.colour_code)
        stored = known.colours.get((product_id, name_key(row.color))) or known.colours.get((product_id, code_key))
        color, code = colours.setdefault((design, code_key), stored or (row.color, row.colour_code))
        size = sizes.setdefault((design, size_key(row.size)), row.size)
        for name, typed in ((design, row.design), (color, row.color), (size, row.size)):
            if name != typed:
                spellings.setdefault((name, typed), Spelling(row.row, name, typed))
        written.append(replace(row, design=design, color=color, colour_code=code, size=size))
    return written, list(spellings.values())


def _split_rows(rows: Iterable[StockRow], known: _Known) -> tuple[list[StockRow], list[Reject]]:
    """The rows to load, and those that what is stored rules out."""
    accepted: list[StockRow] = []
    rejects: list[Reject] = []
    cells: set[tuple[str, str, str]] = set()
    sizes = {design: set(product.sizes) for design, product in known.products.items()}
    for row in rows:
        cell = (row.design, row.colour_code, row.size)
        sizes_of_design = sizes.setdefault(row.design, set())
        reason = _reject_reason(row, known, sizes_of_design, repeated=cell in cells)
        if reason:
            rejects.append(Reject(row.row, (reason,), row.values))
        else:
            accepted.append(row)
            cells.add(cell)
            sizes_of_design.add(row.size)
    return accepted, rejects


def _reject_reason(row: StockRow, known: _Known, sizes: set[str], *, repeated: bool) -> str | None:
    product = known.products.get(row.design)
    if product and not product.is_active:
        return f"Design {row.design} is deactivated in Backstitch."
    if repeated or (product and (product.id, row.colour_code, row.size) in known.cells):
        return f"{row.cell_in_words} is in Backstitch already."
    if row.size not in sizes and len(sizes) >= lengths.SIZES:
        return f"Design {row.design} has {lengths.SIZES} sizes already, and cannot have more."
    return None


def _record(connection: Connection, stock_list: StockList, result: ImportResult) -> None:
    details = {
        "file": result.file,
        "sha256": stock_list.sha256,
        "rows": result.rows,
        "accepted": result.accepted,
        "rejected": len(result.rejects),
        "products": result.products,
        "units": result.units,
    }
    connection.execute(RECORD_IMPORT, {"details": json.dumps(details)})


def _write_products(connection: Connection, rows: Sequence[StockRow], known: _Known, progress: Progress) -> None:
    """Inserts new products, and adds the sizes that known products lack."""
    by_design: dict[str, list[StockRow]] = {}
    for row in rows:
        by_design.setdefault(row.design, []).append(row)
    fresh = [_product(group) for design, group in by_design.items() if design not in known.products]
    extended = [
        {"id": product.id, "sizes": size_set.in_order([*product.sizes, *(row.size for row in by_design[design])])}
        for design, product in known.products.items()
        if any(row.size not in product.sizes for row in by_design.get(design, ()))
    ]
    _write(connection, INSERT_PRODUCTS, fresh, "products", progress)
    _write(connection, EXTEND_SIZES, extended, "sizes of known products", progress)


def _product(rows: Sequence[StockRow]) -> dict[str, Any]:
    design = rows[0].design
    category = next((row.category for row in rows if row.category), "")
    return {
        "sku": design,
        "name": f"{category} {design}".strip(),
        "category": category,
        "sizes": size_set.in_order(row.size for row in rows),
    }


def _write_matrix(
    connection: Connection, rows: Sequence[StockRow], known: _Known, on: date, progress: Progress
) -> None:
    """Inserts colours, stock cells, and the goods in with their opening stock."""
    products = _read_products(connection, rows)
    colours: dict[tuple[int, str], str] = {}
    for row in rows:
        colours.setdefault((products[row.design].id, row.colour_code), row.color)
    fresh = [
        {"product_id": product_id, "color": color, "colour_code": code}
        for (product_id, code), color in colours.items()
        if (product_id, name_key(code)) not in known.colours
    ]
    cells = [{"product_id": products[row.design].id, "colour_code": row.colour_code, "size": row.size} for row in rows]
    inward = [
        cell | {"quantity": row.stock, "date": on.isoformat()}
        for cell, row in zip(cells, rows, strict=True)
        if row.stock > 0
    ]
    _write(connection, INSERT_COLOURS, fresh, "colours", progress)
    _write(connection, INSERT_CELLS, cells, "stock matrix", progress)
    _write(connection, INSERT_INWARD, inward, "opening stock", progress)


def _write(
    connection: Connection,
    statement: TextClause,
    records: Sequence[Mapping[str, Any]],
    phase: str,
    progress: Progress,
) -> None:
    for start in range(0, len(records), BATCH):
        batch = records[start : start + BATCH]
        connection.execute(statement, {"records": json.dumps(batch)})
        progress(start + len(batch), len(records), phase)
