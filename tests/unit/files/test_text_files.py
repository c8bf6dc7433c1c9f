"""What is read of text files: their encoding, their separator, and the cells that a spreadsheet shows of them."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstitch.errors import Refused
from backstitch.files import tables, text_files
from backstitch.files.sheets import Line


def cells(data: str | bytes) -> list[tuple[str, ...]]:
    if isinstance(data, str):
        return [line.cells for line in tables.read_block(data).lines]
    (sheet,) = tables.read("goods.csv", data)
    return [line.cells for line in sheet.lines]


# --- encodings --------------------------------------------------------------------------------------------

HINDI = "रंग,मात्रा\r\nनीला,5\r\n"
ENCODED = [
    *((HINDI, encoding) for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")),
    (HINDI, "utf-16-be with a mark"),
    ("Colour\tQty\r\nNavy\t5\r\n", "utf-16-le"),
]


@pytest.mark.parametrize(("text", "encoding"), ENCODED)
def test_the_encodings_of_unicode_are_known_with_and_without_a_mark(text: str, encoding: str) -> None:
    mark = codecs.BOM_UTF16_BE if encoding.endswith("mark") else b""
    data = mark + text.encode(encoding.split()[0])
    separator = "\t" if "\t" in text else ","
    assert cells(data) == [tuple(line.split(separator)) for line in text.splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        "Bläu", "GRÖßE;Füße", "Calções;confecções;São", "AÇÕES", "“Asha” Stores – £ 50", "Kurta 28×32, ½” lace",
        "25°–30°", "Étoile", "l’été", "naïve café", "Ñandú", "€ 5", "Crème brûlée", "«Été»", "Nº 5", "Bleu foncé",
        "coton®", "garçon;sœur", "façade…", "“’90s”", "100 m²",
    ],
)  # fmt: skip
def test_words_of_western_europe_in_windows_1252_are_read(text: str) -> None:
    assert text_files.decode("goods.csv", text.encode("cp1252")) == (text, "cp1252")


def test_a_word_is_shown_by_which_windows_1252_can_be_judged() -> None:
    (sheet,) = tables.read("goods.csv", "SKU;Colour\nKT;Dark Bläu\n".encode("cp1252"))
    assert sheet.remarks == ("The file is not UTF-8, so its characters were read as Windows-1252: is “Bläu” right?",)
    (plain,) = tables.read("goods.csv", "SKU;Colour\nKT;Bläu\n".encode())
    assert plain.remarks == ()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("颜色,数量\n红色,5\n", "gbk"),
        ("红", "gbk"),
        ("T恤,5\n", "gbk"),
        ("白色", "gbk"),
        ("黑,白\n", "gbk"),
        ("綠色,紅色", "big5"),
        ("青色,赤", "shift_jis"),
        ("빨강,5", "euc-kr"),
        ("Красный;5", "cp1251"),
        ("każdy biały", "cp1250"),
        ("żółty", "cp1250"),
        ("Şalvar", "cp1254"),
        ("παντελόνι", "cp1253"),
        ("אדום", "cp1255"),
        ("เสื้อ", "cp874"),
        ("Bläu", "cp437"),
        ("grün", "cp850"),
        ("Bläu", "mac_roman"),
    ],
)
def test_text_of_another_code_page_is_refused_and_never_read_as_other_letters(text: str, encoding: str) -> None:
    with pytest.raises(Refused) as refused:
        cells(text.encode(encoding))
    assert (refused.value.rule, str(refused.value)) == (
        "encoding_unknown",
        "goods.csv: its characters are neither UTF-8 nor Windows-1252. Open it in the program that made it, save it as "
        "CSV UTF-8 or .xlsx, and try again.",
    )


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a", b"%PDF-1.7", "a is a PDF file. Upload an .xlsx or .csv file."),
        ("a", b"\xff\xd8\xff\xe0", "a is a picture. Upload an .xlsx or .csv file."),
        ("a", b"PAR1....", "a is a Parquet file. Upload an .xlsx or .csv file."),
        ("a", bytes(range(256)), "a is no text file and no workbook. Upload an .xlsx or .csv file."),
        ("a", b"SKU,Qty\nKT\x00,5\n", "a is no text file and no workbook. Upload an .xlsx or .csv file."),
        (
            "g.xls",
            b"\r\n<html><table><tr><td>KT</td></tr></table></html>",
            "g.xls is a web page, called .xls. Open it in Excel, save it as .xlsx, and try again.",
        ),
        (
            "g.XLS",
            "\ufeff<!DOCTYPE HTML PUBLIC '-//W3C//DTD'>".encode(),
            "g.XLS is a web page, called .xls. Open it in Excel, save it as .xlsx, and try again.",
        ),
        (
            "g.xls",
            "<table border=1>".encode("utf-16"),
            "g.xls is a web page, called .xls. Open it in Excel, save it as .xlsx, and try again.",
        ),
        (
            "g.xls",
            b"MIME-Version: 1.0\n",
            "g.xls is a web page, called .xls. Open it in Excel, save it as .xlsx, and try again.",
        ),
        ("g.htm", b"<!-- made --><head>", "g.htm is a web page. Open it in Excel, save it as .xlsx, and try again."),
        (
            "g.xls",
            b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<ss:Workbook xmlns:ss="x">',
            "g.xls is an XML spreadsheet of 2003, called .xls. Open it in Excel, save it as .xlsx, and try again.",
        ),
        (
            "g.xml",
            b"<ENVELOPE><TALLY/></ENVELOPE>",
            "g.xml is an XML document. Open it in Excel, save it as .xlsx, and try again.",
        ),
        ("g.json", b'[{"sku": "KT"}]', "g.json is a JSON file. Open it in Excel, save it as .xlsx, and try again."),
        ("g.json", b'{\n "sku": 1}', "g.json is a JSON file. Open it in Excel, save it as .xlsx, and try again."),
    ],
)
def test_what_is_no_table_is_refused_by_its_name(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        tables.read(name, data)
    assert (refused.value.rule, str(refused.value)) == ("not_a_table", sentence)


# --- separators -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SKU,Qty\nKT,5", [("SKU", "Qty"), ("KT", "5")]),
        ("SKU;Price\nKT;1,50\nKU;2,50", [("SKU", "Price"), ("KT", "1,50"), ("KU", "2,50")]),
        ("SKU|Qty\nKT|5", [("SKU", "Qty"), ("KT", "5")]),
        # a tab inside a comma file
        ("SKU,Colour,Qty\nKT,Navy\tBlue,5\n", [("SKU", "Colour", "Qty"), ("KT", "Navy\tBlue", "5")]),
        # commas inside a tab file
        ("Party\tQty\nAsha, Jayanagar, Pune\t5", [("Party", "Qty"), ("Asha, Jayanagar, Pune", "5")]),
        ("Asha, Jayanagar, Bengaluru\t5", [("Asha, Jayanagar, Bengaluru", "5")]),
        # in quotation marks
        ('"a;b;c",1\n"d;e;f",2', [("a;b;c", "1"), ("d;e;f", "2")]),
        ('Note\tQty\r\n"two\nlines, ""quoted"""\t3', [("Note", "Qty"), ('two\nlines, "quoted"', "3")]),
        # a title above the header
        ("Stock, today\nSKU;Qty\nKT;5\nKU;6", [("Stock, today",), ("SKU", "Qty"), ("KT", "5"), ("KU", "6")]),
        ("SKU\nKT", [("SKU",), ("KT",)]),
        # a line that names the separator
        ("sep=;\r\nSKU;Note\r\nKT;a,b", [("SKU", "Note"), ("KT", "a,b")]),
        ("SEP=,\nSKU,Note\nKT,a;b;c", [("SKU", "Note"), ("KT", "a;b;c")]),
        ('"sep=|"\nSKU|Qty', [("SKU", "Qty")]),
        ("sep=\t\nSKU\tQty", [("SKU", "Qty")]),
        ("sep=\nSKU,Qty", [("sep=",), ("SKU", "Qty")]),
        # ends of lines
        ("SKU,Qty\rKT,5\rKU,6", [("SKU", "Qty"), ("KT", "5"), ("KU", "6")]),
        ("SKU,Qty\r\nKT,5\r\n", [("SKU", "Qty"), ("KT", "5")]),
    ],
)  # fmt: skip
def test_the_separator_is_the_one_that_divides_the_rows_alike(text: str, rows: list[tuple[str, ...]]) -> None:
    assert cells(text) == rows
    assert cells(text.encode()) == rows


def test_blank_lines_keep_the_numbers_of_the_rows() -> None:
    block = tables.read_block("sep=;\nSKU;Qty\n\n;;\nKT;5\n")
    assert block.lines == (Line(1, ("SKU", "Qty")), Line(4, ("KT", "5")))
    assert (block.dates, block.unknown, block.remarks) == ({}, {}, ())


# --- cells ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('="00123"', "00123"),
        ('="8901234567890"', "8901234567890"),
        ('="5"" wide"', '5" wide'),
        ('=""', ""),
        ("'00124", "00124"),
        ("'-5", "-5"),
        ("'=1+1", "=1+1"),
        ("'@home", "@home"),
        ("'tis", "'tis"),
        ("O'Neil", "O'Neil"),
        ("'", "'"),
        ("''5", "''5"),
        ("5'", "5'"),
        ("=1+1", "=1+1"),
        ("8.9E+12", "8.9E+12"),
        (" 5 ", " 5 "),
    ],
)
def test_a_cell_of_a_text_file_is_shown_without_the_marks_that_keep_it_a_text(cell: str, shown: str) -> None:
    assert cells(f"SKU\tQty\n{cell}\tend")[1] == (shown, "end")
    quoted = cell.replace('"', '""')
    assert cells(f'SKU,Qty\n"{quoted}",end'.encode())[1] == (shown, "end")


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_give_sheets_or_are_refused_with_a_sentence(data: bytes) -> None:
    if data.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        return  # see test_tables.py
    try:
        sheets = tables.read("goods", data)
    except Refused as refused:
        assert str(refused).endswith(".")
    else:
        assert sheets and all(sheet.lines for sheet in sheets)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_block_gives_a_sheet_or_is_refused_with_a_sentence(text: str) -> None:
    try:
        assert tables.read_block(text).lines
    except Refused as refused:
        assert str(refused).endswith(".")
