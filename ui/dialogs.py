"""What is open on a page: it stays so over a rerun, and closes when the page is left, however it is left."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

_KEYS: set[str] = set()


@dataclass(frozen=True)
class Dialog:
    """A dialog; the session keeps what it is open for under `key`."""

    key: str

    def __post_init__(self) -> None:
        _KEYS.add(self.key)

    def open(self, what: object) -> None:
        """Opens the dialog for `what`, such as a record as it was read."""
        st.session_state[self.key] = what

    def opened(self) -> Any:
        """What the dialog is open for, None while it is closed."""
        return st.session_state.get(self.key)

    def close(self) -> None:
        """Closes the dialog."""
        st.session_state.pop(self.key, None)


def close_all() -> None:
    """Closes what is open. The browser's Back button tells no dialog that it is dismissed."""
    for key in _KEYS:
        st.session_state.pop(key, None)
