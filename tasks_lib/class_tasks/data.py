"""The data of tasks that are Python classes: their own `download`, with data roots before the hub.

A class may do more than load (drop duplicates, prune), so that its `download` runs as it is, and only
`datasets.load_dataset` answers from the data roots meanwhile.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks_lib.code.thread_patches import patched
from tasks_lib.data.datasets import LocalSource, add_content, local_source

# What `load_dataset` makes of files; a class that loads its files by such a builder means its own dataset.
BUILDERS = frozenset({"arrow", "csv", "json", "parquet", "text"})


@dataclass(frozen=True, slots=True)
class LocalData:
    """`load_dataset` for one class: local where a data root has the dataset, otherwise the real one."""

    task: str
    cls: type
    roots: Sequence[Path]

    def in_place(self) -> AbstractContextManager[None]:
        """Replace `datasets.load_dataset`, also where the modules of the class have imported it."""
        import datasets

        modules = [sys.modules[cls.__module__] for cls in self.cls.__mro__ if cls.__module__ in sys.modules]
        return patched(datasets, "load_dataset", self._loader, modules)

    def _loader(self, real: Any) -> Any:
        def load(path: str, name: str | None = None, *args: Any, **options: Any) -> Any:
            local = self._source(path, name)
            if local is None:
                return real(path, name, *args, **options)
            split = options.get("split")
            return _splits(local) if split is None else local.dataset(str(split))

        return load

    def _source(self, path: str, name: str | None) -> LocalSource | None:
        own = getattr(self.cls, "DATASET_PATH", None)
        if path in BUILDERS and own:
            path, name = own, getattr(self.cls, "DATASET_NAME", None)
        return local_source(self.task, path, name, self.roots)


def content_digest(dataset: Any) -> str:
    """The identity of what a class has loaded: splits of a `datasets.Dataset` each, or of any rows."""
    splits = dataset if isinstance(dataset, Mapping) else {"": dataset}
    sha = hashlib.sha256()
    for split in sorted(splits):
        sha.update(f"{split}:".encode())
        if hasattr(splits[split], "with_format"):
            add_content(sha, splits[split])
        else:
            for row in splits[split]:
                sha.update(json.dumps(row, sort_keys=True, default=str).encode())
    return sha.hexdigest()[:32]


def _splits(local: LocalSource) -> Any:
    """What `load_dataset` gives without `split`; a split that is not there is a TaskError that says so."""
    from datasets import DatasetDict

    class Splits(DatasetDict):  # type: ignore[misc]  # datasets is not typed
        def __missing__(self, split: str) -> Any:
            return local.dataset(split)

    return Splits({split: local.dataset(split) for split in local.splits})
