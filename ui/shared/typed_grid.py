"""A grid of texts to type into. What was typed outlives another page, and another shape of the product.

Streamlit forgets a grid that is not on the screen, and one whose rows or columns are not what they were: then the grid
is drawn anew, filled with what was typed.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import streamlit as st

Cell = tuple[str, str]  # row, column

_GRIDS = "typed_grids"


@dataclass(frozen=True)
class Shape:
    """The rows, by what names them for good, such as a colour code, with their labels; and the columns."""

    rows: Mapping[str, str]
    columns: tuple[str, ...]


@dataclass
class _Grid:
    """What is known of a grid; `typed` are the texts that are not what the grid was made with."""

    of: Hashable
    asked: Shape
    drawn: Shape  # with the rows and columns that are gone, but were typed into
    round: int = 0
    changed: bool = False
    seed: dict[Cell, str] = field(default_factory=dict)
    typed: dict[Cell, str] = field(default_factory=dict)


def show(
    name: str, shape: Shape, text: Callable[[Cell], str], *, of: Hashable, alt: str, heading: str = "", gap: str = ""
) -> dict[Cell, str]:
    """The grid with `text` in its cells; returns the texts of the cells that are neither empty nor a `gap`.

    A cell that is gone meanwhile stays as long as there is a text of the person in it, so that nothing is left out
    unseen. `of` says what the texts are about: none is taken for another one in the run that changes it.
    """
    grid = _grid(name, shape, of)
    if grid.changed:
        st.info("The sizes or colours were changed meanwhile. What you typed is still there.", icon=":material/sync:")
    edited = st.data_editor(
        _frame(grid, text, heading),
        key=_key(name, grid),
        height="content",
        placeholder="",
        alt=alt,
        # Text columns: a number column would drop a minus sign or a letter in silence.
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
    """What was typed into the grid up to this run, without the texts it was made with."""
    grid = st.session_state.get(_GRIDS, {}).get(name)
    return _with_news(name, grid) if grid else {}


def forget(name: str) -> None:
    """Forgets the grids whose names start with this one, with what was typed into them."""
    grids = st.session_state.get(_GRIDS, {})
    st.session_state[_GRIDS] = {known: grid for known, grid in grids.items() if not known.startswith(name)}


def _grid(name: str, shape: Shape, of: Hashable) -> _Grid:
    grids: dict[str, _Grid] = st.session_state.setdefault(_GRIDS, {})
    grid = grids.get(name)
    if grid is None or grid.of != of:
        if grid:
            st.session_state.pop(_key(name, grid), None)
        grid = _Grid(of, shape, shape)
    elif grid.asked != shape:
        kept = _with_news(name, grid)
        texts = [cell for cell, typed in kept.items() if typed]
        grid = _Grid(
            of, shape, _grown(shape, grid.drawn, texts), grid.round + 1, bool(kept) or grid.changed, kept, kept
        )
    elif _key(name, grid) not in st.session_state:  # drawn anew, after another page or another product
        grid = replace(grid, changed=False, seed=grid.typed)
    grids[name] = grid
    return grid


def _grown(shape: Shape, before: Shape, texts: list[Cell]) -> Shape:
    """The shape with the rows and columns of these cells that it has not any more."""
    rows = {row: before.rows[row] for row, _ in texts if row not in shape.rows}
    columns = dict.fromkeys(column for _, column in texts if column not in shape.columns)
    return Shape({**shape.rows, **rows}, (*shape.columns, *columns))


def _with_news(name: str, grid: _Grid) -> dict[Cell, str]:
    """What was typed, with what the browser has just brought: the grid has not been drawn in this run yet."""
    rows = list(grid.drawn.rows)
    state = st.session_state.get(_key(name, grid))
    news = {
        (rows[place], column): "" if value is None else str(value).strip()
        for place, cells in (state["edited_rows"] if state else {}).items()
        for column, value in cells.items()
    }
    return grid.typed | news


def _frame(grid: _Grid, text: Callable[[Cell], str], heading: str) -> pd.DataFrame:
    rows, columns = grid.drawn.rows, list(grid.drawn.columns)
    return pd.DataFrame(
        [[grid.seed.get(cell, text(cell)) for cell in ((row, column) for column in columns)] for row in rows],
        index=pd.Index(list(rows.values()), name=heading),
        columns=columns,
        dtype="string",
    )


def _key(name: str, grid: _Grid) -> str:
    return f"{name}_{grid.round}" if grid.round else name
