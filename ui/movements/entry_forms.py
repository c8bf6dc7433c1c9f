"""The fields that the forms of movements share: names, quantities."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.names import name_key, near
from ui.shared import formats

Recorder = Callable[..., None]


class Unanswered(str):
    """A name that may be a known one, while nobody has said which is meant. Nothing is saved with it."""


def choose_or_type(label: str, known: Sequence[str], *, key: str) -> str:
    """A name used before, or a new one; '' when none was given.

    A name with the key of a known one is that one. Of one that is near to a known one this asks which is meant, and
    returns it as Unanswered until that is said.
    """
    typed = (
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
    return meant(typed, known, key=key)


def meant(typed: str, known: Sequence[str], *, key: str, before: str = "") -> str:
    """The known name that was typed, or the typed one; asks which is meant where that is near to a known one.

    `before` is the name that the entry has: that one may be written anew.
    """
    if not typed or typed in known or (before and name_key(typed) == name_key(before)):
        return typed
    if same := next((name for name in known if name_key(name) == name_key(typed)), None):
        return same
    near_names = near(typed, known)
    if not near_names:
        return typed
    answer = st.radio(
        formats.plain(f"“{typed}” is new. Did you mean {' or '.join(near_names)}?"),
        [*near_names, typed],
        index=None,
        format_func=partial(_option, typed=typed),
        key=f"{key}_meant_{typed}",
    )
    return answer or Unanswered(typed)


def _option(name: str, typed: str) -> str:
    return formats.plain(f"No, “{name}” is another" if name == typed else name)


def when_answered(record: Recorder, *names: str) -> Recorder:
    """What `record` does, once it is said which names are meant; before that it raises Refused (name_unanswered)."""

    def guarded(*arguments: Any, **details: Any) -> None:
        for name in names:
            if isinstance(name, Unanswered):
                raise Refused(f"Say first which name is meant by “{name}”. Nothing was saved.", rule="name_unanswered")
        record(*arguments, **details)

    return guarded


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
