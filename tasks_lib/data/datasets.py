"""Where documents come from: local data roots first, then the Hugging Face hub.

A data root holds `<dataset_path>/<configuration>/<split>.parquet|jsonl`. The configuration is `dataset_name`;
where a task file names none it is `default`, or the only one there is.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from backends.files import sha256_of
from tasks_lib.data.allowed_data import AllowedFiles, check_names_files, check_of_hub, is_builder
from tasks_lib.data.media_documents import documents, named_files, table_documents
from tasks_lib.errors import MissingResource, TaskError
from tasks_lib.files.config import TaskConfig

STARTER_DATA = Path(__file__).resolve().parents[1] / "starter" / "data"
SUFFIXES = (".parquet", ".jsonl")

# Options of `datasets.load_dataset` about how a dataset is made, not which.
_PREPARING = ("num_proc", "verification_mode")

Row = dict[str, Any]


class Source(Protocol):
    """One dataset configuration, split by split."""

    def rows(self, split: str) -> list[Row]:
        """All documents of a split, with None for a missing column."""
        ...

    def dataset(self, split: str) -> Any:
        """The same split as a `datasets.Dataset`, for a task file's own Python."""
        ...

    def digest(self, splits: Sequence[str]) -> str:
        """The identity of those splits' content; splits that do not exist count as such."""
        ...


@dataclass(frozen=True, slots=True)
class LocalSource:
    """Files of one folder, a file a split."""

    task: str
    folder: Path

    def file(self, split: str) -> Path | None:
        if Path(split).name != split:
            return None  # a path, which could lead out of the folder
        files = (self.folder / f"{split}{suffix}" for suffix in SUFFIXES)
        return next((file for file in files if file.is_file()), None)

    @property
    def splits(self) -> list[str]:
        return sorted({path.stem for path in self.folder.iterdir() if path.suffix in SUFFIXES})

    def rows(self, split: str) -> list[Row]:
        file = self._existing(split)
        with self._reading(file):
            if file.suffix == ".jsonl":
                return list(_read_jsonl(file))
            return table_documents(_read_parquet(file))

    def dataset(self, split: str) -> Any:
        from datasets import Dataset, disable_progress_bars

        disable_progress_bars()
        file = self._existing(split)
        with self._reading(file):
            if file.suffix == ".jsonl":
                return Dataset.from_list(list(_read_jsonl(file)))
            return Dataset(_read_parquet(file))

    def digest(self, splits: Sequence[str]) -> str:
        sha = hashlib.sha256()
        for split in sorted(set(splits)):
            file = self.file(split)
            sha.update(f"{split}:{file.suffix if file else None}:".encode())
            sha.update(bytes.fromhex(sha256_of(file)) if file else b"")
        return sha.hexdigest()[:32]

    def _existing(self, split: str) -> Path:
        file = self.file(split)
        if file is None:
            raise MissingResource(self.no_split(split))
        return file

    def no_split(self, split: str) -> str:
        """What is said of a split that is not there."""
        return (
            f"{self.task}: no split {split!r} in {self.folder}; there are: {', '.join(self.splits) or 'none'}"
        )

    @contextmanager
    def _reading(self, file: Path) -> Iterator[None]:
        """Name the file in what a damaged one raises; Arrow's own errors are of these kinds."""
        try:
            yield
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise TaskError(f"{self.task}: cannot read {file}: {error}") from error


@dataclass(frozen=True, slots=True)
class HubSource:
    """A dataset that `datasets.load_dataset` finds: a hub id, or a builder such as `json` with data files.

    allowed: the files that it may be in; None for any.
    """

    task: str
    path: str
    name: str | None
    options: Mapping[str, Any]
    allowed: AllowedFiles | None = None

    def rows(self, split: str) -> list[Row]:
        return documents(self.dataset(split))

    def dataset(self, split: str) -> Any:
        import datasets

        datasets.disable_progress_bars()
        try:
            return self._loaded(split)
        except TaskError:
            raise
        except (OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            wanted = f"{self.path!r} ({self.name or 'default'}, split {split!r})"
            raise MissingResource(
                f"{self.task}: dataset {wanted} is in no data root (--data-root) "
                f"and cannot be loaded from the hub: {reason}"
            ) from error

    def _loaded(self, split: str) -> Any:
        """What `datasets.load_dataset` gives, once it is seen which files it would read: patterns, links and
        the dataset's own description may lead anywhere."""
        import datasets

        preparing = {key: value for key, value in self.options.items() if key in _PREPARING}
        options = {key: value for key, value in self.options.items() if key not in _PREPARING}
        in_memory, streams = options.pop("keep_in_memory", False), options.pop("streaming", False)
        builder = datasets.load_dataset_builder(self.path, self.name, **options)
        self._check_found(builder.config.data_files or {})
        if streams:
            return self._checked(builder.as_streaming_dataset(split=split))
        builder.download_and_prepare(**preparing)
        return self._checked(builder.as_dataset(split=split, in_memory=in_memory))

    def _check_found(self, found: Mapping[str, Sequence[str]]) -> None:
        files = [file for of_split in found.values() for file in of_split]
        if self.allowed is not None:
            for file in files:
                self.allowed.check(file)
        elif not (is_builder(self.path) or Path(self.path).exists() or self.options.get("data_files")):
            check_of_hub(self.task, self.path, files)

    def _checked(self, dataset: Any) -> Any:
        """The dataset, if its rows name no files that they may not."""
        if self.allowed is not None:
            for file in named_files(dataset):
                self.allowed.check_media(file)
        return dataset

    def digest(self, splits: Sequence[str]) -> str:
        sha = hashlib.sha256()
        for split in sorted(set(splits)):
            sha.update(split.encode())
            add_content(sha, self.dataset(split))
        return sha.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """`custom_dataset`: a task file's function that makes the splits."""

    task: str
    splits: Mapping[str, Any]

    def rows(self, split: str) -> list[Row]:
        return documents(self.dataset(split))

    def dataset(self, split: str) -> Any:
        if split not in self.splits:
            raise TaskError(
                f"{self.task}: custom_dataset makes no split {split!r}, only {sorted(self.splits)}"
            )
        return self.splits[split]

    def digest(self, splits: Sequence[str]) -> str:
        sha = hashlib.sha256()
        for split in sorted(set(splits)):
            for row in self.splits.get(split, ()):
                sha.update(json.dumps(row, sort_keys=True, default=str).encode())
        return sha.hexdigest()[:32]


def find_source(config: TaskConfig, roots: Sequence[Path], own_folder: Path | None = None) -> Source:
    """Where the documents of a task are: the first data root that has the dataset, else the hub.

    own_folder: that of a task file which is not trusted. Raises TaskError for files that it may not name.
    """
    if config.dataset_path is None:
        raise TaskError(f"{config.task}: the task file has no dataset_path")
    if local := local_source(config.task, config.dataset_path, config.dataset_name, roots):
        return local
    options = {
        key: value for key, value in (config.dataset_kwargs or {}).items() if key != "trust_remote_code"
    }
    check_names_files(config.task, config.dataset_path, options)
    allowed = None if own_folder is None else AllowedFiles(config.task, (own_folder, *roots))
    if allowed is not None:
        allowed.check_named(config.dataset_path, options)
    return HubSource(config.task, config.dataset_path, config.dataset_name, options, allowed)


def local_source(task: str, path: str, name: str | None, roots: Sequence[Path]) -> LocalSource | None:
    """The dataset in the first data root that has it."""
    for root, folder in _folders((*roots, STARTER_DATA), path, name):
        # By its name: a task file must not lead out of the root, a link that the root's owner made may.
        if folder.is_dir() and Path(os.path.normpath(folder)).is_relative_to(os.path.normpath(root)):
            return LocalSource(task, folder)
    return None


def _folders(roots: Sequence[Path], dataset: str, name: str | None) -> Iterator[tuple[Path, Path]]:
    """Where a dataset may be, with the root: as `datasets` does, an only configuration needs no name."""
    for root in roots:
        yield root, root / dataset / (name or "default")
    for root in roots if name is None else ():
        there = {file.parent for suffix in SUFFIXES for file in (root / dataset).glob(f"*/*{suffix}")}
        if len(there) == 1:
            yield root, there.pop()


def add_content(sha: "hashlib._Hash", dataset: Any) -> None:
    """Add the rows of a `datasets.Dataset` to a digest."""
    for batch in dataset.with_format("arrow").iter(1000):
        sha.update(batch.combine_chunks().to_batches()[0].serialize())


def _read_parquet(file: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(file)


def _read_jsonl(file: Path) -> Iterator[Row]:
    rows = []
    with file.open(encoding="utf-8-sig") as lines:  # some editors write a byte order mark
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows.append(_parse(line, number))
    columns = dict.fromkeys(key for row in rows for key in row)
    for row in rows:
        yield {column: row.get(column) for column in columns}


def _parse(line: str, number: int) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is not a JSON object")
    return row
