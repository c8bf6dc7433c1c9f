"""The sheet of a stock-take: a grid to type counts into, kept while the person looks at other pages.

What the books said when the counting began is kept with it: a movement since then would make the count wrong.
"""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.catalogue import Matrix
from backstitch.inventory.stock_take import Count
from ui import matrices

GAP = "·"  # stands in a cell that cannot be counted
LARGEST = 2_147_483_647

Cell = tuple[str, str]  # colour code, size


def began(matrix: Matrix) -> Mapping[Cell, int]:
    """What the books said when the counting began: with the first count they stand still."""
    product_id = matrix.product.id
    if not _kept("take_counts", product_id) and not _being_typed(product_id):
        st.session_state[f"take_began_{product_id}"] = dict(matrix.cells)
    return _kept("take_began", product_id)


def compare_with_now(matrix: Matrix) -> None:
    """Takes the books as they stand now for the counts that were typed."""
    st.session_state[f"take_began_{matrix.product.id}"] = dict(matrix.cells)


def clear(product_id: int) -> None:
    """Empties the sheet for the next count."""
    for name in ("take_counts", "take_began", "take_seed"):
        st.session_state.pop(f"{name}_{product_id}", None)
    st.session_state["take_round"] = st.session_state.get("take_round", 0) + 1


def show_books(matrix: Matrix, books: Mapping[Cell, int]) -> None:
    """The books as they stood when the counting began."""
    st.dataframe(
        _frame(matrix, {cell: f"{quantity:,}" for cell, quantity in books.items()}),
        key="take_books_table",
        height="content",
        alt="On hand when the counting began",
    )


def show(matrix: Matrix) -> dict[Cell, str]:
    """The grid; returns what was typed, without the cells left empty."""
    product_id = matrix.product.id
    key = _key(product_id)
    seed = f"take_seed_{product_id}"
    if key not in st.session_state:  # drawn anew, after another page or another product
        st.session_state[seed] = _kept("take_counts", product_id)
    with st.container(key="take_sheet"):
        edited = st.data_editor(
            _frame(matrix, st.session_state.get(seed, {})),
            key=key,
            height="content",
            placeholder="",
            alt="Counted pieces, colours down, sizes across",
            # Text columns: a number column would drop a minus sign or a letter in silence.
            column_config={
                "Counted": st.column_config.TextColumn("Counted", pinned=True),
                **{size: st.column_config.TextColumn(size, width="small") for size in matrix.product.sizes},
            },
        )
    typed = _typed(matrix, edited)
    st.session_state[f"take_counts_{product_id}"] = typed
    return typed


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


def _frame(matrix: Matrix, texts: Mapping[Cell, str]) -> pd.DataFrame:
    shown = [
        (colour, label)
        for colour, label in zip(matrix.colours, matrices.row_names(matrix), strict=True)
        if colour.is_active
    ]
    in_use = matrix.cells.keys() - matrix.inactive
    return pd.DataFrame(
        [
            [
                texts.get(cell, "" if cell in in_use else GAP)
                for cell in ((colour.colour_code, size) for size in matrix.product.sizes)
            ]
            for colour, _ in shown
        ],
        index=pd.Index([label for _, label in shown], name="Counted"),
        columns=list(matrix.product.sizes),
        dtype="string",
    )


def _typed(matrix: Matrix, edited: pd.DataFrame) -> dict[Cell, str]:
    codes = [colour.colour_code for colour in matrix.colours if colour.is_active]
    return {
        (code, size): str(value).strip()
        for code, row in zip(codes, edited.to_dict("records"), strict=True)
        for size, value in row.items()
        if not pd.isna(value) and str(value).strip() not in {"", GAP}
    }


def _key(product_id: int) -> str:
    return f"take_grid_{product_id}_{st.session_state.get('take_round', 0)}"


def _being_typed(product_id: int) -> bool:
    state = st.session_state.get(_key(product_id))
    return bool(state and state["edited_rows"])


def _kept(what: str, product_id: int) -> dict[Cell, object]:
    return st.session_state.get(f"{what}_{product_id}", {})
