"""What is open on a page: it stays so over a rerun, and closes when the page is left, however it is left."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import streamlit as st

_KEYS: set[str] = set()


@dataclass(frozen=True)
class Dialog:
    """A dialog, or a question `within` another one; the session keeps what it is open for under `key`."""

    key: str
    within: str = ""

    def __post_init__(self) -> None:
        _KEYS.add(self.key)

    def open(self, what: object) -> None:
        """Opens the dialog for `what`, such as a record as it was read, in place of what is open.

        Two quick clicks can ask for two dialogs, and Streamlit draws one, or an error.
        """
        _close(_KEYS - {self.within})
        st.session_state[self.key] = what

    def opened(self) -> Any:
        """What the dialog is open for, None while it is closed."""
        return st.session_state.get(self.key)

    def close(self) -> None:
        """Closes the dialog."""
        st.session_state.pop(self.key, None)


def close_all() -> None:
    """Closes what is open. The browser's Back button tells no dialog that it is dismissed."""
    _close(_KEYS)


def _close(keys: Iterable[str]) -> None:
    for key in keys:
        st.session_state.pop(key, None)
