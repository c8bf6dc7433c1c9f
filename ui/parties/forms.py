"""The lists and dialogs of customers and agencies."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backstitch.errors import SENTENCES, Refused, StaleEdit
from backstitch.inventory.parties.queries import Duplicate
from ui import feedback
from ui.parties.kinds import EXAMPLES, Details, Kind, Party
from ui.shared import active_switch, formats, session, versions


def _open(kind: Kind[Party, Details], party_id: int) -> None:
    with session.read() as connection:
        kind.dialog.open(kind.one(connection, party_id))


def _close(kind: Kind[Party, Details]) -> None:
    kind.dialog.close()
    kind.pending.close()


def page(kind: Kind[Party, Details], *, editable: bool) -> None:
    """The title, the list with its search, and the dialog that is open."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(kind.words.capitalize(), width="content")
        if editable:
            label, key, icon = f"Add {kind.word}", f"add_{kind.word}", ":material/add:"
            st.button(label, type="primary", icon=icon, key=key, on_click=kind.dialog.open, args=("new",))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search", key=f"{kind.word}_search", type="search", placeholder="Name, GSTIN, mobile or region"
        )
        inactive = st.toggle("Show deactivated", key=f"{kind.word}_inactive")
    with session.read() as connection:
        found = kind.listed(connection, search=search or "", inactive=inactive)
    if found:
        _table(kind, found, editable)
    elif search or inactive:
        st.info(f"No {kind.word} matches.", icon=":material/search_off:")
    else:
        st.info(f"No {kind.words} yet{'. Add the first one.' if editable else '.'}", icon=kind.icon)
    opened = kind.dialog.opened()
    if opened == "new" and editable:
        st.dialog(f"Add {kind.word}", icon=kind.icon, on_dismiss=lambda: _close(kind))(_dialog)(kind, None, True)
    elif isinstance(opened, kind.record):
        title = kind.word.capitalize()
        st.dialog(title, icon=kind.icon, on_dismiss=lambda: _close(kind))(_dialog)(kind, opened, editable)


def _table(kind: Kind[Party, Details], found: Sequence[Party], editable: bool) -> None:
    table = formats.frame(found, kind.record)
    table["state"] = table["is_active"].map({True: "", False: "Deactivated"})
    table["open"] = ":material/edit: Edit" if editable else ":material/visibility: View"
    others: list[str] = [name for name in kind.fields if name != kind.name]
    st.dataframe(
        table,
        key=f"{kind.word}_table",
        placeholder="",
        hide_index=True,
        height="content" if len(found) < 15 else "auto",
        alt=f"{kind.words.capitalize()} by name",
        column_order=[kind.name, "open", *others, "state"],
        column_config=_columns(kind, found),
    )
    st.caption(formats.counted(len(found), kind.word))


def _columns(kind: Kind[Party, Details], found: Sequence[Party]) -> dict[str, Any]:
    return {
        **kind.fields,
        kind.name: st.column_config.TextColumn(kind.fields[kind.name], pinned=True),
        kind.days: st.column_config.NumberColumn("Days", format="%d", help=kind.fields[kind.days]),
        "state": "State",
        "open": st.column_config.ButtonColumn(
            "",
            key=f"{kind.word}_open",
            type="tertiary",
            on_click=lambda: _open(kind, found[st.session_state[f"{kind.word}_open"].row].id),
        ),
    }


def _dialog(kind: Kind[Party, Details], read: Party | None, editable: bool) -> None:
    # A click inside runs the dialog alone, with what it was opened with; the party may have been read anew.
    found = kind.dialog.opened()
    read = found if read is not None and isinstance(found, kind.record) else read
    with st.form(f"{kind.word}_form", border=False):
        typed = _fields(kind, read, disabled=not editable)
        label = "Save" if read else f"Add {kind.word}"
        saved = st.form_submit_button(label, type="primary", key=f"{kind.word}_save", disabled=not editable)
        # In the form: what is saved anyway is what stands in the fields, not what stood there before the warning.
        below = st.container()
    if not editable:
        return
    if saved:
        kind.pending.close()
        with feedback.refusals():
            _save(kind, read, _details(kind, typed))
    with below:
        seen = _ask(kind)
    if seen:
        with feedback.refusals():
            _save(kind, read, _details(kind, typed), seen=seen)
            if kind.pending.opened() != seen:
                st.rerun()
    if read is not None:
        _further(kind, read)


def _fields(kind: Kind[Party, Details], read: Party | None, *, disabled: bool) -> dict[str, str]:
    # A field that outlived the version it was filled from would carry old figures past the check for a stale edit.
    version = f"{read.id}_{read.version}" if read else "new"
    left, right = st.columns(2)
    halves = {name: (left, right)[place % 2] for place, name in enumerate(kind.fields) if name != "address"}
    typed = {}
    for name, label in kind.fields.items():
        with halves.get(name) or st.container():
            value = st.text_input(
                label,
                str(getattr(read, name)) if read else "",
                key=f"edit_{kind.word}_{name}_{version}",
                disabled=disabled,
                # In a field that cannot be filled in an example would look like its value.
                placeholder=None if disabled else EXAMPLES.get(name),
            )
        typed[name] = value or ""
    return typed


def _details(kind: Kind[Party, Details], typed: Mapping[str, str]) -> Details:
    """What was typed, with the days as a number; raises Refused when they are none."""
    days = typed[kind.days].strip()
    if not re.fullmatch(r"-?[0-9]{0,6}", days) or days == "-":
        raise Refused(f"{SENTENCES['payment_days_within_year']} Nothing was saved.", rule="payment_days_within_year")
    fields: dict[str, Any] = {**typed, kind.days: int(days or 0)}
    return kind.details(**fields)


def _save(kind: Kind[Party, Details], read: Party | None, details: Details, *, seen: Sequence[Duplicate] = ()) -> None:
    """Saves, unless there is a party that may be the same and nobody has seen it yet."""
    name = getattr(details, kind.name).strip()
    with session.read() as connection:
        alike = kind.alike(connection, details=details, besides=read.id if read else None)
    if any(party not in seen for party in alike):
        kind.pending.open(alike)
        return
    if read is None:
        with session.write(f"add {kind.word}") as connection:
            kind.create(connection, details=details)
        sentence_done = f"{name} was added."
    else:
        try:
            with session.write(f"edit {kind.word}", of=read.id) as connection:
                kind.edit(connection, read, details)
        except StaleEdit as stale:
            theirs = vars(stale.theirs) if stale.theirs else None
            found = versions.rows(kind.fields, now=theirs, opened=vars(read), yours=vars(details))
            versions.show(stale, found if theirs else [], reopen=_open, args=(kind, read.id))
            return
        sentence_done = f"{name} was saved."
    _close(kind)
    feedback.done(sentence_done, on_record={"type": kind.entity})


def _ask(kind: Kind[Party, Details]) -> Sequence[Duplicate]:
    """The parties that may be the one being saved; returns them when it is to be saved all the same."""
    alike: Sequence[Duplicate] = kind.pending.opened() or ()
    if not alike:
        return ()
    one = len(alike) == 1
    st.warning(
        f"{'This' if one else 'These'} {kind.word if one else kind.words} may be the same. Nothing was saved yet.",
        icon=":material/content_copy:",
    )
    st.dataframe(
        [{kind.word.capitalize(): party.name, "Same": ", ".join(party.alike)} for party in alike],
        hide_index=True,
        alt=f"{kind.words.capitalize()} that may be the one being saved",
    )
    return alike if st.form_submit_button("Save anyway", key=f"{kind.word}_anyway") else ()


def _further(kind: Kind[Party, Details], read: Party) -> None:
    """Deactivate or restore; delete what nothing refers to."""
    with session.read() as connection:
        uses = kind.uses(connection, read.id)
    name = getattr(read, kind.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        if switch := active_switch.button(kind.word, is_active=read.is_active, key=f"{kind.word}_active"):
            with feedback.refusals():
                with session.write(switch.operation, of=read.id) as connection:
                    kind.switch(connection, read.id, not read.is_active)
                _close(kind)
                feedback.done(f"{name} was {switch.outcome}.", on_record={"type": kind.entity})
        if uses:
            times = formats.counted(uses, "order or sale") if uses == 1 else f"{uses:,} orders and sales"
            st.caption(f"Used in {times}, so it cannot be deleted, only deactivated.")
        elif st.button("Delete", icon=":material/delete:", key=f"{kind.word}_delete"):
            with feedback.refusals():
                _delete(kind, read, name)


def _delete(kind: Kind[Party, Details], read: Party, name: str) -> None:
    try:
        with session.write(f"delete {kind.word}", of=read.id) as connection:
            kind.delete(connection, read)
    except StaleEdit as stale:
        versions.show_stale(stale)
        st.button("Look at it as it stands now", key="edit_again", on_click=_open, args=(kind, read.id))
        return
    _close(kind)
    feedback.done(f"{name} was deleted.", on_record={"type": kind.entity})
