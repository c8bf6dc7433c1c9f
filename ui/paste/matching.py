"""Matching the columns of a sheet by hand, and remembering them for the next sheet with the same headings."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from backstitch.errors import Refused
from backstitch.files.sheets import Line
from backstitch.inventory.paste import layout as paste_layout
from backstitch.inventory.paste import layouts, lookup
from backstitch.inventory.paste.check import Checked
from backstitch.inventory.paste.columns import COLUMNS, Kind
from backstitch.inventory.paste.layout import SIZE, Header, Matching
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.values import DateOrder
from ui import feedback
from ui.paste import forms, history
from ui.shared import formats, session

LEAVE_OUT = ""
SAMPLES = 3
ACROSS = 3  # columns of the form


def columns(checked: Checked, sizes: Sequence[str]) -> None:
    """Draws the form that matches each column of the sheet to a field; open while the columns are not clear."""
    with session.read() as connection:
        known_sizes = lookup.sizes_in_use(connection) | set(sizes)
    kind, sheet = checked.pasted.kind, checked.pasted.sheet
    headers = list(paste_layout.possible_headers(sheet, kind=kind, known_sizes=known_sizes))
    if not headers:
        return
    if checked.remembered:
        st.caption(formats.plain(f"Columns as matched {history.changed('SheetLayout', checked.remembered.id)}."))
    unclear = any(problem.blocks for problem in checked.layout.problems)
    with st.expander("Match columns", expanded=unclear, icon=":material/view_column:", key=forms.key("paste_match")):
        header = _header(checked, headers)
        current = checked.layout.header
        same = current is not None and current.index == header.index
        targets = paste_layout.suggested_targets(header, kind=kind, known_sizes=known_sizes)
        if same:
            targets = tuple(map(_first_known, checked.layout.targets, _padded(targets, checked.layout.targets)))
        lines = checked.layout.lines if same else sheet.lines[header.end :]
        chosen = _targets(lines, header, targets, kind, known_sizes)
        if chosen is not None:
            _use(checked, header, chosen)
        if checked.remembered and st.button("Forget these columns", key=forms.key("paste_forget_columns")):
            with feedback.refusals():
                with session.write("forget how the columns of a sheet were matched") as connection:
                    layouts.forget(connection, layout_id=checked.remembered.id)
                forms.check_again()
                st.rerun()


def _first_known(read: str, suggested: str) -> str:
    return read or suggested


def _padded(targets: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    return [*targets, *[LEAVE_OUT] * (len(others) - len(targets))]


def _header(checked: Checked, headers: Sequence[Header]) -> Header:
    """Asks on which row the header is; of a sheet without one the row with the most texts is offered."""
    lines = checked.pasted.sheet.lines
    current = checked.layout.header
    index = next((n for n, header in enumerate(headers) if current and header.index == current.index), None)
    if index is None:
        texts = [sum(cell.strip() != "" and not cell[:1].isdigit() for cell in header.cells) for header in headers]
        index = texts.index(max(texts))
    return st.selectbox(
        "The headings are on",
        headers,
        index,
        format_func=lambda header: f"Row {lines[header.index].number}: {_cut(', '.join(filter(None, header.cells)))}",
        key=forms.key("paste_header"),
    )


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _targets(
    lines: Sequence[Line], header: Header, suggested: Sequence[str], kind: Kind, known_sizes: frozenset[str]
) -> tuple[str, ...] | None:
    """The target of each column when the form was sent, else None."""
    options = [LEAVE_OUT, *COLUMNS[kind]]
    if kind is not Kind.PRODUCTS:
        found = {target.removeprefix(SIZE) for target in suggested if target.startswith(SIZE)}
        options += [SIZE + size for size in size_set.in_order([*found | known_sizes | set(size_set.LETTERS)])]
    words = {name: column.heading for name, column in COLUMNS[kind].items()} | {LEAVE_OUT: "Leave out"}
    chosen = []
    with st.form(forms.key(f"paste_columns_{header.index}"), border=False):
        for start in range(0, len(header.cells), ACROSS):
            for index, place in enumerate(st.columns(ACROSS)[: len(header.cells) - start], start):
                target = suggested[index] if suggested[index] in options else LEAVE_OUT
                chosen.append(
                    place.selectbox(
                        formats.plain(header.cells[index] or f"Column {index + 1}"),
                        options,
                        options.index(target),
                        format_func=lambda target: words.get(target) or f"Size {target.removeprefix(SIZE)}",
                        key=forms.key(f"paste_column_{header.index}_{index}"),
                    )
                )
                place.caption(formats.plain(_samples(lines, index)))
        sent = st.form_submit_button("Use these columns", icon=":material/check:", key=forms.key("paste_use_columns"))
    st.caption("They are remembered: a sheet with the same headings is read the same way, whoever pastes it.")
    return tuple(chosen) if sent else None


def _samples(lines: Sequence[Line], index: int) -> str:
    """The first values of a column that differ."""
    values = dict.fromkeys(line.cells[index].strip() for line in lines[:200] if index < len(line.cells))
    shown = [_cut(value) for value in values if value][:SAMPLES]
    return " · ".join(shown) if shown else "blank"


def _use(checked: Checked, header: Header, targets: tuple[str, ...]) -> None:
    kind = checked.pasted.kind
    with feedback.refusals():
        twice = [target for target, count in Counter(filter(None, targets)).items() if count > 1]
        if twice:
            named = COLUMNS[kind][twice[0]].heading if twice[0] in COLUMNS[kind] else twice[0].capitalize()
            raise Refused(f"{named} is chosen for two columns. Choose it for one of them.", rule="matched_twice")
        number = checked.pasted.sheet.lines[header.index].number
        st.session_state[forms.MATCHING] = (checked.pasted.sheet, kind, Matching(number, targets))
        st.session_state.pop(forms.CHECKED, None)
        order = checked.pasted.date_order or (checked.remembered.date_order if checked.remembered else None)
        _remember(kind, header, targets, order)
        st.session_state.pop(forms.MATCHING)
        st.rerun()


def remember_order(checked: Checked) -> None:
    """Remembers the order of dates that was chosen, with the columns as they are read now."""
    header = checked.layout.header
    if header is not None:
        with feedback.refusals():
            _remember(checked.pasted.kind, header, checked.layout.targets, checked.dates.order)


def _remember(kind: Kind, header: Header, targets: Sequence[str], order: DateOrder | None) -> None:
    with session.write("match the columns of a sheet") as connection:
        layouts.remember(connection, kind=kind, header=header, targets=targets, date_order=order)
