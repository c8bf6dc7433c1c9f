"""The stock matrix as a table, and the grid to enter quantities per size."""

from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler
from streamlit.elements.arrow import DataframeState

from backstitch.inventory.products.queries import Colour, Matrix
from ui.shared import typed_grid
from ui.shared.typed_grid import Shape

TOTAL, QUANTITY = "Total", "Quantity"
LOW = "↓"  # the mark before a figure at or below the reorder level


def styled(matrix: Matrix) -> Styler:
    """The stock matrix with its totals, colours down, sizes across; low cells marked, zeros dimmed, gaps grey.

    A cell out of use is shown as a gap, like one that does not exist.
    """
    names = row_names(matrix)
    sizes = list(matrix.product.sizes)
    in_use = {cell: quantity for cell, quantity in matrix.cells.items() if cell not in matrix.inactive}
    table = pd.DataFrame(
        [[in_use.get((colour.colour_code, size)) for size in sizes] for colour in matrix.colours],
        index=pd.Index(names, name="Colour"),
        columns=sizes,
        dtype="Int64",
    )
    table[TOTAL] = table.sum(axis=1)
    table.loc[TOTAL] = table.sum(axis=0)
    table.index.name = "Colour"
    reorder_level = matrix.product.reorder_level
    return (
        table.style.apply(_cell_styles, reorder_level=reorder_level, axis=None)
        .format("{:,}", na_rep="")
        .format(
            lambda quantity: f"{LOW} {quantity:,}" if quantity <= reorder_level else f"{quantity:,}",
            subset=pd.IndexSlice[names, sizes],
            na_rep="",
        )
    )


def _cell_styles(table: pd.DataFrame, *, reorder_level: int) -> pd.DataFrame:
    styles = pd.DataFrame("", index=table.index, columns=table.columns)
    cells = table.drop(index=TOTAL, columns=TOTAL)
    inner = styles.loc[cells.index, cells.columns]
    inner = inner.mask((cells <= reorder_level).fillna(False), "background-color: rgba(224, 146, 109, 0.28)")
    inner = inner.mask(
        (cells == 0).fillna(False), "color: rgba(128, 128, 128, 0.75); background-color: rgba(224, 146, 109, 0.28)"
    )
    styles.loc[cells.index, cells.columns] = inner.mask(cells.isna(), "background-color: rgba(128, 128, 128, 0.12)")
    styles.loc[TOTAL, :] = "font-weight: 600"
    styles[TOTAL] = "font-weight: 600"
    return styles


def selected_cell(matrix: Matrix, state: DataframeState) -> tuple[Colour, str] | None:
    """The colour and size of the selected cell; None for no selection, and for a total."""
    for row, size in state.selection.cells:
        if row < len(matrix.colours) and size in matrix.product.sizes:
            return matrix.colours[row], size
    return None


def columns(matrix: Matrix) -> dict[str, Any]:
    """column_config of the matrix."""
    # No format here: the table brings its figures formatted, with a mark before low ones.
    quantities = {size: st.column_config.NumberColumn(size, width="small") for size in (*matrix.product.sizes, TOTAL)}
    return {"Colour": st.column_config.TextColumn("Colour", pinned=True), **quantities}


def row_names(matrix: Matrix) -> list[str]:
    """The colours' names; with the code where two colours share a name, or one has the name of the totals."""
    names = [TOTAL, *(colour.color for colour in matrix.colours)]
    return [
        f"{colour.color} ({colour.colour_code})" if names.count(colour.color) > 1 else colour.color
        for colour in matrix.colours
    ]


def shape(matrix: Matrix) -> Shape:
    """The shape of a grid to type into: the colours in use by their codes, and the sizes."""
    names = zip(matrix.colours, row_names(matrix), strict=True)
    return Shape({colour.colour_code: name for colour, name in names if colour.is_active}, matrix.product.sizes)


def entry_grid(matrix: Matrix, colour_code: str, *, key: str) -> dict[str, object]:
    """Draws a row to enter quantities, with a column per size of the colour; returns the typed texts by size.

    The grid accepts any text, so that a negative or fractional figure can be refused with a sentence.
    """
    in_use = matrix.cells.keys() - matrix.inactive
    sizes = [size for size in matrix.product.sizes if (colour_code, size) in in_use]
    st.dataframe(
        pd.DataFrame([[matrix.cells[colour_code, size] for size in sizes]], index=["On hand"], columns=sizes),
        key=f"{key}_on_hand",
        alt="On hand per size",
        column_config={size: st.column_config.NumberColumn(size, width="small") for size in sizes},
    )
    typed = typed_grid.show(
        key,
        Shape({QUANTITY: QUANTITY}, tuple(sizes)),
        lambda cell: "",
        subject=(matrix.product.id, colour_code),
        alt="Quantity per size",
    )
    return {size: text for (_, size), text in typed.items()}
