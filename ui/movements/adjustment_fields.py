"""The fields to enter or correct an adjustment."""

from dataclasses import dataclass
from datetime import date

import streamlit as st

from backstitch.errors import Refused
from backstitch.inventory.movements import commands as movement_commands
from backstitch.inventory.movements.adjustments import LONGEST_NOTE, REASONS
from backstitch.inventory.movements.queries import AdjustmentEntry
from ui.shared import days

REMOVE, ADD = "Take away", "Add"


@dataclass(frozen=True)
class FieldValues:
    """The values of the fields, as entered."""

    direction: str
    pieces: str
    reason: str | None
    date: date
    note: str

    def signed_quantity(self, size: str) -> int:
        """The quantity, negative if pieces are taken away. Raises Refused unless `pieces` is a whole number above 0."""
        if not self.pieces.strip().lstrip("0"):
            raise Refused("Say how many pieces: a whole number above 0. Nothing was saved.", rule="no_quantity")
        pieces = movement_commands.quantities({size: self.pieces})[size]
        return -pieces if self.direction == REMOVE else pieces

    def required_reason(self) -> str:
        """The reason, one of REASONS. Raises Refused if none was chosen."""
        if not self.reason:
            raise Refused("Choose the reason of the adjustment. Nothing was saved.", rule="adjustment_reason_known")
        return self.reason


def show(key: str, entry: AdjustmentEntry | None = None) -> FieldValues:
    """Draws the fields, empty or filled with an entry; `key` has `{}` in place of the name of a field."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        adds = entry is not None and entry.quantity > 0
        direction = st.radio("Change", [REMOVE, ADD], int(adds), horizontal=True, key=key.format("direction"))
        pieces = str(abs(entry.quantity)) if entry else ""
        typed = st.text_input("Pieces", pieces, key=key.format("pieces"), width=110)
        reason = st.selectbox(
            "Reason",
            REASONS,
            index=REASONS.index(entry.reason) if entry else None,
            format_func=str.capitalize,
            key=key.format("reason"),
            placeholder="Why?",
            width=190,
        )
        if entry:
            day = days.field("Date", entry.date, key=key.format("date"), width=150)
        else:
            day = days.entry_day("Date", key=key.format("date"), button=key.format("save"), width=150)
    note = st.text_input(
        "Note",
        entry.note if entry else "",
        key=key.format("note"),
        max_chars=LONGEST_NOTE,
        placeholder="What happened, if it helps",
    )
    return FieldValues(direction, typed or "", reason, day, note or "")
