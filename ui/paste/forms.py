"""The form of the Paste page, and its questions before anything is written."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from backstitch.errors import Refused
from backstitch.files import tables
from backstitch.files.sheets import Sheet
from backstitch.inventory.paste import check as paste_check
from backstitch.inventory.paste import layout as paste_layout
from backstitch.inventory.paste.check import Again, Checked, Pasted
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.paste.layout import Matching
from backstitch.inventory.paste.names import Doubt, Field
from backstitch.inventory.paste.write import Written
from backstitch.inventory.reasons import LONGEST_REASON
from backstitch.inventory.values import DateOrder
from ui import feedback
from ui.paste import preview
from ui.shared import formats, session

# Keys of the session state: the sheets that were read, how one is to be read, and the result of its check.
SHEETS = "paste_sheets"
MATCHING = "paste_matching"
DATE_ORDER = "paste_chosen_order"
CHECKED = "paste_checked"
FORM_NUMBER = "paste_round"  # counts the pastes written: the next form has new keys, so it is empty
READ_NUMBER = "paste_read"  # counts the sheets read: the questions about one have keys of their own
ASK_NUMBER = "paste_asked"  # counts the tries to write: each asks anew about what is there already
MEANT = "paste_meant"  # the answers about names, by field and name
MOST_DOUBTS = 20
REPLACE = "replace"
FILE_TYPES = ["xlsx", "xlsm", "xltx", "xltm", "xls", "ods", "csv", "tsv", "txt"]
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
        file = st.file_uploader("or a file", type=FILE_TYPES, max_upload_size=10, key=f"paste_file_{number}")
        size_note = " A column for each size may stand for Size and Quantity." if "Quantity" in headings else ""
        st.caption(formats.plain(f"Columns: {', '.join(headings)}. Other spellings are understood.{size_note}"))
        submitted = st.form_submit_button("Check", type="primary", icon=":material/fact_check:", key="paste_check")
    if submitted:
        forget()
        with feedback.refusals():
            st.session_state[SHEETS] = _read(block or "", file)


def _read(block: str, file: object) -> tuple[Sheet, ...]:
    if file is not None and block.strip():
        raise Refused("There are rows and a file. Empty one of them, then check again.", rule="block_and_file")
    if file is not None:
        return tables.read(
            file.name,  # type: ignore[attr-defined]
            file.getvalue(),  # type: ignore[attr-defined]
            user=session.current().user.id,
        )
    if not block.strip():
        raise Refused("Copy rows in Excel and paste them above, or choose a file.", rule="block_empty")
    return (tables.read_block(block),)


def key(name: str) -> str:
    """The key of a widget that asks about the sheet that was read last."""
    return f"{name}_{st.session_state.get(READ_NUMBER, 0)}"


def sheet(kind: Kind) -> Sheet | None:
    """The sheet to paste, None without one; of a workbook with several a selectbox asks which."""
    sheets: tuple[Sheet, ...] = st.session_state.get(SHEETS, ())
    if len(sheets) < 2:
        return next(iter(sheets), None)
    index = next((n for n, one in enumerate(sheets) if paste_layout.has_header(one, kind)), 0)
    return st.selectbox(
        f"Sheet of {sheets[0].name}",
        sheets,
        index,
        format_func=lambda one: f"{one.tab} ({formats.counted(len(one.lines), 'row')})",
        key=key(f"paste_tab_{kind}"),
        on_change=_forget_answers,
        help="One sheet is pasted at a time.",
    )


def checked(kind: Kind, product_id: int | None) -> Checked | None:
    """The check of the sheet, None without a sheet; made again when a choice above it changes."""
    chosen = sheet(kind)
    if chosen is None:
        return None
    answer = st.session_state.get(_again_key())
    wants_replace = bool(st.session_state.get("paste_replace")) or answer == REPLACE
    pasted = Pasted(
        chosen,
        kind,
        product_id,
        kind is not Kind.PRODUCTS and wants_replace,
        matching=_matching(chosen, kind),
        date_order=st.session_state.get(DATE_ORDER),
        again=Again(answer) if answer in set(Again) else None,
        meant=tuple(st.session_state.get(MEANT, {}).items()),
    )
    result = st.session_state.get(CHECKED)
    if not isinstance(result, Checked) or result.pasted != pasted:
        with session.read() as connection:
            result = paste_check.check(connection, pasted=pasted, today=formats.today())
        st.session_state[CHECKED] = result
    return result


def _matching(chosen: Sheet, kind: Kind) -> Matching | None:
    """The matching by hand of this sheet that could not be remembered."""
    made: tuple[Sheet, Kind, Matching] | None = st.session_state.get(MATCHING)
    return made[2] if made is not None and made[0] is chosen and made[1] == kind else None


def forget() -> None:
    """Forgets the sheet and its check."""
    for name in (SHEETS, MATCHING):
        st.session_state.pop(name, None)
    st.session_state[READ_NUMBER] = st.session_state.get(READ_NUMBER, 0) + 1
    _forget_answers()


def _forget_answers() -> None:
    for name in (CHECKED, DATE_ORDER, MEANT, "paste_replace", "paste_reason"):
        st.session_state.pop(name, None)
    _ask_again()


def check_again() -> None:
    """Makes the next run check the sheet again: if the write is refused, the stored data has changed."""
    st.session_state.pop(CHECKED, None)
    _ask_again()


def _ask_again() -> None:
    st.session_state[ASK_NUMBER] = st.session_state.get(ASK_NUMBER, 0) + 1


def _again_key() -> str:
    return f"paste_again_{st.session_state.get(ASK_NUMBER, 0)}"


def clear() -> None:
    """Empties the form for the next rows."""
    forget()
    st.session_state[FORM_NUMBER] = st.session_state.get(FORM_NUMBER, 0) + 1


def ask_about_repeated(checked: Checked) -> None:
    """Asks what becomes of rows that seem to be stored already: leave, replace or add them."""
    if not checked.repeated:
        return
    preview.repeated(checked)
    st.radio(
        "What is to become of them?",
        list(options := _answers(checked)),
        index=None,
        format_func=options.__getitem__,
        key=_again_key(),
    )
    if checked.asks_again:
        st.caption("Nothing can be written until this is answered.")


def ask_about_names(checked: Checked) -> None:
    """Asks which names are meant: those that are not known, and near to one that is."""
    answered = [doubt for doubt in checked.doubts if doubt.answer]
    if answered:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text("; ".join(map(_answer_sentence, answered[:MOST_DOUBTS])))
            st.button("Answer anew", type="tertiary", key=key("paste_meant_anew"), on_click=_forget_names)
    open_doubts = [doubt for doubt in checked.doubts if not doubt.answer]
    if not open_doubts:
        return
    st.warning(
        "Some names are not known, and are like names that are. Nothing can be written until you say which are meant.",
        icon=":material/question_mark:",
    )
    for doubt in open_doubts[:MOST_DOUBTS]:
        options = [*doubt.meant, *([doubt.name] if doubt.may_be_new else [])]
        rows = f"row {doubt.rows[0]}" + (f" and {len(doubt.rows) - 1:,} more" if len(doubt.rows) > 1 else "")
        widget = key(f"paste_meant_{doubt.field}_{doubt.name}")
        st.radio(
            formats.plain(f"“{doubt.name}” in {rows}: did you mean {' or '.join(doubt.meant)}?"),
            options,
            index=None,
            format_func=partial(_option, own=doubt.name),
            horizontal=True,
            key=widget,
            on_change=_answer_name,
            args=(doubt.field, doubt.name, widget),
        )
    if len(open_doubts) > MOST_DOUBTS:
        st.caption(f"The first {MOST_DOUBTS} of {len(open_doubts):,}; the next ones come when these are answered.")


def _option(name: str, own: str) -> str:
    return formats.plain(f"No, “{name}” is another" if name == own else name)


def _answer_sentence(doubt: Doubt) -> str:
    return f"“{doubt.name}” is " + ("new" if doubt.answer == doubt.name else f"read as {doubt.answer}")


def _forget_names() -> None:
    st.session_state.pop(MEANT, None)


def _answer_name(field: Field, name: str, widget: str) -> None:
    st.session_state[MEANT] = {**st.session_state.get(MEANT, {}), (field, name): st.session_state[widget]}


def _answers(checked: Checked) -> Mapping[str, str]:
    pieces = formats.counted(sum(one.entry.quantity for one in checked.repeated), "piece")
    others = len(preview.all_entries(checked)) - len(checked.repeated)
    leave = f"Leave them, and write only the other {others:,}" if others else "Leave what is there, and write nothing"
    answers: dict[str, str] = {Again.LEAVE: leave}
    if checked.replaceable:
        answers[REPLACE] = "Replace what is there by these rows"
    return answers | {Again.ADD: f"Add them again: {pieces} more"}


def ask_to_replace(checked: Checked) -> bool:
    """Asks whether to replace existing entries, if there are any; returns whether the rows may be written."""
    if checked.asks:
        return False
    if not checked.replaceable or (checked.repeated and not checked.pasted.replace):
        return True
    kind = checked.pasted.kind
    if not checked.repeated:
        existing = formats.counted(len({row.id for row in checked.replaceable}), NOUNS[kind])
        st.checkbox(f"Replace what is there: {existing} for {preview.matching_criteria(kind)}", key="paste_replace")
        if not checked.pasted.replace:
            st.caption("What you paste is added to them.")
    preview.replaced(checked.replaceable, kind)
    if not checked.pasted.replace:
        return True
    # The key changes with the list, so that a yes counts for this list only.
    return st.checkbox("Yes, delete all of these", key=f"paste_agreed_{hash(checked.replaceable)}")


def date_switch(checked: Checked) -> bool:
    """Asks in which order dates are to be read, if they can be read in both; returns whether it was answered now."""
    if not checked.dates.asks:
        return False
    st.segmented_control(
        "Dates in this sheet are",
        list(DateOrder),
        default=checked.dates.order,
        required=True,
        format_func=str.capitalize,
        key=key("paste_date_order"),
        on_change=_choose_order,
    )
    return bool(st.session_state.pop("paste_order_chosen", False))


def _choose_order() -> None:
    st.session_state[DATE_ORDER] = st.session_state[key("paste_date_order")]
    st.session_state["paste_order_chosen"] = True


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
