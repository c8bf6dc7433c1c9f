"""Reading a seller's stock list: what is taken, how it is tidied, and what is rejected with which reason."""

import csv
from hashlib import sha256
from pathlib import Path

import pytest

from backstitch.errors import Refused
from backstitch.inventory.stock_list import rejects_file
from backstitch.inventory.stock_list.reader import Reject, StockList, StockRow, read_stock_list

HEADER = "index,SKU Code,Design No.,Stock,Category,Size,Color"
GOOD = "0,AN201-RED-L,AN201,5.0,AN : LEGGINGS,L,Red"


@pytest.fixture
def stock_file(tmp_path: Path) -> Path:
    return tmp_path / "stock.csv"


def read(path: Path, *lines: str, header: str = HEADER) -> StockList:
    path.write_text("\n".join((header, *lines)), encoding="utf-8")
    return read_stock_list(path)


def reasons_for(path: Path, line: str) -> tuple[str, ...]:
    """The reasons why a file of this one row is rejected whole."""
    stock_list = read(path, line)
    assert stock_list.rows == ()
    assert [reject.row for reject in stock_list.rejects] == [2]
    return stock_list.rejects[0].reasons


def refused_rule(path: Path) -> str:
    with pytest.raises(Refused) as refusal:
        read_stock_list(path)
    assert "Traceback" not in str(refusal.value) and str(refusal.value).endswith(".")
    return refusal.value.rule


def test_a_row_is_read_with_normalised_names_and_its_values_unchanged(stock_file: Path) -> None:
    stock_list = read(stock_file, "7, J0033-KR-xl ,J0033,12.0,KN : KURTA  SET,xl,TEAL GREEN ")
    assert stock_list == StockList(
        file="stock.csv",
        sha256=sha256(stock_file.read_bytes()).hexdigest(),
        encoding="utf-8-sig",
        header=("index", "SKU Code", "Design No.", "Stock", "Category", "Size", "Color"),
        rows=(
            StockRow(
                row=2,
                sku_code="J0033-KR-xl",
                design="J0033",
                category="Kurta Set",
                color="Teal Green",
                colour_code="TEAL-GREEN",
                size="XL",
                stock=12,
                values=("7", " J0033-KR-xl ", "J0033", "12.0", "KN : KURTA  SET", "xl", "TEAL GREEN "),
            ),
        ),
        rejects=(),
    )


def test_colours_that_differ_in_case_and_spaces_are_one_colour(stock_file: Path) -> None:
    stock_list = read(stock_file, "0,A-L,A,1,TOP,L,TEAL GREEN ", "1,A-M,A,1,TOP,M,Teal  Green")
    assert {(row.color, row.colour_code) for row in stock_list.rows} == {("Teal Green", "TEAL-GREEN")}


@pytest.mark.parametrize(
    ("figure", "pieces"),
    [("0", 0), ("5.0", 5), ("7.", 7), ("12 pcs", 12), ("2147483647", 2_147_483_647)],
)
def test_a_stock_figure_that_is_a_whole_number_is_accepted(stock_file: Path, figure: str, pieces: int) -> None:
    assert [row.stock for row in read(stock_file, f"0,A-L,A,{figure},TOP,L,Red").rows] == [pieces]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0,,A,1,TOP,L,Red", "The SKU code is missing."),
        ("0,#REF!,A,1,TOP,L,Red", "The SKU code is a spreadsheet error (#REF!)."),
        ("0,A-L,#N/A,1,TOP,L,Red", "The design number is a spreadsheet error (#N/A)."),
        ("0,A-L,,1,TOP,L,Red", "The design number is missing."),
        ("0,A-L,A,,TOP,L,Red", "The stock figure is missing."),
        ("0,A-L,A,1,TOP,,Red", "The size is missing."),
        ("0,A-L,A,1,TOP,L,  ", "The colour is missing."),
        ("0,A-L,A,1,TOP,L", "The colour is missing."),
        ("0,A-L,A,1,TOP,L,--", "The colour is missing: “--” stands for nothing."),
        ("0,A-L,A,-3,TOP,L,Red", "The stock figure -3 is negative."),
        ("0,A-L,A,2.5,TOP,L,Red", "The stock figure 2.5 is not a whole number."),
        ("0,A-L,A,1E-9,TOP,L,Red", "The stock figure 1E-9 is how a spreadsheet shows a long number. Write it in full."),
        ("0,A-L,A,many,TOP,L,Red", "The stock figure many is not a number in plain digits."),
        ("0,A-L,A,NaN,TOP,L,Red", "The stock figure is missing: “NaN” stands for nothing."),
        ("0,A-L,A,2147483648,TOP,L,Red", "The stock figure 2147483648 is larger than 2,147,483,647."),
        ("0,A-L,A,1E999,TOP,L,Red", "The stock figure 1E999 is not a number in plain digits."),
        (f"0,A-L,{'A' * 61},1,TOP,L,Red", "The design number is longer than 60 characters."),
        (f"0,A-L,A,1,TOP,{'L' * 21},Red", "The size is longer than 20 characters."),
        (f"0,A-L,A,1,{'T' * 61},L,Red", "The category is longer than 60 characters."),
        (f"0,A-L,A,1,TOP,L,{'R' * 61}", "The colour is longer than 60 characters."),
        (
            "0,A-L,A\x00B,1,TOP,L,Red",
            "The design number holds a character that cannot be stored (NUL or another control character).",
        ),
        ("0,A-L,A,1,TOP,L,Red,one more", "The row has more values than the header has columns."),
        ("5,,,,,,", "The row is empty: it has no SKU code, design number, stock figure, size or colour."),
    ],
)
def test_an_invalid_row_is_rejected_with_the_reason(stock_file: Path, line: str, reason: str) -> None:
    assert reasons_for(stock_file, line) == (reason,)


def test_a_row_with_several_faults_is_rejected_with_all_of_them(stock_file: Path) -> None:
    assert reasons_for(stock_file, "0,,A,-1,TOP,,Red") == (
        "The SKU code is missing.",
        "The stock figure -1 is negative.",
        "The size is missing.",
    )


def test_a_category_may_be_missing(stock_file: Path) -> None:
    assert [row.category for row in read(stock_file, "0,A-L,A,1,,L,Red").rows] == [""]


def test_the_later_of_two_rows_for_one_sku_or_one_cell_is_rejected(stock_file: Path) -> None:
    stock_list = read(
        stock_file,
        "0,A-L,A,1,TOP,L,Red",
        "1,a-l,B,2,TOP,L,Red",
        "2,A-L2,A,3,TOP,l,RED ",
        "3,A-L,A,4,TOP,L,Red",
    )
    assert [row.row for row in stock_list.rows] == [2]
    assert [(reject.row, reject.reasons) for reject in stock_list.rejects] == [
        (3, ("SKU code a-l is on row 2 already.",)),
        (4, ("Design A in Red, size L, is on row 2 already.",)),
        (5, ("SKU code A-L is on row 2 already.", "Design A in Red, size L, is on row 2 already.")),
    ]


def test_a_rejected_row_does_not_block_a_later_valid_one(stock_file: Path) -> None:
    stock_list = read(stock_file, "0,A-L,A,,TOP,L,Red", "1,A-L,A,4,TOP,L,Red")
    assert [(row.row, row.stock) for row in stock_list.rows] == [(3, 4)]
    assert [reject.row for reject in stock_list.rejects] == [2]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(stock_file: Path) -> None:
    stock_list = read(stock_file, '"two\nlines",A-L,A,1,TOP,L,Red', "", "3,A-M,A,,TOP,M,Red")
    assert [row.row for row in stock_list.rows] == [2]
    assert [reject.row for reject in stock_list.rejects] == [3, 4]
    assert stock_list.total == 3


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_usual_separator_and_encoding_is_read(
    stock_file: Path, separator: str, encoding: str, line_end: str
) -> None:
    text = f"{HEADER}\n0,A-L,A,1,TOP,L,Rosé\n".replace(",", separator)
    stock_file.write_bytes(text.replace("\n", line_end).encode(encoding))
    stock_list = read_stock_list(stock_file)
    assert [(row.design, row.color, row.stock) for row in stock_list.rows] == [("A", "Rosé", 1)]
    assert stock_list.rejects == ()
    assert stock_list.encoding == {"utf-8": "utf-8-sig"}.get(encoding, encoding)


def test_headings_are_found_in_any_order_case_and_spelling(stock_file: Path) -> None:
    stock_list = read(
        stock_file, "Red,TOP,1,L,A,A-L,note", header='"COLOUR",category, STOCK ,Size,Design no,sku  code,Remark'
    )
    assert [(row.sku_code, row.design, row.color, row.category) for row in stock_list.rows] == [
        ("A-L", "A", "Red", "Top")
    ]


def test_a_file_without_a_needed_column_is_refused_and_says_which(stock_file: Path) -> None:
    stock_file.write_text("index,SKU Code,Stock,Category,Color\n0,A-L,1,TOP,Red\n")
    with pytest.raises(Refused) as refusal:
        read_stock_list(stock_file)
    assert refusal.value.rule == "columns_missing"
    assert str(refusal.value) == (
        "stock.csv lacks the columns Design No., Size. The first row of a stock list names the columns "
        "SKU Code, Design No., Stock, Category, Size, Color."
    )


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "file_empty"),
        (b"\xef\xbb\xbf\r\n", "file_empty"),
        (HEADER.encode(), "no_rows"),
        (f"{HEADER},Stock\n{GOOD},2".encode(), "columns_repeated"),
        (b"PK\x03\x04 and the rest of an .xlsx", "not_csv"),
        (b"\x00\x01\x02", "not_csv"),
        (HEADER.encode("utf-16-le"), "no_rows"),
        (f'{HEADER}\n0,"A-L,A,1,TOP,L,Red\n{GOOD}'.encode(), "not_csv"),
        (f'{HEADER}\n0,"A"-L,A,1,TOP,L,Red'.encode(), "not_csv"),
        (f"{HEADER}\n0,A-L,A,1,TOP,L,Ros".encode() + b"\x81", "encoding_unknown"),
        (b"Just a letter, nothing else.", "columns_missing"),
    ],
)
def test_a_file_that_is_no_stock_list_is_refused(stock_file: Path, content: bytes, rule: str) -> None:
    stock_file.write_bytes(content)
    assert refused_rule(stock_file) == rule


def test_a_quotation_mark_that_is_never_closed_is_refused_with_its_line(stock_file: Path) -> None:
    stock_file.write_text(f'{HEADER}\n{GOOD}\n1,"A-M,A,1,TOP,M,Red\n2,A-S,A,1,TOP,S,Red\n')
    with pytest.raises(Refused, match="in the row that starts on line 3"):
        read_stock_list(stock_file)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    assert refused_rule(tmp_path / "nowhere.csv") == "file_missing"
    assert refused_rule(tmp_path) == "file_unreadable"
    (tmp_path / "huge.csv").touch()
    with (tmp_path / "huge.csv").open("r+b") as file:
        file.truncate(101 * 1024 * 1024)
    assert refused_rule(tmp_path / "huge.csv") == "file_too_large"


def test_rejects_are_written_with_row_reason_and_the_original_columns_formulas_escaped(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    rejects = [Reject(7, ("One.", "Two."), (" a ", "=b", 'c"d', "naïve"))]
    rejects_file.write(path, header=("w", "x", "y", "z"), rejects=rejects)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfRow,Reason,")
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["Row", "Reason", "w", "x", "y", "z"],
            ["7", "One. Two.", " a ", "'=b", 'c"d', "naïve"],
        ]
    assert list(tmp_path.iterdir()) == [path]


def test_a_corrected_rejects_file_can_be_read_as_a_stock_list(tmp_path: Path, stock_file: Path) -> None:
    stock_list = read(stock_file, "0,,AN201,5.0,AN : LEGGINGS,L,Red")
    path = tmp_path / "rejects.csv"
    rejects_file.write(path, header=stock_list.header, rejects=stock_list.rejects)
    path.write_text(path.read_text(encoding="utf-8").replace(",0,,AN201", ",0,AN201-RED-L,AN201"), encoding="utf-8")
    assert [(row.sku_code, row.stock) for row in read_stock_list(path).rows] == [("AN201-RED-L", 5)]


def test_rejects_replace_a_former_rejects_file_and_nothing_else(tmp_path: Path, stock_file: Path) -> None:
    stock_file.write_text(f"{HEADER}\n{GOOD}\n")
    letter = tmp_path / "letter.csv"
    letter.write_text("Dear customer")
    former = tmp_path / "former.csv"
    rejects_file.write(former, header=("Size",), rejects=())
    rejects_file.check_place(former, source=stock_file)
    for path, source, rule in [
        (letter, stock_file, "rejects_over_other_file"),
        (tmp_path, stock_file, "rejects_over_other_file"),
        (stock_file, stock_file, "rejects_over_source"),
        (former, former, "rejects_over_source"),
        (tmp_path / "nowhere" / "rejects.csv", stock_file, "rejects_unwritable"),
    ]:
        with pytest.raises(Refused) as refusal:
            rejects_file.check_place(path, source=source)
        assert refusal.value.rule == rule
    assert letter.read_text() == "Dear customer"
