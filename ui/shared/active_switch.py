"""The button that takes a user, a party or a product out of use, and back into use."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Switch:
    """The operation for the record, and the words for the sentence that reports it."""

    operation: str
    outcome: str


def button(noun: str, *, is_active: bool, key: str) -> Switch | None:
    """Draws the button; returns the switch to make, None while the button is not pressed."""
    label = "Deactivate" if is_active else "Take back into use"
    if not st.button(label, icon=":material/power_settings_new:", key=key):
        return None
    if is_active:
        return Switch(f"deactivate {noun}", "deactivated")
    return Switch(f"take {noun} back into use", "taken back into use")
