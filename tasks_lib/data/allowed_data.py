"""What data a task file may name that the user has not trusted: of the hub, of data roots, and its own.

A task file decides what is sent to an endpoint. One that comes from somebody else could name any file of the
machine that runs it, and have it sent.
"""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tasks_lib.errors import TaskError
from tasks_lib.value_text import short_repr

# Builders of `datasets` that read files and do nothing else with them.
BUILDERS = frozenset(
    {"csv", "json", "parquet", "text", "arrow", "xml", "imagefolder", "audiofolder", "videofolder"}
)
# Where `datasets` writes, whom it says it is and how it connects is the user's to say.
REFUSED_OPTIONS = frozenset({"cache_dir", "download_config", "storage_options", "token", "use_auth_token"})
_HUB = "hf://"
WAY_OUT = "read the task file, then allow it with --trust-task-code"


@dataclass(frozen=True, slots=True)
class AllowedFiles:
    """The files that a task may read which the user has not trusted: those below `folders`, and the hub's."""

    task: str
    folders: Sequence[Path]

    def check_named(self, path: str, options: Mapping[str, Any]) -> None:
        """Raise TaskError where `datasets.load_dataset(path, **options)` names others."""
        for name in options:
            if name in REFUSED_OPTIONS:
                raise TaskError(
                    f"{self.task}: dataset_kwargs: `{name}` is not for a task file to say; {WAY_OUT}"
                )
        named = [*self._texts(options.get("data_dir")), *self._texts(options.get("data_files"))]
        if path in BUILDERS:
            base = str(options.get("data_dir") or "")
        elif is_builder(path):
            raise TaskError(f"{self.task}: dataset_path {path!r} is no builder of plain files; {WAY_OUT}")
        elif Path(path).exists():
            self.check(path)
            base = path
        else:
            named, base = [one for one in named if not _is_of_hub(one)], ""
        for one in named:
            self.check(one if one == base else os.path.join(base, one))

    def check(self, file: str) -> None:
        """Raise TaskError for a file, pattern or address that leads elsewhere."""
        # What a pattern finds, by links too, and what it would find in time.
        if not _is_of_hub_itself(file):
            self._check([file, *glob.glob(file, recursive=True, include_hidden=True)])

    def check_media(self, file: str) -> None:
        """The same for a file that a document names; the hub's may have been downloaded."""
        if not _is_of_hub_itself(file):
            self._check([file], _downloads())

    def _check(self, files: Sequence[str], others: Sequence[Path] = ()) -> None:
        own = [folder.resolve() for folder in (*self.folders, *others)]
        if _is_address(files[0]) or not all(any(map(_real(one).is_relative_to, own)) for one in files):
            raise TaskError(
                f"{self.task}: {files[0]} is neither of the hub nor below the task file's folder or a data "
                f"root (--data-root); {WAY_OUT}"
            )

    def _texts(self, value: Any) -> Iterator[str]:
        match value:
            case None:
                return
            case str():
                yield value
            case Mapping():
                for inner in value.values():
                    yield from self._texts(inner)
            case list() | tuple():
                for inner in value:
                    yield from self._texts(inner)
            case _:
                raise TaskError(f"{self.task}: dataset_kwargs: {short_repr(value)} is not the name of a file")


def check_names_files(task: str, path: str, options: Mapping[str, Any]) -> None:
    """Raise TaskError for a builder without files: `datasets` goes through all of the current folder."""
    if path in BUILDERS and not (options.get("data_files") or options.get("data_dir")):
        raise TaskError(f"{task}: dataset {path!r} wants `data_files` in dataset_kwargs")


def check_of_hub(task: str, dataset: str, files: Iterable[str]) -> None:
    """Raise TaskError where a dataset of the hub is said to be in files of this machine: its own description
    may say so."""
    for file in files:
        if not _is_address(file):
            raise TaskError(
                f"{task}: the dataset {dataset!r} of the hub names a file of this machine, {file}"
            )


def is_builder(path: str) -> bool:
    """Whether this is the name of a builder of `datasets`, and no dataset."""
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    return path in _PACKAGED_DATASETS_MODULES


def _downloads() -> Sequence[Path]:
    """Where files of the hub are once they are downloaded."""
    from datasets import config
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE), Path(config.DOWNLOADED_DATASETS_PATH)


def _is_of_hub(name: str) -> bool:
    """Whether this names a file in the hub's dataset itself."""
    inside = PurePosixPath(name)
    return not (_is_address(name) or inside.is_absolute() or ".." in inside.parts)


def _is_of_hub_itself(name: str) -> bool:
    return name.startswith(_HUB) and "::" not in name


def _is_address(name: str) -> bool:
    return "://" in name or "::" in name


def _real(file: str) -> Path:
    return Path(file).expanduser().resolve()
