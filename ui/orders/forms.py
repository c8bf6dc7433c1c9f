"""The form to enter and change an order: its parties, and a colour x size grid per product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from backstitch import lengths
from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.orders import queries as order_queries
from backstitch.inventory.orders.commands import Line, OrderDetails
from backstitch.inventory.orders.queries import Order, OrderLine
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Matrix
from ui import feedback
from ui.orders import compare, steps
from ui.orders import list as order_list
from ui.shared import days, formats, matrices, numbers, session, typed_grid
from ui.shared.typed_grid import Cell, Shape

# "new", or the Order as it was read; the form and its texts survive a visit to another page.
OPEN = "order_form"
GAP = "–"  # the text of a cell in which the product does not come


@dataclass(frozen=True)
class _ProductTexts:
    """The texts entered for one product: per cell that has one, the price and the GST rate."""

    matrix: Matrix
    cells: Mapping[Cell, str]
    unit_price: str
    gst_rate: str


_DetailsFields = tuple[int | None, int | None, date | None, str]


def open_new() -> None:
    """Opens an empty form."""
    st.query_params.pop("order", None)
    _open("new")


def open_order(order: Order) -> None:
    """Opens the form for an order as it was read."""
    _open(order)


def _open(subject: Order | str) -> None:
    close()
    st.session_state[OPEN] = subject
    # A number per form keeps the texts of the previous form out of the next one.
    st.session_state["order_forms"] = st.session_state.get("order_forms", 0) + 1


def close() -> None:
    """Closes the form and forgets its texts."""
    typed_grid.forget("order_grid_")
    st.session_state.pop(OPEN, None)


def opened() -> Order | str | None:
    """The order that the form changes, or "new"; None while it is closed."""
    subject: Order | str | None = st.session_state.get(OPEN)
    return subject


def is_requested(order_id: int | None) -> bool:
    """Whether the form is open, and `order_id` of the page's address is None or the order that the form changes."""
    form = opened()
    return form is not None and (order_id is None or (isinstance(form, Order) and form.summary.id == order_id))


def show_unsaved_notice() -> None:
    """Draws, above another order, a notice that the form is still open, with buttons to resume and to discard it."""
    form = opened()
    name = f"the change of {form.summary.name}" if isinstance(form, Order) else "the new order"
    st.info(
        formats.plain(f"This is what the link leads to. You have not saved {name} yet; what you typed is there."),
        icon=":material/edit_note:",
    )
    with st.container(horizontal=True):
        st.button("Go on with it", key="order_form_resume", on_click=_resume)
        st.button("Discard it", key="order_form_drop", on_click=close)


def _resume() -> None:
    form = opened()
    if isinstance(form, Order):
        order_list.open_order(form.summary.id)
    else:
        st.query_params.pop("order", None)


def show(order: Order | None) -> None:
    """Draws the form to change `order`, or to enter a new one for None."""
    summary = order.summary if order else None
    st.subheader(formats.plain(f"Change {summary.name}" if summary else "New order"))
    with session.read() as connection:
        customers, agencies = party_queries.customer_choices(connection), party_queries.agency_choices(connection)
        products = product_queries.product_choices(connection)
    if order:
        # The order may hold parties and products that are out of use by now.
        customers = {order.customer.id: order.customer.store_name, **customers}
        agencies |= {order.agency.id: order.agency.agency_name} if order.agency else {}
        products = {
            line.product_id: product_queries.choice_label(line.sku, line.product) for line in order.lines
        } | products
    if not customers or not products:
        st.info(
            "An order needs a customer and a product: add them on their pages first.", icon=":material/receipt_long:"
        )
        st.button("Back", key="order_form_close", on_click=close)
        return
    _warn_removed_choices(order, {"products": products, "customer": customers, "agency": agencies})
    chosen = _choose_products(order, products)
    # Not a st.form: its texts stay in the browser until it is submitted, and a visit to another page would lose them.
    details = _details_fields(order, customers, agencies)
    typed = [_product_fields(order, product_id) for product_id in chosen]
    with st.container(horizontal=True):
        pressed = st.button(
            "Save changes" if order else "Save as draft", type="primary", key="order_save", icon=":material/save:"
        )
        st.button("Discard", key="order_form_close", on_click=close)
    if pressed:
        with feedback.refusals():
            _save(order, details, typed)


def _key(name: str, order: Order | None) -> str:
    """The key of a field, with the version: values of an old version would get past the check for stale edits."""
    version = f"{order.summary.id}_{order.version}" if order else "new"
    return f"order_{name}_{version}_{st.session_state.get('order_forms', 0)}"


def _warn_removed_choices(order: Order | None, available: Mapping[str, Mapping[int, str]]) -> None:
    """Warns about chosen products and parties that went out of use: Streamlit drops them from their widgets."""
    nouns = {"products": "A product", "customer": "The party", "agency": "The agency"}
    for name, noun in nouns.items():
        chosen = st.session_state.get(_key(name, order)) or []
        if set(chosen if isinstance(chosen, list) else [chosen]) - set(available[name]):
            st.warning(
                f"{noun} that you had chosen is not in use any more, and has left this order.",
                icon=":material/receipt_long:",
            )


def _choose_products(order: Order | None, products: Mapping[int, str]) -> list[int]:
    return st.multiselect(
        "Products",
        list(products),
        default=list(dict.fromkeys(line.product_id for line in order.lines)) if order else [],
        format_func=products.__getitem__,
        key=_key("products", order),
        placeholder="Choose products; each gets a grid below",
        filter_mode="contains",
        persist_state="session",
    )


def _details_fields(order: Order | None, customers: Mapping[int, str], agencies: Mapping[int, str]) -> _DetailsFields:
    customer_ids = list(customers)
    with st.container(horizontal=True, vertical_alignment="bottom", key="unsaved_order"):
        customer_id = st.selectbox(
            "Party",
            customer_ids,
            index=customer_ids.index(order.customer.id) if order else None,
            format_func=customers.__getitem__,
            key=_key("customer", order),
            placeholder="Choose a customer",
            filter_mode="contains",
            persist_state="session",
        )
        agency_ids = [0, *agencies]  # None would come back from another page as no choice
        agency_id = st.selectbox(
            "Agency",
            agency_ids,
            index=agency_ids.index(order.agency.id) if order and order.agency else 0,
            format_func=lambda choice: agencies[choice] if choice else "None: direct",
            key=_key("agency", order),
            filter_mode="contains",
            persist_state="session",
        )
        day = days.field(
            "Date",
            order.summary.date if order else formats.today(),
            key=_key("date", order),
            persist_state="session",
        )
        note = st.text_input(
            "Note",
            order.summary.note if order else "",
            key=_key("note", order),
            max_chars=lengths.ORDER_NOTE,
            persist_state="session",
        )
    return customer_id, agency_id or None, day, note or ""


def _product_fields(order: Order | None, product_id: int) -> _ProductTexts:
    with session.read() as connection:
        matrix = product_queries.matrix(connection, product_id=product_id)
    product = matrix.product
    lines = [line for line in order.lines if line.product_id == product_id] if order else []
    price = _shared_value([line.unit_price for line in lines], product.unit_price)
    rate = _shared_value([line.gst_rate for line in lines], product.gst_rate)
    with st.container(border=True, key=f"unsaved_order_{product_id}"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text(product_queries.choice_label(product.sku, product.name), width=260)
            unit_price = st.text_input(
                "Price",
                price,
                key=_key(f"price_{product_id}", order),
                placeholder="As it was" if lines else "899.00",
                width=140,
                persist_state="session",
            )
            gst_rate = st.text_input(
                "GST %",
                rate,
                key=_key(f"gst_{product_id}", order),
                placeholder="As it was" if lines else "5",
                width=110,
                persist_state="session",
            )
        cells = _grid(matrix, lines, key=_key(f"grid_{product_id}", order))
    return _ProductTexts(matrix, cells, unit_price or "", gst_rate or "")


def _shared_value(values: Sequence[Decimal | None], default: Decimal | None) -> str:
    """The value that all lines share, or `default` without lines; empty if the lines differ, which keeps theirs."""
    shared = set(values) or {default}
    (value,) = shared if len(shared) == 1 else (None,)
    return "" if value is None else str(value)


def _grid(matrix: Matrix, lines: Sequence[OrderLine], *, key: str) -> dict[Cell, str]:
    """Draws the grid, colours down, sizes across; returns the texts of the cells that are not empty."""
    ordered = {(line.colour_code, line.size): str(line.quantity) for line in lines}
    ordered_colours = {code for code, _ in ordered}
    colours = {
        colour.colour_code: name
        for colour, name in zip(matrix.colours, matrices.row_names(matrix), strict=True)
        if colour.is_active or colour.colour_code in ordered_colours
    }
    if not colours:
        st.caption("This product has no colours yet. Add them on the Products page.")
        return {}
    return typed_grid.show(
        key,
        Shape(colours, matrix.product.sizes),
        lambda cell: _initial_text(matrix, ordered, cell),
        subject=matrix.product.id,
        heading="Colour",
        alt=f"Quantities of {matrix.product.sku}, colours down, sizes across",
        gap=GAP,
    )


def _initial_text(matrix: Matrix, ordered: Mapping[Cell, str], cell: Cell) -> str:
    if cell in ordered:
        return ordered[cell]
    return "" if cell in matrix.cells and cell not in matrix.inactive else GAP


def _save(order: Order | None, fields: _DetailsFields, typed: list[_ProductTexts]) -> None:
    stored = order.summary.date if order else None
    details, lines = _details(*fields, stored=stored), _lines(typed)
    if order is None:
        with session.write("take order") as connection:
            order_id = order_commands.create_order(connection, details=details, lines=lines)
        name = order_queries.order_name(order_id, None, "")
    else:
        order_id, name = order.summary.id, order.summary.name
        try:
            with session.write("change order", of=order_id) as connection:
                order_commands.edit_order(
                    connection, order_id=order_id, version=order.version, details=details, lines=lines
                )
        except StaleEdit as stale:
            compare.show_stale(stale, opened=order, reopen=open_order)
            return
    close()
    order_list.open_order(order_id)
    feedback.saved(name, entity="Order", on_record=steps.ON_RECORD)


def _details(
    customer_id: int | None, agency_id: int | None, day: date | None, note: str, *, stored: date | None
) -> OrderDetails:
    if customer_id is None:
        raise Refused("Choose the party that orders. Nothing was saved.", rule="no_customer")
    return OrderDetails(customer_id, days.checked(day, stored=stored, ahead=days.AHEAD), agency_id, note)


def _lines(typed: Sequence[_ProductTexts]) -> list[Line]:
    """The lines of all products. Raises Refused for a text that is no number, and if nothing is ordered."""
    if not typed:
        raise Refused("Choose at least one product. Nothing was saved.", rule="no_quantity")
    texts: dict[str, object] = {}
    lines: dict[str, Any] = {}
    for entered in typed:
        matrix, product = entered.matrix, entered.matrix.product
        names = {
            colour.colour_code: name for colour, name in zip(matrix.colours, matrices.row_names(matrix), strict=True)
        }
        price = numbers.amount(f"Price of {product.sku}", entered.unit_price)
        rate = numbers.percentage(f"GST of {product.sku}", entered.gst_rate)
        for (code, size), text in entered.cells.items():
            # The label names the cell in a refusal of its text.
            label = f"{size} of {product.sku} {names.get(code, code)}"
            while label in texts:  # SKU `A` in `B C`, and `A B` in `C`
                label += "\N{NO-BREAK SPACE}"
            texts[label], lines[label] = text, (product.id, code, size, price, rate)
    return [
        Line(product_id, code, size, quantity, price, rate)
        for label, quantity in movement_commands.quantities(texts).items()
        for product_id, code, size, price, rate in [lines[label]]
    ]
