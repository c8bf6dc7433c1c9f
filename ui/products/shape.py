"""The sizes and colours of a product: remove, deactivate, restore and rename them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn

import streamlit as st

from backstitch import lengths
from backstitch.errors import Refused, StaleEdit
from backstitch.inventory.products import matrix as product_matrix
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.matrix import Outcome
from backstitch.inventory.products.queries import Colour, Matrix, Product
from ui import feedback
from ui.shared import active_switch, formats, session

Change = Outcome | Literal["restored"]

OUTCOMES: Mapping[Change, str] = {
    "removed": "removed",
    "deactivated": "taken out of use, because it has a history",
    "restored": "taken back into use",
}

ReportDone = Callable[[Product, str], NoReturn]


@dataclass(frozen=True)
class _Part:
    """A colour or a size with its quantity on hand."""

    name: str
    code: str
    on_hand: int
    state: str


def show(product: Product, *, editable: bool, done: ReportDone) -> None:
    """Draws the lists, with forms to change them if `editable`. `done` closes the dialog and shows a sentence."""
    try:
        with session.read() as connection:
            matrix = product_queries.matrix(connection, product_id=product.id)
    except Refused as refusal:
        st.caption(formats.plain(str(refusal)))
        return
    _list("Colours", [_colour_part(matrix, colour) for colour in matrix.colours])
    if editable and matrix.colours:
        _change_colour(matrix, done)
    _list("Sizes", [_size_part(matrix, size) for size in matrix.product.sizes])
    if editable:
        _change_size(matrix, done)
        st.caption("New colours and sizes are added under Details.")


def _list(title: str, parts: list[_Part]) -> None:
    st.markdown(f"**{title}**")
    if not parts:
        st.caption("None yet.")
        return
    table = formats.frame(parts, _Part)
    st.dataframe(
        table,
        key=f"shape_{title}",
        hide_index=True,
        height="content" if len(parts) <= 8 else 300,
        alt=f"{title} of the product",
        column_order=["name", "code", "on_hand", "state"] if title == "Colours" else ["name", "on_hand", "state"],
        column_config={
            "name": title[:-1],
            "code": "Code",
            "on_hand": st.column_config.NumberColumn("On hand", format="localized"),
            "state": "State",
        },
    )


def _colour_part(matrix: Matrix, colour: Colour) -> _Part:
    on_hand = sum(quantity for (code, _), quantity in matrix.cells.items() if code == colour.colour_code)
    return _Part(colour.color, colour.colour_code, on_hand, "" if colour.is_active else "Out of use")


def _size_part(matrix: Matrix, size: str) -> _Part:
    on_hand = sum(quantity for (_, name), quantity in matrix.cells.items() if name == size)
    return _Part(size, "", on_hand, "Out of use" if _is_inactive(matrix, size) else "")


def _is_inactive(matrix: Matrix, size: str) -> bool:
    cells = {cell for cell in matrix.cells if cell[1] == size}
    return bool(cells) and cells <= matrix.inactive


def _change_colour(matrix: Matrix, done: ReportDone) -> None:
    colours = {colour.id: colour for colour in matrix.colours}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = colours[
            st.selectbox(
                "Colour",
                list(colours),
                format_func=lambda key: f"{colours[key].color} ({colours[key].colour_code})",
                key=f"shape_colour_{matrix.product.id}",
            )
        ]
        name = st.text_input(
            "New name",
            key=f"shape_name_{chosen.id}_{chosen.version}",
            max_chars=lengths.COLOUR,
            placeholder=chosen.color,
        )
        rename = st.button("Rename", key="shape_rename")
    switch = _switch_button(
        matrix,
        f"{chosen.color}",
        key="shape_colour_switch",
        subject=(chosen.id, chosen.version),
        is_active=chosen.is_active,
    )
    if rename:
        _rename(matrix, chosen, name or "", done)
    if switch:
        _switch_colour(matrix, chosen, switch.reason, done)


def _rename(matrix: Matrix, colour: Colour, name: str, done: ReportDone) -> None:
    try:
        with feedback.refusals():
            with session.write("rename colour", of=(colour.id, name)) as connection:
                product_matrix.edit_colour(connection, colour_id=colour.id, version=colour.version, color=name)
            done(matrix.product, f"{matrix.product.sku} {colour.color} is called {name.strip()} now.")
    except StaleEdit as stale:
        hint = f" It is called {stale.theirs.color} now." if stale.theirs else " It is gone."
        st.error(formats.plain(f"{stale}{hint}"), icon=":material/sync_problem:")


def _switch_colour(matrix: Matrix, colour: Colour, reason: str | None, done: ReportDone) -> None:
    product = matrix.product
    outcome: Change = "restored"
    with feedback.refusals():
        if colour.is_active:
            with session.write("remove colour", of=colour.id, reason=reason) as connection:
                outcome = product_matrix.remove_colour(
                    connection, product_id=product.id, colour_code=colour.colour_code
                )
        else:
            with session.write("take colour back into use", of=colour.id) as connection:
                product_matrix.restore_colour(connection, product_id=product.id, colour_code=colour.colour_code)
        done(product, f"{product.sku} {colour.color} was {OUTCOMES[outcome]}.")


def _change_size(matrix: Matrix, done: ReportDone) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = st.selectbox("Size", list(matrix.product.sizes), key=f"shape_size_{matrix.product.id}")
        is_inactive = _is_inactive(matrix, size)
    switch = _switch_button(
        matrix,
        f"size {size}",
        key="shape_size_switch",
        subject=(matrix.product.id, matrix.product.version, size),
        is_active=not is_inactive,
    )
    if switch:
        _switch_size(matrix.product, size, is_inactive, switch.reason, done)


def _switch_button(
    matrix: Matrix, name: str, *, key: str, subject: object, is_active: bool
) -> active_switch.Confirmed | None:
    """Draws the button that removes a colour or size, after a question, or takes it back; None while it is not to."""
    if not is_active:
        return active_switch.Confirmed(None) if st.button("Take back into use", key=key) else None
    effect = (
        f"{matrix.product.sku} will not come in {name} any more. What has entries goes out of use and can be taken "
        "back; what has none is deleted. With pieces on hand it is refused."
    )
    return active_switch.ask(
        "Remove", key=key, subject=subject, effect=effect, confirm=f"Remove {name}", entity="ProductColor"
    )


def _switch_size(product: Product, size: str, is_inactive: bool, reason: str | None, done: ReportDone) -> None:
    outcome: Change = "restored"
    with feedback.refusals():
        if is_inactive:
            with session.write("take size back into use", of=(product.id, size)) as connection:
                product_matrix.restore_size(connection, product_id=product.id, size=size)
        else:
            with session.write("remove size", of=(product.id, size), reason=reason) as connection:
                outcome = product_matrix.remove_size(connection, product_id=product.id, size=size)
        done(product, f"Size {size} of {product.sku} was {OUTCOMES[outcome]}.")
