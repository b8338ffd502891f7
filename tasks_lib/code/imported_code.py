"""What task code imports, read from its `import` statements without running it."""

import ast
import importlib.util
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from metrics.processes.child import ROOT

# Under this name the installed catalog's own imports find its modules.
CATALOG_PACKAGE = "lm_eval.tasks."
_INSTALLED = tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")})


def imported_code(file: Path, catalog: Path | None) -> Mapping[str, Path]:
    """The files of task code that a file imports, and those that they import, by their dotted names: modules
    of the catalog, beside or below the file, and elsewhere on Python's path, but for installed packages."""
    found: dict[str, Path] = {}
    left = [file]
    while left:
        importer = left.pop()
        for name in imported_names(importer, catalog):
            module = _module(name, importer.parent, catalog)
            if module is not None and module != file and name not in found:
                found[name] = module
                left.append(module)
    return found


def imported_names(file: Path, catalog: Path | None) -> frozenset[str]:
    """Dotted names of all modules that a file imports, at its top or in a function, and of what it imports
    from them; none of a file that is no Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(_imported(tree, file, catalog))


def catalog_module(name: str, catalog: Path | None) -> Path | None:
    """The file of a module of the installed catalog."""
    if catalog is None or not name.startswith(CATALOG_PACKAGE):
        return None
    return _file(catalog, name.removeprefix(CATALOG_PACKAGE).split("."))


def _imported(tree: ast.Module, file: Path, catalog: Path | None) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                package = _package(file, level, catalog) if level else ""
                base = ".".join(part for part in (package, module) if part)
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)


def _package(file: Path, level: int, catalog: Path | None) -> str:
    """The package that dots before a name in `file` mean."""
    folder = file.parents[level - 1]
    if catalog is None or not folder.is_relative_to(catalog):
        return "lm_eval"  # elsewhere task code is no package; importing it says so
    return ".".join(["lm_eval", "tasks", *folder.relative_to(catalog).parts])


def _module(name: str, folder: Path, catalog: Path | None) -> Path | None:
    parts = name.split(".")
    if parts[0] == "lm_eval":
        return catalog_module(name, catalog)
    return _file(folder, parts) or _on_path(parts)


def _on_path(parts: list[str]) -> Path | None:
    """A module on Python's path that no package installed; nothing is imported."""
    try:
        spec = importlib.util.find_spec(parts[0])
    except ValueError:  # one that was made at run time
        return None
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if any(origin.is_relative_to(folder) for folder in (*_INSTALLED, ROOT)):
        return None
    return _file(origin.parent.parent if spec.submodule_search_locations else origin.parent, parts)


def _file(folder: Path, parts: list[str]) -> Path | None:
    path = folder.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
