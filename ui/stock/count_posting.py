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

SHOWN = 5  # sentences on wrong figures


def show(matrix: Matrix, books: Mapping[Cell, int], typed: Mapping[Cell, str], choice: str) -> None:
    """What the counts amount to so far. `choice` is the product in the filter of the audit report."""
    counts, wrong = count_sheet.counts(matrix, books, typed)
    if wrong:
        more = f" {len(wrong) - SHOWN:,} more like this." if len(wrong) > SHOWN else ""
        st.error(formats.plain(" ".join(wrong[:SHOWN]) + more), icon=":material/block:")
    if not counts:
        st.caption("Type what you counted; leave empty what you did not count. 0 is a count.")
        return
    different = stock_count.differences(counts)
    _summary(counts, different)
    if different:
        _table(matrix, different)
    if different and not wrong:
        _form(matrix, counts, choice)
    with st.container(horizontal=True):
        st.button("Clear the counts", key="take_clear", on_click=count_sheet.clear, args=(matrix.product.id,))


def _summary(counts: Sequence[Count], different: Sequence[Count]) -> None:
    missing = -sum(count.difference for count in different if count.difference < 0)
    beyond = sum(count.difference for count in different if count.difference > 0)
    counted = f"**{formats.counted(len(counts), 'cell')} counted**"
    if not different:
        st.markdown(f":material/check_circle: {counted}, all as the books say. There is nothing to post.")
        return
    found = [f"{formats.counted(missing, 'piece')} missing"] if missing else []
    found += [f"{formats.counted(beyond, 'piece')} more than in the books"] if beyond else []
    differ = "1 differs" if len(different) == 1 else f"{len(different):,} differ"
    st.markdown(f"{counted}, {differ}: {', '.join(found)}.")


def _table(matrix: Matrix, different: Sequence[Count]) -> None:
    st.dataframe(
        [
            {
                "cell": count_sheet.name(matrix, (count.colour_code, count.size)),
                "on_hand": count.on_hand,
                "counted": count.counted,
                "difference": count.difference,
            }
            for count in different
        ],
        key="take_differences",
        hide_index=True,
        height="content" if len(different) <= 12 else 460,
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
            note = st.text_input("Note", key="take_note", max_chars=400, placeholder="Who counted, and where")
        submitted = st.form_submit_button("Post the differences", type="primary", key="take_post")
    if not submitted:
        return
    try:
        with feedback.refusals():
            with session.write("stock-take", reason=adjustments.because("count", note or "")) as connection:
                posted = stock_count.post_counts(
                    connection, product_id=matrix.product.id, counts=counts, date=day, note=note or ""
                )
            count_sheet.clear(matrix.product.id)
            feedback.done(
                f"Posted {formats.counted(posted, 'difference')} of {matrix.product.sku}.",
                on_record={"product": choice},
            )
    except StaleEdit as stale:
        _show_both(matrix, counts, stale)


def _show_both(matrix: Matrix, counts: Sequence[Count], stale: StaleEdit) -> None:
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
    st.button("Compare with the stock now", key="take_compare", on_click=count_sheet.compare_with_now, args=(matrix,))
