"""The architecture: who may import whom, where SQL may stand, and which folder a module belongs to."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def folders(path: str) -> set[str]:
    """The names of the packages in a folder."""
    return {file.parent.name for file in (ROOT / path).glob("*/__init__.py")}


def modules(path: str) -> set[str]:
    """The names of the modules in a folder, without those in its packages."""
    return {file.stem for file in (ROOT / path).glob("*.py") if file.stem != "__init__"}


SHARED = {"server", "shared"}  # of ui/; its other folders are areas
AREAS = folders("ui") - SHARED
ABOVE = tuple(f"ui.{name}" for name in sorted(AREAS | modules("ui")))


def imports(path: str) -> Iterator[tuple[str, str]]:
    """Each file of a folder, or a single one, with each module that it imports."""
    found = ROOT / path
    for file in [found] if found.is_file() else sorted(found.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file.name, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((file.name, f"{node.module}.{name.name}") for name in node.names)


@pytest.mark.parametrize(
    ("path", "never"),
    [
        ("backstitch", ("streamlit", "ui", "pages")),
        ("backstitch/inventory", ("backstitch.audit",)),
        ("pages", ("sqlalchemy", "psycopg")),
        ("ui", ("pages", "psycopg")),
        ("ui/shared", ABOVE),
        ("ui/server", ABOVE),
        # Modules of both use it, so it uses none of theirs.
        ("ui/server/library_patches.py", ("backstitch", "ui.server", "ui.shared")),
        ("ui/feedback.py", ABOVE),
        ("ui/navigation.py", ABOVE),
        ("db", ("backstitch.inventory", "backstitch.audit", "ui", "pages")),
    ],
)
def test_the_arrows_point_one_way(path: str, never: tuple[str, ...]) -> None:
    found = list(imports(path))
    assert found
    assert [
        (file, module)
        for file, module in found
        if any(module == name or module.startswith(f"{name}.") for name in never)
    ] == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("ui", {"main", "navigation", "feedback"}),
        (
            "backstitch",
            {"settings", "database", "startup", "migrations", "errors", "company", "installation"}
            | {"lengths", "log_format", "queues", "request", "__main__"},
        ),
        ("backstitch/inventory", {"doubles", "names", "optimistic", "reasons", "values"}),
        ("tests/ui", {"conftest", "shop"}),
    ],
)
def test_every_other_module_lies_in_the_folder_of_its_area(path: str, names: set[str]) -> None:
    assert modules(path) == names


def test_an_area_has_the_same_name_in_every_layer() -> None:
    library = folders("backstitch") | folders("backstitch/inventory") | modules("backstitch/inventory")
    assert AREAS - library == {"home"}  # a page that shows what the other areas read
    assert folders("tests/ui") == folders("ui")
    tested = folders("tests/db") | folders("tests/unit")
    assert tested - library - SHARED == {"versions"}  # of the database
