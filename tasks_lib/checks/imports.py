"""Which packages of others a task's Python needs, read from its `import` statements without running it.

Task code imports many of them inside functions or goes on without them (`try: import x ... except: pass`),
and would fail only once documents are scored.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tasks_lib.code.import_failures import is_installed
from tasks_lib.code.trusted_functions import installed_catalog

CATALOG_PACKAGE = "lm_eval.tasks."


def missing_packages(file: Path) -> frozenset[str]:
    """The names under which a file, and the task code that it imports, ask for what is not installed.

    Errors: none for a file that is no Python; importing it says what is wrong with it.
    """
    return frozenset(name for name in _packages(file) if not is_installed(name))


def task_code_of(file: Path) -> set[Path]:
    """The file, and the task code of the installed catalog that it imports."""
    files, seen = [file], {file}
    while files:
        inner = {path for name in _imports(files.pop()) if (path := _task_code(name))} - seen
        files += inner
        seen |= inner
    return seen


def _packages(file: Path) -> set[str]:
    return {name.partition(".")[0] for one in task_code_of(file) for name in _imports(one)}


@cache
def _imports(file: Path) -> frozenset[str]:
    """Dotted names of all modules that a file imports, at its top or in a function."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(_imported(tree, file))


def _imported(tree: ast.Module, file: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                package = _package(file, level) if level else ""
                base = ".".join(part for part in (package, module) if part)
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)


def _package(file: Path, level: int) -> str:
    """The package that dots before a name in `file` mean."""
    catalog = installed_catalog()
    folder = file.parents[level - 1]
    if catalog is None or not folder.is_relative_to(catalog):
        return "lm_eval"  # elsewhere task code is no package; importing it says so
    return ".".join(["lm_eval", "tasks", *folder.relative_to(catalog).parts])


def _task_code(module: str) -> Path | None:
    """The file of a module of the installed catalog."""
    catalog = installed_catalog()
    if catalog is None or not module.startswith(CATALOG_PACKAGE):
        return None
    path = catalog.joinpath(*module.removeprefix(CATALOG_PACKAGE).split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
