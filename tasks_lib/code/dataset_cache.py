"""Datasets that task code makes are made anew in each process.

`datasets` keeps what `Dataset.map` and `Dataset.from_generator` gave, by a digest of the function that does
not see what the function calls in its module: after an edit of a helper the old documents would come back.
"""

import functools
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def make_datasets_anew() -> None:
    """From now on, in this process, nothing is read that `datasets` has kept of task code."""
    if (module := sys.modules.get("datasets")) is not None:
        _turn_off(module)
    else:
        sys.meta_path.insert(0, _WhenImported("datasets", _turn_off))


def _turn_off(datasets: ModuleType) -> None:
    datasets.disable_caching()
    real = datasets.Dataset.from_generator

    @functools.wraps(real)
    def from_generator(*arguments: Any, cache_dir: str | None = None, **options: Any) -> Any:
        own = tempfile.mkdtemp(dir=datasets.fingerprint.get_temporary_cache_files_directory())
        return real(*arguments, cache_dir=cache_dir or own, **options)

    datasets.Dataset.from_generator = staticmethod(from_generator)


class _WhenImported:
    """Does something once, right after a module was imported: `importlib.abc.MetaPathFinder`."""

    def __init__(self, name: str, act: Callable[[ModuleType], None]) -> None:
        self._name, self._act = name, act

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._act(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
