"""The panel of a cell of the stock matrix: the proof of its stock, its movements, adjustments and the switch."""

from datetime import date

import streamlit as st

from backstitch.india import financial_year
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements.adjustments import Adjustment
from backstitch.inventory.products import matrix as product_matrix
from backstitch.inventory.products.queries import Colour, Matrix
from backstitch.inventory.stock import reports as stock_reports
from backstitch.inventory.stock.reports import CellEvent, CellProof
from ui import feedback
from ui.movements import adjustment_fields
from ui.shared import days, formats, session


def show(matrix: Matrix, colour: Colour, size: str, choice: str, *, editable: bool) -> None:
    """Draws the panel. `choice` is the label of the product in the filter of the audit report."""
    cell = (colour.colour_code, size)
    st.subheader(formats.plain(f"{colour.color} · {size}"))
    if cell not in matrix.cells:
        st.caption("The product does not come in this colour and size.")
    elif cell in matrix.inactive:
        st.caption("This colour and size are out of use.")
    else:
        _proof(matrix.product.id, *cell)
    if editable and cell in matrix.cells and cell not in matrix.inactive:
        with st.expander("Adjust the stock", icon=":material/rule:", key=f"adjust_of_{matrix.product.id}"):
            _adjust(matrix, colour, size, choice)
    if editable:
        _switch(matrix, colour, size, choice)
    if cell in matrix.cells:
        _movements(matrix.product.id, *cell)


def _proof(product_id: int, colour_code: str, size: str) -> None:
    first = financial_year.first_day(financial_year.financial_year(formats.today()))
    with session.read() as connection:
        proofs = stock_reports.stock_proof(connection, product_id=product_id, first=first)
    (proof,) = [candidate for candidate in proofs if (candidate.colour_code, candidate.size) == (colour_code, size)]
    if proof.holds:
        st.markdown(f":material/check_circle: {_equation(proof, first)}")
    else:
        st.error(
            f"{_equation(proof, first)} The movements amount to {proof.closing:,}. "
            "Count the shelf, and tell the person who runs the server.",
            icon=":material/error:",
        )


def _equation(proof: CellProof, first: date) -> str:
    operator = "−" if proof.adjustments < 0 else "+"
    return (
        f"Opening {proof.opening:,} on {first:%d %b %Y} + inward {proof.inward:,} − sales {proof.sales:,} {operator} "
        f"adjustments {abs(proof.adjustments):,} = **{proof.on_hand:,} on hand**."
    )


def _movements(product_id: int, colour_code: str, size: str) -> None:
    with session.read() as connection:
        events = stock_reports.cell_events(connection, product_id=product_id, colour_code=colour_code, size=size)
    if not events:
        st.caption("Nothing has moved this cell yet.")
        return
    table = formats.frame(reversed(events), CellEvent)
    table["about"] = [
        " · ".join(filter(None, (event.party, event.detail, "from an order" if event.order_id else "")))
        for event in reversed(events)
    ]
    st.dataframe(
        table,
        key="cell_events",
        hide_index=True,
        height="content" if len(events) <= 12 else 460,
        alt="Movements of the cell, newest first",
        column_order=["date", "kind", "quantity", "balance", "about"],
        column_config={
            "date": st.column_config.DateColumn("Date", format=formats.DATE),
            "kind": "Movement",
            "quantity": st.column_config.NumberColumn("Pieces", format="%+d"),
            "balance": st.column_config.NumberColumn("Balance", format="localized", help="On hand after the movement"),
            "about": st.column_config.TextColumn("About", width="large"),
        },
    )


def _adjust(matrix: Matrix, colour: Colour, size: str, choice: str) -> None:
    product = matrix.product
    # Each cell has a form of its own: a text typed for one is not meant for another.
    key = f"{product.id}_{colour.colour_code}_{size}_{st.session_state.get('adjusted', 0)}"
    with st.form(f"adjust_{key}", border=False):
        typed = adjustment_fields.show(f"adjust_{{}}_{key}")
        submitted = st.form_submit_button("Adjust", type="primary", key=f"adjust_save_{key}")
    if not submitted:
        return
    with feedback.refusals():
        change, cell = typed.signed_quantity(size), (product.id, colour.colour_code, size)
        made = Adjustment(*cell, change, days.checked(typed.date), typed.required_reason(), typed.note)
        with session.write("adjust stock", reason=adjustments.combined_reason(made.reason, made.note)) as connection:
            adjustments.adjust(connection, adjustments=[made])
        st.session_state["adjusted"] = st.session_state.get("adjusted", 0) + 1
        verb = "Took away" if change < 0 else "Added"
        feedback.done(
            f"{verb} {formats.counted(abs(change), 'piece')} of {product.sku} {colour.color} {size}: {made.reason}.",
            on_record={"product": choice},
        )


def _switch(matrix: Matrix, colour: Colour, size: str, choice: str) -> None:
    """Draws the button that takes an empty cell out of use, takes it back, or adds a missing cell."""
    cell = (colour.colour_code, size)
    in_use = cell in matrix.cells and cell not in matrix.inactive
    if in_use and matrix.cells[cell]:
        return
    if cell not in matrix.cells:
        label, operation = "Add this colour and size", "add stock cell"
    elif in_use:
        label, operation = "Take out of use", "take stock cell out of use"
    else:
        label, operation = "Take back into use", "take stock cell back into use"
    if st.button(label, icon=":material/power_settings_new:", key=f"cell_switch_{in_use}"):
        with feedback.refusals():
            with session.write(operation, of=(matrix.product.id, *cell)) as connection:
                product_matrix.set_cell_active(
                    connection,
                    product_id=matrix.product.id,
                    colour_code=colour.colour_code,
                    size=size,
                    is_active=not in_use,
                )
            state = "out of" if in_use else "in"
            feedback.done(f"{matrix.product.sku} {colour.color} {size} is {state} use.", on_record={"product": choice})
