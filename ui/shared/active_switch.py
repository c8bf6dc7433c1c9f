"""The button that takes something out of use, after a question, and back into use."""

from dataclasses import dataclass

import streamlit as st

from ui.shared import reason_field

ICON = ":material/power_settings_new:"


@dataclass(frozen=True)
class Switch:
    """The operation for the record and its reason, and the words for the sentence that reports it."""

    operation: str
    outcome: str
    reason: str | None = None


@dataclass(frozen=True)
class Confirmed:
    """The answer to a question, with the reason that was typed."""

    reason: str | None


def button(noun: str, *, is_active: bool, key: str, subject: object, entity: str, effect: str) -> Switch | None:
    """Draws the button; returns the switch to make, None while nothing is to be switched.

    Deactivating asks first, with a sentence that says its `effect`. `subject` identifies the record as it was read.
    """
    if is_active:
        label = f"Deactivate this {noun}"
        answer = ask("Deactivate", key=key, icon=ICON, subject=subject, effect=effect, confirm=label, entity=entity)
        return Switch(f"deactivate {noun}", "deactivated", answer.reason) if answer else None
    pressed = st.button("Take back into use", icon=ICON, key=key)
    return Switch(f"take {noun} back into use", "taken back into use") if pressed else None


def ask(
    label: str, *, key: str, subject: object, effect: str, confirm: str, entity: str, icon: str | None = None
) -> Confirmed | None:
    """Draws a button that opens a question, and the question while it is open; returns its answer once it is given.

    The question says the `effect`, takes a reason, which it demands where a rule of the `entity` does, and has a button
    to leave things as they are.
    """
    opened = f"{key}_question"
    st.button(label, icon=icon, key=key, on_click=st.session_state.__setitem__, args=(opened, subject))
    if st.session_state.get(opened) != subject:
        return None
    with st.form(f"{key}_form"):
        st.text(effect)
        reason = reason_field.for_entity(entity, key=f"{key}_reason", always=True)
        with st.container(horizontal=True):
            confirmed = st.form_submit_button(confirm, type="primary", key=f"{key}_confirm")
            st.form_submit_button(
                "Leave it as it is", key=f"{key}_leave", on_click=st.session_state.pop, args=(opened, None)
            )
    return Confirmed(reason) if confirmed else None
