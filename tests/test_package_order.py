"""The list of packages on the first page of docs/design.md, held against the imports of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FLOORS = ("metrics", "backends", "tasks_lib", "flows")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
# Names that task code imports, not code of the project.
NOT_OURS = ROOT / "tasks_lib" / "code" / "lm_eval_stub" / "lm_eval"


def listed() -> list[str]:
    """The packages, and the modules beside them, in the order of the list."""
    rows = re.findall(r"^\| `([a-z_/]+)` \| ", DESIGN, re.M)
    return [row for row in rows if row.split("/")[0] in FLOORS]


def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    files = [file for floor in FLOORS for file in sorted((ROOT / floor).rglob("*.py"))]
    return {_dotted(file): file for file in files if not file.is_relative_to(NOT_OURS)}


def _dotted(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The entry of the list that a module belongs to: its package, or itself beside the packages."""
    return "/".join(module.split(".")[:2])


def imports(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The project's modules that a file imports, anywhere in it: at its top, in functions, for types only."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def is_surface(module: str) -> bool:
    """The package `flows` itself names the calls of its scripts; it is for users, not for its own code."""
    return module in FLOORS


def wrong_imports(order: list[str], known: dict[str, Path]) -> list[str]:
    """Each import of a package that does not stand before the one that imports it, and of `flows` itself."""
    place = {room: number for number, room in enumerate(order)}
    found = set()
    for module, file in known.items():
        for imported in imports(file, known):
            here, there = room_of(module), room_of(imported)
            is_later = imported in known and here != there and not place[there] < place[here]
            if is_later or is_surface(imported):
                found.add(f"{module} imports {imported}")
    return sorted(found)


def test_the_list_has_every_package_once() -> None:
    rooms = {room_of(module) for module in modules() if not is_surface(module)}
    assert sorted(listed()) == sorted(rooms)


def test_no_package_imports_one_that_stands_later() -> None:
    known = {name: file for name, file in modules().items() if not is_surface(name)}
    assert wrong_imports(listed(), known) == []


def test_an_import_against_the_order_is_found(tmp_path: Path) -> None:
    (tmp_path / "low.py").write_text("def late():\n    from flows.cli import flags\n")
    known = {"flows.common.low": tmp_path / "low.py", "flows.cli": tmp_path / "cli.py"}
    (tmp_path / "cli.py").write_text("")
    assert wrong_imports(["flows/common", "flows/cli"], known) == ["flows.common.low imports flows.cli"]
    assert wrong_imports(["flows/cli", "flows/common"], known) == []
    (tmp_path / "cli.py").write_text("from flows import evaluate\n")
    assert wrong_imports(["flows/cli", "flows/common"], known) == ["flows.cli imports flows"]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z_/]+/[a-z_]+\.(?:py|yaml|md))`", DESIGN))))
def test_every_file_that_the_design_names_is_there(name: str) -> None:
    assert (ROOT / name).exists()
