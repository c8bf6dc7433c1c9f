"""The differences of a stock-take, and the button that posts them."""

from collections.abc import Mapping, Sequence

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory.movements import adjustments
from backstitch.inventory.products.queries import Matrix
from backstitch.inventory.stock import count as stock_count
from backstitch.inventory.stock.count import Count
from ui import feedback
from ui.shared import days, formats, session, versions
from ui.shared.typed_grid import Cell
from ui.stock import count_sheet

MESSAGE_LIMIT = 5  # messages about wrong counts


def show(matrix: Matrix, books: Mapping[Cell, int], typed: Mapping[Cell, str], choice: str) -> None:
    """Draws the result of the counts so far. `choice` is the product's label in the filter of the audit report."""
    counts, errors = count_sheet.counts(matrix, books, typed)
    if errors:
        more = f" {len(errors) - MESSAGE_LIMIT:,} more like this." if len(errors) > MESSAGE_LIMIT else ""
        st.error(formats.plain(" ".join(errors[:MESSAGE_LIMIT]) + more), icon=":material/block:")
    if not counts:
        st.caption("Type what you counted; leave empty what you did not count. 0 is a count.")
        return
    differences = stock_count.differences(counts)
    _summary(counts, differences)
    if differences:
        _table(matrix, differences)
    if differences and not errors:
        _form(matrix, counts, choice)
    with st.container(horizontal=True):
        st.button("Clear the counts", key="take_clear", on_click=count_sheet.clear, args=(matrix.product.id,))


def _summary(counts: Sequence[Count], differences: Sequence[Count]) -> None:
    missing = -sum(count.difference for count in differences if count.difference < 0)
    surplus = sum(count.difference for count in differences if count.difference > 0)
    counted = f"**{formats.counted(len(counts), 'cell')} counted**"
    if not differences:
        st.markdown(f":material/check_circle: {counted}, all as the books say. There is nothing to post.")
        return
    parts = [f"{formats.counted(missing, 'piece')} missing"] if missing else []
    parts += [f"{formats.counted(surplus, 'piece')} more than in the books"] if surplus else []
    number = "1 differs" if len(differences) == 1 else f"{len(differences):,} differ"
    st.markdown(f"{counted}, {number}: {', '.join(parts)}.")


def _table(matrix: Matrix, differences: Sequence[Count]) -> None:
    st.dataframe(
        [
            {
                "cell": count_sheet.name(matrix, (count.colour_code, count.size)),
                "on_hand": count.on_hand,
                "counted": count.counted,
                "difference": count.difference,
            }
            for count in differences
        ],
        key="take_differences",
        hide_index=True,
        height="content" if len(differences) <= 12 else 460,
        alt="Cells whose count is not what the books say",
        column_config={
            "cell": "Colour and size",
            "on_hand": st.column_config.NumberColumn("In the books", format="localized"),
            "counted": st.column_config.NumberColumn("Counted", format="localized"),
            "difference": st.column_config.NumberColumn("Difference", format="%+d"),
        },
    )


def _form(matrix: Matrix, counts: Sequence[Count], choice: str) -> None:
    with st.form("take_form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            day = days.entry_day("Date", key="take_date", button="take_post", width=150)
            note = st.text_input(
                "Note", key="take_note", max_chars=adjustments.LONGEST_NOTE, placeholder="Who counted, and where"
            )
        submitted = st.form_submit_button("Post the differences", type="primary", key="take_post")
    if not submitted:
        return
    try:
        with feedback.refusals():
            with session.write("stock-take", reason=adjustments.combined_reason("count", note or "")) as connection:
                posted = stock_count.post_counts(
                    connection, product_id=matrix.product.id, counts=counts, date=days.checked(day), note=note or ""
                )
            count_sheet.clear(matrix.product.id)
            feedback.done(
                f"Posted {formats.counted(posted, 'difference')} of {matrix.product.sku}.",
                on_record={"product": choice},
            )
    except StaleEdit as stale:
        _show_conflict(matrix, counts, stale)


def _show_conflict(matrix: Matrix, counts: Sequence[Count], stale: StaleEdit) -> None:
    versions.show_stale(stale)
    counted = {(count.colour_code, count.size): count.counted for count in counts}
    st.dataframe(
        [
            {
                "cell": count_sheet.name(matrix, cell),
                "began": on_hand,
                "now": stale.theirs[cell],
                "counted": counted[cell],
            }
            for cell, on_hand in stale.yours.items()
        ],
        hide_index=True,
        height="content",
        alt="Cells that moved while they were counted",
        column_config={
            "cell": "Colour and size",
            "began": "When counting began",
            "now": "On hand now",
            "counted": "Counted",
        },
    )
    st.caption("Count these cells again, correct the sheet, and compare it with the stock as it is now.")
    st.button("Compare with the stock now", key="take_compare", on_click=count_sheet.reload_books, args=(matrix,))
