"""What the pages of the logs share in their forms."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import streamlit as st
from sqlalchemy import Connection

from backstitch.errors import Refused, SignedOut
from backstitch.inventory import reasons
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.queries import Colour, Matrix
from ui import feedback
from ui.shared import formats, session

DOUBLE_CLICK = 1.0  # seconds
GONE = "The {} you had chosen is not in use any more. Look which one is chosen now."


def choose_product_and_colour(choices: Mapping[int, str], *, prefix: str) -> tuple[int, Matrix, Colour | None]:
    """The product and the colour to enter quantities for; the colour is None where there is none in use.

    The matrix has what is in use only.
    """
    if st.session_state.get(f"{prefix}_product") not in {None, *choices}:
        st.warning(GONE.format("product"), icon=":material/inventory_2:")
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
        gone = st.session_state.get(key, next(iter(codes))) not in codes
        code = st.selectbox("Colour", list(codes), format_func=lambda code: codes[code].color, key=key)
    if gone:
        st.warning(GONE.format("colour"), icon=":material/palette:")
    return product_id, matrix, codes[code]


def _matrix(product_id: int) -> Matrix:
    try:
        with session.read() as connection:
            return product_queries.matrix(connection, product_id=product_id)
    except Refused as refusal:
        if isinstance(refusal, SignedOut) or refusal.rule == "product_gone":
            # The form runs by itself, and the page around it has not heard of that yet.
            st.rerun()
        raise


def _in_use(matrix: Matrix) -> Matrix:
    return replace(
        matrix,
        colours=tuple(colour for colour in matrix.colours if colour.is_active),
        cells={cell: quantity for cell, quantity in matrix.cells.items() if cell not in matrix.inactive},
    )


def key(prefix: str, name: str) -> str:
    """The key of the grid, or of the button, of one entry; the next entry has others.

    So its grid is empty, and a second click on the button of an entry that is saved is one on nothing.
    """
    return f"{prefix}_{name}_{st.session_state.get(f'{prefix}_saved', 0)}"


def submit(
    prefix: str,
    way: str,
    typed: Mapping[str, object],
    *,
    operation: str,
    reason: str | None,
    of: Matrix,
    colour: Colour,
    record: Callable[[Connection, dict[str, int]], None],
) -> None:
    """The button that saves the entry: `record` writes its quantities, and the next entry begins.

    `way` is where the goods go, in or out.
    """
    if not _pressed(prefix, f"Record goods {way}", typed):
        return
    with feedback.refusals():
        quantities = movement_commands.quantities(typed)
        with session.write(operation, reason=reason) as connection:
            record(connection, quantities)
        _next_entry(prefix)
        recorded = ", ".join(f"{size} {count}" for size, count in quantities.items())
        product = of.product
        feedback.done(
            f"Recorded {formats.counted(sum(quantities.values()), 'piece')} of {product.sku} {colour.color} {way}: "
            f"{recorded}.",
            on_record={"product": product_queries.choice_label(product.sku, product.name)},
        )


def _next_entry(prefix: str) -> None:
    st.session_state[f"{prefix}_saved"] = st.session_state.get(f"{prefix}_saved", 0) + 1
    st.session_state[f"{prefix}_saved_at"] = time.monotonic()


def _pressed(prefix: str, label: str, typed: Mapping[str, object]) -> bool:
    if not st.button(label, type="primary", key=key(prefix, "save")):
        return False
    # A double click presses the button of the next entry, too, when that is drawn already: it means nothing by it.
    since = time.monotonic() - st.session_state.get(f"{prefix}_saved_at", -DOUBLE_CLICK)
    return bool(typed) or since >= DOUBLE_CLICK


def choose_or_type(label: str, known: Sequence[str], *, key: str) -> str:
    """A name used before, or a new one; '' when none was given."""
    return (
        st.selectbox(
            label,
            known,
            index=None,
            key=key,
            accept_new_options=True,
            placeholder="Choose or type",
            persist_state="session",
        )
        or ""
    )


def names(*lists: Iterable[str]) -> list[str]:
    """The names of all lists in their order, each once: case does not make another name."""
    found: dict[str, str] = {}
    for name in chain(*lists):
        found.setdefault(name.casefold(), name)
    return list(found.values())


def choose_allowed(label: str, allowed: Sequence[str], known: Sequence[str], *, key: str) -> str:
    """One of the names that the product may go to; where it may go anywhere, a name used before, or a new one."""
    if not allowed:
        return choose_or_type(label, known, key=key)
    # A key of its own: what was chosen for another product may not be allowed for this one.
    return (
        st.selectbox(
            label,
            allowed,
            index=None,
            key=f"{key}_{'_'.join(allowed)}",
            placeholder="Choose",
            help="The product goes to these only; the Products page says so.",
        )
        or ""
    )


def reason(entity: str, *, key: str, always: bool = False, label: str = "Reason") -> str | None:
    """Why it is done, for the record: asked where the policy wants it for every write of the entity, or `always`.

    None where it is not asked for.
    """
    with session.read() as connection:
        required = reasons.reason_required(connection, entity=entity)
    if not required and not always:
        return None
    typed = st.text_input(label if required else f"{label} (optional)", key=key, max_chars=400)
    return (typed or "").strip()


def quantity(current: int, *, key: str) -> str:
    """A quantity as text, so that a wrong one is refused with a sentence, not dropped by the widget."""
    return st.text_input("Quantity", str(current), key=key) or ""


def whole(typed: str, size: str) -> int:
    """The quantity of one entry; raises Refused for anything but a whole number above 0."""
    found = movement_commands.quantities({size: typed})
    if size not in found:
        raise Refused("A quantity is a whole number above 0. Delete the entry to take it back.", rule="no_quantity")
    return found[size]
