"""Which packages of others a task's Python needs, read from its `import` statements without running it.

Task code imports many of them inside functions or goes on without them (`try: import x ... except: pass`),
and would fail only once documents are scored.
"""

from functools import cache
from pathlib import Path

from tasks_lib.code.import_failures import is_installed
from tasks_lib.code.imported_code import catalog_module, imported_names
from tasks_lib.code.trusted_functions import installed_catalog


def missing_packages(file: Path) -> frozenset[str]:
    """The names under which a file, and the task code that it imports, ask for what is not installed.

    Errors: none for a file that is no Python; importing it says what is wrong with it.
    """
    return frozenset(name for name in _packages(file) if not is_installed(name))


def task_code_of(file: Path) -> set[Path]:
    """The file, and the task code of the installed catalog that it imports."""
    files, seen = [file], {file}
    while files:
        imports = _imports(files.pop())
        inner = {path for name in imports if (path := catalog_module(name, installed_catalog()))} - seen
        files += inner
        seen |= inner
    return seen


def _packages(file: Path) -> set[str]:
    return {name.partition(".")[0] for one in task_code_of(file) for name in _imports(one)}


@cache
def _imports(file: Path) -> frozenset[str]:
    return imported_names(file, installed_catalog())
