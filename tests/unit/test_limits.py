"""A text that a form takes is one that the record takes."""

from backstitch.inventory.movements.adjustments import LONGEST_NOTE, REASONS, combined_reason
from backstitch.inventory.reasons import LONGEST_REASON


def test_the_reason_made_of_an_adjustment_is_no_longer_than_any_other() -> None:
    longest = max(len(combined_reason(reason, "n" * LONGEST_NOTE)) for reason in REASONS)
    assert LONGEST_NOTE < longest <= LONGEST_REASON
