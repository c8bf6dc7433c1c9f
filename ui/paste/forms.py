"""The form of the Paste page, and its questions before anything is written."""

from collections.abc import Sequence

import streamlit as st

from backstitch.errors import Refused
from backstitch.files import tables
from backstitch.files.sheets import Sheet
from backstitch.inventory.paste import check as paste_check
from backstitch.inventory.paste.check import Checked, Pasted
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.write import Written
from backstitch.inventory.reasons import LONGEST_REASON
from ui import feedback
from ui.paste import preview
from ui.shared import formats, session

# Keys of the session state: the sheet that was read, and the result of its check.
SHEET = "paste_sheet"
CHECKED = "paste_checked"
FORM_NUMBER = "paste_round"  # counts the pastes written: the next form has new keys, so it is empty
NOUNS = {Kind.INWARD: "inward entry", Kind.SALES: "sales entry", Kind.ORDERS: "draft order", Kind.PRODUCTS: "product"}


def entry(headings: Sequence[str]) -> None:
    """Draws the form for a block of rows or a file; a click on its button reads the sheet."""
    number = st.session_state.get(FORM_NUMBER, 0)
    with st.form("paste_form", border=False):
        block = st.text_area(
            "Rows copied from Excel",
            height=180,
            placeholder="\t".join(headings),
            key=f"paste_block_{number}",
            help="With or without the header. Without it the columns are those of the template, in its order.",
        )
        file = st.file_uploader(
            "or a file", type=["xlsx", "csv", "tsv", "txt"], max_upload_size=10, key=f"paste_file_{number}"
        )
        size_note = " A column for each size may stand for Size and Quantity." if "Quantity" in headings else ""
        st.caption(formats.plain(f"Columns: {', '.join(headings)}. Other spellings are understood.{size_note}"))
        submitted = st.form_submit_button("Check", type="primary", icon=":material/fact_check:", key="paste_check")
    if submitted:
        forget()
        with feedback.refusals():
            st.session_state[SHEET] = _read(block or "", file)


def _read(block: str, file: object) -> Sheet:
    if file is not None and block.strip():
        raise Refused("There are rows and a file. Empty one of them, then check again.", rule="block_and_file")
    if file is not None:
        sheet, *_ = tables.read(
            file.name,  # type: ignore[attr-defined]
            file.getvalue(),  # type: ignore[attr-defined]
            user=session.current().user.id,
        )
        return sheet
    if not block.strip():
        raise Refused("Copy rows in Excel and paste them above, or choose a file.", rule="block_empty")
    return tables.read_block(block)


def checked(kind: Kind, product_id: int | None) -> Checked | None:
    """The check of the sheet, None without a sheet; made again when a choice above it changes."""
    sheet = st.session_state.get(SHEET)
    if not isinstance(sheet, Sheet):
        return None
    replace = kind is not Kind.PRODUCTS and bool(st.session_state.get("paste_replace"))
    pasted = Pasted(sheet, kind, product_id, replace)
    result = st.session_state.get(CHECKED)
    if not isinstance(result, Checked) or result.pasted != pasted:
        with session.read() as connection:
            result = paste_check.check(connection, pasted=pasted, today=formats.today())
        st.session_state[CHECKED] = result
    return result


def forget() -> None:
    """Forgets the sheet and its check."""
    for key in (SHEET, CHECKED, "paste_replace", "paste_reason"):
        st.session_state.pop(key, None)


def check_again() -> None:
    """Makes the next run check the sheet again: if the write is refused, the stored data has changed."""
    st.session_state.pop(CHECKED, None)


def clear() -> None:
    """Empties the form for the next rows."""
    forget()
    st.session_state[FORM_NUMBER] = st.session_state.get(FORM_NUMBER, 0) + 1


def ask_to_replace(checked: Checked) -> bool:
    """Asks whether to replace existing entries, if there are any; returns whether the rows may be written."""
    if not checked.replaceable:
        return True
    kind = checked.pasted.kind
    existing = formats.counted(len({row.id for row in checked.replaceable}), NOUNS[kind])
    st.checkbox(f"Replace what is there: {existing} for {preview.matching_criteria(kind)}", key="paste_replace")
    if not checked.pasted.replace:
        st.caption("What you paste is added to them.")
    preview.replaced(checked.replaceable, kind)
    if not checked.pasted.replace:
        return True
    # The key changes with the list, so that a yes counts for this list only.
    return st.checkbox("Yes, delete all of these", key=f"paste_agreed_{hash(checked.replaceable)}")


def price_reason(checked: Checked) -> str | None:
    """Draws the field for the reason if prices change, and returns the reason; None without a field."""
    if not any(product.changes_price for product in checked.products):
        return None
    typed = st.text_input(
        "Reason for the price changes",
        key="paste_reason",
        max_chars=LONGEST_REASON,
        placeholder="New price list of November",
    )
    return (typed or "").strip()


def button_label(checked: Checked) -> str:
    """The label of the button that writes the rows."""
    if checked.pasted.kind is Kind.PRODUCTS:
        return f"Save {formats.counted(sum(bool(product.changes) for product in checked.products), 'product')}"
    if checked.pasted.kind is Kind.ORDERS:
        return "Create the orders"
    rows = formats.counted(len(checked.entries), NOUNS[checked.pasted.kind])
    return f"Replace by {rows}" if checked.pasted.replace else f"Write {rows}"


def result_sentence(checked: Checked, written: Written) -> str:
    """The sentence that says what was written."""
    noun = NOUNS[checked.pasted.kind]
    if checked.pasted.kind is Kind.PRODUCTS:
        return f"{formats.counted(written.created, noun)} added, {written.changed:,} changed."
    replaced = f" {formats.counted(written.deleted, noun)} before them deleted." if written.deleted else ""
    return f"{formats.counted(written.created, noun)} written, {formats.counted(written.pieces, 'piece')}.{replaced}"
