"""The form of the seals without a database: the trees, the second implementation, and the two pages of vectors."""

import re
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from backstitch.audit.wording import ACTIONS
from backstitch.request import Source
from tests.db.audit import independent
from tests.db.audit.proof_pages import NOT_WRITTEN, VECTOR, VECTORS, proof_page, records_page
from tests.db.audit.specimens import RECORDS

ROOT = Path(__file__).resolve().parents[3]
PROOF = (ROOT / "docs/proof.md").read_text(encoding="utf-8")
RECORDS_PAGE = (ROOT / "docs/records.md").read_text(encoding="utf-8")

SIZES = range(1, 71)
DATA = [bytes([number]) * number for number in SIZES]
TREE = independent.tree(DATA)

# The test data and the roots of Google's Certificate Transparency, which wrote RFC 6962.
CERTIFICATE_TRANSPARENCY = (
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
)


def merkle_tree_hash(data: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not data:
        return independent.sha256(b"")
    if len(data) == 1:
        return independent.sha256(b"\x00" + data[0])
    k = 1
    while 2 * k < len(data):
        k *= 2
    return independent.sha256(b"\x01" + merkle_tree_hash(data[:k]) + merkle_tree_hash(data[k:]))


def vector(name: str) -> list[str]:
    """The lines of a vector as docs/proof.md has it, without those around its code block."""
    [found] = [match[0] for match in VECTOR.finditer(PROOF) if match[2] == name]
    return [line for line in found.splitlines() if not line.startswith(("<!--", "```"))]


def value(line: str) -> bytes:
    """The bytes at the end of a line of a vector."""
    return bytes.fromhex(line.split("  ")[-1])


def code(language: str) -> str:
    """The program in this language in docs/proof.md."""
    [found] = re.findall(rf"```{language}\n(.*?)```", PROOF, re.DOTALL)
    return str(found)


# Trees ----------------------------------------------------------------------------------------


def test_the_trees_are_those_of_rfc_6962() -> None:
    assert independent.tree([]).get_root() == merkle_tree_hash([])
    assert [TREE.get_root(size) for size in SIZES] == [merkle_tree_hash(DATA[:size]) for size in SIZES]


def test_the_trees_are_those_of_certificate_transparency() -> None:
    tree = independent.tree(bytes.fromhex(data) for data, _ in CERTIFICATE_TRANSPARENCY)
    roots = [tree.get_root(size + 1).hex() for size in range(len(CERTIFICATE_TRANSPARENCY))]
    assert roots == [root for _, root in CERTIFICATE_TRANSPARENCY]


def test_an_audit_path_leads_to_the_root_from_its_leaf_and_from_no_other() -> None:
    leaves = [independent.leaf_hash(data) for data in DATA]
    for size in SIZES:
        for index in range(size):
            path = independent.audit_path(TREE, index, size)
            reached = independent.root_of_path(leaves[index], index, size, path)
            assert reached == TREE.get_root(size)
            assert independent.root_of_path(leaves[index - 1], index, size, path) != reached


@pytest.mark.parametrize(("change", "words"), [(1, "too long"), (-1, "too short")])
def test_an_audit_path_of_another_length_is_refused(change: int, words: str) -> None:
    path = independent.audit_path(TREE, 5, 9)
    wrong = [*path, path[0]] if change > 0 else path[:-1]
    with pytest.raises(ValueError, match=words):
        independent.root_of_path(independent.leaf_hash(DATA[5]), 5, 9, wrong)


def test_a_consistency_proof_leads_to_both_roots() -> None:
    for new in SIZES[1:]:
        for old in range(1, new):
            roots = TREE.get_root(old), TREE.get_root(new)
            path = independent.consistency_path(DATA[:new], old)
            assert independent.roots_of_consistency(roots[0], old, new, path) == roots
            altered = [independent.sha256(path[0]), *path[1:]]
            assert independent.roots_of_consistency(roots[0], old, new, altered) != roots


@pytest.mark.parametrize(("change", "words"), [(1, "too long"), (-1, "too short")])
def test_a_consistency_proof_of_another_length_is_refused(change: int, words: str) -> None:
    path = independent.consistency_path(DATA[:9], 6)
    wrong = [*path, path[0]] if change > 0 else path[:-1]
    with pytest.raises(ValueError, match=words):
        independent.roots_of_consistency(TREE.get_root(6), 6, 9, wrong)


# Pages ----------------------------------------------------------------------------------------


def test_the_vectors_of_the_page_are_what_the_second_implementation_makes() -> None:
    assert sorted(match[2] for match in VECTOR.finditer(PROOF)) == sorted(VECTORS)
    assert proof_page(PROOF) == PROOF, "run python -m tests.db.audit.proof_pages"


def test_the_page_of_records_is_what_the_second_implementation_makes() -> None:
    assert records_page() == RECORDS_PAGE, "run python -m tests.db.audit.proof_pages"


def test_the_page_of_records_has_each_action_and_each_source() -> None:
    assert sorted(record["action"] for record in RECORDS) == sorted(ACTIONS)
    assert {record["source"] for record in RECORDS} == set(Source)


def test_the_actions_that_the_page_calls_unwritten_are_those_that_no_code_writes() -> None:
    files = [*(ROOT / "db").rglob("*.sql"), *(ROOT / "backstitch").rglob("*.py")]
    texts = "\n".join(file.read_text(encoding="utf-8") for file in files)
    activities = set(ACTIONS) - {"CREATE", "UPDATE", "DELETE", "TRUNCATE"}
    assert {action for action in activities if f"'{action}'" not in texts} == set(NOT_WRITTEN)


def test_the_python_of_the_page_computes_each_record_of_both_pages() -> None:
    tables = re.findall(r"\| id \|.*?\n\n```\n(.*?)```", RECORDS_PAGE, re.DOTALL)
    rows = re.findall(r"(\| id \|.*?\n)\n```", RECORDS_PAGE, re.DOTALL)
    assert len(tables) == len(rows) == len(RECORDS)
    printed = [
        subprocess.run([sys.executable, "-c", code("python")], input=row, capture_output=True, text=True, check=True)
        for row in (*rows, "\n".join(vector("record")[2:]))
    ]
    expected = [re.findall(r"(?:digest|blinding|leaf) +(\w+)", table) for table in (*tables, "\n".join(vector("leaf")))]
    assert [run.stdout.split() for run in printed] == expected


@pytest.mark.skipif(not (shutil.which("xxd") and shutil.which("openssl")), reason="needs xxd and openssl")
def test_the_shell_commands_of_the_page_compute_its_record(tmp_path: Path) -> None:
    (tmp_path / "array.hex").write_text("\n".join(vector("array")), encoding="ascii")
    run = subprocess.run(["sh", "-e"], cwd=tmp_path, input=code("sh"), capture_output=True, text=True, check=True)
    digest, _, blinding, leaf = (value(line).hex() for line in vector("leaf"))
    assert run.stdout.split() == [digest, blinding, leaf]


def test_a_stranger_checks_the_proof_of_the_page_with_the_page_alone() -> None:
    proof = vector("inclusion")
    digest = value(vector("leaf")[0])
    blinding, header = value(proof[0]), value(proof[4])
    assert (proof[1].split()[1:4], proof[5].split()[1:]) == (["2", "of", "3"], ["1", "of", "5"])
    count = int.from_bytes(header[-132:-128], "big")
    root = independent.root_of_path(
        independent.leaf_hash(blinding + digest), 1, count, [value(line) for line in proof[2:4]]
    )
    assert root == header[-96:-64]
    path = [value(line) for line in proof[6:]]
    _, size, kept = vector("checkpoint")
    assert independent.root_of_path(independent.leaf_hash(header), 0, int(size), path) == b64decode(kept)


def test_a_stranger_checks_the_consistency_proof_of_the_page_with_the_page_alone() -> None:
    roots = [value(line) for line in vector("roots")]
    path = [value(line) for line in vector("consistency")]
    assert independent.roots_of_consistency(roots[2], 3, 5, path) == (roots[2], roots[4])


def test_the_header_of_the_page_is_its_fields_in_their_order() -> None:
    fields = [bytes.fromhex(line.rsplit("`", 2)[1]) for line in vector("header")[2:] if line.startswith("|")]
    assert b"".join(fields) == value(vector("headers")[0])
    assert [value(line) for line in vector("headers")[1::2]] == [
        independent.leaf_hash(value(line)) for line in vector("headers")[::2]
    ]
