"""The preview of a checked sheet: its problems, its rows with marks, the changes and the replaced entries."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from backstitch.inventory.paste.check import Checked
from backstitch.inventory.paste.columns import Kind, Problem
from backstitch.inventory.paste.entries import Entry
from backstitch.inventory.paste.replace import ExistingRow
from ui.paste import history
from ui.shared import formats

PREVIEW_ROWS = 200
LIST_LIMIT = 1000  # rows of problems, of changes or of replaced entries
ROW = "Row"
BLOCKING_STYLE = "background-color: rgba(214, 69, 65, 0.22); font-weight: 600"
WARNING_STYLE = "background-color: rgba(224, 146, 109, 0.28)"
MARKS = {True: "✗ ", False: "! "}
ENTITIES = {Kind.INWARD: "InwardLog", Kind.SALES: "SalesLog", Kind.ORDERS: "Order"}  # in the trail
PARTIES = {Kind.INWARD: "stakeholder", Kind.SALES: "store"}


def repeated(checked: Checked) -> None:
    """Draws which pasted rows are stored already: who recorded them and when, and the pieces by day and party."""
    found, kind = checked.repeated, checked.pasted.kind
    rows = len({one.entry.row for one in found})
    days = sorted({one.entry.date for one in found})
    parties = sorted({one.entry.party for one in found})
    what = [
        history.day(days[0]) + (f" to {history.day(days[-1])}" if len(days) > 1 else ""),
        parties[0] if len(parties) == 1 else formats.counted(len(parties), _party_word(kind)),
        formats.counted(sum(one.stored.quantity for one in found), "piece"),
        history.recorded(ENTITIES[kind], [one.stored.id for one in found]),
    ]
    these = "This row seems" if rows == 1 else f"These {rows:,} rows seem"
    st.warning(
        formats.plain(f"{these} to be there already: {', '.join(filter(None, what))}."),
        icon=":material/content_copy:",
    )
    there: Counter[tuple[date, str]] = Counter()
    pasted: Counter[tuple[date, str]] = Counter()
    for one in found:
        there[one.entry.date, one.entry.party] += one.stored.quantity
    for entry in all_entries(checked):
        pasted[entry.date, entry.party] += entry.quantity
    _table(
        [
            {
                "Date": day,
                _party_word(kind).capitalize(): party,
                "Pieces there": there[day, party],
                "Pieces pasted": pasted[day, party],
            }
            for day, party in sorted(there)[:LIST_LIMIT]
        ],
        len(there),
        key="paste_repeated",
        alt="What is there already, and what is pasted",
        numbers={"Pieces there", "Pieces pasted"},
    )


def all_entries(checked: Checked) -> list[Entry]:
    """The entries of the sheet, with those that are left out because they are stored already."""
    written = set(checked.entries)
    return [*checked.entries, *(one.entry for one in checked.repeated if one.entry not in written)]


def _party_word(kind: Kind) -> str:
    return "customer" if kind is Kind.ORDERS else PARTIES[kind]


def remarks(checked: Checked) -> None:
    """Draws how the sheet was read: the order of its dates, and what was left out."""
    if checked.remarks:
        st.info("  \n".join(map(formats.plain, checked.remarks)), icon=":material/visibility:")


def problems(checked: Checked) -> None:
    """Draws the problems by row and column, those that block the writing first."""
    if not checked.problems:
        return
    blocking = [problem for problem in checked.problems if problem.blocks]
    rows = len({problem.row for problem in blocking} - {None})
    if blocking:
        where = f" in {formats.counted(rows, 'row')}" if rows else ""
        sentence = (
            f"{formats.counted(len(blocking), 'problem')}{where}. Nothing can be written until "
            f"{'it is' if len(blocking) == 1 else 'they are'} put right: correct the rows above and check them again."
        )
        st.error(formats.plain(sentence), icon=":material/block:")
    else:
        count = formats.counted(len(checked.problems), "remark")
        st.warning(f"{count}." if checked.asks else f"{count}; the rows can be written.", icon=":material/info:")
    _table(
        [
            {
                ROW: "" if problem.row is None else str(problem.row),
                "Column": problem.column,
                "Problem" if blocking else "Remark": problem.sentence,
                "Value": problem.value,
            }
            for problem in checked.problems[:LIST_LIMIT]
        ],
        len(checked.problems),
        key="paste_problems",
        alt="Problems by row and column",
        widths={ROW: 50, "Column": 90, "Problem": "large", "Remark": "large"},
    )


def rows(checked: Checked) -> None:
    """Draws the rows as they were pasted, those with problems first; a wrong cell is tinted and begins with a mark."""
    lines = checked.layout.lines
    by_row: dict[int | None, list[Problem]] = {}
    for problem in checked.problems:
        by_row.setdefault(problem.row, []).append(problem)
    shown = sorted(lines, key=lambda line: not any(problem.blocks for problem in by_row.get(line.number, ())))
    shown = shown[:PREVIEW_ROWS]
    headings = checked.layout.headings
    table = pd.DataFrame(
        [[str(line.number), *line.cells[: len(headings)], *[""] * (len(headings) - len(line.cells))] for line in shown],
        columns=[ROW, *headings],
        dtype="string",
    )
    styles = pd.DataFrame("", index=table.index, columns=table.columns)
    for index, line in enumerate(shown):
        _mark(table, styles, index, by_row.get(line.number, ()))
    st.dataframe(
        _styled(table, styles),
        key="paste_rows",
        hide_index=True,
        alt="The rows as they came; ✗ before a cell marks a problem",
        column_config={ROW: st.column_config.TextColumn(ROW, pinned=True, width="small")},
    )
    if len(lines) > PREVIEW_ROWS:
        st.caption(f"{PREVIEW_ROWS} of {len(lines):,} rows, those with problems first. All of them are checked.")


def _mark(table: pd.DataFrame, styles: pd.DataFrame, index: int, problems: Iterable[Problem]) -> None:
    # Warnings first, so that a cell with both shows the mark of the blocking problem.
    for problem in sorted(problems, key=lambda problem: problem.blocks):
        column = problem.column if problem.column in table.columns else ROW
        text = table.loc[index, column].removeprefix(MARKS[False]).removeprefix(MARKS[True])
        table.loc[index, column] = MARKS[problem.blocks] + text
        styles.loc[index, column] = BLOCKING_STYLE if problem.blocks else WARNING_STYLE


def _styled(table: pd.DataFrame, styles: pd.DataFrame) -> Styler:
    return table.style.apply(lambda _: styles, axis=None)


def summary(checked: Checked) -> None:
    """Draws the numbers of what would be written, and the changes of products."""
    if checked.pasted.kind is Kind.PRODUCTS:
        changed = [product for product in checked.products if product.changes]
        new = sum(product.product is None for product in changed)
        unchanged = len(checked.products) - len(changed)
        st.text(
            f"{formats.counted(new, 'new product')}, {len(changed) - new:,} changed, {unchanged:,} as they are stored."
        )
        _table(
            [
                {
                    ROW: str(product.row),
                    "SKU": product.sku,
                    "": "New" if product.product is None else "Changed",
                    "Field": change.field,
                    "Now": change.old,
                    "Will be": change.new,
                }
                for product in changed
                for change in product.changes
            ][:LIST_LIMIT],
            sum(len(product.changes) for product in changed),
            key="paste_changes",
            alt="What changes",
        )
    elif checked.entries:
        days = [entry.date for entry in checked.entries]
        period = f"{min(days):%d %b %Y}" + (f" to {max(days):%d %b %Y}" if min(days) != max(days) else "")
        st.text(
            f"{formats.counted(len(checked.entries), 'quantity')}, "
            f"{formats.counted(sum(entry.quantity for entry in checked.entries), 'piece')} of "
            f"{formats.counted(len({entry.product_id for entry in checked.entries}), 'product')}, dated {period}."
        )


def matching_criteria(kind: Kind) -> str:
    """The fields in which an entry matches a pasted row, which then replaces it."""
    if kind is Kind.ORDERS:
        return "the same customer and date"
    return f"the same product, date and {PARTIES[kind]}"


def replaced(entries: Iterable[ExistingRow], kind: Kind) -> None:
    """Draws the entries that the pasted rows replace."""
    rows = list(entries)
    party = _party_word(kind).capitalize()
    _table(
        [
            {
                "Draft" if kind is Kind.ORDERS else "Entry": str(entry.id),
                "Date": entry.date,
                party: entry.party,
                "SKU": entry.sku,
                "Colour": entry.color,
                "Size": entry.size,
                "Quantity": entry.quantity,
            }
            for entry in rows[:LIST_LIMIT]
        ],
        len(rows),
        key="paste_gone",
        alt="What is there for " + matching_criteria(kind),
    )


def _table(
    records: Sequence[Mapping[str, object]],
    total: int,
    *,
    key: str,
    alt: str,
    widths: Mapping[str, Any] | None = None,
    numbers: Collection[str] = ("Quantity",),
) -> None:
    if not records:
        return
    columns = {
        name: st.column_config.TextColumn(name, width=(widths or {}).get(name))
        for name in records[0]
        if name != "Date" and name not in numbers
    }
    st.dataframe(
        pd.DataFrame(records),
        key=key,
        hide_index=True,
        alt=alt,
        column_config={**columns, "Date": st.column_config.DateColumn("Date", format=formats.DATE)},
    )
    if total > len(records):
        st.caption(f"The first {len(records):,} of {total:,}.")
