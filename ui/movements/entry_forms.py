"""The fields that the forms of movements share: names, quantities."""

from collections.abc import Iterable, Sequence
from itertools import chain

import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.names import name_key


def choose_or_type(label: str, known: Sequence[str], *, key: str) -> str:
    """A name used before, or a new one; '' when none was given."""
    return (
        st.selectbox(
            label,
            known,
            index=None,
            key=key,
            accept_new_options=True,
            placeholder="Choose or type",
            persist_state="session",
        )
        or ""
    )


def names(*lists: Iterable[str]) -> list[str]:
    """The names of all lists in their order, each once: of two with the same key the first."""
    found: dict[str, str] = {}
    for name in chain(*lists):
        found.setdefault(name_key(name), name)
    return list(found.values())


def choose_allowed(label: str, allowed: Sequence[str], known: Sequence[str], *, key: str) -> str:
    """One of the names that are allowed for the product; without such a list, a name used before or a new one."""
    if not allowed:
        return choose_or_type(label, known, key=key)
    # A key of its own: the choice for another product may not be allowed for this one.
    return (
        st.selectbox(
            label,
            allowed,
            index=None,
            key=f"{key}_{'_'.join(allowed)}",
            placeholder="Choose",
            help="The product goes to these only; the Products page says so.",
        )
        or ""
    )


def quantity(current: int, *, key: str) -> str:
    """A quantity as text: a number field would drop a wrong one, where this refuses it with a sentence."""
    return st.text_input("Quantity", str(current), key=key) or ""


def whole(typed: str, size: str) -> int:
    """The quantity of one entry; raises Refused for anything but a whole number above 0."""
    found = movement_commands.quantities({size: typed})
    if size not in found:
        raise Refused("A quantity is a whole number above 0. Delete the entry to take it back.", rule="no_quantity")
    return found[size]
