"""From `!function module.name` in a task file to the function, and to a digest of the code behind it.

A task file's Python runs only where its folder is trusted. Source of the rules for what a reference means:
lm-evaluation-harness 0.4.13, `lm_eval/tasks/_yaml_loader.py`: first the file `<folder>/module.py`, then a
module that is installed. Not taken over: a module of the current folder is no installed module.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tasks_lib.code import lm_eval_stub
from tasks_lib.code.evaluate_load import TASK_CODE, prepare_for
from tasks_lib.code.import_failures import import_failure
from tasks_lib.code.import_substitutes import substitute
from tasks_lib.code.imported_code import imported_code
from tasks_lib.code.registered_filters import registering
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef

STARTER = Path(__file__).resolve().parents[1] / "starter"

# Set in the globals of modules that are imported by name.
_IMPORTED = "__imported_for_a_task__"

_loading = threading.RLock()


def installed_catalog() -> Path | None:
    """The folder of lm-eval's task files, None where lm-eval is not installed; lm-eval is not imported."""
    spec = importlib.util.find_spec("lm_eval")
    for location in (spec and spec.submodule_search_locations) or ():
        if not Path(location).is_relative_to(lm_eval_stub.FOLDER):
            return Path(location, "tasks").resolve()
    return None


def lm_eval_version(wanted_by: str) -> str:
    """Name and version of the installed lm-eval.

    Errors: TaskError where it is not installed; wanted_by: the first words of the message.
    """
    if installed_catalog() is None:
        raise TaskError(
            f"{wanted_by}: `class` needs lm-eval, which is not installed: pip install 'assay-eval[lm-eval]'"
        )
    names = _distributions().get("lm_eval", ())  # none for a mere folder on the path
    return " ".join(f"{name}=={importlib.metadata.version(name)}" for name in names)


@dataclass(frozen=True, slots=True)
class TrustedRoots:
    """The folders whose Python may run, with all below them; absolute and without links."""

    folders: tuple[Path, ...]

    @classmethod
    def standard(cls, trusted: Sequence[Path] = ()) -> "TrustedRoots":
        """The starter tasks, the installed catalog, and what the user trusts besides."""
        catalog = installed_catalog()
        own = (STARTER, catalog) if catalog else (STARTER,)
        return cls(tuple(folder.expanduser().resolve() for folder in (*own, *trusted)))

    def __contains__(self, path: Path) -> bool:
        real = path.resolve()
        return any(real.is_relative_to(folder) for folder in self.folders)


def resolve(ref: FunctionRef, trusted: TrustedRoots) -> Any:
    """The function (or class) that `ref` names, or anything else where it is custom; its module is loaded
    anew when its file has changed.

    Errors: TaskError where the folder is not trusted, where there is no such file, module or name, and where
    importing it fails.
    """
    module = load_module(ref, trusted)
    name = ref.attribute
    try:
        found = getattr(module, name)
    except AttributeError as error:
        raise TaskError(f"{module.__file__} has no `{name}`, which {ref} in {ref.folder} asks for") from error
    if not callable(found) and not ref.is_custom:
        raise TaskError(f"`{name}` in {module.__file__} is no function, which {ref} in {ref.folder} asks for")
    return found


def load_module(ref: FunctionRef, trusted: TrustedRoots) -> ModuleType:
    """The module that `ref` names its function in. Errors: as `resolve`."""
    if ref.folder not in trusted:
        raise TaskError(
            f"{ref} in {ref.folder} is Python from a folder that is not trusted; "
            f"read it, then allow it with --trust-task-code"
        )
    file = _local_file(ref)
    if file is not None and file not in trusted:
        raise TaskError(f"{ref} in {ref.folder} leads to {file}, outside the trusted folders")
    if installed_catalog() is None:
        lm_eval_stub.provide(trusted.folders)
    return _installed_module(ref) if file is None else _file_module(ref, file)


def module_name(ref: FunctionRef) -> str:
    """The name in `sys.modules` of the module that `ref` names something of."""
    file = _local_file(ref)
    return ref.module if file is None else _module_name(file)


def code_digest(ref: FunctionRef) -> str:
    """sha256 over the Python that can change what the function gives; no code is run.

    That is every `*.py` of the folder of the function's file, what they import beyond it
    (`tasks_lib.code.imported_code`), and for an installed module its distribution's name and version too.
    Errors: TaskError where there is no such file or module.
    """
    digest = hashlib.sha256()
    if _local_file(ref) is None:
        digest.update(_distribution(ref).encode())
    file = source_file(ref)
    folder = sorted({file, *file.parent.glob("*.py")})
    imported = imported_code(file, installed_catalog())
    beyond = [(name, path) for name, path in sorted(imported.items()) if path not in folder]
    for name, source in (*((path.name, path) for path in folder), *beyond):
        content = source.read_bytes()
        digest.update(f"{name}:{len(content)}\n".encode())
        digest.update(content)
    digest.update(file.name.encode())
    return digest.hexdigest()


def source_file(ref: FunctionRef) -> Path:
    """The file that the function is looked up in; no code is run. Errors: TaskError where there is none."""
    return _local_file(ref) or _installed_file(ref)


def _local_file(ref: FunctionRef) -> Path | None:
    """The module's file in the folder. Errors: TaskError for anything but dotted identifiers, which could
    leave the folder."""
    if not ref.module or not all(part.isidentifier() for part in ref.name.split(".")):
        way = "custom:package.module:name" if ref.is_custom else "module.name"
        raise TaskError(f"{ref} in {ref.folder}: write it as `{way}`")
    file = ref.folder.joinpath(*ref.module.split(".")).with_suffix(".py")
    return file.resolve() if file.is_file() and not ref.is_custom else None


class _Uncached(SourceFileLoader):
    """Compiles from source each time: `.pyc` files know a change of the source only by the second, and
    nothing is written beside a user's task files."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _file_module(ref: FunctionRef, file: Path) -> ModuleType:
    """The module of a file, from `sys.modules` as long as the file stays as it was loaded."""
    stamp, name = _stamp(file), _module_name(file)
    with _loading:
        known = sys.modules.get(name)
        if known is not None and getattr(known, TASK_CODE, None) == stamp:
            return known
        loader = _Uncached(name, str(file))
        spec = ModuleSpec(name, loader, origin=str(file))
        spec.has_location = True
        module = importlib.util.module_from_spec(spec)
        module.__dict__[TASK_CODE] = stamp
        sys.modules[name] = module
        try:
            prepare_for(file.read_text(encoding="utf-8", errors="replace"))
            with registering(name):
                _execute(loader, module)
        except (Exception, SystemExit) as error:  # some task code exits where a program is missing
            del sys.modules[name]
            raise import_failure(f"{ref} in {ref.folder}", str(file), error) from error
        return module


def _execute(loader: SourceFileLoader, module: ModuleType) -> None:
    """Run the module; once more where something stands for what an import did not find."""
    try:
        loader.exec_module(module)
    except ImportError as error:
        if not substitute(error):
            raise
        loader.exec_module(module)


def _module_name(file: Path) -> str:
    """In the installed catalog the name that its own imports use, elsewhere one made from the path."""
    catalog = installed_catalog()
    if catalog and file.is_relative_to(catalog):
        return ".".join(["lm_eval", "tasks", *file.relative_to(catalog).with_suffix("").parts])
    return f"task_code_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}_{file.stem}"


def _installed_module(ref: FunctionRef) -> ModuleType:
    _distribution(ref)
    stamp = _stamp(_installed_file(ref))
    try:
        with _loading:
            module = importlib.import_module(ref.module)
            if vars(module).setdefault(_IMPORTED, stamp) != stamp and ref.is_custom:  # it is being written
                vars(module)[_IMPORTED] = stamp
                module = importlib.reload(module)
        return module
    except Exception as error:
        raise import_failure(f"{ref} in {ref.folder}", ref.module, error) from error


def _stamp(file: Path) -> tuple[str, int, int]:
    """What changes where a file does."""
    status = file.stat()
    return str(file), status.st_mtime_ns, status.st_size


def _installed_file(ref: FunctionRef) -> Path:
    """The file of an installed module, found without importing the packages above it."""
    top, *below = ref.module.split(".")
    spec = importlib.util.find_spec(top)
    if spec and not below and spec.origin:
        return Path(spec.origin)
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location, *below)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    if spec is None:
        raise TaskError(f"{ref} in {ref.folder}: there is no module {top}; is its folder on PYTHONPATH?")
    raise TaskError(f"{ref} in {ref.folder}: the installed package {top} has no module {ref.module}")


def _distribution(ref: FunctionRef) -> str:
    """Name and version of what installed the module; "" for a custom one that nothing did."""
    top = ref.module.partition(".")[0]
    names = sorted(set(_distributions().get(top, ())))
    if not names and not ref.is_custom:
        wanted = Path(*ref.module.split(".")).with_suffix(".py")
        raise TaskError(f"{ref} in {ref.folder}: there is no {wanted} there and no installed package {top}")
    return " ".join(f"{name}=={importlib.metadata.version(name)}" for name in names)


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
