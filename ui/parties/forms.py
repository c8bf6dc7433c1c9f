"""The list and the dialog of customers, and of agencies."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.errors import SENTENCES, Refused, StaleEdit
from backstitch.inventory.parties.queries import Duplicate
from backstitch.inventory.reasons import LONGEST_REASON
from ui import feedback
from ui.parties.kinds import EXAMPLES, LONGEST, Details, Kind, Party
from ui.shared import active_switch, doubles, formats, session, versions


def _open(kind: Kind[Party, Details], party_id: int) -> None:
    with session.read() as connection:
        kind.dialog.open(kind.find_one(connection, party_id))


def _close(kind: Kind[Party, Details]) -> None:
    kind.dialog.close()
    kind.pending.close()


def page(kind: Kind[Party, Details], *, editable: bool) -> None:
    """Draws the page: the title, the list with its search, and the open dialog."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(kind.plural.capitalize(), width="content")
        if editable:
            label, key, icon = f"Add {kind.noun}", f"add_{kind.noun}", ":material/add:"
            st.button(label, type="primary", icon=icon, key=key, on_click=kind.dialog.open, args=("new",))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search", key=f"{kind.noun}_search", type="search", placeholder="Name, GSTIN, mobile or region"
        )
        inactive = st.toggle("Show deactivated", key=f"{kind.noun}_inactive")
    with session.read() as connection:
        parties = kind.find_all(connection, search=search or "", inactive=inactive)
    if parties:
        _table(kind, parties, editable)
    elif search or inactive:
        st.info(f"No {kind.noun} matches.", icon=":material/search_off:")
    else:
        st.info(f"No {kind.plural} yet{'. Add the first one.' if editable else '.'}", icon=kind.icon)
    if editable:
        doubles.show(kind.name, advice=doubles.PARTIES)
    opened = kind.dialog.opened()
    if opened == "new" and editable:
        st.dialog(f"Add {kind.noun}", icon=kind.icon, on_dismiss=lambda: _close(kind))(_dialog)(kind, None, True)
    elif isinstance(opened, kind.record):
        title = kind.noun.capitalize()
        st.dialog(title, icon=kind.icon, on_dismiss=lambda: _close(kind))(_dialog)(kind, opened, editable)


def _table(kind: Kind[Party, Details], parties: Sequence[Party], editable: bool) -> None:
    table = formats.frame(parties, kind.record)
    table["state"] = table["is_active"].map({True: "", False: "Deactivated"})
    table["open"] = ":material/edit: Edit" if editable else ":material/visibility: View"
    other_columns: list[str] = [name for name in kind.fields if name != kind.name]
    st.dataframe(
        table,
        key=f"{kind.noun}_table",
        placeholder="",
        hide_index=True,
        height="content" if len(parties) < 15 else "auto",
        alt=f"{kind.plural.capitalize()} by name",
        column_order=[kind.name, "open", *other_columns, "state"],
        column_config=_columns(kind, parties),
    )
    st.caption(formats.counted(len(parties), kind.noun))


def _columns(kind: Kind[Party, Details], parties: Sequence[Party]) -> dict[str, Any]:
    return {
        **kind.fields,
        kind.name: st.column_config.TextColumn(kind.fields[kind.name], pinned=True),
        kind.days: st.column_config.NumberColumn("Days", format="%d", help=kind.fields[kind.days]),
        "state": "State",
        "open": st.column_config.ButtonColumn(
            "",
            key=f"{kind.noun}_open",
            type="tertiary",
            on_click=lambda: _open(kind, parties[st.session_state[f"{kind.noun}_open"].row].id),
        ),
    }


def _dialog(kind: Kind[Party, Details], stored: Party | None, editable: bool) -> None:
    # A click in the dialog reruns it alone with its first arguments; the session state has the party as last read.
    opened = kind.dialog.opened()
    stored = opened if stored is not None and isinstance(opened, kind.record) else stored
    with st.form(f"{kind.noun}_form", border=False):
        texts = _fields(kind, stored, disabled=not editable)
        label = "Save" if stored else f"Add {kind.noun}"
        saved = st.form_submit_button(label, type="primary", key=f"{kind.noun}_save", disabled=not editable)
        # In the form, so that “Save anyway” submits the texts of now, not those from before the warning.
        question = st.container()
    if not editable:
        return
    if saved:
        kind.pending.close()
        with feedback.refusals():
            _save(kind, stored, _details(kind, texts))
    with question:
        accepted = _ask_about_duplicates(kind)
    if accepted:
        with feedback.refusals():
            _save(kind, stored, _details(kind, texts), accepted=accepted)
            if kind.pending.opened() != accepted:
                st.rerun()
    if stored is not None:
        _activation_and_deletion(kind, stored)
        if session.current().user.may(Permission.MANAGE_USERS):
            _forget(kind, stored)


def _fields(kind: Kind[Party, Details], stored: Party | None, *, disabled: bool) -> dict[str, str]:
    # The version is part of each key: values of an old version would get past the check for stale edits.
    version = f"{stored.id}_{stored.version}" if stored else "new"
    left, right = st.columns(2)
    columns = {name: (left, right)[index % 2] for index, name in enumerate(kind.fields) if name != "address"}
    texts = {}
    for name, label in kind.fields.items():
        with columns.get(name) or st.container():
            value = st.text_input(
                label,
                str(getattr(stored, name)) if stored else "",
                key=f"edit_{kind.noun}_{name}_{version}",
                max_chars=LONGEST.get(name),
                disabled=disabled,
                # In a disabled field an example would look like its value.
                placeholder=None if disabled else EXAMPLES.get(name),
            )
        texts[name] = value or ""
    return texts


def _details(kind: Kind[Party, Details], texts: Mapping[str, str]) -> Details:
    """The texts as details of a party. Raises Refused if the days are no number."""
    days = texts[kind.days].strip()
    if not re.fullmatch(r"-?[0-9]{0,6}", days) or days == "-":
        raise Refused(f"{SENTENCES['payment_days_within_year']} Nothing was saved.", rule="payment_days_within_year")
    fields: dict[str, Any] = {**texts, kind.days: int(days or 0)}
    return kind.details(**fields)


def _save(
    kind: Kind[Party, Details], stored: Party | None, details: Details, *, accepted: Sequence[Duplicate] = ()
) -> None:
    """Saves, or opens the question about duplicates if there are any that the user has not `accepted`."""
    name = getattr(details, kind.name).strip()
    with session.read() as connection:
        duplicates = kind.find_duplicates(connection, details=details, exclude_id=stored.id if stored else None)
    if any(party not in accepted for party in duplicates):
        kind.pending.open(duplicates)
        return
    if stored is None:
        with session.write(f"add {kind.noun}") as connection:
            kind.create(connection, details=details)
        _close(kind)
        feedback.done(f"{name} was added.", on_record={"type": kind.entity})
    else:
        try:
            with session.write(f"edit {kind.noun}", of=stored.id) as connection:
                kind.edit(connection, stored, details)
        except StaleEdit as stale:
            theirs = vars(stale.theirs) if stale.theirs else None
            differences = versions.rows(kind.fields, now=theirs, opened=vars(stored), yours=vars(details))
            versions.show(stale, differences if theirs else [], reopen=_open, args=(kind, stored.id))
            return
        _close(kind)
        feedback.saved(name, entity=kind.entity, on_record={"type": kind.entity})


def _ask_about_duplicates(kind: Kind[Party, Details]) -> Sequence[Duplicate]:
    """Draws the likely duplicates; returns them once the user wants to save anyway, else none."""
    duplicates: Sequence[Duplicate] = kind.pending.opened() or ()
    if not duplicates:
        return ()
    is_one = len(duplicates) == 1
    st.warning(
        f"{f'This {kind.noun}' if is_one else f'These {kind.plural}'} may be the same. Nothing was saved yet.",
        icon=":material/content_copy:",
    )
    st.dataframe(
        [{kind.noun.capitalize(): party.name, "Same": ", ".join(party.matches)} for party in duplicates],
        hide_index=True,
        alt=f"{kind.plural.capitalize()} that may be the one being saved",
    )
    return duplicates if st.form_submit_button("Save anyway", key=f"{kind.noun}_anyway") else ()


def _activation_and_deletion(kind: Kind[Party, Details], stored: Party) -> None:
    """Draws the button in and out of use, and the button to delete a party that nothing refers to."""
    with session.read() as connection:
        uses = kind.count_uses(connection, stored.id)
    name = getattr(stored, kind.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        if switch := active_switch.button(
            kind.noun,
            is_active=stored.is_active,
            key=f"{kind.noun}_active",
            subject=(stored.id, stored.version),
            entity=kind.entity,
            effect=f"{name} cannot be chosen for new orders. What it has stays, and it can be taken back into use.",
        ):
            with feedback.refusals():
                with session.write(switch.operation, of=stored.id, reason=switch.reason) as connection:
                    kind.set_active(connection, stored.id, not stored.is_active)
                _close(kind)
                feedback.done(f"{name} was {switch.outcome}.", on_record={"type": kind.entity})
        if uses:
            uses_text = formats.counted(uses, "order or sale") if uses == 1 else f"{uses:,} orders and sales"
            st.caption(f"Used in {uses_text}, so it cannot be deleted, only deactivated.")
        elif st.button("Delete", icon=":material/delete:", key=f"{kind.noun}_delete"):
            with feedback.refusals():
                _delete(kind, stored, name)


def _delete(kind: Kind[Party, Details], stored: Party, name: str) -> None:
    try:
        with session.write(f"delete {kind.noun}", of=stored.id) as connection:
            kind.delete(connection, stored)
    except StaleEdit as stale:
        versions.show_stale(stale)
        st.button("Look at it as it stands now", key="edit_again", on_click=_open, args=(kind, stored.id))
        return
    _close(kind)
    feedback.done(f"{name} was deleted.", on_record={"type": kind.entity})


def _forget(kind: Kind[Party, Details], stored: Party) -> None:
    """Draws the form with which an admin erases the name, the numbers and the address of a party for good."""
    with (
        st.expander(f"Forget this {kind.noun}", icon=":material/person_off:"),
        st.form(f"{kind.noun}_forget", border=False),
    ):
        st.caption(
            f"The name becomes “Forgotten {kind.noun} {stored.id}”. GSTIN, mobile numbers, address and pincode are "
            f"erased, here and wherever the trail shows them, and the {kind.noun} is deactivated. The trail keeps what "
            "was done. A name typed elsewhere, in a sale or a note, stays. Nothing brings the values back."
        )
        reason = st.text_input(
            "Reason, without the name", key=f"{kind.noun}_forget_reason_{stored.id}", max_chars=LONGEST_REASON
        )
        submitted = st.form_submit_button("Forget", key=f"{kind.noun}_forget_save")
    if submitted:
        with feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            with session.write(f"forget {kind.noun}", of=stored.id, reason=reason or "") as connection:
                mentions = kind.forget(connection, stored, reason or "")
            _close(kind)
            mentions_note = f" Free text in {formats.counted(mentions, 'record')} still names it." if mentions else ""
            feedback.done(f"The {kind.noun} was forgotten.{mentions_note}", on_record={"type": kind.entity})
