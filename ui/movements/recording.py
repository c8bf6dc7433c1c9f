"""The form that records a movement for one colour of a product, a quantity per size: goods in and goods out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

import streamlit as st
from sqlalchemy import Connection

from backstitch.errors import Refused, SignedOut
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Colour, Matrix
from ui import feedback
from ui.shared import days, formats, matrices, reason_field, session

DOUBLE_CLICK = 1.0  # seconds
NOT_IN_USE = "The {} you had chosen is not in use any more. Look which one is chosen now."


class Record(Protocol):
    """Writes the quantities of one entry."""

    def __call__(
        self, connection: Connection, *, product_id: int, colour_code: str, quantities: Mapping[str, int]
    ) -> None: ...


@dataclass(frozen=True)
class Movement:
    """What tells goods in from goods out.

    `prefix` begins the keys of the widgets, `entity` is the name in the trail, `direction` is "in" or "out". `fields`
    draws the fields beside the date, and returns what writes the entry. `no_product` is shown while no product exists.
    """

    prefix: str
    entity: str
    direction: str
    operation: str
    fields: Callable[[Matrix, date], Record]
    no_product: str
    icon: str


def panel(movement: Movement, choices: Mapping[int, str]) -> None:
    """The form over the products in use, `choices`."""
    if not choices:
        st.info(movement.no_product, icon=movement.icon)
        return
    with st.expander(f"Record goods {movement.direction}", expanded=True, icon=":material/add:"):
        _form(movement, choices)


# No st.form: a browser keeps the fields of one to itself until it is sent, and a grid of another shape would lose them.
# A fragment reruns fast enough to follow the typing, and a second click waits for the work of the first one.
@st.fragment
def _form(movement: Movement, choices: Mapping[int, str]) -> None:
    product_id, matrix, colour = _choose_product_and_colour(choices, prefix=movement.prefix)
    if colour is None:
        return
    typed = matrices.entry_grid(matrix, colour.colour_code, key=_key(movement.prefix, "grid"))
    with st.container(horizontal=True, key=f"unsaved_{movement.prefix}"):
        day = days.entry_day("Date", key=f"{movement.prefix}_date", button=_key(movement.prefix, "save"))
        record = movement.fields(matrix, day)
        reason = reason_field.for_entity(movement.entity, key=f"{movement.prefix}_reason")
    if not _pressed(movement, typed):
        return
    with feedback.refusals():
        days.checked(day)
        quantities = movement_commands.quantities(typed)
        with session.write(movement.operation, reason=reason) as connection:
            record(connection, product_id=product_id, colour_code=colour.colour_code, quantities=quantities)
        _next_entry(movement.prefix)
        product = matrix.product
        pieces = formats.counted(sum(quantities.values()), "piece")
        sizes = ", ".join(f"{size} {count}" for size, count in quantities.items())
        hint = _early_remark(matrix, colour, quantities, day) if movement.direction == "out" else ""
        feedback.done(
            f"Recorded {pieces} of {product.sku} {colour.color} {movement.direction}: {sizes}.{hint}",
            on_record={"product": product_queries.choice_label(product.sku, product.name)},
        )


def _early_remark(matrix: Matrix, colour: Colour, quantities: Mapping[str, int], day: date) -> str:
    """A sentence if goods of a size came in after the day of the sale; '' otherwise."""
    cells = {(matrix.product.id, colour.colour_code, size) for size in quantities}
    with session.read() as connection:
        first = movement_queries.first_days(connection, cells=cells)
    early = [f"{size} on {came:%d %b %Y}" for (_, _, size), came in sorted(first.items()) if day < came]
    return f" Goods came in later than that day: {', '.join(early)}. Look whether the date is meant." if early else ""


def _choose_product_and_colour(choices: Mapping[int, str], *, prefix: str) -> tuple[int, Matrix, Colour | None]:
    """The product, its matrix of what is in use, and the colour to enter quantities for: None where none is in use."""
    if st.session_state.get(f"{prefix}_product") not in {None, *choices}:
        st.warning(NOT_IN_USE.format("product"), icon=":material/inventory_2:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        product_id = st.selectbox(
            "Product",
            list(choices),
            format_func=choices.__getitem__,
            key=f"{prefix}_product",
            filter_mode="contains",
            persist_state="session",
        )
        matrix = _in_use(_matrix(product_id))
        if not matrix.colours:
            st.info("This product has no colours yet. Add them on the Products page.", icon=":material/palette:")
            return product_id, matrix, None
        codes = {colour.colour_code: colour for colour in matrix.colours}
        key = f"{prefix}_colour_{product_id}"
        was_removed = st.session_state.get(key, next(iter(codes))) not in codes
        code = st.selectbox("Colour", list(codes), format_func=lambda code: codes[code].color, key=key)
    if was_removed:
        st.warning(NOT_IN_USE.format("colour"), icon=":material/palette:")
    return product_id, matrix, codes[code]


def _matrix(product_id: int) -> Matrix:
    try:
        with session.read() as connection:
            return product_queries.matrix(connection, product_id=product_id)
    except Refused as refusal:
        if isinstance(refusal, SignedOut) or refusal.rule == "product_gone":
            # The fragment runs by itself, and the page around it has not learnt of that yet.
            st.rerun()
        raise


def _in_use(matrix: Matrix) -> Matrix:
    return replace(
        matrix,
        colours=tuple(colour for colour in matrix.colours if colour.is_active),
        cells={cell: quantity for cell, quantity in matrix.cells.items() if cell not in matrix.inactive},
    )


def _key(prefix: str, name: str) -> str:
    """The key of the grid or of the button of this entry; the next entry has another.

    So its grid is empty, and a second click on the button of a saved entry presses nothing.
    """
    return f"{prefix}_{name}_{st.session_state.get(f'{prefix}_saved', 0)}"


def _next_entry(prefix: str) -> None:
    st.session_state[f"{prefix}_saved"] = st.session_state.get(f"{prefix}_saved", 0) + 1
    st.session_state[f"{prefix}_saved_at"] = time.monotonic()


def _pressed(movement: Movement, typed: Mapping[str, object]) -> bool:
    key = _key(movement.prefix, "save")
    if not st.button(f"Record goods {movement.direction}", type="primary", key=key):
        return False
    # If the next entry is drawn already, a double click presses its button, too, and does not mean to.
    since = time.monotonic() - st.session_state.get(f"{movement.prefix}_saved_at", -DOUBLE_CLICK)
    return bool(typed) or since >= DOUBLE_CLICK
