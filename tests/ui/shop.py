"""A shop for the tests of the pages, which they fill and read through the library."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.movements.adjustments import Adjustment
from backstitch.inventory.movements.commands import Inward, Sale
from backstitch.inventory.movements.queries import AdjustmentEntry, InwardEntry, LogFilter, SalesEntry
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductDetails
from backstitch.inventory.products.queries import Product
from backstitch.request import Source
from tests.conftest import Clone

SEED = "seed"
DAY = date(2026, 11, 2)
MANAGER = "manager@example.com"

TRAIL = """
    select username, operation, action, entity, old_values, new_values from audit.trail
    where operation is distinct from %s and entity in
        ('Product', 'ProductColor', 'ProductColorStock', 'InwardLog', 'SalesLog')
        and action <> 'MAINTENANCE'
    order by id
"""


@dataclass(frozen=True)
class Shop:
    """The shop of a test; its writes are recorded as operation `seed`."""

    clone: Clone

    def product(
        self,
        sku: str = "AN201",
        name: str = "Leggings",
        *,
        sizes: Sequence[str] = ("S", "M", "L"),
        colours: Sequence[str] = ("Red", "Navy Blue"),
        **details: Any,
    ) -> int:
        """Creates a product and returns its id."""
        made = ProductDetails(sku=sku, name=name, sizes=sizes, **({"unit_price": Decimal("549.00")} | details))
        with self.clone.app.transaction(
            self.clone.actor(Role.MANAGER), operation=SEED, source=Source.PAGE
        ) as connection:
            return product_commands.create_product(connection, details=made, colours=colours)

    def colours(self, product_id: int, *names: str) -> None:
        """Adds colours to a product."""
        with self.clone.app.transaction(
            self.clone.actor(Role.MANAGER), operation=SEED, source=Source.PAGE
        ) as connection:
            product_commands.add_colours(connection, product_id=product_id, colours=names)

    def receive(self, product_id: int, colour_code: str = "RED", *, stakeholder: str = "Mill", **sizes: int) -> None:
        """Records goods in, a quantity per size."""
        with self.clone.app.transaction(
            self.clone.actor(Role.MANAGER), operation=SEED, source=Source.PAGE
        ) as connection:
            movement_commands.record_inward(
                connection,
                product_id=product_id,
                colour_code=colour_code,
                quantities=sizes,
                inward=Inward(DAY, "Supply", stakeholder),
            )

    def sell(self, product_id: int, colour_code: str = "RED", *, store: str = "Bandra", **sizes: int) -> None:
        """Records goods out, a quantity per size."""
        with self.clone.app.transaction(
            self.clone.actor(Role.MANAGER), operation=SEED, source=Source.PAGE
        ) as connection:
            movement_commands.record_sale(
                connection, product_id=product_id, colour_code=colour_code, quantities=sizes, sale=Sale(DAY, store)
            )

    def adjust(self, product_id: int, change: int, reason: str = "count", *, size: str = "S", note: str = "") -> None:
        """Adjusts the stock of a size in red."""
        made = Adjustment(product_id, "RED", size, change, DAY, reason, note)
        actor = self.clone.actor(Role.MANAGER)
        with self.clone.app.transaction(actor, operation=SEED, reason=SEED, source=Source.PAGE) as connection:
            adjustments.adjust(connection, adjustments=[made])

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs a statement as if typed into psql; returns its rows."""
        with self.clone.superuser() as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def read_product(self, product_id: int = 1) -> Product:
        """The product as a page reads it, with its version."""
        with self.clone.app.read(self.clone.actor(Role.VIEWER)) as connection:
            return product_queries.product(connection, product_id=product_id)

    def stock(self, product_id: int) -> dict[tuple[str, str], int]:
        """The quantities on hand, without empty cells."""
        with self.clone.app.read(self.clone.actor(Role.VIEWER)) as connection:
            cells = product_queries.matrix(connection, product_id=product_id).cells
        return {cell: quantity for cell, quantity in cells.items() if quantity}

    def inward(self) -> list[InwardEntry]:
        """Goods in, newest first."""
        with self.clone.app.read(self.clone.actor(Role.VIEWER)) as connection:
            return movement_queries.inward_log(connection, log_filter=LogFilter())

    def sales(self) -> list[SalesEntry]:
        """Goods out, newest first."""
        with self.clone.app.read(self.clone.actor(Role.VIEWER)) as connection:
            return movement_queries.sales_log(connection, log_filter=LogFilter())

    def adjustments(self) -> list[AdjustmentEntry]:
        """Corrections, newest first."""
        with self.clone.app.read(self.clone.actor(Role.VIEWER)) as connection:
            return movement_queries.adjustment_log(connection, log_filter=LogFilter())

    def trail(self) -> list[tuple[Any, ...]]:
        """The records that the pages wrote: user, operation, action, entity, old and new values, in order."""
        return self.run(TRAIL, SEED)


def run(tab: AppTest) -> AppTest:
    """Runs the tab, asserts that no exception is shown, and returns the tab."""
    tab.run()
    assert not tab.exception
    return tab


def click(tab: AppTest, key: str) -> AppTest:
    """Clicks a button and returns the tab after the run."""
    tab.button(key=key).click()
    return run(tab)


def confirm(tab: AppTest, key: str) -> AppTest:
    """Clicks a button that asks first, then the one that answers; returns the tab after both runs."""
    return click(click(tab, key), f"{key}_confirm")


def field(tab: AppTest, name: str) -> Any:
    """The field of the open dialog; its key ends with the version of the record."""
    (found,) = [
        widget
        for widgets in (tab.text_input, tab.date_input, tab.selectbox)
        for widget in widgets
        if widget.key and widget.key.startswith(f"edit_{name}_")
    ]
    return found


def choose_or_type(tab: AppTest, key: str, name: str) -> None:
    """Enters a name into a select box that accepts new options, which AppTest cannot do by itself."""
    box = tab.selectbox(key=key)
    if name not in box.options:
        box.options.append(name)
    box.set_value(name)


def type_in_grid(tab: AppTest, key: str, *, row: int = 0, **cells: str | None) -> None:
    """Types texts into a row of a grid, a text per size."""
    tab.session_state[key] = {"edited_rows": {row: cells}, "added_rows": [], "deleted_rows": []}


def click_in_table(tab: AppTest, key: str, row: int) -> AppTest:
    """Clicks the button of a table row, which AppTest cannot do by itself; returns the tab after the run."""
    (id,) = [
        id for table in tab.dataframe for id in table.proto.button_click_widgets.values() if id.endswith(f"-{key}")
    ]
    states = tab._tree.get_widget_states()
    button = states.widgets.add(id=id)
    button.string_trigger_value.data = json.dumps({"row": row, "label": ""})
    tab._run(states)
    assert not tab.exception
    return tab


def sentences(elements: Sequence[Any]) -> list[str]:
    """The texts of Markdown elements as the screen shows them: `\\.` is a full stop."""
    return [unescaped(element.value) for element in elements]


def unescaped(markdown: str) -> str:
    """The text that escaped Markdown shows. Raises AssertionError for Markdown that is more than escaped text."""
    shown, rest = "", markdown
    while rest:
        if rest[0] == "\\":
            rest = rest[1:]
        else:
            assert rest[0] not in "`*_{}[]()<>#+-.!|$:~^=&@/", f"not escaped: {markdown}"
        shown, rest = shown + rest[0], rest[1:]
    return shown
