"""What data a task file may name that the user has not trusted: of the hub, of data roots, and its own.

A task file decides what is sent to an endpoint. One that comes from somebody else could name any file of the
machine that runs it, and have it sent.
"""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tasks_lib.errors import TaskError

# Builders of `datasets` that read files and do nothing else with them.
BUILDERS = frozenset(
    {"csv", "json", "parquet", "text", "arrow", "xml", "imagefolder", "audiofolder", "videofolder"}
)
# Where `datasets` writes, whom it says it is and how it connects is the user's to say.
REFUSED_OPTIONS = frozenset({"cache_dir", "download_config", "storage_options", "token", "use_auth_token"})
_HUB = "hf://"
_WAY_OUT = "read the task file, then allow it with --trust-task-code"


def check_data(task: str, path: str, options: Mapping[str, Any], folders: Sequence[Path]) -> None:
    """Raise TaskError where `datasets.load_dataset(path, **options)` would read more than a task may.

    folders: those whose files it may read.
    """
    for name in options:
        if name in REFUSED_OPTIONS:
            raise TaskError(f"{task}: dataset_kwargs: `{name}` is not for a task file to say; {_WAY_OUT}")
    named = list(_texts([options.get("data_dir"), options.get("data_files")]))
    if path in BUILDERS:
        if not named:
            raise TaskError(f"{task}: dataset_path {path!r} wants `data_files` in dataset_kwargs")
        base = str(options.get("data_dir") or "")
    elif _is_builder(path):
        raise TaskError(f"{task}: dataset_path {path!r} is no builder of plain files; {_WAY_OUT}")
    elif Path(path).exists():
        _check_file(task, path, folders)
        base = path
    else:
        named, base = [one for one in named if not _is_of_hub(one)], ""
    for one in named:
        _check_file(task, one if one == base else os.path.join(base, one), folders)


def _is_of_hub(name: str) -> bool:
    """Whether this names a file in the hub's dataset itself."""
    inside = PurePosixPath(name)
    return not (_is_address(name) or inside.is_absolute() or ".." in inside.parts)


def _is_address(name: str) -> bool:
    return "://" in name or "::" in name


def _is_builder(path: str) -> bool:
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    return path in _PACKAGED_DATASETS_MODULES


def _texts(value: Any) -> Iterator[str]:
    match value:
        case None:
            return
        case Mapping():
            for inner in value.values():
                yield from _texts(inner)
        case list() | tuple():
            for inner in value:
                yield from _texts(inner)
        case _:
            yield str(value)


def _check_file(task: str, name: str, folders: Sequence[Path]) -> None:
    if name.startswith(_HUB) and "::" not in name:
        return
    own = [folder.resolve() for folder in folders]
    # What a pattern finds, by links too, and what it would find in time.
    files = [name, *glob.glob(name, recursive=True, include_hidden=True)]
    if _is_address(name) or not all(any(_real(file).is_relative_to(one) for one in own) for file in files):
        raise TaskError(
            f"{task}: {name} is neither of the hub nor below the task file's folder or a data root "
            f"(--data-root); {_WAY_OUT}"
        )


def _real(file: str) -> Path:
    return Path(file).expanduser().resolve()
