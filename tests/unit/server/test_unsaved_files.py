"""What is read from the file of a tab: plain values and objects of our own, and nothing that could run."""

import os
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import backstitch
from backstitch.inventory.movements.commands import Inward
from backstitch.inventory.paste.columns import Kind
from ui.shared import unsaved

INWARD = Inward(date(2031, 5, 6), "Supply", "Surat Loom House")
PLAIN: list[object] = [
    "two bales",
    7,
    True,
    2.5,
    ["Indigo", "Rust"],
    {("QUANTITY", "S"): "4"},
    date(2031, 5, 6),
    datetime(2031, 5, 6, 7, 8, tzinfo=UTC),
    datetime(2031, 5, 6, 7, 8, tzinfo=ZoneInfo("Asia/Kolkata")),
    Decimal("899.00"),
]


class Runs:
    """A pickle that runs a command when it is read."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


def test_plain_values_come_back_whatever_version_wrote_them() -> None:
    for value in PLAIN:
        assert unsaved._read(unsaved._written(value), same_version=False) == value


def test_our_own_objects_come_back_to_the_same_version_only() -> None:
    written = unsaved._written((INWARD, Kind.SALES))
    assert unsaved._read(written, same_version=True) == (INWARD, Kind.SALES)
    with pytest.raises(pickle.UnpicklingError, match="is not kept"):
        unsaved._read(written, same_version=False)


@pytest.mark.parametrize(
    "written",
    [
        pickle.dumps(Runs()),
        pickle.dumps(Path),
        # Reached through a module of ours, by a dotted name.
        b"\x80\x04\x8c\x11ui.shared.unsaved\x8c\tos.system\x93\x8c\x04true\x85R.",
        b"\x80\x04\x8c\x11ui.shared.unsaved\x8c\x04Path\x93.",
    ],
)
def test_nothing_else_is_read(written: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        unsaved._read(written, same_version=True)


def test_a_file_of_another_version_gives_its_plain_values(tmp_path: Path) -> None:
    values = {"order_note_new_1": pickle.dumps("two bales"), "entry_dialog": pickle.dumps(INWARD)}
    path = tmp_path / "tab.typed"
    for version, expected in (
        (backstitch.__version__, {"order_note_new_1", "entry_dialog"}),
        ("0.1.0", {"order_note_new_1"}),
    ):
        path.write_bytes(pickle.dumps((version, values)))
        assert unsaved._load(path).keys() == expected


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(7), pickle.dumps((1, 2, 3))])
def test_a_damaged_file_gives_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tab.typed"
    path.write_bytes(content)
    assert unsaved._load(path) == {}
    assert unsaved._load(tmp_path / "missing") == {}


@pytest.mark.parametrize(
    ("key", "is_kept"),
    [
        ("inward_stakeholder", True),
        ("sales_date", True),
        ("order_note_new_1", True),
        ("order_form", True),
        ("new_sku", True),
        ("edit_price_7_3", True),
        ("customer_dialog", True),
        ("agency_pending", True),
        ("paste_block_2", True),
        ("typed_grids", True),
        ("take_note", True),
        ("page", True),
        ("password_old_1", False),
        ("password_new_1", False),
        ("new_user_email", False),
        ("edit_user_name_4", False),
        ("sign_in_password", False),
        ("username", False),
        ("person", False),
        ("paste_sheet", False),
        ("inward_saved_at", False),
    ],
)
def test_the_forms_of_the_business_are_kept_and_passwords_and_users_are_not(key: str, is_kept: bool) -> None:
    assert bool(unsaved.FORMS.fullmatch(key) and not unsaved.LEFT_OUT.fullmatch(key)) is is_kept
