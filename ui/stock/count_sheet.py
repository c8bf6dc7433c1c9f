"""The sheet of a stock-take: a grid to type counts into, kept while the person looks at other pages.

What the books said when the counting began is kept with it: a movement since then would make the count wrong.
"""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.products.queries import Matrix
from backstitch.inventory.stock.count import Count
from ui.shared import matrices, typed_grid
from ui.shared.typed_grid import Cell

GAP = "·"  # stands in a cell that cannot be counted
LARGEST = 2_147_483_647


def began(matrix: Matrix) -> Mapping[Cell, int]:
    """What the books said when the counting began: with the first count they stand still."""
    key = f"take_began_{matrix.product.id}"
    if not typed_grid.typed_into(_name(matrix.product.id)):
        st.session_state[key] = dict(matrix.cells)
    began: Mapping[Cell, int] = st.session_state[key]
    return began


def compare_with_now(matrix: Matrix) -> None:
    """Takes the books as they stand now for the counts that were typed."""
    st.session_state[f"take_began_{matrix.product.id}"] = dict(matrix.cells)


def clear(product_id: int) -> None:
    """Empties the sheet for the next count."""
    typed_grid.forget(_name(product_id))
    st.session_state["take_round"] = st.session_state.get("take_round", 0) + 1


def show_books(matrix: Matrix, books: Mapping[Cell, int]) -> None:
    """The books as they stood when the counting began."""
    st.dataframe(
        _books(matrix, books),
        key="take_books_table",
        height="content",
        alt="On hand when the counting began",
    )


def show(matrix: Matrix) -> dict[Cell, str]:
    """The grid; returns what was typed, by colour code and size, without the cells left empty."""
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
    """The cells that were counted, and a sentence for each figure that is none."""
    found, wrong = [], []
    for (code, size), text in typed.items():
        try:
            found.append(Count(code, size, _on_hand(matrix, books, (code, size)), _whole(text)))
        except Refused as refusal:
            wrong.append(f"{name(matrix, (code, size))}: {refusal}")
    return found, wrong


def name(matrix: Matrix, cell: Cell) -> str:
    """A cell as the sheet names it: `Navy Blue · M`."""
    names = dict(zip((colour.colour_code for colour in matrix.colours), matrices.row_names(matrix), strict=True))
    return f"{names.get(cell[0], cell[0])} · {cell[1]}"


def _on_hand(matrix: Matrix, books: Mapping[Cell, int], cell: Cell) -> int:
    if cell in matrix.inactive or cell not in books:
        raise Refused("the product does not come in this colour and size.", rule="adjustment_cell_of_matrix")
    return books[cell]


def _whole(text: str) -> int:
    digits = text.replace(",", "").strip()
    if not digits.isascii() or not digits.isdecimal():
        raise Refused(f"“{text}” is not a whole number of 0 or more.", rule="not_a_count")
    if len(digits) > 12 or int(digits) > LARGEST:
        raise Refused(f"“{text}” is too large. The largest quantity is {LARGEST:,}.", rule="22003")
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
