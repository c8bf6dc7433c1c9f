"""A change that can be seen: old and new differ to the eye, on the screen and in the files."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from backstitch.audit import wording
from backstitch.audit.differences import clipped, list_in_words, look_alike, told_apart
from backstitch.audit.excel_file import ExcelFile
from backstitch.audit.records import Record
from backstitch.audit.rows import COLUMNS, flatten
from backstitch.files.csv_out import CsvFile, escape_formula, unescape_formula

ZONE = ZoneInfo("Asia/Kolkata")

# Field, old and new value, and both as the screen shows them.
CHANGES: list[tuple[str, Any, Any, str, str]] = [
    ("allowed_stores", ["Rao Textiles, Pune"], ["Rao Textiles", "Pune"], '"Rao Textiles, Pune"', "Rao Textiles, Pune"),
    ("allowed_stores", ["Andheri"], ["Andheri "], "Andheri", '"Andheri "'),
    ("allowed_stores", ["Andheri "], ["Andheri  "], '"Andheri "', '"Andheri ␠"'),
    ("allowed_stores", [], [""], "—", '""'),
    ("allowed_stores", ["A", "B"], ["A, B"], "A, B", '"A, B"'),
    ("allowed_stores", ['say "Rao"'], ["say Rao"], r'"say \"Rao\""', "say Rao"),
    ("allowed_stores", ["Pune\u200b"], ["Pune"], "PuneU+200B", "Pune"),
    ("sizes", ["S", "M"], ["M", "S"], "S, M", "M, S"),
    ("name", "Andheri", "Andheri ", "Andheri", "Andheri␠"),
    ("name", "Andheri ", "Andheri", "Andheri␠", "Andheri"),
    ("name", " Andheri", "Andheri", "␠Andheri", "Andheri"),
    ("name", "Andheri ", "Andheri  ", "Andheri ", "Andheri ␠"),
    ("name", "Rao  Sons", "Rao Sons", "Rao ␠Sons", "Rao Sons"),
    ("name", "Rao\u00a0Sons", "Rao Sons", "RaoU+00A0Sons", "Rao␠Sons"),
    ("name", "Rao\u2009Sons", "Rao Sons", "RaoU+2009Sons", "Rao␠Sons"),
    ("name", "Rao\u3000Sons", "Rao Sons", "RaoU+3000Sons", "Rao␠Sons"),
    ("name", "Rao\tSons", "Rao Sons", "RaoU+0009Sons", "Rao␠Sons"),
    ("name", "Rao\nSons", "Rao Sons", "RaoU+000ASons", "Rao␠Sons"),
    ("name", "Rao\r\nSons", "Rao\nSons", "RaoU+000D\nSons", "Rao\nSons"),
    ("sku", "KT\u200b9", "KT9", "KTU+200B9", "KT9"),
    ("sku", "KT\u200d9", "KT\u200c9", "KTU+200D9", "KTU+200C9"),
    ("sku", "\ufeffKT9", "KT9", "U+FEFFKT9", "KT9"),
    ("sku", "KT9\u200e", "KT9", "KT9U+200E", "KT9"),
    ("sku", "KT\u00ad9", "KT9", "KTU+00AD9", "KT9"),
    ("sku", "KT\u20119", "KT-9", "KTU+20119", "KT-9"),
    ("sku", "KT\u20139", "KT-9", "KTU+20139", "KT-9"),
    ("sku", "\u041aT9", "KT9", "U+041AT9", "KT9"),
    ("sku", "KT\u039f", "KTO", "KTU+039F", "KTO"),
    ("sku", "ＫＴ9", "KT9", "U+FF2BU+FF349", "KT9"),
    ("name", "Caf\u00e9", "Cafe\u0301", "CafU+00E9", "CafeU+0301"),
    ("name", "\u212bngström", "\u00c5ngström", "U+212Bngström", "U+00C5ngström"),
    ("name", "\ufb01ne", "fine", "U+FB01ne", "fine"),
    ("name", "हिन्दी", "हिन्दी ", "हिन्दी", "हिन्दी␠"),
    ("name", "Rao’s", "Rao's", "RaoU+2019s", "Rao's"),
    # These look different as they are.
    ("name", "andheri", "Andheri", "andheri", "Andheri"),
    ("sku", "'00417", "00417", "'00417", "00417"),
    ("sku", "''00417", "'00417", "''00417", "'00417"),
    ("sku", "00417", "417", "00417", "417"),
    ("name", "Cafe", "Café", "Cafe", "Café"),
    ("name", "Andheri␠", "Andheri ", "Andheri␠", "Andheri "),
    ("name", "KTU+200B", "KT\u200b", "KTU+200B", "KT\u200b"),
    # The same words for different values.
    ("note", None, "", "—", '""'),
    ("note", None, " ", "—", " "),
    ("note", "—", None, '"—"', "—"),
    ("status", True, "yes", "true", '"yes"'),
    (
        "expires_at",
        "2026-11-05T10:15:10+05:30",
        "2026-11-05T10:15:50+05:30",
        '"2026-11-05T10:15:10+05:30"',
        '"2026-11-05T10:15:50+05:30"',
    ),
]
UNCHANGED = [("name", "Rao  Sons ", "Rao  Sons "), ("password_hash", "x", "y"), ("note", None, None)]


@pytest.mark.parametrize(("field", "old", "new", "old_word", "new_word"), CHANGES)
def test_the_words_of_a_change_differ(field: str, old: Any, new: Any, old_word: str, new_word: str) -> None:
    assert wording.value_words(field, old, new, zone=ZONE) == (old_word, new_word)
    assert old_word != new_word


@pytest.mark.parametrize(("field", "old", "new"), UNCHANGED)
def test_what_did_not_change_or_is_secret_has_the_same_words(field: str, old: Any, new: Any) -> None:
    assert len(set(wording.value_words(field, old, new))) == 1


@pytest.mark.parametrize(("field", "old", "new"), [change[:3] for change in CHANGES])
def test_the_cells_of_a_change_differ_in_both_files(field: str, old: Any, new: Any, tmp_path: Path) -> None:
    row = flatten(record(field, old, new), ZONE)[0]
    csv, book = BytesIO(), BytesIO()
    table, excel = CsvFile(COLUMNS, csv), ExcelFile(COLUMNS, book, folder=str(tmp_path))
    for file in (table, excel):
        file.write([row])
        file.close()
    position = COLUMNS.index("Old value")
    cells = [cell.value for cell in openpyxl.load_workbook(book)["Data"][2]][position : position + 2]
    for before, after in (row[position : position + 2], cells):
        assert before != after
        if isinstance(before, str) and isinstance(after, str):
            assert not look_alike(before, after)


def record(field: str, old: Any, new: Any) -> Record:
    values = {name.name: None for name in Record.__dataclass_fields__.values()}
    known = {
        "recorded_at": datetime(2026, 11, 5, tzinfo=UTC),
        "action": "UPDATE",
        "entity": "Product",
        "old_values": {field: old},
        "new_values": {field: new},
        "source": "sql",
        "username": "system",
        "database_role": "postgres",
        "label": "KT9",
    }
    return Record(**(values | known))


def test_a_long_text_is_cut_where_it_still_differs() -> None:
    old, new = "x" * 90 + "1" + "y" * 90, "x" * 90 + "2" + "y" * 90
    before, after = clipped(old, new, 60)
    assert before != after and len(before) == len(after) == 60 and before[0] == "…" == before[-1]
    assert clipped("short", "shorter", 60) == ("short", "shorter")
    assert clipped("a" + "x" * 99, "b" + "x" * 99, 60) == ("a" + "x" * 58 + "…", "b" + "x" * 58 + "…")


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["S", "M", "10XL"], "S, M, 10XL"),
        (["a,b"], '"a,b"'),
        (["Rao & Sons (Pune)"], "Rao & Sons (Pune)"),
        (["", "x"], '"", x'),
        ([" x", "y "], '" x", "y "'),
    ],
)
def test_an_item_of_a_list_that_could_be_several_is_quoted(items: list[str], words: str) -> None:
    assert list_in_words(items) == words


@pytest.mark.parametrize(
    "text",
    ["=1+1", "'=1+1", "''=1+1", "'Tis", "'", "''", "", "-5", "'-5", "00417", "'00417", "＝x", "'＝x", "@x", "\tx"],
)
def test_a_leading_apostrophe_survives_an_export_and_the_reading_of_it(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


def test_no_two_texts_are_the_same_in_a_file() -> None:
    texts = [f"{apostrophes}{text}" for apostrophes in ("", "'", "''") for text in ("=x", "x", "-x", "")]
    assert len({escape_formula(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-11-05 23:59:59.999999", "2026-11-05 23:59:59.999"),
        ("2026-12-31 23:59:59.999500", "2026-12-31 23:59:59.999"),
        ("2024-02-29 23:59:59.500000", "2024-02-29 23:59:59.500"),
        ("2026-11-05 00:00:00.000001", "2026-11-05 00:00:00.000"),
        ("2026-11-05 12:30:15.000999", "2026-11-05 12:30:15.000"),
    ],
)
def test_the_last_moment_of_a_day_stays_in_it_in_excel(moment: str, shown: str, tmp_path: Path) -> None:
    file = BytesIO()
    book = ExcelFile(("Time",), file, folder=str(tmp_path))
    book.write([(datetime.fromisoformat(moment).replace(tzinfo=ZONE),)])
    book.close()
    cell = openpyxl.load_workbook(file)["Data"]["A2"]
    assert cell.value == datetime.fromisoformat(shown)
    assert cell.number_format == "yyyy-mm-dd hh:mm:ss.000"


def test_texts_that_look_alike_are_the_only_ones_that_are_marked() -> None:
    assert told_apart("Rao ", "Mehta ") == ("Rao ", "Mehta ")
