"""The text field for the reason of a change."""

import streamlit as st

from backstitch.inventory import reasons
from ui.shared import session


def for_entity(entity: str, *, key: str, always: bool = False, label: str = "Reason") -> str | None:
    """Draws the field and returns the reason; None where the form does not ask for one.

    The field is drawn `always`, or where a rule demands a reason for every write of the entity.
    """
    with session.read() as connection:
        required = reasons.reason_required(connection, entity=entity)
    if not required and not always:
        return None
    typed = st.text_input(label if required else f"{label} (optional)", key=key, max_chars=reasons.LONGEST_REASON)
    return (typed or "").strip()


def for_price(*, key: str) -> str:
    """Draws the field for a change of a product's price and returns the reason; '' for none."""
    with session.read() as connection:
        required = reasons.reason_required(connection, entity="Product", field="unit_price")
    placeholder = "Needed for another price" if required else "Optional"
    return st.text_input("Reason", key=key, max_chars=reasons.LONGEST_REASON, placeholder=placeholder) or ""
