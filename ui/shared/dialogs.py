"""Dialogs that stay open over a rerun, and close when the user leaves the page by any way."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import streamlit as st

_KEYS: set[str] = set()


@dataclass(frozen=True)
class Dialog:
    """A dialog, or a question `within` another one; the session state keeps its subject under `key`."""

    key: str
    within: str = ""

    def __post_init__(self) -> None:
        _KEYS.add(self.key)

    def open(self, subject: object) -> None:
        """Opens the dialog for `subject`, such as a record as it was read, and closes any other dialog.

        Two quick clicks can open two dialogs, of which Streamlit draws one, or an error.
        """
        _close(_KEYS - {self.within})
        st.session_state[self.key] = subject

    def opened(self) -> Any:
        """The subject of the dialog, None while it is closed."""
        return st.session_state.get(self.key)

    def close(self) -> None:
        """Closes the dialog."""
        st.session_state.pop(self.key, None)


def close_all() -> None:
    """Closes every dialog: the browser's Back button does not call `on_dismiss`."""
    _close(_KEYS)


def _close(keys: Iterable[str]) -> None:
    for key in keys:
        st.session_state.pop(key, None)
