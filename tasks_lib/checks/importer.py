"""The Python of many tasks, imported module by module, with what stands in the way of each remembered."""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks_lib.checks.imports import missing_packages
from tasks_lib.code.imported_code import CATALOG_PACKAGE
from tasks_lib.code.trusted_functions import TrustedRoots, load_module, resolve, source_file
from tasks_lib.errors import MissingPackage, MissingResource, TaskError
from tasks_lib.files.config import FunctionRef


class TaskCode:
    """Resolves functions; a module that cannot be imported is tried once.

    unusable: files of modules that are not to be imported, with the reason.
    importing: called with a module's file before it is imported.
    unreachable: hosts that were asked for in vain, as `tasks_lib.checks.offline.go_offline` gives them.
    """

    def __init__(
        self,
        trusted: TrustedRoots,
        unusable: Mapping[str, str],
        importing: Callable[[str], None],
        unreachable: list[str],
    ) -> None:
        self._trusted = trusted
        self._importing = importing
        self._unreachable = unreachable
        self._imported: set[Path] = set()
        self._failed = {Path(file): TaskError(f"{file}: {reason}") for file, reason in unusable.items()}

    def check(self, refs: Iterable[FunctionRef]) -> None:
        """Raise what keeps functions from being used.

        Errors: MissingPackage where their files ask for packages that are not installed, also within
        functions; MissingResource where a module wants the network; TaskError for everything else.
        """
        refs = list(refs)
        missing = sorted({name for ref in refs for name in missing_packages(source_file(ref))})
        if missing:
            raise MissingPackage(f"needs {', '.join(missing)}", missing)
        for ref in refs:
            self.resolve(ref)

    def resolve(self, ref: FunctionRef) -> Any:
        file = source_file(ref)
        if file not in self._imported:
            self._import(ref, file)
        return resolve(ref, self._trusted)

    def _import(self, ref: FunctionRef, file: Path) -> None:
        if file in self._failed:
            raise self._failed[file]
        self._unreachable.clear()
        self._importing(str(file))
        before = set(sys.modules)
        try:
            load_module(ref, self._trusted)
            if self._unreachable:
                _forget(sys.modules.keys() - before)
                raise MissingResource(f"{file} wants to load from {self._unreachable[0]} when imported")
        except TaskError as error:
            self._failed[file] = error
            raise
        self._imported.add(file)


def _forget(modules: Iterable[str]) -> None:
    """Have task code among these modules imported anew, so that what it wants to load is said of each task
    that imports it."""
    for name in modules:
        if name.startswith(CATALOG_PACKAGE):
            del sys.modules[name]
