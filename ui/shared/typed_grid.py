"""A grid of texts to type into, which keeps its texts over a visit to another page and a change of its rows or columns.

Streamlit forgets a grid that is off the screen, or whose rows or columns change; this draws it anew with the texts.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import streamlit as st

Cell = tuple[str, str]  # row, column

_GRIDS = "typed_grids"


@dataclass(frozen=True)
class Shape:
    """The rows, a label by a permanent id such as a colour code; and the columns."""

    rows: Mapping[str, str]
    columns: tuple[str, ...]


@dataclass
class _Grid:
    """The state of a grid; `typed` are the texts that differ from those that its caller gave it."""

    subject: Hashable
    requested: Shape
    drawn: Shape  # `requested`, and removed rows and columns that hold a typed text
    round: int = 0
    changed: bool = False
    initial: dict[Cell, str] = field(default_factory=dict)
    typed: dict[Cell, str] = field(default_factory=dict)


def show(
    name: str,
    shape: Shape,
    text: Callable[[Cell], str],
    *,
    subject: Hashable,
    alt: str,
    heading: str = "",
    gap: str = "",
) -> dict[Cell, str]:
    """Draws the grid with `text` in its cells; returns the texts of the cells that are neither empty nor a `gap`.

    A removed cell stays while it holds a typed text, so that no text is left out unseen. `subject` identifies what the
    texts are for, such as a product: in the run that changes it, the grid starts empty.
    """
    grid = _grid(name, shape, subject)
    if grid.changed:
        st.info("The sizes or colours were changed meanwhile. What you typed is still there.", icon=":material/sync:")
    # The script of the page asks before it loses what is typed in a place of such a name.
    with st.container(key=f"unsaved_{name}"):
        edited = st.data_editor(
            _frame(grid, text, heading),
            key=_key(name, grid),
            height="content",
            placeholder="",
            alt=alt,
            # Text columns: a number column would silently drop a minus sign or a letter.
            column_config={
                **({heading: st.column_config.TextColumn(heading, pinned=True)} if heading else {}),
                **{column: st.column_config.TextColumn(column, width="small") for column in grid.drawn.columns},
            },
        )
    texts = {
        (row, str(column)): "" if pd.isna(value) else str(value).strip()
        for row, values in zip(grid.drawn.rows, edited.to_dict("records"), strict=True)
        for column, value in values.items()
    }
    grid.typed = {cell: typed for cell, typed in texts.items() if typed != text(cell)}
    return {cell: typed for cell, typed in texts.items() if typed not in {"", gap}}


def typed_into(name: str) -> dict[Cell, str]:
    """The texts typed into the grid up to this run, without those that its caller gave it."""
    grid = st.session_state.get(_GRIDS, {}).get(name)
    return _with_pending_edits(name, grid) if grid else {}


def settle() -> None:
    """Takes the browser's latest edits into the grids, whether this run draws them or not."""
    for name, grid in st.session_state.get(_GRIDS, {}).items():
        grid.typed = _with_pending_edits(name, grid)


def forget(prefix: str) -> None:
    """Forgets the grids whose names start with `prefix`, and the texts typed into them."""
    grids = st.session_state.get(_GRIDS, {})
    st.session_state[_GRIDS] = {known: grid for known, grid in grids.items() if not known.startswith(prefix)}


def _grid(name: str, shape: Shape, subject: Hashable) -> _Grid:
    grids: dict[str, _Grid] = st.session_state.setdefault(_GRIDS, {})
    grid = grids.get(name)
    if grid is None or grid.subject != subject:
        if grid:
            st.session_state.pop(_key(name, grid), None)
        grid = _Grid(subject, shape, shape)
    elif grid.requested != shape:
        typed = _with_pending_edits(name, grid)
        cells = [cell for cell, typed_text in typed.items() if typed_text]
        drawn = _extended(shape, grid.drawn, cells)
        changed = bool(typed) or grid.changed
        grid = _Grid(subject, shape, drawn, grid.round + 1, changed, initial=typed, typed=typed)
    elif _key(name, grid) not in st.session_state:  # the last run was of another page or another product
        grid = replace(grid, changed=False, initial=grid.typed)
    grids[name] = grid
    return grid


def _extended(shape: Shape, drawn: Shape, cells: list[Cell]) -> Shape:
    """The shape with those rows and columns of `cells` that it lacks."""
    rows = {row: drawn.rows[row] for row, _ in cells if row not in shape.rows}
    columns = dict.fromkeys(column for _, column in cells if column not in shape.columns)
    return Shape({**shape.rows, **rows}, (*shape.columns, *columns))


def _with_pending_edits(name: str, grid: _Grid) -> dict[Cell, str]:
    """The typed texts with the browser's latest edits, which Streamlit merges only when this run draws the grid."""
    rows = list(grid.drawn.rows)
    state = st.session_state.get(_key(name, grid))
    pending = {
        (rows[index], column): "" if value is None else str(value).strip()
        for index, cells in (state["edited_rows"] if state else {}).items()
        for column, value in cells.items()
    }
    return grid.typed | pending


def _frame(grid: _Grid, text: Callable[[Cell], str], heading: str) -> pd.DataFrame:
    rows, columns = grid.drawn.rows, list(grid.drawn.columns)
    return pd.DataFrame(
        [[grid.initial.get(cell, text(cell)) for cell in ((row, column) for column in columns)] for row in rows],
        index=pd.Index(list(rows.values()), name=heading),
        columns=columns,
        dtype="string",
    )


def _key(name: str, grid: _Grid) -> str:
    return f"{name}_{grid.round}" if grid.round else name
