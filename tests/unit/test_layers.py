"""The architecture: who may import whom, and where SQL may stand."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def imports(folder: str) -> Iterator[tuple[str, str]]:
    """Each file of a folder with each module that it imports."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file.name, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((file.name, f"{node.module}.{name.name}") for name in node.names)


@pytest.mark.parametrize(
    ("folder", "never"),
    [
        ("backstitch", ("streamlit", "ui", "pages")),
        ("backstitch/inventory", ("backstitch.audit",)),
        ("pages", ("sqlalchemy", "psycopg")),
        ("ui", ("pages", "psycopg")),
        ("db", ("backstitch.inventory", "backstitch.audit", "ui", "pages")),
    ],
)
def test_the_arrows_point_one_way(folder: str, never: tuple[str, ...]) -> None:
    found = list(imports(folder))
    assert found
    assert [
        (file, module)
        for file, module in found
        if any(module == name or module.startswith(f"{name}.") for name in never)
    ] == []
