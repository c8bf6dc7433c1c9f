"""The sheet of a stock-take: a grid to type counts into, kept while the user visits other pages.

It keeps the book quantities of the start of the count, too: a movement since then would make the count wrong.
"""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.products.queries import Matrix
from backstitch.inventory.stock.count import Count
from ui.shared import matrices, typed_grid
from ui.shared.typed_grid import Cell

GAP = "·"  # the text of a cell that cannot be counted
MAX_COUNT = 2_147_483_647


def opening_books(matrix: Matrix) -> Mapping[Cell, int]:
    """The book quantities at the start of the count, that is before the first count was typed."""
    key = f"take_began_{matrix.product.id}"
    if not typed_grid.typed_into(_name(matrix.product.id)):
        st.session_state[key] = dict(matrix.cells)
    books: Mapping[Cell, int] = st.session_state[key]
    return books


def reload_books(matrix: Matrix) -> None:
    """Replaces the book quantities by those of now; the typed counts stay."""
    st.session_state[f"take_began_{matrix.product.id}"] = dict(matrix.cells)


def clear(product_id: int) -> None:
    """Empties the sheet for the next count."""
    typed_grid.forget(_name(product_id))
    st.session_state["take_round"] = st.session_state.get("take_round", 0) + 1


def show_books(matrix: Matrix, books: Mapping[Cell, int]) -> None:
    """Draws the book quantities at the start of the count."""
    st.dataframe(
        _books(matrix, books),
        key="take_books_table",
        height="content",
        alt="On hand when the counting began",
    )


def show(matrix: Matrix) -> dict[Cell, str]:
    """Draws the grid; returns the typed texts by colour code and size, without empty cells."""
    in_use = matrix.cells.keys() - matrix.inactive
    with st.container(key="take_sheet"):
        return typed_grid.show(
            _name(matrix.product.id),
            matrices.shape(matrix),
            lambda cell: "" if cell in in_use else GAP,
            subject=matrix.product.id,
            heading="Counted",
            alt="Counted pieces, colours down, sizes across",
            gap=GAP,
        )


def counts(matrix: Matrix, books: Mapping[Cell, int], typed: Mapping[Cell, str]) -> tuple[list[Count], list[str]]:
    """The valid counts, and an error message for each text that is no count."""
    valid, errors = [], []
    for (code, size), text in typed.items():
        try:
            valid.append(Count(code, size, _on_hand(matrix, books, (code, size)), _parse_count(text)))
        except Refused as refusal:
            errors.append(f"{name(matrix, (code, size))}: {refusal}")
    return valid, errors


def name(matrix: Matrix, cell: Cell) -> str:
    """The name of a cell: `Navy Blue · M`."""
    names = dict(zip((colour.colour_code for colour in matrix.colours), matrices.row_names(matrix), strict=True))
    return f"{names.get(cell[0], cell[0])} · {cell[1]}"


def _on_hand(matrix: Matrix, books: Mapping[Cell, int], cell: Cell) -> int:
    if cell in matrix.inactive or cell not in books:
        raise Refused("the product does not come in this colour and size.", rule="adjustment_cell_of_matrix")
    return books[cell]


def _parse_count(text: str) -> int:
    digits = text.replace(",", "").strip()
    if not digits.isascii() or not digits.isdecimal():
        raise Refused(f"“{text}” is not a whole number of 0 or more.", rule="not_a_count")
    if len(digits) > 12 or int(digits) > MAX_COUNT:
        raise Refused(f"“{text}” is too large. The largest quantity is {MAX_COUNT:,}.", rule="22003")
    return int(digits)


def _books(matrix: Matrix, books: Mapping[Cell, int]) -> pd.DataFrame:
    shape = matrices.shape(matrix)
    texts = {cell: f"{quantity:,}" for cell, quantity in books.items()}
    in_use = matrix.cells.keys() - matrix.inactive
    return pd.DataFrame(
        [
            [texts.get((code, size), "" if (code, size) in in_use else GAP) for size in shape.columns]
            for code in shape.rows
        ],
        index=pd.Index(list(shape.rows.values()), name="Counted"),
        columns=list(shape.columns),
        dtype="string",
    )


def _name(product_id: int) -> str:
    return f"take_grid_{product_id}_{st.session_state.get('take_round', 0)}"
